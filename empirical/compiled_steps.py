"""Langevin steps compiled for one potential: its gradient becomes machine code, chains are walked in blocks.

A block stays in the first cache for all its steps. Blocks are handed to threads whole and every chain has random
numbers of its own, so the positions do not depend on the number of threads, not even in the last bit.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp

from empirical import counter_normals
from empirical.compiled_functions import cosine, sine
from empirical.counter_normals import fill_normal, fill_uniform
from theory.jit import ENGINE, njit
from theory.parallel import processors
from theory.potentials import Potential

BLOCK = 128  # chains; 2 to 5 coordinates of each, positions and noise, fit into 16 KB
_WORTH_A_THREAD = 200_000  # chain-steps; starting one takes about 0.1 ms


def available(potential: Potential, adjusted: bool) -> bool:
    """Whether this potential's steps can be compiled: numba is there, and knows every function in the formula."""
    return ENGINE == "numba" and _steps(*_shape(potential), adjusted) is not None


def advance(
    potential: Potential,
    position: np.ndarray,
    temperatures: np.ndarray,
    step_size: float,
    adjusted: bool,
    seed: int,
    count: int,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Chains (chains, D) after one step for each temperature (steps,), and each chain's mean acceptance if adjusted.

    count: steps made before these; with the seed it says which random numbers come next
    """
    run, constants = _steps(*_shape(potential), adjusted), _constants(potential)
    if run is None:
        raise ValueError(f"the steps of {potential.name!r} cannot be compiled")
    chains, domain = len(position), potential.domain
    out, accepted = np.array(position, dtype=float, order="C"), np.zeros(chains)
    key, increment = counter_normals.keys(seed, chains)
    lower, upper = np.array(domain.lower, float), np.array(domain.upper, float)

    def of_slice(part: slice) -> None:
        own = (out[part], accepted[part], key[part], increment[part])
        run(*own, count, temperatures, step_size, lower, upper - lower, constants)

    blocks = -(-chains // BLOCK)
    workers = min(threads or processors(), blocks, 1 + chains * len(temperatures) // _WORTH_A_THREAD)
    bounds = [BLOCK * (blocks * k // workers) for k in range(workers)] + [chains]
    parts = [slice(a, b) for a, b in pairwise(bounds)]
    if workers == 1:
        of_slice(parts[0])
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(of_slice, parts))
    return out, accepted / len(temperatures) if adjusted else None


@lru_cache(maxsize=256)
def _constants(potential: Potential) -> np.ndarray:
    """The floats in a formula; they are handed over, so that one compilation serves for all their values."""
    return np.array([float(value) for value in _floats(potential)])


def _floats(potential: Potential) -> list[sp.Float]:
    return sorted(potential.expression.atoms(sp.Float))


@lru_cache(maxsize=256)
def _shape(potential: Potential) -> tuple[sp.Expr, tuple[sp.Symbol, ...], str]:
    """What a compilation depends on: the formula with symbols for its floats, its variables, the kind of its domain."""
    symbols = {value: sp.Symbol(f"constant_{k}", real=True) for k, value in enumerate(_floats(potential))}
    return potential.expression.xreplace(symbols), potential.variables, potential.domain.kind


@lru_cache(maxsize=256)
def _steps(formula: sp.Expr, variables: tuple[sp.Symbol, ...], kind: str, adjusted: bool) -> Callable[..., None] | None:
    """The compiled loop over blocks and steps; None where numba does not know a function in the formula."""
    from numba.core.errors import NumbaError

    run = (_adjusted if adjusted else _plain)(formula, variables, kind)
    key, none = np.ones(0, np.uint64), np.zeros(0)
    try:  # compiles; there is no chain
        run(np.zeros((0, len(variables))), none, key, key, 0, none, 0.1, none, none, none)
    except NumbaError:
        return None
    return run


def _column_function(variables: Sequence[sp.Symbol], expressions: Sequence[sp.Expr]) -> Any:
    """The expressions at column c of an array (D, n), as one compiled function (x, c, constants) -> tuple of floats."""
    x, c, constants = sp.IndexedBase("x"), sp.Symbol("c", integer=True), sp.IndexedBase("constants")
    entries: dict[sp.Basic, sp.Expr] = {v: x[d, c] for d, v in enumerate(variables)}
    free = set().union(*(e.free_symbols for e in expressions)) - set(variables)
    entries |= {v: constants[int(str(v).rpartition("_")[2])] for v in free}
    columns = [e.xreplace(entries) if e.free_symbols else sp.Float(e) for e in expressions]
    modules: list[Any] = [{"sin": sine, "cos": cosine}, "math"]
    return njit(error_model="numpy")(sp.lambdify((x, c, constants), tuple(columns), modules=modules, cse=True))


def _folding(kind: str) -> Any:
    """A coordinate brought back into the domain, whose lower end and size along that axis are given.

    What lies inside is not changed by a bit. Without branches or remainders, so that several go at once.
    """

    def around(value: float, low: float, size: float) -> float:
        turned = value - size * np.floor((value - low) / size)
        return low if turned < low or turned >= low + size else turned  # by rounding; NaN stays NaN

    def reflected(value: float, low: float, size: float) -> float:
        from_low = value - low
        turned = low + size - abs(from_low - 2 * size * np.floor(from_low / (2 * size)) - size)
        return value if low <= value < low + size else turned

    return njit(inline="always", error_model="numpy")(around if kind == "torus" else reflected)


def _storing(dimension: int) -> Any:
    """(target, c, values): target[d, c] = values[d] for every d, written out: a loop over d would keep compilers from
    taking several chains c at once."""

    def with_row(before: Any, d: int) -> Any:
        def store(target: np.ndarray, c: int, values: tuple[float, ...]) -> None:
            before(target, c, values)
            target[d, c] = values[d]

        return njit(inline="always")(store)

    def nothing(target: np.ndarray, c: int, values: tuple[float, ...]) -> None:
        pass

    store = njit(inline="always")(nothing)
    for d in range(dimension):
        store = with_row(store, d)
    return store


def _plain(formula: sp.Expr, variables: Sequence[sp.Symbol], kind: str) -> Any:
    """x <- x - h grad U + sqrt(2 h T) noise."""
    slope = _column_function(variables, [formula.diff(v) for v in variables])
    dimension, bounded, fold = len(variables), kind != "space", _folding(kind)
    store = _storing(dimension)

    def run(  # type: ignore[no-untyped-def]  # ten arguments, all numba's; see `advance`
        position, accepted, key, increment, count, temperatures, h, lower, size, constants
    ):
        x, noise, slopes = np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK))
        for start in range(0, len(position), BLOCK):
            n = min(BLOCK, len(position) - start)
            for c in range(n):
                for d in range(dimension):
                    x[d, c] = position[start + c, d]
            own, way = key[start : start + n], increment[start : start + n]
            for k in range(len(temperatures)):
                fill_normal(noise, own, way, np.uint64((count + k) * (dimension + 1)))
                scale = np.sqrt(2 * h * temperatures[k])
                for c in range(n):
                    store(slopes, c, slope(x, c, constants))
                for d in range(dimension):
                    for c in range(n):
                        end = x[d, c] + (scale * noise[d, c] - h * slopes[d, c])
                        x[d, c] = fold(end, lower[d], size[d]) if bounded else end
            for c in range(n):
                for d in range(dimension):
                    position[start + c, d] = x[d, c]

    return njit(nogil=True, error_model="numpy")(run)


def _adjusted(formula: sp.Expr, variables: Sequence[sp.Symbol], kind: str) -> Any:
    """The same step, accepted with the probability that keeps exp(-U/T): Metropolis and Hastings."""
    value, slope = (_column_function(variables, e) for e in ([formula], [formula.diff(v) for v in variables]))
    dimension, fold, bounded, walled = len(variables), _folding(kind), kind != "space", kind == "box"
    store_value, store = _storing(1), _storing(dimension)

    def run(  # type: ignore[no-untyped-def]  # as in `_plain`
        position, accepted, key, increment, count, temperatures, h, lower, size, constants
    ):
        x, y, noise = np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK))
        here, then = np.empty((1, BLOCK)), np.empty((1, BLOCK))  # U
        slopes, new_slopes = np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK))
        uniform, ratio, taken = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK, np.bool_)
        for start in range(0, len(position), BLOCK):
            n = min(BLOCK, len(position) - start)
            for c in range(n):
                for d in range(dimension):
                    x[d, c] = position[start + c, d]
            for c in range(n):
                store_value(here, c, value(x, c, constants))
            for c in range(n):
                store(slopes, c, slope(x, c, constants))
            own, way = key[start : start + n], increment[start : start + n]
            for k in range(len(temperatures)):
                t, first = temperatures[k], np.uint64((count + k) * (dimension + 1))
                fill_normal(noise, own, way, first)
                fill_uniform(uniform, own, way, first + np.uint64(dimension))
                scale = np.sqrt(2 * h * t)
                for d in range(dimension):
                    for c in range(n):
                        noise[d, c] = scale * noise[d, c] - h * slopes[d, c]  # the move
                        end = x[d, c] + noise[d, c]
                        y[d, c] = fold(end, lower[d], size[d]) if bounded else end
                for c in range(n):
                    store_value(then, c, value(y, c, constants))
                for c in range(n):
                    store(new_slopes, c, slope(y, c, constants))
                for c in range(n):
                    ratio[c] = then[0, c] - here[0, c]
                for d in range(dimension):
                    for c in range(n):
                        back, forth = -noise[d, c] + h * new_slopes[d, c], noise[d, c] + h * slopes[d, c]
                        ratio[c] += (back * back - forth * forth) / (4 * h)
                        if walled and not lower[d] <= x[d, c] + noise[d, c] <= lower[d] + size[d]:
                            ratio[c] = np.inf  # a proposal beyond a wall is refused
                for c in range(n):
                    chance = np.exp(min(-ratio[c] / t, 0.0))
                    if not chance >= 0.0:  # NaN: far out, where U or its slope overflows
                        chance = 0.0
                    accepted[start + c] += chance
                    taken[c] = uniform[c] < chance
                for d in range(dimension):
                    for c in range(n):
                        x[d, c] = y[d, c] if taken[c] else x[d, c]
                        slopes[d, c] = new_slopes[d, c] if taken[c] else slopes[d, c]
                for c in range(n):
                    here[0, c] = then[0, c] if taken[c] else here[0, c]
            for c in range(n):
                for d in range(dimension):
                    position[start + c, d] = x[d, c]

    return njit(nogil=True, error_model="numpy")(run)
