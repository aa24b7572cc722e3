"""SGD is gradient descent plus noise: mean, covariance and shape of minibatch gradients, by batch size.

The verdict on "looks Gaussian" is one test: the median, over the components of largest variance, of the distance
(Kolmogorov and Smirnov's) between the law of a component and the Gaussian of its exact mean and variance, at the batch
size that the source trains with. By the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart the distances found are
those of the laws up to sqrt(log(2 components / 0.01) / (2 draws)), all components at once, at error rate 0.01.
"""

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
    components: those of largest variance that are looked at; directions: random sums of them, whose variance tells the
        covariance of the components
    judged: the batch size of the verdict on the shape, which the source trains with elsewhere; judged_draws: of it
    looks: largest distance at which a law still looks Gaussian: less than that of a uniform law (0.057) or of two equal
        exponentials back to back (Laplace, 0.062), which do not; more than that of a logistic law (0.023), which does
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = (5000, 1000)
    hidden: tuple[int, ...] = (64,)
    rate: float = 0.003
    epochs: tuple[int, int] = (1, 60)
    batches: tuple[int, ...] = (1, 10, 100, 1000)
    draws: int = 20_000
    components: int = 50
    directions: int = 20
    judged: int = 100
    judged_draws: int = 400_000
    looks: float = 0.05
    confidence: float = 0.999


PRESETS = {
    "smoke": Config(
        data="digits",
        subset=(1000, 400),
        hidden=(32,),
        rate=0.05,
        epochs=(1, 20),
        batches=(1, 10, 100),
        draws=4000,
        judged_draws=12_000,
        components=20,
        directions=10,
    ),
    "cpu": Config(),
    "paper": Config(subset=(20_000, 10_000), hidden=(128, 64), epochs=(1, 200), draws=100_000),
}


@dataclass(frozen=True)
class Noise:
    """Gradients at one point: of single images (N, columns), of minibatches (draws, columns) by size and drawing.

    columns: the components, then the random directions; samples: by (batch size, with replacement)
    """

    point: str
    loss: float
    singles: np.ndarray
    samples: dict[tuple[int, bool], np.ndarray]

    def variance(self, batch: int, replacement: bool) -> np.ndarray:
        """Exact variance (columns,) of a minibatch mean."""
        n = len(self.singles)
        return self.singles.var(0) / batch * (1.0 if replacement else (n - batch) / (n - 1))

    def standard(self, batch: int, replacement: bool) -> np.ndarray:
        """The samples (draws, columns) with the full gradient taken off, in exact standard deviations."""
        centred = self.samples[batch, replacement] - self.singles.mean(0)
        return centred / np.sqrt(self.variance(batch, replacement))


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


def minibatches(
    singles: np.ndarray, batch: int, draws: int, rng: np.random.Generator, replacement: bool = False
) -> np.ndarray:
    """Means (draws, columns) over independent batches, drawn with or without replacement."""
    n = len(singles)
    return np.stack([singles[rng.choice(n, batch, replace=replacement, shuffle=False)].mean(0) for _ in range(draws)])


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
        sums = rng.normal(size=(config.components, config.directions)) / singles.std(0)[:, None]
        singles = np.hstack([singles, singles @ sums])
        kinds = [(b, way) for b in config.batches if b < len(singles) for way in (False, True)]
        samples = {
            (b, way): minibatches(singles, b, _draws(config, b, way), rng, way).astype(np.float32) for b, way in kinds
        }
        found.append(Noise(point, loss, singles, samples))
        if progress is not None:
            progress(done, 2, f"{point} point, loss {loss:.3g}")
    rows = [_row(noise, b, way, config) for noise in found for b, way in noise.samples]
    cases = [case for row in rows for case in _cases(row, len(rows), config)]
    cases += [_shape(rows, point, config.judged, config) for point in ("early", "late")]
    control = _control(found[0], rows, flat.train_labels.numpy(), config, np.random.default_rng((seed, 1)))
    claim = Claim.from_cases(
        cases,
        control,
        id="gradient-noise",
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=(
            f"means, covariances: {config.confidence:.1%}, all of them together (Bonferroni); shape: median distance "
            f"up to {config.looks}, our reading of 'looks' (uniform 0.057, Laplace 0.062, logistic 0.023), known to "
            f"±{band(config, config.judged_draws):.4f} at error rate 0.01 (Dvoretzky-Kiefer-Wolfowitz, all together)"
        ),
        seed=seed,
        note=(
            f"net {widths}, {data.name}, {len(data.train_inputs)} images, {config.draws} minibatches a kind; late, "
            f"median distance by batch size: {_by_batch(rows)}; 'rejected': share of components whose normality a test "
            "of Jarque and Bera rejects (Holm at 0.001)"
        ),
    )
    return Result(claim, rows, {"found": found, "config": config})


