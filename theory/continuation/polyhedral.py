"""The polyhedral start: a generic system with the same monomials, solved cell by cell, then led to the system itself.

A generic system with supports A_1, ..., A_n has as many zeros without zero coordinates as their mixed volume. To find
them, its coefficients become c_a t^w_a, where w_a >= 0 is what the lifted point a has above the lower face that a mixed
cell's inner normal g touches (in unknowns x_j t^-g_j): at t = 0 only the two monomials of each edge are left, and such
binomial systems have volume-many solutions of modulus 1. In u = log t / log t_0 the coefficients are c_a exp(-rate u).
From the generic coefficients a second homotopy runs straight to those of the system.

Zeros with the coordinates J equal to 0 solve those equations that do not vanish with x_J. Of the generic system they
are isolated if exactly |J| equations vanish, and regular if those can be matched with J by monomials linear in x_J;
then they are paths of the same homotopies. Where they are not regular, the equations that vanish get a constant term
that goes to 0. So every isolated zero in C^n is the end of a path.

Source: B. Huber, B. Sturmfels, A polyhedral method for solving sparse polynomial systems, Math. Comp. 64 (1995);
T. Gao, T.-Y. Li, J. Verschelde, M. Wu, Balancing the lifting values, Appl. Math. Comput. 114 (2000), for log t.
"""

from itertools import product
from pathlib import Path

import numpy as np

from theory.continuation import sift
from theory.continuation.checkpoint import tracked
from theory.continuation.homotopy import Homotopy
from theory.continuation.start import TooManyPathsError
from theory.continuation.supports import Polyhedra, PolyhedralError, Stratum, TooManyZerosError, polyhedra
from theory.continuation.tracker import DEFAULT, REACHED, Progress

__all__ = ["Polyhedra", "PolyhedralError", "TooManyZerosError", "polyhedra", "polyhedral"]

_FAINTEST = 18.0  # smallest positive rate: at the start all other monomials weigh less than exp(-18)
_ONLY_TRACK = DEFAULT._replace(endgame=0.0)
_SETTINGS = (
    _ONLY_TRACK,
    _ONLY_TRACK._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0),
    _ONLY_TRACK._replace(predictor_error=3e-5, newton_ratio=0.02, accepted_update=1e-6, max_steps=1e5),
)
_TURN = 1.0  # generic coefficients lie within this angle of the system's: no coefficient comes close to 0 on the way
_SAME = 1e-7  # relative distance below which two ends of the first homotopy are one
_CHOICES = 3  # of generic coefficients, where paths of the first homotopy fail


def polyhedral(
    system: Polyhedra, seed: int, max_paths: int, progress: Progress | None = None, checkpoint: Path | None = None
) -> Homotopy:
    """The second homotopy, from a solved generic system: as many paths as `system.count`.

    checkpoint: a file for the paths of the first homotopy, see `follow`
    Zeros of the generic system that the first homotopy fails to find, which is rare, are start points of NaN.
    Raises TooManyPathsError.
    """
    if system.count > max_paths:
        raise TooManyPathsError.of(system.count, max_paths, "polyhedral")
    rng = np.random.default_rng(seed)
    target = np.concatenate(system.coefficients)
    for choice in range(_CHOICES):
        generic = np.exp(1j * (np.angle(target) + rng.uniform(-_TURN, _TURN, len(target))))
        points = _solve_generic(system, generic, seed, progress, None if choice else checkpoint)
        if np.isfinite(points).all():
            break
    parameters = np.array([generic, target])
    origin = f"polyhedral: {system.count} paths, {system.bound}"
    return Homotopy(system.tape, points, parameters, system.reduced, origin)


def _solve_generic(
    system: Polyhedra, generic: np.ndarray, seed: int, progress: Progress | None, checkpoint: Path | None
) -> np.ndarray:
    """All zeros of the generic system, (count, coordinates); NaN for one that was lost or reached twice."""
    if not system.count:
        return np.zeros((0, system.reduced.n_free + 1), complex)
    starts, rates = zip(*(_binomial(system, stratum, generic) for stratum in system.strata), strict=True)
    volumes = [stratum.volumes for stratum in system.strata]
    cell = np.repeat(np.arange(sum(map(len, volumes))), np.concatenate(volumes))
    points, sets = np.vstack(starts), np.vstack([*rates, generic])
    ends = np.full_like(points, np.nan)
    left = np.argsort(-sets[cell].real.max(axis=1), kind="stable")  # long paths first: no lane waits for one at the end
    for settings in _SETTINGS:
        way = Homotopy(system.tape, points[left], sets, system.reduced, f"generic system of {system.bound}")
        arrived = tracked(way, seed, settings, progress, checkpoint, first=cell[left], last=len(sets) - 1, decays=True)
        checkpoint = None  # the few that are tracked again are quick
        ends[left] = np.where((arrived.status == REACHED)[:, None], arrived.points / arrived.points[:, -1:], np.nan)
        ends[_repeated(ends)] = np.nan
        left = np.flatnonzero(np.isnan(ends).any(axis=1))
        if not len(left):
            break
    return ends


