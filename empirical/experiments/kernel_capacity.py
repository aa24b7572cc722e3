"""Kernel methods fit random labels too. The claim `kernel-capacity`.

On images with labels drawn at random, kernel expansions are solved for exactly as many coefficients as images: Gaussian
kernels of several widths, and polynomial kernels. A fit counts where every label is met to `accuracy`; the rank is that
of the Gram matrix in floating point. On the true labels the same expansions generalise, on random ones they guess.

The test: over seeds, every Gaussian fit is met and its error on new images lies where guessing lies, Student's
intervals, error rate 0.01 shared by the kernels (labels of new images are drawn at random as well, so that nothing but
chance can be right).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg

from empirical.data import Data
from empirical.records import Result
from theory.claims.claim import Case, Claim, Control
from theory.confidence import student

ID = "kernel-capacity"
STATEMENT = "Kernel methods, too, fit random labels without error: on images as well, and then only guess on new ones."
SOURCE = "notes 1.2"
REPORTED = {"notes": "kernel methods interpolate random labels as well; no numbers"}
LINEAR = "linear"


@dataclass(frozen=True)
class Config:
    """images: used for the fit; widths: of the Gaussian kernels, in median distances; seeds: draws of images and labels

    accuracy: of labels of size 1; margin: around the error of guessing
    """

    data: str = "mnist"
    subset: tuple[int, int] | None = (6000, 2000)
    images: int = 1000
    widths: tuple[float, ...] = (0.1, 0.3, 1.0)
    seeds: int = 5
    accuracy: float = 1e-6
    margin: float = 0.02


PRESETS = {
    "smoke": Config(data="digits", subset=None, images=300, widths=(0.3, 1.0), margin=0.05),
    "cpu": Config(),
    "paper": Config(subset=None, images=10_000),
}


@dataclass(frozen=True)
class Fit:
    """One expansion: largest miss on the images it was solved for, rank over their number, error on new images."""

    kernel: str
    labels: str
    number: int
    miss: float
    rank: int
    test_error: float


def compute(
    config: Config,
    data: Data | None,
    *,
    seed: int,
    device: str,
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Solve all expansions for all seeds, on random and on true labels."""
    if data is None:
        raise ValueError(f"{ID} needs images with labels, got no data")
    kernels: tuple[float | str, ...] = (*config.widths, LINEAR)
    images = data.train_inputs.flatten(1).double().numpy()
    true, tests = data.train_labels.numpy(), data.test_inputs.flatten(1).double().numpy()
    images, keep = np.unique(images, axis=0, return_index=True)  # no function fits two labels of one image
    true, count = true[keep], min(config.images, len(images))
    fits: list[Fit] = []
    for number in range(config.seeds):
        rng = np.random.default_rng([seed, number])
        chosen = rng.permutation(len(images))[:count]
        drawn, drawn_tests = (rng.integers(data.n_classes, size=n) for n in (count, len(tests)))
        for kernel in kernels:
            grams = gram_matrices(images[chosen], tests, kernel)
            for name, labels, expected in (("random", drawn, drawn_tests),
                                           ("true", true[chosen], data.test_labels.numpy())):  # fmt: skip
                fits.append(expand(grams, labels, expected, data.n_classes, label(kernel), name, number))
        if progress is not None:
            progress(number + 1, config.seeds, f"{len(fits)} expansions")
    guessing = 1 - 1 / data.n_classes
    linear = [fit for fit in fits if fit.kernel == LINEAR and fit.labels == "random"]
    claim = Claim.from_cases(
        [case for width in config.widths for case in _cases(label(width), fits, guessing, config)],
        Control(
            f"the linear kernel, of rank at most {images.shape[1]} + 1 of {count}: it must miss random labels",
            f"largest miss > {config.accuracy:g} in every seed",
            f"{min(fit.miss for fit in linear):.2g} at least, rank {max(fit.rank for fit in linear)}",
            passed=min(fit.miss for fit in linear) > config.accuracy,
        ),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"labels met to {config.accuracy:g}; errors on new images: Student's interval over "
        f"{config.seeds} seeds, error rate 0.01 shared by {len(config.widths)} kernels, within {config.margin:g} of "
        "guessing",
        seed=seed,
        note="; ".join(_described(label(kernel), fits) for kernel in kernels),
    )
    return Result(claim, [vars(fit) for fit in fits], {"guessing": guessing, "count": count})


