"""With targets +-1 every zero-error point classifies all data, with margin exactly 1; classifiers are many more.

Predicted: y f(x) = 1 at every datum, a zero set of dimension K - N inside the set of perfect classifiers, which has
dimension K; at most as many zeros as perfect classifiers. Observed: exact zeros whose existence is proved, and a
forward pass in ball arithmetic of its own over a box that holds them, and over larger boxes. The source's lower bound
is right for solutions as points: each zero of the regression is one of the classification. It is none for regions:
several zeros can lie in one region of perfect classifiers, and where they can be joined by segments this is counted.
"""

import itertools
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control
from theory.claims.zero_set_dimension import CUBIC
from theory.continuation.certify import prove_manifold
from theory.continuation.solve import solve
from theory.networks import PolynomialNetwork
from theory.real_points import real_points
from theory.systems import PolynomialSystem

ID = "margin"
STATEMENT = (
    "Weights that fit targets +-1 without error classify every datum with margin y f(x) = 1; they form a set of "
    "dimension K - N in the set of perfect classifiers, of dimension K, so that there are at most as many"
)
SOURCE = "2018 review, sections 1 and 4.1"
MIXED = (Fraction(0), Fraction(1), Fraction(1))
WIDTH = 1e-3  # of the proved intervals for margins, at most; 1e-9 as a rule
POINTS = 4  # of each zero set


