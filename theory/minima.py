"""Where the minima of a potential are: searched by descent from many starts, not proved to be all."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import optimize

from theory.potentials import Potential

AT_MOST = 8  # isolated minima kept, the lowest
STARTS = 48
SINGULAR = 1e-9  # smallest curvature over the largest (or 1)
SCAN = 4001  # points at which a potential in one unknown is looked at


@dataclass(frozen=True)
class Minimum:
    """A minimum found: where, how low, and the widths (D,) at T = 1 by its Hessian, infinite where that is singular."""

    centre: tuple[float, ...]
    depth: float
    widths: tuple[float, ...]

    @property
    def flat(self) -> bool:
        """Whether it may be one point of a set of minima, or rise more slowly than a square."""
        return math.inf in self.widths


@lru_cache(maxsize=256)
def find_minima(potential: Potential) -> tuple[Minimum, ...]:
    """The lowest minima found in the domain, lowest first; of sets of minima points that are some way apart.

    Descents from random starts (on all of space at distances from 0.1 to 1000 from 0), in one unknown also from every
    dip of a scan, each polished by Newton's method. A search, no proof: a narrow dip between all starts is missed.
    """
    found: list[Minimum] = []
    with np.errstate(all="ignore"):
        ends = [end for start in _starts(potential) if (end := _descend(potential, start)) is not None]
    for end in sorted(ends, key=lambda minimum: minimum.depth):
        if not any(_same(end, other) for other in found):
            found.append(end)
    isolated = [minimum for minimum in found if not minimum.flat]
    return tuple(minimum for minimum in found if minimum.flat or minimum in isolated[:AT_MOST])


def minimum_at(potential: Potential, point: tuple[float, ...]) -> Minimum:
    """A point (D,) that is known to be a minimum."""
    at = np.array(point, dtype=float)
    with np.errstate(all="ignore"):
        return Minimum(tuple(point), float(potential.value(at[None])[0]), _widths(potential, at))


def _same(a: Minimum, b: Minimum) -> bool:
    near = [
        1e-5 * (1 + abs(v)) if math.isfinite(w) else 0.1 * (1 + abs(v)) for v, w in zip(b.centre, b.widths, strict=True)
    ]
    return all(abs(x - y) <= e for x, y, e in zip(a.centre, b.centre, near, strict=True))


def _starts(potential: Potential) -> np.ndarray:
    """Starting points (p, D)."""
    rng, dimension, domain = np.random.default_rng(0), potential.dimension, potential.domain
    if domain.kind == "space":
        normal = rng.normal(size=(STARTS, dimension))
        starts = np.geomspace(0.1, 1e3, STARTS)[:, None] * normal / np.linalg.norm(normal, axis=1, keepdims=True)
        line = np.sinh(np.linspace(-math.asinh(1e4), math.asinh(1e4), SCAN)) / 10
    else:
        starts = rng.uniform(domain.lower, domain.upper, (STARTS, dimension))
        line = np.linspace(domain.lower[0], domain.upper[0], SCAN)
    if dimension > 1:
        return np.concatenate([starts, np.array([well.centre for well in potential.wells]).reshape(-1, dimension)])
    values = np.concatenate([[np.inf], potential.value(line[:, None]), [np.inf]])
    dips = np.flatnonzero((values[1:-1] <= values[:-2]) & (values[1:-1] <= values[2:]) & np.isfinite(values[1:-1]))
    return line[dips[np.argsort(values[1:-1][dips])][:STARTS]][:, None]


def _descend(potential: Potential, start: np.ndarray) -> Minimum | None:
    """Where the descent from one start (D,) ends; None where it ends at no minimum."""
    domain = potential.domain
    bounds = None if domain.kind == "space" else list(zip(domain.lower, domain.upper, strict=True))
    scale = max(1.0, abs(float(potential.value(start[None])[0])))
    if not math.isfinite(scale):
        return None
    end = optimize.minimize(
        lambda x: (potential.value(x[None])[0] / scale, potential.gradient(x[None])[0] / scale),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
    ).x
    for _ in range(20):
        gradient, hessian = potential.gradient(end[None])[0], potential.hessian(end[None])[0]
        if not (np.isfinite(gradient).all() and np.isfinite(hessian).all()):
            return None
        curvatures = np.linalg.eigvalsh(hessian)
        if not curvatures[0] > SINGULAR * max(1.0, curvatures[-1]):
            break
        new = end - np.linalg.solve(hessian, gradient)
        if bounds is not None:
            new = np.clip(new, domain.lower, domain.upper)
        if not potential.value(new[None])[0] <= potential.value(end[None])[0]:
            break
        end = new
    depth = float(potential.value(end[None])[0])
    if not math.isfinite(depth) or np.abs(end).max() > 1e5:
        return None
    return Minimum(tuple(end.tolist()), depth, _widths(potential, end))


def _widths(potential: Potential, point: np.ndarray) -> tuple[float, ...]:
    hessian = potential.hessian(point[None])[0]
    values = np.linalg.eigvalsh(hessian) if np.isfinite(hessian).all() else np.zeros(1)
    if not values[0] > SINGULAR * max(1.0, values[-1]):
        return (math.inf,) * len(point)
    return tuple(np.sqrt(np.diag(np.linalg.inv(hessian))).tolist())
