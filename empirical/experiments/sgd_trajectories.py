"""SGD run again and again from one point, and from points near it, stage after stage. The claim `sgd-trajectories`.

Each stage has several trajectories: some start at P, the end of the first trajectory of the stage before, the others at
P with Gaussian noise on each layer. All of it is done several times, from different initialisations.

The test: the spread of a stage is the mean distance (1 - cosine of all weights) between pairs of its ends. Over the
repeats, the logarithm of its ratio, last stage to first, has a mean whose Student interval (error rate 0.01 on either
side) lies below log(shrink) if later stages move less, above it if they do not. And no two ends may coincide.

The control puts the same measurement and test to trajectories that only diffuse: noise of one relative size in the
place of training. They do not settle, and the test must fail.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from empirical import comparisons, measure
from empirical.data import Data, square_images
from empirical.histories import check_finished
from empirical.models import PlainCNN
from empirical.records import Result
from empirical.train import Epoch, History, TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control

ID = "sgd-trajectories"
STATEMENT = (
    "SGD from one point, or from one slightly perturbed, ends at a different point each time, and the ends of later "
    "stages lie closer together."
)
SOURCE = "arXiv 1703.09833, Fig. 3"
REPORTED = {
    "Fig. 3": "12 stages of 8 trajectories, 10 epochs each, rate 0.01, batch 100; noise 0.01 S for trajectories 5 to "
    "8; maps by classical scaling of 1 - cosine, all stages, 1, 5 and 5 to 12; no numbers"
}


@dataclass(frozen=True)
class Config:
    """stages, same, perturbed, epochs, batch, rate, noise: of Fig. 3; momentum and decay are none, which is ours

    single: the stage that has a map of its own, and with which the map of the late stages begins
    layers: that have a figure; repeats: of all stages, from different initialisations
    shrink: the ratio of spreads, last stage to first, below which later stages move less
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = None
    stages: int = 12
    same: int = 4
    perturbed: int = 4
    epochs: int = 10
    batch: int = 100
    rate: float = 0.01
    noise: float = 0.01
    single: int = 5
    layers: tuple[str, ...] = ("2", "3", "4", "5", "6", "all")
    repeats: int = 5
    shrink: float = 0.5

    def __post_init__(self) -> None:
        if not (1 < self.single < self.stages and self.same > 1 and self.perturbed >= 0 and self.repeats > 1):
            raise ValueError(f"{ID} needs 1 < single < stages, same > 1, perturbed >= 0, repeats > 1, got {self}")


PRESETS = {
    "smoke": Config(data="digits", subset=(200, 100), stages=4, same=3, perturbed=2, epochs=2, rate=0.1, single=3,
                    layers=("all",), repeats=3),
    "cpu": Config(subset=(2000, 1000), stages=6, epochs=4, single=4, repeats=3),
    "paper": Config(),
}  # fmt: skip


@dataclass(frozen=True)
class Trajectory:
    """repeat, stage and number from 0, 1 and 1; weights: (snapshots, K), at the start first."""

    repeat: int
    stage: int
    number: int
    history: History
    weights: np.ndarray


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
    """Train all stages one after another, the trajectories of a stage side by side; measure how far they spread."""
    data = check_data(data)
    channels, size, _ = data.train_inputs.shape[1:]
    starts: list[nn.Module] = []
    for repeat in range(config.repeats):
        own = int(np.random.default_rng([seed, repeat]).integers(2**31))
        starts.append(PlainCNN(n_classes=data.n_classes, input_shape=(channels, size, size), seed=own))
    diffused = _diffusion(config, starts, seed)
    found: list[Trajectory] = []
    for stage in range(1, config.stages + 1):
        folder = None if checkpoints is None else checkpoints / f"stage-{stage:02d}"
        labels, jobs = _jobs(config, starts, stage, seed)
        trained = train_each(jobs, data, device=device, checkpoints=folder)
        check_finished((history for _, history in trained), ID)
        starts = [model for (_, number), (model, _) in zip(labels, trained, strict=True) if number == 1]
        for (repeat, number), (_, history) in zip(labels, trained, strict=True):
            weights = np.stack([*history.weights.values()])
            found.append(Trajectory(repeat, stage, number, history, weights))
        if progress is not None:
            progress(stage, config.stages, f"stage {stage} of {config.stages}")
    parts = measure.layers(starts[0])
    table = [row for repeat in range(config.repeats) for row in _rows(found, repeat, parts, config)]
    return Result(_claim(table, diffused, config, seed), table, _maps(found, parts, config))


