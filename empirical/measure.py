"""What is measured on trained nets: weights by layer, distances and maps of many nets, noise of a layer's own size,
Jacobians and Hessians, what enters the activations. What a net does between others: interpolate; radii: flatness.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, jacrev

from empirical.evaluation import Preactivations, preactivations
from theory.arguments import check_seed

__all__ = [
    "AFFINE",
    "Embedding",
    "Margins",
    "Preactivations",
    "distances",
    "embed",
    "hessian",
    "jacobian",
    "layers",
    "margins",
    "outputs_of_weights",
    "perturbed",
    "preactivations",
    "residuals",
    "set_weights",
    "weight_vector",
]

AFFINE = (nn.Conv2d, nn.Linear)


@dataclass(frozen=True)
class Embedding:
    """Points in the plane (or in few dimensions) whose distances are to be those given.

    points: (n, dimensions), centred, along the principal axes
    stress: sqrt(sum (d - given)^2 / sum given^2) over all pairs, d the distances of the points; 0 where all are met
    share: of the sum of absolute eigenvalues, what the axes kept hold; 1 where nothing is lost
    """

    points: np.ndarray
    stress: float
    share: float


def weight_vector(model: nn.Module) -> np.ndarray:
    """All weights in the order of the parameters, (K,); of a SmallNet, the weight vector of its PolynomialNetwork."""
    return np.concatenate([p.detach().cpu().numpy().ravel() for p in model.parameters()])


def set_weights(model: nn.Module, weights: np.ndarray) -> None:
    """Give a model the weights (K,), in the order of `weight_vector`: a copy, for training changes them in place."""
    with torch.no_grad():
        copied = torch.tensor(weights).to(next(model.parameters()))
        nn.utils.vector_to_parameters(copied, model.parameters())


def layers(model: nn.Module) -> dict[str, slice]:
    """Where each layer's weights and biases stand in `weight_vector`, and "all".

    Layers are numbered as in the paper, whose layer 1 is the input: those of the plain CNN are "2" to "6".
    """
    owner = {id(p): layer for layer in model.modules() if isinstance(layer, AFFINE) for p in layer.parameters()}
    places: dict[int, tuple[int, int]] = {}  # in the order of the layers, which is that of the parameters
    end = 0
    for parameter in model.parameters():
        start, end = end, end + parameter.numel()
        if (layer := owner.get(id(parameter))) is not None:
            places[id(layer)] = (places.get(id(layer), (start, end))[0], end)
    found = {str(number): slice(*place) for number, place in enumerate(places.values(), start=2)}
    return found | {"all": slice(0, end)}


def distances(
    snapshots: np.ndarray, parts: Mapping[str, slice], kind: Literal["cosine", "euclidean"] = "cosine"
) -> dict[str, np.ndarray]:
    """Distances (n, n) between n weight vectors (n, K), for each part of `layers`; kind "cosine": 1 - cosine.

    Through Gram matrices summed in float64, a few thousand weights at a time: seconds for 400 nets of 188,810 weights.
    Raises ValueError on another kind and on weights that are not finite.
    """
    if kind not in ("cosine", "euclidean"):
        raise ValueError(f'unknown distance {kind!r}: choose "cosine" or "euclidean"')
    return {name: _distances(snapshots[:, part], kind) for name, part in parts.items()}


def _distances(rows: np.ndarray, kind: str) -> np.ndarray:
    gram = np.zeros((len(rows), len(rows)))
    for start in range(0, rows.shape[1], 8192):
        some = rows[:, start : start + 8192].astype(np.float64)
        if kind == "euclidean":
            some -= some[:1]  # distances stay; what cancels below is then as small as they are
        gram += some @ some.T
    if not np.isfinite(gram).all():
        raise ValueError("distances need finite weights, got NaN or infinity")
    size = np.diag(gram)
    if kind == "cosine":
        norm = np.sqrt(size)
        found = np.maximum(1 - gram / np.outer(norm, norm), 0.0)
    else:
        found = np.sqrt(np.maximum(size[:, None] + size - 2 * gram, 0.0))
    np.fill_diagonal(found, 0.0)
    return (found + found.T) / 2


def embed(distances: np.ndarray, dimensions: int = 2) -> Embedding:
    """Classical (strain, Torgerson) multidimensional scaling of distances (n, n), n > dimensions."""
    from sklearn.manifold import ClassicalMDS

    with np.errstate(invalid="ignore"):  # the root of a negative eigenvalue: nothing is left for that axis
        points = np.nan_to_num(ClassicalMDS(n_components=dimensions, metric="precomputed").fit_transform(distances))
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    squares = distances**2
    centred = -(squares - squares.mean(0) - squares.mean(1)[:, None] + squares.mean()) / 2
    eigenvalues = np.linalg.eigvalsh(centred)
    total, given = np.abs(eigenvalues).sum(), squares.sum()
    kept = np.maximum(eigenvalues[::-1][:dimensions], 0).sum()
    return Embedding(
        points,
        stress=float(np.sqrt(((apart - distances) ** 2).sum() / given)) if given else 0.0,
        share=float(kept / total) if total else 1.0,
    )


def perturbed(model: nn.Module, scale: float, seed: int) -> nn.Module:
    """A copy with Gaussian noise on every layer, of standard deviation scale * S, S that of the layer's own weights.

    The noise goes to weights and biases, S is that of the weights alone. Statistics of batch normalisation are copied:
    estimate them anew before the copy is evaluated. Source: arXiv 1703.09833, Figs 3 to 5.
    """
    copy, generator = deepcopy(model), torch.Generator().manual_seed(check_seed(seed) % 2**63)
    if not scale:
        return copy
    with torch.no_grad():
        for layer in copy.modules():
            if isinstance(layer, AFFINE):
                deviation = float(layer.weight.std(correction=0))
                for parameter in layer.parameters():
                    noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
                    parameter.add_(noise.to(parameter.device), alpha=scale * deviation)
    return copy


def outputs_of_weights(model: nn.Module, inputs: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The map from weights (K,) to outputs (N*m,), image by image; the model must be free of state."""
    names, shapes = zip(*((name, p.shape) for name, p in model.named_parameters()), strict=True)
    sizes = [shape.numel() for shape in shapes]

    def outputs(w: torch.Tensor) -> torch.Tensor:
        parts = (part.view(shape) for part, shape in zip(w.split(sizes), shapes, strict=True))
        return functional_call(model, dict(zip(names, parts, strict=True)), (inputs,)).flatten()

    return outputs


