"""Deflation: new equations, in a few more unknowns, of which a multiple component is a simple one.

Along a component of dimension k whose Jacobian J has rank r < n - k, the kernel of J meets a generic affine space
b + span(B) of dimension r in one point v = b + B u. The equations F(x) = 0, J(x) (b + B u) = 0 in (x, u) hold there,
and their zeros over the component are as many as its points. A finite number of such steps makes the rank full.
Source: A. Leykin, J. Verschelde, A. Zhao, Newton's method with deflation for isolated singularities of polynomial
systems, Theor. Comput. Sci. 359 (2006); for components: J. Hauenstein, C. Wampler, Isosingular sets and deflation,
Found. Comput. Math. 13 (2013).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.linalg import qr

from theory.polynomials import Polynomial
from theory.rank import numerical_rank
from theory.slicing import randomize
from theory.systems import PolynomialSystem

MOST_STEPS = 8
MOST_UNKNOWNS = 40  # of deflated equations, which are written out
_NOISES = (1e-6, 1e-9, 1e-4)  # relative error of Jacobians at singular points as they come, tried in this order
_REGULAR = 1e-8  # relative singular value above which deflated equations are regular at a point
_WELL = 1e-4  # and above which some of the equations do for all
_SOLVED = 1e-12  # relative residual of a regular zero
_NEAR = 1e-2  # how far a point may move, relative to 1 + its size


@dataclass(frozen=True, eq=False)
class Deflated:
    """Equations of which some points of a singular set are regular points of dimension k.

    system: its first n unknowns are the old ones
    rows: (p,) which of the points given; points: (p, n + extra) brought onto the set as near as rounding allows
    ranks: of the Jacobian before each step
    """

    system: PolynomialSystem
    rows: np.ndarray
    points: np.ndarray
    ranks: tuple[int, ...]

    def square(self, dimension: int, rng: np.random.Generator) -> PolynomialSystem:
        """As many equations as there are unknowns minus the dimension, of full rank at the points.

        Some of them alone, if that will do: they have fewer other zeros than combinations of all.
        """
        count = self.system.n_unknowns - dimension
        jacobians = _scaled(self.system, self.points)[1]
        chosen = np.sort(qr(jacobians[0].conj().T, mode="r", pivoting=True)[1][:count])
        sizes = np.linalg.svd(jacobians[:, chosen], compute_uv=False)
        if np.all(sizes[:, -1] > _WELL * sizes[:, 0]):
            return PolynomialSystem.from_polynomials([self.system.polynomials[k] for k in chosen], self.system.names)
        return randomize(self.system, count, rng)


def deflate(system: PolynomialSystem, slices: np.ndarray, points: np.ndarray, seed: int) -> list[Deflated]:
    """Deflated equations for points (p, n) that are isolated on the slices (k, n + 1), one entry for each sequence of
    ranks that occurs.

    Points for which it fails (rank unclear, too many steps or unknowns) are in none of them.
    """
    found: list[Deflated] = []
    left = np.arange(len(points))
    for noise in _NOISES:
        found += _steps(system, slices, left, points[left], (), noise, seed)
        left = np.setdiff1d(left, np.concatenate([part.rows for part in found] or [left[:0]]))
        if not len(left):
            break
    return found


def _steps(
    system: PolynomialSystem,
    slices: np.ndarray,
    rows: np.ndarray,
    points: np.ndarray,
    ranks: tuple[int, ...],
    noise: float,
    seed: int,
) -> Iterator[Deflated]:
    points, own = _brought_near(system, slices, points, noise)
    codimension = system.n_unknowns - len(slices)
    for rank in np.unique(own):
        here = own == rank
        if rank == codimension:
            solved = here.copy()
            points[here], solved[here] = _newton(system, slices, points[here])
            if solved.any():
                yield Deflated(system, rows[solved], points[solved], ranks)
        elif len(ranks) < MOST_STEPS and system.n_unknowns + rank <= MOST_UNKNOWNS and rank < codimension:
            directions = _directions(system.n_unknowns, int(rank) + 1, seed, len(ranks))
            lifted = _lifted(system, points[here], directions)
            following = with_kernel(system, directions)
            yield from _steps(following, slices, rows[here], lifted, (*ranks, int(rank)), noise, seed)


def _directions(n: int, count: int, seed: int, step: int) -> np.ndarray:
    """Random vectors (n, count) of exact thousandths: the point b first, then the columns of B."""
    rng = np.random.default_rng([seed, 6, step, n, count])
    values = rng.choice([-1, 1], (n, count)) * rng.integers(200, 1000, (n, count))
    return np.array([[Fraction(int(v), 1000) for v in row] for row in values], dtype=object).reshape(n, count)


def with_kernel(system: PolynomialSystem, directions: np.ndarray) -> PolynomialSystem:
    """F(x) = 0 and J(x) (b + B u) = 0 in (x, u), directions (n, r + 1) = (b, B)."""
    n, count = directions.shape
    total = n + count - 1
    factors = [Polynomial.constant(1, total), *(Polynomial.variable(n + k, total) for k in range(count - 1))]
    along = [
        sum((f * c for f, c in zip(factors, row, strict=True)), Polynomial.constant(0, total)) for row in directions
    ]
    equations = [extended(p, total) for p in system.polynomials]
    for p in system.polynomials:
        slope = sum((extended(p.diff(j), total) * v for j, v in enumerate(along)), Polynomial.constant(0, total))
        if slope.degree > 0:
            equations.append(slope)
    names = (*system.names, *(f"u{n + k}_" for k in range(count - 1)))
    return PolynomialSystem.from_polynomials(equations, names)


def extended(polynomial: Polynomial, n: int) -> Polynomial:
    """The same polynomial in n unknowns, the new ones last."""
    more = (0,) * (n - polynomial.n_variables)
    return Polynomial({exponents + more: c for exponents, c in polynomial.terms.items()}, n)


def _lifted(system: PolynomialSystem, points: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """(x, u) with J(x) (b + B u) = 0 in least squares, for points x (p, n)."""
    base, spread = directions[:, 0].astype(float), directions[:, 1:].astype(float)
    jacobian = _scaled(system, points)[1]
    kernel = [np.linalg.lstsq(J @ spread, -J @ base, rcond=None)[0] for J in jacobian]
    return np.hstack([points, np.array(kernel).reshape(len(points), -1)])


def _scaled(system: PolynomialSystem, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (p, m) and Jacobians (p, m, n) relative to the terms of the equations."""
    scale = 1 + system.magnitude(points)
    return system.evaluate(points) / scale, system.jacobian(points) / scale[:, :, None]


