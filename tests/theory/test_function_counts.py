"""Degrees, fibres and learning degrees of neurovarieties against numbers from the literature."""

import math
import re

import numpy as np
import pytest

import theory as th
from theory import AveragePool, Convolution, Dense, Flatten
from theory.loops import IncompleteError, TooManyPointsError, find_all


def neurovariety(widths, activation=2, bias=False):
    act = th.monomial(activation) if isinstance(activation, int) else th.PolynomialActivation(activation)
    return th.PolynomialNetwork(widths, act, bias).neurovariety()


def convolutional(*layers, width):
    return th.PolynomialNetwork.from_layers(layers, input_shape=(1, 1, width)).neurovariety()


# ---- degree


@pytest.mark.parametrize(("m", "h", "n"), [(3, 1, 3), (3, 2, 3), (4, 2, 3), (2, 1, 3), (2, 3, 2)])
def test_linear_networks_have_the_degrees_of_determinantal_varieties(m, h, n):
    """m x n matrices of rank at most r: prod over i < n - r of C(m + i, r) / C(r + i, r).

    Source: J. Harris, "Algebraic Geometry", Example 19.10.
    """
    r = min(m, h, n)
    expected = math.prod(math.comb(m + i, r) for i in range(n - r)) // math.prod(
        math.comb(r + i, r) for i in range(n - r)
    )
    assert neurovariety((m, h, n), 1).degree() == expected


@pytest.mark.parametrize(("n", "power"), [(2, 2), (3, 2), (3, 3), (2, 5)])
def test_one_hidden_unit_has_the_degree_of_a_veronese_variety(n, power):
    assert neurovariety((n, 1, 1), power).degree() == power ** (n - 1)


@pytest.mark.parametrize(("n", "r"), [(3, 2), (4, 2), (4, 3)])
def test_squares_have_the_degrees_of_symmetric_matrices_of_bounded_rank(n, r):
    """prod over a < n - r of C(n + a, n - r - a) / C(2 a + 1, a).

    Source: J. Harris, L. Tu, "On symmetric and skew-symmetric determinantal varieties" (1984).
    """
    above = math.prod(math.comb(n + a, n - r - a) for a in range(n - r))
    below = math.prod(math.comb(2 * a + 1, a) for a in range(n - r))
    assert neurovariety((n, r, 1)).degree() == above // below


@pytest.mark.parametrize(("h", "power"), [(2, 4), (2, 5), (2, 6), (3, 6)])
def test_binary_powers_have_the_degrees_of_secants_of_rational_normal_curves(h, power):
    """C(d - h + 1, h), for Hankel matrices. Source: D. Eisenbud, "Linear sections of determinantal
    varieties" (1988)."""
    assert neurovariety((2, h, 1), power).degree() == math.comb(power - h + 1, h)


@pytest.mark.parametrize(("widths", "power", "degree"), [
    ((3, 2, 1), 3, 15), ((3, 2, 1), 4, 75),  # double point formula for the Veronese surfaces: (d^2-10d-5HK-2K^2+12)/2
    ((3, 3, 1), 3, 4),  # Aronhold's invariant of plane cubics
    ((3, 5, 1), 4, 6),  # Clebsch: quartics that are sums of five powers, the catalecticant
    ((2, 2, 3), 2, 3),  # the determinant of three quadratic forms. Source: Kileel, Trager, Bruna (2019)
])  # fmt: skip
def test_classical_hypersurfaces_and_surfaces_have_their_degrees(widths, power, degree):
    assert neurovariety(widths, power).degree() == degree


def test_a_bias_behind_one_square_projects_the_veronese_surface_from_one_of_its_points():
    """v (a x + b y + c)^2 + d: the cone over the surface of degree 4, from its point 1."""
    assert neurovariety((2, 1, 1), 2, True).degree() == 4 - 1


@pytest.mark.parametrize(("widths", "activation", "bias"), [
    ((2, 3, 1), 2, False), ((3, 4, 1), 3, False), ((2, 2, 2), 2, False), ((1, 2, 1), [0, 1, 0, 1], True),
])  # fmt: skip
def test_a_network_that_fills_its_space_has_degree_1_and_one_critical_point(widths, activation, bias):
    found = neurovariety(widths, activation, bias)
    assert found.fills
    assert (found.degree(), found.learning_degree()) == (1, 1)


def test_the_degree_does_not_depend_on_the_seed():
    found = neurovariety((3, 2, 1), 3)
    assert {found.degree(seed=seed) for seed in range(4)} == {15}


# ---- learning degree