def draw(result: Result) -> dict[str, Any]:
    """Errors on new images and largest misses by kernel, on random and true labels."""
    from empirical import plotting

    kernels = list(dict.fromkeys(row["kernel"] for row in result.table))
    figure, (left, right) = plotting.panels(2, width=3.8)
    for axes, key, text in ((left, "test_error", "error on new images"), (right, "miss", "largest miss of a label")):
        groups, spread = {}, {}
        for name in ("random", "true"):
            values = [[r[key] for r in result.table if (r["kernel"], r["labels"]) == (k, name)] for k in kernels]
            groups[f"{name} labels"] = [float(np.mean(v)) for v in values]
            spread[f"{name} labels"] = [float(np.std(v)) for v in values]
        short = [kernel.replace(", ", "\n") for kernel in kernels]
        plotting.bars(short, groups, x="kernel", y=text, errors=spread if key == "test_error" else None,
                      log="y" if key == "miss" else "", axes=axes)  # fmt: skip
        axes.tick_params(axis="x", labelsize=7)
    plotting.mark(left, result.series["guessing"], "guessing")
    return {"fits": figure}


def label(kernel: float | str) -> str:
    """How a kernel is called: its width in median distances, or "linear"."""
    return kernel if isinstance(kernel, str) else f"Gaussian, {kernel:g}"


def gram_matrices(images: np.ndarray, tests: np.ndarray, kernel: float | str) -> tuple[np.ndarray, np.ndarray]:
    """Kernel between images (n, d) and themselves, (n, n), and between tests (m, d) and images, (m, n)."""
    if isinstance(kernel, str):
        return 1 + images @ images.T, 1 + tests @ images.T
    squares = [_squared(other, images) for other in (images, tests)]
    width = kernel * np.median(squares[0][~np.eye(len(images), dtype=bool)]) ** 0.5
    return np.exp(-squares[0] / (2 * width**2)), np.exp(-squares[1] / (2 * width**2))


def expand(
    grams: tuple[np.ndarray, np.ndarray],
    labels: np.ndarray,
    expected: np.ndarray,
    classes: int,
    kernel: str,
    name: str,
    number: int,
) -> Fit:
    """One expansion for each class's indicator, solved by least squares of the Gram matrix's own rank."""
    here, there = grams
    targets = np.eye(classes)[labels]
    coefficients, _, rank, _ = linalg.lstsq(here, targets, lapack_driver="gelsd")
    miss = float(np.abs(here @ coefficients - targets).max())
    return Fit(kernel, name, number, miss, int(rank), float(((there @ coefficients).argmax(1) != expected).mean()))


def _squared(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    squares = (points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T
    return np.maximum(squares, 0.0)


def _cases(kernel: str, fits: Sequence[Fit], guessing: float, config: Config) -> list[Case]:
    own = [fit for fit in fits if fit.kernel == kernel and fit.labels == "random"]
    worst = max(fit.miss for fit in own)
    low, high = student([fit.test_error for fit in own], 0.01 / len(config.widths))
    within = True if guessing - config.margin < low and high < guessing + config.margin else None
    if low > guessing + config.margin or high < guessing - config.margin:
        within = False
    shown = f"{(low + high) / 2:.3f}, interval {low:.3f} to {high:.3f}"
    return [
        Case(f"{kernel}: largest miss of a random label", f"<= {config.accuracy:g}", worst, worst <= config.accuracy),
        Case(f"{kernel}: error on new images", f"{guessing:g} +- {config.margin:g}", shown, within),
    ]


def _described(kernel: str, fits: Sequence[Fit]) -> str:
    true = np.mean([fit.test_error for fit in fits if (fit.kernel, fit.labels) == (kernel, "true")])
    return f"{kernel}: error {true:.3f} on new images after the true labels"
