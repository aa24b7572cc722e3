"""SGD is gradient descent plus noise: mean, variance and shape of minibatch gradients, by batch size."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import stats
from torch.func import functional_call, grad, vmap

from empirical.data import Data
from empirical.models import SmallNet
from empirical.records import Result
from empirical.train import TrainConfig, evaluate, train
from theory.claims.claim import Case, Claim, Control

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATEMENT = "SGD = GD + noise: components of minibatch gradients look Gaussian around the full gradient"
SOURCE = "2018 review, equations 6-8 and Fig. 6"
REPORTED = {
    "Fig. 6": "histograms of some components at a late, fixed point look Gaussian; net and batch size not given"
}


@dataclass(frozen=True)
class Config:
    """Net, batches and points are ours: the review names none.

    epochs: of SGD before the early and the late point; batches: sizes b; draws: minibatches of each size
    components: those of largest variance that are looked at
    looks: largest distance (Kolmogorov and Smirnov's) at which a histogram still looks Gaussian
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = (5000, 1000)
    hidden: tuple[int, ...] = (64,)
    rate: float = 0.003
    epochs: tuple[int, int] = (1, 60)
    batches: tuple[int, ...] = (1, 10, 100, 1000)
    draws: int = 4000
    components: int = 50
    looks: float = 0.05
    confidence: float = 0.999


PRESETS = {
    "smoke": Config(
        data="digits", subset=(1000, 400), hidden=(32,), rate=0.05, epochs=(1, 20), batches=(1, 10, 100), draws=2000
    ),
    "cpu": Config(),
    "paper": Config(subset=(20_000, 10_000), hidden=(128, 64), epochs=(1, 200), draws=20_000),
}


@dataclass(frozen=True)
class Noise:
    """Gradients at one point: of single images (N, components), of minibatches of each size b (draws, components)."""

    point: str
    loss: float
    singles: np.ndarray
    samples: dict[int, np.ndarray]


def single_gradients(model: torch.nn.Module, data: Data, components: int) -> np.ndarray:
    """Gradients of the cross entropy of every training image: (N, components), those of largest variance."""
    parameters = {name: p.detach() for name, p in model.named_parameters()}

    def loss(values: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(functional_call(model, values, (x[None],)), y[None])

    def blocks() -> Iterator[torch.Tensor]:  # made twice, never kept: all gradients of all images would fill the memory
        for x, y in zip(data.train_inputs.split(100), data.train_labels.split(100), strict=True):
            of_each = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
            yield torch.cat([g.flatten(1) for g in of_each.values()], 1)

    first = second = torch.zeros((), dtype=torch.float64)
    for block in blocks():
        first, second = first + block.double().sum(0), second + block.double().pow(2).sum(0)
    chosen = (second - first**2 / len(data.train_inputs)).topk(components).indices
    return torch.cat([block[:, chosen] for block in blocks()]).double().numpy()


def minibatches(singles: np.ndarray, batch: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means (draws, components) over batches drawn without replacement."""
    n = len(singles)
    return np.stack([singles[rng.choice(n, size=batch, replace=False)].mean(0) for _ in range(draws)])


def excess_kurtosis_of_means(singles: np.ndarray, batch: int) -> np.ndarray:
    """Excess kurtosis of the mean of `batch` of N draws without replacement, per component: that of one draw, shrunk.

    Source: fourth cumulant of the sample mean of a finite population, leading order in 1/N.
    """
    n = len(singles)
    share = batch / n
    return (
        stats.kurtosis(singles, axis=0) / batch * (1 - 6 * share * (1 - share)) / (1 - share)
        if batch < n
        else 0 * singles[0]
    )


def compute(
    config: Config,
    data: Data,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Minibatch gradients at an early and a late point of training, against the exact law of drawing from N images."""
    widths = (data.train_inputs[0].numel(), *config.hidden, data.n_classes)
    model, rng, found, passed = SmallNet(widths, seed=seed), np.random.default_rng(seed), [], 0
    flat = replace(data, train_inputs=data.train_inputs.flatten(1), test_inputs=data.test_inputs.flatten(1))
    for done, (point, epochs) in enumerate(zip(("early", "late"), config.epochs, strict=True), 1):
        train(
            model,
            flat,
            TrainConfig(epochs=epochs - passed, batch=10, rate=config.rate, seed=seed + done),
            device=device,
        )
        model, passed = model.cpu(), epochs
        loss, _ = evaluate(model, flat.train_inputs, flat.train_labels)
        singles = single_gradients(model, flat, config.components)
        samples = {b: minibatches(singles, b, config.draws, rng) for b in config.batches if b < len(singles)}
        found.append(Noise(point, loss, singles, samples))
        if progress is not None:
            progress(done, 2, f"{point} point, loss {loss:.3g}")
    rows = [_row(noise, b, config) for noise in found for b in noise.samples]
    cases = [case for row in rows for case in _cases(row, config)]
    cases += [_shape(rows, point, config) for point in ("early", "late")]
    first = next(row for row in rows if row["point"] == "late")
    control = Control(
        "single images, b = 1, late: their gradients must not pass for Gaussian",
        f"distance > {config.looks}",
        first["median_distance"],
        passed=first["median_distance"] > config.looks,
    )
    claim = Claim.from_cases(
        cases,
        control,
        id="gradient-noise",
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=(
            f"means and variances: {config.confidence:.1%} for all {config.components} components together; shape: a "
            f"distance up to {config.looks} to the Gaussian of the exact variance, our reading of 'looks'; beside it "
            "the share of components that a test of normality rejects (Jarque and Bera, Holm at 0.001)"
        ),
        seed=seed,
        note=f"net {widths}, {data.name}, {len(data.train_inputs)} images, {config.draws} minibatches of each size",
    )
    return Result(claim, rows, {"found": found, "config": config})


def _row(noise: Noise, batch: int, config: Config) -> dict[str, Any]:
    """Mean, variance and shape of one batch size, over the components."""
    seen, n = noise.samples[batch], len(noise.singles)
    exact = noise.singles.var(0) / batch * (n - batch) / (n - 1)
    z = (seen.mean(0) - noise.singles.mean(0)) / np.sqrt(exact / len(seen))
    kurtosis, standard = stats.kurtosis(seen, axis=0), (seen - noise.singles.mean(0)) / np.sqrt(exact)
    # a sample variance has the relative error sqrt((kurtosis + 2) / draws); the kurtosis is that of the population
    heavy = np.maximum(excess_kurtosis_of_means(noise.singles, batch), 0)
    ratio = seen.var(0, ddof=1) / exact
    p = np.sort(stats.jarque_bera(seen, axis=0).pvalue)
    holm = np.minimum.accumulate(p * np.arange(len(p), 0, -1) < 0.001)
    return {
        "point": noise.point,
        "loss": noise.loss,
        "batch": batch,
        "largest_z_of_mean": float(abs(z).max()),
        "mean_variance_ratio": float(ratio.mean()),
        "largest_z_of_variance": float((abs(ratio - 1) / np.sqrt((heavy + 2) / len(seen))).max()),
        "median_excess_kurtosis": float(np.median(kurtosis)),
        "predicted_kurtosis": float(np.median(excess_kurtosis_of_means(noise.singles, batch))),
        "largest_excess_kurtosis": float(kurtosis.max()),
        "median_distance": float(np.median([stats.kstest(c, "norm").statistic for c in standard.T])),
        "rejected": float(holm.mean()),
    }


def _cases(row: dict[str, Any], config: Config) -> list[Case]:
    limit = float(stats.norm.isf((1 - config.confidence) / 2 / config.components))
    at = f"{row['point']}, b = {row['batch']}"
    return [
        Case(
            f"{at}: mean is the full gradient, largest z",
            f"<= {limit:.2f}",
            row["largest_z_of_mean"],
            row["largest_z_of_mean"] <= limit,
        ),
        Case(
            f"{at}: variance is C/b (N-b)/(N-1), mean ratio (largest z <= {limit:.2f})",
            1.0,
            row["mean_variance_ratio"],
            row["largest_z_of_variance"] <= limit,
        ),
    ]


def _shape(rows: list[dict[str, Any]], point: str, config: Config) -> Case:
    """Whether the noise of the largest batch up to 100 looks Gaussian: to the eye, not to a test of many draws."""
    row = max((r for r in rows if r["point"] == point and r["batch"] <= 100), key=lambda r: r["batch"])
    found = {key: round(row[key], 4) for key in ("median_distance", "median_excess_kurtosis", "rejected")}
    name = f"{point}, b = {row['batch']}: looks Gaussian, median distance of the distribution functions"
    return Case(name, f"<= {config.looks}", found, row["median_distance"] <= config.looks)


def draw(result: Result) -> "dict[str, Figure]":
    """Histograms of one component by batch size beside the Gaussian of the exact variance, as Fig. 6; kurtosis."""
    from empirical import plotting

    noise = result.series["found"][-1]
    sizes = list(noise.samples)
    figure, axes = plotting.panels(len(sizes), width=2.8, height=2.4)
    for place, b in zip(axes, sizes, strict=True):
        values, n = noise.samples[b][:, 0], len(noise.singles)
        spread = float(np.sqrt(noise.singles[:, 0].var() / b * (n - b) / (n - 1)))
        centre = float(noise.singles[:, 0].mean())
        at = np.linspace(centre - 4 * spread, centre + 4 * spread, 200)
        curve = {"Gaussian": (at, stats.norm.pdf(at, centre, spread))}
        inside = values[abs(values - centre) <= 4 * spread]
        plotting.histogram(
            {"batches": inside}, x="gradient component", curves=curve, title=f"late, b = {b}", axes=place
        )
    kurtosis = {}
    for point in ("early", "late"):
        rows = [row for row in result.table if row["point"] == point]
        sizes = [row["batch"] for row in rows]
        kurtosis[point] = (sizes, [row["median_excess_kurtosis"] for row in rows])
        kurtosis[f"{point}, theory"] = (sizes, [row["predicted_kurtosis"] for row in rows])
    shape = plotting.lines(kurtosis, x="batch size b", y="median excess kurtosis", title="Towards a Gaussian", log="xy")
    return {"histograms": figure, "kurtosis": shape}
