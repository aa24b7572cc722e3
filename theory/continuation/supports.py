"""A square system as supports with mixed cells: what the polyhedral start begins with.

Zeros with the coordinates J equal to 0 solve those equations that do not vanish with x_J. Of the generic system they
are isolated if exactly |J| equations vanish, and regular if those can be matched with J by monomials linear in x_J.
Where they are not regular, the equations that vanish get a constant term that goes to 0.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from theory.continuation.homotopy import Reduced, Reduction, balance
from theory.continuation.start import StartError
from theory.continuation.tape import Recorder, Tape
from theory.polynomials import Polynomial
from theory.polytopes import MixedSubdivision, MixedVolumeError, mixed_subdivision

MAX_TERMS = 20_000  # of a network's equations when multiplied out, at most
MAX_UNKNOWNS = 20  # the subsets of unknowns that may be 0 are all looked at


class PolyhedralError(StartError):
    """The polyhedral start does not apply to a system."""


class TooManyZerosError(PolyhedralError):
    """The generic system has more zeros than it may."""


@dataclass(frozen=True, eq=False)
class Stratum:
    """The zeros of the generic system in which exactly some unknowns are not 0.

    unknowns: those that are not 0; equations: those that do not vanish with the others
    cells: of these equations' supports in these unknowns; None where there are no unknowns, and the origin is the zero
    """

    unknowns: tuple[int, ...]
    equations: tuple[int, ...]
    cells: MixedSubdivision | None

    @property
    def volumes(self) -> np.ndarray:
        """Of the cells: zeros from each."""
        return np.ones(1, np.int64) if self.cells is None else self.cells.volumes

    @property
    def count(self) -> int:
        return int(self.volumes.sum())


@dataclass(frozen=True, eq=False)
class Polyhedra:
    """A square system as a list of monomials, and the mixed cells of its supports.

    reduced: the scaled system, nothing eliminated
    exponents: (m_i, n) for each equation; coefficients: (m_i,) complex, 0 for constant terms that were added
    """

    reduced: Reduced
    exponents: tuple[np.ndarray, ...]
    coefficients: tuple[np.ndarray, ...]
    strata: tuple[Stratum, ...]

    @property
    def count(self) -> int:
        """Zeros of the generic system, and so paths."""
        return sum(stratum.count for stratum in self.strata)

    @property
    def bound(self) -> str:
        """What this number is."""
        if self.n_terms > sum(len(p.terms) for p in self.reduced.polynomials):
            return "the mixed volume with constant terms added"
        zero = any(len(stratum.unknowns) < self.reduced.n_free for stratum in self.strata)
        return "the stable mixed volume" if zero else "the mixed volume"

    @property
    def n_terms(self) -> int:
        return sum(map(len, self.exponents))

    @cached_property
    def tape(self) -> Tape:
        """The equations with all coefficients as parameters, in the order of the exponents."""
        recorder = Recorder(self.reduced.n_free)
        equations = [recorder.weighted(points.tolist(), recorder.parameters(len(points))) for points in self.exponents]
        return recorder.tape(equations)


def polyhedra(
    reduced: Reduced,
    seed: int = 0,
    max_work: float = math.inf,
    with_constants: bool = False,
    most: float = math.inf,
) -> Polyhedra:
    """The supports and mixed cells of a system; seed: of the lifting, which changes no count.

    max_work: multiplications (about 10^9 a second) allowed for each support of each mixed volume
    with_constants: give every equation a constant term, so that no path stays where unknowns are 0; more paths
    most: zeros from which on no further cells are looked for
    Raises TooManyZerosError for more of them, PolyhedralError for systems with too many terms or unknowns,
    or beyond max_work.
    """
    whole = _expanded(reduced)
    n = whole.n_free
    exponents = [p.exponents for p in whole.polynomials]
    coefficients = [p.coefficients for p in whole.polynomials]
    irregular = {i for i, points in enumerate(exponents) if with_constants and points.any(axis=1).all()}
    while True:
        for i in irregular:
            exponents[i] = np.vstack([exponents[i], np.zeros((1, n), np.int64)])
            coefficients[i] = np.append(coefficients[i], 0)
        try:
            strata, irregular = _strata(exponents, n, seed, max_work, most)
        except MixedVolumeError as error:
            raise PolyhedralError(f"the polyhedral start needs mixed cells: {error}") from None
        if not irregular:
            return Polyhedra(whole, tuple(exponents), tuple(coefficients), tuple(strata))


def _expanded(reduced: Reduced) -> Reduced:
    """The scaled system as polynomials, with nothing eliminated: affine equations are sparse, and fewer paths."""
    system = reduced.system
    n = system.n_unknowns
    if n > MAX_UNKNOWNS:
        raise PolyhedralError(f"the polyhedral start takes up to {MAX_UNKNOWNS} unknowns, got {n}")
    if system.network is None:
        polynomials = reduced.scaled.polynomials
    else:
        terms = sum(math.comb(n + d, d) for d in system.degrees)
        if terms > MAX_TERMS:
            raise PolyhedralError(
                f"the polyhedral start multiplies a network's equations out, here up to {terms} terms, more than "
                f'{MAX_TERMS}: use start="total-degree" or "monodromy"'
            )
        polynomials = tuple(balance(p) for p in system.polynomials)
    polynomials = _squared_up(polynomials, n)
    identity = Reduction(np.eye(n, dtype=complex), np.zeros(n, complex), tuple(range(n)))
    return replace(reduced, reduction=identity, polynomials=polynomials)


def _squared_up(polynomials: tuple[Polynomial, ...], n: int) -> tuple[Polynomial, ...]:
    """n random combinations where there are more equations, the highest degrees first, as `square_up` takes them."""
    if len(polynomials) == n:
        return polynomials
    ordered = sorted(polynomials, key=lambda p: -p.degree)
    factors = np.exp(2j * np.pi * np.random.default_rng(0).random((n, len(ordered) - n))).round(3)
    return tuple(
        sum((q * complex(factor) for factor, q in zip(row, ordered[n:], strict=True)), p)
        for row, p in zip(factors, ordered[:n], strict=True)
    )


def _strata(
    exponents: list[np.ndarray], n: int, seed: int, max_work: float, most: float
) -> tuple[list[Stratum], set[int]]:
    """Strata with isolated zeros, and the equations that vanish on those whose zeros are not regular."""
    found: list[Stratum] = []
    irregular: set[int] = set()
    for zero, vanishing in _isolating(exponents, n):
        unknowns = tuple(k for k in range(n) if k not in zero)
        equations = tuple(i for i in range(n) if i not in vanishing)
        cells = None
        if unknowns:
            left = [a[(a[:, zero] == 0).all(axis=1)][:, unknowns] for a in (exponents[i] for i in equations)]
            if min(map(len, left)) == 1:
                continue
            cells = mixed_subdivision(left, seed, max_work)
            if not cells.volume:
                continue
        if not _matched([exponents[i] for i in vanishing], zero):
            irregular |= set(vanishing)
        found.append(Stratum(unknowns, equations, cells))
        if (count := sum(stratum.count for stratum in found)) > most:
            raise TooManyZerosError(f"the generic system has {count} zeros or more, {most:g} were allowed")
    return found, irregular


def _isolating(exponents: list[np.ndarray], n: int) -> Iterator[tuple[list[int], list[int]]]:
    """Sets J of unknowns such that exactly |J| equations vanish where those are 0, and these equations; {} first."""
    subsets = np.arange(2**n)
    vanish = np.ones((len(exponents), 2**n), bool)
    for i, points in enumerate(exponents):
        for mask in np.unique((points > 0) @ (1 << np.arange(n))):
            vanish[i] &= (subsets & mask) != 0
    size = sum((subsets >> k) & 1 for k in range(n))
    for subset in np.flatnonzero(vanish.sum(axis=0) == size):
        yield [k for k in range(n) if subset >> k & 1], np.flatnonzero(vanish[:, subset]).tolist()


def _matched(supports: list[np.ndarray], zero: list[int]) -> bool:
    """Whether the derivatives of equations that vanish with x_J by x_J are, for generic coefficients, independent: each
    can be given an unknown of J of its own in which it has a linear monomial. Source: H. Kuhn (1955), augmenting paths.
    """
    linear = [p[:, zero][p[:, zero].sum(axis=1) == 1].any(axis=0) for p in supports]
    candidates = [set(np.flatnonzero(row).tolist()) for row in linear]
    owner: dict[int, int] = {}

    def find(equation: int, tried: set[int]) -> bool:
        for unknown in candidates[equation] - tried:
            tried.add(unknown)
            if unknown not in owner or find(owner[unknown], tried):
                owner[unknown] = equation
                return True
        return False

    return all(find(equation, set()) for equation in range(len(supports)))
