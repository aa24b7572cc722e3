"""Is training that no longer improves at a critical point? The claim `stuck-not-critical`.

A small MLP is trained by SGD with a constant rate until its training loss no longer falls, and the gradient of the
whole training loss is measured along the way. The control starts from the very same weights and goes on by batch
descent: it must bring the gradient down, so that SGD was not at a critical point. Beside it: a path of gradient descent
on (1 - w1 w2)^2 that comes close to the saddle 0, where the gradient all but vanishes, and leaves it again.

The test: log of the gradient's norm where training is stuck over its norm at the start, mean over seeds, Student's
interval at error rate 0.01: holds above log `large`, fails below. A net that still improved by more than `still` in the
last third is not stuck, and leaves the claim undecided.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical.data import Data, shrunk, square_images
from empirical.measure import set_weights
from empirical.models import SmallNet
from empirical.records import Result
from empirical.train import TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control
from theory.confidence import student

ID = "stuck-not-critical"
STATEMENT = (
    "Training that no longer improves need not be at a critical point: the norm of the gradient stays a sizeable share "
    "of what it was at the start; paths come near a saddle and escape."
)
SOURCE = "slides (Goodfellow, Bengio and Courville 2016, Fig. 8.1; Goodfellow et al. 2015)"
REPORTED = {"Fig. 8.1": "the norm of the gradient grows along training while the error falls; no numbers"}


@dataclass(frozen=True)
class Config:
    """shrink: images are averaged over squares of this side; hidden: units, few enough not to fit the data

    rate, batch: of SGD, whose noise keeps the loss up
    still: relative fall of the loss, from the middle to the last third, above which training still improved
    large: norm of the gradient, over that at the start, above which it counts as large
    descent: steps of batch descent in the control, its rate halved whenever the loss rises
    paths: starts near the stable line of the saddle
    """

    data: str = "mnist"
    subset: tuple[int, int] | None = (3000, 500)
    shrink: int = 4
    hidden: int = 8
    epochs: int = 60
    rate: float = 0.2
    batch: int = 10
    seeds: int = 5
    still: float = 0.1
    large: float = 0.2
    descent: int = 1500
    paths: int = 100


PRESETS = {
    "smoke": Config(data="digits", subset=(800, 100), shrink=4, hidden=8, epochs=24, seeds=3, descent=300, paths=20),
    "cpu": Config(),
    "paper": Config(subset=None, hidden=10, epochs=200, descent=20_000, paths=1000),
}


@dataclass(frozen=True)
class Track:
    """Training loss and norm of its gradient after each epoch, of one net; then after batch descent from its end."""

    number: int
    losses: np.ndarray
    norms: np.ndarray
    settled_loss: float
    settled_norm: float

    @property
    def third(self) -> int:
        return max(1, len(self.losses) // 3)

    @property
    def fall(self) -> float:
        """Relative fall of the loss from the middle third to the last."""
        middle, last = self.losses[-2 * self.third : -self.third].mean(), self.losses[-self.third :].mean()
        return float((middle - last) / middle)

    @property
    def share(self) -> float:
        """Mean norm of the last third over the norm at the start."""
        return float(self.norms[-self.third :].mean() / self.norms[0])


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
    """Train, measure gradients, go on by batch descent; follow paths past a saddle."""
    data = shrunk(square_images(data, ID), config.shrink)
    flat = replace(data, train_inputs=data.train_inputs.flatten(1), test_inputs=data.test_inputs.flatten(1))
    widths = (flat.train_inputs.shape[1], config.hidden, data.n_classes)
    every = tuple(range(config.epochs + 1))
    jobs = [
        (SmallNet(widths, seed=seed + n),
         TrainConfig(config.epochs, config.batch, config.rate, seed=seed + n, every=config.epochs, keep=every))
        for n in range(config.seeds)
    ]  # fmt: skip
    trained = train_each(jobs, flat, device=device, progress=progress, checkpoints=checkpoints)
    tracks = [_track(n, model.to(device), history.weights, flat, config) for n, (model, history) in enumerate(trained)]
    near, ends = past_saddle(config.paths, np.random.default_rng(seed))
    escaped = int(((near[0] < 1e-2) & (near[1] > 0.9) & (ends < 1e-6)).sum())
    cases = [
        _case(tracks, config),
        Case("paths near the saddle that escape", config.paths, escaped, escaped == config.paths),
    ]
    claim = Claim.from_cases(
        cases,
        _control(tracks),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Student's interval over {config.seeds} seeds at error rate 0.01 against a share of {config.large}; "
        f"stuck: the loss of the last third within {config.still:.0%} of the third before",
        seed=seed,
        note=f"mean over nets: loss {np.mean([t.losses[-1] for t in tracks]):.3g} where SGD is stuck, "
        f"{np.mean([t.settled_loss for t in tracks]):.3g} after batch descent from there",
    )
    rows = [
        {"net": t.number, "epoch": k, "loss": t.losses[k], "gradient_norm": t.norms[k], "settled_loss": t.settled_loss,
         "settled_norm": t.settled_norm}
        for t in tracks for k in range(len(t.losses))
    ]  # fmt: skip
    return Result(claim, rows, {"tracks": tracks, "path": one_path()})


def draw(result: Result) -> dict[str, Any]:
    """Loss and norm of the gradient along training; the same along a path past the saddle."""
    from empirical import plotting

    tracks: list[Track] = result.series["tracks"]
    figure, (left, middle, right) = plotting.panels(3, width=3.2)
    losses = {f"net {t.number + 1}": (np.arange(len(t.losses)), t.losses) for t in tracks}
    norms = {f"net {t.number + 1}": (np.arange(len(t.norms)), t.norms) for t in tracks}
    plotting.lines(losses, x="epoch", y="training loss", log="y", markers=False, axes=left)
    plotting.lines(norms, x="epoch", y="norm of the gradient", log="y", markers=False, axes=middle)
    plotting.mark(middle, float(np.mean([t.settled_norm for t in tracks])), "after batch descent")
    loss, norm = result.series["path"]
    at = np.arange(len(loss))
    series = {"loss": (at, np.maximum(loss, 1e-12)), "norm of the gradient": (at, np.maximum(norm, 1e-12))}
    title = "Descent on (1 - w₁w₂)² past its saddle"
    plotting.lines(series, x="step", y="value", log="y", title=title, markers=False, axes=right)
    return {"gradients": figure}


def past_saddle(
    paths: int, rng: np.random.Generator, steps: int = 2000, rate: float = 0.02
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Descents on (1 - w1 w2)^2 from near the line w2 = -w1 that leads into the saddle 0, where the loss is 1.

    Returns the least norm of the gradient before the loss falls below 0.9 and the loss there, and the loss at the end.
    """
    away = rng.uniform(1e-6, 1e-5, size=paths)
    a = rng.uniform(0.4, 1.0, size=paths)
    b = -a + away
    least, at = np.full(paths, np.inf), np.full(paths, np.nan)
    for _ in range(steps):
        residual = 1 - a * b
        norm = 2 * np.abs(residual) * np.hypot(a, b)
        better = (norm < least) & (residual**2 > 0.9)
        least, at = np.where(better, norm, least), np.where(better, residual**2, at)
        a, b = a + 2 * rate * residual * b, b + 2 * rate * residual * a
    return (least, at), (1 - a * b) ** 2


