"""Adaptive cubature over boxes that are cut into cells beforehand, and the number with an error that comes out."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from scipy import integrate

Integrand = Callable[[np.ndarray], np.ndarray]

MAX_DIMENSION = 3
ACCURACY = 1e-9  # relative, asked of every cubature where nothing else is said
IN_SPACE = 1e-6  # the least that is asked for in 3-D, where 21 nodes along each axis are 9,261


@dataclass(frozen=True)
class Estimate:
    """A number and the error that its computation owns up to (absolute)."""

    value: float
    error: float

    def __add__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.value + other.value, self.error + other.error)

    def __sub__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.value - other.value, self.error + other.error)

    def __mul__(self, other: "Estimate") -> "Estimate":
        return Estimate(self.value * other.value, abs(self.value) * other.error + abs(other.value) * self.error)

    def __truediv__(self, other: "Estimate") -> "Estimate":
        ratio = self.value / other.value
        return Estimate(ratio, (self.error + abs(ratio) * other.error) / abs(other.value))


def over_box(integrand: Integrand, lower: Sequence[float], upper: Sequence[float], accuracy: float) -> Estimate:
    """Adaptive cubature over a box, sides may be infinite. ArithmeticError if the asked accuracy is not reached."""
    # scipy 1.17 mirrors the integrand on an axis from -inf to a number: turn such axes round
    signs = np.array([-1.0 if a == -math.inf and b < math.inf else 1.0 for a, b in zip(lower, upper, strict=True)])
    low, high = np.where(signs < 0, -np.array(upper), lower), np.where(signs < 0, math.inf, upper)
    result = integrate.cubature(
        lambda points: integrand(signs * points),
        low,
        high,
        rtol=accuracy,
        atol=1e-5 * accuracy,
        max_subdivisions=20_000 if len(low) < 3 else 1000,
    )
    value, error = float(result.estimate), float(result.error)
    if not math.isfinite(value):
        raise ArithmeticError("the quadrature came out infinite: does U fall without bound inside the domain?")
    if result.status != "converged" and error > 1e-6 * abs(value):
        raise ArithmeticError(f"the quadrature stopped at {value:.6g} with an error of {error:.2g}")
    return Estimate(value, error)


def over_cells(
    integrand: Integrand,
    lower: Sequence[float],
    upper: Sequence[float],
    planes: Sequence[Sequence[float]],
    accuracy: float,
) -> Estimate:
    """Cubature over the cells into which planes across the axes, those of every axis, cut a box."""
    if len(lower) > MAX_DIMENSION:
        raise ValueError(f"quadrature without structure ends at {MAX_DIMENSION} unknowns, {len(lower)} are left here")
    pieces = []
    for low, high, across in zip(lower, upper, planes, strict=True):
        inside = _apart({cut for cut in across if low < cut < high})
        if not inside and low == -math.inf and high == math.inf:
            inside = [0.0]  # scipy 1.17 maps an axis infinite both ways to [-1, 1] with a pole in the middle
        pieces.append(list(pairwise([low, *inside, high])))
    wanted = accuracy if len(lower) < 3 else max(accuracy, IN_SPACE)
    cells = [over_box(integrand, [a for a, _ in cell], [b for _, b in cell], wanted) for cell in product(*pieces)]
    return sum(cells, start=Estimate(0.0, 0.0))


def _apart(cuts: set[float]) -> list[float]:
    """The cuts, in order, without those that repeat another up to rounding."""
    kept: list[float] = []
    for cut in sorted(cuts):
        if not kept or cut - kept[-1] > 1e-9 * (1 + abs(cut)):
            kept.append(cut)
    return kept
