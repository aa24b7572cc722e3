"""Potentials for Langevin descent: one formula each, from which value, gradient and Hessian follow; wells and domain.

A potential's formula is a sympy expression that this project built or a caller passed as such; text is never taken.
Their exact side, Z and the masses of the wells, is `theory.quadrature`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import sympy as sp

from theory.arguments import check_count, check_positive
from theory.regions import SPACE, Ball, Box, Domain, Outside, Point, Region, is_number


@dataclass(frozen=True)
class Well:
    """A minimum (or a point of a set of minima) and the region whose mass is counted as its own.

    codimension: directions in which U rises; the others are flat, and the mass falls as T^(codimension / 2) for T -> 0
    prefactor: volume of the set of minima times det(Hessian across it)^(-1/2), as Laplace's method wants it
    """

    name: str
    centre: Point
    region: Region
    codimension: int
    prefactor: float


@dataclass(frozen=True)
class Bump:
    """A Gaussian dent, -depth * exp(-sum precision_i (x_i - centre_i)^2 / 2); precision 0: flat along that axis."""

    depth: float
    centre: Point
    precision: Point


@dataclass(frozen=True)
class Potential:
    """U(x) on a domain in D dimensions.

    expression: U, in the variables (x_1, ..., x_D) and nothing else
    wells: its minima with their regions, where they are known
    axial: U depends on x_1 and on the length of (x_2, ..., x_D) only
    bumps: the Gaussian dents that U is minus a sum of, empty for any other U
    """

    name: str
    expression: sp.Expr
    variables: tuple[sp.Symbol, ...]
    domain: Domain = SPACE
    wells: tuple[Well, ...] = ()
    axial: bool = False
    bumps: tuple[Bump, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", _symbols(self.variables, self.name))
        if not isinstance(self.expression, sp.Expr):
            raise TypeError(
                f"the formula of {self.name!r} must be a sympy expression, got {type(self.expression).__name__}"
            )
        if unknown := self.expression.free_symbols - set(self.variables):
            raise ValueError(
                f"the formula of {self.name!r} has {sorted(map(str, unknown))} besides its variables {self.variables}"
            )
        if not isinstance(self.domain, Domain):
            raise TypeError(f"the domain of {self.name!r} must be a th.Domain, got {self.domain!r}")
        if not self.variables or (self.domain.kind != "space" and len(self.domain.lower) != self.dimension):
            raise ValueError(f"{self.name!r} has {self.dimension} variables, its domain {len(self.domain.lower)} sides")
        if self.expression.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
            raise ValueError(f"the formula of {self.name!r} must be real and finite, got {self.expression}")

    @property
    def dimension(self) -> int:
        """D, the number of unknowns."""
        return len(self.variables)

    @cached_property
    def symbolic_gradient(self) -> tuple[sp.Expr, ...]:
        """The D first derivatives of the formula; of |x| and the like as those of real numbers."""
        return tuple(_real_derivative(self.expression, v, self.variables) for v in self.variables)

    @cached_property
    def symbolic_hessian(self) -> tuple[tuple[sp.Expr, ...], ...]:
        """The D x D second derivatives of the formula; at a kink, where there is none, those beside it."""
        return tuple(
            tuple(_real_derivative(first, v, self.variables).replace(sp.DiracDelta, _zero) for v in self.variables)
            for first in self.symbolic_gradient
        )

    def value(self, points: Any) -> Any:
        """U at points (p, D), an array or a tensor: (p,) of the same kind."""
        return self._at(points, 0)[..., 0]

    def gradient(self, points: Any) -> Any:
        """The gradient of U at points (p, D), an array or a tensor: (p, D) of the same kind."""
        return self._at(points, 1)

    def hessian(self, points: Any) -> Any:
        """The Hessian of U at points (p, D), an array or a tensor: (p, D, D) of the same kind."""
        return self._at(points, 2).reshape(*points.shape, self.dimension)

    def stiffness(self, points: Any) -> float:
        """The largest eigenvalue of the Hessian at any of the points (p, D): descent there needs steps below 2 / it."""
        return float(np.linalg.eigvalsh(np.asarray(self.hessian(np.asarray(points, dtype=float)))).max())

    def _at(self, points: Any, order: int) -> Any:
        """The derivatives of one order at points (p, D): (p, D**order)."""
        if points.ndim != 2 or points.shape[1] != self.dimension:
            raise ValueError(f"{self.name!r} takes points of shape (p, {self.dimension}), got {tuple(points.shape)}")
        backend = "numpy" if isinstance(points, np.ndarray) else "torch"
        try:
            columns = _compiled(self, order, backend)(*(points[:, i] for i in range(self.dimension)))
        except NameError as error:
            raise ValueError(
                f"the formula of {self.name!r} has a function that {backend} does not know ({error}): use others"
            ) from error
        if backend == "numpy":
            out: Any = np.empty((len(points), len(columns)), dtype=np.result_type(points, np.float32))
        else:
            out = points.new_empty((len(points), len(columns)))
        for j, column in enumerate(columns):  # a column may be a plain number, where a derivative is constant
            out[:, j] = column
        return out


@lru_cache(maxsize=256)
def _compiled(potential: Potential, order: int, backend: str) -> Callable[..., list[Any]]:
    """The derivatives of one order as a function of D columns; common parts are computed once."""
    parts: dict[int, Callable[[], list[sp.Expr]]] = {
        0: lambda: [potential.expression],
        1: lambda: list(potential.symbolic_gradient),
        2: lambda: [entry for row in potential.symbolic_hessian for entry in row],
    }
    # numpy.select, which sympy prints for cases, costs 20 microseconds a call; numpy.where does the same in one
    modules: Any = [{"select": _select}, "scipy", "numpy"] if backend == "numpy" else "torch"
    return sp.lambdify(potential.variables, parts[order](), modules=modules, cse=True)


def _select(conditions: Sequence[Any], values: Sequence[Any], default: Any) -> Any:
    result = default
    for condition, value in zip(reversed(conditions), reversed(values), strict=True):
        result = value if condition is True else np.where(condition, value, result)
    return result


def _symbols(variables: Any, name: str) -> tuple[sp.Symbol, ...]:
    """variables as a tuple; TypeError unless they are symbols, ValueError where one comes twice."""
    if not isinstance(variables, Sequence) or not all(isinstance(v, sp.Symbol) for v in variables):
        raise TypeError(f"the variables of {name!r} must be a sequence of sympy symbols, got {variables!r}")
    if len(set(variables)) != len(variables):
        raise ValueError(f"the variables of {name!r} must differ, got {tuple(variables)}")
    return tuple(variables)


def _real_derivative(expression: sp.Expr, by: sp.Symbol, variables: Sequence[sp.Symbol]) -> sp.Expr:
    real = {v: sp.Dummy(v.name, real=True) for v in variables if not v.is_real}
    derivative = expression.xreplace(real).diff(real.get(by, by))
    return derivative.xreplace({dummy: v for v, dummy in real.items()})


def _zero(*_: Any) -> sp.Expr:
    return sp.Integer(0)


def check_potential(potential: Potential) -> Potential:
    """The potential; TypeError where it is none."""
    if not isinstance(potential, Potential):
        raise TypeError(
            f"a potential must be a th.Potential(name, expression, variables), got {type(potential).__name__}"
        )
    return potential


def coordinates(dimension: int) -> tuple[sp.Symbol, ...]:
    """The symbols x1, ..., xD. ValueError unless the dimension is a whole number >= 1."""
    if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1:
        raise ValueError(f"a potential needs a dimension >= 1, got {dimension!r}")
    return tuple(sp.symbols(f"x1:{dimension + 1}", real=True))


def _number(value: float) -> sp.Expr:
    """value, exactly: decimals as the rational they print, so that formulas stay readable."""
    return sp.Rational(str(value))


def quadratic(curvatures: Sequence[float]) -> Potential:
    """U = sum curvature_i x_i^2 / 2: one isolated minimum, a Gaussian with variances T / curvature_i."""
    if isinstance(curvatures, str) or not curvatures:
        raise ValueError(f"quadratic needs a sequence of positive curvatures, got {curvatures!r}")
    for curvature in curvatures:
        check_positive(curvature, "a curvature")
    x = coordinates(len(curvatures))
    everywhere = Box((-math.inf,) * len(x), (math.inf,) * len(x))
    well = Well("minimum", (0.0,) * len(x), everywhere, len(x), math.prod(curvatures) ** -0.5)
    expression = sum((_number(c) * v**2 / 2 for c, v in zip(curvatures, x, strict=True)), sp.Integer(0))
    return Potential("quadratic", expression, x, wells=(well,))


def double_well(dimension: int = 1) -> Potential:
    """U = (x_1^2 - 1)^2 + sum of the other x_i^2 / 2: two equal wells at x_1 = -1 and 1, a barrier of height 1."""
    x = coordinates(dimension)
    expression = (x[0] ** 2 - 1) ** 2 + sum(v**2 for v in x[1:]) / 2
    return Potential(
        f"double well in {dimension}-D", expression, x, wells=_halves(dimension, (0.0,) * (dimension - 1), 8.0)
    )


def bent_double_well() -> Potential:
    """U = (x_1^2 - 1)^2 + (x_2 - x_1^2)^2: not a product, yet the marginal of x_1 is that of the plain double well."""
    x, y = coordinates(2)
    return Potential("bent double well", (x**2 - 1) ** 2 + (y - x**2) ** 2, (x, y), wells=_halves(2, (1.0,), 16.0))


def coupled_angles() -> Potential:
    """U = -cos(2 x_1)/2 - cos(x_1 - x_2)/2 on the torus [-pi, pi]^2: equal wells at (0, 0) and at (pi, pi).

    Curvature is bounded, so plain Langevin steps never diverge. Z = (2 pi I_0(1/(2T)))^2.
    """
    x, y = coordinates(2)
    sides = Domain("torus", (-math.pi,) * 2, (math.pi,) * 2)
    near = Box((-math.pi / 2, -math.pi), (math.pi / 2, math.pi))
    wells = (Well("near", (0.0, 0.0), near, 2, 1.0), Well("far", (-math.pi, -math.pi), Outside(near), 2, 1.0))
    return Potential("coupled angles", -(sp.cos(2 * x) + sp.cos(x - y)) / 2, (x, y), sides, wells)


def _halves(dimension: int, rest: Point, determinant: float) -> tuple[Well, Well]:
    """The wells of a potential even in x_1, at (-1, rest) and (1, rest), with that determinant of the Hessian."""
    infinite = (math.inf,) * dimension
    minus = tuple(-v for v in infinite)
    prefactor = determinant**-0.5
    return (
        Well("left", (-1.0, *rest), Box(minus, (0.0, *infinite[1:])), dimension, prefactor),
        Well("right", (1.0, *rest), Box((0.0, *minus[1:]), infinite), dimension, prefactor),
    )


def two_wells(dimension: int, ratio: float = 2.0, distance: float = 3.0) -> Potential:
    """U = min(|x|^2 / 2, |x - distance e_1|^2 / (2 ratio^2)): two wells of depth 0, the second wider by `ratio`.

    The narrow well is where the first term is the smaller: a ball (of Apollonius), or for ratio 1 a half-space.
    Ours, in place of the dents of the review's Fig. 8 (`review_wells`), whose flat surroundings take most of the mass
    in 4 and 5 dimensions.
    """
    check_positive(distance, "the distance")
    if check_positive(ratio, "the ratio") < 1:
        raise ValueError(f"two_wells needs a ratio >= 1, got {ratio}")
    x = coordinates(dimension)
    rest = sum(v**2 for v in x[1:])
    near = (x[0] ** 2 + rest) / 2
    far = ((x[0] - _number(distance)) ** 2 + rest) / (2 * _number(ratio) ** 2)
    origin = (0.0,) * dimension
    region: Ball | Box
    if ratio == 1:
        infinite = (math.inf,) * dimension
        region = Box(tuple(-v for v in infinite), (distance / 2, *infinite[1:]))
    else:
        region = Ball((-distance / (ratio**2 - 1), *origin[1:]), distance * ratio / (ratio**2 - 1))
    wells = (
        Well("narrow", origin, region, dimension, 1.0),
        Well("wide", (distance, *origin[1:]), Outside(region), dimension, ratio**dimension),
    )
    return Potential(
        f"two wells in {dimension}-D", sp.Piecewise((near, near <= far), (far, True)), x, wells=wells, axial=True
    )


def gaussian_wells(name: str, bumps: Sequence[Bump], domain: Domain, wells: Sequence[Well]) -> Potential:
    """U = -sum of Gaussian dents on a box or torus; on a torus each is repeated with its period, so U is smooth."""
    if domain.kind == "space":
        raise ValueError(
            "Gaussian dents tend to 0 far away and cannot be normalised on all of space: give a box or a torus"
        )
    x = coordinates(len(domain.lower))
    terms = [_number(bump.depth) * sp.prod(_dent(bump, i, v, domain) for i, v in enumerate(x)) for bump in bumps]
    return Potential(name, -sp.Add(*terms), x, domain, tuple(wells), bumps=tuple(bumps))


def images(bump: Bump, axis: int, domain: Domain) -> list[float]:
    """The centres along one axis of the copies of a dent that can be felt in the domain (above e^-30 of its depth)."""
    low, high, centre, precision = domain.lower[axis], domain.upper[axis], bump.centre[axis], bump.precision[axis]
    if domain.kind == "box" or precision == 0:
        return [centre]
    shifted = [centre + k * (high - low) for k in (-2, -1, 0, 1, 2)]
    return [c for c in shifted if precision * max(low - c, c - high, 0.0) ** 2 / 2 < 30]


def _dent(bump: Bump, axis: int, variable: sp.Symbol, domain: Domain) -> sp.Expr:
    if bump.precision[axis] == 0:
        return sp.Integer(1)
    half = _number(bump.precision[axis]) / 2
    return sp.Add(*(sp.exp(-half * (variable - _number(c)) ** 2) for c in images(bump, axis, domain)))


def review_wells(dimension: int) -> Potential:
    """Two dents of depth 1 and widths 1 and 2 at 4 and 12 (all coordinates) of the torus [0, 18]^D; wells: 2.5 widths.

    Source: Fig. 8 of the 2018 review, as its authors' published scripts have it; here every dent is repeated with the
    period, where the scripts' jumps by 0.011 at the seam.
    """
    sides = Domain("torus", (0.0,) * dimension, (18.0,) * dimension)
    centres, widths = ((4.0,) * dimension, (12.0,) * dimension), (1.0, 2.0)
    wells = [
        Well(name, c, Ball(c, 2.5 * w), dimension, w**dimension)
        for name, c, w in zip(("narrow", "wide"), centres, widths, strict=True)
    ]
    bumps = [Bump(1.0, c, (w**-2,) * dimension) for c, w in zip(centres, widths, strict=True)]
    return gaussian_wells(f"the review's two wells in {dimension}-D", bumps, sides, wells)


def valley_and_point(dimension: int = 2, deeper: float = 0.0) -> Potential:
    """A valley (flat in all directions but x_D) and an isolated dent, of depth 1 and width 0.5, on the torus [0, 8]^D.

    deeper: how much deeper than the valley the isolated dent is
    Wells: the strip |x_D - 5.67| <= 1; around (1.7, ..., 1.7) the disc of radius 1, from 3-D on the cube of side 2.
    Source: Figs 10 and 11 of the 2018 review; centres, width and torus from its authors' published scripts, where the
    valley is a row of dents; the lift to D dimensions is ours.
    """
    check_count(dimension, "the dimension of a valley", 2)
    if not (is_number(deeper) and math.isfinite(deeper) and deeper >= 0):
        raise ValueError(f"the point can be deeper by a number >= 0, got {deeper!r}")
    side, width, line, rest = 8.0, 0.5, 5.67, dimension - 1
    point, middle = (1.7,) * dimension, (side / 2,) * rest + (line,)
    strip = Box((0.0,) * rest + (line - 1,), (side,) * rest + (line + 1,))
    around = Ball(point, 1.0) if dimension == 2 else Box((0.7,) * dimension, (2.7,) * dimension)
    wells = (
        Well("valley", middle, strip, 1, side**rest * width),
        Well("point", point, around, dimension, (width / math.sqrt(1 + deeper)) ** dimension),
    )
    bumps = (
        Bump(1.0, middle, (0.0,) * rest + (width**-2,)),
        Bump(1.0 + deeper, point, (width**-2,) * dimension),
    )
    torus = Domain("torus", (0.0,) * dimension, (side,) * dimension)
    return gaussian_wells(f"valley and point in {dimension}-D", bumps, torus, wells)
