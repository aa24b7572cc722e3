"""The loss of any torch model over some examples, as a function of its weights; models that have none are refused."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from empirical.data import Data

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def check_evaluates(model: nn.Module) -> None:
    """Raise TypeError or ValueError, with the way out, unless outputs depend on weights and inputs only."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    for name, module in model.named_modules():
        own = getattr(module, "p", 0) if isinstance(module, nn.modules.dropout._DropoutNd) else 0
        rate = own or getattr(module, "dropout", 0)  # a number in recurrent and attention layers
        if isinstance(rate, int | float) and rate > 0:
            raise ValueError(
                f"the model has dropout ({name or type(module).__name__}, {rate:g}), whose loss is random in training "
                "and another one without it; set its rate to 0 to see the surface without dropout"
            )
    training = [name or type(model).__name__ for name, module in model.named_modules() if module.training]
    if training:
        raise ValueError(
            f"the model is in training mode ({training[0]}): its loss depends on the batch; call model.eval() first"
        )
    if not any(True for _ in model.parameters()):
        raise ValueError("the model has no parameters: there is nothing to vary")


def examples(data: Data | Sequence[Any], model: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets as tensors on the device of the model. ValueError unless they are as many, at least one.

    Inputs in float64 are rounded to the precision of a model of another one, real targets with them.
    """
    pair = (data.train_inputs, data.train_labels) if isinstance(data, Data) else tuple(data)
    if len(pair) != 2:
        raise ValueError(f"data must be (inputs, targets), got {len(pair)} things")
    place = next(model.parameters()).device
    inputs, targets = (torch.as_tensor(part).to(place) for part in pair)
    if not inputs.ndim or not targets.ndim or len(inputs) != len(targets) or not len(inputs):
        raise ValueError(
            f"data must be inputs and targets, as many of both; got {tuple(inputs.shape)}, {tuple(targets.shape)}"
        )
    width = next(model.parameters()).dtype
    if inputs.dtype == torch.float64 and width.is_floating_point and width != torch.float64:
        inputs = inputs.to(width)  # numpy's default type, where the model is of another one
        targets = targets.to(width) if targets.is_floating_point() else targets
    return inputs, targets


def chunks(inputs: torch.Tensor, targets: torch.Tensor, chunk: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    yield from zip(inputs.split(chunk), targets.split(chunk), strict=True)


@torch.no_grad()
def mean_loss(model: nn.Module, loss: Loss, inputs: torch.Tensor, targets: torch.Tensor, chunk: int) -> float:
    """The loss over all examples, which are evaluated `chunk` at a time; it may be infinite or NaN."""
    total = 0.0
    for x, y in chunks(inputs, targets, chunk):
        total += float(loss(model(x), y)) * len(x)
    return total / len(inputs)


@torch.no_grad()
def check_loss(model: nn.Module, loss: Loss, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Raise ValueError unless the loss of two examples is the mean of their losses, as chunks need it, and stays so."""
    value, again = (loss(model(inputs[:2]), targets[:2]) for _ in range(2))
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        found = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"the loss must return one number, the mean over the examples, got {found}")
    whole = float(value)
    if not math.isfinite(whole):
        return
    if whole != float(again):
        raise ValueError(
            f"the same weights gave the losses {whole:.8g} and {float(again):.8g}: the model draws random numbers"
        )
    single = [float(loss(model(inputs[k : k + 1]), targets[k : k + 1])) for k in range(min(2, len(inputs)))]
    if abs(whole - sum(single) / len(single)) > 1e-3 * sum(map(abs, single)):
        raise ValueError(
            f"the loss must be the mean over the examples: two examples give {whole:.6g}, each alone {single[0]:.6g} "
            f'and {single[-1]:.6g}; take reduction="mean"'
        )
