"""Branches off a path of batch descent: do early ones end farther from the trunk than late ones? The claim `branches`.

The trunk is one run of batch descent. After some steps a copy gets Gaussian noise on each layer and descends on its own
up to the same total number of steps. So from several initialisations; an independent net stands beside each.

The noise alone puts a branch at 1 - cosine = 1 - 1 / sqrt(1 + noise^2) from the trunk, whatever training does. So what
counts is the excess: the distance at the end minus that right after the noise.

The test: the excess of the first branch minus that of the last has, over the repeats, a mean whose Student interval
(error rate 0.01 on either side) lies above 0 if earlier branches end farther away, below 0 if nearer. The control puts
it to a convex loss, where branches come back to the one minimum, the earlier the nearer: there it must lie below 0.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical import comparisons, interpolate, measure
from empirical.data import Data, shrunk, square_images
from empirical.evaluation import placed, reestimate_batchnorm
from empirical.histories import check_finished
from empirical.models import PlainCNN
from empirical.records import Result
from empirical.train import History, TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control

ID = "branches"
STATEMENT = "The earlier a branch leaves the path of batch descent, the farther from its end it ends."
SOURCE = "arXiv 1703.09833, Fig. 4"
REPORTED = {
    "Fig. 4": "noise of 0.25 S on all layers after 0, 10, 50 and 200 steps; maps of trunk and branches; the earlier, "
    "the more different; rate and total are not given"
}
TRUNK, INDEPENDENT, TWIN = "trunk", "independent", "twin"


@dataclass(frozen=True)
class Config:
    """branches, noise: steps at which they leave, and their noise in units of S: of Fig. 4; rate and steps are ours

    every: steps from one snapshot to the next; layers: that are mapped
    piece: images held at a time, None: all; repeats: from different initialisations
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = None
    branches: tuple[int, ...] = (0, 10, 50, 200)
    noise: float = 0.25
    rate: float = 0.1
    steps: int = 400
    every: int = 10
    layers: tuple[str, ...] = ("2", "3", "4", "5", "6", "all")
    piece: int | None = 5000
    repeats: int = 5

    def __post_init__(self) -> None:
        rising = list(self.branches) == sorted(set(self.branches))
        if len(self.branches) < 2 or not rising or not 0 <= self.branches[0] <= self.branches[-1] < self.steps:
            raise ValueError(f"branches must be two or more rising steps below {self.steps}, got {self.branches}")
        if self.noise <= 0 or self.repeats < 2 or self.every < 1:
            raise ValueError(f"{ID} needs noise above 0, 2 repeats and every 1 or more, got {self}")


PRESETS = {
    "smoke": Config(data="digits", subset=(200, 200), branches=(0, 4, 12), rate=0.5, steps=16, every=8,
                    layers=("all",), piece=None, repeats=3),
    "cpu": Config(subset=(2000, 1000), branches=(0, 10, 25, 45), rate=0.2, steps=60, every=15, piece=None, repeats=3),
    "paper": Config(),
}  # fmt: skip


@dataclass(frozen=True)
class Way:
    """A path of batch descent. name: TRUNK, INDEPENDENT, TWIN or the step at which it left the trunk, `start`.

    weights: step of the trunk -> (K,); predictions: class of each test image at the end
    """

    repeat: int
    name: str
    start: int
    history: History
    weights: dict[int, np.ndarray]
    predictions: np.ndarray


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
    """Descend the trunks and the independent nets, then the branches; measure how far apart they are on the way."""
    data = check_data(data)
    channels, size, _ = data.train_inputs.shape[1:]

    def fresh(key: Sequence[int]) -> nn.Module:
        own = int(np.random.default_rng([seed, *key]).integers(2**31))
        return PlainCNN(n_classes=data.n_classes, input_shape=(channels, size, size), seed=own)

    starts = [(r, name, 0, fresh([r, k])) for r in range(config.repeats) for k, name in enumerate((TRUNK, INDEPENDENT))]
    folder = None if checkpoints is None else checkpoints / "trunks"
    ways = _descend(starts, config, data, device, folder)
    if progress is not None:
        progress(1, 3, "trunks and independent nets descended")
    starts = []
    for trunk in [way for way in ways if way.name == TRUNK]:
        kinds = [(str(step), step, config.noise) for step in config.branches]
        kinds += [(TWIN, config.branches[0], 0.0)] if trunk.repeat == 0 else []
        for number, (name, step, noise) in enumerate(kinds):
            point = fresh([0])
            measure.set_weights(point, trunk.weights[step])
            own = int(np.random.default_rng([seed, trunk.repeat, 2 + number]).integers(2**31))
            starts.append((trunk.repeat, name, step, measure.perturbed(point, noise, own)))
    ways += _descend(starts, config, data, device, None if checkpoints is None else checkpoints / "branches")
    if progress is not None:
        progress(2, 3, "branches descended")
    table = _table(ways, config, data, fresh([0]), device)
    convex = convex_contrast(config, data, seed, device)
    return Result(_claim(table, convex, config, seed), table, _maps(ways, measure.layers(fresh([0])), config))


