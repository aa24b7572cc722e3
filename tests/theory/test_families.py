import numpy as np
import pytest

import theory as th
from theory.continuation import families, monodromy
from theory.continuation.families import MonodromyError


def network(widths, power, bias=(True, False)):
    return th.PolynomialNetwork(widths, th.monomial(power), bias=bias)


def data(widths, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, widths[0])), rng.normal(size=n)


def same_points(a, b, tolerance):
    near = np.abs(a[:, None, :] - b[None, :, :]).max(axis=2) < tolerance * (1 + np.abs(a).max(axis=1))[:, None]
    return len(a) == len(b) and (near.sum(axis=0) == 1).all() and (near.sum(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("widths", "n", "power", "degree"),
    [
        ((1, 2, 1), 3, 2, 12),
        ((2, 2, 1), 4, 2, 45),
        ((2, 2, 1), 5, 2, 36),
        ((2, 3, 1), 6, 2, 90),
        ((1, 2, 1), 4, 3, 32),  # its symmetries once stopped a search by quiet loops alone at 16
        ((1, 3, 1), 4, 3, 120),
    ],
)
def test_monodromy_finds_the_degrees_that_phc_confirms(widths, n, power, degree):
    family = th.family(network(widths, power), data(widths, n)[0])
    assert family.degree == degree
    assert family.trace_residual < 1e-7


def test_new_targets_take_as_many_paths_as_there_are_solutions_and_find_all():
    widths, net = (2, 2, 1), network((2, 2, 1), 2)
    X, _ = data(widths, 5)
    family = th.family(net, X, seed=4)
    for seed in range(3):
        Y = data(widths, 5, seed + 10)[1]
        found = family.solve(Y)
        assert found.paths.tracked == family.degree == 36
        again = th.solve(net.interpolation_system(X, Y).slice(4), start="total-degree")
        assert same_points(found.solutions, again.solutions, 1e-8)
        assert found.residual.max() < 1e-12


def test_many_targets_at_once_give_the_sets_that_single_ones_give():
    widths = (2, 2, 1)
    family, rng = th.family(network(widths, 2), data(widths, 5)[0]), np.random.default_rng(5)
    targets = rng.normal(size=(4, 5))
    together = family.solve_each(targets)
    for found, Y in zip(together, targets, strict=True):
        alone = family.solve(Y)
        assert (found.solutions == alone.solutions).all()
        assert found.paths == alone.paths
    assert family.solve_each([]) == []


def test_several_outputs_and_biases_are_parameters_too():
    net = th.PolynomialNetwork((1, 2, 2), th.monomial(2))
    rng = np.random.default_rng(2)
    X, Y = rng.normal(size=(2, 1)), rng.normal(size=(2, 2))
    system = net.interpolation_system(X, Y).slice(0)
    loops, paths = th.solve(system, start="monodromy"), th.solve(system, start="total-degree")
    assert same_points(loops.solutions, paths.solutions, 1e-8)
    assert loops.start.startswith("monodromy")
    assert paths.start.startswith("total degree")


def test_a_part_of_the_zeros_fails_the_trace_test():
    widths = (2, 2, 1)
    system = network(widths, 2).interpolation_system(*data(widths, 5)).slice(0)
    begun, rng = families._begin(system, 0), np.random.default_rng(0)
    points = monodromy.search(begun.space, begun.parameters, begun.point, rng).points
    for size in (1, 12, 35):
        assert monodromy.trace_residual(begun.space, begun.parameters, points[:size], rng) > 1e-4
    assert monodromy.trace_residual(begun.space, begun.parameters, points, rng) < 1e-9


def test_auto_takes_monodromy_where_the_total_degree_is_large():
    widths = (3, 3, 1)
    X, Y = data(widths, 7)
    found = th.solve(network(widths, 2).interpolation_system(X, Y).slice(0), max_paths=1500)
    assert found.start.startswith("monodromy")
    assert len(found) == 966  # total-degree run of 2187 paths, two seeds


def test_data_that_leave_no_slice_or_no_zero_are_refused():
    with pytest.raises(MonodromyError, match="at least as many weights as equations"):
        th.family(network((1, 2, 1), 2), data((1, 2, 1), 7)[0])
    with pytest.raises(MonodromyError, match="dimension 3"):
        th.family(network((1, 2, 1), 2), data((1, 2, 1), 6)[0])
    with pytest.raises(MonodromyError, match="dimension 3"):  # polynomials of degree 2 in one variable
        th.family(network((1, 3, 1), 2), data((1, 3, 1), 4)[0])
    with pytest.raises(ValueError, match="slice"):
        th.solve(th.PolynomialSystem.parse("1\nx^2 - 1;"), start="monodromy")
    with pytest.raises(ValueError, match="targets must have shape"):
        th.family(network((1, 2, 1), 2), data((1, 2, 1), 3)[0]).solve([1.0])


@pytest.mark.parametrize("widths", [(2, 1, 1), (3, 1, 1)])
def test_as_many_equations_as_weights_need_no_slice(widths):
    """Found with targets that move along a slice of their own, against total degree (4^K paths)."""
    net = th.PolynomialNetwork(widths, th.PolynomialActivation([0, 1, 1, 1]), bias=(True, False))
    X, Y = data(widths, net.n_parameters)
    system = net.interpolation_system(X, Y)
    family = th.family(net, X)
    found, paths = family.solve(Y), th.solve(system, start="total-degree")
    assert found.paths.tracked == family.degree == len(found)
    assert same_points(found.solutions, paths.solutions, 1e-7)
    assert same_points(th.solve(system, start="monodromy").solutions, paths.solutions, 1e-7)


def test_the_same_seed_gives_the_same_bits():
    X, Y = data((1, 2, 1), 3)
    first, second = (th.family(network((1, 2, 1), 2), X, seed=3).solve(Y).solutions for _ in range(2))
    assert (first == second).all()


def test_paths_lost_near_infinity_are_led_round_it():
    """Of these 10 data sets three have paths that double precision cannot follow straight to them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6, 2))
    family = th.family(network((2, 3, 1), 2), X)
    for Y in rng.normal(size=(60, 6))[:10]:
        found = family.solve(Y)
        assert len(found) == 90
        assert found.paths.failed == 0


def test_a_family_says_what_it_needs_and_what_it_is():
    with pytest.raises(TypeError, match="needs a PolynomialNetwork, got str"):
        th.family("x", [[1.0]])
    network = th.PolynomialNetwork([1, 1, 1], th.monomial(2))
    with pytest.raises(ValueError, match="inputs must have shape"):
        th.family(network, None)
    family = th.family(network, [[1.0], [2.0]])
    assert repr(family).startswith(f"Family({family.degree} zeros")
    assert len(repr(family)) < 120
    with pytest.raises(ValueError, match="solve_each takes several"):
        family.solve([[1.0, 2.0], [3.0, 4.0]])
