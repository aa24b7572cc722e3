"""Families of square systems with parameters: the real zeros of many random members, counted at once.

One generic complex member is solved from scratch; its zeros are then followed to every other member along straight
lines of parameters, all members together. Lines from a generic complex point to a real one meet no member with fewer
zeros, with probability 1, so every real member gets all its own.
Source: A. Sommese, C. Wampler, The numerical solution of systems of polynomials arising in engineering and science
(2005), chapter 7.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.continuation.solve import solve
from theory.continuation.tape import Recorder, Tape
from theory.continuation.tracker import DEFAULT, REACHED, track
from theory.network_equations import NetworkEquations
from theory.networks import PolynomialNetwork
from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem

_TRACK = DEFAULT._replace(endgame=0.0)
_CAREFUL = _TRACK._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0)
_WAYS = 4  # to the members, by way of other generic ones where a path is lost
_APART = 1e-7  # relative distance of two zeros that are told apart, and of a zero from its conjugate's partner


@dataclass(frozen=True, eq=False)
class Family:
    """Square systems that depend on parameters polynomially.

    equations: unknowns and parameters, elements of any ring, to the n_unknowns equations
    """

    n_unknowns: int
    n_parameters: int
    equations: Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]

    def member(self, parameters: Sequence[Any] | np.ndarray) -> PolynomialSystem:
        """One system, exact: floating point parameters are taken as they are."""
        n = self.n_unknowns
        unknowns = [Polynomial.variable(k, n) for k in range(n)]
        equations = self.equations(unknowns, [Polynomial.constant(_number(p), n) for p in parameters])
        return PolynomialSystem.from_polynomials(equations, [f"x{k + 1}" for k in range(n)])

    def tape(self) -> Tape:
        recorder = Recorder(self.n_unknowns)
        parameters = recorder.parameters(self.n_parameters)
        equations = self.equations(recorder.unknowns, parameters)
        return recorder.tape([recorder.homogenised(equation) for equation in equations])


def _number(value: Any) -> Any:
    return complex(value) if isinstance(value, complex | np.complexfloating) else float(value)


def dense_monomials(degree: int, n: int) -> list[tuple[int, ...]]:
    """The exponents of all monomials in n unknowns of at most this degree."""
    return [e for e in itertools.product(range(degree + 1), repeat=n) if sum(e) <= degree]


def dense_family(degrees: Sequence[int]) -> Family:
    """As many dense polynomials as unknowns; parameters: their coefficients, as `dense_monomials` lists them."""
    n = len(degrees)
    supports = [dense_monomials(degree, n) for degree in degrees]

    def equations(unknowns: Sequence[Any], parameters: Sequence[Any]) -> list[Any]:
        given = iter(parameters)
        sums = []
        for support in supports:
            total = next(given)  # of the constant term, which comes first
            for exponents in support[1:]:
                factors = [x**e for x, e in zip(unknowns, exponents, strict=True) if e]
                total = total + math.prod(factors[1:], start=factors[0]) * next(given)
            sums.append(total)
        return sums

    return Family(n, sum(map(len, supports)), equations)


def kostlan_deviations(degrees: Sequence[int]) -> np.ndarray:
    """Standard deviations of Kostlan's random coefficients: sqrt(d! / (e_1! ... e_n! (d - |e|)!)) for monomial e."""
    n = len(degrees)

    def variance(d: int, e: tuple[int, ...]) -> float:
        return math.factorial(d) / math.prod(map(math.factorial, (*e, d - sum(e))))

    return np.sqrt([variance(d, e) for d in degrees for e in dense_monomials(d, n)])


def targets_family(network: PolynomialNetwork, inputs: Any) -> Family:
    """The interpolation equations of a network on fixed inputs; parameters: the N*m targets.

    Raises ValueError unless there are as many equations as weights.
    """
    equations = NetworkEquations(network, inputs, np.zeros((len(inputs), network.n_outputs)))
    if equations.n_equations != equations.n_unknowns:
        raise ValueError(
            f"a square family needs as many equations as weights, got {equations.n_equations} equations in "
            f"{equations.n_unknowns} weights"
        )

    def residuals(unknowns: Sequence[Any], parameters: Sequence[Any]) -> list[Any]:
        rows = np.array([*parameters, None], dtype=object)[:-1].reshape(equations.targets.shape)
        return equations.residuals(unknowns, targets=rows)

    return Family(equations.n_unknowns, equations.n_equations, residuals)


