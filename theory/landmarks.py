"""What a potential looks like around its minima at a temperature: how low it is, and where cells should be cut.

The wells that a potential names and the minima that `theory.minima` finds are taken together: the search is no proof
that there are no more.
"""

import math
from functools import lru_cache

import numpy as np

from theory.minima import Minimum, find_minima, minimum_at
from theory.potentials import Potential

HIGH = 36.0  # temperatures above a minimum that count as far: exp(-36) = 2e-16
MANY = 10  # planes across one axis, in 3-D


@lru_cache(maxsize=256)
def landmarks(potential: Potential) -> tuple[Minimum, ...]:
    """The minima found, and the centres of the named wells, lowest first; of sets of minima many points."""
    named = [minimum_at(potential, well.centre) for well in potential.wells]
    return tuple(sorted([*named, *find_minima(potential)], key=lambda minimum: minimum.depth))


def lowest(potential: Potential) -> float:
    """The least value of U known. Raises ValueError where there is none, or none that is finite."""
    if potential.bumps:
        return float(potential.value(np.array([bump.centre for bump in potential.bumps])).min())
    known = landmarks(potential)
    if not known or not math.isfinite(known[0].depth):
        raise ValueError(
            f"no minimum of {potential.name!r} was found: name its wells, or give a box or a torus around them"
        )
    return known[0].depth


@lru_cache(maxsize=512)
def planes(potential: Potential, temperature: float) -> tuple[tuple[float, ...], ...]:
    """Where to cut each axis: through every minimum that matters and where U is far above it, on either side.

    Sets of minima, points of which were found, are cut through their middle and beyond their ends.
    """
    known = [m for m in landmarks(potential) if m.depth - lowest(potential) < 50 * temperature]
    isolated, sets = [m for m in known if not m.flat], [m for m in known if m.flat]
    cuts: list[set[float]] = [set() for _ in potential.variables]
    extents = [ends(potential, minimum, temperature) for minimum in (*isolated, *sets)]
    for minimum, (low, high) in zip(isolated, extents, strict=False):
        for axis, centre in enumerate(minimum.centre):
            cuts[axis] |= {centre, low[axis], high[axis]}
    if sets:
        centres = np.array([minimum.centre for minimum in sets])
        low = np.min([low for low, _ in extents[len(isolated) :]], axis=0)
        high = np.max([high for _, high in extents[len(isolated) :]], axis=0)
        middle = np.median(centres, axis=0)
        for axis in range(potential.dimension):
            cuts[axis] |= {low[axis], middle[axis], high[axis]}
    return tuple(_thinned(sorted(v for v in of if math.isfinite(v)), potential.dimension) for of in cuts)


def _thinned(cuts: list[float], dimension: int) -> tuple[float, ...]:
    """In 3-D the number of cells is that of the planes cubed: only some are kept, the outermost among them."""
    if dimension < 3 or len(cuts) <= MANY:
        return tuple(float(cut) for cut in cuts)
    return tuple(float(cuts[k]) for k in np.linspace(0, len(cuts) - 1, MANY).round().astype(int))


def ends(potential: Potential, minimum: Minimum, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """How far the mass around a minimum reaches along each axis, (D,) downwards and upwards; infinite if unknown."""
    low, high = reach(potential, minimum, HIGH * temperature)
    if not minimum.flat:
        wide = 8 * math.sqrt(temperature) * np.array(minimum.widths)
        low, high = np.minimum(low, minimum.centre - wide), np.maximum(high, minimum.centre + wide)
    return low, high


def reach(potential: Potential, minimum: Minimum, height: float) -> tuple[np.ndarray, np.ndarray]:
    """Where U first is `height` above a minimum along each axis, (D,) downwards and upwards; infinite if nowhere."""
    centre, distances = np.array(minimum.centre), np.geomspace(1e-8, 1e6, 29 * 14 + 1)  # by factors of 1.08
    found = np.full((2, len(centre)), math.inf)
    for side, sign in enumerate((-1, 1)):
        for axis in range(len(centre)):
            points = np.tile(centre, (len(distances), 1))
            points[:, axis] += sign * distances
            with np.errstate(all="ignore"):
                risen = ~(potential.value(points) < minimum.depth + height)  # true for NaN too
            if potential.domain.kind != "space":
                risen |= ~potential.domain.contains(points)
            if risen.any():
                found[side, axis] = distances[np.argmax(risen)]
    return centre - found[0], centre + found[1]
