"""Where SGD ends on the flat minimum of a linear net: exactly, by what its steps cannot change."""

import math
from fractions import Fraction

import numpy as np
import sympy as sp

from theory.claims.claim import Case, Claim, Control

STATEMENT = (
    "On the flat minimum of a linear net SGD ends at the solution nearest to its start: "
    "the minimum-norm one exactly if the start lies in the span of the data"
)
SOURCE = "2018 review, section 7.2 (locally minimum norm, after Theory III)"
SIZES = ((2, 3), (3, 5), (4, 8))  # N images, K weights
STARTS = ((0.5, 0.5), (2.0, 0.5), (3.0, 0.1))  # of the two-layer net w_1 w_2
LEAST = 2.0  # squared norm of the minimum-norm solutions of w_1 w_2 = 1
TWO_LAYERS = 1e-3  # tolerance: of the order of the step size


def predicted(inputs: sp.Matrix, targets: sp.Matrix, start: sp.Matrix) -> sp.Matrix:
    """w_0 + X^T (X X^T)^-1 (y - X w_0): the point of {X w = y} nearest to w_0, in rational numbers."""
    return start + inputs.T * (inputs * inputs.T).LUsolve(targets - inputs * start)


def observed(inputs: sp.Matrix, targets: sp.Matrix, start: sp.Matrix, seed: int) -> np.ndarray:
    """Where SGD with one random image a step and rate 1 / max |x|^2 stops moving: (K,), in floating point."""
    x, y = np.array(inputs, dtype=float), np.array(targets, dtype=float).ravel()
    w, rng = np.array(start, dtype=float).ravel(), np.random.default_rng(seed)
    rate = 1 / (x**2).sum(1).max()
    for _ in range(200_000):
        if abs(x @ w - y).max() < 1e-13 * (1 + abs(y).max()):
            break
        for i in rng.integers(len(x), size=100):
            w = w - rate * (x[i] @ w - y[i]) * x[i]
    return w


def unchanged(inputs: sp.Matrix, targets: sp.Matrix, start: sp.Matrix, seed: int, steps: int = 12) -> bool:
    """Whether `steps` exact SGD steps leave every product of the weights with the null space of the data as it was."""
    rng, w = np.random.default_rng(seed), start
    for i in rng.integers(inputs.rows, size=steps):
        row = inputs.row(int(i))
        w = w - sp.Rational(1, 50) * (row * w - targets.row(int(i)))[0] * row.T
    return all((v.T * (w - start))[0] == 0 for v in inputs.nullspace())


def two_layers(first: float, second: float) -> tuple[float, float]:
    """Squared norm where gradient descent on (1 - w_1 w_2)^2 ends: by the invariant w_1^2 - w_2^2, and by descent.

    The flow keeps the invariant c, so it ends at norm^2 = sqrt(c^2 + 4); the minimum over all solutions is 2.
    """
    a, b = first, second
    rate = 1e-4
    for _ in range(400_000):
        residual = 1 - a * b
        a, b = a + 2 * rate * residual * b, b + 2 * rate * residual * a
        if abs(residual) < 1e-12:
            break
    return math.sqrt((first**2 - second**2) ** 2 + 4), a * a + b * b


def problem(n: int, k: int, seed: int) -> tuple[sp.Matrix, sp.Matrix, sp.Matrix]:
    """Integer inputs (n, k) of rank n, targets (n, 1) and a start (k, 1)."""
    rng = np.random.default_rng((seed, n, k))
    while True:
        inputs = sp.Matrix(rng.integers(-4, 5, size=(n, k)).tolist())
        if inputs.rank() == n:
            break
    return inputs, sp.Matrix(rng.integers(-5, 6, size=n).tolist()), sp.Matrix(rng.integers(-3, 4, size=k).tolist())


def control(seed: int = 0) -> Control:
    """By the tests of the claim: SGD from outside the span of the data, and two layers, must miss the minimum norm."""
    inputs, targets, start = problem(3, 5, seed)
    least, seen = predicted(inputs, targets, 0 * start), observed(inputs, targets, start, seed)
    _, ends = two_layers(*STARTS[-1])
    return Control(
        f"start outside the span of the data, two layers from {STARTS[-1]}: the minimum norm must be refused",
        {"distance": "not 0", "norm^2": f"not {LEAST:g}"},
        {"distance": float(np.linalg.norm(seen - _floats(least))), "norm^2": ends},
        passed=not _same(seen, least) and not abs(ends - LEAST) < TWO_LAYERS,
    )


def _same(seen: np.ndarray, exact: sp.Matrix) -> bool:
    return bool(np.abs(_floats(exact) - seen).max() < 1e-10)


def _floats(exact: sp.Matrix) -> np.ndarray:
    return np.array(exact, dtype=float).ravel()


def check(seed: int = 0) -> Claim:
    """The end of SGD against the rational formula, the exact invariant, and two layers, where the norm is not least."""
    cases, least_norm = [], []  # least_norm: whether the source's words, minimum norm from any start, came true
    for n, k in SIZES:
        inputs, targets, start = problem(n, k, seed)
        for name, begin in (("start 0: minimum norm", 0 * start), ("any start: nearest solution", start)):
            exact, seen = predicted(inputs, targets, begin), observed(inputs, targets, begin, seed)
            close = _same(seen, exact)
            shown = [Fraction(int(v.p), int(v.q)) for v in exact]
            cases.append(Case(f"N={n}, K={k}, {name}", shown, seen, close))
            least_norm.append(_same(seen, predicted(inputs, targets, 0 * start)))
        kept = unchanged(inputs, targets, start, seed)
        cases.append(Case(f"N={n}, K={k}, part outside the span of the data", "unchanged", kept, kept))
    for first, second in STARTS:
        expected, ends = two_layers(first, second)
        close = abs(ends - expected) < TWO_LAYERS
        cases.append(Case(f"two layers from ({first}, {second}): norm^2 (least: 2)", expected, ends, close))
        least_norm.append(abs(ends - LEAST) < TWO_LAYERS)
    return Claim.from_cases(
        cases,
        control(seed),
        id="minimum-norm",
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="1e-10 for linear nets (rounding); exact for the invariant; 1e-3 for two layers (step size 1e-4)",
        seed=seed,
        printed_verdict="holds" if all(least_norm) else "fails",
        note=(
            f"As printed, 'locally minimum norm', it came true in {sum(least_norm)} of {len(least_norm)} descents: "
            "from other starts the part outside the span of the data stays; two layers keep w_1^2 - w_2^2 and end at "
            "norm^2 = sqrt((w_1^2 - w_2^2)^2 + 4) >= 2"
        ),
    )
