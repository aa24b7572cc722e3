"""th.solve: the isolated solutions of a polynomial system by homotopy continuation."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from theory.continuation import sift
from theory.continuation.endgame import cauchy, condition_at_end
from theory.continuation.homotopy import Homotopy, InconsistentError, Reduced, UnderdeterminedError, reduce
from theory.continuation.solutions import PathCount, SolutionSet
from theory.continuation.start import TooManyPathsError, multihomogeneous, total_degree
from theory.continuation.tracker import AT_INFINITY as HEADED_OUT
from theory.continuation.tracker import (
    DEFAULT,
    HOMOGENISING,
    LAST_U,
    PIVOTS,
    REACHED,
    STALLED,
    Ends,
    Progress,
    Settings,
    track,
)
from theory.multihomogeneous import EXHAUSTIVE_UNKNOWNS, best_partition
from theory.systems import PolynomialSystem

__all__ = ["PathCount", "SolutionSet", "TooManyPathsError", "UnderdeterminedError", "solve"]

MAX_PATHS = 200_000
MONODROMY_FROM = 2_000  # total-degree paths of a network's system from which on loops are cheaper, as a rule
PARTITION_FROM = 500  # total-degree paths from which on a search for a better multihomogeneous start pays
STARTS = ("auto", "total-degree", "multihomogeneous", "monodromy")
BACKENDS = ("native", "phcpy")
FINITE, SINGULAR, INFINITE, FAILED = range(4)

_ATTEMPTS = (
    DEFAULT,
    DEFAULT._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0),
    DEFAULT._replace(predictor_error=3e-5, newton_ratio=0.02, accepted_update=1e-6, largest_step=0.02, max_steps=1e5),
)
_FAR_OUT = 1e-9  # |x_0| / |x| below which an end counts as infinite
_DOUBTFUL_PIVOTS = 1e-9  # below that the condition number is looked at
_DOUBTFUL_CONDITION = 1e10  # above that an end may be singular
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

    start: "total-degree": prod of the degrees, after affine equations are eliminated, is the number of paths
        "multihomogeneous": the same for the best partition of the unknowns found
        "monodromy": for a network's interpolation equations with slices, see `family`: a path for each solution
        "auto": the one that should be cheaper; `start` of the answer says which and why
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

        found = phcpy_backend.solve(system, int(seed))
    else:
        found = _solve_natively(system, start, int(seed), MAX_PATHS if max_paths is None else max_paths, progress)
    return _certified(system, found) if certify else found


def _solve_natively(
    system: PolynomialSystem, start: str, seed: int, max_paths: int, progress: Progress | None
) -> SolutionSet:
    try:
        reduced = reduce(system)
    except InconsistentError as error:
        return _empty(system, seed, str(error))
    if reduced.n_free == 0:
        return _linear(reduced, seed)
    if _wants_monodromy(reduced, start, max_paths):
        from theory.continuation import families  # which follows its paths with this module

        try:
            return families.solve_system(system, seed, progress)
        except families.MonodromyError:
            if start == "monodromy":
                raise
    groups = _partition(reduced, start)
    if groups is not None:
        return follow(lambda gamma: multihomogeneous(reduced, groups, gamma, max_paths), seed, progress)
    return follow(lambda gamma: total_degree(reduced, gamma, max_paths), seed, progress)


def _partition(reduced: Reduced, start: str) -> list[list[int]] | None:
    """The partition of the unknowns to start from, None for the total-degree start."""
    system = reduced.system
    plain = reduced.n_free == system.n_unknowns == system.n_equations  # no affine equations, square
    bezout = math.prod(system.degrees)
    if start == "multihomogeneous" and not plain:
        raise ValueError('start="multihomogeneous" needs a square system without affine equations')
    worthwhile = start == "auto" and plain and bezout > PARTITION_FROM and system.n_unknowns <= EXHAUSTIVE_UNKNOWNS
    if start != "multihomogeneous" and not worthwhile:
        return None
    count, labels, _ = best_partition(system.supports)
    if start == "auto" and count > bezout / 2:
        return None
    return [[k for k, label in enumerate(labels) if label == g] for g in range(max(labels) + 1)]


def _wants_monodromy(reduced: Reduced, start: str, max_paths: int) -> bool:
    system = reduced.system
    possible = getattr(system.network, "kind", None) == "interpolation" and len(system.affine) > 0
    if start == "monodromy" and not possible:
        raise ValueError(
            'start="monodromy" needs the interpolation equations of a network with affine equations added by slice; '
            'use start="total-degree"'
        )
    paths = math.prod(d for d in system.degrees if d > 1)
    return start == "monodromy" or (start == "auto" and possible and paths > min(MONODROMY_FROM, max_paths))


def _certified(system: PolynomialSystem, found: SolutionSet) -> SolutionSet:
    from theory.continuation.certify import certify  # python-flint, only where a proof is asked for

    return replace(found, certified=certify(system, found.solutions).certified)


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
class Found:
    """The distinct solutions among the ends of paths, in scaled unknowns, and what is suspicious about them.

    repeated: regular points reached by several paths; unpaired: solutions of a real system without their conjugate
    """

    kind: np.ndarray
    solutions: np.ndarray
    multiplicity: np.ndarray
    singular: np.ndarray
    is_real: np.ndarray
    repeated: int
    unpaired: int
    excess: int
    not_isolated: int = 0

    def suspicion(self, system: PolynomialSystem) -> str:
        """What only lost paths or jumps between paths explain; "" if nothing."""
        reasons = []
        if self.repeated:
            reasons.append(f"{self.repeated} regular solutions were reached by more than one path")
        if system.is_real and self.unpaired:
            reasons.append(f"{self.unpaired} regular solutions of a real system lack their complex conjugate")
        return "; ".join(reasons)

    def isolated(self, other: "Found") -> "Found":
        """Without the singular points that another homotopy does not find again."""
        keep = ~self.singular | sift.recurring(self.solutions, other.solutions[other.singular])
        names = ("solutions", "multiplicity", "singular", "is_real")
        rows = {name: getattr(self, name)[keep] for name in names}
        return replace(self, **rows, not_isolated=int(self.multiplicity[~keep].sum()))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of each path: kind (p,), points (p, n) of the scaled system where finite."""

    kind: np.ndarray
    points: np.ndarray


