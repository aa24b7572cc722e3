"""Descents on the population loss of ReLU nets, all runs compiled at once, against a loop over runs in numpy."""

import time
from dataclasses import dataclass

import numpy as np

from theory.teacher_student import descend, starts

PI = np.pi
WANTED = {6: 12.0, 12: 5.0}  # size: times as fast


@dataclass(frozen=True)
class Descents:
    """CPU seconds a run, k student and k teacher neurons; apart: largest difference of the losses both end at."""

    k: int
    runs: int
    loop: float
    ours: float
    apart: float

    @property
    def ratio(self) -> float:
        return self.loop / self.ours


def one_descent(w: np.ndarray, step: float, max_steps: int = 100_000) -> float:
    """The loop to beat: one run, plain numpy, angles shared by loss and gradient, no wasted products.

    w: (k, k); stops at a loss below 1e-4 or a gradient below 1e-9, as `descend` does; the loss there.
    """
    k = w.shape[1]
    value = np.inf
    for _ in range(max_steps):
        size = np.sqrt((w * w).sum(1))
        u = w / size[:, None]
        c, b = np.clip(u @ u.T, -1, 1), np.clip(u, -1, 1)
        s, rest, sine = np.sqrt(1 - c * c), PI - np.arccos(c), np.sqrt(1 - b * b)
        np.fill_diagonal(s, 0)
        np.fill_diagonal(rest, PI)
        inner = (s @ size)[:, None] * u + rest @ w
        outer = sine.sum(1)[:, None] * u + PI - np.arccos(b)
        value = (k * (PI + k - 1) + (inner * w).sum() - 2 * (outer * w).sum()) / (4 * PI)
        g = (inner - outer) / (2 * PI)
        if value < 1e-4 or np.sqrt((g * g).sum()) < 1e-9:
            break
        w = w - step * g
    return float(value)


def measure(k: int, runs: int, seed: int = 1) -> Descents:
    """Both ways from the same starts, in double precision, compiled before the clock starts."""
    begin, step = starts(runs, k, k, seed), min(0.5, 5 / k)
    descend(begin[:1], step)
    clock = time.process_time()
    many = descend(begin, step)
    ours, clock = time.process_time() - clock, time.process_time()
    single = [one_descent(w, step) for w in begin]
    loop = time.process_time() - clock
    return Descents(k, runs, loop / runs, ours / runs, float(np.abs(many.loss - single).max()))
