"""Index against error at critical points of small networks: all of them, and those a search finds. `index-and-error`.

A network of squares, random inputs and targets, mean squared error with weight decay (which makes the critical points
isolated). All critical points come from homotopy continuation; many from minimising the squared norm of the gradient,
from random starts, by Levenberg and Marquardt's steps. The index is the share of negative eigenvalues of the Hessian.
Points that differ by a symmetry of the network count once. A larger network is searched only.

The test: Kendall's rank correlation of error and index over all real critical points, for each draw of the data; its
mean over draws, Student's interval at error rate 0.01, above 0; fails surely below 0.1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from empirical.records import Result
from theory.activations import monomial
from theory.claims.claim import Case, Claim, Control
from theory.confidence import above, student
from theory.continuation.solve import solve
from theory.networks import PolynomialNetwork
from theory.systems import PolynomialSystem

ID = "index-and-error"
STATEMENT = (
    "At the critical points of a network the share of negative eigenvalues of the Hessian grows with the error; the "
    "points that minimising the gradient finds are among those that homotopy finds."
)
SOURCE = "slides, Training Error v.s. Eigenvalues (Pascanu et al. and Dauphin et al. 2014; Pennington and Bahri 2017)"
REPORTED = {
    "Dauphin et al., Fig. 1": "index against error of critical points on MNIST and CIFAR-10: monotone; no numbers",
    "Pennington and Bahri": "index proportional to (error / threshold - 1)^(3/2) near the threshold",
}


@dataclass(frozen=True)
class Config:
    """widths, bias: of the network that is solved, images: of its random data, as many as keep the errors positive

    decay: weight of the squared norm of the weights, which makes the critical points isolated
    draws: of the data; starts: of the search on each; steps: of the search
    large: widths of the network that is only searched, large_starts: from how many points
    """

    widths: tuple[int, ...] = (2, 2, 1)
    bias: tuple[bool, ...] = (False, False)
    images: int = 6
    decay: float = 0.02
    draws: int = 5
    starts: int = 2000
    steps: int = 200
    large: tuple[int, ...] = (4, 5, 1)
    large_images: int = 40
    large_starts: int = 1000


PRESETS = {
    "smoke": Config(widths=(2, 1, 1), bias=(True, True), images=5, draws=3, starts=200, steps=100, large=(2, 3, 1),
                    large_images=12, large_starts=200),
    "cpu": Config(),
    "paper": Config(draws=20, starts=20_000, steps=1000, large=(8, 8, 1), large_images=128, large_starts=10_000),
}  # fmt: skip


@dataclass(frozen=True)
class Points:
    """Critical points (p, K) with their error (mean square without the decay) and share of negative eigenvalues, (p,).

    orbits: for each, a number that is the same for points of the same network up to symmetry
    """

    weights: np.ndarray
    error: np.ndarray
    index: np.ndarray
    orbits: np.ndarray

    @property
    def distinct(self) -> np.ndarray:
        """One point of each orbit."""
        return np.unique(self.orbits, return_index=True)[1]


@dataclass(frozen=True)
class Draw:
    """One draw of the data: all real critical points, and those that the search found."""

    number: int
    everything: Points
    found: Points
    complex_points: int
    undecided_paths: int
    converged: int
    missing: int  # orbits found by the search and not by the homotopy


def compute(
    config: Config,
    data: None = None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Solve and search the small network for each draw of the data, and search the large one."""
    net = PolynomialNetwork(config.widths, monomial(2), bias=list(config.bias))
    draws = []
    for number in range(config.draws):
        draws.append(_draw(net, config, number, seed))
        if progress is not None:
            progress(number + 1, config.draws + 1, f"{len(draws[-1].everything.error)} real critical points")
    large = PolynomialNetwork(config.large, monomial(2), bias=False)
    rng = np.random.default_rng([seed, 99])
    system, inputs, targets = _problem(large, config.large_images, config.decay, rng)
    ends = descend_gradient(system, rng.normal(size=(config.large_starts, large.n_parameters)), config.steps)
    many = points(large, system, inputs, targets, ends)
    if progress is not None:
        progress(config.draws + 1, config.draws + 1, f"{len(many.distinct)} critical points of the large network")
    claim = Claim.from_cases(
        _cases(draws),
        _control(draws, np.random.default_rng([seed, 7])),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Student's interval over {config.draws} draws of the data at error rate 0.01, for Kendall's tau; "
        "points are the same where error and index are, to 1e-6",
        seed=seed,
        note=_note(draws, many, large, config),
    )
    rows = [_row(d.number, kind, p, k) for d in draws for kind, p in (("homotopy", d.everything), ("search", d.found))
            for k in p.distinct] + [_row(-1, "search, large", many, k) for k in many.distinct]  # fmt: skip
    return Result(claim, rows, {"draws": draws, "large": many, "config": config})


