"""Capacity bounds of the very nets trained here, and the gaps they bound. The claim `vacuous-capacity`.

Nets of one hidden layer are trained on images with their own labels: the gap between test and training error is
measured and set beside three bounds. The same nets on random labels of two classes estimate the Rademacher complexity
of what training reaches: 1 - 2 x training error, averaged over draws; near 1 no such bound can say anything.

The third bound is no measurement: the complexity of +-1 outputs is at most 1, and is 1 for every class that gives the m
images all 2^m labellings, as a net with enough weights does. The bound is then 1 + sqrt(log(1/delta) / (2 m)), above 1
whatever was trained; that the nets have that capacity is what the estimated complexity shows.

The test: every bound of the trained nets exceeds 1; the estimated complexity lies above `high` by Student's interval at
error rate 0.01. The control, a line on two features of as many images, must have bounds below 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from empirical.data import Data, shrunk, square_images
from empirical.models import SmallNet, n_parameters
from empirical.records import Result
from empirical.train import TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control
from theory.claims.vacuous_capacity import predicted
from theory.confidence import above, student

ID = "vacuous-capacity"
STATEMENT = (
    "Capacity bounds on the gap between test and training error exceed 1 for nets as they are trained, and the nets do "
    "have that capacity: they fit random labels."
)
SOURCE = "notes 1.2 (Zhang et al. 2017; Hoeffding's inequality and a union bound)"
REPORTED = {"notes": "gap <= sqrt(capacity / m), vacuous for such nets; no numbers"}
BOUNDS = ("union", "vc", "rademacher")


@dataclass(frozen=True)
class Config:
    """shrink: images are averaged over squares of this side; hidden: units; epochs, rate: of Adam

    high: estimated complexity above which a net counts as fitting anything
    """

    data: str = "mnist"
    subset: tuple[int, int] | None = (500, 2000)
    shrink: int = 2
    hidden: int = 100
    epochs: int = 60
    batch: int = 50
    rate: float = 0.005
    seeds: int = 5
    high: float = 0.9


PRESETS = {
    "smoke": Config(data="digits", subset=(200, 400), shrink=1, hidden=60, epochs=60, rate=0.01, seeds=3),
    "cpu": Config(),
    "paper": Config(subset=(50_000, 10_000), shrink=1, hidden=2000, epochs=500, seeds=5),
}


@dataclass(frozen=True)
class Net:
    """A trained net: which it is and on which labels, its weights, errors, and the three bounds of its gap."""

    kind: str
    labels: str
    number: int
    weights: int
    train_error: float
    test_error: float
    union: float
    vc: float
    rademacher: float

    @property
    def complexity(self) -> float:
        """How well it matches the signs it was given: 1 - 2 x training error."""
        return 1 - 2 * self.train_error


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
    """Train nets on true and on random labels, and lines on two features on random labels."""
    flat = flattened(shrunk(check_data(data), config.shrink))
    plane = replace(flat, train_inputs=two_features(flat.train_inputs), test_inputs=two_features(flat.test_inputs))
    jobs = [("net", "true", flat), ("net", "random", flat), ("line on two features", "random", plane)]
    found: list[Net] = []
    for k, (kind, labels, own) in enumerate(jobs):
        folder = None if checkpoints is None else checkpoints / f"{k}-{labels}"
        found += train_kind(kind, labels, own, config, seed, device, folder)
        if progress is not None:
            progress(k + 1, len(jobs), f"{kind}, {labels} labels")
    nets = [net for net in found if net.kind == "net"]
    lines = [net for net in found if net.kind != "net"]
    low, high = student([line.complexity for line in lines])
    bounds = max(max(line.union, line.vc) for line in lines)
    claim = Claim.from_cases(
        _cases(nets, config),
        Control(
            "a line on two features of as many images: its bounds must stay below 1, its complexity far below that",
            "bounds < 1, complexity surely < 0.5",
            f"bounds {bounds:.3f} at most, complexity {low:.3f} to {high:.3f}",
            passed=bounds < 1 and high < 0.5,
        ),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"bounds: none; complexity: Student's interval over {config.seeds} draws of labels at 0.01",
        seed=seed,
        note=_note(nets, len(flat.train_inputs)),
    )
    rows = [vars(net) | {"gap": net.test_error - net.train_error} for net in found]
    return Result(claim, rows, {"nets": nets, "lines": lines})


def draw(result: Result) -> dict[str, Any]:
    """The three bounds beside the gaps that were measured; errors on both kinds of labels."""
    from empirical import plotting

    nets: Sequence[Net] = result.series["nets"]
    figure, (left, right) = plotting.panels(2, width=3.6)
    true = [net for net in nets if net.labels == "true"]
    heights = [float(np.mean([getattr(net, name) for net in true])) for name in BOUNDS]
    gap = float(np.mean([net.test_error - net.train_error for net in true]))
    names = ["union", "VC", "Radem.", "measured"]
    label = "test minus training error"
    plotting.bars(names, {"gap": [*heights, gap]}, x="bound, or measured", y=label, log="y", axes=left)
    plotting.mark(left, 1.0, "nothing is said above 1")
    groups: dict[str, list[float]] = {"train_error": [], "test_error": []}
    for key, values in groups.items():
        for labels in ("true", "random"):
            values.append(float(np.mean([getattr(net, key) for net in nets if net.labels == labels])))
    groups = {key.replace("_", "ing ", 1) if key == "train_error" else "test error": v for key, v in groups.items()}
    plotting.bars(["true labels", "random labels"], groups, x="", y="share of wrong labels", axes=right)
    return {"bounds": figure}


def flattened(data: Data) -> Data:
    """The images as rows of numbers."""
    return replace(data, train_inputs=data.train_inputs.flatten(1), test_inputs=data.test_inputs.flatten(1))


def two_features(inputs: torch.Tensor) -> torch.Tensor:
    """Means of the left and of the right half of the features, (N, 2)."""
    middle = inputs.shape[1] // 2
    return torch.stack([inputs[:, :middle].mean(1), inputs[:, middle:].mean(1)], 1)


def train_kind(
    kind: str, labels: str, data: Data, config: Config, seed: int, device: str, checkpoints: Path | None
) -> list[Net]:
    """`seeds` nets, or lines, on the labels of the images or on random signs."""
    m, d = data.train_inputs.shape
    classes = data.n_classes if labels == "true" else 2
    found = []
    for number in range(config.seeds):
        own = data if labels == "true" else _random_signs(data, seed + number)
        widths = (d, config.hidden, classes) if kind == "net" else (d, classes)
        model = SmallNet(widths, seed=seed + number)
        schedule = TrainConfig(config.epochs, config.batch, config.rate, every=config.epochs, seed=seed + number,
                               optimizer="adam")  # fmt: skip
        folder = None if checkpoints is None else checkpoints / str(number)
        ((_, history),) = train_each([(model, schedule)], own, device=device, checkpoints=folder)
        weights = n_parameters(model)
        bounds = predicted(weights, m, d)
        found.append(Net(kind, labels, number, weights, history.last.train_error, history.last.test_error,
                         bounds.union, bounds.vc, bounds.rademacher))  # fmt: skip
    return found


def _random_signs(data: Data, seed: int) -> Data:
    rng = np.random.default_rng([seed, 3])
    signs = [torch.from_numpy(rng.integers(2, size=len(labels))) for labels in (data.train_labels, data.test_labels)]
    return replace(data, train_labels=signs[0], test_labels=signs[1], n_classes=2)


def _cases(nets: Sequence[Net], config: Config) -> list[Case]:
    cases = []
    for name in BOUNDS:
        least = min(getattr(net, name) for net in nets)
        cases.append(Case(f"{name} bound, least of the nets", "> 1", round(least, 3), least > 1))
    low, high = student([net.complexity for net in nets if net.labels == "random"])
    shown = f"{(low + high) / 2:.3f}, interval {low:.3f} to {high:.3f}"
    cases.append(Case("complexity estimated by training", f"> {config.high:g}", shown, above(low, high, config.high)))
    return cases


def _note(nets: Sequence[Net], images: int) -> str:
    true = [net for net in nets if net.labels == "true"]
    gap = np.mean([net.test_error - net.train_error for net in true])
    wrong = np.mean([net.test_error for net in nets if net.labels == "random"])
    return (
        f"{true[0].weights} weights, {images} images; gap measured with the true labels {gap:.3f}; error on new random "
        f"signs {wrong:.3f}"
    )
