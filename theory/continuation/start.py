"""Start systems whose solutions are known: the total-degree start."""

import math

import numpy as np

from theory.continuation.homotopy import Homotopy, Reduced, square_up
from theory.continuation.tape import Recorder, evaluate


class TooManyPathsError(ValueError):
    """The chosen start system has more paths than allowed."""

    @classmethod
    def of(cls, paths: int, allowed: int, start: str) -> "TooManyPathsError":
        return cls(
            f"the {start} start needs {paths} paths, more than max_paths = {allowed}: raise max_paths to track them all"
        )


def total_degree(reduced: Reduced, seed: int, max_paths: int) -> Homotopy:
    """H_i = a_i f_i + b_i x_i^d_i + c_i x_0^d_i: prod(d_i) paths.

    (a, b, c) run from (0, gamma, -gamma r) to (scale, 0, 0), with gamma and r random on the unit circle.

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
    sample = np.exp(2j * np.pi * rng.random((20, n + 1)))
    values, _ = evaluate(tape, sample, np.repeat([1, 0, 0], n))
    size = np.sqrt((np.abs(values) ** 2).mean(axis=0))
    scale = 1 / np.where(size > 0, size, 1.0)
    parameters = np.array([[np.zeros(n), gamma, -gamma * radicands], [scale, np.zeros(n), np.zeros(n)]])
    starts = _roots(radicands, degrees)
    return Homotopy(
        tape, starts, parameters.reshape(2, -1), reduced, (tuple(range(n)),), f"total degree: {count} paths"
    )


def _roots(radicands: np.ndarray, degrees: list[int]) -> np.ndarray:
    """All solutions of x_i^d_i = r_i, with a last coordinate 1: (prod(d), n + 1)."""
    exponents = np.array(degrees)
    index = np.indices(degrees).reshape(len(degrees), -1).T
    points = radicands ** (1 / exponents) * np.exp(2j * np.pi * index / exponents)
    return np.hstack([points, np.ones((len(points), 1))])
