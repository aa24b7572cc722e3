"""SGD is gradient descent plus noise: mean and covariance of a minibatch gradient, exactly, over all minibatches."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, product

import numpy as np

from theory.claims.claim import Case, Claim, Control

STATEMENT = (
    "A minibatch gradient is the full gradient plus noise of mean 0, whose covariance is C/b with replacement and "
    "C/b (N-b)/(N-1) without, C being that of single gradients"
)
SOURCE = "2018 review, section 7.1, equations 6-8 and Fig. 6"
INSTANCES = ((5, 1), (5, 2), (6, 3), (5, 5))  # images N, batch b: small enough to list all batches

Matrix = tuple[tuple[Fraction, ...], ...]


def gradients(n: int, seed: int) -> Matrix:
    """Gradients (n, 3) of the squared errors of the net (w.x)^2 on n integer images, at integer weights: exact."""
    rng = np.random.default_rng(seed)
    weights = [int(v) for v in rng.choice((-3, -2, -1, 1, 2, 3), size=3)]
    rows = []
    for _ in range(n):
        image, target = [int(v) for v in rng.integers(-4, 5, size=3)], int(rng.integers(-5, 6))
        inner = sum(w * x for w, x in zip(weights, image, strict=True))
        rows.append(tuple(Fraction(4 * (inner**2 - target) * inner * x) for x in image))
    return tuple(rows)


def predicted(rows: Matrix, batch: int, replacement: bool) -> tuple[tuple[Fraction, ...], Matrix]:
    """Mean and covariance of the minibatch gradient by the formula."""
    n = len(rows)
    mean, single = _moments(iter(rows))
    factor = Fraction(1, batch) * (1 if replacement else Fraction(n - batch, n - 1))
    return mean, tuple(tuple(factor * entry for entry in row) for row in single)


def observed(rows: Matrix, batch: int, replacement: bool) -> tuple[tuple[Fraction, ...], Matrix]:
    """The same from the list of all batches, each as likely as any other."""
    batches = product(range(len(rows)), repeat=batch) if replacement else combinations(range(len(rows)), batch)
    return _moments(
        tuple(sum((rows[i][k] for i in b), Fraction(0)) / batch for k in range(len(rows[0]))) for b in batches
    )


def _moments(vectors: Iterator[tuple[Fraction, ...]]) -> tuple[tuple[Fraction, ...], Matrix]:
    listed = list(vectors)
    size, n = range(len(listed[0])), len(listed)
    mean = tuple(sum((v[k] for v in listed), Fraction(0)) / n for k in size)
    second = [[sum((v[j] * v[k] for v in listed), Fraction(0)) / n - mean[j] * mean[k] for k in size] for j in size]
    return mean, tuple(map(tuple, second))


def control(seed: int = 0) -> Control:
    """The covariance of drawing with replacement must be wrong for drawing without."""
    rows = gradients(5, seed)
    formula, seen = predicted(rows, 3, replacement=True), observed(rows, 3, replacement=False)
    ratio = seen[1][0][0] / formula[1][0][0] if formula[1][0][0] else None
    return Control(
        "C/b for batches of 3 of 5 without replacement", "not equal", {"ratio": ratio}, passed=formula[1] != seen[1]
    )


def check(seed: int = 0) -> Claim:
    """All batches listed, in rational numbers, with and without replacement."""
    cases = []
    for n, batch in INSTANCES:
        rows = gradients(n, seed)
        for replacement in (True, False):
            formula, seen = predicted(rows, batch, replacement), observed(rows, batch, replacement)
            name = f"N={n}, b={batch}, {'with' if replacement else 'without'} replacement"
            cases.append(Case(f"mean, {name}", formula[0], seen[0], formula[0] == seen[0]))
            traces = [sum((c[k][k] for k in range(3)), Fraction(0)) for c in (formula[1], seen[1])]
            cases.append(Case(f"covariance (trace shown), {name}", traces[0], traces[1], formula[1] == seen[1]))
    return Claim.from_cases(
        cases,
        control(seed),
        id="gradient-noise",
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="exact: rational numbers",
        seed=seed,
    )
