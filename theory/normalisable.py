"""Whether exp(-U/T) has a finite integral at all: asked before anything is integrated or sampled."""

import math
from functools import lru_cache

import numpy as np
from scipy import optimize

from theory.arguments import check_positive
from theory.potentials import Potential


class NotNormalisable(ValueError):
    """exp(-U/T) has no finite integral, or none that could be shown: no Boltzmann distribution to sample from."""


def check_temperature(temperature: float) -> float:
    """temperature as a float; TypeError unless it is a number, ValueError unless it is positive and finite."""
    return check_positive(temperature, "the temperature")


@lru_cache(maxsize=256)
def require_normalisable(potential: Potential, temperature: float) -> None:
    """Raise NotNormalisable unless exp(-U/T) can be shown to have a finite integral; ValueError on a bad temperature.

    On all of space U is minimised on spheres of radius 10^2, 10^3 and 10^4, from many starts. Laplace's method across
    the valley that weighs most gives the mass of each shell, which has to shrink with the radius. So a valley that runs
    to infinity is allowed if it narrows fast enough. U must not be negative at radius 10^12 by more than rounding. A
    numerical test, no proof: it sees what happens at these radii.
    """
    check_temperature(temperature)
    if potential.domain.kind != "space":
        return
    lows, masses, direction = [], [], np.zeros(0)
    for radius in (1e2, 1e3, 1e4):
        valleys = _valleys_on_sphere(potential, radius)
        shells = [_log_shell(potential, temperature, low, radius * along, radius) for low, along in valleys]
        widest = int(np.argmax(shells))
        lows.append(min(low for low, _ in valleys))
        masses.append(shells[widest])
        direction = valleys[widest][1]
    (a, b, c), (first, second, third) = lows, masses
    where = f"along the direction {np.round(direction, 3).tolist()}"
    if c < b < a and c < -1e3 * temperature:
        raise NotNormalisable(
            f"{potential.name!r} seems unbounded below: {a:.3g}, {b:.3g}, {c:.3g} at radius 1e2, 1e3, 1e4 "
            f"(there {where}); give a box or a torus"
        )
    if _falls_far_out(potential):
        raise NotNormalisable(
            f"{potential.name!r} seems unbounded below: it is negative at radius 1e12; give a box or a torus"
        )
    if not (third < second - 0.5 and second < first - 0.5) and third > -700:
        raise NotNormalisable(
            f"{potential.name!r} seems to rise too slowly {where} for exp(-U/T) to be integrable at "
            f"T = {temperature:g}: its mass did not fall from radius 1e2 to 1e4, which is no proof; give a box or a "
            "torus, or add a prior such as T*|x|^2/(2*s^2)"
        )


def _falls_far_out(potential: Potential) -> bool:
    """Whether U is negative somewhere on a sphere of radius 10^12, beside its values elsewhere there."""
    axes = np.eye(potential.dimension)
    random = np.random.default_rng(0).normal(size=(256, potential.dimension))
    directions = np.concatenate([axes, -axes, random / np.linalg.norm(random, axis=1, keepdims=True)])
    with np.errstate(all="ignore"):
        values = potential.value(1e12 * directions)
    values = values[np.isfinite(values)]
    return bool(len(values) and values.min() < -1e-6 * np.abs(values).max())


def _valleys_on_sphere(potential: Potential, radius: float) -> list[tuple[float, np.ndarray]]:
    """Low values of U on a sphere around 0, with their directions (D,).

    The lowest of the axes and of random directions, and where descents end from the four lowest and from beside the
    axes: symmetric potentials have saddles there.
    """
    dimension, rng = potential.dimension, np.random.default_rng(0)
    axes = np.concatenate([np.eye(dimension), -np.eye(dimension)])
    beside = axes + 0.01 * rng.normal(size=axes.shape)
    directions = np.concatenate([axes, beside, rng.normal(size=(256, dimension))])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        values = potential.value(radius * directions)
        if np.isnan(values).any():
            at = (radius * directions[np.isnan(values)][0]).round(3).tolist()
            raise NotNormalisable(
                f"{potential.name!r} is not a number at {at}: give a box or a torus on which it is defined"
            )
        found = [(float(values.min()), directions[values.argmin()])]
        if dimension == 1 or not np.isfinite(values.min()):
            return found
        scale = max(1.0, float(np.abs(values).min()))

        def on_sphere(v: np.ndarray) -> tuple[float, np.ndarray]:
            length = np.linalg.norm(v)
            point = radius * v[None] / length
            gradient = potential.gradient(point)[0] * radius / length
            gradient = gradient - gradient @ v * v / length**2
            return float(potential.value(point)[0]) / scale, gradient / scale

        starts = [*directions[np.argsort(values)[:4]], *directions[len(axes) : 2 * len(axes)]]
        ends = [optimize.minimize(on_sphere, start, jac=True, method="L-BFGS-B") for start in starts]
    found += [(float(end.fun * scale), end.x / np.linalg.norm(end.x)) for end in ends if np.isfinite(end.fun)]
    return found


def _log_shell(potential: Potential, temperature: float, lowest: float, point: np.ndarray, radius: float) -> float:
    """log of the Laplace estimate of the mass of the points with about this radius."""
    along = point[:, None] / radius
    across = np.linalg.svd(along, full_matrices=True)[0][:, 1:]
    with np.errstate(all="ignore"):
        hessian = potential.hessian(point[None])[0]
    if not np.isfinite(hessian).all() or not math.isfinite(lowest):
        return -lowest / temperature + potential.dimension * math.log(radius)
    curvatures = np.linalg.eigvalsh(across.T @ hessian @ across)
    widths = [min(radius, math.sqrt(2 * math.pi * temperature / c)) if c > 0 else radius for c in curvatures]
    return -lowest / temperature + math.log(radius) + float(np.sum(np.log(widths)))
