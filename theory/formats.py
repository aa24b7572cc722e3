"""Polynomial text in and out, for every peer: PHCpack, Bertini, Macaulay2, HomotopyContinuation.jl and msolve.

Text in PHCpack's form is read by `theory.parser`; all forms are written here, with exact coefficients.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext
from fractions import Fraction
from math import lcm

from theory.parser import ParseError, parse_system
from theory.polynomials import GaussianRational, Polynomial

__all__ = ["ParseError", "legal_names", "parse_system", "write_system"]


@dataclass(frozen=True)
class _Dialect:
    """How one program writes a polynomial system."""

    frame: Callable[[list[str], tuple[str, ...], bool], str]  # equations, names, real -> the whole text
    legal: str  # a regular expression for the names it takes; others become x1, x2, ...
    reserved: str = ""  # words, separated by blanks
    divide: str = "/"
    imaginary: str | None = "i"
    integral: bool = False  # clear the denominators
    longest: int | None = None  # digits of a whole number; where a short decimal says the same, it is written


def write_system(polynomials: Sequence[Polynomial], names: Sequence[str], format: str = "phcpack") -> str:
    """The system as input for "phcpack", "bertini", "macaulay2", "julia" (HomotopyContinuation.jl) or "msolve".

    Coefficients are written exactly; msolve gets each equation times its common denominator. If a program cannot take
    one of the names (for PHCpack those that begin with e, E, i or I), that name becomes x1, x2, ... by its number.
    PHCpack 2.4.86 misreads whole numbers of 20 digits and more by powers of ten: such coefficients are written as
    decimals where 17 digits are exact; the others must stay (the backend "phcpy" rounds them instead).
    Reading PHCpack text again gives the same polynomials in the same order of unknowns.
    Raises ValueError for another format, and for coefficients that are not real in "msolve".
    """
    if format not in _DIALECTS:
        raise ValueError(f"format must be one of {', '.join(_DIALECTS)}, got {format!r}")
    dialect = _DIALECTS[format]
    real = all(polynomial.is_real for polynomial in polynomials)
    if not real and dialect.imaginary is None:
        raise ValueError(f"{format} takes real rational coefficients only, and this system has complex ones")
    legal = legal_names(names, format)
    return dialect.frame([_write(polynomial, legal, dialect) for polynomial in polynomials], legal, real)


def legal_names(names: Sequence[str], format: str) -> tuple[str, ...]:
    """The names as `write_system` writes them: those that the program cannot take become x1, x2, ..."""
    dialect = _DIALECTS[format]
    taken = set(names)

    def rename(number: int, name: str) -> str:
        if re.fullmatch(dialect.legal, name, re.ASCII) and name not in dialect.reserved.split():
            return name
        prefix = "x"
        while f"{prefix}{number}" in taken:
            prefix += "x"
        return f"{prefix}{number}"

    return tuple(rename(number, name) for number, name in enumerate(names, 1))


def _write(polynomial: Polynomial, names: Sequence[str], dialect: _Dialect) -> str:
    scale = 1
    if dialect.integral:
        scale = lcm(*(c.re.denominator for c in polynomial.terms.values()))
    text = ""
    for exponents, coefficient in polynomial.terms.items():
        powers = [f"{x}^{e}" if e > 1 else x for x, e in zip(names, exponents, strict=True) if e]
        sign, number = _number(coefficient * scale, dialect)
        product = "*".join(powers if number == "1" and powers else [number, *powers])
        text += f" {sign} {product}" if text else f"{'-' if sign == '-' else ''}{product}"
    return text or "0"


def _number(c: GaussianRational, dialect: _Dialect) -> tuple[str, str]:
    """The sign, and the rest of a coefficient."""

    def fraction(value: Fraction) -> str:
        decimal = _short_decimal(value, dialect.longest)
        if decimal:
            return decimal
        if value.denominator == 1:
            return str(value.numerator)
        text = f"{value.numerator}{dialect.divide}{value.denominator}"
        return f"({text})" if dialect.divide == "//" else text

    if not c.im:
        return "-" if c.re < 0 else "+", fraction(abs(c.re))
    real = f"{'-' if c.re < 0 else ''}{fraction(abs(c.re))}"
    imaginary = f"{'-' if c.im < 0 else '+'} {fraction(abs(c.im))}*{dialect.imaginary}"
    return "+", f"({real} {imaginary})"


def _short_decimal(value: Fraction, longest: int | None) -> str | None:
    """The value with 17 digits, if its numerator or denominator is too long and 17 digits are exact."""
    if longest is None or max(abs(value.numerator), value.denominator) < 10**longest:
        return None
    with localcontext(prec=17, Emax=MAX_EMAX, Emin=MIN_EMIN):
        decimal = (Decimal(value.numerator) / Decimal(value.denominator)).normalize()
    return f"{decimal:E}" if Fraction(decimal) == value else None


def _phcpack(equations: list[str], names: tuple[str, ...], real: bool) -> str:
    text = ";\n".join(equations) + ";\n"
    appear = dict.fromkeys(name for name in re.findall(r"[A-Za-z_]\w*", text) if name not in ("i", "I"))
    if tuple(appear) != names:  # PHCpack, too, numbers unknowns as they appear: show all of them first
        text = "".join(f"{name} - {name} + " for name in names) + text
    n_equations, n_unknowns = len(equations), len(names)
    return f"{n_equations}{f' {n_unknowns}' if n_unknowns != n_equations else ''}\n{text}"


def _bertini(equations: list[str], names: tuple[str, ...], real: bool) -> str:
    functions = [f"f{k}" for k in range(1, len(equations) + 1)]
    lines = [f"variable_group {', '.join(names)};", f"function {', '.join(functions)};"]
    lines += [f"{f} = {equation};" for f, equation in zip(functions, equations, strict=True)]
    return "CONFIG\nEND;\nINPUT\n" + "\n".join(lines) + "\nEND;\n"


def _macaulay2(equations: list[str], names: tuple[str, ...], real: bool) -> str:
    ring = "QQ" if real else "CC"  # NumericalAlgebraicGeometry takes both
    return f"R = {ring}[{', '.join(names)}];\nF = {{\n  " + ",\n  ".join(equations) + "\n};\n"


def _julia(equations: list[str], names: tuple[str, ...], real: bool) -> str:
    listed = ",\n    ".join(equations)
    return (
        f"using HomotopyContinuation\n@var {' '.join(names)}\n"
        f"F = System([\n    {listed}\n], variables = [{', '.join(names)}])\n"
    )


def _msolve(equations: list[str], names: tuple[str, ...], real: bool) -> str:
    return f"{', '.join(names)}\n0\n" + ",\n".join(equations) + "\n"


_BERTINI_WORDS = (
    "i I Pi pi exp sin cos tan sqrt log pow abs arcsin arccos arctan CONFIG INPUT END variable variable_group "
    "hom_variable_group pathvariable parameter constant function subfunction definedSubfunction random random_real "
    "sinh cosh tanh asin acos atan"
)
_KEYWORDS = (
    "F System baremodule begin break catch const continue do else elseif end export false finally for function "
    "global if im import let local macro module pi quote return struct true try using while"
)
_DIALECTS = {
    "phcpack": _Dialect(_phcpack, r"(?![eEiI])[A-Za-z_]\w*", "nan NaN NAN Nan", longest=19),
    "bertini": _Dialect(_bertini, r"(?!f\d)[A-Za-z]\w*", _BERTINI_WORDS, imaginary="I"),
    "macaulay2": _Dialect(_macaulay2, r"[A-Za-z]\d*", "F R", imaginary="ii"),
    "julia": _Dialect(_julia, r"[A-Za-z]\w*", _KEYWORDS, divide="//", imaginary="im"),
    "msolve": _Dialect(_msolve, r"[A-Za-z]\w*", imaginary=None, integral=True),
}
