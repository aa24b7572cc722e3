"""Straight-line tapes: a system of polynomials as a list of instructions that any loop can run.

A `Recorder` hands out nodes for the unknowns and the parameters. Nodes support + - * ** with each other and with
numbers, so any forward pass written for numbers records itself, network or sparse polynomial alike. What is recorded
is homogenised on the way by following degrees, differentiated in reverse mode, and flattened into a `Tape` of plain
arrays. Every instruction has one form,

    r = sum c_k r_k  (c real)  +  sum z_k r_k  (z complex)  +  sum r_i r_j,

and equal instructions are stored once.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from theory.jit import njit
from theory.polynomials import Polynomial

Degree = tuple[int, ...]
Pair = tuple[int, int]
_ONE = 0  # the register that holds 1


class Tape(NamedTuple):
    """Plain arrays for the interpreter: registers are coordinates, parameters, the number 1, then one per instruction.

    pointers: (instructions + 1, 3) first entry of each instruction in the real, complex and product lists
    real_ids (a,), real_coefficients (a,); complex_ids (b,), complex_coefficients (b, 2); product_ids (c, 2)
    outputs: (m,) registers of the equations; jacobian: (entries, 3) equation, coordinate, register of the derivative
    The first n_value_instructions give the equations, the others only the Jacobian. group: (n_coordinates,).
    """

    n_coordinates: int
    n_groups: int
    n_parameters: int
    n_inputs: int
    n_registers: int
    n_value_instructions: int
    n_instructions: int
    pointers: np.ndarray
    real_ids: np.ndarray
    real_coefficients: np.ndarray
    complex_ids: np.ndarray
    complex_coefficients: np.ndarray
    product_ids: np.ndarray
    outputs: np.ndarray
    jacobian: np.ndarray
    group: np.ndarray


class _Instruction(NamedTuple):
    real: tuple[tuple[int, float], ...]
    complex: tuple[tuple[int, complex], ...]
    products: tuple[Pair, ...]

    def operands(self) -> list[int]:
        return [r for r, _ in self.real] + [r for r, _ in self.complex] + [r for pair in self.products for r in pair]


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
        if self.products or any(r != _ONE for r in self.linear):
            return None
        return self.linear.get(_ONE, 0)

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
        _accumulate(linear, other.linear.items())
        _accumulate(products, other.products.items())
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
        for node, factor in ((self, other.number), (other, self.number)):
            if factor is not None:
                return node._scaled(factor)
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


def _accumulate(total: dict, terms: Iterable[tuple[Any, complex]]) -> None:
    for key, coefficient in terms:
        value = total.get(key, 0) + coefficient
        if value:
            total[key] = value
        else:
            total.pop(key, None)


class Recorder:
    """Records instructions in unknowns (in groups, each with its own homogenising coordinate) and parameters.

    n_unknowns: number of affine unknowns; groups: a partition of their indices, one group by default
    unknowns, homogenising: the nodes of the coordinates
    """

    def __init__(self, n_unknowns: int, groups: Sequence[Sequence[int]] | None = None) -> None:
        self.groups = [list(g) for g in groups] if groups is not None else [list(range(n_unknowns))]
        self.n_groups = len(self.groups)
        self.degrees: list[Degree] = [(0,) * self.n_groups]
        self._instructions: dict[int, _Instruction] = {}
        self._known: dict[_Instruction, int] = {}
        self._parameters: list[int] = []
        of_unknown = {v: g for g, members in enumerate(self.groups) for v in members}
        self.group = [of_unknown[v] for v in range(n_unknowns)] + list(range(self.n_groups))
        self._coordinates = [self._new(tuple(int(k == g) for k in range(self.n_groups))) for g in self.group]
        nodes = [Node(self, {r: 1}, {}) for r in self._coordinates]
        self.unknowns, self.homogenising = nodes[:n_unknowns], nodes[n_unknowns:]

    def _new(self, degree: Degree) -> int:
        self.degrees.append(degree)
        return len(self.degrees) - 1

    def constant(self, value: Any) -> Node:
        """A number as a node. Raises TypeError for what is no number."""
        number = complex(value)
        return Node(self, {_ONE: number} if number else {}, {})

    def parameters(self, count: int) -> list[Node]:
        """New inputs of degree 0, whose values each path brings along."""
        registers = [self._new(self.degrees[_ONE]) for _ in range(count)]
        self._parameters += registers
        return [Node(self, {r: 1}, {}) for r in registers]

    def degree(self, node: Node) -> Degree:
        """The multidegree of a node, once homogenised."""
        return self.degrees[node.register()]

    def homogenised(self, node: Node) -> Node:
        """The node with all its terms brought to one degree, as a single register."""
        return Node(self, {node.register(): 1}, {})

    def polynomial(self, polynomial: Polynomial, values: Sequence[Node] | None = None) -> Node:
        """A sparse polynomial at the unknowns (or at other nodes), its monomials shared with those recorded before."""
        values = self.unknowns if values is None else values
        powers: dict[tuple[int, int], Node] = {}
        linear: dict[int, complex] = {}
        for exponents, coefficient in polynomial.terms.items():
            monomial = self.constant(1)
            for k, e in enumerate(exponents):
                if e:
                    if (k, e) not in powers:
                        powers[k, e] = self.homogenised(values[k] ** e)
                    monomial = monomial * powers[k, e]
            _accumulate(linear, [(monomial.register(), complex(coefficient))])
        return Node(self, linear, {})

    def intern(self, linear: dict[int, complex], products: dict[Pair, complex], homogenise: bool = True) -> int:
        """The register of a sum, terms of lower degree multiplied by homogenising coordinates."""
        linear, repeated = dict(linear), []
        for pair, coefficient in products.items():
            if coefficient in (1, 2):
                repeated += [pair] * int(coefficient.real)
            else:
                _accumulate(linear, [(self._store({}, [pair]), coefficient)])
        if homogenise:
            linear, repeated = self._homogenise(linear, repeated)
        return self._store(linear, repeated)

    def _homogenise(self, linear: dict[int, complex], products: list[Pair]) -> tuple[dict[int, complex], list[Pair]]:
        degrees = {self.degrees[r] for r in linear} | {self._pair_degree(p) for p in products}
        if len(degrees) <= 1:
            return linear, products
        top = tuple(map(max, *degrees))
        out: dict[int, complex] = {}
        pairs: list[Pair] = []
        for degree in sorted(degrees):
            here = {r: c for r, c in linear.items() if self.degrees[r] == degree}
            here_pairs = [p for p in products if self._pair_degree(p) == degree]
            if degree == top:
                _accumulate(out, here.items())
                pairs += here_pairs
                continue
            lift = self._lift_register(degree, top)
            if not here_pairs and len(here) == 1:
                register, coefficient = next(iter(here.items()))
                lifted = lift if register == _ONE else self._store({}, [(register, lift)])
                _accumulate(out, [(lifted, coefficient)])
            else:
                pairs.append((self._store(here, here_pairs), lift))
        return out, pairs

    def _pair_degree(self, pair: Pair) -> Degree:
        return tuple(map(int.__add__, self.degrees[pair[0]], self.degrees[pair[1]]))

    def _lift_register(self, degree: Degree, top: Degree) -> int:
        node = self.constant(1)
        for coordinate, low, high in zip(self.homogenising, degree, top, strict=True):
            node = node * coordinate ** (high - low)
        return node.register()

    def _store(self, linear: dict[int, complex], products: Iterable[Pair]) -> int:
        if not products and len(linear) == 1:
            register, coefficient = next(iter(linear.items()))
            if coefficient == 1:
                return register
        instruction = _Instruction(
            tuple(sorted((r, complex(c).real) for r, c in linear.items() if not complex(c).imag)),
            tuple((r, complex(linear[r])) for r in sorted(linear) if complex(linear[r]).imag),
            tuple(sorted((min(p), max(p)) for p in products)),
        )
        if instruction not in self._known:
            degrees = [self.degrees[r] for r in linear] + [self._pair_degree(p) for p in instruction.products]
            register = self._new(tuple(map(max, zip(*degrees, strict=True))) if degrees else self.degrees[_ONE])
            self._known[instruction] = register
            self._instructions[register] = instruction
        return self._known[instruction]

    def _needed(self, outputs: Iterable[int]) -> set[int]:
        """Every register the outputs depend on, inputs included."""
        found: set[int] = set()
        stack = list(outputs)
        while stack:
            register = stack.pop()
            if register not in found:
                found.add(register)
                if register in self._instructions:
                    stack += self._instructions[register].operands()
        return found

    def gradient(self, output: int) -> dict[int, int]:
        """Reverse mode: coordinate register -> register of the output's derivative, where that is not zero."""
        adjoint: dict[int, tuple[dict[int, complex], dict[Pair, complex]]] = {output: ({_ONE: 1}, {})}
        result: dict[int, int] = {}
        coordinates = set(self._coordinates)
        for register in sorted(self._needed([output]), reverse=True):
            if register not in adjoint or not any(adjoint[register]):
                continue
            if register in coordinates:
                result[register] = self.intern(*adjoint[register], homogenise=False)
            if register not in self._instructions:
                continue
            linear, products = adjoint[register]
            scalar = linear[_ONE] if set(linear) == {_ONE} and not products else None
            value = _ONE if scalar is not None else self.intern(linear, products, homogenise=False)
            factor = 1 if scalar is None else scalar
            instruction = self._instructions[register]
            for operand, coefficient in (*instruction.real, *instruction.complex):
                _accumulate(adjoint.setdefault(operand, ({}, {}))[0], [(value, factor * coefficient)])
            for pair in instruction.products:
                for operand, other in (pair, pair[::-1]):
                    into = adjoint.setdefault(operand, ({}, {}))
                    if scalar is not None:
                        _accumulate(into[0], [(other, scalar)])
                    else:
                        _accumulate(into[1], [((min(value, other), max(value, other)), 1)])
        return result

    def tape(self, equations: Sequence[Node]) -> Tape:
        """The equations and their Jacobian by the coordinates, flattened."""
        outputs = [node.register() for node in equations]
        derivatives = [(i, c, r) for i, out in enumerate(outputs) for c, r in sorted(self.gradient(out).items())]
        value_needs = self._needed(outputs)
        jacobian_needs = self._needed([r for _, _, r in derivatives]) - value_needs
        values = sorted(value_needs & self._instructions.keys())
        order = values + sorted(jacobian_needs & self._instructions.keys())
        inputs = [*self._coordinates, *self._parameters, _ONE]
        place = {register: k for k, register in enumerate([*inputs, *order])}
        return _flatten(
            [self._instructions[r] for r in order],
            place,
            outputs=np.array([place[r] for r in outputs], dtype=np.int64),
            jacobian=np.array([(i, place[c], place[r]) for i, c, r in derivatives], dtype=np.int64).reshape(-1, 3),
            group=np.array(self.group, dtype=np.int64),
            n_coordinates=len(self._coordinates),
            n_groups=self.n_groups,
            n_parameters=len(self._parameters),
            n_inputs=len(inputs),
            n_value_instructions=len(values),
        )


