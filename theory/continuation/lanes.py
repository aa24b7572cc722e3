"""What one thread does: it carries paths in lanes, one each, and refills a lane where a path has ended.

The same loop runs in doubles and, where its memory is a pair of arrays, in double-double numbers.
"""

import numpy as np

from theory.continuation.decisions import (
    AT_INFINITY,
    REACHED,
    STALLED,
    STATUS,
    UNTRACKED,
    Settings,
    accept,
    finish,
    heads_to_infinity,
    plan,
    reject,
)
from theory.continuation.kernels import ALLOCATING, INLINE
from theory.continuation.steps import expand, measure_series, newton_step, predict, set_parameters, turn_logarithmic
from theory.continuation.tape import Tape
from theory.continuation.vectors import LANES
from theory.continuation.workspace import (
    FIRST,
    MOVED,
    NORM,
    OUTWARD,
    PATH,
    PHASE,
    REPATCHED,
    SECOND,
    TRACKING,
    U,
    Workspace,
    allocate,
    fill_lane,
    make_workspace,
    renew_patch,
)
from theory.jit import njit

_NOISE = 1e-7  # Newton updates below that need not contract: so large is rounding at ill-conditioned points


@njit(**INLINE)
def correct(work: Workspace, tape: Tape, settings: Settings) -> int:
    """Two Newton steps in every lane; a bit mask of the lanes where they contract."""
    state = work.state
    set_parameters(work, tape)
    newton_step(work, tape)
    for lane in range(LANES):
        state[FIRST, lane] = np.sqrt(state[MOVED, lane] / state[NORM, lane])
    newton_step(work, tape)
    accepted = 0
    for lane in range(LANES):
        first, second = state[FIRST, lane], np.sqrt(state[MOVED, lane] / state[NORM, lane])
        state[SECOND, lane] = second
        small = second <= settings.accepted_update and first < 0.1
        if small and (second <= settings.contraction * first or first < _NOISE):
            accepted |= 1 << lane
    return accepted


@njit(**INLINE)
def follow_lanes(
    work: Workspace,
    tape: Tape,
    settings: Settings,
    which: np.ndarray,
    starts: np.ndarray,
    parameters: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    ends: np.ndarray,
    info: np.ndarray,
    shared: np.ndarray,
) -> None:
    """Track the paths which[:] in one thread. shared: [stop flag, paths done by this thread]."""
    state, ids = work.state, work.ids
    following, active = 0, 0
    while shared[0] == 0:
        for lane in range(LANES):
            if ids[PATH, lane] < 0 and following < which.shape[0]:
                p = which[following]
                fill_lane(work, tape, lane, starts[p], parameters[first[p]], parameters[last[p]], p)
                following, active = following + 1, active + 1
        if active == 0:
            break
        accepted = correct(work, tape, settings)
        expand(work, tape, accepted)
        measure_series(work, tape)
        if settings.endgame != 0.0 and not work.decays:
            turn_logarithmic(work, tape, accepted, settings.branch_u)
        for lane in range(LANES):
            if ids[PATH, lane] < 0:
                continue
            if (accepted >> lane) & 1:
                status = accept(state, ids, settings, lane)
                if status == UNTRACKED and ids[PHASE, lane] == TRACKING:
                    if settings.endgame != 0.0 and state[U, lane] < 0.01:
                        status = AT_INFINITY if heads_to_infinity(work, tape, settings, lane) else UNTRACKED
                    if state[NORM, lane] > 4.0:
                        renew_patch(work, tape, lane)
                        ids[PHASE, lane] = REPATCHED
            else:
                status = reject(state, ids, settings, lane)
            if status == UNTRACKED:
                status = plan(state, ids, settings, lane)
            if status == STALLED and 0.0 < state[U, lane] < settings.stalled_u and state[OUTWARD, lane] < 1.0:
                status = AT_INFINITY
            if status != UNTRACKED:
                finish(work, tape, lane, status, ends, info)
                active, shared[1] = active - 1, shared[1] + 1
        predict(work, tape)


@njit(**ALLOCATING)
def track_lanes(
    tape: Tape,
    settings: Settings,
    which: np.ndarray,
    starts: np.ndarray,
    parameters: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    ends: np.ndarray,
    info: np.ndarray,
    shared: np.ndarray,
    decays: bool,
) -> None:
    """Track the paths which[:] in one thread, in doubles."""
    work = make_workspace(tape, allocate(tape), decays)
    follow_lanes(work, tape, settings, which, starts, parameters, first, last, ends, info, shared)


@njit(**ALLOCATING)
def track_lanes_precisely(
    tape: Tape,
    settings: Settings,
    which: np.ndarray,
    starts: np.ndarray,
    parameters: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    ends: np.ndarray,
    info: np.ndarray,
    shared: np.ndarray,
    decays: bool,
) -> None:
    """Track the paths which[:] in one thread, in double-double numbers."""
    work = make_workspace(tape, (allocate(tape), allocate(tape)), decays)
    follow_lanes(work, tape, settings, which, starts, parameters, first, last, ends, info, shared)


@njit(**ALLOCATING)
def carry_lanes(
    tape: Tape,
    settings: Settings,
    which: np.ndarray,
    starts: np.ndarray,
    parameters: np.ndarray,
    stations: np.ndarray,
    ends: np.ndarray,
    info: np.ndarray,
    shared: np.ndarray,
) -> None:
    """Track the paths which[:] from station to station: ends (stations - 1, paths, n), info likewise."""
    first, last = np.zeros(starts.shape[0], np.int64), np.zeros(starts.shape[0], np.int64)
    for k in range(stations.shape[0] - 1):
        first[:], last[:] = stations[k], stations[k + 1]
        track_lanes(tape, settings, which, starts, parameters, first, last, ends[k], info[k], shared, False)
        starts = ends[k]
        which = which[info[k, :, STATUS][which] == REACHED]
