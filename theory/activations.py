"""Each activation once, as an exact polynomial; both packages use these same objects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from theory.dual_numbers import Dual
from theory.polynomials import gaussian
from theory.relu_fits import FITS, Interval, minimax_error, proven_sup_error
from theory.rings import ring_number

# Beyond this degree a polynomial with an interval is evaluated by Clenshaw's rule in its Chebyshev basis: powers of z
# would cancel. At degree 8 the coefficients in z/radius stay below 2^8, that is below 3 lost digits.
_HIGHEST_HORNER_DEGREE = 8
_HIGHEST_FIT_DEGREE = 300  # a second for the fit, a quarter of a minute for the proof of its error
_HIGHEST_RELU_DEGREE = 2000
_HIGHEST_DEGREE = 100_000  # all coefficients are written out


@dataclass(frozen=True, init=False)
class PolynomialActivation:
    """A univariate polynomial with exact rational coefficients, applied element by element.

    coefficients: ascending; integers, fractions and decimals stay what they are, floats are the dyadic rationals they
        stand for; trailing zeros are dropped
    interval: where it is meant to be used; beyond degree 8 it is evaluated in the Chebyshev basis of that interval
    sup_error: a proven upper bound of |polynomial - ReLU| on the interval; None where it approximates nothing

    Calling it evaluates it on numbers, numpy arrays, torch tensors, sympy expressions, and on any ring element with
    + and * (polynomials, tape nodes, python-flint balls and residues), or on numpy arrays of these.

    Raises ValueError for no coefficients, for coefficients that are not finite real numbers and for an interval that is
    no pair low < high.
    """

    coefficients: tuple[Fraction, ...]
    interval: tuple[Fraction, Fraction] | None = None
    sup_error: float | None = field(default=None, compare=False)

    def __init__(
        self,
        coefficients: Sequence[Any],
        interval: tuple[Any, Any] | None = None,
        sup_error: float | None = None,
    ) -> None:
        if not np.iterable(coefficients) or not len(coefficients):
            raise ValueError(f"an activation needs a list of coefficients such as [0, 1, 1], got {coefficients!r}")
        exact = [_real(c) for c in coefficients]
        while len(exact) > 1 and not exact[-1]:
            exact.pop()
        object.__setattr__(self, "coefficients", tuple(exact))
        object.__setattr__(self, "interval", None if interval is None else _ends(interval))
        object.__setattr__(self, "sup_error", sup_error)

    @property
    def degree(self) -> int:
        """The exact degree; 0 for a constant, zero included."""
        return len(self.coefficients) - 1

    @cached_property
    def derivative(self) -> "PolynomialActivation":
        """The derivative, exactly, on the same interval."""
        return PolynomialActivation([k * c for k, c in enumerate(self.coefficients)][1:] or [0], self.interval)

    @cached_property
    def _floats(self) -> tuple[float, ...]:
        return tuple(float(c) for c in self.coefficients)

    @cached_property
    def _chebyshev(self) -> tuple[float, ...]:
        """Coefficients in the Chebyshev basis of the interval, converted exactly and rounded once."""
        assert self.interval is not None
        low, high = self.interval
        return tuple(float(c) for c in to_chebyshev(substitute(self.coefficients, (high + low) / 2, (high - low) / 2)))

    def __call__(self, z: Any) -> Any:
        if isinstance(z, np.ndarray) and z.dtype == object:
            return self._horner(z, [ring_number(c, z.flat[0]) for c in self.coefficients]) if z.size else z
        if not _is_floating(z):
            return self._horner(z, [ring_number(c, z) for c in self.coefficients])
        if isinstance(z, np.ndarray) and z.dtype.kind in "iub":
            z = z.astype(np.float64)
        if self.interval is None or self.degree <= _HIGHEST_HORNER_DEGREE:
            return self._horner(z, self._floats)
        return self._clenshaw(z)

    @staticmethod
    def _horner(z: Any, coefficients: Sequence[Any]) -> Any:
        if len(coefficients) == 1:
            return z * 0 + coefficients[0]
        result = z if coefficients[-1] == 1 else z * coefficients[-1]
        for c in coefficients[-2:0:-1]:
            result = (result + c if c else result) * z
        return result + coefficients[0] if coefficients[0] else result

    def _clenshaw(self, z: Any) -> Any:
        low, high = map(float, self.interval or (-1, 1))
        t = (z - (high + low) / 2) * (2 / (high - low))
        first, second = t * 0 + self._chebyshev[-1], t * 0
        for c in self._chebyshev[-2:0:-1]:
            first, second = (t * 2) * first - second + c, first
        return t * first - second + self._chebyshev[0]

    def __repr__(self) -> str:
        shown = ", ".join(map(str, self.coefficients[:6])) + (", ..." if self.degree > 5 else "")
        return f"PolynomialActivation(degree {self.degree}: {shown})"


def monomial(degree: int) -> PolynomialActivation:
    """The activation z -> z**degree. Raises ValueError for a degree that is not a whole number from 0 to 100,000."""
    if check_degree(degree) > _HIGHEST_DEGREE:
        raise ValueError(f"the degree of an activation must be at most {_HIGHEST_DEGREE:,}, got {degree}")
    return PolynomialActivation([0] * check_degree(degree) + [1])


def relu_approximation(
    degree: int, interval: tuple[Any, Any] = (-1, 1), method: str = "minimax"
) -> PolynomialActivation:
    """ReLU on an interval (low < 0 < high) by a polynomial of at most this degree.

    method: "minimax", the best in the sup norm; "chebyshev", the truncated Chebyshev series; "legendre", least squares
        with uniform weight, exactly rational; "least-squares", with the weight of N(0, 1) cut to the interval

    `sup_error` is proven for the very coefficients returned. On [-1, 1] the minimax error times the degree tends to
    half of Bernstein's constant, 0.14008; on other intervals it is sqrt(-low * high) times that.
    Source: Bernstein 1914; Varga and Carpenter 1985 for the constant, 0.28016949902...

    Raises ValueError for an unknown method, a degree outside 0..300, and an interval without 0 in its interior, where
    ReLU is a polynomial itself.
    """
    if not isinstance(method, str) or method not in FITS:
        raise ValueError(f"method must be one of {', '.join(FITS)}, got {method!r}")
    if check_degree(degree) > _HIGHEST_FIT_DEGREE:
        raise ValueError(f"the degree of a fit must be at most {_HIGHEST_FIT_DEGREE}, got {degree}")
    ends = _check_interval(interval)
    coefficients = FITS[method](degree, ends)
    return PolynomialActivation(coefficients, ends, proven_sup_error(coefficients, ends))


def relu_degree(epsilon: float, interval: tuple[Any, Any] = (-1, 1)) -> int:
    """The smallest degree whose minimax error on the interval is at most epsilon (to 1e-10 relative).

    Raises ValueError for an epsilon that is not positive, one that needs a degree of about 2000 or more, and intervals
    as `relu_approximation` does.
    """
    if not (isinstance(epsilon, int | float | Fraction | np.number) and 0 < epsilon < math.inf):
        raise ValueError(f"epsilon must be a positive number, got {epsilon!r}")
    ends = _check_interval(interval)

    def suffices(degree: int) -> bool:
        return minimax_error(degree, ends) <= float(epsilon) * (1 + 1e-10)

    expected = 0.14008 * math.sqrt(-ends[0] * ends[1]) / float(epsilon)  # degree * error tends to this
    if expected > _HIGHEST_RELU_DEGREE:
        raise ValueError(f"epsilon = {epsilon} needs a degree of about {expected:.0f}, beyond {_HIGHEST_RELU_DEGREE}")
    low, high, step = -1, round(expected), 1  # the error decreases with the degree
    while not suffices(high):
        low, high, step = high, high + step, 2 * step
    while high - low > 1:
        middle = max((low + high) // 2, high - step)
        low, high = (low, middle) if suffices(middle) else (middle, high)
        step *= 2
    return high


def _ends(interval: Any) -> Interval:
    if not isinstance(interval, Sequence | np.ndarray) or len(interval) != 2:
        raise ValueError(f"the interval must be a pair of numbers (low, high), got {interval!r}")
    low, high = map(_real, interval)
    if low >= high:
        raise ValueError(f"the interval must have low < high, got ({low}, {high})")
    return low, high


def _check_interval(interval: tuple[Any, Any]) -> Interval:
    low, high = _ends(interval)
    if low >= 0 or high <= 0:
        itself = "x" if low >= 0 else "0"
        raise ValueError(f"on ({low}, {high}) ReLU is the polynomial {itself}; give an interval with low < 0 < high")
    return low, high


def check_degree(degree: Any) -> int:
    """degree as an int. Raises ValueError where it is not a whole number >= 0."""
    if isinstance(degree, bool) or not isinstance(degree, int | np.integer) or degree < 0:
        raise ValueError(f"the degree must be a whole number that is not negative, got {degree!r}")
    return int(degree)


def _real(value: Any) -> Fraction:
    try:
        number = gaussian(value)
    except (TypeError, ValueError):
        raise ValueError(f"coefficients and intervals need finite real numbers, got {value!r}") from None
    if number.im:
        raise ValueError(f"coefficients and intervals need real numbers, got {value!r}")
    return number.re


def _is_floating(z: Any) -> bool:
    kinds = isinstance(z, np.ndarray | np.number | float | complex | Dual)
    return kinds or type(z).__module__.split(".")[0] == "torch"


def substitute(coefficients: Sequence[Fraction], middle: Fraction, radius: Fraction) -> list[Fraction]:
    """Ascending coefficients of t -> p(middle + radius * t), exactly."""
    degree = len(coefficients) - 1
    result = [Fraction(0)] * (degree + 1)
    for k, c in enumerate(coefficients):
        for j in range(k + 1) if middle else (k,):
            result[j] += c * math.comb(k, j) * middle ** (k - j) * radius**j
    return result


def to_chebyshev(coefficients: Sequence[Fraction]) -> list[Fraction]:
    """Chebyshev coefficients of a polynomial given by its ascending ones, exactly.

    t^k = 2^(1-k) * sum over j of C(k, j) T_(k-2j), the term T_0 halved.
    """
    result = [Fraction(0)] * len(coefficients)
    for k, c in enumerate(coefficients):
        for j in range(k // 2 + 1):
            order = k - 2 * j
            result[order] += c * math.comb(k, j) * Fraction(2 if order else 1, 2**k)
    return result