def jacobian(model: nn.Module, inputs: torch.Tensor) -> np.ndarray:
    """Derivatives of the outputs with respect to the weights, (N*m, K): row i*m + j is output j of image i.

    The same bits as torch.func.jacrev's, in half the time for small nets.
    """
    w = torch.as_tensor(weight_vector(model)).requires_grad_()
    outputs = outputs_of_weights(model, inputs)(w)
    rows = torch.eye(len(outputs), dtype=outputs.dtype)
    return torch.autograd.grad(outputs, w, rows, is_grads_batched=True)[0].numpy()


def hessian(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """Hessian (K, K) of half the sum of squared residuals, second-order terms included; targets (N, m)."""
    outputs = outputs_of_weights(model, inputs)

    def half_square(w: torch.Tensor) -> torch.Tensor:
        return 0.5 * (outputs(w) - targets.flatten()).square().sum()

    return jacrev(jacrev(half_square))(torch.as_tensor(weight_vector(model))).numpy()


def residuals(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    """Outputs minus targets, (N*m,), image by image."""
    with torch.no_grad():
        return (model(inputs) - targets).flatten().numpy()


@dataclass(frozen=True)
class Margins:
    """By how much each image is classified rightly, (N,); below 0 where it is not.

    outputs: the output of its class minus the largest other one: depends on the size of the weights
    distance: that over the length of its gradient in the input: how far, to first order, the image may move in the
        (standardised) input space before it is classified wrongly; does not depend on the size of the weights
    """

    outputs: np.ndarray
    distance: np.ndarray


def margins(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> Margins:
    """Margins of a model in evaluation mode on these inputs; labels (N,) of at least two classes."""
    model.eval()
    found, distances_ = [], []
    for some, classes in zip(inputs.split(500), labels.split(500), strict=True):
        x = some.detach().clone().requires_grad_()
        outputs = model(x)
        own = outputs.gather(1, classes[:, None])[:, 0]
        gap = own - outputs.scatter(1, classes[:, None], -torch.inf).amax(1)
        (gradient,) = torch.autograd.grad(gap.sum(), x)
        found.append(gap.detach())
        distances_.append(gap.detach() / gradient.flatten(1).norm(dim=1))
    return Margins(torch.cat(found).numpy(), torch.cat(distances_).numpy())
