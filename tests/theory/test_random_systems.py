"""Real zeros of random members of a family, against mean numbers from the literature and a solver from scratch."""

import math

import numpy as np
import pytest

from theory.activations import PolynomialActivation, monomial
from theory.continuation.solve import solve
from theory.networks import PolynomialNetwork
from theory.random_systems import dense_family, dense_monomials, kostlan_deviations, real_counts, targets_family


def kac(degree):
    """Mean number of real zeros of a polynomial with standard normal coefficients (M. Kac, 1943), by Gauss's rule."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    t = nodes * (1 - 1e-9)
    n = degree + 1
    inner = 1 / (1 - t**2) ** 2 - n**2 * t ** (2 * n - 2) / (1 - t ** (2 * n)) ** 2
    return 2 * float(weights @ np.sqrt(np.maximum(inner, 0))) / math.pi


def test_kac_by_quadrature_has_the_published_values():
    assert [round(kac(d), 4) for d in (2, 3, 4)] == [1.2970, 1.4928, 1.6405]  # Edelman and Kostlan 1995, section 2


@pytest.mark.parametrize("degree", [3, 6])
def test_polynomials_in_one_unknown_have_the_mean_numbers_of_kac_and_kostlan(degree):
    coefficients = np.random.default_rng(degree).normal(size=(2000, degree + 1))
    family = dense_family((degree,))
    for deviations, expected in ((1.0, kac(degree)), (kostlan_deviations((degree,)), math.sqrt(degree))):
        counts = real_counts(family, coefficients * deviations, seed=0)
        mean, error = counts.mean()
        assert (counts.complex, counts.undecided) == (degree, 0)
        assert abs(mean - expected) < 4 * error


def test_counts_are_those_of_companion_matrices_member_by_member():
    coefficients = np.random.default_rng(3).normal(size=(300, 6))
    counts = real_counts(dense_family((5,)), coefficients, seed=1)
    roots = [np.roots(row[::-1]) for row in coefficients]
    assert counts.real.tolist() == [int((np.abs(r.imag) < 1e-9).sum()) for r in roots]


def test_kostlan_variances_are_multinomial_numbers():
    assert dense_monomials(2, 2) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]
    assert kostlan_deviations((2, 1)) ** 2 == pytest.approx([1, 2, 1, 2, 2, 1, 1, 1, 1])


def test_network_members_have_the_zeros_that_solve_finds():
    network = PolynomialNetwork((1, 1, 1), PolynomialActivation([0, 1, 1]), bias=(True, False))
    inputs = np.array([[1.0], [-0.5], [2.0]])
    targets = np.random.default_rng(0).normal(size=(8, 3))
    counts = real_counts(targets_family(network, inputs), targets, seed=0)
    for row, real in zip(targets, counts.real, strict=True):
        found = solve(network.interpolation_system(inputs, row))
        assert (len(found), len(found.real)) == (counts.complex, real)


def test_zeros_far_out_are_found():
    """a (w x + (w x)^2) on 5 generic points of 4 inputs has 2^4 - 1 zeros: 16 less the base point w = 0.

    By elimination, one of them has a = 3420 here.
    """
    inputs = np.random.default_rng(5).normal(size=(5, 4))
    network = PolynomialNetwork((4, 1, 1), PolynomialActivation([0, 1, 1]), bias=False)
    counts = real_counts(targets_family(network, inputs), np.array([[2.0, 1, 1, 1, 1]]), seed=0)
    assert counts.complex == 15
    assert np.abs(counts.points).max() == pytest.approx(3419.7, rel=1e-4)


def test_a_family_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="got 3 equations in 2 weights"):
        targets_family(PolynomialNetwork((1, 1, 1), monomial(2), bias=False), np.ones((3, 1)))
