"""Zeros of very different sizes, one by one: where two terms of each equation outweigh all others.

At a zero no term of an equation is larger than all others together. Where sizes are far apart, two terms of each
equation balance as a rule, and their binomial equations have a zero nearby: Newton's method goes on from there, in
units in which all coordinates are near 1.
Source: the tropical hypersurfaces of log |coefficient|; S. Gaubert, M. Sharify, Tropical scaling of polynomial matrices
(2009), for one unknown D. Bini, Numerical computation of polynomial zeros by means of Aberth's method (1996).
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from math import comb, prod

import numpy as np

from theory.continuation.homotopy import bits, in_units
from theory.continuation.polyhedral import binomial_roots
from theory.polynomials import Polynomial

_MOST_CHOICES = 20_000  # of two terms in each equation: a second
_MOST_ROOTS = 200
_SLACK = 1.4  # bits by which other terms may outweigh the two that balance
_LARGEST = 866.0  # bits of sizes: doubles hold 1,023


def tropical_starts(polynomials: Sequence[Polynomial]) -> Iterator[np.ndarray]:
    """Zeros (n,) of those binomial equations whose two terms outweigh all others; none where that takes long."""
    if prod(comb(len(p.terms), 2) for p in polynomials) > _MOST_CHOICES:
        return
    logarithms = [np.array([bits(c) for c in p.terms.values()]) for p in polynomials]
    count = 0
    for choice in product(*(combinations(range(len(p.terms)), 2) for p in polynomials)):
        edges = np.array([p.exponents[b] - p.exponents[a] for p, (a, b) in zip(polynomials, choice, strict=True)])
        volume = round(abs(np.linalg.det(edges)))
        if not volume:
            continue
        heights = [c[a] - c[b] for c, (a, b) in zip(logarithms, choice, strict=True)]
        sizes = np.linalg.solve(edges, heights)
        levels = [c + p.exponents @ sizes for p, c in zip(polynomials, logarithms, strict=True)]
        if any(level.max() > level[a] + _SLACK for level, (a, _) in zip(levels, choice, strict=True)):
            continue
        count += volume
        if count > _MOST_ROOTS or np.abs(sizes).max() > _LARGEST:
            return
        powers = np.round(sizes).astype(int)  # units in which the zeros, and the two terms, are near 1
        coefficients = [p.coefficients for p in in_units(polynomials, powers.tolist())]
        ratios = np.array([-c[a] / c[b] for c, (a, b) in zip(coefficients, choice, strict=True)])
        for root in binomial_roots(edges[None], ratios[None], np.array([volume])):
            yield np.ldexp(root.real, powers) + 1j * np.ldexp(root.imag, powers)
