"""The training accuracy over the simplex of three minimisers, natural and random labels. The claim `three-point`.

Three nets are trained on the same data from different starts; the accuracy of w = x w_1 + y w_2 + (1 - x - y) w_3 is
followed over the triangle and a margin around it. What is flat: the share of that area where the accuracy is above 0.9
of the largest there.

The test: the share for natural minus that for random labels, over several triples of nets, has Welch's interval, error
rate 0.01 on either side shared by the data sets. The claim holds if every interval lies above 0. The control puts the
test to random labels in both places, in the second with nets that lie close together, each triple one net with three
noises: there it must fail.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from empirical import comparisons, measure
from empirical.data import Data
from empirical.interpolate import Statistics, mixtures, triangle
from empirical.minima import (
    FULL_CONVOLUTIONAL,
    FULL_DENSE,
    LABELS,
    Labels,
    Minimum,
    Training,
    check_images,
    is_dense,
    minima,
)
from empirical.records import Result
from empirical.steps import Arrays, kept
from theory.claims.claim import Case, Claim, Control

ID = "three-point"
STATEMENT = (
    "Over the simplex of three minimisers and a margin around it, the region of high training accuracy is larger for "
    "natural than for random labels."
)
SOURCE = "Review (2018), equation 10, Figs 12 and 13"
REPORTED = {"Figs 12, 13": "surfaces of CIFAR-10 and MNIST: larger flat regions for natural labels; no numbers"}


@dataclass(frozen=True)
class Config:
    """Training, grid, margin and what counts as flat are ours; the full protocol's grid is a public reproduction's.

    triples: of nets for each data set and kind of labels; steps, margin: of the grid, see `interpolate.triangle`
    flat: share of the largest accuracy above which a point counts as flat
    near: noise, in S of each layer, of the nets of the control
    """

    data: str = "mnist+cifar10"
    subset: tuple[int, int] | None = None
    dense: Training = FULL_DENSE
    convolutional: Training = FULL_CONVOLUTIONAL
    triples: int = 5
    steps: int = 50
    margin: float = 0.3
    flat: float = 0.9
    near: float = 0.05


PRESETS = {
    "smoke": Config(
        data="digits",
        subset=(100, 50),
        dense=Training(natural=25, random=60, batch=20, rate=0.2, hidden=(30,)),
        triples=3,
        steps=9,
        margin=0.25,
    ),
    "cpu": Config(
        subset=(2000, 500),
        dense=Training(natural=60, random=200, batch=64, rate=0.05, hidden=(200, 50)),
        convolutional=Training(natural=30, random=35, batch=100, rate=0.01),
        triples=3,
        steps=11,
        margin=0.2,
    ),
    "paper": Config(),
}


@dataclass(frozen=True)
class Surface:
    """Accuracy over one simplex: (steps, steps), rows are y; NaN beyond the margin. statistics: of the mixtures."""

    data: str
    labels: Labels
    triple: int
    statistics: str
    accuracy: np.ndarray
    corners: tuple[float, float, float]

    def flat(self, share: float) -> float:
        """Share of the area where the accuracy is above that share of its maximum."""
        known = self.accuracy[np.isfinite(self.accuracy)]
        return float(np.mean(known > share * known.max()))


def check_data(data: Data | tuple[Data, ...] | None) -> tuple[Data, ...]:
    """The data sets, if they are images; ValueError otherwise."""
    return check_images(data, ID)


def compute(
    config: Config,
    data: Data | tuple[Data, ...] | None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
    checkpoints: Path | None = None,
) -> Result:
    """Train three nets a triple, and follow the accuracy over their simplices."""
    sets = check_data(data)
    surfaces: list[Surface] = []
    near: list[Surface] = []

    def surface(kind: str, some: Sequence[Minimum], name: str, triple: int, statistics: Statistics) -> Surface:
        file = None if checkpoints is None else checkpoints / f"{kind}-{name}-{some[0].labels}-{triple}.npz"
        found = kept(file, partial(_followed, some, statistics, config, device))
        a, b, c = found["corners"].tolist()
        return Surface(name, some[0].labels, triple, statistics, found["accuracy"], (a, b, c))

    for done, (one, labels) in enumerate([(one, labels) for one in sets for labels in LABELS], start=1):
        training = config.dense if is_dense(one) else config.convolutional
        nets = minima(one, labels, training, 3 * config.triples, seed=seed, looks=1, device=device,
                      checkpoints=checkpoints)  # fmt: skip
        for triple in range(config.triples):
            some = nets[3 * triple : 3 * triple + 3]
            surfaces.append(surface("own", some, one.name, triple, "estimated"))
            if triple == 0 and not is_dense(one):
                surfaces.append(surface("averaged", some, one.name, triple, "averaged"))
        if labels == "random" and one is sets[0]:
            for triple in range(config.triples):
                some = _close_together(nets[3 * triple], config, [seed, triple])
                near.append(surface("near", some, one.name, triple, "estimated"))
        if progress is not None:
            progress(done, 2 * len(sets), f"{one.name}, {labels} labels: {config.triples} surfaces")
    claim = _claim(surfaces, near, config, seed)
    return Result(claim, [_row(one, config) for one in surfaces], {"surfaces": surfaces, "config": config})


def _close_together(net: Minimum, config: Config, seed: Sequence[int]) -> list[Minimum]:
    """Three nets around one."""
    seeds = np.random.default_rng([*seed, 5]).integers(2**31, size=3)
    return [replace(net, model=measure.perturbed(net.model, config.near, int(own))) for own in seeds]


def _followed(nets: Sequence[Minimum], statistics: Statistics, config: Config, device: str) -> Arrays:
    """accuracy and corners of a Surface."""
    grid = triangle(config.steps, config.margin)
    inside = grid.min(axis=1) >= -config.margin - 1e-9
    found = mixtures([net.model for net in nets], np.concatenate([grid[inside], np.eye(3)]), nets[0].data,
                     statistics=statistics, device=device)  # fmt: skip
    accuracy = np.full(len(grid), np.nan)
    accuracy[inside] = 1 - found.error[:-3]
    return {"accuracy": accuracy.reshape(config.steps, config.steps), "corners": 1 - found.error[-3:]}


def _row(one: Surface, config: Config) -> dict[str, Any]:
    known = one.accuracy[np.isfinite(one.accuracy)]
    return {
        "data": one.data,
        "labels": one.labels,
        "triple": one.triple,
        "statistics": one.statistics,
        "flat_share": one.flat(config.flat),
        "least_accuracy": float(known.min()),
        "mean_accuracy": float(known.mean()),
        "least_corner": min(one.corners),
    }


def _shares(surfaces: Sequence[Surface], name: str, labels: str, config: Config) -> list[float]:
    wanted = (name, labels, "estimated")
    return [s.flat(config.flat) for s in surfaces if (s.data, s.labels, s.statistics) == wanted]


def _larger(name: str, natural: Sequence[float], random: Sequence[float], rate: float) -> Case:
    """Whether the flat share is larger for natural labels."""
    gap = comparisons.difference(natural, random, rate)
    shown = f"{np.mean(natural):.2f} - {np.mean(random):.2f} = {gap.text('+.2f')}"
    return Case(f"{name}: flat share of the area, natural minus random labels", "above 0", shown, gap.above(0))


def _claim(surfaces: list[Surface], near: list[Surface], config: Config, seed: int) -> Claim:
    names = list(dict.fromkeys(one.data for one in surfaces))
    cases, said, rate = [], [], 0.01 / len(names)
    for name in names:
        natural, random = (_shares(surfaces, name, labels, config) for labels in LABELS)
        cases.append(_larger(name, natural, random, rate))
        least = {labels: min(min(s.corners) for s in surfaces if (s.data, s.labels) == (name, labels))
                 for labels in LABELS}  # fmt: skip
        said.append(f"{name}: accuracy of the minimisers at least {least['natural']:.1%} (natural), "
                    f"{least['random']:.1%} (random).")  # fmt: skip
    apart, close = (_shares(some, names[0], "random", config) for some in (surfaces, near))
    reverse = _larger(names[0], apart, close, rate)
    control = Control(
        f"{names[0]}, random labels in both places: nets from starts of their own, minus nets around one (noise of "
        f"{config.near:g} S), which are the flatter ones: the test must fail",
        "below 0",
        str(reverse.observed),
        passed=reverse.agrees is False,
    )
    return Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Welch's interval over {config.triples} triples, {rate:.2g} on either side",
        seed=seed,
        note=" ".join([*said, "Mixtures have batch-normalisation statistics of their own, unless said otherwise."]),
    )


def draw(result: Result) -> dict[str, Any]:
    """The surfaces as Figs 12 and 13, the first triple of each kind; the flat shares of all."""
    from empirical import plotting

    surfaces, config = result.series["surfaces"], result.series["config"]
    first = [one for one in surfaces if one.triple == 0]
    figure, places = plotting.panels(min(len(first), 3), -(-len(first) // 3), width=3.7, height=3.1)
    ticks = np.linspace(-config.margin, 1 + config.margin, config.steps)
    corners = [(1, 0), (0, 1), (0, 0), (1, 0)]
    least = min(float(np.nanmin(one.accuracy)) for one in first)
    for one, axes in zip(first, places, strict=False):
        title = f"{one.data}, {one.labels} labels" + (", BN averaged" if one.statistics == "averaged" else "")
        names = ("coefficient of net 1", "coefficient of net 2")
        plotting.contour(ticks, ticks, one.accuracy.T, names=names, path=corners, limits=(least, 1.0),
                         quantity="training accuracy", title=title, axes=axes)  # fmt: skip
    for axes in places[len(first) :]:
        axes.set_visible(False)
    data = list(dict.fromkeys(one.data for one in surfaces))
    heights = {labels: [_shares(surfaces, name, labels, config) for name in data] for labels in LABELS}
    shares = plotting.bars(
        data,
        {f"{labels} labels": [float(np.mean(v)) for v in values] for labels, values in heights.items()},
        errors={f"{labels} labels": [float(np.std(v, ddof=1) / len(v) ** 0.5) for v in values]
                for labels, values in heights.items()},
        x="data (bars: standard error over triples)",
        y=f"share of area with accuracy > {config.flat:g} max",
    )  # fmt: skip
    return {"surfaces": figure, "shares": shares}
