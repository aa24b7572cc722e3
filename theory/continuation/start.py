"""Start systems whose solutions are known: total degree and multihomogeneous."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from theory.continuation.homotopy import Homotopy, Reduced, square_up
from theory.continuation.tape import Node, Recorder, Tape, evaluate
from theory.multihomogeneous import number

_START_SIZE = 0.45  # of the start points of the total-degree start, up to degree 8; beyond that r stays the same
_SMALLEST_RADICAND = _START_SIZE**8


class StartError(ValueError):
    """The chosen start system does not apply to a system."""


class TooManyPathsError(ValueError):
    """The chosen start system has more paths than allowed."""

    @classmethod
    def of(cls, paths: int, allowed: int, start: str) -> "TooManyPathsError":
        return cls(
            f"the {start} start needs {paths} paths, more than max_paths = {allowed}: raise max_paths to track them all"
        )


def total_degree(reduced: Reduced, seed: int, max_paths: int) -> Homotopy:
    """H_i = a_i f_i + b_i x_i^d_i + c_i x_0^d_i: prod(d_i) paths.

    (a, b, c) run from (0, gamma, -gamma r) to (scale, 0, 0), with gamma random on the unit circle and r on a smaller
    one: start points near a multiple solution, and scaled ones have a size near 1, hide how paths end there.

    Raises TooManyPathsError before anything large is made.
    Source: A. Morgan, A. Sommese, Appl. Math. Comput. 24 (1987), the gamma trick.
    """
    rng = np.random.default_rng(seed)
    n = reduced.n_free
    recorder = Recorder(n)
    equations = reduced.record(recorder)
    every_degree = [recorder.degree(node)[0] for node in equations]
    squared = square_up(equations, every_degree, n, rng)
    degrees = [recorder.degree(node)[0] for node in squared]
    count = math.prod(degrees)
    if count > max_paths:
        raise TooManyPathsError.of(count, max_paths, "total-degree")
    target, power, constant = (recorder.parameters(n) for _ in range(3))
    mixed = [
        target[i] * recorder.homogenised(squared[i])
        + power[i] * recorder.unknowns[i] ** d
        + constant[i] * recorder.homogenising[0] ** d
        for i, d in enumerate(degrees)
    ]
    tape = recorder.tape(mixed)
    gamma, radicands = np.exp(2j * np.pi * rng.random((2, n)))
    radicands = radicands * np.maximum(_START_SIZE ** np.array(degrees), _SMALLEST_RADICAND)
    scale = _scales(tape, np.repeat([1, 0, 0], n), rng)
    parameters = np.array([[np.zeros(n), gamma, -gamma * radicands], [scale, np.zeros(n), np.zeros(n)]])
    starts = _roots(radicands, degrees)
    return Homotopy(tape, starts, parameters.reshape(2, -1), reduced, f"total degree: {count} paths")


def _scales(tape: Tape, target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Factors that bring the equations at the target parameters to size 1 where all coordinates have size 1."""
    sample = np.exp(2j * np.pi * rng.random((20, tape.n_coordinates)))
    size = np.sqrt((np.abs(evaluate(tape, sample, target)[0]) ** 2).mean(axis=0))
    return 1 / np.where(size > 0, size, 1.0)


def _roots(radicands: np.ndarray, degrees: list[int]) -> np.ndarray:
    """All solutions of x_i^d_i = r_i, with a last coordinate 1: (prod(d), n + 1)."""
    exponents = np.maximum(degrees, 1)  # a constant has no solution: the product is 0, and there is no start
    index = np.indices(degrees).reshape(len(degrees), -1).T
    points = radicands ** (1 / exponents) * np.exp(2j * np.pi * index / exponents)
    return np.hstack([points, np.ones((len(points), 1))])


