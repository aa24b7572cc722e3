"""A degenerate valley against an isolated minimum of the same depth: where GDL, SGD and SGDL spend their time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical import diagnostics
from empirical.langevin import Langevin, init, sample, spread
from empirical.records import Result
from theory.claims.claim import Case, Claim, Control
from theory.potentials import Potential, valley_and_point
from theory.quadrature import marginal, step_bias, well_masses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATEMENT = (
    "A degenerate valley beats an isolated minimum of the same depth, the more in higher dimension; "
    "SGD and SGDL prefer it alike"
)
SOURCE = "2018 review, section 7.2 and Figs 9-11"
REPORTED = {
    "Fig. 9, Fig. 10": "Langevin descent prefers the degenerate minimum; histograms without numbers",
    "Fig. 11": "SGD and SGDL, both prefer the degenerate minimum; histograms without numbers",
    "scripts": {"steps": 270_000, "runs": 30, "bins": 30, "SGD": {"batch": 11}, "SGDL": {"batch": 15, "noise": 0.25}},
}
UNIFORM = 2 / 8 - np.pi / 64  # area of the strip less that of the disc, over that of the torus
WRONG = 1.5  # times the temperature: the control
CENTRES = (80, 10)  # of the valley and of the point: 80 and 10 stand in scripts beside the one of the figures


@dataclass(frozen=True)
class Config:
    """Torus, widths and centres of the dents and the batches are those of the authors' scripts, the rest is ours.

    step_size: Langevin chains run with this one and with half of it, and their masses are extrapolated to 0
    time: of every Langevin chain, burn-in (by MSER, a quarter to half) included; temperature: high enough to mix in it
    sgd, sgdl: step size, batch, noise a step on the stochastic loss; sgd_steps: the first half dropped
    """

    dimensions: tuple[int, ...] = (2, 3)
    temperature: float = 0.3
    step_size: float = 0.04
    chains: int = 1500
    time: float = 300.0
    records: int = 120
    sgd: tuple[float, int, float] = (0.6, 11, 0.0)
    sgdl: tuple[float, int, float] = (0.05, 15, 0.17)
    sgd_chains: int = 200
    sgd_steps: int = 2000
    confidence: float = 0.999


PRESETS = {
    "smoke": Config(chains=800),
    "cpu": Config(dimensions=(2, 3, 4), step_size=0.02, chains=4000, time=400.0, sgd_chains=500, sgd_steps=20_000),
    "paper": Config(
        dimensions=(2, 3, 4), chains=10_000, step_size=0.01, time=1200.0, sgd_chains=3000, sgd_steps=270_000
    ),
}


@dataclass(frozen=True)
class Visits:
    """Time shares of the valley and of the point, (2,) each: observed, its standard error, exact.

    by_step: (steps, 2) what was observed at each step size, where `observed` is extrapolated from them
    slope: (2,) d(share)/d(step size) as theory has it, in 2-D
    """

    name: str
    observed: np.ndarray
    error: np.ndarray
    exact: np.ndarray
    by_step: np.ndarray
    slope: np.ndarray
    start_gap: float
    across: np.ndarray  # the coordinate across the valley, of all records


def compute(
    config: Config,
    data: None = None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """GDL by dimension against exact masses, SGD and SGDL on the stochastic loss, and chains that cannot leave."""
    done, total = 0, len(config.dimensions) + 3

    def report(name: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total, name)

    gdl = []
    for dimension in config.dimensions:
        potential = valley_and_point(dimension)
        sizes = (config.step_size, config.step_size / 2)
        kernels = [Langevin(potential, config.temperature, h) for h in sizes]
        gdl.append(_langevin(kernels, config, spread(potential, config.chains), 1000 * seed + 10 * dimension, device))
        report(potential.name)
    stochastic = []
    for name, (rate, batch, noise) in (("SGD", config.sgd), ("SGDL", config.sgdl)):
        stochastic.append(_stochastic(name, rate, batch, noise, config, np.random.default_rng((seed, batch)), dents()))
        report(name)
    rate, batch, noise = config.sgdl
    rng, name = np.random.default_rng((seed, batch, 1)), "SGDL, two points"
    isolated = _stochastic(name, rate, batch, noise, config, rng, dents(isolated=True))
    point = valley_and_point(2).wells[1].centre
    cold = Langevin(valley_and_point(2), 0.05, config.step_size)
    stuck = _langevin([cold], config, np.tile(point, (100, 1)), 1000 * seed, device)
    report("control")

    width = diagnostics.quantile(config.chains, config.confidence, 2 * len(gdl) + len(gdl) - 1)
    cases = [case for run in gdl for case in _mass_cases(run, width)]
    cases += _growth(gdl, width)
    width_sgd = diagnostics.quantile(config.sgd_chains, config.confidence, 2)
    cases += [_preference(run, width_sgd) for run in stochastic]
    control = _control(gdl[0], stuck, isolated, width, width_sgd, config)
    claim = Claim.from_cases(
        cases,
        control,
        id="degenerate-valley",
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=(
            f"{config.confidence:.1%} intervals together (Student, over independent chains); masses are extrapolated "
            "from steps of h and h/2 to 0; undecided where the start shows (4 errors)"
        ),
        seed=seed,
        note=f"T = {config.temperature}, h = {config.step_size}; (rate, batch, noise): {config.sgd}, {config.sgdl}",
    )
    runs = [*gdl, *stochastic, stuck]
    return Result(
        claim, [_row(run) for run in runs], {"gdl": gdl, "stochastic": stochastic, "width": width, "config": config}
    )


def _langevin(kernels: list[Langevin], config: Config, start: np.ndarray, seed: int, device: str) -> Visits:
    """Chains of one potential with one step size, or with h and h/2, whose masses are extrapolated to 0."""
    potential, temperature = kernels[0].potential, kernels[0].temperature
    begin: Any = start
    if device != "cpu":
        import torch

        begin = torch.as_tensor(start, device=device)
    means, errors, gaps, across = [], [], [], np.zeros(0)
    for k, kernel in enumerate(kernels):
        every = max(1, round(config.time / kernel.step_size / config.records))
        _, found = sample(init(kernel, begin, seed + k), kernel, config.records * every, every=every)
        inside = potential.wells[0].region.contains(found.values).astype(float)
        dropped = diagnostics.burn_in(inside)
        mean, error = _shares(found.values[dropped:], potential)
        means.append(mean)
        errors.append(error)
        gaps.append(diagnostics.start_gap(inside[dropped:], np.arange(len(start)) % 2))
        across = found.values[dropped:, ..., -1].ravel()
    factors = [-1.0, 2.0] if len(kernels) == 2 else [1.0]
    exact = np.array([mass.value for mass in well_masses(potential, temperature).values()])
    return Visits(
        f"GDL, {potential.name}",
        np.sum([f * mean for f, mean in zip(factors, means, strict=True)], axis=0),
        np.sqrt(np.sum([(f * error) ** 2 for f, error in zip(factors, errors, strict=True)], axis=0)),
        exact,
        np.array(means),
        _slopes(potential, temperature),
        max(gaps),
        across,
    )


def _slopes(potential: Potential, temperature: float) -> np.ndarray:
    """Derivatives of both masses by the step size at 0, by cubature; unknown (NaN) above 2-D."""
    if potential.dimension > 2:
        return np.full(2, np.nan)
    regions: list[Any] = [well.region for well in potential.wells]
    return np.array([step_bias(potential, temperature, region=region, accuracy=1e-5) for region in regions])


def _shares(positions: np.ndarray, potential: Potential) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of the time in either well, from positions (records, chains, D)."""
    found = [diagnostics.mean(well.region.contains(positions).astype(float)) for well in potential.wells]
    return np.array([m.value for m in found]), np.array([m.error for m in found])


