"""The Hessian of any torch model's loss: products, largest and smallest eigenvalues, density of all eigenvalues.

The Hessian is never formed. Products are exact (one backward pass through a gradient), so that each eigenvalue comes
with the residual that bounds its error; densities are estimates and come with their standard error.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator
from torch import nn

from empirical.data import Data
from empirical.losses import Loss, check_evaluates, check_loss, chunks, examples
from theory.arguments import check_count, check_seed


@dataclass(frozen=True)
class Eigenvalues:
    """Some eigenvalues, ascending (k,), and their unit vectors, columns of (K, k).

    residuals: (k,) norms |H v - lambda v|; an eigenvalue of H lies within that distance of lambda
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray


@dataclass(frozen=True)
class Density:
    """Spectral density of a symmetric matrix from Gauss quadratures, one a probe.

    nodes, weights: (probes, steps), ascending nodes, weights of a probe adding up to 1; size: rows of the matrix
    """

    nodes: np.ndarray
    weights: np.ndarray
    size: int

    def moment(self, power: int = 1) -> tuple[float, float]:
        """Mean of eigenvalue ** power over all eigenvalues and its standard error over probes; exact up to power
        2 * steps - 1 but for the choice of probes."""
        return _mean((self.weights * self.nodes**power).sum(1))

    def share_below(self, value: float, tolerance: float = 0.0) -> tuple[float, float]:
        """Share of eigenvalues below a value and its standard error over probes.

        tolerance: nodes within it of the value count half; the eigenvalues that are 0 are a node near 0
        """
        inside = (self.nodes < value - tolerance) + 0.5 * (abs(self.nodes - value) <= tolerance)
        return _mean((self.weights * inside).sum(1))

    def curve(self, at: Sequence[float] | np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
        """Density smoothed by a Gaussian of this standard deviation at some places (n,), and its standard error."""
        if not width > 0:
            raise ValueError(f"width must be > 0, got {width!r}")
        z = (np.asarray(at, float)[:, None, None] - self.nodes) / width
        each = (self.weights * np.exp(-(z**2) / 2)).sum(2) / (width * np.sqrt(2 * np.pi))
        return each.mean(1), each.std(1, ddof=1) / np.sqrt(each.shape[1])


def hessian_operator(
    model: nn.Module, loss: Loss, data: Data | Sequence[torch.Tensor], *, chunk: int = 1000
) -> LinearOperator:
    """The Hessian of the mean loss over all examples, (K, K), as products with vectors; K in the order of parameters().

    model, loss, data, chunk: as `surface` takes them; parameters that do not require a gradient are left out.
    Products are as precise as the model's own numbers: take model.double() for eigenvalues near 0.
    Raises ValueError on a model in training mode or with dropout, and on a product that is not finite.
    Source: Pearlmutter 1994.
    """
    check_evaluates(model)
    check_count(chunk, "chunk")
    inputs, targets = examples(data, model)
    check_loss(model, loss, inputs, targets)
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not weights:
        raise ValueError("no parameter of the model requires a gradient: there is no Hessian")
    size = sum(weight.numel() for weight in weights)

    def product(vector: np.ndarray) -> np.ndarray:
        parts = _split(torch.as_tensor(np.asarray(vector).ravel()), weights)
        total = torch.zeros(size, dtype=torch.float64)
        for x, y in chunks(inputs, targets, chunk):
            total += _product(model, loss, x, y, weights, parts).cpu().double() * (len(x) / len(inputs))
        if not total.isfinite().all():
            raise ValueError("a Hessian product is not finite: the loss or its derivatives overflow at these weights")
        return total.numpy()

    return LinearOperator(shape=(size, size), matvec=product, dtype=np.dtype(float))


def top_eigenvalues(
    operator: Any, k: int = 5, *, which: Literal["largest", "smallest", "both"] = "largest", seed: int = 0
) -> Eigenvalues:
    """The k largest or smallest eigenvalues of a symmetric operator or matrix, or k // 2 and the rest from either end.

    Raises ValueError unless 1 <= k < size, RuntimeError where the iteration does not converge.
    By Lanczos iterations with restarts (ARPACK), to machine precision of the products.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    codes = {"largest": "LA", "smallest": "SA", "both": "BE"}
    if which not in codes:
        raise ValueError(f"which must be one of {', '.join(codes)}, got {which!r}")
    size = _size(operator)
    if check_count(k, "k") >= size:
        raise ValueError(f"k must be below the number of weights, {size}, got {k}; form the whole Hessian instead")
    start = np.random.default_rng(check_seed(seed)).standard_normal(size)
    if not np.any(operator @ start):  # only the zero matrix does that to a random vector, and ARPACK refuses it
        return Eigenvalues(np.zeros(k), np.eye(size, k), np.zeros(k))
    try:
        values, vectors = eigsh(operator, k=k, which=codes[which], v0=start, tol=1e-10)
    except ArpackNoConvergence as error:
        raise RuntimeError(f"{len(error.eigenvalues)} of {k} eigenvalues converged; ask for fewer") from error
    order = np.argsort(values)
    values, vectors = values[order], vectors[:, order]
    images = np.stack([operator @ vector for vector in vectors.T], axis=1)
    return Eigenvalues(values, vectors, np.linalg.norm(images - values * vectors, axis=0))


def spectral_density(
    operator: Any,
    *,
    steps: int = 60,
    probes: int = 10,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
) -> Density:
    """The density of all eigenvalues of a symmetric operator or matrix, by stochastic Lanczos quadrature.

    steps: Lanczos steps a probe: what lies closer together than about range / steps is seen as one lump
    probes: random sign vectors; the standard error falls with their root
    Costs steps * probes products. Source: Ubaru, Chen and Saad 2017, algorithm 1; Golub and Welsch 1969.
    """
    size = _size(operator)
    steps = min(check_count(steps, "steps"), size)
    check_count(probes, "probes (the error is estimated from their scatter)", least=2)
    rng = np.random.default_rng(check_seed(seed))
    nodes, weights = np.zeros((probes, steps)), np.zeros((probes, steps))
    for k in range(probes):
        diagonal, beside = lanczos(operator, rng.choice((-1.0, 1.0), size=size), steps)
        found, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        nodes[k], nodes[k, : len(found)] = found[-1], found  # a probe may end early: the rest has weight 0
        weights[k, : len(found)] = vectors[0] ** 2
        if progress is not None:
            progress(k + 1, probes, f"probe {k + 1} of {probes}")
    return Density(nodes, weights, size)


def lanczos(operator: Any, start: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The tridiagonal matrix of a symmetric operator on the Krylov space of a start: diagonal (n,), beside it (n - 1,).

    n = steps, or fewer where the space ends. Every vector is made orthogonal to all before it, twice: without that
    eigenvalues come out several times.
    """
    basis = np.zeros((steps, len(start)))
    basis[0] = start / np.linalg.norm(start)
    diagonal, beside = np.zeros(steps), np.zeros(steps)
    for k in range(steps):
        vector = np.asarray(operator @ basis[k], float)
        diagonal[k] = vector @ basis[k]
        for _ in range(2):
            vector = vector - basis[: k + 1].T @ (basis[: k + 1] @ vector)
        beside[k] = np.linalg.norm(vector)
        if k + 1 == steps or beside[k] <= 1e-12 * max(np.abs(diagonal).max(), beside.max()):
            return diagonal[: k + 1], beside[:k]
        basis[k + 1] = vector / beside[k]
    raise AssertionError("unreachable: the last step returns")


def _size(operator: Any) -> int:
    """Rows of a symmetric operator or matrix; ValueError for what surely is none."""
    shape = getattr(operator, "shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[0] != shape[1]:
        found = f"one of shape {shape}" if isinstance(shape, tuple) else type(operator).__name__
        raise ValueError(f"spectra are of a square matrix or operator (see hessian_operator), got {found}")
    if isinstance(operator, np.ndarray) and not np.allclose(operator, operator.T):
        raise ValueError("spectra are of symmetric matrices, this one differs from its transpose")
    return int(shape[0])


def _product(
    model: nn.Module,
    loss: Loss,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    weights: list[nn.Parameter],
    parts: Sequence[torch.Tensor],
) -> torch.Tensor:
    """Hessian of the loss over these examples times a vector, both as flat (K,)."""
    with torch.enable_grad():
        slopes = torch.autograd.grad(loss(model(inputs), targets), weights, create_graph=True, materialize_grads=True)
        inner = sum((slope * part).sum() for slope, part in zip(slopes, parts, strict=True))
        if not isinstance(inner, torch.Tensor) or not inner.requires_grad:  # the loss is linear in the weights
            return torch.zeros(sum(weight.numel() for weight in weights))
        products = torch.autograd.grad(inner, weights, materialize_grads=True)
    return torch.cat([product.reshape(-1) for product in products])


def _split(vector: torch.Tensor, weights: list[nn.Parameter]) -> list[torch.Tensor]:
    pieces = vector.split([weight.numel() for weight in weights])
    return [piece.view(weight.shape).to(weight) for piece, weight in zip(pieces, weights, strict=True)]


def _mean(values: np.ndarray) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
