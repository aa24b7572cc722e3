"""The zero set of a polynomial system: its dimension, degree and irreducible components, numerically.

For every dimension k that may occur, n - k generic combinations of the equations are solved on k generic hyperplanes.
What satisfies all equations is there; points of larger components are recognised and removed; monodromy groups the
others into components, and the trace test says that no group is incomplete.
Source: A. Sommese, C. Wampler, The Numerical Solution of Systems of Polynomials, 2005, chapters 13 to 15.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.arguments import check_count, check_seed
from theory.components import Component, count_of
from theory.continuation.choice import MOST_WORK, TWICE
from theory.continuation.homotopy import InconsistentError, UnderdeterminedError, reduce
from theory.continuation.isolation import local_multiplicity
from theory.continuation.sift import relative_residual
from theory.continuation.solve import TooManyPathsError, solve
from theory.continuation.supports import PolyhedralError, polyhedra
from theory.deflation import deflate
from theory.germs import NotOnTheSetError
from theory.jit import ENGINE
from theory.points import point_of
from theory.real_points import real_points
from theory.row_scales import scaled_up
from theory.slicing import random_slices, randomize, with_slices
from theory.systems import PolynomialSystem, check_system
from theory.witness_points import FAR_OUT, NEARLY_VANISHES, VANISHES, VANISHES_AT_SINGULAR, merged, polished, stays
from theory.witness_sets import WitnessSet, irreducible_components

if TYPE_CHECKING:
    from theory import real_components

MAX_PATHS = 60_000
MOST_TRIED = 4  # points of a component whose multiplicity is computed

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, eq=False)
class ZeroSet:
    """All solutions of a system: points, curves, surfaces and so on.

    system: its equations, those with tiny coefficients times a power of 2
    dimension: the largest that occurs, -1 for the empty set; degree: of the components of that dimension together
    components: largest dimension first
    paths: tracked in all; undecided: of these, ends that could not be decided: points of the zero set may be missing
    reason: how the dimension was decided
    """

    system: PolynomialSystem
    components: tuple[Component, ...]
    paths: int
    reason: str
    seed: int
    undecided: int = 0

    @property
    def dimension(self) -> int:
        """The largest dimension of a component, -1 for the empty set."""
        return max((c.dimension for c in self.components), default=-1)

    @property
    def degree(self) -> int:
        """The degrees of the components of the largest dimension together."""
        return sum(c.degree for c in self.components if c.dimension == self.dimension)

    @property
    def is_empty(self) -> bool:
        """Whether there are no zeros at all, complex ones included."""
        return not self.components

    @cached_property
    def points(self) -> np.ndarray:
        """All witness points (p, n), component by component."""
        return np.vstack([c.points for c in self.components] or [np.zeros((0, self.system.n_unknowns))])

    def contains(self, point: Sequence[Any] | np.ndarray) -> bool:
        """Whether every equation vanishes at the point (n,), relative to the size of its terms."""
        target = point_of(point, self.system.n_unknowns, "contains")
        return bool(relative_residual(self.system, target[None].astype(complex))[0] < VANISHES_AT_SINGULAR)

    def local_dimension(self, point: Sequence[Any] | np.ndarray) -> int:
        """The largest dimension of the components through the point (n,), by their witness sets.

        Raises NotOnTheSetError (a ValueError) for a point that lies on none of them.
        """
        if self.contains(point):
            for component in self.components:  # largest dimension first
                if component.contains(point):
                    return component.dimension
        raise NotOnTheSetError(f"the point is not on the zero set, nor on any of its {len(self.components)} components")

    def sample(self, n: int, real: bool = False, seed: int = 0) -> np.ndarray:
        """n points of the zero set (n, unknowns): of its components in turn, or real ones.

        Real points are reached from random real ones by Gauss-Newton steps, so small pieces are met rarely and a real
        zero set may be missed. Raises ValueError for a negative n, where the zero set is empty, and where too few real
        points were found.
        """
        n = count_of(n)
        if self.is_empty:
            raise ValueError(f"the zero set is empty and cannot be sampled: {self.reason}")
        if real:
            return real_points(self.system, n, np.random.default_rng([self.seed, seed, 2]))
        regular = [c for c in self.components if c._regular or not c.dimension]
        if not regular:
            return self.points[np.arange(n) % len(self.points)]
        counts = [len(range(k, n, len(regular))) for k in range(len(regular))]
        return np.vstack([c.sample(count, seed) for c, count in zip(regular, counts, strict=True)])

    def real_components(
        self, max_paths: int | None = None, progress: Progress | None = None
    ) -> "list[real_components.RealComponent]":
        """The connected components of the real points, each with a real point on it and its certificate.

        See `theory.real_components`, which also says what raises ValueError: singular real zero sets above all.
        """
        from theory.real_components import of_zero_set  # which is built on this module

        return of_zero_set(self, max_paths, progress)


def zero_set(
    system: PolynomialSystem, seed: int = 0, max_paths: int | None = None, progress: Progress | None = None
) -> ZeroSet:
    """The numerical irreducible decomposition of the zero set of a system of any shape.

    Every dimension from n - 1 down to the least possible one is looked at, n - min(m, n) for m equations in n
    unknowns. Numerical: a component is reported when its witness points satisfy all equations to rounding, and none is
    missed as long as no path is lost (`undecided` counts them). Unknowns should be scaled to sizes of about 1: what is
    smaller than 1e-5, or than that of its distance from 0, is not told from points and lines. progress(done, total,
    text) counts the dimensions.

    Raises TooManyPathsError (a ValueError) before anything is tracked where max_paths (60,000 by default) is too few,
    by Bezout's numbers or, where these are too many, by mixed volumes; ValueError for a seed or max_paths that is no
    such whole number, TypeError for what is no system.
    Source: A. Sommese, C. Wampler, The Numerical Solution of Systems of Polynomials (2005), chapters 13 to 15.
    """
    check_system(system, "zero_set")
    seed = check_seed(seed)
    if max_paths is not None:
        check_count(max_paths, "max_paths")
    system = scaled_up(system)
    n, m = system.n_unknowns, system.n_equations
    rng = np.random.default_rng(seed)
    dimensions = range(n - 1, n - min(m, n) - 1, -1)
    squares = {k: randomize(system, n - k, rng) for k in dimensions}
    allowed = MAX_PATHS if max_paths is None else max_paths
    _require_few_paths(squares, allowed)
    found: list[Component] = []
    tracked, undecided, closest = 0, 0, math.inf
    for done, (k, square) in enumerate(squares.items()):
        if progress is not None:
            progress(done, len(squares), f"dimension {k}")
        slices = random_slices(k, n, rng)
        try:
            solutions = solve(with_slices(square, slices), seed=seed, max_paths=allowed, on_interrupt="raise")
        except UnderdeterminedError:  # dependent equations: no part of the zero set has so low a dimension
            continue
        tracked += solutions.paths.tracked
        undecided += solutions.paths.failed
        residuals = relative_residual(system, solutions.solutions)
        closest = min(closest, residuals.min(initial=math.inf))
        found += _components(system, square, slices, solutions, residuals, found, rng, seed)
    if progress is not None:
        progress(len(squares), len(squares), "done")
    reason = _reason(system, found, tracked, undecided, closest)
    return ZeroSet(system, tuple(found), tracked, reason, seed, undecided)


def _require_few_paths(squares: Mapping[int, PolynomialSystem], allowed: int) -> None:
    """Raises TooManyPathsError where the square systems, by dimension, need more paths together than that."""
    needed = sum(math.prod(square.degrees) for square in squares.values())
    if needed > allowed:
        needed = sum(_paths(square, k) for k, square in squares.items())
    if needed > allowed:
        raise TooManyPathsError(
            f"zero_set needs {needed} paths for this system, more than max_paths={allowed}: give max_paths={needed} to "
            "track them"
        )


def _paths(square: PolynomialSystem, dimension: int) -> int:
    """How many paths `solve` tracks for the square system on so many slices: it takes mixed volumes where they are
    smaller than Bezout's number, for all but networks, and found with little work."""
    bezout = math.prod(square.degrees)
    if square.network is not None or ENGINE != "numba":
        return bezout
    slices = random_slices(dimension, square.n_unknowns, np.random.default_rng(0))
    try:
        return polyhedra(reduce(with_slices(square, slices)), max_work=MOST_WORK, most=bezout / TWICE).count
    except (PolyhedralError, UnderdeterminedError, InconsistentError):
        return bezout


