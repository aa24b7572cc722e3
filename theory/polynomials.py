"""Exact sparse polynomials: what a system is made of before anything is rounded.

Coefficients are Gaussian rationals, so that data given as integers, fractions or decimals stay exact; floats are the
dyadic rationals they stand for. Sympy is imported only where an expression goes in or out.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations_with_replacement
from numbers import Number, Rational
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import sympy as sp

Exponents = tuple[int, ...]
MAX_DEGREE = 1000  # of what users write: polynomials are expanded before they are looked at


@dataclass(frozen=True, slots=True)
class GaussianRational:
    """re + im*sqrt(-1) with rational parts; a field, closed under + - * / and whole powers."""

    re: Fraction
    im: Fraction = Fraction(0)

    def __add__(self, other: Any) -> "GaussianRational":
        other = gaussian(other)
        return GaussianRational(self.re + other.re, self.im + other.im)

    def __neg__(self) -> "GaussianRational":
        return GaussianRational(-self.re, -self.im)

    def __sub__(self, other: Any) -> "GaussianRational":
        return self + (-gaussian(other))

    def __rsub__(self, other: Any) -> "GaussianRational":
        return gaussian(other) - self

    def __mul__(self, other: Any) -> "GaussianRational":
        other = gaussian(other)
        if not self.im and not other.im:  # the common case, four products cheaper
            return GaussianRational(self.re * other.re)
        return GaussianRational(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)

    def __truediv__(self, other: Any) -> "GaussianRational":
        other = gaussian(other)
        norm = other.re**2 + other.im**2
        if not norm:
            raise ZeroDivisionError("division of a Gaussian rational by 0")
        return self * GaussianRational(other.re / norm, -other.im / norm)

    def __pow__(self, exponent: int) -> "GaussianRational":
        return _power(self, exponent, GaussianRational(Fraction(1)))

    __radd__ = __add__
    __rmul__ = __mul__

    def __bool__(self) -> bool:
        return bool(self.re or self.im)

    def __complex__(self) -> complex:
        return complex(float(self.re), float(self.im))

    def __abs__(self) -> float:
        return math.hypot(float(self.re), float(self.im))


def gaussian(value: Any) -> GaussianRational:
    """value as an exact Gaussian rational: int, Fraction, float, complex, numpy number or sympy number.

    Floats, sympy's too, become the dyadic rationals they stand for; irrational sympy numbers are rounded to 53 bits.
    Raises ValueError for NaN and infinities, TypeError for what is no number.
    """
    if isinstance(value, GaussianRational):
        return value
    if isinstance(value, int | Fraction):
        return GaussianRational(Fraction(value))
    if isinstance(value, Rational | np.integer):  # sympy's rationals register with the numeric tower
        return GaussianRational(Fraction(int(value.numerator), int(value.denominator)))
    if isinstance(value, float | np.floating):
        return GaussianRational(_finite(float(value)))
    if isinstance(value, complex | np.complexfloating):
        return GaussianRational(_finite(float(value.real)), _finite(float(value.imag)))
    if hasattr(value, "as_real_imag"):
        return GaussianRational(*(_sympy_part(part) for part in value.as_real_imag()))
    raise TypeError(f"a coefficient must be a number, got {value!r} of type {type(value).__name__}")


def _finite(value: float) -> Fraction:
    if not math.isfinite(value):
        raise ValueError(f"a coefficient must be finite, got {value}")
    return Fraction(value)


def _sympy_part(part: Any) -> Fraction:
    if getattr(part, "is_Rational", False):
        return Fraction(int(part.p), int(part.q))
    if getattr(part, "is_Float", False):  # binary, of any length and exponent
        from sympy import Rational as Exact

        part = Exact(part)
        return Fraction(int(part.p), int(part.q))
    try:
        return _finite(float(part))
    except TypeError:
        raise TypeError(f"a coefficient must be a number, got {part}") from None


def _power(base: Any, exponent: int, one: Any) -> Any:
    if not isinstance(exponent, int | np.integer) or exponent < 0:
        raise ValueError(f"a power needs a whole exponent that is not negative, got {exponent!r}")
    result = one
    while exponent:
        if exponent & 1:
            result = result * base
        exponent >>= 1
        if exponent:
            base = base * base
    return result


@dataclass(frozen=True, eq=True)
class Polynomial:
    """A polynomial in n_variables unknowns as its non-zero terms, exponent tuple -> coefficient."""

    terms: Mapping[Exponents, GaussianRational]
    n_variables: int

    @classmethod
    def constant(cls, value: Any, n_variables: int) -> "Polynomial":
        coefficient = gaussian(value)
        return cls({(0,) * n_variables: coefficient} if coefficient else {}, n_variables)

    @classmethod
    def variable(cls, index: int, n_variables: int) -> "Polynomial":
        unit = tuple(int(k == index) for k in range(n_variables))
        return cls({unit: GaussianRational(Fraction(1))}, n_variables)

    def _lift(self, other: Any) -> "Polynomial":
        if not isinstance(other, Polynomial):
            return Polynomial.constant(other, self.n_variables)
        if other.n_variables != self.n_variables:
            raise ValueError(f"polynomials in {self.n_variables} and {other.n_variables} unknowns do not mix")
        return other

    def __add__(self, other: Any) -> "Polynomial":
        terms = dict(self.terms)
        for exponents, coefficient in self._lift(other).terms.items():
            total = terms[exponents] + coefficient if exponents in terms else coefficient
            if total:
                terms[exponents] = total
            else:
                del terms[exponents]
        return Polynomial(terms, self.n_variables)

    def __neg__(self) -> "Polynomial":
        return Polynomial({e: -c for e, c in self.terms.items()}, self.n_variables)

    def __sub__(self, other: Any) -> "Polynomial":
        return self + (-self._lift(other))

    def __rsub__(self, other: Any) -> "Polynomial":
        return self._lift(other) - self

    def __mul__(self, other: Any) -> "Polynomial":
        if not isinstance(other, Polynomial):
            factor = gaussian(other)
            return Polynomial({e: c * factor for e, c in self.terms.items()} if factor else {}, self.n_variables)
        other = self._lift(other)
        terms: dict[Exponents, GaussianRational] = {}
        for e, c in self.terms.items():
            for f, d in other.terms.items():
                exponents = tuple(map(int.__add__, e, f))
                terms[exponents] = terms[exponents] + c * d if exponents in terms else c * d
        return Polynomial({e: c for e, c in terms.items() if c}, self.n_variables)

    def __pow__(self, exponent: int) -> "Polynomial":
        return _power(self, exponent, Polynomial.constant(1, self.n_variables))

    __radd__ = __add__
    __rmul__ = __mul__

    @property
    def degree(self) -> int:
        """Total degree; 0 for constants, the zero polynomial included."""
        return max(map(sum, self.terms), default=0)

    @property
    def is_real(self) -> bool:
        return not any(c.im for c in self.terms.values())

    @cached_property
    def exponents(self) -> np.ndarray:
        """(terms, n) int64, in the order of `coefficients`."""
        return np.array(list(self.terms), dtype=np.int64).reshape(len(self.terms), self.n_variables)

    @cached_property
    def coefficients(self) -> np.ndarray:
        """(terms,) complex128. Raises OverflowError for coefficients beyond double range: scale first."""
        return np.array([complex(c) for c in self.terms.values()], dtype=np.complex128)

    def diff(self, index: int) -> "Polynomial":
        """Partial derivative by the unknown number index, exactly."""
        return Polynomial(
            {(*e[:index], e[index] - 1, *e[index + 1 :]): c * e[index] for e, c in self.terms.items() if e[index]},
            self.n_variables,
        )

    def evaluate(self, values: Sequence[Any], convert: Callable[[GaussianRational], Any] = complex) -> Any:
        """The value at ring elements: numbers, intervals, tape nodes; convert takes the coefficients into that ring."""
        total: Any = convert(GaussianRational(Fraction(0)))
        for exponents, coefficient in self.terms.items():
            term = convert(coefficient)
            for value, power in zip(values, exponents, strict=True):
                if power:
                    term = term * (value if power == 1 else value**power)
            total = total + term
        return total

    def to_sympy(self, symbols: Sequence["sp.Symbol"]) -> "sp.Expr":
        """The same polynomial as an expanded sympy expression in the given symbols."""
        import sympy as sp

        def number(c: GaussianRational) -> sp.Expr:
            imaginary = sp.I * sp.Rational(c.im.numerator, c.im.denominator) if c.im else 0
            return sp.Rational(c.re.numerator, c.re.denominator) + imaginary

        return sp.Add(
            *(sp.Mul(number(c), *(s**p for s, p in zip(symbols, e, strict=True) if p)) for e, c in self.terms.items())
        )

    @classmethod
    def from_sympy(cls, expression: Any, symbols: Sequence["sp.Symbol"]) -> "Polynomial":
        """The exact terms of a sympy expression that is polynomial in the symbols.

        Raises ValueError where it is not polynomial in them or contains another symbol, and for powers over 1000.
        """
        import sympy as sp

        if not isinstance(expression, sp.Expr):
            if not isinstance(expression, Number):  # text above all: it is parsed by `theory.formats`, never here
                raise TypeError(f"an equation must be a sympy expression, got {expression!r}; text goes through parse")
            return cls.constant(expression, len(symbols))
        stray = expression.free_symbols - set(symbols)
        if stray:
            raise ValueError(f"{expression} contains {sorted(map(str, stray))}, which are not among the unknowns")
        if high := [power for power in expression.atoms(sp.Pow) if power.exp.is_Integer and power.exp > MAX_DEGREE]:
            raise ValueError(f"equations may have degree {MAX_DEGREE} at most, got degree {high[0].exp} in {high[0]}")
        try:
            poly = sp.Poly(expression, *symbols)
        except sp.PolynomialError:
            raise ValueError(f"{expression} is not polynomial in {', '.join(map(str, symbols))}") from None
        terms = {tuple(map(int, e)): gaussian(c) for e, c in poly.terms()}
        return cls({e: c for e, c in terms.items() if c}, len(symbols))


def exponents_of_degree(n: int, degree: int) -> Iterator[Exponents]:
    """The exponents of all monomials of that degree in n unknowns."""
    for chosen in combinations_with_replacement(range(n), degree):
        yield tuple(chosen.count(k) for k in range(n))
