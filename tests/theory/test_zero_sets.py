"""Numerical irreducible decompositions with answers from the literature."""

from dataclasses import replace
from fractions import Fraction
from itertools import combinations, pairwise
from math import comb, prod

import numpy as np
import pytest
import sympy as sp

import theory as th
from tests import known_systems
from theory.systems import PolynomialSystem
from theory.witness_sets import irreducible_components
from theory.zero_sets import TooManyPathsError, relative_residual, zero_set

x, y, z, w = sp.symbols("x y z w")
SPHERE = x**2 + y**2 + z**2 - 1
HALF = sp.Rational(1, 2)


def minors(rows, columns, size):
    """All minors of this size of a generic matrix: the matrices of rank < size."""
    entries = sp.symbols(f"m:{rows * columns}")
    matrix = sp.Matrix(rows, columns, entries)
    picks = [(i, j) for i in combinations(range(rows), size) for j in combinations(range(columns), size)]
    return PolynomialSystem([matrix.extract(list(i), list(j)).det() for i, j in picks], entries)


def adjacent_minors(columns):
    top, bottom = sp.symbols(f"a:{columns}"), sp.symbols(f"b:{columns}")
    pairs = pairwise(zip(top, bottom, strict=True))
    return PolynomialSystem([a * d - b * c for (a, b), (c, d) in pairs], top + bottom)


def adjacent_pieces(columns):
    """Where some inner columns vanish, no two of them neighbours, each stretch of L columns between has rank 1: its
    degree is L, and every piece has dimension n + 1. Source: P. Diaconis, D. Eisenbud, B. Sturmfels (1998)."""
    pieces = []
    for count in range(columns):
        for zero in combinations(range(1, columns - 1), count):
            ends = [-1, *zero, columns]
            stretches = [b - a - 1 for a, b in pairwise(ends)]
            if all(stretches):
                pieces.append((columns + 1, prod(stretches), 1))
    return pieces


def rank_degree(rows, columns, rank):
    """Of the matrices of rank <= r. Source: J. Harris, L. Tu, Topology 23 (1984); Giambelli."""
    ratios = [Fraction(comb(columns + i, rank), comb(rank + i, rank)) for i in range(rows - rank)]
    return int(prod(ratios))


def linear_network():
    """A B = I for 2 x 2 matrices."""
    a, b = sp.symbols("a:4"), sp.symbols("b:4")
    return PolynomialSystem(list(sp.Matrix(2, 2, a) * sp.Matrix(2, 2, b) - sp.eye(2)), a + b)


CYCLIC_4 = [
    x + y + z + w,
    x * y + y * z + z * w + w * x,
    x * y * z + y * z * w + z * w * x + w * x * y,
    x * y * z * w - 1,
]

