"""Langevin chains on the loss of a polynomial network, beside what its zero set says about T -> 0.

U = loss + T |w|^2 / 2. Seen are the law of the first weight and the mean of the loss, at T, T/2 and T/4 and, by the
parabola through the three, at T = 0. There the law is that on the zero set, and the mean loss is T/2 for every one of
its m codimensions; at finite T both follow by quadrature: mean loss = T^2 d(log Z)/dT, as the prior does not change.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from empirical import diagnostics
from empirical.langevin import Langevin, init, sample
from theory.claims.boltzmann import NETS, predicted_limit
from theory.claims.claim import Case
from theory.network_potentials import Concentration, network_potential
from theory.quadrature import expectation, marginal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAWS = 9  # comparisons made for each net: five of laws, four of mean losses
PARABOLA = (1 / 3, -2.0, 8 / 3)  # value at 0 of the parabola through those at h, h/2, h/4


@dataclass(frozen=True)
class Plan:
    """How chains are run on every net.

    temperatures: T, T/2, T/4 for accepted or rejected steps of the size `step_size`
    plain_steps: two step sizes, h and h/2, of plain Langevin descent at T
    time: of every chain, in units in which the flat directions of the prior relax as exp(-T time)
    """

    temperatures: tuple[float, float, float] = (0.2, 0.1, 0.05)
    step_size: float = 0.03
    plain_steps: tuple[float, float] = (0.01, 0.005)
    chains: int = 1000
    time: float = 200.0
    records: int = 40
    resamples: int = 300


@dataclass(frozen=True)
class Run:
    """One run: each chain's share of the bins of the first weight (chains, bins), mean loss; some positions to draw."""

    temperature: float
    step_size: float
    adjusted: bool
    shares: np.ndarray
    loss: diagnostics.Mean
    acceptance: float
    burn_in: int
    start_gap: float
    positions: np.ndarray


@dataclass(frozen=True)
class Net:
    """The runs on one net: three adjusted ones by falling temperature, two plain ones; and what theory says."""

    name: str
    plan: Plan
    edges: np.ndarray
    adjusted: list[Run]
    plain: list[Run]
    limit: Concentration

    @property
    def equations(self) -> int:
        return self.limit.equations


def chains_on(name: str, plan: Plan, seed: int) -> Net:
    """Run all chains of one net of theory's side."""
    edges = np.concatenate([[-8.5], np.linspace(-3, 3, 25), [8.5]])
    limit = predicted_limit(name)
    start = _starts(limit, plan.chains)
    adjusted = [
        _run(name, plan, t, plan.step_size, True, start, edges, seed + k) for k, t in enumerate(plan.temperatures)
    ]
    plain = [
        _run(name, plan, plan.temperatures[0], h, False, start, edges, seed + 10 + k)
        for k, h in enumerate(plan.plain_steps)
    ]
    return Net(name, plan, edges, adjusted, plain, limit)


def _starts(limit: Concentration, chains: int) -> np.ndarray:
    """Half of the chains (chains, K) at the zero nearest to the origin with first weight -1.5, half at 1.5."""
    points = limit.fine.points
    ends = []
    for side in (-1.5, 1.5):
        near = points[abs(points[:, 0] - side) < 0.05]
        ends.append(near[np.argmin((near**2).sum(1))])
    return np.array(ends)[np.arange(chains) % 2]


def _run(
    name: str, plan: Plan, temperature: float, h: float, adjusted: bool, start: np.ndarray, edges: np.ndarray, seed: int
) -> Run:
    potential = network_potential(NETS[name].system, temperature)
    kernel, every = Langevin(potential, temperature, h, adjusted), max(1, round(plan.time / h / plan.records))
    _, found = sample(init(kernel, start, seed), kernel, plan.records * every, every=every)
    first = found.values[..., 0]
    dropped = diagnostics.burn_in(first)
    kept = found.values[dropped:]
    prior = temperature * (kept**2).sum(-1) / 2
    loss = np.stack([potential.value(record) for record in kept]) - prior
    gap = diagnostics.start_gap(kept[..., 0], np.arange(len(start)) % 2)
    return Run(
        temperature,
        h,
        adjusted,
        diagnostics.shares(kept[..., 0], edges),
        diagnostics.mean(loss),
        found.acceptance,
        dropped,
        gap,
        kept[-1, :500],
    )


