"""Nets between two trained nets: where are there walls? The claim `interpolation`.

A parent is trained by SGD; after some epochs two children go on from it with orders of images of their own, up to the
same total. The earlier the split and the larger the rate, the farther apart they end. Training error is followed on the
straight line between them, statistics of batch normalisation estimated at every point (and, for comparison, averaged).
A barrier is how far it rises above the chord. A net trained from another initialisation stands beside each pair.

The test: mean barriers over the repeats have Student intervals, error rate 0.01 on either side shared by the two cases.
For children that split last, at the source's rate, it must lie below the height of a wall; for independent nets above.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from empirical import comparisons, measure
from empirical.data import Data, square_images
from empirical.interpolate import Mixtures, barrier, lines
from empirical.models import PlainCNN, permuted
from empirical.records import Result
from empirical.train import TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control

ID = "interpolation"
INDEPENDENT = "independent"
PARENT, OTHER = -2, -1
STATEMENT = (
    "Averages of nets that parted late have an error no larger than the mean of the two; averages of nets from "
    "different initialisations are much worse."
)
SOURCE = "arXiv 1703.09833, Figs 1 E and 4; Review (2018), Fig. 5"
REPORTED = {
    "Fig. 1 E, 4": "averages within a basin are as good as its nets, across basins worse; walls only after very early "
    "splits or very large perturbations; no numbers",
    "elsewhere": "whether children that split at the start have a wall between them depends on the rate: on 10,000 "
    "images 0.002 at rate 0.01, 0.26 at rate 0.1, in a net without batch normalisation",
}


@dataclass(frozen=True)
class Config:
    """rates: the first is the source's; splits: epochs after which children part; the lengths are ours

    points: on each line; search: on each line between any two children of one parent; looks: epochs at which the
    half-way net is followed on the way; wall: in training error
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = None
    rates: tuple[float, ...] = (0.01, 0.03, 0.1)
    splits: tuple[int, ...] = (0, 1, 3, 10)
    epochs: int = 60
    batch: int = 100
    points: int = 21
    search: int = 7
    looks: tuple[int, ...] = (1, 2, 5, 10, 20, 40)
    repeats: int = 5
    wall: float = 0.02

    def __post_init__(self) -> None:
        ordered = (
            list(self.splits) == sorted(set(self.splits)) and self.splits[0] >= 0 and self.splits[-1] < self.epochs
        )
        if not ordered or self.repeats < 2 or min(self.points, self.search) < 3 or not self.rates:
            raise ValueError(
                f"{ID} needs rising splits below {self.epochs} epochs, a rate, 2 repeats and 3 points, got {self}"
            )


PRESETS = {
    "smoke": Config(data="digits", subset=(200, 50), rates=(0.1, 1.0), splits=(0, 3), epochs=4, batch=25, points=3,
                    search=3, looks=(2,), repeats=4),
    "cpu": Config(subset=(1500, 1000), rates=(0.01, 0.05, 0.2), splits=(0, 4), epochs=14, points=9, search=5,
                  looks=(1, 2, 5, 9), repeats=3),
    "paper": Config(),
}  # fmt: skip


class Label(NamedTuple):
    """split: the epoch at which the net left its parent, PARENT, or OTHER for one of another initialisation."""

    repeat: int
    rate: float
    split: int
    number: int


@dataclass(frozen=True)
class Net:
    """One trained net; weights: epoch -> (K,), of those that are looked at and of the last."""

    repeat: int
    rate: float
    split: int
    number: int
    model: nn.Module
    weights: dict[int, np.ndarray]


