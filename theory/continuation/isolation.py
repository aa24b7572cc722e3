"""Is a singular zero isolated? The growth of its dual space tells.

The functionals of order k at a point, derivatives of order up to k there, that vanish on all multiples of the equations
form a space of dimension h_k. At an isolated zero h_k grows until it is the multiplicity and stays there. At a point of
a larger set it grows without end, so beyond the number of paths that end there, which no multiplicity exceeds.
Source: D. Bates, J. Hauenstein, C. Peterson, A. Sommese, A numerical local dimension test for points on the solution
set of a system of polynomial equations, SIAM J. Numer. Anal. 47 (2009); F. Macaulay, The algebraic theory of modular
systems (1916).
"""

from collections.abc import Iterator, Sequence
from math import comb

import numpy as np

from theory.polynomials import Exponents, Polynomial, exponents_of_degree
from theory.rank import numerical_rank
from theory.systems import PolynomialSystem

_MOST_COLUMNS = 300  # of a Macaulay matrix: a tenth of a second
_ROUNDED = 1e-10  # rows below that, relative to the terms of the equations, are differences of equal numbers
_NOISE = 1e-6  # relative error of Taylor coefficients at singular points, known to half the digits


def is_isolated(system: PolynomialSystem, point: np.ndarray, paths: int) -> bool | None:
    """Whether a zero (n,) at which so many paths end is isolated; None where rounding or size leave it open."""
    size = local_multiplicity(system, point, paths)
    return None if size is None else size > 0


def local_multiplicity(system: PolynomialSystem, point: np.ndarray, most: int) -> int | None:
    """The multiplicity of a zero (n,) if it is isolated; 0 where it would be above `most`; None where it stays open."""
    before = 1
    for order in range(1, most + 2):
        dimension = dual_dimension(system, point, order)
        if dimension is None:
            return None
        if dimension > most:
            return 0
        if dimension == before:
            return before
        before = dimension
    return None


def dual_dimension(system: PolynomialSystem, point: np.ndarray, order: int) -> int | None:
    """h_order at a zero (n,): the nullity of the Macaulay matrix; None where it is too large or its rank unclear."""
    if comb(system.n_unknowns + order, order) > _MOST_COLUMNS:
        return None
    reach = np.maximum(np.abs(point), 1)  # unit of each unknown: derivatives are judged by the terms at that size,
    sizes = system.magnitude(reach.astype(complex)).ravel()  # since those near 0 all vanish at the origin
    equations = [
        {e: value * np.prod(reach**e) / size for e, value in _taylor(p, point, order).items()}
        for p, size in zip(system.polynomials, np.where(sizes > 0, sizes, 1), strict=True)
    ]
    return macaulay_nullity(equations, system.n_unknowns, order, terms=1.0, rounded=_NOISE)


def macaulay_nullity(
    equations: Sequence[dict[Exponents, complex]],
    n: int,
    order: int,
    terms: float,
    noise: float = _NOISE,
    rounded: float = _ROUNDED,
) -> int | None:
    """The nullity of the Macaulay matrix of power series in n unknowns, given by their coefficients up to the order.

    terms: the size of what the coefficients are differences of; noise: their relative error
    rounded: rows below that, relative to the terms, count as 0
    None where the matrix is too large or its rank unclear.
    """
    if comb(n + order, order) > _MOST_COLUMNS:
        return None
    column = {e: k for k, e in enumerate(monomials(n, order))}
    rows = []
    for shift in monomials(n, order - 1):
        for coefficients in equations:
            row = np.zeros(len(column), complex)
            for exponents, value in coefficients.items():
                shifted = tuple(map(int.__add__, exponents, shift))
                if sum(shifted) <= order:
                    row[column[shifted]] = value
            rows.append(row)
    matrix = np.array(rows)
    size = np.linalg.norm(matrix, axis=1)
    kept = size > max(noise * size.max(), rounded * terms)
    decision = numerical_rank(matrix[kept] / size[kept, None], noise)
    return len(column) - decision.rank if decision.reliable or decision.rank == len(column) else None


def monomials(n: int, order: int) -> Iterator[Exponents]:
    """All exponents of degree at most `order`."""
    for degree in range(order + 1):
        yield from exponents_of_degree(n, degree)


def _taylor(polynomial: Polynomial, point: np.ndarray, order: int) -> dict[Exponents, complex]:
    """Coefficients of the polynomial in powers of (x - point), up to degree `order`; the constant is taken for 0."""
    total: dict[Exponents, complex] = {}
    for exponents, coefficient in polynomial.terms.items():
        partial: dict[Exponents, complex] = {(): complex(coefficient)}
        for e, x in zip(exponents, point.tolist(), strict=True):
            factors = [comb(e, k) * x ** (e - k) for k in range(min(e, order) + 1)]
            partial = {
                (*known, k): value * factor
                for known, value in partial.items()
                for k, factor in enumerate(factors)
                if sum(known) + k <= order
            }
        for key, value in partial.items():
            total[key] = total.get(key, 0) + value
    total.pop((0,) * polynomial.n_variables, None)
    return total
