"""How degenerate is a point: ranks, nullities, and the part of them that continuous symmetries force."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.germs import ZERO_RESIDUAL, NotOnTheSetError, germ_dimension, relative_residual_at
from theory.rank import RankDecision, numerical_rank
from theory.systems import PolynomialSystem, check_system

_SMALLEST_UNIT = 1e-2  # of an unknown near 0
_ROUNDING = 1e-15  # of equations, relative to their terms
_SMALL = 1e-3  # scaled singular values above that are not 0 at any point that counts as a zero
_REFINED = 4  # Gauss-Newton steps


@dataclass(frozen=True)
class Degeneracy:
    """The local geometry of F = 0, and of the squared error |F|^2 / 2, at one point w of K unknowns.

    jacobian_rank: of F'(w); tangent_dimension: K - jacobian_rank
    hessian_nullity: of the Hessian of |F|^2 / 2, the terms with second derivatives included; K - jacobian_rank at zeros
    gap: how far the scaled singular values fall where the rank was read off (the Hessian's, where the point is no zero)
    reliable: that gap is wide enough to decide
    local_dimension: of the complex zero set through w, by full rank or by dual spaces (`theory.germs`); None where that
        is not decided, and at points that are no zeros
    symmetry_dimension: of the orbit of w under the network's continuous symmetries; None where no network is known
    excess: null directions of the Hessian that those symmetries do not explain; None where they are not known
    residual: the largest equation, relative to 1 + the sum of its terms' sizes; is_zero: that it counts as 0
    """

    jacobian_rank: int
    tangent_dimension: int
    hessian_nullity: int
    gap: float
    reliable: bool
    local_dimension: int | None
    symmetry_dimension: int | None
    excess: int | None
    residual: float
    is_zero: bool


def degeneracy(system: PolynomialSystem, point: Sequence[Any] | np.ndarray) -> Degeneracy:
    """Ranks and nullities at a point (K,), a zero of the system or not.

    At zeros the Hessian of |F|^2 / 2 is J^T J, so its nullity is read off the singular values of J: those of J^T J are
    their squares and sink below rounding. A zero is first brought as near as rounding allows; what the Jacobian may
    change within the distance to which a singular one is known by then (half the digits, as a rule) counts as 0.
    Unknowns are measured in units of their own size and equations in units of their terms, which changes no rank and
    keeps far-out points clear. Complex points: the Hessian of sum F_i^2 / 2.
    Raises ValueError for a point of another shape or with NaN, TypeError for what is no system.
    Source: full rank and dimension, implicit function theorem; J^T J, Gauss-Newton.
    """
    check_system(system, "degeneracy")
    w = np.asarray(point)
    if w.ndim != 1:
        raise ValueError(f"degeneracy takes one point of shape ({system.n_unknowns},), got {w.shape}")
    values = system.evaluate(w)
    residual = relative_residual_at(system, w)
    is_zero = residual <= ZERO_RESIDUAL
    jacobian = system.jacobian(w)
    units = np.hypot(np.abs(w), _SMALLEST_UNIT)
    near = _refined(system, w, units) if is_zero else w
    at = _Scaled.at(system, near, units)
    of_jacobian = numerical_rank(at.sizes, floor=at.floor if is_zero else 0.0)
    n = system.n_unknowns
    of_hessian = of_jacobian
    if not is_zero:
        of_hessian = numerical_rank(_hessian(system, w, values, jacobian) * np.outer(units, units))
    nullity = n - of_hessian.rank
    orbit = symmetry_tangents(system, w)
    symmetric = None if orbit is None else _orbit_dimension(orbit)
    return Degeneracy(
        jacobian_rank=of_jacobian.rank,
        tangent_dimension=n - of_jacobian.rank,
        hessian_nullity=nullity,
        gap=of_hessian.gap,
        reliable=of_hessian.reliable and of_jacobian.reliable,
        local_dimension=_local_dimension(system, near, of_jacobian) if is_zero else None,
        symmetry_dimension=symmetric,
        excess=None if orbit is None else nullity - _explained(system, w, values, jacobian, orbit, is_zero),
        residual=residual,
        is_zero=is_zero,
    )


def _local_dimension(system: PolynomialSystem, zero: np.ndarray, rank: RankDecision) -> int | None:
    m, n = system.n_equations, system.n_unknowns
    if not rank.reliable:
        return None
    return n - m if rank.rank == m else germ_dimension(system, zero, rank.rank)


def local_dimension(system: PolynomialSystem, point: Sequence[Any] | np.ndarray) -> int | None:
    """The largest dimension of the components of the complex zero set through a point (K,); see `theory.germs`.

    None where that is not decided. Raises NotOnTheSetError (a ValueError) for a point that is no zero, and what
    `degeneracy` raises.
    """
    found = degeneracy(system, point)
    if not found.is_zero:
        raise NotOnTheSetError(
            f"the point is not on the zero set: its relative residual is {found.residual:.1e}, 0 is at most "
            f"{ZERO_RESIDUAL:.0e}"
        )
    return found.local_dimension


@dataclass(frozen=True, eq=False)
class _Scaled:
    """The equations at a point, relative to their terms, by the singular directions of their Jacobian.

    values: (k,) along the left ones; sizes: (k,) singular values; right: (k, K), rows, unknowns in `units`
    floor: how much singular values near 0 may change within the distance to which a singular zero is known: along a
        double zero F = F'' d^2 / 2 cannot be told from 0, and F' changes by F'' d
    """

    values: np.ndarray
    sizes: np.ndarray
    right: np.ndarray
    floor: float

    @classmethod
    def at(cls, system: PolynomialSystem, w: np.ndarray, units: np.ndarray) -> "_Scaled":
        scale = 1 + system.magnitude(w)
        left, sizes, right = np.linalg.svd(system.jacobian(w) * units / scale[:, None], full_matrices=False)
        values = left.conj().T @ (system.evaluate(w) / scale)
        small = np.flatnonzero(sizes < _SMALL)
        curvature = [
            float(np.linalg.norm(system.hessian_contraction(w, left[:, k].conj() / scale) * np.outer(units, units), 2))
            for k in small
        ]
        unknown = max(_ROUNDING, float(np.linalg.norm(values[small])))
        floor = max(10 * _ROUNDING, 3 * (unknown * max(curvature, default=0.0)) ** 0.5)
        return cls(values, sizes, right, floor)


def _refined(system: PolynomialSystem, w: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The point after Gauss-Newton steps along clearly regular directions, as long as the equations get smaller."""
    for _ in range(_REFINED):
        here = _Scaled.at(system, w, units)
        clear = here.sizes > 10 * here.floor
        moved = w - units * (here.right[clear].conj().T @ (here.values[clear] / here.sizes[clear]))
        if not np.linalg.norm(_Scaled.at(system, moved, units).values) < np.linalg.norm(here.values):
            break
        w = moved
    return w


def symmetry_tangents(system: PolynomialSystem, point: np.ndarray) -> np.ndarray | None:
    """Directions in which the network's continuous symmetries move the point: (directions, K), not independent.

    None where the system comes from no network, or has more than its equations (slices, a ridge term), which the
    symmetries do not respect.
    """
    equations: Any = system.network
    if equations is None or system.affine or equations.regularization:
        return None
    return np.asarray(equations.network.symmetries().tangents(point)).reshape(-1, system.n_unknowns)


def _orbit_dimension(tangents: np.ndarray) -> int:
    return numerical_rank(tangents).rank if tangents.size else 0


def _hessian(system: PolynomialSystem, w: np.ndarray, values: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    """The Hessian of sum F_i^2 / 2 at w: (K, K)."""
    return jacobian.T @ jacobian + system.hessian_contraction(w, values)


def _explained(
    system: PolynomialSystem,
    w: np.ndarray,
    values: np.ndarray,
    jacobian: np.ndarray,
    tangents: np.ndarray,
    is_zero: bool,
) -> int:
    """How many null directions of the Hessian the tangents span.

    All of them at critical points, zeros included. Elsewhere an invariant function has H v = -(Dv)^T gradient along
    the vector field v of a symmetry: only the combinations with H v = 0 count.
    """
    dimension = _orbit_dimension(tangents)
    gradient = values @ jacobian
    scale = np.abs(values) @ np.abs(jacobian)
    if is_zero or not dimension or np.all(np.abs(gradient) <= ZERO_RESIDUAL * (1 + scale)):
        return dimension
    basis = np.linalg.svd(tangents)[2][:dimension]  # (dimension, K), orthonormal
    hessian = _hessian(system, w, values, jacobian)
    moved = hessian @ basis.conj().T
    size = np.linalg.norm(hessian)
    return int(np.sum(np.linalg.svd(moved, compute_uv=False) <= ZERO_RESIDUAL * size))
