"""Margins of training images where the training error is zero, and after. The claim `margin`, seen from training.

Nets are trained with cross entropy, and watched on their way; others with the square loss on targets +-1, one output a
class. The margin in the outputs is the output of an image's class minus the largest other one; divided by the length of
its gradient it is, to first order, the distance to the decision boundary in the input space, which no rescaling of the
weights changes.

The test, over independent nets: with cross entropy every margin is above 0 wherever the training error is zero; with
the square loss and a largest residual r < 1 every margin is at least 2 (1 - r); the least distance over the images at
the end over that at the first look with zero error has Student's interval (logarithms, 0.01 on either side shared by
the data sets) above 1. It fails where the interval lies below 1. The least one, for that is what descent on the cross
entropy enlarges in theory (Lyu and Li, arXiv 1906.05890); the median is reported beside it. The zero error is that of
the evaluation, not read off the margins. The control puts the last test to nets that differ in nothing but the size of
their last layer, which long training enlarges too: outputs are twice as large, and distances must not have grown. It
puts the first test to labels of which a tenth is wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical import comparisons, measure
from empirical.data import Data
from empirical.evaluation import evaluate, reestimate_batchnorm
from empirical.minima import (
    CPU_CONVOLUTIONAL,
    CPU_DENSE,
    FULL_CONVOLUTIONAL,
    FULL_DENSE,
    Training,
    check_images,
    fitting,
    fresh,
    is_dense,
)
from empirical.records import Result
from empirical.train import TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control

ID = "margin"
STATEMENT = (
    "At zero training error every training image has a margin; nets that fit targets +-1 up to residuals r < 1 "
    "classify with margin 2 (1 - r) at least; with cross entropy the least margin grows on after the error has become "
    "zero."
)
SOURCE = "Review (2018), sections 1 and 4.1"
REPORTED = {
    "section 1": "zero error implies the existence of large margin; no numbers",
    "section 4.1": "the regression framework gives a lower bound of the number of solutions of the classification",
}


@dataclass(frozen=True)
class Config:
    """All ours. looks: at margins on the way; nets: of each kind
    square: how many times larger the rate is with the square loss, a mean over ten outputs
    """

    data: str = "mnist+cifar10"
    subset: tuple[int, int] | None = None
    dense: Training = FULL_DENSE
    convolutional: Training = FULL_CONVOLUTIONAL
    square: float = 10.0
    looks: int = 15
    nets: int = 5


PRESETS = {
    "smoke": Config(
        data="digits",
        subset=(200, 100),
        dense=Training(natural=40, random=0, batch=20, rate=0.1, hidden=(50, 20)),
        looks=8,
        nets=3,
    ),
    "cpu": Config(subset=(2000, 500), dense=CPU_DENSE, convolutional=CPU_CONVOLUTIONAL, looks=10, nets=5),
    "paper": Config(),
}


@dataclass(frozen=True)
class Look:
    """A net on its way: share of training images classified wrongly, margins (N,) in the outputs and as distances."""

    net: int
    epoch: int
    error: float
    outputs: np.ndarray
    distance: np.ndarray


@dataclass(frozen=True)
class Fit:
    """A net of the square loss at its end. residual: the largest |output - target|."""

    net: int
    residual: float
    error: float
    least_margin: float

    @property
    def bound(self) -> float:
        """The least margin that the residual leaves."""
        return 2 * (1 - self.residual)


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
    """Train the nets of both losses and look at their margins."""
    looks: dict[str, list[Look]] = {}
    fits: dict[str, list[Fit]] = {}
    wrong: list[Look] = []
    scaled: list[Look] = []
    for done, one in enumerate(sets := check_data(data), start=1):
        folders = [None if checkpoints is None else checkpoints / f"{one.name}-{kind}" for kind in ("ce", "square")]
        used = fitting(one, "natural", seed)
        training = config.dense if is_dense(one) else config.convolutional
        seeds = [int(np.random.default_rng([seed, net]).integers(2**31)) for net in range(config.nets)]
        jobs = [(fresh(used, training.hidden, own), _watched(config, training, own)) for own in seeds]
        trained = train_each(jobs, used, device=device, checkpoints=folders[0])
        looks[one.name] = [
            _look(model, net, epoch, used, weights)
            for net, (model, history) in enumerate(trained)
            for epoch, weights in history.weights.items()
        ]
        if not wrong:
            wrong = [_look(model, net, -1, _mislabelled(used, seed)) for net, (model, _) in enumerate(trained)]
            scaled = [_look(_doubled(model), net, -1, used) for net, (model, _) in enumerate(trained)]
        signs = _with_targets(used)
        jobs = [(fresh(used, training.hidden, own), _squared(config, training, own)) for own in seeds]
        squares = train_each(jobs, signs, device=device, checkpoints=folders[1])
        fits[one.name] = [_fit(model, net, used, signs) for net, (model, _) in enumerate(squares)]
        if progress is not None:
            progress(done, len(sets), f"{one.name}: {2 * config.nets} nets trained")
    return Result(
        _claim(looks, fits, wrong, scaled, config, seed), [*_table(looks, fits)], {"looks": looks, "fits": fits}
    )


def _watched(config: Config, training: Training, seed: int) -> TrainConfig:
    epochs = training.natural
    kept = tuple(sorted({round(epochs * k / config.looks) for k in range(1, config.looks + 1)}))
    return TrainConfig(epochs, training.batch, training.rate, every=epochs, seed=seed, keep=kept)


def _squared(config: Config, training: Training, seed: int) -> TrainConfig:
    epochs, rate = training.natural, config.square * training.rate
    return TrainConfig(epochs, training.batch, rate, every=epochs, seed=seed, loss="square")


def _with_targets(data: Data) -> Data:
    """The data for regression: one output a class, target 1 for the image's own class and -1 for the others."""
    targets = [
        2 * nn.functional.one_hot(labels, data.n_classes).float() - 1
        for labels in (data.train_labels, data.test_labels)
    ]
    return replace(data, train_labels=targets[0], test_labels=targets[1], n_classes=0, identity="")