@dataclass(frozen=True)
class Instance:
    """A network with hidden biases and one output; N points with labels drawn by the seed."""

    name: str
    widths: tuple[int, ...]
    coefficients: tuple[Fraction, ...]
    n_data: int

    def __str__(self) -> str:
        return f"{self.name} {'-'.join(map(str, self.widths))}, N = {self.n_data}"

    def network(self) -> PolynomialNetwork:
        bias = (*(True for _ in self.widths[2:]), False)
        return PolynomialNetwork(self.widths, PolynomialActivation(self.coefficients), bias=bias)

    def data(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (N, n), eighths without 0, and labels +-1 (N,) of which both occur."""
        rng = np.random.default_rng([seed, *self.widths, self.n_data])
        grid = np.concatenate([np.arange(-16, 0), np.arange(1, 17)]) / 8
        inputs = np.stack([rng.choice(grid, self.n_data, replace=False) for _ in range(self.widths[0])], axis=1)
        return inputs, rng.permutation(np.where(np.arange(self.n_data) % 2, 1, -1))

    def system(self, seed: int) -> PolynomialSystem:
        return self.network().interpolation_system(*self.data(seed))


INSTANCES = (
    Instance("cubic", (2, 3, 1), CUBIC, 5),
    Instance("z+z^2", (2, 4, 1), MIXED, 5),
    Instance("z+z^2", (2, 3, 2, 1), MIXED, 6),
)
SQUARE_CASES = (Instance("z+z^2", (1, 1, 1), MIXED, 3), Instance("z+z^2", (2, 1, 1), MIXED, 4))  # N = K


def predicted(instance: Instance) -> dict[str, Any]:
    """Margins between these; the zero set's dimension, and that of the perfect classifiers round each of its points."""
    K = instance.network().n_parameters
    return {"least margin": 1, "largest margin": 1, "zeros": K - instance.n_data, "classifiers": K}


def observed(instance: Instance, seed: int, labels: np.ndarray | None = None) -> dict[str, Any]:
    """At POINTS real zeros: margins over proved boxes, rounded to WIDTH; None for what could not be proved.

    labels: those by which the margins are taken, if not those of the system
    """
    inputs, own = instance.data(seed)
    system = instance.system(seed)
    signs = own if labels is None else labels
    lows, highs, proved, inside = [], [], True, True
    for point in real_points(system, POINTS, np.random.default_rng([seed, 1])):
        proof = prove_manifold(system, point)
        proved &= bool(proof.certified[0])
        low, high = enclosed(instance, point, float(proof.radius[0]), inputs, signs)
        proved &= bool((high - low).max() < WIDTH)
        lows.append(low.min())
        highs.append(high.max())
        inside &= robust_radius(instance, point, inputs, signs) > 0
    K = system.n_unknowns
    return {
        "least margin": round(min(lows) / WIDTH) * WIDTH if proved else None,
        "largest margin": round(max(highs) / WIDTH) * WIDTH if proved else None,
        "zeros": K - system.n_equations if proved else None,
        "classifiers": K if inside else None,
    }


def enclosed(
    instance: Instance, point: np.ndarray, radius: float, inputs: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (N,), (N,) of y f(x) for all weights that differ from the point by at most the radius each."""
    import flint

    def ball(value: Any) -> Any:
        return flint.arb(float(value))

    weights = [flint.arb(float(w), radius) for w in point]
    low, high = [], []
    for x, y in zip(inputs, labels, strict=True):
        states, rest = [ball(v) for v in x], list(weights)
        for k, (fan_in, out) in enumerate(itertools.pairwise(instance.widths)):
            last = k == len(instance.widths) - 2
            matrix, rest = rest[: fan_in * out], rest[fan_in * out :]
            biases, rest = ([ball(0)] * out, rest) if last else (rest[:out], rest[out:])
            sums = [sum((matrix[j * fan_in + i] * states[i] for i in range(fan_in)), biases[j]) for j in range(out)]
            states = sums if last else [_horner(instance.coefficients, z) for z in sums]
        margin = states[0] * int(y)
        low.append(float(margin.lower()))
        high.append(float(margin.upper()))
    return np.array(low), np.array(high)


def _horner(coefficients: tuple[Fraction, ...], z: Any) -> Any:
    import flint

    total = flint.arb(0)
    for c in reversed(coefficients):
        total = total * z + flint.arb(flint.fmpq(c.numerator, c.denominator))
    return total


def robust_radius(instance: Instance, point: np.ndarray, inputs: np.ndarray, labels: np.ndarray) -> float:
    """A radius within which every choice of weights classifies all data, proved; 0 where none was found."""
    for k in range(3, 40):
        low, _ = enclosed(instance, point, 2.0**-k, inputs, labels)
        if (low > 0).all():
            return 2.0**-k
    return 0.0


# ---- as many data as weights: finitely many zeros


def observed_square(instance: Instance, seed: int) -> dict[str, int]:
    """Real zeros; how many of them classify all data; the pieces they form when joined by segments of classifiers."""
    inputs, labels = instance.data(seed)
    network = instance.network()
    zeros = solve(network.interpolation_system(inputs, labels), start="multihomogeneous", seed=seed).real
    right = ((network.evaluate(zeros, inputs)[..., 0] * labels) > 0).all(axis=1)
    steps = np.linspace(0, 1, 2001)[:, None]
    piece = list(range(len(zeros)))
    for i, j in itertools.combinations(range(len(zeros)), 2):
        segment = zeros[i] + steps * (zeros[j] - zeros[i])
        if ((network.evaluate(segment, inputs)[..., 0] * labels) > 0).all():
            piece = [piece[i] if p == piece[j] else p for p in piece]
    return {"zeros": len(zeros), "perfect": int(right.sum()), "pieces": len(set(piece))}


def control(seed: int) -> Control:
    """Margins taken by labels of which one pair is exchanged: -1 where the label differs."""
    instance = INSTANCES[0]
    labels = instance.data(seed)[1].copy()
    first, other = 0, int(np.argmax(labels != labels[0]))
    labels[[first, other]] = labels[[other, first]]
    found = observed(instance, seed, labels)
    return Control(
        f"{instance}, with two labels exchanged after the fit: these points must have margin -1, and no region of "
        "perfect classifiers round them",
        expected={"least margin": -1, "classifiers": None},
        observed=found,
        passed=(found["least margin"], found["classifiers"]) == (-1, None),
    )


def check(seed: int = 0) -> Claim:
    """Zero sets of three networks, and the zeros of two with as many data as weights."""
    cases = []
    for instance in INSTANCES:
        expected, found = predicted(instance), observed(instance, seed)
        proved = None not in found.values()
        cases.append(Case(str(instance), expected, found, expected == found if proved else None))
    joined = []
    for instance in SQUARE_CASES:
        counts = observed_square(instance, seed)
        joined.append(f"{instance}: {counts['zeros']} zeros in {counts['pieces']} pieces")
        name = f"{instance}: real zeros that are perfect classifiers"
        cases.append(Case(name, counts["zeros"], counts["perfect"], counts["zeros"] == counts["perfect"]))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"{WIDTH:g}: an exact zero is in a box over which, proved, no margin varies by more",
        seed=seed,
        note="A lower bound for points, not for regions. Zeros, and the pieces that segments of perfect classifiers "
        f"join them to: {'; '.join(joined)}.",
    )
