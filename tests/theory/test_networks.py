from fractions import Fraction

import flint
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import theory as th
from theory.layers import Dense
from theory.network_equations import NetworkEquations
from theory.polynomials import GaussianRational
from theory.systems import ConstantEquationError

CUBIC = th.PolynomialActivation([Fraction(3, 10), Fraction(1, 2), Fraction(2, 5), Fraction(1, 5)])
NETWORKS = [
    th.PolynomialNetwork((2, 3, 1), th.monomial(2)),
    th.PolynomialNetwork((2, 2, 2), CUBIC, bias=(True, False)),
    th.PolynomialNetwork((3, 2), th.monomial(2)),
    th.PolynomialNetwork((2, 1, 1, 1), th.monomial(2), bias=False),
    th.PolynomialNetwork((1, 2, 1, 2), th.PolynomialActivation([1, 2]), bias=(False, True, True)),
    th.PolynomialNetwork((2, 2, 2), th.PolynomialActivation([0, 1])),
    th.PolynomialNetwork((2, 3, 1), th.PolynomialActivation([2])),
    th.PolynomialNetwork.from_layers(
        [Dense(1, 1), th.monomial(2), th.PolynomialActivation([1, 1]), Dense(1, 2, bias=False), Dense(2, 1)]
    ),
    th.PolynomialNetwork.from_layers([Dense(2, 2, bias=False), th.monomial(3)]),
]


@pytest.fixture(params=NETWORKS, ids=lambda net: f"{net.widths}-{len(net.layers)}-{net.n_parameters}")
def network(request):
    return request.param


