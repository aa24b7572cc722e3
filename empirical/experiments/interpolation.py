"""Nets between two trained nets: where are there walls? The claim `interpolation`.

A parent is trained by SGD; after some epochs two children go on from it with orders of images of their own, up to the
same total. The earlier the split and the larger the rate, the farther apart they end. Training error is followed on the
straight line between them, statistics of batch normalisation estimated at every point (and, for comparison, averaged).
A barrier is how far it rises above the chord. A net trained from another initialisation stands beside each pair.

The test: mean barriers over the repeats have Student intervals, error rate 0.01 on either side shared by the two cases.
For children that split last, at the source's rate, it must lie below the height of a wall; for independent nets above.
The control puts the first test to pairs that are no children: a net and itself with its hidden units in another order.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from empirical import comparisons, measure
from empirical.data import Data, square_images
from empirical.interpolate import Mixtures, barrier, lines
from empirical.lineages import OTHER, Label, Net, Plan, lineages
from empirical.models import PlainCNN, permuted
from empirical.records import Result
from theory.claims.claim import Case, Claim, Control

ID = "interpolation"
INDEPENDENT = "independent"
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
    "smoke": Config(data="digits", subset=(200, 50), rates=(0.1, 1.0), splits=(0, 2), epochs=3, batch=50, points=3,
                    search=3, looks=(1,), repeats=4),
    "cpu": Config(subset=(2000, 1000), rates=(0.01, 0.05, 0.2), splits=(0, 4), epochs=14, points=9, search=5,
                  looks=(1, 2, 5, 9), repeats=3),
    "paper": Config(),
}  # fmt: skip


Asked = tuple[dict[str, Any], nn.Module, nn.Module]  # what a row says of two nets, and the two


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
    plan = Plan(config.repeats, config.rates, config.splits, config.epochs, config.batch, config.looks)
    nets = {net.label: net for net in lineages(plan, data, seed=seed, device=device, checkpoints=checkpoints)}
    if progress is not None:
        progress(1, 2, f"{len(nets)} nets trained")

    def along(asked: Sequence[Asked], points: int, statistics: str = "estimated") -> list[Mixtures]:
        return lines([(a, b) for _, a, b in asked], data, device=device, points=points, statistics=statistics)

    pairs = _pairs(nets, config)
    own, averaged = (along(pairs, config.points, how) for how in ("estimated", "averaged"))
    rows = [
        _row(*ask, way) | {"barrier_averaged": barrier(a.error)}
        for ask, way, a in zip(pairs, own, averaged, strict=True)
    ]
    for asked, points in ((_any_two(nets, config), config.search), (_on_the_way(nets, config), 3)):
        rows += [_row(*ask, way) for ask, way in zip(asked, along(asked, points), strict=True)]
    if progress is not None:
        progress(2, 2, "lines followed")
    twins = [barrier(way.error) for way in along(_reordered(nets, config, seed), config.points)]
    curves: dict[tuple[str, float], list[tuple[Mixtures, Mixtures]]] = {}
    for (fields, *_), *both in zip(pairs, own, averaged, strict=True):
        name = INDEPENDENT if fields["split"] == OTHER else f"split at {fields['split']}"
        curves.setdefault((name, fields["rate"]), []).append((both[0], both[1]))
    return Result(_claim(rows, twins, config, len(data.train_inputs), seed), rows, {"curves": curves, "config": config})


def _fields(section: str, label: Label, epoch: int) -> dict[str, Any]:
    return {"section": section, "repeat": label.repeat, "rate": label.rate, "split": label.split, "epoch": epoch}


def _pairs(nets: Mapping[Label, Net], config: Config) -> list[Asked]:
    """Both children of each split; the independent net and a child of the first split."""
    found = []
    for label, net in nets.items():
        if label.number == 0:
            independent = label.split == OTHER
            twin = replace(label, split=config.splits[0]) if independent else replace(label, number=1)
            kind = INDEPENDENT if independent else "children"
            found.append((_fields(kind, label, config.epochs), net.model, nets[twin].model))
    return found


def _any_two(nets: Mapping[Label, Net], config: Config) -> list[Asked]:
    """The search for walls: any two children of one parent, of the first repeat."""
    return [
        (_fields("all pairs", a.label, config.epochs), a.model, b.model)
        for a, b in combinations([net for label, net in nets.items() if label.repeat == 0 and label.split >= 0], 2)
        if a.label.rate == b.label.rate
    ]


def _on_the_way(nets: Mapping[Label, Net], config: Config) -> list[Asked]:
    """Children of the first split, epoch by epoch."""
    found: list[Asked] = []
    for label, first in nets.items():
        if label.split == config.splits[0] and label.number == 0:
            other = nets[replace(label, number=1)]
            for epoch in [epoch for epoch in first.weights if epoch > label.split]:
                ends = deepcopy(first.model), deepcopy(other.model)
                for end, net in zip(ends, (first, other), strict=True):
                    measure.set_weights(end, net.weights[epoch])
                found.append((_fields("on the way", label, epoch), *ends))
    return found


def _reordered(nets: Mapping[Label, Net], config: Config, seed: int) -> list[Asked]:
    """Of each repeat a child of the last split, at the source's rate, and itself with its units in another order."""
    found: list[Asked] = []
    for repeat in range(config.repeats):
        one = nets[Label(repeat, config.rates[0], config.splits[-1], 0)].model
        assert isinstance(one, PlainCNN)
        found.append(({}, one, permuted(one, seed + repeat)))
    return found


