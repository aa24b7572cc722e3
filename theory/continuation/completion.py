"""Sets of zeros of sliced networks, found by whatever start: put to the trace test, and completed where it fails."""

from dataclasses import replace

import numpy as np

from theory.continuation.families import solve_system
from theory.continuation.follow import follow
from theory.continuation.homotopy import Homotopy, Reduced, reduce
from theory.continuation.monodromy import MonodromyError, Space, search, trace_residual
from theory.continuation.network_parameters import dependent, equations_of, parameters_of, recorded, space_of
from theory.continuation.solutions import SolutionSet
from theory.systems import PolynomialSystem

_WAYS = 4  # directions of the slice, where paths get lost
_INCOMPLETE = 1e-8  # above that zeros are missing: sets of some hundred that lack one show 1e-8 to 1e-4
_COMPLETING = 60  # loops that missing zeros are looked for with
_ADVICE = 'try start="monodromy" or another seed'


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
            whole = _completed(space, goal, points, reduced, found, rng)
            if whole is not None:
                return whole
            note = f"the count is below the certified trace (residual {residual:.1e}): zeros are missing, {_ADVICE}"
            break
    else:
        note = (
            f"the trace test is undecided, paths got lost near ill-conditioned zeros: {_ADVICE} to be sure of the count"
        )
    return _richer(replace(found, notes=(*found.notes, note)), system, seed)


def _richer(found: SolutionSet, system: PolynomialSystem, seed: int) -> SolutionSet:
    """The set that monodromy finds, if it has more zeros."""
    try:
        whole = solve_system(system, seed, None)
    except MonodromyError:
        return found
    if len(whole) <= len(found):
        return found
    note = f"{len(whole) - len(found)} zeros that paths did not reach were found by monodromy"
    return replace(whole, start=f"{found.start}; then {whole.start}", notes=(*whole.notes, note))


def _completed(
    space: Space,
    goal: np.ndarray,
    points: np.ndarray,
    reduced: Reduced,
    found: SolutionSet,
    rng: np.random.Generator,
) -> SolutionSet | None:
    """The set with the zeros that it lacks, found by loops from those it has, None where that fails; its paths are then
    those of all zeros."""
    try:
        zeros = search(space, goal, points, rng, most=_COMPLETING)
    except MonodromyError:
        return None
    origin = f"{found.start}; completed by monodromy, trace residual {zeros.trace_residual:.1e}"
    homotopy = Homotopy(space.tape, zeros.points, np.array([goal, goal]), reduced, origin, complete=True)
    whole = follow(lambda _: homotopy, found.seed)
    if len(whole) <= len(found) or whole.paths.failed:
        return None
    note = f"{len(whole) - len(found)} zeros that paths did not reach were found by monodromy: the trace test said so"
    return replace(whole, notes=(*whole.notes, note))
