"""Are data made by a two-layer net fitted more easily by wider nets? The claim `overspecified`.

A fixed random net of ReLUs labels random inputs; nets of 1, 2, 4, 8 times its units are trained on them from scratch,
by Adam and by SGD, all nets of an optimiser in one batch (units beyond a net's width are switched off). A net succeeds
when its training loss falls below `fit` times the variance of the labels.

The test: success at the largest width against the width of the teacher, either optimiser, Fisher's exact test at error
rate 0.01 shared by both. Fails where wider nets surely succeed less, or the teacher's width never fails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from empirical import optimizers
from empirical.histories import TrainConfig
from empirical.records import Result
from theory.claims.claim import Case, Claim, Control
from theory.confidence import differ, wilson

ID = "overspecified"
STATEMENT = "Data made by a two-layer net are fitted more easily by wider nets, from any start."
SOURCE = "notes 1.3 (Livni, Shalev-Shwartz and Shamir 2014, arXiv 1410.1141); slides"
REPORTED = {"figure": "square error against iterations for 1, 2, 4, 8 times the teacher's units: faster; no numbers"}
OPTIMIZERS = ("adam", "sgd")
NAMES = ("first", "bias", "second", "last")  # weights of a net


@dataclass(frozen=True)
class Config:
    """inputs, units, examples: of the teacher's data; factors: widths in units of the teacher's; nets: of each width

    steps, batch: of training; rates: of Adam, and of SGD with momentum 0.9; both fall to a tenth half-way
    fit: training loss, as a share of the variance of the labels, below which a net has succeeded
    """

    inputs: int = 20
    units: int = 10
    examples: int = 2000
    factors: tuple[int, ...] = (1, 2, 4, 8)
    nets: int = 20
    steps: int = 4000
    batch: int = 100
    rates: tuple[float, float] = (0.005, 0.06)  # at 0.02 SGD was still under way in the end: inconclusive
    fit: float = 1e-3
    looks: int = 60


PRESETS = {
    "smoke": Config(inputs=6, units=3, examples=200, factors=(1, 6), nets=20, steps=1000, batch=50, rates=(0.01, 0.03),
                    looks=15),
    "cpu": Config(),
    "paper": Config(inputs=150, units=60, examples=20_000, nets=50, steps=100_000),
}  # fmt: skip


@dataclass(frozen=True)
class Fits:
    """Training losses over the variance of the labels at the looks, (looks, nets), of one optimiser and width."""

    optimizer: str
    factor: int
    steps: np.ndarray
    losses: np.ndarray

    def succeeded(self, fit: float) -> int:
        """How many nets ended below the share `fit`."""
        return int((self.losses[-1] < fit).sum())

    def first(self, fit: float) -> np.ndarray:
        """The step at which each net is first seen below `fit`, NaN where it is not, (nets,)."""
        below = self.losses < fit
        return np.where(below.any(0), self.steps[below.argmax(0)], np.nan)


def compute(
    config: Config,
    data: None = None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Fit the teacher's labels with all widths, and shuffled labels with the widest."""
    inputs, labels = teacher(config, seed)
    fits: list[Fits] = []
    for optimizer in OPTIMIZERS:
        fits += train(inputs.to(device), labels.to(device), config.factors, optimizer, config, seed)
        if progress is not None:
            progress(len(fits), len(OPTIMIZERS) * len(config.factors) + 1, optimizer)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed % 2**63))
    (shuffled,) = train(inputs.to(device), labels[order].to(device), config.factors[-1:], "adam", config, seed + 1)
    claim = Claim.from_cases(
        [_case(optimizer, fits, config) for optimizer in OPTIMIZERS],
        _control(shuffled, config),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Fisher's exact test, {config.nets} nets a width, error rate 0.01 shared by "
        f"{len(OPTIMIZERS)} optimisers",
        seed=seed,
        note="; ".join(_described(f, config) for f in fits),
    )
    rows = [{"optimizer": f.optimizer, "width": f.factor * config.units, "net": k, "loss": f.losses[-1, k],
             "first_below": f.first(config.fit)[k]} for f in fits for k in range(config.nets)]  # fmt: skip
    return Result(claim, rows, {"fits": fits, "config": config})


def draw(result: Result) -> dict[str, Any]:
    """Median training loss by width, for each optimiser; shares that succeed."""
    from empirical import plotting

    config: Config = result.series["config"]
    figure, axes = plotting.panels(3, width=3.3)
    for optimizer, place in zip(OPTIMIZERS, axes, strict=False):
        lines = {
            f"{f.factor} x the teacher's units": (f.steps, np.median(f.losses, axis=1))
            for f in result.series["fits"]
            if f.optimizer == optimizer
        }
        plotting.lines(lines, x="step", y="training loss / variance, median", log="y", title=optimizer, markers=False,
                       axes=place)  # fmt: skip
        plotting.mark(place, config.fit, "success", below=True)
    shares = {}
    for optimizer in OPTIMIZERS:
        counts = [f.succeeded(config.fit) for f in result.series["fits"] if f.optimizer == optimizer]
        ends = np.array([wilson(count, config.nets, 0.99) for count in counts])
        share = np.array(counts) / config.nets
        shares[optimizer] = (config.factors, share, np.array([share - ends[:, 0], ends[:, 1] - share]))
    label = "units, over the teacher's"
    plotting.points(shares, x=label, y="share of nets that succeed", log="x", limits=(-0.03, 1.05), axes=axes[2])
    axes[2].set_xticks(config.factors, [str(factor) for factor in config.factors])
    axes[2].minorticks_off()
    return {"fits": figure}


