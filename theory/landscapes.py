"""All critical points of the squared error of a small network: pieces by dimension, with value, index and nullity."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from theory.near_zeros import Scaled, refined
from theory.rank import numerical_rank
from theory.zero_sets import Component, Progress, zero_set

REAL = 1e-6  # imaginary part relative to 1 + size below which an isolated point counts as real
ZERO_ERROR = 1e-10  # a loss up to here counts as 0
_SLICES = 24  # real ones that a piece of positive dimension is cut with, to have real points
_SMALLEST_UNIT = 1e-2  # of an unknown near 0


@dataclass(frozen=True, eq=False)
class CriticalPiece:
    """One irreducible component of the critical points of the loss.

    dimension, degree, multiplicity: as in `theory.zero_sets`; points: (degree, K) complex, generic on the piece
    value: the loss, the same all over the piece
    real_point: (K,) a real point on it; None where none is found
    index: negative eigenvalues of the Hessian there; nullity: zero ones
    excess: the part of the nullity that continuous symmetries of the network do not force; None with a ridge term,
        which they do not respect
    """

    dimension: int
    degree: int
    multiplicity: int
    value: complex
    points: np.ndarray
    real_point: np.ndarray | None
    index: int | None
    nullity: int | None
    excess: int | None

    @property
    def is_zero_error(self) -> bool:
        return abs(self.value) <= ZERO_ERROR

    @property
    def is_saddle(self) -> bool | None:
        """Whether descent leaves along a negative eigenvalue; None where the real Hessian is not known."""
        return None if self.index is None else self.index > 0


def critical_pieces(
    network: Any,
    X: Any,
    Y: Any,
    regularization: Any = 0,
    seed: int = 0,
    max_paths: int | None = None,
    progress: Progress | None = None,
) -> list[CriticalPiece]:
    """Every complex piece of the zeros of the gradient of  mean squared error + regularization * |w|^2.

    Pieces of the largest dimension first, then by value: the zero-error weights, where there are any, stand apart from
    the isolated critical points by their dimension. Real points of pieces of positive dimension are those on random
    real slices, so that small ones may be missed.
    Raises what `critical_system` and `zero_set` raise, TooManyPathsError among them.
    """
    system = network.critical_system(X, Y, regularization)
    zeros = zero_set(system, seed=seed, max_paths=max_paths, progress=progress)
    rng = np.random.default_rng([seed, 8])
    pieces = [_piece(system, component, _real_point(component, rng)) for component in zeros.components]
    return sorted(pieces, key=lambda piece: (-piece.dimension, piece.value.real, piece.value.imag))


def _real_point(component: Component, rng: np.random.Generator) -> np.ndarray | None:
    """A real point of the piece, a generic one: on real slices, to which its witness points are moved."""
    ends = component.points
    if component.dimension:
        slices = rng.standard_normal((_SLICES, component.dimension, ends.shape[1] + 1))
        ends = component.moved(slices)
    size = np.max(np.abs(ends), axis=1, initial=0)
    real = ends[np.max(np.abs(ends.imag), axis=1, initial=0) <= REAL * (1 + size)].real
    return real[np.argmin(np.max(np.abs(real), axis=1))] if len(real) else None


def _piece(system: Any, component: Component, real_point: np.ndarray | None) -> CriticalPiece:
    equations = system.network
    index = nullity = excess = None
    if real_point is not None:
        index, nullity = _signature(system, real_point)
        if not equations.regularization:
            tangents = np.asarray(equations.network.symmetries().tangents(real_point)).reshape(-1, len(real_point))
            excess = nullity - (numerical_rank(tangents).rank if tangents.size else 0)
    return CriticalPiece(
        component.dimension,
        component.degree,
        component.multiplicity,
        loss(equations, component.points[0] if real_point is None else real_point),
        component.points,
        real_point,
        index,
        nullity,
        excess,
    )


def loss(equations: Any, w: np.ndarray) -> complex:
    """Mean of the squared residuals plus the ridge term at weights w (K,), complex ones without conjugation."""
    residuals = equations.network.evaluate(w, equations.inputs) - equations.targets
    return complex(np.mean(residuals**2) + float(equations.regularization) * np.sum(w**2))


def _signature(system: Any, point: np.ndarray) -> tuple[int, int]:
    """The negative and the zero eigenvalues of the Hessian at a real critical point (K,)."""
    units = np.hypot(np.abs(point), _SMALLEST_UNIT)
    near = refined(system, point, units)
    at = Scaled.at(system, near, units)
    rank = numerical_rank(at.sizes, floor=at.floor).rank
    whole = replace(system.network, rows=None)  # free weights have rows of zeros
    eigenvalues = np.linalg.eigvalsh(whole.jacobian(near[None])[0] * np.outer(units, units))
    largest = eigenvalues[np.argsort(-np.abs(eigenvalues))[:rank]]
    return int(np.sum(largest < 0)), len(point) - rank
