"""Confidence intervals and tests for counted shares."""

import math
from statistics import NormalDist


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share: low, high; useful at 0 and at `trials` successes as well.

    Raises ValueError unless 0 <= successes <= trials, trials >= 1 and 0 < confidence < 1.
    Source: E. B. Wilson, JASA 22 (1927), 209.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"wilson needs 0 <= successes <= trials and trials >= 1, got {successes} of {trials}")
    z = _quantile(confidence)
    share, spread = successes / trials, z * z / trials
    centre = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    low, high = (centre - half) / (1 + spread), (centre + half) / (1 + spread)
    return (0.0 if successes == 0 else low), (1.0 if successes == trials else high)


def differ(successes: int, trials: int, other_successes: int, other_trials: int) -> float:
    """Two-sided p-value of the hypothesis that two counted shares come from the same probability, by Fisher's test."""
    from scipy.stats import fisher_exact

    table = [[successes, trials - successes], [other_successes, other_trials - other_successes]]
    return float(fisher_exact(table)[1])


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)
