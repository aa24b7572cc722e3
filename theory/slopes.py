"""Going down a squared distance, on a smooth real zero set, without leaving the connected component.

Steps are short enough for the Jacobian hardly to change, measured by its smallest singular value, as then the set is a
graph over the tangent space; and for the distance to change as its second-order model says: then no ridge is crossed.
"""

from dataclasses import dataclass

import numpy as np

from theory.systems import PolynomialSystem

TURN = 0.25  # relative change of the Jacobian that a step may make
TRUST = 0.5  # relative error of the second-order model of the distance that a step may make
EXACT = 1e-12  # relative distance from the zero set that points on it may have
CLOSE = 1e-5  # relative distance at which a descent has arrived
MAX_STEPS = 5_000


class UndecidedError(ValueError):
    """Paths were lost, a proof failed or a descent did not arrive: no count, rather than a wrong one."""


@dataclass(frozen=True, eq=False)
class Frame:
    """The squared distance / 2 near a point of the zero set, in the tangent space.

    axes: (n, k) orthonormal, by ascending eigenvalue; gradient (k,), eigenvalues (k,): of the distance along them
    jacobian: (m, n) of the equations; inverse: (n, m), its pseudo-inverse
    """

    axes: np.ndarray
    gradient: np.ndarray
    eigenvalues: np.ndarray
    jacobian: np.ndarray
    inverse: np.ndarray

    def change(self, step: np.ndarray) -> float:
        """What a tangent step (n,) changes the distance by, to second order."""
        along = self.axes.T @ step
        return float(self.gradient @ along + self.eigenvalues @ along**2 / 2)


@dataclass(frozen=True, eq=False)
class Slope:
    """|x - centre|^2 / 2 on the real zero set of a system whose Jacobian has full rank there."""

    system: PolynomialSystem
    centre: np.ndarray

    @property
    def dimension(self) -> int:
        return self.system.n_unknowns - self.system.n_equations

    def frame(self, x: np.ndarray) -> Frame:
        m, n = self.system.n_equations, self.system.n_unknowns
        jacobian = self.system.jacobian(x)
        tangent = np.linalg.svd(jacobian)[2][m:].T
        inverse = np.linalg.pinv(jacobian)
        multipliers = inverse.T @ (x - self.centre)
        hessian = np.eye(n) - self.system.hessian_contraction(x, multipliers)
        eigenvalues, vectors = np.linalg.eigh(tangent.T @ hessian @ tangent)
        axes = tangent @ vectors
        return Frame(axes, axes.T @ (x - self.centre), eigenvalues, jacobian, inverse)

    def moved(self, x: np.ndarray, frame: Frame, step: np.ndarray) -> np.ndarray | None:
        """x + step, a tangent vector, brought back to the zero set; None where the set bends too much for that."""
        y = x + step
        if self._turn(y, frame) > TURN:
            return None
        for _ in range(40):  # the error falls by about TURN each time
            correction = frame.inverse @ self.system.evaluate(y)
            y = y - correction
            if np.linalg.norm(correction) <= EXACT * (1 + np.linalg.norm(y)):
                break
        else:
            return None
        far = np.linalg.norm(y - x - step) > TURN * np.linalg.norm(step) + 10 * EXACT * (1 + np.linalg.norm(y))
        return None if far or self._turn(y, frame) > TURN else y

    def _turn(self, y: np.ndarray, frame: Frame) -> float:
        return float(np.linalg.norm(frame.inverse @ (self.system.jacobian(y) - frame.jacobian), 2))

    def lower(self, x: np.ndarray, frame: Frame, step: np.ndarray) -> np.ndarray | None:
        """The point `moved` gives if it is as much nearer to the centre as the second-order model says, else None."""
        y = self.moved(x, frame, step)
        if y is None:
            return None
        expected, change = frame.change(step), float((y - x) @ ((y + x) / 2 - self.centre))
        return y if expected < 0 and abs(change - expected) <= TRUST * abs(expected) else None

    def leave(self, saddle: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """A point further down from a critical point, in an unstable direction of length 1."""
        frame = self.frame(saddle)
        length = 0.1 * (1 + float(np.linalg.norm(saddle)))
        for _ in range(30):
            y = self.lower(saddle, frame, length * direction)
            if y is not None:
                return y
            length /= 2
        raise UndecidedError("no way down was found from a saddle")

    def descend(self, x: np.ndarray, known: np.ndarray) -> int:
        """Which of the known critical points (p, n) a descent from x ends in. Raises UndecidedError where in none.

        Newton steps with the eigenvalues' sizes, which lead down also where the Hessian is indefinite, cut to lengths
        that can be trusted.
        """
        length = 0.1 * (1 + float(np.linalg.norm(x)))
        for _ in range(MAX_STEPS):
            frame = self.frame(x)
            newton = -frame.axes @ (frame.gradient / np.maximum(np.abs(frame.eigenvalues), 1e-8))
            size = float(np.linalg.norm(newton))
            if size <= 0.1 * CLOSE * (1 + np.linalg.norm(x)):
                return self._arrived(x, known)
            y = self.lower(x, frame, newton * min(1.0, length / size))
            if y is not None:
                x, length = y, min(1.5 * length, 0.5 * (1 + float(np.linalg.norm(y))))
            else:
                length = min(length, size) / 2
        raise UndecidedError(f"a descent took more than {MAX_STEPS} steps")

    def _arrived(self, x: np.ndarray, known: np.ndarray) -> int:
        distances = np.linalg.norm(known - x, axis=1)
        nearest = int(np.argmin(distances)) if len(known) else -1
        if nearest < 0 or distances[nearest] > CLOSE * (1 + np.linalg.norm(x)):
            raise UndecidedError("a descent ended at a critical point that had not been found")
        return nearest

    def onto(self, x: np.ndarray) -> np.ndarray:
        """The zero that Gauss-Newton steps lead to from a point (n,) near the set. Raises ValueError where none do."""
        y = np.array(x, dtype=float)
        for _ in range(20):
            step = np.linalg.pinv(self.system.jacobian(y)) @ self.system.evaluate(y)
            y = y - step
            if np.linalg.norm(step) <= EXACT * (1 + np.linalg.norm(y)):
                if np.linalg.norm(y - x) > 0.1 * (1 + np.linalg.norm(x)):
                    break
                return y
        raise ValueError(f"the point ({', '.join(f'{v:.4g}' for v in x)}) is not on the zero set, nor near it")

    def walk(self, x: np.ndarray, n: int, step: float, way: int) -> np.ndarray:
        """The next n points of a curve from x, about `step` apart at most, either way (1 or -1): (n, unknowns)."""
        points, length = [x], step
        direction = way * self.frame(x).axes[:, 0]
        while len(points) <= n:
            frame = self.frame(points[-1])
            tangent = frame.axes[:, 0] * np.sign(frame.axes[:, 0] @ direction)
            y = self.moved(points[-1], frame, length * tangent)
            if y is None:
                length /= 2
            else:
                points, direction, length = [*points, y], tangent, min(step, 1.5 * length)
        return np.array(points[1:]).reshape(-1, len(x))
