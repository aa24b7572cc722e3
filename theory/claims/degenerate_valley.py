"""A degenerate valley against an isolated minimum of the same depth: shares of exp(-U/T)/Z, and for T -> 0."""

import math
from itertools import pairwise

import numpy as np
from scipy import optimize

from theory.claims.claim import Case, Claim, Control
from theory.potentials import Potential, review_wells, valley_and_point
from theory.quadrature import crossover, laplace, mass, partition, well_masses

STATEMENT = (
    "A degenerate valley beats an isolated minimum of the same depth, in high dimension by far: "
    "the odds grow as T^(-(D-1)/2) for T -> 0"
)
SOURCE = "2018 review, section 7.2 and Figs 9-11"
DIMENSIONS = (2, 3, 4, 6)


def predicted(dimension: int, temperature: float, side: float = 8.0, width: float = 0.5) -> float:
    """Odds valley : point by Laplace's method: each of the D - 1 flat directions counts side / (width sqrt(2 pi T))."""
    return (side / (width * math.sqrt(2 * math.pi * temperature))) ** (dimension - 1)


def observed(potential: Potential, temperature: float) -> float:
    """Odds of the first well against the second, by the series in the dents (or cubature)."""
    first, second = (estimate.value for estimate in well_masses(potential, temperature).values())
    return first / second


def exponent(potential: Potential, temperature: float) -> float:
    """Power of T with which the odds of the wells fall, from temperatures T and T/2."""
    return math.log2(observed(potential, temperature) / observed(potential, temperature / 2))


def well_exponent(potential: Potential, name: str, temperature: float) -> float:
    """Power of T with which the integral of exp(-(U - min U)/T) over one well falls, for T -> 0.

    From temperatures T and T/2, T/2 and T/4; what is left of the second is extrapolated linearly.
    """
    well = next(well for well in potential.wells if well.name == name)
    depth = float(potential.value(np.array([well.centre]))[0])

    def log_integral(t: float) -> float:
        return math.log(mass(potential, t, well.region).value * partition(potential, t).value) + depth / t

    logs = [log_integral(temperature / 2**k) / math.log(2) for k in range(3)]
    return 2 * (logs[1] - logs[2]) - (logs[0] - logs[1])


def predicted_crossover(deeper: float, dimension: int) -> float:
    """Where Laplace's leading terms of the valley and of the deeper point are equal."""

    def surplus(temperature: float) -> float:
        terms = laplace(valley_and_point(dimension, deeper), temperature)
        return math.log(terms["valley"] / terms["point"])

    return float(optimize.brentq(surplus, 0.01, 0.3))


def control() -> Control:
    """Two isolated minima, by the test of the claim: their odds must not fall with the temperature as a valley's do."""
    refused = _exponent_case(review_wells(2))
    return Control(
        "two isolated wells in 2-D instead of a valley: the exponent -1/2 must be refused, by the same test",
        "not -0.5",
        refused.observed,
        passed=refused.agrees is False,
    )


def _exponent_case(potential: Potential) -> Case:
    """The exponent of T in the odds of a potential's wells, against that of a valley in its dimension."""
    dimension = potential.dimension
    expected, found = -(dimension - 1) / 2, exponent(potential, 0.02)
    name = f"exponent of the odds in T at 0.02, D={dimension}"
    return Case(name, expected, found, _close(found, expected, 0.02 * (dimension - 1)))


def check(seed: int = 0) -> Claim:
    """Odds against Laplace's limit, their exponent, growth with the dimension, the crossover with a deeper point."""
    cases, odds = [], []
    for dimension in DIMENSIONS:
        potential = valley_and_point(dimension)
        # what is left of the ratio to the leading term is a series in T: two temperatures take out its first term
        near, nearer = (observed(potential, t) / predicted(dimension, t) for t in (0.02, 0.01))
        cases.append(
            Case(
                f"odds / Laplace for T -> 0, D={dimension}", 1.0, 2 * nearer - near, _close(2 * nearer - near, 1, 5e-3)
            )
        )
        cases.append(_exponent_case(potential))
        for well in potential.wells:
            found, expected = well_exponent(potential, well.name, 0.02), well.codimension / 2
            name = f"exponent of T in the integral over the {well.name}, half the codimension, D={dimension}"
            cases.append(Case(name, expected, found, _close(found, expected, 2e-3 * dimension)))
        odds.append(observed(potential, 0.1))
    grows = all(later > 2 * earlier for earlier, later in pairwise(odds))
    cases.append(
        Case("odds valley : point at T=0.1 grow with D, from above 1", "> 1, growing", odds, odds[0] > 1 and grows)
    )
    for dimension in (2, 3):
        expected = predicted_crossover(0.1, dimension)
        found = crossover(valley_and_point(dimension, 0.1), "valley", "point", (0.01, 0.2))
        cases.append(
            Case(
                f"crossover temperature, point deeper by 0.1, D={dimension}",
                expected,
                found,
                _close(found / expected, 1, 0.1),
            )
        )
    return Claim.from_cases(
        cases,
        control(),
        id="degenerate-valley",
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=(
            "Laplace's method leaves of order T: 0.5% extrapolated, T (D-1) in exponents of odds, 0.002 D once "
            "extrapolated, 10% of crossovers"
        ),
        seed=seed,
        note="U = -exp(-2 (x_D - 5.67)^2) - exp(-2 |x - 1.7|^2) on the torus [0, 8]^D",
    )


def _close(value: float, expected: float, tolerance: float) -> bool:
    return abs(value - expected) <= tolerance
