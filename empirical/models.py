"""The networks that are trained: the plain CNN of the CIFAR-10 experiments, and small dense nets that theory solves."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import nn

from empirical.polynomials import Polynomial
from theory.activations import PolynomialActivation
from theory.arguments import check_seed, is_whole

Activation = str | PolynomialActivation
ALL_CONVOLUTIONS = (256, 48, 48, 96)  # hidden widths of the variant in which every layer is 3x3, stride 2: 188,810 too


class Activate(nn.Module):
    """An activation as a module, so that what enters it can be observed.

    activation: "relu" or the polynomial, which `PolynomialNetwork.from_torch` reads; name: "relu" or its degree
    """

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation, self.function = activation, activation_function(activation)
        self.name = activation if isinstance(activation, str) else f"degree {activation.degree}"

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.function(z)

    def extra_repr(self) -> str:
        return self.name


class PlainCNN(nn.Module):
    """Convolutions 3x3 of stride 2 and padding 1, then fully connected layers, biases everywhere; linear output.

    After each hidden layer: batch normalisation without scale and shift, then the activation.

    Input (N, channels, size, size), output (N, n_classes). By default: channels 3 -> 32 -> 64 -> 64, which leaves 4x4
    positions of the 32x32, then 1024 -> 128 -> 10: 188,810 parameters. `hidden=(), channels=ALL_CONVOLUTIONS` is the
    variant of the same size in which all five layers are convolutions; there the last one is averaged over positions.

    activation: "relu" or a PolynomialActivation
    channels: of the convolutional hidden layers; hidden: widths of the dense ones
    input_shape: (channels, size, size) of an image
    seed: of the initialisation; no global state is touched

    Source: arXiv 1703.09833 names depth, batch normalisation, stride and number of parameters; widths and
    initialisation are inferred.
    """

    def __init__(
        self,
        activation: Activation = "relu",
        *,
        channels: Sequence[int] = (32, 64, 64),
        hidden: Sequence[int] = (128,),
        n_classes: int = 10,
        input_shape: tuple[int, int, int] = (3, 32, 32),
        seed: int = 0,
    ) -> None:
        super().__init__()
        for name, widths in (("channels", channels), ("hidden", hidden), ("input_shape", input_shape)):
            _positive(name, widths)
        _positive("n_classes", [n_classes])
        if len(input_shape) != 3 or input_shape[1] != input_shape[2]:
            raise ValueError(f"input_shape must be (channels, size, size) of square images, got {tuple(input_shape)}")
        layers: list[nn.Module] = []
        fan_in, size = input_shape[0], input_shape[-1]
        for out in channels:
            layers += [_convolution(fan_in, out), nn.BatchNorm2d(out, affine=False), Activate(activation)]
            fan_in, size = out, (size + 1) // 2
        if hidden:
            layers.append(nn.Flatten())
            fan_in *= size * size
            for out in hidden:
                layers += [_dense(fan_in, out), nn.BatchNorm1d(out, affine=False), Activate(activation)]
                fan_in = out
            layers.append(_dense(fan_in, n_classes))
        else:
            layers += [_convolution(fan_in, n_classes), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        self.layers = nn.Sequential(*layers)
        initialise(self, seed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class SmallNet(nn.Module):
    """A dense net: affine layers, the activation after each but the last. Input (N, widths[0]), output (N, widths[-1]).

    Its parameters, concatenated in their order, are the weight vector of PolynomialNetwork(widths, activation, bias).

    bias: for all layers, or one for each
    seed: of the initialisation
    """

    def __init__(
        self,
        widths: Sequence[int],
        activation: Activation = "relu",
        bias: bool | Sequence[bool] = True,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        _positive("widths", widths)
        if len(widths) < 2:
            raise ValueError(f"widths must name inputs and outputs at least, got {tuple(widths)}")
        biases = [bias] * (len(widths) - 1) if isinstance(bias, bool) else bias
        if not isinstance(biases, Sequence) or not all(isinstance(each, bool) for each in biases):
            raise TypeError(f"bias must be True or False, or a sequence of these, one for each layer, got {bias!r}")
        if len(biases) != len(widths) - 1:
            raise ValueError(f"bias needs one entry for each of the {len(widths) - 1} layers, got {len(biases)}")
        layers: list[nn.Module] = []
        for fan_in, out, has_bias in zip(widths, widths[1:], biases, strict=False):
            layers += [_dense(fan_in, out, has_bias, dtype), Activate(activation)]
        self.layers = nn.Sequential(*layers[:-1])
        initialise(self, seed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def activation_function(activation: Activation) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function of an activation's name or of a polynomial; ValueError or TypeError for anything else."""
    if isinstance(activation, PolynomialActivation):
        return lambda z: Polynomial.apply(z, activation)
    if activation == "relu":
        return torch.relu
    kind = ValueError if isinstance(activation, str) else TypeError
    raise kind(f'unknown activation {activation!r}: give "relu" or a theory.PolynomialActivation')


def initialise(model: nn.Module, seed: int) -> None:
    """Draw the weights and biases of every affine layer from U(-1, 1) / sqrt(fan-in), from this seed only.

    It is PyTorch's own choice. He's, sqrt(6) times wider, makes each step of the batch-normalised nets 6 times shorter
    in proportion: 8,000 CIFAR-10 images, 8 epochs at rate 0.01: test error 0.58 against 0.51.
    """
    generator = torch.Generator().manual_seed(check_seed(seed) % 2**63)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = layer.weight[0].numel() ** -0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def permuted(model: PlainCNN, seed: int) -> PlainCNN:
    """A copy with the units of each hidden layer in another order: the same function, far away in its weights."""
    copy, generator = deepcopy(model), torch.Generator().manual_seed(check_seed(seed) % 2**63)
    affine = [layer for layer in copy.layers if isinstance(layer, nn.Conv2d | nn.Linear)]
    normalised = [layer for layer in copy.layers if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]
    with torch.no_grad():
        for layer, statistics, following in zip(affine, normalised, affine[1:], strict=False):
            order = torch.randperm(len(layer.weight), generator=generator).to(layer.weight.device)
            for rows in (layer.weight, layer.bias, statistics.running_mean, statistics.running_var):
                if rows is not None:
                    rows.copy_(rows[order])
            inputs = following.weight.unflatten(1, (len(order), -1))  # a dense layer sees all positions of a channel
            following.weight.copy_(inputs[:, order].reshape(following.weight.shape))
    return copy


def n_parameters(model: nn.Module) -> int:
    """How many numbers training changes."""
    return sum(parameter.numel() for parameter in model.parameters())


def _positive(name: str, values: Sequence[Any]) -> None:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{name} must be a sequence of whole numbers >= 1, got {values!r}")
    if any(not is_whole(value) or value < 1 for value in values):
        raise ValueError(f"{name} must be whole numbers >= 1, got {tuple(values)}")


def _convolution(fan_in: int, out: int) -> nn.Conv2d:
    with _generator_left_alone():
        return nn.Conv2d(fan_in, out, kernel_size=3, stride=2, padding=1, device="cpu")


def _dense(fan_in: int, out: int, bias: bool = True, dtype: torch.dtype = torch.float32) -> nn.Linear:
    with _generator_left_alone():
        return nn.Linear(fan_in, out, bias=bias, device="cpu", dtype=dtype)


@contextmanager
def _generator_left_alone() -> Iterator[None]:
    """Torch draws a new layer's weights, which `initialise` replaces, from the global generator: that is set back.

    `nn.utils.skip_init` draws none, but loads sympy for it: 0.7 s in each process.
    """
    before = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(before)
