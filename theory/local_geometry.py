"""How degenerate is a point: ranks, nullities, and the part of them that continuous symmetries force."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.germs import ZERO_RESIDUAL, NotOnTheSetError, germ_dimension, relative_residual_at
from theory.near_zeros import Gradient, Scaled, refined
from theory.points import point_of
from theory.precise_rank import precise_rank
from theory.rank import RankDecision, numerical_rank
from theory.row_scales import balanced, enlarged, scaled_up
from theory.systems import PolynomialSystem, check_system
from theory.wide_jacobians import WIDE, wide_rank

_SMALLEST_UNIT = 1e-2  # of an unknown near 0
_CLEAR = 1e-4  # scaled singular values above that need no second look
_DOUBTFUL = (1e-14, 1e-8)  # those between do, and those up to 10 times the floor


@dataclass(frozen=True)
class Degeneracy:
    """The local geometry of F = 0, and of the squared error |F|^2 / 2, at one point w of K unknowns.

    jacobian_rank: of F'(w); tangent_dimension: K - jacobian_rank
    hessian_nullity: of the Hessian of |F|^2 / 2, second derivatives of F included; K - jacobian_rank at zeros; None off
        the zeros of systems so large that only their Gram matrix is looked at
    gap: how far the scaled singular values fall where the rank was read off (the Hessian's, where the point is no zero)
    reliable: that gap is wide enough to decide
    precise: the rank is that of the exact zero near by, decided in multiple precision because doubles left it in doubt
    local_dimension: of the complex zero set through w, by full rank or by dual spaces (`theory.germs`); None where that
        is not decided, and at points that are no zeros
    symmetry_dimension: of the orbit of w under the network's continuous symmetries; None where no network is known, and
        for Jacobians read in blocks: the directions of such large networks would fill the memory as the Jacobian does
    excess: null directions of the Hessian that those symmetries do not explain; None where they are not known
    residual: the largest equation, relative to 1 + the sum of its terms' sizes; is_zero: that it counts as 0
    is_critical: the gradient of |F|^2 counts as 0, as it does at every zero
    """

    jacobian_rank: int
    tangent_dimension: int
    hessian_nullity: int | None
    gap: float
    reliable: bool
    precise: bool
    local_dimension: int | None
    symmetry_dimension: int | None
    excess: int | None
    residual: float
    is_zero: bool
    is_critical: bool


def degeneracy(system: PolynomialSystem, point: Sequence[Any] | np.ndarray) -> Degeneracy:
    """Ranks and nullities at a point (K,), a zero of the system or not.

    At zeros the Hessian of |F|^2 / 2 is J^T J, so its nullity is read off the singular values of J: those of J^T J are
    their squares and sink below rounding. Zeros, and critical points of non-zero error, are first brought as near as
    rounding allows; what the Jacobian (the Hessian) may change within the distance to which a singular one is known by
    then (half the digits, as a rule) counts as 0. Singular values of a zero that this leaves in doubt are looked at in
    multiple precision; below 1e-14 they count as 0. Unknowns are measured in units of their own size and equations in
    units of their terms, which changes no rank and keeps far-out points clear. Complex points: the Hessian of
    sum F_i^2 / 2. Jacobians of more than 20 million entries are read in blocks (`theory.gram`), which networks offer.
    Raises ValueError for a point of another shape, with NaN or of text, TypeError for what is no system.
    Source: full rank and dimension, implicit function theorem; J^T J, Gauss-Newton.
    """
    check_system(system, "degeneracy")
    w = point_of(point, system.n_unknowns, "degeneracy")
    residual = relative_residual_at(scaled_up(system), w)
    is_zero = residual <= ZERO_RESIDUAL
    if system.n_equations * system.n_unknowns > WIDE:
        return _of_wide(system, w, residual)
    units = np.hypot(np.abs(w), _SMALLEST_UNIT)
    n = system.n_unknowns
    if is_zero:
        alike = balanced(system)
        near, rank, precise = _at_zero(alike, w, units)
        of_hessian, critical = rank, True
        local = _local_dimension(alike, near, rank)
    else:
        rank, precise, local = numerical_rank(Scaled.at(scaled_up(system), w, units).sizes), False, None
        of_hessian, critical = _hessian_rank(enlarged(system), w, units)
    orbit = symmetry_tangents(system, w)
    nullity = n - of_hessian.rank
    return Degeneracy(
        jacobian_rank=rank.rank,
        tangent_dimension=n - rank.rank,
        hessian_nullity=nullity,
        gap=of_hessian.gap,
        reliable=of_hessian.reliable and rank.reliable,
        precise=precise,
        local_dimension=local,
        symmetry_dimension=None if orbit is None else _orbit_dimension(orbit),
        excess=None if orbit is None else nullity - _explained(system, w, orbit, critical),
        residual=residual,
        is_zero=is_zero,
        is_critical=critical,
    )


def local_dimension(system: PolynomialSystem, point: Sequence[Any] | np.ndarray) -> int | None:
    """The largest dimension of the components of the complex zero set through a point (K,); see `theory.germs`.

    None where that is not decided. Raises NotOnTheSetError (a ValueError) for a point that is no zero, and what
    `degeneracy` raises.
    """
    check_system(system, "local_dimension")
    found = degeneracy(system, point_of(point, system.n_unknowns, "local_dimension"))
    if not found.is_zero:
        raise NotOnTheSetError(
            f"the point is not on the zero set: its relative residual is {found.residual:.1e}, 0 is at most "
            f"{ZERO_RESIDUAL:.0e}"
        )
    return found.local_dimension


def _at_zero(system: PolynomialSystem, w: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, RankDecision, bool]:
    """The zero as near as rounding allows, the rank there, and whether that took multiple precision."""
    near = refined(system, w, units)
    at = Scaled.at(system, near, units)
    rank = numerical_rank(at.sizes, floor=at.floor)
    doubtful = np.any((at.sizes > _DOUBTFUL[0]) & (at.sizes <= max(_DOUBTFUL[1], 10 * at.floor)))
    if rank.reliable and not doubtful:
        return near, rank, False
    precise = precise_rank(system, near, int(np.sum(at.sizes > _CLEAR)))
    if precise is None:
        return near, rank, False
    return precise.point, RankDecision(precise.rank, precise.gap, at.sizes, True), True


def _local_dimension(system: PolynomialSystem, zero: np.ndarray, rank: RankDecision) -> int | None:
    m, n = system.n_equations, system.n_unknowns
    if not rank.reliable:
        return None
    return n - m if rank.rank == m else germ_dimension(system, zero, rank.rank)


def _hessian_rank(system: PolynomialSystem, w: np.ndarray, units: np.ndarray) -> tuple[RankDecision, bool]:
    """The rank of the Hessian at a point that is no zero, and whether the point is critical."""
    gradient = Gradient(system, units)
    scale = 1 + np.abs(system.evaluate(w)) @ np.abs(system.jacobian(w))
    if not np.all(np.abs(gradient.evaluate(w)) <= ZERO_RESIDUAL * scale):
        return numerical_rank(gradient.jacobian(w) * np.outer(units, units)), False
    at = Scaled.at(gradient, refined(gradient, w, units), units)
    return numerical_rank(at.sizes, floor=at.floor), True


def _of_wide(system: PolynomialSystem, w: np.ndarray, residual: float) -> Degeneracy:
    """Of a system whose Jacobian is read in blocks."""
    n, is_zero = system.n_unknowns, residual <= ZERO_RESIDUAL
    found = wide_rank(system, w, np.hypot(np.abs(w), _SMALLEST_UNIT), 1 / (1 + system.magnitude(w)))
    nullity = n - found.rank if is_zero else None
    full = is_zero and found.reliable and found.rank == system.n_equations
    return Degeneracy(
        jacobian_rank=found.rank,
        tangent_dimension=n - found.rank,
        hessian_nullity=nullity,
        gap=found.gap,
        reliable=found.reliable,
        precise=False,
        local_dimension=n - found.rank if full else None,
        symmetry_dimension=None,
        excess=None,
        residual=residual,
        is_zero=is_zero,
        is_critical=is_zero,
    )


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


def _explained(system: PolynomialSystem, w: np.ndarray, tangents: np.ndarray, is_critical: bool) -> int:
    """How many null directions of the Hessian the tangents span.

    All of them at critical points, zeros included. Elsewhere an invariant function has H v = -(Dv)^T gradient along
    the vector field v of a symmetry: only the combinations with H v = 0 count.
    """
    dimension = _orbit_dimension(tangents)
    if is_critical or not dimension:
        return dimension
    basis = np.linalg.svd(tangents)[2][:dimension]  # (dimension, K), orthonormal
    hessian = Gradient(system, np.ones(len(w))).jacobian(w)
    moved = hessian @ basis.conj().T
    size = np.linalg.norm(hessian)
    return int(np.sum(np.linalg.svd(moved, compute_uv=False) <= ZERO_RESIDUAL * size))
