"""th.family: all zeros of a network on given inputs, found once by monodromy, then followed to any targets.

The pairs (weights w, parameters) with f(w) = Y and w on a slice form an irreducible set, since Y and the slice's
offset are functions of w: so loops in the space of parameters (targets and slices) carry one known zero to all others,
and the trace test says when there are no more. With as many equations as weights there is no slice to move: then one
more unknown s moves the targets, f(w) = Y + s V, on the slice s = a . w + c, and the zeros are those that stay finite
when a and c go to 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.continuation.follow import Interrupted, follow
from theory.continuation.homotopy import Homotopy, Reduced, reduce
from theory.continuation.monodromy import MonodromyError, Space, Stopped, Zeros, carry, search, trace_residual
from theory.continuation.network_parameters import (
    check_rank,
    complex_normal,
    dependent,
    equations_of,
    generic_targets,
    parameters_of,
    recorded,
    recorded_on_slices,
    space_of,
    through,
)
from theory.continuation.outcomes import FAILED, FINITE, ends_of
from theory.continuation.solutions import SolutionSet
from theory.continuation.tape import Tape
from theory.continuation.tracker import DEFAULT, Ends, Progress, track
from theory.network_equations import NetworkEquations
from theory.systems import PolynomialSystem

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

__all__ = ["Family", "MonodromyError", "checked", "family", "solve_system"]

_WAYS = 4  # to the same targets, where paths fail
_INCOMPLETE = 1e-8  # above that zeros are missing: sets of some hundred that lack one show 1e-8 to 1e-4
_COMPLETING = 60  # loops that missing zeros are looked for with
_ADVICE = 'try start="monodromy" or another seed'


@dataclass(frozen=True, eq=False)
class Family:
    """The zeros of one network on given inputs, for generic targets and the slices chosen by the seed.

    degree: their number, for generic targets; trace_residual: relative second difference of the trace, 0 if complete
    loops: round the space of parameters; tracked: paths that took, once and for all
    parameters: generic targets, flat; points: (degree, coordinates) projective, the zeros there
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

    def solve(
        self, targets: Any, seed: int = 0, progress: Progress | None = None, on_interrupt: str = "return"
    ) -> SolutionSet:
        """The zeros for targets of shape (N,) or (N, m), with `degree` paths; the slices stay.

        on_interrupt: "return": Ctrl-C ends the work, and what was found by then comes back, `partial`; or "raise"
        Raises ValueError for targets of the wrong shape.
        """
        equations = replace(equations_of(self.system), targets=targets)
        return self._solved(equations, seed, progress, on_interrupt, None)

    def solve_each(self, targets: Iterable[Any], seed: int = 0, progress: Progress | None = None) -> list[SolutionSet]:
        """The zeros for each of several targets, as `solve` finds them; all paths are tracked together, which is
        quicker: in full lanes, and on all processors.

        progress(done, total, text): paths. Raises KeyboardInterrupt on Ctrl-C.
        """
        every = [replace(equations_of(self.system), targets=t) for t in targets]
        if not every:
            return []
        start = self._start(seed)
        goals = np.array([start.parameters, *(_flat(equations) for equations in every)])
        last = np.repeat(np.arange(1, len(goals)), self.degree)
        ends = track(self.tape, np.tile(start.points, (len(every), 1)), goals, 0, last, progress=progress)
        return [
            self._solved(equations, seed, None, "raise", Ends(points, info))
            for equations, points, info in zip(
                every, np.split(ends.points, len(every)), np.split(ends.info, len(every)), strict=True
            )
        ]

    def _solved(
        self, equations: NetworkEquations, seed: int, progress: Progress | None, on_interrupt: str, known: Ends | None
    ) -> SolutionSet:
        """known: ends of the paths of the first way, where they were tracked before."""
        system = self.system.with_network(equations)
        reduced = replace(self.reduced, system=system, scaled=system)
        best: SolutionSet | None = None
        for way in range(_WAYS):  # straight, or where a path fails, by way of other generic targets
            try:
                found = follow(
                    lambda s: self._homotopy(reduced, _flat(equations), s), seed + 1000 * way, progress, ends=known
                )
            except Interrupted as stopped:
                if on_interrupt == "raise":
                    raise
                return replace(stopped.found, seed=seed)
            known = None
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
        """From the generic targets to the goal; for another seed than 0 by way of other generic ones."""
        start = self._start(seed)
        origin = f"monodromy: {self.degree} zeros of the family, trace residual {self.trace_residual:.1e}"
        return Homotopy(self.tape, start.points, np.array([start.parameters, goal]), reduced, origin, complete=True)

    def _start(self, seed: int) -> "Family":
        """This family at its generic targets, for another seed than 0 at others."""
        if seed:
            rng = np.random.default_rng([seed, self.seed])
            for _ in range(_WAYS):
                others = generic_targets(rng, self.parameters)
                points, _ = carry(self.tape, self.points, np.array([self.parameters, others]))
                if len(points) == self.degree:
                    return replace(self, parameters=others, points=points)
        return self


