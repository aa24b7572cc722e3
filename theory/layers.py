"""The layers of a network: what each does to its inputs, and what it sends back.

A layer works on arrays of any kind of number: floats (batched over weights), Duals, and numpy arrays of ring elements.
Affine layers are linear in their weights and affine in their inputs. Ring elements always stand left of plain numbers.
Values are flat, (N, n); what stands at which place of an image (channels, height, width) is known to the layers only.
"""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from theory.activations import PolynomialActivation
from theory.dual_numbers import linear
from theory.polynomials import gaussian
from theory.rings import ring_array, ring_number

Shape = tuple[int, ...]


class Layer(Protocol):
    """What a network asks of each of its layers; w: (..., n_weights), x: (..., N, n_inputs)."""

    @property
    def input_shape(self) -> Shape: ...
    @property
    def output_shape(self) -> Shape: ...
    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_weights(self) -> int: ...

    def placed(self, shape: Shape) -> "Layer":
        """The same layer on inputs of this shape, (n,) or (channels, height, width); ValueError where it cannot be."""

    def names(self, number: int) -> list[str]:
        """A name for each weight; number counts the affine layers from 1."""

    def forward(self, w: Any, x: Any) -> Any:
        """(..., N, n_outputs)."""

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        """The gradient by the inputs, (..., N, n_inputs), from that by the outputs, g (..., N, n_outputs)."""

    def weight_gradient(self, x: Any, g: Any, per_sample: bool) -> Any:
        """The gradient by the weights, (..., N, n_weights), or its sum over the samples, (..., n_weights)."""

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        """Degrees in the weights of all layers so far, (..., n_outputs), from those of the inputs; -1 stands for 0.

        Of an average they are upper bounds: its terms may cancel.
        """


@dataclass(frozen=True)
class Dense:
    """x -> W x + b; weights: W row by row, (outputs, inputs), then b.

    Raises ValueError for sizes below 1, TypeError for a bias that is not True or False.
    """

    n_inputs: int
    n_outputs: int
    bias: bool = True

    def __post_init__(self) -> None:
        for size in (self.n_inputs, self.n_outputs):
            check_size(size, "width")
        check_bias(self.bias)

    @property
    def input_shape(self) -> Shape:
        """(n,) or (channels, height, width) of the inputs."""
        return (self.n_inputs,)

    @property
    def output_shape(self) -> Shape:
        """(n,) or (channels, height, width) of the outputs."""
        return (self.n_outputs,)

    def placed(self, shape: Shape) -> "Dense":
        """The same layer on inputs of this shape; ValueError where it cannot be."""
        if len(shape) > 1:
            raise ValueError(f"{self} takes a row of numbers, but gets {shape}: put Flatten() between")
        if shape != (self.n_inputs,):
            raise ValueError(f"{self} takes {self.n_inputs} inputs, but gets {shape[0]}")
        return self

    @property
    def n_weights(self) -> int:
        """Weights of the layer, biases included."""
        return self.n_outputs * (self.n_inputs + self.bias)

    def names(self, number: int) -> list[str]:
        """A name for each weight; number counts the affine layers from 1."""
        outputs, inputs = range(1, self.n_outputs + 1), range(1, self.n_inputs + 1)
        weights = [f"w{number}_{o}_{i}" for o in outputs for i in inputs]
        return weights + ([f"b{number}_{o}" for o in outputs] if self.bias else [])

    def matrix(self, w: Any) -> Any:
        """W of shape (..., outputs, inputs)."""
        size = self.n_outputs * self.n_inputs
        return linear(lambda a: a[..., :size].reshape(*a.shape[:-1], self.n_outputs, self.n_inputs), w)

    def forward(self, w: Any, x: Any) -> Any:
        """Outputs (..., N, n_outputs)."""
        z = linear(_transposed, self.matrix(w) @ linear(_transposed, x))
        return z + linear(lambda a: a[..., None, -self.n_outputs :], w) if self.bias else z

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        """The gradient by the inputs, (..., N, n_inputs), from that by the outputs, g."""
        return g @ self.matrix(w)

    def weight_gradient(self, x: Any, g: Any, per_sample: bool) -> Any:
        """The gradient by the weights, for each sample or summed; None without weights."""
        if per_sample:
            matrix = linear(lambda a: a[..., :, None], g) * linear(lambda a: a[..., None, :], x)
            bias = g
        else:
            matrix = linear(_transposed, g) @ x
            bias = linear(lambda a: a.sum(axis=-2), g)
        flat = linear(lambda a: a.reshape(*a.shape[:-2], self.n_outputs * self.n_inputs), matrix)
        return linear(join, flat, bias) if self.bias else flat

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        """Degrees of the outputs in the weights so far, see `Layer.degrees`."""
        highest = inputs.max(axis=-1, keepdims=True)
        outputs = np.where(highest < 0, -1, highest + 1)
        return np.repeat(np.maximum(outputs, 1) if self.bias else outputs, self.n_outputs, axis=-1)


class Weightless:
    """What layers without weights have in common; shape: of the inputs, None until they have a place in a network."""

    shape: Shape | None
    n_weights = 0

    @property
    def input_shape(self) -> Shape:
        """(n,) or (channels, height, width) of the inputs."""
        if self.shape is None:
            raise ValueError(f"{self} does not know the shape of its inputs: it gets it from the layers before it")
        return self.shape

    @property
    def output_shape(self) -> Shape:
        """(n,) or (channels, height, width) of the outputs."""
        return self.input_shape

    @property
    def n_inputs(self) -> int:
        """Numbers that go in."""
        return math.prod(self.input_shape)

    @property
    def n_outputs(self) -> int:
        """Numbers that come out."""
        return math.prod(self.output_shape)

    def names(self, number: int) -> list[str]:
        """A name for each weight; number counts the affine layers from 1."""
        return []

    def weight_gradient(self, x: Any, g: Any, per_sample: bool) -> Any:
        """The gradient by the weights, for each sample or summed; None without weights."""
        return None