def draw(result: Result) -> dict[str, Any]:
    """Index against error: all critical points, those a search finds, and a larger network's."""
    from empirical import plotting

    draws: Sequence[Draw] = result.series["draws"]
    config: Config = result.series["config"]
    figure, (left, middle, right) = plotting.panels(3, width=3.3)
    for axes, title, kind in ((left, "all, by homotopy", "everything"), (middle, "found by a search", "found")):
        series = {}
        for d in draws:
            p: Points = getattr(d, kind)
            series[f"data {d.number + 1}"] = (p.error[p.distinct], p.index[p.distinct])
        title = f"{title}: net {config.widths}"
        plotting.points(series, x="error (mean square)", y="share of negative eigenvalues", title=title, axes=axes)
        axes.set_ylim(-0.05, left.get_ylim()[1])
    many: Points = result.series["large"]
    title = f"found by a search: net {config.large}"
    plotting.points({"": (many.error[many.distinct], many.index[many.distinct])}, x="error (mean square)",
                    y="share of negative eigenvalues", title=title, axes=right)  # fmt: skip
    return {"index": figure}


def descend_gradient(system: PolynomialSystem, starts: np.ndarray, steps: int) -> np.ndarray:
    """Where Levenberg and Marquardt's minimisation of |g|^2 converged to g = 0, (p, K); the other starts are dropped.

    system: K equations, a gradient g; its Jacobian is the Hessian. starts: (n, K)
    """
    w, damping = starts.astype(float), np.ones(len(starts))
    g = system.evaluate(w).real
    for _ in range(steps):
        h = system.jacobian(w).real
        normal = h.transpose(0, 2, 1) @ h + (damping[:, None, None] * np.eye(w.shape[1]))
        trial = w - np.linalg.solve(normal, (h.transpose(0, 2, 1) @ g[:, :, None]))[:, :, 0]
        g_trial = system.evaluate(trial).real
        better = np.linalg.norm(g_trial, axis=1) < np.linalg.norm(g, axis=1)
        w, g = np.where(better[:, None], trial, w), np.where(better[:, None], g_trial, g)
        damping = np.clip(np.where(better, damping / 5, 3 * damping), 1e-15, 1e15)
    return w[np.linalg.norm(g, axis=1) < 1e-10 * (1 + np.linalg.norm(w, axis=1))]


