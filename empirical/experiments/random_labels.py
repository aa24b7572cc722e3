"""Can random labels be learnt, with and without weight decay, and what do such minima look like? `random-labels`.

Nets are trained on natural labels, on random labels, and on random labels with weight decay, from several starts. A
small dense net is trained on more and more random labels.

The test, over independent nets: every net of random labels comes to zero training error (it fails if all stay above
half of chance; in between longer training might decide); the ratio natural / random of
the median margins (distance to the decision boundary in the input space) and that of the flatness radii have Welch's
intervals above 1; the training error at the largest number of random labels has Student's interval above half of
chance. Error rate 0.01 on either side, shared by the intervals.

The controls put these tests to cases where they must fail: the fit to a small net on the largest number of random
labels, the two ratios to natural labels against the easiest there are, one and the same for all images.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from empirical import comparisons, measure
from empirical.data import Data
from empirical.flatness import Scaling, directions, radii
from empirical.minima import (
    CPU_CONVOLUTIONAL,
    CPU_DENSE,
    FULL_CONVOLUTIONAL,
    FULL_DENSE,
    Labels,
    Minimum,
    Training,
    check_images,
    first,
    is_dense,
    minima,
)
from empirical.records import Result
from empirical.steps import kept_value
from theory.claims.claim import Case, Claim, Control

ID = "random-labels"
STATEMENT = (
    "Random labels are fitted to zero training error, with weight decay as well; such minima have smaller margins and "
    "are less flat; with more and more random labels the training error of a net tends to chance."
)
SOURCE = "Review (2018), section 8; notes, after Zhang et al. (2017)"
REPORTED = {
    "section 8": "zero training error is possible and easy; larger margin for natural labels; chance for n to infinity",
    "Zhang et al., CIFAR-10 training accuracy": {"Inception": 1.0, "small AlexNet": 0.9982, "MLP 3x512": 1.0},
}
SCALINGS: tuple[Scaling, Scaling] = ("raw", "filter")
NATURAL, RANDOM, DECAYED = KINDS = ("natural labels", "random labels", "random labels, decay")
CONSTANT = "one label for all"

SMALL = Training(natural=0, random=500, batch=100, rate=0.1, hidden=(10,))


@dataclass(frozen=True)
class Config:
    """All ours but the order of magnitude of the weight decay.

    fitted: images of each data set that the nets are trained on; decay: the weight decay
    growing: numbers of random labels for a small dense net on the first data set; small: how it is trained
    epsilon, directions: of the flatness radius; nets: of each kind
    """

    data: str = "mnist+cifar10"
    subset: tuple[int, int] | None = None
    fitted: int = 50_000
    dense: Training = FULL_DENSE
    convolutional: Training = FULL_CONVOLUTIONAL
    decay: float = 5e-4
    growing: tuple[int, ...] = (300, 1000, 3000, 10_000, 30_000)
    small: Training = SMALL
    epsilon: float = 0.05
    directions: int = 20
    nets: int = 5


PRESETS = {
    "smoke": Config(
        data="digits",
        subset=(500, 100),
        fitted=60,
        dense=Training(natural=30, random=100, batch=20, rate=0.2, hidden=(50, 20)),
        decay=1e-3,
        growing=(20, 500),
        small=Training(natural=0, random=20, batch=20, rate=0.2, hidden=(6,)),
        directions=2,
        nets=3,
    ),
    "cpu": Config(
        subset=(5000, 500),
        fitted=1000,
        dense=CPU_DENSE,
        convolutional=CPU_CONVOLUTIONAL,
        decay=1e-3,
        growing=(100, 300, 1000, 3000, 5000),
        small=Training(natural=0, random=120, batch=50, rate=0.1, hidden=(10,)),
        directions=5,
        nets=4,
    ),
    "paper": Config(),
}


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
    """Train all nets, measure margins and radii, and let the number of labels grow."""
    sets = check_data(data)
    rows: list[dict[str, Any]] = []
    curves: dict[tuple[str, str], Any] = {}
    spread: dict[tuple[str, str], np.ndarray] = {}
    for done, one in enumerate(sets, start=1):
        for kind, nets in _fits(config, first(one, config.fitted), seed, device, checkpoints).items():
            rows += _rows(one.name, kind, nets, config, seed, device, checkpoints)
            curves[one.name, kind] = [net.history.epochs for net in nets]
            spread[one.name, kind] = measure.margins(nets[0].model, *_training_set(nets[0])).distance
        if one is sets[0]:
            easy = _constant(config, first(one, config.fitted), seed, device, checkpoints)
            rows += _rows(one.name, CONSTANT, easy, config, seed, device, checkpoints)
        if progress is not None:
            progress(done, len(sets) + 1, f"{one.name}: nets trained and measured")
    grown = _growth(config, sets[0], seed, device, checkpoints)
    if progress is not None:
        progress(len(sets) + 1, len(sets) + 1, f"{sets[0].name}: random labels up to {max(grown)}")
    table = rows + [
        {"data": sets[0].name, "kind": "small net, random labels", "number": k, "images": n, "train_error": error}
        for n, errors in grown.items()
        for k, error in enumerate(errors)
    ]
    chance = 1 - 1 / sets[0].n_classes
    series = {"curves": curves, "margins": spread, "grown": grown, "chance": chance}
    return Result(_claim(rows, grown, chance, config, seed), table, series)


def _fits(config: Config, data: Data, seed: int, device: str, checkpoints: Path | None) -> dict[str, list[Minimum]]:
    training = config.dense if is_dense(data) else config.convolutional
    decayed = replace(training, decay=config.decay)
    plans: tuple[tuple[str, Labels, Training], ...] = (
        (NATURAL, "natural", training),
        (RANDOM, "random", training),
        (DECAYED, "random", decayed),
    )
    found = {}
    for kind, labels, how in plans:
        folder = None if checkpoints is None else checkpoints / kind
        found[kind] = minima(data, labels, how, config.nets, seed=seed, device=device, checkpoints=folder)
    return found


def _constant(config: Config, data: Data, seed: int, device: str, checkpoints: Path | None) -> list[Minimum]:
    """Nets trained on the first class for all images: the control."""
    identity = hashlib.sha256(f"{data.fingerprint()} one label".encode()).hexdigest()
    easy = replace(data, train_labels=torch.zeros_like(data.train_labels), identity=identity)
    training = config.dense if is_dense(data) else config.convolutional
    folder = None if checkpoints is None else checkpoints / CONSTANT
    return minima(easy, "natural", training, config.nets, seed=seed, device=device, checkpoints=folder)


def _growth(config: Config, data: Data, seed: int, device: str, checkpoints: Path | None) -> dict[int, list[float]]:
    """Training errors of small dense nets by number of random labels."""
    flat = replace(data, train_inputs=data.train_inputs.flatten(1), test_inputs=data.test_inputs.flatten(1))
    found = {}
    for n in config.growing:
        folder = None if checkpoints is None else checkpoints / f"small-{n}"
        nets = minima(first(flat, n), "random", config.small, config.nets, seed=seed, device=device,
                      checkpoints=folder)  # fmt: skip
        found[n] = [net.history.last.train_error for net in nets]
    return found


def _training_set(net: Minimum) -> tuple[Any, Any]:
    return net.data.train_inputs, net.data.train_labels


def _rows(
    name: str, kind: str, nets: Sequence[Minimum], config: Config, seed: int, device: str, checkpoints: Path | None
) -> list[dict[str, Any]]:
    """What is measured on nets of one kind; each net's is kept."""
    rows = []
    for net in nets:
        file = None if checkpoints is None else checkpoints / kind / f"{name}-{net.number:03d}.npz"
        rows.append({"data": name, "kind": kind} | kept_value(file, partial(_row, net, config, seed, device)))
    return rows