def _components(
    system: PolynomialSystem,
    square: PolynomialSystem,
    slices: np.ndarray,
    solutions: Any,
    residuals: np.ndarray,
    larger: list[Component],
    rng: np.random.Generator,
    seed: int,
) -> list[Component]:
    """The components of dimension k = len(slices) among the solutions of the square system on the slices."""
    k = len(slices)
    near = (residuals < NEARLY_VANISHES) & (np.abs(solutions.solutions).max(axis=1, initial=0) < FAR_OUT)
    points, counts = solutions.solutions[near], np.asarray(solutions.multiplicity)[near]
    points, full_rank = polished(system, slices, points)
    on_set = relative_residual(system, points) < np.where(full_rank, VANISHES, VANISHES_AT_SINGULAR)
    points, counts, full_rank = points[on_set], counts[on_set], full_rank[on_set]
    points, counts, full_rank = merged(points, counts, full_rank)
    suspects = np.flatnonzero(~full_rank | (counts > 1))
    on_larger = np.zeros(len(points), dtype=bool)
    for component in larger:
        if component._regular and len(suspects):
            on_larger[suspects] |= component._witness.contains(points[suspects], rng)
    kept = ~on_larger & stays(system, slices, points)
    points, counts = points[kept], counts[kept]
    components: list[Component] = []
    for count in sorted(set(counts.tolist())):
        here = points[counts == count]
        pieces = [(WitnessSet(square, slices, here), True)]
        if count > 1:
            pieces = _regular_pieces(system, square, slices, here, rng, seed)
        for witness, regular in pieces:
            parts: list[tuple[WitnessSet, float | None]] = [(witness, None)]
            if regular or not k:
                parts = irreducible_components(witness, rng, on_set=lambda ends: _solve_all(system, ends))
            for part, residual in parts:
                own = part.points[:, : system.n_unknowns]
                multiplicity = _multiplicity(system, slices, own, count)
                components.append(Component(k, len(own), multiplicity, own, residual, part, seed, regular))
    return components


