"""From the ends of paths to a solution set: refined, compared with each other, paired with their conjugates."""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from theory.continuation import sparse_newton
from theory.continuation.sparse_newton import terms_of
from theory.jit import ENGINE
from theory.systems import PolynomialSystem

REGULAR_RADIUS = 1e-8  # relative distance below which two refined regular points are one
SINGULAR_RADIUS = 1e-5  # the same for singular points, which are known to half the digits at best
LOOSE_RADIUS = 1e-3  # for singular points that Newton's method alone has approached
_STEPS, _NEAR = 4, 1e-2  # Newton steps to a regular zero near the end of a path, and how near, relative
_DISTANCES = (1e-5, 1e-6, 1e-7)  # relative, from which Newton's method must come back to it
_REGULAR_RESIDUAL = 1e-10
_BLOCK = 10**6  # pairs of points looked at in one go
_ROUNDING = 4e-16  # relative residuals that no Newton step in double precision improves


def relative_residual(system: PolynomialSystem, points: np.ndarray) -> np.ndarray:
    """(p,) largest |F_i| / (1 + sum |terms of F_i|) at points (p, n)."""
    residual = np.zeros(len(points))
    if not len(points):
        return residual
    terms = terms_of(system)
    if terms is not None:
        sparse_newton.residuals(terms, np.ascontiguousarray(points, np.complex128), residual)
        return residual
    with np.errstate(all="ignore"):
        return _largest_ratio(system.evaluate(points), 1 + system.magnitude(points))