def _row(net: Minimum, config: Config, seed: int, device: str) -> dict[str, Any]:
    """What is measured on one net."""
    last, margins = net.history.last, measure.margins(net.model, *_training_set(net))
    found = {
        scaling: float(radii(net.model, net.data, directions(net.model, config.directions, seed, scaling),
                             config.epsilon, tolerance=0.02, device=device).mean())
        for scaling in SCALINGS
    }  # fmt: skip
    return {
        "number": net.number,
        "images": len(net.data.train_labels),
        "train_error": last.train_error,
        "train_loss": last.train_loss,
        "test_error": last.test_error,
        "weight_norm": float(np.linalg.norm(measure.weight_vector(net.model))),
        "median_margin": float(np.median(margins.distance)),
        "least_margin": float(margins.distance.min()),
        "median_output_margin": float(np.median(margins.outputs)),
        "radius": found["raw"],
        "radius_filters": found["filter"],
    }


def _claim(
    rows: list[dict[str, Any]], grown: dict[int, list[float]], chance: float, config: Config, seed: int
) -> Claim:
    names = list(dict.fromkeys(row["data"] for row in rows))
    rate = 0.01 / (2 * len(names) + 1)
    cases = []
    for name in names:
        for kind in (RANDOM, DECAYED):
            cases.append(_fitted(f"{name}, {kind}", _values(rows, name, kind, "train_error"), chance))
        cases += _ratios(rows, name, RANDOM, rate)
    most = max(config.growing)
    error = comparisons.mean(grown[most], rate)
    cases.append(
        Case(
            f"{names[0]}: training error of a small net on {most} random labels",
            f"above {chance / 2:.2f}, half of chance",
            error.text(".3f"),
            error.above(chance / 2),
        )
    )
    small = _fitted("small net", grown[most], chance)
    easy = _ratios(rows, names[0], CONSTANT, rate)
    control = Control(
        f"{most} random labels and a net of width {config.small.hidden[0]}: the test of the fit must fail; "
        f"{names[0]}, one label for all images in the place of random ones: both ratios must be below 1",
        f"training error above {chance / 2:.2f}; below 1; below 1",
        f"{min(grown[most]):.3f} at least; {'; '.join(str(case.observed) for case in easy)}",
        passed=small.agrees is False and all(case.agrees is False for case in easy),
    )
    means = "; ".join(f"{n}: {np.mean(errors):.3f}" for n, errors in grown.items())
    scaled = {name: [np.mean(_values(rows, name, kind, "radius_filters")) for kind in (NATURAL, RANDOM)]
              for name in names}  # fmt: skip
    filters = "; ".join(f"{name} {natural / random:.2f}" for name, (natural, random) in scaled.items())
    return Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Welch's and Student's intervals over {config.nets} nets, {rate:.2g} on either side",
        seed=seed,
        note=f"Training errors of the small net by number of random labels: {means} (chance {chance:g}). Radii scaled "
        f"by filters, natural / random: {filters}.",
    )


