"""From a homotopy to a solution set: all paths followed, their ends settled, sifted and counted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from theory.continuation import sift
from theory.continuation.checkpoint import restore, save, track_and_save
from theory.continuation.circuits import parameters_at
from theory.continuation.endgame import condition_at_end, settle
from theory.continuation.homotopy import Homotopy, Reduced
from theory.continuation.isolation import local_multiplicity
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
    PRECISE,
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

    end: (p,) number of the solution at which each path ends, -1 if at none
    repeated: regular points reached by several paths; unpaired: solutions of a real system without their conjugate
    broken: paths near singular points whose other ends were not found, undecided for that reason
    """

    kind: np.ndarray
    end: np.ndarray
    solutions: np.ndarray
    multiplicity: np.ndarray
    singular: np.ndarray
    is_real: np.ndarray
    condition: np.ndarray
    repeated: int
    unpaired: int
    excess: int
    broken: int
    not_isolated: int = 0

    def suspicion(self, system: PolynomialSystem) -> str:
        """What only lost paths or jumps between paths explain; "" if nothing."""
        reasons = []
        if self.repeated:
            reasons.append(f"{self.repeated} regular solutions were reached by more than one path")
        if system.is_real and self.unpaired:
            reasons.append(f"{self.unpaired} regular solutions of a real system lack their complex conjugate")
        return "; ".join(reasons)

    @property
    def undecided(self) -> int:
        """Number of paths whose ends are not known."""
        return int((self.kind == FAILED).sum())

    def isolated(self, reduced: Reduced, other: "Found") -> tuple["Found", int]:
        """Without the singular points on larger parts of the zero set; and the number of those that stay doubtful.

        The dual space of an isolated singular point has at least 2 dimensions, and no more than paths end there: else
        some are missing, and those that came are undecided. On larger sets it outgrows all paths that may end there.
        Where its size stays open, points count as isolated if another homotopy comes to them, too. In one unknown all
        points are isolated.
        """
        rows = np.flatnonzero(self.singular)
        paths = np.zeros(len(rows), int)
        for i, j, _ in sift.close_pairs(self.solutions[rows], self.solutions[rows].copy(), sift.LOOSE_RADIUS):
            paths[i] += self.multiplicity[rows[j]]
        again = sift.recurring(self.solutions[rows], other.solutions[other.singular]) | (other.undecided > 0)
        kind, keep, elsewhere, doubtful = self.kind.copy(), np.ones(len(self.solutions), bool), 0, 0
        for row, count, recurs in zip(rows.tolist(), paths.tolist(), again.tolist(), strict=True):
            size = local_multiplicity(reduced.scaled, self.solutions[row], count + self.undecided)
            alone = reduced.n_free == 1 or (recurs if size is None else size > 0)
            missing = alone and (count < max(2, size or 0) or size == 0)
            keep[row] = alone and not missing
            doubtful += alone and not missing and size is None and reduced.n_free > 1
            elsewhere += 0 if alone else int(self.multiplicity[row])
            if missing:
                kind[self.end == row] = FAILED
        names = ("solutions", "multiplicity", "singular", "is_real", "condition")
        kept = {name: getattr(self, name)[keep] for name in names}
        return replace(self, **kept, kind=kind, not_isolated=self.not_isolated + elsewhere), doubtful


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of each path: kind (p,), points (p, n) of the scaled system where finite, winding (p,) number."""

    kind: np.ndarray
    points: np.ndarray
    winding: np.ndarray


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
    those of isolated solutions come back, those on curves and larger sets land elsewhere. The homotopy with fewer
    undecided paths counts.
    """
    suspicious = ""
    for settings in _ATTEMPTS:
        outcome = ends_of(homotopy, settings, progress, ends if settings is DEFAULT else None)
        found = sift_ends(homotopy.reduced, outcome)
        suspicious = found.suspicion(homotopy.reduced.system)
        if not suspicious:
            break
    notes = [f"after tracking again: {suspicious}"] if suspicious else []
    if found.singular.any() or found.broken:
        again = restart(seed + 1)
        other = sift_ends(again.reduced, ends_of(again, DEFAULT, None))
        if other.undecided < found.undecided:
            homotopy, found, other = again, other, found
        found, doubtful = found.isolated(homotopy.reduced, other)
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
    outcome = _settle(homotopy, ends)
    doubtful = outcome.kind == FAILED
    if homotopy.complete:  # no path of a whole set should go to infinity
        doubtful |= outcome.kind == INFINITE
    return track_precisely(homotopy, outcome, np.flatnonzero(doubtful))


