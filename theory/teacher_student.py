"""A student of n ReLUs learns a teacher of k ReLUs on Gaussian inputs: the population loss in closed form.

    F(W) = 1/2 E (sum_i relu(<w_i, x>) - sum_j relu(<v_j, x>))^2,   x ~ N(0, I_d)
         = 1/2 sum f(w_i, w_j) - sum f(w_i, v_j) + 1/2 sum f(v_i, v_j),
    f(w, v) = |w| |v| (sin t + (pi - t) cos t) / (2 pi),   t the angle between w and v.

W is (n, d), one row a neuron, V is (k, d). The loss has no Hessian where a student neuron is 0 or parallel to another
neuron, and no gradient where one is 0.
Source: Cho and Saul, NIPS 2009, eq. 6 (the kernel f); Safran and Shamir, ICML 2018 (arXiv 1712.08968), section 4.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np

PI = np.pi


def loss(W: np.ndarray, V: np.ndarray) -> np.ndarray:
    """F at students (..., n, d) for the teacher (k, d): (...)."""
    W, V = _checked(W, V)
    return 0.5 * _kernel(W, W) - _kernel(W, V) + 0.5 * _kernel(V, V)


def gradient(W: np.ndarray, V: np.ndarray) -> np.ndarray:
    """dF/dW at students (..., n, d) for the teacher (k, d): (..., n, d). Source: Safran and Shamir, section 4.1."""
    W, V = _checked(W, V)
    return _pull(W, W) - _pull(W, V)


def hessian(W: np.ndarray, V: np.ndarray) -> np.ndarray:
    """The Hessian of F at one student (n, d), neuron-major: (n*d, n*d). Source: Safran and Shamir, section 4.1."""
    W, V = _checked(W, V)
    n, d = W.shape
    blocks = np.zeros((n, d, n, d))
    for i in range(n):
        blocks[i, :, i, :] = 0.5 * np.eye(d) - sum(_curvature(W[i], v) for v in V)
        for j in range(n):
            if j != i:
                blocks[i, :, i, :] += _curvature(W[i], W[j])
                blocks[i, :, j, :] = _coupling(W[i], W[j])
    return blocks.reshape(n * d, n * d)


def _checked(W: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    W, V = np.asarray(W, dtype=np.float64), np.asarray(V, dtype=np.float64)
    if W.ndim < 2 or V.ndim != 2 or W.shape[-1] != V.shape[-1]:
        raise ValueError(f"students (..., n, d) and a teacher (k, d) of one d are needed, got {W.shape} and {V.shape}")
    if not (np.linalg.norm(W, axis=-1).all() and np.linalg.norm(V, axis=-1).all()):
        raise ValueError("a neuron is 0: the loss has no gradient there; move it off the origin")
    return W, V


def _angles(W: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Norms of both, (..., n, 1) and (..., 1, k), then cosine, sine and pi - angle of every pair, (..., n, k).

    Sine and angle come from the same rounded cosine: the loss and its gradient depend on their difference, so that an
    error of the angle cancels for nearly parallel neurons.
    """
    w = np.linalg.norm(W, axis=-1)[..., :, None]
    v = np.linalg.norm(V, axis=-1)[..., None, :]
    cosine = np.clip(W @ np.swapaxes(V, -1, -2) / (w * v), -1, 1)
    return w, v, cosine, np.sqrt(1 - cosine * cosine), PI - np.arccos(cosine)


def _kernel(W: np.ndarray, V: np.ndarray) -> np.ndarray:
    w, v, cosine, sine, rest = _angles(W, V)
    return (w * v * (sine + rest * cosine)).sum(axis=(-2, -1)) / (2 * PI)


def _pull(W: np.ndarray, V: np.ndarray) -> np.ndarray:
    """sum_j of the derivative of f(w_i, v_j) by w_i: (|v_j| sin t * w_i / |w_i| + (pi - t) v_j) / (2 pi)."""
    w, v, _, sine, rest = _angles(W, V)
    return ((sine * v).sum(axis=-1, keepdims=True) / w * W + rest @ V) / (2 * PI)


def _frame(w: np.ndarray, v: np.ndarray) -> tuple[float, float, np.ndarray, np.ndarray, float, float, np.ndarray]:
    """|w|, |v|, unit w, unit v, sin t, pi - t, and the unit vector of unit v less its part along w."""
    a, b = float(np.linalg.norm(w)), float(np.linalg.norm(v))
    p, q = w / a, v / b
    cosine = float(np.clip(p @ q, -1, 1))
    across = q - cosine * p
    sine = float(np.linalg.norm(across))
    if sine < 1e-12:
        raise ValueError("two neurons are parallel: the loss has no Hessian there")
    return a, b, p, q, sine, float(np.arctan2(sine, -cosine)), across / sine


