"""The bound O(beta / eps^2) on the steps of descent, on the loss of a network. The claim `smooth-descent`.

Batch descent with a constant rate on the loss of a small net of smooth units. beta is measured: the largest absolute
eigenvalue of the Hessian at points along the very path, times a margin for what lies between them. Where the rate eta
is below 2 / beta, the gradient norm must fall below eps within (f(start) - least f) / (eta (1 - beta eta / 2) eps^2)
steps.

The test: in every net and for every eps the count is within the bound (a proof, no statistics). An eps that is neither
met nor due yet decides nothing. How far below the bound counts lie, and how they grow as eps falls, is told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical.data import Data, shrunk, square_images
from empirical.records import Result
from empirical.spectrum import hessian_operator, top_eigenvalues
from theory.claims.claim import Case, Claim, Control

ID = "smooth-descent"
STATEMENT = (
    "Where -beta I <= Hessian <= beta I, descent with a rate below 2/beta meets a gradient norm below eps within a "
    "multiple of beta (f(start) - inf f) / eps^2 steps: on the loss of a network too."
)
SOURCE = "notes 1.1 (Nesterov 1998)"
REPORTED = {"notes": "eta = 1/(2 beta): a number of steps in proportion to beta / eps^2; no experiment"}


@dataclass(frozen=True)
class Config:
    """shrink: images are averaged over squares of this side; hidden: units; seeds: nets

    eta, steps: rate and number of steps of batch descent
    looks: points of the path at which beta is measured; margin: factor on the largest value found there
    epsilons: norms of the gradient to be met
    """

    data: str = "mnist"
    subset: tuple[int, int] | None = (500, 100)
    shrink: int = 4
    hidden: int = 16
    eta: float = 0.05
    steps: int = 4000
    seeds: int = 5
    looks: int = 12
    margin: float = 1.2
    epsilons: tuple[float, ...] = (0.3, 0.2, 0.1, 0.05)


PRESETS = {
    "smoke": Config(
        data="digits", subset=(200, 50), shrink=1, hidden=8, steps=500, seeds=3, looks=5, epsilons=(0.4, 0.25, 0.16)
    ),
    "cpu": Config(),
    "paper": Config(
        subset=None, hidden=64, steps=100_000, looks=100, epsilons=(0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
    ),
}


@dataclass(frozen=True)
class Path:
    """Losses and gradient norms along a descent, (steps + 1,) each, and the measured beta, margin included."""

    number: int
    losses: np.ndarray
    norms: np.ndarray
    beta: float

    def count(self, eps: float) -> int | None:
        """Steps until the norm is below eps; None where it never was."""
        below = np.flatnonzero(self.norms < eps)
        return int(below[0]) if len(below) else None

    def bound(self, eps: float, eta: float) -> float:
        """The steps within which the norm must have been below eps; infinite where eta is 2 / beta or more."""
        gain = eta * (1 - self.beta * eta / 2)
        return float((self.losses[0] - self.losses.min()) / (gain * eps**2)) if gain > 0 else float("inf")


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
) -> Result:
    """Descend, measure beta along the way, compare counts with bounds; descend once with a rate far beyond 2 / beta."""
    data = shrunk(check_data(data), config.shrink)
    inputs = data.train_inputs.flatten(1).double().to(device)
    labels = data.train_labels.to(device)
    paths = []
    for number in range(config.seeds):
        net = make_net(inputs.shape[1], config.hidden, data.n_classes, seed + number).to(device)
        paths.append(descend(net, inputs, labels, config, number))
        if progress is not None:
            progress(number + 1, config.seeds + 1, f"beta {paths[-1].beta:.3g}")
    wild = 3 / (min(path.beta for path in paths) / config.margin)
    net = make_net(inputs.shape[1], config.hidden, data.n_classes, seed).to(device)
    rises = int((np.diff(walk(net, inputs, labels, wild, 200)[0]) > 0).sum())
    claim = Claim.from_cases(
        [_case(eps, paths, config) for eps in config.epsilons],
        Control(
            f"rate {wild:.3g} = 3 / beta, beyond 2 / beta: what the bound rests on must fail, the loss rise",
            "rises in 200 steps > 0",
            rises,
            passed=rises > 0,
        ),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"none: a proven bound, given beta; beta is measured at {config.looks} points of each path and taken "
        f"{config.margin:g} times as large",
        seed=seed,
        note=f"beta {min(p.beta for p in paths):.3g} to {max(p.beta for p in paths):.3g}, 2 / beta at least "
        f"{2 / max(p.beta for p in paths):.3g}; " + _growth(paths, config),
    )
    rows = [{"net": p.number, "eps": eps, "count": p.count(eps), "bound": p.bound(eps, config.eta), "beta": p.beta}
            for p in paths for eps in config.epsilons]  # fmt: skip
    return Result(claim, rows, {"paths": paths, "config": config})


def draw(result: Result) -> dict[str, Any]:
    """Gradient norms along the paths, and counts against bounds."""
    from empirical import plotting

    config: Config = result.series["config"]
    paths: Sequence[Path] = result.series["paths"]
    figure, (left, right) = plotting.panels(2, width=3.5)
    norms = {f"net {p.number + 1}": (np.arange(1, len(p.norms) + 1), p.norms) for p in paths}
    plotting.lines(norms, x="step", y="norm of the gradient", log="xy", markers=False, axes=left)
    eps = np.array(config.epsilons)
    counts = np.array([[p.count(e) for p in paths] for e in eps], float)  # NaN where not met
    bounds = [[p.bound(e, config.eta) for p in paths] for e in eps]
    series = {"steps taken, mean of nets": (eps, [np.mean(c) for c in counts]),
              "bound, least of nets": (eps, [np.min(b) for b in bounds])}  # fmt: skip
    plotting.lines(series, x="norm of the gradient to be met, eps", y="steps", log="xy", axes=right)
    right.set_xticks(eps, [f"{e:g}" for e in eps])
    right.xaxis.minorticks_off()
    return {"steps": figure}


def make_net(inputs: int, hidden: int, classes: int, seed: int) -> nn.Module:
    """A net of one hidden layer of tanh units in double precision, U(-1, 1) / sqrt(fan-in); no global state."""
    net = nn.Sequential(nn.Linear(inputs, hidden, device="meta"), nn.Tanh(), nn.Linear(hidden, classes, device="meta"))
    net.to_empty(device="cpu").double()
    generator = torch.Generator().manual_seed(seed % 2**63)
    for parameter, fan_in in zip(net.parameters(), (inputs, inputs, hidden, hidden), strict=True):
        nn.init.uniform_(parameter, -(fan_in**-0.5), fan_in**-0.5, generator=generator)
    return net.eval()


def descend(net: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, config: Config, number: int) -> Path:
    """The path of `steps` steps, and beta from looks that are closer together at its beginning."""
    looks = sorted({0, *np.geomspace(1, config.steps, config.looks).astype(int).tolist()})
    losses, norms, beta = [], [], 0.0
    for before, after in pairwise(looks):
        beta = max(beta, curvature(net, inputs, labels))
        found = walk(net, inputs, labels, config.eta, after - before)
        losses += found[0].tolist()
        norms += found[1].tolist()
    beta = max(beta, curvature(net, inputs, labels))
    last = walk(net, inputs, labels, config.eta, 1)
    return Path(number, np.array(losses + last[0].tolist()), np.array(norms + last[1].tolist()), config.margin * beta)


def walk(
    net: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, eta: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Loss and gradient norm before each of `steps` steps of batch descent, which changes the net."""
    weights, seen = list(net.parameters()), []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(inputs), labels)
        slopes = torch.autograd.grad(loss, weights)
        seen.append((float(loss.detach()), float(torch.sqrt(sum((s.square().sum() for s in slopes), torch.zeros(()))))))
        with torch.no_grad():
            for weight, slope in zip(weights, slopes, strict=True):
                weight.sub_(slope, alpha=eta)
    losses, norms = np.array(seen).reshape(-1, 2).T
    return losses, norms


