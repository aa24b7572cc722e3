"""Straight-line tapes: a system of polynomials as a list of instructions that any loop can run.

A `Recorder` hands out nodes for the unknowns and the parameters. Nodes support + - * ** with each other and with
numbers, so any forward pass written for numbers records itself, network or sparse polynomial alike. What is recorded
is homogenised on the way by following degrees, differentiated in reverse mode, and flattened into a `Tape` of plain
arrays. Equal instructions are stored once.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from theory.continuation.instructions import Instruction, Pair, Tape, evaluate, flatten
from theory.continuation.nodes import ONE, Node, accumulate, add
from theory.polynomials import Polynomial

__all__ = ["Node", "Recorder", "Tape", "evaluate"]

Degree = tuple[int, ...]


class Recorder:
    """Records instructions in unknowns (in groups, each with its own homogenising coordinate) and parameters.

    n_unknowns: number of affine unknowns; groups: a partition of their indices, one group by default
    unknowns, homogenising: the nodes of the coordinates
    """

    def __init__(self, n_unknowns: int, groups: Sequence[Sequence[int]] | None = None) -> None:
        self.groups = [list(g) for g in groups] if groups is not None else [list(range(n_unknowns))]
        self.n_groups = len(self.groups)
        self.degrees: list[Degree] = [(0,) * self.n_groups]
        self._instructions: dict[int, Instruction] = {}
        self._known: dict[Instruction, int] = {}
        self._products: dict[Pair, int] = {}
        self._operands: dict[int, list[int]] = {}
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
        return Node(self, {ONE: number} if number else {}, {})

    def parameters(self, count: int) -> list[Node]:
        """New inputs of degree 0, whose values each path brings along."""
        registers = [self._new(self.degrees[ONE]) for _ in range(count)]
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
        powers: dict[Pair, int] = {}
        linear: dict[int, complex] = {}
        for exponents, coefficient in polynomial.terms.items():
            add(linear, self._monomial(exponents, values, powers), complex(coefficient))
        return Node(self, linear, {})

    def weighted(self, exponents: Iterable[Sequence[int]], weights: Sequence[Node]) -> Node:
        """The sum of weights, which are parameters, times monomials of the unknowns."""
        powers: dict[Pair, int] = {}
        linear: dict[int, complex] = {}
        products: dict[Pair, complex] = {}
        for weight, exponent in zip(weights, exponents, strict=True):
            a, b = weight.register(), self._monomial(exponent, self.unknowns, powers)
            if b == ONE:
                add(linear, a, 1)
            else:
                add(products, (a, b) if a <= b else (b, a), 1)
        return Node(self, linear, products)

    def _monomial(self, exponents: Sequence[int], values: Sequence[Node], powers: dict[Pair, int]) -> int:
        """The register of a product of powers, those known so far in `powers`."""
        register = ONE
        for k, e in enumerate(exponents):
            if e:
                if (k, e) not in powers:
                    powers[k, e] = (values[k] ** e).register()
                register = powers[k, e] if register == ONE else self._product(register, powers[k, e])
        return register

    def _product(self, a: int, b: int) -> int:
        """The register of a product."""
        pair = (a, b) if a <= b else (b, a)
        if pair not in self._products:
            self._products[pair] = self._store({}, [pair])
        return self._products[pair]

    def intern(self, linear: dict[int, complex], products: dict[Pair, complex], homogenise: bool = True) -> int:
        """The register of a sum, terms of lower degree multiplied by homogenising coordinates."""
        if len(products) == 1 and not linear:
            ((pair, coefficient),) = products.items()
            if coefficient == 1:
                return self._product(*pair)
        linear, repeated = dict(linear), []
        for pair, coefficient in products.items():
            if coefficient in (1, 2):
                repeated += [pair] * int(coefficient.real)
            else:
                add(linear, self._product(*pair), coefficient)
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
                accumulate(out, here.items())
                pairs += here_pairs
                continue
            lift = self._lift_register(degree, top)
            if not here_pairs and len(here) == 1:
                register, coefficient = next(iter(here.items()))
                lifted = lift if register == ONE else self._product(register, lift)
                add(out, lifted, coefficient)
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
        real, complex_ = [], []
        for r in sorted(linear):
            value = complex(linear[r])
            if value.imag:
                complex_.append((r, value))
            else:
                real.append((r, value.real))
        pairs = sorted((a, b) if a <= b else (b, a) for a, b in products)
        instruction = Instruction(tuple(real), tuple(complex_), tuple(pairs))
        if instruction not in self._known:
            degrees = {self.degrees[r] for r in linear} | {self._pair_degree(p) for p in pairs}
            register = self._new(
                tuple(map(max, *degrees)) if len(degrees) > 1 else next(iter(degrees), self.degrees[0])
            )
            self._known[instruction] = register
            self._instructions[register] = instruction
            self._operands[register] = [*linear, *(r for pair in pairs for r in pair)]
        return self._known[instruction]

    def _needed(self, outputs: Iterable[int]) -> set[int]:
        """Every register the outputs depend on, inputs included."""
        found: set[int] = set()
        stack = list(outputs)
        while stack:
            register = stack.pop()
            if register not in found:
                found.add(register)
                stack += self._operands.get(register, ())
        return found

    def gradient(self, output: int) -> dict[int, int]:
        """Reverse mode: coordinate register -> register of the output's derivative, where that is not zero."""
        adjoint: dict[int, tuple[dict[int, complex], dict[Pair, complex]]] = {output: ({ONE: 1}, {})}
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
            scalar = linear[ONE] if set(linear) == {ONE} and not products else None
            value = ONE if scalar is not None else self.intern(linear, products, homogenise=False)
            factor = 1 if scalar is None else scalar
            instruction = self._instructions[register]
            for operand, coefficient in (*instruction.real, *instruction.complex):
                add(adjoint.setdefault(operand, ({}, {}))[0], value, factor * coefficient)
            for pair in instruction.products:
                for operand, other in (pair, pair[::-1]):
                    into = adjoint.setdefault(operand, ({}, {}))
                    if scalar is not None:
                        add(into[0], other, scalar)
                    else:
                        add(into[1], (value, other) if value <= other else (other, value), 1)
        return result

    def tape(self, equations: Sequence[Node]) -> Tape:
        """The equations and their Jacobian by the coordinates, flattened."""
        outputs = [node.register() for node in equations]
        derivatives = [(i, c, r) for i, out in enumerate(outputs) for c, r in sorted(self.gradient(out).items())]
        value_needs = self._needed(outputs)
        jacobian_needs = self._needed([r for _, _, r in derivatives]) - value_needs
        values = sorted(value_needs & self._instructions.keys())
        order = values + sorted(jacobian_needs & self._instructions.keys())
        inputs = [*self._coordinates, *self._parameters, ONE]
        place = {register: k for k, register in enumerate([*inputs, *order])}
        return flatten(
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
