"""SGD, Adam, and a switch from SGD to Adam at epoch t: where do they end? The claim `strategies`.

The same net from the same start, the same order of images; SGD all the way, Adam all the way, SGD up to epoch t and
Adam from there. Compared are the barrier on the line between the ends, the test errors, and the size of the basins: the
filter-normalised distance at which the loss has risen by `rise` (batch normalisation estimated anew everywhere).

The test, for each of the four parts of the statement Student's interval over seeds, error rate 0.01 shared by them:
barriers between SGD's end and the first and last switch lie above `margin`, the gap in test error within +-`gap`,
Adam's radius above SGD's.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from empirical.data import Data, shrunk, square_images
from empirical.flatness import directions, radii
from empirical.interpolate import barrier, line
from empirical.measure import set_weights, weight_vector
from empirical.models import PlainCNN
from empirical.records import Result
from empirical.train import TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control
from theory.confidence import above, student

ID = "strategies"
STATEMENT = (
    "SGD, Adam and a switch from SGD to Adam end in different basins with similar errors, even after a late switch; "
    "Adam's basin is larger."
)
SOURCE = "slides (Im et al. 2016, arXiv 1612.04010)"
REPORTED = {
    "slide": "NIN on CIFAR-10, SGD 0.1 -> Adam 0.0001 at epoch t: bumps between the ends, Adam's basin larger",
    "abstract": "optimizers end in different minima from one start, even when switched late",
}
BRANCH = "SGD, other order"
ERROR_RATE = 0.01 / 4  # Bonferroni


@dataclass(frozen=True)
class Config:
    """channels, hidden: of the plain CNN; shrink: images are averaged over squares of this side

    rates: of SGD and of Adam; switches: epochs after which Adam takes over, 0: Adam all the way
    rise: of the loss that ends a basin, as a share of the loss of guessing; lines: directions it is looked for in
    margin: of barriers, as a share of the loss of guessing; gap: of test errors that are similar
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = (2000, 1000)
    shrink: int = 2
    channels: tuple[int, ...] = (16, 32)
    hidden: tuple[int, ...] = (64,)
    epochs: int = 16
    batch: int = 100
    rates: tuple[float, float] = (0.1, 0.001)
    switches: tuple[int, ...] = (0, 4, 8, 12)
    seeds: int = 5
    points: int = 11
    images: int = 500
    lines: int = 3
    rise: float = 0.2
    margin: float = 0.02
    gap: float = 0.05


PRESETS = {
    "smoke": Config(data="digits", subset=(600, 300), shrink=1, channels=(4,), hidden=(16,), epochs=8, batch=20,
                    rates=(0.1, 0.005), switches=(0, 4), seeds=3, points=5, images=200, lines=1, gap=0.1),
    "cpu": Config(),
    "paper": Config(subset=None, shrink=1, channels=(32, 64, 64), hidden=(128,), epochs=60, switches=(0, 10, 20, 40),
                    images=10_000, lines=10, points=41),
}  # fmt: skip


@dataclass(frozen=True)
class End:
    """Where one way of training ended: barrier on the line to SGD's end, in shares of the loss of guessing; distance to
    it, as a share of the length of SGD's weights; length of the weights; radius of the basin."""

    way: str
    number: int
    train_loss: float
    test_error: float
    barrier: float
    distance: float
    length: float
    radius: float


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
    """Train all ways and compare their ends. Raises ValueError where the data are not square images."""
    data = shrunk(check_data(data), config.shrink)
    ways = train_all(config, data, seed, device, progress, checkpoints)
    inputs, labels = data.train_inputs[: config.images], data.train_labels[: config.images]
    none, no_labels = data.test_inputs[:0], data.test_labels[:0]
    some = replace(data, train_inputs=inputs, train_labels=labels, test_inputs=none, test_labels=no_labels)
    guessing, ends, profiles = float(np.log(data.n_classes)), [], {}
    for (way, number), (model, history) in ways.items():
        sgd = ways["SGD", number][0]
        seen = line(sgd, model, some, points=config.points, device=device).loss / guessing
        profiles[way, number] = seen
        weights, reference = weight_vector(model), weight_vector(sgd)
        steps = directions(model, config.lines, seed + number, "filter")
        wide = radii(model, some, steps, config.rise * guessing, tolerance=0.02, start=0.3, device=device)
        apart = float(np.linalg.norm(weights - reference) / np.linalg.norm(reference))
        ends.append(End(way, number, history.last.train_loss, history.last.test_error, barrier(seen), apart,
                        float(np.linalg.norm(weights)), float(wide.mean())))  # fmt: skip
    claim = Claim.from_cases(
        _cases(ends, config),
        _control(ends, config),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Student's intervals over {config.seeds} seeds, error rate 0.01 shared by four tests; barriers "
        f"against {config.margin:.0%} of the loss of guessing, test errors within {config.gap:.0%}",
        seed=seed,
        note="; ".join(_described(ends, way) for way in dict.fromkeys(end.way for end in ends)),
    )
    return Result(claim, [vars(end) for end in ends], {"profiles": profiles})


