"""Do larger nets meet fewer bad minima, of ever more alike losses? The claim `similar-minima`.

Nets with one hidden layer of n units, many of each width, trained alike from independent starts on the same images, all
of a width in one batch of matrix products. Compared are mean and variance of their test losses between the smallest and
the largest width; one net of each width also gives the least and largest eigenvalue of its Hessian.

The test: bootstrap intervals over nets, error rate 0.01 on either side shared by both, for the log ratio of mean test
losses and of their standard deviations, narrow over wide: both above 0. Fails where one is surely below `effect`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical.data import Data, shrunk, square_images
from empirical.models import SmallNet
from empirical.records import Result
from empirical.spectrum import hessian_operator, top_eigenvalues
from theory.claims.claim import Case, Claim, Control
from theory.confidence import above

ID = "similar-minima"
STATEMENT = (
    "Larger nets meet fewer bad minima, their losses are alike: mean and spread of the test loss fall with the width."
)
SOURCE = "slides (Choromanska et al. 2015, arXiv 1412.0233, Fig. 3 and table 1)"
REPORTED = {
    "protocol": "MNIST at 10 x 10, one hidden layer of 25, 50, 100, 250, 500 units, 1,000 nets each, SGD, 200 epochs",
    "correlation of train and test loss": {25: 0.76, 50: 0.69, 100: 0.60, 250: 0.53, 500: 0.41},  # from memory, medium
    "Fig. 3": "histograms of test losses: lower and narrower with the width; index of the ends 0",
}

STATISTICS: dict[str, Any] = {"mean": np.mean, "standard deviation": np.std}
ERROR_RATE = 0.01 / len(STATISTICS)  # Bonferroni


@dataclass(frozen=True)
class Config:
    """shrink: images are averaged over squares of this side; widths: of the hidden layer; nets: of each width

    effect: log ratio below which nothing has fallen (5 %)
    """

    data: str = "mnist"
    subset: tuple[int, int] | None = (2000, 2000)
    shrink: int = 4
    widths: tuple[int, ...] = (5, 10, 25, 50, 100)
    nets: int = 50
    epochs: int = 40
    batch: int = 50
    rate: float = 0.1
    effect: float = 0.05


PRESETS = {
    "smoke": Config(data="digits", subset=(400, 300), shrink=1, widths=(3, 10, 30), nets=20, epochs=20),
    "cpu": Config(),
    "paper": Config(subset=None, shrink=2, widths=(25, 50, 100, 250, 500), nets=1000, epochs=200, batch=100),
}


@dataclass(frozen=True)
class Ends:
    """Losses of all nets of one width, (nets,) each, and the Hessian's extreme eigenvalues at the end of the first."""

    width: int
    train: np.ndarray
    test: np.ndarray
    untrained: np.ndarray
    least: float
    largest: float


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
    """Train all nets of all widths. Raises ValueError where the data are not square images."""
    data = shrunk(check_data(data), config.shrink)
    sets = [t.to(device) for t in (data.train_inputs.flatten(1), data.train_labels,
                                   data.test_inputs.flatten(1), data.test_labels)]  # fmt: skip
    found = []
    for k, width in enumerate(config.widths):
        found.append(_ends(width, sets, data.n_classes, config, seed))
        if progress is not None:
            progress(k + 1, len(config.widths), f"{config.nets} nets of width {width}")
    rng = np.random.default_rng([seed, 1])
    claim = Claim.from_cases(
        _cases([ends.test for ends in found], config, rng),
        _control(found, config, rng),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"bootstrap over {config.nets} nets a width, error rate 0.01 on either side shared by two tests",
        seed=seed,
        note="; ".join(_described(ends) for ends in found),
    )
    table = [
        {"width": e.width, "net": k, "train_loss": e.train[k], "test_loss": e.test[k], "untrained": e.untrained[k]}
        for e in found for k in range(config.nets)
    ]  # fmt: skip
    return Result(claim, table, {"ends": found})


def draw(result: Result) -> dict[str, Any]:
    """Test losses of all nets by width, their spread, and the losses on both sets against each other."""
    from empirical import plotting

    ends: Sequence[Ends] = result.series["ends"]
    widths = [e.width for e in ends]
    figure, (left, middle, right) = plotting.panels(3, width=3.2)
    jitter = np.random.default_rng(0).uniform(0.94, 1.06, size=len(ends[0].test))
    own = {str(e.width): (e.width * jitter, e.test) for e in ends}
    plotting.points(own, x="hidden units", y="test loss", log="x", axes=left)
    left.legend().set_visible(False)
    spreads = {
        "mean": (widths, [e.test.mean() for e in ends]),
        "standard deviation": (widths, [e.test.std() for e in ends]),
    }
    plotting.lines(spreads, x="hidden units", y="test loss", log="xy", axes=middle)
    for axes in (left, middle):
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.xaxis.minorticks_off()
    clouds = {f"{e.width} units": (e.train, e.test) for e in ends}
    plotting.points(clouds, x="training loss", y="test loss", axes=right)
    return {"losses": figure}