def teacher(config: Config, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs (examples, inputs) and labels (examples,), of mean 0 and variance 1."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    inputs = torch.randn(config.examples, config.inputs, generator=generator)
    first = torch.randn(config.units, config.inputs, generator=generator) / config.inputs**0.5
    second = torch.randn(config.units, generator=generator)
    labels = torch.relu(inputs @ first.T) @ second
    return inputs, (labels - labels.mean()) / labels.std(correction=0)


def outputs(weights: Sequence[torch.Tensor], alive: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Outputs (nets, N); alive: (nets, units), 1 for the units that a net has."""
    first, bias, second, last = weights
    # one product for the units of all nets: half of the time of one for each net
    before = (first.flatten(0, 1) @ inputs.T).view(*bias.shape, len(inputs)) + bias[:, :, None]
    return torch.bmm((second * alive)[:, None], torch.relu(before))[:, 0] + last[:, None]


def train(
    inputs: torch.Tensor, labels: torch.Tensor, factors: Sequence[int], optimizer: str, config: Config, seed: int
) -> list[Fits]:
    """Losses of `nets` nets of each width along training."""
    generator = torch.Generator().manual_seed((seed + 17) % 2**63)
    widest = max(factors) * config.units
    widths = torch.tensor([factor * config.units for factor in factors for _ in range(config.nets)])
    alive = (torch.arange(widest) < widths[:, None]).float().to(inputs.device)
    nets, d = len(widths), inputs.shape[1]
    shapes = ((nets, widest, d), (nets, widest), (nets, widest), (nets,))
    bounds = (d**-0.5, d**-0.5, widths[:, None] ** -0.5, widths**-0.5)
    weights = [((2 * torch.rand(shape, generator=generator) - 1) * bound).to(inputs.device).requires_grad_()
               for shape, bound in zip(shapes, bounds, strict=True)]  # fmt: skip
    rate = config.rates[OPTIMIZERS.index(optimizer)]
    rule = TrainConfig(optimizer="adam", rate=rate) if optimizer == "adam" else TrainConfig(rate=rate, momentum=0.9)
    memory: dict[str, torch.Tensor] = {}
    every, at, seen = max(1, config.steps // config.looks), [], []
    for step in range(1, config.steps + 1):
        some = torch.randint(len(inputs), (config.batch,), generator=generator).to(inputs.device)
        loss = (outputs(weights, alive, inputs[some]) - labels[some]).square().mean(1).sum()
        slopes = torch.autograd.grad(loss, weights)
        optimizers.step(dict(zip(NAMES, weights, strict=True)), dict(zip(NAMES, slopes, strict=True)), memory, rule,
                        step, ())  # fmt: skip
        if step == config.steps // 2:
            rule = replace(rule, rate=rate / 10)
        if step % every == 0 or step == config.steps:
            with torch.no_grad():
                at.append(step)
                seen.append((outputs(weights, alive, inputs) - labels).square().mean(1).cpu().numpy())
    losses = np.array(seen).reshape(len(at), len(factors), config.nets)
    return [Fits(optimizer, factor, np.array(at), losses[:, k]) for k, factor in enumerate(factors)]


def _case(optimizer: str, fits: Sequence[Fits], config: Config) -> Case:
    own = [f for f in fits if f.optimizer == optimizer]
    narrow, wide = own[0].succeeded(config.fit), own[-1].succeeded(config.fit)
    p = differ(narrow, config.nets, wide, config.nets)
    agrees = (wide > narrow) if p < 0.01 / len(OPTIMIZERS) else None
    if narrow == config.nets:
        agrees = False  # nets as wide as the teacher never fail: nothing could be easier
    shown = f"{narrow} and {wide} of {config.nets}, p = {p:.1e}"
    instance = f"{optimizer}: nets that succeed, {own[0].factor} and {own[-1].factor} times the units"
    return Case(instance, "more at the last", shown, agrees)


def _control(widest: Fits, config: Config) -> Control:
    """widest: the largest nets on labels that no teacher made."""
    return Control(
        "the same labels shuffled, which no small net makes, and the widest nets: they must not be fitted",
        "no net succeeds",
        f"{widest.succeeded(config.fit)} of {config.nets}, least loss {widest.losses[-1].min():.2g}",
        passed=widest.succeeded(config.fit) == 0,
    )


def _described(f: Fits, config: Config) -> str:
    first = f.first(config.fit)
    median = f", median step {np.nanmedian(first):.0f}" if np.isfinite(first).any() else ""
    return f"{f.optimizer}, {f.factor}x: {f.succeeded(config.fit)} of {config.nets} succeed{median}"