def _jobs(
    config: Config, starts: Sequence[nn.Module], stage: int, seed: int
) -> tuple[list[tuple[int, int]], list[tuple[nn.Module, TrainConfig]]]:
    """(repeat, number) and net of each trajectory of a stage; only those of the first repeat are mapped on the way."""
    labels, jobs = [], []
    for repeat, point in enumerate(starts):
        shown = repeat == 0
        keep = tuple(range(config.epochs + 1)) if shown else (0, config.epochs)
        for number in range(1, config.same + config.perturbed + 1):
            own = int(np.random.default_rng([seed, repeat, stage, number]).integers(2**31))
            noise = config.noise if number > config.same else 0.0
            schedule = TrainConfig(config.epochs, config.batch, config.rate, every=1 if shown else config.epochs,
                                   seed=own, keep=keep)  # fmt: skip
            labels.append((repeat, number))
            jobs.append((measure.perturbed(point, noise, own), schedule))
    return labels, jobs


def _diffusion(config: Config, starts: Sequence[nn.Module], seed: int, sizes: Sequence[float] = (0.1,)) -> list[float]:
    """Logarithm of the ratio of spreads, last stage to first, of each repeat, where noise takes the place of training.

    sizes: of the noise, in S of each layer, stage by stage, the last one for all that follow
    """
    points, found = list(starts), []
    for stage in range(1, config.stages + 1):
        labels, jobs = _jobs(config, points, stage, seed)
        size = sizes[min(stage, len(sizes)) - 1]
        ends = [measure.perturbed(start, size, schedule.seed + 1) for start, schedule in jobs]
        points = [end for (_, number), end in zip(labels, ends, strict=True) if number == 1]
        nothing = History((Epoch(0, *[math.nan] * 4),), 0)
        for (repeat, number), (start, _), end in zip(labels, jobs, ends, strict=True):
            weights = np.stack([measure.weight_vector(start), measure.weight_vector(end)])
            found.append(Trajectory(repeat, stage, number, nothing, weights))
    rows = [row for r in range(config.repeats) for row in _rows(found, r, {"all": slice(None)}, config)]
    return _logarithms(rows, config, "all", "spread")


def _rows(found: Sequence[Trajectory], repeat: int, parts: dict[str, slice], config: Config) -> list[dict[str, Any]]:
    """One row a stage and layer: mean distance between ends, between starts and ends; errors at the ends."""
    rows = []
    for stage in range(1, config.stages + 1):
        some = [t for t in found if (t.repeat, t.stage) == (repeat, stage)]
        n = len(some)
        stack = np.concatenate([[t.weights[-1] for t in some], [t.weights[0] for t in some]])
        cosine, euclidean = (measure.distances(stack, parts, kind) for kind in ("cosine", "euclidean"))
        for layer in parts:
            ends, lengths = cosine[layer][:n, :n], euclidean[layer][:n, :n]
            pairs = np.triu_indices(n, 1)
            rows.append(
                {
                    "repeat": repeat,
                    "stage": stage,
                    "layer": layer,
                    "spread": float(ends[pairs].mean()),
                    "spread_same_start": float(
                        ends[: config.same, : config.same].sum() / config.same / (config.same - 1)
                    ),
                    "spread_euclidean": float(lengths[pairs].mean()),
                    "least": float(ends[pairs].min()),
                    "step": float(np.mean([cosine[layer][k, n + k] for k in range(n)])),
                    "train_error": float(np.mean([t.history.last.train_error for t in some])),
                    "test_error": float(np.mean([t.history.last.test_error for t in some])),
                }
            )
    return rows


