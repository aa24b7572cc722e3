"""Singular ends that are none: clusters of regular zeros, which rounded coefficients make one zero of multiplicity.

Around each such end Newton's method with the exact coefficients, in multiple precision, is started from points on a
small circle along the direction in which the Jacobian is nearest to singular. Regular zeros that are proved nearby show
that the end is a cluster; at a zero of true multiplicity nothing can be proved.
"""

from dataclasses import replace

import numpy as np

from theory.continuation import sift
from theory.continuation.homotopy import equilibrated
from theory.continuation.polish import polish
from theory.continuation.solutions import CLUSTER, SolutionSet
from theory.systems import PolynomialSystem

_MOST = 100  # starting points: about 10 ms each
_CIRCLE, _NEAR = 1e-5, 1e-4  # relative distances: of starting points from the end, and of zeros that belong to it
_APART = 4 * sift.REGULAR_RADIUS  # relative distance of zeros that are listed on their own
_SAME = 1e-13
_SPLIT = "zeros close together are told apart by their exact coefficients"


def told_apart(system: PolynomialSystem, found: SolutionSet) -> SolutionSet:
    """The set of a square system with clusters of regular zeros in the place of singular solutions that are none.

    Where doubles cannot hold the zeros of a cluster apart, or some were not found, it stays one solution with
    multiplicity, and a note says so.
    """
    rows = np.flatnonzero(found.singular).tolist()
    starts = 2 * int(found.multiplicity[rows].sum())
    if not rows or starts > _MOST or system.n_equations != system.n_unknowns:
        return found
    scaled, scales = system, np.ones(system.n_unknowns)
    if system.network is None:
        scaled, scales = equilibrated(system)
    others = found.solutions[~found.singular] / scales
    clusters = {row: zeros_near(scaled, found.solutions[row] / scales, others, found.multiplicity[row]) for row in rows}
    split = {row: zeros for row, zeros in clusters.items() if _is_whole(zeros, found.multiplicity[row])}
    kept = [row for row, zeros in clusters.items() if len(zeros) and row not in split]
    result = _with(found, split, scaled, scales) if split else found
    if kept:
        what = "1 singular solution is a cluster" if len(kept) == 1 else f"{len(kept)} singular solutions are clusters"
        notes = [note for note in result.notes if CLUSTER not in note]  # of parts of the set
        result = replace(result, notes=(*notes, f"{what} {CLUSTER}"))
    return result


def zeros_near(system: PolynomialSystem, point: np.ndarray, others: np.ndarray, multiplicity: int) -> np.ndarray:
    """Proved regular zeros (k, n) close to a point (n,), so many as a rule, that are none of the others (p, n)."""
    size = 1 + np.abs(point).max()
    jacobian = system.jacobian(point[None])[0]
    if not np.isfinite(jacobian).all():  # no direction to look in
        return others[:0]
    lengths = np.linalg.norm(jacobian, axis=1, keepdims=True)
    direction = np.linalg.svd(jacobian / np.where(lengths > 0, lengths, 1))[2][-1].conj()
    turns = np.exp(2j * np.pi * (np.arange(2 * multiplicity) + 0.3) / (2 * multiplicity))
    zeros, proved = polish(system, point + _CIRCLE * size * np.multiply.outer(turns, direction))
    zeros = zeros[proved & (np.abs(zeros - point).max(axis=1) < _NEAR * size)]
    for i, _, _ in sift.close_pairs(zeros, others, sift.REGULAR_RADIUS):
        zeros[i] = np.nan
    zeros = zeros[np.isfinite(zeros).all(axis=1)]
    return zeros[np.unique(sift.clusters(zeros, _SAME), return_index=True)[1]] if len(zeros) else zeros


def _is_whole(zeros: np.ndarray, multiplicity: int) -> bool:
    """Whether there are as many zeros as paths that end there, and far enough apart."""
    return len(zeros) == multiplicity and len(np.unique(sift.clusters(zeros, _APART))) == multiplicity


def _with(
    found: SolutionSet, split: dict[int, np.ndarray], scaled: PolynomialSystem, scales: np.ndarray
) -> SolutionSet:
    """The set with the zeros of each cluster in the place of its row."""
    new = np.vstack(list(split.values()))
    whole = with_zeros(found, np.setdiff1d(np.arange(len(found)), list(split)), new, scaled, scales)
    paths = replace(found.paths, finite=found.paths.finite + len(new), singular=found.paths.singular - len(new))
    return replace(whole, paths=paths, notes=(*found.notes, _SPLIT))


def with_zeros(
    found: SolutionSet, keep: np.ndarray, new: np.ndarray, scaled: PolynomialSystem, scales: np.ndarray
) -> SolutionSet:
    """The solutions numbered `keep` and new regular zeros (k, n) of the scaled system; paths as they were."""
    points = np.vstack([found.solutions[keep] / scales, new])
    singular = np.concatenate([found.singular[keep], np.zeros(len(new), bool)])
    is_real = np.concatenate([found.is_real[keep], (new.imag == 0).all(axis=1)])
    if scaled.is_real:
        partner = sift.conjugate_partners(points, singular)
        points, is_real = sift.symmetrised(points, partner), partner == np.arange(len(points))
    return replace(
        found,
        solutions=points * scales,
        multiplicity=np.concatenate([found.multiplicity[keep], np.ones(len(new), int)]),
        singular=singular,
        is_real=is_real,
        residual=sift.relative_residual(scaled, points),
        condition=np.concatenate([found.condition[keep], sift.conditions(scaled, new)]),
    )
