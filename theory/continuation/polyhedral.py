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

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from theory.continuation import sift
from theory.continuation.homotopy import Homotopy, Reduced, Reduction, balance
from theory.continuation.start import TooManyPathsError
from theory.continuation.tape import Recorder, Tape
from theory.continuation.tracker import DEFAULT, REACHED, Progress, track
from theory.polytopes import MixedSubdivision, MixedVolumeError, mixed_subdivision

MAX_TERMS = 20_000  # of a network's equations when multiplied out, at most
MAX_UNKNOWNS = 20  # the subsets of unknowns that may be 0 are all looked at
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


class PolyhedralError(ValueError):
    """The polyhedral start does not apply to a system."""


class TooManyZerosError(PolyhedralError):
    """The generic system has more zeros than it may."""


@dataclass(frozen=True, eq=False)
class Stratum:
    """The zeros of the generic system in which exactly some unknowns are not 0.

    unknowns: those that are not 0; equations: those that do not vanish with the others
    cells: of these equations' supports in these unknowns; None where there are no unknowns, and the origin is the zero
    """

    unknowns: tuple[int, ...]
    equations: tuple[int, ...]
    cells: MixedSubdivision | None

    @property
    def volumes(self) -> np.ndarray:
        """Of the cells: zeros from each."""
        return np.ones(1, np.int64) if self.cells is None else self.cells.volumes

    @property
    def count(self) -> int:
        return int(self.volumes.sum())


@dataclass(frozen=True, eq=False)
class Polyhedra:
    """A square system as a list of monomials, and the mixed cells of its supports.

    reduced: the scaled system, nothing eliminated
    exponents: (m_i, n) for each equation; coefficients: (m_i,) complex, 0 for constant terms that were added
    """

    reduced: Reduced
    exponents: tuple[np.ndarray, ...]
    coefficients: tuple[np.ndarray, ...]
    strata: tuple[Stratum, ...]

    @property
    def count(self) -> int:
        """Zeros of the generic system, and so paths."""
        return sum(stratum.count for stratum in self.strata)

    @property
    def bound(self) -> str:
        """What this number is."""
        if self.n_terms > sum(len(p.terms) for p in self.reduced.polynomials):
            return "the mixed volume with constant terms added"
        zero = any(len(stratum.unknowns) < self.reduced.n_free for stratum in self.strata)
        return "the stable mixed volume" if zero else "the mixed volume"

    @property
    def n_terms(self) -> int:
        return sum(map(len, self.exponents))

    @cached_property
    def tape(self) -> Tape:
        """The equations with all coefficients as parameters, in the order of the exponents."""
        recorder = Recorder(self.reduced.n_free)
        equations = [recorder.weighted(points.tolist(), recorder.parameters(len(points))) for points in self.exponents]
        return recorder.tape(equations)


def polyhedra(
    reduced: Reduced,
    seed: int = 0,
    max_work: float = math.inf,
    with_constants: bool = False,
    most: float = math.inf,
) -> Polyhedra:
    """The supports and mixed cells of a system; seed: of the lifting, which changes no count.

    max_work: multiplications (about 10^9 a second) allowed for each support of each mixed volume
    with_constants: give every equation a constant term, so that no path stays where unknowns are 0; more paths
    most: zeros from which on no further cells are looked for
    Raises TooManyZerosError for more of them, PolyhedralError for systems that are not square, with too many terms or
    unknowns, or beyond max_work.
    """
    whole = _expanded(reduced)
    n = whole.n_free
    exponents = [p.exponents for p in whole.polynomials]
    coefficients = [p.coefficients for p in whole.polynomials]
    irregular = {i for i, points in enumerate(exponents) if with_constants and points.any(axis=1).all()}
    while True:
        for i in irregular:
            exponents[i] = np.vstack([exponents[i], np.zeros((1, n), np.int64)])
            coefficients[i] = np.append(coefficients[i], 0)
        try:
            strata, irregular = _strata(exponents, n, seed, max_work, most)
        except MixedVolumeError as error:
            raise PolyhedralError(f"the polyhedral start needs mixed cells: {error}") from None
        if not irregular:
            return Polyhedra(whole, tuple(exponents), tuple(coefficients), tuple(strata))


def _expanded(reduced: Reduced) -> Reduced:
    """The scaled system as polynomials, with nothing eliminated: affine equations are sparse, and fewer paths."""
    system = reduced.system
    n = system.n_unknowns
    if system.n_equations != n:
        raise PolyhedralError(
            f"the polyhedral start needs as many equations as unknowns, got {system.n_equations} in {n}: "
            'use start="total-degree"'
        )
    if n > MAX_UNKNOWNS:
        raise PolyhedralError(f"the polyhedral start takes up to {MAX_UNKNOWNS} unknowns, got {n}")
    if system.network is None:
        polynomials = reduced.scaled.polynomials
    else:
        terms = sum(math.comb(n + d, d) for d in system.degrees)
        if terms > MAX_TERMS:
            raise PolyhedralError(
                f"the polyhedral start multiplies a network's equations out, here up to {terms} terms, more than "
                f'{MAX_TERMS}: use start="total-degree" or "monodromy"'
            )
        polynomials = tuple(balance(p) for p in system.polynomials)
    identity = Reduction(np.eye(n, dtype=complex), np.zeros(n, complex), tuple(range(n)))
    return replace(reduced, reduction=identity, polynomials=polynomials)


