"""Proofs that an exact zero exists near a numerical one: Krawczyk's operator in ball arithmetic.

Let F be square, x a point, Y a matrix, and X the box of all z with |Re(z_k - x_k)|, |Im(z_k - x_k)| <= r_k. Let the
rectangles M_kj contain the entries of I - Y J(z) for all z in X, and let |c|' be the larger of |Re c| and |Im c|.

Theorem. If |(Y F(x))_k|' + sum_j (|Re M_kj| + |Im M_kj|) r_j < r_k for every k, then F has exactly one zero in X, in
its interior, and the Jacobian J is regular all over X.
Proof. Put G(z) = z - Y F(z). For z, w in X, G(z) - G(w) = A (z - w), where A is the mean of I - Y J over the segment
from w to z; box and rectangles are convex, so A lies in M. Real and imaginary part of row k are then at most
sum_j (|Re M_kj| + |Im M_kj|) |z_j - w_j|', so G contracts the norm max_k |.|'_k / r_k and maps X into its interior: it
has one fixed point there (Banach). I - Y J has norm below 1, so Y J is regular, hence Y and J are, and the fixed points
of G are the zeros of F. Breiding, Rose and Timme ask for K(X) in X, and for sqrt(2) |M| < 1 in the row-sum norm to have
uniqueness; their sqrt(2) bounds |Re c| + |Im c| by |c|. With this sum itself, one inequality gives both.

Corollaries. F and x real: the conjugate of the zero is a zero in the same box, so the zero is real. A box without real
points holds a zero that is not real. Disjoint boxes hold distinct zeros. A zero with singular J has no such box.
Source: R. Krawczyk, Computing 4 (1969) 187-201; P. Breiding, K. Rose, S. Timme, Certifying zeros of polynomial systems
using interval arithmetic, arXiv:2011.05000; S. M. Rump, Acta Numerica 19 (2010) 287-449, for the inflation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import flint
from flint import acb, acb_mat, arb, arf

from theory.continuation.boxes import SLACK_BITS, Box, Dyadic
from theory.continuation.straight_line import Program

FIRST_PRECISION, MAX_PRECISION = 53, 53 * 16  # bits
_NEWTON_STEPS, _INFLATIONS = 20, 6
_PRECISION = Lock()  # python-flint has one for all threads


@dataclass(frozen=True)
class Square:
    """A program as square equations in the unknowns listed in `free`; the others are held constant.

    real: all coefficients are real
    """

    program: Program
    free: tuple[int, ...]
    real: bool

    @cached_property
    def _entries(self) -> list[tuple[int, int]]:
        """(place in the row-major Jacobian, register)"""
        column = {k: j for j, k in enumerate(self.free)}
        return [(i * len(self.free) + column[k], r) for i, k, r in self.program.derivatives if k in column]

    def constants(self) -> list[acb]:
        """The constants of the program at the current precision."""
        parts = [[flint.fmpq(c.numerator, c.denominator) for c in (z.re, z.im)] for z in self.program.constants]
        return [acb(arb(re), arb(im)) for re, im in parts]

    def values(self, x: Sequence[acb], constants: Sequence[acb]) -> acb_mat:
        """F at x, (m, 1)."""
        registers = self.program.run(x, constants, derivatives=False)
        return acb_mat(len(self.free), 1, [registers[r] for r in self.program.values])

    def values_and_jacobian(self, x: Sequence[acb], constants: Sequence[acb]) -> tuple[acb_mat, acb_mat]:
        """F (m, 1) and its derivatives by the free unknowns (m, m)."""
        m = len(self.free)
        registers = self.program.run(x, constants)
        entries: list[acb | int] = [0] * m**2
        for place, register in self._entries:
            entries[place] = registers[register]
        return acb_mat(m, 1, [registers[r] for r in self.program.values]), acb_mat(m, m, entries)


def prove(
    square: Square, points: Sequence[Sequence[complex]], first: int, last: int, tolerance: float
) -> list[Box | str]:
    """For each point a box around the one zero near it, or the reason why there is none.

    The precision starts at `first` bits and doubles up to `last` until the zero is proved and, where the coefficients
    are real, also whether it is real. tolerance: distance from the point that Newton's iteration may go, in units of
    1 + max |point_k|.
    """
    given = [[acb(z) for z in point] for point in points]
    current = list(given)
    results: list[Box | str] = [""] * len(given)
    undecided = list(range(len(given)))
    precision = first
    while undecided and precision <= last:
        with _PRECISION, flint.ctx.workprec(precision):
            constants = square.constants()
            for k in undecided:
                allowance = tolerance * (1 + max(abs(z) for z in points[k]))
                current[k], result = _attempt(square, constants, given[k], current[k], allowance)
                if isinstance(result, Box) or not isinstance(results[k], Box):
                    results[k] = result
        undecided = [k for k in undecided if not _is_final(results[k], square.real)]
        precision *= 2
    return results


def _is_final(result: Box | str, real: bool) -> bool:
    return isinstance(result, Box) and (result.reality != "undecided" or not real)


def _attempt(
    square: Square, constants: list[acb], given: list[acb], x: list[acb], allowance: float
) -> tuple[list[acb], Box | str]:
    """Newton's iteration from x, then a box around the end; also the end, from where the next precision goes on."""
    precision = flint.ctx.prec
    x, Y, failure = _newton(square, constants, given, x, allowance)
    if Y is None:
        return x, failure
    candidates = [x]
    near = 2.0 ** (-precision // 2) * (1 + max(float(abs(z)) for z in x))
    if square.real and any(z.imag != 0 for z in x) and all(float(abs(z.imag)) <= near for z in x):
        candidates = [[acb(z.real) for z in x], x]  # a box around a real point proves a real zero
    for midpoint in candidates:
        radii = _radii(square, constants, midpoint, Y)
        if radii is not None:
            return x, _box(square, midpoint, radii, Y)
    return x, "no box around it contracts: the zero is singular or nearly so"


def _newton(
    square: Square, constants: list[acb], given: list[acb], x: list[acb], allowance: float
) -> tuple[list[acb], acb_mat | None, str]:
    """The end of Newton's iteration with the inverse Jacobian next to it, or None and the reason."""
    previous = math.inf
    for _ in range(_NEWTON_STEPS):
        F, J = square.values_and_jacobian(x, constants)
        try:
            Y = J.mid().inv().mid()
        except ZeroDivisionError:
            return x, None, "the Jacobian is singular there"
        step = (Y * F).mid().entries()
        size = max(float(abs(s)) for s in step)
        if not math.isfinite(size):
            return x, None, "Newton's iteration overflows"
        moved = list(x)
        for k, s in zip(square.free, step, strict=True):
            moved[k] = (x[k] - s).mid()
        if max(float(abs(moved[k] - given[k])) for k in square.free) > allowance:
            return x, None, "Newton's iteration leads away: no zero is near, or a singular one"
        x = moved
        if size <= 2.0 ** (-flint.ctx.prec // 2) * (1 + max(float(abs(z)) for z in x)):
            return x, Y, ""  # the next error is of the order of size^2
        if size > 0.9 * previous:
            break
        previous = size
    return x, None, "Newton's iteration does not contract: no zero is near, or a singular one"


def _radii(square: Square, constants: list[acb], x: list[acb], Y: acb_mat) -> list[int] | None:
    """Exponents b of radii 2^b of the free coordinates that fulfil the theorem, found by inflating a small box."""
    m = len(square.free)
    offsets = [max(z.real.abs_upper(), z.imag.abs_upper()) for z in (Y * square.values(x, constants)).entries()]
    spare = SLACK_BITS + 1
    radii = [max(_exponent(a) + spare, _smallest(x[k])) for a, k in zip(offsets, square.free, strict=True)]
    identity = acb_mat(m, m, [int(i == j) for i in range(m) for j in range(m)])
    for _ in range(_INFLATIONS):
        balls = [arb(0, _power(b)) for b in radii]
        box = list(x)
        for k, ball in zip(square.free, balls, strict=True):
            box[k] = x[k] + acb(ball, ball)
        M = (identity - Y * square.values_and_jacobian(box, constants)[1]).entries()
        sizes = [z.real.abs_upper() + z.imag.abs_upper() for z in M]
        powers = [_power(b) for b in radii]
        totals = [
            (offset + sum((sizes[i * m + j] * powers[j] for j in range(m)), arb(0))).abs_upper()
            for i, offset in enumerate(offsets)
        ]
        if not all(total.is_finite() for total in totals):
            return None
        needed = [_exponent(total) + SLACK_BITS for total in totals]
        if all(low <= b for low, b in zip(needed, radii, strict=True)):
            return radii
        radii = [max(low + 1, b) for low, b in zip(needed, radii, strict=True)]
    return None


def _power(exponent: int) -> arb:
    return arb(arf((1, exponent)))


def _exponent(value: arb) -> int:
    """The smallest b with value < 2^b, for an exact value that is not negative; very small for 0."""
    mantissa, exponent = map(int, value.man_exp())
    return mantissa.bit_length() + exponent if mantissa else -8 * flint.ctx.prec


def _smallest(x: acb) -> int:
    """Exponent of the rounding unit of x, below which no radius makes sense."""
    return max(_exponent(x.real.abs_upper()), _exponent(x.imag.abs_upper())) - flint.ctx.prec


def _box(square: Square, x: list[acb], radii: list[int], Y: acb_mat) -> Box:
    by_coordinate: dict[int, int] = dict(zip(square.free, radii, strict=True))
    outside = any(abs(x[k].imag) > (_power(by_coordinate[k]) if k in by_coordinate else 0) for k in range(len(x)))
    real = square.real and all(z.imag == 0 for z in x)
    return Box(
        midpoint=tuple(map(_dyadic, x)),
        radii=tuple(by_coordinate.get(k) for k in range(len(x))),
        matrix=tuple(tuple(map(_dyadic, row)) for row in Y.tolist()),
        precision=flint.ctx.prec,
        reality="not real" if outside else "real" if real else "undecided",
    )


def _dyadic(z: acb) -> tuple[Dyadic, Dyadic]:
    (a, b), (c, d) = z.real.man_exp(), z.imag.man_exp()
    return (int(a), int(b)), (int(c), int(d))
