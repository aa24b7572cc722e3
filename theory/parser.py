"""The safe parser: polynomial text to exact polynomials, without evaluating anything.

    3 4                          number of equations, then (optional) number of unknowns
    x^2*y - (1/3)*z + 2.5e-3;    a semicolon ends an equation
    (x + i*y)**2 - w/4;          `i` and `I` are sqrt(-1); `e` after a digit is an exponent, else a name
    z - 1;

Unknowns are numbered in the order in which they appear. Numbers stay exact.
"""

import re
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from theory.polynomials import MAX_DEGREE, GaussianRational, Polynomial, gaussian

MAX_DEPTH = 60  # parentheses in parentheses; each costs five Python frames
MAX_PRODUCTS = 3_000_000  # products of terms while one file is expanded: some seconds
MAX_DIGITS = 4000  # of a number, of its decimal exponent, and (roughly) of a coefficient that is raised to a power


class ParseError(ValueError):
    """Text that is no polynomial system; the message names the line and column and what was expected there."""


class _Value(NamedTuple):
    """A polynomial while it is read: packed exponents (16 bits each) -> coefficient, and a bound on its degree."""

    terms: dict[int, Any]
    degree: int


_NOT_FINITE = ("nan", "inf", "infinity")
_IMAGINARY_UNIT = GaussianRational(Fraction(0), Fraction(1))
_TOKEN = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|[-+*/^();])", re.ASCII)
_INK = re.compile(r"\S")
_HEADER = re.compile(r"\s*(\d{1,9})(?:[ \t,]+(\d{1,9}))?[ \t]*(?:\r?\n|\Z)", re.ASCII)
_SOLUTIONS = re.compile(
    r"^\s*(?:TITLE\s*:|(?:THE|START) .*SOLUTIONS)|(?<=;)[ \t]*THE (?:[A-Z]+ )*SOLUTIONS\b", re.MULTILINE
)


def parse_system(text: str) -> tuple[tuple[Polynomial, ...], tuple[str, ...]]:
    """The exact polynomials of PHCpack-style text, and the names of their unknowns.

    A list of solutions that PHCpack appended to the system is skipped.
    Raises ParseError for all that is not the grammar above: wrong numbers of equations or unknowns, degrees over 1000,
    division by unknowns, powers that are no whole numbers, products too large to expand.
    """
    text = text.removeprefix("\ufeff")  # a byte-order mark
    header = _HEADER.match(text)
    if header is None:
        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        found = repr(first[:40]) if first else "an empty text"
        raise ParseError(f"line 1: expected the number of equations (and, if you like, of unknowns) alone, got {found}")
    banner = _SOLUTIONS.search(text, header.end())
    unknowns = int(header[2]) if header[2] else None
    reader = _Reader(text, header.end(), banner.start() if banner else len(text), unknowns)
    values = reader.equations(int(header[1]))
    names = tuple(reader.names)
    if unknowns is not None and len(names) < unknowns:
        shown = ", ".join(names) or "none"
        raise ParseError(f"line 1 declares {unknowns} unknowns, but only {len(names)} appear: {shown}")
    return tuple(_unpack(value.terms, len(names)) for value in values), names


def _unpack(terms: dict[int, Any], n: int) -> Polynomial:
    def exponents(packed: int) -> tuple[int, ...]:
        return tuple(np.frombuffer(packed.to_bytes(2 * n, "little"), "<u2").tolist())

    return Polynomial({exponents(m): gaussian(c) for m, c in terms.items()}, n)