def follow(restart: Callable[[int], Homotopy], seed: int, progress: Progress | None = None) -> SolutionSet:
    """Track all paths of the homotopy restart(seed) and sift their ends.

    Suspicious sets are tracked again with tighter settings. Singular ends are tracked again by restart(seed + 1): those
    of isolated solutions come back, those on curves and larger sets land elsewhere.
    """
    homotopy = restart(seed)
    suspicious = ""
    for settings in _ATTEMPTS:
        outcome = ends_of(homotopy, settings, progress)
        found = sift_ends(homotopy.reduced, outcome)
        suspicious = found.suspicion(homotopy.reduced.system)
        if not suspicious:
            break
    notes = [f"after tracking again: {suspicious}"] if suspicious else []
    if found.singular.any():
        again = restart(seed + 1)
        other = sift_ends(again.reduced, ends_of(again, DEFAULT, None))
        found = found.isolated(other)
    if found.not_isolated:
        notes.append(
            f"{found.not_isolated} paths end on a part of the zero set of positive dimension, which zero_set decomposes"
        )
    return _solution_set(homotopy, found, seed, notes)


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
    stopped = np.isin(status, (REACHED, STALLED))
    far_out = stopped & (info[:, HOMOGENISING] < _FAR_OUT) & (info[:, LAST_U] <= 1e-6)
    kind[(status == HEADED_OUT) | far_out] = INFINITE
    reached = np.flatnonzero((status == REACHED) & ~far_out)
    unclear = info[reached, PIVOTS] < _DOUBTFUL_PIVOTS
    unclear[unclear] = condition_at_end(homotopy, ends.points[reached[unclear]]) > _DOUBTFUL_CONDITION
    kind[reached[~unclear]] = FINITE
    points = homotopy.affine(ends.points)
    doubtful = np.flatnonzero((kind == FAILED) & stopped)
    if len(doubtful):
        settled = cauchy(homotopy, doubtful, ends)
        kind[doubtful[settled.infinite]] = INFINITE
        finite = np.isfinite(settled.error) & ~settled.infinite
        kind[doubtful[finite]] = SINGULAR
        points[doubtful[finite]] = homotopy.affine(settled.points[finite])
    return Outcome(kind, points)


