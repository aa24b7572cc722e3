"""Langevin descent on a potential, x <- x - h grad U(x) + sqrt(2 h T) noise, for many independent chains at once.

A step is pure: a state holds its seed and the number of steps made, which together give the next noise, so the same
state has the same successor. Arrays are stepped by code compiled for the potential (`compiled_steps`; by numpy where
numba is missing), tensors by torch on their device. The second kind of kernel, `adjusted`, accepts or rejects every
step (Metropolis) and so has no step-size bias: the control.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from empirical import compiled_steps
from theory.arguments import check_count, check_positive, check_seed
from theory.normalisable import check_temperature, require_normalisable
from theory.potentials import Potential, check_potential

Array = Any  # numpy array, float64, or torch tensor, float32 or float64
Schedule = Callable[[int], float]


class DivergedError(ValueError):
    """A chain left for infinity: the step was too large for where it stood."""


@dataclass(frozen=True)
class Langevin:
    """Which chain is run: U, the temperature T, the step size h, and whether steps are accepted or rejected.

    Without adjustment this is Euler and Maruyama's scheme; its density differs from exp(-U/T)/Z in first order of h.
    Raises ValueError unless T and h are positive and exp(-U/T) is integrable.
    Source: equations 5 and 9 of the 2018 review.
    """

    potential: Potential
    temperature: float
    step_size: float
    adjusted: bool = False

    def __post_init__(self) -> None:
        check_potential(self.potential)
        check_temperature(self.temperature)
        check_positive(self.step_size, "the step size")
        require_normalisable(self.potential, self.temperature)


@dataclass(frozen=True)
class State:
    """Where the chains are, (chains, D), and what says which random numbers come next: seed and steps made."""

    position: Array
    seed: int
    count: int = 0


@dataclass(frozen=True)
class Info:
    """What steps did: acceptance, each chain's mean probability (chains,) with which they were taken; 1 if unadjusted.

    Only `adjusted` kernels reject.
    """

    acceptance: Array | float


def spread(potential: Potential, chains: int) -> np.ndarray:
    """Starting points (chains, D) at the wells' centres, shared out equally: far apart, so that R-hat can tell."""
    if not potential.wells:
        raise ValueError(
            f"{potential.name!r} has no known wells: give starting points of shape (chains, {potential.dimension})"
        )
    if check_count(chains, "the number of chains") < len(potential.wells):
        raise ValueError(
            f"{potential.name!r} has {len(potential.wells)} wells, {chains} chains cannot start in all of them"
        )
    centres = np.array([well.centre for well in potential.wells])
    return centres[np.arange(chains) % len(centres)]


def init(kernel: Langevin, position: Array, seed: int) -> State:
    """The state of chains that start at position (chains, D); arrays become float64, tensors stay what they are.

    Raises ValueError on a wrong shape, on NaN, on a seed that is not a whole number >= 0, and on a step size not below
    the stability limit 2/beta, beta being the largest curvature at the wells (at the starting points, where none are
    known).
    """
    potential, seed = kernel.potential, check_seed(seed)
    if isinstance(position, np.ndarray):
        if position.dtype.kind not in "iuf":
            raise TypeError(f"starting points must be real numbers, got an array of {position.dtype}")
        position = position.astype(float)
    elif not hasattr(position, "new_empty"):
        raise TypeError(
            f"starting points must be a numpy array or a torch tensor (chains, {potential.dimension}), "
            f"got {type(position).__name__}"
        )
    if not len(position):
        raise ValueError("there must be at least one chain, got starting points of shape " + str(tuple(position.shape)))
    if not kernel.adjusted:
        _check_stability(kernel, position)
    position = potential.domain.fold(position)
    if not _finite(position) or not _finite(potential.gradient(position)):
        raise ValueError("starting points must be finite, with a finite gradient; got NaN or infinity")
    return State(position, seed)


def step(state: State, kernel: Langevin) -> tuple[State, Info]:
    """One step of every chain."""
    return advance(state, kernel, 1)


