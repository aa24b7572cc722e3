"""How easily does a bad start lead a ReLU net into its blind spot? The claim `blind-spot`.

Nets of one hidden layer of ReLUs, inputs in [0, 1], weights N(mean, std^2) with several means and spreads, are trained
by Adam, all of them in one batch. A net is dead if no unit is on for any image: then only the output bias learns. What
counts is the share of dead nets at the start, and the share that has learnt nothing in the end.

The test: Fisher's exact test, error rate 0.01, for the share that learns nothing at the most negative mean against mean
0; and no net that starts dead may learn. Fails where the shares surely do not differ that way, or a dead net learns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical.data import Data, shrunk, square_images
from empirical.records import Result
from theory.claims.claim import Case, Claim, Control
from theory.confidence import differ, wilson

ID = "blind-spot"
STATEMENT = (
    "A bad start leads easily into the blind spot of ReLU nets: with negative mean weights no unit is on for any "
    "image, and training does not leave it."
)
SOURCE = "slides, Blind Spot of ReLU (Swirszcz et al. 2016, arXiv 1611.06310)"
REPORTED = {"slide": "MNIST, Adam, 1M updates, by mean and variance of the start: a picture, no numbers"}


@dataclass(frozen=True)
class Config:
    """shrink: images are averaged over squares of this side; hidden: units

    means: of the first layer's weights, in standard deviations; spreads: standard deviations, times 1 / sqrt(inputs)
    nets: of each mean and spread; steps, batch, rate: of Adam
    idle: training loss, as a share of that of the best constant output, above which a net has learnt nothing
    slope: of the units' negative side in the control
    """

    data: str = "mnist"
    subset: tuple[int, int] | None = (1000, 1000)
    shrink: int = 4
    hidden: int = 20
    means: tuple[float, ...] = (0.0, -0.25, -0.5, -1.0, -2.0)
    spreads: tuple[float, ...] = (0.5, 1.0, 2.0)
    nets: int = 20
    steps: int = 1000
    batch: int = 50
    rate: float = 0.003
    idle: float = 0.98
    slope: float = 0.1


PRESETS = {
    "smoke": Config(data="digits", subset=(300, 200), shrink=1, hidden=8, means=(0.0, -0.5, -2.0), spreads=(1.0,),
                    nets=20, steps=200, rate=0.01),
    "cpu": Config(),
    "paper": Config(subset=None, shrink=1, hidden=100, nets=100, steps=1_000_000, batch=100, rate=0.001),
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """Nets of one mean and spread: how many start dead, end dead, have learnt nothing, and dead ones that learnt."""

    mean: float
    spread: float
    nets: int
    dead_at_start: int
    dead_at_end: int
    idle: int
    revived: int
    test_error: float


def check_data(data: Data | None) -> Data:
    """The data, if they are square images; ValueError otherwise."""
    return square_images(data, ID)


def compute(
    config: Config,
    data: Data | None,
    *,
    seed: int,
    device: str,
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Train all nets of all cells, and leaky nets from the worst start."""
    data = shrunk(check_data(data), config.shrink)
    inputs, tests = unit_range(data.train_inputs.flatten(1).to(device), data.test_inputs.flatten(1).to(device))
    sets = inputs, data.train_labels.to(device), tests, data.test_labels.to(device)
    cells, total = [], len(config.spreads) + 1
    for k, spread in enumerate(config.spreads):
        cells += _cells(config.means, spread, sets, data.n_classes, config, seed + 1000 * k, slope=0.0)
        if progress is not None:
            progress(k + 1, total, f"spread {spread:g}")
    worst, middle = min(config.means), config.spreads[len(config.spreads) // 2]
    (leaky,) = _cells((worst,), middle, sets, data.n_classes, config, seed + 1000 * total, slope=config.slope)
    claim = Claim.from_cases(
        _cases(cells, config),
        _control(leaky, config),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Fisher's exact test, {config.nets * len(config.spreads)} nets a mean, error rate 0.01",
        seed=seed,
        note="; ".join(
            f"mean {mean:g}: {_total(cells, mean, 'dead_at_start')} start dead, "
            f"{_total(cells, mean, 'idle')} learn nothing"
            for mean in config.means
        ),
    )
    return Result(claim, [vars(cell) for cell in cells], {"cells": cells, "config": config})


def draw(result: Result) -> dict[str, Any]:
    """Shares of nets that start dead and that learn nothing, by the mean of the start, with Wilson intervals."""
    from empirical import plotting

    config: Config = result.series["config"]
    figure, axes = plotting.panels(2, width=3.6)
    for place, key, label in zip(axes, ("dead_at_start", "idle"), ("dead at the start", "learnt nothing"), strict=True):
        series = {}
        for spread in config.spreads:
            own = sorted((c for c in result.series["cells"] if c.spread == spread), key=lambda c: c.mean)
            counts = [getattr(cell, key) for cell in own]
            shares = np.array(counts) / config.nets
            ends = np.array([wilson(count, config.nets, 0.99) for count in counts])
            errors = np.array([shares - ends[:, 0], ends[:, 1] - shares])
            series[f"spread {spread:g} / sqrt(inputs)"] = ([c.mean for c in own], shares, errors)
        plotting.points(series, x="mean of the start, standard deviations", y=f"share of nets: {label}",
                        limits=(-0.03, 1.03), axes=place)  # fmt: skip
    return {"shares": figure}


def unit_range(inputs: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both (N, features) moved and scaled by one map for all features, so that the first covers [0, 1]."""
    low, high = inputs.min(), inputs.max()
    return (inputs - low) / (high - low), (others - low) / (high - low)


def start(
    nets: int, mean: float, spread: float, sizes: tuple[int, int, int], generator: torch.Generator
) -> list[torch.Tensor]:
    """Weights and biases of nets of sizes (inputs, hidden, classes), (nets, ...) each; biases 0."""
    n_inputs, hidden, classes = sizes
    deviation = spread * n_inputs**-0.5
    first = deviation * (torch.randn(nets, hidden, n_inputs, generator=generator) + mean)
    second = hidden**-0.5 * torch.randn(nets, classes, hidden, generator=generator)
    return [first, torch.zeros(nets, hidden), second, torch.zeros(nets, classes)]


def outputs(weights: Sequence[torch.Tensor], inputs: torch.Tensor, slope: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs (nets, N, classes), and whether each net has a unit that is on for any of the inputs, (nets,)."""
    first, bias, second, last = weights
    z = torch.einsum("nd,rhd->rnh", inputs, first) + bias[:, None]
    hidden = nn.functional.leaky_relu(z, slope)
    return torch.einsum("rnh,rch->rnc", hidden, second) + last[:, None], (z > 0).flatten(1).any(1)


def losses(out: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of each net, (nets,), of outputs (nets, N, classes)."""
    each = nn.functional.cross_entropy(out.flatten(0, 1), labels.repeat(len(out)), reduction="none")
    return each.view(len(out), -1).mean(1)


def _cells(
    means: Sequence[float], spread: float, sets: Sequence[torch.Tensor], classes: int, config: Config, seed: int,
    slope: float,
) -> list[Cell]:  # fmt: skip
    inputs, labels, tests, test_labels = sets
    generator = torch.Generator().manual_seed(seed % 2**63)
    sizes = (inputs.shape[1], config.hidden, classes)
    parts = [start(config.nets, mean, spread, sizes, generator) for mean in means]
    weights = [torch.cat(each).to(inputs.device).requires_grad_() for each in zip(*parts, strict=True)]
    with torch.no_grad():
        alive = outputs(weights, inputs, slope)[1]
    optimizer = torch.optim.Adam(weights, lr=config.rate)
    for _ in range(config.steps):
        some = torch.randint(len(inputs), (config.batch,), generator=generator).to(inputs.device)
        optimizer.zero_grad()
        losses(outputs(weights, inputs[some], slope)[0], labels[some]).sum().backward()
        optimizer.step()
    shares = torch.bincount(labels, minlength=classes).double() / len(labels)
    constant = float(-(shares * shares.clamp_min(1e-30).log()).sum())  # loss of the best constant output
    with torch.no_grad():
        out, alive_at_end = outputs(weights, inputs, slope)
        idle = losses(out, labels).double() > config.idle * constant
        wrong = (outputs(weights, tests, slope)[0].argmax(2) != test_labels).double().mean(1)
    found = []
    for k, mean in enumerate(means):
        own = slice(k * config.nets, (k + 1) * config.nets)
        dead, end = int((~alive[own]).sum()), int((~alive_at_end[own]).sum())
        revived, error = int((~alive[own] & ~idle[own]).sum()), float(wrong[own].mean())
        found.append(Cell(mean, spread, config.nets, dead, end, int(idle[own].sum()), revived, error))
    return found


def _total(cells: Sequence[Cell], mean: float, key: str) -> int:
    return sum(getattr(cell, key) for cell in cells if cell.mean == mean)


def _cases(cells: Sequence[Cell], config: Config) -> list[Case]:
    nets = config.nets * len(config.spreads)
    bad, good = (_total(cells, mean, "idle") for mean in (min(config.means), max(config.means)))
    p = differ(bad, nets, good, nets)
    agrees = (bad > good) if p < 0.01 else None
    if bad == 0:
        agrees = False
    shown = f"{bad} and {good} of {nets}, p = {p:.1e}"
    dead, revived = sum(cell.dead_at_start for cell in cells), sum(cell.revived for cell in cells)
    return [
        Case(
            f"nets that learn nothing, mean {min(config.means):g} and {max(config.means):g}",
            "more first",
            shown,
            agrees,
        ),
        Case("nets that start dead and learn", 0, f"{revived} of {dead}", revived == 0 if dead else None),
    ]


def _control(leaky: Cell, config: Config) -> Control:
    """leaky: nets from the worst start whose units have no blind spot."""
    low, high = wilson(leaky.idle, leaky.nets, 0.99)
    return Control(
        f"units of slope {config.slope} on the negative side, from the same start: they have no blind spot, so "
        "that nets must learn",
        "share that learns nothing surely < 1/2",
        f"{leaky.idle} of {leaky.nets}, 99 % interval {low:.2f} to {high:.2f}",
        passed=high < 0.5,
    )
