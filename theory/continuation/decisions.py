"""What a lane does next: how large its step is, whether its path has ended, and how."""

from typing import NamedTuple

import numpy as np

from theory.continuation.kernels import INLINE, WIDTH
from theory.continuation.tape import Tape
from theory.continuation.vectors import LANES, peek
from theory.continuation.workspace import (
    DONE,
    FIRST,
    GROUPS,
    LOGARITHMIC,
    NEAREST,
    NEWTON,
    OUTWARD,
    PATH,
    PHASE,
    POLE,
    POLISHED,
    POLISHING,
    REJECTED,
    SECOND,
    STARTING,
    STEP,
    THIRD,
    TRACKING,
    TRIAL_U,
    U,
    Workspace,
)
from theory.jit import njit

REACHED, AT_INFINITY, STALLED, LOST, BAD_START, UNTRACKED = 0, 1, 2, 3, 4, -1
"""How a path ended: at u = 0; heading to infinity; stopped near u = 0; stopped far from it; no start point; not run."""

STATUS, LAST_U, STEPS, REJECTIONS, ERROR, PIVOTS, VALUATION, HOMOGENISING = range(8)
"""Columns of `info`: status, u, accepted and rejected steps, relative error expected of the end (the last Newton update
times its ratio to the one before, which stays near 1 at singular points), smallest over largest pivot,
valuation of the homogenising coordinate, its size relative to the point."""

_GOES_ON = 1.1  # times what the last reliable valuation lets expect: |x_0| where rounding spoils its derivatives
_JUMPED = 0.5  # times the same: smaller ones are of another path
_POLISH_LIMIT = 4  # cycles of two Newton steps at u = 0


class Settings(NamedTuple):
    """What the tracker goes by. Ten times looser saves 10 to 35 % of the time and is not worth it."""

    predictor_error: float = 3e-3  # allowed relative error of the prediction
    newton_ratio: float = 0.2  # allowed (error of the prediction) * (Newton's quadratic constant)
    accepted_update: float = 1e-4  # second Newton update of an accepted step, relative
    contraction: float = 0.25  # second update over first
    final_update: float = 1e-9  # at u = 0, after polishing
    largest_step: float = 0.2
    growth: float = 4.0  # of the step size, at most
    endgame: float = 1.0  # 1: watch for paths to infinity and stop at singular ends; 0: only track
    branch_u: float = 1e-2  # below this a path that nears a branch point at u = 0 takes steps by log u
    largest_log_step: float = 4.0
    smallest_log_step: float = 0.02
    singular_u: float = 1e-12  # below this a finite path that still nears a branch point has a singular end
    infinity_u: float = 1e-7  # infinity is decided below this only: finite paths of cyclic-7 look infinite until there,
    far_out: float = 1e-5  # and where |x_0| / |x| is below this: solutions up to its inverse look infinite until there;
    stalled_u: float = 1e-9  # or below this, where rounding allows no further step;
    deepest_u: float = 1e-24  # or below this: 1e-3 of valuation 1/8
    smallest_valuation: float = 0.04
    max_steps: float = 2000.0
    smallest_step: float = 1e-12


DEFAULT = Settings()
PRECISE = DEFAULT._replace(final_update=1e-17, singular_u=1e-20, stalled_u=1e-14, deepest_u=1e-30, max_steps=1e4)
"""For double-double numbers, where rounding sets in later."""
CROWDED = PRECISE._replace(accepted_update=1e-8, smallest_log_step=1e-3)
"""For double-double numbers, where paths nearly meet: several times the steps."""


@njit(**INLINE)
def choose_step(state: np.ndarray, ids: np.ndarray, fresh: bool, settings: Settings, lane: int) -> None:
    """The next step size of a lane whose last step was accepted; fresh: there is no last step to learn from."""
    first = state[FIRST, lane]
    if first > 1e-6 or (first > 1e-8 and state[SECOND, lane] < 0.01 * first):  # else the second update is rounding
        state[NEWTON, lane] = max(2 * state[SECOND, lane] / first**2, 0.5 * state[NEWTON, lane])
    pole = min(np.sqrt(state[NEAREST, lane]), 1.0)  # of a path that stands still it would be infinite
    third = np.sqrt(state[THIRD, lane])
    allowed = min(settings.predictor_error, settings.newton_ratio / state[NEWTON, lane])
    if fresh:
        h = min(0.5 * pole, np.sqrt(np.sqrt(allowed * pole / (third + 1e-30))))
    else:
        ratio = np.sqrt(np.sqrt(allowed / (first + 1e-30)))
        if pole < state[POLE, lane]:
            ratio *= pole / state[POLE, lane]
        h = min(ratio * state[STEP, lane], settings.growth * state[STEP, lane], pole)
    largest = settings.largest_step if ids[LOGARITHMIC, lane] == 0 else settings.largest_log_step
    state[STEP, lane], state[POLE, lane] = min(h, largest), pole


