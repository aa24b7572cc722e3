"""Parts of the claims on zeros of the empirical error, against closed forms and against each other."""

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from theory.activations import PolynomialActivation
from theory.claims import corollary_1, inconsistent, margin, proposition_1, random_labels, real_zeros
from theory.continuation.solve import solve
from theory.critical_points import NotCriticalError, classify
from theory.networks import PolynomialNetwork
from theory.systems import PolynomialSystem
from theory.zero_sets import zero_set


@pytest.mark.parametrize(("n", "m"), [(2, 2), (3, 3), (2, 3)])
def test_rank_one_networks_have_the_critical_points_of_eckart_and_young(n, m):
    """One conic u v^T = M for each of the C(min(n, m), 1) singular directions, and what annihilates M: 0 or a line."""
    rng = np.random.default_rng(0)
    network = PolynomialNetwork((n, 1, m), PolynomialActivation([0, 1]), bias=False)
    found = zero_set(network.critical_system(rng.normal(size=(5, n)), rng.normal(size=(5, m)))).components
    conics = [(1, 2, 1)] * math.comb(min(n, m), 1)
    pieces = sorted((c.dimension, c.degree, c.multiplicity) for c in found)
    assert pieces == sorted([*conics, (abs(n - m), 1, 1)])


@pytest.mark.parametrize("seed", [0, 1])
def test_rank_two_matrices_next_to_a_3x3_matrix_have_three_critical_points(seed):
    """C(3, 2): drop one singular direction, with the squared distances that Eckart and Young give."""
    r, c = sp.symbols("r0:6"), sp.symbols("c0:2")
    target = np.random.default_rng(seed).integers(-30, 30, size=(3, 3))
    top = sp.Matrix(2, 3, r)
    difference = top.col_join(sp.Matrix(1, 2, c) * top) - sp.Matrix(target) / 10
    distance = sum(entry**2 for entry in difference)
    gradient = PolynomialSystem([sp.expand(sp.diff(distance, v)) for v in r + c], r + c)
    found = solve(gradient, start="multihomogeneous", seed=seed)
    value = sp.lambdify(r + c, distance)
    dropped = np.linalg.svd(target / 10, compute_uv=False) ** 2
    assert len(found) == len(found.real) == math.comb(3, 2)
    assert sorted(value(*w) for w in found.real) == pytest.approx(sorted(dropped))


def test_far_out_points_of_a_valley_are_no_zeros():
    """a -> 0, w -> infinity with a w w^T fixed: the gradient vanishes in the limit only."""
    network = proposition_1.NETWORKS[0]
    for seed in range(2):
        pieces = zero_set(network.systems()[1], seed=seed).components
        assert sorted((p.dimension, p.degree) for p in pieces) == [(0, 1), (1, 2), (1, 6)]


def test_the_volume_of_a_map_that_covers_the_line_once_is_one():
    """w -> [x1 + w x1^2 : x2 + w x2^2] is a Moebius map; a linear activation has a single point as its image."""
    for seed in range(3):
        assert real_zeros.volume(real_zeros.OneUnit(1, (0, 1, 1)), seed, 600) == pytest.approx(1, abs=1e-6)
    assert real_zeros.volume(real_zeros.OneUnit(1, (0, 1)), 0, 100) == pytest.approx(0, abs=1e-12)


def test_the_dead_region_ends_where_the_box_says():
    network = corollary_1.dead(output_bias=False)
    box = corollary_1.largest_box(network)
    beyond = box * Fraction(102, 100)
    n, h = 2, 3

    def on(radius):
        """Whether some corner of the box turns a unit on for some point."""
        for x in corollary_1.POINTS:
            step = [radius * (1 if v > 0 else -1) for v in x]
            flat = list(network.flat)
            for j in range(h):
                flat[j * n : (j + 1) * n] = [w + s for w, s in zip(flat[j * n : (j + 1) * n], step, strict=True)]
                flat[h * n + j] += radius
            if any(z > 0 for z in network.moved(flat).pre_activations(x)):
                return True
        return False

    assert not on(box)
    assert on(beyond)


def test_a_relu_network_off_the_dead_region_is_not_flat():
    assert corollary_1.flat_directions(corollary_1.TEACHER, Fraction(1, 100), seed=0) < 12
    assert corollary_1.largest_box(corollary_1.TEACHER) == 0


def test_routes_to_the_least_error_agree():
    square = next(i for i in inconsistent.INSTANCES if i.name == "z^2")
    for seed in range(4):
        by_slope, by_descent = (
            route(square, seed) for route in (inconsistent.one_direction, inconsistent.two_directions)
        )
        assert by_slope.error == pytest.approx(by_descent.error, abs=1e-8)


def test_the_infimum_of_an_odd_network_may_not_be_attained():
    """a (w x + w^3 x^3) has coefficients of one sign; targets x - x^3 of two call for a limit."""
    odd = next(i for i in inconsistent.INSTANCES if i.name == "z+z^3")
    attained = [inconsistent.one_direction(odd, seed).attained for seed in range(0, 12_000, 1000)]
    assert any(attained)
    assert all(inconsistent.one_direction(odd, inconsistent.drawn(odd, seed)).attained for seed in range(4))


def test_margins_of_moved_weights_lie_in_the_enclosure():
    instance = margin.INSTANCES[2]
    inputs, labels = instance.data(0)
    network, rng = instance.network(), np.random.default_rng(0)
    w = rng.normal(size=network.n_parameters)
    low, high = margin.enclosed(instance, w, 1e-5, inputs, labels)
    moved = w + rng.uniform(-1e-5, 1e-5, size=(200, len(w)))
    margins = network.evaluate(moved, inputs)[..., 0] * labels
    assert ((low <= margins) & (margins <= high)).all()
    assert (high - low).max() < 0.1


def test_labels_of_a_teacher_are_its_outputs():
    instance = random_labels.INSTANCES[-1]
    labels = instance.labels("a teacher's outputs", 3)
    network = instance.network()
    weights = np.array(random_labels.rational_data((1, network.n_parameters), 3 + 77)[0], dtype=float)
    outputs = network.evaluate(weights, np.array(instance.inputs(3), dtype=float))[:, 0]
    assert np.array(labels, dtype=float) == pytest.approx(outputs)
    assert set(instance.labels("random signs", 3)) <= {-1, 1}


def test_without_a_linear_term_only_does_a_weight_of_zero_stay():
    """z + z^2 in place of z^2 + z^3: w = 0 is not even critical."""
    network = PolynomialNetwork((1, 1, 1), PolynomialActivation([0, 1, 1]), bias=False)
    system = network.interpolation_system([[Fraction(1, 2)], [Fraction(2)], [Fraction(-1)]], [1, 2, 3])
    squares = [p * p for p in system.polynomials]
    loss = PolynomialSystem.from_polynomials([squares[0] + squares[1] + squares[2]], system.names)
    with pytest.raises(NotCriticalError):
        classify(loss, [0, 1])
