"""Do batch normalisation and skip connections smooth the loss surface? The claim `bn-and-skip`.

Nets of the same layers, with and without either, are trained on the same images; the loss is then followed along
filter-normalised random directions. What is compared is the rise of the loss at a distance, a net with against a net
without, by seed: the logarithm of the ratio of both rises. Batch normalisation recomputes its statistics at every
point, as training would there; with those of the minimum its nets rise 3 to 30 times as far.

The test: for either ingredient, with and without the other, the mean log ratio over seeds, Student's interval, error
rate 0.01 shared by the four. Positive: smoother; below `effect`: fails. Nets that have not learnt have flat surfaces:
with one of them nothing is decided. The share of points with a negative second difference is reported only: a bounded
loss, as batch normalisation makes it, has many where one that explodes has none.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical.data import Data, shrunk, square_images
from empirical.directions import random_directions
from empirical.records import Result
from empirical.resnets import ResNet
from empirical.spectrum import hessian_operator, spectral_density
from empirical.surfaces import Surface, surface
from empirical.train import TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control
from theory.confidence import above, student

ID = "bn-and-skip"
STATEMENT = (
    "Batch normalisation and skip connections smooth the surface: at the same filter-normalised distance the loss "
    "rises less with either than without."
)
SOURCE = "slides (Li et al. 2018, arXiv 1712.09913, Figs 1, 5 and 6)"
REPORTED = {
    "Figs 5 and 6": "contours, no numbers: without skips chaotic and not convex from depth 56 on, with skips smooth",
    "test error": {"ResNet-56": 0.059, "ResNet-56 without skips": 0.133},  # from memory, medium confidence
    "protocol": "direction N(0, I) filter-normalised, 51 x 51 points on [-1, 1]^2; 300 epochs, SGD with momentum 0.9",
}
KINDS = {"skip, BN": (True, True), "BN": (False, True), "skip": (True, False), "neither": (False, False)}
PAIRS = {
    "skips, both with BN": ("skip, BN", "BN"),
    "skips, both without BN": ("skip", "neither"),
    "batch normalisation, both with skips": ("skip, BN", "skip"),
    "batch normalisation, both without skips": ("BN", "neither"),
}  # with, without
ERROR_RATE = 0.01 / len(PAIRS)  # Bonferroni


@dataclass(frozen=True)
class Config:
    """depth, width: of the nets; shrink: images are averaged over squares of this side; rates: with BN, without it

    lines: directions a net; distance: at which the rise is compared; images: on which the surface is evaluated
    grid: points a side of the 2-D surfaces of the first seed
    effect: log ratio below which a net counts as no smoother (10 %)
    learnt: training loss above which a net has not learnt, as a share of the loss of guessing
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = (2000, 1000)
    depth: int = 20
    width: int = 8
    shrink: int = 2
    epochs: int = 10
    rates: tuple[float, float] = (0.05, 0.03)
    momentum: float = 0.9
    seeds: int = 5
    lines: int = 2
    points: int = 9
    distance: float = 0.5
    images: int = 500
    grid: int = 9
    steps: int = 6
    effect: float = 0.1
    learnt: float = 0.85


PRESETS = {
    "smoke": Config(data="digits", subset=(300, 100), depth=8, width=4, shrink=1, epochs=8, rates=(0.1, 0.1), seeds=3,
                    lines=1, points=3, images=100, grid=3, steps=2),
    # Within minutes plain nets of 32 layers, the depth at which skips begin to matter, learn MNIST but not CIFAR-10.
    "cpu": Config(data="mnist", depth=32, rates=(0.05, 0.01), points=13, images=250),
    "paper": Config(subset=None, depth=56, width=16, shrink=1, epochs=300, rates=(0.1, 0.01), lines=10, points=51,
                    images=10_000, grid=51, steps=60),
}  # fmt: skip


