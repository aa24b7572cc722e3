"""Confidence intervals and tests for counted shares and for means."""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np


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
    """Two-sided p-value for two counted shares to come from one probability: Fisher's exact test."""
    from scipy.special import gammaln

    def log_binomial(n: float, k: np.ndarray | float) -> np.ndarray:
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

    total = successes + other_successes
    counts = np.arange(max(0, total - other_trials), min(trials, total) + 1)
    log_p = log_binomial(trials, counts) + log_binomial(other_trials, total - counts)
    p = np.exp(log_p - log_binomial(trials + other_trials, total))
    return float(min(1.0, p[p <= p[counts == successes] * (1 + 1e-7)].sum()))


def student(values: Sequence[float] | np.ndarray, error_rate: float = 0.01) -> tuple[float, float]:
    """The interval in which the mean lies with this error rate on either side: Student's t over independent values.

    Raises ValueError for fewer than two values and for values that are not finite.
    """
    from scipy.stats import t

    sample = np.asarray(values, float)
    if sample.ndim != 1 or len(sample) < 2 or not np.isfinite(sample).all():
        raise ValueError(f"student needs two or more finite values, got {sample.tolist()}")
    half = float(t.ppf(1 - error_rate, len(sample) - 1) * sample.std(ddof=1) / math.sqrt(len(sample)))
    return float(sample.mean()) - half, float(sample.mean()) + half


def above(low: float, high: float, value: float = 0.0, effect: float = 0.0) -> bool | None:
    """Whether an interval lies above a value; False where it lies below value + effect, the least that would count,
    None where it does neither: the data do not decide."""
    if low > value:
        return True
    return False if high < value + effect else None


def _quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)