def _control(
    early: Noise, rows: list[dict[str, Any]], labels: np.ndarray, config: Config, rng: np.random.Generator
) -> Control:
    """What the tests of shape, mean and covariance must refuse: single images, and two kinds of biased noise.

    Minibatches that never hold the last class have another mean; those drawn without replacement are not those of
    drawing with it, whose variance is larger by (N - 1) / (N - b).
    """
    largest = max(b for b, _ in early.samples)
    left = early.singles[labels != labels.max()]
    biased = replace(early, samples={(config.judged, True): minibatches(left, config.judged, config.draws, rng, True)})
    taken = replace(early, samples={(largest, True): early.samples[largest, False]})
    mean, _ = _cases(_row(biased, config.judged, True, config), len(rows), config)
    _, covariance = _cases(_row(taken, largest, True, config), len(rows), config)
    shape = _shape(rows, "late", 1, config)
    parts = {
        "b = 1, late, as Gaussian": shape,
        f"b = {config.judged}, early, one class never drawn, as unbiased": mean,
        f"b = {largest}, early, drawn without replacement, as with": covariance,
    }
    return Control(
        "single images must not pass for Gaussian, nor biased noise for unbiased, nor one way of drawing for the other",
        {name: f"not {case.predicted}" for name, case in parts.items()},
        {name: case.observed for name, case in parts.items()},
        passed=all(case.agrees is False for case in parts.values()),
    )


def _draws(config: Config, batch: int, replacement: bool) -> int:
    return config.judged_draws if batch == config.judged and not replacement else config.draws


def band(config: Config, draws: int) -> float:
    """How far the distance of samples is from that of their law, at most, for all components together."""
    return float(np.sqrt(np.log(2 * config.components / 0.01) / (2 * draws)))


def _by_batch(rows: list[dict[str, Any]]) -> str:
    late = [row for row in rows if row["point"] == "late" and not row["replacement"]]
    return ", ".join(f"{row['batch']}: {row['median_distance']:.3f}" for row in late)


def _row(noise: Noise, batch: int, replacement: bool, config: Config) -> dict[str, Any]:
    """Mean, covariance and shape of one batch size."""
    standard = noise.standard(batch, replacement)
    draws = len(standard)
    components = standard[:, : config.components]
    kurtosis = stats.kurtosis(noise.singles, axis=0) / batch if replacement else None
    exact = kurtosis if kurtosis is not None else excess_kurtosis_of_means(noise.singles, batch)
    # a sample variance has the relative error sqrt((kurtosis + 2) / draws); the kurtosis is that of the population
    ratio, spread = standard.var(0, ddof=1), np.sqrt((np.maximum(exact, 0) + 2) / draws)
    p = np.sort(stats.jarque_bera(components, axis=0).pvalue)
    holm = np.minimum.accumulate(p * np.arange(len(p), 0, -1) < 0.001)
    return {
        "point": noise.point,
        "loss": noise.loss,
        "batch": batch,
        "replacement": replacement,
        "draws": draws,
        "largest_z_of_mean": float(abs(standard.mean(0)).max() * np.sqrt(draws)),
        "mean_variance_ratio": float(ratio[: config.components].mean()),
        "mean_variance_ratio_of_directions": float(ratio[config.components :].mean()),
        "largest_z_of_variance": float((abs(ratio - 1) / spread).max()),
        "median_excess_kurtosis": float(np.median(stats.kurtosis(components, axis=0))),
        "predicted_kurtosis": float(np.median(exact[: config.components])),
        "largest_excess_kurtosis": float(stats.kurtosis(components, axis=0).max()),
        "median_distance": float(np.median([stats.kstest(c, "norm").statistic for c in components.T])),
        "rejected": float(holm.mean()),
    }


