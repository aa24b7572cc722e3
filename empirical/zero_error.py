"""The plain CNN brought to zero squared error on a few images, in float64, and the nullity of the Hessian there.

With as many weights as this net has the Jacobian J of the outputs is wide: it is kept in blocks of columns, one a
parameter tensor, and all that is needed goes through J J^T. Batch normalisation runs with the statistics of these very
images and (nearly) no epsilon, so that the directions it flattens are flat exactly: the bias before it, and the length
of the weights into each of its channels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical.data import Data
from empirical.measure import AFFINE
from empirical.models import Activation, PlainCNN
from empirical.steps import kept_value
from empirical.train import TrainConfig, train
from theory.activations import relu_approximation
from theory.claims.claim import Case
from theory.gram import gram_rank

_NORMALISING = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True)
class ZeroError:
    """Where the net stands after polishing, on N images with m outputs.

    residual: the largest |output - target|; rank: of J; reliable: whether that rank is clear
    conditioning: smallest singular value of J over the largest
    forced: directions that batch normalisation flattens; bent: how far they are from the kernel of J, relative to J
    """

    n_weights: int
    n_equations: int
    residual: float
    rank: int
    gap: float
    reliable: bool
    conditioning: float
    forced: int
    bent: float

    @property
    def nullity(self) -> int:
        return self.n_weights - self.rank


Large = tuple[str, int, ZeroError]  # name, start and end of a net


def reached(activation: Activation, data: Data, images: Sequence[int], seed: list[int], steps: int = 100) -> ZeroError:
    """Where the plain CNN ends on these images of the training set, targets +1 for their class and -1 for the others.

    Fifty steps of batch descent with the square loss, then at most `steps` Gauss-Newton steps.
    """
    inputs, labels = data.train_inputs[list(images)].double(), data.train_labels[list(images)]
    targets = 2.0 * nn.functional.one_hot(labels, data.n_classes).double() - 1
    channels, size, other = inputs.shape[1:]
    own = int(np.random.default_rng(seed).integers(2**31))
    model = exact(PlainCNN(activation, n_classes=data.n_classes, input_shape=(channels, size, other), seed=own))
    few = Data(data.name, inputs, targets, inputs[:0], targets[:0], n_classes=0, identity="")
    train(model, few, TrainConfig(50, None, 0.05, every=50, loss="square"))
    model.train()
    polish(model, inputs, targets, steps)
    return examine(model, inputs, targets)


def exact(model: nn.Module) -> nn.Module:
    """The model in float64 and in training mode; its batch normalisation without running statistics and with an epsilon
    that no variance feels."""
    for layer in model.double().train().modules():
        if isinstance(layer, _NORMALISING):
            layer.eps, layer.track_running_stats = 1e-30, False  # torch refuses 0; no variance feels this
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
    return model


def jacobian_blocks(model: nn.Module, inputs: torch.Tensor) -> list[np.ndarray]:
    """Derivatives (N*m, k) of the outputs, image by image, with respect to each parameter tensor, in their order."""
    parameters = list(model.parameters())
    outputs = model(inputs).flatten()
    blocks = [np.empty((len(outputs), parameter.numel())) for parameter in parameters]
    for row, output in enumerate(outputs):
        gradients = torch.autograd.grad(output, parameters, retain_graph=True)
        for block, gradient in zip(blocks, gradients, strict=True):
            block[row] = gradient.flatten().cpu().numpy()
    return blocks


def polish(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, steps: int, residual: float = 1e-11) -> float:
    """Damped Gauss-Newton steps w - J^T (J J^T + s I)^-1 r until the largest residual is small; returns it.

    A step that does not lower the error is taken back and s is raised; s falls after each that does.
    """
    r = _residuals(model, inputs, targets)
    damping, blocks = 1e-2, jacobian_blocks(model, inputs)
    for _ in range(steps):
        if np.abs(r).max() <= residual or damping > 1e6:
            break
        gram = np.sum([block @ block.T for block in blocks], axis=0)
        scale = np.trace(gram) / len(gram)
        solution = np.linalg.solve(gram + damping * scale * np.eye(len(gram)), r)
        _move(model, blocks, -solution)
        new = _residuals(model, inputs, targets)
        if new @ new < r @ r:
            r, damping = new, max(damping / 10, 1e-15)
            blocks = jacobian_blocks(model, inputs)
        else:
            _move(model, blocks, solution)
            damping *= 10
    return float(np.abs(r).max())


def examine(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> ZeroError:
    """The rank of J where the model stands, and what batch normalisation forces of its nullity."""
    blocks = jacobian_blocks(model, inputs)
    decision = gram_rank(lambda: blocks, len(blocks[0]))
    sizes = decision.singular_values
    forced, bent = _forced(model, blocks)
    return ZeroError(
        n_weights=sum(parameter.numel() for parameter in model.parameters()),
        n_equations=len(blocks[0]),
        residual=float(np.abs(_residuals(model, inputs, targets)).max()),
        rank=decision.rank,
        gap=decision.gap,
        reliable=decision.reliable,
        conditioning=float(sizes[-1] / sizes[0]),
        forced=forced,
        bent=bent / float(sizes[0]),
    )


def on_images(
    data: Data | None, images: Sequence[int], nets: int, seed: int, checkpoints: Path | None = None
) -> tuple[list[Large], ZeroError | None]:
    """The CNN's ends for every number of images, either activation and so many starts; and one for images of which two
    are equal. Nothing where the data are no images. checkpoints: a folder that keeps each end.
    """
    if data is None or data.train_inputs.ndim != 4:
        return [], None
    polynomial = relu_approximation(2, (-5, 5), method="legendre")

    def one(name: str, activation: Activation, chosen: Sequence[int], start: int) -> ZeroError:
        file = None if checkpoints is None else checkpoints / f"cnn-{name}-{len(chosen)}-{start}.npz"
        return ZeroError(**kept_value(file, lambda: vars(reached(activation, data, chosen, [seed, start]))))

    found = [
        (f"plain CNN on {data.name}, {kind}, N={n}", start, one(kind.replace(" ", "-"), activation, range(n), start))
        for n in images
        for kind, activation in (("relu", "relu"), ("degree 2", polynomial))
        for start in range(nets)
    ]
    return found, one("twins", "relu", [0, *range(images[0] - 1)], 0)


def row(name: str, start: int, end: ZeroError) -> dict[str, Any]:
    """An end as a row of the table of small nets."""
    unknown = float("nan")
    return {
        "name": name,
        "activation": name.split(", ")[1],
        "n_weights": end.n_weights,
        "n_equations": end.n_equations,
        "neurovariety_dimension": unknown,
        "start": start,
        "residual_after_descent": unknown,
        "residual": end.residual,
        "zero_error": end.residual <= 1e-8,
        "nullity": end.nullity,
        "gap": end.gap,
        "reliable": end.reliable,
        "forced": end.forced,
        "conditioning": end.conditioning,
    }


def cases(large: Sequence[Large]) -> Iterator[Case]:
    """One case a name: every end must have the nullity K - N*m; open where one is not at zero error or not clear."""
    for name in dict.fromkeys(name for name, _, _ in large):
        ends = [end for other, _, end in large if other == name]
        predicted = ends[0].n_weights - ends[0].n_equations
        clear = all(e.residual <= 1e-8 and e.reliable and e.conditioning >= 1e-6 and e.bent < 1e-9 for e in ends)
        yield Case(
            f"{name}: {len(ends)} ends",
            f"nullity {predicted}",
            f"nullity {', '.join(map(str, sorted({end.nullity for end in ends})))}, residual at most "
            f"{max(end.residual for end in ends):.0e}, conditioning at least {min(e.conditioning for e in ends):.1e}",
            all(end.nullity == predicted for end in ends) if clear else None,
        )


def forced(large: Sequence[Large]) -> list[str]:
    """What batch normalisation makes of the nullity, in words; nothing without ends."""
    if not large:
        return []
    end = large[0][2]
    return [
        f"Batch normalisation forces {end.forced} dimensions of the CNN's nullity: {end.nullity - end.forced} of "
        f"{end.nullity} remain for {end.n_equations} equations."
    ]


def _residuals(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return (model(inputs) - targets).flatten().cpu().numpy()


@torch.no_grad()
def _move(model: nn.Module, blocks: Sequence[np.ndarray], coefficients: np.ndarray) -> None:
    """Add J^T coefficients to the weights."""
    for parameter, block in zip(model.parameters(), blocks, strict=True):
        parameter.add_(torch.from_numpy(block.T @ coefficients).view(parameter.shape).to(parameter.device))


def _forced(model: nn.Module, blocks: Sequence[np.ndarray]) -> tuple[int, float]:
    """How many unit directions batch normalisation flattens, and the largest |J d| of any of them."""
    columns = dict(zip((id(parameter) for parameter in model.parameters()), blocks, strict=True))
    chain = [layer for layer in model.modules() if isinstance(layer, (*AFFINE, *_NORMALISING))]
    count, bent = 0, 0.0
    for layer, following in pairwise(chain):
        if not (isinstance(layer, AFFINE) and isinstance(following, _NORMALISING)):
            continue
        weight = layer.weight.detach().flatten(1).cpu().numpy()  # (channels, fan in)
        rows = columns[id(layer.weight)].reshape(-1, *weight.shape)
        along = np.einsum("rcf,cf->rc", rows, weight / np.linalg.norm(weight, axis=1, keepdims=True))
        count += len(weight)
        bent = max(bent, float(np.linalg.norm(along, axis=0).max()))
        if layer.bias is not None:
            count += len(layer.bias)
            bent = max(bent, float(np.linalg.norm(columns[id(layer.bias)], axis=0).max()))
    return count, bent
