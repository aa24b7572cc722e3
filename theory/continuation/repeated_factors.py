"""Equations with repeated factors: solved factor by factor, with the multiplicities that the exponents give.

If f = prod q_i^m_i, the zeros of (f, g, ...) are those of all (q_i, g, ...), and intersection multiplicities add up:
that of a zero is the sum of m_i times its multiplicity in (q_i, g, ...). Factors are exact, over the rationals or the
Gaussian rationals; whether there are any is asked first on a random line modulo a prime. In one unknown the roots of a
real equation are isolated in ball arithmetic instead.
Source: W. Fulton, Algebraic curves (1969), section 3.3; D. Yun, On square-free decomposition algorithms, SYMSAC (1976).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from theory.continuation import sift
from theory.continuation.homotopy import UnderdeterminedError, equilibrated
from theory.continuation.isolation import local_multiplicity
from theory.continuation.solutions import EXACTLY, PathCount, SolutionSet
from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem

Factors = list[tuple[Polynomial, int]]
_PRIME = 998_244_353  # 1 modulo 4: it has a square root of -1
_ROOT = pow(3, (_PRIME - 1) // 4, _PRIME)
_MOST_DEGREE = 60  # in several unknowns, where factors take long
_MOST_ROOTS = 300  # of an equation in one unknown: seconds in ball arithmetic
_BITS = 128
_ROUNDED = 1e3 * float(np.finfo(float).eps)  # relative error of a regular point of condition 1, generously


def solved_by_factors(
    system: PolynomialSystem, found: SolutionSet, solve: Callable[[PolynomialSystem], SolutionSet]
) -> SolutionSet:
    """The set of a square system with singular or undecided ends, or with ends on larger sets for all that double
    precision can tell, found anew where equations have repeated factors.

    solve: what solves the systems in which one factor stands for each such equation. Paths count as often as the
    exponents say.
    """
    if system.network is not None or not (found.singular.any() or found.paths.failed or found.paths.not_isolated):
        return found
    one = system.n_equations == system.n_unknowns == 1 and system.is_real
    if one and found.singular.any() and system.degrees[0] <= _MOST_ROOTS:
        return _exact(system, found)
    if system.n_equations != system.n_unknowns or not any(map(has_repeated_factors, system.polynomials)):
        return found
    factors = [square_free(p) for p in system.polynomials]
    parts, weights = [], []
    for choice in product(*factors):
        part = PolynomialSystem.from_polynomials([q for q, _ in choice], system.names)
        try:
            parts.append(solve(part))
        except UnderdeterminedError:  # a whole set of zeros, which the paths to the system itself have seen
            return found
        weights.append(math.prod(m for _, m in choice))
    united = _united(system, parts, weights, found)
    return _isolated(system, united) if united.paths.not_isolated else united


def _isolated(system: PolynomialSystem, united: SolutionSet) -> SolutionSet:
    """Without the points on a set of zeros of positive dimension that several equations share."""
    scaled, scales = equilibrated(system)
    sizes = [
        local_multiplicity(scaled, point / scales, int(count))
        for point, count in zip(united.solutions, united.multiplicity, strict=True)
    ]
    keep = np.array([size != 0 for size in sizes], bool)
    names = ("solutions", "multiplicity", "singular", "is_real", "residual", "condition")
    paths = replace(united.paths, not_isolated=united.paths.not_isolated + int(united.multiplicity[~keep].sum()))
    return replace(united, **{name: getattr(united, name)[keep] for name in names}, paths=paths)


def _exact(system: PolynomialSystem, found: SolutionSet) -> SolutionSet:
    """The roots of one real equation in one unknown, isolated by ball arithmetic: multiplicities are exact.

    The set as it was where two roots are the same double, with a note.
    Source: F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE Trans. Comput. 66
    (2017).
    """
    import flint

    (polynomial,) = system.polynomials
    coefficients = [flint.fmpq(0)] * (polynomial.degree + 1)
    for (power,), c in polynomial.terms.items():
        coefficients[power] = flint.fmpq(c.re.numerator, c.re.denominator)
    with flint.ctx.workprec(_BITS):
        roots: Any = flint.fmpq_poly(coefficients).complex_roots()  # pairs, which the stubs do not say
        parts = [[0.0 if part.contains(0) else float(part) for part in (z.real, z.imag)] for z, _ in roots]
        points = np.array([[complex(*pair)] for pair in parts])
        is_real = np.array([z.imag == 0 for z, _ in roots])
    multiplicity = np.array([int(m) for _, m in roots])
    if len(np.unique(points)) < len(roots) or found.paths.tracked != polynomial.degree or not np.isfinite(points).all():
        return replace(found, notes=(*found.notes, "roots that double precision cannot tell apart count as one"))
    singular = multiplicity > 1
    scaled, scales = equilibrated(system)
    regular = int((~singular).sum())
    return replace(
        found,
        solutions=points,
        multiplicity=multiplicity,
        singular=singular,
        is_real=is_real,
        residual=sift.relative_residual(scaled, points / scales),
        condition=np.where(singular, np.inf, sift.conditions(scaled, points / scales)),
        paths=PathCount(polynomial.degree, regular, 0, polynomial.degree - regular, 0),
        notes=("paths end close together: the roots are isolated in ball arithmetic, with exact multiplicities",),
    )


def has_repeated_factors(polynomial: Polynomial) -> bool:
    """Whether the polynomial on a random line modulo a prime has; wrong with a probability of about degree / 10^9."""
    if polynomial.degree < 2 or (polynomial.n_variables > 1 and polynomial.degree > _MOST_DEGREE):
        return False
    line = _on_a_line(polynomial)
    return line is None or len(_gcd(line, [k * c % _PRIME for k, c in enumerate(line)][1:])) > 1


def _on_a_line(polynomial: Polynomial) -> list[int] | None:
    """Coefficients of p(a + b t), of p(t) in one unknown, ascending; None where a denominator is 0 modulo the prime."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(1, _PRIME, size=(2, polynomial.n_variables)).tolist()
    total = [0] * (polynomial.degree + 1)
    for exponents, coefficient in polynomial.terms.items():
        parts = (coefficient.re, coefficient.im)
        if any(part.denominator % _PRIME == 0 for part in parts):
            return None
        re, im = (part.numerator * pow(part.denominator, -1, _PRIME) for part in parts)
        term = [(re + im * _ROOT) % _PRIME]
        if polynomial.n_variables == 1:
            total[exponents[0]] = term[0]
            continue
        for k, e in enumerate(exponents):
            for _ in range(e):
                term = [(a[k] * low + b[k] * high) % _PRIME for low, high in zip([*term, 0], [0, *term], strict=True)]
        total = [(t + c) % _PRIME for t, c in zip(total, [*term, *[0] * (len(total) - len(term))], strict=True)]
    return total


