"""Where paths end that the tracker did not settle: singular points and infinity, by going round the end.

Near its end a path is x(t) = power series in t^(1/w). Carried round t = 0 on a small circle w times it closes; w is
its winding number, the mean of the points on the way is its end (Cauchy's formula; for analytic functions the trapezoid
rule converges geometrically), and the number of turns of the homogenising coordinate round 0 is w times its valuation:
positive exactly if the path goes to infinity. An end counts once two radii agree on all of this.
Source: A. Morgan, A. Sommese, C. Wampler, Computing singular solutions to nonlinear analytic systems, Numer. Math. 58
(1991).
"""

from dataclasses import dataclass, replace

import numpy as np

from theory.continuation.homotopy import Homotopy
from theory.continuation.tape import evaluate
from theory.continuation.tracker import DEFAULT, ERROR, HOMOGENISING, LAST_U, REACHED, Ends, Settings, carry, track

CORNERS = 8  # of the polygon that stands for a circle
LARGEST_WINDING = 24
CIRCUITS = ((range(5, 11), 1), (range(4, 9), LARGEST_WINDING), (range(2, 5), LARGEST_WINDING))
"""Radii as powers of 1/10, and how often to go round: cheap circuits for the many paths to infinity come first, wide
ones (which close less often) for the few paths that rounding errors spoil further in come last."""
_LOOP = DEFAULT._replace(endgame=0.0, largest_step=0.5, accepted_update=1e-8, predictor_error=1e-3, newton_ratio=0.05)
_CLOSED = 1e-6  # relative distance to the first point that counts as closed
_AGREE = 1e-7  # ends found at two radii
_ROUNDING_U = 1e-14  # time 0 itself is reached to within rounding only,
_KNOWN = 1e-6  # and the point there known if Newton's updates are below that, relative
_SLOW = 1e-3  # |x_0| / |x| that no finite solution is expected to fall below


@dataclass(frozen=True, eq=False)
class Circuits:
    """Paths carried round a circle until they closed, a row each.

    winding: 0 where it did not close; valuation: turns of the homogenising coordinate per circuit; mean: estimate of
    the end, (p, coordinates), unit length in each group; size: of the homogenising coordinate relative to the point
    """

    winding: np.ndarray
    valuation: np.ndarray
    mean: np.ndarray
    size: np.ndarray


def parameters_at(homotopy: Homotopy, times: np.ndarray) -> np.ndarray:
    """The parameters at complex times (1: start, 0: end): (times, m)."""
    first, last = homotopy.parameters
    return last + np.multiply.outer(times, first - last)


def advance(homotopy: Homotopy, points: np.ndarray, first: float, last: float, settings: Settings = _LOOP) -> Ends:
    """Track points from one time to another."""
    return track(homotopy.tape, points, parameters_at(homotopy, np.array([first, last])), 0, 1, settings)


def normalised(homotopy: Homotopy, points: np.ndarray, against: np.ndarray) -> np.ndarray:
    """Each group of coordinates scaled so that its product with the conjugate of `against` is the latter's norm^2."""
    scaled = np.array(points)
    for g in range(homotopy.tape.n_groups):
        part = homotopy.tape.group == g
        reference = against[:, part].conj()
        with np.errstate(all="ignore"):
            scaled[:, part] *= (np.abs(reference) ** 2).sum(1, keepdims=True) / (points[:, part] * reference).sum(1)[
                :, None
            ]
    return scaled


def unit(homotopy: Homotopy, points: np.ndarray) -> np.ndarray:
    """Each group of coordinates scaled to length 1."""
    scaled = np.array(points)
    for g in range(homotopy.tape.n_groups):
        part = homotopy.tape.group == g
        scaled[:, part] /= np.maximum(np.linalg.norm(points[:, part], axis=1, keepdims=True), 1e-300)
    return scaled


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


def go_round(homotopy: Homotopy, points: np.ndarray, radius: float, limit: int) -> Circuits:
    """Carry points (p, coordinates) at time `radius` round 0 until each comes back to itself, `limit` times at most."""
    count, groups = len(points), homotopy.tape.n_groups
    corners = parameters_at(homotopy, radius * np.exp(2j * np.pi * np.arange(CORNERS) / CORNERS))
    start = unit(homotopy, points)
    current, total = start.copy(), np.zeros_like(start)
    angle = np.zeros((count, groups))
    winding, alive, laps = np.zeros(count, int), np.ones(count, bool), np.zeros(count)
    circle = np.arange(CORNERS + 1) % CORNERS
    for lap in range(1, limit + 1):
        moving = np.flatnonzero(alive)
        if not len(moving):
            break
        for ends in carry(homotopy.tape, current[moving], corners, circle, _LOOP):
            there = ends.status == REACHED
            rows = moving[there]
            arrived = normalised(homotopy, ends.points[there], start[rows])
            with np.errstate(all="ignore"):
                angle[rows] += np.angle(arrived[:, -groups:] / current[rows, -groups:])
            current[rows] = arrived
            total[rows] += arrived
            alive[moving[~there]] = False
        laps[alive] = lap
        back = alive & (np.abs(current - start).max(axis=1) < _CLOSED * np.abs(start).max(axis=1))
        winding[back], alive[back] = lap, False
    total[winding > 0] /= CORNERS * winding[winding > 0, None]
    turns = (angle / (2 * np.pi)).max(axis=1)
    valuation = np.where(winding > 0, np.round(turns), turns) / np.maximum(laps, 1)
    return Circuits(
        winding,
        np.where(laps > 0, valuation, 0.0),
        unit(homotopy, total),
        np.abs(start[:, -groups:]).min(axis=1),
    )


