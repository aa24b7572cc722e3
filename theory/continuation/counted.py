"""Doubtful solution sets beside the exact number of zeros, where that is quickly known.

Where coefficients are far apart, finite zeros look infinite; where zeros are flat, they look like curves. How many
there are in all, the dimension of the quotient ring, is known independently of any path. Other start systems and other
units of the unknowns are tried until as many zeros are found; what is missing then is undecided, not absent.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from theory.continuation.close_zeros import with_zeros, zeros_near
from theory.continuation.homotopy import equilibrated, is_wide
from theory.continuation.solutions import PathCount, SolutionSet
from theory.continuation.tropical import improved, tropical_zeros
from theory.quotient_dimension import MOST_COLUMNS, quotient_dimension
from theory.systems import PolynomialSystem

_QUICK = 60  # monomials of a count that takes about a hundredth of a second
_CROWDED = 1e6  # condition from which on other zeros may be close,
_MOST_CROWDED = 5  # and how many such zeros are looked at
_SAME = 1e-9  # relative distance of two copies of one zero, in every coordinate

Attempt = Callable[[str, bool], SolutionSet]
"""The set found by a start system, with the unknowns scaled or not."""
_OTHERS = tuple(
    (start, scaled) for start in ("polyhedral", "multihomogeneous", "total-degree") for scaled in (True, False)
)


def beside_exact_count(system: PolynomialSystem, found: SolutionSet, start: str, attempt: Attempt) -> SolutionSet:
    """A square sparse system's set: as it was, or found by another attempt, or with a note on how many are missing.

    Where the multiplicities sum up to the exact number of zeros, the paths left over went to infinity. Other starts
    than the one asked for are tried for "auto" only.
    """
    columns = _worth(system, found)
    total = quotient_dimension(system.polynomials, columns) if columns else None
    if total is None:
        return found
    sets = [found]
    others = _attempts(start, attempt)
    while (missing := min(_gap(each, total) for each in sets)) and (other := next(others, None)) is not None:
        sets.append(other)
    best = min(sets, key=lambda each: _gap(each, total))
    if missing:
        best = _pooled(system, best, sets, total)
    return _complete(best, total) if _gap(best, total) == 0 else _incomplete(best, total)


def _worth(system: PolynomialSystem, found: SolutionSet) -> int:
    """Monomials that the count may take: more where the set is doubtful, none where nothing can be missing."""
    paths = found.paths
    if system.network is not None or system.n_equations != system.n_unknowns or found.partial:
        return 0
    if paths.failed or paths.not_isolated or (paths.at_infinity and is_wide(system.polynomials)):
        return MOST_COLUMNS
    return _QUICK if paths.at_infinity else 0


def _attempts(start: str, attempt: Attempt) -> Iterator[SolutionSet]:
    for other, scaled in _OTHERS if start == "auto" else ((start, False),):
        with suppress(ValueError):  # a start that does not apply
            yield attempt(other, scaled)


def _pooled(system: PolynomialSystem, best: SolutionSet, sets: Sequence[SolutionSet], total: int) -> SolutionSet:
    """The set with all regular zeros that are proved near those of any set, beside ill-conditioned ones, and near roots
    of binomial equations; as it was, unless they are as many as there are."""
    points = np.vstack([each.solutions[~each.singular] for each in sets])
    near = [improved(system, point) for point in points[_first_of_each(points)]]
    scaled, scales = equilibrated(system)
    crowded = best.solutions[~best.singular & (best.condition > _CROWDED)] / scales
    beside = [zeros_near(scaled, point, crowded[:0], total - len(best)) * scales for point in crowded[:_MOST_CROWDED]]
    zeros = np.vstack([*(zero[None] for zero in near if zero is not None), *beside, tropical_zeros(system)])
    zeros = zeros[_first_of_each(zeros)]
    if len(zeros) + int(best.multiplicity[best.singular].sum()) != total:
        return best
    return with_zeros(best, np.flatnonzero(best.singular), zeros / scales, scaled, scales)


def _first_of_each(points: np.ndarray) -> np.ndarray:
    """Rows of points (p, n) that are no copies of earlier ones, judged coordinate by coordinate."""
    kept: list[int] = []
    for row, point in enumerate(points):
        size = np.maximum(np.abs(point), np.abs(points[kept]))
        if not (np.abs(points[kept] - point) <= _SAME * size).all(axis=1).any():
            kept.append(row)
    return np.array(kept, int)


def _gap(found: SolutionSet, total: int) -> int:
    """By how much a set misses the number of zeros."""
    return abs(total - int(found.multiplicity.sum()))


def _complete(found: SolutionSet, total: int) -> SolutionSet:
    """As many zeros as there are: nothing that was doubtful about the paths matters any more."""
    if found.paths == _paths(found, 0):
        return found
    note = f"all {total} zeros are found, by an exact count with multiplicity: the other paths go to infinity"
    return replace(found, paths=_paths(found, 0), notes=(note,))


def _incomplete(found: SolutionSet, total: int) -> SolutionSet:
    missing = total - int(found.multiplicity.sum())
    if missing < 0:
        note = f"there are only {total} zeros, by an exact count with multiplicity: some of these are one, or none"
        return replace(found, notes=(*found.notes, note))
    finite = replace(
        found,
        paths=_paths(found, found.paths.failed + found.paths.not_isolated),
        notes=tuple(note for note in found.notes if "zero_set" not in note),
    )
    return lacking(finite, missing, f"there are {total} zeros, by an exact count: {missing} more than these")


def lacking(found: SolutionSet, missing: int, note: str) -> SolutionSet:
    """The set with at least so many paths undecided rather than at infinity, and a note that says why."""
    paths = found.paths
    more = min(max(missing - paths.failed, 0), paths.at_infinity)
    paths = replace(paths, at_infinity=paths.at_infinity - more, failed=paths.failed + more)
    notes = [note for note in found.notes if not note.startswith("no isolated solutions")]
    return replace(found, paths=paths, notes=(*notes, note))


def _paths(found: SolutionSet, undecided: int) -> PathCount:
    """All paths but those to the solutions and the undecided ones went to infinity."""
    finite, singular = (int(found.multiplicity[rows].sum()) for rows in (~found.singular, found.singular))
    left = max(found.paths.tracked - finite - singular, 0)
    undecided = min(undecided, left)
    return PathCount(finite + singular + left, finite, left - undecided, singular, undecided)
