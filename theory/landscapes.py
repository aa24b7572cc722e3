"""All critical points of the squared error of a small network: pieces, with value and signatures."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from theory.near_zeros import Scaled, refined
from theory.networks import PolynomialNetwork
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
    value: the loss, the same all over the piece; the Hessian's signature is not, so it is that of all points found
    real_point: (K,) the smallest of the real points found on it; None where there are none
    signatures: (index, nullity) of the Hessian at the real points found, each pair once, sorted; the index counts
        negative eigenvalues, the nullity zero ones
    index, nullity: the only one among the signatures; None where they differ or there are none
    excess: the part of the nullity that continuous symmetries of the network do not force, None where that differs from
        point to point; None with a ridge term, which they do not respect
    """

    dimension: int
    degree: int
    multiplicity: int
    value: complex
    points: np.ndarray
    real_point: np.ndarray | None
    signatures: tuple[tuple[int, int], ...]
    excess: int | None

    @property
    def index(self) -> int | None:
        """Negative eigenvalues of the Hessian, where all real points found have as many."""
        return _only(index for index, _ in self.signatures)

    @property
    def nullity(self) -> int | None:
        """Zero eigenvalues of the Hessian, where all real points found have as many."""
        return _only(nullity for _, nullity in self.signatures)

    @property
    def is_zero_error(self) -> bool:
        """Whether the loss counts as 0 on the piece."""
        return abs(self.value) <= ZERO_ERROR

    @property
    def descends(self) -> bool | None:
        """Whether a negative eigenvalue leads down from some real point found; None where none is found.

        True shows that not all of the piece is minimal, False does not show that it is.
        """
        return any(index for index, _ in self.signatures) if self.signatures else None


def _only(values: Iterable[int]) -> int | None:
    found = set(values)
    return found.pop() if len(found) == 1 else None


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
    real slices, so that small ones may be missed, and signatures that occur on small parts of a piece only.
    Raises what `critical_system` and `zero_set` raise, TooManyPathsError among them; TypeError for what is no network.
    Source: the loss is constant on a connected set of critical points; decomposition as in `zero_set`.
    """
    if not isinstance(network, PolynomialNetwork):
        raise TypeError(f"critical_pieces needs a PolynomialNetwork, got {type(network).__name__}")
    system = network.critical_system(X, Y, regularization)
    zeros = zero_set(system, seed=seed, max_paths=max_paths, progress=progress)
    rng = np.random.default_rng([seed, 8])
    pieces = [_piece(system, component, _real_points(component, rng)) for component in zeros.components]
    return sorted(pieces, key=lambda piece: (-piece.dimension, piece.value.real, piece.value.imag))


def _real_points(component: Component, rng: np.random.Generator) -> np.ndarray:
    """Real points of the piece (p, K), smallest first: its witness points, moved to generic real slices."""
    ends = component.points
    if component.dimension:
        slices = rng.standard_normal((_SLICES, component.dimension, ends.shape[1] + 1))
        ends = component.moved(slices)
    size = np.max(np.abs(ends), axis=1, initial=0)
    real = ends[np.max(np.abs(ends.imag), axis=1, initial=0) <= REAL * (1 + size)].real
    return real[np.argsort(np.max(np.abs(real), axis=1, initial=0))]


def _piece(system: Any, component: Component, real: np.ndarray) -> CriticalPiece:
    equations = system.network
    signatures = [_signature(system, point) for point in real]
    excess = None
    if not equations.regularization:
        symmetries = equations.network.symmetries()
        orbits = [_dimension(np.asarray(symmetries.tangents(point)).reshape(-1, len(point))) for point in real]
        excess = _only(nullity - orbit for (_, nullity), orbit in zip(signatures, orbits, strict=True))
    return CriticalPiece(
        component.dimension,
        component.degree,
        component.multiplicity,
        loss(equations, real[0] if len(real) else component.points[0]),
        component.points,
        real[0] if len(real) else None,
        tuple(sorted(set(signatures))),
        excess,
    )


def _dimension(tangents: np.ndarray) -> int:
    return numerical_rank(tangents).rank if tangents.size else 0


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