Start = tuple[Label, nn.Module]
Pair = tuple[nn.Module, nn.Module]


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
    """Train parents, children and independent nets; follow the error on the lines between them."""
    data = check_data(data)
    nets = _nets(config, data, seed, device, checkpoints)
    if progress is not None:
        progress(1, 2, f"{len(nets)} nets trained")
    rows: list[dict[str, Any]] = []
    curves: dict[tuple[str, float], list[tuple[Mixtures, Mixtures]]] = {}
    pairs = _pairs(nets, config)
    ways = {how: lines([pair for _, pair in pairs], data, device=device, points=config.points, statistics=how)
            for how in ("estimated", "averaged")}  # fmt: skip
    for (fields, pair), own, averaged in zip(pairs, ways["estimated"], ways["averaged"], strict=True):
        rows.append(fields | _measured(own, *pair) | {"barrier_averaged": barrier(averaged.error)})
        curves.setdefault((_name(fields), fields["rate"]), []).append((own, averaged))
    rows += _searched(nets, config, data, device) + _on_the_way(nets, config, data, device)
    if progress is not None:
        progress(2, 2, "lines followed")
    one = next(net.model for net in nets if net.split == config.splits[-1] and isinstance(net.model, PlainCNN))
    twin = lines([(one, permuted(one, seed))], data, device=device, points=config.search)[0]
    return Result(_claim(rows, twin, config, seed), rows, {"curves": curves, "config": config})


def _nets(config: Config, data: Data, seed: int, device: str, checkpoints: Path | None) -> list[Net]:
    """Of each repeat and rate: two children of each split, and one net from another initialisation (split -1)."""
    channels, size, _ = data.train_inputs.shape[1:]

    def fresh(repeat: int, start: int) -> PlainCNN:
        own = int(np.random.default_rng([seed, repeat, start]).integers(2**31))
        return PlainCNN(n_classes=data.n_classes, input_shape=(channels, size, size), seed=own)

    def train(starts: Sequence[Start], folder: str) -> list[Net]:
        path = None if checkpoints is None else checkpoints / folder
        jobs = [(model, _schedule(config, label, seed)) for label, model in starts]
        trained = train_each(jobs, data, device=device, checkpoints=path)
        return [
            Net(label.repeat, label.rate, label.split, label.number, model,
                {max(label.split, 0) + epoch: weights for epoch, weights in history.weights.items()})
            for (label, _), (model, history) in zip(starts, trained, strict=True)
        ]  # fmt: skip

    each = [(repeat, rate) for repeat in range(config.repeats) for rate in config.rates]
    parents = train([(Label(*of, PARENT, 0), fresh(of[0], 0)) for of in each], "parents")
    starts: list[Start] = [(Label(*of, OTHER, 0), fresh(of[0], 1)) for of in each]
    for parent in parents:
        for split in config.splits:
            for number in range(2):
                child = fresh(parent.repeat, 0)
                measure.set_weights(child, parent.weights[split])
                starts.append((Label(parent.repeat, parent.rate, split, number), child))
    return train(starts, "children")


def _schedule(config: Config, label: "Label", seed: int) -> TrainConfig:
    """Parents are trained up to the last split, others up to the end; each in an order of its own."""
    start, end = max(label.split, 0), config.splits[-1] if label.split == PARENT else config.epochs
    looked_at = {*config.looks, *config.splits, end}
    key = [seed, label.repeat, config.rates.index(label.rate), label.split - PARENT, label.number]
    return TrainConfig(
        end - start,
        config.batch,
        label.rate,
        every=end - start or 1,
        seed=int(np.random.default_rng(key).integers(2**31)),
        keep=tuple(sorted(epoch - start for epoch in looked_at if start <= epoch <= end)),
    )


def _name(fields: dict[str, Any]) -> str:
    return INDEPENDENT if fields["split"] == OTHER else f"split at {fields['split']}"


def _pairs(nets: Sequence[Net], config: Config) -> list[tuple[dict[str, Any], Pair]]:
    """Both children of each split; the independent net and a child of the first split."""
    at = {(net.repeat, net.rate, net.split, net.number): net.model for net in nets}
    found: list[tuple[dict[str, Any], Pair]] = []
    for repeat in range(config.repeats):
        for rate in config.rates:
            for split in (*config.splits, OTHER):
                kind = INDEPENDENT if split == OTHER else "children"
                fields = {"section": kind, "repeat": repeat, "rate": rate, "split": split, "epoch": config.epochs}
                other = at[repeat, rate, config.splits[0], 0] if split == OTHER else at[repeat, rate, split, 1]
                found.append((fields, (at[repeat, rate, split, 0], other)))
    return found


