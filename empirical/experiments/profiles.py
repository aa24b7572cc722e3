"""The loss along straight lines in weights: start to end, end to end, start to start. The claim `profiles`.

An MLP, the plain CNN with batch normalisation and an LSTM that reads images row by row, each trained from several
starts. Batch normalisation recomputes its statistics at every point. What is measured is the climb: the largest rise of
the loss above the least loss met before, as a share of the loss of guessing; 0 where the profile is monotone.

The test: for each kind of net the mean climb from start to end over seeds, Student's interval, error rate 0.01
shared by the kinds: holds below `margin`, fails above it. The same measure must find climbs between independent ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from empirical.data import Data, square_images
from empirical.models import PlainCNN, SmallNet
from empirical.records import Result
from empirical.recurrent import RowLSTM
from empirical.surfaces import Surface, surface
from empirical.train import TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control
from theory.confidence import student

ID = "profiles"
STATEMENT = (
    "Along the line from the start of training to its end the loss meets no barrier, for an MLP, a CNN and an LSTM; "
    "between two independent ends it does."
)
SOURCE = "slides (Goodfellow et al. 2015, arXiv 1412.6544; Im et al. 2016)"
REPORTED = {
    "figures": "start to end monotone and convex-looking for MNIST nets; a bump between two ends; no numbers",
    "exception": "arXiv 2012.06898: for modern CIFAR nets the loss stays high until close to the end",
}
KINDS = ("MLP", "CNN", "LSTM")
ERROR_RATE = 0.01 / len(KINDS)  # Bonferroni
LINES = ("start to end", "end to end", "start to start")


@dataclass(frozen=True)
class Config:
    """hidden: width of MLP and LSTM; channels: of the CNN; rates: of MLP, CNN and LSTM, SGD with this momentum

    points: on a line from 0 to 1; images: of the training set on which lines are evaluated
    margin: climb, as a share of the loss of guessing, up to which there is none
    """

    data: str = "mnist"
    subset: tuple[int, int] | None = (2000, 1000)
    hidden: int = 64
    channels: tuple[int, ...] = (8, 16)
    epochs: int = 8
    rates: tuple[float, float, float] = (0.05, 0.02, 0.1)
    momentum: float = 0.9
    seeds: int = 5
    points: int = 41
    images: int = 500
    margin: float = 0.05


PRESETS = {
    "smoke": Config(
        data="digits", subset=(400, 150), hidden=16, channels=(4,), epochs=18, seeds=5, points=7, images=100
    ),
    "cpu": Config(),
    "paper": Config(subset=None, hidden=512, channels=(32, 64, 64), epochs=40, images=10_000, points=201),
}


@dataclass(frozen=True)
class Line:
    """One line: which kind of net, between what, the net's number, its climb as a share of the loss of guessing, the
    share of steps along it that go up, and the losses at its ends."""

    kind: str
    line: str
    number: int
    climb: float
    rising: float
    first: float
    last: float


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
    """Train all nets and follow all lines. Raises ValueError where the data are not square images."""
    data = check_data(data)
    names = [(kind, number) for kind in KINDS for number in range(config.seeds)]
    jobs = [
        (
            net(kind, config, data, seed + number),
            TrainConfig(config.epochs, rate=config.rates[KINDS.index(kind)], momentum=config.momentum,
                        every=max(1, config.epochs), seed=seed + number),
        )
        for kind, number in names
    ]  # fmt: skip
    trained = train_each(jobs, data, device=device, progress=progress, checkpoints=checkpoints)
    ends = {name: model.to(device).eval() for name, (model, _) in zip(names, trained, strict=True)}
    starts = {(kind, n): net(kind, config, data, seed + n).to(device).eval() for kind, n in names}
    guessing, found, profiles = float(np.log(data.n_classes)), [], {}
    for kind, number in names:
        other = (kind, (number + 1) % config.seeds)
        here = (kind, number)
        pairs = ((starts[here], ends[here]), (ends[here], ends[other]), (starts[here], starts[other]))
        for name, (one, two) in zip(LINES, pairs, strict=True):
            seen = _follow(one, two, data, config)
            profiles[kind, name, number] = seen
            found.append(_line(kind, name, number, seen, guessing))
    errors = [history.last.test_error for _, history in trained]
    claim = Claim.from_cases(
        [_case(kind, found, config.margin) for kind in KINDS],
        _control(found, config),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Student's interval over {config.seeds} seeds, error rate 0.01 shared by the kinds, against a "
        f"margin of {config.margin:.0%} of the loss of guessing",
        seed=seed,
        note=_note(found, np.array(errors).reshape(len(KINDS), -1)),
    )
    return Result(claim, [vars(line) for line in found], {"profiles": profiles})


def draw(result: Result) -> dict[str, Any]:
    """All profiles: a row of panels a kind of line, a panel a kind of net."""
    from empirical import plotting

    figure, axes = plotting.panels(len(KINDS), len(LINES), width=2.8, height=2.3)
    places = iter(axes)
    for name in LINES:
        for kind in KINDS:
            lines = {
                f"net {number + 1}": (seen.coordinates[0], seen.loss)
                for (k, n, number), seen in result.series["profiles"].items()
                if (k, n) == (kind, name)
            }
            label = f"position from {name.replace(' to ', ' (0) to ')} (1)"
            plotting.lines(lines, x=label, y="training loss", title=kind, markers=False, axes=next(places))
    climbs = {
        name: [np.mean([r["climb"] for r in result.table if (r["kind"], r["line"]) == (kind, name)]) for kind in KINDS]
        for name in LINES[:2]
    }
    bars = plotting.bars(KINDS, climbs, x="net", y="climb, share of the loss of guessing")
    return {"profiles": figure, "climbs": bars}


def net(kind: str, config: Config, data: Data, seed: int) -> nn.Module:
    """An untrained net of this kind for these images."""
    channels, size, _ = data.train_inputs.shape[1:]
    shape = (channels, size, size)
    if kind == "MLP":
        features = int(np.prod(shape))
        widths = (features, config.hidden, config.hidden, data.n_classes)
        return nn.Sequential(nn.Flatten(), SmallNet(widths, seed=seed))
    if kind == "CNN":
        return PlainCNN(channels=config.channels, hidden=(config.hidden,), n_classes=data.n_classes, input_shape=shape,
                        seed=seed)  # fmt: skip
    return RowLSTM(shape, config.hidden, data.n_classes, seed=seed)


def _follow(one: nn.Module, two: nn.Module, data: Data, config: Config) -> Surface:
    device = next(one.parameters()).device
    some = data.train_inputs[: config.images].to(device), data.train_labels[: config.images].to(device)
    return surface(one, nn.CrossEntropyLoss(), some, two, extent=(0.0, 1.0), points=config.points,
                   batchnorm="recomputed", chunk=config.images)  # fmt: skip


def _line(kind: str, name: str, number: int, seen: Surface, guessing: float) -> Line:
    rising = float((np.diff(seen.loss) > 0).mean())
    return Line(kind, name, number, climb(seen.loss) / guessing, rising, float(seen.loss[0]), float(seen.loss[-1]))


def climb(losses: np.ndarray) -> float:
    """The largest rise of losses (p,) above the least one before: 0 where they never rise; NaN where one is."""
    return float(np.max(losses - np.minimum.accumulate(losses)))


def _climbs(found: Sequence[Line], kind: str, name: str) -> list[float]:
    return [line.climb for line in found if (line.kind, line.line) == (kind, name)]


def _case(kind: str, found: Sequence[Line], margin: float) -> Case:
    values = _climbs(found, kind, "start to end")
    if not np.isfinite(values).all():
        return Case(f"{kind}: climb from start to end", f"< {margin:g}", "losses that are not finite", None)
    low, high = student(values, ERROR_RATE)
    agrees = True if high < margin else (False if low > margin else None)
    shown = f"{np.mean(values):.3f}, interval {low:.3f} to {high:.3f}"
    return Case(f"{kind}: climb from start to end, share of guessing", f"< {margin:g}", shown, agrees)


def _control(found: Sequence[Line], config: Config) -> Control:
    lows = {kind: student(_climbs(found, kind, "end to end"), ERROR_RATE)[0] for kind in KINDS}
    return Control(
        "the same measure between two independent ends: it must find a climb for every kind of net",
        f"lower ends of the intervals > {config.margin:g}",
        {kind: round(low, 3) for kind, low in lows.items()},
        passed=min(lows.values()) > config.margin,
    )


def _note(found: Sequence[Line], errors: np.ndarray) -> str:
    parts = []
    for kind, row in zip(KINDS, errors, strict=True):
        rising = np.mean([line.rising for line in found if (line.kind, line.line) == (kind, "start to end")])
        parts.append(f"{kind} {rising:.0%} of steps from start to end go up, test error {row.mean():.1%}")
    return "; ".join(parts)