def train_alike(
    nets: Sequence[SmallNet], inputs: torch.Tensor, labels: torch.Tensor, config: Config, seed: int
) -> list[torch.Tensor]:
    """SGD on nets of one width at once, the same batches for all: their weights, (nets, ...) for each parameter."""
    stacked = [
        torch.stack(parts).detach().requires_grad_() for parts in zip(*(n.parameters() for n in nets), strict=True)
    ]
    generator = torch.Generator().manual_seed(seed % 2**63)
    for _ in range(config.epochs):
        for some in torch.randperm(len(inputs), generator=generator).split(config.batch):
            loss = losses(
                stacked, inputs[some], labels[some]
            ).sum()  # of independent nets: the gradient is that of each
            slopes = torch.autograd.grad(loss, stacked)
            with torch.no_grad():
                for weight, slope in zip(stacked, slopes, strict=True):
                    weight.sub_(slope, alpha=config.rate)
    return [weight.detach() for weight in stacked]


def losses(stacked: Sequence[torch.Tensor], inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of each net, (nets,); stacked: weights and biases of two layers, (nets, ...) each."""
    first, bias, second, last = stacked
    hidden = torch.relu(torch.einsum("nd,rhd->rnh", inputs, first) + bias[:, None])
    outputs = torch.einsum("rnh,rch->rnc", hidden, second) + last[:, None]
    each = nn.functional.cross_entropy(outputs.flatten(0, 1), labels.repeat(len(first)), reduction="none")
    return each.view(len(first), -1).mean(1)


def log_ratio(
    narrow: np.ndarray, wide: np.ndarray, statistic: Callable[..., np.ndarray], rng: np.random.Generator
) -> tuple[float, float, float]:
    """log of a statistic of narrow over that of wide, and its bootstrap interval, ERROR_RATE on either side."""
    draws = [sample[rng.integers(len(sample), size=(4000, len(sample)))] for sample in (narrow, wide)]
    again = np.log(statistic(draws[0], axis=1) / statistic(draws[1], axis=1))
    low, high = np.quantile(again, [ERROR_RATE, 1 - ERROR_RATE])
    return float(np.log(statistic(narrow, axis=0) / statistic(wide, axis=0))), float(low), float(high)


def _ends(width: int, sets: Sequence[torch.Tensor], classes: int, config: Config, seed: int) -> Ends:
    inputs, labels, test_inputs, test_labels = sets
    sizes = (inputs.shape[1], width, classes)
    own = np.random.default_rng([seed, width]).integers(2**31, size=config.nets)
    nets = [SmallNet(sizes, seed=int(s)).to(inputs.device) for s in own]
    begin = [torch.stack(parts).detach() for parts in zip(*(net.parameters() for net in nets), strict=True)]
    trained = train_alike(nets, inputs, labels, config, seed)
    with torch.no_grad():
        for parameter, weight in zip(nets[0].parameters(), trained, strict=True):
            parameter.copy_(weight[0])
        states = ((trained, inputs, labels), (trained, test_inputs, test_labels), (begin, test_inputs, test_labels))
        train, test, untrained = (losses(*state).double().cpu().numpy() for state in states)
    operator = hessian_operator(nets[0].double().eval(), nn.CrossEntropyLoss(), (inputs.double(), labels), chunk=5000)
    extreme = top_eigenvalues(operator, 2, which="both", seed=seed).values
    return Ends(width, train, test, untrained, float(extreme[0]), float(extreme[-1]))


def _cases(tests: Sequence[np.ndarray], config: Config, rng: np.random.Generator) -> list[Case]:
    cases = []
    narrow, wide = tests[0], tests[-1]
    for name, statistic in STATISTICS.items():
        value, low, high = log_ratio(narrow, wide, statistic, rng)
        shown = f"{value:+.3f}, interval {low:+.3f} to {high:+.3f}"
        instance = f"log of the {name} of test losses, width {config.widths[0]} over width {config.widths[-1]}"
        cases.append(Case(instance, "> 0", shown, above(low, high, effect=config.effect)))
    return cases


def _control(found: Sequence[Ends], config: Config, rng: np.random.Generator) -> Control:
    """Both tests where widths mean nothing; the test of the mean also where nothing was trained."""
    mixed = rng.permutation(np.concatenate([found[0].test, found[-1].test]))
    half = len(found[0].test)
    shuffled = {name: log_ratio(mixed[:half], mixed[half:], statistic, rng) for name, statistic in STATISTICS.items()}
    untrained = log_ratio(found[0].untrained, found[-1].untrained, np.mean, rng)
    shown = {f"widths mixed, {name}": interval for name, interval in shuffled.items()} | {"untrained, mean": untrained}
    return Control(
        "the same losses with the widths mixed, through both tests: neither may see a fall; and the mean of the same "
        "nets untrained must not have fallen",
        f"no interval above 0; untrained: surely below {config.effect}",
        {name: f"{value:+.3f}, interval {low:+.3f} to {high:+.3f}" for name, (value, low, high) in shown.items()},
        passed=all(low <= 0 for _, low, _ in shuffled.values()) and untrained[2] < config.effect,
    )


def _described(ends: Ends) -> str:
    together = float(np.corrcoef(ends.train, ends.test)[0, 1])
    return (
        f"width {ends.width}: test loss {ends.test.mean():.3f} +- {ends.test.std():.3f}, correlation with the training "
        f"loss {together:.2f}, Hessian of one net from {ends.least:.2g} to {ends.largest:.2g}"
    )
