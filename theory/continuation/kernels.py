"""The tape's interpreter and the linear algebra, in lanes: compiled once, for every system.

Everything a thread works on lies in one block of memory and is named by offsets: an array handed to a compiled function
is seven numbers, an offset is one. A register is 2 LANES doubles, real parts then imaginary parts; register r of Taylor
order k starts at k * stride + 2 * LANES * r. Matrices and vectors are such registers, row by row, from the offset that
names them.
"""

from typing import Any

import numpy as np

from theory.continuation.tape import Tape
from theory.continuation.vectors import LANES, at, less, like, load, maximum, peek, splat, store, swap
from theory.jit import njit

ALLOCATING: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
JIT: dict[str, Any] = {**ALLOCATING, "_nrt": False}
INLINE: dict[str, Any] = {**JIT, "forceinline": True}
"""How functions are compiled: those that make arrays; the others; of these, those inlined wherever they are called.

_nrt=False leaves out numba's counting of references, two atomic operations for every array a function is handed, and
threads wait for each other at the shared ones. It is an internal option; without it the results are the same.
Inlined is what takes a Tape, a Workspace or Settings: a call would hand over their fields, up to a hundred, one by one.
Inlining may change which of two products is fused with their sum, so the last bit, and nothing else.
"""
WIDTH = 2 * LANES  # doubles in a complex register
_PIVOT_THRESHOLD = 0.04  # keep the diagonal pivot down to a fifth of the largest entry: lanes rarely swap rows


@njit(**INLINE)
def evaluate(memory: np.ndarray, tape: Tape, first: int, last: int) -> None:
    """Instructions first..last-1 at the inputs already in their memory."""
    for o in range(first, last):
        re, im = like(memory, 0.0), like(memory, 0.0)
        for q in range(at(tape.pointers, 3 * o), at(tape.pointers, 3 * o + 3)):
            c, a = splat(at(tape.real_coefficients, q)), at(tape.real_ids, q) * WIDTH
            re, im = re + c * load(memory, a), im + c * load(memory, a + LANES)
        for q in range(at(tape.pointers, 3 * o + 1), at(tape.pointers, 3 * o + 4)):
            c, d = splat(at(tape.complex_coefficients, 2 * q)), splat(at(tape.complex_coefficients, 2 * q + 1))
            a = at(tape.complex_ids, q) * WIDTH
            x, y = load(memory, a), load(memory, a + LANES)
            re, im = re + c * x, im + c * y
            re, im = re - d * y, im + d * x
        for q in range(at(tape.pointers, 3 * o + 2), at(tape.pointers, 3 * o + 5)):
            a, b = at(tape.product_ids, 2 * q) * WIDTH, at(tape.product_ids, 2 * q + 1) * WIDTH
            x, y, u, v = load(memory, a), load(memory, a + LANES), load(memory, b), load(memory, b + LANES)
            re, im = re + x * u, im + x * v
            re, im = re - y * v, im + y * u
        store(memory, (tape.n_inputs + o) * WIDTH, re)
        store(memory, (tape.n_inputs + o) * WIDTH + LANES, im)


@njit(**INLINE)
def evaluate_first_order(memory: np.ndarray, stride: int, tape: Tape) -> None:
    """First Taylor coefficients of the equations' instructions, from those of the inputs."""
    for o in range(tape.n_value_instructions):
        re, im = like(memory, 0.0), like(memory, 0.0)
        for q in range(at(tape.pointers, 3 * o), at(tape.pointers, 3 * o + 3)):
            c, a = splat(at(tape.real_coefficients, q)), stride + at(tape.real_ids, q) * WIDTH
            re, im = re + c * load(memory, a), im + c * load(memory, a + LANES)
        for q in range(at(tape.pointers, 3 * o + 1), at(tape.pointers, 3 * o + 4)):
            c, d = splat(at(tape.complex_coefficients, 2 * q)), splat(at(tape.complex_coefficients, 2 * q + 1))
            a = stride + at(tape.complex_ids, q) * WIDTH
            x, y = load(memory, a), load(memory, a + LANES)
            re, im = re + c * x, im + c * y
            re, im = re - d * y, im + d * x
        for q in range(at(tape.pointers, 3 * o + 2), at(tape.pointers, 3 * o + 5)):
            a, b = at(tape.product_ids, 2 * q) * WIDTH, stride + at(tape.product_ids, 2 * q + 1) * WIDTH
            for _ in range(2):
                x, y = load(memory, a), load(memory, a + LANES)
                u, v = load(memory, b), load(memory, b + LANES)
                re, im = re + x * u, im + x * v
                re, im = re - y * v, im + y * u
                a, b = a + stride, b - stride
        store(memory, stride + (tape.n_inputs + o) * WIDTH, re)
        store(memory, stride + (tape.n_inputs + o) * WIDTH + LANES, im)


