"""degeneracy against dimensions known by hand, and against the implicit function theorem."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import least_squares

from theory.activations import PolynomialActivation, monomial
from theory.continuation.solve import solve
from theory.local_geometry import degeneracy
from theory.networks import PolynomialNetwork
from theory.root_counts import bounds
from theory.systems import ConstantEquationError, PolynomialSystem
from theory.wide_jacobians import WIDE, jacobian_columns

x, y, z = sp.symbols("x y z")
CUBIC = PolynomialActivation([Fraction(3, 10), Fraction(1, 2), Fraction(2, 5), Fraction(1, 5)])


def taught(network, n_data, seed=0):
    """Weights and the interpolation system of the data that a network with these weights makes."""
    rng = np.random.default_rng(seed)
    w, X = rng.standard_normal(network.n_parameters), rng.standard_normal((n_data, network.n_inputs))
    return w, network.interpolation_system(X, network.evaluate(w, X))


def test_a_smooth_zero_has_the_dimension_of_the_implicit_function_theorem():
    found = degeneracy(PolynomialSystem([x**2 + y**2 + z**2 - 1], [x, y, z]), [1, 0, 0])
    assert (found.jacobian_rank, found.tangent_dimension, found.hessian_nullity, found.local_dimension) == (1, 2, 2, 2)
    assert found.is_zero
    assert found.reliable
    assert found.symmetry_dimension is None
    assert found.excess is None


def test_at_a_crossing_the_tangent_space_is_larger_than_the_set():
    found = degeneracy(PolynomialSystem([x * y], [x, y]), [0, 0])
    assert (found.jacobian_rank, found.hessian_nullity, found.local_dimension) == (0, 2, 1)


@pytest.mark.parametrize(
    ("point", "rank", "nullity"),
    [
        ([2, 0], 1, 0),  # Hessian diag(16, 0) + 3 * diag(2, 2)
        ([0, 0], 0, 0),  # -1 * diag(2, 2)
        ([np.sqrt(1 / 3), 0], 1, 1),  # 4 x^2 + 2 (x^2 - 1) = 0 in the first, -4/3 in the second direction
    ],
)
def test_off_the_zeros_second_derivatives_count(point, rank, nullity):
    found = degeneracy(PolynomialSystem([x**2 + y**2 - 1], [x, y]), point)
    assert not found.is_zero
    assert (found.jacobian_rank, found.hessian_nullity) == (rank, nullity)
    assert found.local_dimension is None


def test_a_free_unknown_is_a_null_direction_everywhere():
    system = PolynomialSystem([x**2 - 1], [x, y])
    assert degeneracy(system, [2, 5]).hessian_nullity == 1
    assert degeneracy(system, [1, 5]).hessian_nullity == 1


@pytest.mark.parametrize("n_data", [3, 5, 7])
def test_a_network_without_symmetries_has_nullity_k_minus_n(n_data):
    w, system = taught(PolynomialNetwork((2, 2, 1), CUBIC, bias=(True, False)), n_data)
    found = degeneracy(system, w)
    assert found.hessian_nullity == found.local_dimension == found.excess == 8 - n_data
    assert found.symmetry_dimension == 0


def test_each_unit_of_a_homogeneous_network_forces_one_null_direction():
    w, system = taught(PolynomialNetwork((3, 2, 1), monomial(3), bias=False), 20)
    found = degeneracy(system, w)
    assert (found.symmetry_dimension, found.hessian_nullity, found.excess) == (2, 2, 0)


def test_a_linear_network_has_the_symmetries_of_gl():
    w, system = taught(PolynomialNetwork((3, 2, 3), monomial(1), bias=False), 10)
    found = degeneracy(system, w)
    assert (found.symmetry_dimension, found.hessian_nullity, found.excess) == (4, 4, 0)  # rank 2: 12 - 2 * (3 + 3 - 2)


def test_symmetries_explain_a_critical_point_of_non_zero_error_but_not_other_points():
    network = PolynomialNetwork((2, 1, 1), monomial(2), bias=False)
    X, Y = np.array([[1.0, 0.5], [-0.4, 1.2], [0.3, -1.0], [0.9, 0.8]]), np.array([1.0, 0.5, 2.0, -0.3])
    system = network.interpolation_system(X, Y)
    fit = least_squares(system.evaluate, [1.0, 0.5, 0.7], jac=system.jacobian, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    found = degeneracy(system, fit.x)
    assert not found.is_zero
    assert (found.symmetry_dimension, found.hessian_nullity, found.excess) == (1, 1, 0)
    elsewhere = degeneracy(system, [1.0, 0.5, 0.7])
    assert (elsewhere.symmetry_dimension, elsewhere.hessian_nullity, elsewhere.excess) == (1, 0, 0)


def test_slices_and_ridge_terms_leave_no_known_symmetry():
    network = PolynomialNetwork((2, 1, 1), monomial(2), bias=False)
    w, system = taught(network, 2)
    assert degeneracy(system.slice(seed=1), w).symmetry_dimension is None
    ridge = network.critical_system([[1, 2]], [1], regularization=Fraction(1, 10))
    assert degeneracy(ridge, w).symmetry_dimension is None


def test_far_out_zeros_keep_their_rank():
    """Unscaled, the singular values of this Jacobian spread over nine decades."""
    system = PolynomialSystem([x * y - 1, z - x**3], [x, y, z])
    found = degeneracy(system, [1e4, 1e-4, 1e12])
    assert (found.jacobian_rank, found.local_dimension, found.reliable) == (2, 1, True)


def test_complex_zeros_are_measured_too():
    system = PolynomialSystem([x**2 + y**2 + 1], [x, y])
    assert degeneracy(system, [1j, 0]).local_dimension == 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("text", "rank", "root"),
    [
        ("2\nx^2+y^2;\nx*y;", 0, (0, 0)),
        ("1\nx^2-2*x+1;", 0, (1,)),
        ("1\n(x-1)^5;", 0, (1,)),
        ("2\n29*x^3/16-2*x*y;\nx^2-y;", 1, (0, 0)),
        ("2\nx^2+y-3;\nx+y^2/8-3/2;", 1, (1, 2)),
        ("2\nx^2+y-3;\nx+y^2/8-3/2;", 2, (-3, -6)),
    ],
)
def test_singular_zeros_known_to_half_the_digits_have_the_rank_of_the_exact_ones(text, rank, root, seed):
    system = PolynomialSystem.parse(text)
    exact, n = np.array(root, float), len(root)
    assert degeneracy(system, exact).jacobian_rank == rank
    noise = np.random.default_rng(seed).standard_normal((3, n)) * np.array([[2e-9], [3e-10], [1e-12]])
    for point in exact + noise:
        found = degeneracy(system, point)
        assert (found.jacobian_rank, found.hessian_nullity) == (rank, n - rank)
        assert found.local_dimension in ((0,) if rank == n else (0, None))  # few digits may leave it open
        assert found.reliable


@pytest.mark.parametrize("seed", range(4))
def test_at_the_solutions_that_solve_gives_no_multiple_zero_has_full_rank(seed):
    for text in ("2\nx^2+y^2;\nx*y;", "1\nx^2-2*x+1;", "1\n(x-1)^8;", "2\nx^2+y^2-2;\nx*y-1;"):
        system = PolynomialSystem.parse(text)
        for point in solve(system, seed=seed).solutions:
            assert degeneracy(system, point).jacobian_rank < system.n_unknowns


def test_near_a_degenerate_net_the_nullity_is_that_of_the_net():
    network = PolynomialNetwork((1, 1, 1), monomial(2), bias=False)
    system = network.interpolation_system([[1.0]], [0.0])
    near, there = degeneracy(system, [1e-10, 1]), degeneracy(system, [0, 1])
    assert near.hessian_nullity == there.hessian_nullity == 2
    assert near.local_dimension == there.local_dimension == 1


def test_regular_zeros_known_to_half_the_digits_keep_their_dimension():
    system = PolynomialSystem([x**2 + y**2 + z**2 - 1, 10 * x * y - z], [x, y, z])
    for point in solve(system.slice(seed=1, real=True)).solutions:
        found = degeneracy(system, point.real + 3e-10)
        assert (found.local_dimension, found.reliable) == (1, True)


@pytest.mark.parametrize("point", [[0.0], [0.0, float("nan")], [[0.0, 0.0]]])
def test_bad_points_are_refused(point):
    with pytest.raises(ValueError, match=r"shape|finite"):
        degeneracy(PolynomialSystem([x * y], [x, y]), point)


def test_weights_that_the_loss_does_not_depend_on_are_free_directions():
    """The second input is always 0, so its weight makes no equation and moves freely."""
    network = PolynomialNetwork((2, 1, 1), monomial(2), bias=False)
    system = network.critical_system([[1, 0], [2, 0]], [1, 4])
    assert (system.n_equations, system.n_unknowns) == (2, 3)
    w, step = np.array([0.7, -0.4, 1.3]), 1e-6
    slopes = [(system.evaluate(w + step * e) - system.evaluate(w - step * e)) / (2 * step) for e in np.eye(3)]
    assert np.allclose(system.jacobian(w), np.transpose(slopes), atol=1e-8)
    weights = np.array([0.3, -0.7])
    bends = [weights @ (system.jacobian(w + step * e) - system.jacobian(w - step * e)) / (2 * step) for e in np.eye(3)]
    assert np.allclose(system.hessian_contraction(w, weights), bends, atol=1e-8)
    assert system.jacobian(w).shape == (2, 3)
    expanded = PolynomialSystem.from_polynomials(system.polynomials, system.names)
    assert np.allclose(expanded.evaluate(w), system.evaluate(w))
    assert bounds(system).bezout == 25
    with pytest.raises(ValueError, match="2 in 3"):
        solve(system)
    assert network.critical_system([[1, 0], [2, 0]], [1, 4], regularization=1).n_equations == 3
    with pytest.raises(ConstantEquationError, match="does not depend on any weight"):
        network.critical_system([[0, 0]], [1])


@pytest.mark.parametrize("seed", range(4))
def test_degenerate_critical_points_known_to_few_digits_have_the_nullity_of_the_exact_ones(seed):
    """|F|^2 = (x^3 + 1)^2 + (y^2 (y - 2))^2 + 1: at (0, 0) the Hessian is 0; at (0, 2) it is diag(0, 16)."""
    system = PolynomialSystem([x**3 + 1, y**2 * (y - 2), z**2 + 1], [x, y, z])
    rng = np.random.default_rng(seed)
    for exact, nullity in (([0, 0, 0], 2), ([0, 2, 0], 1)):
        for size in (0, 1e-12, 1e-9):
            found = degeneracy(system, np.array(exact) + size * rng.standard_normal(3))
            assert found.is_critical
            assert not found.is_zero
            assert (found.hessian_nullity, found.reliable) == (nullity, True)
    assert not degeneracy(system, [0.1, 0, 0]).is_critical


def test_singular_values_that_doubles_leave_in_doubt_are_decided_in_multiple_precision():
    """The roots 1 and 1 + 1e-9 are simple: the derivative at 1 is -1e-9, which might be that of a double root."""
    found = degeneracy(PolynomialSystem.parse("1\nx^2-2.000000001*x+1.000000001;"), [1])
    assert (found.jacobian_rank, found.precise, found.reliable, found.local_dimension) == (1, True, True, 0)
    double = degeneracy(PolynomialSystem.parse("1\nx^2-2*x+1;"), [1])
    assert (double.jacobian_rank, double.local_dimension) == (0, 0)
    near = PolynomialSystem.parse("2\nx+y-1;\nx+1.0000000001*y-1;")
    assert degeneracy(near, [1, 0]).jacobian_rank == 2


def test_wide_jacobians_are_read_in_blocks():
    """105 x 200,401 entries; more residuals than one layer's rank would show a defect, and there is none."""
    network = PolynomialNetwork((2000, 100, 1), monomial(2), bias=(True, True))
    rng = np.random.default_rng(0)
    w, X = rng.standard_normal(network.n_parameters) / 50, rng.standard_normal((105, 2000))
    X[104] = X[0]  # the same input twice: rank 104
    system = network.interpolation_system(X, network.evaluate(w, X))
    found = degeneracy(system, w)
    assert system.n_equations * system.n_unknowns > WIDE
    assert (found.jacobian_rank, found.hessian_nullity, found.reliable) == (104, network.n_parameters - 104, True)
    off = degeneracy(network.interpolation_system(X[:104], np.ones(104)), w)
    assert (off.jacobian_rank, off.hessian_nullity, off.is_zero, off.local_dimension) == (104, None, False, None)


def test_blocks_of_columns_make_up_the_jacobian(monkeypatch):
    monkeypatch.setattr("theory.wide_jacobians._ENTRIES", 60)
    network = PolynomialNetwork((3, 4, 2), CUBIC, bias=(True, False))
    rng = np.random.default_rng(1)
    w, X = rng.standard_normal(network.n_parameters), rng.standard_normal((5, 3))
    blocks = list(jacobian_columns(network, w, X)())
    assert len(blocks) > 3
    assert np.allclose(np.hstack(blocks), network.jacobian(w, X))


@pytest.mark.parametrize("size", [sp.Rational(1, 10**12), sp.Rational(1, 10**400), 10**12])
def test_the_size_of_an_equation_does_not_matter(size):
    zero = degeneracy(PolynomialSystem([x, size * y], [x, y]), [0, 0])
    assert (zero.jacobian_rank, zero.local_dimension) == (2, 0)
    off = degeneracy(PolynomialSystem([size * (x * y - 1)], [x, y]), [1, 5])
    assert (off.is_zero, off.is_critical, off.hessian_nullity) == (False, False, 0)
