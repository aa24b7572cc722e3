"""Does it help or harm to have more weights? Errors of nets of growing width. The claim `overparametrisation`.

The plain CNN with all hidden widths multiplied by a factor is trained in the same way on the same data, several nets of
each width, from far fewer weights than data to far more.

The test, Welch's intervals over independent nets at error rate 0.01 on either side, shared by all comparisons: the
training error of the widest minus that of the narrowest net lies below 0; the test error of the widest minus that of
every narrower one lies below a margin. It fails where an interval lies wholly on the other side. The control puts the
test of the test error to a case where more weights do harm: least squares on as many random features as data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from empirical import comparisons
from empirical.data import Data, square_images
from empirical.models import PlainCNN, n_parameters
from empirical.records import Result
from empirical.train import History, TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control

ID = "overparametrisation"
STATEMENT = (
    "With more weights nets are trained to a smaller training error in the same time, and the test error is no worse."
)
SOURCE = "arXiv 1703.09833, abstract; review (2018), section 3"
REPORTED = {"section 3": "more parameters make training easier without sacrificing generalisation; no numbers"}
CHANNELS, HIDDEN = (32, 64, 64), 128  # of the net of factor 1


@dataclass(frozen=True)
class Config:
    """All ours. factors: of the widths, growing; margin: in test error; easy: the training error of "epochs until"."""

    data: str = "cifar10"
    subset: tuple[int, int] | None = None
    factors: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4)
    epochs: int = 60
    batch: int = 100
    rate: float = 0.01
    nets: int = 5
    margin: float = 0.02
    easy: float = 0.05


PRESETS = {
    "smoke": Config(data="digits", subset=(300, 200), factors=(1 / 16, 1 / 4, 1), epochs=8, batch=50, rate=0.1, nets=3,
                    margin=0.05),
    "cpu": Config(subset=(2000, 2000), factors=(1 / 16, 1 / 8, 1 / 4, 1 / 2, 1), epochs=40, nets=4),
    "paper": Config(),
}  # fmt: skip


@dataclass(frozen=True)
class Net:
    """A trained net. epochs: until the training error was first at most `easy`, NaN where it never was."""

    factor: float
    number: int
    n_weights: int
    train_error: float
    test_error: float
    train_loss: float
    epochs: float


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
    """Train nets of all widths, and compare their errors."""
    data = check_data(data)
    shape = (data.train_inputs.shape[1], *data.train_inputs.shape[2:])
    keys, jobs = [], []
    for number in range(config.nets):
        own = int(np.random.default_rng([seed, number]).integers(2**31))
        for factor in reversed(config.factors):  # the widest first: processes then end together
            model = PlainCNN(
                channels=[_scaled(width, factor) for width in CHANNELS],
                hidden=[_scaled(HIDDEN, factor)],
                n_classes=data.n_classes,
                input_shape=shape,
                seed=own,
            )
            keys.append((factor, number, n_parameters(model)))
            jobs.append((model, TrainConfig(config.epochs, config.batch, config.rate, seed=own)))
    trained = train_each(jobs, data, device=device, progress=progress, checkpoints=checkpoints)
    nets = [_net(*key, history, config) for key, (_, history) in zip(keys, trained, strict=True)]
    nets.sort(key=lambda net: (net.factor, net.number))
    claim = _claim(nets, len(data.train_labels), config, seed)
    return Result(claim, [vars(net) for net in nets], {"nets": nets, "data": len(data.train_labels), "config": config})


def interpolating_classifier(features: int, seed: int, n: int = 40, flipped: float = 0.2) -> float:
    """Test error of least squares on so many random ReLU features of n data of two classes in 5 dimensions.

    flipped: the share of training labels that are wrong. Where features and data are equally many, the fit meets them
    all with huge weights.
    Source: Belkin et al., Reconciling modern machine-learning practice and the bias-variance trade-off (2019).
    """
    rng = np.random.default_rng([seed, 11])
    inputs, teacher = rng.normal(size=(n + 1000, 5)), rng.normal(size=5)
    lifted = np.maximum(inputs @ rng.normal(size=(5, features)) + rng.normal(size=features), 0)
    classes = np.sign(inputs @ teacher)
    seen = classes[:n] * np.where(rng.random(n) < flipped, -1, 1)
    weights = np.linalg.lstsq(lifted[:n], seen, rcond=None)[0]
    return float(np.mean(np.sign(lifted[n:] @ weights) != classes[n:]))


def _scaled(width: int, factor: float) -> int:
    return max(1, round(width * factor))


def _net(factor: float, number: int, n_weights: int, history: History, config: Config) -> Net:
    easy = [epoch.epoch for epoch in history.epochs if epoch.train_error <= config.easy]
    last = history.last
    return Net(factor, number, n_weights, last.train_error, last.test_error, last.train_loss,
               float(easy[0]) if easy else float("nan"))  # fmt: skip


def _values(nets: Sequence[Net], factor: float, field: str) -> list[float]:
    return [getattr(net, field) for net in nets if net.factor == factor]


def _no_harm(name: str, many: Sequence[float], few: Sequence[float], config: Config) -> Case:
    """Whether the test errors with many weights are, by less than a margin, no larger than those with few."""
    harm = comparisons.difference(many, few, 0.01 / len(config.factors))
    beyond = harm.above(config.margin)
    agrees = None if beyond is None else not beyond
    return Case(name, f"below {config.margin:+.0%}", harm.text("+.1%"), agrees)


def _claim(nets: Sequence[Net], n_data: int, config: Config, seed: int) -> Claim:
    *narrower, widest = config.factors
    rate = 0.01 / len(config.factors)
    gain = comparisons.difference(_values(nets, widest, "train_error"), _values(nets, narrower[0], "train_error"), rate)
    below = gain.above(0)
    cases = [Case(f"training error, width x {widest:g} minus x {narrower[0]:g}", "below 0", gain.text("+.1%"),
                  None if below is None else not below)]  # fmt: skip
    for factor in narrower:
        wide, narrow = (_values(nets, one, "test_error") for one in (widest, factor))
        cases.append(_no_harm(f"test error, width x {widest:g} minus x {factor:g}", wide, narrow, config))
    many, few = ([interpolating_classifier(k, 100 * seed + i) for i in range(20)] for k in (40, 10))
    harmed = _no_harm("least squares", many, few, config)
    control = Control(
        "least squares on 40 data, a fifth of the labels wrong, 40 random features minus 10: the test must fail",
        f"above {config.margin:+.0%}",
        str(harmed.observed),
        passed=harmed.agrees is False,
    )
    sizes = sorted({net.n_weights for net in nets})
    return Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Welch's intervals over {config.nets} nets, {rate:.2g} on either side; margin {config.margin:.0%} "
        "in test error (ours)",
        seed=seed,
        note=f"{sizes[0]} to {sizes[-1]} weights on {n_data} images, {config.epochs} epochs each.",
    )


def draw(result: Result) -> dict[str, Any]:
    """Errors and the time to a small training error against the number of weights."""
    from empirical import plotting

    nets, n_data, config = (result.series[name] for name in ("nets", "data", "config"))
    figure, (left, right) = plotting.panels(2, width=4.0, height=3.1)
    sizes = [next(net.n_weights for net in nets if net.factor == factor) for factor in config.factors]
    curves: dict[str, Any] = {}
    for field, label in (("train_error", "training"), ("test_error", "test")):
        values = [_values(nets, factor, field) for factor in config.factors]
        curves[label] = (sizes, [np.mean(v) for v in values], [np.std(v, ddof=1) for v in values])
    times: list[tuple[int, float]] = []
    never: list[tuple[int, float]] = []
    for size, factor in zip(sizes, config.factors, strict=True):
        for epochs in _values(nets, factor, "epochs"):
            (never if np.isnan(epochs) else times).append((size, config.epochs if np.isnan(epochs) else epochs))
    plotting.lines(curves, x="number of weights", y="error after training", log="x", axes=left)
    reached = {"reached": times, f"not within {config.epochs} epochs": never}
    plotting.points({name: tuple(zip(*some, strict=True)) for name, some in reached.items() if some},
                    x="number of weights", y=f"epochs to a training error of {config.easy:.0%}", log="x",
                    first=2, axes=right)  # fmt: skip
    right.set_xlim(left.get_xlim())
    for axes in (left, right):
        plotting.mark(axes, n_data, "as many weights as images", vertical=True)
    right.set_ylim(bottom=0)
    return {"errors": figure}
