"""What kind of critical point is it? Exact for polynomials, degenerate Hessians included."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Number, Rational
from typing import Any, Literal

import numpy as np

from theory.effort import Effort, TooMuchWork
from theory.local_signs import Signs, as_integers, one_sign, signs_near_zero, sum_of_separate
from theory.polynomials import Polynomial, gaussian
from theory.splitting import compose, diagonalize, hessian, signs_on_kernel
from theory.systems import PolynomialSystem

Kind = Literal["minimum", "maximum", "saddle", "constant", "undecided"]

_MARGIN = 1e-8  # relative; below it the eigenvalues and gradients of rounded points say nothing
_FEW_TERMS = 60
_STEPS = 2_000_000  # a few seconds
_MOST_TERMS = 20_000  # of a function that is expanded


class NotCriticalError(ValueError):
    """The gradient is not 0 at the point."""


@dataclass(frozen=True)
class CriticalPoint:
    """The kind of a critical point.

    saddle: neither minimum nor maximum, monkey saddles and x^3 + y^2 included
    strict: for minima and maxima, that no other point near by has the same value (None where that stays open); for
        saddles, that the Hessian has a negative eigenvalue, a direction in which descent leaves; else False
    """

    kind: Kind
    strict: bool | None
    reason: str


def classify(f: Any, point: Mapping[Any, Any] | Sequence[Any] | np.ndarray) -> CriticalPoint:
    """Minimum, maximum or saddle of the polynomial f at one of its critical points.

    f: a sympy expression; a PolynomialSystem of one equation: its polynomial; of several, or a network's: half their
        squared norm; a network's critical system: the loss whose gradient it is
    point: a dict (symbol or name -> number), or a sequence in the order of the system's unknowns, of an expression's
        symbols by name. Integers and fractions are taken exactly, and decimals, in f too, as the simple fraction within
        1e-14 of them where there is one; only with other decimals does a small gradient count as rounding.

    Method: signs of the Hessian by exact congruence; where it is degenerate the splitting lemma removes the
    non-degenerate directions and the rest is decided by its exact signs (`theory.local_signs`). Points that are not
    rational are judged by the Hessian's eigenvalues, with a margin. The work is bounded: what takes more than a few
    seconds is `undecided`, and the reason says so.
    Raises NotCriticalError with the norm of the gradient; ValueError for what is not a real polynomial or not a point.
    Source: Gromoll and Meyer 1969 (splitting lemma); Mather 1968 (finite determinacy).
    """
    try:
        return _classify(f, point, Effort(_STEPS))
    except TooMuchWork as error:
        return CriticalPoint("undecided", None, f"an exact decision is too much work: {error}")


def _classify(f: Any, point: Any, effort: Effort) -> CriticalPoint:
    polynomial, exact_coefficients, names = _polynomial(f, point)
    values, rounded = _coordinates(point, names)
    rounded = rounded or any(_is_long(c.re) for c in polynomial.terms.values())
    if exact_coefficients:
        for p, candidate in ((polynomial, values), (_short(polynomial), [_simple(value) for value in values])):
            if (even := _on_smooth_even_zeros(p, candidate)) is not None:
                return even
            shifted = _shift(p, candidate, effort)
            slope = [c.re for e, c in shifted.terms.items() if sum(e) == 1]
            if not slope:
                return _classify_at_zero(shifted, effort)
            if not rounded:  # nothing in the input is rounded: a small gradient is a gradient
                raise _not_critical(math.hypot(*map(float, slope)))
    return _classify_by_eigenvalues(polynomial, np.array([float(value) for value in values]))


def _polynomial(f: Any, point: Any) -> tuple[Polynomial, bool, tuple[str, ...]]:
    """f as a real polynomial, whether its coefficients are rational as given, and the names of its unknowns."""
    if isinstance(f, PolynomialSystem):
        polynomial, names, exact = _of_system(f), f.names, True
    else:
        import sympy as sp

        if isinstance(f, str):
            raise TypeError(f"f must be a sympy expression or a system, got the text {f!r}: use PolynomialSystem.parse")
        expression = sp.sympify(f) if isinstance(f, sp.Basic | Number) else None
        if not isinstance(expression, sp.Expr):
            raise TypeError(f"f must be a sympy expression or a system of one equation, got {type(f).__name__}")
        symbols = set(expression.free_symbols)
        if isinstance(point, Mapping):
            symbols |= {sp.Symbol(key) if isinstance(key, str) else key for key in point} - symbols
        if not symbols:
            raise ValueError(f"classify needs a function of at least one unknown, got the constant {expression}")
        decimals = {number: sp.Rational(_simple(gaussian(number).re)) for number in expression.atoms(sp.Float)}
        expression = expression.xreplace(decimals)  # before products of decimals are rounded
        if _terms_at_most(expression) > _MOST_TERMS:
            raise TooMuchWork(f"expanded, the function may have more than {_MOST_TERMS:,} terms")
        ordered = sorted({str(s): s for s in symbols}.values(), key=str)
        polynomial, names = Polynomial.from_sympy(expression, ordered), tuple(map(str, ordered))
        coefficients = sp.Poly(expression, *ordered).coeffs() if ordered else []
        exact = all(c.is_Rational for c in coefficients)
    if not polynomial.is_real:
        raise ValueError("classify needs real coefficients, got complex ones: minima exist for real functions only")
    return polynomial, exact, names


def _of_system(system: PolynomialSystem) -> Polynomial:
    """The function that a system stands for: see `classify`."""
    if system.network is None and system.n_equations == 1:
        return system.polynomials[0]
    if not system.is_real:
        raise ValueError("classify needs real equations, got complex ones: minima exist for real functions only")
    n = len(system.names)
    network: Any = system.network
    if network is not None and math.comb(n + 2 * max(network.degrees), n) > _MOST_TERMS:
        raise TooMuchWork(f"expanded, the function may have more than {_MOST_TERMS:,} terms")
    if network is None or network.kind != "critical" or system.n_equations != network.n_equations:
        return _half_squared_norm(system.polynomials, n, Fraction(1))
    residuals = replace(network, kind="interpolation", rows=None, regularization=0).polynomials()
    ridge = [Polynomial.variable(k, n) for k in range(n)] if network.regularization else []
    weight = 2 * gaussian(network.regularization).re
    return _half_squared_norm(residuals, n, Fraction(2, len(residuals))) + _half_squared_norm(ridge, n, weight)


def _half_squared_norm(equations: Sequence[Polynomial], n: int, weight: Fraction) -> Polynomial:
    if sum(len(p.terms) ** 2 for p in equations) > _STEPS:
        raise TooMuchWork(f"the squares of the equations have more than {_STEPS:,} products")
    return sum((p * p for p in equations), Polynomial.constant(0, n)) * Polynomial.constant(weight / 2, n)


def _terms_at_most(expression: Any) -> int:
    """A bound on the number of terms of an expression when it is expanded."""
    if expression.is_Add:
        return sum(map(_terms_at_most, expression.args))
    if expression.is_Mul:
        return math.prod(map(_terms_at_most, expression.args))
    if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
        base = _terms_at_most(expression.base)
        return math.comb(base + int(expression.exp) - 1, base - 1) if base < _MOST_TERMS else base
    return 1


def _coordinates(point: Any, names: tuple[str, ...]) -> tuple[list[Fraction], bool]:
    """The coordinates, and whether one of them was given in floating point, so that it may be rounded."""
    if isinstance(point, Mapping):
        given = {str(key): value for key, value in point.items()}
        missing = [name for name in names if name not in given]
        if missing or len(given) > len(names):
            raise ValueError(f"the point must give {', '.join(names)}, got {', '.join(given) or 'nothing'}")
        values = [given[name] for name in names]
    else:
        if isinstance(point, str) or not isinstance(point, Iterable):
            raise TypeError(f"the point must be a sequence or a dict of numbers, got {point!r:.40}")
        values = list(point)
        if len(values) != len(names):
            raise ValueError(f"the point must have {len(names)} coordinates ({', '.join(names)}), got {len(values)}")
    try:
        coordinates = [gaussian(value) for value in values]
    except (TypeError, ValueError) as error:
        raise ValueError(f"the point must have finite numbers as coordinates, got {values}"[:200]) from error
    if any(c.im for c in coordinates):
        raise ValueError(f"the point must be real, got {values}")
    exact = all(isinstance(value, Rational) or getattr(value, "is_Rational", False) for value in values)
    return [c.re for c in coordinates], not exact


def _simple(value: Fraction) -> Fraction:
    """The simplest fraction within rounding of value, value itself where there is none."""
    scale = max(Fraction(1), abs(value))
    near = value.limit_denominator(10**6)
    return near if abs(near - value) <= scale / 10**14 else value


def _is_long(value: Fraction) -> bool:
    """Whether a fraction looks like a float that was no short number: its denominator is a high power of 2."""
    return value.denominator > 2**32 and value.denominator & (value.denominator - 1) == 0


def _short(polynomial: Polynomial) -> Polynomial:
    """The polynomial with each such coefficient replaced by the simplest fraction within its rounding."""
    terms = {e: gaussian(_simple(c.re)) if _is_long(c.re) else c for e, c in polynomial.terms.items()}
    return Polynomial(terms, polynomial.n_variables)


def _shift(polynomial: Polynomial, point: Sequence[Fraction], effort: Effort) -> Polynomial:
    """f(point + u) - f(point) as a polynomial in u."""
    n = polynomial.n_variables
    shifted = polynomial
    if any(point):
        moved = [Polynomial.variable(k, n) + value for k, value in enumerate(point)]
        shifted = compose(polynomial, moved, n, polynomial.degree, effort)
    return Polynomial({e: c for e, c in shifted.terms.items() if any(e)}, n)


# ---- exact


def _on_smooth_even_zeros(f: Polynomial, point: Sequence[Fraction]) -> CriticalPoint | None:
    """Decided where f - f(point) has even powers of factors only, one of them 0 at the point with a gradient.

    Tried before the point is moved to 0, which makes many terms of few: (1 - w_1 ... w_n)^2 has 3, moved to 1 over 3^n.
    None where that does not decide; not tried in two variables, where other tests are quick, nor with many terms.
    """
    n = f.n_variables
    if n < 3 or len(f.terms) > _FEW_TERMS:
        return None

    def at_point(p: Polynomial) -> Fraction:
        return Fraction(p.evaluate(point, lambda c: c.re))

    difference = f - at_point(f)
    if not difference.terms:
        return None
    constant, factors = as_integers(difference).factor_squarefree()
    if not factors or any(power % 2 for _, power in factors):
        return None
    for found, power in factors:
        factor = Polynomial({tuple(map(int, e)): gaussian(int(c)) for e, c in found.terms()}, n)
        if not at_point(factor) and any(at_point(factor.diff(k)) for k in range(n)):
            reason = f"the function is a constant {'plus' if constant > 0 else 'minus'} even powers of factors only"
            reason += f"; one, of power {power}, is 0 on a smooth hypersurface through the point"
            return CriticalPoint("minimum" if constant > 0 else "maximum", False, reason)
    return None


def _classify_at_zero(f: Polynomial, effort: Effort) -> CriticalPoint:
    """f without constant and linear terms, exact."""
    if not f.terms:
        return CriticalPoint("constant", False, "the function is constant")
    squares, basis = diagonalize(hessian(f), effort)
    rank = sum(1 for s in squares if s)
    signature = f"Hessian: {sum(s > 0 for s in squares)} positive, {sum(s < 0 for s in squares)} negative"
    signature += f", {len(squares) - rank} zero eigenvalues"
    has_negative = min(squares) < 0
    quadratic = sum_of_separate([one_sign(s, True, "") for s in squares if s]) if rank else None
    if quadratic and ((quadratic.positive and quadratic.negative) or rank == len(squares)):
        return _named(quadratic, signature, has_negative)
    whole = signs_near_zero(f) if rank == 0 or f.n_variables <= 2 else None
    if whole is None or whole.positive is None or whole.negative is None:
        rest = signs_on_kernel(f, squares, basis, effort)
        whole = sum_of_separate([quadratic, rest]) if quadratic else rest
    if rank and (whole.positive is None or whole.negative is None):
        whole = signs_near_zero(f)
    return _named(whole, signature, has_negative)


def _named(signs: Signs, signature: str, has_negative: bool) -> CriticalPoint:
    reason = f"{signature}; {signs.reason}" if signs.reason else signature
    if signs.positive is None or signs.negative is None:
        return CriticalPoint("undecided", None, reason)
    if signs.positive and signs.negative:
        return CriticalPoint("saddle", has_negative, reason)
    return CriticalPoint("minimum" if signs.positive else "maximum", signs.isolated, reason)


# ---- rounded points


def _not_critical(norm: float) -> NotCriticalError:
    return NotCriticalError(f"the point is not critical: the gradient has norm {norm:.6g}, it should be 0")


def _classify_by_eigenvalues(f: Polynomial, point: np.ndarray) -> CriticalPoint:
    """The Hessian's eigenvalues decide where they keep a margin from 0; a degenerate one stays undecided."""
    gradient = np.array([f.diff(k).evaluate(list(point), _real) for k in range(f.n_variables)])
    scale = 1 + max(f.diff(k).evaluate(list(abs(point)), lambda c: abs(complex(c))) for k in range(f.n_variables))
    norm = float(np.linalg.norm(gradient))
    if norm > _MARGIN * scale:
        raise _not_critical(norm)
    n = f.n_variables
    hessian = np.array([[f.diff(i).diff(j).evaluate(list(point), _real) for j in range(n)] for i in range(n)])
    eigenvalues = np.linalg.eigvalsh(hessian)
    cut = _MARGIN * max(1.0, float(abs(eigenvalues).max()))
    positive, negative = int((eigenvalues > cut).sum()), int((eigenvalues < -cut).sum())
    signature = f"Hessian at the rounded point: {positive} positive, {negative} negative eigenvalues"
    if positive and negative:
        return CriticalPoint("saddle", True, signature)
    if positive == n or negative == n:
        return CriticalPoint("minimum" if positive else "maximum", True, signature)
    open_ones = n - positive - negative
    return CriticalPoint(
        "undecided",
        None,
        f"{signature}, {open_ones} within rounding of 0: give the exact point in integers or fractions",
    )


def _real(coefficient: Any) -> float:
    return float(coefficient.re)
