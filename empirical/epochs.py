"""One epoch of a training: from where it stands to where it stands then."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from empirical import optimizers
from empirical.checkpoints import Checkpoint
from empirical.data import Data
from empirical.evaluation import criterion, escaped, evaluate, placed, reestimate_batchnorm
from empirical.full_batch import full_gradient
from empirical.histories import Epoch, TrainConfig


class Sets(NamedTuple):
    """Training and test set on the device."""

    train_inputs: torch.Tensor
    train_labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor


def on_device(data: Data, model: nn.Module, device: str) -> Sets:
    """The data, and the model with them, on the device."""
    model.to(device)
    return Sets(
        placed(data.train_inputs, model, device),
        data.train_labels.to(device),
        placed(data.test_inputs, model, device),
        data.test_labels.to(device),
    )


def start(model: nn.Module, sets: Sets, config: TrainConfig) -> Checkpoint:
    """Where a training stands before its first step."""
    reestimate_batchnorm(model, sets.train_inputs)  # else the untrained net is looked at with the statistics of nothing
    return Checkpoint(
        epoch=0,
        steps=0,
        epochs=(_look(0, model, sets, config),),
        stopped=None,
        good_epoch=0,
        model=model.state_dict(),
        good=_snapshot(model),
        memory={},
        generator=torch.Generator().manual_seed(config.seed % 2**63).get_state(),
        weights={0: _vector(model)} if 0 in config.keep else {},
    )


def restore(model: nn.Module, state: Checkpoint) -> Checkpoint:
    """Give the model what a checkpoint holds; the state with its tensors laid out in memory as the model's are.

    Otherwise sums might be rounded otherwise.
    """
    model.load_state_dict(state.model)
    weights = dict(model.named_parameters())
    memory = {
        key: torch.empty_like(weights[key.partition(".")[2]], requires_grad=False).copy_(value)
        for key, value in state.memory.items()
    }
    return replace(state, model=model.state_dict(), memory=memory)


def one_epoch(model: nn.Module, sets: Sets, config: TrainConfig, before: Checkpoint) -> Checkpoint:
    """Train the model for one epoch; where the training stands then. What `before` holds goes on changing."""
    generator, memory = torch.Generator(), dict(before.memory)
    generator.set_state(before.generator)
    weights = dict(model.named_parameters())
    done, finite = 0, True
    for some in batches(len(sets.train_inputs), config.batch, generator):
        gradients = _gradients(model, sets, some.to(sets.train_inputs.device), config)
        if finite := gradients is not None:
            done += 1
            optimizers.step(weights, gradients, memory, config, before.steps + done, [generator])
        else:
            break
    return after(model, sets, config, before, done, finite, memory, generator)


def after(
    model: nn.Module,
    sets: Sets,
    config: TrainConfig,
    before: Checkpoint,
    done: int,
    finite: bool,
    memory: Mapping[str, torch.Tensor],
    generator: torch.Generator,
) -> Checkpoint:
    """Where a training stands after an epoch of `done` steps; finite: whether each step's loss was.

    The model gets its last good weights back if the training ends here for want of a finite loss.
    """
    epoch, steps = before.epoch + 1, before.steps + done
    last = epoch == config.epochs
    epochs, good, good_epoch, stopped = before.epochs, before.good, before.good_epoch, None
    if finite and (epoch % config.every == 0 or last):
        if config.batch is None:  # running statistics would be those of some ten steps ago
            reestimate_batchnorm(model, sets.train_inputs)
        epochs = (*epochs, _look(epoch, model, sets, config))
        if math.isfinite(epochs[-1].train_loss):
            good, good_epoch = _snapshot(model), epoch
    if not finite or (last and good_epoch < epoch):
        outside = escaped(model, sets.train_inputs[:1000])
        model.load_state_dict(good)
        stopped = _not_finite(steps, good_epoch, config, look=finite) + outside
    keep = epoch in config.keep and stopped is None
    return Checkpoint(
        epoch=epoch,
        steps=steps,
        epochs=epochs,
        stopped=stopped,
        good_epoch=good_epoch,
        model=model.state_dict(),
        good=good,
        memory=memory,
        generator=generator.get_state(),
        weights={**before.weights, epoch: _vector(model)} if keep else before.weights,
    )


def batches(n: int, batch: int | None, generator: torch.Generator) -> Sequence[torch.Tensor]:
    """The examples of each step of an epoch; in batch descent their order is left alone."""
    if batch is None or batch >= n:
        return [torch.arange(n)]
    return torch.randperm(n, generator=generator).tensor_split(n // batch)


def _gradients(
    model: nn.Module, sets: Sets, chosen: torch.Tensor, config: TrainConfig
) -> dict[str, torch.Tensor] | None:
    """The gradient of the mean loss over these examples by name of the weight, None where the loss is not finite."""
    if config.piece is not None and config.piece < len(sets.train_inputs):
        loss, gradients = full_gradient(model, sets.train_inputs, sets.train_labels, config.loss, config.piece)
        return gradients if loss.isfinite() else None
    model.train()
    loss = criterion(config.loss)(model(sets.train_inputs[chosen]), sets.train_labels[chosen])
    if not loss.isfinite():
        return None
    names, weights = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return {name: gradient for name, gradient in zip(names, found, strict=True) if gradient is not None}


def _look(epoch: int, model: nn.Module, sets: Sets, config: TrainConfig) -> Epoch:
    seen = evaluate(model, sets.train_inputs, sets.train_labels, config.loss)
    return Epoch(epoch, *seen, *evaluate(model, sets.test_inputs, sets.test_labels, config.loss))


def _snapshot(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _vector(model: nn.Module) -> np.ndarray:
    """The weights (K,) in the order of the parameters."""
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]).cpu().numpy()


def _not_finite(step: int, kept: int, config: TrainConfig, look: bool) -> str:
    """look: that of each step was finite, only that of all examples at the end was not."""
    what = "the loss of all training examples, looked at after the last epoch," if look else "the loss"
    return (
        f"{what} was not finite after step {step}; the weights are those after epoch {kept}; "
        f"try rate {config.rate / 2:g}, or an activation that stays bounded where its inputs lie"
    )
