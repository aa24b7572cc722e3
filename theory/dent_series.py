"""Integrals of exp(-U/T) in any dimension, where U is minus a sum of axis-parallel Gaussian dents."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from theory.potentials import Potential, images
from theory.regions import Box

MAX_TERMS = 2e7


def series(potential: Potential, temperature: float, region: Box, floor: float = 0.0) -> tuple[float, float]:
    """Integral of exp(-(U - floor)/T) over a box, and its error, by the power series of exp(sum of dents / T).

    Every term is positive and a product over the axes. The error is the tail of the series plus the change on doubling
    the nodes. Raises ValueError where the series has more than MAX_TERMS terms: the temperature is too low.
    """
    rates = [bump.depth / temperature for bump in potential.bumps]
    orders = [int(rate + 12 * math.sqrt(rate) + 40) for rate in rates]
    terms = math.prod(n + 1 for n in orders)
    if terms > MAX_TERMS:
        raise ValueError(
            f"the series of {potential.name!r} has {terms:.2g} terms at T = {temperature:g}, "
            f"more than {MAX_TERMS:.2g}: give a higher temperature, or use `laplace`"
        )
    logs = np.zeros([n + 1 for n in orders])
    for k, (rate, order) in enumerate(zip(rates, orders, strict=True)):
        powers = np.arange(order + 1)
        shape = [-1 if j == k else 1 for j in range(len(rates))]
        logs = logs + (powers * math.log(rate) - special.gammaln(powers + 1)).reshape(shape)
    coarse, fine = (_series_sum(potential, region, logs + floor / temperature, panels) for panels in (40, 80))
    tail = sum(float(special.gammainc(order + 1, rate)) for rate, order in zip(rates, orders, strict=True))
    volume = math.prod(b - a for a, b in zip(region.lower, region.upper, strict=True))
    lowest = potential.value(np.array([bump.centre for bump in potential.bumps])).min()
    return fine, (abs(fine - coarse) + 1e-14 * fine + tail * volume * math.exp((floor - lowest) / temperature))


def _series_sum(potential: Potential, region: Box, logs: np.ndarray, panels: int) -> float:
    """Sum over all powers (k_1, ..., k_B) of exp(logs) * product over axes of the integral of prod dent_b^k_b."""
    total, known = np.zeros_like(logs), {}  # axes along which all dents look alike share one integral
    for axis, (low, high) in enumerate(zip(region.lower, region.upper, strict=True)):
        shapes = tuple(
            (tuple(images(bump, axis, potential.domain)) if bump.precision[axis] else (), bump.precision[axis])
            for bump in potential.bumps
        )
        if (low, high, shapes) not in known:
            known[low, high, shapes] = _log_products(low, high, shapes, logs.shape, panels)
        total += known[low, high, shapes]
    return float(np.exp(special.logsumexp(logs + total)))


def _log_products(
    low: float, high: float, shapes: Sequence[tuple[tuple[float, ...], float]], sizes: Sequence[int], panels: int
) -> np.ndarray:
    """log of the integral of prod dent_b^k_b over one side, for all powers k_b < sizes_b; Gauss-Legendre on panels.

    shapes: of each dent along this axis, the centres of its copies and its precision (0: flat, no copies).
    """
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = (high - low) / panels / 2
    x = (np.linspace(low, high, panels + 1)[:-1, None] + half * (1 + nodes)).ravel()
    tables = []  # tables[b][k, node] = dent_b(node)^k
    for (centres, precision), size in zip(shapes, sizes, strict=True):
        dent = np.sum([np.exp(-precision * (x - c) ** 2 / 2) for c in centres], axis=0) if centres else np.ones_like(x)
        factors = np.vstack([np.ones_like(x), np.broadcast_to(dent, (size - 1, len(x)))])
        with np.errstate(under="ignore"):
            tables.append(np.multiply.accumulate(factors))
    letters = "abcdefgh"[: len(tables)]
    tables[0] = tables[0] * np.tile(weights * half, panels)
    rule = ",".join(f"{letter}z" for letter in letters) + f"->{letters}"
    with np.errstate(divide="ignore", under="ignore"):
        return np.log(np.einsum(rule, *tables, optimize=True))
