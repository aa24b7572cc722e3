"""The net with 2n + d weights that meets any labels, on images. The claim `memorizer`.

The construction in rationals takes n images, as whole numbers of their grey values, to random labels; every label is
then computed again from the weights, exactly, by matrix arithmetic over the integers. Beside it: the same weights
rounded to float64, and descent (Adam) on a net of one hidden layer with no more weights, which finds no such fit.

The test: no label is missed, with 2n + d weights, for every n and seed (equality, no statistics).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from empirical.data import Data
from empirical.models import SmallNet, n_parameters
from empirical.records import Result
from empirical.train import TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control
from theory.interpolants import ConflictingLabelsError, Memorizer, memorizer

ID = "memorizer"
STATEMENT = (
    "A two-layer ReLU network with 2n + d weights represents any labels of n distinct images in d dimensions, exactly."
)
SOURCE = "notes 1.2 (Zhang, Bengio, Hardt, Recht, Vinyals 2017, Theorem 1)"
REPORTED = {
    "Theorem 1": "2n + d weights",
    "table 1": "random labels on CIFAR-10, 100 % of training labels met by Inception; 99.34 % by an MLP 1x512",
}


@dataclass(frozen=True)
class Config:
    """sizes: numbers n of images; seeds: draws of images and labels

    descent: n for which nets of at most 2n + d weights are trained; epochs, rate: of Adam
    """

    data: str = "mnist"
    subset: tuple[int, int] | None = (3000, 100)
    sizes: tuple[int, ...] = (10, 100, 300, 1000)
    seeds: int = 5
    descent: tuple[int, ...] = (300, 1000)
    epochs: int = 200
    rate: float = 0.01


PRESETS = {
    "smoke": Config(data="digits", subset=None, sizes=(5, 30, 80), seeds=3, descent=(80,), epochs=60),
    "cpu": Config(),
    "paper": Config(subset=(5000, 100), sizes=(10, 100, 1000, 2000), descent=(100, 1000), epochs=5000),
}


@dataclass(frozen=True)
class Fit:
    """The construction on n images: weights, labels missed exactly, largest miss of the same weights in float64."""

    n: int
    number: int
    weights: int
    missed: int
    float_miss: float


def compute(
    config: Config,
    data: Data | None,
    *,
    seed: int,
    device: str,
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Construct and check for all sizes and seeds; descend with as many weights; offer two labels for one image."""
    if data is None:
        raise ValueError(f"{ID} needs images, got no data")
    images = np.unique(whole_numbers(data.train_inputs.flatten(1).numpy()), axis=0)
    fits: list[Fit] = []
    for n in config.sizes:
        if n > len(images):
            raise ValueError(f"{ID} needs {n} distinct images, got {len(images)}")
        for number in range(config.seeds):
            rng = np.random.default_rng([seed, number, n])
            inputs, labels = images[rng.permutation(len(images))[:n]], rng.choice([-1, 1], size=n)
            net = memorizer(inputs, labels, Fraction(0), seed)
            fits.append(Fit(n, number, net.n_weights, missed(net, inputs, labels), float_miss(net, inputs, labels)))
            if progress is not None:
                progress(len(fits), len(config.sizes) * config.seeds + 1, f"n = {n}")
    trained = [(n, *descend(n, images, config, seed, device)) for n in config.descent]
    d = images.shape[1]
    claim = Claim.from_cases(
        [case for n in config.sizes for case in _cases(n, d, fits)],
        _control(images[:10], seed),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: rational arithmetic, equality",
        seed=seed,
        note="; ".join(
            f"descent with {weights} weights on n = {n} random labels: {np.mean(errors):.1%} missed"
            for n, weights, errors in trained
        ),
    )
    return Result(claim, [vars(fit) for fit in fits], {"trained": trained, "d": d})


def draw(result: Result) -> dict[str, Any]:
    """Weights against n; the largest miss of the rounded weights; what descent misses with as many."""
    from empirical import plotting

    table, d = result.table, result.series["d"]
    sizes = sorted({row["n"] for row in table})
    figure, (left, right) = plotting.panels(2, width=3.5)
    counts = {"constructed": (sizes, [next(row["weights"] for row in table if row["n"] == n) for n in sizes])}
    plotting.lines({"2n + d": (sizes, [2 * n + d for n in sizes])}, x="images n", y="weights", log="xy", markers=False,
                   axes=left)  # fmt: skip
    plotting.points(counts, x="images n", y="weights", log="xy", first=1, axes=left)
    least, trained = 1e-17, result.series["trained"]  # where a miss of 0 is drawn on the logarithmic axis
    misses = {}
    for label, key in (("exact", "missed"), ("rounded to float64", "float_miss")):
        misses[label] = (sizes, [max(least, *(row[key] for row in table if row["n"] == n)) for n in sizes])
    misses["descent, share missed"] = ([t[0] for t in trained], [max(least, float(np.mean(t[2]))) for t in trained])
    plotting.points(misses, x="images n", y="largest miss of a label of size 1", log="xy", axes=right)
    plotting.mark(right, least, "0")
    for axes in (left, right):
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.xaxis.minorticks_off()
    return {"memorizer": figure}


