"""Real zeros, reached from random real points by Gauss-Newton steps."""

import numpy as np

from theory.continuation.sift import relative_residual
from theory.systems import PolynomialSystem


def real_points(system: PolynomialSystem, n: int, rng: np.random.Generator) -> np.ndarray:
    """n real zeros (n, unknowns), see `some_real_points`. Raises ValueError where so many were not found."""
    found = some_real_points(system, n, rng)
    if len(found) < n:
        raise ValueError(
            f"only {len(found)} of {n} real points were found: the real zero set may be empty or very small"
        )
    return found


def some_real_points(system: PolynomialSystem, n: int, rng: np.random.Generator) -> np.ndarray:
    """At most n real zeros by Gauss-Newton from random real starts of growing spread: (n or fewer, unknowns)."""
    if not system.is_real:
        raise ValueError("real points need a system with real coefficients, this one has complex ones")
    found = np.zeros((0, system.n_unknowns))
    for spread in (1.0, 2.0, 0.5, 4.0, 1.0, 2.0, 8.0):
        w = spread * rng.standard_normal((max(4 * n, 128), system.n_unknowns))
        for _ in range(60):
            values, jacobian = system.evaluate(w), system.jacobian(w)
            step = np.einsum("pnm,pm->pn", np.linalg.pinv(jacobian, rcond=1e-10), values)
            size = np.linalg.norm(step, axis=1, keepdims=True)
            w = w - step / np.maximum(1.0, size / (1 + np.linalg.norm(w, axis=1, keepdims=True)))
        found = np.vstack([found, w[relative_residual(system, w) < 1e-12]])
        if len(found) >= n:
            break
    return found[:n]