def dents(isolated: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, 2) and weights (n,) of the stochastic loss: a row of dents for the valley, a heap for the point.

    The row's weights make it as deep as one dent of weight 1; the heap is scattered by 0.05 with a fixed seed.
    isolated: in place of the row a second heap like the first, around (4, 5.67): the control
    """
    row, heap = CENTRES
    spacing, width = 8.0 / row, 0.5
    line = np.stack([spacing * np.arange(row), np.full(row, 5.67)], 1)
    cluster = 1.7 + 0.05 * np.random.default_rng(0).normal(size=(heap, 2))
    if isolated:
        return np.concatenate([cluster + np.array([2.3, 3.97]), cluster]), np.full(2 * heap, 1 / heap)
    weights = np.append(np.full(row, spacing / (width * np.sqrt(2 * np.pi))), np.full(heap, 1 / heap))
    return np.concatenate([line, cluster]), weights


def minibatch_gradient(
    positions: np.ndarray, chosen: np.ndarray, centres: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Unbiased gradient (chains, 2) of -sum weight exp(-2 |x - centre|^2) from the dents chosen (chains, batch)."""
    apart = positions[:, None] - centres[chosen]
    apart -= 8.0 * np.round(apart / 8.0)
    height = weights[chosen] * np.exp(-2 * (apart**2).sum(-1))
    return 4 * len(weights) / chosen.shape[1] * (apart * height[..., None]).sum(1)