KNOWN = {  # name: system, [(dimension, degree, multiplicity), ...]
    "twisted cubic": (PolynomialSystem([x**2 - y, x**3 - z], [x, y, z]), [(1, 3, 1)]),
    "cyclic-4: two conics": (PolynomialSystem(CYCLIC_4, [x, y, z, w]), [(1, 2, 1), (1, 2, 1)]),
    "adjacent minors 2 x 3": (adjacent_minors(3), [(4, 1, 1), (4, 3, 1)]),
    "adjacent minors 2 x 4": (adjacent_minors(4), [(5, 2, 1), (5, 2, 1), (5, 4, 1)]),
    "3 x 3 of rank 1": (minors(3, 3, 2), [(5, 6, 1)]),
    "3 x 3 of rank 2": (minors(3, 3, 3), [(8, 3, 1)]),
    "plane, line and point": (
        PolynomialSystem(
            [x * (x - 1) * (x - 2), x * (x - 2) * y, x * (x - 1) * (x * y - y + z), x * (x - 1) * y], [x, y, z]
        ),
        [(2, 1, 1), (1, 1, 1), (0, 1, 1)],
    ),
    "sphere, four curves and a point": (
        PolynomialSystem(
            [
                (y - x**2) * SPHERE * (x - HALF),
                (z - x**3) * SPHERE * (y - HALF),
                (y - x**2) * (z - x**3) * SPHERE * (z - HALF),
            ],
            [x, y, z],
        ),
        [(2, 2, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1), (1, 3, 1), (0, 1, 1)],
    ),
    "double parabola": (PolynomialSystem([x**2 - y, z**2], [x, y, z]), [(1, 2, 2)]),
    "a double and a triple line": (PolynomialSystem([x**2 * y**3], [x, y]), [(1, 1, 2), (1, 1, 3)]),
    "double plane and line": (PolynomialSystem([x**2 * (x - 1), x**2 * y], [x, y, z]), [(2, 1, 2), (1, 1, 1)]),
    "double plane and point": (
        PolynomialSystem([x**2 * (x - 1), x**2 * y, x**2 * z], [x, y, z]),
        [(2, 1, 2), (0, 1, 1)],
    ),
    "doubled circle and line": (PolynomialSystem([(x**2 + y**2 - 1) ** 2 * (x - 3)], [x, y]), [(1, 1, 1), (1, 2, 2)]),
    "two doubled circles": (
        PolynomialSystem([(x**2 + y**2 - 1) ** 2 * ((x - 4) ** 2 + y**2 - 1) ** 2], [x, y]),
        [(1, 2, 2), (1, 2, 2)],
    ),
    "doubled twisted cubic": (PolynomialSystem([(x**2 - y) ** 2, x**3 - z], [x, y, z]), [(1, 3, 2)]),
    "twisted cubic by the square of its ideal": (
        PolynomialSystem([(x**2 - y) ** 2, (x**2 - y) * (x**3 - z), (x**3 - z) ** 2], [x, y, z]),
        [(1, 3, 3)],  # 1, x and y are a basis of the functions on the square of the ideal (x, y)
    ),
    "a doubled cusp and two lines": (
        PolynomialSystem([x**2 + y**2 - z**3, z * x**2], [x, y, z]),
        [(1, 1, 1), (1, 1, 1), (1, 3, 2)],
    ),
    "two multiple points": (PolynomialSystem([x**2 * (x - 1) ** 3], [x]), [(0, 1, 2), (0, 1, 3)]),
    "A B = I": (linear_network(), [(4, 8, 1)]),
    "circle and line": (PolynomialSystem([x**2 + y**2 - 1, x - y], [x, y]), [(0, 1, 1), (0, 1, 1)]),
    "a circle of radius 1 seen from afar": (PolynomialSystem([(x - 10_000) ** 2 + y**2 - 1], [x, y]), [(1, 2, 1)]),
    "a line with an embedded point": (PolynomialSystem([x**2, x * y], [x, y]), [(1, 1, 1)]),
    "two lines with an embedded point": (PolynomialSystem([x * y**2, x**2 * y], [x, y]), [(1, 1, 1), (1, 1, 1)]),
    "two points with all tangents": (
        PolynomialSystem([x**2 * (x - 1) ** 2, x * (x - 1) * y, y**2], [x, y]),
        [(0, 1, 3), (0, 1, 3)],
    ),
    "doubled circles and doubled lines": (
        PolynomialSystem([(x**2 + y**2 - 1) ** 2, z * (z - 1) * (x - y)], [x, y, z]),
        [(1, 1, 2), (1, 1, 2), (1, 2, 2), (1, 2, 2)],
    ),
    "a space, a plane and two lines": (  # x = 0; x = 1, y = 0; x = 2, z + w = 1 and y = 0 or z = w
        PolynomialSystem(
            [x * (x - 1) * (x - 2), x * y * (x - 2), x * (x - 1) * (z + w - 1), x * y * (w - z)], [x, y, z, w]
        ),
        [(3, 1, 1), (2, 1, 1), (1, 1, 1), (1, 1, 1)],
    ),
    "overdetermined": (PolynomialSystem([x**2 - 1, y**2 - 1, x * y - 1], [x, y]), [(0, 1, 1), (0, 1, 1)]),
}


