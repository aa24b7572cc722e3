"""Nets with a common past: parents trained by SGD, and children that part from them after some epochs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from empirical import measure
from empirical.data import Data
from empirical.histories import check_finished
from empirical.models import PlainCNN
from empirical.train import TrainConfig, train_each

PARENT, OTHER = -2, -1


@dataclass(frozen=True)
class Label:
    """split: the epoch at which the net left its parent, PARENT, or OTHER for one of another initialisation."""

    repeat: int
    rate: float
    split: int
    number: int


@dataclass(frozen=True)
class Net:
    """One trained net; weights: epoch, counted from the parent's start -> (K,)."""

    label: Label
    model: nn.Module
    weights: dict[int, np.ndarray]


@dataclass(frozen=True)
class Plan:
    """repeats: from different initialisations; rates; splits: epochs at which children part; epochs: in all; batch;
    looks: further epochs whose weights are kept"""

    repeats: int
    rates: tuple[float, ...]
    splits: tuple[int, ...]
    epochs: int
    batch: int
    looks: tuple[int, ...] = ()


def lineages(plan: Plan, data: Data, *, seed: int, device: str = "cpu", checkpoints: Path | None = None) -> list[Net]:
    """Of each repeat and rate: two children of each split, and one net from another initialisation.

    Siblings differ in the order of their images alone. Each initialisation is the same for all rates.

    Raises ValueError, with the step, if a training stops before its end.
    """
    channels, size, _ = data.train_inputs.shape[1:]

    def fresh(repeat: int, start: int) -> nn.Module:
        own = int(np.random.default_rng([seed, repeat, start]).integers(2**31))
        return PlainCNN(n_classes=data.n_classes, input_shape=(channels, size, size), seed=own)

    def train(starts: Sequence[tuple[Label, nn.Module]], folder: str) -> list[Net]:
        path = None if checkpoints is None else checkpoints / folder
        jobs = [(model, _schedule(plan, label, seed)) for label, model in starts]
        trained = train_each(jobs, data, device=device, checkpoints=path)
        check_finished((history for _, history in trained), "a comparison of nets with a common past")
        return [
            Net(label, model, {max(label.split, 0) + epoch: weights for epoch, weights in history.weights.items()})
            for (label, _), (model, history) in zip(starts, trained, strict=True)
        ]

    each = [(repeat, rate) for repeat in range(plan.repeats) for rate in plan.rates]
    parents = train([(Label(*of, PARENT, 0), fresh(of[0], 0)) for of in each], "parents")
    starts = [(Label(*of, OTHER, 0), fresh(of[0], 1)) for of in each]
    for parent in parents:
        for split in plan.splits:
            for number in range(2):
                child = fresh(parent.label.repeat, 0)
                measure.set_weights(child, parent.weights[split])
                starts.append((Label(parent.label.repeat, parent.label.rate, split, number), child))
    return train(starts, "children")


def _schedule(plan: Plan, label: Label, seed: int) -> TrainConfig:
    """Parents are trained up to the last split, others up to the end; each in an order of its own."""
    start, end = max(label.split, 0), plan.splits[-1] if label.split == PARENT else plan.epochs
    looked_at = {*plan.looks, *plan.splits, end}
    key = [seed, label.repeat, plan.rates.index(label.rate), label.split - PARENT, label.number]
    return TrainConfig(
        end - start,
        plan.batch,
        label.rate,
        every=end - start or 1,
        seed=int(np.random.default_rng(key).integers(2**31)),
        keep=tuple(sorted(epoch - start for epoch in looked_at if start <= epoch <= end)),
    )