def _regular_pieces(
    system: PolynomialSystem,
    square: PolynomialSystem,
    slices: np.ndarray,
    points: np.ndarray,
    rng: np.random.Generator,
    seed: int,
) -> list[tuple[WitnessSet, bool]]:
    """Witness sets of deflated equations for multiple points (p, n), and True; those that resist as they are, False."""
    deflated = deflate(system, slices, points, seed)
    rest = np.setdiff1d(np.arange(len(points)), [row for part in deflated for row in part.rows])
    pieces = [(WitnessSet(part.square(len(slices), rng), slices, part.points), True) for part in deflated]
    return pieces + ([(WitnessSet(square, slices, points[rest]), False)] if len(rest) else [])


def _solve_all(system: PolynomialSystem, points: np.ndarray) -> np.ndarray:
    """Which points (p, unknowns or more) are zeros of all equations: (p,)."""
    return relative_residual(system, points[:, : system.n_unknowns]) < VANISHES_AT_SINGULAR


def _multiplicity(system: PolynomialSystem, slices: np.ndarray, points: np.ndarray, count: int) -> int:
    """The multiplicity of all equations along a component: of the first of its points (d, n) where that is clear.

    At most the count of paths of their combinations, which is taken where no point is clear.
    """
    if count == 1:
        return 1
    sliced = with_slices(system, slices)
    sizes = (local_multiplicity(sliced, point, count) for point in points[:MOST_TRIED])
    return next((size for size in sizes if size), count)


def _reason(system: PolynomialSystem, found: list[Component], tracked: int, undecided: int, closest: float) -> str:
    lost = f"; {undecided} of {tracked} paths stayed undecided, so that points may be missing" if undecided else ""
    if found:
        sizes = [f"{sum(c.degree for c in found if c.dimension == k)} in dimension {k}" for k in _dimensions(found)]
        return f"witness points on generic slices: {', '.join(sizes)}; none on more slices{lost}"
    near = ("" if math.isinf(closest) else f", the nearest end has relative residual {closest:.1e}") + lost
    return (
        f"{system.n_equations} equations in {system.n_unknowns} unknowns without a common zero: no point of generic "
        f"slices of any dimension solves all of them ({tracked} paths tracked{near})"
    )


def _dimensions(components: Sequence[Component]) -> list[int]:
    return sorted({c.dimension for c in components}, reverse=True)
