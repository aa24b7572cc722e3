"""Boxes that hold exactly one zero each, in exact numbers: their distance from a point, and which of them meet."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

Dyadic = tuple[int, int]  # (a, b) stands for a * 2^b
SLACK_BITS = 2  # a proof has this factor (4) to spare: the zero lies in the inner quarter of its box


@dataclass(frozen=True)
class Box:
    """A proof that one zero is in a box: what the theorem of `theory.continuation.krawczyk` needs, exactly.

    midpoint: (real, imaginary) for each coordinate; radii: b for the radius 2^b, None for a coordinate held constant
    matrix: Y, rows of (real, imaginary); precision: bits that sufficed
    """

    midpoint: tuple[tuple[Dyadic, Dyadic], ...]
    radii: tuple[int | None, ...]
    matrix: tuple[tuple[tuple[Dyadic, Dyadic], ...], ...]
    precision: int
    reality: Literal["real", "not real", "undecided"]


def fraction(number: Dyadic) -> Fraction:
    return Fraction(number[0]) * Fraction(2) ** number[1]


def dyadic(value: float) -> Dyadic:
    numerator, denominator = value.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()


def distance(point: Sequence[complex], box: Box) -> float:
    """An upper bound of the largest distance of a coordinate of the zero from that of the point."""
    worst = 0.0
    for z, pair, radius in zip(point, box.midpoint, _radii(box), strict=True):
        parts = zip((z.real, z.imag), pair, strict=True)
        far = [float(abs(fraction(middle) - Fraction(float(part))) + radius) for part, middle in parts]
        worst = max(worst, math.hypot(*far))
    return worst * (1 + 2.0**-48) + 2.0**-1060  # more than all roundings above


def _radii(box: Box) -> list[Fraction]:
    return [Fraction(0) if b is None else fraction((1, b)) for b in box.radii]


def meetings(boxes: Sequence[Box | None]) -> dict[int, set[int]]:
    """For each box that meets others, which ones.

    A sweep over a projection to a line leaves few pairs, which are compared exactly.
    """
    present = [k for k, box in enumerate(boxes) if box is not None]
    if len(present) < 2:
        return {}
    low, high = _shadows([box for box in boxes if box is not None])
    found: dict[int, set[int]] = {}
    active: list[int] = []
    for place in np.argsort(low, kind="stable"):
        active = [other for other in active if high[other] >= low[place]]
        for other in active:
            i, j = present[place], present[other]
            if not _apart(boxes[i], boxes[j]):
                found.setdefault(i, set()).add(j)
                found.setdefault(j, set()).add(i)
        active.append(int(place))
    return found


def _shadows(boxes: Sequence[Box]) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of a projection of each box to a fixed line, rounding included: (p,), (p,)."""
    flat = [[number for pair in box.midpoint for number in pair] for box in boxes]
    middles = np.array([[float(fraction(number)) for number in row] for row in flat])  # (p, 2 K)
    radii = np.array([[float(r) for r in _radii(box) for _ in range(2)] for box in boxes])
    direction = np.random.default_rng(0).normal(size=middles.shape[1])
    rounding = (middles.shape[1] + 4) * 2.0**-51 * (np.abs(middles) @ np.abs(direction)) + 2.0**-1000
    half = (radii @ np.abs(direction)) * (1 + 2.0**-40) + rounding
    return middles @ direction - half, middles @ direction + half


def _apart(first: Box | None, second: Box | None) -> bool:
    if first is None or second is None:
        return True
    return any(
        abs(fraction(a) - fraction(b)) > r + s
        for z, w, r, s in zip(first.midpoint, second.midpoint, _radii(first), _radii(second), strict=True)
        for a, b in zip(z, w, strict=True)
    )


def same_zero(first: Box, second: Box) -> bool:
    """The zero of the first box lies in the second one, which has only one: they share it."""
    return all(
        abs(fraction(a) - fraction(b)) + r / 2**SLACK_BITS <= s
        for z, w, r, s in zip(first.midpoint, second.midpoint, _radii(first), _radii(second), strict=True)
        for a, b in zip(z, w, strict=True)
    )
