"""From a system to something that can be tracked: scaled, affine equations eliminated, squared up, recorded.

A homotopy is a tape with parameters, two values of them, and start points: paths run from the first to the second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from theory.continuation.tape import Node, Recorder, Tape
from theory.polynomials import GaussianRational, Polynomial
from theory.quotient_dimension import quotient_dimension
from theory.rank import modular_rank
from theory.rings import RESIDUE_PRIME, residue
from theory.systems import PolynomialSystem

_WIDE = 14.0  # bits between coefficients, times the largest degree, from which on the unknowns are scaled, too
_LARGEST = 1000  # bits of a scale
_FEW_MONOMIALS = 130
_STRETCHED = 10.0  # bits between scales
_DOUBLE = 53.0  # bits of a double
_DEPENDENT = 1e-11  # relative size of a row that elimination has reduced to nothing


class InconsistentError(ValueError):
    """Equations that contradict each other: there is no solution."""


class UnderdeterminedError(ValueError):
    """Fewer independent equations than unknowns: `solve` counts points, and the zero set has none isolated."""

    @classmethod
    def of(cls, equations: int, unknowns: int) -> "UnderdeterminedError":
        return cls(
            f"solve needs at least as many independent equations as unknowns, got {equations} in {unknowns}: "
            "add affine equations with system.slice(seed), or ask for the dimension and degree with zero_set"
        )


@dataclass(frozen=True, eq=False)
class Reduction:
    """The unknowns as affine functions of some of them: x = matrix @ y + offset.

    matrix: (n, free) complex; offset: (n,); free: indices of the unknowns that y consists of
    """

    matrix: np.ndarray
    offset: np.ndarray
    free: tuple[int, ...]

    def lift(self, points: np.ndarray) -> np.ndarray:
        """Points (p, free) -> (p, n)."""
        return points @ self.matrix.T + self.offset

    def nodes(self, values: Sequence[Node]) -> list[Node]:
        """All unknowns as nodes, given those of the free ones."""
        nodes = []
        for row, constant in zip(self.matrix, self.offset, strict=True):
            total = values[0].recorder.constant(constant)
            for coefficient, value in zip(row, values, strict=True):
                if coefficient:
                    total = total + value * complex(coefficient)
            nodes.append(total)
        return nodes


@dataclass(frozen=True, eq=False)
class Reduced:
    """A system made ready: scaled by powers of 2 and without its affine equations.

    scaled: the system in unknowns of size about 1; scales: (n,) unknown = scale * scaled unknown, powers of 2
    reduction: of the scaled unknowns; polynomials: the other equations, as far as they do not follow from the affine
        ones, empty where a network evaluates them
    """

    system: PolynomialSystem
    scaled: PolynomialSystem
    scales: np.ndarray
    reduction: Reduction
    polynomials: tuple[Polynomial, ...]

    @property
    def n_free(self) -> int:
        return len(self.reduction.free)

    @cached_property
    def far_apart(self) -> bool:
        """Whether coefficients of one equation differ by more than double precision holds, however it was scaled: then
        finite zeros may lie as far out as those at infinity seem to."""
        return spread(self.polynomials) > _DOUBLE

    @cached_property
    def is_stretched(self) -> bool:
        """Whether unknowns are measured in so different units that errors relative to the largest say little."""
        return bool(np.ptp(np.log2(self.scales)) > _STRETCHED)

    @cached_property
    def has_finitely_many_zeros(self) -> bool:
        """Whether that is known, by an exact count that takes a few hundredths of a second."""
        sparse = self.system.network is None
        return sparse and quotient_dimension(self.system.polynomials, _FEW_MONOMIALS) is not None

    @cached_property
    def n_equations(self) -> int:
        network = self.system.network
        return len(self.polynomials) if network is None else len(network.degrees)

    def record(self, recorder: Recorder) -> list[Node]:
        """The equations as nodes in the recorder's unknowns."""
        values = self.reduction.nodes(recorder.unknowns)
        if self.system.network is not None:
            return self.system.network.residuals(values)
        values = [recorder.homogenised(value) for value in values]
        return [recorder.polynomial(p, values) for p in self.polynomials]


@dataclass(frozen=True, eq=False)
class Homotopy:
    """Paths to follow: starts (p, coordinates), parameters (2, m): at the start points and at the end.

    complete: the starts are all solutions of an irreducible family, so any way to as many distinct ends finds them all
    """

    tape: Tape
    starts: np.ndarray
    parameters: np.ndarray
    reduced: Reduced
    origin: str
    complete: bool = False

    def affine(self, points: np.ndarray) -> np.ndarray:
        """Projective points (p, coordinates) -> points (p, n) of the scaled system; infinite ones give inf or NaN."""
        n = self.reduced.n_free
        with np.errstate(all="ignore"):
            return self.reduced.reduction.lift(points[:, :n] / points[:, n + self.tape.group[:n]])


