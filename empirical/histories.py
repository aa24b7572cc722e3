"""How a net is trained, and what was seen while it was."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from theory.arguments import check_count, check_seed, is_whole

LOSSES = ("cross-entropy", "square")
OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class TrainConfig:
    """How a net is trained.

    epochs: passes over the data, of one step each in batch descent
    batch: examples a step (what is left over is spread over the steps), or None: all of them, batch descent
    rate: step size; noise: standard deviation of the Gaussian noise added to each weight after each step (SGDL)
    every: epochs from one look at loss and error to the next; the last epoch is always looked at
    loss: cross entropy of labels, or the mean over all N*m output entries of the squared error
    seed: of the order of the examples and of the noise
    optimizer: "sgd" (plain, or with heavy-ball momentum) or "adam" (decay rates 0.9 and 0.999, epsilon 1e-8)
    decay: weight decay: each step first takes the share rate * decay off every weight
    piece: in batch descent, examples held at a time: memory is then bounded, and the statistics of batch normalisation
        are still those of all examples, in three times the time on a CPU (see full_batch); None: all at once
    keep: epochs after which the weights are kept in `History.weights`; 0 is the start
    """

    epochs: int = 10
    batch: int | None = 100
    rate: float = 0.01
    noise: float = 0.0
    every: int = 1
    loss: Literal["cross-entropy", "square"] = "cross-entropy"
    seed: int = 0
    optimizer: Literal["sgd", "adam"] = "sgd"
    momentum: float = 0.0
    piece: int | None = None
    keep: tuple[int, ...] = ()
    decay: float = 0.0

    def __post_init__(self) -> None:
        check_count(self.epochs, "epochs", least=0)
        check_count(self.every, "every")
        if self.batch is not None:
            check_count(self.batch, "batch (None for all examples)")
        if self.piece is not None:
            check_count(self.piece, "piece (None for all examples at once)")
            if self.batch is not None:
                raise ValueError(
                    f"piece is for batch descent: got piece {self.piece} with batch {self.batch}, not None"
                )
        check_seed(self.seed)
        for name, value, zero in (("rate", self.rate, False), ("noise", self.noise, True), ("decay", self.decay, True)):
            if not (_is_finite(value) and (value > 0 or (zero and value == 0))):
                raise ValueError(f"{name} must be a finite number {'>= 0' if zero else '> 0'}, got {value!r}")
        for name, choice, known in (("loss", self.loss, LOSSES), ("optimizer", self.optimizer, OPTIMIZERS)):
            if not isinstance(choice, str) or choice not in known:
                raise ValueError(f"unknown {name} {choice!r}: choose {' or '.join(map(repr, known))}")
        if not (_is_finite(self.momentum) and 0 <= self.momentum < 1):
            raise ValueError(f"momentum must be a number in [0, 1), got {self.momentum!r}")
        if self.momentum and self.optimizer == "adam":
            raise ValueError(f"momentum is for sgd, adam has its own: got {self.momentum!r} with adam; leave it at 0")
        if not isinstance(self.keep, tuple) or not all(is_whole(k) and 0 <= k <= self.epochs for k in self.keep):
            raise ValueError(f"keep must be a tuple of epochs from 0 to {self.epochs}, got {self.keep!r}")


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
    """The epochs that were looked at, epoch 0 (before training) first; stopped: why it ended early, else None.

    weights: epoch -> the weights (K,) after it, in the order of the parameters, for the epochs that were to be kept
    """

    epochs: tuple[Epoch, ...]
    steps: int
    stopped: str | None = None
    weights: Mapping[int, np.ndarray] = field(default_factory=dict, compare=False)

    @property
    def last(self) -> Epoch:
        """The last look at the net as it was handed back: where training stopped, the last with a finite loss."""
        if self.stopped is None:
            return self.epochs[-1]
        return next((epoch for epoch in reversed(self.epochs) if math.isfinite(epoch.train_loss)), self.epochs[0])

    def rows(self) -> list[dict[str, Any]]:
        """The epochs as rows of a table."""
        return [asdict(epoch) for epoch in self.epochs]


def check_finished(histories: Iterable[History], who: str) -> None:
    """ValueError, with the step and what to try, if one of these trainings of `who` stopped before its end."""
    if found := [history.stopped for history in histories if history.stopped is not None]:
        raise ValueError(f"{who} needs every training to reach its end, {len(found)} stopped: {found[0]}")


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and math.isfinite(value)
