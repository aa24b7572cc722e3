"""Proof that a student network is a local minimum of the population loss, and not a global one, in ball arithmetic.

The closed form of `theory.teacher_student` once more, now over balls, for the orthonormal teacher V = I. A box around
the point holds exactly one critical point if Krawczyk's operator maps it into itself; that point is a strict local
minimum if every symmetric matrix within the balls of the Hessian over the box is positive definite.
Source: Krawczyk, Computing 4 (1969), 187; Safran and Shamir 2018, section 5, prove theirs by other means.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.teacher_student import gradient, hessian

BITS = 120


@dataclass(frozen=True)
class MinimumProof:
    """What was proved about a student (n, k) near a point.

    unique: the box of this radius around `centre` holds exactly one critical point
    definite: the Hessian is positive definite all over the box, so that the point is a strict local minimum
    loss: lower and upper bound of the loss on the box
    """

    centre: np.ndarray
    radius: float
    unique: bool
    definite: bool
    loss: tuple[float, float]

    @property
    def spurious(self) -> bool:
        """A strict local minimum is proved, with a loss above 0, which students of at least k neurons can reach."""
        n, k = self.centre.shape
        return n >= k and self.unique and self.definite and self.loss[0] > 0


def prove_minimum(W: np.ndarray, radius: float = 1e-9) -> MinimumProof:
    """Polish W (n, k) by Newton's method in float64, then prove what holds in the box of this radius around it.

    Raises ValueError for shapes other than (n, k), neurons at 0 or parallel ones.
    """
    from flint import arb, arb_mat, ctx

    W, V = np.array(W, dtype=np.float64), np.eye(np.shape(W)[-1])
    for _ in range(5):
        W -= np.linalg.solve(hessian(W, V), gradient(W, V).ravel()).reshape(W.shape)
    inverse = np.linalg.inv(hessian(W, V))
    with ctx.workprec(BITS):
        point = [[arb(float(x)) for x in row] for row in W]
        box = [[arb(float(x), radius) for x in row] for row in W]
        size = W.size
        Y = arb_mat(size, size, [arb(float(x)) for x in inverse.ravel()])
        slope = arb_mat(size, 1, [x for row in _gradient(point) for x in row])
        curvature = arb_mat(size, size, [x for row in _hessian(box) for x in row])
        around = arb_mat(size, 1, [arb(0, radius)] * size)
        identity = arb_mat(size, size, [arb(int(i == j)) for i in range(size) for j in range(size)])
        image = (identity - Y * curvature) * around - Y * slope
        unique = all(bool(abs(image[i, 0]) < radius) for i in range(size))
        definite = _positive_definite([[curvature[i, j] for j in range(size)] for i in range(size)])
        loss = _loss(box)
        return MinimumProof(W, radius, unique, definite, (float(loss.lower()), float(loss.upper())))


def _dot(u: list[Any], v: list[Any]) -> Any:
    return sum(a * b for a, b in zip(u, v, strict=True))


def _pair(w: list[Any], v: list[Any]) -> tuple[Any, Any, Any, Any, Any]:
    """|w|, |v|, cosine, sine and pi - angle, as balls."""
    from flint import arb

    a, b = _dot(w, w).sqrt(), _dot(v, v).sqrt()
    cosine = _dot(w, v) / (a * b)
    return a, b, cosine, (1 - cosine * cosine).sqrt(), arb.pi() - cosine.acos()


def _units(k: int) -> list[list[Any]]:
    from flint import arb

    return [[arb(int(i == j)) for j in range(k)] for i in range(k)]


def _loss(W: list[list[Any]]) -> Any:
    from flint import arb

    def kernel(w: list[Any], v: list[Any]) -> Any:
        a, b, cosine, sine, rest = _pair(w, v)
        return a * b * (sine + rest * cosine) / (2 * arb.pi())

    k, total = len(W[0]), arb(0)
    for i, w in enumerate(W):
        total += _dot(w, w) / 4  # half of f(w, w) = |w|^2 / 2
        total += sum((kernel(w, W[j]) for j in range(i)), arb(0)) - sum((kernel(w, v) for v in _units(k)), arb(0))
    return total + arb(k) / 4 + arb(k * (k - 1)) / (4 * arb.pi())


def _gradient(W: list[list[Any]]) -> list[list[Any]]:
    from flint import arb

    rows = []
    for i, w in enumerate(W):
        row = [x / 2 for x in w]
        for sign, others in ((1, [v for j, v in enumerate(W) if j != i]), (-1, _units(len(w)))):
            for v in others:
                a, b, _, sine, rest = _pair(w, v)
                row = [
                    r + sign * (b * sine * x / a + rest * y) / (2 * arb.pi()) for r, x, y in zip(row, w, v, strict=True)
                ]
        rows.append(row)
    return rows


def _hessian(W: list[list[Any]]) -> list[list[Any]]:
    """Balls that hold the Hessian (n k, n k) at every point of the box W, neuron-major."""
    from flint import arb

    n, k = len(W), len(W[0])
    H = [[arb(0)] * (n * k) for _ in range(n * k)]

    def add(i: int, j: int, a: int, b: int, value: Any) -> None:
        H[i * k + a][j * k + b] = H[i * k + a][j * k + b] + value / (2 * arb.pi())

    for i, w in enumerate(W):
        for a in range(k):
            add(i, i, a, a, arb.pi())
        others = [(1, j, v) for j, v in enumerate(W) if j != i] + [(-1, -1, v) for v in _units(k)]
        for sign, j, v in others:
            norm, other, cosine, sine, rest = _pair(w, v)
            p, q = [x / norm for x in w], [y / other for y in v]
            across = [(y - cosine * x) / sine for x, y in zip(p, q, strict=True)]
            back = [(x - cosine * y) / sine for x, y in zip(p, q, strict=True)]
            for a in range(k):
                for b in range(k):
                    bend = int(a == b) - p[a] * p[b] + across[a] * across[b]
                    add(i, i, a, b, sign * sine * other / norm * bend)
                    if j >= 0:
                        add(i, j, a, b, rest * int(a == b) + back[a] * q[b] + across[a] * p[b])
    return H


def _positive_definite(H: list[list[Any]]) -> bool:
    """Whether all symmetric matrices within the balls are: elimination with every pivot a ball above 0."""
    rows = [list(row) for row in H]
    for i, row in enumerate(rows):
        if not row[i] > 0:
            return False
        for j in range(i + 1, len(rows)):
            factor = rows[j][i] / row[i]
            rows[j] = [x if c <= i else x - factor * y for c, (x, y) in enumerate(zip(rows[j], row, strict=True))]
    return True
