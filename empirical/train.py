"""The one training loop: gradient descent on minibatches (SGD), on all data at once (batch descent), with noise (SGDL).

The data are one tensor on the device, sliced there: a loader adds seconds to an epoch whose images lie in memory.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from empirical.data import Data
from theory.arguments import check_count, check_seed
from theory.parallel import processors

Progress = Callable[[int, int, str], None]
_WORTH_PROCESSES = 1e10  # epochs x images x parameters: about 20 s on one core; starting a process takes 3 s


@dataclass(frozen=True)
class TrainConfig:
    """How a net is trained.

    epochs: passes over the data, of one step each in batch descent
    batch: examples a step (what is left over is spread over the steps), or None: all of them, batch descent
    rate: step size; noise: standard deviation of the Gaussian noise added to each weight after each step (SGDL)
    every: epochs from one look at loss and error to the next; the last epoch is always looked at
    loss: cross entropy of labels, or the mean over all N*m output entries of the squared error
    seed: of the order of the examples and of the noise
    """

    epochs: int = 10
    batch: int | None = 100
    rate: float = 0.01
    noise: float = 0.0
    every: int = 1
    loss: Literal["cross-entropy", "square"] = "cross-entropy"
    seed: int = 0

    def __post_init__(self) -> None:
        check_count(self.epochs, "epochs", least=0)
        check_count(self.every, "every")
        if self.batch is not None:
            check_count(self.batch, "batch (None for all examples)")
        check_seed(self.seed)
        for name, value, zero in (("rate", self.rate, False), ("noise", self.noise, True)):
            number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
            if not (number and math.isfinite(value) and (value > 0 or (zero and value == 0))):
                raise ValueError(f"{name} must be a finite number {'>= 0' if zero else '> 0'}, got {value!r}")
        if not isinstance(self.loss, str) or self.loss not in ("cross-entropy", "square"):
            raise ValueError(f'unknown loss {self.loss!r}: choose "cross-entropy" or "square"')


@dataclass(frozen=True)
class Epoch:
    """Loss and error (share of wrong labels; NaN in regression) on the training and test set after an epoch."""

    epoch: int
    train_loss: float
    train_error: float
    test_loss: float
    test_error: float


@dataclass(frozen=True)
class History:
    """The epochs that were looked at, epoch 0 (before training) first; stopped: why it ended early, else None."""

    epochs: tuple[Epoch, ...]
    steps: int
    stopped: str | None = None

    @property
    def last(self) -> Epoch:
        return self.epochs[-1]

    def rows(self) -> list[dict[str, Any]]:
        """The epochs as rows of a table."""
        return [asdict(epoch) for epoch in self.epochs]


def train(
    model: nn.Module, data: Data, config: TrainConfig, *, device: str = "cpu", progress: Progress | None = None
) -> History:
    """Train the model in place and return what was seen after each epoch.

    A step with a loss that is not finite ends the training: the model gets back the weights of the last look at which
    its training loss was finite, and `History.stopped` names the step. (A look alone ends nothing, unless it is the
    last: with a polynomial activation one image may overflow where the net does well on all others.) The same seed
    gives the same bits on a CPU with the same number of threads.
    """
    model.to(device)
    train_x, test_x = (_placed(inputs, model, device) for inputs in (data.train_inputs, data.test_inputs))
    train_y, test_y = data.train_labels.to(device), data.test_labels.to(device)
    generator = torch.Generator().manual_seed(config.seed % 2**63)

    def look(epoch: int) -> Epoch:
        seen = (*evaluate(model, train_x, train_y, config.loss), *evaluate(model, test_x, test_y, config.loss))
        return Epoch(epoch, *seen)

    reestimate_batchnorm(model, train_x)  # else the untrained net is looked at with the statistics of nothing
    epochs, steps = [look(0)], 0
    good, kept = _snapshot(model), 0
    for epoch in range(1, config.epochs + 1):
        done, finite = _pass(model, train_x, train_y, config, generator)
        steps += done
        if finite and epoch % config.every and epoch < config.epochs:
            continue
        if finite:
            epochs.append(look(epoch))
            if math.isfinite(epochs[-1].train_loss):
                good, kept = _snapshot(model), epoch
        if not finite or (epoch == config.epochs and kept < epoch):
            model.load_state_dict(good)
            return History(tuple(epochs), steps, _not_finite(steps, kept, config))
        if progress is not None:
            progress(epoch, config.epochs, f"training loss {epochs[-1].train_loss:.4g}")
    return History(tuple(epochs), steps)


def _pass(
    model: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    config: TrainConfig,
    generator: torch.Generator,
) -> tuple[int, bool]:
    """One epoch: the number of steps taken, and whether the loss was finite at each."""
    model.train()
    criterion = _criterion(config.loss)
    steps = 0
    for some in _batches(len(inputs), config.batch, generator):
        chosen = some.to(inputs.device)
        loss = criterion(model(inputs[chosen]), labels[chosen])
        if not loss.isfinite():
            return steps, False
        loss.backward()
        _step(model, config, generator)
        steps += 1
    return steps, True


def train_each(
    jobs: Sequence[tuple[nn.Module, TrainConfig]],
    data: Data,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
) -> list[tuple[nn.Module, History]]:
    """Train several nets on the same data; the trained nets, on the CPU, and their histories in the order of the jobs.

    On a CPU each is trained by one thread, in processes side by side where that is worth it: faster than one process
    with many threads, and the result does not depend on the number of cores. On a GPU they follow one another.
    """
    size = len(data.train_inputs)
    work = sum(config.epochs * size * sum(p.numel() for p in model.parameters()) for model, config in jobs)
    workers = min(len(jobs), processors()) if device == "cpu" and work > _WORTH_PROCESSES else 1
    if workers > 1:
        from joblib import Parallel, delayed

        # Arrays are handed over as memory maps, "c" (copy on write) because torch warns of read-only memory.
        parallel = Parallel(n_jobs=workers, return_as="generator", mmap_mode="c", max_nbytes="1M")
        arrays = [t.numpy() for t in (data.train_inputs, data.train_labels, data.test_inputs, data.test_labels)]
        finished = parallel(delayed(_train_arrays)(model, config, data.n_classes, *arrays) for model, config in jobs)
    else:
        finished = (_train_alone(model, config, data, device) for model, config in jobs)
    results = []
    for k, result in enumerate(finished, start=1):
        results.append(result)
        if progress is not None:
            progress(k, len(jobs), f"{k} of {len(jobs)} nets trained")
    return results


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
    criterion = _criterion(loss, reduction="sum")
    chunk = 100 if inputs.device.type == "cpu" else 5000  # more images at a time leave a CPU's cache
    total = torch.zeros((), dtype=torch.float64, device=inputs.device)
    right = torch.zeros((), dtype=torch.int64, device=inputs.device)
    for x, y in zip(inputs.split(chunk), labels.split(chunk), strict=True):
        outputs = model(x)
        total += criterion(outputs, y).double()
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


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch computes with one thread: sums then have one order, whatever the machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train_alone(model: nn.Module, config: TrainConfig, data: Data, device: str) -> tuple[nn.Module, History]:
    with one_thread():
        history = train(model, data, config, device=device)
    return model.cpu(), history


def _train_arrays(model: nn.Module, config: TrainConfig, n_classes: int, *arrays: Any) -> tuple[nn.Module, History]:
    train_x, train_y, test_x, test_y = (torch.from_numpy(array) for array in arrays)
    data = Data("shared", train_x, train_y, test_x, test_y, n_classes, identity="")
    return _train_alone(model, config, data, "cpu")


def _batches(n: int, batch: int | None, generator: torch.Generator) -> Sequence[torch.Tensor]:
    """The examples of each step of an epoch; in batch descent their order is left alone."""
    if batch is None or batch >= n:
        return [torch.arange(n)]
    return torch.randperm(n, generator=generator).tensor_split(n // batch)


def _placed(inputs: torch.Tensor, model: nn.Module, device: str) -> torch.Tensor:
    """inputs on the device, images in the layout that convolutions are fastest in."""
    if inputs.ndim != 4:
        return inputs.to(device)
    model.to(memory_format=torch.channels_last)
    return inputs.to(device, memory_format=torch.channels_last)


def _criterion(loss: str, reduction: str = "mean") -> nn.Module:
    return nn.CrossEntropyLoss(reduction=reduction) if loss == "cross-entropy" else nn.MSELoss(reduction=reduction)


@torch.no_grad()
def _step(model: nn.Module, config: TrainConfig, generator: torch.Generator) -> None:
    """One step down the gradient, plus noise. By hand: making a torch optimiser costs 1.5 s the first time."""
    for weight in model.parameters():
        if weight.grad is not None:
            weight.sub_(weight.grad, alpha=config.rate)
            weight.grad = None
        if config.noise:
            noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
            weight.add_(noise.to(weight.device), alpha=config.noise)


def _snapshot(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _not_finite(step: int, kept: int, config: TrainConfig) -> str:
    return (
        f"the loss was not finite after step {step}; the weights are those after epoch {kept}; "
        f"try rate {config.rate / 2:g}, or an activation that stays bounded where its inputs lie"
    )