class _Reader:
    """Recursive descent with one token of lookahead; every rule returns an expanded polynomial."""

    def __init__(self, text: str, start: int, end: int, unknowns: int | None) -> None:
        self.text, self.next, self.end, self.unknowns = text, start, end, unknowns
        self.names: dict[str, int] = {}
        self.depth = self.products = 0
        self.advance()

    def advance(self) -> None:
        """Read one token: `kind` is "number", "name", "end" or the symbol itself."""
        ink = _INK.search(self.text, self.next, self.end)
        self.start = ink.start() if ink else self.end
        if ink is None:
            self.kind, self.token = "end", "the end of the text"
            return
        match = _TOKEN.match(self.text, self.start, self.end)
        if match is None:
            raise self.error(f"unexpected character {self.text[self.start]!r}")
        self.next, self.token = match.end(), match[0]
        self.kind = "number" if match[1] else "name" if match[2] else "^" if match[0] == "**" else match[0]

    def error(self, message: str, at: int | None = None) -> ParseError:
        at = self.start if at is None else at
        line = self.text.count("\n", 0, at) + 1
        return ParseError(f"line {line}, column {at - self.text.rfind(chr(10), 0, at)}: {message}")

    def expected(self, what: str) -> ParseError:
        got = self.token if self.kind == "end" else repr(self.token[:40])
        return self.error(f"expected {what}, got {got}")

    def equations(self, count: int) -> list[_Value]:
        if count == 0:
            raise ParseError("line 1 declares 0 equations, a system needs at least one")
        values: list[_Value] = []
        while self.kind != "end":
            if len(values) == count:
                raise self.expected(f"the end of the text after {count} equations, which is what line 1 declares")
            values.append(self.sum())
            if self.kind != ";":
                raise self.expected(f"an operator, or ';' to end equation {len(values)}")
            self.advance()
        if len(values) < count:
            raise ParseError(f"line 1 declares {count} equations, but the text has {len(values)}")
        return values

    def sum(self) -> _Value:
        total: dict[int, Any] = {}
        degree = 0
        while True:
            negative = False
            while self.kind in ("+", "-"):
                negative ^= self.kind == "-"
                self.advance()
            term = self.product()
            degree = max(degree, term.degree)
            for monomial, coefficient in term.terms.items():
                value = total.get(monomial, 0) + (-coefficient if negative else coefficient)
                if value:
                    total[monomial] = value
                else:
                    total.pop(monomial, None)
            if self.kind not in ("+", "-"):
                return _Value(total, degree)

    def product(self) -> _Value:
        value = self.power()
        while self.kind in ("*", "/"):
            divide, at = self.kind == "/", self.start
            self.advance()
            factor = self.power()
            if divide:
                if factor.degree or not factor.terms:
                    shown = "an expression with unknowns" if factor.degree else "0"
                    raise self.error(f"expected a constant other than 0 after '/', got {shown}", at)
                factor = _Value({0: gaussian(1) / factor.terms[0]}, 0)
                if not factor.terms[0].im:
                    factor = _Value({0: factor.terms[0].re}, 0)
            value = self.multiply(value, factor, at)
        return value

    def power(self) -> _Value:
        base = self.atom()
        if self.kind != "^":
            return base
        at = self.start
        self.advance()
        exponent = self.exponent()
        if self.kind == "^":
            raise self.error("a power of a power needs parentheses")
        if base.degree * exponent > MAX_DEGREE:
            raise self.error(f"degree {base.degree * exponent} is over the limit of {MAX_DEGREE}", at)
        bits = max(map(_bits, base.terms.values()), default=0)
        if bits > 1 and bits * exponent > 3.33 * MAX_DIGITS:
            raise self.error(f"a coefficient of this power has more than {MAX_DIGITS} digits", at)
        if len(base.terms) == 1:
            ((monomial, coefficient),) = base.terms.items()
            return _Value({monomial * exponent: coefficient**exponent}, base.degree * exponent)
        result = _Value({0: 1}, 0)
        for _ in range(exponent):  # one factor at a time: cheaper than squaring for sparse sums
            result = self.multiply(result, base, at)
            if not result.terms:
                break
        return result

    def exponent(self) -> int:
        at = self.start
        value = self.atom() if self.kind in ("number", "name", "(") else None
        if value is not None and not value.degree:
            number = gaussian(value.terms.get(0, 0))
            if number.re.denominator == 1 and number.re >= 0 and not number.im:
                return int(number.re)
        raise self.error("expected a whole number that is not negative as a power", at)

    def atom(self) -> _Value:
        kind, token, at = self.kind, self.token, self.start
        if kind not in ("number", "name", "("):
            raise self.expected("a number, an unknown or '('")
        self.advance()
        if kind == "number":
            number = self.number(token, at)
            return _Value({0: number} if number else {}, 0)
        if kind == "name":
            return _Value({0: _IMAGINARY_UNIT}, 0) if token in ("i", "I") else self.unknown(token, at)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"parentheses are nested more than {MAX_DEPTH} deep", at)
        value = self.sum()
        if self.kind != ")":
            raise self.expected("an operator or ')'")
        self.advance()
        self.depth -= 1
        return value

    def unknown(self, name: str, at: int) -> _Value:
        if name.lower() in _NOT_FINITE:
            raise self.error(f"expected a finite number or an unknown, got {name!r}", at)
        index = self.names.setdefault(name, len(self.names))
        if self.unknowns is not None and index == self.unknowns:
            raise self.error(f"unknown {name!r} is one more than the {self.unknowns} that line 1 declares", at)
        return _Value({1 << 16 * index: 1}, 1)

    def number(self, token: str, at: int) -> int | Fraction:
        exponent = token.lower().partition("e")[2].lstrip("+-").lstrip("0")
        if len(exponent) > 5 or int(exponent or 0) > MAX_DIGITS:
            raise self.error(f"the exponent of {token[:40]} is over the limit of {MAX_DIGITS}", at)
        if len(token) > MAX_DIGITS:
            raise self.error(f"a number may have at most {MAX_DIGITS} digits", at)
        return int(token) if token.isdigit() else Fraction(token)

    def multiply(self, p: _Value, q: _Value, at: int) -> _Value:
        if p.degree + q.degree > MAX_DEGREE:
            raise self.error(f"degree {p.degree + q.degree} is over the limit of {MAX_DEGREE}", at)
        self.products += len(p.terms) * len(q.terms)
        if self.products > MAX_PRODUCTS:
            raise self.error(
                f"expanding takes more than {MAX_PRODUCTS} products of terms; use lower powers of sums", at
            )
        terms: dict[int, Any] = {}
        for m, c in p.terms.items():
            for k, d in q.terms.items():
                terms[m + k] = terms.get(m + k, 0) + c * d
        if len(p.terms) > 1 and len(q.terms) > 1:
            terms = {m: c for m, c in terms.items() if c}
        return _Value(terms, p.degree + q.degree)


def _bits(coefficient: Any) -> int:
    c = gaussian(coefficient)
    numbers = (c.re.numerator, c.re.denominator, c.im.numerator, c.im.denominator)
    return max(abs(number).bit_length() for number in numbers)