def _stochastic(
    name: str,
    rate: float,
    batch: int,
    noise: float,
    config: Config,
    rng: np.random.Generator,
    loss: tuple[np.ndarray, np.ndarray],
) -> Visits:
    """SGD with batches drawn with replacement, from uniform starts; noise: added to every coordinate of every step.

    loss: centres and weights of its dents
    """
    centres, weights = loss
    positions = rng.uniform(0, 8, size=(config.sgd_chains, 2))
    every, kept = config.sgd_steps // 2 // config.records, []
    for k in range(config.sgd_steps):
        chosen = rng.integers(len(weights), size=(config.sgd_chains, batch))
        positions = positions - rate * minibatch_gradient(positions, chosen, centres, weights)
        if noise:
            positions = positions + noise * rng.standard_normal(positions.shape)
        positions = positions % 8.0
        if k >= config.sgd_steps // 2 and k % every == 0:
            kept.append(positions)
    records, unknown = np.stack(kept), np.full(2, np.nan)
    observed, error = _shares(records, valley_and_point(2))
    return Visits(name, observed, error, unknown, observed[None], unknown, np.nan, records[..., 1].ravel())


def _mass_cases(run: Visits, width: float) -> list[Case]:
    close = abs(run.observed - run.exact) <= width * run.error
    return [
        Case(f"{run.name}: P({well})", float(e), float(o), bool(c) if run.start_gap < 4 else None)
        for well, e, o, c in zip(("valley", "point"), run.exact, run.observed, close, strict=True)
    ]


def _preference(run: Visits, width: float) -> Case:
    """Whether more time is gained by the valley than by the point, over the uniform start: its strip is the larger."""
    gain, error = float(run.observed[0] - run.observed[1]), width * float(np.hypot(*run.error))
    off = gain - UNIFORM
    return Case(
        f"{run.name}: P(valley) - P(point)", f"> {UNIFORM:.3f} (uniform)", gain, off > 0 if abs(off) > error else None
    )