def _repeated(points: np.ndarray) -> np.ndarray:
    """(p,) whether a point occurs more than once; NaN are no points."""
    known = np.flatnonzero(np.isfinite(points).all(axis=1))
    label = sift.clusters(points[known], _SAME)
    repeated = np.zeros(len(points), bool)
    repeated[known] = np.bincount(label, minlength=len(known))[label] > 1
    return repeated


def _binomial(system: Polyhedra, stratum: Stratum, generic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the paths of a stratum begin, (count, n + 1), cell by cell, and the rates of each cell, (cells, terms)."""
    n, unknowns, cells = system.reduced.n_free, list(stratum.unknowns), stratum.cells
    first = np.cumsum([0, *map(len, system.exponents)])
    rates = np.zeros((len(stratum.volumes), system.n_terms))
    starts = np.zeros((stratum.count, n + 1), complex)
    starts[:, -1] = 1
    if cells is None:
        return starts, rates
    edges = np.zeros((len(rates), len(unknowns), len(unknowns)), np.int64)
    ratios = np.zeros(edges.shape[:2], complex)
    for k, i in enumerate(stratum.equations):
        here = np.flatnonzero(np.delete(system.exponents[i], unknowns, axis=1).sum(axis=1) == 0)
        points = system.exponents[i][here][:, unknowns]
        place = {point: row for row, point in enumerate(map(tuple, points.tolist()))}
        rows = np.array([place[point] for point in map(tuple, cells.supports[k].tolist())])
        heights = np.full(len(points), cells.heights[k].max() + 1)  # of mid-points, which span no cell
        heights[rows] = cells.heights[k]
        levels = cells.volumes[:, None] * heights + cells.normals @ points.T
        levels -= levels.min(axis=1, keepdims=True)
        rates[:, first[i] + here] = levels / cells.volumes[:, None]
        a, b = rows[cells.edges[:, k]].T
        edges[:, k] = points[b] - points[a]
        ratios[:, k] = -generic[first[i] + here[a]] / generic[first[i] + here[b]]
    smallest = np.where(rates > 0, rates, np.inf).min(axis=1, keepdims=True)
    rates *= _FAINTEST / np.where(np.isfinite(smallest), smallest, 1.0)
    starts[:, unknowns] = binomial_roots(edges, ratios, cells.volumes)
    return starts, rates


def binomial_roots(edges: np.ndarray, ratios: np.ndarray, volumes: np.ndarray) -> np.ndarray:
    """All y with y^(row k of edges) = ratios[k], for each cell: edges (cells, n, n) integer, ratios (cells, n) complex.

    With M the matrix of edges, M log y = log ratio + 2 pi i k, where k runs over the integer vectors modulo M Z^n; the
    diagonal of M's Hermite normal form tells which. volumes: |det M|. Returns (sum of the volumes, n).
    """
    turns = np.zeros((int(volumes.sum()), edges.shape[1]))
    last = np.cumsum(volumes)
    for k in np.flatnonzero(volumes > 1):
        turns[last[k] - volumes[k] : last[k]] = list(product(*map(range, _hermite_diagonal(edges[k].tolist()))))
    right = np.log(np.repeat(ratios, volumes, axis=0)) + 2j * np.pi * turns
    return np.exp(np.linalg.solve(np.repeat(edges, volumes, axis=0), right[..., None])[..., 0])


def _hermite_diagonal(rows: list[list[int]]) -> list[int]:
    """The diagonal of the column-style Hermite normal form of a square integer matrix: their product is |det|."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    diagonal = []
    for k in range(len(rows)):
        active = [column for column in columns if column[k]]
        while len(active) > 1:  # Euclid's algorithm on the entries of row k
            pivot = min(active, key=lambda column: abs(column[k]))
            for column in active:
                if column is not pivot:
                    quotient = column[k] // pivot[k]
                    column[k:] = [x - quotient * y for x, y in zip(column[k:], pivot[k:], strict=True)]
            active = [column for column in active if column[k]]
        diagonal.append(abs(active[0][k]))
        columns.remove(active[0])
    return diagonal