@njit(**INLINE)
def evaluate_two_orders(memory: np.ndarray, stride: int, tape: Tape, order: int) -> None:
    """Taylor coefficients order-1 and order (>= 2) of the equations' instructions in one pass.

    Order-1 is final, since the unknowns' coefficient of that order is known; in the highest order the unknowns' is
    still 0. Two orders in one pass read the operands once: a quarter less time than one after the other.
    """
    top = order * stride
    for o in range(tape.n_value_instructions):
        re, im = like(memory, 0.0), like(memory, 0.0)
        re1, im1 = re, im
        for q in range(at(tape.pointers, 3 * o), at(tape.pointers, 3 * o + 3)):
            c, a = splat(at(tape.real_coefficients, q)), top + at(tape.real_ids, q) * WIDTH
            re, im = re + c * load(memory, a), im + c * load(memory, a + LANES)
            re1, im1 = re1 + c * load(memory, a - stride), im1 + c * load(memory, a - stride + LANES)
        for q in range(at(tape.pointers, 3 * o + 1), at(tape.pointers, 3 * o + 4)):
            c, d = splat(at(tape.complex_coefficients, 2 * q)), splat(at(tape.complex_coefficients, 2 * q + 1))
            a = top + at(tape.complex_ids, q) * WIDTH
            x, y = load(memory, a), load(memory, a + LANES)
            re, im = re + c * x, im + c * y
            re, im = re - d * y, im + d * x
            x, y = load(memory, a - stride), load(memory, a - stride + LANES)
            re1, im1 = re1 + c * x, im1 + c * y
            re1, im1 = re1 - d * y, im1 + d * x
        for q in range(at(tape.pointers, 3 * o + 2), at(tape.pointers, 3 * o + 5)):
            a, b = at(tape.product_ids, 2 * q) * WIDTH, top + at(tape.product_ids, 2 * q + 1) * WIDTH
            x, y, u, v = load(memory, a), load(memory, a + LANES), load(memory, b), load(memory, b + LANES)
            re, im = re + x * u, im + x * v
            re, im = re - y * v, im + y * u
            for _ in range(order):
                a, b = a + stride, b - stride
                u, v = load(memory, b), load(memory, b + LANES)
                re1, im1 = re1 + x * u, im1 + x * v
                re1, im1 = re1 - y * v, im1 + y * u
                x, y = load(memory, a), load(memory, a + LANES)
                re, im = re + x * u, im + x * v
                re, im = re - y * v, im + y * u
        d0 = top + (tape.n_inputs + o) * WIDTH
        store(memory, d0, re)
        store(memory, d0 + LANES, im)
        store(memory, d0 - stride, re1)
        store(memory, d0 - stride + LANES, im1)


@njit(**JIT)
def decay(exponent: Any) -> Any:
    """exp(-exponent) in every lane, for exponents >= 0; beyond 600 it stays at exp(-600).

    (Taylor polynomial of exp(-exponent / 1024))^1024: relative error 1e-13 up to 50, more where the value is tiny.
    """
    zero, one = splat(0.0), splat(1.0)
    x = maximum(zero - exponent, splat(-600.0)) * splat(2.0**-10)
    result = one
    for k in range(8, 0, -1):
        result = one + x * result * splat(1.0 / k)
    for _ in range(10):
        result = result * result
    return result


@njit(**INLINE)
def load_jacobian(memory: np.ndarray, tape: Tape, matrix: int) -> None:
    """Copy the derivatives from their registers into the first rows of the matrix, zeros elsewhere."""
    n = tape.n_coordinates
    zero = splat(0.0)
    for i in range(2 * n * n):
        store(memory, matrix + i * LANES, zero)
    for q in range(tape.jacobian.shape[0]):
        a = at(tape.jacobian, 3 * q + 2) * WIDTH
        b = matrix + (at(tape.jacobian, 3 * q) * n + at(tape.jacobian, 3 * q + 1)) * WIDTH
        store(memory, b, load(memory, a))
        store(memory, b + LANES, load(memory, a + LANES))


@njit(**JIT)
def swap_rows(memory: np.ndarray, matrix: int, n: int, lane: int, i: int, j: int) -> None:
    """Exchange rows i and j of one lane's matrix."""
    for k in range(n):
        a, b = matrix + (i * n + k) * WIDTH + lane, matrix + (j * n + k) * WIDTH + lane
        swap(memory, a, b)
        swap(memory, a + LANES, b + LANES)


