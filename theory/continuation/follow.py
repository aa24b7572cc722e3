"""From a homotopy to a solution set: all paths followed, their ends settled, sifted and counted."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from theory.continuation import sift
from theory.continuation.checkpoint import restore, save, track_and_save
from theory.continuation.found import Found, sift_ends
from theory.continuation.homotopy import Homotopy
from theory.continuation.outcomes import ATTEMPTS, FAILED, FINITE, INFINITE, SINGULAR, Outcome, ends_of, settled
from theory.continuation.solutions import PathCount, SolutionSet
from theory.continuation.tracker import DEFAULT, UNTRACKED, Ends, Progress

_NO_PATHS = "the bound on their number is 0, and this start sees no zero set of positive dimension: see zero_set"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while paths were followed. found: the solutions at the end of the paths tracked until then."""

    def __init__(self, found: SolutionSet) -> None:
        super().__init__("interrupted")
        self.found = found


def follow(
    restart: Callable[[int], Homotopy],
    seed: int,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
    outcome: Outcome | None = None,
) -> SolutionSet:
    """Track all paths of the homotopy restart(seed) and sift their ends.

    checkpoint: a file where the ends are kept while paths are tracked, and from which the same run goes on
    outcome: what becomes of its paths, where that is known
    Raises Interrupted on Ctrl-C, with the solutions known by then.
    """
    homotopy = restart(seed)
    ends = Ends.unknown(homotopy.starts) if checkpoint is None else restore(checkpoint, homotopy, seed)
    try:
        if checkpoint is not None:
            track_and_save(homotopy, ends, DEFAULT, progress, lambda e: save(checkpoint, homotopy, seed, e))
        return _solved(restart, homotopy, ends, seed, progress, outcome)
    except KeyboardInterrupt:
        raise Interrupted(_partial(homotopy, ends, seed)) from None


def _solved(
    restart: Callable[[int], Homotopy],
    homotopy: Homotopy,
    ends: Ends,
    seed: int,
    progress: Progress | None,
    outcome: Outcome | None,
) -> SolutionSet:
    """Suspicious sets are tracked again with tighter settings. Singular ends are tracked again by restart(seed + 1):
    those of isolated solutions come back, those on curves and larger sets land elsewhere. The homotopy with fewer
    undecided paths counts.
    """
    suspicious = ""
    for settings in ATTEMPTS:
        if outcome is None:
            outcome = ends_of(homotopy, settings, progress, ends if settings is DEFAULT else None)
        found, outcome = sift_ends(homotopy.reduced, outcome), None
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
        verb = "ends" if found.not_isolated == 1 else "end"
        notes.append(
            f"{_paths(found.not_isolated)} {verb} on a part of the zero set of positive dimension: see zero_set"
        )
    if found.singular.any() and homotopy.reduced.system.n_equations > homotopy.reduced.system.n_unknowns:
        notes.append("multiplicities are those of random combinations of the equations: upper bounds")
    return _solution_set(homotopy, found, seed, notes)


def _partial(homotopy: Homotopy, ends: Ends, seed: int) -> SolutionSet:
    """The regular solutions among the ends known so far; no endgame, nothing tracked again."""
    found = sift_ends(homotopy.reduced, settled(homotopy, ends, endgame=False))
    untracked = int((ends.status == UNTRACKED).sum())
    note = f"interrupted with {untracked} of {len(ends.status)} paths untracked: solutions may be missing"
    whole = _solution_set(homotopy, found, seed, [note])
    return replace(whole, paths=replace(whole.paths, untracked=untracked), partial=True)


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
        notes = [f"no isolated solutions: {_whereabouts(found, infinite) or _NO_PATHS}", *notes]
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