def track_precisely(homotopy: Homotopy, outcome: Outcome, which: np.ndarray) -> Outcome:
    """Track some paths again in double-double numbers; what they show then counts, where it is clear."""
    if not len(which):
        return outcome
    ends = track(homotopy.tape, homotopy.starts[which], homotopy.parameters, settings=PRECISE, precise=True)
    kind, points, winding = outcome.kind.copy(), outcome.points.copy(), outcome.winding.copy()
    kind[which[ends.status == HEADED_OUT]] = INFINITE
    regular = (ends.status == REACHED) & (ends.info[:, HOMOGENISING] > _FAR_OUT)
    kind[which[regular]], winding[which[regular]] = FINITE, 1
    points[which[regular]] = homotopy.affine(ends.points[regular])
    return Outcome(kind, points, winding)


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
    points, winding = homotopy.affine(ends.points), np.ones(len(status), int)
    _rescue(homotopy.reduced.scaled, kind, points, np.flatnonzero((kind == FAILED) & stopped & (info[:, LAST_U] == 0)))
    doubtful = np.flatnonzero((kind == FAILED) & stopped)
    if len(doubtful) and endgame:
        settled = settle(homotopy, doubtful, ends)
        kind[doubtful[settled.infinite]] = INFINITE
        finite = np.isfinite(settled.error) & ~settled.infinite
        kind[doubtful[finite]] = SINGULAR
        points[doubtful[finite]] = homotopy.affine(settled.points[finite])
        winding[doubtful[finite]] = settled.winding[finite]
        left = doubtful[(kind[doubtful] == FAILED) & (info[doubtful, LAST_U] == 0)]
        points[left], proved = polish(homotopy.reduced.scaled, points[left])
        kind[left[proved]] = FINITE
    return Outcome(kind, points, winding)


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
    _confirm_lone(system, kept[kind[kept] == SINGULAR], kind, points, condition)
    end, broken = _clustered(system, kept, kind, points, outcome.winding)
    index, end = np.unique(end, return_inverse=True)  # one path of each solution, and -1 for none
    index, end = index[index >= 0], end - (index[0] < 0 if len(index) else 0)
    weights = np.bincount(end[end >= 0], minlength=len(index))
    singular = kind[index] == SINGULAR
    repeated = int((weights[~singular] > 1).sum())
    weights[~singular] = 1
    solutions, is_real, unpaired = _paired(system, points[index], singular)
    return Found(
        kind,
        end,
        solutions,
        weights,
        singular,
        is_real,
        np.where(singular, np.inf, condition[index]),
        repeated,
        unpaired,
        len(off) if excess else 0,
        broken,
    )


def _confirm_lone(
    system: PolynomialSystem, singular: np.ndarray, kind: np.ndarray, points: np.ndarray, condition: np.ndarray
) -> None:
    """Ends that the endgame found and no other path shares count as regular points where that is proved."""
    _, first, size = np.unique(
        sift.clusters(points[singular], sift.SINGULAR_RADIUS), return_index=True, return_counts=True
    )
    lone = singular[first[size == 1]]
    lone = lone[sift.conditions(system, points[lone]) < _ILL_CONDITIONED]
    settle = sift.regular_limits if system.n_equations > system.n_unknowns else polish
    limits, proved = settle(system, points[lone])
    points[lone[proved]], kind[lone[proved]] = limits[proved], FINITE
    condition[lone[proved]] = sift.conditions(system, limits[proved])


def _clustered(
    system: PolynomialSystem, kept: np.ndarray, kind: np.ndarray, points: np.ndarray, winding: np.ndarray
) -> tuple[np.ndarray, int]:
    """(first path that ends where each path does (p,), -1 for none; how many paths near singular points are broken).

    Paths that change places round the end come in cycles as long as their winding number: where one is missing, `kind`
    becomes FAILED.
    """
    end, broken = np.full(len(kind), -1), 0
    regular, singular = kept[kind[kept] == FINITE], kept[kind[kept] == SINGULAR]
    _, first, label = np.unique(
        sift.clusters(points[regular], sift.REGULAR_RADIUS), return_index=True, return_inverse=True
    )
    end[regular] = regular[first[label]]
    label = sift.clusters(points[singular], sift.SINGULAR_RADIUS)
    for number in range(label.max(initial=-1) + 1):
        same = singular[label == number]
        if any(np.sum(winding[same] == w) % w for w in set(winding[same].tolist())):
            kind[same] = FAILED
            broken += len(same)
            continue
        end[same] = same[0]
    return end, broken


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
    return ", ".join(f"{_paths(count)} {what}" for count, what in ends if count)


def _undecided(count: int) -> str:
    verb = "is" if count == 1 else "are"
    return f"{_paths(count)} {verb} undecided: solutions may be missing, another seed may decide them"


def _paths(count: int) -> str:
    return "1 path" if count == 1 else f"{count} paths"


def _solution_set(homotopy: Homotopy, found: Found, seed: int, notes: list[str]) -> SolutionSet:
    reduced = homotopy.reduced
    finite, infinite, singular, failed = (int((found.kind == k).sum()) for k in (FINITE, INFINITE, SINGULAR, FAILED))
    if failed and not any("untracked" in note for note in notes):
        notes = [*notes, _undecided(failed)]
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
