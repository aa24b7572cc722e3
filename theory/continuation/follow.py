"""From a homotopy to a solution set: all paths followed, their ends settled, sifted and counted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from theory.continuation import sift
from theory.continuation.checkpoint import restore, save, track_and_save
from theory.continuation.endgame import cauchy, condition_at_end, parameters_at
from theory.continuation.homotopy import Homotopy, Reduced
from theory.continuation.isolation import is_isolated
from theory.continuation.polish import CONVERGED, ILL_CONDITIONED, polish
from theory.continuation.solutions import PathCount, SolutionSet
from theory.continuation.tracker import AT_INFINITY as HEADED_OUT
from theory.continuation.tracker import (
    DEFAULT,
    ERROR,
    HOMOGENISING,
    LAST_U,
    LOST,
    PIVOTS,
    REACHED,
    STALLED,
    UNTRACKED,
    Ends,
    Progress,
    Settings,
    track,
)
from theory.systems import PolynomialSystem

FINITE, SINGULAR, INFINITE, FAILED = range(4)

_ATTEMPTS = (
    DEFAULT,
    DEFAULT._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0),
    DEFAULT._replace(predictor_error=3e-5, newton_ratio=0.02, accepted_update=1e-6, largest_step=0.02, max_steps=1e5),
)
_SIDES = (0.1j, -0.1j, 0.4j, -0.4j, 1j, -1j)  # of a time where a path got lost, by its distance from start and end
_NEW = 1e-6  # relative distance from all other ends that makes an end a new one
_FAR_OUT = 1e-9  # |x_0| / |x| below which an end counts as infinite
_DOUBTFUL_PIVOTS = 1e-9  # below that the condition number is looked at
_DOUBTFUL_ERROR = 1e-10  # above that Newton's method may have been converging linearly
_DOUBTFUL_CONDITION = 1e10  # above that an end may be singular
SOLVED = 1e-7  # relative residual of a solution
_ILL_CONDITIONED = 1e12  # singular for all that double precision can tell


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
    condition: np.ndarray
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
        return self._keeping(~self.singular | sift.recurring(self.solutions, other.solutions[other.singular]))

    def proven_isolated(self, system: PolynomialSystem) -> tuple["Found", int]:
        """Without the singular points whose dual space outgrows all paths that may end there, such as embedded points
        of curves, to which paths always come back; and the number of those for which that stays open.
        """
        rows = np.flatnonzero(self.singular)
        paths = np.full(len(rows), int((self.kind == FAILED).sum()))  # that may end there
        for i, j, _ in sift.close_pairs(self.solutions[rows], self.solutions[rows].copy(), sift.LOOSE_RADIUS):
            paths[i] += self.multiplicity[rows[j]]
        answers = [is_isolated(system, self.solutions[i], int(most)) for i, most in zip(rows, paths, strict=True)]
        keep = np.ones(len(self.solutions), bool)
        keep[rows] = [answer is not False for answer in answers]
        return self._keeping(keep), answers.count(None)

    def _keeping(self, keep: np.ndarray) -> "Found":
        names = ("solutions", "multiplicity", "singular", "is_real", "condition")
        rows = {name: getattr(self, name)[keep] for name in names}
        return replace(self, **rows, not_isolated=self.not_isolated + int(self.multiplicity[~keep].sum()))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of each path: kind (p,), points (p, n) of the scaled system where finite."""

    kind: np.ndarray
    points: np.ndarray


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while paths were followed. found: the solutions at the end of the paths tracked until then."""

    def __init__(self, found: SolutionSet) -> None:
        super().__init__("interrupted")
        self.found = found


def follow(
    restart: Callable[[int], Homotopy], seed: int, progress: Progress | None = None, checkpoint: Path | None = None
) -> SolutionSet:
    """Track all paths of the homotopy restart(seed) and sift their ends.

    checkpoint: a file where the ends are kept while paths are tracked, and from which the same run goes on
    Raises Interrupted on Ctrl-C, with the solutions known by then.
    """
    homotopy = restart(seed)
    ends = Ends.unknown(homotopy.starts) if checkpoint is None else restore(checkpoint, homotopy, seed)
    try:
        if checkpoint is not None:
            track_and_save(homotopy, ends, DEFAULT, progress, lambda e: save(checkpoint, homotopy, seed, e))
        return _settled(restart, homotopy, ends, seed, progress)
    except KeyboardInterrupt:
        raise Interrupted(_partial(homotopy, ends, seed)) from None


def _settled(
    restart: Callable[[int], Homotopy], homotopy: Homotopy, ends: Ends, seed: int, progress: Progress | None
) -> SolutionSet:
    """Suspicious sets are tracked again with tighter settings. Singular ends are tracked again by restart(seed + 1):
    those of isolated solutions come back, those on curves and larger sets land elsewhere.
    """
    suspicious = ""
    for settings in _ATTEMPTS:
        outcome = ends_of(homotopy, settings, progress, ends if settings is DEFAULT else None)
        found = sift_ends(homotopy.reduced, outcome)
        suspicious = found.suspicion(homotopy.reduced.system)
        if not suspicious:
            break
    notes = [f"after tracking again: {suspicious}"] if suspicious else []
    if found.singular.any():
        again = restart(seed + 1)
        other = sift_ends(again.reduced, ends_of(again, DEFAULT, None))
        found, doubtful = found.isolated(other).proven_isolated(homotopy.reduced.scaled)
        if doubtful:
            notes.append(f"whether {doubtful} of the singular solutions are isolated is not certain: see zero_set")
    if found.not_isolated:
        notes.append(f"{found.not_isolated} paths end on a part of the zero set of positive dimension: see zero_set")
    if found.singular.any() and homotopy.reduced.system.n_equations > homotopy.reduced.system.n_unknowns:
        notes.append("multiplicities are those of random combinations of the equations: upper bounds")
    return _solution_set(homotopy, found, seed, notes)


def _partial(homotopy: Homotopy, ends: Ends, seed: int) -> SolutionSet:
    """The regular solutions among the ends known so far; no endgame, nothing tracked again."""
    found = sift_ends(homotopy.reduced, _settle(homotopy, ends, endgame=False))
    untracked = int((ends.status == UNTRACKED).sum())
    note = f"interrupted with {untracked} of {len(ends.status)} paths untracked: solutions may be missing"
    whole = _solution_set(homotopy, found, seed, [note])
    return replace(whole, paths=replace(whole.paths, untracked=untracked), partial=True)


def ends_of(
    homotopy: Homotopy, settings: Settings, progress: Progress | None = None, known: Ends | None = None
) -> Outcome:
    """Track all paths, lost ones again with tighter settings, and settle the rest by the endgame.

    known: ends of paths that need not be tracked again; the others are added to them.
    """
    ends = track(homotopy.tape, homotopy.starts, homotopy.parameters, settings=settings, progress=progress, ends=known)
    if homotopy.complete:
        _detour(homotopy, ends, settings)
    for tighter in _ATTEMPTS[1:]:
        lost = np.flatnonzero(~np.isin(ends.status, (REACHED, HEADED_OUT, STALLED)))
        if not len(lost):
            break
        again = track(homotopy.tape, homotopy.starts[lost], homotopy.parameters, settings=tighter)
        ends.points[lost], ends.info[lost] = again.points, again.info
    return _settle(homotopy, ends)


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


def _settle(homotopy: Homotopy, ends: Ends, endgame: bool = True) -> Outcome:
    """Sort ends into finite, singular, infinite and failed."""
    status, info = ends.status, ends.info
    kind = np.full(len(status), FAILED)
    stopped = np.isin(status, (REACHED, STALLED))
    far_out = stopped & (info[:, HOMOGENISING] < _FAR_OUT) & (info[:, LAST_U] <= 1e-6)
    kind[(status == HEADED_OUT) | far_out] = INFINITE
    reached = np.flatnonzero((status == REACHED) & ~far_out)
    unclear = info[reached, PIVOTS] < _DOUBTFUL_PIVOTS
    unclear[unclear] = condition_at_end(homotopy, ends.points[reached[unclear]]) > _DOUBTFUL_CONDITION
    unclear |= info[reached, ERROR] > _DOUBTFUL_ERROR
    kind[reached[~unclear]] = FINITE
    points = homotopy.affine(ends.points)
    _rescue(homotopy.reduced.scaled, kind, points, np.flatnonzero((kind == FAILED) & stopped & (info[:, LAST_U] == 0)))
    doubtful = np.flatnonzero((kind == FAILED) & stopped)
    if len(doubtful) and endgame:
        settled = cauchy(homotopy, doubtful, ends)
        kind[doubtful[settled.infinite]] = INFINITE
        finite = np.isfinite(settled.error) & ~settled.infinite
        kind[doubtful[finite]] = SINGULAR
        points[doubtful[finite]] = homotopy.affine(settled.points[finite])
        left = doubtful[(kind[doubtful] == FAILED) & (info[doubtful, LAST_U] == 0)]
        points[left], proved = polish(homotopy.reduced.scaled, points[left])
        kind[left[proved]] = FINITE
    return Outcome(kind, points)


def _rescue(system: PolynomialSystem, kind: np.ndarray, points: np.ndarray, which: np.ndarray) -> None:
    """Count as finite those ends at u = 0 that are ill-conditioned, large as a rule, but regular for Newton's method on
    the system itself."""
    which = which[np.isfinite(points[which]).all(axis=1)]
    if system.n_equations == system.n_unknowns:
        limits, regular = sift.regular_limits(system, points[which])
        points[which[regular]], kind[which[regular]] = limits[regular], FINITE


def sift_ends(reduced: Reduced, outcome: Outcome) -> Found:
    """Refine the finite ends, drop what does not solve the full system, and list the distinct solutions."""
    system, kind, points = reduced.scaled, outcome.kind.copy(), outcome.points.copy()
    finite = np.flatnonzero(np.isin(kind, (FINITE, SINGULAR)))
    kind[finite[~np.isfinite(points[finite]).all(axis=1)]] = FAILED
    regular, singular = np.flatnonzero(kind == FINITE), np.flatnonzero(kind == SINGULAR)
    residual = np.zeros(len(kind))
    points[regular], residual[regular] = sift.refine(system, points[regular])
    residual[singular] = sift.relative_residual(system, points[singular])
    condition = np.full(len(kind), np.inf)
    condition[regular] = sift.conditions(system, points[regular])
    excess = system.n_equations > system.n_unknowns
    if not excess:
        unsure = regular[(condition[regular] > ILL_CONDITIONED) | (residual[regular] > CONVERGED)]
        points[unsure], proved = polish(system, points[unsure])
        residual[unsure] = sift.relative_residual(system, points[unsure])
        kind[unsure[~proved]] = FAILED
    finite = np.flatnonzero(np.isin(kind, (FINITE, SINGULAR)))
    off = finite[residual[finite] > SOLVED]
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
    rows_alone = index[lone]
    if not excess:
        points[rows_alone], proved = polish(system, points[rows_alone])
    kind[rows_alone] = FINITE if excess else np.where(proved, FINITE, FAILED)
    condition[rows_alone] = sift.conditions(system, points[rows_alone])
    index, weights = index[kind[index] != FAILED], weights[kind[index] != FAILED]
    singular = kind[index] == SINGULAR
    solutions, is_real, unpaired = _paired(system, points[index], singular)
    return Found(
        kind,
        solutions,
        weights,
        singular,
        is_real,
        np.where(singular, np.inf, condition[index]),
        repeated,
        unpaired,
        len(off) if excess else 0,
    )


def _paired(system: PolynomialSystem, points: np.ndarray, singular: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """(solutions, which are real, how many lack their conjugate): exact conjugate pairs for a real system."""
    partner = sift.conjugate_partners(points, singular)
    is_real = partner == np.arange(len(points))
    if not system.is_real:
        return points, is_real, 0
    return sift.symmetrised(points, partner), is_real, int(((partner < 0) & ~singular).sum())


def _whereabouts(found: Found, infinite: int) -> str:
    """Where the paths went if not to isolated solutions."""
    ends = (
        (infinite, "went to infinity"),
        (found.excess, "ended at points that do not solve all equations"),
        (found.not_isolated, "ended on a part of the zero set of positive dimension"),
    )
    return ", ".join(f"{count} paths {what}" for count, what in ends if count)


def _solution_set(homotopy: Homotopy, found: Found, seed: int, notes: list[str]) -> SolutionSet:
    reduced = homotopy.reduced
    finite, infinite, singular, failed = (int((found.kind == k).sum()) for k in (FINITE, INFINITE, SINGULAR, FAILED))
    if failed and not any("untracked" in note for note in notes):
        notes = [*notes, f"{failed} paths are undecided: solutions may be missing, another seed may decide them"]
    if not len(found.solutions) and not failed:
        notes = [f"no isolated solutions: {_whereabouts(found, infinite)}", *notes]
    return SolutionSet(
        names=reduced.system.names,
        solutions=found.solutions * reduced.scales,
        multiplicity=found.multiplicity,
        singular=found.singular,
        is_real=found.is_real,
        residual=sift.relative_residual(reduced.scaled, found.solutions),
        condition=found.condition,
        paths=PathCount(len(found.kind), finite, infinite, singular, failed, found.excess, found.not_isolated),
        start=homotopy.origin,
        seed=int(seed),
        notes=tuple(notes),
    )
