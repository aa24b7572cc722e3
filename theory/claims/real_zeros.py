"""Real zeros are fewer than complex ones: the square root of Bezout's number for Kostlan's systems, not for networks.

Kostlan's random polynomials (variance of each coefficient a multinomial number) have on average exactly
sqrt(product of degrees) real zeros; coefficients that a network makes do not have those variances. For a network
a * p(w x) with as many data as weights and Gaussian targets the mean is a volume: that of the surface w -> the line
through (p(w x_1), ..., p(w x_N)) in projective space, over that of projective space. Predicted: the square root, and
that volume by quadrature. Observed: real zeros counted by homotopy in random systems, some of them proved. The
printed l^(N d / 2) is set beside: it misses, and exceeds even the number of complex zeros of the smallest network.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control, judge
from theory.claims.zero_set_dimension import CUBIC
from theory.continuation.certify import certify
from theory.networks import PolynomialNetwork
from theory.random_systems import (
    Family,
    RealCounts,
    dense_family,
    kostlan_deviations,
    real_counts,
    targets_family,
)

ID = "real-zeros"
STATEMENT = (
    "Kostlan's random systems have sqrt(product of degrees) real zeros on average. Systems of a one-unit network with "
    "N = K data and Gaussian targets have the volume of its image in projective space over that of the whole as their "
    "mean, which is not l^(N d / 2)"
)
SOURCE = "2018 review, section 3 (Shub and Smale 1993); volumes: Edelman and Kostlan, Bull. AMS 32 (1995), section 3"

DEGREES = ((2, 2), (3, 2), (3, 3), (2, 2, 2))
SYSTEMS = 1500
ERROR_RATE = 1e-4  # of all intervals together: one check in 10,000 fails by chance
PROVED = 2  # members of some families whose zeros are all proved real or not real


@dataclass(frozen=True)
class OneUnit:
    """a * p(w x + b) with one hidden unit, d = 1, on as many data as weights; K = 2 or 3."""

    n_inputs: int
    coefficients: tuple[object, ...]
    bias: bool = False

    @property
    def n_weights(self) -> int:
        return self.n_inputs + self.bias + 1

    @property
    def printed(self) -> float:
        """l^(N d / 2) for N = K, d = 1."""
        return float((len(self.coefficients) - 1) ** (self.n_weights / 2))

    def __str__(self) -> str:
        name = "cubic" if self.coefficients == CUBIC else "z+z^2"
        return f"{name} {self.n_inputs}-1-1{' with bias' if self.bias else ''}, N = K = {self.n_weights}"

    def network(self) -> PolynomialNetwork:
        activation = PolynomialActivation(self.coefficients)
        return PolynomialNetwork((self.n_inputs, 1, 1), activation, bias=(self.bias, False))

    def inputs(self, seed: int) -> np.ndarray:
        """One-digit decimals in [-2, 2] (K, n_inputs), all different in each coordinate and never 0."""
        rng = np.random.default_rng([seed, self.n_inputs, self.n_weights])
        grid = np.concatenate([np.arange(-20, 0), np.arange(1, 21)]) / 10
        return np.stack([rng.choice(grid, self.n_weights, replace=False) for _ in range(self.n_inputs)], axis=1)


MIXED = (0, 1, 1)
NETWORKS = (
    OneUnit(1, MIXED),
    OneUnit(2, MIXED),
    OneUnit(1, MIXED, bias=True),
    OneUnit(2, CUBIC),
    OneUnit(1, CUBIC, bias=True),
)
LARGER = (OneUnit(3, CUBIC), OneUnit(4, MIXED))  # no quadrature: set beside the printed number only


def predicted_kostlan(degrees: Sequence[int]) -> float:
    """Source: M. Shub, S. Smale, Complexity of Bezout's theorem II (1993); E. Kostlan (1993)."""
    return math.sqrt(math.prod(degrees))


def predicted_network(unit: OneUnit, seed: int) -> float:
    """The mean over Gaussian targets, by quadrature."""
    return volume(unit, seed, 400)


def volume(unit: OneUnit, seed: int, n: int) -> float:
    """Volume of the image of w -> [g(w)], g_i = p(w x_i + b), in projective (K-1)-space over that of the space.

    It is the integral of |det(g, dg/dw)| / |g|^K over w in R^(K-1), times Gamma(K/2) / pi^(K/2); here in spherical
    coordinates, by Gauss's rule in the polar angle and n equal steps in the other.
    """
    network, inputs, K = unit.network(), unit.inputs(seed), unit.n_weights
    nodes, weights = np.polynomial.legendre.leggauss(n)
    if K == 2:  # w = tan(angle)
        angle, weights = np.pi / 2 * nodes, weights / 2
        w = np.tan(angle)[:, None]
    else:  # w = tan(polar) (cos, sin), polar in (0, pi/2)
        polar, around = np.pi / 4 * (nodes + 1), 2 * np.pi * (np.arange(n) + 0.5) / n
        directions = np.stack([np.cos(around), np.sin(around)], axis=1)
        w = (np.tan(polar)[:, None, None] * directions).reshape(-1, 2)
        weights = np.repeat(np.pi / 4 * weights * np.sin(polar) / n, n)
    total = 0.0
    for rows, parts in zip(np.array_split(w, 40), np.array_split(weights, 40), strict=True):
        at_one = np.hstack([rows, np.ones((len(rows), 1))])  # a = 1: the Jacobian is (dg/dw, g)
        size = np.linalg.norm(network.evaluate(at_one, inputs)[..., 0], axis=1)
        density = np.abs(np.linalg.det(network.jacobian(at_one, inputs))) / size**K
        total += float(parts @ (density * (1 + (rows**2).sum(axis=1)) ** (K / 2)))
    return total


