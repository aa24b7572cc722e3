"""Mixed volumes, exactly: every mixed cell of a random lifting, followed from a simplex to the supports.

A mixed cell is a choice of one edge (a_i, b_i) in each support A_i, with an inner normal g for which the lifted points
satisfy  w_i(a_i) + g.a_i = w_i(b_i) + g.b_i < w_i(c) + g.c  for every other c in A_i. The mixed volume is the sum of
the determinants |b_i - a_i| over all cells. While the lifting moves along a ray w + t v, a cell lives until one of
these inequalities becomes an equation; there the circuit of the 2n + 1 points tells which cells take its place.

The supports enter one at a time: n unit simplices have one cell, of volume 1; then the simplex number k is blown up to
d_k times its size, A_k is put inside, and the simplex is lifted to infinity. The volume of all cells, those on the
simplex included, is known beforehand (d_k times the one before), so that a sum that meets it proves that no cell was
missed. All arithmetic is on integers.

Source: the bistellar flips are those of A. Jensen, Tropical homotopy continuation (2016); D. N. Bernstein (1975);
for zeros with zero coordinates B. Huber and B. Sturmfels, Bernstein's theorem in affine space (1997).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from theory import mixed_cells
from theory.arguments import check_seed
from theory.mixed_cells import LIFT

_Result = TypeVar("_Result")
_ATTEMPTS = 20  # with new heights, when two events of one cell coincide


class MixedVolumeError(ArithmeticError):
    """No result: the integers left 64 bits, the work went over its budget, or the cells did not add up."""


@dataclass(frozen=True)
class MixedSubdivision:
    """The mixed cells of n supports in n unknowns under one lifting.

    supports: the points that can span a cell (no mid-points of two others), (m_i, n) each
    heights: the lifting of these points, (m_i,) integers each
    edges: (cells, n, 2), for each cell and support the two points, as rows of supports[i]
    normals: (cells, n), the inner normal g of each cell, numerators over volumes
    volumes: (cells,), the determinant of the edges; their sum is the mixed volume
    """

    supports: tuple[np.ndarray, ...]
    heights: tuple[np.ndarray, ...]
    edges: np.ndarray
    normals: np.ndarray
    volumes: np.ndarray

    @property
    def volume(self) -> int:
        return sum(self.volumes.tolist())


def mixed_volume(supports: Sequence[np.ndarray], seed: int = 0, max_work: float = math.inf) -> int:
    """The mixed volume of n supports (m_i, n): the number of zeros in the torus (C without 0)^n, generically.

    It bounds the isolated zeros without zero coordinates of every system with these supports, with multiplicity.
    max_work: multiplications (about 10^9 a second) after which to give up, for each support that enters
    Raises ValueError for supports of other shapes; MixedVolumeError where max_work or 64-bit integers do not suffice.
    Source: Bernstein, Kushnirenko, Khovanskii.
    """
    return mixed_subdivision(supports, seed, max_work).volume


def stable_mixed_volume(supports: Sequence[np.ndarray], seed: int = 0, max_work: float = math.inf) -> int:
    """A bound for the isolated zeros in all of C^n, with multiplicity; supports (m_i, n) with exponents >= 0.

    The origin is added to every support, one higher than the rest; counted are the cells whose inner normal has no
    negative entry. Raises as `mixed_volume` does, and ValueError for negative exponents.
    Source: Huber and Sturmfels (1997), Theorem 2.1.
    """
    arrays = _checked(supports)
    if any(array.min() < 0 for array in arrays):
        raise ValueError("a stable mixed volume needs exponents that are not negative")
    reduced = _without_midpoints(arrays)
    n = len(reduced)
    lacking = [array.any(axis=1).all() for array in reduced]
    if not any(lacking):
        return mixed_subdivision(reduced, seed, max_work).volume
    extended = [
        np.vstack([array, np.zeros((1, n), np.int64)]) if new else array
        for array, new in zip(reduced, lacking, strict=True)
    ]

    def attempt(rng: np.random.Generator) -> int:
        start = _subdivide(extended, rng, max_work)
        speeds = [np.zeros(len(array), np.int64) for array in extended]
        for speed, new in zip(speeds, lacking, strict=True):
            speed[-1] = int(new)
        _, _, drift, volumes = _follow(start.edges, extended, start.heights, speeds, max_work)
        if sum(volumes.tolist()) != start.volume:
            raise MixedVolumeError("the cells of the lifted origins do not fill the volume they must fill")
        return sum(volumes[(drift >= 0).all(axis=1)].tolist())

    return _retry(attempt, seed)


def mixed_subdivision(supports: Sequence[np.ndarray], seed: int = 0, max_work: float = math.inf) -> MixedSubdivision:
    """All mixed cells of n supports (m_i, n) under a random lifting: what `mixed_volume` adds up.

    Raises as `mixed_volume` does.
    """
    reduced = _without_midpoints(_checked(supports))
    return _retry(lambda rng: _subdivide(reduced, rng, max_work), seed)


# ---- supports


def _checked(supports: Sequence[np.ndarray]) -> list[np.ndarray]:
    arrays = [np.asarray(support) for support in supports]
    n = len(arrays)
    if n == 0:
        raise ValueError("a mixed volume needs at least one support, got none")
    for number, array in enumerate(arrays, 1):
        if array.ndim != 2 or array.shape[1] != n or len(array) == 0 or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(
                f"a mixed volume of {n} supports needs integer points of shape (m, {n}), "
                f"got {array.shape} {array.dtype} for support {number}"
            )
    return [np.unique(array, axis=0).astype(np.int64) for array in arrays]


def _without_midpoints(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The points of each support that are no mid-point of two others: all vertices are among them, the hull stays."""
    known: dict[bytes, np.ndarray] = {}  # the equations of a network share one support
    for array in arrays:
        if array.tobytes() in known:
            continue
        rows = array.tolist()
        doubled = {tuple(2 * x for x in row): k for k, row in enumerate(rows)}
        keep = np.ones(len(array), dtype=bool)
        for k, a in enumerate(rows):
            for b in rows[k + 1 :]:
                middle = doubled.get(tuple(map(int.__add__, a, b)))
                if middle is not None:
                    keep[middle] = False
        known[array.tobytes()] = array[keep]
    return [known[array.tobytes()] for array in arrays]


