"""The loss of a network as a potential: its limit on the zero set, by routes that share nothing but the equations."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp

import theory as th
from theory import quadrature
from theory.claims import boltzmann as claim
from theory.gaussian_unknowns import integrated_out, quadratic_unknowns
from theory.network_potentials import concentration, graph, linear_unknowns, network_potential
from theory.normalisable import NotNormalisable
from theory.potentials import Potential, bent_double_well, quadratic
from theory.regions import Box

CURVE = claim.NETS["2 weights, a curve"].system
TWO_PIECES = claim.NETS["3 weights, a curve in two pieces"].system
x, y = sp.symbols("x y", real=True)


def circle(radius=1):
    return th.PolynomialSystem([x**2 + y**2 - radius**2], (x, y))


@pytest.mark.parametrize("name", claim.NETS)
def test_the_zero_set_says_where_the_boltzmann_distribution_concentrates(name):
    for case in claim.network_cases(name):
        assert case.agrees, case


def test_without_the_jacobian_factor_the_limit_is_another_one():
    for off, allowed in claim.network_control().values():
        assert off > 10 * allowed


def test_following_the_curve_and_solving_for_the_last_layer_give_the_same_law():
    traced, solved = concentration(th.zero_set(CURVE)), graph(CURVE)
    assert traced.integral().value == pytest.approx(solved.integral().value, rel=1e-11)
    edges = np.linspace(-4, 4, 17)
    for axis in (0, 1):
        (a, error), (b, wrong) = traced.marginal(axis, edges), solved.marginal(axis, edges)
        assert (abs(a - b) <= 2 * (error + wrong) + 1e-6).all()
        assert max(error.max(), wrong.max()) < 2e-3


def test_the_law_of_a_hidden_weight_is_the_prior_times_the_evidence_of_the_last_layer():
    """Rasmussen, Williams, Gaussian Processes, 2006, equation 2.30, without noise: N(y; 0, s^2 Phi Phi^T)."""
    scale, edges = 0.8, np.linspace(-3, 3, 13)

    def evidence(w):
        features = np.array([[1 + v * w + (v * w) ** 2, 1.0] for v in (1, -1)])
        cover = scale**2 * features @ features.T
        target = np.array([1, 0.5])
        return math.exp(-target @ np.linalg.solve(cover, target) / 2 - w**2 / (2 * scale**2)) / math.sqrt(
            np.linalg.det(cover)
        )

    grid = np.linspace(-6, 6, 24_001) + 1e-4
    density = np.array([evidence(w) for w in grid])
    expected = np.array([density[(grid >= a) & (grid < b)].sum() for a, b in pairwise(edges)])
    found, error = concentration(th.zero_set(TWO_PIECES), scale).marginal(0, edges)
    assert found == pytest.approx(expected / density.sum(), abs=2e-4 + error.max())


def test_masses_of_the_pieces_are_those_of_the_sides_they_lie_on():
    limit = concentration(th.zero_set(TWO_PIECES))
    left, right = limit.mean(lambda w: w[:, 0] < 0), limit.mean(lambda w: w[:, 0] > 0)
    assert sorted(p.value for p in limit.pieces()) == pytest.approx(sorted([left.value, right.value]), abs=1e-12)
    masses = []
    for temperature in (0.002, 0.001):
        potential = network_potential(TWO_PIECES, temperature)
        masses.append(quadrature.mass(potential, temperature, Box((0.0, -math.inf, -math.inf), (math.inf,) * 3)).value)
    assert 2 * masses[1] - masses[0] == pytest.approx(right.value, abs=1e-3)


def test_a_closed_curve_is_gone_round_once():
    limit = concentration(th.zero_set(circle()))
    ring = 2 * math.pi * math.exp(-0.5) / 2  # length * prior / |gradient|
    assert limit.integral().value == pytest.approx(ring, rel=1e-10)
    quarter, error = limit.marginal(0, [0.0, 2.0])
    assert quarter[0] == pytest.approx(0.5, abs=1e-4 + error[0])


def test_z_of_a_circle_tends_to_its_leading_term():
    exact = concentration(th.zero_set(circle()))
    ratios = []
    for temperature in (0.02, 0.01):
        potential = network_potential(circle(), temperature)
        ratios.append(quadrature.partition(potential, temperature).value / exact.partition(temperature).value)
    assert 2 * ratios[1] - ratios[0] == pytest.approx(1, abs=1e-3)


def test_the_potential_is_the_loss_and_the_prior():
    potential = network_potential(CURVE, 0.3, scale=2.0)
    points = np.random.default_rng(0).normal(size=(5, 2))
    expected = (CURVE.evaluate(points) ** 2).mean(1) + 0.3 * (points**2).sum(1) / 8
    assert potential.value(points) == pytest.approx(expected)


def test_without_a_prior_the_loss_of_a_network_cannot_be_normalised():
    net = th.PolynomialNetwork((1, 1, 1), th.monomial(2), bias=False)  # w_2 w_1^2 = 1: w_2 runs to infinity
    system = net.interpolation_system([[1]], [1])
    loss = Potential("loss", system.equations[0] ** 2, system.variables)
    with pytest.raises(NotNormalisable, match="too slowly"):
        quadrature.partition(loss, 0.1)


def test_linear_unknowns_are_found_and_missed():
    assert linear_unknowns(TWO_PIECES) == (1, 2)
    with pytest.raises(ValueError, match="enter the equations linearly"):
        linear_unknowns(circle())


def test_bad_input_is_refused_in_one_line():
    zeros = th.zero_set(CURVE)
    for scale in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="scale of the prior must be positive"):
            concentration(zeros, scale)
        with pytest.raises(ValueError, match="scale of the prior must be positive"):
            network_potential(CURVE, 0.1, scale)
    with pytest.raises(ValueError, match="temperature must be positive"):
        network_potential(CURVE, 0.0)
    with pytest.raises(ValueError, match="real coefficients"):
        network_potential(th.PolynomialSystem([x + sp.I * y], (x, y)), 0.1)
    with pytest.raises(ValueError, match=r"should have dimension 0 >= 1, it has 0"):
        concentration(th.zero_set(th.PolynomialSystem([x**2 - 1, y - x], (x, y))))
    with pytest.raises(ValueError, match="real zero set is empty"):
        concentration(th.zero_set(th.PolynomialSystem([x**2 + y**2 + 1], (x, y))))


# ---- unknowns integrated out


def test_quadratic_unknowns_are_found():
    assert quadratic_unknowns(quadratic((1.0, 2.0, 3.0))) == (1, 2)
    assert quadratic_unknowns(bent_double_well()) == (1,)
    assert quadratic_unknowns(Potential("u", x**4 + y**4, (x, y))) == ()
    assert quadratic_unknowns(Potential("u", x**2 + y * x + y**2, (y, x))) == (1,)
    assert quadratic_unknowns(network_potential(TWO_PIECES, Fraction(1, 10))) == (1, 2)


def test_integrating_unknowns_out_agrees_with_quadrature_over_all_of_them():
    potential, temperature = network_potential(CURVE, 0.2), 0.2
    reduced = integrated_out(potential, temperature, (1,))
    for at in (-1.0, 0.3, 2.0):
        v = np.linspace(-30, 30, 200_001)
        values = np.exp(-potential.value(np.stack([np.full(len(v), at), v], 1)) / temperature)
        assert reduced(np.array([[at]]))[0] == pytest.approx(np.trapezoid(values, v), rel=1e-10)
    with pytest.raises(ArithmeticError, match="not bounded below"):
        integrated_out(Potential("u", x**2 - y**2, (x, y)), 1.0, (1,))(np.zeros((1, 1)))


def test_a_marginal_whose_slabs_miss_a_ridge_is_not_returned(monkeypatch):
    potential, right = bent_double_well(), quadrature._integral

    def misses(of, temperature, region, *more, **options):
        return (
            quadrature.Estimate(0.0, 0.0)
            if region.lower[0] == 0.5
            else right(of, temperature, region, *more, **options)
        )

    edges = [0.0, 0.5, 1.0]
    assert quadrature.marginal(potential, 0.5, 0, edges).min() > 0
    monkeypatch.setattr(quadrature, "_integral", misses)
    with pytest.raises(ArithmeticError, match="give other edges"):
        quadrature.marginal(potential, 0.5, 0, edges)
