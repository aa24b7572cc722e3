"""What the equations say near a zero that is known to some digits only: which singular values may be 0 at the zero."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from theory.systems import PolynomialSystem

_ROUNDING = 1e-15  # of equations, relative to their terms
_SMALL = 1e-3  # scaled singular values above that are not 0 at any point that counts as a zero
_MOST_CURVED = 24  # of the nearly singular directions along which second derivatives are looked at
_REFINED = 4  # Gauss-Newton steps
_STEP = 1e-4  # of central differences of Hessians, in units of the unknowns


class Equations(Protocol):
    """What `Scaled` needs of a system."""

    def evaluate(self, points: Any) -> np.ndarray: ...
    def jacobian(self, points: Any) -> np.ndarray: ...
    def magnitude(self, points: Any) -> np.ndarray: ...
    def hessian_contraction(self, point: Any, weights: Any) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of sum F_i^2 / 2, J^T F, as equations at one point; units: (K,) sizes of the unknowns."""

    system: PolynomialSystem
    units: np.ndarray

    def evaluate(self, point: np.ndarray) -> np.ndarray:
        return self.system.evaluate(point) @ self.system.jacobian(point)

    def jacobian(self, point: np.ndarray) -> np.ndarray:
        """The Hessian of sum F_i^2 / 2: (K, K)."""
        values, jacobian = self.system.evaluate(point), self.system.jacobian(point)
        return jacobian.T @ jacobian + self.system.hessian_contraction(point, values)

    def magnitude(self, point: np.ndarray) -> np.ndarray:
        return self.system.magnitude(point) @ np.abs(self.system.jacobian(point))

    def hessian_contraction(self, point: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The derivative of the Hessian along the weights, by central differences: (K, K)."""
        length = float(np.linalg.norm(weights / self.units))
        step = _STEP * weights / max(length, 1e-300)
        change = self.jacobian(point + step) - self.jacobian(point - step)
        return change * length / (2 * _STEP)


@dataclass(frozen=True, eq=False)
class Scaled:
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
    def at(cls, system: Equations, w: np.ndarray, units: np.ndarray) -> "Scaled":
        scale = 1 + system.magnitude(w)
        left, sizes, right = np.linalg.svd(system.jacobian(w) * units / scale[:, None], full_matrices=False)
        values = left.conj().T @ (system.evaluate(w) / scale)
        small = np.flatnonzero(sizes < _SMALL)
        curvature = [
            float(np.linalg.norm(system.hessian_contraction(w, left[:, k].conj() / scale) * np.outer(units, units), 2))
            for k in small[:: 1 + len(small) // _MOST_CURVED]
        ]
        unknown = max(_ROUNDING, float(np.linalg.norm(values[small])))
        floor = max(10 * _ROUNDING, 3 * (unknown * max(curvature, default=0.0)) ** 0.5)
        return cls(values, sizes, right, floor)


def refined(system: Equations, w: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The point after Gauss-Newton steps along clearly regular directions, as long as the equations get smaller."""
    for _ in range(_REFINED):
        here = Scaled.at(system, w, units)
        clear = here.sizes > 10 * here.floor
        moved = w - units * (here.right[clear].conj().T @ (here.values[clear] / here.sizes[clear]))
        if not np.linalg.norm(Scaled.at(system, moved, units).values) < np.linalg.norm(here.values):
            break
        w = moved
    return w
