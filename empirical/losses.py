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
    if any(isinstance(parameter, nn.parameter.UninitializedParameter) for parameter in model.parameters()):
        raise ValueError("the model has lazy layers without weights so far: call it once on some inputs first")


def examples(data: Data | Sequence[Any], model: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets as tensors on the device of the model. ValueError unless they are as many, at least one.

    Real numbers get the precision of the model's weights, which need not be that of numpy's or torch's defaults.
    """
    if not isinstance(data, Data | tuple | list) or (not isinstance(data, Data) and len(data) != 2):
        found = f"{len(data)} things" if isinstance(data, tuple | list) else type(data).__name__
        raise ValueError(f"data must be (inputs, targets), two tensors or arrays of all examples, got {found}")
    pair = (data.train_inputs, data.train_labels) if isinstance(data, Data) else data
    place = next(model.parameters()).device
    inputs, targets = (torch.as_tensor(part).to(place) for part in pair)
    if not inputs.ndim or not targets.ndim or len(inputs) != len(targets) or not len(inputs):
        raise ValueError(
            f"data must be inputs and targets, as many of both; got {tuple(inputs.shape)}, {tuple(targets.shape)}"
        )
    width = next(model.parameters()).dtype
    if width.is_floating_point:
        inputs, targets = (part.to(width) if part.is_floating_point() else part for part in (inputs, targets))
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
    x, y = inputs[:2], targets[:2]
    try:
        output = model(x)
        value, again = loss(output, y), loss(model(x), y)
        single = [loss(model(x[k : k + 1]), y[k : k + 1]) for k in range(len(x))]
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        given = f"inputs {_shape(x)}, targets {_shape(y)}, weights {next(model.parameters()).dtype}"
        raise ValueError(f"the loss of two examples cannot be computed ({given}): {_one_line(error)}") from error
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        found = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"the loss must return one number, the mean over the examples, got {found}")
    whole, each = float(value), [float(one) for one in single]
    if not math.isfinite(whole):
        return
    if whole != float(again):
        raise ValueError(
            f"the same weights gave the losses {whole:.8g} and {float(again):.8g}: the model draws random numbers"
        )
    rounding = max(1e-3, 8 * torch.finfo(value.dtype).eps)
    if abs(whole - sum(each) / len(each)) > rounding * sum(map(abs, each)):
        raise ValueError(
            f"the loss must be the mean over the examples: two examples give {whole:.6g}, each alone {each[0]:.6g} "
            f'and {each[-1]:.6g}; take reduction="mean", and targets of the shape of the outputs if they are numbers '
            f"(outputs {_shape(output)}, targets {_shape(y)})"
        )


def _shape(value: Any) -> str:
    return f"{tuple(value.shape)} {value.dtype}" if isinstance(value, torch.Tensor) else type(value).__name__


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
