"""How far from the minimum-norm solution SGD ends on a flat minimum: one linear layer, two layers, with added noise."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.records import Result
from theory.claims.claim import Case, Claim, Control

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATEMENT = "On a flat minimum SGD ends at the locally minimum-norm solution"
SOURCE = "2018 review, section 7.2 (after Theory III)"
REPORTED = {"section 7.2": "suggested, no experiment printed"}
LEAST = 2.0  # squared norm of the minimum-norm solutions of w_1 w_2 = 1


@dataclass(frozen=True)
class Config:
    """All ours: random regression with more weights than images, one random image a step.

    scales: standard deviation of the start; 0 is the start from which the minimum norm is predicted
    layers: start of the two-layer net w_1 w_2 = 1, trained at `rate` in three ways: descent; SGD, whose target 1 is
        1 + label_noise or 1 - label_noise at random; SGDL, with N(0, noise^2) added to both weights in every step
    """

    images: int = 10
    weights: int = 40
    runs: int = 20
    scales: tuple[float, ...] = (0.0, 0.01, 0.1, 1.0)
    passes: int = 300
    layers: tuple[float, float] = (2.0, 0.5)
    rate: float = 0.01
    label_noise: float = 1.0
    noise: float = 0.01
    layer_steps: int = 20_000
    layer_runs: int = 400


PRESETS = {
    "smoke": Config(),
    "cpu": Config(images=50, weights=200, runs=100, passes=2000, layer_steps=200_000),
    "paper": Config(images=200, weights=1000, runs=100, passes=5000, layer_steps=1_000_000),
}


def regression(config: Config, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (images, weights), rows of length about 1, and targets (images,)."""
    inputs = rng.normal(size=(config.images, config.weights)) / np.sqrt(config.weights)
    return inputs, rng.normal(size=config.images)


def sgd(
    inputs: np.ndarray, targets: np.ndarray, start: np.ndarray, passes: int, rng: np.random.Generator
) -> np.ndarray:
    """Where SGD on single images ends, all runs at once: start (runs, weights) -> (runs, weights)."""
    rate, w = 1 / (inputs**2).sum(1).max(), start
    for _ in range(passes):
        for i in rng.permutation(len(inputs)):
            w = w - rate * (w @ inputs[i] - targets[i])[:, None] * inputs[i]
    return w


