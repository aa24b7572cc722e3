"""Fewer and simpler equations for the same zero set: square-free parts, and those equations that suffice alone."""

from itertools import combinations, islice

import numpy as np

from theory.continuation.sift import relative_residual
from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem
from theory.witness_points import VANISHES_AT_SINGULAR
from theory.zero_sets import ZeroSet, zero_set

MOST_CHOICES = 50  # of equations that are tried


def as_complete_intersection(zeros: ZeroSet, max_paths: int | None = None) -> ZeroSet | None:
    """The same set as the regular zeros of as many real equations as its codimension; None where none is found.

    Every equation is replaced by its square-free part, which has the same zeros; then each choice of as many equations
    as the codimension is decomposed (in order, 50 at most) until one has no multiple component, and no component on
    which another equation does not vanish.
    """
    dimension = zeros.dimension
    if any(c.dimension != dimension for c in zeros.components) or not zeros.system.is_real:
        return None
    parts = [_square_free(p, zeros.system) for p in zeros.system.polynomials]
    distinct = list({frozenset(part.terms.items()): part for part in parts}.values())
    count = zeros.system.n_unknowns - dimension
    for chosen in islice(combinations(distinct, count), MOST_CHOICES):
        system = PolynomialSystem.from_polynomials(chosen, zeros.system.names)
        found = zero_set(system, seed=zeros.seed, max_paths=max_paths)
        if all(c.dimension == dimension and c.multiplicity == 1 for c in found.components) and np.all(
            relative_residual(zeros.system, found.points) < VANISHES_AT_SINGULAR
        ):
            return found
    return None


def _square_free(polynomial: Polynomial, system: PolynomialSystem) -> Polynomial:
    """The product of the distinct irreducible factors over the rationals."""
    import sympy as sp

    symbols = system.variables
    part = sp.Poly(polynomial.to_sympy(symbols), *symbols).sqf_part()
    return Polynomial.from_sympy(part.as_expr(), symbols)