@njit(**JIT)
def choose_pivots(memory: np.ndarray, matrix: int, n: int, k: int, swaps: np.ndarray, sizes: int) -> None:
    """Swap a larger entry of column k to the diagonal in the lanes whose diagonal entry is small."""
    d = matrix + (k * n + k) * WIDTH
    x, y = load(memory, d), load(memory, d + LANES)
    here = x * x + y * y
    largest = like(memory, 0.0)
    for i in range(k + 1, n):
        a = matrix + (i * n + k) * WIDTH
        x, y = load(memory, a), load(memory, a + LANES)
        size = x * x + y * y
        store(memory, sizes + i * LANES, size)
        largest = maximum(largest, size)
    mask = less(here, largest * splat(_PIVOT_THRESHOLD))
    if mask != 0:
        for lane in range(LANES):
            if (mask >> lane) & 1:
                best, row = -1.0, k
                for i in range(k + 1, n):
                    if peek(memory, sizes + i * LANES + lane) > best:
                        best, row = peek(memory, sizes + i * LANES + lane), i
                q = swaps[0]
                swaps[1 + 3 * q], swaps[2 + 3 * q], swaps[3 + 3 * q] = lane, k, row
                swaps[0] = q + 1
                swap_rows(memory, matrix, n, lane, k, row)


@njit(**JIT)
def factor(memory: np.ndarray, matrix: int, n: int, swaps: np.ndarray, sizes: int) -> None:
    """LU in place with threshold pivoting per lane; inverse pivots on the diagonal, row swaps listed in `swaps`."""
    swaps[0] = 0
    for k in range(n):
        choose_pivots(memory, matrix, n, k, swaps, sizes)
        d = matrix + (k * n + k) * WIDTH
        x, y = load(memory, d), load(memory, d + LANES)
        s = splat(1.0) / (x * x + y * y)
        px, py = x * s, splat(0.0) - y * s
        store(memory, d, px)
        store(memory, d + LANES, py)
        for i in range(k + 1, n):
            a = matrix + (i * n + k) * WIDTH
            x, y = load(memory, a), load(memory, a + LANES)
            lx, ly = x * px - y * py, x * py + y * px
            store(memory, a, lx)
            store(memory, a + LANES, ly)
            for j in range(k + 1, n):
                a, b = matrix + (i * n + j) * WIDTH, matrix + (k * n + j) * WIDTH
                u, v = load(memory, b), load(memory, b + LANES)
                x, y = load(memory, a) - lx * u, load(memory, a + LANES) - lx * v
                store(memory, a, x + ly * v)
                store(memory, a + LANES, y - ly * u)


@njit(**JIT)
def substitute(memory: np.ndarray, matrix: int, n: int, swaps: np.ndarray, vector: int) -> None:
    """Solve with the factors of `factor`, in place of the right-hand side."""
    for q in range(swaps[0]):
        a = vector + swaps[2 + 3 * q] * WIDTH + swaps[1 + 3 * q]
        b = vector + swaps[3 + 3 * q] * WIDTH + swaps[1 + 3 * q]
        swap(memory, a, b)
        swap(memory, a + LANES, b + LANES)
    for i in range(1, n):
        subtract_row(memory, matrix + i * n * WIDTH, vector, i, 0, i)
    for i in range(n - 1, -1, -1):
        subtract_row(memory, matrix + i * n * WIDTH, vector, i, i + 1, n)
        a, b = matrix + (i * n + i) * WIDTH, vector + i * WIDTH
        c, d = load(memory, a), load(memory, a + LANES)
        x, y = load(memory, b), load(memory, b + LANES)
        store(memory, b, x * c - y * d)
        store(memory, b + LANES, x * d + y * c)


@njit(**JIT)
def subtract_row(memory: np.ndarray, row: int, vector: int, i: int, first: int, last: int) -> None:
    """vector[i] -= row[first:last] @ vector[first:last]"""
    target = vector + i * WIDTH
    x, y = load(memory, target), load(memory, target + LANES)
    for j in range(first, last):
        a, b = row + j * WIDTH, vector + j * WIDTH
        c, d = load(memory, a), load(memory, a + LANES)
        u, v = load(memory, b), load(memory, b + LANES)
        x, y = x - c * u, y - c * v
        x, y = x + d * v, y - d * u
    store(memory, target, x)
    store(memory, target + LANES, y)
