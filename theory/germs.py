"""The dimension of a zero set at one of its points, singular ones included.

Upper bound: d generic hyperplanes through the point leave an isolated zero exactly where the local dimension is at
most d, and a zero is isolated where its dual space stops growing. The directions in which the Jacobian is regular are
eliminated first (power series), so that few unknowns are left. Lower bound: on d generic hyperplanes close by there
are zeros close by, down to smaller and smaller distances. Where both agree, that is the local dimension.
Source: D. Bates, J. Hauenstein, C. Peterson, A. Sommese, SIAM J. Numer. Anal. 47 (2009); elimination: Lyapunov and
Schmidt, M. Golubitsky, D. Schaeffer, Singularities and Groups in Bifurcation Theory I (1985), section VII.1.
"""

from functools import cached_property

import numpy as np

from theory.continuation.isolation import Exponents, macaulay_nullity, monomials
from theory.continuation.straight_line import Program, record
from theory.systems import PolynomialSystem

ZERO_RESIDUAL = 1e-8
"""A point counts as a zero where every equation is below this, relative to 1 + the sum of its terms' sizes."""

_SMALLEST_UNIT = 1.0  # of an unknown near 0

_ORDERS = {1: 24, 2: 12, 3: 9, 4: 6, 5: 5, 6: 4}  # of the power series, by the number of unknowns that are left
_NOISES = (1e-6, 1e-9)  # relative error of power series at singular points, tried in this order
MOST_INSTRUCTIONS = 10_000
"""Of the equations as a straight-line program: a minute."""

_TERMS = 1e3  # coefficients of power series below 1e-10 of that count as 0
_NEAR = (1e-2, 1e-4)  # distances of hyperplanes from the point
_STARTS, _STEPS = 64, 80  # of Gauss-Newton iterations to zeros near by
_VANISHES = 1e-13  # relative residual of a zero near by


class NotOnTheSetError(ValueError):
    """A point at which the equations do not vanish."""


def germ_dimension(system: PolynomialSystem, zero: np.ndarray, rank: int, seed: int = 0) -> int | None:
    """The largest dimension of the components of the complex zero set through a zero (K,) with a Jacobian of that rank.

    None where the two bounds do not meet (a multiplicity above about 10, a zero known to too few digits), and for
    equations of more than 10,000 operations.
    """
    program = record(system)
    if program.n_value_instructions > MOST_INSTRUCTIONS:
        return None
    rng = np.random.default_rng(seed)
    least = max(system.n_unknowns - system.n_equations, 0)
    upper = _upper_bound(system, program, zero.astype(complex), rank, least, rng)
    if upper == least:
        return upper
    return upper if _has_zeros_near(system, zero.astype(complex), upper, rng) else None


def relative_residual_at(system: PolynomialSystem, point: np.ndarray) -> float:
    """The largest equation, relative to 1 + the sum of its terms' sizes."""
    return float(np.max(np.abs(system.evaluate(point)) / (1 + system.magnitude(point))))


# ---- upper bound: dual spaces on hyperplanes through the point


def _upper_bound(
    system: PolynomialSystem, program: Program, point: np.ndarray, rank: int, least: int, rng: np.random.Generator
) -> int:
    """The least number of hyperplanes through the point that are seen to leave it isolated."""
    corank = system.n_unknowns - rank
    bound = corank
    for dimension in range(corank - 1, max(least, corank - max(_ORDERS)) - 1, -1):
        if not _is_isolated_on(system, program, point, rank, dimension, rng):
            return bound
        bound = dimension
    return bound


def _is_isolated_on(
    system: PolynomialSystem, program: Program, point: np.ndarray, rank: int, dimension: int, rng: np.random.Generator
) -> bool:
    """Whether the dual space on so many hyperplanes stops growing."""
    left = system.n_unknowns - rank - dimension
    reduced = _reduced(system, program, point, rank, (dimension, _ORDERS[left]), rng)
    if not reduced:
        return False
    for noise in _NOISES:
        before = 1
        for order in range(1, _ORDERS[left] + 1):
            size = macaulay_nullity([_up_to(series, order) for series in reduced], left, order, _TERMS, noise)
            if size == before:
                return True
            if size is None:
                break
            before = size
    return False


def _up_to(series: dict[Exponents, complex], order: int) -> dict[Exponents, complex]:
    return {e: c for e, c in series.items() if 0 < sum(e) <= order}


