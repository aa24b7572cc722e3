"""Langevin descent on a potential, x <- x - h grad U(x) + sqrt(2 h T) noise, for many independent chains at once.

A step is pure: a state holds its seed and the number of steps made, which together give the next noise, so the same
state has the same successor. Positions are arrays (computed with numpy) or tensors (torch, on their device); the second
kind of kernel, `adjusted`, accepts or rejects every step (Metropolis) and so has no step-size bias: the control.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.arguments import check_seed
from theory.normalisable import check_temperature, require_normalisable
from theory.potentials import Potential

Array = Any  # numpy array or torch tensor, float32 or float64


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
        check_temperature(self.temperature)
        if not (math.isfinite(self.step_size) and self.step_size > 0):
            raise ValueError(f"the step size must be positive and finite, got {self.step_size}")
        require_normalisable(self.potential, self.temperature)


@dataclass(frozen=True)
class State:
    """Where the chains are: position and gradient (chains, D), value (chains,) where steps are adjusted."""

    position: Array
    gradient: Array
    value: Array | None
    seed: int
    count: int = 0


@dataclass(frozen=True)
class Info:
    """What a step did: acceptance, the probability (chains,) with which it was taken; 1 where nothing is rejected."""

    acceptance: Array | float


def spread(potential: Potential, chains: int) -> np.ndarray:
    """Starting points (chains, D) at the wells' centres, shared out equally: far apart, so that R-hat can tell."""
    if not potential.wells:
        raise ValueError(
            f"{potential.name!r} has no known wells: give starting points of shape (chains, {potential.dimension})"
        )
    if chains < len(potential.wells):
        raise ValueError(
            f"{potential.name!r} has {len(potential.wells)} wells, {chains} chains cannot start in all of them"
        )
    centres = np.array([well.centre for well in potential.wells])
    return centres[np.arange(chains) % len(centres)]


def init(kernel: Langevin, position: Array, seed: int) -> State:
    """The state of chains that start at position (chains, D).

    Raises ValueError on a wrong shape, on NaN, on a seed that is not a whole number >= 0, and on a step size above the
    stability limit 2/beta, beta being the largest curvature at the wells (at the starting points, where no wells are
    known).
    """
    potential, seed = kernel.potential, check_seed(seed)
    if not kernel.adjusted:
        _check_stability(kernel, position)
    position = potential.domain.fold(position)
    gradient = potential.gradient(position)
    if not _finite(position) or not _finite(gradient):
        raise ValueError("starting points must be finite, with a finite gradient; got NaN or infinity")
    return State(position, gradient, potential.value(position) if kernel.adjusted else None, seed)


def step(state: State, kernel: Langevin) -> tuple[State, Info]:
    """One step of every chain."""
    potential, h = kernel.potential, kernel.step_size
    noise, uniform = _random(state, kernel.adjusted)
    move = math.sqrt(2 * h * kernel.temperature) * noise - h * state.gradient
    proposed = state.position + move
    position = potential.domain.fold(proposed)
    gradient = potential.gradient(position)
    if not kernel.adjusted:
        return State(position, gradient, None, state.seed, state.count + 1), Info(1.0)
    value = potential.value(position)
    # log of density * proposal backwards over density * proposal forwards, the moves taken before folding
    back, forth = ((-move + h * gradient) ** 2).sum(-1), ((move + h * state.gradient) ** 2).sum(-1)
    ratio = -(value - state.value + (back - forth) / (4 * h)) / kernel.temperature
    acceptance = _exp(_minimum(ratio, 0.0))
    if potential.domain.kind == "box":
        acceptance = acceptance * potential.domain.contains(proposed)  # a proposal beyond a wall is refused
    taken = uniform < acceptance
    position = _where(taken[:, None], position, state.position)
    gradient = _where(taken[:, None], gradient, state.gradient)
    return State(position, gradient, _where(taken, value, state.value), state.seed, state.count + 1), Info(acceptance)


@dataclass(frozen=True)
class Samples:
    """What was recorded: values (records, chains, ...), and the mean acceptance over all steps and chains."""

    values: np.ndarray
    acceptance: float


def sample(
    state: State,
    kernel: Langevin,
    steps: int,
    *,
    every: int = 1,
    statistic: Callable[[Array], Array] = lambda position: position,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[State, Samples]:
    """Make `steps` steps and record statistic(position) after every `every` of them.

    statistic: positions (chains, D) -> (chains, ...). Raises DivergedError as soon as a recorded chain is not finite.
    """
    if steps < 1 or every < 1 or steps % every:
        raise ValueError(f"steps must be a positive multiple of every, got {steps} and {every}")
    records, acceptance = [], 0.0
    for k in range(1, steps + 1):
        with np.errstate(over="ignore", invalid="ignore"):  # a chain that leaves for infinity is reported below
            state, info = step(state, kernel)
        acceptance += info.acceptance if isinstance(info.acceptance, float) else float(info.acceptance.mean())
        if k % every == 0:
            if not _finite(state.position):
                raise DivergedError(
                    f"a chain on {kernel.potential.name!r} left for infinity within {state.count} steps of "
                    f"{kernel.step_size}: choose a smaller step size, or the adjusted kernel"
                )
            records.append(_numpy(statistic(state.position)))
            if progress is not None:
                progress(k, steps, f"{kernel.potential.name}, T = {kernel.temperature}, h = {kernel.step_size}")
    return state, Samples(np.stack(records), acceptance / steps)


def _check_stability(kernel: Langevin, position: Array) -> None:
    """Around a minimum of curvature beta the mean follows x <- (1 - h beta) x, which grows for h > 2 / beta."""
    wells = kernel.potential.wells
    beta = kernel.potential.stiffness(np.array([well.centre for well in wells]) if wells else _numpy(position))
    if beta > 0 and kernel.step_size > 2 / beta:
        raise ValueError(
            f"step size {kernel.step_size} is above the stability limit 2/beta = {2 / beta:.4g} of "
            f"{kernel.potential.name!r} (largest curvature beta = {beta:.4g}): choose a smaller one"
        )


def _random(state: State, adjusted: bool) -> tuple[Array, Array | None]:
    """Normals (chains, D), and uniforms (chains,) where asked, that belong to this seed and this count."""
    position = state.position
    if isinstance(position, np.ndarray):
        rng = np.random.default_rng((state.seed, state.count))
        noise = rng.standard_normal(position.shape, dtype=position.dtype)
        return noise, rng.random(len(position)) if adjusted else None
    import torch

    generator = torch.Generator(position.device).manual_seed(_mixed(state.seed, state.count))
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
