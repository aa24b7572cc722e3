"""One predictor-corrector step in every lane: Newton's method, Taylor coefficients, Pade prediction.

Every path has its own patch (conj(x_ref) . x = 1 in each group of coordinates), renewed when the point grows: with one
fixed patch slow paths to infinity meet its pole and may come back as false finite ends.
"""

from typing import NamedTuple

import numpy as np

from theory.continuation.kernels import (
    ALLOCATING,
    INLINE,
    WIDTH,
    decay,
    evaluate,
    evaluate_first_order,
    evaluate_two_orders,
    factor,
    load_jacobian,
    substitute,
)
from theory.continuation.tape import Tape
from theory.continuation.vectors import LANES, blend, less, load, maximum, splat, store
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
_BRANCH = 2.5  # times u: a pole nearer than that is taken for a branch point at u = 0


class Workspace(NamedTuple):
    """What one thread needs; the integers are offsets into `memory` (registers come first, at 0)."""

    memory: np.ndarray
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
def make_workspace(tape: Tape, decays: bool) -> Workspace:
    """Memory for one thread, all lanes empty."""
    n, m = tape.n_coordinates, tape.n_parameters
    stride = tape.n_registers * WIDTH
    vector = n * WIDTH
    matrix = 4 * stride
    sizes = matrix + n * vector
    point = sizes + vector
    base = point + 8 * vector
    memory = np.zeros(base + 2 * m * WIDTH + _LINE)
    memory = memory[-(memory.ctypes.data // 8) % _LINE :]
    for lane in range(LANES):
        memory[(tape.n_inputs - 1) * WIDTH + lane] = 1.0
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
        slope=base + m * WIDTH,
        decays=decays,
    )


@njit(**INLINE)
def renew_patch(work: Workspace, tape: Tape, lane: int) -> None:
    """Scale each group of the lane's point to length 1 and take the point itself as reference."""
    memory, point, patch = work.memory, work.point + lane, work.patch + lane
    for g in range(tape.n_groups):
        total = 0.0
        for i in range(tape.n_coordinates):
            if tape.group[i] == g:
                total += memory[point + i * WIDTH] ** 2 + memory[point + i * WIDTH + LANES] ** 2
        scale = 1.0 / np.sqrt(total)
        for i in range(tape.n_coordinates):
            if tape.group[i] == g:
                a, b = point + i * WIDTH, patch + i * WIDTH
                memory[a] *= scale
                memory[a + LANES] *= scale
                memory[b], memory[b + LANES] = memory[a], -memory[a + LANES]


@njit(**INLINE)
def fill_lane(
    work: Workspace, tape: Tape, lane: int, start: np.ndarray, first: np.ndarray, last: np.ndarray, path: int
) -> None:
    """Put a path at its start point: start (n,), first and last (parameters,) complex; first: rates if decaying."""
    memory, state = work.memory, work.state
    for i in range(tape.n_coordinates):
        a = work.point + i * WIDTH + lane
        memory[a], memory[a + LANES] = start[i].real, start[i].imag
    renew_patch(work, tape, lane)
    for i in range(tape.n_coordinates):
        a, b = work.point + i * WIDTH + lane, work.trial + i * WIDTH + lane
        memory[b], memory[b + LANES] = memory[a], memory[a + LANES]
    for k in range(tape.n_parameters):
        a, b = work.base + k * WIDTH + lane, work.slope + k * WIDTH + lane
        memory[a], memory[a + LANES] = last[k].real, last[k].imag
        if work.decays:
            memory[b], memory[b + LANES] = first[k].real, first[k].real
        else:
            memory[b], memory[b + LANES] = first[k].real - last[k].real, first[k].imag - last[k].imag
    work.ids[PATH, lane], work.ids[PHASE, lane], work.ids[POLISHED, lane] = path, STARTING, 0
    state[U, lane], state[TRIAL_U, lane], state[STEP, lane], state[NEWTON, lane] = 1.0, 1.0, 0.0, 1.0
    state[DONE, lane], state[REJECTED, lane], state[OUTWARD, lane] = 0.0, 0.0, 1.0
    work.ids[LOGARITHMIC, lane] = 0
    for g in range(tape.n_groups):
        row = GROUPS + 6 * g
        state[row, lane], state[row + 1, lane], state[row + 2, lane] = 0.01, 1e300, 0.0
        state[row + 3, lane], state[row + 4, lane], state[row + 5, lane] = 1.0, 0.0, 1.0


@njit(**INLINE)
def set_parameters(work: Workspace, tape: Tape) -> None:
    """The parameters at the trial u into the registers."""
    n, memory, u = tape.n_coordinates, work.memory, load(work.state, TRIAL_U * LANES)
    if work.decays:
        for k in range(tape.n_parameters):
            faded = decay(u * load(memory, work.slope + k * WIDTH))
            for a in (k * WIDTH, k * WIDTH + LANES):
                store(memory, n * WIDTH + a, load(memory, work.base + a) * faded)
    else:
        for k in range(2 * tape.n_parameters):
            value = load(memory, work.base + k * LANES) + u * load(memory, work.slope + k * LANES)
            store(memory, (2 * n + k) * LANES, value)


@njit(**INLINE)
def expand_parameters(work: Workspace, tape: Tape) -> None:
    """Taylor coefficients of the parameters by -u: one where they run straight, three where they decay."""
    n, memory, zero = tape.n_coordinates, work.memory, splat(0.0)
    if work.decays:
        for order in range(1, 4):
            share = splat(1.0 / order)
            for k in range(2 * tape.n_parameters):
                a = order * work.stride + (2 * n + k) * LANES
                store(memory, a, load(memory, a - work.stride) * load(memory, work.slope + k * LANES) * share)
    else:
        for k in range(2 * tape.n_parameters):
            store(memory, work.stride + (2 * n + k) * LANES, zero - load(memory, work.slope + k * LANES))


@njit(**INLINE)
def newton_step(work: Workspace, tape: Tape) -> None:
    """One Newton step at the trial points of all lanes; rows NORM and MOVED tell its size."""
    n, rows, memory = tape.n_coordinates, tape.n_coordinates - tape.n_groups, work.memory
    for i in range(2 * n):
        store(memory, i * LANES, load(memory, work.trial + i * LANES))
    evaluate(memory, tape, 0, tape.n_instructions)
    load_jacobian(memory, tape, work.matrix)
    for i in range(rows):
        a, b = tape.outputs[i] * WIDTH, work.step + i * WIDTH
        store(memory, b, load(memory, a))
        store(memory, b + LANES, load(memory, a + LANES))
    for g in range(tape.n_groups):
        re, im = splat(-1.0), splat(0.0)
        for i in range(n):
            if tape.group[i] == g:
                a, b = i * WIDTH, work.matrix + ((rows + g) * n + i) * WIDTH
                c, d = load(memory, work.patch + a), load(memory, work.patch + a + LANES)
                x, y = load(memory, work.trial + a), load(memory, work.trial + a + LANES)
                store(memory, b, c)
                store(memory, b + LANES, d)
                re, im = re + c * x, im + c * y
                re, im = re - d * y, im + d * x
        store(memory, work.step + (rows + g) * WIDTH, re)
        store(memory, work.step + (rows + g) * WIDTH + LANES, im)
    factor(memory, work.matrix, n, work.swaps, work.sizes)
    substitute(memory, work.matrix, n, work.swaps, work.step)
    norm, moved = splat(0.0), splat(0.0)
    for i in range(n):
        a, b = work.trial + i * WIDTH, work.step + i * WIDTH
        s, t = load(memory, b), load(memory, b + LANES)
        x, y = load(memory, a) - s, load(memory, a + LANES) - t
        store(memory, a, x)
        store(memory, a + LANES, y)
        norm, moved = maximum(x * x + y * y, norm), maximum(s * s + t * t, moved)
    store(work.state, NORM * LANES, norm)
    store(work.state, MOVED * LANES, moved)


@njit(**INLINE)
def expand(work: Workspace, tape: Tape, accepted: int) -> None:
    """Taylor coefficients 1 to 3 of the path at the corrected point, by -u; kept in the accepted lanes."""
    n, rows, memory = tape.n_coordinates, tape.n_coordinates - tape.n_groups, work.memory
    zero = splat(0.0)
    expand_parameters(work, tape)
    for order in range(1, 4):
        top = order * work.stride
        for i in range(2 * n):
            store(memory, top + i * LANES, zero)
        if order == 1:
            evaluate_first_order(memory, work.stride, tape)
        else:
            evaluate_two_orders(memory, work.stride, tape, order)
        for i in range(2 * tape.n_groups):
            store(memory, work.step + (2 * rows + i) * LANES, zero)
        for i in range(rows):
            a, b = top + tape.outputs[i] * WIDTH, work.step + i * WIDTH
            store(memory, b, zero - load(memory, a))
            store(memory, b + LANES, zero - load(memory, a + LANES))
        substitute(memory, work.matrix, n, work.swaps, work.step)
        for i in range(2 * n):
            a = work.series + order * n * WIDTH + i * LANES
            value = load(memory, work.step + i * LANES)
            store(memory, top + i * LANES, value)
            store(memory, a, blend(accepted, value, load(memory, a)))
    for i in range(2 * n):
        a = work.point + i * LANES
        store(memory, a, blend(accepted, load(memory, work.trial + i * LANES), load(memory, a)))


@njit(**INLINE)
def measure_series(work: Workspace, tape: Tape) -> None:
    """Rows NEAREST and THIRD: ratios of Taylor coefficients estimate the nearest pole (Fabry), the third the error."""
    n, memory = tape.n_coordinates, work.memory
    norm = load(work.state, NORM * LANES)
    inverse_pole, third = splat(1e-60), splat(0.0)
    for i in range(n):
        a, b = work.series + (2 * n + i) * WIDTH, work.series + (3 * n + i) * WIDTH
        x, y, s, t = load(memory, a), load(memory, a + LANES), load(memory, b), load(memory, b + LANES)
        second, size = x * x + y * y, s * s + t * t
        third = maximum(size, third)
        relevant = less(splat(1e-26) * norm, second) & less(splat(1e-30) * norm, size)
        inverse_pole = blend(relevant, maximum(size / second, inverse_pole), inverse_pole)
    store(work.state, NEAREST * LANES, splat(1.0) / inverse_pole)
    store(work.state, THIRD * LANES, third / norm)


@njit(**INLINE)
def turn_logarithmic(work: Workspace, tape: Tape, accepted: int, latest: float) -> None:
    """Series by -log u instead of -u in the lanes that near a branch point at u = 0: there a path is a series in
    u^(1/w), entire in log u, and steps are not bound by u. Asked anew of each accepted lane whose u is below `latest`.
    """
    n, memory, state, ids, turned = tape.n_coordinates, work.memory, work.state, work.ids, 0
    for lane in range(LANES):
        u = state[TRIAL_U, lane]
        if (accepted >> lane) & 1 and u < latest:
            now = 1 if u > 0.0 and state[NEAREST, lane] < (_BRANCH * u) ** 2 else 0
            if now != ids[LOGARITHMIC, lane]:  # the last step in the new measure
                h = state[STEP, lane]
                state[STEP, lane], state[POLE, lane] = np.log1p(h / u) if now == 1 else u * np.expm1(h), 0.0
            ids[LOGARITHMIC, lane] = now
            turned |= now << lane
    if turned == 0:
        return
    u, half, sixth = load(state, TRIAL_U * LANES), splat(0.5), splat(1.0 / 6.0)
    for i in range(2 * n):
        a, b = work.series + i * LANES, 2 * n * LANES
        c1, c2, c3 = u * load(memory, a + b), u * u * load(memory, a + 2 * b), u * u * u * load(memory, a + 3 * b)
        store(memory, a + b, blend(turned, c1, load(memory, a + b)))
        store(memory, a + 2 * b, blend(turned, c2 - half * c1, load(memory, a + 2 * b)))
        store(memory, a + 3 * b, blend(turned, c3 - c2 + sixth * c1, load(memory, a + 3 * b)))
    measure_series(work, tape)


@njit(**INLINE)
def predict(work: Workspace, tape: Tape) -> None:
    """The Pade [2/1] approximant at u - h, coordinate by coordinate; Taylor where h is beyond its pole.

    Lanes that are not between two points of a path stay where they are.
    """
    n, memory = tape.n_coordinates, work.memory
    h, tiny, one = load(work.state, STEP * LANES), splat(1e-60), splat(1.0)
    for i in range(n):
        a, b = work.series + i * WIDTH, n * WIDTH
        x1, y1 = load(memory, a + b), load(memory, a + b + LANES)
        x2, y2 = load(memory, a + 2 * b), load(memory, a + 2 * b + LANES)
        x3, y3 = load(memory, a + 3 * b), load(memory, a + 3 * b + LANES)
        inverse = h / maximum(x2 * x2 + y2 * y2, tiny)
        qx, qy = (x3 * x2 + y3 * y2) * inverse, (y3 * x2 - x3 * y2) * inverse  # h x_3 / x_2
        beyond = less(splat(0.9), qx * qx + qy * qy)
        dx, dy = one - qx, splat(0.0) - qy
        inverse = one / maximum(dx * dx + dy * dy, tiny)
        rx, ry = (x2 * dx + y2 * dy) * inverse, (y2 * dx - x2 * dy) * inverse
        rx, ry = blend(beyond, x2 + h * x3, rx), blend(beyond, y2 + h * y3, ry)
        a, b = work.point + i * WIDTH, work.trial + i * WIDTH
        store(memory, b, load(memory, a) + h * (x1 + h * rx))
        store(memory, b + LANES, load(memory, a + LANES) + h * (y1 + h * ry))
    for lane in range(LANES):
        if work.ids[PHASE, lane] != TRACKING:
            for i in range(n):
                a, b = work.point + i * WIDTH + lane, work.trial + i * WIDTH + lane
                memory[b], memory[b + LANES] = memory[a], memory[a + LANES]