def one_path(steps: int = 600, rate: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Loss and norm of the gradient along one such path, (steps,) each."""
    a, b, seen = 0.8, -0.8 + 5e-6, []
    for _ in range(steps):
        residual = 1 - a * b
        seen.append((residual**2, 2 * abs(residual) * float(np.hypot(a, b))))
        a, b = a + 2 * rate * residual * b, b + 2 * rate * residual * a
    losses, norms = np.array(seen).T
    return losses, norms


def gradient(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> tuple[float, list[torch.Tensor]]:
    """Mean cross entropy over all examples, and its gradient, parameter by parameter."""
    loss = nn.functional.cross_entropy(model(inputs), labels)
    return float(loss.detach()), list(torch.autograd.grad(loss, list(model.parameters())))


def settle(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, steps: int) -> tuple[float, float]:
    """Loss and norm of the gradient after batch descent; the rate grows by a tenth a step, and halves on a rise."""
    rate, weights = 0.5, list(model.parameters())
    loss, slopes = gradient(model, inputs, labels)
    for _ in range(steps):
        with torch.no_grad():
            for weight, slope in zip(weights, slopes, strict=True):
                weight.sub_(slope, alpha=rate)
        after, there = gradient(model, inputs, labels)
        if after <= loss:
            loss, slopes, rate = after, there, 1.1 * rate
            continue
        with torch.no_grad():
            for weight, slope in zip(weights, slopes, strict=True):
                weight.add_(slope, alpha=rate)
        rate /= 2
    return loss, norm_of(slopes)


def norm_of(slopes: Sequence[torch.Tensor]) -> float:
    return float(torch.sqrt(sum((s.square().sum() for s in slopes), torch.zeros(()))))


def _track(number: int, model: nn.Module, weights: Any, data: Data, config: Config) -> Track:
    device = next(model.parameters()).device
    inputs, labels = data.train_inputs.to(device), data.train_labels.to(device)
    seen = []
    for epoch in sorted(weights):
        set_weights(model, weights[epoch])
        loss, slopes = gradient(model, inputs, labels)
        seen.append((loss, norm_of(slopes)))
    losses, norms = np.array(seen).T
    return Track(number, losses, norms, *settle(model, inputs, labels, config.descent))


def _case(tracks: Sequence[Track], config: Config) -> Case:
    low, high = np.exp(student([np.log(t.share) for t in tracks]))
    falls = [t.fall for t in tracks]
    shown = f"{np.exp(np.mean([np.log(t.share) for t in tracks])):.3f}, interval {low:.3f} to {high:.3f}"
    agrees = True if low > config.large else (False if high < config.large else None)
    if max(falls) > config.still:
        shown, agrees = f"{shown}; the loss still fell by up to {max(falls):.0%}", None
    return Case("norm of the gradient where stuck, over that at the start", f"> {config.large}", shown, agrees)


def _control(tracks: Sequence[Track]) -> Control:
    lower = [t.settled_loss < t.losses[-t.third :].mean() for t in tracks]
    down = [t.settled_norm / t.norms[-t.third :].mean() for t in tracks]
    return Control(
        "batch descent from the end of each training: it must improve the loss and bring the gradient down, as it "
        "would not at a critical point",
        "every loss lower, every norm below a third",
        f"{sum(lower)} of {len(tracks)} losses lower, norms down to {max(down):.3f} of what they were, or less",
        passed=bool(all(lower) and max(down) < 1 / 3),
    )
