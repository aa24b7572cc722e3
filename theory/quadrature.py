"""The exact side of Langevin descent: Z, masses and marginals of exp(-U/T)/Z by adaptive quadrature, errors stated.

Dimensions are cut down by structure, tried in this order: a sum of Gaussian dents is expanded in powers of the dents,
whose integrals are products; a sum of terms without common variables is a product; unknowns in which U is quadratic are
integrated in closed form; a potential symmetric around the first axis needs the half-plane (x_1, distance from it)
only; anything else is integrated as it is, up to 3-D.

Cubature sees a narrow peak only where cells are cut at it: at the wells that a potential names, then taken to be all,
else, up to 2-D, at the minima that `theory.minima` finds by a search, which is no proof that there are no more.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product

import numpy as np
import sympy as sp
from scipy import integrate, optimize

from theory.dent_series import series
from theory.gaussian_unknowns import integrated_out, quadratic_unknowns
from theory.minima import find_minima
from theory.normalisable import check_temperature, require_normalisable
from theory.potentials import Potential
from theory.regions import Ball, Box, Domain, Outside, Region

Integrand = Callable[[np.ndarray], np.ndarray]

MAX_DIMENSION = 3  # of a cubature without structure
SEARCHED = 2  # unknowns up to which minima are searched for where no wells are named
ACCURACY = 1e-9  # relative, asked of every cubature where nothing else is said


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


@lru_cache(maxsize=512)
def partition(potential: Potential, temperature: float) -> Estimate:
    """Z = integral of exp(-U/T) over the potential's domain.

    Raises ValueError on a temperature that is not positive, NotNormalisable (a ValueError) where Z is infinite.
    Source: equation 9 of the 2018 review.
    """
    require_normalisable(potential, temperature)
    whole = _integral(potential, temperature, _whole(potential))
    _check_against_minima(potential, temperature, whole.value)
    return whole


def mass(potential: Potential, temperature: float, region: Region) -> Estimate:
    """The share of exp(-U/T)/Z that lies in the region: the probability to find a chain there in equilibrium."""
    whole = partition(potential, temperature)
    if isinstance(region, Outside):
        return Estimate(1.0, 0.0) - mass(potential, temperature, region.region)
    return _integral(potential, temperature, region) / whole


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
    whole = partition(potential, temperature).value
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
    require_normalisable(potential, temperature)
    formula = sp.Float(expression) if isinstance(expression, int | float) else expression
    factor = Potential("observable", formula, potential.variables)
    inside = _integral(potential, temperature, region or _whole(potential), factor, accuracy)
    return inside / _integral(potential, temperature, _whole(potential))


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
    """
    check_temperature(temperature)
    terms = {}
    for well in potential.wells:
        depth = potential.value(np.array([well.centre]))[0]
        scale = (2 * math.pi * temperature) ** (well.codimension / 2)
        terms[well.name] = float(well.prefactor * scale * math.exp(-depth / temperature))
    return terms


def crossover(potential: Potential, first: str, second: str, bracket: tuple[float, float]) -> float:
    """The temperature in the bracket at which two wells have the same mass; ValueError if there is none."""

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
    """Integral of factor * exp(-U/T) over a region, by the first structure of the potential that fits."""
    density = _density(potential, temperature, factor)
    if isinstance(region, Ball):
        return _over_shell(potential, density, region.centre, 0.0, region.radius, accuracy)
    if potential.bumps and factor is None:
        return Estimate(*series(potential, temperature, region))
    blocks = _blocks(potential)
    if len(blocks) > 1 and factor is None:
        factors = [
            _integral(
                part, temperature, Box(tuple(region.lower[i] for i in axes), tuple(region.upper[i] for i in axes))
            )
            for part, axes in blocks
        ]
        return math.prod(factors, start=Estimate(1.0, 0.0))
    free = tuple(
        k for k in quadratic_unknowns(potential) if region.lower[k] == -math.inf and region.upper[k] == math.inf
    )
    if free and factor is None and not potential.axial:
        left = [k for k in range(potential.dimension) if k not in free]
        reduced = integrated_out(potential, temperature, free)
        centres = [[cut[k] for k in left] for cut in _cuts(potential, temperature)]
        return _over_cells(reduced, [region.lower[k] for k in left], [region.upper[k] for k in left], centres, accuracy)
    balls = [well.region for well in potential.wells if isinstance(well.region, Ball)]
    if potential.axial and potential.dimension > 1 and region == _whole(potential) and balls:
        # U has a kink on the sphere around the well: two smooth pieces converge at once, their union does not
        centre, radius = balls[0].centre, balls[0].radius
        inner = _over_shell(potential, density, centre, 0.0, radius, accuracy)
        return inner + _over_shell(potential, density, centre, radius, math.inf, accuracy)
    return _over_box(potential, density, region, _cuts(potential, temperature), accuracy)


