"""How many zeros a polynomial system has in all, with multiplicity: the dimension of its quotient ring, exactly.

V_D is the space of multiples of the equations that are found in degree D: V_(D-1), its products with each unknown, and
the equations of degree D. In echelon form, highest degrees first, its elements of degree up to d can be read off; they
leave N(d) monomials that lead none of them. Where N(d) = N(d - 1), every higher monomial reduces to lower ones, and
there are N(d) zeros at most; where this is still so in V_(D+1), and d is at least the largest degree, there are exactly
N(d). All of it modulo a prime near 2^61: right for all but finitely many primes.
Source: G. Reid, L. Zhi, Solving polynomial systems via symbolic-numeric reduction to geometric involutive form,
J. Symb. Comput. 44 (2009), section 4.
"""

from collections.abc import Iterator, Sequence
from math import comb, prod

from theory.polynomials import Exponents, Polynomial, exponents_of_degree
from theory.rings import RESIDUE_PRIME, residue

MOST_COLUMNS = 200  # monomials up to the last degree: about a second


def quotient_dimension(polynomials: Sequence[Polynomial], most_columns: int = MOST_COLUMNS) -> int | None:
    """The number of complex zeros of the equations, each with its multiplicity; 0 where there are none.

    None where more than `most_columns` monomials would be needed (for many unknowns, for high degrees, and wherever the
    zeros are infinitely many), and where the prime divides a coefficient.
    """
    if any(x.denominator % RESIDUE_PRIME == 0 for p in polynomials for c in p.terms.values() for x in (c.re, c.im)):
        return None
    residues = [{e: int(residue(c)) for e, c in p.terms.items()} for p in polynomials]
    if any(0 in element.values() for element in residues):
        return None
    n, top = polynomials[0].n_variables, max(p.degree for p in polynomials)
    space: list[dict[Exponents, int]] = []
    before: list[int] = []
    degree, last = 0, prod(p.degree for p in polynomials) + 2
    while comb(n + degree + 1, n) <= most_columns and degree < last:
        degree += 1
        joining = [element for p, element in zip(polynomials, residues, strict=True) if p.degree == degree]
        space = _echelon([*space, *_products(space, n), *joining], n, degree)
        left = _left(space, n, degree)
        for d in range(top, len(before)):
            if before[d - 1] == before[d] == left[d] == left[d - 1]:
                return left[d]
        before = left
    return None


def _products(space: Sequence[dict[Exponents, int]], n: int) -> Iterator[dict[Exponents, int]]:
    """Each element times each unknown."""
    for k in range(n):
        for element in space:
            yield {(*e[:k], e[k] + 1, *e[k + 1 :]): c for e, c in element.items()}


def _echelon(elements: Sequence[dict[Exponents, int]], n: int, degree: int) -> list[dict[Exponents, int]]:
    """A basis of the span in which no two elements share their leading monomial, which comes first in each."""
    import flint

    monomials = [e for d in range(degree, -1, -1) for e in exponents_of_degree(n, d)]
    column = {e: k for k, e in enumerate(monomials)}
    entries = [0] * (len(elements) * len(monomials))
    for row, element in enumerate(elements):
        for e, c in element.items():
            entries[row * len(monomials) + column[e]] = c
    matrix, rank = flint.nmod_mat(len(elements), len(monomials), entries, RESIDUE_PRIME).rref()
    reduced = [int(c) for c in matrix.entries()[: rank * len(monomials)]]
    rows = (reduced[row * len(monomials) : (row + 1) * len(monomials)] for row in range(rank))
    return [{e: c for e, c in zip(monomials, row, strict=True) if c} for row in rows]


def _left(space: Sequence[dict[Exponents, int]], n: int, degree: int) -> list[int]:
    """N(0), ..., N(degree): monomials up to each degree that lead no element."""
    leading = [sum(next(iter(element))) for element in space]
    return [comb(n + d, n) - sum(e <= d for e in leading) for d in range(degree + 1)]
