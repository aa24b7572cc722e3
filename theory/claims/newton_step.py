"""Newton's step reaches the critical point of a quadratic in one step, from anywhere, whatever its kind.

Predicted: the critical point, chosen first; the quadratic is built around it. Observed: one step theta - H^-1 g from a
random start, with gradient and Hessian by differentiating the expanded polynomial, all in rationals.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from theory.claims.claim import Case, Claim, Control
from theory.interpolants import solve_exactly
from theory.polynomials import Polynomial

ID = "newton-step"
STATEMENT = (
    "If f is a quadratic function with an invertible Hessian, Newton's step reaches its critical point in one step."
)
SOURCE = "slides, Newton's method"

SIZES = (1, 2, 5, 12)
KINDS = ("minimum", "maximum", "saddle")
Point = tuple[Fraction, ...]


def quadratic(n: int, kind: str, seed: int) -> tuple[Polynomial, Point]:
    """A random quadratic in n unknowns with rational coefficients, and its only critical point.

    kind: "minimum", "maximum" or "saddle" (signs alternate), by the signs of D in f = 1/2 (x - c)^T L D L^T (x - c),
    L unit lower triangular: invertible by construction.
    """
    rng = np.random.default_rng([seed, n, KINDS.index(kind)])
    centre = tuple(
        Fraction(int(a), int(b)) for a, b in zip(rng.integers(-9, 10, n), rng.integers(1, 8, n), strict=True)
    )
    f = Polynomial.constant(Fraction(int(rng.integers(-9, 10))), n)
    for j in range(n):
        row = Polynomial.variable(j, n) - centre[j]
        for i in range(j + 1, n):
            row = row + Fraction(int(rng.integers(-9, 10)), 4) * (Polynomial.variable(i, n) - centre[i])
        sign = {"minimum": 1, "maximum": -1, "saddle": (-1) ** j}[kind]
        f = f + Fraction(sign * int(rng.integers(1, 10)), 2) * row**2
    return f, centre


def newton_step(f: Polynomial, start: Sequence[Fraction]) -> Point:
    """start - H^-1 g, with gradient and Hessian of f at start, exact. Raises ZeroDivisionError where H is singular."""
    n = f.n_variables

    def at(g: Polynomial) -> Fraction:
        return Fraction(g.evaluate(start, lambda c: c.re))

    slopes = [f.diff(i) for i in range(n)]
    step = solve_exactly([[at(g.diff(j)) for j in range(n)] for g in slopes], [at(g) for g in slopes])
    return tuple(x - s for x, s in zip(start, step, strict=True))


def predicted(n: int, kind: str, seed: int) -> Point:
    """The critical point around which the quadratic was built."""
    return quadratic(n, kind, seed)[1]


def observed(n: int, kind: str, seed: int) -> Point:
    """Where one step from a random rational start ends."""
    f, _ = quadratic(n, kind, seed)
    return newton_step(f, _start(n, seed))


def _start(n: int, seed: int) -> Point:
    rng = np.random.default_rng([seed, n])
    return tuple(Fraction(int(a), 10) for a in rng.integers(-1000, 1000, n))


def control(seed: int) -> Control:
    """The same quadratic with a quartic term about the same point: critical there, but one step must miss it."""
    f, centre = quadratic(3, "minimum", seed)
    quartic = f + (Polynomial.variable(0, 3) - centre[0]) ** 4
    end = newton_step(quartic, _start(3, seed))
    return Control(
        "a quadratic in 3 unknowns plus (x_1 - c_1)^4",
        "one step ends elsewhere",
        f"it ends {max(abs(float(a - b)) for a, b in zip(end, centre, strict=True)):.3g} away",
        end != centre,
    )


def check(seed: int = 0) -> Claim:
    """The claim for minima, maxima and saddles in several dimensions."""
    cases = []
    for n in SIZES:
        for kind in KINDS[: 2 if n == 1 else 3]:
            expected, found = predicted(n, kind, seed), observed(n, kind, seed)
            name = f"{kind}, {n} unknown{'s' if n > 1 else ''}"
            cases.append(Case(name, list(map(str, expected)), list(map(str, found)), expected == found))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: rational arithmetic, equality",
        seed=seed,
        note="What is reached is a critical point: the step leads to maxima and saddles as well. It needs the inverse "
        "of the Hessian: unsuitable for deep networks, as the slide says.",
    )
