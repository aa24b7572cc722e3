"""Nets trained to zero error, several from different starts, on natural and on random labels.

One-channel images get a dense net, others the plain CNN.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from torch import nn

from empirical.data import Data, square_images, with_random_labels
from empirical.models import PlainCNN, SmallNet
from empirical.train import History, TrainConfig, train_each

Labels = Literal["natural", "random"]
LABELS: tuple[Labels, Labels] = ("natural", "random")


@dataclass(frozen=True)
class Training:
    """How nets are trained: epochs on natural and on random labels; hidden: widths, of dense nets only; decay: of the
    weights."""

    natural: int
    random: int
    batch: int
    rate: float
    hidden: tuple[int, ...] = ()
    decay: float = 0.0


# The sources do not say how the nets of Table 1 and of Figs 12 and 13 were trained. The dense one, its batch, rate and
# epochs are those of a public reproduction of the table; the plain CNN is the one of the other experiments.
FULL_DENSE = Training(natural=30, random=150, batch=64, rate=0.01, hidden=(800, 320, 50))
FULL_CONVOLUTIONAL = Training(natural=60, random=150, batch=100, rate=0.01)
CPU_DENSE = Training(natural=60, random=200, batch=64, rate=0.05, hidden=(200, 50))
CPU_CONVOLUTIONAL = Training(natural=60, random=60, batch=100, rate=0.01)
SMALL_DENSE = Training(natural=40, random=150, batch=30, rate=0.2, hidden=(50, 20))


@dataclass(frozen=True)
class Minimum:
    """A trained net; data: what it was trained on."""

    labels: Labels
    number: int
    model: nn.Module
    data: Data
    history: History


def fitting(data: Data, labels: Labels, seed: int) -> Data:
    """The data as the nets of this file take them: flat where one channel asks for a dense net, with those labels."""
    if labels == "random":
        data = with_random_labels(data, seed)
    if is_dense(data):
        return replace(data, train_inputs=data.train_inputs.flatten(1), test_inputs=data.test_inputs.flatten(1))
    return data


def check_images(data: Data | tuple[Data, ...] | None, wanted_by: str) -> tuple[Data, ...]:
    """The data sets, one or several, if they are square images; DataError otherwise."""
    return tuple(square_images(one, wanted_by) for one in (data if isinstance(data, tuple) else (data,)))


def is_dense(data: Data) -> bool:
    """Whether these inputs get a dense net: flat ones and images of one channel."""
    return data.train_inputs.ndim == 2 or data.train_inputs.shape[1] == 1


def fresh(data: Data, hidden: tuple[int, ...], seed: int) -> nn.Module:
    """An untrained net for data as `fitting` returns them."""
    if data.train_inputs.ndim == 2:
        return SmallNet((data.train_inputs.shape[1], *hidden, data.n_classes), seed=seed)
    channels, size, other = data.train_inputs.shape[1:]
    return PlainCNN(n_classes=data.n_classes, input_shape=(channels, size, other), seed=seed)


def minima(
    data: Data,
    labels: Labels,
    training: Training,
    count: int,
    *,
    seed: int,
    looks: int = 20,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
    checkpoints: Path | None = None,
) -> list[Minimum]:
    """`count` nets trained on the same data and labels, each from a start and in an order of its own.

    looks: how many times, about, errors are looked at on the way; the last is at the end
    """
    used = fitting(data, labels, seed)
    epochs = training.natural if labels == "natural" else training.random
    jobs = []
    for number in range(count):
        own = int(np.random.default_rng([seed, number]).integers(2**31))
        schedule = TrainConfig(
            epochs, training.batch, training.rate, every=max(1, epochs // looks), seed=own, decay=training.decay
        )
        jobs.append((fresh(used, training.hidden, own), schedule))
    folder = None if checkpoints is None else checkpoints / f"{data.name}-{labels}"
    trained = train_each(jobs, used, device=device, progress=progress, checkpoints=folder)
    return [Minimum(labels, k, model, used, history) for k, (model, history) in enumerate(trained)]


def first(data: Data, n: int) -> Data:
    """The data with the first n training examples only; ValueError if there are fewer."""
    if n > len(data.train_inputs):
        raise ValueError(f"{n} training examples were asked for, {data.name} has {len(data.train_inputs)}: give more")
    identity = hashlib.sha256(f"{data.fingerprint()} first {n}".encode()).hexdigest()
    return replace(data, train_inputs=data.train_inputs[:n], train_labels=data.train_labels[:n], identity=identity)