def reduce(system: PolynomialSystem, rescale: bool = True) -> Reduced:
    """Scale a system exactly and eliminate its affine equations. rescale: the unknowns, too, not the equations alone.

    Raises UnderdeterminedError for too few equations, InconsistentError for contradicting affine ones.
    """
    n = system.n_unknowns
    if system.n_equations < n:
        raise UnderdeterminedError.of(system.n_equations, n)
    if system.network is not None:
        rows = [balance(p) for p in system.affine]
        if any(p.degree > 1 for p in rows):
            raise ValueError("the equations added to a network's must be affine")
        reduced = Reduced(system, system, np.ones(n), eliminate(rows, n), ())
    else:
        polynomials, scales = equilibrate(system.polynomials, n, rescale)
        reduction = eliminate([p for p in polynomials if p.degree == 1], n)
        scaled = PolynomialSystem.from_polynomials(polynomials, system.names)
        others = _independent([p for p in polynomials if p.degree > 1], reduction)
        reduced = Reduced(system, scaled, scales, reduction, others)
    if reduced.n_equations < reduced.n_free:
        raise UnderdeterminedError.of(reduced.n_equations + n - reduced.n_free, n)
    return reduced


def _independent(polynomials: Sequence[Polynomial], reduction: Reduction) -> tuple[Polynomial, ...]:
    """The equations that do not hold wherever the affine ones do: at random points, to rounding; those whose
    coefficients are far apart are kept, since rounding says nothing of them."""
    rng, n, free = np.random.default_rng(0), len(reduction.matrix), len(reduction.free)
    if not 0 < free < n:
        return tuple(polynomials)
    points = reduction.lift(np.exp(2j * np.pi * rng.random((3, free))))
    kept = []
    for polynomial in polynomials:
        terms = np.prod(points[:, None, :] ** polynomial.exponents, axis=2) * polynomial.coefficients
        holds = np.all(np.abs(terms.sum(axis=1)) <= _DEPENDENT * np.abs(terms).sum(axis=1))
        if not holds or spread([polynomial]) > -math.log2(_DEPENDENT):
            kept.append(polynomial)
    return tuple(kept)


def bits(coefficient: GaussianRational) -> float:
    """log2 of max(|re|, |im|), for numbers of any size."""
    return max(
        math.log2(abs(part.numerator)) - math.log2(part.denominator)
        for part in (coefficient.re, coefficient.im)
        if part.numerator
    )


def _times_powers(polynomial: Polynomial, powers: Sequence[int]) -> Polynomial:
    """Each term times 2 to its power."""
    factors = {power: Fraction(2) ** power for power in set(powers)}
    terms = {
        exponents: GaussianRational(c.re * factors[power], c.im * factors[power] if c.im else c.im)
        for (exponents, c), power in zip(polynomial.terms.items(), powers, strict=True)
    }
    return Polynomial(terms, polynomial.n_variables)


def balance(polynomial: Polynomial) -> Polynomial:
    """The polynomial times the power of 2 that brings its largest coefficient near 1, exactly."""
    power = -round(max(map(bits, polynomial.terms.values())))
    return _times_powers(polynomial, [power] * len(polynomial.terms)) if power else polynomial


def in_units(polynomials: Sequence[Polynomial], powers: Sequence[int]) -> list[Polynomial]:
    """The polynomials in unknowns measured in units of 2^powers, balanced."""
    return [balance(_times_powers(p, (p.exponents @ powers).tolist())) for p in polynomials]


def is_wide(polynomials: Sequence[Polynomial]) -> bool:
    """Whether coefficients of one equation are so far apart that unknowns, and powers of them, may be."""
    return spread(polynomials) * max(p.degree for p in polynomials) >= _WIDE


def spread(polynomials: Sequence[Polynomial]) -> float:
    """Bits between the largest and the smallest coefficient of an equation, the most of all equations."""
    return max((float(np.ptp([bits(c) for c in p.terms.values()])) for p in polynomials), default=0.0)


