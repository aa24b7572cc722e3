"""Noise of growing size on a trained net, and training again: same basin or another? The claim `perturbation-size`.

A trained net's layers get Gaussian noise of c times their own standard deviation; the net is trained again; then the
training error is followed on the straight line between the net before and the net after (statistics of batch
normalisation estimated at every point). A barrier is how far it rises above the chord.

The test: the mean barrier over independent nets has Student's interval, error rate 0.01 on either side shared by the
two sizes compared. At the smallest noise it must lie below the height of a wall, at the largest above it. The control
puts the first of these to nets from independent starts, which are in no common basin: there it must fail.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from empirical import comparisons, measure
from empirical.data import Data, square_images
from empirical.histories import check_finished
from empirical.interpolate import Mixtures, barrier, lines
from empirical.models import PlainCNN
from empirical.records import Result
from empirical.train import TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control

ID = "perturbation-size"
STATEMENT = "A trained net with small noise trains back into the same basin; with large noise it ends in another."
SOURCE = "Review (2018), section 5 and Fig. 1 D"
REPORTED = {
    "Fig. 1 D": "a cartoon: small noise, same basin; large noise, another",
    "sizes used": {"Fig. 3": 0.01, "Fig. 5": 0.1, "Fig. 4": 0.25},  # times the layer's standard deviation
}


@dataclass(frozen=True)
class Config:
    """The sizes between the source's and beyond, the lengths of the trainings and the height of a wall are ours.

    scales: of the noise, growing, in standard deviations of each layer's weights
    epochs, again: of training before and after the noise; points: on each line; wall: in training error
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = None
    epochs: int = 60
    again: int = 60
    batch: int = 100
    rate: float = 0.01
    scales: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0, 2.0)
    points: int = 21
    nets: int = 5
    wall: float = 0.02


PRESETS = {
    "smoke": Config(data="digits", subset=(300, 100), epochs=12, again=12, rate=0.1, scales=(0.1, 0.5, 2.0), points=7,
                    nets=3),
    "cpu": Config(subset=(2000, 1000), epochs=30, again=25, points=11, nets=4),
    "paper": Config(),
}  # fmt: skip


@dataclass(frozen=True)
class Return:
    """A net that was perturbed and trained again. scale: of the noise; None: another net, from a start of its own.

    distance: 1 - cosine to the net before, all weights; floor: that of the noise alone, before training
    """

    net: int
    scale: float | None
    along: Mixtures
    distance: float
    floor: float
    train_error: float
    test_error: float

    @property
    def barrier(self) -> float:
        return barrier(self.along.error)


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
    """Train, perturb, train again, and follow the error between before and after."""
    data = check_data(data)
    folders = [None if checkpoints is None else checkpoints / part for part in ("before", "after")]
    shape = (data.train_inputs.shape[1], *data.train_inputs.shape[2:])
    seeds = [int(np.random.default_rng([seed, net]).integers(2**31)) for net in range(config.nets)]
    jobs = [(PlainCNN(n_classes=data.n_classes, input_shape=shape, seed=own), _training(config, config.epochs, own))
            for own in seeds]  # fmt: skip
    before = train_each(jobs, data, device=device, checkpoints=folders[0])
    check_finished((history for _, history in before), ID)
    _tell(progress, 1, f"{config.nets} nets trained")
    keys, again = [], []
    for net, (model, _) in enumerate(before):
        for k, scale in enumerate(config.scales):
            own = int(np.random.default_rng([seed, net, k]).integers(2**31))
            keys.append((net, scale))
            again.append((measure.perturbed(model, scale, own), _training(config, config.again, own)))
    floors = [_distance(before[net][0], start) for (net, _), (start, _) in zip(keys, again, strict=True)]
    after = train_each(again, data, device=device, checkpoints=folders[1])
    check_finished((history for _, history in after), ID)
    _tell(progress, 2, f"{len(after)} perturbed nets trained again")
    pairs = [(before[net][0], model) for (net, _), (model, _) in zip(keys, after, strict=True)]
    others = [(before[net][0], before[(net + 1) % config.nets][0]) for net in range(config.nets)]
    along = lines([*pairs, *others], data, points=config.points, device=device)
    _tell(progress, 3, f"{len(along)} lines followed")
    found = [
        Return(net, scale, line, _distance(*pair), floor, h.last.train_error, h.last.test_error)
        for (net, scale), (_, h), pair, line, floor in zip(keys, after, pairs, along, floors, strict=False)
    ]
    for net, (pair, line) in enumerate(zip(others, along[len(pairs) :], strict=True)):
        last = before[(net + 1) % config.nets][1].last
        found.append(Return(net, None, line, _distance(*pair), 0.0, last.train_error, last.test_error))
    return Result(
        _claim(found, config, len(data.train_inputs), seed),
        [_row(one) for one in found],
        {"found": found, "config": config},
    )


