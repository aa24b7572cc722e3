"""All zeros of a parameterised system from a few of them: loops in the space of parameters, stopped by a trace test.

Where pairs of zero and parameters form an irreducible set, loops carry every zero to every other. Of the parameters
some are the offsets of a slice: if it moves parallel to itself, the sum over all zeros moves on a line, and over fewer
points of an irreducible set it does not.
Source: A. Sommese, J. Verschelde, C. Wampler, Symmetric functions applied to decomposing solution sets of polynomial
systems, SIAM J. Numer. Anal. 40 (2002); T. Duff et al., Solving polynomial systems via homotopy continuation and
monodromy, IMA J. Numer. Anal. 39 (2019).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from theory.continuation import sift
from theory.continuation.checkpoint import restore_loops, save_loops
from theory.continuation.tape import Tape
from theory.continuation.tracker import DEFAULT, PRECISE, REACHED, Progress, track

QUIET_LOOPS = 8  # without news, and a passed trace test, end the search
MAX_LOOPS = 300
_LINEAR = 1e-7  # relative second difference of the trace
_SAME = 1e-6  # relative distance of two zeros that are one
_ONLY_TRACK = DEFAULT._replace(endgame=0.0)
_CAREFUL = _ONLY_TRACK._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0)
_PRECISE = PRECISE._replace(endgame=0.0)


class MonodromyError(ValueError):
    """The zeros of a system cannot be found by monodromy."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C during the loops. points: the zeros known by then."""

    def __init__(self, points: np.ndarray) -> None:
        super().__init__("interrupted")
        self.points = points


@dataclass(frozen=True, eq=False)
class Space:
    """What loops go through: a system with parameters, the last of its coordinates homogenising.

    generic(rng): random parameters; shift(rng): a random direction of parameters in which the slice moves parallel
    """

    tape: Tape
    generic: Callable[[np.random.Generator], np.ndarray]
    shift: Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True, eq=False)
class Zeros:
    """points: (zeros, coordinates) projective; trace_residual: relative second difference of their trace;
    loops: round the space of parameters; tracked: paths that took"""

    points: np.ndarray
    trace_residual: float
    loops: int
    tracked: int


def search(
    space: Space,
    parameters: np.ndarray,
    points: np.ndarray,
    rng: np.random.Generator,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    most: int = MAX_LOOPS,
) -> Zeros:
    """Loops from known zeros at generic parameters until their set passes the trace test and several in a row bring no
    news.

    checkpoint: a file where the state is kept after each loop, and from which the same search goes on
    Raises MonodromyError after `most` loops; Stopped on Ctrl-C.
    """
    loop, tracked, quiet, residual = 0, 0, 0, np.inf
    if checkpoint is not None:
        points, (loop, tracked, quiet) = restore_loops(checkpoint, space.tape, parameters, points, rng)
    try:
        while loop < most:
            loop += 1
            way = [space.generic(rng) for _ in range(2)]
            arrived, _ = carry(space.tape, points, np.array([parameters, *way, parameters]))
            tracked += 3 * len(points)
            together = merged(points, arrived)
            quiet, points = (quiet + 1 if len(together) == len(points) else 0), together
            if progress is not None:
                progress(min(quiet, QUIET_LOOPS), QUIET_LOOPS, f"{len(points)} zeros after {loop} loops")
            if quiet >= QUIET_LOOPS:
                residual = trace_residual(space, parameters, points, rng)
                tracked += 2 * len(points)
                if residual < _LINEAR:
                    return Zeros(points, residual, loop, tracked)
                quiet //= 2
            if checkpoint is not None:
                save_loops(checkpoint, space.tape, parameters, points, rng, (loop, tracked, quiet))
    except KeyboardInterrupt:
        raise Stopped(points) from None
    raise MonodromyError(
        f"after {most} loops the {len(points)} zeros found do not pass the trace test (residual {residual:.1e}): "
        'try another seed or start="total-degree"'
    )


def carry(tape: Tape, points: np.ndarray, stations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow points from one row of parameters to the next; lost paths are tried again with smaller steps, then in
    double-double numbers, then dropped.

    Returns the points that arrive, and which they were.
    """
    kept = np.arange(len(points))
    for k in range(len(stations) - 1):
        ends = track(tape, points, stations, k, k + 1, _ONLY_TRACK)
        for settings in (_CAREFUL, _PRECISE):
            lost = np.flatnonzero(ends.status != REACHED)
            if len(lost):
                again = track(tape, points[lost], stations, k, k + 1, settings, precise=settings is _PRECISE)
                ends.points[lost], ends.info[lost] = again.points, again.info
        arrived = ends.status == REACHED
        points, kept = ends.points[arrived], kept[arrived]
    return points, kept


def merged(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Projective points and those of the others that are not among them."""
    affine, news = points[:, :-1] / points[:, -1:], others[:, :-1] / others[:, -1:]
    known = np.zeros(len(others), bool)
    for i, _, _ in sift.close_pairs(news, affine, _SAME):
        known[i] = True
    fresh = np.flatnonzero(~known)
    _, first = np.unique(sift.clusters(news[fresh], _SAME), return_index=True)
    return np.concatenate([points, others[fresh[np.sort(first)]]])


def trace_residual(space: Space, parameters: np.ndarray, points: np.ndarray, rng: np.random.Generator) -> float:
    """Relative second difference of the sum of all points while the slice moves parallel to itself; inf if one is
    lost on the way."""
    shift = space.shift(rng)
    sums, size = [], 0.0
    for step in (-1.0, 0.0, 1.0):
        moved = carry(space.tape, points, np.array([parameters, parameters + step * shift]))[0] if step else points
        if len(moved) < len(points):
            return np.inf
        affine = moved[:, :-1] / moved[:, -1:]
        sums.append(affine.sum(axis=0))
        size += float(np.abs(affine).sum())
    return float(np.abs(sums[0] - 2 * sums[1] + sums[2]).max()) / size
