"""Which start system: the one that is asked for, or the one that should take the least time."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from theory.continuation.homotopy import Homotopy, Reduced
from theory.continuation.polyhedral import Polyhedra, PolyhedralError, TooManyZerosError, polyhedra, polyhedral
from theory.continuation.start import StartError, multihomogeneous, total_degree
from theory.continuation.tracker import Progress
from theory.jit import ENGINE
from theory.multihomogeneous import EXHAUSTIVE_UNKNOWNS, best_partition
from theory.polynomials import Polynomial

Restart = Callable[[int], Homotopy]

SEARCH_FROM = 50  # total-degree paths from which on it pays to look for a start with fewer
TWICE = 1.2  # time of a polyhedral path, through the generic system, over that of a total-degree path
_WORK_PER_PATH, MOST_WORK = 1e4, 1e9  # multiplications spent on mixed cells, per total-degree path and at most
_NETWORK_TERMS = 500  # terms of a multiplied-out network that take as long as the rest of a step


def choose(
    reduced: Reduced,
    start: str,
    seed: int,
    max_paths: int,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Restart:
    """A function from a seed to the homotopy of the chosen start.

    With another seed than the first the paths end elsewhere wherever the system's zeros are not isolated.
    start: "total-degree", "multihomogeneous", "polyhedral", or "auto" for the one predicted to be cheapest: a path
    costs about the same in all, but in a multiplied-out network each step takes longer. Fewer paths are also safer:
    those to infinity that sparse equations force on the total-degree start hide large solutions among them.
    checkpoint: the file of the run; paths to the generic system of a polyhedral start are kept in one beside it
    Raises StartError where the start asked for does not apply.
    """
    if start == "multihomogeneous":
        return _by_partition(reduced, max_paths)
    if start == "polyhedral":
        return _by_cells(polyhedra(reduced), seed, max_paths, progress, "", checkpoint)
    bezout = math.prod(sorted(_degrees(reduced))[-reduced.n_free :])
    if (
        start == "auto"
        and ENGINE == "numba"
        and bezout > SEARCH_FROM
        and reduced.system.n_equations == reduced.system.n_unknowns
        and (reduced.system.network is None or not reduced.system.affine)
    ):
        reason = f" instead of {bezout} by total degree"
        try:
            cells = polyhedra(reduced, max_work=min(_WORK_PER_PATH * bezout, MOST_WORK), most=bezout / TWICE)
            if _cost(cells) < bezout:
                return _by_cells(cells, seed, max_paths, progress, reason, checkpoint)
        except TooManyZerosError:
            pass
        except PolyhedralError:
            if _plain(reduced) and reduced.n_free <= EXHAUSTIVE_UNKNOWNS:
                groups, count = _partition(reduced)
                if 2 * count < bezout:
                    return lambda gamma: _explained(multihomogeneous(reduced, groups, gamma, max_paths), reason)
    return lambda gamma: total_degree(reduced, gamma, max_paths)


def _degrees(reduced: Reduced) -> list[int]:
    """Degrees of the equations that are not affine."""
    network = reduced.system.network
    return [p.degree for p in reduced.polynomials] if network is None else list(network.degrees)


def _cost(cells: Polyhedra) -> float:
    """Predicted time of the polyhedral start, in total-degree paths."""
    slower = cells.n_terms / _NETWORK_TERMS if cells.reduced.system.network is not None else 0
    return TWICE * cells.count * (1 + slower)


def _by_cells(
    cells: Polyhedra, seed: int, max_paths: int, progress: Progress | None, reason: str, checkpoint: Path | None
) -> Restart:
    """The polyhedral start; with other seeds than the first by way of systems with constant terms, since otherwise
    paths in a coordinate subspace end at the same points again, isolated or not."""

    beside = None if checkpoint is None else checkpoint.with_name(checkpoint.name + ".generic")

    def report(done: int, total: int, _: str) -> None:
        if progress is not None:
            progress(done, total, "paths to a generic system")

    def restart(gamma: int) -> Homotopy:
        used = cells if gamma == seed else polyhedra(cells.reduced, with_constants=True)
        file = beside if gamma == seed else None
        return _explained(polyhedral(used, gamma, max_paths, progress and report, file), reason)

    return restart


def _explained(homotopy: Homotopy, reason: str) -> Homotopy:
    return replace(homotopy, origin=homotopy.origin + reason)


def _by_partition(reduced: Reduced, max_paths: int) -> Restart:
    if reduced.n_equations != reduced.n_free:
        raise StartError(
            'start="multihomogeneous" needs as many independent equations as unknowns, got '
            f'{reduced.system.n_equations} in {reduced.system.n_unknowns}: use start="total-degree"'
        )
    groups, _ = _partition(reduced)
    return lambda gamma: multihomogeneous(reduced, groups, gamma, max_paths)


def _plain(reduced: Reduced) -> bool:
    """Square, and no affine equations."""
    return reduced.n_free == reduced.system.n_unknowns == reduced.system.n_equations


def _partition(reduced: Reduced) -> tuple[list[list[int]], int]:
    """The best partition of the unknowns found, and its number of paths; of those left by the affine equations."""
    count, labels, _ = best_partition(reduced.system.supports if _plain(reduced) else _reduced_supports(reduced))
    return [[k for k, label in enumerate(labels) if label == g] for g in range(max(labels) + 1)], count


def _reduced_supports(reduced: Reduced) -> list[np.ndarray]:
    """Exponents (m_i, free) of the other equations, once the affine ones are eliminated, as far as they are generic."""
    n, network = reduced.n_free, reduced.system.network
    rng = np.random.default_rng(0)
    unknowns = [Polynomial.variable(k, n) for k in range(n)]
    forms = []
    for row, constant in zip(reduced.reduction.matrix, reduced.reduction.offset, strict=True):
        form = Polynomial.constant(int(rng.integers(1, 10**6)) if constant else 0, n)
        for coefficient, unknown in zip(row, unknowns, strict=True):
            form = form + unknown * (int(rng.integers(1, 10**6)) if coefficient else 0)
        forms.append(form)
    equations = reduced.polynomials if network is None else network.polynomials()
    return [p.evaluate(forms, lambda c: Polynomial.constant(c, n)).exponents for p in equations]
