"""Sine, cosine, exponential and folding in plain arithmetic, which compilers turn into vector instructions.

Calls of the C library stay calls of one number each, and were 4/5 of a Langevin step on potentials of angles.
"""

import math

import numpy as np

from theory.jit import njit

# pi in three parts of 33, 33 and 53 bits: multiples k pi with k < 2^20 are exact in the first two. Beyond, an argument
# is off by no more than its own rounding.
_PARTS = (3.1415926534682512, 1.2154201012607932e-10, 4.044532497591901e-21)
_LOG2 = (0.6931471803691238, 1.9082149292705877e-10)  # log 2 in two parts, of which k times the first is exact
_PER_LOG2 = 1 / math.log(2)
_ROUNDING = 1.5 * 2.0**52  # added and taken off again, it leaves a whole number


def _series(terms: int = 11) -> tuple[float, ...]:
    """Taylor's coefficients of sin(r)/r in r^2: with 11 the rest is below 2e-18 for |r| <= pi/2."""
    return tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(terms))


(_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10) = _series()


@njit(cache=True, error_model="numpy")
def _signed_sine(r: float, k: float) -> float:
    """(-1)^k sin(r), |r| <= pi/2, k a whole number."""
    half = 0.5 * k
    odd = half - ((half + _ROUNDING) - _ROUNDING)  # 0, or +-1/2 for odd k
    s = r * r
    high = _C6 + s * (_C7 + s * (_C8 + s * (_C9 + s * _C10)))
    rest = _C1 + s * (_C2 + s * (_C3 + s * (_C4 + s * (_C5 + s * high))))
    return (1.0 - 8.0 * odd * odd) * (r + r * (s * rest))


@njit(cache=True, error_model="numpy")
def sine(x: float) -> float:
    """sin(x) to 2^-52, for |x| above 10^6 that of a number within rounding of x."""
    k = (x * (1 / math.pi) + _ROUNDING) - _ROUNDING
    return _signed_sine(((x - k * _PARTS[0]) - k * _PARTS[1]) - k * _PARTS[2], k)


@njit(cache=True, error_model="numpy")
def cosine(x: float) -> float:
    """cos(x) as `sine` gives sin(x): x = (k + 1/2) pi + r, where cos(x) = -(-1)^k sin(r)."""
    k = (x * (1 / math.pi) - 0.5 + _ROUNDING) - _ROUNDING
    m = k + 0.5
    return -_signed_sine(((x - m * _PARTS[0]) - m * _PARTS[1]) - m * _PARTS[2], k)


(_E2, _E3, _E4, _E5, _E6, _E7, _E8, _E9, _E10, _E11, _E12, _E13) = (1 / math.factorial(k) for k in range(2, 14))


@njit(cache=True, error_model="numpy")
def exponential(x: float) -> float:
    """exp(x) to 2^-52; 0 below -708 (smaller numbers have fewer bits) and infinity above 709.

    x = k log 2 + r; Taylor's polynomial of degree 13 is off by less than 5e-18 for |r| <= log(2)/2.
    """
    y = 709.0 if x > 709.0 else (-708.0 if x < -708.0 else x)
    shifted = y * _PER_LOG2 + _ROUNDING  # k stands in its last bits
    k = shifted - _ROUNDING
    r = (y - k * _LOG2[0]) - k * _LOG2[1]
    high = _E8 + r * (_E9 + r * (_E10 + r * (_E11 + r * (_E12 + r * _E13))))
    rest = _E2 + r * (_E3 + r * (_E4 + r * (_E5 + r * (_E6 + r * (_E7 + r * high)))))
    exponent = (np.float64(shifted).view(np.int64) + np.int64(1023)) << np.int64(52)
    power = np.int64(exponent).view(np.float64)  # 2^k
    value = (1.0 + (r + r * (r * rest))) * power
    return 0.0 if x < -708.0 else (math.inf if x > 709.0 else value)


@njit(inline="always", error_model="numpy")
def around(value: float, low: float, size: float) -> float:
    """A coordinate brought back onto a torus that begins at low; what lies inside is not changed by a bit."""
    turned = value - size * np.floor((value - low) / size)
    return low if turned < low or turned >= low + size else turned  # by rounding; NaN stays NaN


@njit(inline="always", error_model="numpy")
def reflected(value: float, low: float, size: float) -> float:
    """A coordinate reflected back into a box that begins at low; what lies inside is not changed by a bit."""
    from_low = value - low
    turned = low + size - abs(from_low - 2 * size * np.floor(from_low / (2 * size)) - size)
    return value if low <= value < low + size else turned
