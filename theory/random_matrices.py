"""Random symmetric matrices as models of Hessians: how often they are definite, how many eigenvalues are negative.

Three models: independent eigenvalues of either sign; the Gaussian orthogonal ensemble (GOE); and Wishart plus Wigner,
the model of Pennington and Bahri for critical points at a given error.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import sympy as sp


def goe(draws: int, size: int, seed: int) -> np.ndarray:
    """(draws, size, size) symmetric matrices, entries N(0, 1/2) off the diagonal and N(0, 1) on it."""
    square = np.random.default_rng([seed, size]).standard_normal((draws, size, size))
    return (square + square.transpose(0, 2, 1)) / 2


def rotated(eigenvalues: np.ndarray, seed: int) -> np.ndarray:
    """(draws, N, N) matrices with the given eigenvalues (draws, N) and uniformly random eigenvectors."""
    draws, size = eigenvalues.shape
    frames, r = np.linalg.qr(np.random.default_rng([seed, size]).standard_normal((draws, size, size)))
    frames *= np.sign(np.einsum("rii->ri", r))[:, None, :]  # makes the distribution Haar's
    return (frames * eigenvalues[:, None, :]) @ frames.transpose(0, 2, 1)


# ---- how often a GOE matrix is positive definite


def goe_definite_probability(size: int) -> "sp.Expr":
    """The probability that a GOE matrix of this size is positive definite, exactly, in terms of pi and sqrt(2).

    The eigenvalues have a density proportional to prod |x_i - x_j| exp(-sum x_i^2 / 2). De Bruijn's formula makes its
    integral over all x > 0 a Pfaffian of double integrals, elementary in polar coordinates; that over all x is Mehta's.
    Its terms grow as (size - 1)!!: for sizes to 8; beyond, see `goe_definite_log_probability`.

    Raises ValueError for size < 1.
    Source: de Bruijn, J. Indian Math. Soc. 19 (1955), 133, section 4; Mehta, Random Matrices, chapter 17.
    """
    import sympy as sp

    entries = _skew_entries(size, sp.sqrt(sp.pi / 2), sp.sqrt(2), sp.Rational)
    total = sp.prod(sp.gamma(1 + sp.Rational(j, 2)) * 2 / sp.sqrt(sp.pi) for j in range(1, size + 1))
    total *= sp.sqrt(2 * sp.pi) ** size
    return sp.expand(sp.radsimp(sp.expand(sp.factorial(size) * _pfaffian(entries) / total)))


def goe_definite_log_probability(size: int) -> float:
    """Natural logarithm of `goe_definite_probability`, by ball arithmetic: right to double precision at any size.

    Raises ValueError for size < 1, ArithmeticError if the balls came out too wide (they do not up to size 60).
    """
    from flint import arb, arb_mat, ctx

    with ctx.workdps(50 + 5 * size):  # the entries nearly cancel, like those of a Hankel matrix
        entries = _skew_entries(size, (arb.pi() / 2).sqrt(), arb(2).sqrt(), lambda p, q: arb(p) / q)
        result = arb_mat(entries).det().log() / 2 - (2 * arb.pi()).log() * size / 2
        for j in range(1, size + 1):
            result += arb(j).log() - (arb(1) + arb(j) / 2).gamma().log() + (arb(3) / 2).gamma().log()
        if not float(result.rad()) < 1e-15:
            raise ArithmeticError(f"the probability at size {size} is only known as {result}: raise the precision")
        return float(result.mid())


def _skew_entries(size: int, half: Any, root: Any, ratio: Any) -> list[list[Any]]:
    """The skew matrix of de Bruijn's formula on the half line, bordered by single integrals where size is odd.

    Entry j, k is the integral over x, y > 0 of sign(y - x) x^j y^k exp(-(x^2 + y^2) / 2): the radius contributes
    int r^(j+k+1) exp(-r^2 / 2) dr, the angle int sign(sin - cos) cos^j sin^k over a quarter turn.

    half = sqrt(pi / 2) and root = sqrt(2) in the ring wanted; ratio(p, q) makes its rationals.
    """
    if size < 1:
        raise ValueError(f"a matrix needs size >= 1, got {size}")

    @cache
    def moment(m: int) -> Any:
        """int_0^oo r^m exp(-r^2 / 2) dr"""
        return (m - 1) * moment(m - 2) if m >= 2 else (half if m == 0 else ratio(1, 1))

    @cache
    def eighth(j: int, k: int) -> Any:
        """int_0^(pi/4) cos^j sin^k"""
        if k >= 2:
            return ratio(k - 1, j + k) * eighth(j, k - 2) - (root / 2) ** (j + k) * ratio(1, j + k)
        if k == 1:
            return (1 - (root / 2) ** (j + 1)) * ratio(1, j + 1)
        if j >= 2:
            return ratio(j - 1, j) * eighth(j - 2, 0) + (root / 2) ** j * ratio(1, j)
        return root / 2 if j else half * half / 2

    rows = [[moment(j + k + 1) * (eighth(k, j) - eighth(j, k)) for k in range(size)] for j in range(size)]
    if size % 2:
        border = [moment(j) for j in range(size)]
        rows = [[*row, value] for row, value in zip(rows, border, strict=True)]
        rows.append([*(-value for value in border), ratio(0, 1)])
    return rows


def _pfaffian(entries: list[list[Any]]) -> Any:
    """Expansion along the first row: no division, so any commutative ring will do."""
    if not entries:
        return 1
    total = 0
    for k in range(1, len(entries)):
        kept = [i for i in range(1, len(entries)) if i != k]
        minor = _pfaffian([[entries[i][j] for j in kept] for i in kept])
        total = total + (-1) ** (k - 1) * entries[0][k] * minor
    return total


# ---- Wishart plus Wigner: Hessians at critical points of a given error


def hessian_model(size: int, phi: float, errors: Sequence[float], seed: int) -> np.ndarray:
    """Samples (len(errors), size, size) of X X^T / m + sqrt(2 eps) S, X (size, m) with m = size / phi, S Wigner.

    The first term stands for J^T J, the second for the residuals times second derivatives; entries of X are N(0, 1),
    those of S have variance 1 / size off the diagonal. phi: weights over equations; eps: the error. One draw of X and S
    serves all errors.

    Raises ValueError unless 0 < phi <= 1 and all eps >= 0.
    Source: Pennington and Bahri, ICML 2017, section 3.
    """
    for eps in errors:
        _positive_error(phi, eps)
    rng = np.random.default_rng([seed, size])
    m = round(size / phi)
    X, S = rng.standard_normal((size, m)), rng.standard_normal((size, size))
    return X @ X.T / m + np.sqrt(np.asarray(errors) / size)[:, None, None] * (S + S.T)


def error_threshold(phi: float) -> float:
    """The error below which the model has no negative eigenvalues, as its size grows.

    Source: Pennington and Bahri 2017, eq. 12: (1 - 20 phi - 8 phi^2 + (1 + 8 phi)^(3/2)) / 16.
    """
    _positive_error(phi, 0.0)
    return (1 - 20 * phi - 8 * phi**2 + (1 + 8 * phi) ** 1.5) / 16


def negative_share(phi: float, eps: float) -> float:
    """The share of negative eigenvalues of the model as its size grows, from the free sum of its two laws.

    The Stieltjes transform g(z) solves 1/g + 1/(1 - phi g) + 2 eps g = z, a cubic; |Im g| / pi is the density. Its
    lower edge is the maximum of the left side over g < 0; a quadratic substitution removes the root at the edge.

    Raises ValueError unless 0 < phi <= 1 and eps >= 0.
    """
    from scipy.optimize import brentq

    _positive_error(phi, eps)
    if eps == 0:
        return 0.0

    def slope(g: float) -> float:
        return -1 / g**2 + phi / (1 - phi * g) ** 2 + 2 * eps

    g = float(brentq(slope, -1e9, -1e-9, xtol=1e-15))
    edge = 1 / g + 1 / (1 - phi * g) + 2 * eps * g
    if edge >= 0:
        return 0.0
    nodes, weights = np.polynomial.legendre.leggauss(120)
    s = (nodes + 1) / 2
    densities = [_density(phi, eps, z) for z in edge * (1 - s * s)]
    return float(np.sum(weights * np.array(densities) * -edge * s))


def _density(phi: float, eps: float, z: float) -> float:
    roots = np.roots([-2 * eps * phi, 2 * eps + z * phi, 1 - phi - z, 1])
    return float(np.abs(roots.imag).max() / np.pi)


def _positive_error(phi: float, eps: float) -> None:
    if not 0 < phi <= 1 or not 0 <= eps < np.inf:
        raise ValueError(f"the model needs 0 < phi <= 1 and an error eps >= 0, got phi = {phi}, eps = {eps}")