@dataclass(frozen=True)
class Net:
    """A trained net: its errors; the rise of the loss at the distance and the share of points at which the second
    difference is negative, means over directions."""

    kind: str
    number: int
    train_loss: float
    test_error: float
    rise: float
    nonconvex: float


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
    checkpoints: Path | None = None,
) -> Result:
    """Train all nets, follow their losses, test both ingredients. Raises ValueError where data are no square images."""
    data = shrunk(check_data(data), config.shrink)
    names = [(kind, number) for number in range(config.seeds) for kind in KINDS]
    jobs = [_job(config, data, kind, seed + number) for kind, number in names]
    trained = train_each(jobs, data, device=device, progress=progress, checkpoints=checkpoints)
    some = data.train_inputs[: config.images].to(device), data.train_labels[: config.images].to(device)
    nets, profiles = [], {}
    for (kind, number), (model, history) in zip(names, trained, strict=True):
        lines = follow(model.to(device).eval(), some, config, seed + number)
        seen = history.last.train_loss, history.last.test_error
        nonconvex = float(np.mean([line.nonconvex_share for line in lines]))
        nets.append(Net(kind, number, *seen, rise(lines), nonconvex))
        profiles[kind, number] = lines
    first = {kind: model for (kind, number), (model, _) in zip(names, trained, strict=True) if number == 0}
    grids = {
        kind: _surface(model, some, config, seed, dimensions=2, points=config.grid) for kind, model in first.items()
    }
    curvature = {kind: curvatures(model, some, config, seed) for kind, model in first.items()}
    claim = Claim.from_cases(
        _cases(nets, config, config.learnt * float(np.log(data.n_classes))),
        _control(
            [m for (kind, _), (m, _) in zip(names, trained, strict=True) if kind == "skip, BN"], some, config, seed
        ),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Student's intervals over {config.seeds} seeds, error rate 0.01 shared by {len(PAIRS)} tests; a "
        f"mean log ratio surely below {config.effect} counts as no smoother",
        seed=seed,
        note=_note(nets, curvature, config),
    )
    series = {"profiles": profiles, "grids": grids, "config": config}
    return Result(claim, [vars(net) for net in nets], series, {k: m.state_dict() for k, m in first.items()})


def draw(result: Result) -> dict[str, Any]:
    """Profiles of all nets by kind; contours of the first seed; rises by kind."""
    from empirical import plotting

    config = result.series["config"]
    figure, axes = plotting.panels(len(KINDS), width=2.7)
    for kind, place in zip(KINDS, axes, strict=True):
        lines = {
            f"net {number + 1}": (found[0].coordinates[0], np.mean([line.loss for line in found], axis=0))
            for (name, number), found in result.series["profiles"].items()
            if name == kind
        }
        distance = "distance, in lengths of the filters"
        plotting.lines(lines, x=distance, y="loss", title=kind, log="y", markers=False, axes=place)
    low = min(place.get_ylim()[0] for place in axes)
    high = max(place.get_ylim()[1] for place in axes)
    for place in axes:
        place.set_ylim(low, high)
    contours, places = plotting.panels(2, 2, width=3.6, height=2.9)
    short = ("direction 1, filter-normalised", "direction 2, filter-normalised")
    for (kind, grid), place in zip(result.series["grids"].items(), places, strict=True):
        x, y = grid.coordinates
        plotting.contour(x, y, grid.loss, names=short, title=kind, axes=place)
    rises = [[row["rise"] for row in result.table if row["kind"] == kind] for kind in KINDS]
    numbers = {kind: (np.full(len(r), k), r) for k, (kind, r) in enumerate(zip(KINDS, rises, strict=True))}
    label = f"rise of the loss at distance {config.distance:g}"
    rise_figure = plotting.points(numbers, x="net", y=label, log="y")
    rise_figure.axes[0].set_xticks(range(len(KINDS)), list(KINDS))
    return {"profiles": figure, "contours": contours, "rises": rise_figure}


def follow(model: nn.Module, some: Sequence[torch.Tensor], config: Config, seed: int) -> list[Surface]:
    """Profiles along `lines` random directions from -distance to distance."""
    return [
        _surface(model, some, config, 100 * seed + k, dimensions=1, points=config.points) for k in range(config.lines)
    ]


def rise(lines: Sequence[Surface]) -> float:
    """Mean loss at the ends of the lines minus the loss in the middle; a hole counts as infinite."""
    ends = [np.nan_to_num(line.loss[[0, -1]], nan=np.inf).mean() - line.centre for line in lines]
    return float(np.mean(ends))


def curvatures(model: nn.Module, some: Sequence[torch.Tensor], config: Config, seed: int) -> tuple[float, float]:
    """Least and largest eigenvalue of the Hessian at the end of training, as Lanczos sees them after a few steps."""
    operator = hessian_operator(model, nn.CrossEntropyLoss(), some, chunk=100)
    found = spectral_density(operator, steps=config.steps, probes=2, seed=seed)
    return float(found.nodes.min()), float(found.nodes.max())


def _job(config: Config, data: Data, kind: str, seed: int) -> tuple[nn.Module, TrainConfig]:
    skip, batchnorm = KINDS[kind]
    shape = tuple(data.train_inputs.shape[1:])
    model = ResNet(config.depth, config.width, skip=skip, batchnorm=batchnorm, n_classes=data.n_classes,
                   input_shape=shape, seed=seed)  # fmt: skip
    rate = config.rates[0 if batchnorm else 1]
    return model, TrainConfig(config.epochs, rate=rate, momentum=config.momentum, every=config.epochs, seed=seed)


