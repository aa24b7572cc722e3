"""th.family: all zeros of a network on given inputs, found once by monodromy, then followed to any targets.

The pairs (weights w, parameters) with f(w) = Y and w on a slice form an irreducible set, since Y and the slice's
offset are functions of w: so loops in the space of parameters (targets and slices) carry one known zero to all others.
They stop when the set passes the trace test: if the slice moves parallel to itself, the sum over all its points moves
on a line, and over fewer points of an irreducible part it does not.
Source: A. Sommese, J. Verschelde, C. Wampler, Symmetric functions applied to decomposing solution sets of polynomial
systems, SIAM J. Numer. Anal. 40 (2002); T. Duff et al., Solving polynomial systems via homotopy continuation and
monodromy, IMA J. Numer. Anal. 39 (2019).
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.continuation import sift
from theory.continuation.follow import follow
from theory.continuation.homotopy import Homotopy, Reduced, reduce
from theory.continuation.solutions import SolutionSet
from theory.continuation.tape import Recorder, Tape
from theory.continuation.tracker import DEFAULT, REACHED, Progress, track
from theory.network_equations import NetworkEquations
from theory.rank import numerical_rank
from theory.systems import PolynomialSystem

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

QUIET_LOOPS = 8  # without news, and a passed trace test, end the search
MAX_LOOPS = 300
_WAYS = 4  # to the same targets, where paths fail
_LINEAR = 1e-7  # relative second difference of the trace
_INCOMPLETE = 1e-8  # above that zeros are missing: sets of some hundred that lack one show 1e-8 to 1e-4
_MONODROMY = 'try start="monodromy" or another seed'
_ONLY_TRACK = DEFAULT._replace(endgame=0.0)
_CAREFUL = _ONLY_TRACK._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0)


class MonodromyError(ValueError):
    """The zeros of a network cannot be found by monodromy."""


@dataclass(frozen=True, eq=False)
class Family:
    """The zeros of one network on given inputs, for generic targets and the slices chosen by the seed.

    degree: their number, for generic targets; trace_residual: relative second difference of the trace, 0 if complete
    loops: round the space of parameters; tracked: paths that took, once and for all
    """

    system: PolynomialSystem
    reduced: Reduced
    tape: Tape
    parameters: np.ndarray
    points: np.ndarray
    trace_residual: float
    loops: int
    tracked: int
    seed: int

    @property
    def degree(self) -> int:
        return len(self.points)

    def solve(self, targets: Any, seed: int = 0, progress: Progress | None = None) -> SolutionSet:
        """The zeros for targets of shape (N,) or (N, m), with `degree` paths; the slices stay.

        Raises ValueError for targets of the wrong shape.
        """
        equations = replace(_equations(self.system), targets=targets)
        system = self.system.with_network(equations)
        reduced = replace(self.reduced, system=system, scaled=system)
        goal = _parameters(equations.targets, self.reduced)
        best: SolutionSet | None = None
        for way in range(_WAYS):  # straight, or where a path fails, by way of other generic parameters
            found = follow(lambda s: self._homotopy(reduced, goal, s), seed + 1000 * way, progress)
            if best is None or self._missing(found) < self._missing(best):
                best = replace(found, seed=seed)
            if not self._missing(best):
                break
        assert best is not None
        if self._missing(best):
            note = f"the count is below the certified trace: {self._missing(best)} of {self.degree} zeros are missing"
            best = replace(best, notes=(*best.notes, note))
        return best

    def _missing(self, found: SolutionSet) -> int:
        """Zeros of the family without an end of their own."""
        paths = found.paths
        return self.degree - paths.at_infinity - paths.not_isolated - int(found.multiplicity.sum())

    def _homotopy(self, reduced: Reduced, goal: np.ndarray, seed: int) -> Homotopy:
        """From the generic parameters to the goal; for another seed than 0 by way of other generic ones."""
        start, points = self.parameters, self.points
        if seed:
            rng = np.random.default_rng([seed, self.seed])
            for _ in range(_WAYS):
                start = _random_parameters(rng, self.reduced, self.parameters)
                points, _ = _carry(self.tape, self.points, np.array([self.parameters, start]))
                if len(points) == self.degree:
                    break
            else:  # none is left behind
                start, points = self.parameters, self.points
        origin = f"monodromy: {self.degree} zeros of the family, trace residual {self.trace_residual:.1e}"
        return Homotopy(self.tape, points, np.array([start, goal]), reduced, origin, complete=True)


def family(network: "PolynomialNetwork", inputs: Any, seed: int = 0, progress: Progress | None = None) -> Family:
    """All zeros of a network on inputs (N, n_inputs) for generic targets, on the random slices of `slice(seed)`.

    progress(done, total, text): loops without news, of those that end the search.
    Raises MonodromyError where there are more equations than weights, as many (no slice is left for the trace test), or
    where the network cannot fit so many generic targets.
    """
    X = np.asarray(inputs)
    system = network.interpolation_system(X, np.zeros((len(X), network.n_outputs)))
    if system.n_equations >= system.n_unknowns:
        raise MonodromyError(
            f"monodromy with a trace test needs more weights than equations, got {system.n_unknowns} weights and "
            f'{system.n_equations} equations: use solve(..., start="total-degree")'
        )
    return of_system(system.slice(seed), seed, progress)


def of_system(system: PolynomialSystem, seed: int = 0, progress: Progress | None = None) -> Family:
    """The family of a square system that consists of a network's interpolation equations and affine ones."""
    rng = np.random.default_rng([seed, 1])
    reduced, equations = reduce(system), _equations(system)
    weights = _complex_normal(rng, system.n_unknowns)
    _check_rank(equations, weights)
    first = _through(rng, reduced, weights, equations)
    point = np.append(weights[list(reduced.reduction.free)], 1.0)[None, :]
    found = Family(system, reduced, _recorded(reduced, equations), first, point, np.inf, 0, 0, seed)
    return _search(found, rng, progress)