def whole_numbers(values: np.ndarray) -> np.ndarray:
    """Each distinct value by its rank, so that standardised grey values become whole numbers again."""
    rounded = np.round(values.astype(float), 4)
    return np.searchsorted(np.unique(rounded), rounded)


def missed(net: Memorizer, inputs: np.ndarray, labels: np.ndarray) -> int:
    """Labels that the net misses, by exact matrix arithmetic that shares no code with the construction."""
    from flint import fmpq, fmpq_mat

    direction = np.array([int(a) for a in net.direction], dtype=object)
    thresholds = np.array([int(b) for b in net.thresholds], dtype=object)  # at position 0 they lie on whole numbers
    hidden = np.maximum((inputs.astype(object) @ direction)[:, None] - thresholds, 0)
    n = len(inputs)
    outer = fmpq_mat(len(net.outer), 1, [fmpq(w.numerator, w.denominator) for w in net.outer])
    values = fmpq_mat(n, len(net.outer), [fmpq(int(h)) for h in hidden.ravel()]) * outer
    return sum(values[i, 0] != fmpq(int(label)) for i, label in enumerate(labels))


def float_miss(net: Memorizer, inputs: np.ndarray, labels: np.ndarray) -> float:
    """Largest miss of a label when every weight is rounded to float64 and the net is evaluated in it."""
    rounded = net.rounded()
    direction, thresholds, outer = (np.array(part) for part in (rounded.direction, rounded.thresholds, rounded.outer))
    outputs = np.maximum((inputs @ direction)[:, None] - thresholds, 0) @ outer
    return float(np.abs(outputs - labels).max())


def descend(n: int, images: np.ndarray, config: Config, seed: int, device: str) -> tuple[int, list[float]]:
    """The number of weights of the widest net with at most 2n + d, and the share of labels each trained one misses."""
    d = images.shape[1]
    hidden = max(1, (2 * n + d - 2) // (d + 3))  # hidden (d + 1) + 2 hidden + 2 weights: two outputs, all biases
    errors, weights = [], 0
    for number in range(config.seeds):
        rng = np.random.default_rng([seed, number, n])
        inputs = torch.from_numpy(images[rng.permutation(len(images))[:n]]).float()
        inputs = (inputs - inputs.mean()) / inputs.std()
        labels = torch.from_numpy((rng.choice([-1, 1], size=n) > 0).astype(np.int64))
        data = Data("memorizer", inputs, labels, inputs[:0], labels[:0], 2, "")
        model = SmallNet((d, hidden, 2), seed=seed + number)
        weights = n_parameters(model)
        schedule = TrainConfig(
            config.epochs, 20, config.rate, every=config.epochs, seed=seed + number, optimizer="adam"
        )
        ((_, history),) = train_each([(model, schedule)], data, device=device)
        errors.append(history.last.train_error)
    return weights, errors


def _cases(n: int, d: int, fits: Sequence[Fit]) -> list[Case]:
    own = [fit for fit in fits if fit.n == n]
    total = sum(fit.missed for fit in own)
    weights = sorted({fit.weights for fit in own})
    return [
        Case(f"n={n}, d={d}: weights", 2 * n + d, weights[0] if len(weights) == 1 else weights, weights == [2 * n + d]),
        Case(f"n={n}, d={d}: labels missed, {len(own)} draws", 0, total, total == 0),
    ]


def _control(images: np.ndarray, seed: int) -> Control:
    labels = np.random.default_rng(seed).choice([-1, 1], size=len(images))
    twice = np.concatenate([images, images[:1]])
    try:
        memorizer(twice, [*labels, -labels[0]], Fraction(0), seed)
        outcome = "a net was returned"
    except ConflictingLabelsError:
        outcome = "refused"
    return Control("one image twice with two labels", "refused", outcome, outcome == "refused")
