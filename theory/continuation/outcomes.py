"""What becomes of each path of a homotopy: followed with tighter and tighter settings, its end settled."""

from dataclasses import dataclass, replace

import numpy as np

from theory.continuation import sift
from theory.continuation.circuits import parameters_at
from theory.continuation.endgame import condition_at_end, settle
from theory.continuation.homotopy import Homotopy
from theory.continuation.polish import polish
from theory.continuation.tracker import AT_INFINITY as HEADED_OUT
from theory.continuation.tracker import (
    BAD_START,
    CROWDED,
    DEFAULT,
    ERROR,
    HOMOGENISING,
    LAST_U,
    LOST,
    PIVOTS,
    PRECISE,
    REACHED,
    STALLED,
    VALUATION,
    Ends,
    Progress,
    Settings,
    track,
)
from theory.systems import PolynomialSystem

FINITE, SINGULAR, INFINITE, FAILED = range(4)

ATTEMPTS = (
    DEFAULT,
    DEFAULT._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0),
    DEFAULT._replace(predictor_error=3e-5, newton_ratio=0.02, accepted_update=1e-6, largest_step=0.02, max_steps=1e5),
)
_SIDES = (0.1j, -0.1j, 0.4j, -0.4j, 1j, -1j)  # of a time where a path got lost, by its distance from start and end
_APART = 4 * sift.REGULAR_RADIUS  # relative distance of zeros that are told apart
_NEAR = 0.1  # |x_0| / |x| above which double precision cannot say that a path goes to infinity,
_NOT_FAR = 0.01  # and above which paths that it takes to do so are looked at again if they stalled
_FEW, _DEEP = 16, 1e-14  # further out, too, if fewer than so many have stalled so far down
_NEW = 1e-6  # relative distance from all other ends that makes an end a new one
_SAME_VALUATION = 0.02  # relative
_FAR_OUT = 1e-9  # |x_0| / |x| below which an end counts as infinite,
_PRECISELY_FAR_OUT = 1e-25  # the same in double-double numbers,
_ROUNDING = 1e-15  # and what may be rounding at ends at infinity that double precision has reached
_DOUBTFUL_PIVOTS = 1e-9  # below that the condition number is looked at
_DOUBTFUL_ERROR = 1e-10  # above that Newton's method may have been converging linearly
_DOUBTFUL_CONDITION = 1e10  # above that an end may be singular


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of each path: kind (p,), points (p, n) of the scaled system where finite, winding (p,) number: 0 for
    ends at infinity round which no circuit has closed."""

    kind: np.ndarray
    points: np.ndarray
    winding: np.ndarray


def ends_of(
    homotopy: Homotopy, settings: Settings, progress: Progress | None = None, known: Ends | None = None
) -> Outcome:
    """Track all paths, lost ones again with tighter settings, and settle the rest by the endgame.

    known: ends of paths that need not be tracked again; the others are added to them.
    """
    ends = track(homotopy.tape, homotopy.starts, homotopy.parameters, settings=settings, progress=progress, ends=known)
    if homotopy.complete:
        _detour(homotopy, ends, settings)
    for tighter in ATTEMPTS[1:]:
        lost = np.flatnonzero((ends.status == LOST) | (ends.status == BAD_START))
        if not len(lost):
            break
        again = track(homotopy.tape, homotopy.starts[lost], homotopy.parameters, settings=tighter)
        ends.points[lost], ends.info[lost] = again.points, again.info
    outcome = settled(homotopy, ends)
    size = ends.info[:, HOMOGENISING]
    open_ended = (outcome.kind == INFINITE) & (outcome.winding == 0)
    outcome.kind[open_ended & (size > _NEAR)] = FAILED
    infinite = outcome.kind == INFINITE
    again = infinite
    if not homotopy.complete:  # no path of a whole set should go to infinity
        again = infinite & ((open_ended & (ends.status == STALLED) & (size > _NOT_FAR)) | _doubtfully_far(ends))
    outcome = _recalled(homotopy, track_precisely(homotopy, outcome, outcome.kind == FAILED), again)
    crowded = (outcome.kind == INFINITE) & ((open_ended & _stalled(ends)) | _alone(ends))
    outcome = _recalled(homotopy, outcome, crowded & ~again, CROWDED)
    return _bounded(homotopy, _separated(homotopy, outcome))


def _doubtfully_far(ends: Ends) -> np.ndarray:
    """(p,) ends that the tracker has reached, far out by more than rounding."""
    size, reached = ends.info[:, HOMOGENISING], (ends.status == REACHED) & (ends.info[:, LAST_U] == 0)
    return reached & (size > _ROUNDING) & (size < _FAR_OUT)


def _stalled(ends: Ends) -> np.ndarray:
    """(p,) ends where the tracker has stalled deep down, or come to time 0, not far out: near large zeros, or where
    paths nearly meet.

    Where many stall, infinity itself is singular, and they tell nothing.
    """
    stalled = (ends.status == STALLED) & (ends.info[:, LAST_U] > 0) & _deep(ends)
    reached = (ends.status == REACHED) & (ends.info[:, LAST_U] == 0) & _deep(ends)
    return (stalled & (stalled.sum() < _FEW)) | reached


def _deep(ends: Ends) -> np.ndarray:
    """(p,) ends at times that are lost in rounding beside 1, not far out."""
    return (ends.info[:, LAST_U] < _DEEP) & (ends.info[:, HOMOGENISING] > DEFAULT.far_out)


def _alone(ends: Ends) -> np.ndarray:
    """(p,) ends that the tracker took for infinite when they stalled, not far out, with a valuation of their own.

    Paths that grow like t^-v, v = k / w in lowest terms, come in cycles of w >= 1 / v: one whose valuation too few
    others share is on its way to a large zero.
    """
    info, headed_out = ends.info, ends.status == HEADED_OUT
    valuation = np.sort(info[headed_out, VALUATION])
    low, high = (np.searchsorted(valuation, info[:, VALUATION] * (1 + d)) for d in (-_SAME_VALUATION, _SAME_VALUATION))
    earlier = info[:, LAST_U] > DEFAULT.deepest_u
    return headed_out & earlier & _deep(ends) & ((high - low) * info[:, VALUATION] < 1 - _SAME_VALUATION)


def _bounded(homotopy: Homotopy, outcome: Outcome) -> Outcome:
    """A polynomial in one unknown has as many zeros as its degree says: none of its paths goes to infinity. Where
    coefficients are too far apart, infinity and large zeros look alike: such ends are undecided."""
    reduced = homotopy.reduced
    if reduced.system.network is not None or not (reduced.system.n_unknowns == 1 or reduced.far_apart):
        return outcome
    return replace(outcome, kind=np.where(outcome.kind == INFINITE, FAILED, outcome.kind))


def _recalled(homotopy: Homotopy, outcome: Outcome, again: np.ndarray, settings: Settings = PRECISE) -> Outcome:
    """Ends (p,) bool that count as infinite, looked at again in double-double numbers. What is finite there must be
    proved with the exact coefficients: with rounded ones infinity itself may become finite."""
    if homotopy.reduced.scaled.n_equations > homotopy.reduced.scaled.n_unknowns:
        return outcome
    return _proved(homotopy, outcome, track_precisely(homotopy, outcome, again, settings), again)


def _proved(homotopy: Homotopy, before: Outcome, after: Outcome, which: np.ndarray) -> Outcome:
    """`after` where the ends among `which` are proved regular zeros, apart from each other; `before` elsewhere. Ends
    that counted as infinite, and are proved to be none but not told apart, are undecided."""
    regular = np.flatnonzero(which & (after.kind == FINITE))
    if not len(regular):
        return before
    points, proved = polish(homotopy.reduced.scaled, after.points[regular])
    label = sift.clusters(points, _APART)
    kind, ends, winding = before.kind.copy(), before.points.copy(), before.winding.copy()
    kind[regular[proved & (kind[regular] == INFINITE)]] = FAILED
    proved &= np.bincount(label)[label] == 1
    rows = regular[proved]
    kind[rows], ends[rows], winding[rows] = FINITE, points[proved], 1
    return Outcome(kind, ends, winding)


def track_precisely(homotopy: Homotopy, outcome: Outcome, paths: np.ndarray, settings: Settings = PRECISE) -> Outcome:
    """Track some paths (p,) bool again in double-double numbers; what they show then counts, where it is clear."""
    which = np.flatnonzero(paths)
    if not len(which):
        return outcome
    ends = track(homotopy.tape, homotopy.starts[which], homotopy.parameters, settings=settings, precise=True)
    kind, points, winding = outcome.kind.copy(), outcome.points.copy(), outcome.winding.copy()
    kind[which[ends.status == HEADED_OUT]] = INFINITE
    regular = (ends.status == REACHED) & (ends.info[:, HOMOGENISING] > _PRECISELY_FAR_OUT)
    kind[which[regular]], winding[which[regular]] = FINITE, 1
    points[which[regular]] = homotopy.affine(ends.points[regular])
    return Outcome(kind, points, winding)


def _separated(homotopy: Homotopy, outcome: Outcome) -> Outcome:
    """Singular ends that are regular zeros close together: told apart in double-double numbers, where it is proved that
    they are regular for the exact coefficients."""
    singular = outcome.kind == SINGULAR
    if not singular.any() or homotopy.reduced.scaled.n_equations > homotopy.reduced.scaled.n_unknowns:
        return outcome
    return _proved(homotopy, outcome, track_precisely(homotopy, outcome, singular), singular)


def _detour(homotopy: Homotopy, ends: Ends, settings: Settings) -> None:
    """Lead lost paths round the times where they got lost (near infinity, as a rule), on both sides.

    A detour may change where a path ends. So only ends that no other path has reached count: all starts are all
    solutions, hence as many distinct ends are all solutions, too.
    """
    for path in np.flatnonzero(ends.status == LOST):
        for side in _SIDES:
            time = ends.info[path, LAST_U]
            stations = parameters_at(homotopy, np.array([1, time + side * min(time, 1 - time), 0]))
            there = track(homotopy.tape, homotopy.starts[[path]], stations, 0, 1, settings._replace(endgame=0.0))
            back = track(homotopy.tape, there.points, stations, 1, 2, settings)
            if there.status[0] == REACHED == back.status[0]:
                known = homotopy.affine(ends.points[ends.status == REACHED])
                if not any(sift.close_pairs(homotopy.affine(back.points), known, _NEW)):
                    ends.points[path], ends.info[path] = back.points[0], back.info[0]
                    break


def settled(homotopy: Homotopy, ends: Ends, endgame: bool = True) -> Outcome:
    """Ends sorted into finite, singular, infinite and failed; those that the tracker left open by the endgame."""
    status, info = ends.status, ends.info
    kind = np.full(len(status), FAILED)
    stopped = (status == REACHED) | (status == STALLED)
    far_out = stopped & (info[:, HOMOGENISING] < _FAR_OUT) & (info[:, LAST_U] <= 1e-6)
    headed_out = status == HEADED_OUT
    kind[(headed_out & (info[:, HOMOGENISING] <= _NEAR)) | far_out] = INFINITE
    reached = np.flatnonzero((status == REACHED) & ~far_out)
    unclear = info[reached, PIVOTS] < _DOUBTFUL_PIVOTS
    unclear[unclear] = condition_at_end(homotopy, ends.points[reached[unclear]]) > _DOUBTFUL_CONDITION
    unclear |= info[reached, ERROR] > _DOUBTFUL_ERROR
    kind[reached[~unclear]] = FINITE
    points, winding = homotopy.affine(ends.points), np.where(kind == INFINITE, 0, 1)
    _rescue(homotopy.reduced.scaled, kind, points, np.flatnonzero((kind == FAILED) & stopped & (info[:, LAST_U] == 0)))
    doubtful = np.flatnonzero((kind == FAILED) & (stopped | headed_out))
    if len(doubtful) and endgame:
        by_endgame = settle(homotopy, doubtful, ends)
        kind[doubtful[by_endgame.infinite]] = INFINITE
        finite = np.isfinite(by_endgame.error) & ~by_endgame.infinite
        kind[doubtful[finite]] = SINGULAR
        points[doubtful[finite]] = homotopy.affine(by_endgame.points[finite])
        winding[doubtful] = by_endgame.winding
        left = doubtful[(kind[doubtful] == FAILED) & (info[doubtful, LAST_U] == 0)]
        points[left], proved = polish(homotopy.reduced.scaled, points[left])
        kind[left[proved]], winding[left[proved]] = FINITE, 1
    return Outcome(kind, points, winding)


def _rescue(system: PolynomialSystem, kind: np.ndarray, points: np.ndarray, which: np.ndarray) -> None:
    """Count as finite those ends at u = 0 that are ill-conditioned, large as a rule, but regular for Newton's method on
    the system itself."""
    which = which[np.isfinite(points[which]).all(axis=1)]
    if len(which) and system.n_equations == system.n_unknowns:
        limits, regular = sift.regular_limits(system, points[which])
        points[which[regular]], kind[which[regular]] = limits[regular], FINITE
