"""Capacity bounds on the gap between test and training error exceed 1 for such networks: they say nothing.

The bound by Rademacher complexity is 1 + sqrt(log(1/delta) / (2 m)) for every class that shatters the m images, since
one of its functions then agrees with any signs: it depends on m and delta only and measures nothing of the net.

Predicted: the bounds, for the network of this project on CIFAR-10. Observed: that no bound could do better, since the
classes really have that capacity. A two-layer ReLU net with fewer weights meets every labelling (Rademacher complexity
1, exactly), and one fitted to random labels has training error 0 and test error 1/2.
"""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from theory.architectures import theory2_cnn
from theory.claims.claim import Case, Claim, Control
from theory.confidence import wilson
from theory.interpolants import memorizer

ID = "vacuous-capacity"
STATEMENT = (
    "Bounds of the form test error - training error <= sqrt(capacity / m) exceed 1 for such networks, whether capacity "
    "is the logarithm of the number of functions, the VC dimension or comes from Rademacher complexity."
)
SOURCE = "notes 1.2 (Zhang et al. 2017; Hoeffding's inequality and a union bound)"

IMAGES, PIXELS = 50_000, 3 * 32 * 32  # of CIFAR-10
BITS = 32  # of one stored weight
DELTA = 0.05  # probability with which a bound may fail


@dataclass(frozen=True)
class Bounds:
    """Upper bounds on the gap between test and training error, by three kinds of capacity."""

    union: float
    vc: float
    rademacher: float


def predicted(n_weights: int, m: int, d: int) -> Bounds:
    """For networks of n_weights weights and m data points in d dimensions.

    union: sqrt(log(2 W / delta) / (2 m)) for the W = 2^(32 n_weights) networks that 32-bit weights can store
    vc: the notes' sqrt(N / m), where N is no more than the number of points that the two-layer net with 2N + d weights
        shatters, a lower bound of the VC dimension of networks of this size
    rademacher: R + sqrt(log(1 / delta) / (2 m)), R the complexity of the +-1 outputs: 1 if N >= m, else unknown (NaN)
    """
    union = math.sqrt((n_weights * BITS * math.log(2) + math.log(2 / DELTA)) / (2 * m))
    shattered = max(n_weights - d, 0) // 2
    rademacher = 1.0 if shattered >= m else math.nan
    return Bounds(union, math.sqrt(shattered / m), rademacher + math.sqrt(math.log(1 / DELTA) / (2 * m)))


def observed_rademacher(n: int, d: int, seed: int) -> Fraction:
    """Exact empirical Rademacher complexity of nets with 2n + d weights: mean over all 2^n signs of the best match.

    Every labelling is handed to the construction and its outputs are compared with the signs.
    """
    points = np.random.default_rng([seed, n, d]).integers(-100, 100, size=(n, d))
    total = Fraction(0)
    for signs in itertools.product((-1, 1), repeat=n):
        net = memorizer(points, signs, seed=seed)
        total += Fraction(sum(sign * net([int(v) for v in x]) for sign, x in zip(signs, points, strict=True)), n)
    return total / 2**n


def observed_gap(n: int, d: int, tests: int, seed: int) -> tuple[int, int]:
    """Errors on n training points with random labels, and on `tests` fresh ones, of the net with 2n + d weights."""
    rng = np.random.default_rng([seed, 5])
    inputs = rng.integers(-10_000, 10_000, size=(n + tests, d))
    labels = rng.choice([-1, 1], size=n + tests)
    net = memorizer(inputs[:n], labels[:n], Fraction(0), seed)  # thresholds on the points: short numbers
    outputs = [net([int(v) for v in x]) for x in inputs]
    wrong = [(output > 0) != (label > 0) for output, label in zip(outputs, labels, strict=True)]
    return sum(wrong[:n]), sum(wrong[n:])


def half_plane_dichotomies(points: np.ndarray) -> np.ndarray:
    """All labellings of points (n, 2) in general position that a half-plane makes: (n^2 - n + 2, n) of +-1."""
    n = len(points)
    found = {(1,) * n, (-1,) * n}
    for i, j in itertools.combinations(range(n), 2):  # the border of a half-plane turns until it meets two points
        across = np.array([points[j, 1] - points[i, 1], points[i, 0] - points[j, 0]])
        side = np.sign((points - points[i]) @ across).astype(int)
        for side[i], side[j] in itertools.product((-1, 1), repeat=2):
            found |= {tuple(side), tuple(-side)}
    return np.array(sorted(found))


def plane_rademacher(n: int, seed: int) -> float:
    """Exact empirical Rademacher complexity of half-planes on n random points."""
    dichotomies = half_plane_dichotomies(np.random.default_rng([seed, n]).standard_normal((n, 2)))
    signs = np.array(list(itertools.product((-1, 1), repeat=n)))
    return float((signs @ dichotomies.T).max(axis=1).mean() / n)


def control(seed: int) -> Control:
    """Half-planes: three parameters, VC dimension 3. Their bounds must stay below 1."""
    massart = math.sqrt(2 * math.log(IMAGES**2 - IMAGES + 2) / IMAGES)  # n^2 - n + 2 dichotomies
    exact, bound = plane_rademacher(10, seed), math.sqrt(2 * math.log(92) / 10)
    return Control(
        "half-planes: bound at m = 50,000, and exact Rademacher complexity on 10 points within its bound",
        "below 1",
        f"{massart:.3f}, and {exact:.3f} <= {bound:.3f}",
        massart < 1 and exact < min(1, bound),
    )


def check(seed: int = 0) -> Claim:
    """The claim for networks of 188,810 weights on CIFAR-10, with exact small cases of what it rests on."""
    n_weights = theory2_cnn().n_parameters
    bounds = predicted(n_weights, IMAGES, PIXELS)
    cases = [
        Case(f"{instance}, {n_weights} weights, m = {IMAGES}", "> 1", round(value, 3), value > 1)
        for instance, value in (
            ("union bound, the CIFAR-10 network", bounds.union),
            ("VC dimension, a two-layer ReLU net", bounds.vc),
            ("Rademacher complexity, the same", bounds.rademacher),
        )
    ]
    complexity = observed_rademacher(6, 3, seed)
    cases.append(Case("Rademacher complexity, 15 weights, 6 points", 1, complexity, complexity == 1))
    train, test = observed_gap(200, 10, 1000, seed)
    low, high = wilson(test, 1000, 0.999)
    shown = f"training {train} of 200, test {test / 1000:.3f}, interval {low:.3f} to {high:.3f}"
    cases.append(Case("errors on random labels", "training 0, test 1/2", shown, train == 0 and low <= 0.5 <= high))
    enough = math.ceil((n_weights * BITS * math.log(2) + math.log(2 / DELTA)) / 2)
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="bounds: none, they exceed 1 or not; complexity: exact; test error: 99.9 % Wilson interval",
        seed=seed,
        note=f"The union bound falls below 1 from m = {enough:,} images. A two-layer net with 2m + d = "
        f"{2 * IMAGES + PIXELS:,} weights meets any labels of the {IMAGES:,} images.",
    )
