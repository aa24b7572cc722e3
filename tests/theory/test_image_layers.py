"""Convolutions, averages and normalisation against torch's forward and automatic differentiation, in all rings."""

from fractions import Fraction

import flint
import numpy as np
import pytest
import sympy as sp
import torch
from torch import nn

import theory as th
from theory import AveragePool, Convolution, Dense, Flatten, Normalise
from theory.network_equations import NetworkEquations
from theory.rank import numerical_rank

SQUARE = th.monomial(2)
MIXED = th.PolynomialActivation([1, Fraction(1, 2), Fraction(1, 4)])


def network(*layers, shape):
    return th.PolynomialNetwork.from_layers(layers, input_shape=shape)


# input shape, layers
NETWORKS = {
    "plain": network(Convolution(1, 2, 2), SQUARE, Flatten(), Dense(8, 1), shape=(1, 3, 3)),
    "strided": network(
        Convolution(2, 2, 3, stride=2, padding=1), MIXED, Flatten(), Dense(8, 2, False), shape=(2, 3, 4)
    ),
    "pooled": network(
        Convolution(1, 2, 2, bias=False), SQUARE, AveragePool(2), Flatten(), Dense(2, 1), shape=(1, 3, 3)
    ),
    "overlapping": network(
        Convolution(1, 2, (1, 2), padding=(0, 1)), SQUARE, AveragePool((2, 1), stride=1), Convolution(2, 1, 2),
        shape=(1, 4, 2),
    ),
    "skipping": network(Convolution(1, 1, 1, stride=3), SQUARE, AveragePool(1, stride=2), Flatten(), Dense(1, 1),
                        shape=(1, 5, 6)),
    "normalised": network(
        Convolution(1, 2, 2), Normalise((0.5, 2), (1, -0.25)), SQUARE, Normalise((1, 3), (1, 2)), Convolution(2, 1, 2),
        shape=(1, 3, 3),
    ),
    "row": network(Dense(3, 2), Normalise((2, 1), (0, 1)), MIXED, Dense(2, 2), shape=(3,)),
}  # fmt: skip


@pytest.fixture(params=NETWORKS, ids=str)
def net(request):
    return NETWORKS[request.param]


