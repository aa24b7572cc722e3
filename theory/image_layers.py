"""Layers on images: convolution and average pooling.

An image (channels, height, width) is the row of its numbers in this order. Which numbers an output is made of stands in
a table of indices, so that one gather serves floats, Duals and ring elements alike.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from theory.activations import PolynomialActivation
from theory.dual_numbers import linear
from theory.layers import (
    Activate,
    Dense,
    Flatten,
    Layer,
    Normalise,
    Shape,
    Weightless,
    check_bias,
    check_size,
    constant,
    join,
)
from theory.windows import Pair, gather, inverse, n_positions, pair, window_indices


@dataclass(frozen=True)
class Convolution:
    """A two-dimensional convolution with zeros around the image, as torch's Conv2d computes it (cross-correlation).

    kernel_size, stride, padding: whole numbers, or pairs (vertical, horizontal)
    size: (height, width) of the input; None until the layer has its place in a network

    Weights: the kernels (out_channels, in_channels, height, width) row by row, then the biases (out_channels,).
    Raises ValueError for sizes, strides below 1, a negative padding and an image smaller than the kernel, TypeError for
    a bias that is not True or False.
    """

    in_channels: int
    out_channels: int
    kernel_size: int | Pair
    stride: int | Pair = 1
    padding: int | Pair = 0
    bias: bool = True
    size: Pair | None = None

    def __post_init__(self) -> None:
        for channels in (self.in_channels, self.out_channels):
            check_size(channels, "number of channels")
        check_bias(self.bias)
        for name, least in (("kernel_size", 1), ("stride", 1), ("padding", 0)):
            object.__setattr__(self, name, pair(getattr(self, name), name, least))
        if self.size is not None:
            object.__setattr__(self, "size", pair(self.size, "size", 1))
            self._positions()

    def _pairs(self) -> tuple[Pair, Pair, Pair, Pair]:
        """Kernel, stride, padding and image."""
        if self.size is None:
            raise ValueError(f"{self} does not know the size of its images: give size=(height, width)")
        kernel, stride, padding = (pair(each, "", 0) for each in (self.kernel_size, self.stride, self.padding))
        return kernel, stride, padding, self.size

    def _positions(self) -> Pair:
        """Height and width of the output."""
        kernel, stride, padding, size = self._pairs()
        return n_positions(size, kernel, stride, padding)

    @property
    def input_shape(self) -> Shape:
        """(n,) or (channels, height, width) of the inputs."""
        return (self.in_channels, *self._pairs()[3])

    @property
    def output_shape(self) -> Shape:
        """(n,) or (channels, height, width) of the outputs."""
        return (self.out_channels, *self._positions())

    @property
    def n_inputs(self) -> int:
        """Numbers that go in."""
        return math.prod(self.input_shape)

    @property
    def n_outputs(self) -> int:
        """Numbers that come out."""
        return math.prod(self.output_shape)

    @property
    def n_weights(self) -> int:
        """Weights of the layer, biases included."""
        return self.out_channels * (self._taps + self.bias)

    @property
    def _taps(self) -> int:
        return self.in_channels * math.prod(pair(self.kernel_size, "", 1))

    def placed(self, shape: Shape) -> "Convolution":
        """The same layer on inputs of this shape; ValueError where it cannot be."""
        image = _image(self, shape)
        if image[0] != self.in_channels:
            raise ValueError(f"{self} takes {self.in_channels} channels, but gets {image[0]}")
        if self.size not in (None, image[1:]):
            raise ValueError(f"{self} takes images of size {self.size}, but gets {image[1:]}")
        return replace(self, size=image[1:])

    def names(self, number: int) -> list[str]:
        """A name for each weight; number counts the affine layers from 1."""
        kernel = pair(self.kernel_size, "", 1)
        sizes = (self.out_channels, self.in_channels, *kernel)
        places = [tuple(int(k) + 1 for k in place) for place in np.ndindex(*sizes)]
        weights = [f"w{number}_{o}_{i}_{row}_{column}" for o, i, row, column in places]
        return weights + ([f"b{number}_{o + 1}" for o in range(self.out_channels)] if self.bias else [])

    @cached_property
    def _patches(self) -> np.ndarray:
        """(taps, positions): the input that each tap of the kernel sees at each position; n_inputs is padding."""
        kernel, stride, padding, _ = self._pairs()
        windows = window_indices(self.input_shape, kernel, stride, padding)  # (channels, *positions, *kernel)
        return windows.transpose(0, 3, 4, 1, 2).reshape(self._taps, -1)

    @cached_property
    def _users(self) -> np.ndarray:
        return inverse(self._patches, self.n_inputs)

    def _matrix(self, w: Any) -> Any:
        """(..., 1, out_channels, taps)."""
        o, r = self.out_channels, self._taps
        return linear(lambda a: a[..., : o * r].reshape(*a.shape[:-1], 1, o, r), w)

    def _split(self, g: Any) -> Any:
        """(..., N, out_channels, positions)."""
        return linear(lambda a: a.reshape(*a.shape[:-1], self.out_channels, a.shape[-1] // self.out_channels), g)

    def forward(self, w: Any, x: Any) -> Any:
        """Outputs (..., N, n_outputs)."""
        z = self._matrix(w) @ gather(x, self._patches)
        if self.bias:
            z = z + linear(lambda a: a[..., None, -self.out_channels :, None], w)
        return linear(lambda a: a.reshape(*a.shape[:-2], a.shape[-2] * a.shape[-1]), z)

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        """The gradient by the inputs, (..., N, n_inputs), from that by the outputs, g."""
        by_tap = linear(lambda a: np.swapaxes(a, -1, -2), self._matrix(w)) @ self._split(g)  # (..., N, taps, positions)
        flat = linear(lambda a: a.reshape(*a.shape[:-2], a.shape[-2] * a.shape[-1]), by_tap)
        return linear(lambda a: a.sum(axis=-1), gather(flat, self._users))

    def weight_gradient(self, x: Any, g: Any, per_sample: bool) -> Any:
        """The gradient by the weights, for each sample or summed; None without weights."""
        split = self._split(g)
        matrix = split @ linear(lambda a: np.swapaxes(a, -1, -2), gather(x, self._patches))
        flat = linear(lambda a: a.reshape(*a.shape[:-2], a.shape[-2] * a.shape[-1]), matrix)
        if self.bias:
            flat = linear(join, flat, linear(lambda a: a.sum(axis=-1), split))
        return flat if per_sample else linear(lambda a: a.sum(axis=-2), flat)

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        """Degrees of the outputs in the weights so far, see `Layer.degrees`."""
        highest = gather(inputs, self._patches, -1).max(axis=-2)
        outputs = np.where(highest < 0, -1, highest + 1)
        return np.tile(np.maximum(outputs, 1) if self.bias else outputs, self.out_channels)


@dataclass(frozen=True)
class AveragePool(Weightless):
    """The mean over windows of each channel; no padding.

    kernel_size, stride: whole numbers, or pairs (vertical, horizontal); stride None: the windows stand side by side
    shape: (channels, height, width) of the input; None until the layer has its place in a network

    Raises ValueError for sizes below 1 and for images smaller than the window.
    """

    kernel_size: int | Pair
    stride: int | Pair | None = None
    shape: Shape | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel_size", pair(self.kernel_size, "kernel_size", 1))
        stride = self.kernel_size if self.stride is None else self.stride
        object.__setattr__(self, "stride", pair(stride, "stride", 1))
        if self.shape is not None:
            object.__setattr__(self, "shape", _image(self, self.shape))
            n_positions(self.input_shape[1:], *self._pairs())

    def _pairs(self) -> tuple[Pair, Pair, Pair]:
        """Window, stride and padding."""
        return pair(self.kernel_size, "", 1), pair(self.stride, "", 1), (0, 0)

    @property
    def output_shape(self) -> Shape:
        """(n,) or (channels, height, width) of the outputs."""
        return (self.input_shape[0], *n_positions(self.input_shape[1:], *self._pairs()))

    def placed(self, shape: Shape) -> "AveragePool":
        """The same layer on inputs of this shape; ValueError where it cannot be."""
        return replace(self, shape=_image(self, shape))

    @cached_property
    def _windows(self) -> np.ndarray:
        """(window, n_outputs): the inputs that each output is the mean of."""
        windows = window_indices(self.input_shape, *self._pairs())
        return windows.reshape(self.n_outputs, -1).T

    @cached_property
    def _users(self) -> np.ndarray:
        """(n_inputs, uses): the outputs that each input enters; n_outputs is none."""
        places = inverse(self._windows, self.n_inputs)
        return np.where(places < self._windows.size, places % self.n_outputs, self.n_outputs)

    def _share(self, like: Any) -> Any:
        return constant(Fraction(1, len(self._windows)), like)

    def forward(self, w: Any, x: Any) -> Any:
        """Outputs (..., N, n_outputs)."""
        return linear(lambda a: a.sum(axis=-2), gather(x, self._windows)) * self._share(x)

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        """The gradient by the inputs, (..., N, n_inputs), from that by the outputs, g."""
        return linear(lambda a: a.sum(axis=-1), gather(g, self._users)) * self._share(x)

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        """Degrees of the outputs in the weights so far, see `Layer.degrees`."""
        return inputs[..., self._windows].max(axis=-2)


LAYERS = (Dense, Convolution, AveragePool, Flatten, Normalise, Activate)


def arranged(
    layers: Iterable[Layer | PolynomialActivation], input_shape: Sequence[int] | None = None
) -> tuple[Layer, ...]:
    """Layers one after the other, each on what the one before it gives; see `PolynomialNetwork.from_layers`."""
    if not np.iterable(layers):
        raise TypeError(f"layers must be a sequence such as [Dense(2, 3), monomial(2), Dense(3, 1)], got {layers!r}")
    built: list[Layer] = []
    for given in layers:
        layer = Activate(given) if isinstance(given, PolynomialActivation) else given
        if not isinstance(layer, LAYERS):
            names = ", ".join(kind.__name__ for kind in LAYERS[:-1])
            raise TypeError(f"a layer must be {names} or a PolynomialActivation, got {layer!r}")
        if built:
            layer = layer.placed(built[-1].output_shape)
        elif not isinstance(layer, Dense | Convolution):
            kind = "an activation" if isinstance(layer, Activate) else f"{layer}"
            raise ValueError(f"a network begins with an affine layer, Dense or Convolution, got {kind} first")
        elif input_shape is not None:
            layer = layer.placed(checked_shape(input_shape))
        elif isinstance(layer, Convolution) and layer.size is None:
            raise ValueError("a network that begins with a convolution needs input_shape=(channels, height, width)")
        built.append(layer)
    if not built:
        raise ValueError("a network needs at least one layer, got none")
    return tuple(built)


def checked_shape(shape: Any) -> Shape:
    """An input shape as a tuple. Raises ValueError for anything but (n,) and (channels, height, width), all above 0."""
    sizes = tuple(shape) if isinstance(shape, Sequence | np.ndarray) and not isinstance(shape, str) else ()
    whole = all(isinstance(size, int | np.integer) and not isinstance(size, bool) and size > 0 for size in sizes)
    if len(sizes) not in (1, 3) or not whole:
        raise ValueError(f"input_shape must be (channels, height, width), whole numbers above 0, got {shape!r}")
    return tuple(map(int, sizes))


def _image(layer: Any, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(f"{layer} takes images (channels, height, width), but gets {shape}")
    return int(shape[0]), int(shape[1]), int(shape[2])
