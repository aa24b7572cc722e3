"""How much a set of chains says: burn-in, effective samples, R-hat, means with their standard errors.

Values are (n records, chains) throughout, the same quantity of every chain at equal distances in time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Mean:
    """A mean over independent chains with its standard error, and what backs it.

    effective: how many independent draws would give the same error
    """

    value: float
    error: float
    effective: float


def effective_sample_size(values: np.ndarray) -> float:
    """Independent draws that would give the mean of all values the same variance; NaN for a constant.

    Source: Vehtari et al. (2021), as ArviZ computes it.
    """
    _check(values)
    if np.ptp(values) == 0:
        return math.nan
    from arviz_stats.base import array_stats

    return float(array_stats.ess(values, chain_axis=1, draw_axis=0, method="mean"))


def r_hat(values: np.ndarray) -> float:
    """Square root of total over within-chain variance, every chain cut into halves: 1 where chains are interchangeable.

    Infinite where chains that do not move stand at different places. Source: Gelman and Rubin (1992), as ArviZ computes
    it.
    """
    _check(values)
    if (np.ptp(values, axis=0) == 0).all():
        return 1.0 if np.ptp(values) == 0 else math.inf
    from arviz_stats.base import array_stats

    return float(array_stats.rhat(values, chain_axis=1, draw_axis=0, method="split"))


def burn_in(values: np.ndarray, least: float = 0.25) -> int:
    """How many records to drop from the beginning: what MSER says of the mean over chains, at least this share.

    The cut k that makes the standard error of the mean of what is left least, sum over n >= k of (m_n - mean)^2 divided
    by (N - k)^2. At most half of the records are dropped; a cut there means that the run was too short to tell. MSER
    weighs a bias against the scatter in time; with very many chains the bias may still show, hence `least`.
    Source: White (1997), An effective truncation heuristic for bias reduction in simulation output.
    """
    _check(values)
    of_all = values.mean(1)[::-1]
    left = np.arange(1, len(of_all) + 1)
    means = np.cumsum(of_all) / left
    scatter = np.maximum(np.cumsum(of_all**2) / left - means**2, 0) / left
    return max(int(np.argmin(scatter[::-1][: len(of_all) // 2 + 1])), math.ceil(least * len(of_all)))


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


def shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Share of each chain's records in every bin: (records, chains) -> (chains, bins); end bins have what is beyond."""
    records, chains = values.shape
    bins = len(edges) - 1
    index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, bins - 1) + bins * np.arange(chains)
    return np.bincount(index.ravel(), minlength=chains * bins).reshape(chains, bins) / records


def distance(observed: np.ndarray, exact: np.ndarray) -> float:
    """Total variation between two laws on the same bins: half the sum of |differences|."""
    return float(abs(observed - exact).sum() / 2)


def sampling_distance(
    runs: Sequence[tuple[float, np.ndarray]], confidence: float, resamples: int, rng: np.random.Generator
) -> float:
    """The distance that sampling alone exceeds with probability 1 - confidence, for a sum of factor * mean of shares.

    runs: factors and shares (chains, bins), of independent runs. Chains are independent, so the error of their mean is
    imitated by random signs on each chain's deviation. The far quantile is that of the gamma law with the mean and
    variance found.
    """
    total: Any = 0.0
    for factor, of_run in runs:
        signs = rng.choice((-1.0, 1.0), size=(resamples, len(of_run)))
        total = total + factor * (signs @ (of_run - of_run.mean(0))) / len(of_run)
    found = abs(total).sum(1) / 2
    return float(stats.gamma.isf(1 - confidence, found.mean() ** 2 / found.var(), scale=found.var() / found.mean()))


def quantile(chains: int, confidence: float, comparisons: int = 1) -> float:
    """Standard errors to either side that cover a mean over chains, in several comparisons at once (Bonferroni)."""
    return float(stats.t.isf((1 - confidence) / 2 / comparisons, chains - 1))


def _check(values: np.ndarray) -> None:
    if values.ndim != 2 or len(values) < 4:
        raise ValueError(f"chains must come as (records, chains) with at least 4 records, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("chains hold NaN or infinity")