@dataclass(frozen=True)
class Activate(Weightless):
    """An activation applied to each number."""

    activation: PolynomialActivation
    shape: Shape | None = None

    def placed(self, shape: Shape) -> "Activate":
        """The same layer on inputs of this shape; ValueError where it cannot be."""
        return replace(self, shape=shape)

    def forward(self, w: Any, x: Any) -> Any:
        """Outputs (..., N, n_outputs)."""
        return self.activation(x)

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        """The gradient by the inputs, (..., N, n_inputs), from that by the outputs, g."""
        return g * self.activation.derivative(x)

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        """Degrees of the outputs in the weights so far, see `Layer.degrees`."""
        at_zero = 0 if self.activation.coefficients[0] else -1
        degree = self.activation.degree if any(self.activation.coefficients) else -1
        return np.where(inputs < 0, at_zero, degree * inputs if degree > 0 else degree)


@dataclass(frozen=True)
class Flatten(Weightless):
    """From an image (channels, height, width) to the row of its numbers in this order."""

    shape: Shape | None = None

    @property
    def output_shape(self) -> Shape:
        """(n,) or (channels, height, width) of the outputs."""
        return (math.prod(self.input_shape),)

    def placed(self, shape: Shape) -> "Flatten":
        """The same layer on inputs of this shape; ValueError where it cannot be."""
        return replace(self, shape=shape)

    def forward(self, w: Any, x: Any) -> Any:
        """Outputs (..., N, n_outputs)."""
        return x

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        """The gradient by the inputs, (..., N, n_inputs), from that by the outputs, g."""
        return g

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        """Degrees of the outputs in the weights so far, see `Layer.degrees`."""
        return inputs


@dataclass(frozen=True)
class Normalise(Weightless):
    """x -> scale * x + shift for each channel (or number of a row), with fixed numbers: batch normalisation whose
    statistics stand still.

    scale, shift: (channels,); floats are the dyadic rationals they stand for
    shape: of the input; None until the layer has its place in a network

    Raises ValueError for different numbers of scales and shifts, and for numbers that are not finite and real.
    """

    scale: tuple[Fraction, ...]
    shift: tuple[Fraction, ...]
    shape: Shape | None = None

    def __post_init__(self) -> None:
        for name in ("scale", "shift"):
            if not np.iterable(getattr(self, name)):
                raise TypeError(
                    f"the {name} of a normalisation has a number for each channel, got {getattr(self, name)!r}"
                )
            exact = [gaussian(value) for value in getattr(self, name)]
            if any(number.im for number in exact):
                raise ValueError(f"the {name} of a normalisation must be real")
            object.__setattr__(self, name, tuple(number.re for number in exact))
        if len(self.scale) != len(self.shift):
            raise ValueError(f"a normalisation needs as many shifts as scales, got {len(self.shift), len(self.scale)}")

    def __repr__(self) -> str:
        return f"Normalise({len(self.scale)} channels)"

    def placed(self, shape: Shape) -> "Normalise":
        """The same layer on inputs of this shape; ValueError where it cannot be."""
        if shape[0] != len(self.scale):
            raise ValueError(f"{self} takes {len(self.scale)} channels, but gets {shape[0]}")
        return replace(self, shape=shape)

    def _each(self, values: tuple[Fraction, ...], like: Any) -> Any:
        """A number for each input, (n_inputs,)."""
        repeats = math.prod(self.input_shape[1:])
        numbers = [constant(value, like) for value in values]
        return np.repeat(ring_array(numbers) if is_ring(like) else np.array(numbers), repeats)

    def forward(self, w: Any, x: Any) -> Any:
        """Outputs (..., N, n_outputs)."""
        return x * self._each(self.scale, x) + self._each(self.shift, x)

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        """The gradient by the inputs, (..., N, n_inputs), from that by the outputs, g."""
        return g * self._each(self.scale, x)

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        """Degrees of the outputs in the weights so far, see `Layer.degrees`."""
        repeats = math.prod(self.input_shape[1:])
        scaled, shifted = (np.repeat([v != 0 for v in values], repeats) for values in (self.scale, self.shift))
        return np.where(scaled & (inputs >= 0), inputs, np.where(shifted, 0, -1))


def check_size(size: Any, what: str) -> None:
    """Raises ValueError for a size that is not a whole number above 0."""
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
        raise ValueError(f"a layer's {what} must be a whole number above 0, got {size!r}")


def check_bias(bias: Any) -> None:
    """Raises TypeError for anything but True and False."""
    if not isinstance(bias, bool | np.bool_):
        raise TypeError(f"a layer's bias must be True or False, got {bias!r}")


def _transposed(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)


def join(*parts: np.ndarray) -> np.ndarray:
    """Concatenation along the last axis; the leading axes broadcast."""
    leading = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return np.concatenate([np.broadcast_to(part, (*leading, part.shape[-1])) for part in parts], axis=-1)


def constant(value: Fraction, like: Any) -> Any:
    """A fixed number as a factor for floats, Duals or ring elements like these."""
    if is_ring(like):
        return ring_number(value, like.flat[0]) if like.size else value
    return float(value)


def is_ring(array: Any) -> bool:
    """Whether an array holds ring elements."""
    return isinstance(array, np.ndarray) and array.dtype == object
