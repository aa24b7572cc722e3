"""Paths carried round the end of a homotopy until they come back to where they began, compiled.

Source: A. Morgan, A. Sommese, C. Wampler, Computing singular solutions to nonlinear analytic systems, Numer. Math. 58
(1991).
"""

from dataclasses import dataclass

import numpy as np

from theory.continuation.homotopy import Homotopy
from theory.continuation.kernels import ALLOCATING
from theory.continuation.tape import Tape
from theory.continuation.tracker import REACHED, STATUS, Ends, Settings, in_threads, track_lanes
from theory.jit import njit

CORNERS = 8  # of the polygon that stands for a circle
_CLOSED = 1e-6  # relative distance to the first point that counts as closed


@dataclass(frozen=True, eq=False)
class Circuits:
    """Paths carried round a circle until they closed, a row each.

    winding: 0 where it did not close; valuation: turns of the homogenising coordinate per circuit, of the group where
    it is largest; mean: estimate of the end, (p, coordinates), unit length in each group; size: of the smallest
    homogenising coordinate relative to the point
    """

    winding: np.ndarray
    valuation: np.ndarray
    mean: np.ndarray
    size: np.ndarray


def parameters_at(homotopy: Homotopy, times: np.ndarray) -> np.ndarray:
    """The parameters at complex times (1: start, 0: end): (times, m)."""
    first, last = homotopy.parameters
    return last + np.multiply.outer(times, first - last)


def unit(homotopy: Homotopy, points: np.ndarray) -> np.ndarray:
    """Each group of coordinates scaled to length 1; NaN stays NaN."""
    scaled = np.array(points)
    with np.errstate(invalid="ignore"):
        for g in range(homotopy.tape.n_groups):
            part = homotopy.tape.group == g
            scaled[:, part] /= np.maximum(np.linalg.norm(points[:, part], axis=1, keepdims=True), 1e-300)
    return scaled


def go_round(homotopy: Homotopy, points: np.ndarray, radius: float, limit: int, settings: Settings) -> Circuits:
    """Carry points (p, coordinates) at time `radius` round 0 until each comes back to itself, `limit` times at most."""
    tape, count = homotopy.tape, len(points)
    corners = parameters_at(homotopy, radius * np.exp(2j * np.pi * np.arange(CORNERS) / CORNERS))
    starts = unit(homotopy, points)
    total, angle = np.zeros_like(starts), np.zeros((count, tape.n_groups))
    laps, winding = np.zeros(count, np.int64), np.zeros(count, np.int64)
    points, info = Ends.unknown(starts)

    def work(which: np.ndarray, shared: np.ndarray) -> None:
        with np.errstate(all="ignore"):  # where nothing is compiled
            circle_lanes(
                tape, settings, which, starts, corners, limit, points, info, total, angle, laps, winding, shared
            )

    in_threads(work, np.arange(count))
    total[winding > 0] /= CORNERS * winding[winding > 0, None]
    turns = (angle / (2 * np.pi)).max(axis=1)
    valuation = np.where(winding > 0, np.round(turns), turns) / np.maximum(laps, 1)
    size = np.abs(starts[:, -tape.n_groups :]).min(axis=1)
    return Circuits(winding, np.where(laps > 0, valuation, 0.0), unit(homotopy, total), size)


@njit(**ALLOCATING)
def circle_lanes(
    tape: Tape,
    settings: Settings,
    which: np.ndarray,
    starts: np.ndarray,
    corners: np.ndarray,
    limit: int,
    arrived: np.ndarray,
    info: np.ndarray,
    total: np.ndarray,
    angle: np.ndarray,
    laps: np.ndarray,
    winding: np.ndarray,
    shared: np.ndarray,
) -> None:
    """Carry the paths which[:] from corner to corner, in one thread; arrived and info are scratch space.

    Written for each path: total, the sum of its points; angle, by which each homogenising coordinate turned; laps done;
    winding, the laps until it closed, else 0. A path that is lost stays where it is.
    """
    count, n_corners = starts.shape[0], corners.shape[0]
    current = starts.copy()
    first, last = np.zeros(count, np.int64), np.zeros(count, np.int64)
    moving = which
    for lap in range(1, limit + 1):
        for k in range(n_corners):
            first[:], last[:] = k, (k + 1) % n_corners
            track_lanes(tape, settings, moving, current, corners, first, last, arrived, info, shared, False)
            moving = moving[info[moving, STATUS] == REACHED]
            for path in moving:
                _move(tape, starts[path], current[path], arrived[path], angle[path])
                total[path] += current[path]
        if shared[0] != 0:
            return
        apart = np.ones(len(moving), np.bool_)
        for row, path in enumerate(moving):
            laps[path] = lap
            if np.abs(current[path] - starts[path]).max() < _CLOSED * np.abs(starts[path]).max():
                winding[path], apart[row] = lap, False
        moving = moving[apart]
        if len(moving) == 0:
            return


@njit(**ALLOCATING)
def _move(tape: Tape, start: np.ndarray, current: np.ndarray, arrived: np.ndarray, angle: np.ndarray) -> None:
    """current = arrived, in the scale in which its product with the conjugate of `start` is 1 in each group; the turn
    of each homogenising coordinate is added to its angle."""
    n = tape.n_coordinates
    for g in range(tape.n_groups):
        product = 0j
        for i in range(n):
            if tape.group[i] == g:
                product += arrived[i] * start[i].conjugate()
        homogenising = n - tape.n_groups + g
        turn = arrived[homogenising] / product / current[homogenising]
        angle[g] += np.arctan2(turn.imag, turn.real)
        for i in range(n):
            if tape.group[i] == g:
                current[i] = arrived[i] / product
