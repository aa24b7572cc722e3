"""Kernel methods interpolate random labels too: the excess capacity is not special to deep networks.

Predicted: a strictly positive definite kernel has a nonsingular Gram matrix on distinct points, so some expansion
meets any labels; a polynomial kernel can, exactly as long as its feature space has at least n dimensions. Observed:
exact rank modulo a large prime (never above that over the rationals), and the exact expansion at the points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np

from theory.claims.claim import Case, Claim, Control
from theory.interpolants import Row, cauchy_kernel, gram, polynomial_kernel, solve_exactly
from theory.rank import modular_rank

ID = "kernel-capacity"
STATEMENT = "Kernel methods, too, fit random labels without error: their Gram matrix has full rank."
SOURCE = "notes 1.2"

CAUCHY = None  # in place of a degree
INSTANCES = ((CAUCHY, 10, 1), (CAUCHY, 40, 2), (CAUCHY, 40, 20), (1, 21, 20), (2, 28, 6), (3, 35, 4), (3, 50, 4))


@dataclass(frozen=True)
class Capacity:
    """Rank of the Gram matrix, and whether the labels are met exactly."""

    rank: int
    fits: bool

    def __str__(self) -> str:
        return f"rank {self.rank}, labels {'met' if self.fits else 'not met'}"


def data(n: int, d: int, seed: int) -> tuple[list[Row], list[Fraction]]:
    """n distinct points with integer entries in [-30, 30] (n, d) and random labels in {-1, 1}."""
    rng = np.random.default_rng([seed, n, d])
    points = rng.integers(-30, 31, size=(n, d))
    while len(np.unique(points, axis=0)) < n:
        points = rng.integers(-30, 31, size=(n, d))
    rows = [tuple(Fraction(int(value)) for value in row) for row in points]
    return rows, [Fraction(int(label)) for label in rng.choice([-1, 1], size=n)]


def predicted(degree: int | None, n: int, d: int) -> Capacity:
    """degree: of the polynomial kernel, None for the Cauchy kernel; generic points.

    Random labels lie in a proper subspace only by accident, so they fit exactly when the rank is n.
    """
    rank = n if degree is None else min(n, comb(d + degree, degree))
    return Capacity(rank, rank == n)


def observed(degree: int | None, n: int, d: int, seed: int) -> Capacity:
    """Exact rank, and the expansion sum_j c_j k(x, x_j), solved for and evaluated in rationals."""
    points, labels = data(n, d, seed)
    kernel = kernel_of(degree)
    matrix = gram(kernel, points)
    try:
        coefficients = solve_exactly(matrix, labels)
    except ZeroDivisionError:
        return Capacity(modular_rank(matrix), False)
    terms = [[c * kernel(x, centre) for c, centre in zip(coefficients, points, strict=True)] for x in points]
    return Capacity(modular_rank(matrix), [sum(row, Fraction()) for row in terms] == labels)


def kernel_of(degree: int | None) -> Callable[[Row, Row], Fraction]:
    return cauchy_kernel if degree is None else polynomial_kernel(degree)


def control(seed: int) -> Control:
    """One point repeated with another label: the Gram matrix loses rank and the labels lie outside its image."""
    points, labels = data(10, 2, seed)
    points[-1], labels[-1] = points[0], -labels[0]
    matrix = gram(cauchy_kernel, points)
    rank, with_labels = modular_rank(matrix), modular_rank([[*row, y] for row, y in zip(matrix, labels, strict=True)])
    return Control(
        "two equal points with different labels: rank of the Gram matrix, alone and with the labels as a column",
        [9, 10],
        [rank, with_labels],
        (rank, with_labels) == (9, 10),
    )


def check(seed: int = 0) -> Claim:
    """The claim for one universal kernel and for polynomial kernels below, at and above the needed dimension."""
    cases = []
    for degree, n, d in INSTANCES:
        expected, found = predicted(degree, n, d), observed(degree, n, d, seed)
        name = "1/(1+r^2)" if degree is None else f"(1+<x,x'>)^{degree}"
        cases.append(Case(f"{name}, n={n}, d={d}", str(expected), str(found), found == expected))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: rational arithmetic, equality",
        seed=seed,
        note="The last polynomial kernel has 35 features for 50 points: without full rank there is no fit.",
    )
