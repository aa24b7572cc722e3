"""th.family: all zeros of a network on given inputs, found once by monodromy, then followed to any targets.

The pairs (weights w, parameters) with f(w) = Y and w on a slice form an irreducible set, since Y and the slice's
offset are functions of w: so loops in the space of parameters (targets and slices) carry one known zero to all others,
and the trace test says when there are no more. With as many equations as weights there is no slice to move: then one
more unknown s moves the targets, f(w) = Y + s V, on the slice s = a . w + c, and the zeros are those that stay finite
when a and c go to 0.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.continuation.follow import Interrupted, follow
from theory.continuation.homotopy import Homotopy, Reduced, reduce
from theory.continuation.monodromy import MonodromyError, Space, Stopped, Zeros, carry, search
from theory.continuation.network_parameters import (
    check_rank,
    complex_normal,
    dependent,
    equations_of,
    generic,
    generic_targets,
    parameters_of,
    recorded,
    recorded_on_slices,
    space_of,
    through,
)
from theory.continuation.outcomes import FAILED, FINITE, Outcome, ends_of
from theory.continuation.solutions import SolutionSet
from theory.continuation.tape import Tape
from theory.continuation.tracker import DEFAULT, Ends, Progress, track
from theory.network_equations import NetworkEquations
from theory.systems import PolynomialSystem

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

__all__ = ["Family", "MonodromyError", "family", "solve_system"]

_WAYS = 4  # to the same targets, where paths fail
_BLOCK = 8  # data sets whose paths are tracked together: enough to fill all lanes, few enough to keep a short queue


@dataclass(frozen=True, eq=False, repr=False)
class Family:
    """The zeros of one network on given inputs, for generic targets and the slices chosen by the seed.

    degree: their number, for generic targets; trace_residual: relative second difference of the trace, 0 if complete
    loops: round the space of parameters; tracked: paths that took, once and for all
    parameters: generic targets, flat, on the slices of the system, or followed by slices of their own where zeros got
    lost on those of the system; points: (degree, coordinates) projective, the zeros there
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

    def __repr__(self) -> str:
        return (
            f"Family({self.degree} zeros for generic targets of shape {equations_of(self.system).targets.shape}, "
            f"{self.system.n_unknowns} weights, trace residual {self.trace_residual:.1e}, seed {self.seed})"
        )

    def solve(
        self, targets: Any, seed: int = 0, progress: Progress | None = None, on_interrupt: str = "return"
    ) -> SolutionSet:
        """The zeros for targets of shape (N,) or (N, m), with `degree` paths; the slices stay.

        on_interrupt: "return": Ctrl-C ends the work, and what was found by then comes back, `partial`; or "raise"
        Raises ValueError for targets of the wrong shape.
        """
        known = equations_of(self.system)
        if np.ndim(targets) == known.targets.ndim and np.shape(targets)[1:] != known.targets.shape[1:]:
            raise ValueError(
                f"solve takes one set of targets, of shape {known.targets.shape}, got {np.shape(targets)}; "
                "solve_each takes several"
            )
        equations = replace(known, targets=targets)
        return self._solved(equations, seed, progress, on_interrupt, None)

    def solve_each(self, targets: Iterable[Any], seed: int = 0, progress: Progress | None = None) -> list[SolutionSet]:
        """The zeros for each of several targets, as `solve` finds them; all paths are tracked together, which is
        quicker: in full lanes, and on all processors.

        progress(done, total, text): paths. Raises KeyboardInterrupt on Ctrl-C.
        """
        every = [replace(equations_of(self.system), targets=t) for t in targets]
        start, n_paths = self._start(seed), len(every) * self.degree

        def followed(k: int) -> list[tuple[Homotopy, Outcome]]:
            block = every[k : k + _BLOCK]
            goals = np.array([start.parameters, *(self._goal(equations) for equations in block)])
            last = np.repeat(np.arange(1, len(goals)), self.degree)
            ends = track(self.tape, np.tile(start.points, (len(block), 1)), goals, 0, last)
            homotopies = [self._homotopy(equations, seed) for equations in block]
            each = zip(homotopies, *(np.split(part, len(block)) for part in ends), strict=True)
            return [(homotopy, ends_of(homotopy, DEFAULT, known=Ends(*known))) for homotopy, *known in each]

        found: list[SolutionSet] = []
        with ThreadPoolExecutor(1) as pool:  # the next block is followed, without the interpreter, while one is sifted
            coming = [pool.submit(followed, k) for k in range(0, min(len(every), 2 * _BLOCK), _BLOCK)]
            for k in range(0, len(every), _BLOCK):
                outcomes = coming.pop(0).result()
                if k + 2 * _BLOCK < len(every):
                    coming.append(pool.submit(followed, k + 2 * _BLOCK))
                for equations, known in zip(every[k : k + _BLOCK], outcomes, strict=True):
                    found.append(self._solved(equations, seed, None, "raise", known))
                if progress is not None:
                    progress(len(found) * self.degree, n_paths, f"{len(found)} data sets")
        return found

    def _solved(
        self,
        equations: NetworkEquations,
        seed: int,
        progress: Progress | None,
        on_interrupt: str,
        known: tuple[Homotopy, Outcome] | None,
    ) -> SolutionSet:
        """known: the homotopy of the first way, and what becomes of its paths, where that is known."""
        best: SolutionSet | None = None

        def restart(s: int) -> Homotopy:
            return known[0] if known is not None and s == seed else self._homotopy(equations, s)

        for way in range(_WAYS):  # straight, or where a path fails, by way of other generic targets
            try:
                outcome = known[1] if known is not None and not way else None
                found = follow(restart, seed + 1000 * way, progress, outcome=outcome)
            except Interrupted as stopped:
                if on_interrupt == "raise":
                    raise
                return replace(stopped.found, seed=seed)
            if best is None or self._missing(found) < self._missing(best):
                best = replace(found, seed=seed)
            if not self._missing(best):
                break
        assert best is not None
        if self._missing(best):
            note = f"the count is below the certified trace: {self._missing(best)} of {self.degree} zeros are missing"
            best = replace(best, notes=(*best.notes, note))
        return best

    def _goal(self, equations: NetworkEquations) -> np.ndarray:
        """The family's parameters for the targets of these equations."""
        return parameters_of(equations.targets, self.reduced)[: len(self.parameters)]

    def _missing(self, found: SolutionSet) -> int:
        """Zeros of the family without an end of their own."""
        paths = found.paths
        return self.degree - paths.at_infinity - paths.not_isolated - int(found.multiplicity.sum())

    def _homotopy(self, equations: NetworkEquations, seed: int) -> Homotopy:
        """From the generic targets to those of the equations; for another seed than 0 by way of other generic ones."""
        start, system = self._start(seed), self.system.with_network(equations)
        reduced = replace(self.reduced, system=system, scaled=system)
        stations = np.array([start.parameters, self._goal(equations)])
        origin = f"monodromy: {self.degree} zeros of the family, trace residual {self.trace_residual:.1e}"
        return Homotopy(self.tape, start.points, stations, reduced, origin, complete=True)

    def _start(self, seed: int) -> "Family":
        """This family at its generic targets, for another seed than 0 at others."""
        if seed:
            rng = np.random.default_rng([seed, self.seed])
            for _ in range(_WAYS):
                others = generic(rng, self.reduced, self.parameters, tilted=False)[: len(self.parameters)]
                points, _ = carry(self.tape, self.points, np.array([self.parameters, others]))
                if len(points) == self.degree:
                    return replace(self, parameters=others, points=points)
        return self


