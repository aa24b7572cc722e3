"""Chain-steps a second of Langevin descent, beside numpy loops written by hand and blackjax, in the same precision."""

import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from empirical import counter_normals
from empirical.langevin import Langevin, advance, init, spread
from theory.parallel import processors
from theory.potentials import Potential, bent_double_well, coupled_angles, double_well, two_wells

CHAINS, BLOCK = 10_000, 2000
TEMPERATURE, STEP = 0.25, 0.01


@dataclass(frozen=True)
class Case:
    """One potential: as ours, its gradient as one writes it in numpy, its value as one writes it for jax."""

    potential: Potential
    slope: Callable[[np.ndarray], np.ndarray]
    value: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Rate:
    """Nanoseconds a chain-step on one potential.

    ours, numpy: CPU time on one processor; ours_wall, numpy_wall: wall time on all of them, medians of alternating
    rounds; normals: share of our time that goes into the normal numbers; blackjax: CPU time, None where not installed
    """

    potential: str
    adjusted: bool
    ours: float
    numpy: float | None
    ours_wall: float
    numpy_wall: float | None
    normals: float
    blackjax: float | None


def _angles(x: np.ndarray) -> np.ndarray:
    turned = np.sin(x[:, 0] - x[:, 1]) / 2
    return np.stack([np.sin(2 * x[:, 0]) + turned, -turned], axis=1)


def _bent(x: np.ndarray) -> np.ndarray:
    a, b = x[:, 0], x[:, 1] - x[:, 0] ** 2
    return np.stack([4 * a * (a * a - 1) - 4 * a * b, 2 * b], axis=1)


def _wells(x: np.ndarray) -> np.ndarray:
    far = x - np.array([3.0, 0.0, 0.0])
    near = 4 * (x * x).sum(1) <= (far * far).sum(1)
    return np.where(near[:, None], x, far / 4)


CASES = (
    Case(double_well(1), lambda x: 4 * x * (x * x - 1), lambda x, np_: ((x**2 - 1) ** 2).sum()),
    Case(bent_double_well(), _bent, lambda x, np_: (x[0] ** 2 - 1) ** 2 + (x[1] - x[0] ** 2) ** 2),
    Case(coupled_angles(), _angles, lambda x, np_: -(np_.cos(2 * x[0]) + np_.cos(x[0] - x[1])) / 2),
    Case(
        two_wells(3),
        _wells,
        lambda x, np_: np_.minimum((x**2).sum() / 2, ((x - np_.array([3.0, 0.0, 0.0])) ** 2).sum() / 8),
    ),
)


def rates(steps: int = 400, rounds: int = 5) -> list[Rate]:
    """Every case, plain and adjusted; the numpy loop is that of plain steps."""
    return [_rate(case, adjusted, steps, rounds) for case in CASES for adjusted in (False, True)]


def _rate(case: Case, adjusted: bool, steps: int, rounds: int) -> Rate:
    kernel, dimension = Langevin(case.potential, TEMPERATURE, STEP, adjusted), case.potential.dimension
    start = spread(case.potential, CHAINS)
    state = init(kernel, start, 0)
    advance(state, kernel, 1)  # compiles
    noise, domain = np.random.default_rng(0), case.potential.domain

    def ours(threads: int) -> None:
        advance(state, kernel, steps, threads=threads)

    def by_numpy() -> None:
        x, size = start, (2 * STEP * TEMPERATURE) ** 0.5
        for _ in range(steps // 10):
            x = x + size * noise.standard_normal(x.shape) - STEP * case.slope(x)
            if domain.kind == "torus":
                x = domain.fold(x)

    def normals() -> None:
        key, increment = counter_normals.keys(0, BLOCK)  # larger than a block of chains: calls from here cost more
        block = np.empty((dimension, BLOCK))
        for first in range(CHAINS // BLOCK * steps):
            counter_normals.fill_normal(block, key, increment, np.uint64(first))

    each, tenth, all_of_them = CHAINS * steps, CHAINS * (steps // 10), processors()
    here, there = [], []
    for _ in range(rounds):  # alternating, so that both meet the same load
        here.append(_spent(lambda: ours(all_of_them), time.perf_counter) / each)
        there.append(_spent(by_numpy, time.perf_counter) / tenth)
    one = statistics.median(_spent(lambda: ours(1), time.process_time) for _ in range(rounds)) / each
    loop = statistics.median(_spent(by_numpy, time.process_time) for _ in range(rounds)) / tenth
    share = _spent(normals, time.process_time) / each / one
    wall = statistics.median(here), statistics.median(there)
    jax = blackjax_rate(case, adjusted, steps) if importlib.util.find_spec("blackjax") else None
    return Rate(
        case.potential.name,
        adjusted,
        1e9 * one,
        None if adjusted else 1e9 * loop,
        1e9 * wall[0],
        None if adjusted else 1e9 * wall[1],
        share,
        None if jax is None else 1e9 * jax,
    )


def _spent(work: Callable[[], None], clock: Callable[[], float]) -> float:
    begin = clock()
    work()
    return clock() - begin


def blackjax_rate(case: Case, adjusted: bool, steps: int) -> float:
    """CPU seconds a chain-step of blackjax: `mala`, or `sgld` with the full gradient, on all chains at once (vmap)."""
    import blackjax
    import jax

    jax.config.update("jax_enable_x64", True)

    def density(x: Any) -> Any:
        return -case.value(x, jax.numpy) / TEMPERATURE

    start = jax.numpy.asarray(spread(case.potential, CHAINS))
    if adjusted:
        algorithm = blackjax.mala(density, STEP * TEMPERATURE)
        begin = jax.vmap(algorithm.init)(start)
    else:
        algorithm, begin = blackjax.sgld(lambda x, _: jax.grad(density)(x)), start

    def one(state: Any, key: Any) -> Any:
        keys = jax.random.split(key, CHAINS)
        if adjusted:
            return jax.vmap(lambda k, s: algorithm.step(k, s)[0])(keys, state), None
        return jax.vmap(lambda k, x: algorithm.step(k, x, None, STEP * TEMPERATURE))(keys, state), None

    @jax.jit
    def run(state: Any, key: Any) -> Any:
        return jax.lax.scan(one, state, jax.random.split(key, steps // 10))[0]

    key = jax.random.key(0)
    jax.block_until_ready(run(begin, key))  # compiles
    return _spent(lambda: jax.block_until_ready(run(begin, key)), time.process_time) / (CHAINS * (steps // 10))
