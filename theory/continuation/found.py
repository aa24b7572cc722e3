"""From the ends of paths to the distinct solutions: refined, confirmed, clustered, counted with multiplicity."""

from dataclasses import dataclass, replace

import numpy as np

from theory.continuation import sift
from theory.continuation.homotopy import Reduced
from theory.continuation.isolation import dual_dimension, local_multiplicity
from theory.continuation.outcomes import FAILED, FINITE, SINGULAR, Outcome
from theory.continuation.polish import CONVERGED, ILL_CONDITIONED, polish
from theory.systems import PolynomialSystem

SOLVED = 1e-7  # relative residual of a solution
_STEPS = 10  # of Newton's method on overdetermined systems, which must converge before points are compared,
_MOVED = 1e-5  # and relative distances which ends of paths to their zeros do not move
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
        Where its size stays open, points count as isolated if another homotopy comes to them, too; where it says that
        they are not, and yet the other comes to them, though curves with a tangent line there are smooth and have no
        such points, paths are undecided. All points are isolated in one unknown, and where zeros are known to be finite
        in number.
        """
        rows = np.flatnonzero(self.singular)
        paths = np.zeros(len(rows), int)
        for i, j, _ in sift.close_pairs(self.solutions[rows], self.solutions[rows].copy(), sift.LOOSE_RADIUS):
            paths[i] += self.multiplicity[rows[j]]
        others = other.solutions[other.singular]
        again = sift.recurring(self.solutions[rows], others) | (other.undecided > 0)
        near = sift.recurring(self.solutions[rows], others, sift.LOOSE_RADIUS) | again
        kind, keep, elsewhere, doubtful = self.kind.copy(), np.ones(len(self.solutions), bool), 0, 0
        for row, count, recurs, returns in zip(
            rows.tolist(), paths.tolist(), again.tolist(), near.tolist(), strict=True
        ):
            size = local_multiplicity(reduced.scaled, self.solutions[row], count + self.undecided)
            alone = reduced.n_free == 1 or (recurs if size is None else size > 0)
            if not alone and reduced.has_finitely_many_zeros:  # flat, then
                alone, size = True, size or None
            missing = alone and (count < max(2, size or 0) or size == 0)
            keep[row] = alone and not missing
            doubtful += alone and not missing and size is None and not reduced.has_finitely_many_zeros
            contradicted = size == 0 and returns and dual_dimension(reduced.scaled, self.solutions[row], 1) == 2
            elsewhere += 0 if alone or contradicted else int(self.multiplicity[row])
            if missing or contradicted:
                kind[self.end == row] = FAILED
        if reduced.system.is_real:  # isolated, neither real nor one of a pair: the endgame was off
            left = np.flatnonzero(keep & self.singular)
            off = left[sift.conjugate_partners(self.solutions[left], np.ones(len(left), bool)) < 0]
            keep[off] = False
            kind[np.isin(self.end, off)] = FAILED
        names = ("solutions", "multiplicity", "singular", "is_real", "condition")
        kept = {name: getattr(self, name)[keep] for name in names}
        return replace(self, **kept, kind=kind, not_isolated=self.not_isolated + elsewhere), doubtful


def sift_ends(reduced: Reduced, outcome: Outcome) -> Found:
    """Refine the finite ends, drop what does not solve the full system, and list the distinct solutions."""
    system, kind, points = reduced.scaled, outcome.kind.copy(), outcome.points.copy()
    finite = np.flatnonzero(np.isin(kind, (FINITE, SINGULAR)))
    kind[finite[~np.isfinite(points[finite]).all(axis=1)]] = FAILED
    regular, singular = np.flatnonzero(kind == FINITE), np.flatnonzero(kind == SINGULAR)
    residual = np.zeros(len(kind))
    excess = system.n_equations > system.n_unknowns
    condition = np.full(len(kind), np.inf)
    refined, residual[regular], condition[regular] = sift.refine(system, points[regular], _STEPS if excess else 2)
    if excess:  # a zero of the combinations near one of the full system, to which Newton's method would lead
        moved = np.abs(refined - points[regular]).max(axis=1, initial=0)
        residual[regular[moved > _MOVED * (1 + np.abs(refined).max(axis=1, initial=0))]] = np.inf
    points[regular] = refined
    residual[singular] = sift.relative_residual(system, points[singular])
    if not excess:
        unsure = regular[
            (condition[regular] > ILL_CONDITIONED) | (residual[regular] > CONVERGED) | reduced.is_stretched
        ]
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
    paths, (index, end) = end, np.unique(end, return_inverse=True)  # one path of each solution, and -1 for none
    index, end = index[index >= 0], end - (index[0] < 0 if len(index) else 0)
    weights = np.bincount(end[end >= 0], minlength=len(index))
    singular = kind[index] == SINGULAR
    repeated = int((weights[~singular] > 1).sum())
    kind[(paths != np.arange(len(paths))) & (kind == FINITE) & (paths >= 0)] = FAILED  # they belong elsewhere
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
    if not len(singular):
        return
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
