"""ReLU networks have local minima, and blind spots that a bad initialisation meets easily.

The network is x -> a relu(w x + b) + c on a handful of points. As long as no pre-activation changes sign, the outputs
are a line on the active points and a constant on the others, so the loss is at least that of the best such line and
constant: a proof that weights which attain it form a local minimum. Predicted: these values, by regression. Observed:
loss, exact gradient and pre-activations at constructed weights, descents from near by and from random weights.
Blind spot: all units off on all data. Predicted: the share of dead initialisations, by an angle or an integral.
Observed: sampled networks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from theory.claims.claim import Case, Claim, Control
from theory.confidence import wilson

ID = "blind-spot"
STATEMENT = (
    "ReLU networks have local minima that are not global, and descents end there; where all pre-activations are "
    "negative the gradient vanishes, and initialisations fall there with a share that grows as biases become negative."
)
SOURCE = "slides, ReLU has local minima, Blind Spot of ReLU (Swirszcz et al. 2016); the points are ours"

# inputs, labels, and which points are active at the local minimum
THREE = ((0, 1, 2), (0, 1, 4), (True, False, False))
FIVE = ((0, 1, 2, 3, 4), (0, 3, 4, 3, 4), (False, False, False, True, True))

Weights = tuple[Fraction, Fraction, Fraction, Fraction]  # a, w, b, c


@dataclass(frozen=True)
class Fit:
    """Best line on the active points and best constant on the others, exact; kink: where the two meet.

    feasible: the kink separates active from other points, so that a ReLU unit attains the loss
    """

    loss: Fraction
    slope: Fraction
    level: Fraction
    kink: Fraction
    feasible: bool


def regression(xs: Sequence[int], ys: Sequence[int], active: Sequence[bool]) -> Fit:
    """The least sum of squares among all weights with this activation pattern, by regression on either side.

    Needs at least one active and one inactive point, and the active ones at one end of the sorted inputs.
    """
    on = [(Fraction(x), Fraction(y)) for x, y, s in zip(xs, ys, active, strict=True) if s]
    off = [(Fraction(x), Fraction(y)) for x, y, s in zip(xs, ys, active, strict=True) if not s]
    level = sum(y for _, y in off) / Fraction(len(off))
    mean_x, mean_y = sum(x for x, _ in on) / Fraction(len(on)), sum(y for _, y in on) / Fraction(len(on))
    rest = sum(((y - level) ** 2 for _, y in off), Fraction())
    spread = sum(((x - mean_x) ** 2 for x, _ in on), Fraction())
    if not spread:  # a single active point is met by every slope: put the kink halfway to its neighbour
        nearest = min((x for x, _ in off), key=lambda x: abs(x - mean_x))
        kink = (mean_x + nearest) / 2
        return Fit(rest, (mean_y - level) / (mean_x - kink), level, kink, mean_y != level)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in on) / spread
    loss = rest + sum(((mean_y + slope * (x - mean_x) - y) ** 2 for x, y in on), Fraction())
    if not slope:
        return Fit(loss, slope, level, mean_x, False)
    kink = mean_x + (level - mean_y) / slope
    sides = {(x > kink) - (x < kink) for x, _ in on}, {(x > kink) - (x < kink) for x, _ in off}
    return Fit(loss, slope, level, kink, sides in (({1}, {-1}), ({-1}, {1})))


def predicted_minima(xs: Sequence[int], ys: Sequence[int]) -> tuple[Fraction, ...]:
    """Losses of all local minima with at least one active and one inactive point, each attained; ascending."""
    n = len(xs)
    patterns = [[(i < k) == first for i in range(n)] for k in range(1, n) for first in (True, False)]
    fits = [regression(xs, ys, pattern) for pattern in patterns]
    return tuple(sorted({fit.loss for fit in fits if fit.feasible}))


def local_minimum(xs: Sequence[int], ys: Sequence[int], active: Sequence[bool]) -> Weights:
    """Weights of the local minimum of this pattern. Raises ValueError where no ReLU unit attains the regression."""
    fit = regression(xs, ys, active)
    if not fit.feasible:
        raise ValueError(f"the kink {fit.kink} does not separate the active points from the others")
    side = 1 if active[-1] else -1
    return side * fit.slope, Fraction(side), -side * fit.kink, fit.level


def observed_point(weights: Weights, xs: Sequence[int], ys: Sequence[int]) -> tuple[Fraction, list[Fraction], Fraction]:
    """Sum of squares, its gradient by a, w, b, c, and the smallest |pre-activation|, by a forward and backward pass."""
    a, w, b, c = weights
    z = [w * x + b for x in xs]
    error = [a * max(value, Fraction(0)) + c - y for value, y in zip(z, ys, strict=True)]
    through = [e * a if value > 0 else Fraction(0) for e, value in zip(error, z, strict=True)]
    gradient = [
        2 * sum((e * max(value, Fraction(0)) for e, value in zip(error, z, strict=True)), Fraction()),
        2 * sum((t * x for t, x in zip(through, xs, strict=True)), Fraction()),
        2 * sum(through, Fraction()),
        2 * sum(error, Fraction()),
    ]
    return sum((e * e for e in error), Fraction()), gradient, min(map(abs, z))


def descend(starts: np.ndarray, xs: Sequence[int], ys: Sequence[int], steps: int, rate: float) -> np.ndarray:
    """Sums of squares (runs,) after plain gradient descent from starts (runs, 4), weights in the order a, w, b, c."""
    a, w, b, c = (column[:, None].copy() for column in np.array(starts, dtype=float).T)
    x, y = np.array(xs, dtype=float), np.array(ys, dtype=float)
    for _ in range(steps):
        z = w * x + b
        hidden = np.maximum(z, 0)
        error = 2 * (a * hidden + c - y)
        through = error * a * (z > 0)
        moves = (error * hidden).sum(1), (through * x).sum(1), through.sum(1), error.sum(1)
        a, w, b, c = (value - rate * move[:, None] for value, move in zip((a, w, b, c), moves, strict=True))
    return ((a * np.maximum(w * x + b, 0) + c - y) ** 2).sum(axis=1)


# ---- blind spots


def predicted_dead(low: float, high: float, bias_mean: float, hidden: int) -> float:
    """Probability that all units relu(w x + b), w ~ N(0, 1), b ~ N(bias_mean, 1), are off for all x in [low, high].

    A unit is off on the interval if it is at both ends. For bias_mean 0 these are two half-planes of (w, b), which
    share (pi - angle) / (2 pi) of the plane, angle that between (low, 1) and (high, 1); else an integral over w.
    """
    if bias_mean == 0:
        angle = math.atan2(high - low, 1 + low * high)
        return ((math.pi - angle) / (2 * math.pi)) ** hidden
    from scipy.integrate import quad
    from scipy.special import ndtr

    def off(w: float) -> float:
        return math.exp(-w * w / 2) / math.sqrt(2 * math.pi) * float(ndtr(-bias_mean - max(w * low, w * high)))

    return float(sum(quad(off, *ends, epsabs=1e-12)[0] for ends in ((-np.inf, 0), (0, np.inf)))) ** hidden


def observed_dead(xs: np.ndarray, bias_mean: float | None, hidden: int, draws: int, seed: int) -> int:
    """How many of the sampled networks have no unit that is on for any x; bias_mean None: no hidden biases."""
    rng = np.random.default_rng([seed, hidden])
    w, b = rng.standard_normal((2, draws, hidden, 1))
    z = w * xs + (b + bias_mean if bias_mean is not None else 0)
    return int((z <= 0).all(axis=(1, 2)).sum())


def control(seed: int) -> Control:
    """No hidden biases, inputs on both sides of 0: every unit is on somewhere, there is no blind spot."""
    xs = np.linspace(-1, 1, 11)
    dead = observed_dead(xs, None, 1, 10_000, seed)
    expected = predicted_dead(-1, 1, 0, 1)
    low, high = wilson(dead, 10_000, 0.999)
    return Control(
        f"one unit without bias on inputs from -1 to 1, against the share {expected:g} predicted with a bias",
        "share rejected",
        f"{dead} dead of 10000",
        not low <= expected <= high,
    )


def check(seed: int = 0, draws: int = 20_000) -> Claim:
    """The claim: two constructed local minima with their certificates, and dead shares for several biases."""
    cases = [*_minimum_cases("three points", *THREE, seed), *_minimum_cases("five points", *FIVE, seed)]
    xs = np.linspace(-1, 1, 11)
    for hidden, mean in ((1, 0.0), (3, 0.0), (3, -1.0), (3, -2.0), (3, -3.0)):
        expected, count = predicted_dead(-1, 1, mean, hidden), observed_dead(xs, mean, hidden, draws, seed)
        low, high = wilson(count, draws, 0.999)
        shown = f"{count / draws:.4f}, interval {low:.4f} to {high:.4f}"
        cases.append(
            Case(f"dead nets of {hidden}, bias mean {mean:g}", round(expected, 5), shown, low <= expected <= high)
        )
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="minima: exact; ends of descents: 1e-6; shares: 99.9 % Wilson intervals",
        seed=seed,
    )


def _minimum_cases(
    name: str, xs: Sequence[int], ys: Sequence[int], active: Sequence[bool], seed: int
) -> Sequence[Case]:
    minima, value = predicted_minima(xs, ys), regression(xs, ys, active).loss
    weights = local_minimum(xs, ys, active)
    loss, gradient, margin = observed_point(weights, xs, ys)
    rng = np.random.default_rng([seed, len(xs)])
    near = np.array(weights, dtype=float) + float(margin) / 20 * rng.standard_normal((100, 4))
    back = descend(near, xs, ys, steps=3000, rate=0.01)
    far = descend(2 * rng.standard_normal((2000, 4)), xs, ys, steps=10_000, rate=0.01)
    stuck = int((np.abs(far - float(value)) < 1e-6).sum())
    low, high = wilson(stuck, len(far))
    at_best = int((far < float(minima[0]) + 1e-6).sum())
    return [
        Case(f"{name}: loss, gradient 0", str(value), str(loss), loss == value and not any(gradient)),
        Case(f"{name}: smallest pre-activation", "> 0", str(margin), margin > 0),
        Case(
            f"{name}: lowest end from random starts",
            f"{minima[0]} < {value}",
            f"{far.min():.6f}",
            _attained(minima[0], value, far),
        ),
        Case(
            f"{name}: descents from near by end at",
            float(value),
            [float(back.min()), float(back.max())],
            bool(np.abs(back - float(value)).max() < 1e-6),
        ),
        Case(
            f"{name}: share of random starts that end there",
            "> 0",
            f"{stuck / len(far):.3f}, interval {low:.3f} to {high:.3f}; at the best {at_best / len(far):.3f}",
            low > 0,
        ),
    ]


def _attained(best: Fraction, value: Fraction, ends: np.ndarray) -> bool:
    return best < value and abs(float(ends.min()) - float(best)) < 1e-6
