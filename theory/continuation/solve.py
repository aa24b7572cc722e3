"""th.solve: the isolated solutions of a polynomial system by homotopy continuation."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from theory.arguments import check_count, check_seed
from theory.continuation import sift
from theory.continuation.choice import choose
from theory.continuation.close_zeros import told_apart
from theory.continuation.counted import beside_exact_count, lacking
from theory.continuation.follow import Interrupted, follow
from theory.continuation.found import SOLVED
from theory.continuation.homotopy import InconsistentError, Reduced, UnderdeterminedError, reduce
from theory.continuation.polish import polish
from theory.continuation.repeated_factors import solved_by_factors
from theory.continuation.solutions import PathCount, SolutionSet
from theory.continuation.start import TooManyPathsError
from theory.continuation.supports import PolyhedralError, polyhedra
from theory.continuation.tracker import Progress
from theory.parser import MAX_DEGREE
from theory.systems import PolynomialSystem, check_system

__all__ = ["PathCount", "SolutionSet", "TooManyPathsError", "UnderdeterminedError", "solve"]

MAX_PATHS = 200_000
_FAR_SCALED = 10.0  # bits by which scales move zeros of size 1 far out: other zeros then look infinite
_UNSCALED = "solved without scaling the unknowns: zeros closer together than 1e-8 may count as one, with multiplicity"
_TOO_EARLY = "interrupted before a path to the system itself was tracked: nothing is known yet"
_TOO_LATE = "interrupted while doubtful ends were looked at again: solutions may be missing"
_MORE = "paths by total degree had gone to infinity, or seemed to: the polyhedral start finds more zeros"
_CHECKED_PATHS, _CHECK_WORK = 200, 1e6  # zeros and multiplications for mixed cells up to which that is looked at
MONODROMY_FROM = 2_000  # total-degree paths of a network's system from which on loops are cheaper, as a rule
STARTS = ("auto", "total-degree", "multihomogeneous", "polyhedral", "monodromy")
BACKENDS = ("native", "phcpy")
INTERRUPTS = ("return", "raise")


def solve(
    system: PolynomialSystem,
    start: str = "auto",
    backend: str = "native",
    seed: int = 0,
    certify: bool = False,
    max_paths: int | None = None,
    progress: Progress | None = None,
    checkpoint: str | Path | None = None,
    on_interrupt: str = "return",
) -> SolutionSet:
    """All isolated solutions of a system in C^n, each once, with multiplicity; every path is accounted for.

    start: "total-degree": prod of the degrees, after affine equations are eliminated, is the number of paths
        "multihomogeneous": the same for the best partition found of the unknowns that are left; square systems
        "polyhedral": the (stable) mixed volume; a network's equations are multiplied out
        "monodromy": for a network's interpolation equations, square or with slices, see `family`: a path for each
            solution
        "auto": the one that should be cheaper; `start` of the answer says which and why
    backend: "native", or "phcpy" (PHCpack's blackbox solver, as a peer)
    certify: prove each regular solution by interval arithmetic; the outcome is in `certified`
    max_paths: refuse, before starting, to track more paths than this (200,000 by default)
    progress: called as progress(done, total, text)
    checkpoint: a file where the ends of paths are kept while they are tracked; the same call goes on from there. The
        polyhedral start keeps those to its generic system in a second one, FILE.generic
    on_interrupt: "return": Ctrl-C while paths are tracked ends the work, and the answer has what was found by then
        (`partial` is True, `paths.untracked` counts the rest); "raise": KeyboardInterrupt as usual

    With as many equations as unknowns all isolated solutions are found with probability 1 over the seed. With more,
    random combinations are solved and points off the full system dropped. The same seed gives the same answer, bit for
    bit, whatever the number of threads.

    Raises UnderdeterminedError (fewer independent equations than unknowns), TooManyPathsError, ValueError for an
    unknown start or backend, a start that does not apply and degrees over 1000, TypeError for a certify, progress or
    checkpoint of another kind, BackendError where phcpy is missing, CheckpointError for the checkpoint of another run
    and where none can be written.
    Source: A. Sommese, C. Wampler, The numerical solution of systems of polynomials arising in engineering and science
    (2005).
    """
    _check(system, start, backend, seed, max_paths, on_interrupt)
    _check_switches(certify, progress, checkpoint)
    if backend == "phcpy":
        from theory.continuation import phcpy_backend

        given = {"checkpoint": checkpoint is not None, "start": start != "auto", "max_paths": max_paths is not None}
        for name in (name for name, is_given in given.items() if is_given):
            raise ValueError(f'{name} needs backend="native": PHCpack chooses and keeps its paths itself')
        found = phcpy_backend.solve(system, int(seed))
    else:
        file = None if checkpoint is None else Path(checkpoint)
        most = MAX_PATHS if max_paths is None else max_paths
        try:
            with np.errstate(all="ignore"):  # what overflows is no zero
                found = _solve_natively(system, start, int(seed), most, progress, file)
        except Interrupted as stopped:
            if on_interrupt == "raise":
                raise
            return stopped.found
        except KeyboardInterrupt:
            if on_interrupt == "raise":
                raise
            return replace(_empty(system, int(seed), _TOO_EARLY), partial=True)
    return _certified(system, found) if certify else found


def _solve_natively(
    system: PolynomialSystem,
    start: str,
    seed: int,
    max_paths: int,
    progress: Progress | None,
    checkpoint: Path | None,
) -> SolutionSet:
    try:
        reduced = reduce(system)
    except InconsistentError as error:
        return _empty(system, seed, str(error))
    if reduced.n_free == 0:
        return _linear(reduced, seed)
    if _wants_monodromy(reduced, start, max_paths):
        from theory.continuation import families  # which follows its paths with this module

        try:
            return families.solve_system(system, seed, progress, checkpoint)
        except families.MonodromyError:
            if start == "monodromy":
                raise
    found = follow(choose(reduced, start, seed, max_paths, progress, checkpoint), seed, progress, checkpoint)
    try:
        return _looked_at_again(reduced, found, start, seed, max_paths, progress)
    except KeyboardInterrupt:
        raise Interrupted(replace(found, partial=True, notes=(*found.notes, _TOO_LATE))) from None


def _looked_at_again(
    reduced: Reduced, found: SolutionSet, start: str, seed: int, max_paths: int, progress: Progress | None
) -> SolutionSet:
    """The set that one start system has found, put to whatever tests there are, and mended where it fails them."""
    system = reduced.system
    found = _otherwise_scaled(reduced, found, start, seed, max_paths, progress)
    by_degree = found.start.startswith("total degree") and system.network is None
    if by_degree and found.paths.at_infinity:
        other = _beside_mixed_volume(reduced, found, seed, max_paths, progress)
        if start == "auto":
            found = other
        elif other is not found:
            missing = int(other.multiplicity.sum()) - int(found.multiplicity.sum())
            found = lacking(
                found, missing, f'the polyhedral start finds {missing} more; use start="auto" or "polyhedral"'
            )
    if _is_sliced_network(system) and system.n_equations == system.n_unknowns:
        from theory.continuation import completion

        return completion.checked(system, found, seed)
    whole = solved_by_factors(system, found, lambda part: _solve_natively(part, start, seed, max_paths, progress, None))

    def attempt(other: str, scaled: bool) -> SolutionSet:
        restart = choose(reduce(system, scaled), other, seed, max_paths, progress)
        return told_apart(system, follow(restart, seed, progress))

    return beside_exact_count(system, told_apart(system, whole), start, attempt if whole is found else None)


def _otherwise_scaled(
    reduced: Reduced, found: SolutionSet, start: str, seed: int, max_paths: int, progress: Progress | None
) -> SolutionSet:
    """What is found without scaling the unknowns, where scales move zeros far out, and that is more."""
    if np.abs(np.log2(reduced.scales)).max() <= _FAR_SCALED or not any(_lacking(found)):
        return found
    plain = follow(choose(reduce(reduced.system, rescale=False), start, seed, max_paths, progress), seed, progress)
    return replace(plain, notes=(*plain.notes, _UNSCALED)) if _lacking(plain) < _lacking(found) else found


def _beside_mixed_volume(
    reduced: Reduced, found: SolutionSet, seed: int, max_paths: int, progress: Progress | None
) -> SolutionSet:
    """What the polyhedral start finds, where that is more than was found among paths to infinity.

    Zeros far out look infinite where sparse equations have zeros of high multiplicity at infinity beside them. The
    polyhedral start has no paths to those; it is tried where the mixed volume leaves room for more zeros, and is small.
    """
    known = int(found.multiplicity.sum())
    try:
        room = polyhedra(reduced, max_work=_CHECK_WORK, most=_CHECKED_PATHS).count - found.paths.not_isolated
        if room <= known:
            return found
        other = follow(choose(reduced, "polyhedral", seed, max_paths, progress), seed, progress)
    except (PolyhedralError, TooManyPathsError):
        return found
    return replace(other, notes=(*other.notes, _MORE)) if int(other.multiplicity.sum()) > known else found


def _lacking(found: SolutionSet) -> tuple[int, int]:
    """Paths that no isolated solution stands for, the undecided ones apart: the fewer, the better a set."""
    paths = found.paths
    return paths.tracked - int(found.multiplicity.sum()), paths.at_infinity + paths.not_isolated


def _is_sliced_network(system: PolynomialSystem) -> bool:
    return getattr(system.network, "kind", None) == "interpolation" and len(system.affine) > 0


def _is_square_network(system: PolynomialSystem) -> bool:
    return getattr(system.network, "kind", None) == "interpolation" and system.n_equations == system.n_unknowns


def _wants_monodromy(reduced: Reduced, start: str, max_paths: int) -> bool:
    system = reduced.system
    possible = _is_sliced_network(system) or _is_square_network(system)
    if start == "monodromy" and not possible:
        raise ValueError(
            'start="monodromy" needs the interpolation equations of a network, as many as weights or with affine '
            'equations added by slice; use start="total-degree"'
        )
    paths = math.prod(d for d in system.degrees if d > 1)
    return start == "monodromy" or (start == "auto" and possible and paths > min(MONODROMY_FROM, max_paths))


def _certified(system: PolynomialSystem, found: SolutionSet) -> SolutionSet:
    from theory.continuation.certify import certify  # python-flint, only where a proof is asked for

    return replace(found, certified=certify(system, found.solutions).certified & ~found.singular)


def _check(system: Any, start: str, backend: str, seed: Any, max_paths: Any, on_interrupt: str) -> None:
    check_system(system, "solve")
    choices = ((start, STARTS, "start"), (backend, BACKENDS, "backend"), (on_interrupt, INTERRUPTS, "on_interrupt"))
    for value, known, what in choices:
        if value not in known:
            raise ValueError(f"{what} must be one of {', '.join(map(repr, known))}, got {value!r}")
    check_seed(seed)
    if max_paths is not None:
        check_count(max_paths, "max_paths")
    if max(system.degrees) > MAX_DEGREE:
        raise ValueError(f"solve takes equations of degree {MAX_DEGREE} at most, got degree {max(system.degrees)}")


def _check_switches(certify: Any, progress: Any, checkpoint: Any) -> None:
    if not isinstance(certify, bool | np.bool_):
        raise TypeError(f"certify must be True or False, got {certify!r}")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be called as progress(done, total, text), got {progress!r}")
    if checkpoint is not None and not isinstance(checkpoint, str | Path):
        raise TypeError(f"checkpoint must be the name of a file, got {checkpoint!r}")


def _linear(reduced: Reduced, seed: int) -> SolutionSet:
    """The one solution of a system whose affine equations fix every unknown, if it solves the others."""
    system = reduced.scaled
    point, residual, condition = sift.refine(system, reduced.reduction.lift(np.zeros((1, 0), complex)))
    if system.n_equations == system.n_unknowns:
        point, _ = polish(system, point)
        residual, condition = sift.relative_residual(system, point), sift.conditions(system, point)
    if residual[0] > SOLVED:
        return _empty(reduced.system, seed, "the affine equations have one solution, which does not solve the others")
    is_real = np.abs(point.imag).max(axis=1) <= sift.REGULAR_RADIUS * (1 + np.abs(point).max(axis=1))
    return replace(
        _empty(reduced.system, seed, "the equations are affine: no path was needed"),
        solutions=np.where(is_real[:, None], point.real, point) * reduced.scales,
        multiplicity=np.ones(1, int),
        singular=np.zeros(1, bool),
        is_real=is_real,
        residual=residual,
        condition=condition,
    )


def _empty(system: PolynomialSystem, seed: int, note: str) -> SolutionSet:
    nothing = np.zeros(0)
    return SolutionSet(
        names=system.names,
        solutions=np.zeros((0, system.n_unknowns), complex),
        multiplicity=nothing.astype(int),
        singular=nothing.astype(bool),
        is_real=nothing.astype(bool),
        residual=nothing,
        condition=nothing,
        paths=PathCount(0, 0, 0, 0, 0),
        start="elimination",
        seed=int(seed),
        notes=(note,),
    )
