"""The symmetries of a network: changes of the weights that leave f(x; w) as it is for every x.

They sit at the hidden layers, between one affine layer (W, b), its activation and the next affine layer (V, c). Any
network has the permutations of a layer's units. The continuous ones are read off the activation:

- a (z - s)^k + t with k > 1, in particular any quadratic: each unit can be rescaled, z - s by e^u and V by e^(-k u).
  This needs the bias b unless s = 0, and the bias c unless t = 0.
- a z + t: the units can be mixed by any invertible matrix (and, with a bias, shifted).
- others of degree > 1: none of this kind.

Not listed: a quadratic before a single output also has rotations of its units that depend on V, which is why such
networks reach fewer functions than their number of weights suggests (the defect of their neurovariety).
"""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.activations import PolynomialActivation, substitute
from theory.layers import Activate, Dense
from theory.rank import modular_rank

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

_IDENTITY = PolynomialActivation([0, 1])


@dataclass(frozen=True, eq=False)
class Symmetries:
    """The symmetry group of a network, as far as layers and activations make it.

    permutation_order: the order of the group that permutes the units of each hidden layer, a product of factorials
    rescalings: the number of hidden units with a rescaling, at most one each
    """

    network: "PolynomialNetwork"
    permutation_order: int
    rescalings: int

    def tangents(self, w: Any) -> np.ndarray:
        """The directions in which the continuous symmetries move weights w (K,): (generators, K).

        Linearly dependent in general (more units than a linear layer needs). Exact for arrays of Fractions.
        """
        w = np.asarray(w)
        exact = w.dtype == object
        rows = [row for junction in _junctions(self.network) for row in _Generators(*junction, w, exact).rows()]
        return np.array(rows, dtype=w.dtype if exact else None).reshape(-1, self.network.n_parameters)

    @cached_property
    def dimension(self) -> int:
        """Of the orbit of random weights under the continuous symmetries; exact rank at a random point."""
        rng = np.random.default_rng(0)
        w = np.array([Fraction(int(v)) for v in rng.integers(1, 2**40, self.network.n_parameters)], dtype=object)
        return modular_rank(self.tangents(w))


def symmetries(network: "PolynomialNetwork") -> Symmetries:
    """The symmetries of a network of dense layers."""
    junctions = _junctions(network)
    order = math.prod(math.factorial(before.n_outputs) for before, *_ in junctions)
    rescaled = [
        before.n_outputs for before, _, activation, after, _ in junctions if _scaling(activation, before, after)
    ]
    return Symmetries(network, order, sum(rescaled))


Junction = tuple[Dense, slice, PolynomialActivation, Dense, slice]


def _junctions(network: "PolynomialNetwork") -> list[Junction]:
    """Every hidden layer: the dense layer before it, its activation, and the dense layer after it."""
    found: list[Junction] = []
    dense = [(k, layer) for k, layer in enumerate(network.layers) if isinstance(layer, Dense)]
    for (k, before), (j, after) in itertools.pairwise(dense):
        between = network.layers[k + 1 : j]
        activations = [layer.activation for layer in between if isinstance(layer, Activate)] or [_IDENTITY]
        if len(between) <= 1 and len(activations) == 1:
            found.append((before, network.slices[k], activations[0], after, network.slices[j]))
    return found


def _power_form(activation: PolynomialActivation) -> tuple[Fraction, Fraction] | None:
    """s and t where the activation is a (z - s)^k + t with k > 0; None where it is not of that form."""
    k, coefficients = activation.degree, activation.coefficients
    if k == 0:
        return None
    if k == 1:
        return Fraction(0), coefficients[0]
    shift = -coefficients[-2] / (k * coefficients[-1])
    constant, *others = substitute(coefficients, shift, Fraction(1))
    return (shift, constant) if not any(others[:-1]) else None


def _scaling(activation: PolynomialActivation, before: Dense, after: Dense) -> bool:
    """Whether each unit can be rescaled."""
    form = _power_form(activation)
    return form is not None and (not form[0] or before.bias) and (not form[1] or after.bias)


def _views(layer: Dense, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Views of a layer's weights as matrix and bias; a bias that does not exist is a scratch array of zeros."""
    h, n = layer.n_outputs, layer.n_inputs
    return part[: h * n].reshape(h, n), part[-h:] if layer.bias else np.zeros(h, dtype=part.dtype)


@dataclass(frozen=True)
class _Generators:
    """The vector fields of one hidden layer, as functions of the weights w (K,)."""

    before: Dense
    here: slice
    activation: PolynomialActivation
    after: Dense
    there: slice
    w: np.ndarray
    exact: bool

    def rows(self) -> list[np.ndarray]:
        if self.activation.degree == 1:
            return self._mixings()
        return self._rescalings() if _scaling(self.activation, self.before, self.after) else []

    def _blank(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A zero row, and views of it as W, b, V, c."""
        row = np.zeros(len(self.w), dtype=object if self.exact else np.result_type(self.w, float))
        return row, *_views(self.before, row[self.here]), *_views(self.after, row[self.there])

    def _number(self, value: Fraction) -> Any:
        return value if self.exact else float(value)

    def _rescalings(self) -> list[np.ndarray]:
        form, k = _power_form(self.activation), self.activation.degree
        assert form is not None
        shift, constant = map(self._number, form)
        W, b = _views(self.before, self.w[self.here])
        V, _ = _views(self.after, self.w[self.there])
        rows = []
        for u in range(self.before.n_outputs):
            row, dW, db, dV, dc = self._blank()
            dW[u], db[u], dV[:, u], dc[:] = W[u], b[u] - shift, -k * V[:, u], k * constant * V[:, u]
            rows.append(row)
        return rows

    def _mixings(self) -> list[np.ndarray]:
        """a z + t: z -> z + M z + r changes W, b, and V -> V - V M; c takes up V (t M 1 - a r), or that must vanish."""
        a, t = self._number(self.activation.coefficients[1]), self._number(self.activation.coefficients[0])
        W, b = _views(self.before, self.w[self.here])
        V, _ = _views(self.after, self.w[self.there])
        h = range(self.before.n_outputs)
        rows = []
        for u in h:
            for v in h:
                row, dW, db, dV, dc = self._blank()
                dW[u], db[u], dV[:, v], dc[:] = W[v], b[v], -V[:, u], t * V[:, u]
                if t and not self.after.bias:
                    if self.before.bias:  # r = t/a e_u
                        db[u] += t / a
                    elif u == v:
                        continue
                    else:  # M = E_uv - E_uu has M 1 = 0
                        dW[u] -= W[u]
                        dV[:, u] += V[:, u]
                rows.append(row)
            if self.before.bias and self.after.bias:
                row, _, db, _, dc = self._blank()
                db[u], dc[:] = 1, -a * V[:, u]
                rows.append(row)
        return rows
