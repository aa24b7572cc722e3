"""Langevin descent against exp(-U/T)/Z: histograms, the bias of the step size, and the control that has none."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical import biased_noise, diagnostics, network_chains
from empirical.langevin import Langevin, init, sample, spread
from empirical.records import Result
from theory.claims.claim import Case, Claim, Control
from theory.potentials import coupled_angles
from theory.quadrature import expectation, marginal, step_bias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATEMENT = (
    "Langevin descent has the Boltzmann distribution exp(-U/T)/Z; for a network's loss it concentrates on the zero set"
)
SOURCE = "2018 review, equation 9 and section 7.1"
REPORTED = {
    "equation 9": "P(f) = exp(-U/T) / Z",
    "section 7.1": "small steps: equivalent to Metropolis-Hastings, the rejection being negligible; no numbers printed",
}


@dataclass(frozen=True)
class Config:
    """All ours: the review states the distribution and prints no run.

    The potential is `coupled_angles`. Every step size runs for the same time, of which burn-in (by MSER, a quarter to
    half) is cut off.
    step_sizes: three, each half of the one before
    nets: of theory's side, whose loss is the potential; net_plan: how their chains are run
    """

    temperature: float = 0.5
    step_sizes: tuple[float, float, float] = (0.3, 0.15, 0.075)
    chains: int = 8000
    time: float = 36.0
    records: int = 16
    bins: int = 32
    wrong_temperature: float = 1.25  # times the right one: the control
    wrong_mean: float = 0.4  # of the noise on x_1, over the step size: the control
    wrong_variance: float = 1.5  # of the noise on x_1, times the right one: the control
    resamples: int = 300
    confidence: float = 0.999
    nets: tuple[str, ...] = ("2 weights, a curve",)
    net_plan: network_chains.Plan = field(default_factory=network_chains.Plan)


PRESETS = {
    "smoke": Config(),
    "cpu": Config(
        step_sizes=(0.2, 0.1, 0.05),
        chains=20_000,
        time=96.0,
        records=100,
        wrong_temperature=1.05,
        wrong_mean=0.1,
        wrong_variance=1.1,
        nets=("2 weights, a curve", "3 weights, a surface"),
        net_plan=network_chains.Plan(temperatures=(0.1, 0.05, 0.025), chains=10_000, time=600.0, records=100),
    ),
    "paper": Config(
        step_sizes=(0.05, 0.025, 0.0125),
        chains=100_000,
        time=240.0,
        records=400,
        bins=64,
        wrong_temperature=1.02,
        wrong_mean=0.05,
        wrong_variance=1.05,
        nets=("2 weights, a curve", "3 weights, a surface"),
        net_plan=network_chains.Plan(temperatures=(0.1, 0.05, 0.025), chains=100_000, time=3600.0, records=400),
    ),
}


@dataclass(frozen=True)
class Chains:
    """One run: mean of U, acceptance, and for either coordinate every chain's share of each bin (chains, bins)."""

    step_size: float
    adjusted: bool
    energy: diagnostics.Mean
    acceptance: float
    shares: tuple[np.ndarray, np.ndarray]
    start_gap: float


