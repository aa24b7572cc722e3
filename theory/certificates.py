"""An independent checker of written certificates: exact fractions only, nothing shared with the search behind them.

A certificate holds equations F as text and, for each point x, a box |Re(z_k - x_k)|, |Im(z_k - x_k)| <= r_k and a
matrix Y. Where `_contracts` holds, z - Y F(z) maps the box into itself and contracts it: F has exactly one zero there
(Banach), and its Jacobian J is regular all over. If F and x are real, so is the zero: its conjugate lies in the same
box. Coordinates without radius are constants; with m equations in K unknowns the zeros then form a manifold of
dimension K - m around that zero (implicit functions). Distinct means that the box meets no other box of the file.
Source: R. Krawczyk, Computing 4 (1969) 187-201; P. Breiding, K. Rose, S. Timme, arXiv:2011.05000, for complex boxes.
"""

import json
import re
from fractions import Fraction as Q
from itertools import combinations
from math import isqrt, prod
from typing import Any

_NUMBER, _POWER = r"\d+(?:/\d+)?", r"(?!i\b|I\b)[A-Za-z_]\w*(?:\^\d+)?"  # i stands for sqrt(-1)
_COEFFICIENT, _POWERS = rf"(?:\((-?{_NUMBER}) ([+-]) ({_NUMBER})\*i\)|({_NUMBER}))", rf"({_POWER}(?:\*{_POWER})*)"
_TERM = rf"((?:\s*[+-])*)\s*(?:{_COEFFICIENT}(?:\*{_POWERS})?|{_POWERS})"
_EQUATION = re.compile(rf"{_TERM}(?:\s*(?=[+-]){_TERM})*\s*")