@pytest.mark.parametrize(("system", "pieces"), KNOWN.values(), ids=KNOWN)
def test_components_of_known_sets(system, pieces):
    found = zero_set(system, seed=1)
    assert sorted((c.dimension, c.degree, c.multiplicity) for c in found.components) == sorted(pieces)
    assert found.dimension == max(d for d, _, _ in pieces)
    assert found.degree == sum(degree for d, degree, _ in pieces if d == found.dimension)
    assert all(c.trace_residual < 1e-8 for c in found.components if c.dimension)
    assert all(c.trace_residual is None for c in found.components if not c.dimension)
    assert all(c.is_split for c in found.components)
    assert relative_residual(system, found.points).max() < 1e-9


MULTIPLE = [name for name, (_, pieces) in KNOWN.items() if any(m > 1 and d for d, _, m in pieces)]


@pytest.mark.parametrize("name", MULTIPLE)
def test_multiple_components_are_sampled_and_know_their_points(name):
    system = KNOWN[name][0]
    found = zero_set(system, seed=2)
    for component in found.components:
        others = [c for c in found.components if c is not component]
        for point in component.sample(3, seed=4):
            assert relative_residual(system, point[None])[0] < 1e-12
            assert component.contains(point)
            assert not any(other.contains(point) for other in others)
        assert not component.contains(np.full(system.n_unknowns, 0.37))


ZERO_TARGETS = {  # the targets are 0: name, widths, power, inputs, whether of the gradient, pieces
    "v (w x)^2": ((1, 1, 1), 2, [[2]], False, [(1, 1, 1), (1, 1, 2)]),
    "v (w x)^3": ((1, 1, 1), 3, [[2]], False, [(1, 1, 1), (1, 1, 3)]),
    "u (v (w x)^2)^2": ((1, 1, 1, 1), 2, [[1]], False, [(2, 1, 1), (2, 1, 2), (2, 1, 4)]),
    "v w1^2, v w2^2": ((2, 1, 1), 2, [[1, 0], [0, 1]], False, [(1, 1, 4), (2, 1, 1)]),
    "gradient of v^2 w^4": ((1, 1, 1), 2, [[1], [2]], True, [(1, 1, 1), (1, 1, 3)]),
}


@pytest.mark.parametrize(("widths", "power", "X", "critical", "pieces"), ZERO_TARGETS.values(), ids=ZERO_TARGETS)
def test_zero_error_weights_of_targets_0_are_multiple(widths, power, X, critical, pieces):
    network = th.PolynomialNetwork(widths, th.monomial(power), bias=False)
    make = network.critical_system if critical else network.interpolation_system
    found = th.zero_set(make(X, [0] * len(X)), seed=0)
    assert sorted((c.dimension, c.degree, c.multiplicity) for c in found.components) == pieces
    assert all(c.is_split for c in found.components)


def test_multiple_weights_of_a_network_are_told_apart():
    """v (w x)^2 = 0: w = 0 twice, v = 0 once; whatever the data."""
    network = th.PolynomialNetwork((1, 1, 1), th.monomial(2), bias=False)
    found = th.zero_set(network.interpolation_system([[2]], [0]), seed=0)
    double = next(c for c in found.components if c.multiplicity == 2)
    assert double.contains([0, 3])
    assert not double.contains([1, 0])


@pytest.mark.parametrize(
    "equations",
    [[x + y - 1, x + y - 2], [x * y - 1, x], [x**2 + y, x**2 + y + 1, x * y], [x * y - 1, x**2 * y**2 - 2]],
)
def test_inconsistent_equations_have_an_empty_set_and_it_says_why(equations):
    found = zero_set(PolynomialSystem(equations, [x, y]))
    assert (found.dimension, found.degree, found.components) == (-1, 0, ())
    assert "without a common zero" in found.reason
    with pytest.raises(ValueError, match="empty"):
        found.sample(3)