def _flatten(instructions: Sequence[_Instruction], place: dict[int, int], **shape: Any) -> Tape:
    counts = [(len(i.real), len(i.complex), len(i.products)) for i in instructions]
    real = [(place[r], c) for i in instructions for r, c in i.real]
    complex_ = [(place[r], c.real, c.imag) for i in instructions for r, c in i.complex]
    products = [(place[a], place[b]) for i in instructions for a, b in i.products]
    return Tape(
        pointers=np.vstack([np.zeros((1, 3), np.int64), np.cumsum(np.array(counts, np.int64).reshape(-1, 3), axis=0)]),
        real_ids=np.array([r for r, _ in real], dtype=np.int64),
        real_coefficients=np.array([c for _, c in real], dtype=np.float64),
        complex_ids=np.array([r for r, *_ in complex_], dtype=np.int64),
        complex_coefficients=np.array([z for _, *z in complex_], dtype=np.float64).reshape(-1, 2),
        product_ids=np.array(products, dtype=np.int64).reshape(-1, 2),
        n_instructions=len(instructions),
        n_registers=shape["n_inputs"] + len(instructions),
        **shape,
    )


def evaluate(tape: Tape, coordinates: np.ndarray, parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The equations and their derivatives, one instruction after the other, for all points at once.

    coordinates: (p, n_coordinates); parameters: (n_parameters,) or (p, n_parameters)
    Returns values (p, m) and Jacobian (p, m, n_coordinates).
    """
    n = tape.n_coordinates
    registers = np.zeros((tape.n_registers, len(coordinates)), dtype=np.complex128)
    registers[:n] = coordinates.T
    registers[n : tape.n_inputs - 1] = np.atleast_2d(parameters).T
    registers[tape.n_inputs - 1] = 1
    _run(tape, registers)
    jacobian = np.zeros((len(coordinates), len(tape.outputs), n), dtype=np.complex128)
    jacobian[:, tape.jacobian[:, 0], tape.jacobian[:, 1]] = registers[tape.jacobian[:, 2]].T
    return registers[tape.outputs].T, jacobian


@njit(cache=True, nogil=True)
def _run(tape: Tape, registers: np.ndarray) -> None:
    """All instructions; registers (n_registers, p), the inputs' filled in."""
    for o in range(tape.n_instructions):
        total = registers[tape.n_inputs + o]
        for k in range(tape.pointers[o, 0], tape.pointers[o + 1, 0]):
            total += tape.real_coefficients[k] * registers[tape.real_ids[k]]
        for k in range(tape.pointers[o, 1], tape.pointers[o + 1, 1]):
            coefficient = complex(tape.complex_coefficients[k, 0], tape.complex_coefficients[k, 1])
            total += coefficient * registers[tape.complex_ids[k]]
        for k in range(tape.pointers[o, 2], tape.pointers[o + 1, 2]):
            total += registers[tape.product_ids[k, 0]] * registers[tape.product_ids[k, 1]]