def _gcd(left: list[int], right: list[int]) -> list[int]:
    """Of polynomials modulo the prime, ascending coefficients."""
    left, right = _trimmed(left), _trimmed(right)
    while right:
        inverse = pow(right[-1], -1, _PRIME)
        while len(left) >= len(right):
            factor, shift = left[-1] * inverse % _PRIME, len(left) - len(right)
            padded = [0] * shift + right
            left = _trimmed([(x - factor * y) % _PRIME for x, y in zip(left, padded, strict=True)])
        left, right = right, left
    return left


def _trimmed(coefficients: list[int]) -> list[int]:
    while coefficients and not coefficients[-1]:
        coefficients = coefficients[:-1]
    return coefficients


def square_free(polynomial: Polynomial) -> Factors:
    """[(q_i, m_i)] with prod q_i^m_i equal to the polynomial but for a constant, no q_i with a repeated factor."""
    if not has_repeated_factors(polynomial):
        return [(polynomial, 1)]
    import sympy as sp

    symbols = sp.symbols(f"x:{polynomial.n_variables}")
    domain = sp.QQ if polynomial.is_real else sp.QQ_I
    _, factors = sp.Poly(polynomial.to_sympy(symbols), *symbols, domain=domain).sqf_list()
    return [(Polynomial.from_sympy(q.as_expr(), symbols), int(m)) for q, m in factors]


def _united(system: PolynomialSystem, parts: list[SolutionSet], weights: list[int], before: SolutionSet) -> SolutionSet:
    """Points that several parts share are one, and their multiplicities add up."""
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("solutions", "singular", "is_real", "condition")
    }
    counts = np.concatenate([w * part.multiplicity for part, w in zip(parts, weights, strict=True)])
    first, label = _shared(
        joined["solutions"], joined["condition"], np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    )
    multiplicity = np.bincount(label, weights=counts, minlength=len(first)).astype(int)
    singular = multiplicity > 1
    paths = [part.paths if part.paths.tracked else PathCount(len(part), len(part), 0, 0, 0) for part in parts]

    def total(name: str) -> int:
        return sum(w * getattr(p, name) for p, w in zip(paths, weights, strict=True))

    regular = int((~singular).sum())
    scaled, scales = equilibrated(system)
    notes = [note for part in parts for note in _notes(part)]
    return replace(
        before,
        solutions=joined["solutions"][first],
        multiplicity=multiplicity,
        singular=singular,
        is_real=joined["is_real"][first],
        residual=sift.relative_residual(scaled, joined["solutions"][first] / scales),
        condition=np.where(singular, np.inf, joined["condition"][first]),
        paths=PathCount(
            total("tracked"),
            regular,
            total("at_infinity"),
            total("finite") + total("singular") - regular,
            total("failed"),
            not_isolated=total("not_isolated"),
        ),
        start=f"{len(parts)} systems of square-free factors: {'; '.join(dict.fromkeys(p.start for p in parts))}",
        notes=(*dict.fromkeys(notes), "equations with repeated factors: paths are counted with the exponents"),
    )


def _shared(points: np.ndarray, condition: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(index of the best known point of each zero, which zero each point is) for points (p, n) of several parts.

    Points of one part are different zeros. Those of two parts are one where they agree to the precision they are known
    to; in one unknown the parts have no zero in common.
    """
    pairs = []
    if points.shape[1] > 1:
        for i, j, distance in sift.close_pairs(points, points, sift.SINGULAR_RADIUS):
            known = min(_ROUNDED * (condition[i] + condition[j]), sift.SINGULAR_RADIUS)
            if i < j and distance <= known * (1 + np.abs(points[i]).max()):
                pairs.append((distance, i, j))
    zero = np.arange(len(points))
    for _, i, j in sorted(pairs):
        left, right = zero == zero[i], zero == zero[j]
        if not np.isin(part[left], part[right]).any():
            zero[right] = zero[i]
    _, label = np.unique(zero, return_inverse=True)
    order = np.argsort(condition, kind="stable")
    return order[np.unique(label[order], return_index=True)[1]], label


def _notes(part: SolutionSet) -> Iterator[str]:
    moot = ("no isolated solutions", "no path", EXACTLY)
    yield from (note for note in part.notes if not any(words in note for words in moot))
