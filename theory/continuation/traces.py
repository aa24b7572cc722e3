"""Paths to look at: where the solutions of a homotopy are on the way from the start system to the system asked."""

from typing import Any, NamedTuple

import numpy as np

from theory.arguments import check_count, check_seed
from theory.continuation.homotopy import reduce
from theory.continuation.start import total_degree
from theory.continuation.tracker import DEFAULT, HOMOGENISING, REACHED, track
from theory.systems import PolynomialSystem

_FAR_OUT = 1e-12  # |x_0| / |x| below which a point is infinite for all that double precision can tell


class Traces(NamedTuple):
    """t: (T,), falling from 1, the start system; points: (T, paths, n) complex.

    A path has NaN from where it could not be followed any further, as those to infinity at the end.
    """

    t: np.ndarray
    points: np.ndarray


def trace_paths(system: PolynomialSystem, seed: int = 0, t: Any = None, max_paths: int = 1000) -> Traces:
    """The paths of the total-degree homotopy of `solve`, sampled at the values t, for pictures and teaching.

    t: falling from 1, the start system, towards 0, the system itself; 201 equal steps by default

    Raises UnderdeterminedError, TooManyPathsError and InconsistentError (ValueErrors) as `solve` meets them, ValueError
    for other values of t, of seed and of max_paths.
    """
    seed, max_paths = check_seed(seed), check_count(max_paths, "max_paths")
    t = np.linspace(1.0, 0.0, 201) if t is None else np.asarray(t, dtype=float)
    if t.ndim != 1 or len(t) < 2 or t[0] != 1 or t[-1] < 0 or not (np.diff(t) < 0).all():
        raise ValueError(f"t must fall from 1 to a value not below 0, got {t}")
    homotopy = total_degree(reduce(system), seed, max_paths)
    first, last = homotopy.parameters
    grid = last + t[:, None] * (first - last)
    followed = np.arange(len(homotopy.starts))
    projective = np.full((len(t), *homotopy.starts.shape), np.nan, dtype=np.complex128)
    projective[0] = homotopy.starts
    for k in range(len(t) - 1):
        settings = DEFAULT._replace(endgame=float(t[k + 1] == 0))  # elsewhere nothing ends, at infinity least of all
        ends = track(homotopy.tape, projective[k, followed], grid[k : k + 2], settings=settings)
        finite = (ends.status == REACHED) & (ends.info[:, HOMOGENISING] > _FAR_OUT)
        followed = followed[finite]
        projective[k + 1, followed] = ends.points[finite]
    flat = homotopy.affine(projective.reshape(-1, projective.shape[-1])) * homotopy.reduced.scales
    return Traces(t, flat.reshape(len(t), len(homotopy.starts), -1))
