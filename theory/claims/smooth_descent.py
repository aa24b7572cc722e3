"""If -beta I <= Hessian <= beta I, gradient descent reaches a point with gradient below eps in O(beta / eps^2) steps.

Each step of size eta lowers f by at least eta (1 - beta eta / 2) |gradient|^2, so after T steps without success
T eta (1 - beta eta / 2) eps^2 < f(start) - inf f. Predicted: this bound, with its constant. Observed: the count, on
functions whose beta is known by proof: far below the bound on quadratics, at half of it on a family made to be slow.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from theory.claims.claim import Case, Claim, Control

ID = "smooth-descent"
STATEMENT = (
    "If -beta I <= Hessian <= beta I everywhere, gradient descent with step 1/beta or 1/(2 beta) meets a gradient "
    "norm below eps within a multiple of beta (f(start) - inf f) / eps^2 steps."
)
SOURCE = "notes 1.1 (Nesterov 1998)"

STEPS = (0.5, 1.0)  # times 1/beta
SLOW = (0.1, 0.05, 0.025, 0.0125)


@dataclass(frozen=True)
class Smooth:
    """A function by its value and gradient at (n,), a bound beta of its Hessian, a lower bound of it, and a start."""

    name: str
    value: Callable[[np.ndarray], float]
    gradient: Callable[[np.ndarray], np.ndarray]
    beta: float
    infimum: float
    start: np.ndarray
    eps: float


def quadratic(n: int, eps: float, seed: int) -> Smooth:
    """1/2 sum l_i x_i^2 with l from 1e-3 to 1: beta = 1, infimum 0."""
    rates = np.geomspace(1e-3, 1, n)
    start = np.random.default_rng([seed, n]).standard_normal(n)
    return Smooth(
        f"quadratic, n={n}", lambda x: float(0.5 * (rates * x * x).sum()), lambda x: rates * x, 1.0, 0.0, start, eps
    )


def waves(n: int, eps: float, seed: int) -> Smooth:
    """sum_i (1 - cos <a_i, x>), not convex: the Hessian sum_i cos(.) a_i a_i^T lies within +-|A|^2; infimum 0."""
    rng = np.random.default_rng([seed, n, 1])
    A, start = rng.standard_normal((2 * n, n)), rng.standard_normal(n)
    beta = float(np.linalg.norm(A, 2) ** 2)
    return Smooth(
        f"waves, n={n}",
        lambda x: float((1 - np.cos(A @ x)).sum()),
        lambda x: A.T @ np.sin(A @ x),
        beta,
        0.0,
        start,
        eps,
    )


def slow(eps: float) -> Smooth:
    """a^2 log cosh(x / a) from x = 1 / a, a = 1.01 eps, beta = 1: a slope just above eps all the way down from 1."""
    a = 1.01 * eps

    def value(x: np.ndarray) -> float:
        return float(a * a * (np.logaddexp(x / a, -x / a) - math.log(2)).sum())

    return Smooth(f"slow, eps={eps}", value, lambda x: a * np.tanh(x / a), 1.0, 0.0, np.full(1, 1 / a), eps)


def predicted(f: Smooth, step: float) -> float:
    """The bound on the number of steps of size step / beta: infinite unless 0 < step < 2.

    step 1: 2 beta (f(start) - inf f) / eps^2; step 1/2: 8/3 of the same.
    """
    gain = step * (1 - step / 2) / f.beta
    return (f.value(f.start) - f.infimum) / (gain * f.eps**2) if 0 < step < 2 else math.inf


def observed(f: Smooth, step: float, max_steps: int = 1_000_000) -> int | None:
    """Steps until the gradient norm falls below eps; None if max_steps were not enough or the iterates ran off."""
    x = f.start.copy()
    for count in range(max_steps + 1):
        g = f.gradient(x)
        norm = float(np.linalg.norm(g))
        if norm < f.eps:
            return count
        if not norm < 1e100:
            return None
        x = x - step / f.beta * g
    return None


def control(seed: int) -> Control:
    """A step beyond 2/beta: the quadratic's steepest direction grows, no bound holds and no small gradient is met."""
    count = observed(quadratic(20, 1e-3, seed), 2.1, max_steps=20_000)
    return Control(
        "quadratic, n=20, step 2.1/beta", "never below eps", f"{count} steps" if count else "diverged", not count
    )


def functions(seed: int) -> list[Smooth]:
    """The functions of the check; the slow family needs four times the steps when eps is halved, as the bound does."""
    return [quadratic(20, 1e-3, seed), waves(5, 1e-2, seed), waves(20, 1e-2, seed), *map(slow, SLOW)]


def check(seed: int = 0) -> Claim:
    """The claim for both step sizes, and the rate of the slow family."""
    cases, counts = [], []
    for step in STEPS:
        for f in functions(seed):
            bound, count = predicted(f, step), observed(f, step)
            shown = f"{count} steps, {count / bound:.2g} of the bound" if count is not None else "not reached"
            agrees = count is not None and count <= bound
            cases.append(Case(f"{f.name}, step {step:g}/beta", f"at most {math.floor(bound)} steps", shown, agrees))
            if step == 1.0 and f.name.startswith("slow"):
                counts.append(count or 0)
    rate = float(np.polyfit(np.log(SLOW), np.log(np.maximum(counts, 1)), 1)[0])
    cases.append(Case("slow family: exponent of eps in the count", -2, round(rate, 3), abs(rate + 2) < 0.05))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="counts: a proven bound, none; the exponent: 0.05, since f(start) = 1 - O(eps^2) itself",
        seed=seed,
    )
