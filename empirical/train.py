"""The one training loop: gradient descent on minibatches (SGD), on all data at once (batch descent), with noise (SGDL).

The data are one tensor on the device, sliced there: a loader adds seconds to an epoch whose images lie in memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from empirical import checkpoints as files
from empirical import epochs, stacked
from empirical.allocator import keep_freed_memory
from empirical.data import Data
from empirical.evaluation import evaluate, one_thread, reestimate_batchnorm
from empirical.histories import Epoch, History, TrainConfig
from theory.parallel import processors, replaced_silently

__all__ = ["Epoch", "History", "TrainConfig", "evaluate", "one_thread", "reestimate_batchnorm", "train", "train_each"]

Progress = Callable[[int, int, str], None]
_Job = tuple[nn.Module, TrainConfig, Path | None]
_WORTH_PROCESSES = 1e10  # epochs x images x parameters: about 20 s on one core; starting a process takes 3 s
_STACKED_ON = ("cuda",)


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
    keep_freed_memory()
    state, run = None, {}
    if checkpoint is not None:
        run = files.identity(asdict(config), data.fingerprint(), model)
        state = files.load(checkpoint, run)
    sets = epochs.on_device(data, model, device)
    state = epochs.start(model, sets, config) if state is None else epochs.restore(model, state)
    while state.epoch < config.epochs and state.stopped is None:
        state = epochs.one_epoch(model, sets, config, state)
        if checkpoint is not None:
            files.save(checkpoint, state, run)
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
    with many threads, and the result does not depend on the number of cores. On a GPU nets of one kind are trained as
    one (see stacked), the others one after another.

    checkpoints: a folder with one file a job, as `train` writes it
    """
    paths = [None if checkpoints is None else checkpoints / f"net-{k:03d}.safetensors" for k in range(len(jobs))]
    if torch.device(device).type in _STACKED_ON:
        return _on_one_device(jobs, paths, data, device, progress)
    size = len(data.train_inputs)
    work = sum(config.epochs * size * sum(p.numel() for p in model.parameters()) for model, config in jobs)
    workers = min(len(jobs), processors()) if device == "cpu" and work > _WORTH_PROCESSES else 1
    todo = [(model, config, path) for (model, config), path in zip(jobs, paths, strict=True)]
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
    with replaced_silently():
        for k, result in enumerate(finished, start=1):
            results.append(result)
            if progress is not None:
                progress(k, len(jobs), f"{k} of {len(jobs)} nets trained")
    return results


def _on_one_device(
    jobs: Sequence[tuple[nn.Module, TrainConfig]],
    paths: Sequence[Path | None],
    data: Data,
    device: str,
    progress: Progress | None,
) -> list[tuple[nn.Module, History]]:
    """train_each on a device where nets of one kind are best trained as one."""
    runs = [
        {} if path is None else files.identity(asdict(config), data.fingerprint(), model)
        for (model, config), path in zip(jobs, paths, strict=True)
    ]
    results: dict[int, tuple[nn.Module, History]] = {}
    for group in stacked.groups(jobs):
        some = [jobs[k] for k in group]
        if len(group) == 1:
            model, config = some[0]
            results[group[0]] = _train_alone((model, config, paths[group[0]]), data, device)
        else:
            sets = epochs.on_device(data, some[0][0], device)
            for model, _ in some:
                model.to(device)
            ends = stacked.train_stacked(some, sets, [paths[k] for k in group], [runs[k] for k in group])
            for k, (model, _), end in zip(group, some, ends, strict=True):
                results[k] = model.cpu(), History(end.epochs, end.steps, end.stopped, end.weights)
        if progress is not None:
            progress(len(results), len(jobs), f"{len(results)} of {len(jobs)} nets trained")
    return [results[k] for k in range(len(jobs))]


def _train_alone(job: _Job, data: Data, device: str) -> tuple[nn.Module, History]:
    model, config, checkpoint = job
    with one_thread():
        history = train(model, data, config, device=device, checkpoint=checkpoint)
    return model.cpu(), history


def _train_arrays(job: _Job, facts: tuple[str, int, str], *arrays: Any) -> tuple[nn.Module, History]:
    name, n_classes, identity = facts
    train_x, train_y, test_x, test_y = (torch.from_numpy(array) for array in arrays)
    return _train_alone(job, Data(name, train_x, train_y, test_x, test_y, n_classes, identity), "cpu")
