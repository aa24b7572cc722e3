"""One predictor-corrector step in every lane: Newton's method, Taylor coefficients, Pade prediction.

Every path has its own patch (conj(x_ref) . x = 1 in each group of coordinates), renewed when the point grows: with one
fixed patch slow paths to infinity meet its pole and may come back as false finite ends.
"""

import numpy as np

from theory.continuation.kernels import (
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
from theory.continuation.vectors import LANES, blend, less, like, load, maximum, move, rounded, splat, store
from theory.continuation.workspace import (
    LOGARITHMIC,
    MOVED,
    NEAREST,
    NORM,
    PHASE,
    POLE,
    STEP,
    THIRD,
    TRACKING,
    TRIAL_U,
    Workspace,
)
from theory.jit import njit

_BRANCH = 2.5  # times u: a pole nearer than that is taken for a branch point at u = 0


@njit(**INLINE)
def set_parameters(work: Workspace, tape: Tape) -> None:
    """The parameters at the trial u into the registers."""
    n, memory, u = tape.n_coordinates, work.memory, load(work.state, TRIAL_U * LANES)
    if work.decays:
        for k in range(tape.n_parameters):
            faded = decay(u * rounded(load(memory, work.slope + k * WIDTH)))
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
        re, im = like(memory, -1.0), like(memory, 0.0)
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
    norm, moved = like(memory, 0.0), like(memory, 0.0)
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
    inverse_pole, third = like(memory, 1e-60), like(memory, 0.0)
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
                move(memory, a, b)
                move(memory, a + LANES, b + LANES)