def curvature(net: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    """Largest absolute eigenvalue of the Hessian."""
    operator = hessian_operator(net, nn.CrossEntropyLoss(), (inputs, labels), chunk=len(inputs))
    return float(np.abs(top_eigenvalues(operator, 2, which="both").values).max())


def _case(eps: float, paths: Sequence[Path], config: Config) -> Case:
    """None where the bound is beyond the steps taken and the norm was not met either: nothing is due yet."""
    within: list[bool | None] = []
    for p in paths:
        count, bound = p.count(eps), p.bound(eps, config.eta)
        due = bound < len(p.norms)
        within.append(count <= bound if count is not None else (False if due else None))
    agrees = False if False in within else (None if None in within else True)
    met = [count for p in paths if (count := p.count(eps)) is not None]
    least = min(p.bound(eps, config.eta) for p in paths)
    shown = f"{min(met)} to {max(met)} steps" if len(met) == len(paths) else f"met by {len(met)} of {len(paths)}"
    return Case(f"norm below {eps:g}", f"within {least:.3g} steps" if np.isfinite(least) else "no bound", shown, agrees)


def _growth(paths: Sequence[Path], config: Config) -> str:
    means = np.array([[p.count(eps) for p in paths] for eps in config.epsilons], float).mean(1)  # NaN where not met
    met = [(eps, mean) for eps, mean in zip(config.epsilons, means, strict=True) if np.isfinite(mean)]
    if len(met) < 2:
        return "too few norms were met to tell how the count grows"
    eps, counts = np.array(met).T
    power = float(np.polyfit(np.log(eps), np.log(np.maximum(counts, 1)), 1)[0])
    return f"the count grows like eps^{power:.2f}, the bound like eps^-2"
