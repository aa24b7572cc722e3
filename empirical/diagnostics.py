"""How much a set of chains says: autocorrelation, effective samples, R-hat, means with their standard errors.

Values are (n records, chains) throughout, the same quantity of every chain at equal distances in time.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft, stats


@dataclass(frozen=True)
class Mean:
    """A mean over independent chains with its standard error, and what backs it.

    effective: how many independent draws would give the same error
    """

    value: float
    error: float
    effective: float


def autocovariance(values: np.ndarray) -> np.ndarray:
    """Autocovariance at lags 0, ..., n - 1 of every chain, about its own mean: (n, chains), divided by n (biased)."""
    _check(values)
    n = len(values)
    centred = values - values.mean(0)
    power = np.abs(fft.rfft(centred, 2 * n, axis=0)) ** 2
    return fft.irfft(power, 2 * n, axis=0)[:n] / n


def effective_sample_size(values: np.ndarray) -> float:
    """Independent draws that would give the mean of all values the same variance, at most n * chains * log10 of that.

    Autocorrelations are summed in pairs until a pair is negative, each pair at most the one before.
    Source: Geyer (1992), initial monotone sequence; between-chain variance as in Vehtari et al. (2021), equation 10.
    """
    covariance = autocovariance(values)
    n, chains = values.shape
    within = float(covariance[0].mean()) * n / (n - 1)
    total = within * (n - 1) / n + (float(values.mean(0).var(ddof=1)) if chains > 1 else 0.0)
    if total == 0:
        return math.nan  # a constant: nothing to tell
    rho = 1 - (within - covariance.mean(1)) / total
    rho[0] = 1.0
    pairs = rho[: n // 2 * 2].reshape(-1, 2).sum(1)
    stop = int(np.argmax(pairs <= 0)) if (pairs <= 0).any() else len(pairs)
    time = max(2 * float(np.minimum.accumulate(pairs[:stop]).sum()) - 1, 1 / math.log10(n * chains))
    return n * chains / time


def r_hat(values: np.ndarray) -> float:
    """Square root of total over within-chain variance, every chain cut into halves: 1 where chains are interchangeable.

    Source: Gelman and Rubin (1992), split as in Vehtari et al. (2021).
    """
    _check(values)
    half = len(values) // 2
    split = np.concatenate([values[:half], values[len(values) - half :]], axis=1)
    within, between = split.var(0, ddof=1).mean(), split.mean(0).var(ddof=1)
    if within == 0:
        return 1.0 if between == 0 else math.inf
    return float(math.sqrt((half - 1) / half + between / within))


def mean(values: np.ndarray) -> Mean:
    """Mean over records and chains; its standard error from the scatter of the chains' own means, so that no model of
    the autocorrelation enters. Needs two chains at least.
    """
    _check(values)
    if values.shape[1] < 2:
        raise ValueError("the error of a mean comes from the scatter between chains: give at least 2 chains, got 1")
    of_chains = values.mean(0)
    error = float(of_chains.std(ddof=1)) / math.sqrt(len(of_chains))
    return Mean(float(of_chains.mean()), error, effective_sample_size(values))


def start_gap(values: np.ndarray, starts: np.ndarray) -> float:
    """Largest difference, in standard errors, between the mean of the chains of one start and that of all others.

    starts: (chains,) labels. Small once the start is forgotten, however short the single chains are, where R-hat asks
    every chain to have seen everything. Source: the idea of nested R-hat, Margossian et al. (2024).
    """
    _check(values)
    of_chains, gaps = values.mean(0), []
    for label in np.unique(starts):
        a, b = of_chains[starts == label], of_chains[starts != label]
        if len(a) > 1 and len(b) > 1:
            error = math.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
            apart = abs(a.mean() - b.mean())
            gaps.append(apart / error if error else (math.inf if apart else 0.0))
    if not gaps:
        raise ValueError("comparing starts needs at least two of them with at least 2 chains each")
    return float(max(gaps))


def quantile(chains: int, confidence: float, comparisons: int = 1) -> float:
    """Standard errors to either side that cover a mean over chains, in several comparisons at once (Bonferroni)."""
    return float(stats.t.isf((1 - confidence) / 2 / comparisons, chains - 1))


def _check(values: np.ndarray) -> None:
    if values.ndim != 2 or len(values) < 4:
        raise ValueError(f"chains must come as (records, chains) with at least 4 records, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("chains hold NaN or infinity")
