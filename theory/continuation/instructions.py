"""What a tape is: plain arrays of instructions, which any loop can run.

Every instruction has one form,

    r = sum c_k r_k  (c real)  +  sum z_k r_k  (z complex)  +  sum r_i r_j.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from theory.jit import njit

Pair = tuple[int, int]


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


class Instruction(NamedTuple):
    """One instruction of a recorder, in its own numbers of registers."""

    real: tuple[tuple[int, float], ...]
    complex: tuple[tuple[int, complex], ...]
    products: tuple[Pair, ...]


def flatten(instructions: Sequence[Instruction], place: dict[int, int], **shape: Any) -> Tape:
    """A tape of these instructions; place: each register's number on it; shape: the tape's other fields."""
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