@pytest.mark.parametrize("size", [sp.Rational(1, 10**14), sp.Rational(1, 10**400), 10**14])
def test_the_size_of_an_equation_does_not_matter(size):
    hyperbola = zero_set(PolynomialSystem([size * (x * y - 1)], [x, y]))
    assert hyperbola.contains([2, 0.5])
    assert not hyperbola.contains([1, 5])
    assert len(hyperbola.real_components()) == 2
    points = zero_set(PolynomialSystem([x**2 - 1, size * (y**2 - 4)], [x, y]))
    assert [(c.dimension, c.degree) for c in points.components] == [(0, 1)] * 4


@pytest.mark.parametrize("columns", [3, 4, 5])
def test_adjacent_minors_fall_into_the_known_pieces(columns):
    found = zero_set(adjacent_minors(columns), seed=0)
    assert sorted((c.dimension, c.degree, c.multiplicity) for c in found.components) == sorted(adjacent_pieces(columns))


@pytest.mark.parametrize(("rows", "columns", "rank"), [(2, 3, 1), (2, 4, 1), (3, 3, 2), (3, 4, 2)])
def test_matrices_of_bounded_rank_have_the_known_dimension_and_degree(rows, columns, rank):
    found = zero_set(minors(rows, columns, rank + 1), seed=0)
    dimension = rank * (rows + columns - rank)
    assert [(c.dimension, c.degree) for c in found.components] == [(dimension, rank_degree(rows, columns, rank))]


@pytest.mark.parametrize(("n", "paths"), [(8, 15_384), (9, 70_884)])
def test_large_cyclic_systems_say_how_many_paths_they_need(n, paths):
    """Fewer than by Bezout's numbers: 109,600 and 986,409."""
    system = PolynomialSystem.from_polynomials(known_systems.cyclic(n), known_systems.names(n))
    with pytest.raises(TooManyPathsError, match=f"needs {paths} paths"):
        zero_set(system, max_paths=10_000)


def test_a_network_of_many_weights_is_decomposed_as_long_as_its_paths_are_few():
    """12 weights, 4 points: W^T diag(v) W = M for the symmetric M of a linear space, 2 of 6 dimensions."""
    network = th.PolynomialNetwork((3, 3, 1), th.monomial(2), bias=False)
    found = zero_set(network.interpolation_system([[1, 2, 0], [0, 1, -1], [3, 0, 1], [1, 1, 2]], [1, -2, 3, 1]), seed=0)
    (piece,) = found.components
    assert (piece.dimension, piece.multiplicity, piece.is_split) == (12 - 4, 1, True)
    assert piece.degree <= 3**4
    w = piece.sample(1, seed=1)[0]
    swapped = np.concatenate([w[3:6], w[:3], w[6:9], w[[10, 9, 11]]])
    assert piece.contains(swapped)  # the first two units exchanged


def test_two_points_that_no_network_of_even_units_tells_apart_are_refuted():
    """x and -x with different targets."""
    network = th.PolynomialNetwork((3, 3, 1), th.monomial(2), bias=False)
    found = zero_set(network.interpolation_system([[3, 2, 5], [1, 0, 1], [-3, -2, -5]], [1, 2, 3]), seed=0)
    assert (found.dimension, "without a common zero" in found.reason) == (-1, True)


def test_the_same_seed_gives_the_same_points():
    system = KNOWN["twisted cubic"][0]
    assert np.array_equal(zero_set(system, seed=4).points, zero_set(system, seed=4).points)


def test_samples_lie_on_the_set_and_on_their_component():
    system = KNOWN["adjacent minors 2 x 3"][0]
    found = zero_set(system)
    points = found.sample(7, seed=2)
    assert points.shape == (7, 6)
    assert relative_residual(system, points).max() < 1e-12
    for component in found.components:
        others = [c for c in found.components if c is not component]
        for point in component.sample(2, seed=5):
            assert component.contains(point)
            assert not any(other.contains(point) for other in others)