class _Complex:
    def __init__(self, re: Q | int, im: Q | int = 0) -> None:
        self.re, self.im = Q(re), Q(im)

    def __add__(self, other: "_Complex") -> "_Complex":
        return _Complex(self.re + other.re, self.im + other.im)

    def __mul__(self, other: "_Complex") -> "_Complex":
        return _Complex(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)

    def __abs__(self) -> Q:  # rounded up by less than 2^-60 of it
        p, q = (self.re**2 + self.im**2).as_integer_ratio()
        shift = max(0, 64 + (q.bit_length() - p.bit_length()) // 2)
        return Q(isqrt((p << 2 * shift) // q) + 1, 2**shift) if p else Q(0)


def _dyadic(text: str) -> Q:
    mantissa, exponent = map(int, text.split("p"))
    if abs(exponent) > 20_000:
        raise ValueError(f"an exponent of two beyond 20,000 in {text[:30]!r}")
    return Q(mantissa) * Q(2) ** exponent


def _read(text: str) -> tuple[list[str], list[Any]]:
    """The unknowns as they appear, and the equations as lists of (coefficient, exponents)."""
    names, equations = dict[str, None](), list[list[Any]]()
    for line in text.partition("\n")[2].strip().removesuffix(";").split(";"):
        if not _EQUATION.fullmatch(line):
            raise ValueError(f"not an expanded equation in PHCpack's form: {line[:40]!r}")
        equations.append([])
        for signs, real, im_sign, imaginary, number, powers, bare in re.findall(_TERM, line):
            exponents: dict[str, int] = {}
            for name, exponent in re.findall(r"([A-Za-z_]\w*)\^?(\d*)", powers or bare):
                exponents[name] = exponents.get(name, 0) + int(exponent or 1)
            names.update(dict.fromkeys(exponents))
            c = _Complex(Q(real or number or 1), Q(im_sign + imaginary if imaginary else 0))
            equations[-1].append((c * _Complex((-1) ** signs.count("-")), exponents))
    return list(names), equations


def _diff(terms: list[Any], name: str) -> list[Any]:
    return [(c * _Complex(p[name]), {**p, name: p[name] - 1}) for c, p in terms if p.get(name)]


def _at(terms: list[Any], point: dict[str, Any], zero: Any) -> Any:
    return sum((prod([point[v] for v, e in p.items() for _ in range(e)], start=c) for c, p in terms), zero)


def _contracts(equations: list[Any], x: dict[str, _Complex], radius: dict[str, Q], Y: list[list[_Complex]]) -> bool:
    """|Y F(x)|_k + sum_j |I - Y J(z)|_kj r_j < r_k for each k and all z in the box, real and imaginary parts apart.

    J(z) differs from J(x) by at most what the sum of |terms| grows by when |x_j| grows by 3/2 r_j > sqrt(2) r_j.
    """
    F, inner = [_at(terms, x, _Complex(0)) for terms in equations], {v: abs(value) for v, value in x.items()}
    outer = {v: size + Q(3, 2) * radius.get(v, 0) for v, size in inner.items()}
    offsets = [sum((y * f for y, f in zip(row, F, strict=True)), _Complex(0)) for row in Y]
    total = {v: max(abs(d.re), abs(d.im)) for v, d in zip(radius, offsets, strict=True)}
    for j in radius:
        slopes = [_diff(terms, j) for terms in equations]
        J, sizes = [_at(terms, x, _Complex(0)) for terms in slopes], [[(abs(c), p) for c, p in t] for t in slopes]
        growth = [_at(terms, outer, Q(0)) - _at(terms, inner, Q(0)) for terms in sizes]
        for v, row in zip(radius, Y, strict=True):
            rest = sum((y * d for y, d in zip(row, J, strict=True)), _Complex(-(v == j)))
            total[v] += radius[j] * (abs(rest.re) + abs(rest.im) + Q(3, 2) * sum(map(Q.__mul__, map(abs, row), growth)))
    return all(total[v] < radius[v] for v in radius)


def _check_point(entry: dict[str, Any], names: list[str], equations: list[Any]) -> list[tuple[Q, Q]]:
    """The box of one point. Raises ValueError for the first claim about it that is not proved."""
    for key in ("point", "midpoint", "radii", "matrix"):
        if len(entry[key]) != (size := len(equations if key == "matrix" else names)):
            raise ValueError(f"{key} must have {size} entries, got {len(entry[key])}")
    x = {v: _Complex(*map(_dyadic, pair)) for v, pair in zip(names, entry["midpoint"], strict=True)}
    radius = {v: _dyadic(r) for v, r in zip(names, entry["radii"], strict=True) if r is not None}
    Y = [[_Complex(*map(_dyadic, pair)) for pair in row] for row in entry["matrix"]]
    if len(radius) != len(equations) or not _contracts(equations, x, radius, Y):
        raise ValueError("the box is not proved to contain exactly one zero")
    box = [(part - r, part + r) for v, c in x.items() for r in [radius.get(v, Q(0))] for part in (c.re, c.im)]
    real = not any(c.im for terms in equations for c, _ in terms) and not any(c.im for c in x.values())
    proved = {"real": real, "not real": any(low > 0 or high < 0 for low, high in box[1::2]), "undecided": True}
    if not proved.get(entry["reality"]):
        raise ValueError(f"reality is not proved, or none of {', '.join(proved)}: {entry['reality']!r:.30}")
    given = [_dyadic(part) for pair in entry["point"] for part in pair]
    far = [max(g - low, high - g) ** 2 for g, (low, high) in zip(given, box, strict=True)]
    if max(map(sum, zip(far[::2], far[1::2], strict=True))) > _dyadic(entry["distance"]) ** 2:
        raise ValueError("the zero is not proved to be as near to the given point as claimed")
    return box


def check_certificate(text: str) -> str:
    """What a written certificate proves, in a sentence.

    Raises ValueError where it is none, for the first claim not proved, and where nothing is; TypeError for no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"check_certificate takes the text of a certificate, got {type(text).__name__}")
    try:
        data = json.loads(text)
        names, equations = _read(data["system"])
        if type(data["dimension"]) is not int or len(names) - len(equations) != data["dimension"]:
            raise ValueError(f"dimension must be {len(names) - len(equations)}, got {data['dimension']!r:.30}")
        entries = [entry for entry in data["points"] if entry["certified"]]
        if not entries:
            raise ValueError("the certificate proves nothing: none of its points is certified")
        boxes = [_check_point(entry, names, equations) for entry in entries]
        for (a, m), (b, n) in combinations(zip(boxes, entries, strict=True), 2):
            meet = all(p[0] <= q[1] and q[0] <= p[1] for p, q in zip(a, b, strict=True))
            if meet and (m["distinct"] or n["distinct"]):
                raise ValueError("two boxes meet whose zeros are claimed to be distinct")
        kinds = [kind for e in entries for kind in (e["reality"], e["distinct"] and "distinct")]
    except (KeyError, TypeError, AttributeError, ZeroDivisionError, RecursionError, json.JSONDecodeError) as error:
        told = {KeyError: f"the field {error} is missing", RecursionError: "nested too deeply"}
        raise ValueError(f"not a certificate, which is one JSON object: {told.get(type(error), error)}") from None
    around = f", each on a manifold of zeros of dimension {data['dimension']}" if data["dimension"] else ""
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("distinct", "real", "not real", "undecided"))
    return f"{len(entries)} regular zero{'s' * (len(entries) > 1)} proved{around}: {counts}"
