"""Does a plane curve p(x, y) = 0 have a real branch through the origin? Decided exactly, with a bound on the work.

Newton's polygon splits the curve by the rates at which x and y go to 0; along each edge the roots of a polynomial in
one unknown say whether a real branch leaves there. A double root asks again, closer to the origin (Duval's rational
form of Puiseux series, which needs no roots of numbers). Where such a root is irrational, zeros are counted on a circle
so small that each of them is the end of one branch.
Source: Walker, Algebraic Curves, chapter IV; Duval 1989, Rational Puiseux expansions.
"""

import math
from collections.abc import Mapping
from itertools import pairwise

from flint import Ordering, acb, fmpz_mpoly, fmpz_mpoly_ctx, fmpz_poly

Plane = Mapping[tuple[int, int], int]  # exponents of x and y -> coefficient; free of squares, 0 at the origin

_TERMS = 400_000  # that all substitutions together may make: some seconds
_DEGREE = 60  # of a curve whose turning points are eliminated for
_CIRCLE = 50_000  # degree times bits of the polynomial whose zeros are counted: about a second


def has_real_branch(curve: Plane) -> bool | None:
    """Whether real points of the curve lie arbitrarily near the origin, besides it; None: too much work to decide."""
    found = by_polygon(curve)
    return on_circle(curve) if found is None else found


def by_polygon(curve: Plane) -> bool | None:
    """The same by Newton's polygon alone."""
    return _by_polygon(curve, [_TERMS])


def _by_polygon(curve: Plane, left: list[int]) -> bool | None:
    """None where an irrational double root leaves it open, or the work: left[0] terms may still be made."""
    corners = _corners(curve)
    # near a curve on which the monomial of a corner leads, p has its sign, which an odd power changes
    if any(i % 2 or j % 2 for i, j in corners) or len({curve[corner] > 0 for corner in corners}) == 2:
        return True
    open_ones = False
    for (i0, j0), (i1, j1) in pairwise(corners):
        step = math.gcd(i1 - i0, j0 - j1)
        x_rate, y_rate = (j0 - j1) // step, (i1 - i0) // step  # x ~ t^x_rate, y ~ t^y_rate
        on_edge = fmpz_poly([curve.get((i0 + k * y_rate, j0 - k * x_rate), 0) for k in range(step + 1)])
        for factor, power in on_edge.factor()[1]:  # in z = x^y_rate / y^x_rate
            if not _real_roots(factor):
                continue
            if power % 2:
                return True
            left[0] -= sum(i + 1 for i, _ in curve)
            if factor.degree() > 1 or left[0] < 0:
                open_ones = True
                continue
            closer = _substituted(curve, x_rate, y_rate, -int(factor[0]), int(factor[1]))
            found = _by_polygon(closer, left)
            if found:
                return True
            open_ones |= found is None
    return None if open_ones else False


def _corners(curve: Plane) -> list[tuple[int, int]]:
    """The corners of Newton's polygon, the lower left boundary of the exponents, from the y axis down to the x axis."""
    lowest: dict[int, int] = {}
    for i, j in curve:
        lowest[i] = min(j, lowest.get(i, j))
    hull: list[tuple[int, int]] = []
    for i, j in sorted(lowest.items()):
        if hull and j >= hull[-1][1]:
            continue
        while len(hull) > 1:
            (a, b), (c, d) = hull[-2:]
            if (c - a) * (j - b) > (d - b) * (i - a):
                break
            hull.pop()
        hull.append((i, j))
    return hull


def _substituted(curve: Plane, x_rate: int, y_rate: int, above: int, below: int) -> Plane:
    """The curve near z = r = above / below: x = r^u t^x_rate (1 + s), y = r^v t^y_rate with u y_rate - v x_rate = 1.

    Real s and t make all real x and y there. Exponents are those of s and t; a power of t is left out.
    """
    u = pow(y_rate, -1, x_rate) if x_rate > 1 else 1
    v = (u * y_rate - 1) // x_rate
    lowest = min(x_rate * i + y_rate * j for i, j in curve)
    most = max(u * i + v * j for i, j in curve)
    terms: dict[tuple[int, int], int] = {}
    for (i, j), c in curve.items():
        power = u * i + v * j
        c *= above**power * below ** (most - power)
        order = x_rate * i + y_rate * j - lowest
        for k in range(i + 1):
            terms[k, order] = terms.get((k, order), 0) + c * math.comb(i, k)
    content = math.gcd(*terms.values())
    return {e: c // content for e, c in terms.items() if c}


def _real_roots(polynomial: fmpz_poly) -> int:
    """How many real roots a polynomial without multiple roots has."""
    if polynomial.degree() == 1:
        return 1
    roots: list[tuple[acb, int]] = polynomial.complex_roots()  # type: ignore[assignment]
    return sum(1 for root, _ in roots if root.imag == 0)


def on_circle(curve: Plane) -> bool | None:
    """The same by the zeros on a circle within all places, but 0, where the curve turns round or crosses itself."""
    ring = fmpz_mpoly_ctx.get(("x", "y"), Ordering.lex)
    x, y = ring.gens()
    whole = ring.from_dict(dict(curve.items()))
    turning = _turning(whole, x, y)
    if not turning:
        return False  # it is made of circles
    rest = whole // whole.gcd(turning)  # without circles round the origin, whose only real point near it is the origin
    degree = rest.total_degree()
    if degree > _DEGREE:
        return None
    turning = _turning(rest, x, y)
    bits = max(_bits_below(rest.resultant(turning, name), k) for name, k in (("x", 1), ("y", 0))) + 1
    if 2 * degree * degree * bits > _CIRCLE:
        return None
    # x = r (1 - t^2) / (1 + t^2), y = 2 r t / (1 + t^2), r = 2^-bits
    cosine, sine, length = fmpz_poly([1, 0, -1]), fmpz_poly([0, 2]), fmpz_poly([1, 0, 1]) * 2**bits
    on_circle = fmpz_poly([])
    for (i, j), c in rest.terms():
        on_circle += c * cosine**i * sine**j * length ** (degree - i - j)
    at_infinity = on_circle.degree() < 2 * degree  # the point (-r, 0)
    return at_infinity or _real_roots(on_circle) > 0


def _turning(curve: fmpz_mpoly, x: fmpz_mpoly, y: fmpz_mpoly) -> fmpz_mpoly:
    """0 where the curve touches a circle round the origin."""
    return x * curve.derivative(1) - y * curve.derivative(0)


def _bits_below(polynomial: fmpz_mpoly, unknown: int) -> int:
    """b such that all roots but 0 have absolute values above 2^-b (Cauchy's bound, turned round)."""
    terms = {e[unknown]: abs(int(c)) for e, c in polynomial.terms()}
    least = terms.pop(min(terms))
    return (least + max(terms.values(), default=0)).bit_length() - least.bit_length() + 1
