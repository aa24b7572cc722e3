"""Basins that SGD reaches from many starts, clustered, beside the pieces that theory counts. The claim `regions`.

The networks and data are those of the claim's theory side. SGD, one example a step, starts at random points; its ends
are brought to zero error exactly, and sorted into connected pieces of the real zero set by walks along it.

The test: the number of basins must be the number of pieces that theory predicts. A piece that draws less than a share s
of the starts may be missed; s is the share that would be missed with a probability of 0.01 over all pieces. More basins
than pieces make it fail, fewer leave it open; so do starts that come to no zero in more than half of the cases. The
control puts the basins of one network to the prediction for another one, of fewer pieces.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from empirical.basins import System, pieces, to_zeros
from empirical.records import Result
from empirical.steps import Arrays, kept
from theory.activations import monomial
from theory.claims.claim import Case, Claim, Control
from theory.claims.regions import INSTANCES, Instance, bezout_number, predicted
from theory.networks import PolynomialNetwork

ID = "regions"
DEVICE = "cpu"  # whatever is asked for: small nets in double precision
STATEMENT = (
    "SGD from many starts reaches as many basins of zero error as the real zero set has connected pieces, which is not "
    "Z, the product of the degrees."
)
SOURCE = "Review (2018), section 3 (there: Z regions)"
REPORTED = {"section 3": "the zero set consists of Z regions; no numbers"}


@dataclass(frozen=True)
class Config:
    """All ours. starts: for each network; spread: of the starting weights, N(0, spread^2); steps, rate: of SGD;
    seeds: independent repetitions, each of which must agree; instances: how many networks, 2 at least."""

    starts: int = 1000
    spread: float = 1.0
    steps: int = 5000
    rate: float = 0.01
    seeds: int = 5
    instances: int = len(INSTANCES)

    def __post_init__(self) -> None:
        if self.instances < 2 or self.seeds < 1:
            raise ValueError(f"{ID} needs at least 2 instances and 1 seed, got {self.instances} and {self.seeds}")


PRESETS = {
    "smoke": Config(starts=40, steps=300, seeds=1, instances=4),
    "cpu": Config(starts=200, steps=2000, seeds=3),
    "paper": Config(),
}


@dataclass(frozen=True)
class Basins:
    """What was found for one network from one seed.

    ends: (p, K) zeros; piece: (p,) the number of the piece each lies in; after_sgd: median largest residual before the
    ends were brought to zero error; starts: how many there were
    """

    instance: Instance
    seed: int
    ends: np.ndarray
    piece: np.ndarray
    after_sgd: float
    starts: int

    @property
    def count(self) -> int:
        return int(self.piece.max()) + 1 if len(self.piece) else 0


def compute(
    config: Config,
    data: None = None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
    checkpoints: Path | None = None,
) -> Result:
    """Run SGD on every network, sort its ends, compare with theory; the networks bring their own data."""
    found = []
    tasks = [(instance, k) for instance in INSTANCES[: config.instances] for k in range(config.seeds)]
    for done, (instance, k) in enumerate(tasks, start=1):
        file = None if checkpoints is None else checkpoints / f"step-{done:03d}.npz"
        found.append(_basins(instance, config, [seed, k], file))
        if progress is not None:
            progress(done, len(tasks), f"{instance}: {found[-1].count} basins")
    table = [row for one in found for row in _rows(one)]
    return Result(_claim(found, config, seed), table, {"found": found})


def equations(instance: Instance) -> tuple[PolynomialNetwork, np.ndarray, np.ndarray]:
    """The network, its inputs (N, n) and its targets (N,), as floats."""
    network = PolynomialNetwork(instance.widths, monomial(instance.power), bias=(instance.bias, False))
    return network, np.array(instance.inputs, float), np.array([float(y) for y in instance.targets])


def _basins(instance: Instance, config: Config, seed: list[int], file: Path | None = None) -> Basins:
    found = kept(file, partial(_sorted_ends, instance, config, seed))
    return Basins(instance, seed[-1], found["ends"], found["piece"], float(found["after_sgd"]), config.starts)


def _sorted_ends(instance: Instance, config: Config, seed: list[int]) -> Arrays:
    """ends, piece and after_sgd of Basins."""
    network, inputs, targets = equations(instance)

    def system(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return network.evaluate(points, inputs)[..., 0] - targets, network.jacobian(points, inputs)

    rng = np.random.default_rng(seed)
    starts = config.spread * rng.standard_normal((config.starts, network.n_parameters))
    ends = _descend(network, inputs, targets, starts, config, rng)
    after = float(np.median(np.abs(system(ends)[0]).max(1))) if len(ends) else float("nan")
    zeros = to_zeros(system, ends) if len(ends) else ends
    zeros = zeros[np.isfinite(zeros).all(1)]
    return {"ends": zeros, "piece": _sorted(system, zeros, seed[-1]), "after_sgd": np.array(after)}


def _sorted(system: System, zeros: np.ndarray, seed: int) -> np.ndarray:
    return pieces(system, zeros, seed) if len(zeros) else np.zeros(0, int)


def _descend(
    network: PolynomialNetwork,
    inputs: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    config: Config,
    rng: np.random.Generator,
) -> np.ndarray:
    """SGD on half the squared error of one example a step, the same for all chains; those that diverged are left out.

    A gradient longer than 1 / rate is cut to that length: monomials of high degree would throw weights to infinity.
    """
    weights = weights.copy()
    for example in rng.integers(len(inputs), size=config.steps):
        x, y = inputs[example : example + 1], targets[example]
        gap = network.evaluate(weights, x)[:, 0] - y  # (p, 1)
        gradient = gap * network.jacobian(weights, x)[:, 0]
        length = np.linalg.norm(gradient, axis=1, keepdims=True)
        weights -= config.rate * gradient * np.minimum(1.0, 1 / (config.rate * np.maximum(length, 1e-300)))
    return weights[np.isfinite(weights).all(1) & (np.abs(weights).max(1) < 100)]


def _rows(one: Basins) -> list[dict[str, Any]]:
    shares = np.bincount(one.piece, minlength=one.count) / max(len(one.piece), 1)
    return [
        {
            "network": str(one.instance),
            "seed": one.seed,
            "basin": number,
            "share_of_ends": share,
            "ends": len(one.ends),
            "starts": one.starts,
            "residual_after_sgd": one.after_sgd,
            "pieces": predicted(one.instance).real,
            "Z": bezout_number(one.instance.system()),
        }
        for number, share in enumerate(shares if one.count else [0.0])
    ]


def _claim(found: Sequence[Basins], config: Config, seed: int) -> Claim:
    cases, printed = [], []
    for instance in dict.fromkeys(one.instance for one in found):
        own = [one for one in found if one.instance == instance]
        counts, expected, z = [one.count for one in own], predicted(instance).real, bezout_number(instance.system())
        cases.append(Case(f"{instance}: basins", expected, _shown(own), _agrees(own, expected)))
        printed.append(all(count == z for count in counts))
    most = max(predicted(one.instance).real for one in found)
    least = 1 - (0.01 / most) ** (1 / max(1, min((len(one.ends) for one in found if len(one.ends)), default=1)))
    control = _control(found)
    claim = Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"whole numbers; pieces that draw above {least:.1%} of the ends are all met with probability 0.99",
        seed=seed,
        note="; ".join(f"{row.instance}: Z = {bezout_number(row.instance.system())}" for row in found if row.seed == 0)
        + ". Ends are joined by walks along the zero set.",
    )
    return replace(claim, printed_verdict="holds" if all(printed) else "fails") if claim.verdict == "holds" else claim


def _agrees(own: Sequence[Basins], expected: int) -> bool | None:
    """Every seed must find the number; more is a contradiction, fewer (or few zeros) leave it open."""
    if any(one.count > expected for one in own):
        return False
    if expected == 0:
        return True
    enough = all(len(one.ends) >= one.starts / 2 for one in own)
    return True if enough and all(one.count == expected for one in own) else None


def _shown(own: Sequence[Basins]) -> str:
    counts = ", ".join(str(one.count) for one in own)
    return f"{counts} ({min(len(one.ends) for one in own)} zeros of {own[0].starts} starts at least)"


def _control(found: Sequence[Basins]) -> Control:
    """The test on the basins of one network against the prediction for another one, which is smaller."""
    fewer, more = INSTANCES[:2]
    own, wrong = [one for one in found if one.instance == more], predicted(fewer).real
    return Control(
        f"{more}, its basins set against the {wrong} pieces of {fewer}: the test must fail",
        f"more than {wrong}",
        _shown(own),
        passed=_agrees(own, wrong) is False,
    )


def draw(result: Result) -> dict[str, Any]:
    """Basins, pieces and Z for each network; the ends on a zero set of curves."""
    from empirical import plotting

    found = [one for one in result.series["found"] if one.seed == 0]
    names = [str(one.instance).replace(", y", "\ny") for one in found]
    figure, (axes,) = plotting.panels(1, width=0.7 * len(found) + 1.2, height=3.4)
    plotting.bars(
        names,
        {
            "basins reached by SGD": [one.count for one in found],
            "real pieces (theory)": [predicted(one.instance).real for one in found],
            "Z, product of the degrees": [bezout_number(one.instance.system()) for one in found],
        },
        x="network: widths, activation, targets",
        y="number",
        axes=axes,
    )
    axes.tick_params(axis="x", labelsize=8.0, labelrotation=60)
    drawn = next(one for one in found if one.instance.widths == (1, 1, 1) and len(one.instance.targets) == 2)
    ends = {f"basin {k + 1}": drawn.ends[drawn.piece == k, :2].T for k in range(drawn.count)}
    title = f"ends of SGD, {drawn.instance}; v = 2 / (w + b)² > 0"
    return {"basins": figure, "ends": plotting.points(ends, x="weight w", y="bias b", title=title)}