@lru_cache(maxsize=64)
def exact_loss(name: str, temperature: float) -> float:
    """Mean loss at a temperature, by quadrature: U without the prior's part T|w|^2/2."""
    potential = network_potential(NETS[name].system, temperature)
    prior = sp.Float(temperature / 2) * sp.Add(*(v**2 for v in potential.variables))
    return expectation(potential, temperature, potential.expression - prior).value


def exact_law(net: Net, temperature: float) -> np.ndarray:
    """Masses (bins,) of the first weight at a temperature."""
    return _law(net.name, temperature, tuple(net.edges))


@lru_cache(maxsize=64)
def _law(name: str, temperature: float, edges: tuple[float, ...]) -> np.ndarray:
    return marginal(network_potential(NETS[name].system, temperature), temperature, 0, edges)


def cases(net: Net, confidence: float, rng: np.random.Generator) -> list[Case]:
    """Laws and mean losses: at each temperature, extrapolated to T = 0, and of plain steps extrapolated to h = 0."""
    found = [
        _law_case(net, [(1.0, run)], exact_law(net, run.temperature), 0.0, f"T = {run.temperature}", confidence, rng)
        for run in net.adjusted
    ]
    limit, rounding = net.limit.marginal(0, net.edges)
    left = sum(c * exact_law(net, run.temperature) for c, run in zip(PARABOLA, net.adjusted, strict=True)) - limit
    slack = float(abs(left).sum() + rounding.sum()) / 2
    parts = list(zip(PARABOLA, net.adjusted, strict=True))
    found.append(_law_case(net, parts, limit, slack, "T -> 0, against the law on the zero set", confidence, rng))
    finer = list(zip((-1.0, 2.0), net.plain, strict=True))
    t = net.plain[0].temperature
    found.append(_law_case(net, finer, exact_law(net, t), 0.0, f"plain steps, h -> 0, T = {t}", confidence, rng))
    for run in net.adjusted:
        expected = exact_loss(net.name, run.temperature)
        found.append(_loss_case(net, [(1.0, run)], expected, 0.0, f"T = {run.temperature}", confidence))
    scaled = [(c / run.temperature, run) for c, run in parts]
    remainder = sum(f * exact_loss(net.name, run.temperature) for f, run in scaled) - net.equations / 2
    found.append(
        _loss_case(
            net, scaled, net.equations / 2, abs(remainder), "loss / T for T -> 0, half the codimension", confidence
        )
    )
    return found


def without_jacobian(net: Net, confidence: float, rng: np.random.Generator) -> tuple[float, float]:
    """Distance of the extrapolated law from the prior alone on the zero set, and what sampling allows."""
    rule = replace(net.limit.fine, jacobian_factor=np.ones_like(net.limit.fine.jacobian_factor))
    parts = list(zip(PARABOLA, net.adjusted, strict=True))
    allowed = diagnostics.sampling_distance([(c, run.shares) for c, run in parts], confidence, net.plan.resamples, rng)
    return diagnostics.distance(_mixed(parts), rule.marginal(0, net.edges)), allowed


def _mixed(parts: list[tuple[float, Run]]) -> np.ndarray:
    return np.sum([factor * run.shares.mean(0) for factor, run in parts], axis=0)


def _law_case(
    net: Net,
    parts: list[tuple[float, Run]],
    exact: np.ndarray,
    slack: float,
    text: str,
    confidence: float,
    rng: np.random.Generator,
) -> Case:
    weighted = [(factor, run.shares) for factor, run in parts]
    allowed = diagnostics.sampling_distance(weighted, confidence, net.plan.resamples, rng) + slack
    seen = diagnostics.distance(_mixed(parts), exact)
    fresh = all(run.start_gap < 4 for _, run in parts)
    return Case(
        f"{net.name}: law of the first weight, {text}: distance",
        f"<= {allowed:.4f}",
        round(seen, 4),
        seen <= allowed if fresh else None,
    )


