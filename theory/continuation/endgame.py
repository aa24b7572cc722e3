"""Where paths end that the tracker did not settle: at infinity, by how fast they go there; at singular points and at
infinity, by going round the end.

A path to infinity goes there like t^valuation: a straight line in the logarithms of t and of the homogenising
coordinate. Where several decades of t do not show it, paths are carried round the end: there x(t) is a power series in
t^(1/w). Carried round t = 0 on a small circle w times it closes; w is its winding number, the mean of the points on the
way is its end (Cauchy's formula; for analytic functions the trapezoid rule converges geometrically), and the number of
turns of the homogenising coordinate round 0 is w times its valuation: positive exactly if the path goes to infinity.
An end counts once two radii agree on all of this.
Source: A. Morgan, A. Sommese, C. Wampler, Computing singular solutions to nonlinear analytic systems, Numer. Math. 58
(1991); B. Huber, J. Verschelde, Polyhedral end games for polynomial continuation, Numer. Algorithms 18 (1998).
"""

from dataclasses import dataclass, replace

import numpy as np

from theory.continuation.circuits import Circuits, go_round, parameters_at, unit
from theory.continuation.homotopy import Homotopy
from theory.continuation.tape import evaluate
from theory.continuation.tracker import DEFAULT, ERROR, HOMOGENISING, LAST_U, REACHED, Ends, carry

WINDINGS = 24  # circuits after which a path is taken for one that does not close
_NEAR, _FAR = range(2, 7), range(7, 11)
"""Times, as powers of 1/10, at which paths on their way down are looked at: most ends at infinity show by the first."""
_CIRCUITS = (range(4, 9), range(2, 5))
"""Radii as powers of 1/10: wide circuits, which close less often, for paths that rounding errors spoil further in."""
_WAY = DEFAULT._replace(endgame=0.0, accepted_update=1e-6)
_CIRCLE = _WAY._replace(largest_step=0.5, predictor_error=1e-3, newton_ratio=0.05, max_steps=100.0)
_STEADY = 0.1  # relative change of a valuation over two decades
_SAME = 0.02  # the same between slope and turns
_SMALLEST_VALUATION = 0.02
_AGREE = 1e-7  # ends found at two radii; |x_0| / |x| of an infinite one
_ROUNDING_U = 1e-14  # time 0 itself is reached to within rounding only,
_KNOWN = 1e-6  # and the point there known if Newton's updates are below that, relative
_SLOW = 1e-3  # |x_0| / |x| that no finite solution is expected to fall below
_TINY = 1e-6  # |x_0| / |x| that may be rounding where the Jacobian is singular
_FITS = 1.5  # times nearer or further than expected


def condition_at_end(homotopy: Homotopy, points: np.ndarray) -> np.ndarray:
    """(p,) inverse of the smallest singular value of Jacobian and patches at time 0.

    Each row is measured against its size at points with the same moduli and random arguments, so that neither small
    coefficients nor high powers of small coordinates count as singular, and vanishing rows do.
    """
    if not len(points):
        return np.zeros(0)
    tape, here = homotopy.tape, unit(homotopy, points)
    _, jacobian = evaluate(tape, here, homotopy.parameters[1])
    size = np.zeros(jacobian.shape[:2])
    rng = np.random.default_rng(0)
    for _ in range(8):
        turned = here * np.exp(2j * np.pi * rng.random(here.shape))
        size = np.maximum(size, np.linalg.norm(evaluate(tape, turned, homotopy.parameters[1])[1], axis=2))
    patches = (np.arange(tape.n_groups)[:, None] == tape.group) * here.conj()[:, None, :]
    rows = np.concatenate([jacobian / np.maximum(size, 1e-300)[:, :, None], patches], axis=1)
    return 1 / np.maximum(np.linalg.svd(rows, compute_uv=False)[:, -1], 1e-300)


@dataclass(frozen=True, eq=False)
class Settled:
    """Ends of paths: winding (p,), 0 where undecided; infinite (p,) bool; points (p, coordinates); error (p,)."""

    winding: np.ndarray
    infinite: np.ndarray
    points: np.ndarray
    error: np.ndarray


@dataclass(frozen=True, eq=False)
class _Way:
    """Paths on their way down: where they are at times 10^-k, (p, coordinates), NaN where lost or not followed; the
    smallest homogenising coordinate there, relative to the point, (p,); and what the tracker says of their ends."""

    points: dict[int, np.ndarray]
    sizes: dict[int, np.ndarray]
    last: Ends

    def slope(self, k: int) -> np.ndarray:
        """(p,) the valuation between the times 10^-(k-1) and 10^-(k+1), NaN where that is not known."""
        with np.errstate(all="ignore"):
            return np.log10(self.sizes.get(k - 1, np.nan) / self.sizes[k + 1]) / 2


def settle(homotopy: Homotopy, which: np.ndarray, ends: Ends) -> Settled:
    """Settle the paths numbered `which`: at infinity where their way down shows it, the others by circuits.

    ends: what the tracker says of all paths; an end must fit the last point it reached.
    """
    settled = Settled(
        np.zeros(len(which), int),
        np.zeros(len(which), bool),
        np.zeros((len(which), homotopy.starts.shape[1]), complex),
        np.full(len(which), np.inf),
    )
    starts = homotopy.starts[which]
    way = _Way({0: starts}, {0: _sizes(homotopy, starts)}, Ends(ends.points[which], ends.info[which]))
    for powers in (_NEAR, _FAR):
        _descend(homotopy, way, powers, ~settled.infinite)
        for k in powers:
            if k - 4 in _NEAR:
                settled.infinite[:] |= _heads_out(way, k)
    settled.error[settled.infinite] = 0.0
    for powers in _CIRCUITS:
        _circle(homotopy, way, settled, powers)
    return settled


