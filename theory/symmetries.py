"""The symmetries of a network: changes of the weights that leave f(x; w) as it is for every x.

They sit between one layer with weights (W, b) and the next (V, c). Its units are the outputs of a dense layer, or the
channels of a convolution, whose positions share their weights. Any network has the permutations of a layer's units. The
continuous symmetries are read off what stands between the two layers; for each unit that is a polynomial, of which
averages over positions change nothing:

- a (z - s)^k + t with k > 1, in particular any quadratic: each unit can be rescaled, z - s by e^u and V by e^(-k u).
  This needs the bias b unless s = 0; unless t = 0, the bias c and no zeros around the image, which t does not reach.
- a z + t: the units can be mixed by any invertible matrix (and, with a bias, shifted).
- others of degree > 1: none of this kind.

Not listed: a quadratic before a single output also has rotations of its units that depend on V, which is why such
networks reach fewer functions than their number of weights suggests (the defect of their neurovariety); and a linear
layer with more outputs, over all positions, than its inputs need.
"""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.activations import PolynomialActivation, substitute
from theory.image_layers import AveragePool, Convolution
from theory.layers import Activate, Dense, Flatten, Layer, Normalise
from theory.rank import modular_rank

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

Affine = Dense | Convolution


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
        rows = [row for junction in junctions(self.network) for row in _Generators(junction, w, exact).rows()]
        return np.array(rows, dtype=w.dtype if exact else None).reshape(-1, self.network.n_parameters)

    @cached_property
    def dimension(self) -> int:
        """Of the orbit of random weights under the continuous symmetries; exact rank at a random point."""
        rng = np.random.default_rng(0)
        w = np.array([Fraction(int(v)) for v in rng.integers(1, 2**40, self.network.n_parameters)], dtype=object)
        return modular_rank(self.tangents(w))


def symmetries(network: "PolynomialNetwork") -> Symmetries:
    """The symmetries of a network of dense layers, convolutions, averages and activations."""
    found = junctions(network)
    order = math.prod(math.factorial(count) for junction in found for count in junction.equal_units())
    rescaled = sum(junction.rescalable(u) for junction in found for u in range(junction.n_units))
    return Symmetries(network, order, rescaled)


@dataclass(frozen=True)
class Power:
    """a (z - s)^k + t, what a unit's value z becomes on the way to the next layer; a is not 0, k at least 1."""

    a: Fraction
    s: Fraction
    k: int
    t: Fraction

    def then_affine(self, scale: Fraction, shift: Fraction) -> "Power | None":
        return Power(self.a * scale, self.s, self.k, self.t * scale + shift) if scale else None

    def then(self, activation: PolynomialActivation) -> "Power | None":
        """None where the result is not of this form, as far as it is seen."""
        form = _power_form(activation)
        if form is None or (activation.degree > 1 and self.k > 1 and self.t != form[0]):
            return None
        (shift, constant), k, c = form, activation.degree, activation.coefficients[-1]
        if k == 1:
            return self.then_affine(c, constant)
        if self.k == 1:  # a (z - s) + t - shift = a (z - (s + (shift - t) / a))
            return Power(c * self.a**k, self.s + (shift - self.t) / self.a, k, constant)
        return Power(c * self.a**k, self.s, k * self.k, constant)


@dataclass(frozen=True)
class Junction:
    """Two neighbouring layers with weights, where these stand, and what becomes of each unit in between."""

    before: Affine
    here: slice
    after: Affine
    there: slice
    between: tuple[Layer, ...]

    @property
    def n_units(self) -> int:
        return self.before.output_shape[0]

    def equal_units(self) -> Sequence[int]:
        """Numbers of units that may change places: those with the same normalisation."""
        norms = [layer for layer in self.between if isinstance(layer, Normalise)]
        kinds = Counter(tuple((n.scale[u], n.shift[u]) for n in norms) for u in range(self.n_units))
        return tuple(kinds.values())

    def power(self, unit: int) -> Power | None:
        """What becomes of a unit, where that is of this form."""
        found: Power | None = Power(Fraction(1), Fraction(0), 1, Fraction(0))
        for layer in self.between:
            if found is None:
                return None
            if isinstance(layer, Normalise):
                found = found.then_affine(layer.scale[unit], layer.shift[unit])
            elif isinstance(layer, Activate):
                found = found.then(layer.activation)
        return found

    @property
    def absorbs(self) -> bool:
        """Whether c takes up constants that are added to the units' values."""
        return self.after.bias and self.sees_constants

    @property
    def sees_constants(self) -> bool:
        """Whether a constant added to a unit's values is one added to c, the sum of V over the positions times it."""
        return isinstance(self.after, Dense) or self.after.padding == (0, 0)

    def rescalable(self, unit: int) -> bool:
        """Whether this unit can be rescaled."""
        form = self.power(unit)
        if form is None:
            return False
        if form.k == 1:  # a z + t: the point that stays is anywhere with a bias, else z = 0
            return not form.t or self.absorbs
        return (not form.s or self.before.bias) and (not form.t or self.absorbs)