def draw(net, n, seed=0):
    """Real weights (K,), images (n, *input_shape), targets (n, m)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, *net.input_shape))
    return rng.normal(size=net.n_parameters), x, rng.normal(size=(n, net.n_outputs))


def near(actual, expected, tolerance=1e-11):
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1.0, float(np.abs(expected).max())))


# ---- values


def test_values_and_jacobian_are_those_of_torch(net):
    w, x, _ = draw(net, 4)
    module = net.to_torch(w)
    parameters = dict(module.named_parameters())
    vector = torch.nn.utils.parameters_to_vector(module.parameters())
    np.testing.assert_array_equal(vector.detach().numpy(), w)

    def outputs(p):
        return torch.func.functional_call(module, p, torch.tensor(x)).reshape(4, -1)

    near(net.evaluate(w, x), outputs(parameters).detach().numpy())
    blocks = torch.func.jacrev(outputs)(parameters).values()
    near(net.jacobian(w, x), np.hstack([b.detach().numpy().reshape(4 * net.n_outputs, -1) for b in blocks]))


def test_complex_weights_come_in_batches_and_images_as_rows_too(net):
    rng = np.random.default_rng(1)
    w = rng.normal(size=(2, 3, net.n_parameters)) + 1j * rng.normal(size=(2, 3, net.n_parameters))
    _, x, _ = draw(net, 4)
    values = net.evaluate(w, x.reshape(4, -1))
    assert values.shape == (2, 3, 4, net.n_outputs)
    near(values[1, 2], net.evaluate(w[1, 2], x))
    near(net.jacobian(w, x)[1, 2], net.jacobian(w[1, 2], x))


def test_the_expression_is_what_the_layers_give(net):
    w, x, _ = draw(net, 1)
    symbols = np.array(sp.symbols(f"x1:{net.n_inputs + 1}"), dtype=object).reshape(net.input_shape)
    expression = net.expression(symbols)
    assert expression == net.expression(symbols.ravel())
    value = sp.lambdify([net.parameters, list(symbols.ravel())], expression)(w, x.ravel())
    near(np.atleast_1d(value), net.evaluate(w, x)[0])


def test_a_small_convolution_is_the_polynomial_written_by_hand():
    net = network(
        Convolution(1, 1, (1, 2)), SQUARE, AveragePool((1, 2)), Flatten(), Dense(1, 1, False), shape=(1, 1, 3)
    )
    assert net.names == ("w1_1_1_1_1", "w1_1_1_1_2", "b1_1", "w2_1_1")
    (x, y, z), (u, v, b, c) = sp.symbols("x y z"), net.parameters
    by_hand = c * ((u * x + v * y + b) ** 2 + (u * y + v * z + b) ** 2) / 2
    assert sp.expand(net.expression([x, y, z]) - by_hand) == 0


def test_a_stride_beyond_the_kernel_leaves_inputs_unseen():
    net = NETWORKS["skipping"]
    w, x, _ = draw(net, 1)
    changed = x.copy()
    changed[:, :, 1] = 7
    near(net.evaluate(w, x), net.evaluate(w, changed))


# ---- equations


@pytest.mark.parametrize("name", ["pooled", "overlapping", "skipping"])
def test_equations_through_the_layers_are_the_expanded_ones(name):
    net = NETWORKS[name]
    rng = np.random.default_rng(0)
    points = rng.normal(size=(3, net.n_parameters)) + 1j * rng.normal(size=(3, net.n_parameters))
    _, x, y = draw(net, 1)
    for system in (net.interpolation_system(x, y), net.critical_system(x, y, 0.25)):
        plain = th.PolynomialSystem.from_polynomials(system.polynomials, system.names)
        near(system.evaluate(points), plain.evaluate(points))
        near(system.jacobian(points), plain.jacobian(points))
        assert np.all(system.magnitude(points) >= plain.magnitude(points) * (1 - 1e-12))
        weights = rng.normal(size=system.n_equations)
        near(system.hessian_contraction(points[0], weights), plain.hessian_contraction(points[0], weights))
        assert system.degrees == tuple(p.degree for p in system.polynomials)


def test_the_gradient_is_that_of_torch(net):
    w, x, y = draw(net, 3)
    module = net.to_torch(w)
    loss = nn.functional.mse_loss(module(torch.tensor(x)).reshape(3, -1), torch.tensor(y))
    loss.backward()
    gradient = np.concatenate([p.grad.numpy().ravel() for p in module.parameters()])
    near(net.critical_system(x, y).evaluate(w[None])[0], gradient)


@pytest.mark.parametrize("kind", ["interpolation", "critical"])
def test_rationals_residues_and_balls_agree(net, kind):
    rng = np.random.default_rng(2)
    w = [Fraction(int(a), int(b)) for a, b in rng.integers(1, 9, (net.n_parameters, 2))]
    x, y = rng.integers(-3, 9, (2, *net.input_shape)), rng.integers(1, 9, (2, net.n_outputs))
    equations = NetworkEquations(net, x, y, kind)
    exact = equations.residuals(w)
    prime = 2**61 - 1
    residues = equations.residuals([flint.nmod(c.numerator, prime) / c.denominator for c in w])
    assert residues == [flint.nmod(c.numerator, prime) / c.denominator for c in exact]
    balls = equations.residuals([flint.arb(flint.fmpq(c.numerator, c.denominator)) for c in w])
    assert all(b.contains(flint.fmpq(c.numerator, c.denominator)) for b, c in zip(balls, exact, strict=True))


def test_the_terms_of_an_average_may_cancel_and_the_degree_knows_it():
    net = network(Convolution(1, 1, 1, bias=False), AveragePool(2), Flatten(), Dense(1, 1), shape=(1, 2, 2))
    equations = NetworkEquations(net, [[1, -1, 2, -2], [1, 1, 1, 1]], [1, 1])
    assert equations.degrees == (1, 2)  # the kernel drops out where the mean is 0, the bias does not


def test_a_convolutional_system_is_solved_without_being_written_out(monkeypatch):
    net = network(
        Convolution(1, 1, (1, 2), bias=False), SQUARE, AveragePool((1, 2)), Flatten(), Dense(1, 1, False),
        shape=(1, 1, 3),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    system = net.interpolation_system(rng.integers(1, 9, (2, 1, 1, 3)), [1, 2]).slice(seed=0)
    expected = len(th.solve(th.PolynomialSystem.from_polynomials(system.polynomials, system.names)).solutions)
    monkeypatch.setattr(NetworkEquations, "polynomials", None)
    found = th.solve(system)
    assert len(found.solutions) == expected > 0
    assert np.abs(system.evaluate(found.solutions)).max() < 1e-9


# ---- symmetries


SYMMETRIC = {  # layers, shape, rescalings or None, dimension of the orbits
    "a square behind a kernel": (NETWORKS["plain"], 2, 2),
    "constants reach c": (network(Convolution(1, 2, 2), MIXED, Convolution(2, 2, 2), shape=(1, 4, 3)), 2, 2),
    "constants stop at the border": (
        network(Convolution(1, 2, 2), MIXED, Convolution(2, 2, 2, padding=1), shape=(1, 3, 3)), 0, 0),
    "averages do not matter": (
        network(Convolution(1, 2, 2), MIXED, AveragePool(2), Flatten(), Dense(2, 3), shape=(1, 3, 3)), 2, 2),
    "different normalisation of the units": (NETWORKS["normalised"], 2, 2),
    "no bias for the shift": (
        network(Convolution(1, 2, 2, bias=False), Normalise((1, 1), (0, 1)), SQUARE, Flatten(), Dense(8, 1),
                shape=(1, 3, 3)), 1, 1),
    "linear: channels mix": (
        network(Convolution(2, 2, 2, bias=False), Convolution(2, 2, 2, bias=False), shape=(2, 4, 4)), 2, 4),
    "linear with biases": (network(Convolution(2, 2, 2), Convolution(2, 2, 2), shape=(2, 4, 4)), 2, 6),
    "linear with borders": (
        network(Convolution(2, 2, 2), Convolution(2, 2, 2, padding=1), shape=(2, 3, 3)), 2, 4),
    "linear, levels of their own, no bias": (
        network(Convolution(2, 2, 2, bias=False), Normalise((1, 2), (1, 3)), Convolution(2, 3, 2, bias=False),
                shape=(2, 4, 4)), 0, 2),
}  # fmt: skip


@pytest.mark.parametrize("case", SYMMETRIC, ids=str)
def test_symmetries_leave_the_function_and_nothing_else_does(case):
    """The rank of the Jacobian over many images is K minus the dimension of what leaves the function as it is."""
    net, rescalings, dimension = SYMMETRIC[case]
    symmetries = net.symmetries()
    rng = np.random.default_rng(0)
    w = rng.normal(size=net.n_parameters)
    jacobian = net.jacobian(w, rng.normal(size=(80, net.n_inputs)))
    tangents = symmetries.tangents(w)
    assert np.abs(jacobian @ tangents.T).max(initial=0) < 1e-10 * np.abs(jacobian).max()
    assert (symmetries.rescalings, symmetries.dimension) == (rescalings, dimension)
    assert numerical_rank(jacobian).rank == net.n_parameters - dimension


def test_only_channels_with_the_same_normalisation_change_places():
    def order(*shifts):
        layers = (Convolution(1, 3, 2), Normalise((1, 1, 1), shifts), SQUARE, Flatten(), Dense(12, 1))
        return network(*layers, shape=(1, 3, 3)).symmetries().permutation_order

    assert (order(0, 0, 0), order(0, 0, 1), order(0, 1, 2)) == (6, 2, 1)


# ---- torch


def test_the_round_trip_through_torch_is_exact():
    for name in ("plain", "strided", "pooled", "overlapping"):
        net = NETWORKS[name]
        w = draw(net, 1)[0]
        back = th.PolynomialNetwork.from_torch(net.to_torch(w), net.input_shape)
        assert back == net
        np.testing.assert_array_equal(back.weights, w)


class Square(nn.Module):
    activation = SQUARE

    def forward(self, z):
        return z * z


def test_a_module_of_the_user_s_own_is_read():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 3, 3, padding="same", bias=False), nn.BatchNorm2d(3, affine=False), Square()),
        nn.Dropout(0.5), nn.AdaptiveAvgPool2d((2, 1)), nn.Flatten(), nn.Linear(6, 2), nn.BatchNorm1d(2, affine=False),
    )  # fmt: skip
    module(torch.randn(64, 1, 6, 5))  # statistics
    module.eval()
    net = th.PolynomialNetwork.from_torch(module.half(), (1, 6, 5))
    assert [type(layer).__name__ for layer in net.layers] == [
        "Convolution", "Normalise", "Activate", "AveragePool", "Flatten", "Dense", "Normalise",
    ]  # fmt: skip
    x = np.random.default_rng(0).normal(size=(3, 1, 6, 5))
    near(net.evaluate(net.weights, x), module.double()(torch.tensor(x)).detach().numpy())
    near(net.to_torch(net.weights)(torch.tensor(x)).detach().numpy(), net.evaluate(net.weights, x))


def test_images_that_are_rows_at_once_need_no_layer():
    module = nn.Sequential(nn.Flatten(), nn.Linear(6, 2)).double()
    assert th.PolynomialNetwork.from_torch(module, (1, 2, 3)).layers == (Dense(6, 2),)


def test_rows_may_be_made_outside_of_modules_and_activations_shared():
    class Unseen(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.square, self.dense = nn.Conv2d(1, 2, 2), Square(), nn.Linear(8, 1)

        def forward(self, x):
            return self.dense(self.square(self.conv(x)).flatten(1))

    net = th.PolynomialNetwork.from_torch(Unseen(), (1, 3, 3))
    assert [type(layer).__name__ for layer in net.layers] == ["Convolution", "Activate", "Flatten", "Dense"]
    square = Square()
    shared = nn.Sequential(nn.Linear(2, 3), square, nn.Linear(3, 3), square, nn.Linear(3, 1))
    assert th.PolynomialNetwork.from_torch(shared) == th.PolynomialNetwork((2, 3, 3, 1), SQUARE)
    twice = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="this module has 6 parameters, its layers 12"):
        th.PolynomialNetwork.from_torch(nn.Sequential(twice, square, twice))


def test_weights_of_a_module_must_be_finite():
    module = nn.Linear(2, 1)
    nn.init.constant_(module.bias, float("nan"))
    with pytest.raises(ValueError, match="weights of a module must be finite"):
        th.PolynomialNetwork.from_torch(module)


CONV = nn.Conv2d(1, 2, 3)
REFUSED = [
    (TypeError, "got ReLU", [CONV, nn.ReLU()]),
    (TypeError, "got MaxPool2d", [CONV, nn.MaxPool2d(2)]),
    (ValueError, "groups=1", [nn.Conv2d(2, 2, 1, groups=2)]),
    (ValueError, r"dilation=\(1, 1\)", [nn.Conv2d(1, 2, 2, dilation=2)]),
    (ValueError, "padding_mode='zeros'", [nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect")]),
    (ValueError, "kernels of odd size", [nn.Conv2d(1, 2, 2, padding="same")]),
    (ValueError, "without padding", [CONV, nn.AvgPool2d(2, padding=1)]),
    (ValueError, "ceil_mode=False", [CONV, nn.AvgPool2d(2, ceil_mode=True)]),
    (ValueError, "divisor_override=None", [CONV, nn.AvgPool2d(2, divisor_override=3)]),
    (ValueError, "windows are equal", [CONV, nn.AdaptiveAvgPool2d(3)]),
    (ValueError, "start_dim=1", [CONV, nn.Flatten(2)]),
    (ValueError, "in training mode is random", [CONV, nn.Dropout(0.1)]),
    (ValueError, r"call eval\(\) on the module first", [CONV, nn.BatchNorm2d(2, affine=False)]),
    (ValueError, "keeps no statistics", [CONV, nn.BatchNorm2d(2, affine=False, track_running_stats=False)]),
    (ValueError, "affine=False", [CONV, nn.BatchNorm2d(2).eval()]),
    (ValueError, r"put Flatten\(\) between", [CONV, nn.Linear(4, 1)]),
    (ValueError, "does not fit into an image of 4 x 4", [CONV, nn.AvgPool2d(5)]),
    (ValueError, "takes 3 channels", [CONV, nn.Conv2d(3, 1, 1)]),
]


@pytest.mark.parametrize(("error", "message", "modules"), REFUSED)
def test_modules_that_are_no_layers_are_refused(error, message, modules):
    shape = (modules[0].in_channels, 6, 6)
    with pytest.raises(error, match=message) as caught:
        th.PolynomialNetwork.from_torch(nn.Sequential(*modules), shape)
    assert "\n" not in str(caught.value)


def test_a_module_that_begins_with_a_convolution_needs_the_size_of_its_images():
    with pytest.raises(ValueError, match=r"needs input_shape=\(channels, height, width\)"):
        th.PolynomialNetwork.from_torch(nn.Sequential(CONV, nn.Flatten()))


# ---- misuse

NET = NETWORKS["plain"]


@pytest.mark.parametrize(("error", "message", "call"), [
    (ValueError, "stride must be a whole number of at least 1.*-1", lambda: Convolution(1, 1, 2, stride=-1)),
    (ValueError, "padding must be a whole number of at least 0.*-2", lambda: Convolution(1, 1, 2, padding=-2)),
    (ValueError, r"kernel_size must be.*\(2, 2, 2\)", lambda: Convolution(1, 1, (2, 2, 2))),
    (ValueError, "number of channels must be a whole number above 0, got 0", lambda: Convolution(0, 1, 2)),
    (TypeError, "bias must be True or False", lambda: Convolution(1, 1, 2, bias=1)),
    (ValueError, "does not fit into an image of 2 x 2", lambda: Convolution(1, 1, 3, size=(2, 2))),
    (ValueError, "does not fit", lambda: network(Convolution(1, 1, 1), AveragePool(4), shape=(1, 3, 3))),
    (ValueError, "needs input_shape", lambda: th.PolynomialNetwork.from_layers([Convolution(1, 1, 2)])),
    (ValueError, "takes images", lambda: network(Dense(4, 4), Convolution(1, 1, 2), shape=(4,))),
    (ValueError, "takes images", lambda: network(Dense(4, 4), AveragePool(2), shape=(4,))),
    (ValueError, "takes 1 channels", lambda: network(Convolution(1, 1, 2), shape=(2, 3, 3))),
    (ValueError, r"put Flatten\(\) between", lambda: network(Convolution(1, 1, 2), Dense(4, 1), shape=(1, 3, 3))),
    (ValueError, "begins with an affine layer", lambda: network(AveragePool(2), Dense(1, 1), shape=(1, 2, 2))),
    (ValueError, r"input_shape must be .* got \(1, 2.5, 3\)", lambda: network(Convolution(1, 1, 2), shape=(1, 2.5, 3))),
    (ValueError, r"input_shape must be .* got 'abc'", lambda: network(Convolution(1, 1, 2), shape="abc")),
    (ValueError, r"input_shape must be .* got 7", lambda: network(Convolution(1, 1, 2), shape=7)),
    (TypeError, "layers must be a sequence", lambda: th.PolynomialNetwork.from_layers(Dense(2, 1))),
    (TypeError, "a number for each channel, got 1", lambda: Normalise(1, 2)),
    (ValueError, "size of its images", lambda: Convolution(1, 1, 2).n_inputs),
    (ValueError, "shape of its inputs", lambda: AveragePool(2).n_outputs),
    (ValueError, "as many shifts as scales", lambda: Normalise((1, 2), (1,))),
    (ValueError, "must be real", lambda: Normalise((1j,), (1,))),
    (ValueError, "takes 3 channels", lambda: network(Dense(2, 2), Normalise((1,) * 3, (0,) * 3), shape=(2,))),
    (ValueError, "positive scales", lambda: network(Dense(1, 1), Normalise((-1,), (0,)), shape=(1,)).to_torch([1, 1])),
    (ValueError, r"\(N, 9\) or \(N, 1, 3, 3\), got \(2, 3, 3\)", lambda: NET.evaluate(np.ones(19), np.ones((2, 3, 3)))),
    (ValueError, "weights must be finite", lambda: NET.evaluate(np.full(19, np.nan), np.ones((1, 1, 3, 3)))),
    (ValueError, "inputs must have shape", lambda: NET.interpolation_system(np.ones((2, 3, 3, 1)), [1, 2])),
    (ValueError, "needs 9 inputs, got 3", lambda: NET.expression([1, 2, 3])),
])  # fmt: skip
def test_misuse_is_answered_in_one_clear_line(error, message, call):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
