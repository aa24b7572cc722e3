"""Where a training stands after an epoch, in one file: it goes on from there as if nothing had happened.

A file is replaced by renaming a whole one: a process that is killed at any moment leaves that of the last epoch.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from empirical.histories import Epoch
from empirical.records import write
from theory.claims.claim import plain


class CheckpointError(ValueError):
    """A checkpoint that cannot be used or written: it is damaged or another training's, or the disk is full."""


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on.

    epoch: the last one done; steps: taken so far; epochs: what was seen so far; stopped: why it ended early
    model: weights and statistics; good: those of the last look with a finite loss, after epoch `good_epoch`
    memory: the optimiser's; generator: the state of the random numbers
    weights: those of the epochs to be kept, each in a file of its own
    """

    epoch: int
    steps: int
    epochs: tuple[Epoch, ...]
    stopped: str | None
    good_epoch: int
    model: Mapping[str, torch.Tensor]
    good: Mapping[str, torch.Tensor]
    memory: Mapping[str, torch.Tensor]
    generator: torch.Tensor
    weights: Mapping[int, np.ndarray]


def save(path: Path, state: Checkpoint, run: Mapping[str, Any]) -> None:
    """Write the state of a training of this run (what it was started with, as JSON values).

    Raises CheckpointError, with the cause, if it cannot be written; the file of the epoch before is then still there.
    """
    from safetensors.torch import save as serialise

    good = {} if state.good_epoch == state.epoch else state.good  # then the same as the model
    parts = {"model": state.model, "good": good, "memory": state.memory, "": {"generator": state.generator}}
    tensors = {
        f"{part}.{name}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for part, values in parts.items()
        for name, value in values.items()
    }
    numbers = {
        "epoch": state.epoch,
        "steps": state.steps,
        "good_epoch": state.good_epoch,
        "stopped": state.stopped,
        "epochs": [list(vars(epoch).values()) for epoch in state.epochs],
        "kept": sorted(state.weights),
        "run": run,
    }
    text = json.dumps(numbers)
    try:
        for epoch, vector in state.weights.items():
            if not (file := _kept(path, epoch)).exists():
                one = {"weights": torch.from_numpy(vector)}
                write(file, serialise(one, _metadata(_name(epoch), one)))
        write(path, serialise(tensors, _metadata(text, tensors)))
    except OSError as error:
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; what was trained up to the last whole checkpoint is kept:"
            " make room and run again to go on from there"
        ) from error


def load(path: Path, run: Mapping[str, Any]) -> Checkpoint | None:
    """The state of the training of this run, None if there is no file yet.

    Raises CheckpointError, in one line, if the file is damaged, or with the differences if it is of another run.
    """
    for partial in path.parent.glob(f".{path.name}.*.part"):  # of a process that was killed while it wrote
        partial.unlink(missing_ok=True)
    if not path.exists():
        for file in path.parent.glob(f"{path.stem}.epoch-*.safetensors"):
            file.unlink()
        return None
    try:
        text, tensors = _read(path)
        numbers = json.loads(text)
        found = numbers.pop("run")
        weights = {epoch: _vector(_kept(path, epoch), epoch) for epoch in numbers.pop("kept")}
        epochs = tuple(Epoch(*values) for values in numbers.pop("epochs"))
        state = Checkpoint(**numbers, epochs=epochs, weights=weights, **_parts(tensors))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CheckpointError(f"{path} is damaged ({reason}); remove it to train from the start") from error
    if different := [
        f"{name}: {found.get(name)!r} there, {run.get(name)!r} asked"
        for name in dict.fromkeys([*found, *run])
        if found.get(name) != run.get(name)
    ]:
        raise CheckpointError(f"{path} is of another training ({'; '.join(different)}); remove it or give another path")
    return replace(state, good=state.good or state.model)


def identity(config: Mapping[str, Any], data: str, model: torch.nn.Module) -> dict[str, Any]:
    """What tells one training from another, as JSON values: config, data, and the net it starts from."""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    return json.loads(json.dumps(plain({**config, "data": data, "start": _digest("", weights)})))


def _metadata(text: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    return {"training": text, "sha256": _digest(text, tensors)}


def _read(path: Path) -> tuple[str, dict[str, torch.Tensor]]:
    """Text and tensors of a file, opened once (it may be replaced at any moment), if they are what was written."""
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    content = path.read_bytes()
    try:
        tensors = parse(content)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    length = int.from_bytes(content[:8], "little")  # the format: length of the header, header as JSON, tensors
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    if _digest(metadata["training"], tensors) != metadata["sha256"]:
        raise ValueError("its contents are not what was written")
    return metadata["training"], tensors


def _parts(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    parts: dict[str, Any] = {"model": {}, "good": {}, "memory": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        if part:
            parts[part][rest] = value
    return parts | {"generator": tensors[".generator"]}


def _vector(path: Path, epoch: int) -> np.ndarray:
    try:
        text, tensors = _read(path)
        if text != _name(epoch):
            raise ValueError(f"it is of {text}")
        return tensors["weights"].numpy()
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path.name}, which belongs to it, is missing or damaged") from error


def _name(epoch: int) -> str:
    return f"the weights after epoch {epoch}"


def _kept(path: Path, epoch: int) -> Path:
    return path.with_name(f"{path.stem}.epoch-{epoch}.safetensors")


def _digest(text: str, tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
