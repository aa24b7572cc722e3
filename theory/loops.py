"""All zeros of equations with parameters, from one of them: loops in the parameters carry it to the others.

The pairs (point, parameters) must form an irreducible set, as they do where the parameters that a point solves are an
affine space. What counts may be less than the point, such as the function that weights make: points with the same
image are then one. Loops stop when several in a row bring no news and, where the images of all points of a complete
set must sum to an affine function of the parameters, when they do.
Source: A. Sommese, J. Verschelde, C. Wampler, Symmetric functions applied to decomposing solution sets of polynomial
systems, SIAM J. Numer. Anal. 40 (2002).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from theory.continuation.sift import close_pairs, clusters
from theory.continuation.tape import Tape
from theory.continuation.tracker import DEFAULT as SETTINGS
from theory.continuation.tracker import HOMOGENISING, REACHED, Progress, track

QUIET_LOOPS = 8
MAX_LOOPS = 200
LINEAR = 1e-7  # relative second difference of a sum that is taken for affine
_FAR_OUT = 1e-8  # |x_0| / |x| of an end that is taken for infinite, where a path went astray
SAME = 1e-8  # relative distance of two images that are one: different ones have been seen 3e-8 apart
_TRACK = SETTINGS._replace(endgame=0.0)
_CAREFUL = _TRACK._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=3_000.0)

Images = Callable[[np.ndarray], np.ndarray]


class TooManyPointsError(ValueError):
    """A set has more points than was allowed."""


class IncompleteError(ValueError):
    """A set of points did not become complete."""


@dataclass(frozen=True, eq=False)
class Found:
    """Points (p, unknowns) with different images, the second difference of their sum, and the work."""

    points: np.ndarray
    residual: float
    loops: int
    paths: int


def find_all(
    tape: Tape,
    parameters: np.ndarray,
    point: np.ndarray,
    images: Images,
    seed: int,
    *,
    summed: Images | None = None,
    max_points: int,
    quiet_loops: int = QUIET_LOOPS,
    progress: Progress | None = None,
) -> Found:
    """All points with different images that one (unknowns,) can be carried to by loops from its parameters.

    images: (p, unknowns) -> (p, c), what tells points apart
    summed: what has a sum over all points of a complete set that is affine in the parameters; the images by default
    quiet_loops: so many in a row without news end the search

    Raises TooManyPointsError beyond max_points, IncompleteError where MAX_LOOPS do not suffice.
    """
    rng = np.random.default_rng([seed, 3])
    points, paths, quiet, residual = point[None], 0, 0, np.inf
    summed = images if summed is None else summed
    for loop in range(1, MAX_LOOPS + 1):
        way = [parameters, *(_like(parameters, rng) for _ in range(2)), parameters]
        arrived = carry(tape, points, np.array(way))
        paths += 3 * len(points)
        merged = _merged(points, arrived, images)
        quiet, points = (quiet + 1 if len(merged) == len(points) else 0), merged
        if len(points) > max_points:
            raise TooManyPointsError(f"more than {max_points:,} points")
        if progress is not None:
            progress(min(quiet, quiet_loops), quiet_loops, f"{len(points)} points after {loop} loops")
        if quiet >= quiet_loops:
            residual = _second_difference(tape, parameters, points, summed, rng)
            paths += 2 * len(points)
            if residual < LINEAR:
                return Found(points, residual, loop, paths)
            quiet //= 2
    raise IncompleteError(
        f"after {MAX_LOOPS} loops the {len(points)} points found do not pass the trace test (residual {residual:.1e}): "
        "try another seed"
    )


def carry(tape: Tape, points: np.ndarray, stations: np.ndarray) -> np.ndarray:
    """Where points (p, unknowns) come to from one row of parameters to the next; lost ones are tried again, then left
    out."""
    projective = np.hstack([points, np.ones((len(points), 1))])
    for k in range(len(stations) - 1):
        ends = track(tape, projective, stations, k, k + 1, _TRACK)
        lost = np.flatnonzero(ends.status != REACHED)
        if len(lost):
            again = track(tape, projective[lost], stations, k, k + 1, _CAREFUL)
            ends.points[lost], ends.info[lost] = again.points, again.info
        projective = ends.points[(ends.status == REACHED) & (ends.info[:, HOMOGENISING] > _FAR_OUT)]
    return projective[:, :-1] / projective[:, -1:]


def complex_normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Complex numbers of mean square 1."""
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def _like(parameters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.sqrt((np.abs(parameters) ** 2).mean()) * complex_normal(rng, len(parameters))


def _merged(points: np.ndarray, others: np.ndarray, images: Images) -> np.ndarray:
    """The points, and those of the others whose images are new."""
    known, news = images(points), images(others)
    seen = np.zeros(len(others), bool)
    for i, _, _ in close_pairs(news, known, SAME):
        seen[i] = True
    fresh = np.flatnonzero(~seen & np.isfinite(news).all(axis=1))
    _, first = np.unique(clusters(news[fresh], SAME), return_index=True)
    return np.concatenate([points, others[fresh[np.sort(first)]]])


def _second_difference(
    tape: Tape, parameters: np.ndarray, points: np.ndarray, summed: Images, rng: np.random.Generator
) -> float:
    """That of the sum over all points along a line of parameters, relative to its terms; inf if a path is lost."""
    shift = _like(parameters, rng)
    sums, size = [], 0.0
    for step in (-1.0, 0.0, 1.0):
        moved = carry(tape, points, np.array([parameters, parameters + step * shift])) if step else points
        if len(moved) < len(points):
            return float("inf")
        found = summed(moved)
        sums.append(found.sum(axis=0))
        size += float(np.abs(found).sum())
    return float(np.abs(sums[0] - 2 * sums[1] + sums[2]).max()) / size
