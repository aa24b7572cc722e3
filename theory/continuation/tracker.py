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

from theory.continuation.decisions import (
    AT_INFINITY,
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
    REJECTIONS,
    STALLED,
    STATUS,
    STEPS,
    UNTRACKED,
    VALUATION,
    Settings,
)
from theory.continuation.lanes import carry_lanes, track_lanes, track_lanes_precisely
from theory.continuation.tape import Tape
from theory.continuation.vectors import LANES
from theory.parallel import processors

__all__ = [
    "AT_INFINITY",
    "BAD_START",
    "CROWDED",
    "DEFAULT",
    "ERROR",
    "HOMOGENISING",
    "LAST_U",
    "LOST",
    "PIVOTS",
    "PRECISE",
    "REACHED",
    "REJECTIONS",
    "STALLED",
    "STATUS",
    "STEPS",
    "UNTRACKED",
    "VALUATION",
    "Ends",
    "Progress",
    "Settings",
    "carry",
    "in_threads",
    "track",
    "track_lanes",
]

Progress = Callable[[int, int, str], None]
_FEW = 256  # paths


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
    precise: bool = False,
) -> Ends:
    """Track every path from its start point; what comes out does not depend on the number of threads.

    starts: (paths, n_coordinates) complex; parameters: (sets, n_parameters) complex; first, last: for each path (or for
    all) the set at the start and at the end. decays: the set at the start is none, it holds real rates r >= 0, and the
    parameters run as parameters[last] * exp(-r u). progress(done, total, text) is called while it runs.
    ends: what is known already; only its untracked paths are tracked (at_most so many), and written into it. Ctrl-C
    stops all threads and is raised again; what has been tracked stays in `ends`.
    precise: in double-double numbers, from and to points in doubles; about 30 times the work.
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
            lanes = track_lanes_precisely if precise else track_lanes
            lanes(tape, settings, which, starts, parameters, first, last, points, info, shared, decays)

    def report(done: int) -> None:
        if progress is not None:
            progress(before + done, count, f"{int((info[:, STATUS] == REACHED).sum())} finite ends")

    in_threads(work, left[:at_most], threads, report if progress is not None else None)
    return ends


def carry(
    tape: Tape,
    starts: np.ndarray,
    parameters: np.ndarray,
    stations: np.ndarray,
    settings: Settings = DEFAULT,
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

    in_threads(work, np.arange(len(starts)))
    return [Ends(*e) for e in zip(points, info, strict=True)]


def in_threads(
    work: Callable[[np.ndarray, np.ndarray], None],
    paths: np.ndarray,
    threads: int | None = None,
    report: Callable[[int], None] | None = None,
) -> None:
    """Call work(paths of this thread, [stop flag, paths done]) in each thread; few paths need no thread, which takes as
    long as tracking ten. Ctrl-C waits for those."""
    n_threads = max(1, min(threads or processors(), len(paths) // LANES))
    shared = np.zeros((n_threads, 2), dtype=np.int64)
    if report is None and len(paths) < (_FEW if n_threads == 1 else 2 * LANES):
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