def test_real_samples_are_real():
    points = zero_set(PolynomialSystem([SPHERE], [x, y, z])).sample(20, real=True)
    assert points.dtype == np.float64
    assert np.allclose(np.sum(points**2, axis=1), 1)


def test_a_set_without_real_points_says_so():
    found = zero_set(PolynomialSystem([x**2 + y**2 + 1], [x, y]))
    assert found.dimension == 1
    with pytest.raises(ValueError, match="real points"):
        found.sample(1, real=True)


def test_membership_tells_components_apart_at_singular_points_too():
    """The origin lies on both lines of x y = 0; on the nodal cubic it is the node."""
    lines = zero_set(PolynomialSystem([x * y], [x, y]))
    assert [c.contains([0, 0]) for c in lines.components] == [True, True]
    assert sorted(c.contains([0, 5]) for c in lines.components) == [False, True]
    node = zero_set(PolynomialSystem([y**2 - x**2 * (x + 1)], [x, y]))
    assert node.components[0].contains([0, 0])
    assert node.components[0].contains([3, 6])
    assert not node.components[0].contains([3, 6.1])
    assert node.contains([3, 6])
    assert not node.contains([3, 6.1])


def test_a_missing_witness_point_is_found_by_monodromy():
    whole = zero_set(KNOWN["A B = I"][0]).components[0]._witness
    short = replace(whole, points=whole.points[:3])
    [(part, residual)] = irreducible_components(short, np.random.default_rng(0))
    assert len(part.points) == 8
    assert residual < 1e-8


def test_the_trace_test_fails_for_an_incomplete_set():
    whole = zero_set(KNOWN["A B = I"][0]).components[0]._witness
    short = replace(whole, points=whole.points[:7])
    assert min(residual for _, residual in irreducible_components(short, np.random.default_rng(0), loops=0)) > 1e-4


def test_too_many_paths_are_counted_before_anything_is_tracked():
    """By Bezout's numbers there are 1022."""
    with pytest.raises(TooManyPathsError, match="needs 292 paths"):
        zero_set(minors(3, 3, 2), max_paths=291)


@pytest.mark.parametrize("text", ["2\nx+y-1;\n2*x+2*y-2;", "2\nx^2-y^2;\nx-y;", "2\nx-y;\nx^4-2*x^2*y^2+y^4;"])
def test_equations_that_follow_from_each_other_leave_a_line(text):
    found = zero_set(PolynomialSystem.parse(text))
    assert [(c.dimension, c.degree, c.multiplicity) for c in found.components] == [(1, 1, 1)]


@pytest.mark.parametrize("real", [False, True])
def test_no_points_are_an_empty_sample_and_fewer_are_refused(real):
    for found in (
        zero_set(PolynomialSystem.parse("2 3\nx^2-y;x^3-z;")),
        zero_set(PolynomialSystem.parse("1\nx^2;")),
    ):
        assert found.sample(0, real=real).shape == (0, found.system.n_unknowns)
        with pytest.raises(ValueError, match="0 or more, got -1"):
            found.sample(-1, real=real)
    component = zero_set(PolynomialSystem.parse("2 3\nx^2-y;x^3-z;")).components[0]
    assert component.sample(0).shape == (0, 3)
    with pytest.raises(ValueError, match="0 or more, got -1"):
        component.sample(-1)


def test_a_bad_point_is_refused():
    with pytest.raises(ValueError, match="shape"):
        zero_set(PolynomialSystem([x * y - 1], [x, y])).contains([1, 2, 3])


def test_groups_that_loops_do_not_join_are_joined_by_their_traces():
    """With these slices forty loops leave one irreducible curve of degree 6 in two halves."""
    network = th.PolynomialNetwork((2, 1, 1), th.PolynomialActivation([0, 1, 1]), bias=False)
    found = th.zero_set(network.interpolation_system([[1, 0], [1, 2]], [1, 2]), seed=0)
    assert [(c.dimension, c.degree) for c in found.components] == [(1, 6)]
    assert found.components[0].trace_residual < 1e-8