def _strata(
    exponents: list[np.ndarray], n: int, seed: int, max_work: float, most: float
) -> tuple[list[Stratum], set[int]]:
    """Strata with isolated zeros, and the equations that vanish on those whose zeros are not regular."""
    found: list[Stratum] = []
    irregular: set[int] = set()
    for zero, vanishing in _isolating(exponents, n):
        unknowns = tuple(k for k in range(n) if k not in zero)
        equations = tuple(i for i in range(n) if i not in vanishing)
        cells = None
        if unknowns:
            left = [a[(a[:, zero] == 0).all(axis=1)][:, unknowns] for a in (exponents[i] for i in equations)]
            if min(map(len, left)) == 1:
                continue
            cells = mixed_subdivision(left, seed, max_work)
            if not cells.volume:
                continue
        if not _matched([exponents[i] for i in vanishing], zero):
            irregular |= set(vanishing)
        found.append(Stratum(unknowns, equations, cells))
        if (count := sum(stratum.count for stratum in found)) > most:
            raise TooManyZerosError(f"the generic system has {count} zeros or more, {most:g} were allowed")
    return found, irregular


def _isolating(exponents: list[np.ndarray], n: int) -> Iterator[tuple[list[int], list[int]]]:
    """Sets J of unknowns such that exactly |J| equations vanish where those are 0, and these equations; {} first."""
    subsets = np.arange(2**n)
    vanish = np.ones((len(exponents), 2**n), bool)
    for i, points in enumerate(exponents):
        for mask in np.unique((points > 0) @ (1 << np.arange(n))):
            vanish[i] &= (subsets & mask) != 0
    size = sum((subsets >> k) & 1 for k in range(n))
    for subset in np.flatnonzero(vanish.sum(axis=0) == size):
        yield [k for k in range(n) if subset >> k & 1], np.flatnonzero(vanish[:, subset]).tolist()


def _matched(supports: list[np.ndarray], zero: list[int]) -> bool:
    """Whether the derivatives of equations that vanish with x_J by x_J are, for generic coefficients, independent."""
    pattern = np.zeros((len(zero), len(zero)))
    for row, points in zip(pattern, supports, strict=True):
        linear = points[:, zero][points[:, zero].sum(axis=1) == 1]
        row[linear.any(axis=0)] = 1
    if not zero:
        return True
    from scipy.sparse import csr_array  # a quarter of a second that most systems need not wait for
    from scipy.sparse.csgraph import structural_rank

    return bool(structural_rank(csr_array(pattern)) == len(zero))


# ---- the two homotopies


def polyhedral(system: Polyhedra, seed: int, max_paths: int, progress: Progress | None = None) -> Homotopy:
    """The second homotopy, from a solved generic system: as many paths as `system.count`.

    Zeros of the generic system that the first homotopy fails to find, which is rare, are start points of NaN.
    Raises TooManyPathsError.
    """
    if system.count > max_paths:
        raise TooManyPathsError.of(system.count, max_paths, "polyhedral")
    rng = np.random.default_rng(seed)
    target = np.concatenate(system.coefficients)
    for _ in range(_CHOICES):
        generic = np.exp(1j * (np.angle(target) + rng.uniform(-_TURN, _TURN, len(target))))
        points = _solve_generic(system, generic, progress)
        if np.isfinite(points).all():
            break
    parameters = np.array([generic, target])
    origin = f"polyhedral: {system.count} paths, {system.bound}"
    return Homotopy(system.tape, points, parameters, system.reduced, origin)


def _solve_generic(system: Polyhedra, generic: np.ndarray, progress: Progress | None) -> np.ndarray:
    """All zeros of the generic system, (count, coordinates); NaN for one that was lost or reached twice."""
    if not system.count:
        return np.zeros((0, system.reduced.n_free + 1), complex)
    starts, rates = zip(*(_binomial(system, stratum, generic) for stratum in system.strata), strict=True)
    volumes = [stratum.volumes for stratum in system.strata]
    cell = np.repeat(np.arange(sum(map(len, volumes))), np.concatenate(volumes))
    points, sets = np.vstack(starts), np.vstack([*rates, generic])
    ends, left = np.full_like(points, np.nan), np.arange(len(points))
    for settings in _SETTINGS:
        arrived = track(
            system.tape, points[left], sets, cell[left], len(sets) - 1, settings, progress=progress, decays=True
        )
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
    starts[:, unknowns] = _binomial_roots(edges, ratios, cells.volumes)
    return starts, rates


def _binomial_roots(edges: np.ndarray, ratios: np.ndarray, volumes: np.ndarray) -> np.ndarray:
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
