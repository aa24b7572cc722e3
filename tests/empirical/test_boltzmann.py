"""The experiments on Langevin descent: what they measure, and that they can come out otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from empirical import biased_noise, diagnostics, network_chains
from empirical.experiments import boltzmann, wide_minimum
from empirical.langevin import Langevin
from theory.claims import boltzmann as boltzmann_theory
from theory.claims import wide_minimum as wide_minimum_theory
from theory.potentials import quadratic

SMALL = replace(wide_minimum.PRESETS["smoke"], dimensions=(1, 3), chains=400, steps=4000, records=100)


@pytest.fixture(scope="module")
def histograms():
    return boltzmann.compute(boltzmann.PRESETS["smoke"], None, seed=0, device="cpu", progress=None)


@pytest.fixture(scope="module")
def visits():
    return wide_minimum.compute(SMALL, None, seed=0, device="cpu", progress=None)


@pytest.mark.parametrize("side", [boltzmann_theory, wide_minimum_theory], ids=["boltzmann", "wide-minimum"])
def test_theory_side_holds_and_its_control_failed_as_it_must(side):
    claim = side.check(0)
    assert claim.verdict == "holds"
    assert claim.control.passed


def test_boltzmann_holds_and_the_wrong_temperature_is_told_apart(histograms):
    assert histograms.claim.verdict == "holds"
    assert histograms.claim.control.passed


@pytest.mark.parametrize(
    "harmless", [{"wrong_mean": 0.0}, {"wrong_variance": 1.0}, {"wrong_temperature": 1.0}], ids=str
)
def test_the_control_fails_where_what_should_be_wrong_is_right(histograms, harmless):
    series, config = histograms.series, replace(histograms.series["config"], **harmless)
    adjusted, plain = series["runs"][-1], series["runs"][1:3]
    control = boltzmann._control(adjusted, plain, {}, series["edges"], series["exact"], config, seed=0)
    assert not control.passed


def test_biased_noise_without_bias_is_langevin_descent():
    """Variance 1/(1 - h/2) of U = x^2/2 at T = 1; a mean of m h moves it by m, a variance v scales it by v."""
    kernel = Langevin(quadratic([1.0, 1.0]), 1.0, 0.2)
    found = biased_noise.sample(
        np.zeros((20_000, 2)), kernel, 60, every=60, mean=(0.0, 0.5), variance=(1.0, 2.0), rng=np.random.default_rng(0)
    )[0]
    assert found.mean(0) == pytest.approx([0.0, 0.5], abs=0.06)  # 5 standard errors
    assert found.var(0) == pytest.approx(np.array([1.0, 2.0]) / 0.9, rel=0.05)


def test_equal_wells_in_place_of_unequal_ones_are_told_apart_and_the_control_can_fail(visits):
    config, width = visits.series["config"], visits.series["width"]
    equal = replace(visits.series["runs"][1], exact=0.5, share=0.5, error=0.002)
    assert wide_minimum._control(equal, config, width).passed
    assert not wide_minimum._control(replace(equal, share=0.6), config, width).passed
    assert not wide_minimum._control(replace(equal, error=0.2), config, width).passed


def test_bias_shrinks_with_the_step_and_accepted_steps_have_none(histograms):
    exact, width = histograms.series["energy"], 4
    angles = [r for r in histograms.table if r["potential"] == "coupled angles"]
    rows = {kind: [r for r in angles if r["kernel"] == kind] for kind in ("plain", "adjusted")}
    bias = [row["mean_energy"] - exact for row in rows["plain"]]
    assert bias[0] > bias[1] > bias[2] > width * rows["plain"][2]["standard_error"]
    assert all(abs(row["mean_energy"] - exact) < width * row["standard_error"] for row in rows["adjusted"])
    acceptance = [row["acceptance"] for row in rows["adjusted"]]
    assert acceptance[0] < acceptance[1] < acceptance[2] < 1


def test_biased_steps_are_told_apart_from_the_boltzmann_distribution(histograms):
    run, exact = histograms.series["runs"][0], histograms.series["exact"]
    case = boltzmann._same_law(run, exact, histograms.series["config"], np.random.default_rng(0))
    assert case.agrees is False


def test_sampling_distance_is_exceeded_as_rarely_as_it_says():
    rng, law, chains = np.random.default_rng(1), np.full(10, 0.1), 400
    exceeded = 0
    for _ in range(400):
        first, second = (rng.multinomial(5, law, size=chains) / 5 for _ in range(2))
        allowed = diagnostics.sampling_distance([(2.0, first), (-1.0, second)], 0.9, 200, rng)
        exceeded += diagnostics.distance(2 * first.mean(0) - second.mean(0), law) > allowed
    assert 17 <= exceeded <= 66  # binomial(400, 0.1), both tails once in 10^4


@pytest.fixture(scope="module")
def net():
    plan = replace(network_chains.Plan(), chains=600, time=120.0, records=24)
    return network_chains.chains_on("2 weights, a curve", plan, seed=5)


def test_chains_on_the_loss_of_a_network_concentrate_on_its_zero_set(net):
    for case in network_chains.cases(net, 1 - 1e-4, np.random.default_rng(0)):
        assert case.agrees, case
    spread = [np.abs(claim_system().evaluate(run.positions)).mean() for run in net.adjusted]
    assert spread[0] > spread[1] > spread[2]


def claim_system():
    return boltzmann_theory.NETS["2 weights, a curve"].system


def test_the_prior_without_the_jacobian_and_another_temperature_are_told_apart(net):
    rng = np.random.default_rng(0)
    off, allowed = network_chains.without_jacobian(net, 1 - 1e-4, rng)
    assert off > allowed
    hot = replace(net, adjusted=[replace(run, temperature=2 * run.temperature) for run in net.adjusted])
    wrong = [case for case in network_chains.cases(hot, 1 - 1e-4, rng) if "mean loss, T" in case.instance]
    assert len(wrong) == 3
    assert not any(case.agrees for case in wrong)


def test_chains_that_remember_their_start_do_not_decide_about_networks(net):
    stuck = replace(net, adjusted=[replace(run, start_gap=5.0) for run in net.adjusted])
    cases = network_chains.cases(stuck, 0.999, np.random.default_rng(0))
    assert {case.agrees for case in cases if "plain" not in case.instance} == {None}


def test_mean_loss_is_the_slope_of_log_z():
    """Against direct quadrature of loss * exp(-U/T) on a grid."""
    name, temperature = "2 weights, a curve", 0.2
    grid = np.linspace(-9, 9, 1801)
    points = np.stack([g.ravel() for g in np.meshgrid(grid, grid, indexing="ij")], axis=1)
    loss = claim_system().evaluate(points)[:, 0] ** 2
    weights = np.exp(-loss / temperature - (points**2).sum(1) / 2)
    assert network_chains.exact_loss(name, temperature) == pytest.approx((loss @ weights) / weights.sum(), rel=1e-6)


def test_wide_well_is_visited_as_often_as_its_mass_says(visits):
    assert visits.claim.verdict == "holds"
    assert visits.claim.control.passed
    for row in visits.table:
        assert abs(row["observed"] - row["exact"]) < row["half_width"] + abs(row["step_bias"])


def test_wrong_temperature_makes_the_wide_minimum_fail(visits):
    run = replace(visits.series["runs"][1], exact=0.80)  # 3-D: the mass at T = 0.6 or so
    assert wide_minimum._case(run, visits.series["width"]).agrees is False


def test_chains_that_remember_their_start_are_not_judged(visits):
    run = replace(visits.series["runs"][0], start_gap=5.0)
    assert wide_minimum._case(run, visits.series["width"]).agrees is None


def test_figures_are_drawn_from_the_numbers(histograms, visits):
    pytest.importorskip("matplotlib")
    assert set(boltzmann.draw(histograms)) == {"histograms", "step-size", "networks"}
    assert set(wide_minimum.draw(visits)) == {"visits", "histograms"}


def test_same_seed_gives_the_same_table():
    config = replace(SMALL, dimensions=(1,), steps=800, records=20)
    first, second = (wide_minimum.compute(config, None, seed=7) for _ in range(2))
    assert first.table == second.table
