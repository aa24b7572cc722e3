"""The splitting lemma in exact fractions: what is left of a function along the kernel of a degenerate Hessian.

In suitable coordinates the function is its non-degenerate squares plus a function on the kernel of the Hessian, whose
power series is found order by order.
Source: Gromoll and Meyer 1969 (splitting lemma); Mather 1968 (finite determinacy).
"""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations_with_replacement

from theory.effort import Effort
from theory.local_signs import Signs, lowest_form, signs_near_zero
from theory.polynomials import Polynomial

_ORDERS = (4, 6, 8, 10, 12)  # of the jets that are tried
_PRODUCT = 5  # steps that the product of two terms counts for


def hessian(f: Polynomial) -> list[list[Fraction]]:
    """The symmetric matrix of the quadratic terms: f = u^T H u + terms of order 3 and more."""
    n = f.n_variables
    matrix = [[Fraction(0)] * n for _ in range(n)]
    for exponents, coefficient in f.terms.items():
        if sum(exponents) == 2:
            i, j = [k for k in range(n) for _ in range(exponents[k])]
            matrix[i][j] += coefficient.re / 2
            matrix[j][i] += coefficient.re / 2
    return matrix


def diagonalize(matrix: list[list[Fraction]], effort: Effort) -> tuple[list[Fraction], list[list[Fraction]]]:
    """(d, B) with B H B^T = diag(d) exactly, rows of B a basis; by Sylvester d has the signs of the eigenvalues."""
    n = len(matrix)
    h = [row[:] for row in matrix]
    basis = [[Fraction(int(i == j)) for j in range(n)] for i in range(n)]

    def add(target: int, source: int, factor: Fraction) -> None:  # the same step on rows, columns and basis
        effort.spend(3 * n)
        for k in range(n):
            h[target][k] += factor * h[source][k]
            basis[target][k] += factor * basis[source][k]
        for k in range(n):
            h[k][target] += factor * h[k][source]

    for i in range(n):
        if not h[i][i]:
            partner = next((j for j in range(i + 1, n) if h[i][j]), None)
            if partner is None:
                continue
            # one of the two signs makes the pivot 2 h_ij + h_jj different from 0
            add(i, partner, Fraction(1 if 2 * h[i][partner] + h[partner][partner] else -1))
        for j in range(i + 1, n):
            if h[j][i]:
                add(j, i, -h[j][i] / h[i][i])
    return [h[i][i] for i in range(n)], basis


def signs_on_kernel(f: Polynomial, squares: list[Fraction], basis: list[list[Fraction]], effort: Effort) -> Signs:
    """Signs of what the splitting lemma leaves: f at the critical values of the non-degenerate coordinates."""
    n = f.n_variables
    order = [k for k in range(n) if squares[k]] + [k for k in range(n) if not squares[k]]
    rows = [basis[k] for k in order]
    rank = sum(1 for s in squares if s)
    new = [Polynomial.variable(k, n) for k in range(n)]
    old = [sum((new[k] * rows[k][i] for k in range(n)), Polynomial({}, n)) for i in range(n)]
    g = compose(f, old, n, f.degree, effort)
    gradient = [g.diff(k) for k in range(rank)]
    pivots = [2 * squares[order[k]] for k in range(rank)]
    kernel = n - rank
    flat = [Polynomial.variable(k, kernel) for k in range(kernel)]
    # a restriction of f to a generic line of the kernel has Milnor number <= (degree - 1)^(rank + 1)
    enough = (f.degree - 1) ** (rank + 1) + 1
    signs = Signs(None, None, None, "")
    for order_now in _ORDERS:
        inner = _eliminate(gradient, pivots, flat, order_now, effort)
        exact = all(not compose(p, inner + flat, kernel, p.degree * order_now, effort).terms for p in gradient)
        rest = compose(g, inner + flat, kernel, g.degree * order_now if exact else order_now, effort)
        if not rest.terms and (exact or order_now >= enough):
            return Signs(False, False, False, "constant along the kernel of the Hessian")
        if exact or (rest.terms and _is_determined(rest, order_now, effort)):
            return signs_near_zero(rest)
        signs = _signs_of_jet(rest) if rest.terms else signs
        if signs.positive and signs.negative:
            return signs
    reason = f"terms up to order {_ORDERS[-1]} along the kernel of the Hessian do not decide it"
    return Signs(signs.positive, signs.negative, None, reason)


