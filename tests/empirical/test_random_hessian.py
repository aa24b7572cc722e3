"""Random Hessians: shares against exact probabilities, the large sizes, the figure."""

import numpy as np
import pytest
from scipy import stats

from empirical.experiments import random_hessian as experiment
from theory.random_matrices import goe


def test_sampled_matrices_agree_with_the_exact_shares():
    result = experiment.compute(experiment.PRESETS["smoke"], None, seed=0)
    assert result.claim.verdict == "inconclusive"  # six matrices of size 150 do not pin the exponent down
    assert result.claim.control.passed
    exact = {(row["model"], row["size"]): row["predicted"] for row in result.table}
    assert exact["goe", 3] == pytest.approx((np.pi - 2 * 2**0.5) / (4 * np.pi))
    assert exact["signs", 3] == 0.125
    assert set(experiment.draw(result)) == {"hessians"}


def test_the_paper_and_cpu_presets_go_to_a_thousand():
    for preset in ("cpu", "paper"):
        assert max(experiment.PRESETS[preset].large) == experiment.PRESETS[preset].model_size == 1000


def index_variance(size):
    """Of the number of negative eigenvalues of a GOE matrix, for large sizes."""
    return (np.log(8 * size) + 1 + np.euler_gamma - np.pi**2 / 8) / np.pi**2


def test_the_variance_of_the_count_of_negative_eigenvalues_is_that_of_the_formula():
    counts = [(np.linalg.eigvalsh(goe(1, 100, seed)[0]) < 0).sum() for seed in range(1000)]
    assert abs(np.var(counts, ddof=1) / index_variance(100) - 1) < 4 * (2 / 1000) ** 0.5  # standard errors


def test_the_cpu_preset_has_enough_matrices_to_decide():
    config = experiment.PRESETS["cpu"]
    error_rate = 0.01 / (2 * len(config.sizes) + len(config.large) + 1)
    size = min(config.large)
    error = index_variance(size) ** 0.5 / size / config.matrices**0.5
    quantiles = stats.t.ppf(1 - error_rate, config.matrices - 1) + stats.norm.ppf(0.995)
    assert quantiles * error < config.margin


@pytest.mark.parametrize(
    ("low", "high", "agrees"), [(1.09, 1.41, True), (0.352, 2.837, None), (1.4, 1.6, False), (1.4, 2.8, False)]
)
def test_an_exponent_is_confirmed_by_a_narrow_interval_only(low, high, agrees):
    slope = experiment.index_and_error.Slope((low + high) / 2, low, high)
    assert experiment.slope_case("exponent", 1.261, slope, 0.25).agrees is agrees


@pytest.mark.parametrize(("low", "high", "agrees"), [(0.495, 0.505, True), (0.4, 0.6, None), (0.3, 0.4, False)])
def test_half_is_judged_by_the_interval(low, high, agrees):
    row = {"size": 10, "observed": (low + high) / 2, "low": low, "high": high}
    assert experiment._half_case(row, 0.01).agrees is agrees
