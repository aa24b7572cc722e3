"""The signs of the Hessian's eigenvalues decide a critical point, unless one is 0: then terms of higher order do.

Predicted: what the slides say of each example, and of quadratic forms whose signature is built in. Observed: which
signs f - f(0) takes at rational points of small circles, in exact arithmetic. The classifier is a third voice and has
to agree with both.
"""

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import sympy as sp

from theory.claims.claim import Case, Claim, Control
from theory.critical_points import classify
from theory.polynomials import GaussianRational, Polynomial

ID = "hessian-cases"
STATEMENT = (
    "At a critical point a positive definite Hessian means a minimum, a negative definite one a maximum, eigenvalues "
    "of both signs a saddle; with a zero eigenvalue the Hessian decides nothing (x^2+y^4 and x^2-y^4 share one)"
)
SOURCE = "slides, 'Hessian' and 'Degenerate'"

x, y = sp.symbols("x y")

EXAMPLES = {
    "x^2+3y^2": (x**2 + 3 * y**2, "minimum"),
    "-x^2+3y^2": (-(x**2) + 3 * y**2, "saddle"),
    "0": (sp.Integer(0), "constant"),
    "x^2+y^4": (x**2 + y**4, "minimum"),
    "x^2-y^4": (x**2 - y**4, "saddle"),
    "-x^4-y^4": (-(x**4) - y**4, "maximum"),
    "monkey saddle x^3-3xy^2": (x**3 - 3 * x * y**2, "saddle"),
}
TABLE = {"positive definite": (1, 1, 1), "negative definite": (-1, -1, -1), "both signs": (1, -1, 1)}
_KINDS = {"positive definite": "minimum", "negative definite": "maximum", "both signs": "saddle"}


def predicted(name: str) -> str:
    """The kind that the slides give: an example's own, or that of the definiteness table."""
    return EXAMPLES[name][1] if name in EXAMPLES else _KINDS[name]


def observed(f: sp.Expr, symbols: Sequence[sp.Symbol]) -> str:
    """The kind that exact values of f at rational points of two small spheres around 0 show.

    Both signs prove a saddle; one sign only speaks for an extremum, as far as the points are dense.
    """
    polynomial = Polynomial.from_sympy(f, symbols)
    values = [
        polynomial.evaluate([radius * c for c in direction], _rational)
        for radius in (Fraction(1, 10), Fraction(1, 1000))
        for direction in _directions(len(symbols))
    ]
    positive, negative = any(v > 0 for v in values), any(v < 0 for v in values)
    if positive and negative:
        return "saddle"
    return "minimum" if positive else "maximum" if negative else "constant"


def _rational(coefficient: GaussianRational) -> Fraction:
    return coefficient.re


def _directions(n: int) -> list[tuple[Fraction, ...]]:
    """Rational unit vectors: stereographic images of a grid, and their opposites."""
    steps = range(-30, 31) if n == 2 else range(-5, 6)
    vectors = []
    for numerators in itertools.product(steps, repeat=n - 1):
        t = [Fraction(k, 10 if n == 2 else 3) for k in numerators]
        square = sum((s * s for s in t), Fraction(0))
        unit = ((1 - square) / (1 + square), *(2 * s / (1 + square) for s in t))
        vectors += [unit, tuple(-c for c in unit)]
    return vectors


def quadratic_form(signs: Sequence[int], seed: int) -> tuple[sp.Expr, list[sp.Symbol]]:
    """A form with eigenvalues of these signs that hides them: A^T diag(signs) A with a random whole A."""
    rng = np.random.default_rng(seed)
    n = len(signs)
    symbols = list(sp.symbols(f"u1:{n + 1}"))
    while True:
        mix = sp.Matrix(rng.integers(-2, 3, size=(n, n)).tolist())
        if mix.det():
            break
    image = mix * sp.Matrix(symbols)
    return sp.expand(sum((s * e**2 for s, e in zip(signs, image, strict=True)), sp.Integer(0))), symbols


def _case(name: str, f: sp.Expr, symbols: Sequence[sp.Symbol]) -> Case:
    seen, classified = observed(f, symbols), classify(f, dict.fromkeys(symbols, 0)).kind
    said = predicted(name)
    return Case(name, said, {"signs": seen, "classify": classified}, said == seen == classified)


def _same_hessian() -> Case:
    """What the Hessian cannot tell apart: two examples with one Hessian and different kinds."""
    pair = [EXAMPLES[name][0] for name in ("x^2+y^4", "x^2-y^4")]
    hessians = [sp.hessian(f, (x, y)).subs({x: 0, y: 0}) for f in pair]
    kinds = [observed(f, (x, y)) for f in pair]
    differ = hessians[0] == hessians[1] and kinds[0] != kinds[1]
    return Case("one Hessian, two kinds", True, differ, differ)


def control() -> Control:
    """x^2 + y^3 in place of x^2 + y^4: read off the Hessian alone, which is the same, it would be a minimum."""
    altered = x**2 + y**3
    kinds = [observed(altered, (x, y)), classify(altered, {x: 0, y: 0}).kind]
    return Control(
        "x^2+y^3 must not be called a minimum, though its Hessian is that of x^2+y^4",
        expected="saddle",
        observed=kinds,
        passed=all(kind != predicted("x^2+y^4") for kind in kinds),
    )


def check(seed: int = 0) -> Claim:
    """All examples of the slides and a random form for each row of the definiteness table."""
    cases = [_case(name, f, (x, y)) for name, (f, _) in EXAMPLES.items()]
    cases += [_case(name, *quadratic_form(signs, seed)) for name, signs in TABLE.items()]
    return Claim.from_cases(
        [*cases, _same_hessian()],
        control(),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: exact arithmetic; of an extremum the sampled points are evidence, the classifier is proof",
        seed=seed,
    )
