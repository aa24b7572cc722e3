"""Batch descent from many initialisations: is it ever stuck above zero error? The claim `bgd-no-local-minima`.

Each start is descended once with the gradient over all images at constant rate, and once by SGD, which is the standard
for the test error. A run is stuck if at its end one training image is still wrong, or the cross entropy is not
negligible.

The test: stuck runs are counted. At error rate 0.01 on either side, the exact bounds (Clopper and Pearson) of their
share say that the claim fails if the lower one lies above `often`, and holds if none was seen and the upper one lies
below one half. The control puts this test to runs from a trap: starts from which a net sees no image, as its first
layer is 0, on data of which other starts of the same net come to zero error.

The source adds that the test error is worse than that of SGD: the gap, paired by start, has a mean whose Student
interval (0.01 on either side) must lie above 0; that decides the printed verdict, beside the first test.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from empirical import comparisons
from empirical.data import Data, square_images
from empirical.models import PlainCNN
from empirical.records import Result
from empirical.train import History, TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control, judge

ID = "bgd-no-local-minima"
STATEMENT = (
    "Batch descent does not get stuck: from random initialisations it reaches zero training error and negligible cross "
    "entropy."
)
SOURCE = "arXiv 1703.09833, Fig. 4 and its text"
REPORTED = {
    "text": "batch descent reaches zero error and negligible cross entropy; test error about 40 % against about 32 % "
    "of SGD on CIFAR-10; rate and number of steps are not given"
}
BATCH, SGD, TRAP = "batch descent", "SGD", "trap"


@dataclass(frozen=True)
class Config:
    """starts: initialisations; traps: starts of the control; batch, rate, epochs: of SGD;
    descent_rate, steps: of batch descent, which are ours: the largest stable of the rates 0.05, 0.1, 0.2, 0.5

    piece: images held at a time in batch descent, None: all; negligible: cross entropy up to which it counts as such
    often: the share of stuck runs that would contradict the statement
    looks: how often errors are looked at on the way
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = None
    starts: int = 7
    traps: int = 3
    batch: int = 100
    rate: float = 0.01
    epochs: int = 60
    descent_rate: float = 0.5
    steps: int = 1500
    piece: int | None = 5000
    negligible: float = 0.05
    often: float = 0.05
    looks: int = 20

    def __post_init__(self) -> None:
        if self.starts < 2 or not 1 <= self.traps <= self.starts or self.looks < 1:
            raise ValueError(
                f"{ID} needs at least 2 starts, 1 trap, at most one a start, and 1 look, "
                f"got {self.starts}, {self.traps} and {self.looks}"
            )


PRESETS = {
    "smoke": Config(data="digits", subset=(120, 200), batch=25, rate=0.1, epochs=10, steps=20, piece=None, looks=4,
                    negligible=0.1),
    "cpu": Config(subset=(2000, 5000), epochs=40, steps=60, piece=None, looks=6),
    "paper": Config(),
}  # fmt: skip


def check_data(data: Data | None) -> Data:
    """The data, if they are square images; ValueError otherwise."""
    return square_images(data, ID)