def compute(
    config: Config,
    data: None = None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Both kernels at three step sizes, their histograms and mean energies against quadrature."""
    potential, temperature = coupled_angles(), config.temperature
    edges = np.linspace(-math.pi, math.pi, config.bins + 1)
    exact = [marginal(potential, temperature, axis, edges) for axis in (0, 1)]
    energy = expectation(potential, temperature, potential.expression).value
    slope = step_bias(potential, temperature, potential.expression)
    runs = []
    for k, (adjusted, h) in enumerate((a, h) for a in (False, True) for h in config.step_sizes):
        kernel = Langevin(potential, temperature, h, adjusted)
        runs.append(_run(kernel, config, edges, 1000 * seed + k, device))
        if progress is not None:
            progress(k + 1, 6 + len(config.nets), f"{'adjusted' if adjusted else 'plain'} steps of {h}")
    nets = []
    for k, name in enumerate(config.nets):
        nets.append(network_chains.chains_on(name, config.net_plan, 1000 * seed + 100 * (k + 1)))
        if progress is not None:
            progress(7 + k, 6 + len(config.nets), f"net with {name}")
    plain, adjusted_runs = runs[:3], runs[3:]
    rng = np.random.default_rng(seed)
    cases = [_same_law(run, exact, config, rng) for run in adjusted_runs]
    cases += _bias_cases(plain, energy, slope, config)
    cases.append(_acceptance_case(adjusted_runs))
    share = (1 - config.confidence) / (6 + network_chains.LAWS * len(nets))
    cases += [case for net in nets for case in network_chains.cases(net, 1 - share, rng)]
    flat = {net.name: network_chains.without_jacobian(net, 1 - share, rng) for net in nets}
    control = _control(adjusted_runs[-1], plain[1:], flat, edges, exact, config, seed)
    claim = Claim.from_cases(
        cases,
        control,
        id="boltzmann",
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=(
            f"distances: {config.confidence:.1%} quantile under resampling of the chains; means: "
            f"{config.confidence:.1%} intervals (Student, over independent chains), all comparisons together"
        ),
        seed=seed,
        note=f"{potential.name}, T = {temperature}, {config.chains} chains; distance: total variation, binned",
    )
    table = [_row(run, temperature, exact, energy, slope) for run in runs] + [
        row for net in nets for row in network_chains.rows(net)
    ]
    series = {
        "runs": runs,
        "nets": nets,
        "edges": edges,
        "exact": exact,
        "energy": energy,
        "slope": slope,
        "config": config,
    }
    return Result(claim, table, series)


def _run(kernel: Langevin, config: Config, edges: np.ndarray, seed: int, device: str) -> Chains:
    potential = kernel.potential
    every = max(1, round(config.time / kernel.step_size / config.records))
    start: Any = spread(potential, config.chains)
    if device != "cpu":
        import torch

        start = torch.as_tensor(start, device=device)
    _, found = sample(init(kernel, start, seed), kernel, config.records * every, every=every)
    return _summary(kernel, found.values, found.acceptance, edges)


def _summary(kernel: Langevin, positions: np.ndarray, acceptance: float, edges: np.ndarray) -> Chains:
    """What is kept of recorded positions (records, chains, 2)."""
    energies = np.stack([kernel.potential.value(record) for record in positions])
    dropped = diagnostics.burn_in(energies)
    positions, energies = positions[dropped:], energies[dropped:]
    shares = tuple(diagnostics.shares(positions[..., axis], edges) for axis in (0, 1))
    gap = diagnostics.start_gap(positions[..., 0], np.arange(positions.shape[1]) % 2)
    mean = diagnostics.mean(energies)
    return Chains(kernel.step_size, kernel.adjusted, mean, acceptance, (shares[0], shares[1]), gap)


def _same_law(run: Chains, exact: list[np.ndarray], config: Config, rng: np.random.Generator) -> Case:
    """Both marginals within what sampling allows."""
    return _law([(1.0, run)], exact, f"accepted steps of {run.step_size}", config, rng)


def _law(
    parts: list[tuple[float, Chains]], exact: list[np.ndarray], name: str, config: Config, rng: np.random.Generator
) -> Case:
    """Both marginals of a sum of factor * run within what sampling allows."""
    confidence = 1 - (1 - config.confidence) / (6 + network_chains.LAWS * len(config.nets))
    allowed, seen = [], []
    for axis, law in enumerate(exact):
        weighted = [(factor, run.shares[axis]) for factor, run in parts]
        allowed.append(diagnostics.sampling_distance(weighted, confidence, config.resamples, rng))
        seen.append(diagnostics.distance(np.sum([f * shares.mean(0) for f, shares in weighted], axis=0), law))
    return Case(
        f"histograms of x_1, x_2, {name}: distance to exp(-U/T)/Z",
        [f"<= {a:.5f}" for a in allowed],
        [round(a, 5) for a in seen],
        all(a <= b for a, b in zip(seen, allowed, strict=True)) if all(r.start_gap < 4 for _, r in parts) else None,
    )


def _control(
    adjusted: Chains,
    plain: list[Chains],
    flat: dict[str, tuple[float, float]],
    edges: np.ndarray,
    exact: list[np.ndarray],
    config: Config,
    seed: int,
) -> Control:
    """A wrong temperature, two kinds of biased noise and a wrong density on zero sets, by the tests of the claim.

    Biased noise belongs to plain steps, which have a bias of their own: histograms at h and h/2 are extrapolated to 0.
    Those of the right noise must be accepted by the same test, or it tells nothing.
    """
    potential, temperature, rng = coupled_angles(), config.temperature, np.random.default_rng((seed, 1))
    wrong = [marginal(potential, temperature * config.wrong_temperature, axis, edges) for axis in (0, 1)]
    right = _law(_to_zero(plain), exact, "right noise", config, rng)
    refused = {f"accepted steps, as of {config.wrong_temperature} T": _same_law(adjusted, wrong, config, rng)}
    kinds = {
        f"noise on x_1 of mean {config.wrong_mean} h": ((config.wrong_mean, 0.0), (1.0, 1.0)),
        f"noise on x_1 of variance {config.wrong_variance} times 2 h T": ((0.0, 0.0), (config.wrong_variance, 1.0)),
    }
    for name, (mean, variance) in kinds.items():
        runs = [_biased(run.step_size, mean, variance, config, edges, rng) for run in plain]
        refused[name] = _law(_to_zero(runs), exact, name, config, rng)
    expected = {name: [f"not {a}" for a in case.predicted] for name, case in refused.items()}
    seen = {name: case.observed for name, case in refused.items()}
    return Control(
        "distances of histograms: right noise must be accepted; a wrong temperature, noise of a wrong mean, noise of a "
        "wrong variance in one direction, and for nets the prior on the zero set without det(JJ^T)^(-1/2), refused",
        {"right noise": right.predicted} | expected | {name: f"> {allowed:.4f}" for name, (_, allowed) in flat.items()},
        {"right noise": right.observed} | seen | {name: round(off, 4) for name, (off, _) in flat.items()},
        passed=right.agrees is True
        and all(case.agrees is False for case in refused.values())
        and all(off > allowed for off, allowed in flat.values()),
    )


def _to_zero(runs: list[Chains]) -> list[tuple[float, Chains]]:
    """Runs at h and h/2 with the factors that extrapolate linearly to step size 0."""
    return list(zip((-1.0, 2.0), runs, strict=True))


def _biased(
    h: float,
    mean: tuple[float, float],
    variance: tuple[float, float],
    config: Config,
    edges: np.ndarray,
    rng: np.random.Generator,
) -> Chains:
    kernel, every = Langevin(coupled_angles(), config.temperature, h), max(1, round(config.time / h / config.records))
    start, steps = spread(kernel.potential, config.chains), config.records * every
    found = biased_noise.sample(start, kernel, steps, every=every, mean=mean, variance=variance, rng=rng)
    return _summary(kernel, found, 1.0, edges)


def _bias_cases(plain: list[Chains], energy: float, slope: float, config: Config) -> list[Case]:
    """The parabola through the mean energies at h, h/2, h/4: its value and slope at h = 0 against theory."""
    means, errors = (np.array([getattr(run.energy, name) for run in plain]) for name in ("value", "error"))
    powers = np.vander([run.step_size for run in plain], 3, increasing=True)
    weights = np.linalg.inv(powers)[:2]  # rows: value and slope at 0 as combinations of the three means
    width = diagnostics.quantile(config.chains, config.confidence, comparisons=3)
    found, allowed = weights @ means, width * np.sqrt(weights**2 @ errors**2)
    fresh = all(run.start_gap < 4 for run in plain)
    names = ("mean energy, extrapolated to step size 0", "its slope in the step size at 0")
    decided = fresh and allowed[1] < abs(slope)  # else an order above 1 would look the same
    return [
        Case(f"{name} (± {a:.4f})", e, float(f), bool(abs(f - e) <= a) if decided else None)
        for name, e, f, a in zip(names, (energy, slope), found, allowed, strict=True)
    ]


def _acceptance_case(adjusted: list[Chains]) -> Case:
    rejected = [1 - run.acceptance for run in adjusted]
    order = [math.log2(a / b) for a, b in pairwise(rejected)]
    agrees = all(1.0 < o < 2.0 for o in order)
    return Case(
        "acceptance -> 1: order of 1 - acceptance in h (3/2 for h -> 0)", 1.5, [round(o, 3) for o in order], agrees
    )


def _row(run: Chains, temperature: float, exact: list[np.ndarray], energy: float, slope: float) -> dict[str, Any]:
    return {
        "potential": "coupled angles",
        "kernel": "adjusted" if run.adjusted else "plain",
        "temperature": temperature,
        "step_size": run.step_size,
        "mean_energy": run.energy.value,
        "standard_error": run.energy.error,
        "effective_samples": run.energy.effective,
        "predicted_energy": energy + (0.0 if run.adjusted else slope * run.step_size),
        "acceptance": run.acceptance,
        "distance_x1": diagnostics.distance(run.shares[0].mean(0), exact[0]),
        "distance_x2": diagnostics.distance(run.shares[1].mean(0), exact[1]),
        "start_gap": run.start_gap,
    }


def draw(result: Result) -> "dict[str, Figure]":
    """Histograms beside the exact marginals; mean energy and rejection against the step size."""
    from empirical import plotting

    s, config = result.series, result.series["config"]
    figure, axes = plotting.panels(2, 2)
    for column, run in enumerate((s["runs"][0], s["runs"][-1])):
        kind = f"accepted or rejected, h = {run.step_size}" if run.adjusted else f"plain, h = {run.step_size}"
        for axis in (0, 1):
            edges, place = s["edges"], axes[2 * axis + column]
            middle, size = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
            repeated = np.repeat(middle, np.rint(1e5 * run.shares[axis].mean(0)).astype(int))
            curve = {"exp(−U/T)/Z": (middle, s["exact"][axis] / size)}
            plotting.histogram(
                {"chains": repeated}, x=f"x{axis + 1}", bins=edges.tolist(), curves=curve, title=kind, axes=place
            )
    width = diagnostics.quantile(config.chains, config.confidence)
    energies, (left, right) = plotting.panels(2)
    kinds = {"plain": s["runs"][:3], "accepted or rejected": s["runs"][3:]}
    found = {
        kind: ([r.step_size for r in runs], [r.energy.value for r in runs], [width * r.energy.error for r in runs])
        for kind, runs in kinds.items()
    }
    h = np.array([0.0, max(config.step_sizes)])
    left.plot(h, s["energy"] + s["slope"] * h, color="#555555", linewidth=1.0, label="theory, first order")
    plotting.points(found, x="step size h", y="mean of U", title="Bias of the step size", axes=left)
    plotting.mark(left, s["energy"], "exact")
    rejected = {"chains": (config.step_sizes, [1 - r.acceptance for r in s["runs"][3:]])}
    plotting.lines(
        rejected, x="step size h", y="share of rejected steps", title="Metropolis control", log="xy", axes=right
    )
    right.set_xticks(config.step_sizes, [str(h) for h in config.step_sizes])
    right.set_xticks([], minor=True)
    return {"histograms": figure, "step-size": energies, "networks": network_chains.draw(s["nets"])}