def _cuts(potential: Potential, temperature: float) -> list[tuple[float, ...]]:
    """Points (D,) whose planes cut the cells: the wells that are named, else the minima found and 8 widths around."""
    if potential.wells or potential.axial or potential.dimension > SEARCHED:
        return [well.centre for well in potential.wells]
    found = find_minima(potential)
    broad = any(max(minimum.widths) * math.sqrt(temperature) > 0.3 for minimum in found)
    if potential.dimension > 1 and broad:  # often a valley: planes through many of its points only make more cells
        return [minimum.centre for minimum in found] if len(found) == 1 else []
    cuts: list[tuple[float, ...]] = []
    for minimum in found:
        if minimum.depth - found[0].depth > 50 * temperature:
            continue
        cuts.append(minimum.centre)
        if math.inf not in minimum.widths:
            reach = [8 * math.sqrt(temperature) * width for width in minimum.widths]
            for sign in (-1, 1):
                cuts.append(tuple(c + sign * r for c, r in zip(minimum.centre, reach, strict=True)))
    return cuts


def _check_against_minima(potential: Potential, temperature: float, value: float) -> None:
    """ArithmeticError where Z is less than half of what lies within half a width of one of the minima found."""
    if potential.wells or potential.bumps or potential.dimension > SEARCHED:
        return
    nodes, weights = np.polynomial.legendre.leggauss(5)
    whole, density = _whole(potential), _density(potential, temperature, None)
    for minimum in find_minima(potential):
        if math.inf in minimum.widths:
            continue
        half = np.array(minimum.widths) * math.sqrt(temperature) / 2
        low = np.maximum(np.array(minimum.centre) - half, whole.lower)
        high = np.minimum(np.array(minimum.centre) + half, whole.upper)
        at = [a + (b - a) * (1 + nodes) / 2 for a, b in zip(low, high, strict=True)]
        points = np.stack(np.meshgrid(*at, indexing="ij"), axis=-1).reshape(-1, potential.dimension)
        weight = np.stack(np.meshgrid(*[weights] * len(at), indexing="ij"), axis=-1).reshape(-1, len(at)).prod(1)
        if not value >= math.prod((high - low) / 2) * (weight @ density(points)) / 2:
            raise ArithmeticError(
                f"the quadrature gave Z = {value:.3g}, less than lies at the minimum {minimum.centre} of "
                f"{potential.name!r}: name its wells, or raise the temperature"
            )


def _density(potential: Potential, temperature: float, factor: Potential | None) -> Integrand:
    def density(points: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            values = np.exp(-potential.value(points) / temperature)
            if factor is not None:  # far out 0 * inf may come up, where the exponential has long won
                values = np.where(values > 0, factor.value(points) * values, 0.0)
        if np.isnan(values).any():
            raise ValueError(f"{potential.name!r} is not a number at {points[np.isnan(values)][0]}")
        return values

    return density


def _cubature(integrand: Integrand, lower: Sequence[float], upper: Sequence[float], accuracy: float) -> Estimate:
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
        max_subdivisions=20_000,
    )
    value, error = float(result.estimate), float(result.error)
    if not math.isfinite(value) or (result.status != "converged" and error > 1e-6 * abs(value)):
        raise ArithmeticError(f"the quadrature stopped at {value} with an error of {error}")
    return Estimate(value, error)


def _over_box(
    potential: Potential, density: Integrand, region: Box, centres: list[tuple[float, ...]], accuracy: float
) -> Estimate:
    """A box cut at these points, so that no narrow peak falls between the nodes of the first rule."""
    dimension, lower, upper = potential.dimension, list(region.lower), list(region.upper)
    if potential.axial and dimension > 1:
        if any(math.isfinite(v) for v in (*lower[1:], *upper[1:])):
            raise ValueError(
                f"{potential.name!r} is symmetric around its first axis: give slabs across it, or balls on it"
            )
        lower, upper, centres = [lower[0], 0.0], [upper[0], math.inf], [(c[0], 0.0) for c in centres]
        density, dimension = _around_axis(density, dimension), 2
    if dimension > MAX_DIMENSION:
        raise ValueError(
            f"{potential.name!r} has {dimension} unknowns and no structure to cut them down; "
            f"quadrature without structure ends at {MAX_DIMENSION}"
        )
    return _over_cells(density, lower, upper, centres, accuracy)