@dataclass(frozen=True, eq=False)
class RealCounts:
    """Real zeros of random members of a family.

    real: (members,), -1 where a path was lost or two zeros could not be told apart; complex: zeros of each member
    points: (members, complex, n), NaN where not known
    """

    real: np.ndarray
    complex: int
    points: np.ndarray
    is_real: np.ndarray

    @property
    def undecided(self) -> int:
        return int((self.real < 0).sum())

    def mean(self) -> tuple[float, float]:
        """The mean number of real zeros over the decided members, and its standard error."""
        counts = self.real[self.real >= 0]
        return float(counts.mean()), float(counts.std(ddof=1) / math.sqrt(len(counts)))


def real_counts(family: Family, members: np.ndarray, seed: int) -> RealCounts:
    """The number of real zeros of each member, given by real parameters (members, n_parameters)."""
    rng = np.random.default_rng([seed, 5])
    generic = _complex_normal(rng, family.n_parameters)
    # of networks most total-degree paths go to infinity; with groups of unknowns few do
    found = solve(family.member(generic), start="multihomogeneous", seed=seed, on_interrupt="raise")
    tape, points = family.tape(), _projective(found.solutions)
    shape = len(members), len(points), family.n_unknowns
    zeros, is_real = np.full(shape, np.nan, dtype=np.complex128), np.zeros(shape[:2], dtype=bool)
    open_ = np.arange(len(members))
    for way in range(_WAYS):
        ends = _carry(tape, points, generic, members[open_])
        fine, real = _sorted_out(ends)
        zeros[open_[fine]], is_real[open_[fine]] = ends[fine], real[fine]
        open_ = open_[~fine]
        if not len(open_) or way == _WAYS - 1:
            break
        generic, points = _elsewhere(tape, points, generic, rng)
    counts = is_real.sum(axis=1)
    counts[open_] = -1
    return RealCounts(counts, len(points), zeros, is_real)


def _complex_normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.normal(size=n) + 1j * rng.normal(size=n)) / np.sqrt(2)


def _projective(points: np.ndarray) -> np.ndarray:
    return np.hstack([points, np.ones((len(points), 1))])


def _carry(tape: Tape, points: np.ndarray, start: np.ndarray, members: np.ndarray) -> np.ndarray:
    """The points (p, n + 1) of the start member, followed to each member: (members, p, n), NaN where lost."""
    count, p = len(members), len(points)
    stations = np.vstack([start, members])
    which = np.repeat(np.arange(1, count + 1), p)
    ends = track(tape, np.tile(points, (count, 1)), stations, 0, which, _TRACK)
    lost = np.flatnonzero(ends.status != REACHED)
    if len(lost):
        again = track(tape, points[lost % p], stations, 0, which[lost], _CAREFUL)
        ends.points[lost], ends.info[lost] = again.points, again.info
    with np.errstate(all="ignore"):
        affine = ends.points[:, :-1] / ends.points[:, -1:]
    affine[ends.status != REACHED] = np.nan
    return affine.reshape(count, p, -1)


def _sorted_out(ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which members have all zeros, distinct and in conjugate pairs (members,); which zeros are real (members, p)."""
    size = 1 + np.abs(ends).max(axis=2)
    apart = np.abs(ends[:, :, None] - ends[:, None]).max(axis=3) / size[:, :, None]
    mirrored = np.abs(ends[:, :, None] - ends[:, None].conj()).max(axis=3) / size[:, :, None]
    p = ends.shape[1]
    distinct = (apart + np.eye(p) > _APART).all(axis=(1, 2))
    partner = np.argmin(np.where(np.isnan(mirrored), np.inf, mirrored), axis=2)
    paired = (np.take_along_axis(partner, partner, axis=1) == np.arange(p)).all(axis=1)
    close = (np.take_along_axis(mirrored, partner[:, :, None], axis=2)[:, :, 0] < _APART).all(axis=1)
    return distinct & paired & close, partner == np.arange(p)


def _elsewhere(
    tape: Tape, points: np.ndarray, start: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Another generic member and its zeros; the old ones where a path is lost on the way."""
    there = _complex_normal(rng, len(start))
    ends = _carry(tape, points, start, there[None])[0]
    if np.isnan(ends).any():
        return start, points
    return there, _projective(ends)
