"""The experiments on SGD: convergence, minimum norm, gradient noise, SGDL; what they measure and how they can fail."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from scipy import stats

from empirical.data import load_data
from empirical.experiments import gradient_noise, minimum_norm, sgd_convergence, sgdl
from theory.claims import gradient_noise as gradient_noise_theory
from theory.claims import minimum_norm as minimum_norm_theory


@pytest.fixture(scope="module")
def noise():
    config = gradient_noise.PRESETS["smoke"]
    config = replace(config, epochs=(1, 6), draws=2000, judged_draws=9000)
    return gradient_noise.compute(config, load_data("digits", subset=config.subset, seed=0), seed=0)


@pytest.mark.parametrize("side", [gradient_noise_theory, minimum_norm_theory], ids=["gradient-noise", "minimum-norm"])
def test_theory_side_holds_for_several_seeds_and_its_control_fails_as_it_must(side):
    for seed in range(3):
        claim = side.check(seed)
        assert claim.verdict == "holds"
        assert claim.control.passed


def test_sgd_converges_where_it_should_and_not_with_a_constant_rate():
    result = sgd_convergence.compute(sgd_convergence.PRESETS["smoke"], None, seed=0)
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert set(sgd_convergence.draw(result)) == {"convergence"}


def test_the_control_of_convergence_fails_where_the_rate_does_decrease():
    config = replace(sgd_convergence.PRESETS["smoke"], steps=400, anneal_steps=400)
    rng = np.random.default_rng(0)
    ends = {name: {400: rng.normal(size=2000) / 20} for name in ("convex", "pseudo-convex", "constant rate")}
    found = ends | {"two wells": {400: np.full(2000, sgd_convergence.LOCAL)}}
    found |= {"slow cooling": dict.fromkeys(range(12), 0.9), "fast cooling": {400: 0.02}}
    assert not sgd_convergence._judge(found, config)[1].passed
    found["constant rate"] = {400: rng.normal(size=2000) / 4}
    assert sgd_convergence._judge(found, config)[1].passed
    found["slow cooling"] = dict.fromkeys(range(12), 0.0)  # nobody left the local minimum
    assert not sgd_convergence._judge(found, config)[1].passed


def test_slopes_in_the_convergence_experiment_vanish_at_the_minima_named():
    assert sgd_convergence.slope(np.array([sgd_convergence.LOCAL, sgd_convergence.GLOBAL])) == pytest.approx(
        0, abs=1e-6
    )


def test_sgd_on_a_linear_net_ends_at_the_nearest_solution():
    result = minimum_norm.compute(replace(minimum_norm.PRESETS["smoke"], layer_runs=200), None, seed=0)
    linear = [row for row in result.table if row["scale"] > 0]
    assert all(row["observed"] == pytest.approx(row["predicted"], abs=1e-6) for row in linear)
    assert result.claim.verdict != "fails"
    assert result.claim.printed_verdict == "fails"
    assert set(minimum_norm.draw(result)) == {"distance"}


def test_the_printed_verdict_on_the_minimum_norm_is_that_of_what_was_seen(monkeypatch):
    inside = replace(minimum_norm.PRESETS["smoke"], layer_runs=100, layer_steps=2000, scales=(0.0,), layers=(1.0, 1.0))
    assert minimum_norm.compute(inside, None, seed=0).claim.printed_verdict == "holds"
    usual = minimum_norm_theory.problem
    monkeypatch.setattr(minimum_norm_theory, "STARTS", ((0.5, 0.5),))
    monkeypatch.setattr(minimum_norm_theory, "problem", lambda n, k, _: (*usual(n, k, 0)[:2], sp.zeros(k, 1)))
    assert minimum_norm_theory.check().printed_verdict == "holds"


def test_minibatch_gradients_have_the_mean_and_variance_of_drawing_without_replacement(noise):
    for row in noise.table:
        assert row["largest_z_of_mean"] < 5  # 30 columns, 12 rows: exceeded once in 5,000 seeds
        assert row["largest_z_of_variance"] < 5
    assert noise.claim.control.passed
    assert set(gradient_noise.draw(noise)) == {"histograms", "distance"}


def test_the_control_fails_where_no_class_is_left_out(noise):
    early, config = noise.series["found"][0], noise.series["config"]
    labels = load_data("digits", subset=config.subset, seed=0).train_labels.numpy()
    rng = np.random.default_rng(1)
    assert gradient_noise._control(early, noise.table, labels, config, rng).passed
    nobody = np.append(labels[:-1], 99)  # the "last class" is one image of 1,000
    assert not gradient_noise._control(early, noise.table, nobody, config, rng).passed


def test_the_two_ways_of_drawing_are_told_apart(noise):
    found = noise.series["found"][0]
    ratio = found.samples[100, False].var(0, ddof=1) / found.variance(100, True)
    assert ratio.mean() == pytest.approx((1000 - 100) / 999, abs=0.03)  # 0.90, not 1


def test_laws_that_do_not_look_gaussian_are_beyond_the_limit_and_one_that_does_is_not():
    at = np.linspace(-8, 8, 160_001)
    scales = {"uniform": 12**0.5, "laplace": 0.5**0.5, "logistic": 3**0.5 / np.pi}
    laws = {
        name: getattr(stats, name)(loc=-(3**0.5) if name == "uniform" else 0, scale=scales[name]) for name in scales
    }
    off = {name: abs(law.cdf(at) - stats.norm.cdf(at)).max() for name, law in laws.items()}
    assert off["uniform"] == pytest.approx(0.057, abs=5e-4)
    assert off["laplace"] == pytest.approx(0.062, abs=5e-4)
    assert off["logistic"] == pytest.approx(0.023, abs=5e-4)
    assert off["logistic"] < gradient_noise.Config().looks < min(off["uniform"], off["laplace"])


@pytest.mark.parametrize(("distance", "agrees"), [(0.01, True), (0.2, False), (0.0501, None)])
def test_the_shape_is_undecided_where_the_draws_do_not_tell(distance, agrees):
    keys = {"median_distance": distance, "median_excess_kurtosis": 0.1, "rejected": 0.0}
    rows = [{"point": "late", "batch": b, "replacement": False, "draws": 20_000} | keys for b in (10, 100)]
    assert gradient_noise._shape(rows, "late", 100, gradient_noise.Config()).agrees is agrees


def test_distances_stray_no_further_than_the_band_says():
    config = gradient_noise.Config(components=10)
    samples = np.random.default_rng(0).normal(size=(100, 500, 10))
    worst = [max(stats.kstest(c, "norm").statistic for c in of.T) for of in samples]
    assert np.mean(np.array(worst) > gradient_noise.band(config, 500)) < 0.07  # 0.01 promised; 7 of 100 once in 10^4


def test_excess_kurtosis_of_a_mean_is_that_of_its_population_shrunk():
    rng = np.random.default_rng(0)
    singles = rng.exponential(size=(500, 1))
    for batch in (5, 50, 250):
        means = gradient_noise.minibatches(singles, batch, 40_000, rng)
        expected = gradient_noise.excess_kurtosis_of_means(singles, batch)[0]
        error = 4 * np.sqrt(24 / 40_000) * 2  # of a sample kurtosis near the Gaussian, doubled for the skewness
        assert stats.kurtosis(means[:, 0]) == pytest.approx(expected, abs=error + 0.05 * abs(expected))


def test_sgdl_is_judged_by_the_interval_of_the_gap():
    assert sgdl._alike(1e-4, [0.001, -0.001, 0.0, 0.002], 0.03).agrees is True
    assert sgdl._alike(1e-4, [0.10, 0.11, 0.12, 0.09], 0.03).agrees is False
    assert sgdl._alike(1e-4, [0.02, 0.05, -0.01, 0.04], 0.03).agrees is None


def test_slightly_better_needs_one_level_that_is_and_fails_where_none_can_be():
    better, worse, undecided = [-0.02, -0.021, -0.019, -0.02], [0.02, 0.021, 0.019, 0.02], [-0.02, 0.02, -0.01, 0.01]
    assert sgdl.slightly_better([worse, better], 0.005)[0] == "holds"
    assert sgdl.slightly_better([worse, worse], 0.005)[0] == "fails"
    assert sgdl.slightly_better([worse, undecided], 0.005)[0] == "inconclusive"


def test_sgdl_runs_and_large_noise_is_told_apart():
    config = replace(sgdl.PRESETS["smoke"], subset=(300, 200), epochs=3, seeds=4, noises=(1e-4, 0.1))
    result = sgdl.compute(config, load_data("digits", subset=config.subset, seed=0), seed=0)
    assert result.claim.control.passed
    assert result.claim.printed_verdict in ("holds", "fails", "inconclusive")
    assert len(result.table) == 4 * 3 * 4  # seeds x (SGD and two levels) x (epochs and the start)
    assert set(sgdl.draw(result)) == {"curves", "gaps"}
    with pytest.raises(ValueError, match="square images"):
        sgdl.compute(config, None, seed=0)
