"""Mixed cells on the move, compiled: what `theory.polytopes` adds up.

A cell is n edges (a_i, b_i), rows of the points of support i. Normals and the rows of `dual`, the transposed inverse of
the matrix of edges, are integers: the true ones times the determinant of the edges, which is kept positive.
"""

from typing import Any, NamedTuple

import numpy as np

from theory.jit import njit

LIFT = 2**24  # random heights lie in [0, 2 * LIFT)
DONE, TIE, OVERFLOW, WRONG, SPENT = range(5)
_SMALL = 2.0**31  # products of two numbers below it fit in 64 bits
_LARGE = 2.0**60
_WHOLE = 2.0**53  # below it doubles hold whole numbers, and divide several at once
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy"}


class Points(NamedTuple):
    """The points of all supports, most of whose coordinates are 0: point c has the coordinates where[k] = what[k] for
    begin[c] <= k < begin[c + 1]. Support i are the points first[i] to first[i + 1] - 1. Heights are heights + t speeds.
    """

    begin: np.ndarray
    where: np.ndarray
    what: np.ndarray
    first: np.ndarray
    heights: np.ndarray
    speeds: np.ndarray


def sparse(points: np.ndarray, first: np.ndarray, heights: np.ndarray, speeds: np.ndarray) -> Points:
    """Points (m, n), one support after the other."""
    rows, columns = np.nonzero(points)
    begin = np.searchsorted(rows, np.arange(len(points) + 1))
    return Points(begin, columns, points[rows, columns], first, heights, speeds)


@njit(**_OPTIONS)
def flip(edges: np.ndarray, points: Points, budget: float) -> tuple[int, np.ndarray]:
    """Follow every cell to the end of the ray; a row of the answer is edges, normal, its derivative, volume.

    budget: multiplications, roughly, that may be spent.
    """
    n = edges.shape[1]
    stack = np.concatenate((edges, np.empty((len(edges) + 64, n, 2), np.int64)))
    top, count = len(edges), 0
    out = np.empty((len(edges) + 64, 4 * n + 1), np.int64)
    dual, coordinates = np.empty((n, n), np.int64), np.empty(n, np.int64)
    normal, drift, cell = np.empty(n, np.int64), np.empty(n, np.int64), np.empty((n, 2), np.int64)
    widest, highest = float(np.abs(points.what).max()), float(np.abs(points.heights).max())
    while top:
        top -= 1
        cell[:] = stack[top]
        determinant = _invert(cell, points, dual, coordinates)
        while True:
            budget -= len(points.what) + 2 * n**2
            if budget < 0:
                return SPENT, out[:0]
            size = _normals(cell, points, dual, normal, drift)
            if determinant == 0 or n * size * widest + determinant * highest > _LARGE:
                return OVERFLOW, out[:0]
            support, column, tie = _next_event(cell, points, normal, drift, determinant)
            if tie:
                return TIE, out[:0]
            if support < 0:
                if not _ends_as_cell(cell, points, normal, drift, determinant):
                    return WRONG, out[:0]
                if count == len(out):
                    out = np.concatenate((out, np.empty_like(out)))
                out[count, : 2 * n] = cell.ravel()
                out[count, 2 * n : 3 * n], out[count, 3 * n : 4 * n], out[count, 4 * n] = normal, drift, determinant
                count += 1
                break
            # column - a in the basis of the edges: its own coefficient says which cells end here and which begin
            a, b = cell[support]
            base = points.first[support]
            _solve(points, base + a, base + column, dual, coordinates)
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
                for k in range(n):
                    coordinates[k] = -coordinates[k]
                coordinates[support] += determinant
            else:
                cell[support, 1] = column
            determinant = _exchange(dual, determinant, coordinates, support)
    return DONE, out[:count]


@njit(**_OPTIONS)
def _solve(points: Points, a: int, b: int, dual: np.ndarray, coordinates: np.ndarray) -> None:
    """Coordinates of (point b - point a) in the basis of the edges, times the determinant."""
    coordinates[:] = 0
    for point, sign in ((a, -1), (b, 1)):
        for k in range(points.begin[point], points.begin[point + 1]):
            row, factor = points.where[k], sign * points.what[k]
            for j in range(len(coordinates)):
                coordinates[j] += factor * dual[j, row]


@njit(**_OPTIONS)
def _invert(cell: np.ndarray, points: Points, dual: np.ndarray, coordinates: np.ndarray) -> int:
    """Write the dual of the edges b - a and return their determinant, made positive; 0 where 64 bits fail.

    The edges enter a basis of unit vectors one after the other.
    """
    n = len(cell)
    dual[:] = 0
    for k in range(n):
        dual[k, k] = 1
    determinant = 1
    slots, used = np.full(n, -1, np.int64), np.zeros(n, np.bool_)
    for i in range(n):
        _solve(points, points.first[i] + cell[i, 0], points.first[i] + cell[i, 1], dual, coordinates)
        for slot in range(n):
            if coordinates[slot] != 0 and not used[slot]:
                slots[i] = slot
        if slots[i] < 0:
            return 0
        used[slots[i]] = True
        determinant = _exchange(dual, determinant, coordinates, slots[i])
        if determinant == 0:
            return 0
    dual[:] = dual[slots]
    return determinant


