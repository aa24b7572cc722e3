"""Which zeros of the same equations lie in one connected piece: zeros are joined by walks along the zero set.

A walk that arrives proves nothing by intervals, but each of its steps is small and is brought back to the zero set, by
less than a tenth of its length. A walk that does not arrive says nothing: another may join the same two by a detour.
"""

from collections.abc import Callable

import numpy as np

System = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # (p, K) -> residuals (p, m), Jacobian (p, m, K)


def to_zeros(system: System, points: np.ndarray, steps: int = 200, residual: float = 1e-10) -> np.ndarray:
    """Points (p, K) after damped Gauss-Newton (Levenberg-Marquardt) steps; NaN in the rows that reached no zero."""
    points, damping = points.copy(), np.full(len(points), 1e-2)
    r, jacobian = (np.array(one) for one in system(points))
    for _ in range(steps):
        gram = jacobian @ jacobian.transpose(0, 2, 1)
        gram[:, np.arange(r.shape[1]), np.arange(r.shape[1])] += damping[:, None]
        move = np.einsum("pmk,pm->pk", jacobian, np.linalg.solve(gram, r[..., None])[..., 0])
        trial = points - move
        new, new_jacobian = system(trial)
        better = (new**2).sum(1) < (r**2).sum(1)
        points[better], r[better], jacobian[better] = trial[better], new[better], new_jacobian[better]
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-16, 1e12)
        if (np.abs(r).max(1) <= residual).all():
            break
    points[~(np.abs(r).max(1) <= residual)] = np.nan
    return points


def reaches(system: System, starts: np.ndarray, goal: np.ndarray, steps: int = 300) -> np.ndarray:
    """Which of the zeros `starts` (p, K) a walk along the zero set, always towards the zero `goal` (K,), joins to it.

    Each step goes along the projection of the straight way onto the tangent space; one whose correction is more than a
    tenth of it is taken back and halved. A walk that comes to rest elsewhere has not arrived: (p,) truth values.
    """
    here = starts.copy()
    scale = 1.0 + np.linalg.norm(goal)
    longest = np.full(len(here), 0.05 * scale)
    jacobian = np.array(system(here)[1])
    for _ in range(steps):
        way = goal - here
        left = np.linalg.norm(way, axis=1)
        going = (left > 1e-6 * scale) & (longest > 1e-7 * scale)
        if not going.any():
            break
        tangent = way - np.einsum("pkm,pml,pl->pk", np.linalg.pinv(jacobian), jacobian, way)
        length = np.linalg.norm(tangent, axis=1)
        step = np.minimum(longest, length)
        trial = here + tangent * (step / np.maximum(length, 1e-300))[:, None]
        landed = _corrected(system, trial)
        small = np.linalg.norm(landed - trial, axis=1) <= 0.1 * step
        closer = np.linalg.norm(goal - landed, axis=1) < left
        taken = going & small & closer
        here[taken] = landed[taken]
        jacobian[taken] = system(landed[taken])[1]
        longest = np.where(taken, np.minimum(1.5 * longest, 0.05 * scale), np.where(going, longest / 2, longest))
    return np.linalg.norm(goal - here, axis=1) <= 1e-5 * scale


def pieces(system: System, zeros: np.ndarray, seed: int, tries: int = 6) -> np.ndarray:
    """Numbers (p,) of the connected pieces in which zeros (p, K) lie, as far as walks join them: 0, 1, ... by size.

    Everything that walks to a member of a piece joins it; then pieces are joined where one of `tries` random pairs of
    their members can be. Two numbers for one piece remain possible, one number for two pieces is not, up to the walks.
    """
    rng = np.random.default_rng(seed)
    label = np.full(len(zeros), -1)
    for first in range(len(zeros)):
        if label[first] >= 0:
            continue
        label[first] = label.max() + 1
        goals = [first]
        for _ in range(tries):
            free = np.flatnonzero(label < 0)
            if not len(free) or not goals:
                break
            joined = free[reaches(system, zeros[free], zeros[goals.pop()])]
            label[joined] = label[first]
            goals = [*goals, *rng.permutation(joined)[:2].tolist()]
    label = _joined(system, zeros, label, rng, tries)
    _, number, counts = np.unique(label, return_inverse=True, return_counts=True)
    order = np.empty(len(counts), int)
    order[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return order[number]


def _joined(system: System, zeros: np.ndarray, label: np.ndarray, rng: np.random.Generator, tries: int) -> np.ndarray:
    """Labels after members of different pieces have been tried in random pairs."""
    label = label.copy()
    for a in range(label.max() + 1):
        for b in range(a):
            ours, theirs = np.flatnonzero(label == a), np.flatnonzero(label == b)
            if not len(ours) or not len(theirs):
                continue
            some = rng.choice(ours, min(tries, len(ours)), replace=False)
            for goal in rng.choice(theirs, min(2, len(theirs)), replace=False):
                if reaches(system, zeros[some], zeros[goal]).any():
                    label[ours] = b
                    break
    return label


def _corrected(system: System, points: np.ndarray, steps: int = 4) -> np.ndarray:
    """Points after Newton steps of least length; far away where those do not converge."""
    points = points.copy()
    for _ in range(steps):
        r, jacobian = system(points)
        points -= np.einsum("pkm,pm->pk", np.linalg.pinv(jacobian), r)
    r, _ = system(points)
    points[~(np.abs(r).max(1) <= 1e-9)] = np.inf
    return points