def _curvature(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Second derivative of f(w, v) by w, twice."""
    a, b, p, _, sine, _, n = _frame(w, v)
    return sine * b / (2 * PI * a) * (np.eye(len(w)) - np.outer(p, p) + np.outer(n, n))


def _coupling(w: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Second derivative of f(w, v) by w (rows) and v (columns)."""
    _, _, p, q, _, rest, n = _frame(w, v)
    m = _frame(v, w)[-1]
    return (rest * np.eye(len(w)) + np.outer(m, q) + np.outer(n, p)) / (2 * PI)


# ---- many descents at once


@dataclass(frozen=True)
class Descents:
    """Where gradient descent ended, run by run.

    weights (R, n, k); loss, gradient_norm, steps, converged (R,). converged: the loss fell below the level that only
    the global minimum has, or the gradient vanished; not converged: the steps ran out.
    """

    weights: np.ndarray
    loss: np.ndarray
    gradient_norm: np.ndarray
    steps: np.ndarray
    converged: np.ndarray


def starts(runs: int, n: int, k: int, seed: int) -> np.ndarray:
    """Initial students (runs, n, k), entries N(0, 1/k)."""
    return np.random.default_rng([seed, n, k]).standard_normal((runs, n, k)) / np.sqrt(k)


def descend(
    W: np.ndarray,
    step: float,
    loss_tolerance: float = 1e-4,
    gradient_tolerance: float = 1e-9,
    max_steps: int = 100_000,
) -> Descents:
    """Plain gradient descent from students (R, n, k) to the orthonormal teacher V = I_k, all runs compiled.

    Inputs are rotation invariant, so every orthonormal teacher is this one in turned coordinates. A run stops at loss
    below loss_tolerance, at gradient norm below gradient_tolerance, or after max_steps.

    Raises ValueError for W of another shape, not finite, with a neuron at 0, or a step that is not positive.
    """
    W = np.array(W, dtype=np.float64)
    if W.ndim != 3 or not W.size or not np.isfinite(W).all():
        raise ValueError(f"starts must be finite and of shape (runs, n, k), got shape {W.shape}")
    if not 0 < step < np.inf:
        raise ValueError(f"step must be positive and finite, got {step}")
    _checked(W, np.eye(W.shape[-1]))
    values, norms, counts = _descend(W, step, loss_tolerance, gradient_tolerance, max_steps)
    return Descents(W, values, norms, counts, (values < loss_tolerance) | (norms < gradient_tolerance))


@nb.njit(cache=True, error_model="numpy")
def _descend(W, step, loss_tolerance, gradient_tolerance, max_steps):  # type: ignore[no-untyped-def] # compiled
    """Runs every student of W (R, n, k) to its end, in place; loss, gradient norm and steps of each."""
    runs, n, k = W.shape
    values, norms, counts = np.empty(runs), np.empty(runs), np.zeros(runs, np.int64)
    g, size, pull, turn = np.empty((n, k)), np.empty(n), np.empty(n), np.empty((n, n))
    for run in range(runs):
        w = W[run]
        for count in range(max_steps + 1):
            value = _value_and_gradient(w, g, size, pull, turn)
            norm = np.sqrt((g * g).sum())
            if value < loss_tolerance or norm < gradient_tolerance or count == max_steps or not np.isfinite(value):
                break
            for i in range(n):
                for a in range(k):
                    w[i, a] -= step * g[i, a]
        values[run], norms[run], counts[run] = value, norm, count
    return values, norms, counts


@nb.njit(cache=True, error_model="numpy")
def _value_and_gradient(w, g, size, pull, turn):  # type: ignore[no-untyped-def] # compiled
    """F at w (n, k), its gradient in g (n, k); the other arrays are scratch.

    f is homogeneous of degree 1 in each argument, so sums of f(w_i, .) are <w_i, df/dw_i>: no second look at cosines.
    """
    n, k = w.shape
    for i in range(n):
        total = 0.0
        for a in range(k):
            total += w[i, a] * w[i, a]
        size[i], pull[i], turn[i, i] = np.sqrt(total), 0.0, PI
    for i in range(n):
        for j in range(i):
            dot = 0.0
            for a in range(k):
                dot += w[i, a] * w[j, a]
            c = min(max(dot / (size[i] * size[j]), -1.0), 1.0)
            s = np.sqrt(1 - c * c)
            pull[i] += s * size[j]
            pull[j] += s * size[i]
            turn[i, j] = turn[j, i] = PI - np.arccos(c)
    value = k * (PI + k - 1)  # 2 pi * sum f(v_i, v_j): k terms pi, k (k - 1) terms 1
    for i in range(n):
        for a in range(k):
            g[i, a] = 0.0
        for j in range(n):
            for a in range(k):
                g[i, a] += turn[i, j] * w[j, a]
        inner, cross = pull[i] * size[i], 0.0
        for a in range(k):
            inner += g[i, a] * w[i, a]
        for a in range(k):
            c = min(max(w[i, a] / size[i], -1.0), 1.0)
            s, t = np.sqrt(1 - c * c), PI - np.arccos(c)
            pull[i] -= s
            g[i, a] -= t
            cross += s * size[i] + t * w[i, a]
        value += inner - 2 * cross
        for a in range(k):
            g[i, a] = (g[i, a] + pull[i] * w[i, a] / size[i]) / (2 * PI)
    return value / (4 * PI)
