"""Perturbed descent out of a saddle: noise, slopes, predicted steps, what must fail."""

from dataclasses import replace

import numpy as np
import pytest

from empirical.experiments import saddle_escape as experiment
from empirical.saddle_chain import TAU, ball, chain, steps_past

CONFIG = experiment.PRESETS["smoke"]


def test_noise_is_uniform_in_the_ball():
    points = ball(20_000, 3, 2.0, np.random.default_rng(0))
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


def test_the_count_of_steps_sees_a_saddle_and_no_minimum():
    counts = [experiment.steps_out(20, gamma, CONFIG, np.random.default_rng(0), most=2000) for gamma in (0.2, -1.0)]
    assert (counts[0] > 0).all()
    assert not counts[1].any()


def test_the_pace_follows_the_mean_logarithm_of_the_noise():
    rng = np.random.default_rng(0)
    sizes = [-np.log(np.abs(ball(100_000, d, 1.0, rng)[:, -1])).mean() for d in (2, 8, 32)]
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


@pytest.mark.parametrize(
    "place",
    [(0.3, 0.2, 0.5, 0.1), (-4.0, 0.5, 0.2, 0.1), (11.0, -4.1, 0.3, 0.1), (9.0, 11.0, 8.0, 3.5), (9.0, 11.0, 8.0, 9.0)],
)
def test_the_chain_has_the_gradient_it_says(place):
    x = np.array([place])
    found = chain(x)[1][0]
    for k in range(4):
        step = 1e-6 * np.eye(4)[k]
        assert found[k] == pytest.approx(float((chain(x + step)[0] - chain(x - step)[0])[0]) / 2e-6, abs=1e-6)


def test_the_chain_is_smooth_where_its_pieces_meet():
    for border in (TAU, 2 * TAU):
        for before in ((), (4 * TAU + 1,)):
            below, above = (np.array([[*before, border + e, 0.01, 0.001]]) for e in (-1e-9, 1e-9))
            (value, slope), (other, other_slope) = chain(below), chain(above)
            assert value == pytest.approx(other, abs=1e-6)
            np.testing.assert_allclose(slope, other_slope, atol=1e-6)


def test_all_but_the_end_of_the_chain_are_strict_saddles():
    d = 3
    for passed in range(d + 1):
        x = np.array([[4 * TAU] * passed + [0.0] * (d - passed)])
        assert np.abs(chain(x)[1]).max() < 1e-12
        hessian = np.array([(chain(x + 1e-5 * e)[1] - chain(x - 1e-5 * e)[1])[0] / 2e-5 for e in np.eye(d)])
        assert (np.linalg.eigvalsh(hessian) < -1.0).sum() == (passed < d)


def test_plain_descent_pays_for_each_saddle_with_all_before_it():
    starts = np.random.default_rng(0).uniform(-1, 1, size=(5, 4))
    plain, perturbed = steps_past(starts, eta=0.25), steps_past(starts, eta=0.25, radius=0.1, small=0.1, wait=20)
    assert (np.diff(plain, axis=1) > 1.3 * plain[:, :-1]).all()
    assert perturbed[:, -1].max() < plain[:, -1].min()
    assert (steps_past(np.zeros((1, 2)), eta=0.25, most=50) == 50).all()  # on the saddle itself


def test_a_chain_that_costs_the_same_for_each_saddle_is_no_exponential():
    config = replace(CONFIG, chain=5)
    linear = np.tile(20.0 * np.arange(1, 6), (6, 1)) + np.random.default_rng(0).normal(size=(6, 5))
    steep = np.exp(np.arange(1, 6)) + 0.01 * np.random.default_rng(1).normal(size=(6, 5))
    assert [c.agrees for c in experiment._chain_cases({"plain": steep, "perturbed": linear}, config)] == [True, True]
    assert [c.agrees for c in experiment._chain_cases({"plain": linear, "perturbed": steep}, config)] == [False, False]