def two_layers(config: Config, label_noise: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Squared norm w_1^2 + w_2^2 along descent on (1 - w_1 w_2)^2 with noise: (recorded steps, runs).

    Without added noise a step multiplies w_1^2 - w_2^2 by 1 - 4 rate^2 residual^2: noise in the targets keeps residuals
    alive, so that the difference dies out and the norm falls to its least value, 2.
    """
    a, b = (np.full(config.layer_runs, v) for v in config.layers)
    norms = []
    for k in range(config.layer_steps):
        residual = 1 - a * b
        if label_noise:
            residual = residual + label_noise * rng.choice((-1.0, 1.0), size=config.layer_runs)
        a, b = a + 2 * config.rate * residual * b, b + 2 * config.rate * residual * a
        if noise:
            a, b = (
                a + noise * rng.standard_normal(config.layer_runs),
                b + noise * rng.standard_normal(config.layer_runs),
            )
        if k % max(1, config.layer_steps // 100) == 0:
            norms.append(a * a + b * b)
    return np.array(norms)


def _one_layer(
    config: Config, inputs: np.ndarray, targets: np.ndarray, scale: float, rng: np.random.Generator
) -> tuple[Case, list[dict[str, float]], list[bool]]:
    """A linear net from starts of one size: its case, its rows, and whether its ends have the least norm."""
    inverse = np.linalg.pinv(inputs)
    least, reach = inverse @ targets, inverse @ inputs  # (weights,), the projection on the span of the data
    start = scale * rng.normal(size=(config.runs, config.weights))
    end = sgd(inputs, targets, start, config.passes, rng)
    residual = float(abs(end @ inputs.T - targets).max())
    seen = np.linalg.norm(end - least, axis=1)
    expected = np.linalg.norm(start - start @ reach, axis=1)
    solved = residual < 1e-8
    close = _ends_at(seen, expected) if solved else None
    case = Case(f"linear, start N(0, {scale}^2): mean distance", float(expected.mean()), float(seen.mean()), close)
    rows = [
        {"scale": scale, "run": run, "predicted": expected[run], "observed": seen[run], "residual": residual}
        for run in range(config.runs)
    ]
    return case, rows, [_ends_at(seen, 0 * seen)] if solved else []


def _ends_at(seen: np.ndarray, expected: np.ndarray) -> bool:
    """Whether the distances (runs,) to the minimum-norm solution are those expected."""
    return float(abs(seen - expected).max()) < 1e-6


def _norm_is(seen: float, expected: float) -> bool:
    return abs(seen / expected - 1) < 0.05


def _two_layer_cases(config: Config, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], list[Case], list[bool]]:
    """Two layers: the norms along each way of training, the cases, and whether the ends have the least norm."""
    cases, least_norm = [], []
    first, second = config.layers
    kept = float(np.sqrt((first**2 - second**2) ** 2 + 4))
    ways = {"descent": (0.0, 0.0), "SGD, noisy targets": (config.label_noise, 0.0), "SGDL": (0.0, config.noise)}
    norms = {name: two_layers(config, *way, rng) for name, way in ways.items()}
    tails = {name: float(of[-10:].mean()) for name, of in norms.items()}
    expected_ends = {"descent": kept, "SGD, noisy targets": LEAST}
    for name, value in expected_ends.items():
        agrees = _norm_is(tails[name], value)
        cases.append(Case(f"two layers, {name}: norm^2 (least: {LEAST:g})", value, tails[name], agrees))
        least_norm.append(_norm_is(tails[name], LEAST))
    # along the hyperbola w_1 w_2 = 1 exp(-U/T) has infinite mass: added noise has nowhere to settle
    ends = norms["SGDL"][-1]
    gain, error = float(ends.mean()) - kept, 4 * float(ends.std()) / np.sqrt(config.layer_runs)
    grows = gain > 0 if abs(gain) > error else None
    cases.append(Case("two layers, SGDL: norm^2 grows", f"> {kept:.3f}", float(ends.mean()), grows))
    return norms, cases, least_norm


def compute(
    config: Config,
    data: None = None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """How far SGD ends from the minimum norm, against the part of the start that the data cannot reach."""
    rng = np.random.default_rng(seed)
    inputs, targets = regression(config, rng)
    steps = len(config.scales) + 2
    cases, table, least_norm = [], [], []
    for done, scale in enumerate(config.scales, 1):
        case, rows, least = _one_layer(config, inputs, targets, scale, rng)
        cases.append(case)
        table += rows
        least_norm += least
        if progress is not None:
            progress(done, steps, f"start of size {scale}")
    norms, more, least = _two_layer_cases(config, rng)
    cases += more
    least_norm += least
    if progress is not None:
        progress(steps, steps, "two layers")
    missed = np.array([row["observed"] for row in table if row["scale"] == max(config.scales)])
    kept = float(norms["descent"][-10:].mean())
    control = Control(
        f"by the tests of the claim: SGD from N(0, {max(config.scales)}^2) must not end at the minimum-norm solution, "
        f"nor descent on two layers from {config.layers} at norm^2 = {LEAST:g}",
        {"distance": "not 0", "norm^2": f"not {LEAST:g}"},
        {"distance": float(missed.mean()), "norm^2": kept},
        passed=not _ends_at(missed, 0 * missed) and not _norm_is(kept, LEAST),
    )
    claim = Claim.from_cases(
        cases,
        control,
        id="minimum-norm",
        side="empirical",
        statement="On a flat minimum SGD of a linear net ends at the solution nearest to its start",
        source=SOURCE,
        tolerance="1e-6 for the linear net (residual below 1e-8); 5% for two layers; 4 standard errors for growth",
        seed=seed,
        printed_verdict="holds" if all(least_norm) else "fails",
        note=f"printed: {STATEMENT}. It came true in {sum(least_norm)} of {len(least_norm)} settings: from 0, else the "
        "part of the start outside the span of the data stays",
    )
    return Result(claim, table, {"norms": norms, "config": config})


def draw(result: Result) -> "dict[str, Figure]":
    """Observed against predicted distance; the norm of the two-layer net along descent, with and without noise."""
    from empirical import plotting

    figure, (left, right) = plotting.panels(2)
    by_scale: dict[str, Any] = {}
    for row in result.table:
        at = by_scale.setdefault(f"start {row['scale']}", ([], []))
        at[0].append(row["predicted"])
        at[1].append(row["observed"])
    plotting.points(
        by_scale, x="part of the start outside the span", y="distance to minimum norm", title="One layer", axes=left
    )
    spacing = max(1, result.series["config"].layer_steps // 100)
    norms = {
        name: (spacing * np.arange(len(of)), of.mean(1), 2 * of.std(1) / np.sqrt(of.shape[1]))
        for name, of in result.series["norms"].items()
    }
    title = "Two layers, mean ± 2 standard errors"
    plotting.lines(norms, x="step", y="w₁² + w₂²", title=title, markers=False, axes=right)
    plotting.mark(right, LEAST, "least", below=True)
    return {"distance": figure}