def _eliminate(
    gradient: list[Polynomial], pivots: list[Fraction], flat: list[Polynomial], order: int, effort: Effort
) -> list[Polynomial]:
    """Power series v(s) with gradient(v(s), s) = 0, up to the order: each sweep gains one order at least."""
    inner = [Polynomial({}, len(flat)) for _ in gradient]
    for _ in range(order):
        values = inner + flat
        slopes = [compose(p, values, len(flat), order, effort) for p in gradient]
        if not any(slope.terms for slope in slopes):
            break
        inner = [v - slope * (1 / pivot) for v, slope, pivot in zip(inner, slopes, pivots, strict=True)]
    return inner


def _is_determined(jet: Polynomial, order: int, effort: Effort) -> bool:
    """Mather's test: every series with this jet becomes the jet in other coordinates, so the jet decides the kind.

    It suffices that the monomials of degree order + 1 lie in m^2 J + m^(order + 2), J the ideal of the derivatives.
    """
    n = jet.n_variables
    if n == 1:
        return True
    derivatives = [jet.diff(k) for k in range(n)]
    rows = []
    for degree in range(2, order + 2):
        for choice in combinations_with_replacement(range(n), degree):
            shift = [choice.count(k) for k in range(n)]
            for derivative in derivatives:
                moved = {tuple(map(int.__add__, e, shift)): c.re for e, c in derivative.terms.items()}
                row = {e: c for e, c in moved.items() if sum(e) <= order + 1}
                effort.spend(len(moved))
                if row:
                    rows.append(row)
    reached = _leading_monomials(rows, effort)
    top = sum(1 for _ in combinations_with_replacement(range(n), order + 1))
    return sum(1 for e in reached if sum(e) == order + 1) == top


def _leading_monomials(rows: list[dict[tuple[int, ...], Fraction]], effort: Effort) -> set[tuple[int, ...]]:
    """Pivots of the row echelon form, monomials of low degree eliminated first."""
    pivots: dict[tuple[int, ...], dict[tuple[int, ...], Fraction]] = {}
    for row in rows:
        while row:
            lead = min(row, key=lambda e: (sum(e), e))
            if lead not in pivots:
                pivots[lead] = row
                break
            factor = row[lead] / pivots[lead][lead]
            effort.spend(len(row) + len(pivots[lead]))
            merged = dict(row)
            for e, c in pivots[lead].items():
                merged[e] = merged.get(e, Fraction(0)) - factor * c
            row = {e: c for e, c in merged.items() if c}
    return set(pivots)


def _signs_of_jet(jet: Polynomial) -> Signs:
    """What the lowest form proves for every series that starts with this jet."""
    signs = signs_near_zero(lowest_form(jet))
    if (signs.positive and signs.negative) or signs.isolated:
        return signs
    return Signs(signs.positive or None, signs.negative or None, None, signs.reason)


def compose(outer: Polynomial, inner: Sequence[Polynomial], n: int, order: int, effort: Effort) -> Polynomial:
    """outer(inner_1, ..., inner_k) in n variables, terms above the order dropped."""

    def times(left: Polynomial, right: Polynomial) -> Polynomial:
        effort.spend(_PRODUCT * len(left.terms) * len(right.terms))
        return _truncate(left * right, order)

    powers: list[list[Polynomial]] = [[Polynomial.constant(1, n), _truncate(p, order)] for p in inner]
    total = Polynomial({}, n)
    for exponents, coefficient in outer.terms.items():
        term = Polynomial.constant(1, n) * coefficient
        for k, exponent in enumerate(exponents):
            while len(powers[k]) <= exponent:
                powers[k].append(times(powers[k][-1], powers[k][1]))
            if exponent:
                term = times(term, powers[k][exponent])
        effort.spend(len(total.terms))
        total = total + term
    return total


def _truncate(polynomial: Polynomial, order: int) -> Polynomial:
    if polynomial.degree <= order:
        return polynomial
    return Polynomial({e: c for e, c in polynomial.terms.items() if sum(e) <= order}, polynomial.n_variables)
