"""A critical point of N parameters is a minimum with probability 2^-N, if the signs of its eigenvalues are fair coins.

Predicted: 2^-N for independent signs; for matrices of the Gaussian orthogonal ensemble, whose eigenvalues repel each
other, the exact probability by a Pfaffian, which falls like exp(-N^2 ln(3)/4). Observed: eigenvalues of sampled
matrices, with Wilson intervals.
"""

import math

import numpy as np

from theory.claims.claim import Case, Claim, Control
from theory.confidence import wilson
from theory.random_matrices import goe, goe_definite_log_probability, goe_definite_probability, rotated

ID = "random-hessian"
STATEMENT = (
    "If each of N eigenvalues is positive with probability 1/2, independently, a critical point is a minimum with "
    "probability 2^-N; for Gaussian orthogonal matrices the probability falls much faster, like exp(-N^2 ln(3)/4)."
)
SOURCE = "slides, Analyzing Hessian; rate: Dean and Majumdar 2006 (arXiv cond-mat/0609651)"

SIGN_SIZES = (1, 2, 3, 5, 10)
GOE_SIZES = (1, 2, 3, 4, 5)
DRAWS = 100_000
CONFIDENCE = 0.999


def predicted(model: str, size: int) -> float:
    """Probability of a minimum; model "signs" or "goe"."""
    return 2.0**-size if model == "signs" else float(goe_definite_probability(size))


def observed(model: str, size: int, draws: int, seed: int, positive: float = 0.5) -> tuple[int, int]:
    """Minima and maxima among sampled Hessians, judged by their eigenvalues.

    positive: probability of a positive eigenvalue in the model "signs".
    """
    if model == "signs":
        rng = np.random.default_rng([seed, size, 1])
        signs = np.where(rng.random((draws, size)) < positive, 1, -1)
        matrices = rotated(signs * np.abs(rng.standard_normal((draws, size))), seed)
    else:
        matrices = goe(draws, size, seed)
    eigenvalues = np.linalg.eigvalsh(matrices)
    return int((eigenvalues[:, 0] > 0).sum()), int((eigenvalues[:, -1] < 0).sum())


def control(seed: int, draws: int = 20_000) -> Control:
    """Eigenvalues that are positive with probability 0.6: the count must leave the interval around 2^-N."""
    minima, _ = observed("signs", 3, draws, seed, positive=0.6)
    low, high = wilson(minima, draws, CONFIDENCE)
    return Control(
        "N = 3 with eigenvalues positive with probability 0.6 instead of 1/2",
        "2^-3 lies outside the interval",
        f"{low:.4f} to {high:.4f}",
        not low <= 2**-3 <= high,
    )


def curvature(size: int) -> float:
    """Second difference of the logarithm of the GOE's exact probability: -ln(3)/2 for large sizes."""
    before, here, after = (goe_definite_log_probability(n) for n in (size - 1, size, size + 1))
    return before - 2 * here + after


def check(seed: int = 0) -> Claim:
    """The claim for both models at several N, and the rate of the second at N = 40 from the exact formula."""
    cases = []
    for model, sizes in (("signs", SIGN_SIZES), ("goe", GOE_SIZES)):
        for size in sizes:
            expected, counts = predicted(model, size), observed(model, size, DRAWS, seed)
            for kind, count in zip(("minima", "maxima"), counts, strict=True):
                low, high = wilson(count, DRAWS, CONFIDENCE)
                shown = f"{count / DRAWS:.5f}, interval {low:.5f} to {high:.5f}"
                cases.append(Case(f"{model}, N={size}: {kind}", expected, shown, low <= expected <= high))
    rate = curvature(40)
    cases.append(Case("goe: second difference of ln P", -math.log(3) / 2, rate, abs(rate + math.log(3) / 2) < 1e-4))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"{100 * CONFIDENCE:g} % Wilson intervals of {DRAWS} draws, so that all cases together raise a false "
        "alarm in about 2 % of seeds; the rate at N = 40 differs from its limit by terms of order 1/N^2",
        seed=seed,
        note="Exact for the GOE: " + ", ".join(f"N={n}: {goe_definite_probability(n)}" for n in GOE_SIZES),
    )