def points(
    net: PolynomialNetwork, system: PolynomialSystem, inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> Points:
    """Error and index of critical points (p, K), and which of them are the same up to symmetry."""
    error = ((net.evaluate(weights, inputs).real.reshape(len(weights), -1) - targets) ** 2).mean(1)
    eigenvalues = np.linalg.eigvalsh(system.jacobian(weights).real)
    index = (eigenvalues < -1e-9).mean(1)
    return Points(weights, error, index, _orbits(error, eigenvalues))


def _orbits(error: np.ndarray, eigenvalues: np.ndarray) -> np.ndarray:
    """Symmetries of a net are permutations and signs here: they leave error and eigenvalues as they are."""
    invariants = np.column_stack([error, eigenvalues])
    numbers = np.full(len(error), -1)
    for k in np.argsort(error, kind="stable"):
        if numbers[k] < 0:
            same = (abs(invariants - invariants[k]) < 1e-6 * (1 + abs(invariants[k]))).all(1)
            numbers[same & (numbers < 0)] = k
    return numbers


def _problem(
    net: PolynomialNetwork, images: int, decay: float, rng: np.random.Generator
) -> tuple[PolynomialSystem, np.ndarray, np.ndarray]:
    """A critical system on random data; rounded, so that its exact coefficients stay short."""
    inputs, targets = rng.normal(size=(images, net.n_inputs)).round(2), rng.normal(size=images).round(2)
    return net.critical_system(inputs, targets, decay), inputs, targets


def _draw(net: PolynomialNetwork, config: Config, number: int, seed: int) -> Draw:
    rng = np.random.default_rng([seed, number])
    system, inputs, targets = _problem(net, config.images, config.decay, rng)
    solved = solve(system, seed=seed)
    everything = points(net, system, inputs, targets, np.asarray(solved.real))
    ends = descend_gradient(system, rng.normal(size=(config.starts, net.n_parameters)), config.steps)
    found = points(net, system, inputs, targets, ends)
    known = np.column_stack([everything.error, everything.index])
    missing = sum(not (abs(known - (found.error[k], found.index[k])) < 1e-6).all(1).any() for k in found.distinct)
    undecided = solved.paths.failed
    return Draw(number, everything, found, len(solved.solutions), undecided, len(ends), missing)


def correlation(p: Points, index: np.ndarray | None = None) -> float:
    """Kendall's tau of error and index over distinct points; 0 where all indices are alike."""
    from scipy.stats import kendalltau

    tau = kendalltau(p.error[p.distinct], (p.index if index is None else index)[p.distinct]).statistic
    return float(tau) if np.isfinite(tau) else 0.0


def _cases(draws: Sequence[Draw]) -> list[Case]:
    taus = [correlation(d.everything) for d in draws]
    low, high = student(taus)
    shown = f"{np.mean(taus):.3f}, interval {low:.3f} to {high:.3f}"
    missing = sum(d.missing for d in draws)
    total = sum(len(d.found.distinct) for d in draws)
    undecided = sum(d.undecided_paths for d in draws)
    agrees = True if not missing else (None if undecided else False)  # an undecided path may be the missing point
    return [
        Case("Kendall's tau of error and index, all real critical points", "> 0", shown, above(low, high, effect=0.1)),
        Case("points found by the search that the homotopy has too", "all", f"{total - missing} of {total}", agrees),
    ]


def _control(draws: Sequence[Draw], rng: np.random.Generator) -> Control:
    taus = [correlation(d.everything, rng.permutation(d.everything.index)) for d in draws]
    low, high = student(taus)
    return Control(
        "the same errors with the indices of other points, through the same test: it must see no growth",
        "interval of tau not above 0",
        f"{np.mean(taus):.3f}, interval {low:.3f} to {high:.3f}",
        passed=low <= 0,
    )


def _note(draws: Sequence[Draw], many: Points, large: PolynomialNetwork, config: Config) -> str:
    counts = ", ".join(
        f"{d.complex_points} complex, {len(d.everything.error)} real in {len(d.everything.distinct)} orbits, of which "
        f"the search found {len(d.found.distinct)} ({d.undecided_paths} paths undecided)"
        for d in draws
    )
    return (
        f"critical points by draw: {counts}. Net {config.large} ({large.n_parameters} weights, {config.large_images} "
        f"images), searched: {len(many.distinct)} distinct points, tau {correlation(many):.3f}."
    )


def _row(number: int, kind: str, p: Points, k: int) -> dict[str, Any]:
    return {"draw": number, "found_by": kind, "error": p.error[k], "index": p.index[k]}
