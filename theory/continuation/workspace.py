"""What a thread that tracks paths works on: memory, and the state of each lane."""

from typing import Any, NamedTuple

import numpy as np

from theory.continuation.kernels import ALLOCATING, INLINE, WIDTH
from theory.continuation.tape import Tape
from theory.continuation.vectors import LANES, move, peek, put
from theory.jit import njit

STARTING, TRACKING, POLISHING, REPATCHED = 0, 1, 2, 3  # phases of a lane


U, TRIAL_U, STEP, NEWTON, POLE, NEAREST, THIRD = range(7)
FIRST, SECOND, NORM, MOVED, DONE, REJECTED, OUTWARD, GROUPS = range(7, 15)
"""Rows of `state`: u accepted and tried; step size; Newton's quadratic constant; distance of the nearest pole at the
last step and at this one; size of the third Taylor coefficient; both Newton updates, relative; squared norms of the
point and of the update; accepted and rejected steps; |x_0| / |x| where x_0 goes to 0 like a power of u, 1 where it
stands still, else 2. STEP, POLE, NEAREST and THIRD are by log u in logarithmic lanes. From GROUPS on six rows a
group: where the slope of log|x_0| was taken last, |x_0| / |x| there, and the slope; where slope and valuation agreed
last, |x_0| / |x| there, and the valuation."""

PATH, PHASE, POLISHED, LOGARITHMIC = range(4)
"""Rows of `ids`: number of the path (-1: empty lane), phase, cycles spent polishing, 1 where steps are by log u."""

_LINE = 8  # doubles in a line of the processor's cache; memory starts with one, so that no register straddles two


class Workspace(NamedTuple):
    """What one thread needs; the integers are offsets into `memory` (registers come first, at 0)."""

    memory: Any  # an array, or the pair of arrays of high and low parts
    state: np.ndarray  # (15 + 6 groups, LANES)
    ids: np.ndarray  # (4, LANES)
    swaps: np.ndarray
    stride: int  # from one Taylor order of the registers to the next
    matrix: int
    sizes: int
    point: int  # last accepted
    trial: int  # predicted, then corrected
    step: int
    series: int  # Taylor coefficients 0..3 at the last accepted point, by -u or -log u
    base: int  # parameters at u = 0
    slope: int  # parameters at u = 1 minus those at u = 0; or the rates, where the parameters decay
    patch: int
    decays: bool  # parameters are base * exp(-rate u) instead of base + slope * u


@njit(**ALLOCATING)
def allocate(tape: Tape) -> np.ndarray:
    """An array as large as a workspace needs; it needs two for double-double numbers."""
    n = tape.n_coordinates
    memory = np.zeros((4 * tape.n_registers + n * n + 9 * n + 2 * tape.n_parameters) * WIDTH + _LINE)
    return memory[-(memory.ctypes.data // 8) % _LINE :]


@njit(**ALLOCATING)
def make_workspace(tape: Tape, memory: Any, decays: bool) -> Workspace:
    """A workspace in allocated memory, an array or a pair of them; all lanes empty."""
    n = tape.n_coordinates
    stride = tape.n_registers * WIDTH
    vector = n * WIDTH
    matrix = 4 * stride
    sizes = matrix + n * vector
    point = sizes + vector
    base = point + 8 * vector
    for lane in range(LANES):
        put(memory, (tape.n_inputs - 1) * WIDTH + lane, 1.0)
    return Workspace(
        memory=memory,
        state=np.ones((GROUPS + 6 * tape.n_groups, LANES)),
        ids=np.full((4, LANES), -1),
        swaps=np.zeros(3 * n * LANES + 1, np.int64),
        stride=stride,
        matrix=matrix,
        sizes=sizes,
        point=point,
        trial=point + vector,
        step=point + 2 * vector,
        patch=point + 3 * vector,
        series=point + 4 * vector,
        base=base,
        slope=base + tape.n_parameters * WIDTH,
        decays=decays,
    )


@njit(**INLINE)
def renew_patch(work: Workspace, tape: Tape, lane: int) -> None:
    """Scale the largest coordinate of each group of the lane's point to 1 and take the point itself as reference.

    Both are rounded to doubles: Newton's method comes next. Points of length 1 would do as well, but high powers of
    their coordinates, and squares of those, are too small for doubles.
    """
    memory, point, patch = work.memory, work.point + lane, work.patch + lane
    for g in range(tape.n_groups):
        total, largest = 0.0, 0.0
        for i in range(tape.n_coordinates):
            if tape.group[i] == g:
                size = peek(memory, point + i * WIDTH) ** 2 + peek(memory, point + i * WIDTH + LANES) ** 2
                total, largest = total + size, max(largest, size)
        scale = 1.0 / np.sqrt(largest)
        for i in range(tape.n_coordinates):
            if tape.group[i] == g:
                a, b = point + i * WIDTH, patch + i * WIDTH
                re, im = scale * peek(memory, a), scale * peek(memory, a + LANES)
                put(memory, a, re)
                put(memory, a + LANES, im)
                put(memory, b, re * (largest / total))
                put(memory, b + LANES, -im * (largest / total))


@njit(**INLINE)
def fill_lane(
    work: Workspace, tape: Tape, lane: int, start: np.ndarray, first: np.ndarray, last: np.ndarray, path: int
) -> None:
    """Put a path at its start point: start (n,), first and last (parameters,) complex; first: rates if decaying."""
    memory, state = work.memory, work.state
    for i in range(tape.n_coordinates):
        a = work.point + i * WIDTH + lane
        put(memory, a, start[i].real)
        put(memory, a + LANES, start[i].imag)
    renew_patch(work, tape, lane)
    for i in range(tape.n_coordinates):
        a, b = work.point + i * WIDTH + lane, work.trial + i * WIDTH + lane
        move(memory, a, b)
        move(memory, a + LANES, b + LANES)
    for k in range(tape.n_parameters):
        a, b = work.base + k * WIDTH + lane, work.slope + k * WIDTH + lane
        put(memory, a, last[k].real)
        put(memory, a + LANES, last[k].imag)
        rate = complex(first[k].real, first[k].real) if work.decays else first[k] - last[k]
        put(memory, b, rate.real)
        put(memory, b + LANES, rate.imag)
    work.ids[PATH, lane], work.ids[PHASE, lane], work.ids[POLISHED, lane] = path, STARTING, 0
    state[U, lane], state[TRIAL_U, lane], state[STEP, lane], state[NEWTON, lane] = 1.0, 1.0, 0.0, 1.0
    state[DONE, lane], state[REJECTED, lane], state[OUTWARD, lane] = 0.0, 0.0, 1.0
    work.ids[LOGARITHMIC, lane] = 0
    for g in range(tape.n_groups):
        row = GROUPS + 6 * g
        state[row, lane], state[row + 1, lane], state[row + 2, lane] = 0.01, 1e300, 0.0
        state[row + 3, lane], state[row + 4, lane], state[row + 5, lane] = 1.0, 0.0, 1.0
