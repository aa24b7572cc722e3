"""Intervals over a few runs: coverage at the stated rate, and the verdicts they allow."""

import numpy as np
import pytest
from scipy import stats

from empirical.comparisons import Interval, difference, mean, mean_share, ratio


def test_the_difference_of_two_groups_is_covered_at_the_stated_rate():
    rng = np.random.default_rng(0)
    found = [difference(rng.normal(1, 1, size=4), rng.normal(0, 3, size=6), 0.05) for _ in range(4000)]
    missed = np.array([[one.low > 1, one.high < 1] for one in found]).mean(0)
    assert (abs(missed - 0.05) < 0.01 + 4 * (0.05 * 0.95 / 4000) ** 0.5).all()  # Welch's own error, and sampling


def test_the_difference_is_welchs_as_scipy_has_it():
    a, b = [1.0, 2.0, 4.0], [0.0, 0.5, 3.0, 1.0]
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.98)
    ours = difference(a, b, 0.01)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert mean(a, 0.01).low == pytest.approx(stats.t.interval(0.98, 2, np.mean(a), stats.sem(a))[0])


def test_equal_shares_of_few_images_leave_what_wilsons_interval_leaves():
    theirs = stats.binomtest(0, 60).proportion_ci(0.98, method="wilson")
    ours = mean_share([0.0, 0.0, 0.0], 20, 0.01)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert ours.above(0.02) is None
    wide = [0.1, 0.5, 0.9]
    assert mean_share(wide, 10**6) == mean(wide)


def test_ratios_do_not_depend_on_the_unit():
    a, b = np.array([3.0, 4.0, 5.0]), np.array([1.0, 1.1, 0.9])
    first, second = ratio(a, b), ratio(1000 * a, 1000 * b)
    assert (first.low, first.high) == pytest.approx((second.low, second.high))
    assert first.value == pytest.approx(60 ** (1 / 3) / 0.99 ** (1 / 3))
    with pytest.raises(ValueError, match="above 0"):
        ratio([1.0, 0.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="at least two"):
        mean([1.0])


@pytest.mark.parametrize(
    ("interval", "above", "within"),
    [((1.1, 1.5), True, False), ((0.1, 0.5), False, True), ((0.5, 1.5), None, None), ((-0.9, 0.9), False, True)],
)
def test_an_interval_decides_only_where_it_lies_on_one_side(interval, above, within):
    found = Interval(float(np.mean(interval)), *interval)
    assert found.above(1.0) is above
    assert found.within(1.0) is within