def draw(result: Result) -> dict[str, Any]:
    """Lines from SGD's end to the others, mean of the seeds; test error and radius of each way."""
    from empirical import plotting

    ways = list(dict.fromkeys(row["way"] for row in result.table))
    profiles = {}
    for way in ways[1:]:
        seen = [losses for (name, _), losses in result.series["profiles"].items() if name == way]
        profiles[way] = (np.linspace(0, 1, len(seen[0])), np.mean(seen, 0), np.std(seen, 0))
    figure, (left, middle, right) = plotting.panels(3, width=3.3, height=3.0)
    plotting.lines(profiles, x="from SGD's end (0) to the other (1)", y="loss, share of guessing", first=1, axes=left)
    for axes, key, label in (
        (middle, "test_error", "test error"),
        (right, "radius", "radius, in lengths of the filters"),
    ):
        columns = [[row[key] for row in result.table if row["way"] == way] for way in ways]
        values = {way: (np.full(len(c), k), c) for k, (way, c) in enumerate(zip(ways, columns, strict=True))}
        plotting.points(values, x="way of training", y=label, axes=axes)
        axes.set_xticks(range(len(ways)), [way.replace(", ", "\n").replace(" at", "\nat") for way in ways], fontsize=6)
        axes.legend().set_visible(False)  # the ways stand below
    return {"ends": figure}


def train_all(
    config: Config, data: Data, seed: int, device: str, progress: Any, checkpoints: Path | None
) -> dict[tuple[str, int], tuple[nn.Module, Any]]:
    """(way, number) -> trained net and history; SGD first, the other ways from the weights it had at their switch."""
    kept = tuple(sorted({*config.switches}))
    channels, size, _ = data.train_inputs.shape[1:]
    start, plain = [], []
    for own in range(seed, seed + config.seeds):
        start.append(PlainCNN(channels=config.channels, hidden=config.hidden, n_classes=data.n_classes,
                              input_shape=(channels, size, size), seed=own))  # fmt: skip
        plain.append(
            TrainConfig(config.epochs, config.batch, config.rates[0], every=config.epochs, seed=own, keep=kept)
        )
    first = train_each(list(zip(map(deepcopy, start), plain, strict=True)), data, device=device, progress=progress,
                       checkpoints=_inside(checkpoints, "sgd"))  # fmt: skip
    found: dict[tuple[str, int], Any] = {("SGD", n): pair for n, pair in enumerate(first)}
    names, jobs = [], []
    for n, (_, history) in enumerate(first):
        for t, way in [*((t, name(t)) for t in config.switches), (config.switches[-1], BRANCH)]:
            model = deepcopy(start[n])
            set_weights(model, history.weights[t])
            adam = way != BRANCH
            rest = TrainConfig(config.epochs - t, config.batch, config.rates[int(adam)], every=config.epochs,
                               seed=seed + n + 1000, optimizer="adam" if adam else "sgd")  # fmt: skip
            names.append((way, n))
            jobs.append((model, rest))
    second = train_each(jobs, data, device=device, progress=progress, checkpoints=_inside(checkpoints, "switched"))
    return found | dict(zip(names, second, strict=True))


def name(switch: int) -> str:
    """How a way of training is called."""
    return "Adam" if switch == 0 else f"Adam at {switch}"


def _inside(folder: Path | None, part: str) -> Path | None:
    return None if folder is None else folder / part


def _values(ends: Sequence[End], way: str, key: str) -> np.ndarray:
    return np.array([getattr(end, key) for end in ends if end.way == way])


def _cases(ends: Sequence[End], config: Config) -> list[Case]:
    cases = []
    for switch in dict.fromkeys((config.switches[0], config.switches[-1])):
        low, high = student(_values(ends, name(switch), "barrier"), ERROR_RATE)
        shown = f"{(low + high) / 2:.3f}, interval {low:.3f} to {high:.3f}"
        agrees = above(low, high, config.margin)
        cases.append(Case(f"barrier between SGD and {name(switch)}", f"> {config.margin:g}", shown, agrees))
    low, high = student(_values(ends, "Adam", "test_error") - _values(ends, "SGD", "test_error"), ERROR_RATE)
    inside = True if -config.gap < low and high < config.gap else None
    agrees = False if low > config.gap or high < -config.gap else inside
    shown = f"{(low + high) / 2:+.3f}, interval {low:+.3f} to {high:+.3f}"
    cases.append(Case("test error, Adam minus SGD", f"within +-{config.gap:g}", shown, agrees))
    low, high = student(np.log(_values(ends, "Adam", "radius") / _values(ends, "SGD", "radius")), ERROR_RATE)
    shown = f"{(low + high) / 2:+.3f}, interval {low:+.3f} to {high:+.3f}"
    agrees = above(low, high, effect=0.05)
    return [*cases, Case("log of Adam's radius over SGD's", "> 0", shown, agrees)]


def _control(ends: Sequence[End], config: Config) -> Control:
    high = student(_values(ends, BRANCH, "barrier"))[1]
    return Control(
        f"SGD gone on from epoch {config.switches[-1]} with another order of images: it must stay in SGD's basin",
        f"barrier < {config.margin:g}",
        f"upper end of the interval {high:.3f}",
        passed=high < config.margin,
    )


def _described(ends: Sequence[End], way: str) -> str:
    means: Mapping[str, float] = {
        key: float(_values(ends, way, key).mean())
        for key in ("train_loss", "test_error", "barrier", "distance", "length", "radius")
    }
    return f"{way}: " + ", ".join(f"{key.replace('_', ' ')} {value:.3g}" for key, value in means.items())
