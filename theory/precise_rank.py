"""Ranks of Jacobians that double precision leaves in doubt: in multiple precision, and lower bounds with a proof.

With A = U^H J V for the r clearly regular left and right directions U and V, J has rank r exactly where the Schur
complement of A vanishes. A zero is first refined along V, U^H F = 0, which converges quadratically; then the other
equations and the Schur complement are 0 to all digits where the rank is r, and one of them is not where it is more.
Source: Schur complements, R. Horn, C. Johnson, Matrix Analysis (2013), section 0.8.5; balls: F. Johansson, Arb (2017).
"""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import flint
import numpy as np
from flint import acb, acb_mat, arb

from theory.continuation.straight_line import Program, record
from theory.points import point_of
from theory.systems import PolynomialSystem, check_system

BITS = 424
MOST_UNKNOWNS = 60  # of what is refined: a second

_STEPS = 12  # of Newton's method: 53 bits become 424 in 3
_MOVED = 1e-14  # how far a zero may move, relative to 1 + its size: farther off there are others of other ranks
_SOLVED = 1e-90  # of 1e-127
_NOTHING = 1e-60  # a Schur complement below that, relative to the largest singular value, is 0


@dataclass(frozen=True, eq=False)
class PreciseRank:
    """rank: of the Jacobian at the exact zero near a point; gap: its last singular value over what is taken for 0
    point: (K,), that zero in double precision
    """

    rank: int
    gap: float
    point: np.ndarray


def precise_rank(system: PolynomialSystem, point: np.ndarray, least: int) -> PreciseRank | None:
    """The rank at a zero (K,) of which `least` singular values are clear; None where no rank is seen to be right.

    Ranks are tried from `least` on. The zero must be given to all digits of a double: at one known to fewer, zeros of
    different ranks may be as near.
    """
    m, n = system.n_equations, system.n_unknowns
    if max(m, n) > MOST_UNKNOWNS:
        return None
    scale = 1 + system.magnitude(point)
    left, sizes, right = np.linalg.svd(system.jacobian(point) / scale[:, None])
    program = record(system)
    with flint.ctx.workprec(BITS):
        constants = _constants(program)
        rows = acb_mat((left / scale[:, None]).conj().T.astype(complex).tolist())
        columns = acb_mat(right.conj().T.astype(complex).tolist())
        start = acb_mat([[acb(z)] for z in np.asarray(point).tolist()])
        for rank in range(least, min(m, n) + 1):
            found = _at_rank(program, constants, rows, columns, start, rank)
            if found is None:
                continue
            zero, rest = found
            size = float(sizes[rank - 1]) if rank else 1.0
            if rest <= _NOTHING * (sizes[0] if sizes.size else 1.0):
                return PreciseRank(rank, size / max(rest, 1e-120), _double(zero, np.iscomplexobj(point)))
    return None


def _at_rank(
    program: Program, constants: list[acb], rows: acb_mat, columns: acb_mat, start: acb_mat, rank: int
) -> tuple[acb_mat, float] | None:
    """The zero that Newton's method along so many directions leads to, and the size of the Schur complement there.

    None where it does not converge fast, or where the other equations do not vanish.
    """
    x = start
    allowed = _MOVED * (1 + max(float(abs(z)) for z in start.entries()))
    for step in range(_STEPS + 1):
        values, jacobian = _turned(program, constants, rows, columns, x)
        off = max((float(abs(v).upper()) for v in values.entries()), default=0.0)
        if off < _SOLVED or not rank or step == _STEPS:
            break
        try:
            moved = _block(jacobian, 0, rank, 0, rank).solve(_block(values, 0, rank, 0, 1))
        except ZeroDivisionError:
            return None
        x = (x - _block(columns, 0, columns.nrows(), 0, rank) * moved).mid()
        if not max(float(abs(a - b).upper()) for a, b in zip(x.entries(), start.entries(), strict=True)) < allowed:
            return None
    return (x, _schur_size(jacobian, rank)) if off < _SOLVED else None