def _sizes(homotopy: Homotopy, points: np.ndarray) -> np.ndarray:
    """(p,) the smallest homogenising coordinate, relative to the point."""
    return np.abs(unit(homotopy, points)[:, -homotopy.tape.n_groups :]).min(axis=1)


def _descend(homotopy: Homotopy, way: _Way, powers: range, which: np.ndarray) -> None:
    """Follow paths (p,) bool to the next times, and write down where they are."""
    before = max(way.points)
    left = np.flatnonzero(which & np.isfinite(way.points[before]).all(axis=1))
    parameters = parameters_at(homotopy, 10.0 ** -np.array([before, *powers]))
    stations = carry(homotopy.tape, way.points[before][left], parameters, np.arange(len(parameters)), _WAY)
    for k, there in zip(powers, stations, strict=True):
        way.points[k] = np.full_like(way.points[0], np.nan)
        way.points[k][left] = np.where((there.status == REACHED)[:, None], there.points, np.nan)
        way.sizes[k] = _sizes(homotopy, way.points[k])


def _heads_out(way: _Way, k: int) -> np.ndarray:
    """(p,) whether |x_0| / |x| falls like a power of time over the last four decades before 10^-k, and on to the
    tracker's last point, down to times of 1e-9; of 1e-6 where it has become very small."""
    time, size, info = 10.0**-k, way.sizes[k], way.last.info
    last_u, last_size = info[:, LAST_U], info[:, HOMOGENISING]
    valuation = way.slope(k - 1)
    with np.errstate(all="ignore"):
        change = np.maximum(np.abs(way.slope(k - 2) - valuation), np.abs(way.slope(k - 3) - valuation))
        expected = size * (np.maximum(last_u, _ROUNDING_U) / time) ** valuation
    steady = (valuation > _SMALLEST_VALUATION) & (change < _STEADY * valuation)
    goes_on = last_size < np.where(size < _SLOW, 10, _FITS) * expected
    depth = np.minimum(np.where(last_u > 0, last_u, 1.0), time)
    deep = (depth <= 1e-9) | ((size < _SLOW) & (depth <= 1e-6))
    unknown = (last_u > time) | ((last_u == 0) & (info[:, ERROR] > _KNOWN)) | ((size < last_size) & (last_size < _TINY))
    return steady & (goes_on | unknown) & deep


def _circle(homotopy: Homotopy, way: _Way, settled: Settled, powers: range) -> None:
    """Go round at each radius 10^-k, and write down in `settled` the ends that two estimates agree on."""
    left = np.flatnonzero(~np.isfinite(settled.error))
    before: Circuits | None = None
    for k in powers:
        here = np.isfinite(way.points[k][left]).all(axis=1)
        left = left[here]
        if not len(left):
            return
        points = way.points[k][left]
        now = go_round(homotopy, points, 10.0**-k, WINDINGS, _CIRCLE)
        error = _like_the_slope(now, way.slope(k)[left], _sizes(homotopy, now.mean))
        if before is not None:
            error = np.minimum(error, _like_the_circuit(homotopy, _rows(before, here), now))
        last, last_u = way.last.points[left], way.last.info[left, LAST_U]
        further = _distances(homotopy, last, now.mean) > _FITS * _distances(homotopy, points, now.mean)
        done = np.isfinite(error) & ~(further & (last_u > 0) & (last_u < 10.0**-k))
        rows = left[done]
        settled.winding[rows], settled.infinite[rows] = now.winding[done], now.valuation[done] > 0
        settled.points[rows], settled.error[rows] = now.mean[done], error[done]
        left, before = left[~done], _rows(now, ~done)


def _rows(circuits: Circuits, rows: np.ndarray) -> Circuits:
    return replace(circuits, **{name: values[rows] for name, values in vars(circuits).items()})


def _like_the_slope(now: Circuits, slope: np.ndarray, end_size: np.ndarray) -> np.ndarray:
    """(p,) |x_0| / |x| of an infinite end that turns as fast as it falls, infinity for other ends."""
    with np.errstate(invalid="ignore"):
        same = (now.winding > 0) & (now.valuation > 0) & (np.abs(slope - now.valuation) < _SAME * now.valuation)
    return np.where(same & (end_size < _AGREE), end_size, np.inf)


def _like_the_circuit(homotopy: Homotopy, before: Circuits, now: Circuits) -> np.ndarray:
    """(p,) distance of the ends found by two circuits, infinity where these are not the same.

    The valuation must be 0, or positive and the end's homogenising coordinate 0.
    """
    same = (now.winding > 0) & (now.winding == before.winding) & (now.valuation == before.valuation)
    gap = _distances(homotopy, before.mean, now.mean)
    at_infinity = (now.valuation > 0) & (_sizes(homotopy, now.mean) < _AGREE)
    return np.where(same & (gap < _AGREE) & (at_infinity | (now.valuation == 0)), gap, np.inf)


def _distances(homotopy: Homotopy, points: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(p,) distances in the patches of the ends, which have unit length in each group."""
    scaled = np.array(points)
    with np.errstate(all="ignore"):
        for g in range(homotopy.tape.n_groups):
            part = homotopy.tape.group == g
            scaled[:, part] /= (points[:, part] * ends[:, part].conj()).sum(axis=1, keepdims=True)
        return np.linalg.norm(scaled - ends, axis=1)
