"""Intervals for means, differences and ratios of what a few independent runs gave, and the verdicts they allow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

Values = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Interval:
    """An estimate and the interval it lies in; the error rate holds on either side."""

    value: float
    low: float
    high: float

    def above(self, bound: float) -> bool | None:
        """True if all of it lies above the bound, False if all of it lies below, None if the bound is inside."""
        return True if self.low > bound else False if self.high < bound else None

    def within(self, margin: float) -> bool | None:
        """True if it lies inside +-margin, False if it lies wholly outside, None otherwise."""
        if -margin < self.low and self.high < margin:
            return True
        return False if self.low > margin or self.high < -margin else None

    def text(self, form: str = ".3g") -> str:
        """As a person reads it; form: of each number."""
        return f"{self.value:{form}}, interval {self.low:{form}} to {self.high:{form}}"


def mean_share(shares: Values, images: int, error_rate: float = 0.01) -> Interval:
    """The mean of independent shares of so many images each: Student's t, and at least Wilson's interval of the share
    of the images of all runs, since runs that agree to the image say no more than that.

    Source: Wilson (1927), J. Amer. Statist. Assoc. 22, 209-212.
    """
    found, n, z = mean(shares, error_rate), images * len(shares), float(stats.norm.isf(error_rate))
    share = min(max(found.value, 0.0), 1.0)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return Interval(found.value, min(found.low, centre - half), max(found.high, centre + half))


def mean(values: Values, error_rate: float = 0.01) -> Interval:
    """The mean of independent values, at least two: Student's t."""
    _check(values)
    centre = float(np.mean(values))
    half = float(stats.t.isf(error_rate, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return Interval(centre, centre - half, centre + half)


def difference(first: Values, second: Values, error_rate: float = 0.01) -> Interval:
    """Mean of the first minus mean of the second of two independent groups of at least two: Welch's t."""
    _check(first)
    _check(second)
    shares = [float(np.var(group, ddof=1)) / len(group) for group in (first, second)]
    centre, error = float(np.mean(first) - np.mean(second)), sum(shares) ** 0.5
    if error == 0:
        return Interval(centre, centre, centre)
    freedom = sum(shares) ** 2 / sum(s**2 / (len(g) - 1) for s, g in zip(shares, (first, second), strict=True))
    half = float(stats.t.isf(error_rate, freedom)) * error
    return Interval(centre, centre - half, centre + half)


def ratio(first: Values, second: Values, error_rate: float = 0.01) -> Interval:
    """Geometric mean of the first over that of the second of two independent groups of positive values: Welch's t of
    the logarithms."""
    if min(*first, *second) <= 0:
        raise ValueError(f"a ratio of means needs values above 0, got {min(*first, *second)}")
    found = difference(np.log(first), np.log(second), error_rate)
    return Interval(*(float(np.exp(x)) for x in (found.value, found.low, found.high)))


def _check(values: Values) -> None:
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two independent values, got {len(values)}")
    if not np.isfinite(values).all():
        raise ValueError("an interval needs finite values, got NaN or infinity")