@pytest.mark.parametrize(("m", "h", "n"), [(3, 1, 3), (3, 2, 3), (4, 2, 3), (2, 1, 2)])
def test_linear_networks_have_the_critical_points_of_eckart_and_young(m, h, n):
    """C(min(m, n), h): a choice of singular values. Source: Draisma et al., "The Euclidean distance degree" (2016)."""
    assert neurovariety((m, h, n), 1).learning_degree() == math.comb(min(m, n), h)


@pytest.mark.parametrize(("n", "power"), [(2, 2), (2, 3), (2, 4), (3, 2), (4, 2)])
def test_one_hidden_unit_has_the_generic_distance_degree_of_the_veronese_variety(n, power):
    """((2 l - 1)^n - (l - 1)^n) / l. Source: Draisma et al. (2016), section 7."""
    expected = ((2 * power - 1) ** n - (power - 1) ** n) // power
    assert neurovariety((n, 1, 1), power).learning_degree() == expected


def test_sums_of_two_ternary_squares_have_13_critical_points():
    """Generic distance degree of symmetric 3 x 3 matrices of rank at most 2.

    Source: Ottaviani, Spaenlehauer, Sturmfels, "Exact solutions in structured low-rank approximation" (2014).
    """
    assert neurovariety((3, 2, 1)).learning_degree() == 13


# ---- networks on images


def segre_veronese(kernels, power):
    """Dimension, degree and generic distance degree of P^(k_1 - 1) x ... in O(l^(L-1), ..., l, 1), for two factors.

    The last is sum over i of (-1)^i (2^(n + 1 - i) - 1) deg c_i, c the Chern classes of the tangent bundle.
    """
    (a, b), d = (k - 1 for k in kernels), power
    n = a + b

    def degree_of_class(i):  # of h1^p h2^(i - p) in c_i, times (d h1 + h2)^(n - i)
        total = 0
        for p in range(i + 1):
            q = i - p
            if p <= a and q <= b:
                weight = math.comb(a + 1, p) * math.comb(b + 1, q)
                total += weight * math.comb(n - i, a - p) * d ** (a - p)
        return total

    distance = sum((-1) ** i * (2 ** (n + 1 - i) - 1) * degree_of_class(i) for i in range(n + 1))
    return n + 1, math.comb(n, a) * d**a, distance


@pytest.mark.parametrize(("kernels", "power"), [((2, 2), 2), ((2, 3), 2), ((3, 2), 2), ((2, 2), 3)])
def test_polynomial_convolutional_networks_are_segre_veronese_varieties(kernels, power):
    """Source: V. Shahverdi, G. Marchetti, K. Kohn, "On the geometry and optimization of polynomial convolutional
    networks" (2024): dimension, degree, and the number of critical points for large generic data."""
    first, second = kernels
    found = convolutional(
        Convolution(1, 1, (1, first), bias=False), th.monomial(power), Convolution(1, 1, (1, second), bias=False),
        width=first + second - 1,
    )  # fmt: skip
    dimension, degree, distance = segre_veronese(kernels, power)
    assert (found.dimension, found.degree()) == (dimension, degree)
    assert found.learning_degree() == distance
    assert found.generic_fibre().points == 1


def test_linear_convolutional_networks_of_stride_1_factor_polynomials():
    """A cubic is a linear times a quadratic factor in three ways. Source: Kohn, Merkh, Montufar, Trager (2022)."""
    found = convolutional(
        Convolution(1, 1, (1, 2), bias=False), Convolution(1, 1, (1, 3), bias=False), width=4
    )  # fmt: skip
    assert (found.fills, found.generic_fibre().points) == (True, 3)


def test_linear_convolutional_networks_of_larger_stride_are_segre_varieties():
    """Critical points: the generic distance degree of 2 x 2 matrices of rank 1, 6 where Eckart and Young have 2.

    Source: V. Shahverdi, "Algebraic complexity and neurovariety of linear convolutional networks" (2024).
    """
    layers = (Convolution(1, 1, (1, 2), stride=2, bias=False), Convolution(1, 1, (1, 2), bias=False))
    found = convolutional(*layers, width=4)
    assert (found.degree(), found.learning_degree()) == (2, 6)


def test_monomials_of_a_network_on_images_are_those_that_a_kernel_sees():
    """(u x + v y)^2 and (u y + v z)^2 make 6 - 1 monomials of x, y, z: x z is in none."""
    layers = (Convolution(1, 1, (1, 2), bias=False), th.monomial(2), AveragePool((1, 2)), Flatten(), Dense(1, 1, False))
    assert convolutional(*layers, width=3).ambient_dimension == 5


# ---- fibres


