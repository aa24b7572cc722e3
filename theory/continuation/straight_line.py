"""A system as an exact straight-line program that runs over any ring, together with its Jacobian.

Proofs need the very coefficients that were asked about, so here constants are Gaussian rationals, where a `Tape` for
the tracker holds doubles. Networks are recorded from their forward pass and are never expanded; the Jacobian is
recorded by reverse mode into the same program. Equal instructions are stored once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from theory.polynomials import GaussianRational, Polynomial, gaussian
from theory.systems import PolynomialSystem

Element = TypeVar("Element")
Instruction = tuple[int, int, int]  # operation, left register, right register
ADD, SUBTRACT, MULTIPLY = range(3)
_UNKNOWN, _CONSTANT = 3, 4  # what else a register of the recorder may hold
_ZERO, _ONE = GaussianRational(Fraction(0)), GaussianRational(Fraction(1))


@dataclass(frozen=True)
class Program:
    """Registers are the n_unknowns unknowns, the constants, then the result of each instruction in turn.

    values: the registers of the equations (m,); derivatives: (equation, unknown, register), those that are not 0
    The first n_value_instructions give the equations, the others only derivatives.
    """

    n_unknowns: int
    constants: tuple[GaussianRational, ...]
    instructions: tuple[Instruction, ...]
    n_value_instructions: int
    values: tuple[int, ...]
    derivatives: tuple[tuple[int, int, int], ...]

    def run(self, unknowns: Sequence[Element], constants: Sequence[Element], derivatives: bool = True) -> list[Element]:
        """All registers at ring elements; constants are those of the program, already in the ring."""
        registers: list[Any] = [*unknowns, *constants]
        append = registers.append
        for operation, i, j in self.instructions if derivatives else self.instructions[: self.n_value_instructions]:
            if operation == MULTIPLY:
                append(registers[i] * registers[j])
            elif operation == ADD:
                append(registers[i] + registers[j])
            else:
                append(registers[i] - registers[j])
        return registers


class _Node:
    """A register of a recorder, as an element of a ring: what a forward pass is run on to record it."""

    __slots__ = ("recorder", "register")
    takes_gaussian_rationals = True  # theory.rings then hands over complex data unrounded

    def __init__(self, recorder: "_Recorder", register: int) -> None:
        self.recorder, self.register = recorder, register

    def _with(self, combine: Callable[[int, int], int], other: Any, swap: bool = False) -> "_Node":
        try:
            right = other.register if isinstance(other, _Node) else self.recorder.constant(other)
        except TypeError:
            return NotImplemented
        return _Node(self.recorder, combine(right, self.register) if swap else combine(self.register, right))

    def __add__(self, other: Any) -> "_Node":
        return self._with(self.recorder.add, other)

    def __sub__(self, other: Any) -> "_Node":
        return self._with(self.recorder.subtract, other)

    def __rsub__(self, other: Any) -> "_Node":
        return self._with(self.recorder.subtract, other, swap=True)

    def __mul__(self, other: Any) -> "_Node":
        return self._with(self.recorder.multiply, other)

    def __truediv__(self, number: Any) -> "_Node":
        return self * (_ONE / gaussian(number))

    def __neg__(self) -> "_Node":
        return self * -1

    def __pow__(self, exponent: int) -> "_Node":
        return _Node(self.recorder, self.recorder.power(self.register, exponent))

    __radd__ = __add__
    __rmul__ = __mul__
    __array_ufunc__ = None  # numpy's numbers and arrays leave the arithmetic to this class


class _Recorder:
    """Hands out registers, each content once; the sums and products of constants are done on the spot."""

    def __init__(self, n_unknowns: int) -> None:
        self.contents: list[tuple[Any, ...]] = []
        self._known: dict[tuple[Any, ...], int] = {}
        self.unknowns = [self._intern((_UNKNOWN, k)) for k in range(n_unknowns)]

    def _intern(self, content: tuple[Any, ...]) -> int:
        register = self._known.setdefault(content, len(self.contents))  # once: fractions take long to hash
        if register == len(self.contents):
            self.contents.append(content)
        return register

    def constant(self, value: Any) -> int:
        return self._intern((_CONSTANT, gaussian(value)))

    def number(self, register: int) -> GaussianRational | None:
        """The value of a constant register, None for the others."""
        content = self.contents[register]
        return content[1] if content[0] == _CONSTANT else None

    def add(self, i: int, j: int) -> int:
        a, b = self.number(i), self.number(j)
        if a is not None and b is not None:
            return self.constant(a + b)
        if a is not None and not a:
            return j
        if b is not None and not b:
            return i
        return self.multiply(self.constant(2), i) if i == j else self._intern((ADD, min(i, j), max(i, j)))

    def subtract(self, i: int, j: int) -> int:
        b = self.number(j)
        if b is not None:
            return self.add(i, self.constant(-b))
        if self.number(i) == _ZERO:
            return self.multiply(self.constant(-1), j)
        return self.constant(0) if i == j else self._intern((SUBTRACT, i, j))

    def multiply(self, i: int, j: int) -> int:
        a, b = self.number(i), self.number(j)
        for factor, other in ((a, j), (b, i)):  # most constant factors are 0 or 1, and fractions take long to multiply
            if factor is not None and not factor:
                return self.constant(0)
            if factor is not None and factor.re == 1 and not factor.im:
                return other
        if a is not None and b is not None:
            return self.constant(a * b)
        return self._intern((MULTIPLY, min(i, j), max(i, j)))

    def power(self, register: int, exponent: int) -> int:
        if exponent == 0:
            return self.constant(1)
        half = self.power(register, exponent // 2)
        square = self.multiply(half, half)
        return self.multiply(square, register) if exponent % 2 else square

    def polynomial(self, polynomial: Polynomial) -> int:
        """A sparse polynomial; monomials come before coefficients, so that equations share them."""
        total = self.constant(0)
        for exponents, coefficient in polynomial.terms.items():
            monomial = self.constant(1)
            for k, exponent in enumerate(exponents):
                if exponent:
                    monomial = self.multiply(monomial, self.power(self.unknowns[k], exponent))
            total = self.add(total, self.multiply(self.constant(coefficient), monomial))
        return total

    def reachable(self, outputs: Iterable[int]) -> set[int]:
        """Every register the outputs depend on, themselves included."""
        found: set[int] = set()
        stack = list(outputs)
        while stack:
            register = stack.pop()
            if register not in found:
                found.add(register)
                operation, *operands = self.contents[register]
                stack += operands if operation < _UNKNOWN else ()
        return found

    def gradient(self, output: int) -> dict[int, int]:
        """Reverse mode: number of the unknown -> register of the output's derivative, where that is not 0."""
        adjoint = {output: self.constant(1)}
        result: dict[int, int] = {}

        def accumulate(register: int, term: int) -> None:
            if self.number(register) is None:
                adjoint[register] = self.add(adjoint[register], term) if register in adjoint else term

        for register in sorted(self.reachable([output]), reverse=True):
            if register not in adjoint:
                continue
            outer = adjoint[register]
            operation, *operands = self.contents[register]
            if operation == _UNKNOWN:
                if self.number(outer) != _ZERO:
                    result[operands[0]] = outer
            elif operation == MULTIPLY:
                accumulate(operands[0], self.multiply(outer, operands[1]))
                accumulate(operands[1], self.multiply(outer, operands[0]))
            elif operation < _UNKNOWN:
                accumulate(operands[0], outer)
                accumulate(operands[1], outer if operation == ADD else self.multiply(self.constant(-1), outer))
        return result