def _flat(equations: NetworkEquations) -> np.ndarray:
    return np.asarray(equations.targets, complex).ravel()


def family(network: "PolynomialNetwork", inputs: Any, seed: int = 0, progress: Progress | None = None) -> Family:
    """All zeros of a network on inputs (N, n_inputs) for generic targets, on the random slices of `slice(seed)`.

    progress(done, total, text): loops without news, of those that end the search.
    Raises MonodromyError where there are more equations than weights or the network cannot fit so many generic targets.
    """
    X = np.asarray(inputs)
    system = network.interpolation_system(X, np.zeros((len(X), network.n_outputs)))
    if system.n_equations > system.n_unknowns:
        raise MonodromyError(
            f"monodromy needs at least as many weights as equations, got {system.n_unknowns} weights and "
            f'{system.n_equations} equations: use solve(..., start="total-degree")'
        )
    sliced = system if system.n_equations == system.n_unknowns else system.slice(seed)
    return _begin(sliced, seed).family(progress)


def solve_system(
    system: PolynomialSystem, seed: int, progress: Progress | None, checkpoint: Path | None = None
) -> SolutionSet:
    """The zeros of a network's system with slices, by way of its family.

    checkpoint: a file where the zeros found by loops are kept. Raises Interrupted on Ctrl-C.
    """
    begun, targets = _begin(system, seed), equations_of(system).targets
    try:
        return begun.family(progress, checkpoint).solve(targets, seed, progress, on_interrupt="raise")
    except Stopped as stopped:
        part = begun.settled(Zeros(stopped.points, np.inf, 0, 0)).solve(targets, seed)
        note = f"interrupted with {len(stopped.points)} zeros known: others are missing"
        raise Interrupted(replace(part, partial=True, notes=(note,))) from None


def checked(system: PolynomialSystem, found: SolutionSet, seed: int) -> SolutionSet:
    """A set found otherwise, put to the trace test. Where zeros are missing they are looked for by loops; a note says
    what was found, or that the test is undecided.

    A path lost on the way (which proves nothing) is answered by another direction of the slice.
    """
    rng = np.random.default_rng([seed, 2])
    reduced, equations = reduce(system), equations_of(system)
    if not len(found) or found.singular.any() or not dependent(reduced):
        return found
    points = np.hstack([found.solutions[:, list(reduced.reduction.free)], np.ones((len(found), 1))])
    goal = parameters_of(equations.targets, reduced)
    space = space_of(recorded(reduced, equations, tilted=False), reduced, goal, tilted=False)
    for _ in range(_WAYS):
        residual = trace_residual(space, goal, points, rng)
        if residual < _INCOMPLETE:
            return found
        if np.isfinite(residual):
            return _completed(space, goal, points, reduced, found, residual, rng)
    note = f"the trace test is undecided, paths got lost near ill-conditioned zeros: {_ADVICE} to be sure of the count"
    return replace(found, notes=(*found.notes, note))


