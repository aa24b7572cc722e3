"""Errors against width: what decides, and that it can fail."""

from dataclasses import replace

import numpy as np
import pytest

from empirical.data import load_data
from empirical.experiments import overparametrisation
from empirical.experiments.overparametrisation import Net, interpolating_classifier


def nets(train, test):
    """Three nets of each of two widths, with these errors and a little scatter."""
    return [
        Net(factor, k, 100, a + 0.001 * k, b + 0.001 * k, 0.1, 3.0)
        for factor, a, b in zip((0.25, 1.0), train, test, strict=True)
        for k in range(3)
    ]


@pytest.mark.parametrize(
    ("train", "test", "verdict"),
    [((0.3, 0.1), (0.5, 0.4), "holds"), ((0.3, 0.1), (0.4, 0.5), "fails"), ((0.1, 0.3), (0.5, 0.4), "fails"),
     ((0.3, 0.1), (0.4, 0.4495), "inconclusive")],
)  # fmt: skip
def test_training_must_be_easier_and_the_test_error_no_worse(train, test, verdict):
    config = replace(overparametrisation.PRESETS["smoke"], factors=(0.25, 1.0), margin=0.05)
    assert overparametrisation._claim(nets(train, test), 300, config, 0).verdict == verdict


def test_least_squares_is_worst_where_features_and_data_are_equally_many():
    errors = {k: np.median([interpolating_classifier(k, seed) for seed in range(15)]) for k in (10, 40, 400)}
    assert errors[40] > errors[10] + 0.05
    assert errors[40] > errors[400] + 0.05  # and comes down again beyond


def test_the_control_comes_out_where_more_features_harm_and_not_where_they_do_not(monkeypatch):
    config = replace(overparametrisation.PRESETS["smoke"], factors=(0.25, 1.0), margin=0.05)
    args = nets((0.3, 0.1), (0.5, 0.4)), 300, config, 0
    assert overparametrisation._claim(*args).control.passed
    harmless = {40: 400, 10: 40}  # far beyond as many features as data the error falls again
    monkeypatch.setattr(
        overparametrisation, "interpolating_classifier", lambda k, seed: interpolating_classifier(harmless[k], seed)
    )
    assert not overparametrisation._claim(*args).control.passed
    assert overparametrisation._claim(*args).verdict == "inconclusive"


def test_widths_are_scaled_together_and_wide_nets_fit_better():
    config = replace(overparametrisation.PRESETS["smoke"], factors=(1 / 16, 1.0), epochs=4, nets=2)
    result = overparametrisation.compute(config, load_data("digits", subset=(200, 100)), seed=0)
    narrow, wide = ([row for row in result.table if row["factor"] == factor] for factor in config.factors)
    assert max(row["train_error"] for row in wide) < min(row["train_error"] for row in narrow)
    # 1 x 8 x 8 images: 32 (9 + 1), 64 (9 32 + 1), 64 (9 64 + 1), 128 (64 + 1), 10 (128 + 1)
    assert {row["n_weights"] for row in wide} == {320 + 18_496 + 36_928 + 8_320 + 1_290}
    assert result.claim.control.passed
    assert set(overparametrisation.draw(result)) == {"errors"}
