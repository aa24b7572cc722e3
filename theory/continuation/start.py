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
    """H_i = a_i f_i + b_i (x_i^d_i - x_0^d_i) with (a, b) from (0, gamma) to (scale, 0): prod(d_i) paths.

    gamma: random on the unit circle, one for each equation. Raises TooManyPathsError before anything large is made.
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
    of_target, of_start = recorder.parameters(n), recorder.parameters(n)
    infinity = recorder.homogenising[0]
    mixed = [
        a * recorder.homogenised(f) + b * (x**d - infinity**d)
        for a, f, b, x, d in zip(of_target, squared, of_start, recorder.unknowns, degrees, strict=True)
    ]
    tape = recorder.tape(mixed)
    gamma = np.exp(2j * np.pi * rng.random(n))
    sample = np.exp(2j * np.pi * rng.random((20, n + 1)))
    values, _ = evaluate(tape, sample, np.concatenate([np.ones(n), np.zeros(n)]))
    size = np.sqrt((np.abs(values) ** 2).mean(axis=0))
    scale = 1 / np.where(size > 0, size, 1.0)
    parameters = np.array([np.concatenate([np.zeros(n), gamma]), np.concatenate([scale, np.zeros(n)])])
    return Homotopy(tape, _roots_of_unity(degrees), parameters, reduced, (tuple(range(n)),), "total-degree")


def _roots_of_unity(degrees: list[int]) -> np.ndarray:
    """All solutions of x_i^d_i = 1, with a last coordinate 1: (prod(d), n + 1)."""
    index = np.indices(degrees).reshape(len(degrees), -1).T
    points = np.exp(2j * np.pi * index / np.array(degrees))
    return np.hstack([points, np.ones((len(points), 1))])
