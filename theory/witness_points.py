"""Which ends of paths are points of a zero set: brought onto it, told from far-out points that only look like zeros."""

import numpy as np

from theory.systems import PolynomialSystem

# Equations relative to 1 + the sum of the sizes of their terms: of points as they come, and once brought onto the set.
# Large points that are no zeros have relative residuals of 1e-8, true ones of 1e-15.
NEARLY_VANISHES, VANISHES, VANISHES_AT_SINGULAR = 1e-6, 1e-12, 1e-9
NEARLY_DEPENDENT = 1e-5  # relative singular value of the Jacobian below which an end may lie on a larger component
FAR_OUT = 1e12  # a coordinate so large belongs to an end at infinity
ROUNDED_TO_ZERO = 1e-12  # relative singular value of the Jacobian below which a Newton step is rounding
SMALLEST_UNIT = 1e-2  # of an unknown near 0
STAYS = 1e-3  # relative length of the Newton step at a point that counts as a zero
SINGULAR_RADIUS = 1e-4  # relative distance within which singular ends are one point


def polished(system: PolynomialSystem, slices: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (p, n) near common zeros of all equations and slices, brought onto them; and where the rank is full.

    Gauss-Newton steps that leave out nearly dependent directions converge on curves of zeros, too, where the full rank
    that an isolated regular point has is then missing.
    """
    if not len(points):
        return points, np.zeros(0, dtype=bool)
    normals = np.broadcast_to(slices[:, :-1], (len(points), *slices[:, :-1].shape))
    scale = np.hstack([1 + system.magnitude(points), np.full((len(points), len(slices)), 1.0)])
    for _ in range(4):
        values = np.hstack([system.evaluate(points), points @ slices[:, :-1].T + slices[:, -1]]) / scale
        jacobian = np.concatenate([system.jacobian(points), normals], axis=1) / scale[:, :, None]
        step = np.einsum("pnm,pm->pn", np.linalg.pinv(jacobian, rcond=NEARLY_DEPENDENT), values)
        short = np.max(np.abs(step), axis=1) < 1e-3 * (1 + np.max(np.abs(points), axis=1))
        points = points - np.where(short[:, None], step, 0)
    singular_values = np.linalg.svd(jacobian, compute_uv=False)
    return points, singular_values[:, -1] > NEARLY_DEPENDENT * singular_values[:, 0]


def stays(system: PolynomialSystem, slices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether Newton's method leaves points (p, n) where they are: (p,).

    It moves far-out points at which all equations are small without having a zero near by. Directions in which rounding
    errors alone would make long steps are left out.
    """
    if not len(points):
        return np.zeros(0, dtype=bool)
    normals = np.broadcast_to(slices[:, :-1], (len(points), *slices[:, :-1].shape))
    scale = np.hstack([1 + system.magnitude(points), np.full((len(points), len(slices)), 1.0)])
    values = np.hstack([system.evaluate(points), points @ slices[:, :-1].T + slices[:, -1]]) / scale
    units = np.hypot(np.abs(points), SMALLEST_UNIT)  # those of far-out points differ by many orders
    jacobian = np.concatenate([system.jacobian(points), normals], axis=1) / scale[:, :, None] * units[:, None]
    step = units * np.einsum("pnm,pm->pn", np.linalg.pinv(jacobian, rcond=ROUNDED_TO_ZERO), values)
    return np.max(np.abs(step), axis=1) < STAYS * (1 + np.max(np.abs(points), axis=1))


def merged(points: np.ndarray, counts: np.ndarray, full_rank: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ends without full rank that agree to the few digits such ends have, taken together with their multiplicities."""
    kept = [int(k) for k in np.flatnonzero(full_rank)]
    counts = counts.copy()
    singular: list[int] = []
    for k in np.flatnonzero(~full_rank):
        size = 1 + np.max(np.abs(points[k]))
        same = [j for j in singular if np.max(np.abs(points[j] - points[k])) < SINGULAR_RADIUS * size]
        if same:
            counts[same[0]] += counts[k]
        else:
            singular.append(int(k))
    kept += singular
    return points[kept], counts[kept], full_rank[kept]
