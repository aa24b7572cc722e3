"""Symmetries against the null space of the Jacobian over many inputs: what moves the weights and not the function."""

import math
from fractions import Fraction

import numpy as np
import pytest

import theory as th
from theory.layers import Dense
from theory.rank import modular_rank, numerical_rank

SHIFTED_CUBE = [8, 12, 6, 1]  # (z + 2)^3
# widths, coefficients, bias, generators, orbit dimension, units with a rescaling
CASES = [
    ((2, 3, 2), [0, 0, 1], True, 3, 3, 3),
    ((2, 3, 2), [0, 0, 0, 5], False, 3, 3, 3),
    ((2, 3, 2), [1, 2, 3], True, 3, 3, 3),  # any quadratic, once both biases are there
    ((2, 3, 1), [1, 0, 1], (True, False), 0, 0, 0),  # the constant is in the way
    ((2, 3, 1), [0, 2, 1], (False, True), 0, 0, 0),  # the shift is in the way
    ((2, 3, 1), SHIFTED_CUBE, (True, False), 3, 3, 3),
    ((2, 3, 3, 1), SHIFTED_CUBE, True, 6, 6, 6),
    ((2, 3, 1), [0, 1, 0, 1], True, 0, 0, 0),
    ((3, 2, 3), [0, 1], False, 4, 4, 2),  # GL(2)
    ((2, 3, 2), [0, 1], False, 9, 8, 3),  # GL(3), a line of it fixes generic weights
    ((2, 3, 2), [1, 2], True, 12, 11, 3),
    ((2, 3, 2), [1, 2], (True, False), 9, 9, 0),
    ((2, 3, 2), [1, 2], (False, True), 9, 8, 3),
    ((2, 3, 2), [1, 2], False, 6, 6, 0),
]


@pytest.mark.parametrize(("widths", "coefficients", "bias", "generators", "orbit", "rescalings"), CASES)
def test_symmetries_are_those_of_the_activation_and_the_biases(
    widths, coefficients, bias, generators, orbit, rescalings
):
    net = th.PolynomialNetwork(widths, th.PolynomialActivation(coefficients), bias)
    symmetries = net.symmetries()
    rng = np.random.default_rng(0)
    w = rng.normal(size=net.n_parameters) + 1j * rng.normal(size=net.n_parameters)
    tangents = symmetries.tangents(w)
    assert tangents.shape == (generators, net.n_parameters)
    jacobian = net.jacobian(w, rng.normal(size=(60, widths[0])))
    assert np.all(np.abs(jacobian @ tangents.T) < 1e-11 * np.abs(jacobian) @ np.abs(tangents.T) + 1e-11)
    assert symmetries.dimension == orbit
    assert symmetries.rescalings == rescalings
    found = net.neurovariety()
    assert numerical_rank(jacobian).rank == found.dimension
    if not found.fills and not found.defect:  # then nothing but symmetries leaves the function as it is
        assert net.n_parameters - found.dimension == orbit


def test_tangents_are_exact_for_exact_weights():
    net = th.PolynomialNetwork((2, 2, 1), th.PolynomialActivation(SHIFTED_CUBE))
    w = np.array([Fraction(k, 7) for k in range(1, 10)], dtype=object)
    tangents = net.symmetries().tangents(w)
    assert tangents.dtype == object
    assert modular_rank(tangents) == 2
    X = np.array([[Fraction(1), Fraction(2)], [Fraction(-1, 3), Fraction(5)]], dtype=object)
    assert not (net.ring_jacobian(w, X) @ tangents.T).any()


@pytest.mark.parametrize("widths", [(2, 1), (2, 3, 1), (1, 4, 2, 2), (2, 1, 1)])
def test_the_permutations_are_one_symmetric_group_a_hidden_layer(widths):
    net = th.PolynomialNetwork(widths, th.PolynomialActivation([1, 1, 0, 1]))
    assert net.symmetries().permutation_order == math.prod(map(math.factorial, widths[1:-1]))


def test_a_network_without_hidden_layer_has_no_symmetry():
    symmetries = th.PolynomialNetwork((2, 3), th.monomial(2)).symmetries()
    assert (symmetries.permutation_order, symmetries.dimension) == (1, 0)


def test_layers_without_activation_between_them_mix():
    symmetries = th.PolynomialNetwork.from_layers([Dense(3, 2, False), Dense(2, 3, False)]).symmetries()
    assert symmetries.dimension == 4