def _completed(
    space: Space,
    goal: np.ndarray,
    points: np.ndarray,
    reduced: Reduced,
    found: SolutionSet,
    residual: float,
    rng: np.random.Generator,
) -> SolutionSet:
    """The set with the zeros that it lacks, found by loops from those it has; its paths are then those of all zeros."""
    below = f"the count is below the certified trace (residual {residual:.1e}): zeros are missing"
    try:
        zeros = search(space, goal, points, rng, most=_COMPLETING)
    except MonodromyError:
        return replace(found, notes=(*found.notes, f"{below}, {_ADVICE}"))
    origin = f"{found.start}; completed by monodromy, trace residual {zeros.trace_residual:.1e}"
    homotopy = Homotopy(space.tape, zeros.points, np.array([goal, goal]), reduced, origin, complete=True)
    whole = follow(lambda _: homotopy, found.seed)
    if len(whole) <= len(found):
        return replace(found, notes=(*found.notes, f"{below}, {_ADVICE}"))
    note = f"{len(whole) - len(found)} zeros that paths did not reach were found by monodromy: the trace test said so"
    return replace(whole, notes=(*whole.notes, note))


@dataclass(frozen=True, eq=False)
class _Begun:
    """A search for the zeros of a square system of a network's interpolation equations and affine ones: one zero at
    random parameters. tilted: the targets move, since there is no slice"""

    system: PolynomialSystem
    reduced: Reduced
    space: Space
    parameters: np.ndarray
    point: np.ndarray
    tilted: bool
    rng: np.random.Generator
    seed: int

    def family(self, progress: Progress | None = None, checkpoint: Path | None = None) -> Family:
        return self.settled(search(self.space, self.parameters, self.point, self.rng, progress, checkpoint))

    def settled(self, zeros: Zeros) -> Family:
        """The family of these zeros on the slices of the system; where the targets were moved, of those zeros that stay
        finite when they come to rest."""
        equations, free = equations_of(self.system), list(self.reduced.reduction.free)
        for _ in range(_WAYS):
            targets = generic_targets(self.rng, self.parameters[: self.reduced.n_equations])
            there = replace(equations, targets=targets.reshape(np.shape(equations.targets)))
            system = self.system.with_network(there)
            goal = parameters_of(there.targets, self.reduced)
            goal = np.append(goal, np.zeros(len(self.parameters) - len(goal)))
            reduced = replace(self.reduced, system=system, scaled=system)
            stations = np.array([self.parameters, goal])
            homotopy = Homotopy(self.space.tape, zeros.points, stations, reduced, "", complete=not self.tilted)
            outcome = ends_of(homotopy, DEFAULT)
            if (outcome.kind == FINITE).all() or (self.tilted and not (outcome.kind == FAILED).any()):
                break
        else:
            raise MonodromyError("paths to other generic targets got lost: try another seed")
        points = outcome.points[outcome.kind == FINITE][:, free]
        return Family(
            self.system,
            self.reduced,
            recorded_on_slices(self.reduced, equations),
            targets,
            np.hstack([points, np.ones((len(points), 1))]),
            zeros.trace_residual,
            zeros.loops,
            zeros.tracked,
            self.seed,
        )


def _begin(system: PolynomialSystem, seed: int) -> _Begun:
    rng = np.random.default_rng([seed, 1])
    reduced, equations = reduce(system), equations_of(system)
    tilted = not dependent(reduced)
    weights = complex_normal(rng, system.n_unknowns)
    check_rank(equations, weights)
    first = through(rng, reduced, weights, equations, tilted)
    space = space_of(recorded(reduced, equations, tilted), reduced, first, tilted)
    point = np.append(weights[list(reduced.reduction.free)], 1.0)[None, :]
    return _Begun(system, reduced, space, first, point, tilted, rng, seed)