@pytest.mark.parametrize(("widths", "activation", "bias", "points", "classes"), [
    ((2, 2, 1), 3, False, 2, 1),  # Sylvester: a binary cubic is a sum of two cubes in one way
    ((2, 2, 2), 2, False, 2, 1),  # two quadratic forms have one common diagonal form
    ((3, 3, 1), 3, False, 6, 1),  # three cubes: Kruskal
    ((3, 2, 3), 1, False, 1, 1),  # one orbit of GL(2)
    ((3, 2, 3), 1, True, 1, 1),  # and of the shifts
    ((2, 2, 1), [0, 1, 0, 1], True, 8, 4),  # an odd activation: two signs
    ((2, 2, 1), [1, 2, 3, 4], False, 2, 1),
])  # fmt: skip
def test_generic_fibres_are_orbits_where_decompositions_are_unique(widths, activation, bias, points, classes):
    found = neurovariety(widths, activation, bias).generic_fibre()
    assert found.is_finite
    assert (found.points, found.classes) == (points, classes)
    assert re.search(r"^numerical: .* is not proved$", found.reason)


@pytest.mark.parametrize("seed", range(12))
def test_generic_fibres_do_not_depend_on_the_seed(seed):
    """Weights fixed at random near 0 once sent others to 10^6; 8 loops once met one of two points only."""
    shallow, deep = neurovariety((2, 2, 2), 2), neurovariety((2, 2, 2, 2), 2)
    assert (shallow.generic_fibre(seed).points, shallow.generic_fibre(seed).classes) == (2, 1)
    if seed in (2, 5):
        assert (deep.generic_fibre(seed).points, deep.generic_fibre(seed).classes) == (4, 1)


def test_half_a_fibre_is_refused(monkeypatch):
    from theory import function_counts

    monkeypatch.setattr(function_counts, "_sizes_of_fibres", lambda functions: [3, 3])
    with pytest.raises(IncompleteError, match=r"fibres of 3 points .* a multiple of the 2 permutations"):
        neurovariety((2, 2, 2), 2).generic_fibre()


@pytest.mark.parametrize(("widths", "power", "dimension"), [((2, 2, 1), 2, 3), ((3, 4, 1), 3, 6), ((2, 3, 2), 2, 6)])
def test_fibres_larger_than_the_symmetries_are_not_counted(widths, power, dimension):
    found = neurovariety(widths, power).generic_fibre()
    assert not found.is_finite
    assert (found.dimension, found.points, found.classes) == (dimension, None, None)


# ---- where it ends


def test_too_many_points_are_refused_with_the_bound():
    with pytest.raises(TooManyPointsError, match=r"more than 5 points, at most 4\^6 by Bezout's count.*max_points"):
        neurovariety((3, 2, 1), 3).degree(max_points=5)


def test_larger_networks_are_counted_up_to_fewer_points_by_default(monkeypatch):
    from theory import function_counts

    monkeypatch.setattr(function_counts, "MAX_WORK", 20_000)
    with pytest.raises(TooManyPointsError, match=r"more than \d+ points, at most 4\^6 by Bezout's count.*max_points"):
        neurovariety((3, 2, 1), 3).degree()
    assert (
        neurovariety((3, 2, 1), 3).degree(max_points=100) == 15
    )  # sums of two cubes: the secants of the Veronese surface


def test_too_large_networks_are_refused_at_once():
    with pytest.raises(ValueError, match="counted up to 20,000 coefficients times weights, this one has"):
        neurovariety((8, 8, 4), 3).degree()


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"seed": 1.5}, {"max_points": 0}, {"max_points": 2.5}])
@pytest.mark.parametrize("count", ["degree", "learning_degree", "generic_fibre"])
def test_bad_arguments_are_refused(count, arguments):
    with pytest.raises((ValueError, TypeError), match=r"seed|max_points"):
        getattr(neurovariety((2, 1, 1)), count)(**arguments)


def test_progress_says_what_to_expect_first():
    said = []
    neurovariety((2, 2, 1), 4).degree(progress=lambda done, total, text: said.append(text))
    assert said[0] == "at most 5^4 by Bezout's count"
    assert said[-1].startswith("3 points after")


def test_a_set_without_the_affine_sum_is_not_called_complete(monkeypatch):
    """The points x of x^2 = c have sum 0, their inverses 0 as well, but one over x - 1 sums to 2 / (c - 1)."""
    from theory import loops
    from theory.continuation.tape import Recorder

    monkeypatch.setattr(loops, "MAX_LOOPS", 20)
    recorder = Recorder(1)
    (c,) = recorder.parameters(1)
    (x,) = recorder.unknowns
    tape, start = recorder.tape([x * x - c]), (np.array([4.0 + 0j]), np.array([2.0 + 0j]))
    assert len(find_all(tape, *start, lambda p: p, 0, max_points=9).points) == 2
    with pytest.raises(IncompleteError, match="do not pass the trace test"):
        find_all(tape, *start, lambda p: 1 / (p - 1), 0, max_points=9)
