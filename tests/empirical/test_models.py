"""Networks: the 188,810 parameters layer by layer, initialisation, and agreement with the networks of theory."""

import numpy as np
import pytest
import torch
from torch import nn

import theory as th
from empirical import polynomials
from empirical.measure import jacobian, weight_vector
from empirical.models import ALL_CONVOLUTIONS, Activate, PlainCNN, SmallNet, n_parameters
from theory.jit import ENGINE

CUBIC = th.PolynomialActivation([0.3, 0.5, 0.4, 0.2])


def test_the_plain_cnn_has_188810_parameters_in_the_layers_of_the_table():
    layers = [m for m in PlainCNN().modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in layers]
    assert counts == [896, 18_496, 36_928, 131_200, 1_290]
    assert n_parameters(PlainCNN()) == 188_810


def test_batch_normalisation_has_no_scale_and_no_shift_after_each_of_the_four_hidden_layers():
    model = PlainCNN()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert len(norms) == 4
    assert not any(list(norm.parameters()) for norm in norms)
    assert sum(isinstance(m, Activate) for m in model.modules()) == 4


def test_the_variant_of_convolutions_only_has_188810_parameters_too():
    model = PlainCNN(channels=ALL_CONVOLUTIONS, hidden=())
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert n_parameters(model) == 188_810
    assert [(c.kernel_size, c.stride, c.padding) for c in convolutions] == [((3, 3), (2, 2), (1, 1))] * 5
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (1, 28, 28)])
def test_the_plain_cnn_takes_square_images_of_other_sizes(shape):
    assert PlainCNN(input_shape=shape)(torch.zeros(2, *shape)).shape == (2, 10)


