"""Several nets of one kind trained as one: each step is one batched step of all of them.

On a GPU a net this small leaves most of the device idle, and eight at once fill it better. On a CPU it is slower than
one after another, for stacked convolutions are grouped ones: 1.2 to 1.8 times by CPU seconds (`python -m benchmarks
training`), and two processes of one thread each are twice as fast again.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from empirical import checkpoints, optimizers
from empirical.checkpoints import Checkpoint
from empirical.epochs import Sets, after, batches, restore, start
from empirical.evaluation import criterion
from empirical.histories import TrainConfig
from empirical.models import Activate, PlainCNN, SmallNet

Job = tuple[nn.Module, TrainConfig]


def groups(jobs: Sequence[Job]) -> list[list[int]]:
    """The jobs, by number, that can be trained as one: nets of one kind, configs that differ in the seed only."""
    found: dict[Any, list[int]] = {}
    for k, (model, config) in enumerate(jobs):
        ours = isinstance(model, PlainCNN | SmallNet) and config.batch is not None
        activations = tuple(m.activation for m in model.modules() if isinstance(m, Activate))
        kind = (str(model), activations, replace(config, seed=0)) if ours else k
        found.setdefault(kind, []).append(k)
    return list(found.values())


def train_stacked(
    jobs: Sequence[Job],
    sets: Sets,
    files: Sequence[Path | None],
    runs: Sequence[dict[str, Any]],
    progress: Callable[[int], None] | None = None,
) -> list[Checkpoint]:
    """Train the nets of one group, which are on the device of the sets, in place; where each stands at its end.

    files, runs: the checkpoint of each, or None, and what tells its training from others. A net whose loss is not
    finite leaves the stack after that epoch; the others do not feel it. progress: called with each epoch's number.
    """
    states = []
    for (model, config), file, run in zip(jobs, files, runs, strict=True):
        found = None if file is None else checkpoints.load(file, run)
        states.append(start(model, sets, config) if found is None else restore(model, found))
    while unfinished := [k for k, (_, c) in enumerate(jobs) if states[k].epoch < c.epochs and not states[k].stopped]:
        behind = min(states[k].epoch for k in unfinished)  # checkpoints of a killed run may be one epoch apart
        group = [k for k in unfinished if states[k].epoch == behind]
        for k, state in zip(group, _epoch([jobs[k] for k in group], sets, [states[k] for k in group]), strict=True):
            states[k] = state
            if (file := files[k]) is not None:
                checkpoints.save(file, state, runs[k])
        if progress is not None:
            progress(behind + 1)
    return states


def _epoch(jobs: Sequence[Job], sets: Sets, before: Sequence[Checkpoint]) -> list[Checkpoint]:
    """One epoch of all nets, as `epochs.one_epoch` does of one."""
    models, config = [model.train() for model, _ in jobs], jobs[0][1]
    generators = [torch.Generator() for _ in jobs]
    for generator, state in zip(generators, before, strict=True):
        generator.set_state(state.generator)
    parameters, buffers = stack_module_state(models)
    weights = {name: value.detach() for name, value in parameters.items()}
    memory = {key: torch.stack([state.memory[key] for state in before]) for key in before[0].memory}
    gradients_of = _batched(models[0], config)
    finite = torch.ones(len(jobs), dtype=torch.bool, device=sets.train_labels.device)
    done = torch.zeros(len(jobs), dtype=torch.int64, device=sets.train_labels.device)
    orders = [batches(len(sets.train_inputs), config.batch, generator) for generator in generators]
    for number, some in enumerate(zip(*orders, strict=True), start=1):
        chosen = torch.stack(some).to(sets.train_inputs.device)
        gradients, losses = gradients_of(weights, buffers, sets.train_inputs[chosen], sets.train_labels[chosen])
        finite &= losses.isfinite()
        done += finite
        optimizers.step(weights, gradients, memory, config, before[0].steps + number, generators)
    states = []
    for k, ((model, own), state, generator) in enumerate(zip(jobs, before, generators, strict=True)):
        model.load_state_dict({name: value[k] for name, value in (weights | buffers).items()})
        kept = {key: value[k].clone() for key, value in memory.items()}
        states.append(after(model, sets, own, state, int(done[k]), bool(finite[k]), kept, generator))
    return states


def _batched(model: nn.Module, config: TrainConfig) -> Callable[..., Any]:
    """(stacked weights, stacked statistics, inputs, labels) -> (stacked gradients, losses); statistics are updated."""
    template = deepcopy(model)
    loss_of = criterion(config.loss)

    def loss(weights: Any, buffers: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return loss_of(functional_call(template, (weights, buffers), (x,)), y)

    return vmap(grad_and_value(loss))