def _measured(way: Mixtures, first: nn.Module, second: nn.Module) -> dict[str, Any]:
    pair = np.stack([measure.weight_vector(first), measure.weight_vector(second)])
    return {
        "distance": float(measure.distances(pair, {"all": slice(None)})["all"][0, 1]),
        "barrier": barrier(way.error),
        "barrier_loss": barrier(way.loss),
        "ends_error": float((way.error[0] + way.error[-1]) / 2),
        "middle_error": float(way.error[len(way.error) // 2]),
        "barrier_averaged": float("nan"),
    }


def _searched(nets: Sequence[Net], config: Config, data: Data, device: str) -> list[dict[str, Any]]:
    """The search for walls: lines between any two children of one parent, of the first repeat."""
    pairs = [
        (a, b)
        for a, b in combinations([net for net in nets if net.repeat == 0 and net.split >= 0], 2)
        if a.rate == b.rate
    ]
    ways = lines([(a.model, b.model) for a, b in pairs], data, device=device, points=config.search)
    return [
        {"section": "all pairs", "repeat": 0, "rate": a.rate, "split": min(a.split, b.split), "epoch": config.epochs}
        | _measured(way, a.model, b.model)
        for (a, b), way in zip(pairs, ways, strict=True)
    ]


def _on_the_way(nets: Sequence[Net], config: Config, data: Data, device: str) -> list[dict[str, Any]]:
    """The net half-way between children of the first split, epoch by epoch."""
    twins = {(net.repeat, net.rate, net.split): net for net in nets if net.number == 1}
    keys, pairs = [], []
    for first in [net for net in nets if net.number == 0 and net.split == config.splits[0]]:
        other = twins[first.repeat, first.rate, first.split]
        for epoch in [epoch for epoch in first.weights if epoch > first.split]:
            ends = deepcopy(first.model), deepcopy(other.model)
            for end, net in zip(ends, (first, other), strict=True):
                measure.set_weights(end, net.weights[epoch])
            keys.append((first, epoch))
            pairs.append(ends)
    ways = lines(pairs, data, device=device, points=3)
    return [
        {"section": "on the way", "repeat": net.repeat, "rate": net.rate, "split": net.split, "epoch": epoch}
        | _measured(way, *pair)
        for (net, epoch), pair, way in zip(keys, pairs, ways, strict=True)
    ]


def _barriers(rows: Sequence[dict[str, Any]], section: str, rate: float, split: int) -> list[float]:
    """One value a repeat."""
    return [r["barrier"] for r in rows if (r["section"], r["rate"], r["split"]) == (section, rate, split)]


def _claim(rows: Sequence[dict[str, Any]], twin: Mixtures, config: Config, seed: int) -> Claim:
    late, rate = config.splits[-1], config.rates[0]
    near = comparisons.mean(_barriers(rows, "children", rate, late), 0.005)
    far = comparisons.mean(_barriers(rows, INDEPENDENT, rate, OTHER), 0.005)
    over = near.above(config.wall)
    cases = [
        Case(f"barrier between children that split at epoch {late}, rate {rate:g}", f"below {config.wall:g}",
             near.text(".3f"), None if over is None else not over),
        Case(f"barrier between nets of different initialisations, rate {rate:g}", f"above {config.wall:g}",
             far.text(".3f"), far.above(config.wall)),
    ]  # fmt: skip
    found = barrier(twin.error)
    control = Control(
        "a net and itself with its hidden units in another order, which is the same function: there must be a wall",
        f"barrier above {config.wall:g}",
        f"{found:.3f}",
        passed=found > config.wall,
    )
    return Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Student's interval over {config.repeats} repeats, 0.005 on either side for each of the two cases; "
        "the height of a wall is ours",
        seed=seed,
        note=_note(rows, config),
    )  # fmt: skip


def _note(rows: Sequence[dict[str, Any]], config: Config) -> str:
    said = []
    for rate in config.rates:
        values = [
            f"{'independent' if split == OTHER else split}: "
            f"{np.mean(_barriers(rows, INDEPENDENT if split == OTHER else 'children', rate, split)):.3f}"
            for split in (*config.splits, OTHER)
        ]
        some = [row for row in rows if row["section"] == "all pairs" and row["rate"] == rate]
        walls = [row for row in some if row["barrier"] > config.wall]
        said.append(
            f"rate {rate:g}: {', '.join(values)}; walls between {len(walls)} of {len(some)} pairs of children of one "
            f"parent, which are {min(r['distance'] for r in some):.2g} to {max(r['distance'] for r in some):.2g} apart"
        )
    own, averaged = (np.mean([row[key] for row in rows if row["section"] == "children"])
                     for key in ("barrier", "barrier_averaged"))  # fmt: skip
    return (
        f"Mean barriers by epoch of the split, {'; '.join(said)}. With averaged statistics of batch normalisation the "
        f"mean barrier of all children is {averaged:.3f} instead of {own:.3f}."
    )


def draw(result: Result) -> dict[str, Any]:
    """Errors along the lines with either statistics; barriers by rate and split; walls by distance; on the way."""
    return {"lines": _lines(result), "walls": _walls(result)}


def _lines(result: Result) -> Any:
    from empirical import plotting

    config, curves = result.series["config"], result.series["curves"]
    figure, places = plotting.panels(len(config.rates), 2, width=3.3)
    for k, (axes, rate) in enumerate(zip(places, [*config.rates, *config.rates], strict=True)):
        own = k < len(config.rates)
        series = {}
        for label in [name for name, at in curves if at == rate]:
            errors = [(pair[0] if own else pair[1]).error for pair in curves[label, rate]]
            a = np.linspace(0, 1, len(errors[0]))
            series[label] = (a, np.mean(errors, 0), np.std(errors, 0, ddof=1))
        title = f"rate {rate:g}, statistics {'estimated anew' if own else 'averaged'}"
        plotting.lines(series, x="position between the two nets", y="training error", title=title, axes=axes,
                       limits=(-0.02, 1.0))  # fmt: skip
    return figure


def _walls(result: Result) -> Any:
    from empirical import plotting

    config, rows = result.series["config"], result.table
    figure, places = plotting.panels(3, width=3.5)
    by_rate, least = {}, 1e-3
    for split in (*config.splits, OTHER):
        kind = INDEPENDENT if split == OTHER else "children"
        values = [_barriers(rows, kind, rate, split) for rate in config.rates]
        name = INDEPENDENT if split == OTHER else f"split at {split}"
        by_rate[name] = (config.rates, [np.mean(v) for v in values], [np.std(v, ddof=1) for v in values])
    plotting.lines(by_rate, x="rate", y="barrier in training error", log="x", axes=places[0])
    search = {}
    for rate in config.rates:
        some = [r for r in rows if r["rate"] == rate and (r["section"] == "all pairs" or r["section"] == INDEPENDENT)]
        search[f"rate {rate:g}"] = ([r["distance"] for r in some], [max(r["barrier"], least) for r in some])
    plotting.points(
        search, x="1 − cosine of the two nets", y=f"barrier ({least:g}: that or less)", log="xy", axes=places[1]
    )
    way = {}
    for rate in config.rates:
        some = [r for r in rows if (r["section"], r["rate"], r["split"]) == ("on the way", rate, config.splits[0])]
        epochs = sorted({r["epoch"] for r in some})
        values = [[r["middle_error"] - r["ends_error"] for r in some if r["epoch"] == at] for at in epochs]
        way[f"rate {rate:g}"] = (epochs, [np.mean(v) for v in values], [np.std(v, ddof=1) for v in values])
    title = f"split at {config.splits[0]}"
    plotting.lines(way, x="epoch", y="half-way error − mean of ends", title=title, axes=places[2])
    for axes in places:
        plotting.mark(axes, config.wall if axes is not places[2] else 0.0, "wall" if axes is not places[2] else "")
    return figure
