import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory as th
from tests import known_systems
from theory.continuation.tape import Recorder, evaluate
from theory.polynomials import Polynomial

RNG = np.random.default_rng(0)
EXPONENTS = st.tuples(*[st.integers(0, 3)] * 3)
TERMS = st.dictionaries(EXPONENTS, st.fractions(-4, 4, max_denominator=8), min_size=1, max_size=6)


def complex_points(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


def recorded(equations_of, n):
    recorder = Recorder(n)
    return recorder.tape(equations_of(recorder.unknowns))


@settings(deadline=None)  # the first one compiles
@given(TERMS)
def test_a_recorded_polynomial_has_the_values_and_derivatives_of_the_polynomial(terms):
    polynomial = Polynomial.constant(1, 3) + sum(
        (Polynomial({e: Polynomial.constant(c, 3).terms[0, 0, 0]}, 3) for e, c in terms.items() if c),
        Polynomial.constant(0, 3),
    )
    recorder = Recorder(3)
    tape = recorder.tape([recorder.polynomial(polynomial)])
    x = complex_points(5, 3)
    values, jacobian = evaluate(tape, np.hstack([x, np.ones((5, 1))]), np.zeros(0))
    scale = 1 + sum(abs(c) for c in polynomial.terms.values()) * np.abs(x).max() ** 9
    assert np.abs(values[:, 0] - [polynomial.evaluate(row) for row in x]).max() < 1e-13 * scale
    for k in range(3):
        exact = [polynomial.diff(k).evaluate(row) for row in x]
        assert np.abs(jacobian[:, 0, k] - exact).max() < 1e-12 * scale


def test_what_is_recorded_is_homogeneous_of_the_degree_that_is_kept():
    recorder = Recorder(2)
    x, y = recorder.unknowns
    node = (x + 1) ** 3 * (y * y - Fraction(1, 3)) - 2 * x + 5
    tape = recorder.tape([node])
    points = complex_points(4, 3)
    assert recorder.degree(node) == (5,)
    once, twice = (evaluate(tape, factor * points, np.zeros(0))[0] for factor in (1, 2))
    assert np.allclose(twice, 2**5 * once, rtol=1e-13)


def test_groups_of_unknowns_are_homogenised_apart():
    recorder = Recorder(3, groups=[[0, 1], [2]])
    x, y, z = recorder.unknowns
    node = x * y * z - 3 * z**2 + x + 1
    assert recorder.degree(node) == (2, 2)
    points = complex_points(4, 5)  # x, y, z, then a homogenising coordinate for each group
    scaled = points * np.array([2, 2, 3, 2, 3])
    tape = recorder.tape([node])
    assert np.allclose(evaluate(tape, scaled, np.zeros(0))[0], 4 * 9 * evaluate(tape, points, np.zeros(0))[0])


def test_equal_expressions_are_stored_once():
    recorder = Recorder(2)
    x, y = recorder.unknowns
    assert (x * y + 1).register() == (1 + y * x).register()
    assert len({(x**4 + k).register() for k in range(3)}) == 3


def test_parameters_are_inputs_of_degree_zero():
    recorder = Recorder(1)
    (x,) = recorder.unknowns
    p, q = recorder.parameters(2)
    tape = recorder.tape([p * x**2 - q])
    values, jacobian = evaluate(tape, np.array([[3.0, 2.0]]), np.array([5.0, 7.0]))
    assert values[0, 0] == 5 * 9 - 7 * 4
    assert jacobian[0, 0].tolist() == [2 * 5 * 3, -2 * 7 * 2]


def test_weights_of_monomials_may_be_parameters():
    recorder = Recorder(2)
    weights = recorder.parameters(3)
    tape = recorder.tape([recorder.weighted([(2, 1), (0, 1), (0, 0)], weights)])
    values, jacobian = evaluate(tape, np.array([[3.0, 2.0, 1.0]]), np.array([5.0, 7.0, 11.0]))
    assert values[0, 0] == 5 * 9 * 2 + 7 * 2 + 11
    assert jacobian[0, 0, :2].tolist() == [5 * 2 * 3 * 2, 5 * 9 + 7]


def test_a_network_is_recorded_by_its_forward_pass_and_never_expanded():
    network = th.PolynomialNetwork((2, 3, 2, 1), th.monomial(2))
    X, Y = RNG.normal(size=(4, 2)), RNG.normal(size=4)
    system = network.interpolation_system(X, Y)
    tape = recorded(system.network.residuals, system.n_unknowns)
    w = complex_points(3, system.n_unknowns)
    values, jacobian = evaluate(tape, np.hstack([w, np.ones((3, 1))]), np.zeros(0))
    assert np.allclose(values, system.evaluate(w), rtol=1e-11)
    assert np.allclose(jacobian[:, :, :-1], system.jacobian(w), rtol=1e-11)
    assert len(tape.product_ids) < sum(len(p.terms) for p in system.polynomials) / 2


def test_gradients_of_the_loss_are_recorded_by_a_reverse_pass():
    network = th.PolynomialNetwork((1, 2, 1), th.monomial(2), bias=False)
    system = network.critical_system(RNG.normal(size=(4, 1)), RNG.normal(size=4), regularization=Fraction(1, 10))
    tape = recorded(system.network.residuals, system.n_unknowns)
    w = complex_points(3, system.n_unknowns)
    values, jacobian = evaluate(tape, np.hstack([w, np.ones((3, 1))]), np.zeros(0))
    assert np.allclose(values, system.evaluate(w), rtol=1e-11)
    assert np.allclose(jacobian[:, :, :-1], system.jacobian(w), rtol=1e-11)


def test_numpy_numbers_and_arrays_of_nodes_mix_with_nodes():
    recorder = Recorder(2)
    nodes = np.array(recorder.unknowns, dtype=object)
    total = (np.array([[2.0, 3.0]]) @ nodes)[0] + np.float64(1) * nodes[0] - np.complex128(1j)
    tape = recorder.tape([total])
    assert evaluate(tape, np.array([[1.0, 1.0, 1.0]]), np.zeros(0))[0][0, 0] == 6 - 1j


def test_what_is_no_number_is_no_node():
    (x, _) = Recorder(2).unknowns
    with pytest.raises(TypeError):
        x + "1"


@pytest.mark.parametrize("known", known_systems.ISOLATED, ids=lambda k: k.name)
def test_the_total_degree_of_known_systems_is_the_product_of_their_recorded_degrees(known):
    recorder = Recorder(known.system.n_unknowns)
    degrees = [recorder.degree(recorder.polynomial(p))[0] for p in known.system.polynomials]
    assert math.prod(degrees) == known.total_degree
