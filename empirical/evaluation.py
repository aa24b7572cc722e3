"""What a net does on data as it is: loss and error, with the statistics that batch normalisation evaluates with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from empirical.allocator import keep_freed_memory
from empirical.models import Activate


@dataclass(frozen=True)
class Preactivations:
    """What enters the activations of a net on some inputs, all hidden layers together.

    outside: share outside [-radius, radius]; largest: the largest absolute value, NaN where one is
    """

    radius: float
    outside: float
    largest: float


@torch.inference_mode()
def evaluate(
    model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, loss: str = "cross-entropy"
) -> tuple[float, float]:
    """Mean loss and share of wrong labels, batch normalisation with its running statistics; NaN, NaN without examples.

    The error is NaN for the square loss; an output that is not finite counts as wrong.
    """
    if not len(inputs):
        return float("nan"), float("nan")
    model.eval()
    loss_of = criterion(loss, reduction="sum")
    # More than 100 images of CIFAR-10 at a time leave a CPU's cache, of smaller ones accordingly more.
    chunk = max(100, 300_000 // max(1, inputs[0].numel())) if inputs.device.type == "cpu" else 5000
    total = torch.zeros((), dtype=torch.float64, device=inputs.device)
    right = torch.zeros((), dtype=torch.int64, device=inputs.device)
    for x, y in zip(inputs.split(chunk), labels.split(chunk), strict=True):
        outputs = model(x)
        total += loss_of(outputs, y).double()
        if loss == "cross-entropy":
            right += ((outputs.argmax(1) == y) & outputs.isfinite().all(1)).sum()
    if loss == "square":
        return total.item() / labels.numel(), float("nan")
    return total.item() / len(labels), 1 - right.item() / len(labels)


@torch.no_grad()
def reestimate_batchnorm(model: nn.Module, inputs: torch.Tensor, chunk: int = 500) -> None:
    """Set the statistics that batch normalisation evaluates with to those of these inputs, at the weights as they are.

    To be done before weights that training did not reach (the start, averages, perturbations) are evaluated.
    """
    layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    if not layers:
        return
    usual = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean over all chunks
    model.train()
    for some in inputs.tensor_split(max(1, len(inputs) // chunk)):
        model(some)
    for layer, momentum in zip(layers, usual, strict=True):
        layer.momentum = momentum


def criterion(loss: str, reduction: str = "mean") -> nn.Module:
    """The loss of that name, as a module of outputs and labels."""
    return nn.CrossEntropyLoss(reduction=reduction) if loss == "cross-entropy" else nn.MSELoss(reduction=reduction)


def placed(inputs: torch.Tensor, model: nn.Module, device: str) -> torch.Tensor:
    """inputs on the device; images, and the model with them, in the layout that convolutions are fastest in."""
    if inputs.ndim != 4:
        return inputs.to(device)
    model.to(memory_format=torch.channels_last)
    return inputs.to(device, memory_format=torch.channels_last)


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch computes with one thread: sums then have one order, whatever the machine."""
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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


def escaped(model: nn.Module, inputs: torch.Tensor) -> str:
    """What enters the polynomial activations of a net outside the interval they were fitted on, as part of a sentence;
    "" for a net without such."""
    found = {
        m.activation.interval for m in model.modules() if isinstance(m, Activate) and not isinstance(m.activation, str)
    }
    ends = [end for interval in found if interval is not None for end in interval]
    if not ends:
        return ""
    seen = preactivations(model, inputs, max(abs(float(end)) for end in ends))
    largest = f"the largest: {seen.largest:.2g}" if np.isfinite(seen.largest) else "not all of it finite"
    return (
        f"; {seen.outside:.1%} of what entered the activations then lay outside +-{seen.radius:g}, where the "
        f"polynomial is not fitted ({largest})"
    )