def checked(system: PolynomialSystem, found: SolutionSet, seed: int) -> SolutionSet:
    """A set found otherwise, put to the trace test: with a note where zeros are missing or the test is undecided.

    A path lost on the way (which proves nothing) is answered by another direction of the slice.
    """
    rng = np.random.default_rng([seed, 2])
    reduced, equations = reduce(system), _equations(system)
    if not len(found) or found.singular.any() or not _dependent(reduced):
        return found
    points = np.hstack([found.solutions[:, list(reduced.reduction.free)], np.ones((len(found), 1))])
    goal = _parameters(equations.targets, reduced)
    family = Family(system, reduced, _recorded(reduced, equations), goal, points, np.inf, 0, 0, seed)
    for _ in range(_WAYS):
        residual = _trace_residual(family, points, rng)
        if residual < _INCOMPLETE:
            return found
        if np.isfinite(residual):
            note = f"the count is below the certified trace (residual {residual:.1e}): zeros are missing, {_MONODROMY}"
            return replace(found, notes=(*found.notes, note))
    note = (
        f"the trace test is undecided, paths got lost near ill-conditioned zeros: {_MONODROMY} to be sure of the count"
    )
    return replace(found, notes=(*found.notes, note))


def _recorded(reduced: Reduced, equations: NetworkEquations) -> Tape:
    """The equations with the targets, the slice and its offset as parameters."""
    dependent, recorder = _dependent(reduced), Recorder(reduced.n_free)
    targets = recorder.parameters(reduced.n_equations)
    values = [recorder.constant(0)] * len(reduced.scales)
    for k, node in zip(reduced.reduction.free, recorder.unknowns, strict=True):
        values[k] = node
    for k in dependent:
        factors = recorder.parameters(reduced.n_free + 1)
        values[k] = sum((f * x for f, x in zip(factors, recorder.unknowns, strict=False)), factors[-1])
    rows = np.array(targets, dtype=object).reshape(np.shape(equations.targets))
    return recorder.tape(equations.residuals([recorder.homogenised(v) for v in values], targets=rows))


def solve_system(system: PolynomialSystem, seed: int, progress: Progress | None) -> SolutionSet:
    """The zeros of a network's system with slices, by way of its family."""
    return of_system(system, seed, progress).solve(_equations(system).targets, seed, progress)


def _equations(system: PolynomialSystem) -> NetworkEquations:
    if not isinstance(system.network, NetworkEquations) or system.network.kind != "interpolation":
        raise MonodromyError("monodromy needs the interpolation equations of a network")
    return system.network


def _complex_normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def _dependent(reduced: Reduced) -> list[int]:
    return [k for k in range(len(reduced.scales)) if k not in reduced.reduction.free]


def _check_rank(equations: NetworkEquations, weights: np.ndarray) -> None:
    rank = numerical_rank(equations.jacobian(weights[None])[0]).rank
    if rank < equations.n_equations:
        raise MonodromyError(
            f"the network cannot fit {equations.n_equations} generic targets: its outputs on these inputs form a set "
            f"of dimension {rank}, so there is no zero"
        )


def _parameters(targets: np.ndarray, reduced: Reduced) -> np.ndarray:
    """Parameters of a system: its targets, then for each dependent weight its row of the reduction and the offset."""
    rows = _dependent(reduced)
    slices = np.hstack([reduced.reduction.matrix[rows], reduced.reduction.offset[rows, None]])
    return np.concatenate([np.asarray(targets, complex).ravel(), slices.ravel()])


