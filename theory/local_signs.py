"""Which signs does a polynomial with p(0) = 0 take near 0? Decided exactly; what `classify` rests on.

Complete in one and two variables. In more: sums over separate variables, even powers, odd lowest forms, factors, and
curves along which both signs show; otherwise the answer stays open and says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, product
from math import lcm

import numpy as np
from flint import Ordering, fmpz_mpoly, fmpz_mpoly_ctx

from theory.plane_branches import has_real_branch
from theory.polynomials import Polynomial, gaussian

_VALUES = 100_000  # of single terms along curves: about a second


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
    """Decided by the factors that vanish at 0: an odd one with real points near 0 changes the sign there.

    In two variables factors free of squares do, in more they are irreducible. None where one is left open in three or
    more variables.
    """
    whole = as_integers(polynomial)
    if _is_long_to_factor(whole):
        return Signs(None, None, None, f"factoring {len(whole)} terms of degree {polynomial.degree} is too much work")
    constant, factors = whole.factor_squarefree() if polynomial.n_variables == 2 else whole.factor()
    sign = 1 if constant > 0 else -1
    isolated: bool | None = True
    undecided: Signs | None = None
    for factor, multiplicity in factors:
        terms = {tuple(map(int, e)): int(c) for e, c in factor.terms()}
        at_zero = terms.get((0,) * polynomial.n_variables)
        if at_zero is not None:
            sign *= -1 if at_zero < 0 and multiplicity % 2 else 1
            continue
        signs = _signs_of_factor(terms)
        if multiplicity % 2:
            if signs.positive and signs.negative:
                return both(f"its factor {_shown(factor)} changes sign in every neighbourhood")
            undecided = signs if signs.positive is None or signs.negative is None else undecided
            sign *= -1 if signs.negative else 1
        if isolated is not False and not signs.isolated:
            isolated = signs.isolated
    if undecided is not None:
        return undecided if polynomial.n_variables == 2 else None
    kinds = "every factor through the point keeps its sign or has an even power"
    return one_sign(sign, isolated, kinds)


def as_integers(polynomial: Polynomial) -> fmpz_mpoly:
    """A positive multiple of a real polynomial, with integers as coefficients."""
    names = tuple("xyzuvw"[: polynomial.n_variables]) if polynomial.n_variables <= 6 else ("x", polynomial.n_variables)
    ring = fmpz_mpoly_ctx.get(names, Ordering.lex)
    return ring.from_dict(integer_terms(polynomial))


def integer_terms(polynomial: Polynomial) -> dict[tuple[int, ...], int]:
    """The terms of a positive multiple of a real polynomial, with integers as coefficients."""
    scale = lcm(*(c.re.denominator for c in polynomial.terms.values()))
    return {e: int(c.re * scale) for e, c in polynomial.terms.items()}


def _is_long_to_factor(polynomial: fmpz_mpoly) -> bool:
    """Factoring takes some 10 s for two variables of degree 100 each and few terms, or tens of thousands of terms."""
    *_, second, first = (0, *sorted(polynomial.degrees()))
    return len(polynomial) > 20_000 or (first + 1) * (second + 1) > (
        4_000 if len(polynomial.degrees()) > 2 else 100_000
    )


def _signs_of_factor(terms: dict[tuple[int, ...], int]) -> Signs:
    """Signs near 0 of a polynomial without square factors that vanishes at 0, irreducible where n > 2."""
    factor = Polynomial({e: gaussian(c) for e, c in terms.items()}, len(next(iter(terms))))
    if lowest_form(factor).degree == 1:
        return both("its gradient is not 0")
    if factor.n_variables > 2:
        return _even_powers(factor) or _along_curves(factor)
    crosses = has_real_branch({(i, j): c for (i, j), c in terms.items()})
    if crosses is None:
        return Signs(
            None, None, None, "whether a curve of its zeros passes through the point is too much work to decide"
        )
    if crosses:
        return both("it has real branches through the point")
    return one_sign(terms[min(terms)], True, "it has no real branch through the point")


def _shown(factor: fmpz_mpoly) -> str:
    text = str(factor).replace("^", "**")
    return text if len(text) < 80 else text[:77] + "..."


def _along_curves(polynomial: Polynomial, tries: int = 400) -> Signs:
    """Signs seen along curves t -> (c_1 t^a_1, ..., c_n t^a_n): where one shows it is proven, its absence is not."""
    rng = np.random.default_rng(0)
    n = polynomial.n_variables
    terms = integer_terms(polynomial)
    order = lowest_form(polynomial).degree
    lowest = {e: c for e, c in terms.items() if sum(e) == order}
    seen = set()
    for simple in islice(product((1, 0, -1), repeat=n), min(1000, _VALUES // len(lowest))):
        seen.add(_sign_along(lowest, simple, (1,) * n))  # the signs of symmetric forms show along these
    for attempt in range(tries := min(tries, _VALUES // len(terms))):
        if {1, -1} <= seen:
            break
        weights = rng.integers(1, 1 + min(4, 1 + attempt // 50), size=n).tolist()
        above, below = rng.integers(-6, 7, n).tolist(), rng.integers(1, 5, n).tolist()
        # the coefficients above / below, with 12 t for t, which makes them whole
        direction = [12**weight * p // q for weight, p, q in zip(weights, above, below, strict=True)]
        seen.add(_sign_along(terms, direction, weights))
    if {1, -1} <= seen:
        return both("both signs show along curves through the point")
    return Signs(
        1 in seen or None,
        -1 in seen or None,
        None,
        f"no exact rule decides its signs in {n} variables; {tries} curves through the point showed one sign only",
    )


def _sign_along(terms: Mapping[tuple[int, ...], int], direction: Sequence[int], weights: Sequence[int]) -> int:
    """The sign at small t > 0 on the curve t -> direction t^weights; 0 where the polynomial vanishes there."""
    tables = [[d**power for power in range(most + 1)] for d, most in zip(direction, map(max, zip(*terms, strict=True)),
                                                                        strict=True)]  # fmt: skip
    by_order: dict[int, int] = {}
    for e, c in terms.items():
        order = 0
        for power, weight, table in zip(e, weights, tables, strict=True):
            if power:
                order += power * weight
                c *= table[power]
        by_order[order] = by_order.get(order, 0) + c
    leading = next((by_order[order] for order in sorted(by_order) if by_order[order]), 0)
    return (leading > 0) - (leading < 0)
