"""Langevin steps compiled: a potential's value and slopes become machine code, chains are walked in blocks.

A block stays in the first cache for all its steps. Blocks are handed to threads whole and every chain has random
numbers of its own, so the positions do not depend on the number of threads, not even in the last bit. The loops over
blocks and steps are compiled once and kept on disk; a potential is handed to them as a function of a whole block, so
that a new one costs a fraction of a second.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp
from sympy.printing.pycode import PythonCodePrinter

from empirical import counter_normals
from empirical.compiled_functions import around, cosine, exponential, reflected, sine
from empirical.counter_normals import fill_normal, fill_uniform
from theory.jit import ENGINE, njit
from theory.parallel import processors
from theory.potentials import Potential

BLOCK = 128  # chains; 2 to 5 coordinates of each, positions and noise, fit into 16 KB
_WORTH_A_THREAD = 200_000  # chain-steps; starting one takes about 0.1 ms
_SPACE, _TORUS, _BOX = range(3)
_KINDS = {"space": _SPACE, "torus": _TORUS, "box": _BOX}


def available(potential: Potential, adjusted: bool) -> bool:
    """Whether this potential's steps can be compiled: numba is there, and knows every function in the formula."""
    return ENGINE == "numba" and _fields(*_shape(potential), adjusted) is not None


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
    fields, constants = _fields(*_shape(potential), adjusted), _constants(potential)
    if fields is None:
        raise ValueError(f"the steps of {potential.name!r} cannot be compiled")
    chains, domain = len(position), potential.domain
    out, accepted = np.array(position, dtype=float, order="C"), np.zeros(chains)
    key, increment = counter_normals.keys(seed, chains)
    lower, upper = np.array(domain.lower, float), np.array(domain.upper, float)
    run, kind = _loop(adjusted), _KINDS[domain.kind]

    def of_slice(part: slice) -> None:
        own = (out[part], accepted[part], key[part], increment[part])
        run(*own, count, temperatures, step_size, kind, lower, upper - lower, constants, *fields)

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
def _shape(potential: Potential) -> tuple[sp.Expr, tuple[sp.Symbol, ...]]:
    """What a compilation depends on: the formula with symbols for its floats, and its variables."""
    symbols = {value: sp.Symbol(f"constant_{k}", real=True) for k, value in enumerate(_floats(potential))}
    return potential.expression.xreplace(symbols), potential.variables


def _field_type() -> Any:
    """Of a function that fills out[d, c], (rows, n), from the first n columns of x (D, n)."""
    from numba import types

    array = types.float64[:, ::1]
    return types.void(array, array, types.int64, types.float64[::1])


@lru_cache(maxsize=256)
def _fields(formula: sp.Expr, variables: tuple[sp.Symbol, ...], adjusted: bool) -> tuple[Any, ...] | None:
    """The slopes at a block of chains, and where steps are adjusted the values before them, as compiled functions.

    None where numba does not know a function in the formula.
    """
    from numba.core.errors import NumbaError

    wanted = [[formula]] * adjusted + [[formula.diff(v) for v in variables]]
    try:
        return tuple(_field(variables, expressions) for expressions in wanted)
    except NumbaError:
        return None


def _field(variables: Sequence[sp.Symbol], expressions: Sequence[sp.Expr]) -> Any:
    from numba import njit as compiled  # with the types, so that it compiles here

    names: dict[str, Any] = {**vars(math), "sin": sine, "cos": cosine, "exp": exponential}
    exec(_source(variables, expressions), names)
    return compiled(_field_type(), nogil=True, error_model="numpy")(names["fill"])


def _source(variables: Sequence[sp.Symbol], expressions: Sequence[sp.Expr]) -> str:
    """The function that fills out[d, c] with expression d at the columns c of x, written out for this potential.

    As `sympy.lambdify` would write it, but as the body of the loop: calls of a function for one column, even inlined,
    and loops over d keep compilers from taking several columns at once, which costs a factor of 4.
    """
    x, c, constants = sp.IndexedBase("x"), sp.Symbol("c", integer=True), sp.IndexedBase("constants")
    entries: dict[sp.Basic, sp.Expr] = {v: x[d, c] for d, v in enumerate(variables)}
    free = set().union(*(e.free_symbols for e in expressions)) - set(variables)
    entries |= {v: constants[int(str(v).rpartition("_")[2])] for v in free}
    columns = [e.xreplace(entries) if e.free_symbols else sp.Float(e) for e in expressions]
    common, columns = sp.cse(columns, symbols=sp.numbered_symbols("common_"))
    printer = PythonCodePrinter({"fully_qualified_modules": False, "inline": True, "allow_unknown_functions": True})
    lines = [f"{symbol} = {printer.doprint(part)}" for symbol, part in common]
    lines += [f"out[{d}, c] = {printer.doprint(column)}" for d, column in enumerate(columns)]
    return "\n".join(["def fill(x, out, n, constants):", " for c in range(n):", *(f"  {line}" for line in lines)])