def _tell(progress: Callable[[int, int, str], None] | None, done: int, text: str) -> None:
    if progress is not None:
        progress(done, 3, text)


def _training(config: Config, epochs: int, seed: int) -> TrainConfig:
    return TrainConfig(epochs, config.batch, config.rate, every=epochs, seed=seed)


def _distance(first: nn.Module, second: nn.Module) -> float:
    pair = np.stack([measure.weight_vector(first), measure.weight_vector(second)])
    return float(measure.distances(pair, {"all": slice(None)})["all"][0, 1])


def _row(one: Return) -> dict[str, Any]:
    return {
        "net": one.net,
        "noise": one.scale if one.scale is not None else float("nan"),
        "pair": "independent" if one.scale is None else "perturbed",
        "barrier_error": one.barrier,
        "barrier_loss": barrier(one.along.loss),
        "distance": one.distance,
        "distance_of_noise": one.floor,
        "train_error": one.train_error,
        "test_error": one.test_error,
    }


def _barriers(found: Sequence[Return], scale: float | None) -> list[float]:
    return [one.barrier for one in found if one.scale == scale]


def _no_wall(name: str, barriers: Sequence[float], config: Config, images: int) -> Case:
    """Whether the mean of independent barriers lies below the height of a wall."""
    mean = comparisons.mean_share(barriers, images, 0.005)
    over = mean.above(config.wall)
    return Case(name, f"below {config.wall:.0%}", mean.text(".1%"), None if over is None else not over)


def _claim(found: list[Return], config: Config, images: int, seed: int) -> Claim:
    small, large = config.scales[0], config.scales[-1]
    high = comparisons.mean_share(_barriers(found, large), images, 0.005)
    cases = [
        _no_wall(f"noise {small:g} S: barrier in training error", _barriers(found, small), config, images),
        Case(f"noise {large:g} S: barrier in training error", f"above {config.wall:.0%}", high.text(".1%"),
             high.above(config.wall)),
    ]  # fmt: skip
    apart = _no_wall("independent starts", _barriers(found, None), config, images)
    control = Control(
        "nets from independent starts in the place of those with the smallest noise: the first case must fail",
        f"barrier above {config.wall:.0%}",
        str(apart.observed),
        passed=apart.agrees is False,
    )
    worst = max(one.train_error for one in found)
    return Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Student's interval over {config.nets} nets, 0.005 on either side, and at least Wilson's of "
        f"{images} images each; a wall: {config.wall:.0%} (ours)",
        seed=seed,
        note=f"Mean barriers: {_means(found, config)}. Training errors at the ends of the lines: up to {worst:.1%}.",
    )


def _means(found: Sequence[Return], config: Config) -> str:
    return "; ".join(f"{scale:g} S {np.mean(_barriers(found, scale)):.1%}" for scale in config.scales)


def draw(result: Result) -> dict[str, Any]:
    """Errors along the lines by size of noise; barriers and distances against the size."""
    from empirical import plotting

    found, config = result.series["found"], result.series["config"]
    figure, (left, middle, right) = plotting.panels(3, width=3.6, height=3.1)
    series = {}
    for scale in (*config.scales, None):
        some = [one.along for one in found if one.scale == scale]
        name = "independent start" if scale is None else f"{scale:g} S"
        series[name] = (some[0].coefficients[:, 1], np.mean([line.error for line in some], axis=0))
    plotting.lines(series, x="way from the net before (0) to after (1)", y="training error, mean of nets", axes=left)
    at = list(config.scales)
    heights = {
        name: (at, [np.mean(v) for v in values], [np.std(v, ddof=1) / len(v) ** 0.5 for v in values])
        for name, values in (("error", [_barriers(found, s) for s in at]),)
    }
    plotting.points(heights, x="noise, in S of each layer", y="barrier in training error", log="x", axes=middle)
    plotting.mark(middle, config.wall, "a wall")
    plotting.mark(middle, float(np.mean(_barriers(found, None))), "independent starts")
    distances = {
        name: (at, [np.mean([getattr(one, field) for one in found if one.scale == s]) for s in at])
        for name, field in (("after training", "distance"), ("noise alone", "floor"))
    }
    plotting.lines(distances, x="noise, in S of each layer", y="1 − cosine to the net before", log="xy", axes=right)
    for axes in (middle, right):
        axes.set_xticks(at, [f"{scale:g}" for scale in at])
        axes.set_xticks([], minor=True)
    return {"barriers": figure}
