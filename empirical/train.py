"""The one training loop: gradient descent on minibatches (SGD), on all data at once (batch descent), with noise (SGDL).

The data are one tensor on the device, sliced there: a loader adds seconds to an epoch whose images lie in memory.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from empirical import checkpoints, optimizers
from empirical.checkpoints import Checkpoint
from empirical.data import Data
from empirical.evaluation import criterion, evaluate, one_thread, placed, reestimate_batchnorm
from empirical.histories import Epoch, History, TrainConfig
from theory.parallel import processors

__all__ = ["Epoch", "History", "TrainConfig", "evaluate", "one_thread", "reestimate_batchnorm", "train", "train_each"]

Progress = Callable[[int, int, str], None]
_WORTH_PROCESSES = 1e10  # epochs x images x parameters: about 20 s on one core; starting a process takes 3 s


class _Sets(NamedTuple):
    """Training and test set on the device."""

    train_inputs: torch.Tensor
    train_labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor


def train(
    model: nn.Module,
    data: Data,
    config: TrainConfig,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> History:
    """Train the model in place and return what was seen after each epoch.

    A step with a loss that is not finite ends the training: the model gets back the weights of the last look at which
    its training loss was finite, and `History.stopped` names the step. (A look alone ends nothing, unless it is the
    last: with a polynomial activation one image may overflow where the net does well on all others.) The same seed
    gives the same bits on a CPU with the same number of threads.

    checkpoint: a file (.safetensors) that is written after each epoch. If it is there already, training goes on from
        it, to the same bits; the model must be given as it was when that training started, with its config and data.

    Raises CheckpointError if the file is damaged, is of another training (it says what differs) or cannot be written.
    """
    state = run = None
    if checkpoint is not None:
        run = checkpoints.identity(asdict(config), data.fingerprint(), model)
        state = checkpoints.load(checkpoint, run)
    model.to(device)
    sets = _Sets(
        placed(data.train_inputs, model, device),
        data.train_labels.to(device),
        placed(data.test_inputs, model, device),
        data.test_labels.to(device),
    )
    if state is None:
        state = _start(model, sets, config)
    else:
        model.load_state_dict(state.model)
        state = replace(state, memory=_like_weights(state.memory, model))
    generator = torch.Generator()
    generator.set_state(state.generator)
    while state.epoch < config.epochs and state.stopped is None:
        state = _epoch(model, sets, config, state, generator)
        if checkpoint is not None and run is not None:
            checkpoints.save(checkpoint, state, run)
        if progress is not None and state.stopped is None and state.epochs[-1].epoch == state.epoch:
            progress(state.epoch, config.epochs, f"training loss {state.epochs[-1].train_loss:.4g}")
    return History(state.epochs, state.steps, state.stopped, state.weights)


def train_each(
    jobs: Sequence[tuple[nn.Module, TrainConfig]],
    data: Data,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    checkpoints: Path | None = None,
) -> list[tuple[nn.Module, History]]:
    """Train several nets on the same data; the trained nets, on the CPU, and their histories in the order of the jobs.

    On a CPU each is trained by one thread, in processes side by side where that is worth it: faster than one process
    with many threads, and the result does not depend on the number of cores. On a GPU they follow one another.

    checkpoints: a folder with one file a job, as `train` writes it
    """
    size = len(data.train_inputs)
    work = sum(config.epochs * size * sum(p.numel() for p in model.parameters()) for model, config in jobs)
    workers = min(len(jobs), processors()) if device == "cpu" and work > _WORTH_PROCESSES else 1
    files = [None if checkpoints is None else checkpoints / f"net-{k:03d}.safetensors" for k in range(len(jobs))]
    todo = [(model, config, file) for (model, config), file in zip(jobs, files, strict=True)]
    if workers > 1:
        from joblib import Parallel, delayed

        # Arrays are handed over as memory maps, "c" (copy on write) because torch warns of read-only memory.
        parallel = Parallel(n_jobs=workers, return_as="generator", mmap_mode="c", max_nbytes="1M")
        arrays = [t.numpy() for t in (data.train_inputs, data.train_labels, data.test_inputs, data.test_labels)]
        facts = (data.name, data.n_classes, data.fingerprint() if checkpoints is not None else "")
        finished = parallel(delayed(_train_arrays)(job, facts, *arrays) for job in todo)
    else:
        finished = (_train_alone(job, data, device) for job in todo)
    results = []
    for k, result in enumerate(finished, start=1):
        results.append(result)
        if progress is not None:
            progress(k, len(jobs), f"{k} of {len(jobs)} nets trained")
    return results


def _start(model: nn.Module, sets: _Sets, config: TrainConfig) -> Checkpoint:
    """Where a training stands before its first step."""
    reestimate_batchnorm(model, sets.train_inputs)  # else the untrained net is looked at with the statistics of nothing
    generator = torch.Generator().manual_seed(config.seed % 2**63)
    return Checkpoint(
        epoch=0,
        steps=0,
        epochs=(_look(0, model, sets, config),),
        stopped=None,
        good_epoch=0,
        model=model.state_dict(),
        good=_snapshot(model),
        memory={},
        generator=generator.get_state(),
        weights={0: _vector(model)} if 0 in config.keep else {},
    )


def _epoch(
    model: nn.Module, sets: _Sets, config: TrainConfig, before: Checkpoint, generator: torch.Generator
) -> Checkpoint:
    """Train for one epoch; where the training stands then. `model` and `memory` are not copied: they go on changing."""
    epoch, last = before.epoch + 1, before.epoch + 1 == config.epochs
    memory = dict(before.memory)
    done, finite = _pass(model, sets, config, memory, generator, before.steps)
    epochs, good, good_epoch, stopped = before.epochs, before.good, before.good_epoch, None
    if finite and (epoch % config.every == 0 or last):
        epochs = (*epochs, _look(epoch, model, sets, config))
        if math.isfinite(epochs[-1].train_loss):
            good, good_epoch = _snapshot(model), epoch
    if not finite or (last and good_epoch < epoch):
        model.load_state_dict(good)
        stopped = _not_finite(before.steps + done, good_epoch, config)
    keep = epoch in config.keep and stopped is None
    return Checkpoint(
        epoch=epoch,
        steps=before.steps + done,
        epochs=epochs,
        stopped=stopped,
        good_epoch=good_epoch,
        model=model.state_dict(),
        good=good,
        memory=memory,
        generator=generator.get_state(),
        weights={**before.weights, epoch: _vector(model)} if keep else before.weights,
    )


def _pass(
    model: nn.Module,
    sets: _Sets,
    config: TrainConfig,
    memory: optimizers.Memory,
    generator: torch.Generator,
    steps: int,
) -> tuple[int, bool]:
    """The steps of one epoch after `steps` earlier ones: how many were taken, and whether each loss was finite."""
    model.train()
    loss_of = criterion(config.loss)
    weights = dict(model.named_parameters())
    done = 0
    for some in _batches(len(sets.train_inputs), config.batch, generator):
        chosen = some.to(sets.train_inputs.device)
        loss = loss_of(model(sets.train_inputs[chosen]), sets.train_labels[chosen])
        if not loss.isfinite():
            return done, False
        loss.backward()
        gradients = {name: weight.grad for name, weight in weights.items() if weight.grad is not None}
        done += 1
        optimizers.step(weights, gradients, memory, config, steps + done, generator)
        for weight in weights.values():
            weight.grad = None
    return done, True


def _look(epoch: int, model: nn.Module, sets: _Sets, config: TrainConfig) -> Epoch:
    seen = evaluate(model, sets.train_inputs, sets.train_labels, config.loss)
    return Epoch(epoch, *seen, *evaluate(model, sets.test_inputs, sets.test_labels, config.loss))


def _train_alone(job: tuple[nn.Module, TrainConfig, Path | None], data: Data, device: str) -> tuple[nn.Module, History]:
    model, config, checkpoint = job
    with one_thread():
        history = train(model, data, config, device=device, checkpoint=checkpoint)
    return model.cpu(), history


def _train_arrays(
    job: tuple[nn.Module, TrainConfig, Path | None], facts: tuple[str, int, str], *arrays: Any
) -> tuple[nn.Module, History]:
    name, n_classes, identity = facts
    train_x, train_y, test_x, test_y = (torch.from_numpy(array) for array in arrays)
    return _train_alone(job, Data(name, train_x, train_y, test_x, test_y, n_classes, identity), "cpu")


def _batches(n: int, batch: int | None, generator: torch.Generator) -> Sequence[torch.Tensor]:
    """The examples of each step of an epoch; in batch descent their order is left alone."""
    if batch is None or batch >= n:
        return [torch.arange(n)]
    return torch.randperm(n, generator=generator).tensor_split(n // batch)


def _snapshot(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _vector(model: nn.Module) -> Any:
    """The weights (K,) as an array, in the order of the parameters."""
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()]).cpu().numpy()


def _like_weights(memory: Any, model: nn.Module) -> optimizers.Memory:
    """What an optimiser had kept, laid out in memory as the weights are: else sums might be rounded otherwise."""
    weights = dict(model.named_parameters())
    return {key: torch.empty_like(weights[key.partition(".")[2]]).copy_(value) for key, value in memory.items()}


def _not_finite(step: int, kept: int, config: TrainConfig) -> str:
    return (
        f"the loss was not finite after step {step}; the weights are those after epoch {kept}; "
        f"try rate {config.rate / 2:g}, or an activation that stays bounded where its inputs lie"
    )