def test_initialisation_depends_on_the_seed_only_and_leaves_the_global_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second, other = (weight_vector(PlainCNN(seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_start_uniform_within_one_over_the_root_of_the_fan_in():
    layer = PlainCNN().layers[10]
    assert layer.weight.shape == (128, 1024)
    assert layer.weight.abs().max() <= 1024**-0.5
    variance, expected = layer.weight.var().item(), 1 / (3 * 1024)  # (2 b)^2 / 12
    assert abs(variance - expected) < 4 * expected * (0.8 / layer.weight.numel()) ** 0.5  # four standard errors
    assert layer.bias.any()


@pytest.mark.parametrize("bias", [True, False, (True, False, True)])
def test_a_small_net_is_the_polynomial_network_of_the_same_weight_vector(bias):
    widths = (2, 3, 2, 2)
    net = th.PolynomialNetwork(widths, CUBIC, bias=bias)
    model = SmallNet(widths, CUBIC, bias, seed=3, dtype=torch.float64)
    x = np.random.default_rng(0).normal(size=(5, 2))
    w = weight_vector(model)
    assert w.shape == (net.n_parameters,)
    with torch.no_grad():
        np.testing.assert_allclose(model(torch.from_numpy(x)).numpy(), net.evaluate(w, x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(jacobian(model, torch.from_numpy(x)), net.jacobian(w, x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("degree", [0, 1, 2, 6, 10, 15])
def test_a_polynomial_in_a_net_is_the_polynomial_of_theory_inside_and_outside_its_interval(degree):
    activation = th.relu_approximation(degree, (-2, 3), method="legendre")
    z = np.linspace(-4, 5, 201)
    expected = activation(z)
    tolerance = 1e-12 * np.abs(expected).max()
    np.testing.assert_allclose(Activate(activation)(torch.from_numpy(z)).numpy(), expected, atol=tolerance, rtol=1e-9)


@pytest.mark.parametrize("degree", [0, 1, 2, 3, 9, 10])
@pytest.mark.parametrize(("kind", "rounding"), [(torch.float32, 2e-6), (torch.float64, 4e-15)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_compiled_polynomial_is_that_of_tensor_operations_up_to_rounding(degree, kind, rounding, layout):
    activation = th.relu_approximation(degree, (-3, 2), method="legendre")
    z = 5 * torch.rand(2, 3, 16, 11, generator=torch.Generator().manual_seed(0), dtype=kind) - 3
    z = z.to(memory_format=layout)
    values = polynomials.compiled(z, activation)
    assert values.stride() == z.stride()
    torch.testing.assert_close(values, polynomials.by_tensors(z, activation), rtol=0, atol=rounding)


def test_only_dense_numbers_of_the_processor_are_handed_to_the_compiled_loop():
    z, activation = torch.rand(4, 6, dtype=torch.float64), th.relu_approximation(10, (-2, 2))
    assert polynomials.can_compile(z) == (ENGINE == "numba")
    for other in (z.T, z[:, ::2], z.half(), z.to("meta"), z.expand(2, 4, 6)):
        assert not polynomials.can_compile(other)
    torch.testing.assert_close(Activate(activation)(z.T), Activate(activation)(z).T)


@pytest.mark.parametrize("activation", [CUBIC, th.relu_approximation(9, (-2, 2)), th.PolynomialActivation([0, 1])])
def test_first_and_second_derivatives_of_a_polynomial_layer_are_right(activation):
    z = torch.linspace(-2.5, 2.5, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Activate(activation), z)
    assert torch.autograd.gradgradcheck(Activate(activation), z)


def test_a_polynomial_layer_can_be_batched():
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    layer = Activate(th.relu_approximation(4, (-2, 2)))
    torch.testing.assert_close(torch.func.vmap(layer)(z), layer(z))


@pytest.mark.parametrize("activation", [CUBIC, th.relu_approximation(10, (-4, 4), method="legendre")])
def test_a_small_net_comes_back_from_torch_as_its_polynomial_network(activation):
    model = SmallNet((2, 5, 3, 2), activation, bias=(True, False, True), seed=3)
    network = th.PolynomialNetwork.from_torch(model)
    assert network == th.PolynomialNetwork((2, 5, 3, 2), activation, bias=(True, False, True))
    x = torch.rand(7, 2, generator=torch.Generator().manual_seed(0))
    expected = model(x).detach().numpy()
    np.testing.assert_allclose(network.evaluate(network.weights, x.numpy()), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(TypeError, match="polynomial activations"):
        th.PolynomialNetwork.from_torch(SmallNet((2, 3, 1), "relu"))


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: PlainCNN("gelu"), ValueError, "gelu"),
        (lambda: PlainCNN(3), TypeError, "3"),
        (lambda: SmallNet((2, 3, 1), "tanh"), ValueError, "relu"),
        (lambda: SmallNet((2, -3, 1)), ValueError, "-3"),
        (lambda: SmallNet((2,)), ValueError, "inputs and outputs"),
        (lambda: SmallNet((2, 2, 1), bias=(True,)), ValueError, "2 layers"),
        (lambda: PlainCNN(channels=(32, 0)), ValueError, "channels"),
        (lambda: PlainCNN(n_classes=0), ValueError, "n_classes"),
        (lambda: PlainCNN(input_shape=(3, 32)), ValueError, "square images"),
        (lambda: PlainCNN(input_shape=(3, 32, 16)), ValueError, r"square images, got \(3, 32, 16\)"),
        (lambda: PlainCNN(channels=3), TypeError, "channels must be a sequence"),
        (lambda: PlainCNN(seed=-1), ValueError, "seed must be a whole number"),
        (lambda: SmallNet((2, 1), seed=1.5), ValueError, "seed must be a whole number"),
        (lambda: SmallNet(3), TypeError, "widths must be a sequence"),
        (lambda: SmallNet((2, 2, 1), bias="no"), TypeError, "bias must be True or False"),
        (lambda: SmallNet((2, 2, 1), bias=None), TypeError, "bias must be True or False"),
    ],
)
def test_what_is_no_network_is_refused(make, error, named):
    with pytest.raises(error, match=named):
        make()
