"""Doubtful solution sets beside the exact number of zeros, where that is quickly known.

Where coefficients are far apart, finite zeros look infinite; where zeros are flat, they look like curves. How many
there are in all, the dimension of the quotient ring, is known independently of any path. Other start systems and other
units of the unknowns are tried until as many zeros are found; what is missing then is undecided, not absent.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain

import numpy as np

from theory.continuation import sift
from theory.continuation.close_zeros import with_zeros, zeros_near
from theory.continuation.homotopy import equilibrated, is_wide
from theory.continuation.solutions import CLUSTER, EXACTLY, PathCount, SolutionSet
from theory.continuation.start import StartError, TooManyPathsError
from theory.continuation.tropical import tropical_starts
from theory.quotient_dimension import MOST_COLUMNS, quotient_dimension
from theory.systems import PolynomialSystem

_QUICK = 60  # monomials of a count that takes about a hundredth of a second
_FINE = 2**20  # numerators and denominators from which on highest terms may nearly, but not quite, cancel,
_FINE_COLUMNS = 500  # and monomials of a count then: less than a second
_CROWDED = 1e6  # condition from which on other zeros may be close,
_MOST_CROWDED = 5  # and how many such zeros are looked at
_ROUNDS, _CLOSE, _MOST_PAIRS = 2, 1e-3, 100  # of looks at the middle of zeros so close, in units of 1 + |x|
_INSIDE = 1e-4  # distance from a singular solution, in units of 1 + |x|, of zeros that may belong to it
_SAME = 1e-6  # the same of two estimates of one regular zero

Attempt = Callable[[str, bool], SolutionSet]
"""The set found by a start system, with the unknowns scaled or not."""


def beside_exact_count(
    system: PolynomialSystem, found: SolutionSet, start: str, attempt: Attempt | None
) -> SolutionSet:
    """A square sparse system's set: as it was, or found by another attempt, or with a note on how many are missing.

    Where the multiplicities sum up to the exact number of zeros, the paths left over went to infinity. Other starts
    than the one asked for are tried for "auto" only, none where `attempt` is None.
    """
    paths = found.paths
    if system.network is not None or not (paths.failed or paths.at_infinity or found.singular.any()):
        return found
    wide = is_wide(system.polynomials)
    columns = _worth(system, found, wide)
    total = quotient_dimension(system.polynomials, columns) if columns else None
    if total is None:
        return _too_large(found) if columns == _FINE_COLUMNS else found

    def faults(each: SolutionSet) -> tuple[int, int]:
        """By how much a set misses the number of zeros; its singular solutions, where they may be several zeros."""
        singular = int(each.singular.sum()) if wide or _has_clusters(each) else 0
        return abs(total - int(each.multiplicity.sum())), singular

    sets = [found]
    others = _attempts(start, wide, attempt) if attempt is not None else iter(())
    while any(min(map(faults, sets))) and (other := next(others, None)) is not None:
        sets.append(other)
    best = min(sets, key=faults)
    if any(faults(best)):
        best = _pooled(system, best, sets, total)
    if faults(best)[0]:
        return _incomplete(best, total)
    doubtful = faults(best)[1] and attempt is not None and not _has_clusters(best)
    return _doubtful(_complete(best, total)) if doubtful else _complete(best, total)


def _has_clusters(found: SolutionSet) -> bool:
    return any(CLUSTER in note for note in found.notes)


def _worth(system: PolynomialSystem, found: SolutionSet, wide: bool) -> int:
    """Monomials that the count may take: more where the set is doubtful, none where nothing can be missing."""
    paths = found.paths
    if system.n_equations != system.n_unknowns or found.partial:
        return 0
    if paths.not_isolated:  # zeros are infinitely many, or were too many to count
        return 0
    if paths.failed or _has_clusters(found) or (wide and (paths.at_infinity or found.singular.any())):
        return MOST_COLUMNS
    if paths.at_infinity and _is_fine(system):
        return _FINE_COLUMNS
    return _QUICK if paths.at_infinity else 0


def _is_fine(system: PolynomialSystem) -> bool:
    """Whether a coefficient is no fraction of small numbers: where terms of the highest degree nearly have a common
    zero, some finite zeros are as large as zeros are that went to infinity."""
    parts = (part for p in system.polynomials for c in p.terms.values() for part in (c.re, c.im))
    return any(max(abs(part.numerator), part.denominator) >= _FINE for part in parts)


def _attempts(start: str, wide: bool, attempt: Attempt) -> Iterator[SolutionSet]:
    for other in ("polyhedral", "multihomogeneous", "total-degree") if start == "auto" else (start,):
        for scaled in (True, False) if wide else (True,):
            if (other, scaled) != (start, True):
                with suppress(StartError, TooManyPathsError):
                    yield attempt(other, scaled)


def _pooled(system: PolynomialSystem, best: SolutionSet, sets: Sequence[SolutionSet], total: int) -> SolutionSet:
    """The set with all regular zeros that are proved near solutions of any set, beside crowded ones and near zeros of
    binomial equations; as it was, unless they are as many as there are."""
    from theory.continuation.pool import proved_zeros  # python-flint, only where it is needed

    scaled, scales = equilibrated(system)
    crowded = best.solutions[best.condition > _CROWDED][:_MOST_CROWDED] / scales
    beside = [zeros_near(scaled, point, crowded[:0], total - len(best) + 1) * scales for point in crowded]
    starts = tropical_starts(system.polynomials)
    points = _unlike(chain(*(each.solutions for each in sets), *beside, starts))
    zeros = proved_zeros(system, points, scales)
    for _ in range(_ROUNDS):  # between zeros close together there may be others
        if zeros is None:
            return best
        pairs = list(sift.close_pairs(zeros / scales, zeros / scales, _CLOSE))[:_MOST_PAIRS]
        if len(zeros) >= total or not pairs:
            break
        zeros = proved_zeros(system, [*zeros, *((zeros[i] + zeros[j]) / 2 for i, j, _ in pairs if i < j)], scales)
    if zeros is None:
        return best
    if len(zeros) == total:
        return with_zeros(best, np.zeros(0, int), zeros / scales, scaled, scales)
    singular = np.flatnonzero(best.singular)
    inside = sift.recurring(zeros / scales, best.solutions[singular] / scales, _INSIDE)
    lost = ~sift.recurring(best.solutions[~best.singular] / scales, zeros / scales, _SAME)
    if lost.any() or (~inside).sum() + int(best.multiplicity[singular].sum()) != total:
        return best
    return with_zeros(best, singular, zeros[~inside] / scales, scaled, scales)


def _unlike(points: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Finite points (n,), without copies to the last bits."""
    kept: dict[bytes, np.ndarray] = {}
    for point in points:
        if np.isfinite(point).all():
            kept.setdefault(
                np.round(point, 14).tobytes() + np.round(np.log2(np.abs(point) + 1e-300), 9).tobytes(), point
            )
    return list(kept.values())


