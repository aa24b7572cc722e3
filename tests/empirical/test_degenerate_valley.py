"""The valley against the point: the stochastic loss, the runs beside exact masses, and what must fail."""

from dataclasses import replace

import numpy as np
import pytest

from empirical.experiments import degenerate_valley as experiment
from empirical.langevin import Langevin, spread
from theory import potentials, quadrature
from theory.claims import degenerate_valley as theory_side


@pytest.fixture(scope="module")
def result():
    config = replace(experiment.PRESETS["smoke"], sgd_steps=1000)
    return experiment.compute(config, None, seed=0)


def test_odds_follow_laplace_and_its_exponent_is_half_the_flat_dimensions():
    for dimension in (2, 3):
        potential = potentials.valley_and_point(dimension)
        assert theory_side.observed(potential, 0.02) == pytest.approx(theory_side.predicted(dimension, 0.02), rel=0.06)
        assert theory_side.exponent(potential, 0.02) == pytest.approx(-(dimension - 1) / 2, abs=0.02 * (dimension - 1))
    assert theory_side.control().passed


def test_a_deeper_point_wins_below_the_crossover_and_loses_above_it():
    deeper = potentials.valley_and_point(2, deeper=0.1)
    at = quadrature.crossover(deeper, "valley", "point", (0.01, 0.2))
    assert theory_side.observed(deeper, 0.8 * at) < 1 < theory_side.observed(deeper, 1.2 * at)
    with pytest.raises(ValueError, match="do not change places"):
        quadrature.crossover(potentials.valley_and_point(2), "valley", "point", (0.05, 0.2))


def test_minibatch_gradients_are_unbiased_and_the_full_batch_is_the_slope_of_the_loss():
    centres, weights = experiment.dents()
    points = np.random.default_rng(0).uniform(0.5, 7.5, size=(6, 2))

    def loss(x):
        apart = x[:, None] - centres
        apart -= 8 * np.round(apart / 8)
        return -(weights * np.exp(-2 * (apart**2).sum(-1))).sum(1)

    everything = np.tile(np.arange(len(weights)), (6, 1))
    full = experiment.minibatch_gradient(points, everything, centres, weights)
    for axis in (0, 1):
        step = 1e-6 * np.eye(2)[axis]
        assert full[:, axis] == pytest.approx((loss(points + step) - loss(points - step)) / 2e-6, abs=1e-8)
    single = [experiment.minibatch_gradient(points, np.full((6, 1), k), centres, weights) for k in range(len(weights))]
    assert np.mean(single, axis=0) == pytest.approx(full, abs=1e-12)


def test_stochastic_loss_has_both_minima_at_the_depth_of_the_potential():
    centres, weights = experiment.dents()
    for point in ((4.0, 5.67), (1.7, 1.7)):
        depth = (weights * np.exp(-2 * ((np.array(point) - centres) ** 2).sum(-1))).sum()
        assert depth == pytest.approx(1.0, abs=0.02)  # the heap is scattered by 0.05: 1 - 2 * 2 * 0.05^2


def test_all_three_dynamics_prefer_the_valley_and_stuck_chains_are_found_out(result):
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert set(experiment.draw(result)) == {"across", "shares"}


def test_masses_move_with_the_step_size_as_theory_says():
    """The slope in 2-D by theory against chains at two large step sizes, whose difference is mostly of first order."""
    potential, temperature = potentials.valley_and_point(2), 1.0
    config = replace(experiment.PRESETS["smoke"], chains=10_000, time=160.0)
    kernels = [Langevin(potential, temperature, h) for h in (0.1, 0.05)]
    found = experiment._langevin(kernels, config, spread(potential, 10_000), 0, "cpu")
    seen = (found.by_step[0] - found.by_step[1]) / 0.05
    error = found.error * np.sqrt(2 / 5) / 0.05  # of a difference, where found.error is that of -a + 2 b
    assert found.slope == pytest.approx(seen, abs=float(4 * error.max()) + 0.03)  # second order: 0.3 times the step
    assert seen[0] < -3 * error[0]


def test_masses_of_another_temperature_are_told_apart(result):
    run = result.series["gdl"][0]
    wrong = [m.value for m in quadrature.well_masses(potentials.valley_and_point(2), 0.2).values()]
    cases = experiment._mass_cases(replace(run, exact=np.array(wrong)), result.series["width"])
    assert cases[0].agrees is False


def test_the_control_can_come_out_wrong(result):
    """Chains that do reach the exact masses are not stuck, and a valley in place of the second point is preferred."""
    gdl, width, config = result.series["gdl"], result.series["width"], result.series["config"]
    sgd, sgdl = result.series["stochastic"]
    stuck = replace(gdl[0], observed=np.array([0.0, 1.0]), error=np.zeros(2))
    alike = replace(sgdl, observed=np.array([0.3, 0.25]))
    assert experiment._control(gdl[0], stuck, alike, width, 4.0, config).passed
    assert not experiment._control(gdl[0], gdl[0], alike, width, 4.0, config).passed
    assert not experiment._control(gdl[0], stuck, sgd, width, 4.0, config).passed
    blurred = replace(gdl[0], error=np.ones(2))
    assert not experiment._control(blurred, stuck, alike, width, 4.0, config).passed


def test_the_preference_of_uniform_starts_is_none():
    """Points spread evenly gain the strip's larger area over the disc's: that much is not SGD's doing."""
    points = np.random.default_rng(0).uniform(0, 8, size=(100, 400, 2))
    observed, error = experiment._shares(points, potentials.valley_and_point(2))
    assert observed[0] - observed[1] == pytest.approx(experiment.UNIFORM, abs=0.01)
    unknown = np.full(2, np.nan)
    still = experiment.Visits("no descent", observed, error, unknown, observed[None], unknown, np.nan, points[..., 1])
    assert experiment._preference(still, 4.0).agrees is None


def test_the_exponent_of_isolated_wells_is_refused_and_that_of_a_valley_would_not_be(monkeypatch):
    assert theory_side.control().passed
    monkeypatch.setattr(theory_side, "review_wells", potentials.valley_and_point)
    assert not theory_side.control().passed