@njit(**INLINE)
def heads_to_infinity(work: Workspace, tape: Tape, settings: Settings, lane: int) -> bool:
    """Whether a homogenising coordinate goes to 0 like a positive power of u, and has done so for long enough.

    A large finite solution looks infinite until |x_0| / |x| comes near its limit, however small u is by then. OUTWARD
    keeps where |x_0| / |x| is; 1 if it stands still, 2 if it moves in another way than a power of u.
    Asked of two estimates that must agree: the local valuation u x_0'/x_0, itself settled, and the slope of log|x_0|
    over the last two decades of u. Source: B. Huber, J. Verschelde, Polyhedral end games, Numer. Algorithms 18 (1998).
    """
    n, memory, state, ids, u = tape.n_coordinates, work.memory, work.state, work.ids, work.state[U, lane]
    unit = u if ids[LOGARITHMIC, lane] == 0 else 1.0
    agreed, outward, moves = 1.0, 1.0, False
    for g in range(tape.n_groups):
        size = 0.0
        for i in range(n):
            if tape.group[i] == g:
                a = work.point + i * WIDTH + lane
                size = max(size, peek(memory, a) ** 2 + peek(memory, a + LANES) ** 2)
        i = n - tape.n_groups + g
        a, b = work.point + i * WIDTH + lane, work.series + (n + i) * WIDTH + lane
        z = complex(peek(memory, a), peek(memory, a + LANES))
        w1 = -unit * complex(peek(memory, b), peek(memory, b + LANES)) / z
        b += n * WIDTH
        w2 = 2 * unit * unit * complex(peek(memory, b), peek(memory, b + LANES)) / z
        change = w2 - w1 * w1  # of the valuation, by log u
        if ids[LOGARITHMIC, lane] == 0:
            change += w1
        relative = abs(z) / np.sqrt(size)
        row = GROUPS + 6 * g
        if u < 0.02 * state[row, lane]:
            slope = np.log(state[row + 1, lane] / relative) / np.log(state[row, lane] / u)
            state[row + 2, lane] = slope if abs(slope - w1.real) < 0.1 * abs(w1.real) else 0.0
            state[row, lane], state[row + 1, lane] = u, relative
        slope = state[row + 2, lane]
        agree = abs(w1.real - slope) < 0.1 * slope and abs(change) < 0.1 * w1.real
        if slope > settings.smallest_valuation and agree:
            state[row + 3, lane], state[row + 4, lane], state[row + 5, lane] = u, relative, w1.real
            agreed = min(agreed, relative)
        expected = state[row + 4, lane] * (u / state[row + 3, lane]) ** state[row + 5, lane]
        fits = _JUMPED * expected < relative < _GOES_ON * expected
        if u == state[row + 3, lane] or (u < settings.singular_u and fits):
            outward = min(outward, relative)
        moves |= abs(w1) > settings.smallest_valuation
    state[OUTWARD, lane] = outward if outward < 1.0 or not moves else 2.0
    return agreed < 1.0 and (u < settings.deepest_u or (u < settings.infinity_u and agreed < settings.far_out))


