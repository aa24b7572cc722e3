"""Domains of a potential and regions in them: all of space, boxes, tori; balls, boxes and what lies outside."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Point = tuple[float, ...]


@dataclass(frozen=True)
class Domain:
    """Where a potential lives: all of space, a box with reflecting walls, or a torus whose opposite faces are one."""

    kind: Literal["space", "box", "torus"] = "space"
    lower: Point = ()
    upper: Point = ()

    def __post_init__(self) -> None:
        if self.kind not in ("space", "box", "torus"):
            raise ValueError(f"unknown domain {self.kind!r}: choose 'space', 'box' or 'torus'")
        if (self.kind == "space") != (not self.lower and not self.upper) or len(self.lower) != len(self.upper):
            raise ValueError(
                f"a {self.kind} got bounds {self.lower} and {self.upper}: box and torus need both, space none"
            )
        if any(
            not (math.isfinite(a) and math.isfinite(b) and a < b) for a, b in zip(self.lower, self.upper, strict=True)
        ):
            raise ValueError(f"bounds must be finite with lower < upper, got {self.lower} and {self.upper}")

    def contains(self, points: Any) -> Any:
        """Whether each of the points (..., D), array or tensor, lies within the bounds: (...) booleans."""
        sides = (math.inf,) * points.shape[-1]
        return Box(self.lower or tuple(-v for v in sides), self.upper or sides).contains(points)

    def fold(self, points: Any) -> Any:
        """Points (..., D), array or tensor, brought back into the domain: wrapped on a torus, reflected in a box."""
        if self.kind == "space":
            return points
        lower, size = (
            _like(self.lower, points),
            _like([b - a for a, b in zip(self.lower, self.upper, strict=True)], points),
        )
        if self.kind == "torus":
            return lower + (points - lower) % size
        return lower + size - abs((points - lower) % (2 * size) - size)


SPACE = Domain()


@dataclass(frozen=True)
class Ball:
    """The points at most `radius` away from `centre`."""

    centre: Point
    radius: float

    def contains(self, points: Any) -> Any:
        """Whether each of the points (..., D), array or tensor, lies in the ball: (...) booleans."""
        return sum((points[..., i] - c) ** 2 for i, c in enumerate(self.centre)) <= self.radius**2


@dataclass(frozen=True)
class Box:
    """The points between two corners; a side may be infinite."""

    lower: Point
    upper: Point

    def contains(self, points: Any) -> Any:
        """Whether each of the points (..., D), array or tensor, lies in the box: (...) booleans."""
        inside = points[..., 0] == points[..., 0]
        for i, (low, high) in enumerate(zip(self.lower, self.upper, strict=True)):
            inside = inside & (points[..., i] >= low) & (points[..., i] <= high)
        return inside


@dataclass(frozen=True)
class Outside:
    """The rest of the domain."""

    region: Ball | Box

    def contains(self, points: Any) -> Any:
        """Whether each of the points (..., D), array or tensor, lies outside: (...) booleans."""
        return ~self.region.contains(points)


Region = Ball | Box | Outside


def _like(values: Sequence[float], points: Any) -> Any:
    return np.asarray(values) if isinstance(points, np.ndarray) else points.new_tensor(values)
