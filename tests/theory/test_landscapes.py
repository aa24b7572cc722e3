"""Critical points of small networks, all of them: counts and values from singular values and from factorisations."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

import theory as th
from theory.continuation.solve import TooManyPathsError
from theory.landscapes import critical_pieces, loss
from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem

IDENTITY = th.monomial(1)


def linear(*widths):
    return th.PolynomialNetwork(widths, IDENTITY, bias=False)


def test_two_factors_have_a_curve_of_minima_and_a_saddle():
    """(1 - w1 w2)^2: the hyperbola, along which scaling moves, and the origin."""
    minima, saddle = critical_pieces(linear(1, 1, 1), [[1]], [1])
    assert (minima.dimension, minima.degree, minima.is_zero_error) == (1, 2, True)
    assert (minima.index, minima.nullity, minima.excess) == (0, 1, 0)
    assert (saddle.dimension, saddle.index, saddle.nullity, saddle.descends) == (0, 1, 0, True)
    assert saddle.value == pytest.approx(1)


def test_three_factors_have_three_lines_of_saddles():
    """(1 - w1 w2 w3)^2: where two factors vanish the Hessian has one entry, -2 k, off the diagonal."""
    minima, *lines = critical_pieces(linear(1, 1, 1, 1), [[1]], [1])
    assert (minima.dimension, minima.degree, minima.is_zero_error, minima.index) == (2, 3, True, 0)
    assert [(p.dimension, p.degree, p.index, p.nullity, p.excess) for p in lines] == [(1, 1, 1, 1, 0)] * 3
    assert all(p.value == pytest.approx(1) for p in lines)


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 2), (2, 3)])
def test_networks_of_rank_one_have_binomially_many_critical_functions(n, m):
    """Eckart and Young: matrices of rank r nearest to M are critical at C(min(m, n), r) choices of singular values."""
    target = np.array([[3, 1, 0], [-1, 2, 1], [0, 1, 4]])[:m, :n]
    pieces = critical_pieces(linear(n, 1, m), np.eye(n, dtype=int), target.T)
    sizes = np.linalg.svd(target.astype(float), compute_uv=False)
    orbits, (nothing,) = pieces_below(pieces, np.sum(sizes**2) / (n * m))
    expected = sorted((np.sum(sizes**2) - sum(kept)) / (n * m) for kept in combinations(sizes**2, 1))
    assert len(orbits) == len(expected) == comb(min(n, m), 1)
    assert np.allclose([p.value for p in orbits], expected)
    assert [p.index for p in orbits] == list(range(len(orbits)))  # each larger singular value left out is a way down
    assert all((p.dimension, p.nullity, p.excess) == (1, 1, 0) for p in orbits)
    assert (nothing.dimension, nothing.index) == (
        abs(n - m),
        min(n, m),
    )  # one factor 0


def pieces_below(pieces, value):
    """Those of smaller loss by their loss, and those of this one."""
    below = sorted((p for p in pieces if p.value.real < value - 1e-9), key=lambda p: p.value.real)
    return below, [p for p in pieces if abs(p.value - value) < 1e-9]


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (2, 2)])
def test_a_ridge_term_leaves_four_isolated_points_for_each_singular_value(n, m):
    """(a, b) along singular vectors: b (a b - s) + r a = 0 = a (a b - s) + r b, so a = b, a^2 = s - r, or a = -b,
    -a^2 = s + r: real are two for each s > r, and the origin."""
    target = np.diag([3, 1])[:m, :n]
    ridge, entries = 1 / 8, n * m  # the mean divides by the entries: r = ridge * entries
    pieces = critical_pieces(linear(n, 1, m), np.eye(n, dtype=int), target.T, regularization=ridge)
    singular = np.linalg.svd(target.astype(float), compute_uv=False)
    assert [p.dimension for p in pieces] == [0] * (4 * min(n, m) + 1)
    real = [p for p in pieces if p.real_point is not None]
    assert len(real) == 1 + 2 * np.sum(singular > ridge * entries)
    assert [p.index for p in real].count(0) == 2  # +- the best
    assert all(p.excess is None for p in real)


PUBLISHED = {  # hidden layers, width, inputs, outputs, points: Bezout's number, BKK bound, complex critical points
    (2, 1, 1, 1, 2): (125, 17, 16),
    (2, 1, 2, 2, 2): (3125, 129, 80),
    (1, 2, 1, 2, 2): (729, 81, 33),
    (1, 1, 2, 3, 2): (243, 73, 25),
}


@pytest.mark.parametrize(("shape", "counts"), PUBLISHED.items())
def test_regularised_deep_linear_networks_have_the_published_counts(shape, counts):
    """A decay of its own for each weight, in general position, as in D. Mehta, T. Chen, T. Tang, J. Hauenstein,
    arXiv:1810.07716. Source: A. Bharadwaj, S. Hosten, arXiv:2301.12651, who extend their tables; the runs behind these,
    github.com/ayusbhar2/homotopy_continuatioNN, analysis/cloud_output (columns CBB, BKK, N_C). The lists there of two
    hidden layers lack the origin, which is critical, too.
    """
    hidden, width, n, m, n_data = shape
    rng = np.random.default_rng(0)
    X, Y = (rng.integers(-99, 100, (n_data, size)).tolist() for size in (n, m))
    gradient = linear(n, *[width] * hidden, m).critical_system(X, Y)
    count = gradient.n_unknowns
    decays = [Polynomial.variable(k, count) * int(rng.integers(1, 99)) for k in range(count)]
    equations = [p + decay for p, decay in zip(gradient.polynomials, decays, strict=True)]
    system = PolynomialSystem.from_polynomials(equations, gradient.names)
    found, bounds = th.solve(system), th.bounds(system)
    assert (bounds.bezout, bounds.stable_mixed_volume) == counts[:2]
    assert found.paths.failed == 0
    assert len(found) - int(hidden > 1) == counts[2]


def test_quadratic_units_keep_their_dead_weights_apart():
    """v (w x)^2: the loss depends on v w^2 alone; it is least on v w^2 = 5/17 * ..., and constant on w = 0."""
    X, Y = np.array([[1], [2]]), np.array([1, 3])
    best, dead = critical_pieces(th.PolynomialNetwork((1, 1, 1), th.monomial(2), bias=False), X, Y)
    c = float(np.sum(X[:, 0] ** 2 * Y) / np.sum(X**4))
    assert (best.dimension, best.degree, dead.dimension, dead.degree) == (1, 3, 1, 1)
    assert best.value.real == pytest.approx(np.mean((c * X[:, 0] ** 2 - Y) ** 2))
    assert dead.value.real == pytest.approx(np.mean(Y**2))
    assert not best.is_zero_error


@pytest.mark.parametrize("seed", range(4))
def test_a_piece_on_which_the_signature_changes_tells_all_of_them_whatever_the_seed(seed):
    """(v w^2 - 1)^2 on w = 0: the second derivative by w is -4 v, that by v is 0: descent for v > 0 only."""
    network = th.PolynomialNetwork((1, 1, 1), th.monomial(2), bias=False)
    best, dead = critical_pieces(network, [[1]], [1], seed=seed)
    assert dead.value == pytest.approx(1)
    assert dead.signatures == ((0, 1), (1, 1))
    assert (dead.index, dead.nullity, dead.descends) == (None, 1, True)
    assert (best.signatures, best.index, best.descends) == (((0, 1),), 0, False)


def test_critical_pieces_of_what_is_no_network_are_refused_in_one_line():
    with pytest.raises(TypeError, match="critical_pieces needs a PolynomialNetwork, got NoneType"):
        critical_pieces(None, [[1]], [1])


def test_every_point_found_is_critical_and_its_loss_is_that_of_its_piece():
    network = th.PolynomialNetwork((1, 1, 1), th.PolynomialActivation([0, 1, 1]), bias=(True, False))
    X, Y = [[1], [2], [-1]], [1, 0, 2]
    system = network.critical_system(X, Y)
    pieces = critical_pieces(network, X, Y)
    for piece in pieces:
        assert np.allclose(system.evaluate(piece.points), 0, atol=1e-7)
        for point in piece.points:
            assert loss(system.network, point) == pytest.approx(piece.value, abs=1e-7)


def test_too_many_paths_are_refused_with_their_number():
    with pytest.raises(TooManyPathsError, match="max_paths=5"):
        critical_pieces(linear(1, 1, 1), [[1]], [1], max_paths=5)