def equilibrate(polynomials: Sequence[Polynomial], n: int, rescale: bool = True) -> tuple[list[Polynomial], np.ndarray]:
    """Powers of 2 for rows and unknowns that bring the coefficients near 1, by least squares on their logarithms.

    Returns the scaled polynomials and the scales (n,): unknown = scale * scaled unknown. The unknowns are scaled only
    where coefficients of one equation, to the power of the largest degree, differ by more than 2^14, since powers of
    unknowns grow with it; and where `rescale` allows it. Raises ValueError for scales that no double can hold.
    Source: A. Morgan, Solving polynomial systems using continuation (1987), chapter 5 (SCLGEN).
    """
    logarithms = [np.array([bits(c) for c in p.terms.values()]) for p in polynomials]
    if not (rescale and is_wide(polynomials)):
        return [balance(p) for p in polynomials], np.ones(n)
    rows = []
    for i, p in enumerate(polynomials):
        unit = np.zeros((len(p.terms), len(polynomials)))
        unit[:, i] = 1
        rows.append(np.hstack([unit, p.exponents]))
    solution = np.linalg.lstsq(np.vstack(rows), -np.concatenate(logarithms), rcond=None)[0]
    columns = [round(v) for v in solution[len(polynomials) :]]
    if largest := max((c for c in columns if abs(c) > _LARGEST), key=abs, default=0):
        raise ValueError(
            f"the coefficients ask for unknowns of size 2^{largest}, which no double can hold: change their units"
        )
    return in_units(polynomials, columns), np.array([math.ldexp(1.0, c) for c in columns])


def equilibrated(system: PolynomialSystem) -> tuple[PolynomialSystem, np.ndarray]:
    """A sparse system scaled by `equilibrate`, and the scales (n,) of its unknowns."""
    polynomials, scales = equilibrate(system.polynomials, system.n_unknowns)
    return PolynomialSystem.from_polynomials(polynomials, system.names), scales


def eliminate(affine: Sequence[Polynomial], n: int) -> Reduction:
    """Solve affine equations for as many unknowns, by elimination with complete pivoting.

    Raises InconsistentError where they contradict each other.
    """
    matrix, constant = np.zeros((len(affine), n), complex), np.zeros(len(affine), complex)
    for row, p in enumerate(affine):
        for exponents, coefficient in zip(p.exponents, p.coefficients, strict=True):
            if exponents.any():
                matrix[row, int(np.argmax(exponents))] = coefficient
            else:
                constant[row] = coefficient
    table = np.hstack([matrix, constant[:, None]]) / np.abs(matrix).max(axis=1, keepdims=True, initial=0)
    pivots: list[int] = []
    for k in range(len(table)):
        sizes = np.abs(table[k:, :n])
        row, column = divmod(int(np.argmax(sizes)), n)
        if sizes[row, column] < _DEPENDENT:
            sizes = np.abs(table[:, n])
            if sizes[k:].max() > _DEPENDENT * max(1.0, sizes.max()) and not _have_solutions(affine, n):
                raise InconsistentError("the affine equations contradict each other")
            break
        table[[k, k + row]] = table[[k + row, k]]
        table[k] /= table[k, column]
        others = np.arange(len(table)) != k
        table[others] -= np.outer(table[others, column], table[k])
        table[others, column] = 0
        pivots.append(column)
    free = tuple(k for k in range(n) if k not in pivots)
    lift, offset = np.zeros((n, len(free)), complex), np.zeros(n, complex)
    lift[list(free), range(len(free))] = 1
    lift[pivots] = -table[: len(pivots), list(free)]
    offset[pivots] = -table[: len(pivots), n]
    return Reduction(lift, offset, free)


def _have_solutions(affine: Sequence[Polynomial], n: int) -> bool:
    """Whether the rank of the matrix of coefficients is that of the matrix with the constants, exactly."""
    order = [*np.eye(n, dtype=int).tolist(), [0] * n]
    rows = [[int(residue(p.terms[e])) if e in p.terms else 0 for e in map(tuple, order)] for p in affine]
    whole, part = np.array(rows, object), np.array([row[:n] for row in rows], object)
    return modular_rank(whole, RESIDUE_PRIME) == modular_rank(part, RESIDUE_PRIME)


def square_up(equations: Sequence[Node], degrees: Sequence[int], n: int, rng: np.random.Generator) -> list[Node]:
    """n random combinations of the equations, the highest degrees first so that no degree grows.

    Their common zeros contain those of the equations; the others are excess. Source: A. Sommese, C. Wampler, The
    numerical solution of systems of polynomials arising in engineering and science (2005), section 13.5.
    """
    if len(equations) == n:
        return list(equations)
    order = sorted(range(len(equations)), key=lambda i: -degrees[i])
    factors = np.exp(2j * np.pi * rng.random((n, len(equations) - n)))
    combined = []
    for row, i in enumerate(order[:n]):
        total = equations[i]
        for factor, j in zip(factors[row], order[n:], strict=True):
            total = total + equations[j] * complex(factor)
        combined.append(total)
    return combined
