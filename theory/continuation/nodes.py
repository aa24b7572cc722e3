"""Elements of the ring in which forward passes record themselves: see `tape`."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.continuation.instructions import Pair

if TYPE_CHECKING:
    from theory.continuation.tape import Recorder

ONE = 0  # the register that holds 1


class Node:
    """A sum of registers and products of two registers, with coefficients: an element of the recorded ring."""

    __slots__ = ("_register", "linear", "products", "recorder")

    def __init__(self, recorder: "Recorder", linear: dict[int, complex], products: dict[Pair, complex]) -> None:
        self.recorder, self.linear, self.products = recorder, linear, products
        self._register: int | None = None

    def register(self) -> int:
        """The register that holds this node, recorded when first asked for."""
        if self._register is None:
            self._register = self.recorder.intern(self.linear, self.products)
        return self._register

    @property
    def number(self) -> complex | None:
        """The value of a constant node, None for the others."""
        if self.products or len(self.linear) > 1:
            return None
        return self.linear.get(ONE) if self.linear else 0

    def _lift(self, other: Any) -> "Node | None":
        if isinstance(other, Node):
            return other
        if isinstance(other, np.ndarray | str):
            return None
        try:
            return self.recorder.constant(other)
        except TypeError:
            return None

    def _scaled(self, factor: complex) -> "Node":
        if factor == 1:
            return self
        if factor == 0:
            return Node(self.recorder, {}, {})
        linear = {r: factor * c for r, c in self.linear.items()}
        return Node(self.recorder, linear, {p: factor * c for p, c in self.products.items()})

    def _factored(self) -> tuple[complex, int]:
        """(coefficient, register) with coefficient * register equal to this node."""
        if len(self.linear) == 1 and not self.products:
            register, coefficient = next(iter(self.linear.items()))
            return coefficient, register
        return 1, self.register()

    def __add__(self, other: Any) -> "Node":
        other = self._lift(other)
        if other is None:
            return NotImplemented
        linear, products = dict(self.linear), dict(self.products)
        accumulate(linear, other.linear.items())
        accumulate(products, other.products.items())
        return Node(self.recorder, linear, products)

    def __neg__(self) -> "Node":
        return self._scaled(-1)

    def __sub__(self, other: Any) -> "Node":
        other = self._lift(other)
        return NotImplemented if other is None else self + other._scaled(-1)

    def __rsub__(self, other: Any) -> "Node":
        return self._scaled(-1) + other

    def __mul__(self, other: Any) -> "Node":
        other = self._lift(other)
        if other is None:
            return NotImplemented
        if (factor := other.number) is not None:
            return self._scaled(factor)
        if (factor := self.number) is not None:
            return other._scaled(factor)
        (c, a), (d, b) = self._factored(), other._factored()
        return Node(self.recorder, {}, {(min(a, b), max(a, b)): c * d})

    def __truediv__(self, other: Any) -> "Node":
        return self._scaled(1 / complex(other))

    def __pow__(self, exponent: int) -> "Node":
        if exponent < 2:
            return self if exponent == 1 else self.recorder.constant(1)
        half = self ** (exponent // 2)
        square = half * half
        return square * self if exponent % 2 else square

    __radd__ = __add__
    __rmul__ = __mul__


def add(total: dict, key: Any, coefficient: complex) -> None:
    value = total.get(key, 0) + coefficient
    if value:
        total[key] = value
    else:
        total.pop(key, None)


def accumulate(total: dict, terms: Iterable[tuple[Any, complex]]) -> None:
    for key, coefficient in terms:
        add(total, key, coefficient)
