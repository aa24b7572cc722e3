"""Generic combinations of equations and generic affine slices: what a witness set is cut out with."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from theory.polynomials import GaussianRational, Polynomial
from theory.systems import NetworkEquations, PolynomialSystem


@dataclass(frozen=True, eq=False)
class Combinations:
    """Sums of a network's equations with exact weights (c, m), as equations a PolynomialSystem can be made of."""

    equations: NetworkEquations
    weights: tuple[tuple[Fraction, ...], ...]

    @property
    def network(self) -> Any:
        return self.equations.network

    @property
    def kind(self) -> str:
        return "combinations"

    @property
    def inputs(self) -> np.ndarray:
        return self.equations.inputs

    @property
    def names(self) -> tuple[str, ...]:
        return self.equations.names

    @property
    def n_equations(self) -> int:
        return len(self.weights)

    @cached_property
    def _matrix(self) -> np.ndarray:
        return np.array(self.weights, dtype=np.float64)

    @cached_property
    def degrees(self) -> tuple[int, ...]:
        degrees = self.equations.degrees
        return tuple(max(d for d, w in zip(degrees, row, strict=True) if w) for row in self.weights)

    @property
    def is_real(self) -> bool:
        return self.equations.is_real

    def polynomials(self) -> tuple[Polynomial, ...]:
        return combine(self.equations.polynomials(), self.weights)

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        return self.equations.evaluate(points) @ self._matrix.T

    def jacobian(self, points: np.ndarray) -> np.ndarray:
        return self._matrix @ self.equations.jacobian(points)

    def magnitude(self, points: np.ndarray) -> np.ndarray:
        return self.equations.magnitude(points) @ np.abs(self._matrix).T

    def hessian_contraction(self, point: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return self.equations.hessian_contraction(point, weights @ self._matrix)

    def residuals(self, values: Sequence[Any], inputs: Any = None, targets: Any = None) -> list[Any]:
        return list(combine(self.equations.residuals(values, inputs, targets), self.weights))


def combine(terms: Sequence[Any], weights: Sequence[Sequence[Fraction]]) -> tuple[Any, ...]:
    """sum_j weights[i][j] * terms[j] for each i, over any ring."""
    totals = []
    for row in weights:
        used = [term if weight == 1 else term * weight for term, weight in zip(terms, row, strict=True) if weight]
        totals.append(sum(used[1:], start=used[0]))
    return tuple(totals)


def randomize(system: PolynomialSystem, count: int, rng: np.random.Generator) -> PolynomialSystem:
    """count generic combinations of the equations: their common zeros are those of the system, and more of dimension
    n - count at most.

    The equations of highest degree get one combination each, so that no combination has a higher degree than needed.
    """
    m = system.n_equations
    if count == m:
        return system
    order = np.argsort(-np.array(system.degrees), kind="stable")
    weights = [[Fraction(0)] * m for _ in range(count)]
    for row in range(count):
        weights[row][order[row]] = Fraction(1)
        for j in order[count:]:
            weights[row][j] = Fraction(int(rng.choice([-1, 1]) * rng.integers(200, 1000)), 1000)
    rows = tuple(map(tuple, weights))
    if system.network is not None and not system.affine:
        return PolynomialSystem.from_network(Combinations(system.network, rows))
    return PolynomialSystem.from_polynomials(combine(system.polynomials, rows), system.names)


def random_slices(count: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Coefficients of random affine equations a.x + b = 0: (count, n + 1) complex, b last, unit size."""
    return np.exp(2j * np.pi * rng.random((count, n + 1)))


def slices_through(point: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Random affine equations that hold at the point (n,): (count, n + 1)."""
    slices = random_slices(count, len(point), rng)
    slices[:, -1] = -slices[:, :-1] @ point
    return slices


def with_slices(system: PolynomialSystem, slices: np.ndarray) -> PolynomialSystem:
    """The system with the affine equations (k, n + 1) appended, their doubles taken as exact."""
    n = system.n_unknowns
    units = [tuple(int(j == i) for j in range(n)) for i in range(n)] + [(0,) * n]
    extra = tuple(
        Polynomial(
            {e: GaussianRational(Fraction(c.real), Fraction(c.imag)) for e, c in zip(units, row, strict=True) if c}, n
        )
        for row in slices
    )
    if system.network is not None:
        return PolynomialSystem.from_network(system.network, system.affine + extra)
    return PolynomialSystem.from_polynomials(system.polynomials + extra, system.names)
