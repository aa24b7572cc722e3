"""The exact side of Langevin descent: Z, masses and marginals of exp(-U/T)/Z by adaptive quadrature, errors stated.

Dimensions are cut down by structure, tried in this order: a sum of Gaussian dents is expanded in powers of the dents,
whose integrals are products; a sum of terms without common variables is a product; unknowns in which U is quadratic are
integrated in closed form; a potential symmetric around the first axis needs the half-plane (x_1, distance from it)
only; anything else is integrated as it is, up to 3-D.

Cubature sees a narrow peak only where cells are cut at it: at the wells that a potential names and at the minima that
`theory.minima` finds by a search, which is no proof that there are no more (`theory.landmarks`).

Everything is computed relative to exp(-min U / T), so that masses are right where Z itself is beyond what doubles hold.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import sympy as sp
from scipy import optimize

from theory import landmarks
from theory.cubature import ACCURACY, MAX_DIMENSION, Estimate, Integrand, over_cells
from theory.dent_series import series
from theory.gaussian_unknowns import integrated_out, quadratic_unknowns
from theory.normalisable import check_temperature, require_normalisable
from theory.potentials import Potential, check_potential
from theory.regions import Ball, Box, Outside, Region, check_region
from theory.separable import blocks

CHECKED = 6  # unknowns up to which Z is compared with what lies around each minimum


@lru_cache(maxsize=512)
def partition(potential: Potential, temperature: float) -> Estimate:
    """Z = integral of exp(-U/T) over the potential's domain.

    Raises ValueError on a temperature that is not positive, NotNormalisable (a ValueError) where Z seems infinite,
    ArithmeticError where Z is beyond what doubles hold: `log_partition` is not.
    Source: equation 9 of the 2018 review.
    """
    whole, floor = _scaled_partition(potential, temperature), _floor(potential)
    return Estimate(_exp(-floor / temperature, potential, temperature), 0.0) * whole


def log_partition(potential: Potential, temperature: float) -> Estimate:
    """The natural logarithm of Z, also where Z is too large or too small for a double. Raises as `partition`."""
    whole = _scaled_partition(potential, temperature)
    return Estimate(math.log(whole.value) - _floor(potential) / temperature, whole.error / whole.value)


@lru_cache(maxsize=512)
def _scaled_partition(potential: Potential, temperature: float) -> Estimate:
    """Z exp(min U / T)."""
    check_potential(potential)
    require_normalisable(potential, check_temperature(temperature))
    whole = _integral(potential, temperature, _whole(potential))
    _check_against_minima(potential, temperature, whole.value)
    return whole


def _floor(potential: Potential) -> float:
    """About the least value of U: the sum of those of the potentials that it is a sum of."""
    parts = blocks(potential)
    return landmarks.lowest(potential) if len(parts) == 1 else sum(_floor(part) for part, _ in parts)


def _exp(exponent: float, potential: Potential, temperature: float) -> float:
    if abs(exponent) > 690:
        raise ArithmeticError(
            f"exp(-min U/T) of {potential.name!r} at T = {temperature:g} is exp({exponent:.6g}), beyond what doubles "
            "hold: use `log_partition`, subtract a constant from U, or raise the temperature"
        )
    return math.exp(exponent)


def mass(potential: Potential, temperature: float, region: Region) -> Estimate:
    """The share of exp(-U/T)/Z that lies in the region: the probability to find a chain there in equilibrium.

    Raises ValueError on a region that reaches beyond the domain (infinite sides of a box end at it).
    """
    check_potential(potential)
    inside = check_region(region, potential.domain, potential.dimension)
    whole = _scaled_partition(potential, temperature)
    if isinstance(inside, Outside):
        return Estimate(1.0, 0.0) - _integral(potential, temperature, inside.region) / whole
    return _integral(potential, temperature, inside) / whole


def well_masses(potential: Potential, temperature: float) -> dict[str, Estimate]:
    """The mass of every well, by name."""
    return {well.name: mass(potential, temperature, well.region) for well in potential.wells}


def marginal(
    potential: Potential, temperature: float, axis: int, edges: Sequence[float] | np.ndarray, accuracy: float = 1e-6
) -> np.ndarray:
    """The masses (len(edges) - 1,) of the slabs edges_k <= x_axis < edges_(k+1): what a histogram tends to.

    accuracy: relative, asked of every slab; slabs whose error stays below accuracy * 1e-5 are accurate enough too.
    Raises ArithmeticError where the slabs do not add up to the whole between the first edge and the last.
    """
    check_potential(potential)
    _check_marginal(potential, axis, edges)
    whole = _scaled_partition(potential, temperature).value
    box = _whole(potential)

    def mass_between(low: float, high: float) -> float:
        lower, upper = list(box.lower), list(box.upper)
        lower[axis], upper[axis] = max(low, lower[axis]), min(high, upper[axis])
        if lower[axis] >= upper[axis]:
            return 0.0
        return _integral(potential, temperature, Box(tuple(lower), tuple(upper)), accuracy=accuracy).value / whole

    masses = np.array([mass_between(low, high) for low, high in pairwise(map(float, edges))])
    together = mass_between(float(edges[0]), float(edges[-1]))
    if not abs(masses.sum() - together) < max(1e-4, 100 * accuracy):  # a narrow ridge fell between all nodes of a slab
        raise ArithmeticError(f"the slabs have mass {masses.sum():.6f}, not {together:.6f}: give other edges")
    return masses


def _check_marginal(potential: Potential, axis: int, edges: Sequence[float] | np.ndarray) -> None:
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer) or not 0 <= axis < potential.dimension:
        raise ValueError(f"the axis must be one of 0 ... {potential.dimension - 1}, got {axis!r}")
    bounds = np.asarray(edges)
    if bounds.ndim != 1 or len(bounds) < 2 or bounds.dtype.kind not in "iuf" or not (np.diff(bounds) > 0).all():
        raise ValueError(f"the edges must be at least two numbers that grow, got {edges!r}")


def expectation(
    potential: Potential,
    temperature: float,
    expression: sp.Expr | float,
    region: Box | Ball | None = None,
    accuracy: float = ACCURACY,
) -> Estimate:
    """Mean of an expression in the potential's variables under exp(-U/T)/Z, counted as 0 outside a region if given.

    For an axial potential the expression must have the same symmetry.
    """
    check_potential(potential)
    require_normalisable(potential, check_temperature(temperature))
    formula = sp.Float(expression) if isinstance(expression, int | float) else expression
    factor = Potential("observable", formula, potential.variables)
    over = check_region(region or _whole(potential), potential.domain, potential.dimension)
    if isinstance(over, Outside):
        raise ValueError("expectation takes a box or a ball, not what lies outside one: subtract it from the whole")
    return _integral(potential, temperature, over, factor, accuracy) / _scaled_partition(potential, temperature)


def step_bias(
    potential: Potential,
    temperature: float,
    expression: sp.Expr | float = 1.0,
    region: Box | Ball | None = None,
    accuracy: float = ACCURACY,
) -> float:
    """First-order effect of the step size h on Langevin descent: d/dh, at h = 0, of its mean of an expression.

    The Euler-Maruyama chain samples exp(-(U + h V + O(h^2))/T) with V = (T/2) Laplacian U - |grad U|^2 / 4.
    Source: weak backward error analysis (modified equation of the scheme); first order in h is exact on quadratics.
    """
    laplacian = sp.Add(*(potential.symbolic_hessian[i][i] for i in range(potential.dimension)))
    squared = sp.Add(*(part**2 for part in potential.symbolic_gradient))
    shift = sp.Float(temperature / 2) * laplacian - squared / 4

    def mean(formula: sp.Expr | float, inside: Box | Ball | None) -> float:
        return expectation(potential, temperature, formula, inside, accuracy).value

    return -(mean(expression * shift, region) - mean(expression, region) * mean(shift, None)) / temperature


def laplace(potential: Potential, temperature: float) -> dict[str, float]:
    """Leading term for T -> 0 of the integral of exp(-U/T) over each well, by name.

    It is prefactor * exp(-U_min/T) * (2 pi T)^(codimension/2): every flat direction of a minimum gains T^(-1/2).
    Raises ArithmeticError where that is beyond what doubles hold.
    """
    check_potential(potential)
    check_temperature(temperature)
    terms = {}
    for well in potential.wells:
        depth = potential.value(np.array([well.centre]))[0]
        scale = (2 * math.pi * temperature) ** (well.codimension / 2)
        terms[well.name] = float(well.prefactor * scale * _exp(-float(depth) / temperature, potential, temperature))
    return terms


def crossover(potential: Potential, first: str, second: str, bracket: tuple[float, float]) -> float:
    """The temperature in the bracket at which two wells have the same mass; ValueError if there is none."""
    if unknown := {first, second} - {well.name for well in check_potential(potential).wells}:
        raise ValueError(
            f"{potential.name!r} has the wells {[well.name for well in potential.wells]}, not {sorted(unknown)}"
        )

    def surplus(temperature: float) -> float:
        masses = well_masses(potential, temperature)
        return math.log(masses[first].value / masses[second].value)

    if surplus(bracket[0]) * surplus(bracket[1]) > 0:
        raise ValueError(f"{first} and {second} do not change places between T = {bracket[0]} and {bracket[1]}")
    return float(optimize.brentq(surplus, *bracket, rtol=1e-6))


def _whole(potential: Potential) -> Box:
    if potential.domain.kind == "space":
        return Box((-math.inf,) * potential.dimension, (math.inf,) * potential.dimension)
    return Box(potential.domain.lower, potential.domain.upper)


def _integral(
    potential: Potential,
    temperature: float,
    region: Ball | Box,
    factor: Potential | None = None,
    accuracy: float = ACCURACY,
) -> Estimate:
    """Integral of factor * exp(-(U - floor)/T) over a region, by the first structure of the potential that fits."""
    density = _density(potential, temperature, factor)
    if isinstance(region, Ball):
        return _over_shell(potential, temperature, density, region.centre, 0.0, region.radius, accuracy)
    if potential.bumps and factor is None:
        return Estimate(*series(potential, temperature, region, _floor(potential)))
    parts = blocks(potential)
    if len(parts) > 1 and factor is None:
        factors = [
            _integral(
                part, temperature, Box(tuple(region.lower[i] for i in axes), tuple(region.upper[i] for i in axes))
            )
            for part, axes in parts
        ]
        return math.prod(factors, start=Estimate(1.0, 0.0))
    free = tuple(
        k for k in quadratic_unknowns(potential) if region.lower[k] == -math.inf and region.upper[k] == math.inf
    )
    if free and factor is None and not potential.axial:
        left = [k for k in range(potential.dimension) if k not in free]
        reduced = integrated_out(potential, temperature, free, _floor(potential))
        cuts = landmarks.planes(potential, temperature)
        low, high = [region.lower[k] for k in left], [region.upper[k] for k in left]
        return over_cells(reduced, low, high, [cuts[k] for k in left], accuracy)
    balls = [well.region for well in potential.wells if isinstance(well.region, Ball)]
    if potential.axial and potential.dimension > 1 and region == _whole(potential) and balls:
        # U has a kink on the sphere around the well: two smooth pieces converge at once, their union does not
        centre, radius = balls[0].centre, balls[0].radius
        inner = _over_shell(potential, temperature, density, centre, 0.0, radius, accuracy)
        return inner + _over_shell(potential, temperature, density, centre, radius, math.inf, accuracy)
    return _over_box(potential, density, region, temperature, accuracy)


def _check_against_minima(potential: Potential, temperature: float, value: float) -> None:
    """ArithmeticError where Z is less than half of what lies in a box around one of the minima known.

    The box ends half-way to where U is T above the minimum along each axis: a fifth of the density's own width or so.
    """
    if potential.bumps or potential.dimension > CHECKED:
        return
    nodes, weights = np.polynomial.legendre.leggauss(5)
    whole, density = _whole(potential), _density(potential, temperature, None)
    for minimum in landmarks.landmarks(potential):
        at, (left, right) = np.array(minimum.centre), landmarks.reach(potential, minimum, temperature)
        low, high = np.maximum((at + left) / 2, whole.lower), np.minimum((at + right) / 2, whole.upper)
        if not np.isfinite([low, high]).all():
            continue
        grid = [a + (b - a) * (1 + nodes) / 2 for a, b in zip(low, high, strict=True)]
        points = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1).reshape(-1, potential.dimension)
        weight = np.stack(np.meshgrid(*[weights] * len(grid), indexing="ij"), axis=-1).reshape(-1, len(grid)).prod(1)
        values = density(points)
        if values.max() > 1.01 * density(at[None])[0]:
            continue  # a descent that stopped on its way: no minimum
        around = math.prod((high - low) / 2) * float(weight @ values)
        if not value >= around / 2:
            centre = tuple(float(f"{v:.4g}") for v in minimum.centre)
            raise ArithmeticError(
                f"the quadrature missed mass: it found {value / around:.2g} of what lies around the minimum {centre} "
                f"of {potential.name!r} alone; name its wells, or raise the temperature"
            )


def _density(potential: Potential, temperature: float, factor: Potential | None) -> Integrand:
    floor = _floor(potential)

    def density(points: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            values = np.exp(-(potential.value(points) - floor) / temperature)
            if factor is not None:  # far out 0 * inf may come up, where the exponential has long won
                values = np.where(values > 0, factor.value(points) * values, 0.0)
        if np.isnan(values).any():
            raise ValueError(f"{potential.name!r} is not a number at {points[np.isnan(values)][0]}")
        return values

    return density


def _over_box(potential: Potential, density: Integrand, region: Box, temperature: float, accuracy: float) -> Estimate:
    """A box cut at what is known of the potential, so that no narrow peak falls between the nodes of the first rule."""
    dimension, lower, upper = potential.dimension, list(region.lower), list(region.upper)
    if potential.axial and dimension > 1:
        if any(math.isfinite(v) for v in (*lower[1:], *upper[1:])):
            raise ValueError(
                f"{potential.name!r} is symmetric around its first axis: give slabs across it, or balls on it"
            )
        lower, upper = [lower[0], 0.0], [upper[0], math.inf]
        density, dimension = _around_axis(density, dimension), 2
    if dimension > MAX_DIMENSION:
        raise ValueError(
            f"{potential.name!r} has {dimension} unknowns and no structure to cut them down; "
            f"quadrature without structure ends at {MAX_DIMENSION}"
        )
    return over_cells(density, lower, upper, landmarks.planes(potential, temperature)[:dimension], accuracy)


def _over_shell(
    potential: Potential,
    temperature: float,
    density: Integrand,
    centre: Sequence[float],
    inner: float,
    outer: float,
    accuracy: float,
) -> Estimate:
    """The points between two spheres around a centre, in polar coordinates."""
    dimension = potential.dimension
    if dimension > 2 and not (potential.axial and not any(centre[1:])):
        raise ValueError(f"balls in {dimension}-D need symmetry around the first axis and a centre on it, not {centre}")
    if dimension == 1:
        sides, cuts = [(-outer, -inner), (inner, outer)], landmarks.planes(potential, temperature)
        parts = [over_cells(density, [centre[0] + a], [centre[0] + b], cuts, accuracy) for a, b in sides]
        return sum(parts, start=Estimate(0.0, 0.0))

    flat = density if dimension == 2 else _around_axis(density, dimension)
    origin = np.array([centre[0], centre[1] if dimension == 2 else 0.0])

    def polar(points: np.ndarray) -> np.ndarray:
        radius, angle = points[:, :1], points[:, 1:]
        return radius[:, 0] * flat(origin + radius * np.hstack([np.cos(angle), np.sin(angle)]))

    turn = 2 * math.pi if dimension == 2 else math.pi
    return over_cells(polar, [inner, 0.0], [outer, turn], _polar_planes(potential, temperature, origin), accuracy)


def _polar_planes(potential: Potential, temperature: float, origin: np.ndarray) -> tuple[list[float], list[float]]:
    """Radii and angles, seen from a point of the plane, of the minima and of where U is far above them."""
    radii, angles, apart = [], [], []
    for minimum in landmarks.landmarks(potential):
        if minimum.depth - landmarks.lowest(potential) > 50 * temperature:
            continue
        away = np.array(minimum.centre[:2]) - origin
        radius, angle = float(np.hypot(*away)), float(np.arctan2(away[1], away[0]))
        low, high = landmarks.ends(potential, minimum, temperature)
        width = max(*(high - minimum.centre)[:2], *(minimum.centre - low)[:2])
        if minimum.flat:
            apart += [radius - width, radius + width]
            continue
        radii += [radius - width, radius, radius + width]
        if width < radius:
            angles += [(angle + sign * width / radius) % (2 * math.pi) for sign in (-1, 0, 1)]
    return [*radii, min(apart, default=0.0), max(apart, default=0.0)], angles


def _around_axis(density: Integrand, dimension: int) -> Integrand:
    """density as a function of (x_1, r), times the measure of the points at distance r from the first axis.

    Raises ValueError where the density is not symmetric around that axis, asked at a few points.
    """
    rng = np.random.default_rng(0)
    points, turned = rng.normal(size=(2, 16, dimension))
    points[:, 2:] = 0.0
    turned[:, 0] = points[:, 0]
    turned[:, 1:] *= np.abs(points[:, 1:2]) / np.linalg.norm(turned[:, 1:], axis=1, keepdims=True)
    here, there = density(points), density(turned)
    if not np.allclose(here, there, rtol=1e-6, atol=1e-9 * np.abs(here).max()):
        raise ValueError("an observable on a potential that is symmetric around its first axis must be so, too")
    sphere = 2 * math.pi ** ((dimension - 1) / 2) / math.gamma((dimension - 1) / 2)

    def on_plane(points: np.ndarray) -> np.ndarray:
        return sphere * points[:, 1] ** (dimension - 2) * density(np.pad(points, ((0, 0), (0, dimension - 2))))

    return on_plane