@dataclass(frozen=True, eq=False)
class Settled:
    """Ends of paths: winding (p,), 0 where undecided; infinite (p,) bool; points (p, coordinates); error (p,)."""

    winding: np.ndarray
    infinite: np.ndarray
    points: np.ndarray
    error: np.ndarray


def cauchy(homotopy: Homotopy, which: np.ndarray, ends: Ends) -> Settled:
    """Settle the paths numbered `which` by circuits at smaller and smaller radii, two of which must agree.

    ends: what the tracker says of all paths; an end must fit the last point it reached. Single circuits close to the
    end show most paths to infinity for what they are; the others go round until they close, from further out.
    """
    settled = Settled(
        np.zeros(len(which), int),
        np.zeros(len(which), bool),
        np.zeros((len(which), homotopy.starts.shape[1]), complex),
        np.full(len(which), np.inf),
    )
    for powers, limit in CIRCUITS:
        _approach(homotopy, which, ends, settled, [10.0**-k for k in powers], limit)
    return settled


def _approach(
    homotopy: Homotopy, which: np.ndarray, ends: Ends, settled: Settled, radii: list[float], limit: int
) -> None:
    """Go round at each radius and write down in `settled` what two radii in a row agree on."""
    left = np.flatnonzero(~np.isfinite(settled.error))
    points, time = homotopy.starts[which[left]], 1.0
    before: Circuits | None = None
    for radius in radii:
        arrived = advance(homotopy, points, time, radius)
        here = arrived.status == REACHED
        left, points, time = left[here], arrived.points[here], radius
        if not len(left):
            return
        now = go_round(homotopy, points, radius, limit)
        if before is not None:
            last = ends.info[which[left]]
            error, infinite = _agreement(homotopy, _rows(before, here), now, last, radius)
            done = np.isfinite(error)
            rows = left[done]
            settled.winding[rows], settled.infinite[rows] = now.winding[done], infinite[done]
            settled.points[rows], settled.error[rows] = now.mean[done], error[done]
            left, points, now = left[~done], points[~done], _rows(now, ~done)
        before = now


def _rows(circuits: Circuits, rows: np.ndarray) -> Circuits:
    return replace(circuits, **{name: values[rows] for name, values in vars(circuits).items()})


def _agreement(
    homotopy: Homotopy, before: Circuits, now: Circuits, last: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """(error of the end, infinity where two radii do not agree; whether the end lies at infinity), each (p,).

    At infinity |x_0| must fall like t^valuation from one radius to the next and on to the tracker's last point, down to
    times of 1e-9; of 1e-6 where it has become very small, or 1e-4 if the circuits close, too. Windings beyond 24 and
    whole curves of ends occur there, so neither closing nor the place is asked for.
    """
    closed = (now.winding > 0) & (now.winding == before.winding) & (now.valuation == before.valuation)
    gap = np.linalg.norm(normalised(homotopy, before.mean, now.mean) - now.mean, axis=1)
    finite = closed & (now.valuation == 0) & (gap < _AGREE)
    valuation = now.valuation
    last_u, last_size = last[:, LAST_U], last[:, HOMOGENISING]
    with np.errstate(all="ignore"):
        decades = np.log10(before.size / now.size)
        expected = now.size * (np.maximum(last_u, _ROUNDING_U) / radius) ** valuation
    slack = np.where(now.size < _SLOW, 10, 1.5)
    steady = np.maximum(np.abs(valuation - before.valuation), np.abs(decades - valuation)) < 0.1 * valuation
    unknown = (last_u > radius) | ((last_u == 0) & (last[:, ERROR] > _KNOWN))
    goes_on = (last_size < slack * expected) | unknown
    depth = np.minimum(np.where(last_u > 0, last_u, 1.0), radius)
    deep = (depth <= 1e-9) | ((now.size < _SLOW) & ((depth <= 1e-6) | (closed & (depth <= 1e-4))))
    infinite = (valuation > 0.02) & steady & goes_on & deep
    return np.where(finite, gap, np.where(infinite, 0.0, np.inf)), infinite
