"""Domains of a potential and regions in them: all of space, boxes, tori; balls, boxes and what lies outside."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np

Point = tuple[float, ...]


def _point(values: Any, name: str) -> Point:
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str) or not all(map(is_number, values)):
        raise TypeError(f"{name} must be a sequence of numbers, got {values!r}")
    if any(math.isnan(v) for v in values):
        raise ValueError(f"{name} must not be NaN, got {tuple(values)}")
    return tuple(float(v) for v in values)


def is_number(value: Any) -> bool:
    """Whether a value is a real number; truth values are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


@dataclass(frozen=True)
class Domain:
    """Where a potential lives: all of space, a box with reflecting walls, or a torus whose opposite faces are one."""

    kind: Literal["space", "box", "torus"] = "space"
    lower: Point = ()
    upper: Point = ()

    def __post_init__(self) -> None:
        if self.kind not in ("space", "box", "torus"):
            raise ValueError(f"unknown domain {self.kind!r}: choose 'space', 'box' or 'torus'")
        for name in ("lower", "upper"):
            object.__setattr__(self, name, _point(getattr(self, name), f"the {name} bounds of a {self.kind}"))
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", _point(self.centre, "the centre of a ball"))
        if not (is_number(self.radius) and math.isfinite(self.radius) and self.radius > 0):
            raise ValueError(f"the radius of a ball must be positive and finite, got {self.radius!r}")
        if not all(math.isfinite(v) for v in self.centre):
            raise ValueError(f"the centre of a ball must be finite, got {self.centre}")

    def contains(self, points: Any) -> Any:
        """Whether each of the points (..., D), array or tensor, lies in the ball: (...) booleans."""
        return sum((points[..., i] - c) ** 2 for i, c in enumerate(self.centre)) <= self.radius**2


@dataclass(frozen=True)
class Box:
    """The points between two corners; a side may be infinite."""

    lower: Point
    upper: Point

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", _point(self.lower, "the lower corner of a box"))
        object.__setattr__(self, "upper", _point(self.upper, "the upper corner of a box"))
        if len(self.lower) != len(self.upper) or not all(a < b for a, b in zip(self.lower, self.upper, strict=True)):
            raise ValueError(
                f"a box needs two corners with as many numbers, lower < upper, got {self.lower} and {self.upper}"
            )

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

    def __post_init__(self) -> None:
        if not isinstance(self.region, Ball | Box):
            raise TypeError(f"what lies outside must be that of a Ball or a Box, got {self.region!r}")

    def contains(self, points: Any) -> Any:
        """Whether each of the points (..., D), array or tensor, lies outside: (...) booleans."""
        return ~self.region.contains(points)


Region = Ball | Box | Outside


def check_region(region: Region, domain: Domain, dimension: int) -> Region:
    """The region, infinite sides of a box cut at the domain's bounds.

    Raises TypeError where it is none, ValueError where it has other dimensions or reaches beyond the domain.
    """
    if isinstance(region, Outside):
        inner = check_region(region.region, domain, dimension)
        return region if isinstance(inner, Outside) else Outside(inner)
    if not isinstance(region, Ball | Box):
        raise TypeError(f"a region must be a Ball, a Box or what lies Outside one, got {region!r}")
    size = len(region.centre if isinstance(region, Ball) else region.lower)
    if size != dimension:
        raise ValueError(f"the region has {size} dimensions, the potential {dimension}: {region}")
    if domain.kind == "space":
        return region
    if isinstance(region, Box):
        low = tuple(b if a == -math.inf else a for a, b in zip(region.lower, domain.lower, strict=True))
        high = tuple(b if a == math.inf else a for a, b in zip(region.upper, domain.upper, strict=True))
        ends = low, high
    else:
        ends = tuple(c - region.radius for c in region.centre), tuple(c + region.radius for c in region.centre)
    slack = [1e-12 * (b - a) for a, b in zip(domain.lower, domain.upper, strict=True)]
    below = any(a < b - e for a, b, e in zip(ends[0], domain.lower, slack, strict=True))
    if below or any(a > b + e for a, b, e in zip(ends[1], domain.upper, slack, strict=True)):
        raise ValueError(
            f"{region} reaches beyond the {domain.kind} from {domain.lower} to {domain.upper}: give its part inside"
        )
    return Box(*ends) if isinstance(region, Box) else region


def _like(values: Sequence[float], points: Any) -> Any:
    return np.asarray(values) if isinstance(points, np.ndarray) else points.new_tensor(values)