def junctions(network: "PolynomialNetwork") -> list[Junction]:
    """Every pair of neighbouring layers with weights, where what stands between treats all values of a unit alike."""
    found = []
    affine = [(k, layer) for k, layer in enumerate(network.layers) if isinstance(layer, Dense | Convolution)]
    for (k, before), (j, after) in itertools.pairwise(affine):
        between = network.layers[k + 1 : j]
        if all(isinstance(layer, Activate | AveragePool | Flatten) or _by_unit(layer, before) for layer in between):
            found.append(Junction(before, network.slices[k], after, network.slices[j], between))
    return found


def _by_unit(layer: Layer, before: Affine) -> bool:
    """Whether a normalisation treats all positions of a unit alike."""
    return isinstance(layer, Normalise) and len(layer.scale) == before.output_shape[0]


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


@dataclass(frozen=True)
class _Generators:
    """The vector fields of one junction, as functions of the weights w (K,)."""

    at: Junction
    w: np.ndarray
    exact: bool

    def rows(self) -> list[np.ndarray]:
        forms = [self.at.power(u) for u in range(self.at.n_units)]
        if all(form is not None and form.k == 1 for form in forms):
            return self._mixings([form for form in forms if form is not None])
        return [self._rescaling(u, form) for u, form in enumerate(forms) if form is not None and self.at.rescalable(u)]

    def _views(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Views of weights as W (units, taps), b (units,), V (outputs, units, positions or taps), c (outputs,).

        A bias that does not exist is a scratch array of zeros.
        """
        h, o = self.at.n_units, self.at.after.output_shape[0]
        first, second = row[self.at.here], row[self.at.there]
        b = first[-h:] if self.at.before.bias else np.zeros(h, dtype=row.dtype)
        c = second[-o:] if self.at.after.bias else np.zeros(o, dtype=row.dtype)
        W = first[: len(first) - h * self.at.before.bias].reshape(h, -1)
        V = second[: len(second) - o * self.at.after.bias].reshape(o, h, -1)
        return W, b, V, c

    def _blank(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A zero row, and its views."""
        row = np.zeros(len(self.w), dtype=object if self.exact else np.result_type(self.w, float))
        return row, *self._views(row)

    def _number(self, value: Fraction) -> Any:
        return value if self.exact else float(value)

    def _rescaling(self, u: int, form: Power) -> np.ndarray:
        W, b, V, _ = self._views(self.w)
        s, t = self._number(form.s), self._number(form.t)
        row, dW, db, dV, dc = self._blank()
        dW[u], db[u], dV[:, u] = W[u], b[u] - s, -form.k * V[:, u]
        dc[:] = form.k * t * V[:, u].sum(axis=-1)
        return row

    def _mixings(self, forms: Sequence[Power]) -> list[np.ndarray]:
        """a_u z_u + t_u: z -> z + M z + r changes W, b, and V compensates; what is left of the t must vanish or fit."""
        slopes = [form.a for form in forms]
        levels = [form.t - form.a * form.s for form in forms]
        absorbed = self.at.absorbs
        units, rows = range(self.at.n_units), []
        for u in units:
            ratios = [slopes[u] * levels[v] / slopes[v] for v in units]  # of V_u into the constants, for E_uv
            pivot = next((v for v in units if ratios[v]), None)
            for v in units:
                if pivot is None or absorbed or self.at.before.bias:
                    rows.append(self._mixing(u, {v: Fraction(1)}, slopes, ratios, absorbed))
                elif v != pivot:  # E_uv - q E_up, without constants
                    parts = {v: Fraction(1), pivot: -ratios[v] / ratios[pivot]}
                    rows.append(self._mixing(u, parts, slopes, ratios, absorbed))
            if self.at.before.bias and absorbed:
                row, _, db, _, dc = self._blank()
                db[u], dc[:] = 1, -self._number(slopes[u]) * self._views(self.w)[2][:, u].sum(axis=-1)
                rows.append(row)
        return rows

    def _mixing(
        self, u: int, parts: dict[int, Fraction], slopes: Sequence[Fraction], ratios: Sequence[Fraction], absorbed: bool
    ) -> np.ndarray:
        """dW_u = sum of m_v W_v, dV_v = -m_v (a_u / a_v) V_u; the constants go to c, else to b_u, else they cancel."""
        W, b, V, _ = self._views(self.w)
        row, dW, db, dV, dc = self._blank()
        left = sum((m * ratios[v] for v, m in parts.items()), Fraction(0))
        for v, m in parts.items():
            dW[u] += self._number(m) * W[v]
            db[u] += self._number(m) * b[v]
            dV[:, v] -= self._number(m * slopes[u] / slopes[v]) * V[:, u]
        if absorbed:
            dc[:] = self._number(left) * V[:, u].sum(axis=-1)
        elif left:
            db[u] += self._number(left / slopes[u])
        return row
