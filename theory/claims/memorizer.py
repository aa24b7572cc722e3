"""A two-layer ReLU net with 2n + d weights takes any n points in d dimensions to any labels.

Predicted: the labels, met without error, and 2n + d weights. Observed: the constructed net, evaluated in rationals on
every input, and, for all data at once, its triangular system solved with symbols for gaps and labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np

from theory.claims.claim import Case, Claim, Control
from theory.interpolants import ConflictingLabelsError, memorizer, outer_weights

ID = "memorizer"
STATEMENT = "A two-layer ReLU network with 2n + d weights represents any function on n distinct points in d dimensions."
SOURCE = "notes 1.2 (Zhang, Bengio, Hardt, Recht, Vinyals 2017, Theorem 1)"

INSTANCES = ((2, 1), (10, 3), (50, 20), (200, 784), (1000, 2))  # n points in d dimensions


@dataclass(frozen=True)
class Fit:
    """Distinct numbers a net stores, and on how many of its points it misses the label."""

    weights: int
    missed: int

    def __str__(self) -> str:
        return f"{self.weights} weights, {self.missed} labels missed"


def data(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n distinct points with integer entries (n, d) and random labels (n,) in {-1, 1}."""
    rng = np.random.default_rng([seed, n, d])
    inputs = rng.integers(-1000, 1000, size=(n, d))
    while len(np.unique(inputs, axis=0)) < n:
        inputs = rng.integers(-1000, 1000, size=(n, d))
    return inputs, rng.choice([-1, 1], size=n)


def predicted(n: int, d: int) -> Fit:
    """What the theorem promises for n points in d dimensions."""
    return Fit(2 * n + d, 0)


def observed(n: int, d: int, seed: int) -> Fit:
    """The construction on random labels, evaluated exactly by matrix arithmetic over the integers.

    Cleared of denominators, hidden layer and outer layer are integer matrices; the sums below share no code with the
    recursion that found the weights.
    """
    from flint import fmpq, fmpq_mat, fmpz

    inputs, labels = data(n, d, seed)
    net = memorizer(inputs, labels, seed=seed)
    scale = 2  # thresholds are midpoints of integers
    direction = np.array([int(a) for a in net.direction], dtype=object)
    hidden = np.maximum(scale * (inputs.astype(object) @ direction)[:, None] - _integers(net.thresholds, scale), 0)
    weights = fmpq_mat(n, 1, [fmpq(w.numerator, w.denominator) for w in net.outer])
    values = fmpq_mat(n, n, [fmpq(fmpz(int(h)), fmpz(scale)) for h in hidden.ravel()]) * weights
    missed = sum(values[i, 0] != fmpq(int(label)) for i, label in enumerate(labels))
    return Fit(net.n_weights, missed)


def _integers(values: Sequence[Fraction], scale: int) -> np.ndarray:
    return np.array([int(value * scale) for value in values], dtype=object)


def misses_as_symbols(n: int) -> int:
    """On how many of n points the net misses a symbolic label, for all gaps > 0 and all labels at once.

    The projections are sums of positive symbols, so sympy decides the sign of every pre-activation.
    """
    import sympy as sp

    gaps = sp.symbols(f"g1:{n + 1}", positive=True)
    labels = sp.symbols(f"y1:{n + 1}")
    z = list(accumulate(gaps))
    thresholds = [z[0] - 1] + [(low + high) / 2 for low, high in pairwise(z)]
    outer = outer_weights(z, thresholds, labels)
    missed = 0
    for point, label in zip(z, labels, strict=True):
        active = [sp.expand(point - b) for b in thresholds]
        if any(a.is_positive is None for a in active):
            raise ArithmeticError(f"the sign of a pre-activation stayed open: {active}")
        value = sum(w * a for w, a in zip(outer, active, strict=True) if a.is_positive)
        missed += sp.cancel(value - label) != 0
    return missed


def control(seed: int) -> Control:
    """Two equal inputs with different labels: no function fits them, the construction must refuse."""
    inputs, labels = data(5, 2, seed)
    inputs[3], labels[3] = inputs[0], -labels[0]
    try:
        memorizer(inputs, labels, seed=seed)
        outcome = "a network was returned"
    except ConflictingLabelsError:
        outcome = "refused"
    return Control("two equal inputs with different labels", "refused", outcome, outcome == "refused")


def float_error(n: int, position: Fraction, seed: int) -> float:
    """Largest miss on n points in 2 dimensions when the same exact weights are rounded to float64."""
    inputs, labels = data(n, 2, seed)
    net = memorizer(inputs, labels, position, seed).rounded()
    return max(abs(net(list(map(float, x))) - float(y)) for x, y in zip(inputs, labels, strict=True))


def check(seed: int = 0) -> Claim:
    """The claim for random labels at several sizes to n = 1,000, and for symbolic data with n to 4."""
    cases = []
    for n, d in INSTANCES:
        expected, found = predicted(n, d), observed(n, d, seed)
        cases.append(Case(f"n={n}, d={d}", str(expected), str(found), found == expected))
    for n in (1, 2, 3, 4):
        missed = misses_as_symbols(n)
        cases.append(Case(f"n={n}, all gaps and labels as symbols", 0, missed, missed == 0))
    middle, late = (float_error(100, position, seed) for position in (Fraction(1, 2), Fraction(3, 4)))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: rational arithmetic, equality",
        seed=seed,
        note=f"The same weights rounded to float64 miss one of 100 labels of size 1 by {middle:.1e} (thresholds midway "
        f"between the points) and by {late:.1e} (at three quarters of each gap): exact arithmetic is needed.",
    )
