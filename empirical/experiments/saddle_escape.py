"""Does perturbed descent leave strict saddles, however many dimensions, where plain descent stays? `saddle-escape`.

f(x) = sum over i < d of x_i^2 / 2 - gamma x_d^2 / 2 + x_d^4 / 4, from a start with x_d = 0 on the stable side of its
saddle 0. Plain descent keeps x_d = 0 for ever. Perturbed descent adds noise, uniform in a small ball, when the gradient
is small and has been for a while. The noise along x_d is of size r / sqrt(d) and grows by 1 + eta gamma a step: leaving
takes about (log d) / (2 log(1 + eta gamma)) steps and a constant; for small d the mean logarithm of the noise is exact.

On a chain of saddles (Du et al.) each costs plain descent all the steps before it again, so that its steps grow by a
factor, 1 + log(1 / (1 - 2 eta)) / log(1 + 2 eta); perturbed descent pays the same for each.

The test: the slope of the number of steps against log d, fitted for each seed; its mean, Student's interval,
within a share `tolerance` of the predicted slope. Likewise the logarithm of the factor along the chain; and
the last saddle of perturbed descent costs less than `dearer` times what the second does. All share the error rate 0.01.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from empirical.records import Result
from empirical.saddle_chain import ball, steps_past
from theory.claims.claim import Case, Claim, Control
from theory.confidence import student

ID = "saddle-escape"
STATEMENT = (
    "Perturbed gradient descent leaves strict saddles in a number of steps that grows like log d / gamma, and a chain "
    "of them in steps in proportion to their number; plain descent may stay for ever, or take exponentially many."
)
SOURCE = "notes 1.2 (Jin et al. 2017, arXiv 1703.00887; Du et al. 2017, arXiv 1705.10412)"
REPORTED = {"theorem": "O(l (f - f*) / eps^2) steps, up to powers of log d; no experiment printed"}


@dataclass(frozen=True)
class Config:
    """dimensions d; gammas: steepness of the way out; runs: seeds of each; eta: step size; the constants are ours

    chain: saddles in a row, of steepness 1 both ways; chain_eta, chain_radius: step size and noise there
    radius: of the noise; small: norm of the gradient below which it is added; wait: least steps between two additions
    """

    dimensions: tuple[int, ...] = (2, 10, 100, 1000, 10_000)
    gammas: tuple[float, ...] = (0.05, 0.1, 0.2)
    runs: int = 100  # with 30 the intervals were as wide as the tolerance: inconclusive
    eta: float = 0.5
    radius: float = 1e-3
    small: float = 1e-3
    wait: int = 2000
    plain_steps: int = 20_000
    tolerance: float = 0.15
    chain: int = 6
    chain_runs: int = 20
    chain_eta: float = 0.25
    chain_radius: float = 0.1
    dearer: float = 1.5


PRESETS = {
    "smoke": Config(dimensions=(2, 30, 1000), gammas=(0.2,), runs=40, plain_steps=2000, tolerance=0.3, chain=5),
    "cpu": Config(),
    "paper": Config(dimensions=(2, 10, 100, 1000, 10_000, 100_000), gammas=(0.02, 0.05, 0.1, 0.2), runs=100),
}


def compute(
    config: Config,
    data: None = None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Steps out of the saddle by dimension and gamma; plain descent; noise at a minimum."""
    counts: dict[tuple[float, int], np.ndarray] = {}
    for gamma in config.gammas:
        for dimension in config.dimensions:
            rng = np.random.default_rng([seed, dimension])
            counts[gamma, dimension] = steps_out(dimension, gamma, config, rng)
            if progress is not None:
                progress(len(counts), len(config.gammas) * len(config.dimensions), f"d = {dimension}, gamma = {gamma}")
    plain = plain_height(10, max(config.gammas), config, np.random.default_rng(seed))
    cases = [_slope_case(gamma, counts, config) for gamma in config.gammas]
    cases.append(Case(f"plain descent, {config.plain_steps} steps: x_d", 0.0, plain, plain == 0.0))
    passed = chain_steps(config, np.random.default_rng([seed, 2]))
    cases += _chain_cases(passed, config)
    longest = max(int(steps.max()) for steps in counts.values())
    left = int((steps_out(100, -1.0, config, np.random.default_rng([seed, 1]), most=longest) > 0).sum())
    claim = Claim.from_cases(
        cases,
        Control(
            f"the same count where every way leads up (gamma = -1, a minimum), for {longest} steps, the most any "
            "run at a saddle took: none may leave",
            f"0 of {config.runs} runs leave",
            f"{left} leave",
            passed=left == 0,
        ),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"slope within {config.tolerance:.0%} of the predicted one by Student's interval over {config.runs} "
        f"runs, error rate 0.01 shared by {len(config.gammas) + 2} tests",
        seed=seed,
        note="simplified constants: the theorem's own make the noise smaller and the waits longer",
    )
    rows = [{"gamma": g, "dimension": d, "run": k, "steps": int(n)} for (g, d), found in counts.items()
            for k, n in enumerate(found)]  # fmt: skip
    return Result(claim, rows, {"counts": counts, "chain": passed, "config": config})


