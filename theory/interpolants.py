"""Functions that meet any finite set of labels: a two-layer ReLU net of 2n + d weights, and kernel expansions.

Both are linear algebra over the rationals, so "fits" means equal, not nearly equal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from theory.arguments import check_seed
from theory.polynomials import gaussian

Row = tuple[Fraction, ...]
Numbers = Sequence[Any] | np.ndarray
Rows = Sequence[Sequence[Any]] | np.ndarray


class ConflictingLabelsError(ValueError):
    """Two equal inputs have different labels: no function fits both."""


@dataclass(frozen=True)
class Memorizer:
    """x -> sum_j outer_j * max(<direction, x> - thresholds_j, 0): two layers, one shared direction.

    direction: d numbers; thresholds and outer: n numbers each. Calling it at an input works in the ring of its
    numbers, so that a memorizer of fractions is exact and one of floats rounds.
    """

    direction: tuple[Any, ...]
    thresholds: tuple[Any, ...]
    outer: tuple[Any, ...]

    @property
    def n_weights(self) -> int:
        return len(self.direction) + len(self.thresholds) + len(self.outer)

    def __call__(self, x: Sequence[Any]) -> Any:
        z = sum(a * value for a, value in zip(self.direction, x, strict=True))
        return sum(w * (z - b) for w, b in zip(self.outer, self.thresholds, strict=True) if z > b)

    def rounded(self) -> "Memorizer":
        """The same net with every weight rounded to float64."""
        return Memorizer(*(tuple(map(float, part)) for part in (self.direction, self.thresholds, self.outer)))


def memorizer(X: Rows, y: Numbers, position: Any = Fraction(1, 2), seed: int = 0) -> Memorizer:
    """A ReLU net with 2n + d weights that takes the n inputs X (n, d) to the labels y (n,), exactly.

    An integer direction gives the inputs distinct projections z_1 < ... < z_n; the thresholds interleave with them,
    b_1 < z_1 < b_2 < z_2 < ..., so the matrix max(z_i - b_j, 0) is lower triangular with positive diagonal.
    position: where each threshold lies between its neighbours, as a share of the gap, 0 <= position < 1. At 0 the
        thresholds sit on the data and the numbers stay small; towards 1 rounding errors grow with every further point.

    Numbers may be int, Fraction, float (taken as the dyadic rationals they are) or numpy's. Equal inputs with equal
    labels count once. Raises ConflictingLabelsError for equal inputs with different labels, ValueError for shapes
    that do not fit, no data, complex or non-finite numbers, or a position outside [0, 1).
    Source: Zhang, Bengio, Hardt, Recht, Vinyals, arXiv 1611.03530, Theorem 1.
    """
    share = _rational(position)
    if not 0 <= share < 1:
        raise ValueError(f"position must lie in [0, 1), got {position}")
    labelled = _distinct(_rows(X), tuple(map(_rational, y)))
    points = list(labelled)
    direction, projections = _separate(points, seed)
    order = sorted(range(len(points)), key=projections.__getitem__)
    z = [projections[i] for i in order]
    thresholds = [z[0] - 1, *(low + share * (high - low) for low, high in pairwise(z))]
    outer = outer_weights(z, thresholds, [labelled[points[i]] for i in order])
    return Memorizer(direction, tuple(thresholds), tuple(outer))


def outer_weights(z: Sequence[Any], thresholds: Sequence[Any], y: Sequence[Any]) -> list[Any]:
    """Outer weights of the piecewise linear function with the values y at z and kinks at the thresholds.

    Needs b_1 < z_1 <= b_2 < z_2 <= ... and works in any field (fractions, floats, sympy): one pass over the pieces
    instead of a triangular solve, since the weight is the change of slope at its threshold.
    """
    weights: list[Any] = []
    slope, left, value = y[0] - y[0], z[0], y[0] - y[0]
    for here, kink, label in zip(z, thresholds, y, strict=True):
        before = value + slope * (kink - left) if weights else value
        new = (label - before) / (here - kink)
        weights.append(new - slope)
        slope, left, value = new, here, label
    return weights


def _rational(value: Any) -> Fraction:
    number = gaussian(value)
    if number.im:
        raise ValueError(f"inputs and labels must be real, got {value}")
    return number.re


def _rows(X: Rows) -> list[Row]:
    rows = [tuple(map(_rational, row)) for row in X]
    if not rows or len({len(row) for row in rows}) > 1 or not rows[0]:
        raise ValueError(f"inputs must be n >= 1 rows of one length d >= 1, got lengths {[len(row) for row in rows]}")
    return rows


def _distinct(rows: list[Row], y: Row) -> dict[Row, Fraction]:
    """input -> label, each input once. Raises ConflictingLabelsError where an input has two labels."""
    if len(rows) != len(y):
        raise ValueError(f"every input needs one label, got {len(rows)} inputs and {len(y)} labels")
    labelled: dict[Row, Fraction] = {}
    for number, (row, label) in enumerate(zip(rows, y, strict=True)):
        if labelled.setdefault(row, label) != label:
            raise ConflictingLabelsError(
                f"input {number} has label {label}, an equal one before it has {labelled[row]}: drop one of the two"
            )
    return labelled


def _separate(points: list[Row], seed: int) -> tuple[Row, list[Fraction]]:
    """An integer direction on which distinct points have distinct projections, and these projections.

    With entries drawn below n^2 two given points coincide with probability at most 1/n^2, hence some pair does with
    probability below 1/2: two draws are expected (Schwartz-Zippel).
    """
    rng, n = np.random.default_rng(check_seed(seed)), len(points)
    while True:
        direction = tuple(Fraction(int(a)) for a in rng.integers(0, max(n * n, 2), size=len(points[0])))
        projections = [sum((a * x for a, x in zip(direction, point, strict=True)), Fraction()) for point in points]
        if len(set(projections)) == n:
            return direction, projections


# ---- kernels


def polynomial_kernel(degree: int) -> Callable[[Row, Row], Fraction]:
    """(x, x') -> (1 + <x, x'>)^degree: positive definite, its Gram matrices have rank at most C(d + degree, degree)."""

    def kernel(x: Row, other: Row) -> Fraction:
        return (1 + sum((a * b for a, b in zip(x, other, strict=True)), Fraction())) ** degree

    return kernel


def cauchy_kernel(x: Row, other: Row) -> Fraction:
    """1 / (1 + ||x - x'||^2): strictly positive definite in every dimension and rational, unlike the Gaussian.

    It is the mixture of the Gaussians exp(-s ||x - x'||^2) with weights exp(-s), s > 0.
    """
    return 1 / (1 + sum(((a - b) ** 2 for a, b in zip(x, other, strict=True)), Fraction()))


def gram(kernel: Callable[[Row, Row], Fraction], X: Rows) -> list[list[Fraction]]:
    """The symmetric (n, n) matrix of kernel values between the inputs X (n, d), exact."""
    rows = _rows(X)
    return [[kernel(x, other) for other in rows] for x in rows]


def solve_exactly(matrix: Sequence[Sequence[Fraction]], right: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """The solution of a square linear system over the rationals. Raises ZeroDivisionError for a singular matrix."""
    from flint import fmpq, fmpq_mat

    def flat(values: Sequence[Fraction]) -> list[Any]:
        return [fmpq(value.numerator, value.denominator) for value in values]

    n = len(right)
    solution = fmpq_mat(n, n, [entry for row in matrix for entry in flat(row)]).solve(fmpq_mat(n, 1, flat(right)))
    return tuple(Fraction(int(value.p), int(value.q)) for value in (solution[i, 0] for i in range(n)))
