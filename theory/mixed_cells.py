"""Mixed cells on the move, compiled: what `theory.polytopes` adds up.

A cell is n edges (a_i, b_i), rows of the points of support i; `first[i]` is the row where support i begins in the table
of all points. Normals are integers: the true ones times the determinant of the edges, which is kept positive.
"""

import numpy as np

from theory.jit import njit

LIFT = 2**24  # random heights lie in [0, 2 * LIFT)
DONE, TIE, OVERFLOW, WRONG, SPENT = range(5)
_SMALL = 2.0**31  # products of two numbers below it fit in 64 bits
_LARGE = 2.0**60


@njit(cache=True)
def flip(
    edges: np.ndarray, points: np.ndarray, first: np.ndarray, heights: np.ndarray, speeds: np.ndarray, budget: float
) -> tuple[int, np.ndarray]:
    """Follow every cell to the end of the ray; a row of the answer is edges, normal, its derivative, volume.

    budget: multiplications, roughly, that may be spent.
    """
    n = points.shape[1]
    stack = np.concatenate((edges, np.empty((len(edges) + 64, n, 2), np.int64)))
    top, count = len(edges), 0
    out = np.empty((len(edges) + 64, 4 * n + 1), np.int64)
    inverse, coordinates = np.empty((n, n), np.int64), np.empty(n, np.int64)
    normal, drift = np.empty(n, np.int64), np.empty(n, np.int64)
    widest, highest = float(np.abs(points).max()), float(np.abs(heights).max())
    while top:
        top -= 1
        cell = stack[top].copy()
        determinant = _invert(cell, points, first, inverse)
        while True:
            budget -= points.size + 2 * n**2
            if budget < 0:
                return SPENT, out[:0]
            size = _normals(cell, first, heights, speeds, inverse, normal, drift)
            if determinant == 0 or n * size * widest + determinant * highest > _LARGE:
                return OVERFLOW, out[:0]
            support, column, tie = _next_event(cell, points, first, heights, speeds, normal, drift, determinant)
            if tie:
                return TIE, out[:0]
            if support < 0:
                if not _ends_as_cell(cell, points, first, heights, speeds, normal, drift, determinant):
                    return WRONG, out[:0]
                if count == len(out):
                    out = np.concatenate((out, np.empty_like(out)))
                out[count, : 2 * n] = cell.ravel()
                out[count, 2 * n : 3 * n], out[count, 3 * n : 4 * n], out[count, 4 * n] = normal, drift, determinant
                count += 1
                break
            # column - a in the basis of the edges: its own coefficient says which cells end here and which begin
            a, b = cell[support]
            coordinates[:] = 0
            for k in range(n):
                difference = points[first[support] + column, k] - points[first[support] + a, k]
                if difference:
                    coordinates += difference * inverse[k]
            own = coordinates[support]
            if (own > determinant and column > a) or (own < 0 and column > b):
                break  # another cell ends here too, and goes on for both
            if 0 < own < determinant:  # (a, column) for later, (column, b) now
                if top == len(stack):
                    stack = np.concatenate((stack, np.empty_like(stack)))
                stack[top] = cell
                stack[top, support, 1] = column
                top += 1
            if own < determinant:  # column takes the place of a: the edge is (b - a) - (column - a)
                cell[support, 0] = column
                coordinates[:] = -coordinates
                coordinates[support] += determinant
            else:
                cell[support, 1] = column
            determinant = _exchange(inverse, determinant, coordinates, support)
    return DONE, out[:count]


@njit(cache=True)
def _invert(cell: np.ndarray, points: np.ndarray, first: np.ndarray, inverse: np.ndarray) -> int:
    """The inverse of the matrix of edges (rows b - a) times its determinant, made positive; 0 where 64 bits fail.

    The edges enter a basis of unit vectors one after the other.
    """
    n = points.shape[1]
    inverse[:] = np.eye(n, dtype=np.int64)
    determinant = 1
    coordinates, slots = np.empty(n, np.int64), np.full(n, -1, np.int64)
    for i in range(n):
        coordinates[:] = 0
        for k in range(n):
            difference = points[first[i] + cell[i, 1], k] - points[first[i] + cell[i, 0], k]
            if difference:
                coordinates += difference * inverse[k]
        for slot in range(n):
            if coordinates[slot] != 0 and not (slots[:i] == slot).any():
                slots[i] = slot
        if slots[i] < 0:
            return 0
        determinant = _exchange(inverse, determinant, coordinates, slots[i])
        if determinant == 0:
            return 0
    inverse[:] = inverse[:, slots]
    return determinant