def draw(result: Result) -> dict[str, Any]:
    """Steps against the dimension, mean and spread, with lines of the predicted slope."""
    from empirical import plotting

    config: Config = result.series["config"]
    counts = result.series["counts"]
    figure, (axes, right) = plotting.panels(2, width=4.0, height=3.0)
    d = np.array(config.dimensions)
    measured, lines = {}, {}
    for gamma in config.gammas:
        means = np.array([counts[gamma, k].mean() for k in config.dimensions])
        measured[f"gamma = {gamma:g}"] = (d, means, [counts[gamma, k].std() for k in config.dimensions])
        slope = predicted_slope(gamma, config.eta, config.dimensions)
        lines[f"predicted, {gamma:g}"] = (d, means.mean() + slope * (np.log(d) - np.log(d).mean()))
    plotting.points(measured, x="dimension d", y="steps out of the saddle", log="x", axes=axes)
    plotting.lines(lines, x="dimension d", y="steps out of the saddle", log="x", markers=False, axes=axes)
    saddles = np.arange(1, config.chain + 1)
    series = {name: (saddles, found.mean(0), found.std(0)) for name, found in result.series["chain"].items()}
    plotting.points(series, x="saddles behind", y="steps", log="y", title="Along a chain", axes=right)
    return {"steps": figure}


def predicted_slope(gamma: float, eta: float, dimensions: Sequence[int]) -> float:
    """Steps by which leaving takes longer when log d grows by 1, fitted over these dimensions.

    The mean of log |x_d|, uniform in the unit ball, is (psi(1/2) - psi(d/2)) / 2 - 1/d: about -log(d) / 2 for large d.
    """
    from scipy.special import digamma

    d = np.array(dimensions, float)
    size = (digamma(0.5) - digamma(d / 2)) / 2 - 1 / d
    return float(np.polyfit(np.log(d), -size / np.log1p(eta * gamma), 1)[0])


def slopes_of(x: np.ndarray, gamma: float) -> np.ndarray:
    """Gradient (runs, d) of f at x (runs, d)."""
    g = x.copy()
    g[:, -1] = -gamma * x[:, -1] + x[:, -1] ** 3
    return g


def steps_out(
    dimension: int, gamma: float, config: Config, rng: np.random.Generator, most: int = 1_000_000
) -> np.ndarray:
    """Steps (runs,) of perturbed descent until f is below 0.9 of -gamma^2 / 4, its least value; 0: never."""
    x = rng.standard_normal((config.runs, dimension)) / np.sqrt(dimension)
    x[:, -1] = 0.0
    last = np.full(config.runs, -config.wait)
    found = np.zeros(config.runs, int)
    for step in range(1, most + 1):
        g = slopes_of(x, gamma)
        quiet = (np.linalg.norm(g, axis=1) <= config.small) & (step - last >= config.wait)
        if quiet.any():
            x[quiet] += ball(int(quiet.sum()), dimension, config.radius, rng)
            last[quiet] = step
            g = slopes_of(x, gamma)
        x -= config.eta * g
        value = (x[:, :-1] ** 2).sum(1) / 2 - gamma * x[:, -1] ** 2 / 2 + x[:, -1] ** 4 / 4
        out = (value < -0.9 * gamma**2 / 4) & (found == 0)
        found[out] = step
        if found.all():
            break
    return found


def plain_height(dimension: int, gamma: float, config: Config, rng: np.random.Generator) -> float:
    """Largest |x_d| at the end of plain descent from the same starts."""
    x = rng.standard_normal((config.runs, dimension))
    x[:, -1] = 0.0
    for _ in range(config.plain_steps):
        x -= config.eta * slopes_of(x, gamma)
    return float(np.abs(x[:, -1]).max())


def chain_steps(config: Config, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Steps (runs, saddles) after which each saddle is behind, of both kinds of descent from the same starts."""
    starts = rng.uniform(-1, 1, size=(config.chain_runs, config.chain))
    radius = config.chain_radius
    return {
        "plain": steps_past(starts, eta=config.chain_eta),
        "perturbed": steps_past(starts, eta=config.chain_eta, radius=radius, small=radius, wait=20),
    }


def _chain_cases(passed: dict[str, np.ndarray], config: Config) -> list[Case]:
    number = np.arange(2, config.chain + 1)
    slopes = np.polyfit(number, np.log(passed["plain"][:, 1:].T), 1)[0]
    expected = float(np.log(1 - np.log1p(-2 * config.chain_eta) / np.log1p(2 * config.chain_eta)))
    costs = np.diff(passed["perturbed"], axis=1)
    low, high = student(np.log(costs[:, -1] / costs[:, 0]), _error_rate(config))
    limit = float(np.log(config.dearer))
    agrees = True if high < limit else (False if low > limit else None)
    shown = f"{np.exp((low + high) / 2):.2f}, interval {np.exp(low):.2f} to {np.exp(high):.2f}"
    return [
        _near("chain, plain descent: log of the factor by saddle", slopes, expected, config),
        Case("chain, perturbed: cost of the last saddle over the second", f"< {config.dearer:g}", shown, agrees),
    ]


def _error_rate(config: Config) -> float:
    """Of each interval: of the slopes and of two numbers along the chain (Bonferroni)."""
    return 0.01 / (len(config.gammas) + 2)


def _near(instance: str, values: Sequence[float] | np.ndarray, expected: float, config: Config) -> Case:
    """Whether the mean lies within a share of what is expected, by Student's interval."""
    low, high = student(values, _error_rate(config))
    near = expected * (1 - config.tolerance), expected * (1 + config.tolerance)
    agrees = True if near[0] < low and high < near[1] else (False if high < near[0] or low > near[1] else None)
    return Case(instance, round(expected, 3), f"{np.mean(values):.3f}, interval {low:.3f} to {high:.3f}", agrees)


def _slope_case(gamma: float, counts: dict[tuple[float, int], np.ndarray], config: Config) -> Case:
    table = np.array([counts[gamma, d] for d in config.dimensions])  # (dimensions, runs)
    slopes: Sequence[float] = np.polyfit(np.log(config.dimensions), table, 1)[0].tolist()
    expected = predicted_slope(gamma, config.eta, config.dimensions)
    return _near(f"gamma = {gamma:g}: steps per unit of log d", slopes, expected, config)