def family(network: "PolynomialNetwork", inputs: Any, seed: int = 0, progress: Progress | None = None) -> Family:
    """All zeros of a network on inputs (N, n_inputs) for generic targets, on the random slices of `slice(seed)`.

    progress(done, total, text): loops without news, of those that end the search.
    Raises TypeError for what is no network, ValueError for inputs of another shape,
    MonodromyError where there are more equations than weights or the network cannot fit so many generic targets.
    """
    from theory.networks import PolynomialNetwork  # which itself imports systems and what solves them

    if not isinstance(network, PolynomialNetwork):
        raise TypeError(f"family needs a PolynomialNetwork, got {type(network).__name__}")
    X = np.asarray(inputs)
    if not X.ndim:
        raise ValueError(f"inputs must have shape (N, {network.n_inputs}), got {inputs!r}")
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
        equations = equations_of(self.system)
        counts = (zeros.trace_residual, zeros.loops, zeros.tracked)
        for _ in range(_WAYS):
            targets = generic_targets(self.rng, self.parameters[: self.reduced.n_equations])
            outcome = self._moved(zeros.points, targets)
            finite = outcome.kind == FINITE
            if finite.all() or (self.tilted and not (outcome.kind == FAILED).any()):
                tape = recorded_on_slices(self.reduced, equations)
                free = outcome.points[finite][:, list(self.reduced.reduction.free)]
                points = np.hstack([free, np.ones((len(free), 1))])
                return Family(self.system, self.reduced, tape, targets, points, *counts, self.seed)
        if self.tilted:
            raise MonodromyError("paths to other generic targets got lost: try another seed")
        return Family(self.system, self.reduced, self.space.tape, self.parameters, zeros.points, *counts, self.seed)

    def _moved(self, points: np.ndarray, targets: np.ndarray) -> Outcome:
        """Where points go when the targets become these, on the slices of the system."""
        equations = equations_of(self.system)
        system = self.system.with_network(replace(equations, targets=targets.reshape(np.shape(equations.targets))))
        goal = parameters_of(targets, self.reduced)
        stations = np.array([self.parameters, np.append(goal, np.zeros(len(self.parameters) - len(goal)))])
        reduced = replace(self.reduced, system=system, scaled=system)
        return ends_of(Homotopy(self.space.tape, points, stations, reduced, "", complete=not self.tilted), DEFAULT)


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