@njit(**_OPTIONS)
def _exchange(dual: np.ndarray, determinant: int, coordinates: np.ndarray, slot: int) -> int:
    """Put a vector with these coordinates into the basis; returns the new determinant, 0 where 64 bits fail."""
    n = len(coordinates)
    new = coordinates[slot]
    sign = 1 if new > 0 else -1
    furthest, largest = 0, 0
    for j in range(n):
        furthest = max(furthest, abs(coordinates[j]))
        for k in range(n):
            largest = max(largest, abs(dual[j, k]))
    if max(furthest, largest) >= _SMALL:
        return 0
    as_floats = 2.0 * furthest * largest < _WHOLE
    for j in range(n):
        own = coordinates[j]
        if j == slot or (own == 0 and sign * new == determinant):
            continue  # nothing changes
        for k in range(n):
            dual[j, k] = sign * (new * dual[j, k] - own * dual[slot, k])
        if determinant != 1:  # divisions that leave no remainder: the minors are whole
            for k in range(n):
                dual[j, k] = np.int64(dual[j, k] / determinant) if as_floats else dual[j, k] // determinant
    for k in range(n):
        dual[slot, k] *= sign
    return sign * new


@njit(**_OPTIONS)
def _normals(cell: np.ndarray, points: Points, dual: np.ndarray, normal: np.ndarray, drift: np.ndarray) -> float:
    """Write the inner normal and its derivative, times the determinant; returns a bound on all sums on the way."""
    n = len(cell)
    normal[:], drift[:] = 0, 0
    size = 0.0
    for i in range(n):
        a, b = points.first[i] + cell[i, 0], points.first[i] + cell[i, 1]
        rise, change = points.heights[a] - points.heights[b], points.speeds[a] - points.speeds[b]
        largest = 0
        for k in range(n):
            normal[k] += rise * dual[i, k]
            drift[k] += change * dual[i, k]
            largest = max(largest, abs(dual[i, k]))
        size += float(largest) * (abs(rise) + abs(change))
    return size


@njit(**_OPTIONS)
def _level(points: Points, point: int, height: int, direction: np.ndarray, determinant: int) -> int:
    level = determinant * height
    for k in range(points.begin[point], points.begin[point + 1]):
        level += direction[points.where[k]] * points.what[k]
    return level


@njit(**_OPTIONS)
def _next_event(
    cell: np.ndarray, points: Points, normal: np.ndarray, drift: np.ndarray, determinant: int
) -> tuple[int, int, bool]:
    """The first point that comes down to the cell: support (-1 if none does), column, whether another one ties."""
    best_support, best_column, best_gap, best_rate, best_time, tie = -1, -1, 0, 1, np.inf, False
    for i in range(len(cell)):
        a = points.first[i] + cell[i, 0]
        slope = _level(points, a, points.speeds[a], drift, determinant)
        level = _level(points, a, points.heights[a], normal, determinant)
        for c in range(points.first[i], points.first[i + 1]):
            rate = slope - _level(points, c, points.speeds[c], drift, determinant)
            if rate <= 0:  # the points of the edge itself have rate 0
                continue
            gap = _level(points, c, points.heights[c], normal, determinant) - level
            time = gap / rate
            if time > best_time + 1e-9 * (1 + abs(best_time)):
                continue
            order = -1 if best_support < 0 else _compare(gap, rate, best_gap, best_rate)
            if order < 0:
                best_support, best_column = i, c - points.first[i]
                best_gap, best_rate, best_time = gap, rate, time
            tie = order == 0 or (tie and order > 0)
    return best_support, best_column, tie


@njit(**_OPTIONS)
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


@njit(**_OPTIONS)
def _ends_as_cell(cell: np.ndarray, points: Points, normal: np.ndarray, drift: np.ndarray, determinant: int) -> bool:
    """Whether every other point lies above the cell at the end of the ray."""
    for i in range(len(cell)):
        a, b = points.first[i] + cell[i, 0], points.first[i] + cell[i, 1]
        slope = _level(points, a, points.speeds[a], drift, determinant)
        level = _level(points, a, points.heights[a], normal, determinant)
        if _level(points, b, points.speeds[b], drift, determinant) != slope:
            return False
        if _level(points, b, points.heights[b], normal, determinant) != level:
            return False
        for c in range(points.first[i], points.first[i + 1]):
            rate = _level(points, c, points.speeds[c], drift, determinant) - slope
            if c in (a, b) or rate > 0:
                continue
            if rate < 0 or _level(points, c, points.heights[c], normal, determinant) <= level:
                return False
    return True