def _mislabelled(data: Data, seed: int) -> Data:
    """The data with a tenth of the training labels moved on to the next class."""
    chosen = np.random.default_rng([seed, 7]).permutation(len(data.train_labels))[
        : max(1, len(data.train_labels) // 10)
    ]
    labels = data.train_labels.clone()
    labels[chosen] = (labels[chosen] + 1) % data.n_classes
    return replace(data, train_labels=labels)


def _look(model: nn.Module, net: int, epoch: int, data: Data, weights: np.ndarray | None = None) -> Look:
    """The net with these weights (its own, where none are given), batch normalisation estimated for them."""
    copy = deepcopy(model).cpu()
    if weights is not None:
        measure.set_weights(copy, weights)
        reestimate_batchnorm(copy, data.train_inputs)
    found = measure.margins(copy, data.train_inputs, data.train_labels)
    _, error = evaluate(copy, data.train_inputs, data.train_labels)
    return Look(net, epoch, error, found.outputs, found.distance)


def _doubled(model: nn.Module) -> nn.Module:
    """A copy with weights and biases of the last layer, and so all outputs, times 2: the same classes of all images."""
    copy = deepcopy(model)
    last = [layer for layer in copy.modules() if isinstance(layer, measure.AFFINE)][-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.mul_(2)
    return copy


def _fit(model: nn.Module, net: int, data: Data, signs: Data) -> Fit:
    model = model.cpu().eval()
    with torch.inference_mode():
        outputs = torch.cat([model(some) for some in data.train_inputs.split(500)])
    residual = float((outputs - signs.train_labels).abs().max())
    gaps = measure.margins(model, data.train_inputs, data.train_labels).outputs
    return Fit(net, residual, float(np.mean(gaps <= 0)), float(gaps.min()))


def _first_and_last(looks: Sequence[Look], net: int) -> tuple[Look, Look] | None:
    """The first and the last look at a net with zero error; None where there are not two."""
    zero = [look for look in looks if look.net == net and look.error == 0]
    return (zero[0], zero[-1]) if len(zero) > 1 else None


def _claim(
    looks: dict[str, list[Look]],
    fits: dict[str, list[Fit]],
    wrong: Sequence[Look],
    scaled: Sequence[Look],
    config: Config,
    seed: int,
) -> Claim:
    cases: list[Case] = []
    said = []
    for name in looks:
        cases += [*_cases(name, looks[name], fits[name], config, 0.01 / len(looks))]
        pairs = [pair for net in range(config.nets) if (pair := _first_and_last(looks[name], net))]
        if pairs:
            medians = [np.mean([np.median(pair[k].distance) for pair in pairs]) for k in (0, 1)]
            said.append(f"{name}: median distance {medians[0]:.3g} at the first look with zero error, {medians[1]:.3g} "
                        "at the last.")  # fmt: skip
    first, rate = next(iter(looks)), 0.01 / len(looks)
    ends = [look for look in looks[first] if look.epoch == max(one.epoch for one in looks[first])]
    same = _growth(first, [*zip(ends, scaled, strict=True)], rate)
    outputs = [float(two.outputs.min() / one.outputs.min()) for one, two in zip(ends, scaled, strict=True)]
    negative = sum(bool(look.outputs.min() < 0) for look in wrong)
    control = Control(
        f"{first}, the last layer times 2 instead of more training: outputs double, the test must see no growth; "
        "judged by labels of which a tenth is wrong: margins must be below 0",
        f"outputs x 2, no growth; for {len(wrong)} nets",
        f"outputs x {np.mean(outputs):.3g}, {same.observed}; for {negative}",
        passed=same.agrees is not True and np.allclose(outputs, 2) and negative == len(wrong),
    )
    return Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Student's interval over {config.nets} nets, {0.01 / len(looks):.2g} on either side; float32",
        seed=seed,
        note=" ".join(["Zero error makes margins positive, not large.", *said]),
    )


def _cases(name: str, looks: Sequence[Look], fits: Sequence[Fit], config: Config, rate: float) -> Iterator[Case]:
    zero = [look for look in looks if look.error == 0]
    least = min((float(look.outputs.min()) for look in zero), default=np.nan)
    yield Case(f"{name}: least margin in the outputs, {len(zero)} looks with zero error", "above 0",
               round(least, 6), least > 0 if zero else None)  # fmt: skip
    close = [fit for fit in fits if fit.residual < 1]
    met = sum(fit.error == 0 and fit.least_margin >= fit.bound - 1e-4 for fit in close)
    yield Case(
        f"{name}: square loss, least margin at least 2 (1 - r)",
        f"{len(close)} of the {len(close)} nets with r < 1 (of {len(fits)})",
        f"{met}; " + ", ".join(f"r = {fit.residual:.2f}, margin {fit.least_margin:.2f}" for fit in fits),
        met == len(close) if close else None,
    )
    pairs = [pair for net in range(config.nets) if (pair := _first_and_last(looks, net))]
    yield _growth(name, pairs, rate)


def _growth(name: str, pairs: Sequence[tuple[Look, Look]], rate: float) -> Case:
    """Whether the least distance over the images has grown from the first to the second look of each pair."""
    label = f"{name}: least distance at the end / at the first zero error"
    if len(pairs) < 2:
        return Case(label, "above 1", f"{len(pairs)} nets at zero error twice", None)
    if min(look.distance.min() for pair in pairs for look in pair) <= 0:
        return Case(label, "above 1", "a distance is not above 0", None)
    logs = comparisons.mean([float(np.log(last.distance.min() / first.distance.min())) for first, last in pairs], rate)
    growth = comparisons.Interval(*(float(np.exp(x)) for x in (logs.value, logs.low, logs.high)))
    return Case(label, "above 1", growth.text(".2f"), growth.above(1))


def _table(looks: dict[str, list[Look]], fits: dict[str, list[Fit]]) -> Iterator[dict[str, Any]]:
    nothing = float("nan")
    for name in looks:
        for look in looks[name]:
            yield {
                "data": name, "loss": "cross-entropy", "net": look.net, "epoch": look.epoch, "train_error": look.error,
                "least_margin": float(look.outputs.min()), "median_margin": float(np.median(look.outputs)),
                "least_distance": float(look.distance.min()), "median_distance": float(np.median(look.distance)),
                "residual": nothing,
            }  # fmt: skip
        for fit in fits[name]:
            yield {
                "data": name, "loss": "square", "net": fit.net, "epoch": nothing, "train_error": fit.error,
                "least_margin": fit.least_margin, "median_margin": nothing, "least_distance": nothing,
                "median_distance": nothing, "residual": fit.residual,
            }  # fmt: skip


def draw(result: Result) -> dict[str, Any]:
    """Margins by epoch: quantiles over the images, mean of nets; their distribution at the end; the square loss."""
    from empirical import plotting

    looks, fits = result.series["looks"], result.series["fits"]
    figure, places = plotting.panels(3, len(looks), width=3.6, height=2.9)
    for row, name in enumerate(looks):
        left, middle, right = places[3 * row : 3 * row + 3]
        epochs = sorted({look.epoch for look in looks[name]})
        ways = {
            label: (epochs, [_mean_quantile(looks[name], epoch, q) for epoch in epochs])
            for label, q in (("least", 0.0), ("a tenth is below", 0.1), ("median", 0.5))
        }
        plotting.lines(ways, x="epoch", y="distance (standardised inputs)", title=name, axes=left)
        plotting.mark(left, 0.0, "wrong below", below=True)
        first = [pair for net in range(len(fits[name])) if (pair := _first_and_last(looks[name], net))]
        samples = {"first zero error": first[0][0].distance, "at the end": first[0][1].distance} if first else {}
        spread = {k: (np.sort(v), np.arange(1, len(v) + 1) / len(v)) for k, v in samples.items()}
        plotting.lines(spread, x="distance (standardised inputs)", y="share of training images below", markers=False,
                       title="one net", axes=middle)  # fmt: skip
        at = [fit.residual for fit in fits[name]]
        line = np.array([0.0, max(1.0, *at)])
        plotting.lines({"2 (1 − r)": (line, 2 * (1 - line))}, x="", y="", markers=False, first=6, axes=right)
        plotting.points({"nets": (at, [fit.least_margin for fit in fits[name]])}, x="largest residual r",
                        y="least margin in the outputs", title="square loss on targets ±1", axes=right)  # fmt: skip
    return {"margins": figure}


def _mean_quantile(looks: Sequence[Look], epoch: int, q: float) -> float:
    return float(np.mean([np.quantile(look.distance, q) for look in looks if look.epoch == epoch]))