@njit(cache=True)
def _exchange(inverse: np.ndarray, determinant: int, coordinates: np.ndarray, slot: int) -> int:
    """Put a vector with these coordinates into the basis; returns the new determinant, 0 where 64 bits fail."""
    n = len(coordinates)
    new = coordinates[slot]
    sign = 1 if new > 0 else -1
    if np.abs(coordinates).max() >= _SMALL or np.abs(inverse).max() >= _SMALL:
        return 0
    for k in range(n):
        pivot = inverse[k, slot]
        for j in range(n):
            if j != slot:  # exact: the minors of an integer matrix
                inverse[k, j] = sign * ((new * inverse[k, j] - coordinates[j] * pivot) // determinant)
        inverse[k, slot] = sign * pivot
    return sign * new


@njit(cache=True)
def _normals(
    cell: np.ndarray,
    first: np.ndarray,
    heights: np.ndarray,
    speeds: np.ndarray,
    inverse: np.ndarray,
    normal: np.ndarray,
    drift: np.ndarray,
) -> float:
    """Write the inner normal and its derivative, times the determinant; returns a bound on all sums on the way."""
    normal[:], drift[:] = 0, 0
    size = 0.0
    for i in range(len(cell)):
        a, b = first[i] + cell[i, 0], first[i] + cell[i, 1]
        rise, change = heights[a] - heights[b], speeds[a] - speeds[b]
        normal += rise * inverse[:, i]
        drift += change * inverse[:, i]
        size += np.abs(inverse[:, i]).max() * (abs(rise) + abs(change))
    return size


@njit(cache=True)
def _level(point: np.ndarray, height: int, direction: np.ndarray, determinant: int) -> int:
    level = determinant * height
    for k in range(len(point)):
        level += direction[k] * point[k]
    return level


@njit(cache=True)
def _next_event(
    cell: np.ndarray,
    points: np.ndarray,
    first: np.ndarray,
    heights: np.ndarray,
    speeds: np.ndarray,
    normal: np.ndarray,
    drift: np.ndarray,
    determinant: int,
) -> tuple[int, int, bool]:
    """The first point that comes down to the cell: support (-1 if none does), column, whether another one ties."""
    best_support, best_column, best_gap, best_rate, best_time, tie = -1, -1, 0, 1, np.inf, False
    for i in range(len(cell)):
        a = first[i] + cell[i, 0]
        slope = _level(points[a], speeds[a], drift, determinant)
        for c in range(first[i], first[i + 1]):
            rate = slope - _level(points[c], speeds[c], drift, determinant)
            if rate <= 0:  # the points of the edge itself have rate 0
                continue
            level = _level(points[a], heights[a], normal, determinant)
            gap = _level(points[c], heights[c], normal, determinant) - level
            time = gap / rate
            if time > best_time + 1e-9 * (1 + abs(best_time)):
                continue
            order = -1 if best_support < 0 else _compare(gap, rate, best_gap, best_rate)
            if order < 0:
                best_support, best_column, best_gap, best_rate, best_time = i, c - first[i], gap, rate, time
            tie = order == 0 or (tie and order > 0)
    return best_support, best_column, tie


@njit(cache=True)
def _compare(p: int, q: int, r: int, s: int) -> int:
    """The sign of p/q - r/s, q and s positive, exactly: by continued fractions, so that no product overflows."""
    sign = 1
    while True:
        whole, other = p // q, r // s
        if whole != other:
            return sign if whole > other else -sign
        p, r = p - whole * q, r - other * s
        if p == 0 or r == 0:
            return sign * (int(p > 0) - int(r > 0))
        p, q, r, s = q, p, s, r
        sign = -sign


@njit(cache=True)
def _ends_as_cell(
    cell: np.ndarray,
    points: np.ndarray,
    first: np.ndarray,
    heights: np.ndarray,
    speeds: np.ndarray,
    normal: np.ndarray,
    drift: np.ndarray,
    determinant: int,
) -> bool:
    """Whether every other point lies above the cell at the end of the ray."""
    for i in range(len(cell)):
        a, b = first[i] + cell[i, 0], first[i] + cell[i, 1]
        slope = _level(points[a], speeds[a], drift, determinant)
        level = _level(points[a], heights[a], normal, determinant)
        if _level(points[b], speeds[b], drift, determinant) != slope:
            return False
        if _level(points[b], heights[b], normal, determinant) != level:
            return False
        for c in range(first[i], first[i + 1]):
            rate = _level(points[c], speeds[c], drift, determinant) - slope
            if c in (a, b) or rate > 0:
                continue
            if rate < 0 or _level(points[c], heights[c], normal, determinant) <= level:
                return False
    return True
