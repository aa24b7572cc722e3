"""Two wells of equal depth, one wider by 2 in every direction: the share of exp(-U/T)/Z that lies in the wide one."""

import math
from itertools import pairwise

from scipy import stats

from theory.claims.claim import Case, Claim, Control
from theory.cubature import Estimate
from theory.potentials import two_wells
from theory.quadrature import mass

STATEMENT = (
    "Of two equally deep wells, one wider by 2 in every direction, the wide one holds most of exp(-U/T)/Z, "
    "and the more so the higher the dimension: 2^D to 1 for T -> 0"
)
SOURCE = "2018 review, section 7.2 and Fig. 8"
TEMPERATURES = (0.25, 0.02)  # that of the experiment beside it, and a low one
DIMENSIONS = (1, 2, 3, 4, 5)


def predicted(dimension: int, temperature: float, ratio: float = 2.0, distance: float = 3.0) -> float:
    """P(wide) in closed form: the narrow well is a ball, so both masses follow from noncentral chi-square laws."""
    radius, centre = distance * ratio / (ratio**2 - 1), distance / (ratio**2 - 1)
    inside = stats.ncx2.cdf(radius**2 / temperature, dimension, centre**2 / temperature)
    spread = ratio**2 * temperature
    outside = stats.ncx2.sf(radius**2 / spread, dimension, (centre + distance) ** 2 / spread)
    return float(ratio**dimension * outside / (inside + ratio**dimension * outside))


def observed(dimension: int, temperature: float, ratio: float = 2.0) -> Estimate:
    """P(wide) by cubature of exp(-U/T), the formula of U being all it knows."""
    potential = two_wells(dimension, ratio)
    return mass(potential, temperature, potential.wells[1].region)


def control(dimension: int = 3, temperature: float = 0.25) -> Control:
    """Equal widths must not pass as a ratio of 2."""
    claimed, seen = predicted(dimension, temperature), observed(dimension, temperature, ratio=1.0)
    return Control(
        f"both wells equally wide, D = {dimension}: the prediction for a width ratio of 2 must fail",
        f"not {claimed:.6f}",
        seen.value,
        passed=not _agree(claimed, seen) and _agree(0.5, seen),
    )


def check(seed: int = 0) -> Claim:
    """Closed form against cubature in 1 to 5 dimensions at two temperatures, growth with D, and the limit T -> 0."""
    cases, shares = [], []
    for temperature in TEMPERATURES:
        for dimension in DIMENSIONS:
            expected, seen = predicted(dimension, temperature), observed(dimension, temperature)
            cases.append(Case(f"P(wide), D={dimension}, T={temperature}", expected, seen.value, _agree(expected, seen)))
            shares.append(seen.value)
    steps = [b - a for a, b in pairwise(shares[:5])]
    cases.append(Case("P(wide) grows with D at T=0.25", "all steps > 0", steps, min(steps) > 0))
    odds = [share / (1 - share) for share in shares[5:]]
    limit = [2.0**dimension for dimension in DIMENSIONS]
    near = all(math.isclose(a, b, rel_tol=1e-4) for a, b in zip(odds, limit, strict=True))
    cases.append(Case("odds at T=0.02 against 2^D", limit, odds, near))
    return Claim.from_cases(
        cases,
        control(),
        id="wide-minimum",
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="10 times the cubature's own error estimate, at least 1e-8; for the limit 1e-4, above exp(-2/T)",
        seed=seed,
        note="U = min(|x|^2/2, |x - 3 e_1|^2/8); the wide well is where the second term is the smaller",
    )


def _agree(expected: float, seen: Estimate) -> bool:
    return abs(expected - seen.value) <= max(10 * seen.error, 1e-8)