def _loss_case(
    net: Net, parts: list[tuple[float, Run]], exact: float, slack: float, text: str, confidence: float
) -> Case:
    seen = sum(factor * run.loss.value for factor, run in parts)
    error = math.hypot(*(factor * run.loss.error for factor, run in parts))
    allowed = diagnostics.quantile(net.plan.chains, confidence) * error + slack
    fresh = all(run.start_gap < 4 for _, run in parts)
    return Case(
        f"{net.name}: mean loss, {text} (± {allowed:.2g})", exact, seen, abs(seen - exact) <= allowed if fresh else None
    )


def rows(net: Net) -> list[dict[str, Any]]:
    """The runs of one net as rows of the experiment's table."""
    return [
        {
            "potential": f"net with {net.name}",
            "kernel": "adjusted" if run.adjusted else "plain",
            "temperature": run.temperature,
            "step_size": run.step_size,
            "mean_energy": run.loss.value,
            "standard_error": run.loss.error,
            "effective_samples": run.loss.effective,
            "predicted_energy": exact_loss(net.name, run.temperature),
            "acceptance": run.acceptance,
            "distance_x1": diagnostics.distance(run.shares.mean(0), exact_law(net, run.temperature)),
            "distance_x1_to_zero_set": diagnostics.distance(run.shares.mean(0), net.limit.marginal(0, net.edges)[0]),
            "start_gap": run.start_gap,
        }
        for run in (*net.adjusted, *net.plain)
    ]


def draw(nets: list[Net]) -> "Figure":
    """Chains at the highest and the lowest temperature beside the zero set; the law of the first weight."""
    from empirical import plotting

    figure, axes = plotting.panels(3, len(nets), width=2.9, height=2.5)
    for number, net in enumerate(nets):
        left, middle, right = axes[3 * number : 3 * number + 3]
        for place, run in ((left, net.adjusted[0]), (middle, net.adjusted[-1])):
            _cloud(net, run, place)
        inner = net.edges[1:-1]
        centre, size = (inner[1:] + inner[:-1]) / 2, np.diff(inner)
        flat = replace(net.limit.fine, jacobian_factor=np.ones_like(net.limit.fine.jacobian_factor))
        law = {
            "zero set, T → 0": (centre, net.limit.marginal(0, inner)[0] / size),
            f"chains, T = {net.adjusted[-1].temperature}": (centre, net.adjusted[-1].shares.mean(0)[1:-1] / size),
            "without det(JJᵀ)": (centre, flat.marginal(0, inner) / size),
        }
        plotting.lines(law, x="w₁", y="density", title=f"law of w₁, {net.name}", limits=(0.0, 0.75), axes=right)
    return figure


def _cloud(net: Net, run: Run, place: Any) -> None:
    """Positions of some chains: in the plane of both weights, or by how far they are off the zero set."""
    from empirical import plotting

    positions, system = run.positions[:250], NETS[net.name].system
    if system.n_unknowns == 2:
        y, label = positions[:, 1], "w₂"
    else:
        y, label = system.evaluate(positions)[:, 0], "output − target"
    plotting.points({"chains": (positions[:, 0], y)}, x="w₁", y=label, title=f"T = {run.temperature}", axes=place)
    line = np.zeros((2, 2))
    line[:, 0] = -3.5, 3.5
    if system.n_unknowns == 2:
        line = net.limit.fine.points[abs(net.limit.fine.points[:, 0]) < 3.5]
    place.plot(*line[np.argsort(line[:, 0])].T, color="#000000", linewidth=1.2, zorder=3)
    place.set_xlim(-3.5, 3.5)
    place.set_ylim((0, 2) if system.n_unknowns == 2 else (-1.2, 1.2))