def advance(
    state: State, kernel: Langevin, steps: int, schedule: Schedule | None = None, threads: int | None = None
) -> tuple[State, Info]:
    """`steps` steps of every chain: as many calls of `step` give the same.

    schedule: the temperature of step k = 1, 2, ... counted from the chain's beginning, in place of the kernel's
    threads: of the compiled steps; the chains do not depend on it

    Raises ValueError on a state that does not fit the kernel (its number of unknowns, the stability limit of `init`).
    """
    _check_step(state, kernel, steps)
    if threads is not None:
        check_count(threads, "the number of threads")
    if schedule is not None and not callable(schedule):
        raise TypeError(f"a schedule must be a function of the step's number, got {schedule!r}")
    temperatures = np.full(steps, float(kernel.temperature))
    if schedule is not None:
        numbers = range(state.count + 1, state.count + steps + 1)
        temperatures = np.array([check_temperature(schedule(k)) for k in numbers], float)
    if isinstance(state.position, np.ndarray) and compiled_steps.available(kernel.potential, kernel.adjusted):
        position, acceptance = compiled_steps.advance(
            kernel.potential,
            state.position,
            temperatures,
            kernel.step_size,
            kernel.adjusted,
            state.seed,
            state.count,
            threads,
        )
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # a chain that leaves for infinity is reported by `sample`
            position, acceptance = (_adjusted if kernel.adjusted else _plain)(state, kernel, temperatures)
    return State(position, state.seed, state.count + steps), Info(1.0 if acceptance is None else acceptance)


def _plain(state: State, kernel: Langevin, temperatures: np.ndarray) -> tuple[Array, None]:
    """Steps of arrays or tensors, one for each temperature."""
    potential, h, position = kernel.potential, kernel.step_size, state.position
    for k, temperature in enumerate(temperatures.tolist()):
        noise, _ = _random(position, state.seed, state.count + k, False)
        move = math.sqrt(2 * h * temperature) * noise - h * potential.gradient(position)
        position = potential.domain.fold(position + move)
    return position, None


def _adjusted(state: State, kernel: Langevin, temperatures: np.ndarray) -> tuple[Array, Array]:
    """The same, each step accepted or rejected; beside the positions the mean acceptance (chains,)."""
    potential, h, here, total = kernel.potential, kernel.step_size, state.position, 0.0
    value, gradient = potential.value(here), potential.gradient(here)
    for k, temperature in enumerate(temperatures.tolist()):
        noise, uniform = _random(here, state.seed, state.count + k, True)
        move = math.sqrt(2 * h * temperature) * noise - h * gradient
        proposed = here + move
        there = potential.domain.fold(proposed)
        new_value, new_gradient = potential.value(there), potential.gradient(there)
        # log of density * proposal backwards over density * proposal forwards, the moves taken before folding
        back, forth = ((-move + h * new_gradient) ** 2).sum(-1), ((move + h * gradient) ** 2).sum(-1)
        acceptance = _exp(_minimum(-(new_value - value + (back - forth) / (4 * h)) / temperature, 0.0))
        if potential.domain.kind == "box":
            acceptance = acceptance * potential.domain.contains(proposed)  # a proposal beyond a wall is refused
        taken, total = uniform < acceptance, total + acceptance
        here, gradient = _where(taken[:, None], there, here), _where(taken[:, None], new_gradient, gradient)
        value = _where(taken, new_value, value)
    return here, total / len(temperatures)


@dataclass(frozen=True)
class Samples:
    """What was recorded: values (records, chains, ...), and the mean acceptance over all steps and chains."""

    values: np.ndarray
    acceptance: float

    def to_xarray(self, name: str = "x") -> Any:
        """The records as ArviZ takes them: an xarray tree whose group `posterior` has the dimensions chain and draw."""
        import warnings

        from arviz_base import from_dict

        with warnings.catch_warnings():  # it doubts that there can be more chains than draws
            warnings.filterwarnings("ignore", "Found chain dimension to be longer", UserWarning)
            return from_dict({"posterior": {name: self.values.swapaxes(0, 1)}})


