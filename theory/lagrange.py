"""Equations for the singular points of a zero set, and for the points on it where a distance is critical."""

from fractions import Fraction

import numpy as np

from theory.deflation import extended
from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem


def lagrange_system(
    system: PolynomialSystem, centre: tuple[Fraction, ...], sizes: tuple[Fraction, ...]
) -> PolynomialSystem:
    """F(x) = 0, x - c = J(x)^T (l / sizes) in the n + m unknowns (x, l), for sizes (m,) of the gradients of F.

    Its regular zeros are the nondegenerate critical points of |x - c|^2 / 2 at which J has rank m.
    """
    m, n = system.n_equations, system.n_unknowns
    total = n + m
    multipliers = [Polynomial.variable(n + i, total) * (1 / size) for i, size in enumerate(sizes)]
    equations = [extended(p, total) for p in system.polynomials]
    for j, c in enumerate(centre):
        equations.append(Polynomial.variable(j, total) - c - _combined(system.polynomials, multipliers, j))
    return PolynomialSystem.from_polynomials(equations, system.names + _fresh_names(system, m))


def singular_equations(system: PolynomialSystem, seed: int) -> PolynomialSystem | None:
    """F = 0 and J^T l = 0 with one random affine condition on l, which is used to eliminate the last of the m
    multipliers: (x, l) in n + m - 1 unknowns, for the points at which the rank of J is below m.

    None where one equation is a constant, so that there are none.
    """
    m, n = system.n_equations, system.n_unknowns
    total = n + m - 1
    rng = np.random.default_rng([seed, 3])
    multipliers = [Polynomial.variable(n + i, total) for i in range(m - 1)]
    last = Polynomial.constant(1, total)
    for multiplier in multipliers:
        last = last - multiplier * Fraction(int(rng.integers(200, 1000)), 500)
    multipliers.append(last)
    equations = [extended(p, total) for p in system.polynomials]
    gradient = [_combined(system.polynomials, multipliers, j) for j in range(n)]
    if any(p.terms and not p.degree for p in gradient):
        return None
    names = system.names + _fresh_names(system, m - 1)
    return PolynomialSystem.from_polynomials([*equations, *(p for p in gradient if p.terms)], names)


def _combined(polynomials: tuple[Polynomial, ...], multipliers: list[Polynomial], j: int) -> Polynomial:
    """sum_i multiplier_i * (derivative of polynomial i by unknown j)."""
    total = multipliers[0].n_variables
    terms = [m * extended(p.diff(j), total) for p, m in zip(polynomials, multipliers, strict=True)]
    return sum(terms, start=Polynomial.constant(0, total))


def _fresh_names(system: PolynomialSystem, count: int) -> tuple[str, ...]:
    stem = "multiplier"
    while any(name.startswith(stem) for name in system.names):
        stem += "_"
    return tuple(f"{stem}{i + 1}" for i in range(count))