def record(system: PolynomialSystem) -> Program:
    """The equations of a system and their Jacobian as one program with exact constants.

    A network is recorded through its `residuals`, sparse equations term by term.
    """
    recorder = _Recorder(system.n_unknowns)
    outputs: list[int] = []
    if system.network is not None:
        nodes = [_Node(recorder, register) for register in recorder.unknowns]
        outputs += [(0 * nodes[0] + residual).register for residual in system.network.residuals(nodes)]
    sparse = system.affine if system.network is not None else system.polynomials
    outputs += [recorder.polynomial(polynomial) for polynomial in sparse]
    derivatives = [(i, k, r) for i, output in enumerate(outputs) for k, r in sorted(recorder.gradient(output).items())]
    return _flatten(recorder, outputs, derivatives)


def _flatten(recorder: _Recorder, outputs: list[int], derivatives: list[tuple[int, int, int]]) -> Program:
    contents, n = recorder.contents, len(recorder.unknowns)
    of_values = recorder.reachable(outputs)
    needed = of_values | recorder.reachable(r for _, _, r in derivatives)
    constants = sorted(r for r in needed if contents[r][0] == _CONSTANT)
    instructions = sorted((r not in of_values, r) for r in needed if contents[r][0] < _UNKNOWN)
    order = [*recorder.unknowns, *constants, *(r for _, r in instructions)]
    place = {register: k for k, register in enumerate(order)}
    return Program(
        n_unknowns=n,
        constants=tuple(contents[r][1] for r in constants),
        instructions=tuple((contents[r][0], place[contents[r][1]], place[contents[r][2]]) for _, r in instructions),
        n_value_instructions=sum(not only_derivative for only_derivative, _ in instructions),
        values=tuple(place[r] for r in outputs),
        derivatives=tuple((i, k, place[r]) for i, k, r in derivatives),
    )