@njit(**INLINE)
def accept(state: np.ndarray, ids: np.ndarray, settings: Settings, lane: int) -> int:
    """State of a lane after an accepted step; its status if the path has ended."""
    if ids[PHASE, lane] == POLISHING:
        ids[POLISHED, lane] += 1
        if state[SECOND, lane] < settings.final_update:
            return REACHED
        return STALLED if ids[POLISHED, lane] >= _POLISH_LIMIT else UNTRACKED
    u = state[TRIAL_U, lane]
    state[U, lane] = u
    state[DONE, lane] += 1
    if u == 0.0:
        ids[PHASE, lane] = POLISHING
        return UNTRACKED
    choose_step(state, ids, ids[PHASE, lane] != TRACKING, settings, lane)
    ids[PHASE, lane] = TRACKING
    deepest = settings.singular_u if state[OUTWARD, lane] == 1.0 else settings.deepest_u
    branches = ids[LOGARITHMIC, lane] == 1 or state[STEP, lane] < 0.9 * u
    if settings.endgame != 0.0 and u < deepest and branches:
        return STALLED
    return UNTRACKED


@njit(**INLINE)
def reject(state: np.ndarray, ids: np.ndarray, settings: Settings, lane: int) -> int:
    """State of a lane after a rejected step; its status if that ends the path."""
    phase = ids[PHASE, lane]
    state[REJECTED, lane] += 1
    if phase == STARTING:
        return BAD_START
    if phase != TRACKING:
        return STALLED if state[U, lane] < 0.05 else LOST
    shrink = np.sqrt(np.sqrt(settings.predictor_error / (state[FIRST, lane] + 1e-30)))
    state[STEP, lane] *= min(0.5, max(0.2, shrink))
    if not state[STEP, lane] > 0.0:
        u, trial = state[U, lane], state[TRIAL_U, lane]
        state[STEP, lane] = 0.1 * (u - trial) if ids[LOGARITHMIC, lane] == 0 else 0.1 * np.log(u / trial)
    return UNTRACKED


@njit(**INLINE)
def plan(state: np.ndarray, ids: np.ndarray, settings: Settings, lane: int) -> int:
    """Where the lane's next trial point lies; the path's status if its steps have become too small or too many."""
    u = state[U, lane]
    if ids[PHASE, lane] == TRACKING:
        logarithmic = ids[LOGARITHMIC, lane] == 1
        step = state[STEP, lane] * u if logarithmic else state[STEP, lane]
        if step < min(settings.smallest_step, settings.smallest_log_step * u):
            return STALLED if u < 0.05 else LOST
        if state[DONE, lane] + state[REJECTED, lane] > settings.max_steps:
            return LOST
        if logarithmic:
            state[TRIAL_U, lane] = u * np.exp(-state[STEP, lane])
            return UNTRACKED
        if state[STEP, lane] >= 0.98 * u:
            state[STEP, lane] = u
        state[TRIAL_U, lane] = u - state[STEP, lane]
    else:
        state[TRIAL_U, lane] = u
    return UNTRACKED


@njit(**INLINE)
def finish(work: Workspace, tape: Tape, lane: int, status: int, ends: np.ndarray, info: np.ndarray) -> None:
    """Write down how a lane's path ended and empty the lane."""
    n, memory, state, path = tape.n_coordinates, work.memory, work.state, work.ids[PATH, lane]
    smallest, largest = 1e300, 0.0
    for i in range(n):  # the diagonal holds inverse pivots
        a = work.matrix + (i * n + i) * WIDTH + lane
        pivot = peek(memory, a) ** 2 + peek(memory, a + LANES) ** 2
        smallest, largest = min(smallest, pivot), max(largest, pivot)
    info[path, STATUS], info[path, LAST_U] = status, state[U, lane]
    info[path, STEPS], info[path, REJECTIONS] = state[DONE, lane], state[REJECTED, lane]
    ratio = min(1.0, state[SECOND, lane] / (state[FIRST, lane] + 1e-300))
    info[path, ERROR], info[path, PIVOTS] = ratio * state[SECOND, lane], np.sqrt(smallest / largest)
    size, homogenising, valuation = 0.0, 1e300, 0.0
    for i in range(n):
        a = work.point + i * WIDTH + lane
        ends[path, i] = complex(peek(memory, a), peek(memory, a + LANES))
        size = max(size, abs(ends[path, i]))
    for g in range(tape.n_groups):
        homogenising = min(homogenising, abs(ends[path, n - tape.n_groups + g]))
        valuation = max(valuation, state[GROUPS + 6 * g + 2, lane])
    info[path, VALUATION], info[path, HOMOGENISING] = valuation, homogenising / size
    work.ids[PATH, lane], work.ids[PHASE, lane] = -1, STARTING
