"""SGD with Gaussian noise added to every weight after every step (SGDL) beside plain SGD: curves and test errors.

Gaps in test error, SGDL minus SGD, are paired by seed (same start, same order of images). The mean gap lies, with error
rate e on either side, in m +- t(1 - e, n-1) s / sqrt(n). "Behaves like SGD" is judged at e = 0.01 by two one-sided t
tests against the margin for every level; the printed "slightly better" at 0.01 for all levels together (Bonferroni).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from empirical.data import Data, square_images
from empirical.models import PlainCNN
from empirical.records import Result
from empirical.train import History, TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATEMENT = "SGD with added Gaussian noise of constant power behaves like SGD, as long as the noise is small"
PRINTED = "the validation of SGD with added noise is slightly better than that of SGD"
SOURCE = "2018 review, equation 5 and Fig. 7"
REPORTED = {"Fig. 7": "SGDL's validation is slightly better than SGD's; power of the noise and numbers not given"}


@dataclass(frozen=True)
class Config:
    """Net: the plain CNN of the other experiments. Noise levels, margin and seeds are ours: the review gives none.

    noises: standard deviations per step, growing; all but the last are to behave like SGD, the last is the control
    margin: the gap in test error up to which two nets behave alike; gain: the least that would be "slightly better"
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = (5000, 2000)
    epochs: int = 20
    batch: int = 100
    rate: float = 0.01
    noises: tuple[float, ...] = (1e-4, 1e-3, 1e-1)
    seeds: int = 8
    margin: float = 0.03
    gain: float = 0.005


PRESETS = {
    "smoke": Config(data="digits", subset=(600, 450), epochs=4, rate=0.1, noises=(1e-3, 1e-1), seeds=8),
    "cpu": Config(),
    "paper": Config(subset=None, epochs=60, noises=(1e-5, 1e-4, 1e-3, 1e-2, 1e-1), seeds=10, margin=0.01, gain=0.002),
}


def check_data(data: Data | None) -> Data:
    """The data, if they are square images; ValueError otherwise."""
    return square_images(data, "sgdl")


