"""Random Hessians: shares against exact probabilities, the large sizes, the figure."""

import numpy as np
import pytest

from empirical.experiments import random_hessian as experiment


def test_sampled_matrices_agree_with_the_exact_shares():
    result = experiment.compute(experiment.PRESETS["smoke"], None, seed=0)
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    exact = {(row["model"], row["size"]): row["predicted"] for row in result.table}
    assert exact["goe", 3] == pytest.approx((np.pi - 2 * 2**0.5) / (4 * np.pi))
    assert exact["signs", 3] == 0.125
    assert set(experiment.draw(result)) == {"hessians"}


def test_the_paper_and_cpu_presets_go_to_a_thousand():
    for preset in ("cpu", "paper"):
        assert max(experiment.PRESETS[preset].large) == experiment.PRESETS[preset].model_size == 1000


@pytest.mark.parametrize(("low", "high", "agrees"), [(0.495, 0.505, True), (0.4, 0.6, None), (0.3, 0.4, False)])
def test_half_is_judged_by_the_interval(low, high, agrees):
    row = {"size": 10, "observed": (low + high) / 2, "low": low, "high": high}
    assert experiment._half_case(row, 0.01).agrees is agrees