def _descend(
    starts: Sequence[tuple[int, str, int, nn.Module]],
    config: Config,
    data: Data,
    device: str,
    folder: Path | None,
    decay: float = 0.0,
) -> list[Way]:
    """Batch descent of each net up to the same total number of steps; starts: repeat, name, step, net."""
    jobs = []
    for _, _, start, model in starts:
        kept = {0, *(step - start for step in (*_grid(config), *config.branches) if step >= start)}
        steps = config.steps - start
        jobs.append((model, TrainConfig(steps, None, config.rate, every=config.every, piece=config.piece,
                                        keep=tuple(sorted(kept)), decay=decay)))  # fmt: skip
    ways = []
    trained = train_each(jobs, data, device=device, checkpoints=folder)
    check_finished((history for _, history in trained), ID)
    for (repeat, name, start, _), (model, history) in zip(starts, trained, strict=True):
        weights = {start + step: vector for step, vector in history.weights.items()}
        ways.append(Way(repeat, name, start, history, weights, _predictions(model, data)))
    return ways


def convex_contrast(config: Config, data: Data, seed: int, device: str, pull: float = 1.0) -> Case:
    """The test on a loss with one minimum: a linear net on coarse images, with weight decay, that stands there already.

    Both branches of a repeat have the same noise.
    pull: the share that weight decay takes off the weights while the trunk is descended; at 0 the noise stays in all
    directions that the data leave flat
    """
    coarse = shrunk(data, max(1, data.train_inputs.shape[-1] // 4))
    decay = pull / config.steps / config.rate
    before = TrainConfig(10 * config.steps, None, config.rate, every=10 * config.steps, decay=decay)
    jobs = []
    for repeat in range(config.repeats):
        linear = nn.Linear(coarse.train_inputs[0].numel(), data.n_classes)
        own = torch.Generator().manual_seed(int(np.random.default_rng([seed, repeat, 99]).integers(2**31)))
        with torch.no_grad():
            linear.weight.copy_(torch.randn(linear.weight.shape, generator=own))
            linear.bias.zero_()
        jobs.append((nn.Sequential(nn.Flatten(), linear), before))
    minima = [model for model, _ in train_each(jobs, coarse, device=device)]
    starts = []
    for repeat, model in enumerate(minima):
        starts.append((repeat, TRUNK, 0, deepcopy(model)))
        same = int(
            np.random.default_rng([seed, repeat, 100]).integers(2**31)
        )  # so few weights: noises differ in length
        for step in (config.branches[0], config.branches[-1]):
            starts.append((repeat, str(step), step, measure.perturbed(model, config.noise, same)))
    ways = _descend(starts, config, coarse, device, None, decay)
    excess = [[_excess(ways[3 * r], ways[3 * r + k], config.steps) for r in range(config.repeats)] for k in (1, 2)]
    return _contrast(excess[0], excess[1], config)


def _excess(trunk: Way, way: Way, step: int) -> float:
    """1 - cosine to the trunk at a step, all weights, minus that right after the noise."""
    pairs = [np.stack([trunk.weights[at], way.weights[at]]) for at in (way.start, step)]
    before, now = (float(measure.distances(pair, {"all": slice(None)})["all"][0, 1]) for pair in pairs)
    return now - before


def _grid(config: Config) -> list[int]:
    """The steps at which trunk and branches are compared, and when the first is as old as the last."""
    same_age = config.branches[0] + config.steps - config.branches[-1]
    return sorted({*range(0, config.steps, config.every), same_age, config.steps})


@torch.inference_mode()
def _predictions(model: nn.Module, data: Data) -> np.ndarray:
    reestimate_batchnorm(model, placed(data.train_inputs, model, "cpu"))
    model.eval()
    return torch.cat([model(some).argmax(1) for some in placed(data.test_inputs, model, "cpu").split(500)]).numpy()


def _table(ways: Sequence[Way], config: Config, data: Data, net: nn.Module, device: str) -> list[dict[str, Any]]:
    """One row a repeat, branch and step: distances from the trunk by layer; errors of both, and half-way."""
    parts, rows = measure.layers(net), []
    compared = []
    for way in ways:
        trunk = next(w for w in ways if (w.repeat, w.name) == (way.repeat, TRUNK))
        if way is not trunk:
            steps = sorted({way.start, *(step for step in _grid(config) if step >= way.start)})
            compared.append((trunk, way, steps, [np.stack([w.weights[step] for w in (trunk, way)]) for step in steps]))
    errors = iter(_errors([pair for *_, pairs in compared for pair in pairs], data, net, device))
    for trunk, way, steps, pairs in compared:
        apart = [{layer: d[0, 1] for layer, d in measure.distances(pair, parts).items()} for pair in pairs]
        disagree = float(np.mean(trunk.predictions != way.predictions))
        for step, distance in zip(steps, apart, strict=True):
            of_trunk, middle, own = next(errors)
            rows.append(
                {
                    "repeat": way.repeat,
                    "branch": way.name,
                    "left": way.start,
                    "step": step,
                    **{f"distance_{layer}": value for layer, value in distance.items()},
                    "excess": distance["all"] - apart[0]["all"],
                    "trunk_error": of_trunk,
                    "error": own,
                    "middle_error": middle,
                    "predicted_differently": disagree if step == config.steps else float("nan"),
                    "test_error": way.history.last.test_error,
                }
            )
    return rows


def _errors(pairs: Sequence[np.ndarray], data: Data, net: nn.Module, device: str) -> list[list[float]]:
    """Training errors of trunk, average and branch, each with statistics of its own."""
    ends = []
    for pair in pairs:
        models = [deepcopy(net) for _ in pair]
        for model, weights in zip(models, pair, strict=True):
            measure.set_weights(model, weights)
        ends.append((models[0], models[1]))
    return [way.error.tolist() for way in interpolate.lines(ends, data, points=3, device=device)]


def _ends(table: Sequence[dict[str, Any]], branch: str, column: str, step: int) -> list[float]:
    """A column at one step, one value a repeat."""
    return [row[column] for row in table if (row["branch"], row["step"]) == (branch, step)]


def _contrast(early: Sequence[float], late: Sequence[float], config: Config) -> Case:
    """The test of the file's head on the excess of the first and of the last branch, one value a repeat."""
    contrast = comparisons.mean(np.array(early) - np.array(late))
    first, last = config.branches[0], config.branches[-1]
    return Case(
        f"excess distance at step {config.steps}, branch at {first} minus branch at {last}, {config.repeats} repeats",
        "above 0",
        contrast.text(".2g"),
        contrast.above(0),
    )


def _claim(table: list[dict[str, Any]], convex: Case, config: Config, seed: int) -> Claim:
    first, last = (str(config.branches[k]) for k in (0, -1))
    early, late = (_ends(table, name, "excess", config.steps) for name in (first, last))
    case = _contrast(early, late, config)
    (twin,) = _ends(table, TWIN, "distance_all", config.steps)
    moved = _ends(table, first, "distance_all", config.steps)[0]
    control = Control(
        f"the test on a convex loss, where early branches have come back farther; and a branch at {first} without "
        "noise, which must not leave the trunk",
        f"below 0; at most a hundredth of the distance with noise, {moved:.2g}",
        f"{convex.observed}; {twin:.2g}",
        passed=convex.agrees is False and twin <= moved / 100,
    )
    return Claim.from_cases(
        [case],
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="Student's interval over repeats, 0.01 on either side",
        seed=seed,
        note=_note(table, config),
    )


def _note(table: list[dict[str, Any]], config: Config) -> str:
    said = []
    for name in (*map(str, config.branches), INDEPENDENT):
        label, column = f"branch at {name}: excess", "excess"
        if name == INDEPENDENT:
            label, column = "independent net: distance", "distance_all"
        apart, differently, error, middle = (
            np.mean(_ends(table, name, key, config.steps))
            for key in (column, "predicted_differently", "error", "middle_error")
        )
        said.append(
            f"{label} {apart:.2g}, {differently:.0%} of test images predicted differently, training error {error:.1%}, "
            f"half-way {middle:.1%}"
        )
    age = config.steps - config.branches[-1]
    ends = (config.branches[0], config.branches[-1])
    early, late = (np.array(_ends(table, str(left), "excess", left + age)) for left in ends)
    return (
        f"1 - cosine of the noise alone is {_floor(config):.4f}. At the end, means: {'; '.join(said)}. "
        f"At the same age, {age} steps after leaving, first minus last: {comparisons.mean(early - late).text('.2g')}."
    )


def _floor(config: Config) -> float:
    """1 - cosine that noise alone brings about, in high dimension, for weights of mean zero."""
    return 1 - (1 + config.noise**2) ** -0.5


def _maps(ways: Sequence[Way], parts: dict[str, slice], config: Config) -> dict[str, Any]:
    """What the figures need of the first repeat: by layer the map of trunk and branches."""
    shown = [way for way in ways if way.repeat == 0 and way.name not in (TWIN, INDEPENDENT)]
    stack = np.concatenate([np.stack([*way.weights.values()]) for way in shown])
    owner = np.repeat(np.arange(len(shown)), [len(way.weights) for way in shown])
    chosen = {layer: parts[layer] for layer in config.layers if layer in parts}
    maps = {}
    for layer, distances in measure.distances(stack, chosen).items():
        embedding = measure.embed(distances)
        maps[layer] = (embedding, [embedding.points[owner == k] for k in range(len(shown))])
    labels = ["trunk" if way.name == TRUNK else f"branch at {way.name}" for way in shown]
    ends = [f"{way.history.last.train_error:.1%}" for way in shown]
    return {"maps": maps, "labels": labels, "ends": ends, "config": config}


def draw(result: Result) -> dict[str, Any]:
    """As Fig. 4: maps of trunk and branches by layer; distances, and errors half-way, step by step."""
    from empirical import plotting

    series = result.series
    figure, places = plotting.panels(min(3, len(series["maps"])), -(-len(series["maps"]) // 3), width=3.6, height=3.3)
    for axes, (layer, (embedding, ways)) in zip(places, series["maps"].items(), strict=False):
        name = "all layers" if layer == "all" else f"layer {layer}"
        texts = {label: [""] * (len(way) - 1) + [end]
                 for label, way, end in zip(series["labels"], ways, series["ends"], strict=True)}  # fmt: skip
        plotting.paths(dict(zip(series["labels"], ways, strict=True)), texts=texts, axes=axes,
                       title=f"{name}: share {embedding.share:.0%}, stress {embedding.stress:.2f}")  # fmt: skip
    return {"maps": figure, "distances": _distances(result)}


def _distances(result: Result) -> Any:
    from empirical import plotting

    config = result.series["config"]
    figure, places = plotting.panels(3, width=3.4)
    columns = {"distance_all": "1 − cosine, branch to trunk", "excess": "the same, minus that of the noise",
               "middle_error": "training error half-way"}  # fmt: skip
    for axes, (column, title) in zip(places, columns.items(), strict=True):
        series = {}
        for name in (*map(str, config.branches), INDEPENDENT):
            if column == "excess" and name == INDEPENDENT:
                continue
            rows = [row for row in result.table if row["branch"] == name]
            steps = sorted({row["step"] for row in rows})
            values = [[row[column] for row in rows if row["step"] == step] for step in steps]
            label = "independent net" if name == INDEPENDENT else f"branch at {name}"
            series[label] = (steps, [np.mean(v) for v in values], [np.std(v, ddof=1) for v in values])
        log = "y" if column == "distance_all" else ""
        plotting.lines(series, x="steps of batch descent", y=title, log=log, markers=False, axes=axes)
    plotting.mark(places[0], _floor(config), "noise alone", below=True, left=True)
    return figure
