"""Polynomials close to ReLU on an interval low < 0 < high: four fits, and the proven distance of any polynomial.

Everything happens in t = (x - middle) / radius on [-1, 1], where ReLU is radius * max(t - kink, 0); fits come back as
ascending coefficients in x, exact for the fit found.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, legendre

Interval = tuple[Fraction, Fraction]
_ROUNDS = 60  # the exchange converges quadratically; 6 to 12 rounds are usual


def _frame(interval: Interval) -> tuple[Fraction, Fraction, Fraction]:
    """Middle, radius, and the place of 0 in t."""
    low, high = interval
    middle, radius = (high + low) / 2, (high - low) / 2
    return middle, radius, -middle / radius


def fit_minimax(degree: int, interval: Interval) -> list[Fraction]:
    """The best approximation in the sup norm, by exchange; Source: Remez 1934, the theorem is Chebyshev's."""
    return _in_x(_exchange(degree, interval)[0], interval)


def minimax_error(degree: int, interval: Interval) -> float:
    """The sup distance of ReLU from the polynomials of at most this degree, to about 1e-13 relative."""
    return float(_frame(interval)[1]) * _exchange(degree, interval)[1]


def fit_chebyshev(degree: int, interval: Interval) -> list[Fraction]:
    """The Chebyshev series cut after this degree; its coefficients are integrals of cosines, in closed form."""
    kink = float(_frame(interval)[2])
    angle = math.acos(kink)

    def integral(k: int) -> float:
        """Of cos(k s) over s from 0 to the angle."""
        return math.sin(k * angle) / k if k else angle

    # 2/pi times the integral of (cos s - kink) cos(k s); halved for k = 0
    series = [(integral(k + 1) + integral(abs(k - 1)) - 2 * kink * integral(k)) / math.pi for k in range(degree + 1)]
    series[0] /= 2
    return _in_x(np.array(series), interval)


def fit_legendre(degree: int, interval: Interval) -> list[Fraction]:
    """The least squares fit with uniform weight: the Legendre series cut after this degree, exactly."""
    import flint

    middle, radius, kink = (flint.fmpq(v.numerator, v.denominator) for v in _frame(interval))
    above = flint.fmpq_poly([-kink, 1])
    total = flint.fmpq_poly()
    for k in range(degree + 1):
        basis = flint.fmpq_poly.legendre_p(k)
        antiderivative = (above * basis).integral()
        total += basis * radius * (antiderivative(1) - antiderivative(kink)) * flint.fmpq(2 * k + 1, 2)
    return _fractions(total(flint.fmpq_poly([-middle / radius, 1 / radius])))


def fit_gaussian(degree: int, interval: Interval) -> list[Fraction]:
    """The least squares fit with weight exp(-x^2/2) on the interval.

    Gauss quadrature on pieces of length at most 1, and polynomials made orthogonal on its nodes one after the other:
    powers, or Chebyshev polynomials, would be dependent to rounding where the weight hides most of the interval.
    Source: Brubeck, Nakatsukasa, Trefethen, "Vandermonde with Arnoldi" (2021).
    """
    low, high = map(float, interval)
    middle, radius, kink = map(float, _frame(interval))
    ends = np.concatenate([np.linspace(low, 0, math.ceil(-low) + 1), np.linspace(0, high, math.ceil(high) + 1)[1:]])
    nodes, weights = legendre.leggauss(degree + 20)
    x = ((ends[1:] + ends[:-1])[:, None] + np.diff(ends)[:, None] * nodes).ravel() / 2
    w = (np.diff(ends)[:, None] * weights).ravel() * np.exp(-(x**2) / 2)
    t = (x - middle) / radius
    places = chebyshev.chebpts1(degree + 1)  # where the fit is read off
    basis, there = [np.ones_like(t)], [np.ones_like(places)]
    fit = np.zeros(degree + 1)
    for k in range(degree + 1):
        norm = math.sqrt(w @ basis[k] ** 2)
        basis[k], there[k] = basis[k] / norm, there[k] / norm
        fit += (w @ (np.maximum(t - kink, 0) * basis[k])) * there[k]
        following, values = t * basis[k], places * there[k]
        for _ in range(2):  # once more against rounding
            shares = [w @ (following * b) for b in basis]
            following = following - sum(s * b for s, b in zip(shares, basis, strict=True))
            values = values - sum(s * v for s, v in zip(shares, there, strict=True))
        basis.append(following)
        there.append(values)
    return _in_x(chebyshev.chebfit(places, fit, degree), interval)


FITS: dict[str, Callable[[int, Interval], list[Fraction]]] = {
    "minimax": fit_minimax,
    "chebyshev": fit_chebyshev,
    "legendre": fit_legendre,
    "least-squares": fit_gaussian,
}


# ---- the exchange


