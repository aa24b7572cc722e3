"""Perturbed descent out of a saddle: noise, slopes, predicted steps, what must fail."""

from dataclasses import replace

import numpy as np
import pytest

from empirical.experiments import saddle_escape as experiment

CONFIG = experiment.PRESETS["smoke"]


def test_noise_is_uniform_in_the_ball():
    points = experiment.ball(20_000, 3, 2.0, np.random.default_rng(0))
    lengths = np.linalg.norm(points, axis=1)
    assert lengths.max() <= 2.0
    share = (lengths < 1.0).mean()
    assert abs(share - 1 / 8) < 4 * (1 / 8 * 7 / 8 / 20_000) ** 0.5
    assert np.abs(points.mean(0)).max() < 4 * (4 * 3 / 5 / 3 / 20_000) ** 0.5


def test_slopes_are_those_of_the_function():
    def f(x, gamma):
        return (x[:-1] ** 2).sum() / 2 - gamma * x[-1] ** 2 / 2 + x[-1] ** 4 / 4

    x = np.random.default_rng(0).normal(size=5)
    found = experiment.slopes_of(x[None], 0.3)[0]
    for k in range(5):
        step = 1e-6 * np.eye(5)[k]
        assert found[k] == pytest.approx((f(x + step, 0.3) - f(x - step, 0.3)) / 2e-6, abs=1e-8)


def test_plain_descent_stays_and_perturbed_descent_leaves_at_the_predicted_pace():
    result = experiment.compute(CONFIG, None, seed=0)
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert all(row["steps"] > 0 for row in result.table)
    assert set(experiment.draw(result)) == {"steps"}


def test_the_pace_follows_the_mean_logarithm_of_the_noise():
    rng = np.random.default_rng(0)
    sizes = [-np.log(np.abs(experiment.ball(100_000, d, 1.0, rng)[:, -1])).mean() for d in (2, 8, 32)]
    measured = np.polyfit(np.log([2, 8, 32]), np.array(sizes) / np.log1p(0.1), 1)[0]
    assert experiment.predicted_slope(0.2, 0.5, (2, 8, 32)) == pytest.approx(measured, rel=0.01)
    assert experiment.predicted_slope(0.2, 0.5, (10**4, 10**6)) == pytest.approx(1 / (2 * np.log(1.1)), rel=1e-3)


def test_a_pace_of_another_power_is_told_apart():
    rng = np.random.default_rng(0)
    expected = experiment.predicted_slope(0.2, CONFIG.eta, CONFIG.dimensions)
    counts = {(0.2, d): 40 + 2 * expected * np.log(d) + rng.normal(size=CONFIG.runs) for d in CONFIG.dimensions}
    assert experiment._slope_case(0.2, counts, CONFIG).agrees is False
    halved = {key: 40 + (value - 40) / 2 for key, value in counts.items()}
    assert experiment._slope_case(0.2, halved, CONFIG).agrees is True
    wide = replace(CONFIG, tolerance=1e-4)
    assert experiment._slope_case(0.2, halved, wide).agrees is None
