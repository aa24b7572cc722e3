"""Intervals of means and what they decide; Wilson's intervals and Fisher's test are tested with the claims."""

import numpy as np
import pytest
from scipy import stats

from theory.confidence import above, student


def test_students_interval_is_that_of_scipy():
    values = [0.3, 1.2, -0.4, 0.9, 0.1]
    low, high = student(values)
    exact = stats.t.interval(0.98, 4, loc=np.mean(values), scale=stats.sem(values))
    assert (low, high) == pytest.approx(exact)


def test_the_mean_is_missed_at_the_stated_rate_on_either_side():
    rng = np.random.default_rng(0)
    ends = np.array([student(rng.normal(size=5)) for _ in range(4000)])
    error = 4 * (0.01 * 0.99 / 4000) ** 0.5
    assert abs((ends[:, 0] > 0).mean() - 0.01) < error
    assert abs((ends[:, 1] < 0).mean() - 0.01) < error


@pytest.mark.parametrize("values", [[1.0], [], [1.0, float("nan")], [[1.0, 2.0]]])
def test_too_few_or_no_numbers_are_refused(values):
    with pytest.raises(ValueError, match="two or more finite values"):
        student(values)


def test_an_interval_decides_only_on_one_side():
    assert above(0.1, 0.5) is True
    assert above(-0.2, 0.5) is None
    assert above(-0.5, -0.1) is False
    assert above(-0.2, 0.04, effect=0.05) is False  # surely less than would count
    assert above(0.3, 0.5, value=0.4) is None
