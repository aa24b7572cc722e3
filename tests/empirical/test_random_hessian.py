"""Random Hessians: shares against exact probabilities, the large sizes, the figure."""

import numpy as np
import pytest

from empirical.experiments import random_hessian as experiment


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