def draw(network, n: int, seed: int = 0, batch=(), imaginary: float = 1.0):
    """Complex weights (*batch, K), real inputs (n, inputs), real targets (n, m)."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(*batch, network.n_parameters)) + imaginary * 1j * rng.normal(
        size=(*batch, network.n_parameters)
    )
    return w, rng.normal(size=(n, network.n_inputs)), rng.normal(size=(n, network.n_outputs))


def systems(network, X, Y) -> list[th.PolynomialSystem]:
    return [network.interpolation_system(X, Y), network.critical_system(X, Y), network.critical_system(X, Y, 0.25)]


def near(actual, expected, tolerance: float = 1e-10) -> None:
    assert np.shape(actual) == np.shape(expected)
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


# ---- values


def test_weights_stand_in_the_order_of_torch_and_are_named_by_layer_output_input():
    net = th.PolynomialNetwork((2, 2, 1), th.monomial(2), bias=(True, False))
    assert net.names == ("w1_1_1", "w1_1_2", "w1_2_1", "w1_2_2", "b1_1", "b1_2", "w2_1_1", "w2_1_2")
    assert net.n_parameters == len(net.parameters) == 8


def test_a_small_network_is_the_polynomial_written_by_hand():
    net = th.PolynomialNetwork((1, 2, 1), th.monomial(2))
    x, (u, v, b, c, p, q, d) = sp.Symbol("x"), net.parameters
    assert sp.expand(net.expression([x]) - (p * (u * x + b) ** 2 + q * (v * x + c) ** 2 + d)) == 0


def test_the_expression_agrees_with_the_layers_at_random_weights(network):
    w, X, _ = draw(network, 3)
    symbols = sp.symbols(f"x1:{network.n_inputs + 1}")
    expressions = network.expression(symbols)
    function = sp.lambdify([network.parameters, symbols], expressions)
    expected = [np.atleast_1d(function(w, x)) for x in X]
    near(network.evaluate(w, X), np.array(expected))


def test_exact_data_make_exact_expressions():
    net = th.PolynomialNetwork((2, 1), th.monomial(2), bias=False)
    assert net.expression([Fraction(1, 3), sp.Rational(2, 7)]) == net.parameters[0] / 3 + 2 * net.parameters[1] / 7
    assert net.expression([0.5, 1]).atoms(sp.Float) == set()


def test_weights_may_come_in_batches_of_any_shape(network):
    w, X, _ = draw(network, 4, batch=(2, 3))
    values, jacobian = network.evaluate(w, X), network.jacobian(w, X)
    assert values.shape == (2, 3, 4, network.n_outputs)
    assert jacobian.shape == (2, 3, 4 * network.n_outputs, network.n_parameters)
    near(values[1, 2], network.evaluate(w[1, 2], X))
    near(jacobian[1, 2], network.jacobian(w[1, 2], X))


def test_the_jacobian_is_that_of_sympy(network):
    w, X, _ = draw(network, 2)
    expressions = [np.atleast_1d(network.expression(x)) for x in X]
    matrix = sp.Matrix(np.concatenate(expressions)).jacobian(network.parameters)
    near(network.jacobian(w, X), np.array(sp.lambdify([network.parameters], matrix)(w), dtype=complex))


def test_the_jacobian_is_that_of_torch(network):
    w, X, _ = draw(network, 5, imaginary=0)
    module = network.to_torch(w.real)
    parameters = dict(module.named_parameters())
    inputs = torch.tensor(X)
    values = torch.func.functional_call(module, parameters, inputs)
    near(network.evaluate(w.real, X), values.detach().numpy())
    jacobians = torch.func.jacrev(lambda p: torch.func.functional_call(module, p, inputs))(parameters)
    rows = [j.detach().numpy().reshape(5 * network.n_outputs, -1) for j in jacobians.values()]
    near(network.jacobian(w.real, X), np.hstack(rows))


# ---- torch


def test_the_round_trip_through_torch_is_exact(network):
    w = draw(network, 1)[0].real
    back = th.PolynomialNetwork.from_torch(network.to_torch(w))
    assert back == network
    np.testing.assert_array_equal(back.weights, w)


def test_torch_parameters_in_their_order_are_the_weight_vector(network):
    w = draw(network, 1)[0].real
    vector = torch.nn.utils.parameters_to_vector(network.to_torch(w).parameters())
    np.testing.assert_array_equal(vector.detach().numpy(), w)


def test_to_torch_leaves_the_global_random_numbers_alone():
    before = torch.random.get_rng_state()
    NETWORKS[0].to_torch(np.ones(NETWORKS[0].n_parameters))
    assert torch.equal(before, torch.random.get_rng_state())


def test_from_torch_reads_single_precision_and_nested_containers():
    inner = NETWORKS[0].to_torch(np.linspace(-1, 1, NETWORKS[0].n_parameters)).float()
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Sequential(*inner[:2]), inner[2], torch.nn.Identity())
    assert th.PolynomialNetwork.from_torch(module) == NETWORKS[0]


def test_from_torch_refuses_what_is_not_polynomial():
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    with pytest.raises(TypeError, match="polynomial activations, got ReLU"):
        th.PolynomialNetwork.from_torch(module)


def test_from_torch_notices_a_module_with_a_path_of_its_own():
    class Residual(torch.nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    module = Residual(*th.PolynomialNetwork((2, 3, 2), CUBIC).to_torch(np.ones(17)))
    with pytest.raises(ValueError, match="one after the other"):
        th.PolynomialNetwork.from_torch(module)


class Clamped(torch.nn.Sequential):
    def forward(self, x):
        return super().forward(x.clamp(-1, 1))


class Shifted(torch.nn.Sequential):
    def forward(self, x):
        return super().forward(x) + 1e-6


class Scaled(torch.nn.Sequential):
    def __init__(self, *layers):
        super().__init__(*layers)
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.scale * super().forward(x)


class Turned(torch.nn.Sequential):
    def forward(self, x):
        for layer in reversed(self):
            x = layer(x)
        return x


@pytest.mark.parametrize("kind", [Clamped, Shifted, Scaled, Turned])
@pytest.mark.parametrize("number", [torch.float32, torch.float64])
def test_from_torch_refuses_a_module_that_is_almost_the_network(kind, number):
    net = th.PolynomialNetwork((2, 2, 2), CUBIC)
    module = kind(*net.to_torch(0.1 * np.ones(12))).to(number)  # small weights, all the same: little to see
    with pytest.raises(ValueError, match="this module"):
        th.PolynomialNetwork.from_torch(module)


@pytest.mark.parametrize("degree", [3, 10, 40])
def test_from_torch_takes_activations_of_high_degree(degree):
    net = th.PolynomialNetwork((2, 3, 3, 1), th.relu_approximation(degree, (-3, 3), method="legendre"))
    assert th.PolynomialNetwork.from_torch(net.to_torch(draw(net, 1)[0].real).float()) == net


# ---- degrees


@pytest.mark.parametrize(("depth", "l"), [(1, 2), (2, 2), (3, 2), (1, 3), (2, 3), (1, 5)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_dense_network_has_degree_1_plus_l_to_l_to_the_d_in_its_weights(depth, l, bias):
    net = th.PolynomialNetwork((2,) * (depth + 1) + (1,), th.monomial(l), bias)
    assert net.degree_in_weights == (sum(l**k for k in range(depth + 1)),)
    assert net.depth == depth


def test_degrees_are_those_of_the_expanded_equations(network):
    X, Y = np.array([[1, 2, 3], [0, 0, 0], [0, 1, 0]])[:, : network.n_inputs], np.ones((3, network.n_outputs))
    interpolation = th.PolynomialSystem.from_network(NetworkEquations(network, X, Y))  # constants and all
    for system in (interpolation, network.critical_system(X, Y)):
        assert system.degrees == tuple(p.degree for p in system.polynomials)


def test_the_gradient_degree_sees_a_leading_form_that_cancels_over_the_data():
    """f = v w x + c at x = -1, 1 with targets 0: the derivative by c is 2 c, the sum over x of v w x vanishes."""
    net = th.PolynomialNetwork((1, 1, 1), th.PolynomialActivation([0, 1]), bias=(False, True))
    assert net.critical_system([[-1], [1]], [0, 0]).degrees == (3, 3, 1)
    assert net.critical_system([[-1], [2]], [0, 0]).degrees == (3, 3, 2)


# ---- equations


def expanded(system: th.PolynomialSystem) -> th.PolynomialSystem:
    return th.PolynomialSystem.from_polynomials([p for p in system.polynomials if p.degree], system.names)


def test_equations_through_the_layers_are_the_expanded_ones(network):
    w, X, Y = draw(network, 3, batch=(4,))
    for system in systems(network, X, Y):
        plain = expanded(system)
        rows = [p.degree > 0 for p in system.polynomials]
        near(system.evaluate(w)[:, rows], plain.evaluate(w))
        near(system.jacobian(w)[:, rows], plain.jacobian(w))
        assert np.all(system.magnitude(w)[:, rows] >= plain.magnitude(w) * (1 - 1e-12))
        assert np.all(system.magnitude(w)[:, rows] <= 10 * plain.magnitude(w))


def test_hessian_contractions_are_those_of_the_expanded_equations(network):
    w, X, Y = draw(network, 2)
    for system in systems(network, X, Y)[:2]:  # a ridge term is linear in the gradient
        plain = expanded(system)
        weights = np.random.default_rng(1).normal(size=system.n_equations)
        rows = [p.degree > 0 for p in system.polynomials]
        near(system.hessian_contraction(w, weights), plain.hessian_contraction(w, weights[rows]))


def test_interpolation_equations_go_image_by_image():
    net = NETWORKS[1]
    w, X, Y = draw(net, 4)
    near(net.interpolation_system(X, Y).evaluate(w), (net.evaluate(w, X) - Y).ravel())


def test_critical_equations_are_the_gradient_of_the_mean_squared_error_with_ridge():
    net = NETWORKS[1]
    w, X, Y = draw(net, 4, imaginary=0)
    weights = torch.tensor(w.real, requires_grad=True)
    parameters, start = {}, 0
    module = net.to_torch(w.real)
    for name, p in module.named_parameters():
        parameters[name] = weights[start : start + p.numel()].reshape(p.shape)
        start += p.numel()
    outputs = torch.func.functional_call(module, parameters, torch.tensor(X))
    loss = torch.nn.functional.mse_loss(outputs, torch.tensor(Y)) + 0.3 * (weights**2).sum()
    loss.backward()
    near(net.critical_system(X, Y, 0.3).evaluate(w.real), weights.grad.numpy())


def test_targets_of_one_output_may_be_flat():
    net = NETWORKS[0]
    w, X, Y = draw(net, 3)
    near(net.interpolation_system(X, Y[:, 0]).evaluate(w), net.interpolation_system(X, Y).evaluate(w))


@given(st.integers(0, 10**6), st.sampled_from(["interpolation", "critical"]))
@settings(max_examples=8, deadline=None)
def test_residuals_in_rationals_residues_balls_and_polynomials_agree(seed, kind):
    rng = np.random.default_rng(seed)
    net = th.PolynomialNetwork((2, 2, 1), CUBIC, bias=(True, False))
    fractions = [Fraction(int(a), int(b)) for a, b in rng.integers(1, 9, size=(net.n_parameters + 6, 2))]
    w, data = fractions[: net.n_parameters], np.array(fractions[net.n_parameters :], dtype=object).reshape(2, 3)
    equations = NetworkEquations(net, data[:, :2], data[:, 2], kind, Fraction(1, 3))
    exact = equations.residuals(w)
    prime = 2**61 - 1
    assert [p.evaluate(w, lambda c: c.re) for p in equations.polynomials()] == exact
    residues = equations.residuals([flint.nmod(c.numerator, prime) / c.denominator for c in w])
    assert residues == [flint.nmod(c.numerator, prime) / c.denominator for c in exact]
    balls = equations.residuals([flint.arb(flint.fmpq(c.numerator, c.denominator)) for c in w])
    assert all(b.contains(flint.fmpq(c.numerator, c.denominator)) for b, c in zip(balls, exact, strict=True))
    near(equations.evaluate(np.array([w], dtype=float))[0], np.array(exact, dtype=float))
    symbols = dict(zip(equations.network.parameters, map(sp.Rational, w), strict=True))
    assert [e.subs(symbols) for e in equations.residuals(net.parameters)] == [sp.Rational(c) for c in exact]


def test_residuals_take_other_data_as_ring_elements():
    net = NETWORKS[1]
    w, X, Y = draw(net, 3)
    equations = NetworkEquations(net, np.zeros((3, 2)), np.zeros((3, 2)))
    values = equations.residuals(list(w), inputs=X.tolist(), targets=Y.tolist())
    near(np.array(values), (net.evaluate(w, X) - Y).ravel())


def test_complex_data_stay_exact():
    net = th.PolynomialNetwork((1, 1), th.monomial(2), bias=False)
    equations = NetworkEquations(net, [[1 + 2j]], [0.5j])
    assert not equations.is_real
    (polynomial,) = equations.polynomials()
    assert polynomial.terms[(1,)] == GaussianRational(Fraction(1), Fraction(2))
    assert polynomial.terms[(0,)] == GaussianRational(Fraction(0), Fraction(-1, 2))
    assert equations.degrees == (1,)
    assert NetworkEquations(net, [[1 + 2j]], [0.5j], "critical").degrees == (1,)
    near(equations.evaluate(np.array([[2.0]])), np.array([[2 + 3.5j]]))


@pytest.mark.parametrize("kind", ["interpolation", "critical"])
def test_no_points_have_no_values(network, kind):
    rng, K, m = np.random.default_rng(0), network.n_parameters, network.n_outputs
    x = rng.normal(size=(3, network.n_inputs))
    equations = NetworkEquations(network, x, rng.normal(size=(3, m)), kind)
    none = np.zeros((0, K))
    assert equations.evaluate(none).shape == equations.magnitude(none).shape == (0, equations.n_equations)
    assert equations.jacobian(none).shape == (0, equations.n_equations, K)
    assert network.evaluate(none, x).shape == (0, 3, m)
    assert network.jacobian(none, x).shape == (0, 3 * m, K)


# ---- misuse

BARE = th.PolynomialNetwork((2, 2, 1), th.monomial(2), bias=False).interpolation_system


@pytest.mark.parametrize(("error", "message", "call"), [
    (TypeError, "PolynomialActivation.*'relu'", lambda: th.PolynomialNetwork((2, 1), "relu")),
    (ValueError, "at least two widths", lambda: th.PolynomialNetwork((2,), th.monomial(2))),
    (ValueError, "above 0, got 0", lambda: th.PolynomialNetwork((2, 0, 1), th.monomial(2))),
    (ValueError, "above 0, got -3", lambda: th.PolynomialNetwork((2, -3, 1), th.monomial(2))),
    (ValueError, "above 0, got 1.5", lambda: th.PolynomialNetwork((2, 1.5, 1), th.monomial(2))),
    (ValueError, "one for each layer, got 3", lambda: th.PolynomialNetwork((2, 2, 1), th.monomial(2), [True] * 3)),
    (ValueError, "at least one layer", lambda: th.PolynomialNetwork.from_layers([])),
    (ValueError, "begins with an affine layer", lambda: th.PolynomialNetwork.from_layers([th.monomial(2)])),
    (ValueError, "takes 3 inputs", lambda: th.PolynomialNetwork.from_layers([Dense(2, 2), Dense(3, 1)])),
    (TypeError, "a layer must be", lambda: th.PolynomialNetwork.from_layers([2, 3])),
    (TypeError, "widths must be whole numbers", lambda: th.PolynomialNetwork(3, th.monomial(2))),
    (TypeError, "bias must be True or False.* got 1", lambda: th.PolynomialNetwork((2, 1), th.monomial(2), bias=1)),
    (TypeError, "got None", lambda: th.PolynomialNetwork((2, 1), th.monomial(2), bias=None)),
    (TypeError, "got 'no'", lambda: th.PolynomialNetwork((2, 2, 1), th.monomial(2), bias="no")),
    (TypeError, "bias must be True or False", lambda: Dense(2, 1, bias="no")),
    (TypeError, "a torch module, got NoneType", lambda: th.PolynomialNetwork.from_torch(None)),
    (ConstantEquationError, "equation 1 is the constant -1 and.* inconsistent", lambda: BARE([[0, 0]], [1])),
    (ConstantEquationError, "equation 2 is identically 0", lambda: BARE([[1, 2], [0, 0]], [1, 0])),
    (ValueError, "seed must be a whole number", lambda: NETWORKS[0].neurovariety(seed=1.5)),
    (ValueError, r"shape \(\.\.\., 13\)", lambda: NETWORKS[0].evaluate(np.ones(12), np.ones((1, 2)))),
    (ValueError, r"shape \(N, 2\)", lambda: NETWORKS[0].evaluate(np.ones(13), np.ones((1, 3)))),
    (ValueError, "weights must be finite", lambda: NETWORKS[0].evaluate(np.full(13, np.nan), np.ones((1, 2)))),
    (ValueError, "inputs must be finite", lambda: NETWORKS[0].evaluate(np.ones(13), [[np.inf, 1]])),
    (ValueError, "inputs must be numbers", lambda: NETWORKS[0].evaluate(np.ones(13), [["a", "b"]])),
    (ValueError, "N > 0", lambda: NETWORKS[0].interpolation_system(np.ones((0, 2)), np.ones(0))),
    (ValueError, r"inputs must have shape \(N, 2\)", lambda: NETWORKS[0].interpolation_system([[1]], [1])),
    (ValueError, r"targets must have shape \(1, 1\)", lambda: NETWORKS[0].interpolation_system([[1, 2]], [1, 2])),
    (ValueError, "inputs must have rows of equal", lambda: NETWORKS[0].interpolation_system([[1, 2], [1]], [1, 2])),
    (ValueError, "targets must be finite", lambda: NETWORKS[0].interpolation_system([[1, 2]], [np.nan])),
    (ValueError, "not negative, got -1", lambda: NETWORKS[0].critical_system([[1, 2]], [1], -1)),
    (ValueError, "real weights of shape", lambda: NETWORKS[0].to_torch(np.ones(13) * 1j)),
    (ValueError, "needs 2 inputs, got 1", lambda: NETWORKS[0].expression([1])),
])  # fmt: skip
def test_misuse_is_answered_in_one_clear_line(error, message, call):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
