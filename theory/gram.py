"""The rank of a wide Jacobian J without ever holding it: J J^T is summed over blocks of columns.

Eigenvalues of J J^T are squared singular values, so one pass over the columns tells singular values from 0 down to
about 1e-7 of the largest only. Where the columns can be had again, another pass is made over U^T J, U the directions
in which J is small: its entries are as small as its singular values, which are then known as well as those of J itself.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from theory.arguments import check_count
from theory.rank import numerical_rank

Blocks = Iterable[np.ndarray]

_RESOLVED = 1e-3  # singular values above that, relative to the largest of a pass, are known to 10 digits after it
_MOST_PASSES = 6  # each finds three more decades
_PROVED = 10.0  # an eigenvalue so many times its error is not 0
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class GramRank:
    """The rank of a matrix (n_rows, n_columns) and what speaks for it.

    singular_values: (min(n_rows, n_columns),) descending, each with an error of up to `level`
    level: below it singular values cannot be told from 0 (absolute)
    undecided: how many singular values lie below the level; the rank may be higher by so many
    gap: the last singular value counted over the next one or the level
    reliable: the gap decides (`theory.rank`), or every singular value is clearly above the level
    passes: how often the columns were read
    """

    rank: int
    n_rows: int
    n_columns: int
    gap: float
    singular_values: np.ndarray
    level: float
    undecided: int
    reliable: bool
    passes: int

    @property
    def nullity(self) -> int:
        """Columns minus rank: the dimension of the kernel."""
        return self.n_columns - self.rank


def gram_rank(blocks: Blocks | Callable[[], Blocks], n_rows: int, noise: float = 0.0) -> GramRank:
    """The rank of the matrix whose columns come in blocks (n_rows, any number), real or complex.

    blocks: an iterable of the blocks, read once; or a function that gives such an iterable anew at every call, which
        lets small singular values be found to full precision. Memory: three matrices (n_rows, n_rows) and a block.
    noise: the relative error of the matrix, where it is above the rounding of its entries

    Raises ValueError for blocks of another shape, for numbers that are not finite and where there are no columns.
    Source: squaring the condition, N. Higham, Accuracy and Stability of Numerical Algorithms (2002), section 20.4.
    """
    n_rows = check_count(n_rows, "n_rows")
    if not callable(blocks) and not isinstance(blocks, Iterable):
        raise TypeError(f"gram_rank takes an iterable of blocks or a function that gives one, got {blocks!r:.40}")
    again = callable(blocks)
    read: Callable[[], Blocks] = blocks if callable(blocks) else lambda: blocks
    found: list[np.ndarray] = []
    basis: np.ndarray | None = None
    largest = level = 0.0
    for passes in range(1, _MOST_PASSES + 1):
        total = _Total(n_rows, basis)
        for block in read():
            total.add(block)
        squares, directions = eigh(total.gram, overwrite_a=True, check_finite=False)
        sizes = np.sqrt(np.maximum(squares, 0.0))
        if not total.n_columns:
            raise ValueError("gram_rank needs at least one column, got none: an iterator can be read only once")
        if passes == 1:
            n_columns, largest = total.n_columns, float(sizes[-1])
            entries = total.precision * total.frobenius / largest if largest else 0.0
            level = largest * max(noise, entries, n_rows * _EPS)
        small = sizes < _RESOLVED * sizes[-1]
        if not again or not small.any() or sizes[-1] <= level or passes == _MOST_PASSES:
            found.append(sizes[::-1])
            break
        found.append(sizes[~small][::-1])
        basis = directions[:, small] if basis is None else basis @ directions[:, small]
    if not again:
        level = max(level, largest * (n_rows * _EPS) ** 0.5)
    return _decided(np.concatenate(found)[: min(n_rows, n_columns)], n_rows, n_columns, level, passes)


def _decided(sizes: np.ndarray, n_rows: int, n_columns: int, level: float, passes: int) -> GramRank:
    largest = float(sizes[0])
    decision = numerical_rank(sizes, noise=level / largest if largest else 0.0)
    full = bool(largest and sizes[-1] ** 2 > _PROVED * level**2)
    return GramRank(
        rank=len(sizes) if full else decision.rank,
        n_rows=n_rows,
        n_columns=n_columns,
        gap=float(sizes[-1] / level) if full else decision.gap,
        singular_values=sizes,
        level=level,
        undecided=int(np.sum(sizes <= level)) if largest else 0,
        reliable=full or decision.reliable,
        passes=passes,
    )


class _Total:
    """The sum of B B^T over the blocks B, or of (U^T B)(U^T B)^T for a basis U (n_rows, k)."""

    def __init__(self, n_rows: int, basis: np.ndarray | None) -> None:
        self.n_rows, self.basis = n_rows, basis
        size = n_rows if basis is None else basis.shape[1]
        self.gram = np.zeros((size, size))
        self.n_columns, self.precision, self._squares = 0, _EPS, 0.0

    @property
    def frobenius(self) -> float:
        return float(self._squares**0.5)

    def add(self, block: np.ndarray) -> None:
        array = np.asarray(block)
        if array.ndim != 2 or len(array) != self.n_rows:
            raise ValueError(f"each block must have shape ({self.n_rows}, columns), got {array.shape}")
        if array.dtype.kind == "f":
            self.precision = max(self.precision, float(np.finfo(array.dtype).eps))
        part = array.astype(np.complex128 if np.iscomplexobj(array) else np.float64, copy=False)
        if self.basis is not None:
            part = self.basis.conj().T @ part
        with np.errstate(over="ignore", invalid="ignore"):
            square = part @ part.conj().T
        if not np.isfinite(square).all():
            raise ValueError("the blocks must be finite and their squares, too, got NaN, infinity or an overflow")
        self.gram = self.gram + square
        self._squares += float(np.trace(square).real)
        self.n_columns += array.shape[1]
