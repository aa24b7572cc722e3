"""PolynomialNetwork: layers and polynomial activations, in numbers, in symbols, in torch and as equations."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.activations import PolynomialActivation
from theory.dual_numbers import linear
from theory.image_layers import arranged
from theory.layers import Activate, Dense, Layer, Normalise, Shape, join
from theory.network_equations import NetworkEquations
from theory.polynomials import gaussian
from theory.rings import finite_array, ring_array, ring_number
from theory.symmetries import Symmetries, symmetries
from theory.systems import ConstantEquationError, PolynomialSystem, constant_message
from theory.torch_modules import check_module, from_module, to_module

if TYPE_CHECKING:
    import sympy as sp

    from theory.neurovarieties import Neurovariety


@dataclass(frozen=True, init=False)
class PolynomialNetwork:
    """A network x -> f(x; w) that is polynomial in x and in its weights w.

    widths: inputs, hidden layers, outputs; the activation follows every affine layer but the last
    activation: a PolynomialActivation
    bias: for every layer, or one value for each

    The K weights stand layer by layer: the matrix row by row (outputs, inputs), then the bias; the order of torch's
    parameters(). Networks of other shapes: `from_layers`.

    Raises ValueError for fewer than two widths, widths below 1 and a wrong number of biases, TypeError for widths that
    are no sequence, biases that are not True or False and an activation that is no PolynomialActivation.
    """

    layers: tuple[Layer, ...]
    weights: np.ndarray | None = field(default=None, compare=False, repr=False)  # (K,), where `from_torch` read them

    def __init__(
        self, widths: Sequence[int], activation: PolynomialActivation, bias: bool | Sequence[bool] = True
    ) -> None:
        if isinstance(widths, str) or not np.iterable(widths):
            raise TypeError(f"widths must be whole numbers such as (2, 3, 1), got {widths!r}")
        widths = tuple(widths)
        if len(widths) < 2:
            raise ValueError(f"a network needs at least two widths, inputs and outputs, got {widths}")
        n_layers = len(widths) - 1
        biases = tuple(bias) if np.iterable(bias) else (bias,) * n_layers
        if isinstance(bias, str) or not all(isinstance(b, bool | np.bool_) for b in biases):
            raise TypeError(f"bias must be True or False, or a sequence of these, one for each layer, got {bias!r}")
        if len(biases) != n_layers:
            raise ValueError(f"bias must be one value or {n_layers}, one for each layer, got {len(biases)}")
        if not isinstance(activation, PolynomialActivation):
            raise TypeError(f"activation must be a PolynomialActivation such as monomial(2), got {activation!r}")
        dense = [Dense(i, o, bool(b)) for i, o, b in zip(widths, widths[1:], biases, strict=False)]
        layers: list[Layer] = []
        for layer in dense:
            layers += [layer, Activate(activation, layer.output_shape)]
        object.__setattr__(self, "layers", tuple(layers[:-1]))
        object.__setattr__(self, "weights", None)

    @classmethod
    def from_layers(
        cls, layers: Iterable[Layer | PolynomialActivation], input_shape: Sequence[int] | None = None
    ) -> "PolynomialNetwork":
        """A network of the given layers in their order: `Dense`, `Convolution`, `AveragePool`, `Flatten`, `Normalise`
        and activations.

        The first layer has weights: it is `Dense` or a `Convolution`. Where it is a convolution that does not know the
        size of its images, input_shape is needed: (channels, height, width). All other layers get their sizes from the
        layer before. Weights stand in the order of torch's parameters().

        Raises ValueError where the sizes of neighbours differ, TypeError for anything that is no layer.
        """
        network = cls.__new__(cls)
        object.__setattr__(network, "layers", arranged(layers, input_shape))
        object.__setattr__(network, "weights", None)
        return network

    # ---- what it is

    @property
    def input_shape(self) -> Shape:
        """(n_inputs,), or (channels, height, width) where the first layer is a convolution."""
        return self.layers[0].input_shape

    @property
    def n_inputs(self) -> int:
        return self.layers[0].n_inputs

    @property
    def n_outputs(self) -> int:
        return self.layers[-1].n_outputs

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs, hidden sizes, outputs: the sizes around the affine layers."""
        return (self.n_inputs, *(layer.n_outputs for layer in self.layers if layer.n_weights))

    @property
    def n_parameters(self) -> int:
        """K, the number of weights."""
        return sum(layer.n_weights for layer in self.layers)

    @property
    def depth(self) -> int:
        """The number of layers with a nonlinearity."""
        return sum(isinstance(layer, Activate) and layer.activation.degree > 1 for layer in self.layers)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Where the weights of each layer stand in w; empty slices for activations."""
        ends = list(itertools.accumulate((layer.n_weights for layer in self.layers), initial=0))
        return tuple(itertools.starmap(slice, itertools.pairwise(ends)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the K weights: w{layer}_{output}_{input} and b{layer}_{output}, counted from 1; those of a kernel
        are w{layer}_{output}_{input}_{row}_{column}."""
        numbers = itertools.accumulate(int(layer.n_weights > 0) for layer in self.layers)
        return tuple(name for layer, number in zip(self.layers, numbers, strict=True) for name in layer.names(number))

    @cached_property
    def parameters(self) -> tuple["sp.Symbol", ...]:
        """The K weights as sympy symbols."""
        import sympy as sp

        return tuple(sp.Symbol(name) for name in self.names)

    @cached_property
    def absolute(self) -> "PolynomialNetwork":
        """The network with the absolute values of its coefficients: at |w|, |x| it bounds the sums of |terms|."""
        return self.from_layers(map(_absolute_layer, self.layers))

    @property
    def degree_in_weights(self) -> tuple[int, ...]:
        """The exact degree of each output in all weights together, at an input without zeros.

        1 + l + ... + l^d for a dense network of d hidden layers with an activation of degree l and a linear output.
        """
        return tuple(map(int, self.degrees_at(np.ones((1, self.n_inputs)))[0]))

    def degrees_at(self, x: np.ndarray) -> np.ndarray:
        """The degrees in the weights at inputs x (N, inputs): (N, m); 0 for outputs without weights.

        Exact, unless the terms of an average cancel for these very inputs: then upper bounds.
        """
        degrees = np.where(self.flat(np.asarray(x), "inputs") == 0, -1, 0)
        for layer in self.layers:
            degrees = layer.degrees(degrees)
        return np.maximum(degrees, 0)

    # ---- values

    def _parts(self, w: Any) -> list[Any]:
        return [linear(lambda a, part=part: a[..., part], w) for part in self.slices]

    def forward(self, w: Any, x: Any) -> list[Any]:
        """x and the values after each layer; w (..., K) and x (N, inputs): arrays of any ring, or Duals."""
        states = [x]
        for layer, part in zip(self.layers, self._parts(w), strict=True):
            states.append(layer.forward(part, states[-1]))
        return states

    def backward(self, w: Any, states: list[Any], g: Any, per_sample: bool = False) -> Any:
        """The gradient by the weights of sum(g * f), (..., K); one for each sample, (..., N, K), on request.

        states: from `forward`; g: (..., N, m)
        """
        gradients = []
        parts = self._parts(w)
        for k in reversed(range(len(self.layers))):
            layer, x = self.layers[k], states[k]
            if layer.n_weights:
                gradients.append(layer.weight_gradient(x, g, per_sample))
            if k:  # nobody asks for the gradient by the inputs of the network
                g = layer.backward(parts[k], x, g)
        return linear(join, *gradients[::-1])

    def evaluate(self, w: Any, x: Any) -> np.ndarray:
        """f(x; w): (..., N, m) for weights w (..., K) and inputs x (N, inputs), real or complex.

        For a net on images x may have the shape (N, channels, height, width); outputs that are images come as rows.
        Raises ValueError for other shapes and for numbers that are not finite.
        """
        return self.forward(self._weights(w), self._inputs(x))[-1]

    def jacobian(self, w: Any, x: Any) -> np.ndarray:
        """The derivatives of f(x; w) by the weights, (..., N*m, K); row i*m + j is output j at input i.

        Raises ValueError as `evaluate` does.
        """
        return self.ring_jacobian(self._weights(w), self._inputs(x))

    def ring_jacobian(self, w: np.ndarray, x: np.ndarray) -> np.ndarray:
        """`jacobian` for arrays of any ring, without checks."""
        states = self.forward(w[..., None, :], x)  # the new axis runs over the outputs
        m, n = self.n_outputs, len(x)
        seeds = np.broadcast_to(np.eye(m, dtype=np.int64)[:, None, :], (m, n, m))
        rows = self.backward(w[..., None, :], states, seeds, per_sample=True)  # (..., m, N, K)
        rows = np.broadcast_to(rows, (*w.shape[:-1], m, n, self.n_parameters))
        return np.swapaxes(rows, -2, -3).reshape(*w.shape[:-1], n * m, self.n_parameters)

    def _weights(self, w: Any) -> np.ndarray:
        array = finite_array(w, "weights")
        if array.shape[-1:] != (self.n_parameters,):
            raise ValueError(f"weights must have shape (..., {self.n_parameters}), got {array.shape}")
        return array

    def _inputs(self, x: Any) -> np.ndarray:
        return self.flat(finite_array(x, "inputs"), "inputs")

    def flat(self, x: np.ndarray, what: str) -> np.ndarray:
        """Inputs (N, inputs) or (N, *input_shape) as (N, inputs). Raises ValueError for other shapes."""
        if x.ndim == 2 and x.shape[1] == self.n_inputs:
            return x
        if x.ndim > 2 and x.shape[1:] == self.input_shape:
            return x.reshape(len(x), self.n_inputs)
        shapes = [(self.n_inputs,)] + ([self.input_shape] if len(self.input_shape) > 1 else [])
        expected = " or ".join(f"(N, {', '.join(map(str, shape))})" for shape in shapes)
        raise ValueError(f"{what} must have shape {expected}, got {x.shape}")

    def expression(self, x: Sequence[Any]) -> Any:
        """f(x; w) as a sympy expression in `parameters` (a tuple of m for several outputs), exact, not expanded.

        x: one entry for each input, symbols or numbers, for images row by row or nested as (channels, height, width);
        floats are the dyadic rationals they stand for.
        Raises ValueError for a wrong number of inputs.
        """
        import sympy as sp

        if len(self.input_shape) > 1 and np.shape(x) == self.input_shape:
            x = np.array(x, dtype=object).ravel().tolist()
        if len(x) != self.n_inputs:
            raise ValueError(f"expression needs {self.n_inputs} inputs, got {len(x)}")
        entries = [e if isinstance(e, sp.Basic) and not e.is_number else ring_number(gaussian(e), sp.S.One) for e in x]
        outputs = self.forward(ring_array(self.parameters), ring_array(entries)[None])[-1][0]
        return outputs[0] if self.n_outputs == 1 else tuple(outputs)

    # ---- torch

    def to_torch(self, w: Any) -> Any:
        """The network with real weights w (K,) as a torch Sequential in float64; its parameters() are w in order.

        On images it takes tensors (N, channels, height, width).
        Raises ValueError for weights of another shape, complex ones and NaN.
        """
        array = self._weights(w)
        if array.ndim != 1 or np.iscomplexobj(array):
            raise ValueError(f"to_torch takes real weights of shape ({self.n_parameters},), got {array.shape}")
        return to_module(self.layers, self.slices, array)

    @classmethod
    def from_torch(cls, module: Any, input_shape: Sequence[int] | None = None) -> "PolynomialNetwork":
        """The network that a torch module computes; its weights (K,) are kept in `weights`.

        The module: Linear, Conv2d, AvgPool2d, Flatten and modules with a PolynomialActivation as attribute `activation`
        (such as `to_torch` and `SmallNet` make), applied in the order in which they are registered; batch normalisation
        without trainable numbers is the fixed affine map it is in eval mode, dropout nothing there. A copy of the
        module in float64 is checked at inputs of size 1/4 to 32, with its own and with other weights, to rounding.
        input_shape: (channels, height, width), for modules that begin with a convolution

        Raises TypeError for other modules, ValueError for modules in training mode where that matters, for sizes that
        do not fit, and where the check fails.
        """
        layers, weights = from_module(module, input_shape)
        network = cls.from_layers(layers)
        object.__setattr__(network, "weights", weights)
        check_module(module, network, weights)
        return network

    # ---- what it can be, and what leaves it the same

    def symmetries(self) -> Symmetries:
        """Its symmetries: `permutation_order`, `rescalings`, `tangents(w)`, `dimension`."""
        return symmetries(self)

    def neurovariety(self, seed: int = 0) -> "Neurovariety":
        """The dimension of the set of functions it can be, by exact rank; see `theory.neurovarieties`."""
        from theory.neurovarieties import neurovariety

        return neurovariety(self, seed)

    # ---- equations

    def interpolation_system(self, X: Any, Y: Any) -> PolynomialSystem:
        """f(x_i; w)_j - y_ij = 0, row i*m + j; X (N, inputs) or (N, channels, height, width), Y (N, m), or (N,)
        for a single output.

        Exact data stay exact. Raises ValueError for other shapes and for numbers that are not finite,
        ConstantEquationError (one, too) where an output does not depend on the weights: without biases, at the input 0.
        """
        equations = NetworkEquations(self, X, Y)
        for number, degree in enumerate(equations.degrees, 1):
            if not degree:
                constant = equations.residuals([Fraction(0)] * self.n_parameters)[number - 1]
                raise ConstantEquationError(
                    f"{constant_message(number, constant)} (the output does not depend on the weights at this input)"
                )
        return PolynomialSystem.from_network(equations)

    def critical_system(self, X: Any, Y: Any, regularization: Any = 0) -> PolynomialSystem:
        """The gradient of  mean of (f(x_i; w)_j - y_ij)^2 + regularization * |w|^2  set to 0: K equations.

        The mean runs over all N*m entries. Weights that the loss does not depend on (those of an input that is always
        0) are free and make no equation. Raises ValueError as `interpolation_system` and for a negative regularization,
        ConstantEquationError where the loss depends on no weight at all.
        """
        equations = NetworkEquations(self, X, Y, "critical", regularization)
        rows = tuple(k for k, degree in enumerate(equations.degrees) if degree)
        if not rows:
            raise ConstantEquationError("the loss does not depend on any weight at these data: every point is critical")
        if len(rows) < self.n_parameters:
            equations = replace(equations, rows=rows)
        return PolynomialSystem.from_network(equations)


def _absolute_layer(layer: Layer) -> Layer:
    if isinstance(layer, Normalise):
        return replace(layer, scale=tuple(map(abs, layer.scale)), shift=tuple(map(abs, layer.shift)))
    if not isinstance(layer, Activate):
        return layer
    return replace(layer, activation=PolynomialActivation([abs(c) for c in layer.activation.coefficients]))
