"""Unknowns in which U is quadratic, as a loss is in the weights of a linear last layer: integrated in closed form."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import sympy as sp

from theory.potentials import Potential

FAR = 1e2


@lru_cache(maxsize=256)
def quadratic_unknowns(potential: Potential) -> tuple[int, ...]:
    """The axes, as many as one finds from the last one backwards, in which U is jointly a polynomial of degree 2.

    At least one axis is left out, over which is integrated numerically. Empty for a potential on a box or torus.
    """
    if potential.domain.kind != "space" or potential.expression.has(sp.Piecewise):
        return ()
    chosen: list[int] = []
    for axis in reversed(range(1, potential.dimension)):
        symbols = [potential.variables[k] for k in (*chosen, axis)]
        polynomial = potential.expression.is_polynomial(*symbols) and potential.expression.has(symbols[-1])
        if polynomial and sp.Poly(potential.expression, *symbols).total_degree() == 2:
            chosen.append(axis)
    return tuple(sorted(chosen))


def integrated_out(
    potential: Potential, temperature: float, axes: tuple[int, ...], floor: float = 0.0
) -> Callable[..., np.ndarray]:
    """The integral of exp(-(U - floor)/T) over these axes, all quadratic: a function of the others, (p, D - axes).

    It is exp(-min U / T) sqrt((2 pi T)^axes / det H), H being U's Hessian in these axes. Raises ArithmeticError where H
    is not positive definite within FAR of the origin.
    """
    others = [k for k in range(potential.dimension) if k not in axes]
    chosen = list(axes)

    def density(points: np.ndarray) -> np.ndarray:
        at = np.zeros((len(points), potential.dimension))
        at[:, others] = points
        with np.errstate(all="ignore"):
            slope = potential.gradient(at)[:, chosen]
            hessian = potential.hessian(at)[:, chosen][:, :, chosen]
            determinant = np.where(np.isfinite(hessian).all((1, 2)), np.linalg.det(hessian), np.nan)
            lost = ~(determinant > 0)  # far out, where exp(-U/T) is 0, by overflow or rounding
            if (np.abs(points[lost]).max(1, initial=0) < FAR).any():
                raise ArithmeticError(
                    f"{potential.name!r} is not bounded below in {', '.join(str(potential.variables[k]) for k in axes)}"
                )
            hessian[lost], slope[lost] = np.eye(len(chosen)), 0
            drop = (slope * np.linalg.solve(hessian, slope[..., None])[..., 0]).sum(1) / 2
            exponent = -(potential.value(at) - drop - floor) / temperature
            width = np.sqrt((2 * math.pi * temperature) ** len(axes) / determinant)
            return np.where(lost, 0.0, np.exp(exponent) * width)

    return density
