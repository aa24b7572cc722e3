"""The layers of a network: what each does to its inputs, and what it sends back.

A layer works on arrays of any kind of number: floats (batched over weights), Duals, and numpy arrays of ring elements.
Affine layers are linear in their weights and affine in their inputs. Ring elements always stand left of plain numbers.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from theory.activations import PolynomialActivation
from theory.dual_numbers import linear


class Layer(Protocol):
    """What a network asks of each of its layers; w: (..., n_weights), x: (..., N, n_inputs)."""

    @property
    def n_inputs(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def n_weights(self) -> int: ...

    def names(self, number: int) -> list[str]:
        """A name for each weight; number counts the affine layers from 1."""

    def forward(self, w: Any, x: Any) -> Any:
        """(..., N, n_outputs)."""

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        """The gradient by the inputs, (..., N, n_inputs), from that by the outputs, g (..., N, n_outputs)."""

    def weight_gradient(self, x: Any, g: Any, per_sample: bool) -> Any:
        """The gradient by the weights, (..., N, n_weights), or its sum over the samples, (..., n_weights)."""

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        """Degrees in the weights of all layers so far, (..., n_outputs), from those of the inputs; -1 stands for 0."""


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
            if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
                raise ValueError(f"a layer's width must be a whole number above 0, got {size!r}")
        if not isinstance(self.bias, bool | np.bool_):
            raise TypeError(f"a layer's bias must be True or False, got {self.bias!r}")

    @property
    def n_weights(self) -> int:
        return self.n_outputs * (self.n_inputs + self.bias)

    def names(self, number: int) -> list[str]:
        outputs, inputs = range(1, self.n_outputs + 1), range(1, self.n_inputs + 1)
        weights = [f"w{number}_{o}_{i}" for o in outputs for i in inputs]
        return weights + ([f"b{number}_{o}" for o in outputs] if self.bias else [])

    def matrix(self, w: Any) -> Any:
        """W of shape (..., outputs, inputs)."""
        size = self.n_outputs * self.n_inputs
        return linear(lambda a: a[..., :size].reshape(*a.shape[:-1], self.n_outputs, self.n_inputs), w)

    def forward(self, w: Any, x: Any) -> Any:
        z = linear(_transposed, self.matrix(w) @ linear(_transposed, x))
        return z + linear(lambda a: a[..., None, -self.n_outputs :], w) if self.bias else z

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        return g @ self.matrix(w)

    def weight_gradient(self, x: Any, g: Any, per_sample: bool) -> Any:
        if per_sample:
            matrix = linear(lambda a: a[..., :, None], g) * linear(lambda a: a[..., None, :], x)
            bias = g
        else:
            matrix = linear(_transposed, g) @ x
            bias = linear(lambda a: a.sum(axis=-2), g)
        flat = linear(lambda a: a.reshape(*a.shape[:-2], self.n_outputs * self.n_inputs), matrix)
        return linear(join, flat, bias) if self.bias else flat

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        highest = inputs.max(axis=-1, keepdims=True)
        outputs = np.where(highest < 0, -1, highest + 1)
        return np.repeat(np.maximum(outputs, 1) if self.bias else outputs, self.n_outputs, axis=-1)


@dataclass(frozen=True)
class Activate:
    """An activation applied to each of `size` units."""

    activation: PolynomialActivation
    size: int
    n_weights = 0

    @property
    def n_inputs(self) -> int:
        return self.size

    @property
    def n_outputs(self) -> int:
        return self.size

    def names(self, number: int) -> list[str]:
        return []

    def forward(self, w: Any, x: Any) -> Any:
        return self.activation(x)

    def backward(self, w: Any, x: Any, g: Any) -> Any:
        return g * self.activation.derivative(x)

    def weight_gradient(self, x: Any, g: Any, per_sample: bool) -> Any:
        return None

    def degrees(self, inputs: np.ndarray) -> np.ndarray:
        at_zero = 0 if self.activation.coefficients[0] else -1
        degree = self.activation.degree if any(self.activation.coefficients) else -1
        return np.where(inputs < 0, at_zero, degree * inputs if degree > 0 else degree)


def _transposed(a: np.ndarray) -> np.ndarray:
    return np.swapaxes(a, -1, -2)


def join(*parts: np.ndarray) -> np.ndarray:
    """Concatenation along the last axis; the leading axes broadcast."""
    leading = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return np.concatenate([np.broadcast_to(part, (*leading, part.shape[-1])) for part in parts], axis=-1)