def sample(
    state: State,
    kernel: Langevin,
    steps: int,
    *,
    every: int = 1,
    statistic: Callable[[Array], Array] = lambda position: position,
    schedule: Schedule | None = None,
    threads: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[State, Samples]:
    """Make `steps` steps and record statistic(position) after every `every` of them.

    statistic: positions (chains, D) -> (chains, ...); schedule, threads: as in `advance`. Raises DivergedError as soon
    as a recorded chain is not finite.
    """
    if check_count(steps, "steps") % check_count(every, "every"):
        raise ValueError(f"steps must be a positive multiple of every, got {steps} and {every}")
    records, acceptance = [], 0.0
    for k in range(every, steps + 1, every):
        state, info = advance(state, kernel, every, schedule, threads)
        acceptance += info.acceptance if isinstance(info.acceptance, float) else float(info.acceptance.mean())
        if not _finite(state.position):
            raise DivergedError(
                f"a chain on {kernel.potential.name!r} left for infinity within {state.count} steps of "
                f"{kernel.step_size}: choose a smaller step size, or the adjusted kernel"
            )
        records.append(_numpy(statistic(state.position)))
        if progress is not None:
            progress(k, steps, f"{kernel.potential.name}, T = {kernel.temperature}, h = {kernel.step_size}")
    return state, Samples(np.stack(records), acceptance / len(records))


def _check_step(state: State, kernel: Langevin, steps: int) -> None:
    potential, shape = kernel.potential, tuple(state.position.shape)
    if len(shape) != 2 or shape[1] != potential.dimension:
        raise ValueError(
            f"{potential.name!r} takes states of shape (chains, {potential.dimension}), this one has {shape}: "
            "start with `init` of the same kernel"
        )
    check_count(steps, "the number of steps")
    if not kernel.adjusted and potential.wells:
        _check_stability(kernel, state.position)


def _check_stability(kernel: Langevin, position: Array) -> None:
    """Around a minimum of curvature beta the mean follows x <- (1 - h beta) x, which never decays for h >= 2 / beta."""
    wells = kernel.potential.wells
    beta = kernel.potential.stiffness(np.array([well.centre for well in wells]) if wells else _numpy(position))
    if beta > 0 and kernel.step_size >= 2 / beta:
        place = "wells" if wells else "starting points, as no wells are known"
        raise ValueError(
            f"step size {kernel.step_size} is not below the stability limit 2/beta = {2 / beta:.4g} of "
            f"{kernel.potential.name!r} (largest curvature at the {place}: beta = {beta:.4g}): choose a smaller one"
        )


def _random(position: Array, seed: int, count: int, adjusted: bool) -> tuple[Array, Array | None]:
    """Normals (chains, D), and uniforms (chains,) where asked, that belong to this seed and this count."""
    if isinstance(position, np.ndarray):
        rng = np.random.default_rng((seed, count))
        return rng.standard_normal(position.shape), rng.random(len(position)) if adjusted else None
    import torch

    generator = torch.Generator(position.device).manual_seed(_mixed(seed, count))
    kind: Any = {"generator": generator, "device": position.device, "dtype": position.dtype}
    return torch.randn(position.shape, **kind), torch.rand(len(position), **kind) if adjusted else None


def _mixed(seed: int, count: int) -> int:
    """A 63-bit number in which seed and count are well mixed (the finaliser of SplitMix64)."""
    z = (seed * 0x9E3779B97F4A7C15 + count * 0xD1B54A32D192ED03 + 0x632BE59BD9B4E019) % 2**64
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> shift)) * factor % 2**64
    return (z ^ (z >> 31)) >> 1


def _finite(values: Array) -> bool:
    return bool(abs(values).max() < math.inf)  # False for NaN too


def _exp(values: Array) -> Array:
    return np.exp(values) if isinstance(values, np.ndarray) else values.exp()


def _minimum(values: Array, bound: float) -> Array:
    return np.minimum(values, bound) if isinstance(values, np.ndarray) else values.clamp(max=bound)


def _where(condition: Array, new: Array, old: Array) -> Array:
    return np.where(condition, new, old) if isinstance(new, np.ndarray) else new.where(condition, old)


def _numpy(values: Array) -> np.ndarray:
    return values if isinstance(values, np.ndarray) else values.cpu().numpy()
