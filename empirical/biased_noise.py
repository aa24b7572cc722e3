"""Langevin steps whose noise is not what theory asks for: a sampler that the checks must tell from the right one."""

import math
from collections.abc import Sequence

import numpy as np

from empirical.langevin import Langevin


def sample(
    start: np.ndarray,
    kernel: Langevin,
    steps: int,
    *,
    every: int,
    mean: Sequence[float],
    variance: Sequence[float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Positions (records, chains, D) of plain steps x <- x - h grad U + h mean + sqrt(2 h T variance) noise.

    mean, variance: by coordinate; with 0 and 1 these are the steps of `langevin`
    """
    potential, h = kernel.potential, kernel.step_size
    shift, size = h * np.asarray(mean), np.sqrt(2 * h * kernel.temperature * np.asarray(variance))
    position, records = start, []
    for k in range(1, steps + 1):
        noise = shift + size * rng.standard_normal(position.shape)
        position = potential.domain.fold(position - h * potential.gradient(position) + noise)
        if k % every == 0:
            records.append(position)
    if not math.isfinite(abs(position).max()):
        raise ValueError(f"a chain left for infinity: choose steps smaller than {h}")
    return np.stack(records)