def _fitted(name: str, errors: Sequence[float], chance: float) -> Case:
    """Whether all nets came to zero training error; False if all stay above half of chance."""
    agrees = True if max(errors) == 0 else False if min(errors) > chance / 2 else None
    return Case(f"{name}: training error of {len(errors)} nets", 0.0, max(errors), agrees)


def _ratios(rows: Sequence[dict[str, Any]], name: str, others: str, rate: float) -> list[Case]:
    """Whether natural labels have the larger margins and the larger radii."""
    cases = []
    for column, text in (("median_margin", "median margin"), ("radius", "flatness radius")):
        natural, other = (_values(rows, name, kind, column) for kind in (NATURAL, others))
        cases.append(_ratio(f"{name}: {text}, natural / random", natural, other, rate))
    return cases


def _values(rows: Sequence[dict[str, Any]], name: str, kind: str, column: str) -> list[float]:
    return [row[column] for row in rows if (row["data"], row["kind"]) == (name, kind)]


def _ratio(name: str, natural: Sequence[float], random: Sequence[float], rate: float) -> Case:
    if not (np.isfinite([*natural, *random]).all() and min(*natural, *random) > 0):
        return Case(name, "above 1", "a value is not above 0, or not finite", None)
    found = comparisons.ratio(natural, random, rate)
    return Case(name, "above 1", found.text(".2f"), found.above(1))


def draw(result: Result) -> dict[str, Any]:
    """Training errors by epoch, margins of one net of each kind, and the error by number of random labels."""
    from empirical import plotting

    s = result.series
    names = list(dict.fromkeys(name for name, _ in s["curves"]))
    figure, places = plotting.panels(len(names) + 1, 2, width=3.3, height=2.9)
    for k, name in enumerate(names):
        curves, spread = {}, {}
        for kind in KINDS:
            nets = s["curves"][name, kind]
            at = [epoch.epoch for epoch in nets[0]]
            curves[kind] = (at, np.mean([[epoch.train_error for epoch in net] for net in nets], axis=0))
            values = np.sort(s["margins"][name, kind])
            spread[kind] = (values, np.arange(1, len(values) + 1) / len(values))
        plotting.lines(curves, x="epoch", y="training error, mean of nets", title=name, axes=places[k])
        plotting.lines(spread, x="distance to the boundary (standardised inputs)", y="share of training images below",
                       markers=False, title=f"{name}: margins", axes=places[len(names) + 1 + k])  # fmt: skip
    grown = s["grown"]
    errors = {"nets": (list(grown), [np.mean(v) for v in grown.values()], [np.std(v) for v in grown.values()])}
    plotting.lines(errors, x="number of random labels", y="training error of a small net", log="x", limits=(-0.02, 1),
                   title=f"{names[0]}: a small net", axes=places[len(names)])  # fmt: skip
    places[len(names)].set_xticks(list(grown), [str(n) for n in grown], rotation=45)
    places[len(names)].set_xticks([], minor=True)
    plotting.mark(places[len(names)], s["chance"], "chance")
    places[-1].remove()
    return {"random-labels": figure}