def _reduced(
    system: PolynomialSystem,
    program: Program,
    point: np.ndarray,
    rank: int,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> list[dict[Exponents, complex]]:
    """The equations on hyperplanes through the point, after the regular directions were eliminated: power series in
    as many unknowns as are left, each relative to the size of its terms.

    size: how many hyperplanes, and the order of the series
    """
    n, (dimension, order) = system.n_unknowns, size
    units = np.hypot(np.abs(point), _SMALLEST_UNIT)
    inside = np.linalg.qr(rng.standard_normal((n, n - dimension)) + 1j * rng.standard_normal((n, n - dimension)))[0]
    inside = units[:, None] * inside  # columns: directions in the hyperplanes
    scale = 1 + system.magnitude(point)
    left, sizes, right = np.linalg.svd(system.jacobian(point) / scale[:, None] @ inside)
    algebra = _Algebra(n - dimension - rank, order)
    kernel = inside @ right[rank:].conj().T
    regular = inside @ right[:rank].conj().T
    constants = [algebra.constant(complex(c)) for c in program.constants]
    flat = point[:, None] * algebra.one + kernel @ algebra.variables
    solved = np.zeros((rank, algebra.size), complex)
    for _ in range(order + 1):  # each sweep makes one more order right
        unknowns = [_Series(algebra, row) for row in flat + regular @ solved]
        registers = program.run(unknowns, constants, derivatives=False)
        values = np.array([registers[k].coefficients for k in program.values]) / scale[:, None]
        turned = left.conj().T @ values
        solved = solved - turned[:rank] / sizes[:rank, None]
        solved[:, 0] = 0  # the point stays
    return [dict(zip(algebra.monomials, row.tolist(), strict=True)) for row in turned[rank:]]


class _Algebra:
    """Power series in so many unknowns, cut off behind an order: their monomials and how those multiply."""

    def __init__(self, n: int, order: int) -> None:
        self.n, self.order = n, order
        self.monomials = list(monomials(n, order))
        self.size = len(self.monomials)

    @cached_property
    def table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        index = {e: k for k, e in enumerate(self.monomials)}
        rows = [
            (i, j, index[total])
            for i, a in enumerate(self.monomials)
            for j, b in enumerate(self.monomials)
            if sum(total := tuple(map(int.__add__, a, b))) <= self.order
        ]
        i, j, k = np.array(rows).T
        return i, j, k

    def constant(self, value: complex) -> "_Series":
        return _Series(self, value * self.one)

    @property
    def one(self) -> np.ndarray:
        return np.eye(1, self.size, dtype=complex)[0]

    @property
    def variables(self) -> np.ndarray:
        units = [tuple(int(k == i) for k in range(self.n)) for i in range(self.n)]
        rows = [[float(e == unit) for e in self.monomials] for unit in units]
        return np.array(rows, complex).reshape(self.n, self.size)


class _Series:
    """A power series, as an element of a ring."""

    __slots__ = ("algebra", "coefficients")

    def __init__(self, algebra: _Algebra, coefficients: np.ndarray) -> None:
        self.algebra, self.coefficients = algebra, coefficients

    def __add__(self, other: "_Series") -> "_Series":
        return _Series(self.algebra, self.coefficients + other.coefficients)

    def __sub__(self, other: "_Series") -> "_Series":
        return _Series(self.algebra, self.coefficients - other.coefficients)

    def __mul__(self, other: "_Series") -> "_Series":
        i, j, k = self.algebra.table
        products = self.coefficients[i] * other.coefficients[j]
        size = self.algebra.size
        return _Series(self.algebra, np.bincount(k, products.real, size) + 1j * np.bincount(k, products.imag, size))


# ---- lower bound: zeros near by


def _has_zeros_near(system: PolynomialSystem, point: np.ndarray, dimension: int, rng: np.random.Generator) -> bool:
    """Whether so many generic hyperplanes at small distances have zeros on them that come near as they do."""
    n = system.n_unknowns
    units = np.hypot(np.abs(point), _SMALLEST_UNIT)
    normals = np.linalg.qr(rng.standard_normal((n, dimension)) + 1j * rng.standard_normal((n, dimension)))[0].T
    aside = np.exp(2j * np.pi * rng.random(dimension))
    found = [_nearest(system, point, units, normals, distance, aside, rng) for distance in _NEAR]
    return found[0] < 0.5 and found[1] < 0.3 * found[0]


def _nearest(
    system: PolynomialSystem,
    point: np.ndarray,
    units: np.ndarray,
    normals: np.ndarray,
    distance: float,
    aside: np.ndarray,
    rng: np.random.Generator,
) -> float:
    """The distance of the nearest zero found on hyperplanes at a distance from the point, in the units given."""
    n = system.n_unknowns
    spread = distance ** rng.uniform(0.3, 1.0, (_STARTS, 1))  # curves may leave along other directions
    away = spread * (rng.standard_normal((_STARTS, n)) + 1j * rng.standard_normal((_STARTS, n)))
    turned = np.broadcast_to(normals, (_STARTS, *normals.shape))
    for _ in range(_STEPS):
        w = point + units * away
        scale = 1 + system.magnitude(w)
        values = np.hstack([system.evaluate(w) / scale, away @ normals.T - distance * aside])
        jacobian = np.concatenate([system.jacobian(w) * units / scale[:, :, None], turned], axis=1)
        step = np.einsum("pnm,pm->pn", np.linalg.pinv(jacobian, rcond=1e-10), values)
        length = np.linalg.norm(step, axis=1, keepdims=True)
        away = away - step * np.minimum(1.0, 0.5 / np.maximum(length, 1e-300))
    w = point + units * away
    off = np.hstack([system.evaluate(w) / (1 + system.magnitude(w)), away @ normals.T - distance * aside])
    sizes = np.where(np.max(np.abs(off), axis=1) < _VANISHES, np.linalg.norm(away, axis=1), np.inf)
    return float(sizes.min())