def _through(
    rng: np.random.Generator, reduced: Reduced, weights: np.ndarray, equations: NetworkEquations
) -> np.ndarray:
    """Random parameters that the weights solve."""
    rows, free = _dependent(reduced), list(reduced.reduction.free)
    matrix = _complex_normal(rng, len(rows), len(free)) / np.sqrt(len(free))
    offset = weights[rows] - matrix @ weights[free]
    targets = equations.evaluate(weights[None])[0] + np.asarray(equations.targets).ravel()
    return np.concatenate([targets, np.hstack([matrix, offset[:, None]]).ravel()])


def _random_parameters(rng: np.random.Generator, reduced: Reduced, like: np.ndarray) -> np.ndarray:
    """Generic parameters, of the size of those given."""
    n, free = reduced.n_equations, reduced.n_free
    slices = _complex_normal(rng, len(_dependent(reduced)), free + 1)
    slices[:, :-1] /= np.sqrt(free)
    size = np.sqrt((np.abs(like[:n]) ** 2).mean())
    return np.concatenate([size * _complex_normal(rng, n), slices.ravel()])


def _carry(tape: Tape, points: np.ndarray, stations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow points from one row of parameters to the next; lost paths are tried again, then dropped.

    Returns the points that arrive, and which they were.
    """
    kept = np.arange(len(points))
    for k in range(len(stations) - 1):
        ends = track(tape, points, stations, k, k + 1, _ONLY_TRACK)
        lost = np.flatnonzero(ends.status != REACHED)
        if len(lost):
            again = track(tape, points[lost], stations, k, k + 1, _CAREFUL)
            ends.points[lost], ends.info[lost] = again.points, again.info
        arrived = ends.status == REACHED
        points, kept = ends.points[arrived], kept[arrived]
    return points, kept


def _search(found: Family, rng: np.random.Generator, progress: Progress | None) -> Family:
    """Loops until the set passes the trace test and several loops in a row bring no news."""
    points, tracked, quiet, residual = found.points, 0, 0, np.inf
    for loop in range(1, MAX_LOOPS + 1):
        way = [_random_parameters(rng, found.reduced, found.parameters) for _ in range(2)]
        arrived, _ = _carry(found.tape, points, np.array([found.parameters, *way, found.parameters]))
        tracked += 3 * len(points)
        merged = _merged(points, arrived)
        quiet, points = (quiet + 1 if len(merged) == len(points) else 0), merged
        if progress is not None:
            progress(min(quiet, QUIET_LOOPS), QUIET_LOOPS, f"{len(points)} zeros after {loop} loops")
        if quiet >= QUIET_LOOPS:
            residual = _trace_residual(found, points, rng)
            tracked += 2 * len(points)
            if residual < _LINEAR:
                return replace(found, points=points, trace_residual=residual, loops=loop, tracked=tracked)
            quiet //= 2
    raise MonodromyError(
        f"after {MAX_LOOPS} loops the {len(points)} zeros found do not pass the trace test (residual {residual:.1e}): "
        'try another seed or start="total-degree"'
    )


def _merged(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Projective points and those of the others that are not among them."""
    affine, news = points[:, :-1] / points[:, -1:], others[:, :-1] / others[:, -1:]
    known = np.zeros(len(others), bool)
    for i, _, _ in sift.close_pairs(news, affine, 1e-6):
        known[i] = True
    fresh = np.flatnonzero(~known)
    _, first = np.unique(sift.clusters(news[fresh], 1e-6), return_index=True)
    return np.concatenate([points, others[fresh[np.sort(first)]]])


def _trace_residual(found: Family, points: np.ndarray, rng: np.random.Generator) -> float:
    """Relative second difference of the sum of all points while the slice moves parallel to itself; inf if one is
    lost on the way."""
    n, free = found.reduced.n_equations, found.reduced.n_free
    shift = np.zeros_like(found.parameters)
    shift[n:].reshape(-1, free + 1)[:, -1] = _complex_normal(rng, len(_dependent(found.reduced)))
    sums, size = [], 0.0
    for step in (-1.0, 0.0, 1.0):
        stations = np.array([found.parameters, found.parameters + step * shift])
        moved = _carry(found.tape, points, stations)[0] if step else points
        if len(moved) < len(points):
            return np.inf
        affine = moved[:, :-1] / moved[:, -1:]
        sums.append(affine.sum(axis=0))
        size += float(np.abs(affine).sum())
    return float(np.abs(sums[0] - 2 * sums[1] + sums[2]).max()) / size
