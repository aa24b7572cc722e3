"""The one rank rule of the project: exact modulo a prime, or by the widest gap between singular values."""

import operator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

PRIME = 2**61 - 1  # a random residue is 0 with probability 4e-19
_DECISIVE = 1e3  # a gap below this decides nothing
_CLEAR = 10.0  # nor does one less than this many times the next


@dataclass(frozen=True, eq=False)
class RankDecision:
    """A numerical rank and what speaks for it.

    gap: the last singular value counted over the first one not counted (or over the rounding level, if that is higher)
    singular_values: descending
    reliable: the gap is at least 1000, and 10 times the next one
    """

    rank: int
    gap: float
    singular_values: np.ndarray
    reliable: bool


def modular_rank(matrix: Any, prime: int = PRIME) -> int:
    """The exact rank modulo a prime (below 2^63) of a matrix (rows, columns) of whole numbers, Fractions or residues.

    Never above the rank over the rationals, and equal to it unless the prime divides certain minors; at a random point
    of a polynomial matrix of degree D, below the generic rank with a probability of at most D / prime per minor.

    Raises ValueError for anything but a matrix of exact numbers.
    """
    import flint

    def entry(value: Any) -> Any:
        if isinstance(value, Fraction):
            return flint.fmpq(value.numerator, value.denominator)
        return value if isinstance(value, flint.nmod) else operator.index(value)

    array = np.asarray(matrix)
    if array.ndim != 2 or array.dtype.kind not in "iuO":
        raise ValueError(f"modular_rank needs a matrix of exact numbers, got shape {array.shape} of {array.dtype}")
    rows, columns = array.shape
    return int(flint.nmod_mat(rows, columns, [entry(value) for value in array.ravel()], prime).rank())


def numerical_rank(values: Any, noise: float = 0.0, floor: float = 0.0) -> RankDecision:
    """The rank at which the singular values fall the most, everything at the rounding level counting as one value.

    values: a matrix (rows, columns), or its singular values (n,)
    noise: the relative error of the matrix, where it is above rounding; singular values below it times the largest
        cannot be told from 0
    floor: singular values up to here count as 0; those up to 10 times as large make the decision unreliable

    Raises ValueError for other shapes and for numbers that are not finite.
    """
    array = np.asarray(values)
    if array.ndim not in (1, 2) or not np.isfinite(array).all():
        raise ValueError(f"numerical_rank needs a finite matrix or its singular values, got shape {array.shape}")
    if array.ndim == 2:
        singular = np.linalg.svd(array, compute_uv=False) if array.size else np.zeros(0)
    else:
        singular = np.sort(np.abs(array))[::-1]
    unclear = bool(np.any((singular > floor) & (singular <= _CLEAR * floor)))
    if not singular.size or singular[0] <= floor:
        return RankDecision(0, np.inf, singular, True)
    level = singular[0] * max(noise, max(array.shape) * float(np.finfo(np.float64).eps))
    steps = np.append(np.maximum(np.where(singular > floor, singular, 0), level), level)
    gaps = steps[:-1] / steps[1:]  # gaps[r - 1] speaks for rank r; rank 0 was dealt with
    rank = int(np.argmax(gaps)) + 1
    gap, second = gaps[rank - 1], np.delete(gaps, rank - 1).max(initial=1.0)
    return RankDecision(rank, float(gap), singular, bool(gap >= max(_DECISIVE, _CLEAR * second)) and not unclear)
