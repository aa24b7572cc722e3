"""An independent checker of written certificates: exact fractions only, nothing shared with the search behind them.

A certificate holds equations F as text and, for each point x, a box |Re(z_k - x_k)|, |Im(z_k - x_k)| <= r_k and a
matrix Y. Where `_contracts` holds, z - Y F(z) maps the box into itself and contracts it: F has exactly one zero there
(Banach), and its Jacobian J is regular all over. If F and x are real, so is the zero: its conjugate lies in the same
box. Coordinates without radius are constants; with m equations in K unknowns the zeros then form a manifold of
dimension K - m around that zero (implicit functions). Distinct means that the box meets no other box of the file.
Source: R. Krawczyk, Computing 4 (1969) 187-201; P. Breiding, K. Rose, S. Timme, arXiv:2011.05000, for complex boxes.
"""

import re
from collections import Counter
from fractions import Fraction as Q
from math import prod
from typing import Any

_NUMBER, _POWER = r"\d+(?:/\d+)?", r"(?!i\b|I\b)[A-Za-z_]\w*(?:\^\d{1,4})?"  # i stands for sqrt(-1)
_COEFFICIENT, _POWERS = rf"(?:\((-?{_NUMBER}) ([+-]) ({_NUMBER})\*i\)|({_NUMBER}))", rf"({_POWER}(?:\*{_POWER})*)"
_TERM = rf"\s*((?:[+-]\s*)+)(?:{_COEFFICIENT}(?:\*{_POWERS})?|{_POWERS})\s*"


class _Complex:
    def __init__(self, re: Q | int, im: Q | int = 0) -> None:
        self.re, self.im = Q(re), Q(im)

    def __add__(self, other: "_Complex") -> "_Complex":
        return _Complex(self.re + other.re, self.im + other.im)

    def __mul__(self, other: "_Complex") -> "_Complex":
        return _Complex(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)

    def __abs__(self) -> Q:  # an upper bound, at most 12 % above
        return max(abs(self.re), abs(self.im)) + min(abs(self.re), abs(self.im)) / 2


def _dyadic(text: str) -> Q:
    [(mantissa, exponent)] = re.findall(r"^(-?\d+)p(-?\d{1,5})$", text)
    return int(mantissa) * Q(2) ** int(exponent)


def read(text: str) -> tuple[list[str], list[Any]]:
    """The unknowns as they appear, and the equations as lists of (coefficient, exponents)."""
    names, equations = dict[str, int](), list[list[Any]]()
    for line in text.partition("\n")[2].strip().removesuffix(";").split(";"):
        if re.sub(_TERM, "", f"+{line}"):
            raise ValueError(f"not an expanded equation in PHCpack's form: {line[:40]!r}")
        equations.append([])
        for signs, real, im_sign, imaginary, number, powers, bare in re.findall(_TERM, f"+{line}"):
            found = re.findall(r"([A-Za-z_]\w*)\^?(\d*)", powers or bare)
            exponents = Counter(name for name, exponent in found for _ in range(int(exponent or 1)))
            names.update(exponents)
            c = _Complex(Q(real or number or 1), Q(im_sign + imaginary if imaginary else 0))
            equations[-1].append((c * _Complex((-1) ** signs.count("-")), exponents))
    return list(names), equations


def _at(terms: list[Any], point: dict[str, Any], zero: Any) -> Any:
    return sum((prod([point[v] for v, e in p.items() for _ in range(e)], start=c) for c, p in terms), zero)


def _contracts(equations: list[Any], x: dict[str, _Complex], radius: dict[str, Q], Y: list[list[_Complex]]) -> bool:
    """|Y F(x)|_k + sum_j |I - Y J(z)|_kj r_j < r_k for each k and all z in the box, real and imaginary parts apart."""
    F, inner = [_at(terms, x, _Complex(0)) for terms in equations], {v: abs(value) for v, value in x.items()}
    outer = {v: size + Q(3, 2) * radius.get(v, 0) for v, size in inner.items()}  # 3/2 > sqrt(2)
    offsets = [sum((y * f for y, f in zip(row, F, strict=True)), _Complex(0)) for row in Y]
    total = {v: max(abs(d.re), abs(d.im)) for v, d in zip(radius, offsets, strict=True)}
    for j in radius:  # J(z) differs from J(x) by at most what the sum of |terms| grows by from inner to outer
        slopes = [[(c * _Complex(p[j]), {**p, j: p[j] - 1}) for c, p in terms if j in p] for terms in equations]
        J, sizes = [_at(terms, x, _Complex(0)) for terms in slopes], [[(abs(c), p) for c, p in t] for t in slopes]
        growth = [_at(terms, outer, Q(0)) - _at(terms, inner, Q(0)) for terms in sizes]
        for v, row in zip(radius, Y, strict=True):
            rest = sum((y * d for y, d in zip(row, J, strict=True)), _Complex(-(v == j)))
            total[v] += radius[j] * (abs(rest.re) + abs(rest.im) + Q(3, 2) * sum(map(Q.__mul__, map(abs, row), growth)))
    return all(total[v] < radius[v] for v in radius)


def check(names: list[str], equations: list[Any], points: list[dict[str, Any]]) -> None:
    """Raises ValueError for the first claim about the points that is not proved."""
    boxes: list[Any] = []
    for claimed in points:
        x = {v: _Complex(*map(_dyadic, pair)) for v, pair in zip(names, claimed["midpoint"], strict=True)}
        radius = {v: _dyadic(r) for v, r in zip(names, claimed["radii"], strict=True) if r is not None}
        Y = [[_Complex(*map(_dyadic, pair)) for pair in row] for row in claimed["matrix"]]
        if len(radius) != len(equations) or not _contracts(equations, x, radius, Y):
            raise ValueError("the box is not proved to contain exactly one zero")
        box = [(part - r, part + r) for v, c in x.items() for r in [radius.get(v, Q(0))] for part in (c.re, c.im)]
        real = not any(c.im for c in [*x.values(), *(c for terms in equations for c, _ in terms)])
        proved = {"real": real, "not real": any(a > 0 or b < 0 for a, b in box[1::2]), "undecided": True}
        if not proved[claimed["reality"]]:
            raise ValueError(f"the zero is not proved to be {claimed['reality']}")
        given = [_dyadic(part) for pair in claimed["point"] for part in pair]
        far = [max(g - a, b - g) ** 2 for g, (a, b) in zip(given, box, strict=True)]
        if max(map(sum, zip(far[::2], far[1::2], strict=True))) > _dyadic(claimed["distance"]) ** 2:
            raise ValueError("the zero is not proved to be as near to the given point as claimed")
        meets = [other for other, b in boxes if all(p[0] <= q[1] and q[0] <= p[1] for p, q in zip(box, b, strict=True))]
        if any(claimed["distinct"] or other["distinct"] for other in meets):
            raise ValueError("two boxes meet whose zeros are claimed to be distinct")
        boxes.append((claimed, box))