def _complete(found: SolutionSet, total: int) -> SolutionSet:
    """As many zeros as there are: nothing that was doubtful about the paths matters any more."""
    if found.paths == _paths(found, 0):
        return found
    paths = _paths(found, 0)
    others = ": the other paths go to infinity" if paths.at_infinity else ""
    clusters = [note for note in found.notes if CLUSTER in note and found.singular.any()]
    note = f"all {total} zeros are found, by {EXACTLY} with multiplicity{others}"
    return replace(found, paths=paths, notes=(*clusters, note))


def _doubtful(found: SolutionSet) -> SolutionSet:
    """Singular solutions of a system whose zeros may be far smaller than doubles tell apart from 0."""
    count = int(found.singular.sum())
    what = (
        "whether 1 singular solution is one zero" if count == 1 else f"whether {count} singular solutions are as many"
    )
    return replace(found, notes=(*found.notes, f"{what} or several zeros close together is not certain"))


def _too_large(found: SolutionSet) -> SolutionSet:
    """Zeros of a system without an exact count, whose highest terms may nearly have a zero in common."""
    note = "paths said to go to infinity may end at zeros larger than 1e6: there are too many terms for an exact count"
    return replace(found, notes=(*found.notes, note))


def _incomplete(found: SolutionSet, total: int) -> SolutionSet:
    missing = total - int(found.multiplicity.sum())
    if missing < 0:
        note = f"there are only {total} zeros, by {EXACTLY} with multiplicity: some of these are one, or none"
        return replace(found, notes=(*found.notes, note))
    finite = replace(
        found,
        paths=_paths(found, found.paths.failed + found.paths.not_isolated),
        notes=tuple(note for note in found.notes if "zero_set" not in note),
    )
    return lacking(finite, missing, f"there are {total} zeros, by {EXACTLY}: {missing} more than these")


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