def compute(
    config: Config,
    data: Data | None,
    *,
    seed: int,
    device: str = "cpu",
    checkpoints: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Train SGD and every noise level from the same starts. Raises ValueError where the data are not square images."""
    data = check_data(data)
    shape = (data.train_inputs.shape[1], *data.train_inputs.shape[2:])
    keys, jobs = [], []
    for number in range(config.seeds):
        own = int(np.random.default_rng([seed, number]).integers(2**31))
        for noise in (0.0, *config.noises):
            keys.append((noise, number))
            schedule = TrainConfig(config.epochs, config.batch, config.rate, noise=noise, seed=own)
            jobs.append((PlainCNN(n_classes=data.n_classes, input_shape=shape, seed=own), schedule))
    trained = train_each(jobs, data, device=device, checkpoints=checkpoints, progress=progress)
    histories = {key: history for key, (_, history) in zip(keys, trained, strict=True)}
    fitted = {noise: _training_gap(histories, noise, config.seeds) for noise in config.noises[:-1]}
    guessing = 1 - 1 / data.n_classes
    errors = {key: h.last.test_error if h.stopped is None else guessing for key, h in histories.items()}
    gaps = {noise: [errors[noise, k] - errors[0.0, k] for k in range(config.seeds)] for noise in config.noises}
    cases = [_alike(noise, gaps[noise], config.margin) for noise in config.noises[:-1]]
    better, found = slightly_better([gaps[noise] for noise in config.noises[:-1]], config.gain)
    worst = interval_of_mean(gaps[config.noises[-1]])
    control = Control(
        f"noise of {config.noises[-1]:g} a step must not behave like SGD",
        f"gap above {config.margin:.0%}",
        f"{np.mean(gaps[config.noises[-1]]):+.1%}, interval {worst[0]:+.1%} to {worst[1]:+.1%}",
        passed=_alike(config.noises[-1], gaps[config.noises[-1]], config.margin).agrees is False and worst[0] > 0,
    )
    claim = Claim.from_cases(
        cases,
        control,
        id="sgdl",
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"margin of {config.margin:.0%} in test error (ours); two one-sided t tests over seeds at 0.01",
        seed=seed,
        printed_verdict=better,
        note=(
            f"printed: {PRINTED}. By noise level: {found}; a gain of {config.gain:.1%} (ours) would count as better. "
            f"Mean gap in training error, not judged: {', '.join(f'{n:g}: {gap:+.1%}' for n, gap in fitted.items())}"
        ),
    )
    return Result(claim, _table(histories), {"gaps": gaps, "histories": histories, "config": config})


def interval_of_mean(values: Sequence[float], error_rate: float = 0.01) -> tuple[float, float]:
    """The interval in which the mean lies with this error rate on either side: Student's t; at least two values."""
    half = float(stats.t.isf(error_rate, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)) - half, float(np.mean(values)) + half


def _training_gap(histories: dict[tuple[float, int], History], noise: float, seeds: int) -> float:
    ends = [histories[noise, k].last.train_error - histories[0.0, k].last.train_error for k in range(seeds)]
    return float(np.mean(ends))


def _alike(noise: float, gaps: Sequence[float], margin: float) -> Case:
    low, high = interval_of_mean(gaps)
    agrees = True if -margin < low and high < margin else False if low > margin or high < -margin else None
    found = f"{np.mean(gaps):+.2%}, interval {low:+.2%} to {high:+.2%}"
    return Case(f"noise {noise:g}: gap in test error to SGD", f"within ±{margin:.0%}", found, agrees)


def slightly_better(gaps: Sequence[Sequence[float]], gain: float) -> tuple[Verdict, str]:
    """Whether some noise level lowers the test error: `fails` where every level is sure to gain less than `gain`.

    gaps: per level, those of the seeds. The intervals hold together with error rate 0.01 on either side.
    """
    intervals = [interval_of_mean(values, 0.01 / len(gaps)) for values in gaps]
    found = ", ".join(
        f"{np.mean(values):+.2%} ({low:+.2%} to {high:+.2%})"
        for values, (low, high) in zip(gaps, intervals, strict=True)
    )
    if any(high < 0 for _, high in intervals):
        return "holds", found
    return ("fails" if all(low > -gain for low, _ in intervals) else "inconclusive"), found


def _table(histories: dict[tuple[float, int], History]) -> list[dict[str, Any]]:
    return [
        {"noise": noise, "number": number} | row | {"stopped": history.stopped or ""}
        for (noise, number), history in histories.items()
        for row in history.rows()
    ]


def draw(result: Result) -> "dict[str, Figure]":
    """Training and test error by epoch, mean over the seeds, one line a noise level (as Fig. 7); the gaps."""
    from empirical import plotting

    config = result.series["config"]
    figure, axes = plotting.panels(2)
    for place, field, title in zip(axes, ("train_error", "test_error"), ("Training", "Validation"), strict=True):
        lines = {}
        for noise in (0.0, *config.noises):
            rows = [row for row in result.table if row["noise"] == noise]
            epochs = sorted({row["epoch"] for row in rows})
            means = [float(np.mean([row[field] for row in rows if row["epoch"] == e])) for e in epochs]
            lines["SGD" if noise == 0 else f"noise {noise:g}"] = (epochs, means)
        plotting.lines(lines, x="epoch", y="error", title=title, axes=place)
    gaps = result.series["gaps"]
    means = [float(np.mean(values)) for values in gaps.values()]
    half = [m - interval_of_mean(values)[0] for m, values in zip(means, gaps.values(), strict=True)]
    _, (alone,) = plotting.panels(1, width=4.4, height=3.1)
    title, found = "SGDL − SGD, intervals at 1% on either side", {"SGDL − SGD": (list(gaps), means, half)}
    gap = plotting.points(found, x="noise a step", y="gap in test error", title=title, log="x", axes=alone)
    plotting.mark(alone, config.margin, "margin")
    return {"curves": figure, "gaps": gap}
