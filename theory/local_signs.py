"""Which signs does a polynomial with p(0) = 0 take near 0? Decided exactly; what `classify` rests on.

Complete in one and two variables. In more: sums over separate variables, even powers, odd lowest forms, factors, and
curves along which both signs show; otherwise the answer stays open and says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, product
from typing import TYPE_CHECKING

import numpy as np

from theory.polynomials import Polynomial

if TYPE_CHECKING:
    import sympy as sp


@dataclass(frozen=True)
class Signs:
    """Values in every neighbourhood of 0: are some positive, some negative, is 0 the only zero? None: not known."""

    positive: bool | None
    negative: bool | None
    isolated: bool | None
    reason: str

    def negated(self) -> "Signs":
        return Signs(self.negative, self.positive, self.isolated, self.reason)


def both(reason: str) -> Signs:
    return Signs(True, True, False, reason)


def one_sign(sign: int | Fraction, isolated: bool | None, reason: str) -> Signs:
    return Signs(sign > 0, sign < 0, isolated, reason)


def signs_near_zero(polynomial: Polynomial) -> Signs:
    """The signs that a real polynomial without constant term takes arbitrarily near the origin."""
    if not polynomial.terms:
        return Signs(False, False, False, "it is constant")
    groups = _separate(polynomial)
    if len(groups) > 1:
        return sum_of_separate([signs_near_zero(group) for group in groups])
    n = polynomial.n_variables
    if n == 1:
        order = min(e[0] for e in polynomial.terms)
        lowest = polynomial.terms[(order,)].re
        if order % 2:
            return both(f"the lowest power {order} is odd")
        return one_sign(lowest, True, f"the lowest power {order} is even, its coefficient {lowest}")
    form = lowest_form(polynomial)
    if form.degree % 2:
        return both(f"its lowest form has the odd degree {form.degree}")
    decided = _even_powers(polynomial)
    if decided is None and n > 2:
        quick = _along_curves(polynomial, tries=40)  # cheap, and factoring many terms is not
        decided = quick if quick.positive and quick.negative else None
    return decided or _by_factors(polynomial) or _along_curves(polynomial)


def sum_of_separate(parts: Sequence[Signs]) -> Signs:
    """Signs of a sum whose terms depend on different variables: each can be moved while the others stay at 0."""

    def some(values: Iterable[bool | None]) -> bool | None:
        known = list(values)
        return True if True in known else None if None in known else False

    positive, negative = some(p.positive for p in parts), some(p.negative for p in parts)
    not_isolated = some(None if p.isolated is None else not p.isolated for p in parts)
    isolated = None if not_isolated is None else not not_isolated
    if positive and negative:
        isolated = False
    elif positive is None or negative is None:
        isolated = None if isolated else isolated
    return Signs(positive, negative, isolated, "; ".join(dict.fromkeys(p.reason for p in parts if p.reason)))


def lowest_form(polynomial: Polynomial) -> Polynomial:
    """The terms of least degree."""
    order = min(map(sum, polynomial.terms))
    return Polynomial({e: c for e, c in polynomial.terms.items() if sum(e) == order}, polynomial.n_variables)


def _separate(polynomial: Polynomial) -> list[Polynomial]:
    """Summands in disjoint sets of variables; each variable that does not occur gives a zero summand."""
    n = polynomial.n_variables
    group = list(range(n))
    for exponents in polynomial.terms:
        used = {group[k] for k in range(n) if exponents[k]}
        group = [min(used) if g in used else g for g in group]
    summands = []
    for label in dict.fromkeys(group):
        members = [k for k in range(n) if group[k] == label]
        terms = {tuple(e[k] for k in members): c for e, c in polynomial.terms.items() if any(e[k] for k in members)}
        summands.append(Polynomial(terms, len(members)))
    return summands


def _even_powers(polynomial: Polynomial) -> Signs | None:
    """Decided where all exponents are even and all coefficients have one sign."""
    coefficients = [c.re for c in polynomial.terms.values()]
    if any(power % 2 for e in polynomial.terms for power in e) or min(coefficients) < 0 < max(coefficients):
        return None
    pure = {k for e in polynomial.terms for k in range(len(e)) if sum(e) == e[k]}
    isolated = len(pure) == polynomial.n_variables
    return one_sign(coefficients[0], isolated, "all powers are even and all coefficients have one sign")


def _by_factors(polynomial: Polynomial) -> Signs | None:
    """Decided by the irreducible factors that vanish at 0: an odd one with real points near 0 changes the sign there.

    None where three or more variables leave a singular factor open.
    """
    import sympy as sp

    symbols = sp.symbols(f"x:{polynomial.n_variables}")
    constant, factors = sp.factor_list(polynomial.to_sympy(symbols), *symbols)
    sign = 1 if constant > 0 else -1
    isolated: bool | None = True
    undecided = False
    for expression, multiplicity in factors:
        factor = Polynomial.from_sympy(expression, symbols)
        at_zero = factor.terms.get((0,) * polynomial.n_variables)
        if at_zero is not None:
            sign *= -1 if at_zero.re < 0 and multiplicity % 2 else 1
            continue
        signs = _signs_of_factor(factor)
        if multiplicity % 2:
            if signs.positive and signs.negative:
                return both(f"its factor {_shown(expression, symbols)} changes sign in every neighbourhood")
            undecided |= signs.positive is None or signs.negative is None
            sign *= -1 if signs.negative else 1
        if isolated is not False and not signs.isolated:
            isolated = signs.isolated
    if undecided:
        return None
    kinds = "every factor through the point keeps its sign or has an even power"
    return one_sign(sign, isolated, kinds)


def _signs_of_factor(factor: Polynomial) -> Signs:
    """Signs near 0 of an irreducible polynomial in two or more variables that vanishes at 0."""
    if lowest_form(factor).degree == 1:
        return both("its gradient is not 0")
    if factor.n_variables == 2:
        return _irreducible_in_two(factor)
    return _even_powers(factor) or _along_curves(factor)


def _irreducible_in_two(factor: Polynomial) -> Signs:
    """Signs near 0 of an irreducible polynomial in two variables, by counting its zeros on a small circle.

    The circle is smaller than every distance at which the curve turns round or crosses itself, so each zero on it is
    the end of one real branch through 0, across which the polynomial, free of squares, changes its sign.
    """
    import sympy as sp

    x, y, t = sp.symbols("x y t")
    curve = sp.Poly(factor.to_sympy((x, y)), x, y)
    turning = sp.Poly(x * curve.diff(y).as_expr() - y * curve.diff(x).as_expr(), x, y)
    if turning.is_zero:  # a multiple of x^2 + y^2
        return one_sign(next(iter(factor.terms.values())).re, True, "a multiple of the squared distance")
    radius = min(_least_root(curve.resultant(turning)), _least_root(_swapped(curve).resultant(_swapped(turning))))
    radius = radius / 2
    on_circle = sp.Poly(
        sp.together(
            curve.as_expr().subs(
                {x: radius * (1 - t**2) / (1 + t**2), y: 2 * radius * t / (1 + t**2)}, simultaneous=True
            )
        ).as_numer_denom()[0],
        t,
    )
    opposite = curve.eval({x: -radius, y: 0})  # t = infinity
    if not opposite or on_circle.count_roots():
        return both("it has real branches through the point")
    return one_sign(Fraction(int(sp.sign(opposite))), True, "it has no real branch through the point")


def _swapped(polynomial: "sp.Poly") -> "sp.Poly":
    import sympy as sp

    x, y = polynomial.gens
    return sp.Poly(polynomial.as_expr(), y, x)


def _least_root(polynomial: "sp.Poly") -> "sp.Rational":
    """A positive lower bound of the absolute values of all non-zero roots (Cauchy's bound, turned round)."""
    import sympy as sp

    coefficients = polynomial.all_coeffs()[::-1]
    while coefficients and not coefficients[0]:
        coefficients = coefficients[1:]
    largest = max((abs(c) for c in coefficients[1:]), default=sp.Integer(0))
    bound = abs(coefficients[0]) / (abs(coefficients[0]) + largest)
    return sp.Rational(1, 2 ** max(0, int(sp.ceiling(-sp.log(bound, 2)))))  # short numbers keep Sturm's chain short


def _shown(expression: "sp.Expr", symbols: Sequence["sp.Symbol"]) -> str:
    names = dict(zip(symbols, "xyzuvw", strict=False)) if len(symbols) <= 6 else {}
    return str(expression.subs(names)) if names else str(expression)


def _along_curves(polynomial: Polynomial, tries: int = 400) -> Signs:
    """Signs seen along curves t -> (c_1 t^a_1, ..., c_n t^a_n): where one shows it is proven, its absence is not."""
    rng = np.random.default_rng(0)
    n = polynomial.n_variables
    seen = {1: False, -1: False}
    lowest = lowest_form(polynomial)
    for simple in islice(product((1, 0, -1), repeat=n), 1000):  # the signs of symmetric forms show along these
        value = sum((c.re * _product(d**p for d, p in zip(simple, e, strict=True)) for e, c in lowest.terms.items()),
                    Fraction(0))  # fmt: skip
        if value:
            seen[1 if value > 0 else -1] = True
    for attempt in range(tries):
        if seen[1] and seen[-1]:
            return both("both signs show along curves through the point")
        weights = rng.integers(1, 1 + min(4, 1 + attempt // 50), size=n)
        direction = [
            Fraction(int(p), int(q)) for p, q in zip(rng.integers(-6, 7, n), rng.integers(1, 5, n), strict=True)
        ]
        by_order: dict[int, Fraction] = {}
        for e, c in polynomial.terms.items():
            order = int(np.dot(weights, e))
            value = c.re * _product(d**p for d, p in zip(direction, e, strict=True))
            by_order[order] = by_order.get(order, Fraction(0)) + value
        leading = next((by_order[order] for order in sorted(by_order) if by_order[order]), Fraction(0))
        if leading:
            seen[1 if leading > 0 else -1] = True
    if seen[1] and seen[-1]:
        return both("both signs show along curves through the point")
    return Signs(
        seen[1] or None,
        seen[-1] or None,
        None,
        f"no exact rule decides its signs in {n} variables; {tries} curves through the point showed one sign only",
    )


def _product(factors: Iterable[Fraction]) -> Fraction:
    result = Fraction(1)
    for factor in factors:
        result *= factor
    return result
