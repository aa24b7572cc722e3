"""What `compiled_doubles` offers, in numpy: double-double numbers as pairs of arrays.

Source: T. Dekker, A floating-point technique for extending the available precision, Numer. Math. 18 (1971).
"""

from dataclasses import dataclass

import numpy as np

_SPLITTER = 2.0**27 + 1


@dataclass(frozen=True, eq=False)
class Doubles:
    """The unevaluated sum of high and low parts; operations take doubles, too."""

    high: np.ndarray
    low: np.ndarray

    def __add__(self, other: "np.ndarray | Doubles") -> "Doubles":
        x, y = self, doubles(other)
        total = x.high + y.high
        part = total - x.high
        error = (x.high - (total - part)) + (y.high - part)
        return _quick_two_sum(total, error + (x.low + y.low))

    def __sub__(self, other: "np.ndarray | Doubles") -> "Doubles":
        y = doubles(other)
        return self + Doubles(-y.high, -y.low)

    def __mul__(self, other: "np.ndarray | Doubles") -> "Doubles":
        y = doubles(other)
        product = self.high * y.high
        (a, b), (c, d) = _split(self.high), _split(y.high)
        error = ((a * c - product) + a * d + b * c) + b * d
        return _quick_two_sum(product, error + (self.high * y.low + self.low * y.high))

    def __truediv__(self, other: "np.ndarray | Doubles") -> "Doubles":
        y = doubles(other)
        first = self.high / y.high
        left = self - y * doubles(first)
        return _quick_two_sum(first, left.high / y.high)

    def __radd__(self, other: np.ndarray) -> "Doubles":
        return doubles(other) + self

    def __rsub__(self, other: np.ndarray) -> "Doubles":
        return doubles(other) - self

    def __rmul__(self, other: np.ndarray) -> "Doubles":
        return doubles(other) * self

    def __rtruediv__(self, other: np.ndarray) -> "Doubles":
        return doubles(other) / self

    __array_ufunc__ = None  # arrays leave the arithmetic to this class


def doubles(value: np.ndarray | Doubles) -> Doubles:
    """Doubles as double-double numbers."""
    return value if isinstance(value, Doubles) else Doubles(value, np.zeros_like(value))


def _quick_two_sum(x: np.ndarray, y: np.ndarray) -> Doubles:
    total = x + y
    return Doubles(total, y - (total - x))


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two halves of the digits each."""
    scaled = _SPLITTER * x
    high = scaled - (scaled - x)
    return high, x - high
