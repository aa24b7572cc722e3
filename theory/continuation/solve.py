"""th.solve: the isolated solutions of a polynomial system by homotopy continuation."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from theory.continuation import sift
from theory.continuation.endgame import cauchy
from theory.continuation.homotopy import Homotopy, InconsistentError, Reduced, UnderdeterminedError, reduce
from theory.continuation.solutions import PathCount, SolutionSet
from theory.continuation.start import TooManyPathsError, total_degree
from theory.continuation.tracker import (
    DEFAULT,
    HOMOGENISING,
    LAST_U,
    PIVOTS,
    REACHED,
    STALLED,
    STATUS,
    Ends,
    Progress,
    Settings,
    track,
)
from theory.continuation.tracker import AT_INFINITY as HEADED_OUT
from theory.systems import PolynomialSystem

__all__ = ["PathCount", "SolutionSet", "TooManyPathsError", "UnderdeterminedError", "solve"]

MAX_PATHS = 200_000
STARTS = ("auto", "total-degree")
BACKENDS = ("native", "phcpy")
FINITE, SINGULAR, INFINITE, FAILED = range(4)

_ATTEMPTS = (
    DEFAULT,
    DEFAULT._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0),
    DEFAULT._replace(predictor_error=3e-5, newton_ratio=0.02, accepted_update=1e-6, largest_step=0.02, max_steps=1e5),
)
_FAR_OUT = 1e-9  # |x_0| / |x| below which an end counts as infinite
_DOUBTFUL_PIVOTS = 1e-9  # a regular end has better ones
_SOLVED = 1e-7  # relative residual of a solution
_ILL_CONDITIONED = 1e12  # singular for all that double precision can tell


def solve(
    system: PolynomialSystem,
    start: str = "auto",
    backend: str = "native",
    seed: int = 0,
    certify: bool = False,
    max_paths: int | None = None,
    progress: Progress | None = None,
) -> SolutionSet:
    """All isolated solutions of a system in C^n, each once, with multiplicity; every path is accounted for.

    start: "total-degree" (prod of the degrees after affine equations are eliminated) or "auto"
    backend: "native", or "phcpy" (PHCpack's blackbox solver, as a peer)
    certify: prove each regular solution by interval arithmetic; the outcome is in `certified`
    max_paths: refuse, before starting, to track more paths than this (200,000 by default)
    progress: called as progress(done, total, text)

    With as many equations as unknowns all isolated solutions are found with probability 1 over the seed. With more,
    random combinations are solved and points off the full system dropped. The same seed gives the same answer, bit for
    bit, whatever the number of threads.

    Raises UnderdeterminedError (fewer independent equations than unknowns), TooManyPathsError, ValueError for an
    unknown start or backend, BackendError where phcpy is missing.
    Source: A. Sommese, C. Wampler, The numerical solution of systems of polynomials arising in engineering and science
    (2005).
    """
    _check(system, start, backend, seed, max_paths)
    if backend == "phcpy":
        from theory.continuation import phcpy_backend

        return phcpy_backend.solve(system, seed)
    try:
        reduced = reduce(system)
    except InconsistentError as error:
        return _empty(system, seed, str(error))
    if reduced.n_free == 0:
        return _linear(reduced, seed)
    homotopy = total_degree(reduced, seed, MAX_PATHS if max_paths is None else max_paths)
    return follow(homotopy, seed, progress)


def _check(system: Any, start: str, backend: str, seed: Any, max_paths: Any) -> None:
    if not isinstance(system, PolynomialSystem):
        raise TypeError(f"solve needs a PolynomialSystem, got {type(system).__name__}")
    for value, known, what in ((start, STARTS, "start"), (backend, BACKENDS, "backend")):
        if value not in known:
            raise ValueError(f"{what} must be one of {', '.join(map(repr, known))}, got {value!r}")
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"seed must be a whole number that is not negative, got {seed!r}")
    if max_paths is not None and max_paths < 1:
        raise ValueError(f"max_paths must be at least 1, got {max_paths}")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of each path: kind (p,), points (p, n) of the system where finite."""

    kind: np.ndarray
    points: np.ndarray


def follow(homotopy: Homotopy, seed: int, progress: Progress | None = None) -> SolutionSet:
    """Track all paths of a homotopy and sift their ends; suspicious sets are tracked again with tighter settings."""
    found: SolutionSet | None = None
    for settings in _ATTEMPTS:
        found, suspicious = sifted(homotopy, ends_of(homotopy, settings, progress), seed)
        if not suspicious:
            return found
    assert found is not None
    return replace(found, notes=(*found.notes, suspicious))


def ends_of(homotopy: Homotopy, settings: Settings, progress: Progress | None) -> Outcome:
    """Track all paths, lost ones again with tighter settings, and settle the rest by the endgame."""
    ends = track(homotopy.tape, homotopy.starts, homotopy.parameters, settings=settings, progress=progress)
    for tighter in _ATTEMPTS[1:]:
        lost = np.flatnonzero(~np.isin(ends.status, (REACHED, HEADED_OUT, STALLED)))
        if not len(lost):
            break
        again = track(homotopy.tape, homotopy.starts[lost], homotopy.parameters, settings=tighter)
        ends.points[lost], ends.info[lost] = again.points, again.info
    return _settle(homotopy, ends)


def _settle(homotopy: Homotopy, ends: Ends) -> Outcome:
    """Sort ends into finite, singular, infinite and failed."""
    status, info = ends.status, ends.info
    kind = np.full(len(status), FAILED)
    near_end = info[:, LAST_U] <= 1e-6
    far_out = (info[:, HOMOGENISING] < _FAR_OUT) & near_end & np.isin(status, (REACHED, STALLED))
    kind[(status == HEADED_OUT) | far_out] = INFINITE
    good = (status == REACHED) & ~far_out & (info[:, PIVOTS] > _DOUBTFUL_PIVOTS)
    kind[good] = FINITE
    points = homotopy.affine(ends.points)
    doubtful = np.flatnonzero((kind == FAILED) & np.isin(info[:, STATUS], (REACHED, STALLED)))
    if len(doubtful):
        settled = cauchy(homotopy, doubtful, ends)
        decided = np.isfinite(settled.error)
        kind[doubtful[settled.infinite]] = INFINITE
        finite = decided & ~settled.infinite
        kind[doubtful[finite]] = SINGULAR
        points[doubtful[finite]] = homotopy.affine(settled.points[finite])
    return Outcome(kind, points)


def sifted(homotopy: Homotopy, outcome: Outcome, seed: int) -> tuple[SolutionSet, str]:
    """The solution set of the ends, and what is suspicious about it ("" if nothing)."""
    system, kind = homotopy.reduced.system, outcome.kind.copy()
    finite = np.flatnonzero(np.isin(kind, (FINITE, SINGULAR)))
    bad = finite[~np.isfinite(outcome.points[finite]).all(axis=1)]
    kind[bad] = FAILED
    regular = np.flatnonzero(kind == FINITE)
    points = outcome.points.copy()
    points[regular] = sift.refine(system, points[regular])
    finite = np.flatnonzero(np.isin(kind, (FINITE, SINGULAR)))
    off = finite[sift.relative_residual(system, points[finite]) > _SOLVED]
    excess = off if system.n_equations > system.n_unknowns else np.zeros(0, int)
    kind[np.setdiff1d(off, excess)] = FAILED
    kept = np.isin(kind, (FINITE, SINGULAR))
    kept[excess] = False
    rows, multiplicity, singular, repeated = _distinct(system, points, kind, np.flatnonzero(kept))
    solutions, is_real, unpaired = _paired(system, points[rows], singular)
    counts = [int((kind == k).sum()) for k in (FINITE, INFINITE, SINGULAR, FAILED)]
    found = SolutionSet(
        names=system.names,
        solutions=solutions,
        multiplicity=multiplicity,
        singular=singular,
        is_real=is_real,
        residual=sift.relative_residual(system, solutions),
        condition=np.where(singular, np.inf, sift.conditions(system, solutions)),
        paths=PathCount(len(kind), *counts, excess=len(excess)),
        start=homotopy.origin,
        seed=int(seed),
        notes=(f"{counts[3]} paths are undecided",) if counts[3] else (),
    )
    reasons = []
    if repeated:
        reasons.append(f"{repeated} regular solutions were reached by more than one path")
    if unpaired:
        reasons.append(f"{unpaired} solutions of a real system lack their complex conjugate")
    return found, "; ".join(reasons)


def _distinct(
    system: PolynomialSystem, points: np.ndarray, kind: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """One row a solution: index of a path that ends there, multiplicity, singular or not; and how many regular points
    were reached more than once, which only a jump between paths explains."""
    rows: list[int] = []
    multiplicity: list[int] = []
    singular: list[bool] = []
    repeated = 0
    for what, radius in ((FINITE, sift.REGULAR_RADIUS), (SINGULAR, sift.SINGULAR_RADIUS)):
        members = kept[kind[kept] == what]
        if not len(members):
            continue
        label = sift.clusters(points[members], radius)
        _, first, size = np.unique(label, return_index=True, return_counts=True)
        rows += members[first].tolist()
        if what == FINITE:
            repeated = int((size > 1).sum())
            multiplicity += [1] * len(size)
            singular += [False] * len(size)
        else:
            bad = sift.conditions(system, points[members[first]]) > _ILL_CONDITIONED
            multiplicity += size.tolist()
            singular += ((size > 1) | bad).tolist()
    return np.array(rows, int), np.array(multiplicity, int), np.array(singular, bool), repeated


def _paired(
    system: PolynomialSystem, points: np.ndarray, singular: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """(solutions, which are real, how many lack their conjugate): exact conjugate pairs for a real system."""
    partner = sift.conjugate_partners(points, singular)
    is_real = partner == np.arange(len(points))
    if not system.is_real:
        return points, is_real, 0
    return sift.symmetrised(points, partner), is_real, int((partner < 0).sum())


def _linear(reduced: Reduced, seed: int) -> SolutionSet:
    """The one solution of a system whose affine equations fix every unknown, if it solves the others."""
    system = reduced.system
    point = sift.refine(system, reduced.lift(np.zeros((1, 0), complex)))
    residual = sift.relative_residual(system, point)
    if residual[0] > _SOLVED:
        return _empty(system, seed, "the affine equations have one solution, which does not solve the others")
    is_real = np.abs(point.imag).max(axis=1) <= sift.REGULAR_RADIUS * (1 + np.abs(point).max(axis=1))
    return replace(
        _empty(system, seed, "the equations are affine: no path was needed"),
        solutions=np.where(is_real[:, None], point.real, point),
        multiplicity=np.ones(1, int),
        singular=np.zeros(1, bool),
        is_real=is_real,
        residual=residual,
        condition=sift.conditions(system, point),
    )


def _empty(system: PolynomialSystem, seed: int, note: str) -> SolutionSet:
    nothing = np.zeros(0)
    return SolutionSet(
        names=system.names,
        solutions=np.zeros((0, system.n_unknowns), complex),
        multiplicity=nothing.astype(int),
        singular=nothing.astype(bool),
        is_real=nothing.astype(bool),
        residual=nothing,
        condition=nothing,
        paths=PathCount(0, 0, 0, 0, 0),
        start="elimination",
        seed=int(seed),
        notes=(note,),
    )