def observed_dense(degrees: Sequence[int], deviations: np.ndarray, seed: int, systems: int = SYSTEMS) -> RealCounts:
    """Random dense systems with these standard deviations of their coefficients."""
    family = dense_family(degrees)
    rng = np.random.default_rng([seed, *degrees])
    return real_counts(family, rng.normal(size=(systems, family.n_parameters)) * deviations, seed)


def observed_network(unit: OneUnit, seed: int, systems: int = SYSTEMS) -> RealCounts:
    """Random Gaussian targets on the same inputs."""
    family = targets_family(unit.network(), unit.inputs(seed))
    return real_counts(family, targets(unit, seed, systems), seed)


def targets(unit: OneUnit, seed: int, systems: int) -> np.ndarray:
    return np.random.default_rng([seed, 11, unit.n_weights]).normal(size=(systems, unit.n_weights))


def proved(family: Family, members: np.ndarray, counts: RealCounts) -> list[tuple[int, int]]:
    """By interval arithmetic, for each of the first members: how many zeros are real, how many are not."""
    found = []
    for parameters, points in zip(members[:PROVED], counts.points, strict=False):
        certificates = certify(family.member(parameters), points, workers=1)
        found.append((int(certificates.real.sum()), int(certificates.not_real.sum())))
    return found


def half_width(intervals: int) -> float:
    """In standard errors, for that many two-sided intervals with ERROR_RATE in all."""
    return NormalDist().inv_cdf(1 - ERROR_RATE / (2 * intervals))


def control(seed: int, z: float) -> Control:
    """All coefficients of variance 1: the square root must lie outside the interval."""
    degrees = (3, 3)
    mean, error = observed_dense(degrees, np.ones(1), seed).mean()
    return Control(
        "two cubics whose coefficients all have variance 1: the mean must differ from sqrt(9)",
        expected="not 3",
        observed=_shown(mean, z * error),
        passed=abs(mean - 3) > z * error,
    )


def check(seed: int = 0) -> Claim:
    """Four shapes of Kostlan systems, five networks with a prediction, two more beside the printed number."""
    z = half_width(len(DEGREES) + len(NETWORKS) + 1)
    cases = [
        _case(f"Kostlan, degrees {degrees}", predicted_kostlan(degrees), _kostlan(degrees, seed), z, 0.0)
        for degrees in DEGREES
    ]
    seen = {unit: observed_network(unit, seed) for unit in NETWORKS}
    for unit, counts in seen.items():
        mean = predicted_network(unit, seed)
        cases.append(_case(str(unit), mean, counts, z, abs(volume(unit, seed, 400) - volume(unit, seed, 280))))
    cases.append(_proof_case(seed))
    seen |= {unit: observed_network(unit, seed, 300) for unit in LARGER}
    as_printed = [_case(str(unit), unit.printed, counts, z, 0.0) for unit, counts in seen.items()]
    negative = control(seed, z)
    return Claim.from_cases(
        cases,
        negative,
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"{z:.2f} standard errors of the mean (normal intervals, {ERROR_RATE:g} for all of them together to "
        "miss), and what events too rare to be seen could add; for networks also the change from 280 to 400 nodes",
        seed=seed,
        printed_verdict=judge(as_printed, negative),
        note="l^(N d/2) as printed, mean of real zeros, complex zeros: "
        + "; ".join(f"{u}: {u.printed:.3g}, {c.mean()[0]:.3g}, {c.complex}" for u, c in seen.items()),
    )


def _kostlan(degrees: Sequence[int], seed: int) -> RealCounts:
    return observed_dense(degrees, kostlan_deviations(degrees), seed)


def _case(name: str, expected: float, counts: RealCounts, z: float, quadrature: float) -> Case:
    """Undecided members could shift the mean by at most their share of all zeros.

    Pairs of zeros that turn up in less than log(1 / error rate) / S of S members may not have been seen at all.
    """
    mean, error = counts.mean()
    doubt = counts.undecided / len(counts.real) * counts.complex
    half = z * error + 2 * math.log(1 / ERROR_RATE) / len(counts.real)
    within = abs(mean - expected) <= half + quadrature + doubt
    agrees = None if within and doubt > 0.1 else within
    return Case(name, round(expected, 6), _shown(mean, half), agrees)


def _proof_case(seed: int) -> Case:
    """Reality as tracked against reality as proved, for a few members."""
    unit, degrees = NETWORKS[-1], DEGREES[2]
    family, network = dense_family(degrees), targets_family(unit.network(), unit.inputs(seed))
    scale = np.random.default_rng([seed, *degrees]).normal(size=(PROVED, family.n_parameters))
    expected, found = [], []
    for kind, members in ((family, scale * kostlan_deviations(degrees)), (network, targets(unit, seed, PROVED))):
        counts = real_counts(kind, members, seed)
        expected += [(int(real), counts.complex - int(real)) for real in counts.real]
        found += proved(kind, members, counts)
    name = f"real and other zeros of {PROVED} Kostlan systems and {PROVED} network systems, tracked and proved"
    return Case(name, expected, found, expected == found)


def _shown(mean: float, half: float) -> str:
    return f"{mean:.4f} +- {half:.4f}"