def _stacked(system: PolynomialSystem, slices: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same with the slices in the first unknowns appended: (p, m + k), (p, m + k, n)."""
    values, jacobian = _scaled(system, points)
    normals = np.zeros((len(slices), points.shape[1]), complex)
    normals[:, : slices.shape[1] - 1] = slices[:, :-1]
    on_slices = points @ normals.T + slices[:, -1]
    turned = np.broadcast_to(normals, (len(points), *normals.shape))
    return np.hstack([values, on_slices]), np.concatenate([jacobian, turned], axis=1)


def _brought_near(
    system: PolynomialSystem, slices: np.ndarray, points: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points after Gauss-Newton steps along the directions that are regular there, and the rank of each Jacobian."""
    points = points.astype(complex)
    ranks = np.zeros(len(points), int)
    for k, point in enumerate(points):
        for _ in range(3):
            values, jacobian = (a[0] for a in _stacked(system, slices, point[None]))
            cut = max(noise, _REGULAR)
            step = np.linalg.pinv(jacobian, rcond=cut) @ values
            if not np.max(np.abs(step)) < _NEAR * (1 + np.max(np.abs(point))):
                break
            point = point - step
        points[k] = point
        ranks[k] = numerical_rank(_scaled(system, point[None])[1][0], noise, floor=noise).rank
    return points, ranks


def _newton(system: PolynomialSystem, slices: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (p, n) after Newton steps with full rank, and which of them are regular zeros on the slices."""
    start = points
    for _ in range(5):
        values, jacobian = _stacked(system, slices, points)
        points = points - np.einsum("pnm,pm->pn", np.linalg.pinv(jacobian), values)
    values, jacobian = _stacked(system, slices, points)
    sizes = np.linalg.svd(jacobian, compute_uv=False)
    moved = np.max(np.abs(points - start), axis=1) / (1 + np.max(np.abs(start), axis=1))
    regular = sizes[:, points.shape[1] - 1] > _REGULAR * sizes[:, 0]
    return points, regular & (np.max(np.abs(values), axis=1) < _SOLVED) & (moved < _NEAR)