def _row(fields: dict[str, Any], first: nn.Module, second: nn.Module, way: Mixtures) -> dict[str, Any]:
    pair = np.stack([measure.weight_vector(first), measure.weight_vector(second)])
    return fields | {
        "distance": float(measure.distances(pair, {"all": slice(None)})["all"][0, 1]),
        "barrier": barrier(way.error),
        "barrier_loss": barrier(way.loss),
        "ends_error": float((way.error[0] + way.error[-1]) / 2),
        "middle_error": float(way.error[len(way.error) // 2]),
        "barrier_averaged": float("nan"),
    }


def _barriers(rows: Sequence[dict[str, Any]], section: str, rate: float, split: int) -> list[float]:
    """One value a repeat."""
    return [r["barrier"] for r in rows if (r["section"], r["rate"], r["split"]) == (section, rate, split)]


def _no_wall(name: str, barriers: Sequence[float], config: Config, images: int) -> Case:
    """Whether the mean of independent barriers lies below the height of a wall."""
    mean = comparisons.mean_share(barriers, images, 0.005)
    over = mean.above(config.wall)
    return Case(name, f"below {config.wall:g}", mean.text(".3f"), None if over is None else not over)


def _claim(rows: Sequence[dict[str, Any]], twins: Sequence[float], config: Config, images: int, seed: int) -> Claim:
    late, rate = config.splits[-1], config.rates[0]
    far = comparisons.mean_share(_barriers(rows, INDEPENDENT, rate, OTHER), images, 0.005)
    cases = [
        _no_wall(f"barrier between children that split at epoch {late}, rate {rate:g}",
                 _barriers(rows, "children", rate, late), config, images),
        Case(f"barrier between nets of different initialisations, rate {rate:g}", f"above {config.wall:g}",
             far.text(".3f"), far.above(config.wall)),
    ]  # fmt: skip
    same = _no_wall("a net and itself", twins, config, images)
    control = Control(
        "each child and itself with its hidden units in another order, the same function: the first case must fail",
        f"barrier above {config.wall:g}",
        str(same.observed),
        passed=same.agrees is False,
    )
    return Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Student's interval over {config.repeats} repeats, 0.005 on either side for each of the two cases, "
        f"and at least Wilson's of {images} images each; "
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