@lru_cache(maxsize=2)
def _loop(adjusted: bool) -> Any:
    """The compiled loop, from numba's files where an earlier process compiled it."""
    from numba import njit as compiled
    from numba import types

    numbers, keys = types.float64[::1], types.uint64[::1]
    field = types.FunctionType(_field_type())
    signature = types.void(types.float64[:, ::1], numbers, keys, keys, types.int64, numbers, types.float64, types.int64,
                           numbers, numbers, numbers, *[field] * (1 + adjusted))  # fmt: skip
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "cache": True}
    return compiled(signature, **options)(_adjusted if adjusted else _plain)


@njit(inline="always", error_model="numpy")
def _move(x, noise, slopes, scale, h, n, y, kind, lower, size):  # type: ignore[no-untyped-def]  # all numba's
    """y = x + scale * noise - h * slopes, folded; noise becomes the move."""
    for d in range(len(x)):
        for c in range(n):
            noise[d, c] = scale * noise[d, c] - h * slopes[d, c]
            y[d, c] = x[d, c] + noise[d, c]
        if kind == _TORUS:
            for c in range(n):
                y[d, c] = around(y[d, c], lower[d], size[d])
        elif kind == _BOX:
            for c in range(n):
                y[d, c] = reflected(y[d, c], lower[d], size[d])


def _plain(  # type: ignore[no-untyped-def]  # all numba's; see `advance`
    position, accepted, key, increment, count, temperatures, h, kind, lower, size, constants, slope
):
    """x <- x - h grad U + sqrt(2 h T) noise."""
    dimension = position.shape[1]
    x, noise, slopes = np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK))
    for start in range(0, len(position), BLOCK):
        n = min(BLOCK, len(position) - start)
        for c in range(n):
            for d in range(dimension):
                x[d, c] = position[start + c, d]
        own, way = key[start : start + n], increment[start : start + n]
        for k in range(len(temperatures)):
            fill_normal(noise, own, way, np.uint64((count + k) * (dimension + 1)))
            slope(x, slopes, n, constants)
            _move(x, noise, slopes, np.sqrt(2 * h * temperatures[k]), h, n, x, kind, lower, size)
        for c in range(n):
            for d in range(dimension):
                position[start + c, d] = x[d, c]


def _adjusted(  # type: ignore[no-untyped-def]  # as `_plain`
    position, accepted, key, increment, count, temperatures, h, kind, lower, size, constants, value, slope
):
    """The same step, accepted with the probability that keeps exp(-U/T): Metropolis and Hastings."""
    dimension = position.shape[1]
    x, y, noise = np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK))
    here, then = np.empty((1, BLOCK)), np.empty((1, BLOCK))  # U
    slopes, new_slopes = np.empty((dimension, BLOCK)), np.empty((dimension, BLOCK))
    uniform, ratio, taken = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK, np.bool_)
    for start in range(0, len(position), BLOCK):
        n = min(BLOCK, len(position) - start)
        for c in range(n):
            for d in range(dimension):
                x[d, c] = position[start + c, d]
        value(x, here, n, constants)
        slope(x, slopes, n, constants)
        own, way = key[start : start + n], increment[start : start + n]
        for k in range(len(temperatures)):
            t, first = temperatures[k], np.uint64((count + k) * (dimension + 1))
            fill_normal(noise, own, way, first)
            fill_uniform(uniform, own, way, first + np.uint64(dimension))
            _move(x, noise, slopes, np.sqrt(2 * h * t), h, n, y, kind, lower, size)
            value(y, then, n, constants)
            slope(y, new_slopes, n, constants)
            for c in range(n):
                ratio[c] = then[0, c] - here[0, c]
            for d in range(dimension):
                for c in range(n):
                    back, forth = -noise[d, c] + h * new_slopes[d, c], noise[d, c] + h * slopes[d, c]
                    ratio[c] += (back * back - forth * forth) / (4 * h)
                if kind == _BOX:
                    for c in range(n):
                        if not lower[d] <= x[d, c] + noise[d, c] <= lower[d] + size[d]:
                            ratio[c] = np.inf  # a proposal beyond a wall is refused
            for c in range(n):
                chance = exponential(min(-ratio[c] / t, 0.0))
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