def _logarithms(table: Sequence[dict[str, Any]], config: Config, layer: str, column: str) -> list[float]:
    """Of the ratio, last stage to first, one a repeat; 1e-15 stands for 0."""
    at = {(row["repeat"], row["stage"]): max(row[column], 1e-15) for row in table if row["layer"] == layer}
    return [math.log(at[r, config.stages] / at[r, 1]) for r in range(config.repeats)]


def _shrinkage(table: Sequence[dict[str, Any]], config: Config, layer: str, column: str) -> comparisons.Interval:
    return comparisons.mean(_logarithms(table, config, layer, column))


def _shrinks(ratio: comparisons.Interval, config: Config) -> Case:
    """The test of the file's head on the logarithm of the ratio."""
    above = ratio.above(math.log(config.shrink))
    name = f"spread of the ends, stage {config.stages} / stage 1, {config.repeats} repeats"
    return Case(name, f"below {config.shrink:g}", _factor(ratio), None if above is None else not above)


def _claim(table: Sequence[dict[str, Any]], diffused: Sequence[float], config: Config, seed: int) -> Claim:
    least = min(row["least"] for row in table if row["layer"] == "all")
    rounding = 1e-9  # two equal vectors of single precision come out at 1e-15 or less, one differing bit in each weight
    cases = [
        _shrinks(_shrinkage(table, config, "all", "spread"), config),
        Case("least distance of two ends of a stage", f"above {rounding:g}", f"{least:.2g}", least > rounding),
    ]
    return Claim.from_cases(
        cases,
        _control(diffused, config),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="Student's interval over repeats, 0.01 on either side; the ratio that counts is ours",
        seed=seed,
        note=_note(table, config),
    )


def _note(table: Sequence[dict[str, Any]], config: Config) -> str:
    layers = [layer for layer in dict.fromkeys(row["layer"] for row in table) if layer != "all"]
    ratios = [f"{layer}: {math.exp(_shrinkage(table, config, layer, 'spread').value):.2g}" for layer in layers]
    others = {
        "Euclidean": "spread_euclidean",
        "of the way from start to end": "step",
        "of trajectories from the same point alone": "spread_same_start",
    }
    said = [f"{name}: {_factor(_shrinkage(table, config, 'all', column))}" for name, column in others.items()]
    last = [row for row in table if row["stage"] == config.stages and row["layer"] == "all"]
    train, test = (np.mean([row[f"{part}_error"] for row in last]) for part in ("train", "test"))
    return (
        f"The same ratio by layer: {', '.join(ratios)}. All layers, {'; '.join(said)}. "
        f"Errors at the ends of the last stage: training {train:.1%}, test {test:.1%}."
    )


def _factor(interval: comparisons.Interval) -> str:
    """The interval of a logarithm as that of the factor."""
    return comparisons.Interval(*(math.exp(x) for x in (interval.value, interval.low, interval.high))).text(".2g")


def _control(diffused: Sequence[float], config: Config) -> Control:
    found = _shrinks(comparisons.mean(diffused), config)
    return Control(
        "noise of 0.1 S in the place of training, in all stages, so that nothing settles: the test must fail",
        f"interval above {config.shrink:g}",
        str(found.observed),
        passed=found.agrees is False,
    )