def _surface(
    model: nn.Module, some: Sequence[torch.Tensor], config: Config, seed: int, *, dimensions: int, points: int
) -> Surface:
    extent = (-config.distance, config.distance)
    return surface(model.eval(), nn.CrossEntropyLoss(), some, dimensions=dimensions, points=points, extent=extent,
                   batchnorm="recomputed", chunk=config.images, seed=seed)  # fmt: skip


def _cases(nets: Sequence[Net], config: Config, learnt: float) -> list[Case]:
    rises = {(net.kind, net.number): net.rise for net in nets}
    cases = []
    for name, (with_it, without) in PAIRS.items():
        pairs = [(rises[without, n], rises[with_it, n]) for n in range(config.seeds)]
        instance = f"{name}: log of rise without over rise with"
        interval = _log_ratios(pairs)
        if interval is None:
            cases.append(Case(instance, "> 0", "not finite or not positive for some net", None))
            continue
        idle = sum(net.train_loss > learnt for net in nets if net.kind in (with_it, without))
        shown = "{:+.3f}, interval {:+.3f} to {:+.3f}".format(*interval)
        shown += f"; {idle} of {2 * config.seeds} nets have not learnt" if idle else ""
        agrees = None if idle else above(*interval[1:], effect=config.effect)
        cases.append(Case(instance, "> 0", shown, agrees))
    return cases


def _log_ratios(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float] | None:
    """Mean of log(first / second) and its interval; None where a rise is infinite or not positive."""
    if not all(np.isfinite(pair).all() and min(pair) > 0 for pair in pairs):
        return None
    ratios = [float(np.log(a / b)) for a, b in pairs]
    return (float(np.mean(ratios)), *student(ratios, ERROR_RATE))


def _note(nets: Sequence[Net], curvature: dict[str, tuple[float, float]], config: Config) -> str:
    """By kind: training loss, rise, share of negative second differences, extreme eigenvalues at the end."""

    def mean(kind: str, what: str) -> float:
        return float(np.mean([getattr(net, what) for net in nets if net.kind == kind]))

    parts = [
        f"{kind}: training loss {mean(kind, 'train_loss'):.2f}, rise {mean(kind, 'rise'):.3g}, "
        f"{mean(kind, 'nonconvex'):.0%} negative second differences, "
        f"least over largest eigenvalue {low / high:.3f} (largest {high:.3g})"
        for kind, (low, high) in curvature.items()
    ]
    return f"depth {config.depth}, means over nets, eigenvalues of the first: " + "; ".join(parts)


def _control(models: Sequence[nn.Module], some: Sequence[torch.Tensor], config: Config, seed: int) -> Control:
    """The same functions twice, through the same test: filter-normalised rises must not differ, raw ones must."""
    rises: dict[str | None, list[tuple[float, float]]] = {"filter": [], None: []}
    for number, model in enumerate(models):
        for normalisation, pairs in rises.items():
            small, large = (
                _rise_of(net, some, config, normalisation, seed + number) for net in (model, tripled(model))
            )
            pairs.append((small, large))
    filtered, raw = (_log_ratios(pairs) for pairs in rises.values())
    return Control(
        "the same functions with convolutions three times as large, which batch normalisation undoes: with "
        "filter-normalised directions the large ones must not count as smoother, with raw ones they must",
        f"filter-normalised surely below {config.effect}; raw surely above 0",
        {name: None if found is None else "{:+.3f}, interval {:+.3f} to {:+.3f}".format(*found)
         for name, found in (("filter-normalised", filtered), ("raw", raw))},
        passed=filtered is not None and filtered[2] < config.effect and raw is not None and raw[1] > 0,
    )  # fmt: skip


def tripled(model: nn.Module) -> nn.Module:
    """The net with its convolutions three times as large."""
    large = deepcopy(model)
    with torch.no_grad():
        for layer in large.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.mul_(3)
    return large


def _rise_of(
    net: nn.Module, some: Sequence[torch.Tensor], config: Config, normalisation: str | None, seed: int
) -> float:
    along = random_directions(net, 1, normalisation="filter" if normalisation else None, seed=seed)
    if normalisation is None:  # only what batch normalisation makes scale-free, at a length that is seen
        along = replace(along, steps=tuple({k: (0.1 * v if v.ndim == 4 else 0 * v) for k, v in step.items()}
                                           for step in along.steps))  # fmt: skip
    found = surface(net.eval(), nn.CrossEntropyLoss(), some, along, points=3, batchnorm="recomputed",
                    extent=(-config.distance, config.distance), chunk=config.images)  # fmt: skip
    return rise([found])