def _exchange(degree: int, interval: Interval) -> tuple[np.ndarray, float]:
    """Chebyshev coefficients in t of the best approximation of max(t - kink, 0), and its error.

    On a symmetric interval ReLU is x/2 plus an even function: an even degree gains nothing from the next odd one, and
    the error then alternates once more than the degree asks. Solved for the odd degree, that case is no exception;
    nor is one that rounding cannot tell from it.
    """
    kink = float(_frame(interval)[2])
    if abs(kink) < 1e-12 and degree % 2 == 0 and degree > 0:
        series, error = _exchange(degree + 1, interval)
        return series[:-1], error
    reference = np.cos(np.pi * np.arange(degree + 2)[::-1] / (degree + 1))
    signs = (-1.0) ** np.arange(degree + 2)
    for _ in range(_ROUNDS):
        system = np.column_stack([chebyshev.chebvander(reference, degree), signs])
        *solution, level = np.linalg.solve(system, np.maximum(reference - kink, 0))
        series = np.array(solution)
        places, errors = _extrema(series, kink, reference)
        highest = np.abs(errors).max()
        if highest <= abs(level) * (1 + 1e-13) + 1e-16 * (degree + 1):
            return series, float(abs(level))
        previous, reference = reference, _alternating(places, errors, degree + 2)
        if np.array_equal(previous, reference):  # rounding keeps it from going further
            break
    if highest > abs(level) * (1 + 1e-9):
        raise ArithmeticError(f"the exchange for degree {degree} stopped at errors {abs(level):g} to {highest:g}")
    return series, float(abs(level))


def _extrema(series: np.ndarray, kink: float, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where series - max(t - kink, 0) is extremal on [-1, 1], ascending, and its values there.

    Changes of sign of the slope on a grid eight times finer than the reference, bisected: the eigenvalues of a
    companion matrix give the same, in 50 s instead of 0.5 s at degree 500.
    """
    slope = chebyshev.chebder(series)
    knots = np.unique(np.concatenate([[-1.0, kink, 1.0], reference]))
    grid = np.append((knots[:-1, None] + np.diff(knots)[:, None] * np.arange(8) / 8).ravel(), 1.0)
    left, right = grid[:-1], grid[1:]
    rise = (left >= kink).astype(float)  # the slope of max(t - kink, 0) on each cell
    rising = chebyshev.chebval(left, slope) >= rise
    turns = rising != (chebyshev.chebval(right, slope) >= rise)
    left, right, rise, rising = left[turns], right[turns], rise[turns], rising[turns]
    for _ in range(30):  # to 1e-9 of a cell: the error is flat there
        middle = (left + right) / 2
        before = rising == (chebyshev.chebval(middle, slope) >= rise)
        left, right = np.where(before, middle, left), np.where(before, right, middle)
    places = np.sort(np.concatenate([[-1.0, kink, 1.0], (left + right) / 2]))
    return places, chebyshev.chebval(places, series) - np.maximum(places - kink, 0)


def _alternating(places: np.ndarray, errors: np.ndarray, count: int) -> np.ndarray:
    """`count` places at which the error alternates in sign, the largest error among them."""
    groups = np.split(np.arange(len(places)), np.flatnonzero(np.diff(np.sign(errors))) + 1)
    chosen = [group[np.argmax(np.abs(errors[group]))] for group in groups]
    if len(chosen) < count:
        raise ArithmeticError(f"the error alternates {len(chosen)} times where {count} were expected")
    while len(chosen) > count:
        chosen.pop(0 if abs(errors[chosen[0]]) < abs(errors[chosen[-1]]) else -1)
    return places[chosen]


# ---- exact coefficients, and the proof


def _in_x(series: np.ndarray, interval: Interval) -> list[Fraction]:
    """Ascending coefficients in x of radius * (Chebyshev series in t), exactly as the floats stand.

    On a symmetric interval the odd part of the best fits is x/2: what else rounding left of it is cleared.
    """
    import flint

    _, radius, kink = _frame(interval)
    values = [Fraction(float(c)) for c in series]
    if kink == 0 and len(values) > 1:
        values[1::2] = [Fraction(1, 2)] + [Fraction(0)] * (len(values[1::2]) - 1)
    total = flint.fmpq_poly()
    for k, c in enumerate(values):
        total += flint.fmpq_poly(flint.fmpz_poly.chebyshev_t(k)) * flint.fmpq(c.numerator, c.denominator)
    shift, scale = (flint.fmpq(v.numerator, v.denominator) for v in (kink, 1 / radius))
    return [c * radius for c in _fractions(total(flint.fmpq_poly([shift, scale])))]


def _fractions(polynomial: Any) -> list[Fraction]:
    return [Fraction(int(c.p), int(c.q)) for c in polynomial.coeffs()] or [Fraction(0)]


def proven_sup_error(coefficients: list[Fraction], interval: Interval) -> float:
    """An upper bound of |polynomial - ReLU| on the interval, proven, and sharp to the last digits.

    On either side of 0 the error is a polynomial: it is extremal at the ends or at a real root of its derivative.
    All roots are isolated in balls, and the error is evaluated in ball arithmetic there; the float is rounded up.
    """
    import flint

    low, high = (flint.fmpq(v.numerator, v.denominator) for v in interval)
    polynomial = flint.fmpq_poly([flint.fmpq(c.numerator, c.denominator) for c in coefficients])
    bits = 128 + 8 * len(coefficients)  # the coefficients of T_n have fewer than 1.3 n bits and cancel
    with flint.ctx.workprec(bits):
        highest = flint.arb(0)
        for error, start, end in ((polynomial, low, 0), (polynomial - flint.fmpq_poly([0, 1]), 0, high)):
            places = [flint.arb(start), flint.arb(end)]
            slope = error.derivative().numer()
            found: Any = slope.complex_roots() if slope.degree() > 0 else []
            places += [r.real for r, _ in found if r.imag.contains(0) and not (r.real < start or r.real > end)]
            values = flint.arb_poly(error)
            for place in places:
                highest = highest.max(abs(values(place)).abs_upper())
        bound = float(highest.abs_upper())
        return bound if flint.arb(bound) >= highest else math.nextafter(bound, math.inf)