def _maps(found: Sequence[Trajectory], parts: dict[str, slice], config: Config) -> dict[str, Any]:
    """What the figures need of the first repeat: by layer and range of stages, the way of each trajectory."""
    shown = [t for t in found if t.repeat == 0]
    ranges = [(1, config.stages), (1, 1), (config.single, config.single), (config.single, config.stages)]
    distances = measure.distances(np.concatenate([t.weights for t in shown]), parts)
    owner = np.repeat(np.arange(len(shown)), [len(t.weights) for t in shown])
    maps: dict[str, list[dict[str, Any]]] = {layer: [] for layer in config.layers if layer in parts}
    for layer in maps:
        for first, last in ranges:
            chosen = [k for k, t in enumerate(shown) if first <= t.stage <= last]
            rows = np.flatnonzero(np.isin(owner, chosen))
            embedding = measure.embed(distances[layer][np.ix_(rows, rows)])
            maps[layer].append(
                {
                    "stages": (first, last),
                    "ways": [embedding.points[owner[rows] == k] for k in chosen],
                    "of": [(shown[k].stage, shown[k].number) for k in chosen],
                    "errors": [[e.train_error for e in shown[k].history.epochs] for k in chosen],
                    "share": embedding.share,
                    "stress": embedding.stress,
                }
            )
    return {"maps": maps, "config": config}


def draw(result: Result) -> dict[str, Any]:
    """As Fig. 3, for each layer and for all; and how spread and way shrink with the stages."""
    figures = {f"map-{'all' if k == 'all' else f'layer-{k}'}": _map(result, k) for k in result.series["maps"]}
    return {"spread": _spread(result), **figures}


def _map(result: Result, layer: str) -> Any:
    from empirical import plotting

    config = result.series["config"]
    figure, places = plotting.panels(2, 2, width=3.9, height=3.4)
    for axes, view in zip(places, result.series["maps"][layer], strict=True):
        first, last = view["stages"]
        quality = f"share {view['share']:.0%}, stress {view['stress']:.2f}"
        if first == last:
            names = [f"{number}{'' if number <= config.same else ', perturbed'}" for _, number in view["of"]]
            texts = {names[0]: [f"{e:.0%}" for e in view["errors"][0]]}
            ways = dict(zip(names, view["ways"], strict=True))
            plotting.paths(ways, texts=texts, title=f"stage {first}: {quality}", axes=axes)
            legend = axes.get_legend_handles_labels()
            if (own := axes.get_legend()) is not None:
                own.remove()  # it would cover the ways; one below the figure serves both panels
            axes.locator_params(nbins=4)
        else:
            ends = [
                f"{e[-1]:.0%}" if number == 1 else "" for (_, number), e in zip(view["of"], view["errors"], strict=True)
            ]
            stages = [stage for stage, _ in view["of"]]
            plotting.trails(view["ways"], stages, quantity="stage", texts=ends,
                            title=f"stages {first} to {last}: {quality}", axes=axes)  # fmt: skip
    name = "all layers" if layer == "all" else f"layer {layer}"
    figure.legend(*legend, loc="outside lower center", ncols=4, fontsize=8, title="trajectory")
    figure.suptitle(f"{name}: map of 1 − cosine, training error at the points", fontsize=9)
    return figure


def _spread(result: Result) -> Any:
    from empirical import plotting

    figure, places = plotting.panels(3, width=3.1)
    names = {"spread": "mean 1 − cosine between ends", "step": "mean 1 − cosine, start to end",
             "train_error": "training error at the ends"}  # fmt: skip
    for axes, (column, title) in zip(places, names.items(), strict=True):
        layers = dict.fromkeys(row["layer"] for row in result.table)
        series = {}
        for layer in layers if column != "train_error" else ["all"]:
            stages = sorted({row["stage"] for row in result.table})
            values = [[r[column] for r in result.table if (r["layer"], r["stage"]) == (layer, s)] for s in stages]
            name = "all layers" if layer == "all" else f"layer {layer}"
            series[name] = (stages, [np.mean(v) for v in values], [np.std(v, ddof=1) for v in values])
        plotting.lines(series, x="stage", y=title, log="" if column == "train_error" else "y", axes=axes)
    return figure