# ---- the supports, one after the other


def _retry(attempt: Callable[[np.random.Generator], _Result], seed: int) -> _Result:
    rng = np.random.default_rng(check_seed(seed))
    for _ in range(_ATTEMPTS):
        try:
            return attempt(rng)
        except _Tie:
            continue
    raise MixedVolumeError(f"two cells changed at the same moment under {_ATTEMPTS} random liftings")


class _Tie(Exception):
    """Two events of one cell at one moment: this lifting is not generic enough."""


def _subdivide(supports: Sequence[np.ndarray], rng: np.random.Generator, max_work: float) -> MixedSubdivision:
    n = len(supports)
    simplex = np.vstack([np.zeros((1, n), np.int64), np.eye(n, dtype=np.int64)])
    current = [simplex] * n
    heights = [rng.integers(LIFT, 2 * LIFT, n + 1) for _ in range(n)]
    for k in range(n):  # with these heights the one cell is (0, e_k) in the simplex number k
        heights[k][0], heights[k][k + 1] = 0, rng.integers(1, LIFT)
    edges = np.array([[(0, k + 1) for k in range(n)]], dtype=np.int64)
    volume = 1
    normals = np.zeros((1, n), np.int64)
    volumes = np.ones(1, np.int64)
    degrees = [int((a - a.min(axis=0)).sum(axis=1).max()) for a in supports]
    if 0 in degrees:  # a support of one point
        none = np.zeros((0, n), np.int64)
        return MixedSubdivision(tuple(supports), tuple(heights), np.zeros((0, n, 2), np.int64), none, none[:, 0])
    for k in sorted(range(n), key=lambda k: (degrees[k], len(supports[k]))):
        support = supports[k] - supports[k].min(axis=0)
        current[k] = np.vstack([degrees[k] * simplex, support])
        heights[k] = np.concatenate([degrees[k] * heights[k], rng.integers(0, LIFT, len(support))])
        speeds = [np.zeros(len(array), np.int64) for array in current]
        speeds[k][: n + 1] = 1
        edges, normals, _, volumes = _follow(edges, current, heights, speeds, max_work)
        if sum(volumes.tolist()) != degrees[k] * volume:
            raise MixedVolumeError(f"the cells of support {k + 1} do not fill the volume they must fill")
        own = (edges[:, k] > n).all(axis=1)
        edges, normals, volumes = edges[own], normals[own], volumes[own]
        edges[:, k] -= n + 1
        current[k], heights[k] = support, heights[k][n + 1 :]
        volume = sum(volumes.tolist())
    return MixedSubdivision(tuple(supports), tuple(heights), edges, normals, volumes)


def _follow(
    edges: np.ndarray,
    supports: Sequence[np.ndarray],
    heights: Sequence[np.ndarray],
    speeds: Sequence[np.ndarray],
    max_work: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The cells at the end of the ray heights + t speeds, from those at its beginning.

    Returns edges (cells, n, 2), the normals and their derivatives by t, as numerators, (cells, n), volumes (cells,).
    """
    first = np.cumsum([0, *map(len, supports)])
    points = np.vstack(supports)
    if len(edges) == 0:
        none = np.zeros((0, len(supports)), np.int64)
        return edges, none, none, np.zeros(0, np.int64)
    table = mixed_cells.sparse(points, first, np.concatenate(heights), np.concatenate(speeds))
    state, found = mixed_cells.flip(edges, table, max_work)
    if state == mixed_cells.TIE:
        raise _Tie
    if state == mixed_cells.OVERFLOW:
        raise MixedVolumeError("the determinants of these supports leave 64-bit integers")
    if state == mixed_cells.SPENT:
        raise MixedVolumeError(f"the mixed cells take more work than max_work = {max_work:g} allows")
    n = len(supports)
    cells, normals, drifts = found[:, : 2 * n], found[:, 2 * n : 3 * n], found[:, 3 * n : 4 * n]
    if state == mixed_cells.WRONG or len(set(map(bytes, cells))) < len(cells):
        raise MixedVolumeError("a cell at the end of the ray is no cell of the lifting")
    return cells.reshape(-1, n, 2), normals, drifts, found[:, 4 * n]
