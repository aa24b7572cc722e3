"""Two wells of equal depth, one wider by 2: where Langevin descent spends its time, in 1 to 5 dimensions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical import diagnostics
from empirical.langevin import Array, Langevin, init, sample, spread
from empirical.records import Result
from theory.claims.claim import Case, Claim, Control
from theory.potentials import Potential, review_wells, two_wells
from theory.quadrature import marginal, mass, step_bias, well_masses

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATEMENT = (
    "Of two equally deep wells, one wider by 2 in every dimension, the wide one wins, more so in more dimensions"
)
SOURCE = "2018 review, section 7.2 and Fig. 8"
REPORTED = {
    "statement": "higher dimension, higher probability of the flatter minimum; histograms without numbers",
    "odds for T -> 0": {1: 2, 2: 4, 3: 8, 4: 16, 5: 32},  # 2^D, what equation 9 gives
}


@dataclass(frozen=True)
class Config:
    """Ours unless said otherwise; the review's figure caption gives only the width ratio and the dimensions.

    steps: of every chain, burn-in (by MSER, a quarter to half) included. records: recorded positions of every chain
    review_dimensions: where the potential of the authors' published scripts is run as well, at review_temperature and
        with a step at which descent is accurate (the scripts' step, 1, is the width of the narrow well)
    """

    dimensions: tuple[int, ...] = (1, 2, 3, 4, 5)  # the review's
    ratio: float = 2.0  # the review's
    temperature: float = 0.25
    step_size: float = 0.02
    chains: int = 1500
    steps: int = 8000
    records: int = 400
    review_dimensions: tuple[int, ...] = ()
    review_temperature: float = 0.2
    review_step_size: float = 0.1
    review_steps: int = 60_000
    confidence: float = 0.999  # of all intervals of the claim together


PRESETS = {
    "smoke": Config(dimensions=(1, 2, 3)),
    "cpu": Config(chains=5000, steps=24_000, review_dimensions=(1, 2)),
    "paper": Config(chains=10_000, steps=40_000, review_dimensions=(1, 2), review_steps=400_000),
}


@dataclass(frozen=True)
class Visits:
    """Chains on one potential: the share of the wide well in the time spent in either, and what it should be."""

    potential: Potential
    exact: float
    share: float
    error: float
    effective: float
    bias: float  # first-order effect of the step size on the share, from theory
    start_gap: float  # in standard errors, between chains started in different wells
    burn_in: int  # steps dropped
    first: np.ndarray  # (records, chains)


def compute(
    config: Config,
    data: None = None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """P(wide) of every dimension against the exact mass, the review's own potential, and the control."""
    jobs = [(two_wells(d, config.ratio), config.temperature, config.step_size, config.steps) for d in config.dimensions]
    review = (config.review_temperature, config.review_step_size, config.review_steps)
    jobs += [(review_wells(d), *review) for d in config.review_dimensions]
    # the control: wells of one width, nearer to each other, as the barrier would be too high
    jobs += [(two_wells(3, 1.0, distance=2.0), config.temperature, config.step_size, config.steps)]
    seen = []
    for k, (potential, temperature, step_size, steps) in enumerate(jobs):
        kernel = Langevin(potential, temperature, step_size)
        seen.append(_visits(kernel, steps, config, 1000 * seed + k, device))
        if progress is not None:
            progress(k + 1, len(jobs), potential.name)
    *runs, equal = seen
    width = diagnostics.quantile(config.chains, config.confidence, comparisons=len(runs) + len(config.dimensions))
    cases = [_case(run, width) for run in runs]
    cases += _growth(runs[: len(config.dimensions)], width)
    control = _control(equal, config, width)
    claim = Claim.from_cases(
        cases,
        control,
        id="wide-minimum",
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=(
            f"{config.confidence:.1%} interval for all comparisons together (Student, over independent chains), plus "
            "the first-order effect of the step size, from theory; undecided where the start shows (4 errors)"
        ),
        seed=seed,
        note=f"T = {config.temperature}, h = {config.step_size}, {config.chains} chains of {config.steps} steps",
    )
    return Result(claim, [_row(run, width) for run in (*runs, equal)], {"runs": runs, "width": width, "config": config})


def _control(equal: Visits, config: Config, width: float) -> Control:
    """Chains on equal wells, judged as the others are: the share of a ratio of 2 must be refused, 1/2 accepted."""
    unequal = two_wells(3, config.ratio)
    claimed = mass(unequal, config.temperature, unequal.wells[1].region).value
    refused, accepted = _case(replace(equal, exact=claimed), width), _case(equal, width)
    return Control(
        f"both wells equally wide, D = 3: the share predicted for a ratio of {config.ratio:g} must be refused, "
        "1/2 be accepted, by the same test",
        f"{claimed:.4f} refused, {equal.exact:.4f} accepted",
        {"share": equal.share, "half-width": width * equal.error},
        passed=refused.agrees is False and accepted.agrees is True,
    )


def _visits(kernel: Langevin, steps: int, config: Config, seed: int, device: str) -> Visits:
    potential, every = kernel.potential, max(1, steps // config.records)
    start = spread(potential, config.chains)
    narrow, wide = (well.region for well in potential.wells)

    def statistic(position: Array) -> Array:
        columns = np.empty if isinstance(position, np.ndarray) else position.new_empty
        out = columns((len(position), 3))
        out[:, 0], out[:, 1], out[:, 2] = narrow.contains(position), wide.contains(position), position[:, 0]
        return out

    state = init(kernel, start if device == "cpu" else _on(device, start), seed)
    _, found = sample(state, kernel, config.records * every, every=every, statistic=statistic)
    dropped = diagnostics.burn_in(found.values[..., 1])
    in_narrow, in_wide, first = np.moveaxis(found.values[dropped:], -1, 0)
    either = in_narrow + in_wide
    share = float(in_wide.sum() / either.sum())
    residual = (in_wide - share * either) / either.mean()  # its mean is 0; its error is that of the ratio
    masses = well_masses(potential, kernel.temperature)
    exact = masses["wide"].value / (masses["narrow"].value + masses["wide"].value)
    spread_of = diagnostics.mean(residual)
    labels = np.arange(config.chains) % 2
    bias = 0.0 if potential.bumps else kernel.step_size * _share_bias(potential, kernel.temperature)
    gap = diagnostics.start_gap(residual, labels)
    return Visits(potential, exact, share, spread_of.error, spread_of.effective, bias, gap, dropped * every, first)


def _share_bias(potential: Potential, temperature: float) -> float:
    region: Any = potential.wells[0].region  # the wide well is the rest, so its share moves the other way
    return -step_bias(potential, temperature, region=region)


def _on(device: str, start: np.ndarray) -> Any:
    import torch

    return torch.as_tensor(start, device=device)


def _case(run: Visits, width: float) -> Case:
    agrees = abs(run.share - run.exact) <= width * run.error + abs(run.bias)
    return Case(f"P(wide), {run.potential.name}", run.exact, run.share, agrees if run.start_gap < 4 else None)


def _growth(runs: list[Visits], width: float) -> list[Case]:
    """One more dimension, more visits to the wide well: decided where the interval of the difference leaves out 0."""
    cases = []
    for low, high in pairwise(runs):
        gain, error = high.share - low.share, width * float(np.hypot(low.error, high.error))
        name = f"P(wide), {high.potential.dimension}-D minus {low.potential.dimension}-D"
        cases.append(Case(name, "> 0", gain, gain > 0 if abs(gain) > error else None))
    return cases


def _row(run: Visits, width: float) -> dict[str, Any]:
    return {
        "potential": run.potential.name,
        "dimension": run.potential.dimension,
        "exact": run.exact,
        "observed": run.share,
        "standard_error": run.error,
        "half_width": width * run.error,
        "step_bias": run.bias,
        "effective_samples": run.effective,
        "start_gap": run.start_gap,
        "burn_in_steps": run.burn_in,
    }


def draw(result: Result) -> "dict[str, Figure]":
    """P(wide) by dimension, with intervals; histograms of the first coordinate beside the exact density (as Fig. 8)."""
    from empirical import plotting

    config, runs, width = (result.series[key] for key in ("config", "runs", "width"))
    ours = runs[: len(config.dimensions)]
    at = np.array([run.potential.dimension for run in ours])
    _, (axes,) = plotting.panels(1, width=4.4, height=3.1)
    visits = plotting.points(
        {
            "Langevin descent": (at - 0.12, [run.share for run in ours], [width * run.error for run in ours]),
            f"exact, T = {config.temperature}": (at, [run.exact for run in ours]),
            "exact, T → 0": (at + 0.12, config.ratio**at / (1 + config.ratio**at)),
        },
        x="dimension",
        y="P(wide well)",
        title="Visits to the wider of two equally deep wells",
        axes=axes,
    )
    axes.set_xticks(at)
    return {"visits": visits, "histograms": _histograms(config, runs)}


def _histograms(config: Config, runs: list[Visits]) -> "Figure":
    from empirical import plotting

    figure, axes = plotting.panels(min(len(runs), 4), -(-len(runs) // 4), width=2.9, height=2.4)
    for run, place in zip(runs, axes, strict=False):
        temperature = config.review_temperature if run.potential.bumps else config.temperature
        edges = (
            np.linspace(0, 18, 37)
            if run.potential.bumps
            else np.linspace(-3, 3 + 6 * config.temperature**0.5 * 1.5, 41)
        )
        exact = marginal(run.potential, temperature, 0, edges, accuracy=1e-5) / np.diff(edges)
        curve = {"exact": ((edges[1:] + edges[:-1]) / 2, exact)}
        inside = run.first[(run.first >= edges[0]) & (run.first <= edges[-1])]
        plotting.histogram(
            {"chains": inside},
            x="first coordinate",
            bins=edges.tolist(),
            curves=curve,
            title=run.potential.name,
            axes=place,
        )
    for place in axes[len(runs) :]:
        place.set_visible(False)
    return figure