def _control(mixed: Visits, stuck: Visits, isolated: Visits, width: float, width_sgd: float, config: Config) -> Control:
    """By the tests of the claim: masses of another temperature, and of chains that do not mix; two isolated points."""
    hot = WRONG * config.temperature
    exact = np.array([mass.value for mass in well_masses(valley_and_point(2), hot).values()])
    refused = {
        f"P(valley), as of {WRONG} T": _mass_cases(replace(mixed, exact=exact), width)[0],
        "P(point), chains stuck in the point at T = 0.05": _mass_cases(stuck, width)[1],
    }
    alike = _preference(isolated, width_sgd)
    return Control(
        "GDL's masses must be told from those of another temperature; chains started in the point at T = 0.05, which "
        "they cannot leave in this time, must miss the exact masses; SGDL must not prefer one of two isolated points",
        {name: f"not {case.predicted:.3f}" for name, case in refused.items()} | {alike.instance: "not above uniform"},
        {name: case.observed for name, case in refused.items()} | {alike.instance: alike.observed},
        passed=all(case.agrees is False for case in refused.values()) and alike.agrees is not True,
    )


def _growth(gdl: list[Visits], width: float) -> list[Case]:
    """log odds valley : point from one dimension to the next; the errors of both shares are taken to add."""
    odds = [float(np.log(run.observed[0] / max(run.observed[1], 1e-12))) for run in gdl]
    errors = [float((run.error / np.maximum(run.observed, 1e-12)).sum()) for run in gdl]
    cases = []
    for k in range(1, len(gdl)):
        gain, error = odds[k] - odds[k - 1], width * float(np.hypot(errors[k], errors[k - 1]))
        expected = float(np.log(gdl[k].exact[0] / gdl[k].exact[1]) - np.log(gdl[k - 1].exact[0] / gdl[k - 1].exact[1]))
        cases.append(
            Case(
                f"log odds gained, {gdl[k].name}",
                f"> 0 (exact {expected:.3f})",
                gain,
                gain > 0 if abs(gain) > error else None,
            )
        )
    return cases


def _row(run: Visits) -> dict[str, Any]:
    names = ("valley", "point")
    row: dict[str, Any] = {"run": run.name, "start_gap": run.start_gap}
    for k, name in enumerate(names):
        row |= {f"{name}_observed": run.observed[k], f"{name}_error": run.error[k]}
        row |= {f"{name}_exact": run.exact[k], f"{name}_slope_in_step": run.slope[k]}
        row |= {f"{name}_at_first_step": run.by_step[0, k], f"{name}_at_last_step": run.by_step[-1, k]}
    return row


def draw(result: Result) -> "dict[str, Figure]":
    """Histograms across the valley, as in Figs 9-11, and the shares of valley and point."""
    from empirical import plotting

    gdl, stochastic, config = (result.series[key] for key in ("gdl", "stochastic", "config"))
    edges = np.linspace(0, 8, 33)
    columns = 3 if len(gdl) > 2 else 2
    figure, axes = plotting.panels(columns, -(-(len(gdl) + 2) // columns), width=2.9, height=2.4)
    middle = (edges[1:] + edges[:-1]) / 2
    for k, (run, place) in enumerate(zip([*gdl, *stochastic], axes, strict=False)):
        curves = None
        if k < len(gdl):
            dimension = config.dimensions[k]
            law = marginal(valley_and_point(dimension), config.temperature, dimension - 1, edges)
            curves = {"exact": (middle, law / np.diff(edges))}
        plotting.histogram(
            {"chains": run.across},
            x="across the valley",
            bins=edges.tolist(),
            curves=curves,
            title=run.name,
            axes=place,
        )
    for place in axes[len(gdl) + 2 :]:
        place.set_visible(False)
    labels = [run.name.replace(", valley and point in", "") for run in [*gdl, *stochastic]]
    groups = {
        well: [float(run.observed[k]) for run in [*gdl, *stochastic]] for k, well in enumerate(("valley", "point"))
    }
    errors = {
        well: [float(result.series["width"] * run.error[k]) for run in [*gdl, *stochastic]]
        for k, well in enumerate(("valley", "point"))
    }
    shares = plotting.bars(labels, groups, errors=errors, x="", y="share of the time", title="Valley against point")
    return {"across": figure, "shares": shares}