def multihomogeneous(reduced: Reduced, groups: Sequence[Sequence[int]], seed: int, max_paths: int) -> Homotopy:
    """H_i = a_i f_i + b_i (product of random affine forms, as many in each group of unknowns as f_i has degree there).

    groups: a partition of the reduced system's unknowns. As many paths as the multihomogeneous Bezout number of it.
    Raises TooManyPathsError; StartError for systems that are not square.
    Source: A. Morgan, A. Sommese, A homotopy for solving general polynomial systems that respects m-homogeneous
    structures, Appl. Math. Comput. 24 (1987).
    """
    rng = np.random.default_rng(seed)
    n = reduced.n_free
    if reduced.n_equations != n:
        raise StartError(
            f"the multihomogeneous start needs a square system, got {reduced.n_equations} equations in {n}"
        )
    recorder = Recorder(n, groups)
    equations = reduced.record(recorder)
    degrees = [recorder.degree(node) for node in equations]
    count = number(degrees, [len(g) for g in groups])
    if count > max_paths:
        raise TooManyPathsError.of(count, max_paths, "multihomogeneous")
    forms = [
        [
            rng.normal(size=(d, len(g) + 1)) + 1j * rng.normal(size=(d, len(g) + 1))
            for d, g in zip(row, groups, strict=True)
        ]
        for row in degrees
    ]
    target, power = recorder.parameters(n), recorder.parameters(n)
    mixed = [
        target[i] * recorder.homogenised(equations[i]) + power[i] * _product(recorder, groups, forms[i])
        for i in range(n)
    ]
    tape = recorder.tape(mixed)
    target_scale, start_scale = (_scales(tape, np.repeat(which, n), rng) for which in ([1, 0], [0, 1]))
    gamma = start_scale * np.exp(2j * np.pi * rng.random(n))
    parameters = np.array([[np.zeros(n), gamma], [target_scale, np.zeros(n)]]).reshape(2, -1)
    names = [reduced.system.names[k] for k in reduced.reduction.free]
    shown = "".join("{" + ", ".join(names[k] for k in g) + "}" for g in groups)
    return Homotopy(
        tape, _meeting_points(forms, groups), parameters, reduced, f"multihomogeneous {shown}: {count} paths"
    )


def _product(recorder: Recorder, groups: Sequence[Sequence[int]], forms: list[np.ndarray]) -> Node:
    product = recorder.constant(1)
    for g, members in enumerate(groups):
        coordinates = [*(recorder.unknowns[k] for k in members), recorder.homogenising[g]]
        for form in forms[g]:
            product = product * sum((x * c for x, c in zip(coordinates, form, strict=True)), recorder.constant(0))
    return product


def _meeting_points(forms: list[list[np.ndarray]], groups: Sequence[Sequence[int]]) -> np.ndarray:
    """The points where one form of each equation vanishes, as many of a group as it has unknowns."""
    sizes = [len(g) for g in groups]
    counts = [[len(of_group) for of_group in row] for row in forms]
    choices = np.array(list(_choices(counts, sizes)), dtype=np.int64).reshape(-1, len(forms), 2)
    n = len(forms)
    points = np.ones((len(choices), n + len(groups)), dtype=np.complex128)
    for g, members in enumerate(groups):
        table = np.array(
            [np.vstack([row[g], np.zeros((max(c[g] for c in counts) - len(row[g]), sizes[g] + 1))]) for row in forms]
        )
        chosen = choices[:, :, 0] == g
        equation = np.argsort(~chosen, axis=1, kind="stable")[:, : sizes[g]]
        rows = table[equation, np.take_along_axis(choices[:, :, 1], equation, axis=1)]  # (paths, size, size + 1)
        points[:, list(members)] = np.linalg.solve(rows[:, :, :-1], -rows[:, :, -1:])[..., 0]
    return points


def _choices(counts: list[list[int]], sizes: list[int]) -> Iterator[list[tuple[int, int]]]:
    """All ways to choose a (group, factor) for each equation so that each group is chosen as often as its size."""
    if not counts:
        yield []
        return
    for g, free in enumerate(sizes):
        if free:
            rest = [size - (h == g) for h, size in enumerate(sizes)]
            for factor in range(counts[0][g]):
                for others in _choices(counts[1:], rest):
                    yield [(g, factor), *others]