def sift_ends(reduced: Reduced, outcome: Outcome) -> Found:
    """Refine the finite ends, drop what does not solve the full system, and list the distinct solutions."""
    system, kind, points = reduced.scaled, outcome.kind.copy(), outcome.points.copy()
    finite = np.flatnonzero(np.isin(kind, (FINITE, SINGULAR)))
    kind[finite[~np.isfinite(points[finite]).all(axis=1)]] = FAILED
    regular = np.flatnonzero(kind == FINITE)
    points[regular] = sift.refine(system, points[regular])
    finite = np.flatnonzero(np.isin(kind, (FINITE, SINGULAR)))
    off = finite[sift.relative_residual(system, points[finite]) > _SOLVED]
    excess = system.n_equations > system.n_unknowns
    if not excess:
        kind[off] = FAILED
    kept = np.setdiff1d(finite, off)
    rows: list[int] = []
    multiplicity: list[int] = []
    repeated = 0
    for what, radius in ((FINITE, sift.REGULAR_RADIUS), (SINGULAR, sift.SINGULAR_RADIUS)):
        members = kept[kind[kept] == what]
        if len(members):
            label = sift.clusters(points[members], radius)
            _, first, size = np.unique(label, return_index=True, return_counts=True)
            rows += members[first].tolist()
            multiplicity += (size if what == SINGULAR else np.ones_like(size)).tolist()
            repeated += int((size > 1).sum()) if what == FINITE else 0
    index, weights = np.array(rows, int), np.array(multiplicity, int)
    lone = (kind[index] == SINGULAR) & (weights == 1)
    lone[lone] = sift.conditions(system, points[index[lone]]) < _ILL_CONDITIONED
    kind[index[lone]] = FINITE
    singular = kind[index] == SINGULAR
    solutions, is_real, unpaired = _paired(system, points[index], singular)
    return Found(kind, solutions, weights, singular, is_real, repeated, unpaired, len(off) if excess else 0)


def _paired(system: PolynomialSystem, points: np.ndarray, singular: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """(solutions, which are real, how many lack their conjugate): exact conjugate pairs for a real system."""
    partner = sift.conjugate_partners(points, singular)
    is_real = partner == np.arange(len(points))
    if not system.is_real:
        return points, is_real, 0
    return sift.symmetrised(points, partner), is_real, int(((partner < 0) & ~singular).sum())


def _solution_set(homotopy: Homotopy, found: Found, seed: int, notes: list[str]) -> SolutionSet:
    reduced = homotopy.reduced
    finite, infinite, singular, failed = (int((found.kind == k).sum()) for k in (FINITE, INFINITE, SINGULAR, FAILED))
    if failed:
        notes = [*notes, f"{failed} paths are undecided"]
    return SolutionSet(
        names=reduced.system.names,
        solutions=found.solutions * reduced.scales,
        multiplicity=found.multiplicity,
        singular=found.singular,
        is_real=found.is_real,
        residual=sift.relative_residual(reduced.scaled, found.solutions),
        condition=np.where(found.singular, np.inf, sift.conditions(reduced.scaled, found.solutions)),
        paths=PathCount(len(found.kind), finite, infinite, singular, failed, found.excess, found.not_isolated),
        start=homotopy.origin,
        seed=int(seed),
        notes=tuple(notes),
    )


def _linear(reduced: Reduced, seed: int) -> SolutionSet:
    """The one solution of a system whose affine equations fix every unknown, if it solves the others."""
    system = reduced.scaled
    point = sift.refine(system, reduced.reduction.lift(np.zeros((1, 0), complex)))
    residual = sift.relative_residual(system, point)
    if residual[0] > _SOLVED:
        return _empty(reduced.system, seed, "the affine equations have one solution, which does not solve the others")
    is_real = np.abs(point.imag).max(axis=1) <= sift.REGULAR_RADIUS * (1 + np.abs(point).max(axis=1))
    return replace(
        _empty(reduced.system, seed, "the equations are affine: no path was needed"),
        solutions=np.where(is_real[:, None], point.real, point) * reduced.scales,
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
