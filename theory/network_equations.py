"""The equations that a network and data make, evaluated through the layers and never expanded unless asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from theory.dual_numbers import Dual, linear, tangent
from theory.image_layers import AveragePool
from theory.polynomials import Polynomial, gaussian
from theory.rings import RESIDUE_PRIME, finite_array, plain_array, residue, ring_array, ring_matrix, ring_number

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork


@dataclass(frozen=True, eq=False)
class NetworkEquations:
    """Equations in the weights that a network and data make, evaluated through the layers.

    inputs: (N, inputs), or images (N, channels, height, width), kept as rows; targets: (N, m), or (N,) for one output
    kind: "interpolation" (N*m residuals, row i*m + j) or "critical" (the K entries of the gradient of the mean
        squared residual plus regularization * |w|^2)
    rows: the entries of the gradient that are equations, those that are not identically 0; all by default
    """

    network: "PolynomialNetwork"
    inputs: np.ndarray
    targets: np.ndarray
    kind: Literal["interpolation", "critical"] = "interpolation"
    regularization: Any = 0
    rows: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        X, Y = plain_array(self.inputs, "inputs"), plain_array(self.targets, "targets")
        m, X = self.network.n_outputs, self.network.flat(X, "inputs")
        if not len(X):
            raise ValueError(f"inputs must have shape (N, {self.network.n_inputs}) with N > 0, got {X.shape}")
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
        if self.kind == "interpolation":
            return int(self.targets.size)
        return self.n_unknowns if self.rows is None else len(self.rows)

    @cached_property
    def is_real(self) -> bool:
        return not any(np.iscomplexobj(finite_array(a, "data")) for a in (self.inputs, self.targets))

    @cached_property
    def degrees(self) -> tuple[int, ...]:
        """The exact total degree of each equation.

        Of a gradient and of averages, whose terms may cancel, they are those on a random line modulo a prime above
        2^60: for D the true degree they are too low with a probability below D / 2^60.
        """
        if self.kind == "interpolation" and not any(isinstance(layer, AveragePool) for layer in self.network.layers):
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
            return linear(lambda a: a.reshape(*a.shape[:-2], a.shape[-2] * a.shape[-1]), residuals)
        gradient = self._gradient(w, states, residuals * scale, decay)
        return gradient if self.rows is None else linear(lambda a: a[..., list(self.rows or ())], gradient)

    def _gradient(self, w: Any, states: list[Any], scaled: Any, decay: Any) -> Any:
        """All its entries: (..., K)."""
        gradient = self.network.backward(w, states, scaled)
        return gradient + w * decay if decay else gradient

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """(p, n_equations) at points (p, K)."""
        return self._values(points, *self._data)

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """(p, n_equations, K) at points (p, K)."""
        if self.kind == "interpolation":
            return self.network.ring_jacobian(points, self._data[0])
        along = Dual(points[:, None, :], np.eye(self.n_unknowns))  # the new axis runs over the directions
        columns = tangent(self._values(along, *self._data))  # (p, K, n_equations)
        return np.swapaxes(np.broadcast_to(columns, (*points.shape, self.n_equations)), -1, -2)

    def hessian_contraction(self, point: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """sum_i weights_i * (Hessian of equation i) at one point: (K, K)."""
        basis = np.eye(self.n_unknowns)
        if self.kind == "interpolation":
            along = Dual(point[None], basis)
            states = self.network.forward(along, self._data[0])
            rows = self.network.backward(along, states, np.reshape(weights, self.targets.shape))
            return np.broadcast_to(tangent(rows), basis.shape)
        of_entries = np.zeros(self.n_unknowns, np.asarray(weights).dtype)
        of_entries[slice(None) if self.rows is None else list(self.rows)] = weights
        X, Y, scale, decay = self._data
        twice = Dual(Dual(point[None], of_entries[None]), basis)
        states = self.network.forward(twice, X)
        gradient = self._gradient(twice, states, (states[-1] - Y) * scale, decay)
        return np.broadcast_to(tangent(tangent(gradient)), basis.shape)

    def magnitude(self, points: np.ndarray) -> np.ndarray:
        """(p, n_equations): an upper bound of the sum of |terms| of each equation, the scale of its rounding errors."""
        X, Y, scale, decay = self._data
        return self._absolute._values(np.abs(points), np.abs(X), -np.abs(Y), scale, decay)

    @cached_property
    def _absolute(self) -> "NetworkEquations":
        return replace(self, network=self.network.absolute)

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


def _random_line(equations: NetworkEquations) -> tuple[list[Any], list[Any], list[Any]]:
    """Weights u + t*v, inputs and targets as polynomials in t modulo a prime, u and v random; the seed is fixed."""
    import flint

    def constant(value: Any) -> Any:
        return flint.nmod_poly([residue(gaussian(value))], RESIDUE_PRIME)

    rng = np.random.default_rng(0)
    line = [
        flint.nmod_poly([int(c) for c in rng.integers(RESIDUE_PRIME, size=2)], RESIDUE_PRIME) for _ in equations.names
    ]
    X, Y = ([[constant(entry) for entry in row] for row in data] for data in (equations.inputs, equations.targets))
    return line, X, Y