def compute(
    config: Config,
    data: Data | None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
    checkpoints: Path | None = None,
) -> Result:
    """Descend from each start in both ways, and from a few traps."""
    data = check_data(data)
    every = {BATCH: max(1, config.steps // config.looks), SGD: max(1, config.epochs // config.looks)}
    descent = TrainConfig(config.steps, None, config.descent_rate, every=every[BATCH], piece=config.piece)
    stochastic = TrainConfig(config.epochs, config.batch, config.rate, every=every[SGD])
    seeds = [int(np.random.default_rng([seed, k]).integers(2**31)) for k in range(config.starts)]
    plans = {BATCH: (descent, seeds), SGD: (stochastic, seeds), TRAP: (descent, seeds[: config.traps])}
    found: dict[str, list[History]] = {}
    for kind, (schedule, own) in plans.items():
        nets = [_net(data, s) for s in own]
        jobs = [
            (trap(net) if kind == TRAP else net, replace(schedule, seed=s)) for net, s in zip(nets, own, strict=True)
        ]
        folder = None if checkpoints is None else checkpoints / kind.replace(" ", "-")
        found[kind] = [h for _, h in train_each(jobs, data, device=device, checkpoints=folder)]
        if progress is not None:
            progress(len(found), len(plans), f"{kind}: {len(jobs)} nets trained")
    table = [
        {"kind": kind, "start": k} | row
        for kind in found
        for k, history in enumerate(found[kind])
        for row in history.rows()
    ]
    return Result(_claim(found, config, seed), table, {"classes": data.n_classes})


def trap(net: PlainCNN) -> PlainCNN:
    """The net with the weights of its first layer and the biases of all hidden ones 0: it will never see an image.

    What enters each activation is exactly 0, batch normalisation included, and there ReLU has derivative 0: the
    gradient vanishes for all weights but the output's bias, which can only learn how frequent the classes are.
    """
    first, *_, bias = net.parameters()
    with torch.no_grad():
        first.zero_()
        for parameter in net.parameters():
            if parameter.ndim == 1 and parameter is not bias:
                parameter.zero_()
    return net


def is_stuck(history: History, config: Config) -> bool:
    """Whether a run ended above zero error, above negligible cross entropy, or without a finite loss."""
    last = history.last
    return history.stopped is not None or last.train_error > 0 or not last.train_loss <= config.negligible


def _net(data: Data, seed: int) -> PlainCNN:
    channels, size, _ = data.train_inputs.shape[1:]
    return PlainCNN(n_classes=data.n_classes, input_shape=(channels, size, size), seed=seed)


def _seldom(stuck: int, runs: int, often: float) -> bool | None:
    """Test (1) of the file's head."""
    from scipy.stats import binomtest

    bounds = binomtest(stuck, runs).proportion_ci(0.98, method="exact")
    if bounds.low > often:
        return False
    return True if stuck == 0 and bounds.high < 0.5 else None


def _case(runs: Sequence[History], config: Config) -> Case:
    """The test of the file's head on these runs of batch descent."""
    stuck = sum(is_stuck(history, config) for history in runs)
    agrees = _seldom(stuck, len(runs), config.often)
    return Case(f"runs of batch descent that are stuck, of {len(runs)}", 0, stuck, agrees)


def _claim(found: dict[str, list[History]], config: Config, seed: int) -> Claim:
    ends = {kind: [history.last for history in found[kind]] for kind in found}
    gap = comparisons.mean([b.test_error - s.test_error for b, s in zip(ends[BATCH], ends[SGD], strict=True)])
    case = _case(found[BATCH], config)
    printed = Case("test error, batch descent minus SGD", "above 0", gap.text(".3f"), gap.above(0))
    trapped = _case(found[TRAP], config)
    control = Control(
        "starts in a trap, the first layer 0, on the same data, where other starts reach zero: the test must fail",
        f"all {config.traps} stuck",
        f"{trapped.observed} stuck, training error {min(end.train_error for end in ends[TRAP]):.3f} at least",
        passed=trapped.agrees is False,
    )
    errors = {kind: np.mean([end.test_error for end in ends[kind]]) for kind in (BATCH, SGD)}
    losses = [end.train_loss for end in ends[BATCH]]
    as_printed, verdict = judge([case, printed], control), judge([case], control)
    return Claim.from_cases(
        [case],
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="exact binomial bounds of the share of stuck runs, 0.01 on either side",
        seed=seed,
        printed_verdict=as_printed if as_printed != verdict else None,
        note=f"As printed, with a worse test error than SGD: the gap paired by start is {printed.observed}. Test error "
        f"{errors[BATCH]:.1%} after {config.steps} steps of batch descent, {errors[SGD]:.1%} after "
        f"{config.epochs} epochs of SGD, whose training error is then at most "
        f"{max(end.train_error for end in ends[SGD]):.1%}; cross entropy of batch descent {min(losses):.2g} to "
        f"{max(losses):.2g}.",
    )


def draw(result: Result) -> dict[str, Any]:
    """Training error, cross entropy and test error on the way; the test errors of each start."""
    from empirical import plotting

    figure, places = plotting.panels(4, width=2.9)
    names = {"train_error": "training error", "train_loss": "training cross entropy", "test_error": "test error"}
    for axes, (column, title) in zip(places, names.items(), strict=False):
        kinds = (BATCH, SGD) if column == "test_error" else (BATCH, SGD, TRAP)
        series = {}
        for kind in kinds:
            rows = [row for row in result.table if row["kind"] == kind]
            passes = sorted({row["epoch"] for row in rows})
            values = [[row[column] for row in rows if row["epoch"] == at] for at in passes]
            name = "from a trap (control)" if kind == TRAP else kind
            series[name] = (passes, [np.mean(v) for v in values], [np.std(v) for v in values])
        plotting.lines(series, x="passes over the training data", y=title, axes=axes,
                       log="y" if column == "train_loss" else "")  # fmt: skip
    ends = {kind: _ends(result.table, kind) for kind in (BATCH, SGD)}
    starts = {kind: (np.arange(len(values)) + 1, values) for kind, values in ends.items()}
    plotting.points(starts, x="start", y="test error at the end", axes=places[3])
    return {"curves": figure}


def _ends(table: Sequence[dict[str, Any]], kind: str) -> list[float]:
    last = {row["start"]: row["test_error"] for row in table if row["kind"] == kind}  # rows are in order of epochs
    return list(last.values())
