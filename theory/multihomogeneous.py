"""Multihomogeneous Bezout numbers: exact, by search for the best partition, and by a saddle point where they are huge.

For a partition of the unknowns in groups of k_1, ..., k_s and equations of degree D_ij in group j the number is the
coefficient of  a_1^k_1 ... a_s^k_s  in the product over i of  (D_i1 a_1 + ... + D_is a_s). It bounds the isolated zeros
in C^n, with multiplicity; with one group it is Bezout's. Source: A. Morgan and A. Sommese (1987).
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from theory.jit import njit

EXHAUSTIVE_UNKNOWNS = 8  # 4,140 partitions
_STATES = 200_000  # of the recursion, for one partition in a search
_TRIALS = 3000  # partitions that a local search looks at

Labels = tuple[int, ...]


def number(degrees: Sequence[Sequence[int]], sizes: Sequence[int]) -> int:
    """The exact multihomogeneous number; degrees (n, groups), sizes (groups,) with sum n.

    Raises ValueError where the numbers of equations and unknowns differ.
    """
    if len(degrees) != sum(sizes):
        raise ValueError(f"a multihomogeneous number needs a square system, got {len(degrees)} equations, {sum(sizes)}")
    table = np.zeros([size + 1 for size in sizes], dtype=object)
    table[(0,) * len(sizes)] = 1
    for row in degrees:
        new = np.zeros_like(table)
        for axis, degree in enumerate(row):
            if degree:
                after = (slice(None),) * axis + (slice(1, None),)
                before = (slice(None),) * axis + (slice(None, -1),)
                new[after] += int(degree) * table[before]
        table = new
    return int(table[tuple(sizes)])


def log2_number(rows: Sequence[Sequence[int]], counts: Sequence[int], sizes: Sequence[int]) -> tuple[float, float]:
    """log2 of the number for many equations: an estimate, and an upper bound that is always valid.

    rows: (r, groups) distinct rows of degrees, each for counts[i] equations; sizes: (groups,)
    The bound is the least value of the product over a_1^k_1 ... a_s^k_s; the estimate divides it by the Gaussian factor
    of the saddle point, with a relative error of the order of 1 / (smallest group) in the number itself.
    """
    degrees, weight, k = np.array(rows, float), np.array(counts, float), np.array(sizes, float)
    phi = np.zeros(len(k))
    gradient = k
    for _ in range(200):
        share = degrees * np.exp(phi - phi.max())
        share /= share.sum(axis=1, keepdims=True)
        gradient = weight @ share - k
        hessian = np.diag(weight @ share) - (share * weight[:, None]).T @ share
        step = np.zeros(len(k))
        if len(k) > 1:  # the last entry is fixed: a common factor of all a_j changes nothing
            step[:-1] = np.linalg.solve(hessian[:-1, :-1], gradient[:-1])
        phi -= step * min(1.0, 1.0 / (np.abs(step).max() + 1e-300))
        if np.abs(step).max() < 1e-12:
            break
    top = phi.max()
    value = weight @ np.log((degrees * np.exp(phi - top)).sum(axis=1)) + top * weight.sum() - k @ phi
    bound = float(value / math.log(2))
    if len(k) == 1:
        return bound, bound
    _, log_determinant = np.linalg.slogdet(2 * math.pi * hessian[:-1, :-1])
    return bound - 0.5 * float(log_determinant) / math.log(2), bound


# ---- which partition


def best_partition(
    supports: Sequence[np.ndarray], candidates: Sequence[Labels] = (), exhaustive: int = EXHAUSTIVE_UNKNOWNS
) -> tuple[int, Labels, str]:
    """The least multihomogeneous number found for supports (m_i, n), its partition (a label for each unknown), and how.

    All partitions are tried for up to `exhaustive` unknowns. Beyond, the candidates and the partitions in one group and
    in single unknowns are, and from each of them single unknowns are moved and groups merged as long as that helps. The
    partition in one group is always among them, so that the number never exceeds Bezout's.
    """
    n = len(supports)
    exponents, first = _stacked(supports)

    def value(labels: Labels) -> float:
        sizes = np.bincount(labels)
        if np.prod(sizes + 1.0) > _STATES:
            return math.inf
        return _number(exponents, first, np.arange(n), np.array(labels), sizes)

    if n <= exhaustive:
        unique, rows = _distinct(supports)
        found, count = _least(*_stacked(unique), rows, n)
        best, how = tuple(found.tolist()), f"all {count} partitions of {n} unknowns tried"
        return number(*degrees_in_groups(supports, best)), best, how
    values = _local_search(n, candidates, value)
    how = f"{len(values)} partitions of {n} unknowns tried by local search: a smaller number may exist"
    least = min(values.values())
    close = [labels for labels, found in values.items() if found <= least * (1 + 1e-9)]  # floats screen, integers count
    exact = {labels: number(*degrees_in_groups(supports, labels)) for labels in close[:50]}
    best = min(exact, key=lambda labels: (exact[labels], max(labels)))
    return exact[best], best, how


def _distinct(supports: Sequence[np.ndarray]) -> tuple[list[np.ndarray], np.ndarray]:
    """The different supports, and which of them each equation has, (n,)."""
    known: dict[bytes, int] = {}
    unique: list[np.ndarray] = []
    rows: list[int] = []
    for support in supports:
        key = np.ascontiguousarray(support, dtype=np.int64).tobytes()
        if key not in known:
            known[key] = len(unique)
            unique.append(support)
        rows.append(known[key])
    return unique, np.array(rows)


def _stacked(supports: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.ascontiguousarray(np.vstack(supports), dtype=np.int64), np.cumsum([0, *map(len, supports)])


def _local_search(n: int, candidates: Sequence[Labels], value: Callable[[Labels], float]) -> dict[Labels, float]:
    values: dict[Labels, float] = {}

    def look(labels: Sequence[int]) -> float:
        key = _canonical(labels)
        if key not in values:
            values[key] = value(key)
        return values[key]

    for start in [(0,) * n, *candidates, tuple(range(n))]:
        best = _canonical(start)
        look(best)
        neighbours = _neighbours(best)
        while len(values) < _TRIALS:
            neighbour = next(neighbours, None)
            if neighbour is None:
                break
            if look(neighbour) < values[best]:
                best = _canonical(neighbour)
                neighbours = _neighbours(best)
    return values


def _neighbours(labels: Labels) -> Iterator[list[int]]:
    groups = max(labels) + 1
    for a in range(groups):
        for b in range(a):
            yield [b if label == a else label for label in labels]
    for position, own in enumerate(labels):
        for target in range(groups + 1):
            if target != own:
                yield [*labels[:position], target, *labels[position + 1 :]]


def _canonical(labels: Sequence[int]) -> Labels:
    """The same partition, its groups numbered as they appear."""
    order = {label: k for k, label in enumerate(dict.fromkeys(labels))}
    return tuple(order[label] for label in labels)


def degrees_in_groups(supports: Sequence[np.ndarray], labels: Labels) -> tuple[list[list[int]], list[int]]:
    """The degree of each equation in each group, (n, groups), and the sizes of the groups."""
    indicator = np.eye(max(labels) + 1, dtype=np.int64)[list(labels)]  # (n, groups)
    return [(support @ indicator).max(axis=0).tolist() for support in supports], indicator.sum(axis=0).tolist()


@njit(cache=True)
def _number(exponents: np.ndarray, first: np.ndarray, rows: np.ndarray, labels: np.ndarray, sizes: np.ndarray) -> float:
    """The number in floating point; the table is flat, with a stride for each group. Equation i has support rows[i]."""
    groups = len(sizes)
    strides = np.ones(groups, np.int64)
    for g in range(1, groups):
        strides[g] = strides[g - 1] * (sizes[g - 1] + 1)
    states = strides[-1] * (sizes[-1] + 1)
    degrees = np.zeros((len(first) - 1, groups))
    total = np.zeros(groups)
    for i in range(len(first) - 1):
        for row in range(first[i], first[i + 1]):
            total[:] = 0
            for k in range(len(labels)):
                total[labels[k]] += exponents[row, k]
            degrees[i] = np.maximum(degrees[i], total)
    table, new = np.zeros(states), np.zeros(states)
    table[0] = 1.0
    for i in rows:
        new[:] = 0.0
        for g in range(groups):
            if degrees[i, g] > 0:
                for s in range(states):
                    if table[s] != 0.0 and (s // strides[g]) % (sizes[g] + 1) < sizes[g]:
                        new[s + strides[g]] += degrees[i, g] * table[s]
        table, new = new, table
    return table[states - 1]


@njit(cache=True)
def _least(exponents: np.ndarray, first: np.ndarray, rows: np.ndarray, n: int) -> tuple[np.ndarray, int]:
    """Labels of the partition with the least number, the first of equal ones, and how many there are.

    Labels in order of appearance count up like an odometer; one group comes first, so that it is kept in a tie.
    """
    labels = np.zeros(n, np.int64)
    best, least, count = labels.copy(), np.inf, 0
    while True:
        count += 1
        found = _number(exponents, first, rows, labels, np.bincount(labels))
        if found < least * (1 - 1e-12):
            least, best = found, labels.copy()
        position = n - 1
        while position > 0 and labels[position] > labels[:position].max():
            position -= 1
        if position == 0:
            return best, count
        labels[position] += 1
        labels[position + 1 :] = 0
