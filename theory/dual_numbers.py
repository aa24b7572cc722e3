"""Arrays with a tangent: what runs through a reverse pass to give its derivative (forward over reverse).

A Dual of Duals gives third derivatives. Only the operations that a network needs are here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Dual:
    """value + t * tangent up to first order in t; the two broadcast against each other.

    Anything that is not a Dual counts as a constant.
    """

    value: Any
    tangent: Any
    __array_ufunc__ = None  # numpy then leaves `array * dual` to the methods below

    def __add__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            return Dual(self.value + other.value, self.tangent + other.tangent)
        return Dual(self.value + other, self.tangent)

    def __neg__(self) -> "Dual":
        return Dual(-self.value, -self.tangent)

    def __sub__(self, other: Any) -> "Dual":
        return self + (-other)

    def __rsub__(self, other: Any) -> "Dual":
        return (-self) + other

    def __mul__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            return Dual(self.value * other.value, self.value * other.tangent + self.tangent * other.value)
        return Dual(self.value * other, self.tangent * other)

    def __matmul__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            return Dual(self.value @ other.value, self.value @ other.tangent + self.tangent @ other.value)
        return Dual(self.value @ other, self.tangent @ other)

    def __rmatmul__(self, other: Any) -> "Dual":
        return Dual(other @ self.value, other @ self.tangent)

    __radd__ = __add__
    __rmul__ = __mul__


def linear(function: Callable[..., Any], *arguments: Any) -> Any:
    """A linear function of arrays (a slice, a sum, a transposition, a concatenation), of Duals too."""
    if not any(isinstance(a, Dual) for a in arguments):
        return function(*arguments)
    values = [a.value if isinstance(a, Dual) else a for a in arguments]
    tangents = [tangent(a) for a in arguments]
    return Dual(linear(function, *values), linear(function, *tangents))


def tangent(argument: Any) -> Any:
    """The tangent of a Dual; zeros of the same shape for a constant."""
    return argument.tangent if isinstance(argument, Dual) else np.zeros_like(argument)