def _largest_ratio(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(p,) largest |value| / size of each row, infinity where it is not a number."""
    return np.nan_to_num(np.abs(values) / sizes, nan=np.inf).max(axis=1)


def conditions(system: PolynomialSystem, points: np.ndarray) -> np.ndarray:
    """(p,) condition number of each solution: a relative change e of all coefficients moves it by about
    condition * e * (1 + |x|). It is 1 / (smallest singular value of the Jacobian, row i divided by 1 + the sum of
    |terms of F_i| and multiplied by 1 + |x|), inf where that is 0; up to n^(1/16) off, as a rule.
    """
    condition = np.zeros(len(points))
    if not len(points):
        return condition
    terms = terms_of(system)
    if terms is not None:
        sparse_newton.conditions(terms, np.ascontiguousarray(points, np.complex128), condition)
        return condition
    return _conditions(points, system.jacobian(points), 1 + system.magnitude(points))


def _conditions(points: np.ndarray, jacobian: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The same from the Jacobian (p, m, n) and 1 + the sums of |terms| (p, m)."""
    condition, scale = np.zeros(len(points)), (1 + np.abs(points).max(axis=1))[:, None] / sizes
    if ENGINE == "numba" and jacobian.shape[1] == jacobian.shape[2]:
        sparse_newton.inverse_norms(np.ascontiguousarray(jacobian, np.complex128), scale, condition)
        return condition
    values = np.linalg.svd(jacobian * scale[:, :, None], compute_uv=False)
    with np.errstate(divide="ignore"):
        return 1 / values[:, -1]


class Refined(NamedTuple):
    """Points (p, n) after Newton's method, their relative residuals (p,) and condition numbers (p,)."""

    points: np.ndarray
    residual: np.ndarray
    condition: np.ndarray


def refine(system: PolynomialSystem, points: np.ndarray, steps: int = 2) -> Refined:
    """Newton (Gauss-Newton where overdetermined) on the original system; a step that increases the residual is not
    taken.

    Points that solve a network's equations to rounding are left; others get exact where roots are small integers.
    """
    terms = terms_of(system)
    if terms is not None:
        points, residual, regular = np.array(points, np.complex128), np.zeros(len(points)), np.ones(len(points), bool)
        sparse_newton.refine(terms, points, steps, residual, regular)
        singular = np.flatnonzero(~regular)
        with np.errstate(all="ignore"):
            points[singular], residual[singular], _ = _refine(system, points[singular], steps, 0.0)
        return Refined(points, residual, conditions(system, points))
    with np.errstate(all="ignore"):
        return _refine(system, points, steps, 0.0 if system.network is None else _ROUNDING)


def _refine(system: PolynomialSystem, points: np.ndarray, steps: int, enough: float) -> Refined:
    """Where nothing is compiled for the system; up to steps, until the residual is no more than enough."""
    points, left = points.copy(), np.arange(len(points))
    if not len(points):
        return Refined(points, np.zeros(0), np.zeros(0))
    values, jacobian, sizes = system.evaluate(points), system.jacobian(points), 1 + system.magnitude(points)
    residual = _largest_ratio(values, sizes)
    for _ in range(steps):
        left = left[residual[left] > enough]
        if not len(left):
            break
        moved = points[left] - _solve(jacobian[left], values[left])
        moved = np.where(np.isfinite(moved).all(axis=1)[:, None], moved, points[left])
        there, sizes_there = system.evaluate(moved), 1 + system.magnitude(moved)
        after = _largest_ratio(there, sizes_there)
        better = after < residual[left]
        left = left[better]
        points[left], residual[left] = moved[better], after[better]
        values[left], sizes[left], jacobian[left] = there[better], sizes_there[better], system.jacobian(moved[better])
    return Refined(points, residual, _conditions(points, jacobian, sizes))


def _newton_update(system: PolynomialSystem, points: np.ndarray) -> np.ndarray:
    """(p, n): J^-1 F, or J^+ F where J is not square or singular to the last bit."""
    return _solve(system.jacobian(points), system.evaluate(points))


def _solve(jacobian: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The same from J (p, m, n) and F (p, m)."""
    length = np.linalg.norm(jacobian, axis=2)
    length = np.where(length > 0, length, 1)
    rows, right = jacobian / length[:, :, None], values / length
    if rows.shape[1] == rows.shape[2]:
        try:
            return np.linalg.solve(rows, right[..., None])[..., 0]
        except np.linalg.LinAlgError:
            pass
    return np.einsum("pij,pj->pi", np.linalg.pinv(rows), right)


def regular_limits(system: PolynomialSystem, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where Newton's method leads from points of a square system, and whether that is a regular zero nearby.

    Asked of the direction in which the Jacobian is nearest to singular: from small distances on both sides, one step
    must come back to within a tenth of them. At a zero of multiplicity m it comes back to 1 - 1/m of them, wherever
    near the zero rounding has left the point; condition numbers do not tell the two apart.
    Source: L. B. Rall, Convergence of the Newton process to multiple solutions, Numer. Math. 9 (1966).
    """
    limits, regular = points.copy(), np.zeros(len(points), bool)
    left, size = np.arange(len(points)), 1 + np.abs(points).max(axis=1, initial=0)
    with np.errstate(all="ignore"):
        for _ in range(_STEPS):
            if not len(left):
                return limits, regular
            limits[left] -= _newton_update(system, limits[left])
            left = left[np.abs(limits[left] - points[left]).max(axis=1) < _NEAR * size[left]]
    left = left[relative_residual(system, limits[left]) < _REGULAR_RESIDUAL]
    if len(left):
        regular[left] = _contracts(system, limits[left])
    return limits, regular


def _contracts(system: PolynomialSystem, points: np.ndarray) -> np.ndarray:
    """(p,) whether a Newton step from either side of each zero comes back to it."""
    contracts, size = np.zeros(len(points), bool), 1 + np.abs(points).max(axis=1)
    rows = system.jacobian(points) / (1 + system.magnitude(points))[:, :, None]
    direction = np.linalg.svd(rows)[2][:, -1].conj()
    for distance in _DISTANCES:
        shift = distance * size[:, None] * direction
        back = np.array([p - _newton_update(system, p) for p in (points + shift, points - shift)])
        contracts |= np.abs(back - points).max(axis=(0, 2)) < 0.1 * distance * size
    return contracts


def close_pairs(points: np.ndarray, others: np.ndarray, radius: float) -> Iterator[tuple[int, int, float]]:
    """(i, j, distance) for every points[i], others[j] (rows) closer than radius * (1 + largest coordinate).

    Where both are the same array, a point without neighbours is left out.
    """
    for i, j, distance in neighbours(points, others, radius):
        yield from zip(i.tolist(), j.tolist(), distance.tolist(), strict=True)


def neighbours(points: np.ndarray, others: np.ndarray, radius: float) -> Iterator[tuple[np.ndarray, ...]]:
    """The close pairs as arrays i, j and distance, ordered by i, in blocks.

    Both sets are sorted along a random direction, so that only neighbours are compared.
    """
    if not len(points) or not len(others):
        return
    direction = _direction(points.shape[1])
    keys, other_keys = (p.real @ direction[0] + p.imag @ direction[1] for p in (points, others))
    order = np.argsort(other_keys)
    tolerance = radius * (1 + np.abs(points).max(axis=1))
    reach = tolerance * np.sqrt(2 * points.shape[1])
    first = np.searchsorted(other_keys[order], keys - reach)
    count = np.searchsorted(other_keys[order], keys + reach) - first
    left = np.flatnonzero(count > int(points is others))  # more neighbours than the point itself
    block = np.cumsum(count[left]) // _BLOCK
    for rows in np.split(left, np.flatnonzero(np.diff(block)) + 1) if len(left) else ():
        i, number = np.repeat(rows, count[rows]), count[rows]
        j = order[np.arange(len(i)) + np.repeat(first[rows] - np.cumsum(number) + number, number)]
        distance = np.abs(points[i] - others[j]).max(axis=1)
        close = distance < tolerance[i]
        yield i[close], j[close], distance[close]


@cache
def _direction(n: int) -> np.ndarray:
    """A random unit vector of real and imaginary parts, (2, n)."""
    direction = np.random.default_rng(0).normal(size=(2, n))
    return direction / np.linalg.norm(direction)


def clusters(points: np.ndarray, radius: float) -> np.ndarray:
    """(p,) number of the cluster of each point; points chained by distances below the radius share one."""
    label, changed = np.arange(len(points)), True
    while changed:
        changed = False
        for i, j, _ in neighbours(points, points, radius):
            lowest = np.minimum(label[i], label[j])
            changed |= bool((lowest < label[i]).any())
            np.minimum.at(label, i, lowest)
            np.minimum.at(label, j, lowest)
        label = label[label]
    return np.unique(label, return_inverse=True)[1].astype(int)


def recurring(points: np.ndarray, others: np.ndarray, radius: float = SINGULAR_RADIUS) -> np.ndarray:
    """(p,) whether each singular point is among the others, too."""
    found = np.zeros(len(points), bool)
    for i, _, _ in neighbours(points, others, radius):
        found[i] = True
    return found


def conjugate_partners(points: np.ndarray, singular: np.ndarray) -> np.ndarray:
    """(p,) index of the point nearest to the complex conjugate of each: itself where it is real, -1 where none is."""
    partner, best = np.full(len(points), -1), np.full(len(points), np.inf)
    for part, radius in ((~singular, REGULAR_RADIUS), (singular, SINGULAR_RADIUS)):
        rows = np.flatnonzero(part)
        for i, j, distance in neighbours(points[rows].conj(), points[rows], radius):
            np.minimum.at(best, rows[i], distance)
            nearest = distance == best[rows[i]]
            partner[rows[i[nearest]]] = rows[j[nearest]]
    mutual = (partner >= 0) & (partner[partner] == np.arange(len(points)))
    return np.where(mutual, partner, -1)


def symmetrised(points: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Points of a real system made exact: no imaginary part where real, conjugate pairs to the last bit."""
    points, own = points.copy(), np.arange(len(points))
    real, second = partner == own, (partner >= 0) & (partner < own)
    points[real] = points[real].real
    points[second] = points[partner[second]].conj()
    return points
