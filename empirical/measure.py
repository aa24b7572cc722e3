"""What is measured on a trained net: its Jacobian, the Hessian of its squared error, what enters its activations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, jacrev

from empirical.models import Activate


@dataclass(frozen=True)
class Preactivations:
    """What enters the activations of a net on some inputs, all hidden layers together.

    outside: share outside [-radius, radius]; largest: the largest absolute value
    """

    radius: float
    outside: float
    largest: float


def weight_vector(model: nn.Module) -> np.ndarray:
    """All weights in the order of the parameters, (K,); of a SmallNet, the weight vector of its PolynomialNetwork."""
    return np.concatenate([p.detach().cpu().numpy().ravel() for p in model.parameters()])


def set_weights(model: nn.Module, weights: np.ndarray) -> None:
    """Give a model the weights (K,), in the order of `weight_vector`."""
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.as_tensor(weights).to(next(model.parameters())), model.parameters())


def outputs_of_weights(model: nn.Module, inputs: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The map from weights (K,) to outputs (N*m,), image by image; the model must be free of state."""
    names, shapes = zip(*((name, p.shape) for name, p in model.named_parameters()), strict=True)
    sizes = [shape.numel() for shape in shapes]

    def outputs(w: torch.Tensor) -> torch.Tensor:
        parts = (part.view(shape) for part, shape in zip(w.split(sizes), shapes, strict=True))
        return functional_call(model, dict(zip(names, parts, strict=True)), (inputs,)).flatten()

    return outputs


def jacobian(model: nn.Module, inputs: torch.Tensor) -> np.ndarray:
    """Derivatives of the outputs with respect to the weights, (N*m, K): row i*m + j is output j of image i."""
    return jacrev(outputs_of_weights(model, inputs))(torch.as_tensor(weight_vector(model))).numpy()


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


@torch.inference_mode()
def preactivations(model: nn.Module, inputs: torch.Tensor, radius: float) -> Preactivations:
    """What enters the activations of a model in evaluation mode on these inputs, against [-radius, radius]."""
    counts, largest = [0, 0], [0.0]

    def look(_: nn.Module, entered: tuple[torch.Tensor, ...]) -> None:
        size = entered[0].abs()
        counts[0] += int((~(size <= radius)).sum())  # so written, NaN counts as outside
        counts[1] += size.numel()
        largest.append(float(size.max()))

    handles = [layer.register_forward_pre_hook(look) for layer in model.modules() if isinstance(layer, Activate)]
    model.eval()
    try:
        for some in inputs.split(100):
            model(some)
    finally:
        for handle in handles:
            handle.remove()
    return Preactivations(radius, counts[0] / max(counts[1], 1), float(np.max(largest)))
