"""Predictor-corrector path tracking in lanes: one path each, refilled as paths end.

A path x(u) solves H(x, p(u)) = 0 in projective space while its parameters run straight from p_first at u = 1 to p_last
at u = 0, or as p_last exp(-rate u). Predictor: Taylor coefficients to order 3 from one LU, Pade [2/1]. Corrector: two
Newton steps, accepted if they contract. Step size: from the predictor error measured at the last step, and from the
estimated distance of the nearest pole.
Source: S. Telen, M. Van Barel, J. Verschelde, A robust numerical path tracking algorithm for polynomial homotopy
continuation, SIAM J. Sci. Comput. 42 (2020); S. Timme, Mixed precision path tracking, Adv. Comput. Math. 47 (2021).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

import numpy as np

from theory.continuation.kernels import ALLOCATING, INLINE, WIDTH
from theory.continuation.steps import (
    DONE,
    FIRST,
    GROUPS,
    LOGARITHMIC,
    MOVED,
    NEAREST,
    NEWTON,
    NORM,
    OUTWARD,
    PATH,
    PHASE,
    POLE,
    POLISHED,
    POLISHING,
    REJECTED,
    REPATCHED,
    SECOND,
    STARTING,
    STEP,
    THIRD,
    TRACKING,
    TRIAL_U,
    U,
    Workspace,
    expand,
    fill_lane,
    make_workspace,
    measure_series,
    newton_step,
    predict,
    renew_patch,
    set_parameters,
    turn_logarithmic,
)
from theory.continuation.tape import Tape
from theory.continuation.vectors import LANES
from theory.jit import njit
from theory.parallel import processors

Progress = Callable[[int, int, str], None]

REACHED, AT_INFINITY, STALLED, LOST, BAD_START, UNTRACKED = 0, 1, 2, 3, 4, -1
"""How a path ended: at u = 0; heading to infinity; stopped near u = 0; stopped far from it; no start point; not run."""

STATUS, LAST_U, STEPS, REJECTIONS, ERROR, PIVOTS, VALUATION, HOMOGENISING = range(8)
"""Columns of `info`: status, u, accepted and rejected steps, relative error expected of the end (the last Newton update
times its ratio to the one before, which stays near 1 at singular points), smallest over largest pivot,
valuation of the homogenising coordinate, its size relative to the point."""

_GOES_ON = 1.1  # times what the last reliable valuation lets expect: |x_0| where rounding spoils its derivatives
_POLISH_LIMIT = 4  # cycles of two Newton steps at u = 0
_NOISE = 1e-7  # Newton updates below that need not contract: so large is rounding at ill-conditioned points


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
                size = max(size, memory[a] ** 2 + memory[a + LANES] ** 2)
        i = n - tape.n_groups + g
        a, b = work.point + i * WIDTH + lane, work.series + (n + i) * WIDTH + lane
        z = complex(memory[a], memory[a + LANES])
        w1 = -unit * complex(memory[b], memory[b + LANES]) / z
        b += n * WIDTH
        w2 = 2 * unit * unit * complex(memory[b], memory[b + LANES]) / z
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
        if u == state[row + 3, lane] or (u < settings.singular_u and relative < _GOES_ON * expected):
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
        pivot = memory[a] ** 2 + memory[a + LANES] ** 2
        smallest, largest = min(smallest, pivot), max(largest, pivot)
    info[path, STATUS], info[path, LAST_U] = status, state[U, lane]
    info[path, STEPS], info[path, REJECTIONS] = state[DONE, lane], state[REJECTED, lane]
    ratio = min(1.0, state[SECOND, lane] / (state[FIRST, lane] + 1e-300))
    info[path, ERROR], info[path, PIVOTS] = ratio * state[SECOND, lane], np.sqrt(smallest / largest)
    size, homogenising, valuation = 0.0, 1e300, 0.0
    for i in range(n):
        a = work.point + i * WIDTH + lane
        ends[path, i] = complex(memory[a], memory[a + LANES])
        size = max(size, abs(ends[path, i]))
    for g in range(tape.n_groups):
        homogenising = min(homogenising, abs(ends[path, n - tape.n_groups + g]))
        valuation = max(valuation, state[GROUPS + 6 * g + 2, lane])
    info[path, VALUATION], info[path, HOMOGENISING] = valuation, homogenising / size
    work.ids[PATH, lane], work.ids[PHASE, lane] = -1, STARTING


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
    """Track the paths which[:] in one thread. shared: [stop flag, paths done by this thread]."""
    work = make_workspace(tape, decays)
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
        if settings.endgame != 0.0 and not decays:
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


class Ends(NamedTuple):
    """Where paths ended: points (paths, n_coordinates) projective, info (paths, 8) with the columns above."""

    points: np.ndarray
    info: np.ndarray

    @property
    def status(self) -> np.ndarray:
        return self.info[:, STATUS].astype(int)

    @classmethod
    def unknown(cls, starts: np.ndarray) -> "Ends":
        """No path tracked yet."""
        info = np.zeros((len(starts), 8))
        info[:, STATUS] = UNTRACKED
        return cls(np.zeros_like(starts, dtype=np.complex128), info)


def track(
    tape: Tape,
    starts: np.ndarray,
    parameters: np.ndarray,
    first: np.ndarray | int = 0,
    last: np.ndarray | int = 1,
    settings: Settings = DEFAULT,
    threads: int | None = None,
    progress: Progress | None = None,
    decays: bool = False,
    ends: Ends | None = None,
    at_most: int | None = None,
) -> Ends:
    """Track every path from its start point; what comes out does not depend on the number of threads.

    starts: (paths, n_coordinates) complex; parameters: (sets, n_parameters) complex; first, last: for each path (or for
    all) the set at the start and at the end. decays: the set at the start is none, it holds real rates r >= 0, and the
    parameters run as parameters[last] * exp(-r u). progress(done, total, text) is called while it runs.
    ends: what is known already; only its untracked paths are tracked (at_most so many), and written into it. Ctrl-C
    stops all threads and is raised again; what has been tracked stays in `ends`.
    """
    count = len(starts)
    starts = np.ascontiguousarray(starts, dtype=np.complex128)
    parameters = np.ascontiguousarray(parameters, dtype=np.complex128)
    first, last = (np.broadcast_to(np.asarray(v, dtype=np.int64), (count,)).copy() for v in (first, last))
    points, info = ends = Ends.unknown(starts) if ends is None else ends
    left = np.flatnonzero(ends.status == UNTRACKED)
    before = count - len(left)

    def work(which: np.ndarray, shared: np.ndarray) -> None:
        with np.errstate(all="ignore"):  # where nothing is compiled
            track_lanes(tape, settings, which, starts, parameters, first, last, points, info, shared, decays)

    def report(done: int) -> None:
        if progress is not None:
            progress(before + done, count, f"{int((info[:, STATUS] == REACHED).sum())} finite ends")

    _in_threads(work, left[:at_most], threads, report if progress is not None else None)
    return ends


def carry(
    tape: Tape, starts: np.ndarray, parameters: np.ndarray, stations: np.ndarray, settings: Settings = DEFAULT
) -> list[Ends]:
    """Track every path from station to station (rows of the parameters); a path that is lost on the way stays there.

    Returns where the paths were at each station after the first.
    """
    starts = np.ascontiguousarray(starts, dtype=np.complex128)
    parameters = np.ascontiguousarray(parameters, dtype=np.complex128)
    stations = np.asarray(stations, dtype=np.int64)
    ends = [Ends.unknown(starts) for _ in stations[1:]]
    points, info = np.array([e.points for e in ends]), np.array([e.info for e in ends])

    def work(which: np.ndarray, shared: np.ndarray) -> None:
        with np.errstate(all="ignore"):
            carry_lanes(tape, settings, which, starts, parameters, stations, points, info, shared)

    _in_threads(work, np.arange(len(starts)))
    return [Ends(*e) for e in zip(points, info, strict=True)]


def _in_threads(
    work: Callable[[np.ndarray, np.ndarray], None],
    paths: np.ndarray,
    threads: int | None = None,
    report: Callable[[int], None] | None = None,
) -> None:
    """Call work(paths of this thread, [stop flag, paths done]) in each thread; few paths need no thread."""
    n_threads = max(1, min(threads or processors(), len(paths) // LANES))
    shared = np.zeros((n_threads, 2), dtype=np.int64)
    if len(paths) < 2 * LANES and report is None:
        work(paths, shared[0])
        return
    pool = ThreadPoolExecutor(n_threads)
    works = [pool.submit(work, paths[k::n_threads], shared[k]) for k in range(n_threads)]
    try:
        while wait(works, timeout=0.1 if report else None).not_done:
            if report is not None:
                report(int(shared[:, 1].sum()))
        for done in works:
            done.result()
    finally:
        shared[:, 0] = 1
        pool.shutdown()