def _over_cells(
    density: Integrand,
    lower: Sequence[float],
    upper: Sequence[float],
    centres: Sequence[Sequence[float]],
    accuracy: float,
) -> Estimate:
    """Cubature over the cells into which the planes through the centres cut a box."""
    if len(lower) > MAX_DIMENSION:
        raise ValueError(f"quadrature without structure ends at {MAX_DIMENSION} unknowns, {len(lower)} are left here")
    pieces = []
    for axis, (low, high) in enumerate(zip(lower, upper, strict=True)):
        inside = _apart({c[axis] for c in centres if low < c[axis] < high})
        if not inside and low == -math.inf and high == math.inf:
            inside = {0.0}  # scipy 1.17 maps an axis infinite both ways to [-1, 1] with a pole in the middle
        pieces.append(list(pairwise([low, *sorted(inside), high])))
    cells = [_cubature(density, [a for a, _ in cell], [b for _, b in cell], accuracy) for cell in product(*pieces)]
    return sum(cells, start=Estimate(0.0, 0.0))


def _apart(cuts: set[float]) -> set[float]:
    """The cuts without those that repeat another up to rounding."""
    kept: list[float] = []
    for cut in sorted(cuts):
        if not kept or cut - kept[-1] > 1e-9 * (1 + abs(cut)):
            kept.append(cut)
    return set(kept)


def _over_shell(
    potential: Potential, density: Integrand, centre: Sequence[float], inner: float, outer: float, accuracy: float
) -> Estimate:
    """The points between two spheres around a centre, in polar coordinates."""
    dimension = potential.dimension
    if dimension > 2 and not (potential.axial and not any(centre[1:])):
        raise ValueError(f"balls in {dimension}-D need symmetry around the first axis and a centre on it, not {centre}")
    if dimension == 1:
        sides = [(centre[0] - outer, centre[0] - inner), (centre[0] + inner, centre[0] + outer)]
        return sum((_cubature(density, [a], [b], accuracy) for a, b in sides), start=Estimate(0.0, 0.0))

    flat = density if dimension == 2 else _around_axis(density, dimension)
    origin = np.array([centre[0], centre[1] if dimension == 2 else 0.0])

    def polar(points: np.ndarray) -> np.ndarray:
        radius, angle = points[:, :1], points[:, 1:]
        return radius[:, 0] * flat(origin + radius * np.hstack([np.cos(angle), np.sin(angle)]))

    return _cubature(polar, [inner, 0.0], [outer, 2 * math.pi if dimension == 2 else math.pi], accuracy)


def _around_axis(density: Integrand, dimension: int) -> Integrand:
    """density as a function of (x_1, r), times the measure of the points at distance r from the first axis."""
    sphere = 2 * math.pi ** ((dimension - 1) / 2) / math.gamma((dimension - 1) / 2)

    def on_plane(points: np.ndarray) -> np.ndarray:
        return sphere * points[:, 1] ** (dimension - 2) * density(np.pad(points, ((0, 0), (0, dimension - 2))))

    return on_plane


def _blocks(potential: Potential) -> list[tuple[Potential, list[int]]]:
    """The potentials, without common variables, that this one is the sum of, each with the axes that are its own."""
    groups: list[tuple[set[sp.Basic], list[sp.Expr]]] = []
    constant, dependent = potential.expression.as_independent(*potential.variables, as_Add=True)
    for term in sp.Add.make_args(dependent):
        symbols, terms = set(term.free_symbols), [term]
        for group in [g for g in groups if g[0] & symbols]:
            groups.remove(group)
            symbols, terms = symbols | group[0], terms + group[1]
        groups.append((symbols, terms))
    covered = set().union(*(symbols for symbols, _ in groups))
    if len(groups) < 2 or potential.axial or covered != set(potential.variables):
        return [(potential, list(range(potential.dimension)))]
    groups[0][1].append(constant)
    blocks, domain = [], potential.domain
    for symbols, terms in groups:
        axes = [i for i, v in enumerate(potential.variables) if v in symbols]
        sides = [tuple(bounds[i] for i in axes) for bounds in (domain.lower, domain.upper) if bounds]
        part = Potential(
            potential.name, sp.Add(*terms), tuple(potential.variables[i] for i in axes), Domain(domain.kind, *sides)
        )
        blocks.append((part, axes))
    return blocks
