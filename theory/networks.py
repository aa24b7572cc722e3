"""PolynomialNetwork: layers and polynomial activations; its equations in the weights, evaluated without expanding."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from theory.activations import PolynomialActivation, ring_number
from theory.dual_numbers import Dual, linear, tangent
from theory.layers import Activate, Dense, Layer, join
from theory.polynomials import Polynomial, gaussian
from theory.systems import PolynomialSystem

if TYPE_CHECKING:
    import sympy as sp


@dataclass(frozen=True, init=False)
class PolynomialNetwork:
    """A network x -> f(x; w) that is polynomial in x and in its weights w.

    widths: inputs, hidden layers, outputs; the activation follows every affine layer but the last
    activation: a PolynomialActivation
    bias: for every layer, or one value for each

    The K weights stand layer by layer: the matrix row by row (outputs, inputs), then the bias; the order of torch's
    parameters(). Networks of other shapes: `from_layers`.

    Raises ValueError for fewer than two widths, widths below 1 and a wrong number of biases, TypeError for an
    activation that is no PolynomialActivation.
    """

    layers: tuple[Layer, ...]
    weights: np.ndarray | None = field(default=None, compare=False, repr=False)  # (K,), where `from_torch` read them

    def __init__(
        self, widths: Sequence[int], activation: PolynomialActivation, bias: bool | Sequence[bool] = True
    ) -> None:
        widths = tuple(widths)
        if len(widths) < 2:
            raise ValueError(f"a network needs at least two widths, inputs and outputs, got {widths}")
        n_layers = len(widths) - 1
        biases = (bias,) * n_layers if isinstance(bias, bool | np.bool_) else tuple(bias)
        if len(biases) != n_layers:
            raise ValueError(f"bias must be one value or {n_layers}, one for each layer, got {len(biases)}")
        if not isinstance(activation, PolynomialActivation):
            raise TypeError(f"activation must be a PolynomialActivation such as monomial(2), got {activation!r}")
        dense = [Dense(i, o, bool(b)) for i, o, b in zip(widths, widths[1:], biases, strict=False)]
        layers: list[Layer] = []
        for layer in dense:
            layers += [layer, Activate(activation, layer.n_outputs)]
        object.__setattr__(self, "layers", tuple(layers[:-1]))
        object.__setattr__(self, "weights", None)

    @classmethod
    def from_layers(cls, layers: Iterable[Layer | PolynomialActivation]) -> "PolynomialNetwork":
        """A network of the given layers (`Dense`) and activations, in their order; the first must be affine.

        Raises ValueError where the sizes of neighbours differ, TypeError for anything that is no layer.
        """
        built: list[Layer] = []
        for layer in layers:
            if isinstance(layer, PolynomialActivation):
                if not built:
                    raise ValueError("a network begins with an affine layer, got an activation first")
                layer = Activate(layer, built[-1].n_outputs)
            if not isinstance(layer, Dense | Activate):
                raise TypeError(f"a layer must be Dense or a PolynomialActivation, got {layer!r}")
            if built and built[-1].n_outputs != layer.n_inputs:
                raise ValueError(f"{layer} takes {layer.n_inputs} inputs, the layer before gives {built[-1].n_outputs}")
            built.append(layer)
        if not built:
            raise ValueError("a network needs at least one layer, got none")
        network = cls.__new__(cls)
        object.__setattr__(network, "layers", tuple(built))
        object.__setattr__(network, "weights", None)
        return network

    # ---- what it is

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
        """Names of the K weights: w{layer}_{output}_{input} and b{layer}_{output}, counted from 1."""
        numbers = itertools.accumulate(layer.n_weights > 0 for layer in self.layers)
        return tuple(name for layer, number in zip(self.layers, numbers, strict=True) for name in layer.names(number))

    @cached_property
    def parameters(self) -> tuple["sp.Symbol", ...]:
        """The K weights as sympy symbols."""
        import sympy as sp

        return tuple(sp.Symbol(name) for name in self.names)

    @property
    def degree_in_weights(self) -> tuple[int, ...]:
        """The exact degree of each output in all weights together, at an input without zeros.

        1 + l + ... + l^d for a dense network of d hidden layers with an activation of degree l and a linear output.
        """
        return tuple(map(int, self.degrees_at(np.ones((1, self.n_inputs)))[0]))

    def degrees_at(self, x: np.ndarray) -> np.ndarray:
        """The exact degrees in the weights at inputs x (N, inputs): (N, m); 0 for outputs without weights."""
        degrees = np.where(np.asarray(x) == 0, -1, 0)
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
        array = finite_array(x, "inputs")
        if array.ndim != 2 or array.shape[1] != self.n_inputs:
            raise ValueError(f"inputs must have shape (N, {self.n_inputs}), got {array.shape}")
        return array

    def expression(self, x: Sequence[Any]) -> Any:
        """f(x; w) as a sympy expression in `parameters` (a tuple of m for several outputs), exact, not expanded.

        x: one entry for each input, symbols or numbers; floats are the dyadic rationals they stand for.
        Raises ValueError for a wrong number of inputs.
        """
        import sympy as sp

        if len(x) != self.n_inputs:
            raise ValueError(f"expression needs {self.n_inputs} inputs, got {len(x)}")
        entries = [e if isinstance(e, sp.Basic) and not e.is_number else ring_number(gaussian(e), sp.S.One) for e in x]
        outputs = self.forward(ring_array(self.parameters), ring_array(entries)[None])[-1][0]
        return outputs[0] if self.n_outputs == 1 else tuple(outputs)

    # ---- equations

    def interpolation_system(self, X: Any, Y: Any) -> PolynomialSystem:
        """f(x_i; w)_j - y_ij = 0, row i*m + j; X (N, inputs), Y (N, m), or (N,) for a single output.

        Exact data stay exact. Raises ValueError for other shapes and for numbers that are not finite.
        """
        return PolynomialSystem.from_network(NetworkEquations(self, X, Y))

    def critical_system(self, X: Any, Y: Any, regularization: Any = 0) -> PolynomialSystem:
        """The gradient of  mean of (f(x_i; w)_j - y_ij)^2 + regularization * |w|^2  set to 0: K equations.

        The mean runs over all N*m entries. Raises ValueError as `interpolation_system`, and for a negative
        regularization.
        """
        return PolynomialSystem.from_network(NetworkEquations(self, X, Y, "critical", regularization))


@dataclass(frozen=True, eq=False)
class NetworkEquations:
    """Equations in the weights that a network and data make, evaluated through the layers.

    inputs: (N, inputs); targets: (N, m), or (N,) for a single output
    kind: "interpolation" (N*m residuals, row i*m + j) or "critical" (the K entries of the gradient of the mean
        squared residual plus regularization * |w|^2)
    """

    network: PolynomialNetwork
    inputs: np.ndarray
    targets: np.ndarray
    kind: Literal["interpolation", "critical"] = "interpolation"
    regularization: Any = 0

    def __post_init__(self) -> None:
        X, Y = np.asarray(self.inputs), np.asarray(self.targets)
        n, m = self.network.n_inputs, self.network.n_outputs
        if X.ndim != 2 or X.shape[1] != n or not len(X):
            raise ValueError(f"inputs must have shape (N, {n}) with N > 0, got {X.shape}")
        if Y.shape == (len(X),) and m == 1:
            Y = Y[:, None]
        if Y.shape != (len(X), m):
            raise ValueError(f"targets must have shape ({len(X)}, {m}), a row for each input, got {Y.shape}")
        finite_array(X, "inputs")
        finite_array(Y, "targets")
        if self.kind not in ("interpolation", "critical"):
            raise ValueError(f'kind must be "interpolation" or "critical", got {self.kind!r}')
        weight = gaussian(self.regularization)
        if weight.im or weight.re < 0:
            raise ValueError(f"regularization must be a real number that is not negative, got {self.regularization!r}")
        for name, value in (("inputs", X), ("targets", Y), ("regularization", weight.re)):
            object.__setattr__(self, name, value)

    # ---- what they are

    @property
    def names(self) -> tuple[str, ...]:
        return self.network.names

    @property
    def n_unknowns(self) -> int:
        return self.network.n_parameters

    @property
    def n_equations(self) -> int:
        return self.targets.size if self.kind == "interpolation" else self.n_unknowns

    @cached_property
    def is_real(self) -> bool:
        return not any(np.iscomplexobj(finite_array(a, "data")) for a in (self.inputs, self.targets))

    @cached_property
    def degrees(self) -> tuple[int, ...]:
        """The exact total degree of each equation.

        Of a gradient they are those on a random line modulo a prime above 2^60: for D the true degree they are too low
        with a probability below D / 2^60.
        """
        if self.kind == "interpolation":
            return tuple(map(int, self.network.degrees_at(finite_array(self.inputs, "inputs")).ravel()))
        return tuple(max(int(p.degree()), 0) for p in self.residuals(*_random_line(self)))

    # ---- numbers

    @cached_property
    def _data(self) -> tuple[np.ndarray, np.ndarray, float, float]:
        X, Y = finite_array(self.inputs, "inputs"), finite_array(self.targets, "targets")
        return X, Y, 2 / Y.size, 2 * float(self.regularization)

    def _values(self, w: Any, x: Any, y: Any, scale: Any, decay: Any) -> Any:
        """The equations over any ring: w (..., K) -> (..., n_equations)."""
        states = self.network.forward(w, x)
        residuals = states[-1] - y  # (..., N, m)
        if self.kind == "interpolation":
            return linear(lambda a: a.reshape(*a.shape[:-2], -1), residuals)
        gradient = self.network.backward(w, states, residuals * scale)
        return gradient + w * decay if decay else gradient

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """(p, n_equations) at points (p, K)."""
        return self._values(points, *self._data)

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """(p, n_equations, K) at points (p, K)."""
        if self.kind == "interpolation":
            return self.network.ring_jacobian(points, self._data[0])
        along = Dual(points[:, None, :], np.eye(self.n_unknowns))  # the new axis runs over the directions
        return np.broadcast_to(tangent(self._values(along, *self._data)), (*points.shape, self.n_unknowns))

    def hessian_contraction(self, point: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """sum_i weights_i * (Hessian of equation i) at one point: (K, K)."""
        basis = np.eye(self.n_unknowns)
        if self.kind == "interpolation":
            along = Dual(point[None], basis)
            states = self.network.forward(along, self._data[0])
            rows = self.network.backward(along, states, np.reshape(weights, self.targets.shape))
            return np.broadcast_to(tangent(rows), basis.shape)
        twice = Dual(Dual(point[None], np.asarray(weights)[None]), basis)
        return np.broadcast_to(tangent(tangent(self._values(twice, *self._data))), basis.shape)

    def magnitude(self, points: np.ndarray) -> np.ndarray:
        """(p, n_equations): an upper bound of the sum of |terms| of each equation, the scale of its rounding errors."""
        X, Y, scale, decay = self._data
        return self._absolute._values(np.abs(points), np.abs(X), -np.abs(Y), scale, decay)

    @cached_property
    def _absolute(self) -> "NetworkEquations":
        return replace(self, network=PolynomialNetwork.from_layers(map(_absolute_layer, self.network.layers)))

    # ---- other rings

    def residuals(self, values: Sequence[Any], inputs: Any = None, targets: Any = None) -> list[Any]:
        """The equations at K ring elements: polynomials, tape nodes, fractions, python-flint balls, sympy expressions.

        Elements need + - * among themselves and with int, Fraction (complex for complex data); sympy and python-flint
        get their own numbers. inputs (N, inputs) and targets (N, m) may be ring elements, too; by default the data,
        exactly.
        """
        w = ring_array(values)

        def numbers(data: np.ndarray) -> np.ndarray:
            exact = [ring_number(gaussian(entry), w[0]) for entry in data.ravel()]
            return ring_array(exact).reshape(data.shape)

        x = numbers(self.inputs) if inputs is None else ring_matrix(inputs, self.network.n_inputs)
        y = numbers(self.targets) if targets is None else ring_matrix(targets, self.network.n_outputs)
        scale, decay = ring_number(Fraction(2, y.size), w[0]), ring_number(2 * self.regularization, w[0])
        return list(self._values(w, x, y, scale, decay))

    def polynomials(self) -> tuple[Polynomial, ...]:
        """The equations, exact and expanded."""
        K = self.n_unknowns
        expanded = self.residuals([Polynomial.variable(k, K) for k in range(K)])
        return tuple(p if isinstance(p, Polynomial) else Polynomial.constant(p, K) for p in expanded)


def _absolute_layer(layer: Layer) -> Layer:
    if not isinstance(layer, Activate):
        return layer
    return replace(layer, activation=PolynomialActivation([abs(c) for c in layer.activation.coefficients]))


def _random_line(equations: NetworkEquations) -> tuple[list[Any], list[Any], list[Any]]:
    """Weights u + t*v, inputs and targets as polynomials in t modulo a prime, u and v random; the seed is fixed.

    The prime is 1 mod 4, so that sqrt(-1) exists there: Gaussian rationals map to it by a ring homomorphism.
    """
    import flint

    prime, root = 2305843009213693921, 583529827753931384
    rng = np.random.default_rng(0)

    def residue(value: Any) -> Any:
        number = gaussian(value)
        re, im = (flint.nmod(x.numerator, prime) / x.denominator for x in (number.re, number.im))
        return flint.nmod_poly([re + im * root], prime)

    line = [flint.nmod_poly([int(c) for c in rng.integers(prime, size=2)], prime) for _ in equations.names]
    X, Y = ([[residue(entry) for entry in row] for row in data] for data in (equations.inputs, equations.targets))
    return line, X, Y


def ring_array(elements: Sequence[Any]) -> np.ndarray:
    """Ring elements as a numpy array of objects, (n,); never looks into them."""
    array = np.empty(len(elements), dtype=object)
    for k, element in enumerate(elements):  # one by one: numpy takes polynomials of other libraries for sequences
        array[k] = element
    return array


def ring_matrix(rows: Any, width: int) -> np.ndarray:
    """Rows of ring elements as an array of objects, (N, width); (N,) counts as N rows of one."""
    flat = [e for row in rows for e in (row if isinstance(row, list | tuple | np.ndarray) else [row])]
    return ring_array(flat).reshape(-1, width)


def finite_array(values: Any, what: str) -> np.ndarray:
    """values as an array of float64 or complex128. Raises ValueError where one is no finite number."""
    array = np.asarray(values)
    if array.dtype == object:
        exact = [gaussian(entry) for entry in array.ravel()]
        numbers = [complex(c) if c.im else float(c.re) for c in exact]
        return np.array(numbers, dtype=complex if any(c.im for c in exact) else float).reshape(array.shape)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"{what} must be numbers, got an array of {array.dtype}")
    array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite, got NaN or infinity")
    return array