def _cases(row: dict[str, Any], rows: int, config: Config) -> list[Case]:
    tests = 2 * rows * (config.components + config.directions)
    limit = float(stats.norm.isf((1 - config.confidence) / 2 / tests))
    at = f"{row['point']}, b = {row['batch']}, {'with' if row['replacement'] else 'without'} replacement"
    law = "C/b" if row["replacement"] else "C/b (N-b)/(N-1)"
    found = [row["mean_variance_ratio"], row["mean_variance_ratio_of_directions"]]
    return [
        Case(
            f"{at}: mean is the full gradient, largest z",
            f"<= {limit:.2f}",
            row["largest_z_of_mean"],
            row["largest_z_of_mean"] <= limit,
        ),
        Case(
            f"{at}: covariance is {law}, mean ratio of variances, components and directions (largest z <= {limit:.2f})",
            [1.0, 1.0],
            found,
            row["largest_z_of_variance"] <= limit,
        ),
    ]


def _shape(rows: list[dict[str, Any]], point: str, batch: int, config: Config) -> Case:
    """Whether the noise of about this batch size looks Gaussian: to the eye, not to a test of very many draws."""
    kinds = [row for row in rows if row["point"] == point and not row["replacement"]]
    row = min(kinds, key=lambda r: abs(r["batch"] - batch))
    found = {key: round(row[key], 4) for key in ("median_distance", "median_excess_kurtosis", "rejected")}
    off, error = row["median_distance"], band(config, row["draws"])
    agrees = True if off + error <= config.looks else False if off - error > config.looks else None
    name = f"{point}, b = {row['batch']}: looks Gaussian, median distance of the laws (± {error:.4f})"
    return Case(name, f"<= {config.looks}", found, agrees)


def draw(result: Result) -> "dict[str, Figure]":
    """Histograms of one component by batch size beside the Gaussian of the exact variance, as Fig. 6; its distance."""
    from empirical import plotting

    config, found = result.series["config"], result.series["found"]
    sizes = sorted({b for b, _ in found[0].samples})
    figure, axes = plotting.panels(len(sizes), len(found), width=2.6, height=2.3)
    at = np.linspace(-4, 4, 200)
    for row, noise in enumerate(found):
        for place, b in zip(axes[row * len(sizes) :], sizes, strict=False):
            values = noise.standard(b, False)[:, 0]
            plotting.histogram(
                {"minibatches": values[abs(values) <= 4]},
                x="component / its sd",
                bins=np.linspace(-4, 4, 49).tolist(),
                curves={"Gaussian": (at, stats.norm.pdf(at))},
                title=f"{noise.point}, b = {b}",
                axes=place,
            )
    distances, (left, right) = plotting.panels(2)
    off, kurtosis = {}, {}
    for noise in found:
        rows = [row for row in result.table if row["point"] == noise.point and not row["replacement"]]
        off[noise.point] = (
            sizes,
            [row["median_distance"] for row in rows],
            [band(config, row["draws"]) for row in rows],
        )
        kurtosis[noise.point] = (sizes, [row["median_excess_kurtosis"] for row in rows])
        kurtosis[f"{noise.point}, theory"] = (sizes, [row["predicted_kurtosis"] for row in rows])
    plotting.lines(off, x="batch size b", y="median distance to a Gaussian", title="Shape", log="x", axes=left)
    plotting.mark(left, config.looks, "looks Gaussian below", below=True, left=True)
    plotting.lines(kurtosis, x="batch size b", y="median excess kurtosis", title="Tails", log="xy", axes=right)
    return {"histograms": figure, "distance": distances}