def _schur_size(jacobian: acb_mat, rank: int) -> float:
    """An upper bound of the entries of the Schur complement of the leading block."""
    m, n = jacobian.nrows(), jacobian.ncols()
    if rank in (m, n):
        return 0.0
    rest = _block(jacobian, rank, m, rank, n)
    if rank:
        across = _block(jacobian, 0, rank, 0, rank).solve(_block(jacobian, 0, rank, rank, n))
        rest = rest - _block(jacobian, rank, m, 0, rank) * across
    return max(float(abs(entry).upper()) for entry in rest.entries())


def rank_lower_bound(system: PolynomialSystem, point: Any, radius: float = 0.0) -> int:
    """A rank that the Jacobian is proved to have at least, at every complex point within the radius of the point (K,)
    in each coordinate, by interval arithmetic: a minor that no such point makes 0.

    The point is the nearest one of doubles: give exact numbers a radius that covers their rounding.
    Raises ValueError for a point of another shape and for a radius that is negative or not finite; TypeError for what
    is no system.
    Source: rows of dominant diagonal make a matrix regular, R. Horn, C. Johnson, Matrix Analysis (2013), 6.1.10.
    """
    check_system(system, "rank_lower_bound")
    w = point_of(point, system.n_unknowns, "rank_lower_bound")
    if isinstance(radius, bool) or not isinstance(radius, Real) or not 0 <= radius < np.inf:
        raise ValueError(f"the radius must be a number that is not negative, got {radius!r}")
    left, sizes, right = np.linalg.svd(system.jacobian(w))
    program = record(system)
    with flint.ctx.workprec(106):
        constants = _constants(program)
        rows = acb_mat(left.conj().T.astype(complex).tolist())
        columns = acb_mat(right.conj().T.astype(complex).tolist())
        box = acb_mat(
            [[acb(arb(complex(z).real, float(radius)), arb(complex(z).imag, float(radius)))] for z in w.tolist()]
        )
        jacobian = _turned(program, constants, rows, columns, box)[1]
        for rank in range(int(np.sum(sizes > 0)), 0, -1):
            if _is_regular(_block(jacobian, 0, rank, 0, rank), sizes[:rank]):
                return rank
    return 0


def _is_regular(matrix: acb_mat, sizes: np.ndarray) -> bool:
    """Whether a ball matrix near diag(sizes) holds regular matrices only: its rows over the sizes are dominant."""
    for i, size in enumerate(sizes.tolist()):
        entries = [abs(matrix[i, j] / size - int(i == j)) for j in range(len(sizes))]
        if not sum(entries, arb(0)) < 1:
            return False
    return True


def _constants(program: Program) -> list[acb]:
    parts = [[flint.fmpq(c.numerator, c.denominator) for c in (z.re, z.im)] for z in program.constants]
    return [acb(arb(re), arb(im)) for re, im in parts]


def _turned(
    program: Program, constants: list[acb], rows: acb_mat, columns: acb_mat, x: acb_mat
) -> tuple[acb_mat, acb_mat]:
    """rows F(x) and rows J(x) columns."""
    registers = program.run(x.entries(), constants)
    m, n = len(program.values), program.n_unknowns
    jacobian = acb_mat(m, n)
    for i, j, register in program.derivatives:
        jacobian[i, j] = registers[register]
    return rows * acb_mat(m, 1, [registers[k] for k in program.values]), rows * jacobian * columns


def _block(matrix: acb_mat, top: int, bottom: int, left: int, right: int) -> acb_mat:
    entries = [matrix[i, j] for i in range(top, bottom) for j in range(left, right)]
    return acb_mat(bottom - top, right - left, entries)


def _double(x: acb_mat, is_complex: bool) -> np.ndarray:
    values = np.array([complex(z) for z in x.entries()])
    return values if is_complex else values.real
