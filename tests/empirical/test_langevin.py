"""Langevin chains against the exact law of their own discretisation; each statistical test errs once in 10^4 seeds."""

import dataclasses
import math

import numpy as np
import pytest
import sympy as sp
from scipy import stats

from empirical import compiled_steps, counter_normals, diagnostics
from empirical.langevin import DivergedError, Langevin, State, advance, init, sample, spread, step
from theory import potentials, quadrature
from theory.normalisable import NotNormalisable
from theory.potentials import Potential

Z = 3.9  # standard errors exceeded once in 10^4


def settled(kernel, chains, steps, seed=0, start=None):
    state = init(kernel, np.zeros((chains, kernel.potential.dimension)) if start is None else start, seed)
    return sample(state, kernel, steps, every=steps)


@pytest.mark.parametrize("h", [0.1, 1.0])
def test_quadratic_well_has_the_variance_of_the_discrete_chain(h):
    beta, chains = 4.0, 20_000
    state, _ = settled(Langevin(potentials.quadratic([1.0]), 1 / beta, h), chains, 100)
    exact = (2 / beta) / (2 - h)  # for this step size; 1/beta only as h -> 0
    assert abs(state.position.var() - exact) < Z * exact * (2 / chains) ** 0.5


def test_adjusted_steps_have_no_step_size_bias_where_plain_ones_have():
    chains, temperature, h = 20_000, 0.5, 1.0
    error = Z * temperature * (2 / chains) ** 0.5
    kernel = Langevin(potentials.quadratic([1.0]), temperature, h)
    plain, _ = settled(kernel, chains, 60)
    adjusted, found = settled(Langevin(kernel.potential, temperature, h, adjusted=True), chains, 60)
    assert abs(adjusted.position.var() - temperature) < error < abs(plain.position.var() - temperature)
    assert 0.5 < found.acceptance < 1


@pytest.mark.parametrize(
    "potential", [potentials.coupled_angles(), potentials.bent_double_well()], ids=lambda p: p.name
)
def test_adjusted_steps_keep_the_exact_mean_energy_even_when_they_are_coarse(potential):
    temperature = 0.5
    kernel = Langevin(potential, temperature, 0.1, adjusted=True)
    state = init(kernel, spread(potential, 2000), 0)
    state, _ = sample(state, kernel, 200, every=200)
    _, found = sample(state, kernel, 400, every=4, statistic=potential.value)
    seen = diagnostics.mean(found.values)
    exact = quadrature.expectation(potential, temperature, potential.expression).value
    assert abs(seen.value - exact) < Z * seen.error
    wrong = quadrature.expectation(potential, 1.2 * temperature, potential.expression).value
    assert abs(seen.value - wrong) > Z * seen.error  # the test can fail


def test_bias_of_plain_steps_is_the_first_order_of_theory():
    potential, temperature, h = potentials.coupled_angles(), 0.5, 0.075
    kernel = Langevin(potential, temperature, h)
    state = init(kernel, spread(potential, 4000), 1)
    state, _ = sample(state, kernel, 200, every=200)
    _, found = sample(state, kernel, 640, every=8, statistic=potential.value)
    seen = diagnostics.mean(found.values)
    exact = quadrature.expectation(potential, temperature, potential.expression).value
    bias = h * quadrature.step_bias(potential, temperature, potential.expression)
    assert abs(seen.value - exact - bias) < Z * seen.error + 0.1 * bias  # second order: h^2 / h
    assert abs(seen.value - exact) > Z * seen.error


def test_box_reflects_and_a_flat_potential_is_uniform_in_it():
    x = sp.symbols("x", real=True)
    flat = Potential("flat", 0 * x, (x,), potentials.Domain("box", (0.0,), (1.0,)))
    for adjusted in (False, True):
        state, _ = settled(Langevin(flat, 1.0, 0.02, adjusted), 20_000, 60, start=np.full((20_000, 1), 0.1))
        counts = np.histogram(state.position, bins=10, range=(0, 1))[0]
        assert counts.sum() == 20_000
        assert ((counts - 2000) ** 2 / 2000).sum() < 33.7  # chi-square with 9 degrees of freedom, once in 10^4


def test_same_seed_gives_the_same_chain_and_a_step_does_not_touch_its_state():
    kernel = Langevin(potentials.two_wells(2), 0.25, 0.02)
    state = init(kernel, spread(kernel.potential, 10), 3)
    before = state.position.copy()
    once, again = step(state, kernel)[0], step(state, kernel)[0]
    assert (once.position == again.position).all()
    assert (state.position == before).all()
    other = init(kernel, before, 4)
    assert (step(other, kernel)[0].position != once.position).all()


def test_a_chain_in_two_pieces_is_the_chain_in_one():
    kernel = Langevin(potentials.double_well(2), 0.5, 0.02, adjusted=True)
    start = init(kernel, spread(kernel.potential, 8), 0)
    whole, _ = sample(start, kernel, 40)
    half, _ = sample(start, kernel, 20)
    joined, _ = sample(half, kernel, 20)
    assert (whole.position == joined.position).all()


def test_tensors_follow_the_same_law_as_arrays():
    torch = pytest.importorskip("torch")
    beta, h, chains = 4.0, 0.5, 20_000
    for adjusted, exact in ((False, (2 / beta) / (2 - h)), (True, 1 / beta)):
        kernel = Langevin(potentials.quadratic([1.0]), 1 / beta, h, adjusted)
        state, _ = sample(init(kernel, torch.zeros(chains, 1, dtype=torch.float64), 0), kernel, 60, every=60)
        assert isinstance(state.position, torch.Tensor)
        assert abs(float(state.position.var()) - exact) < Z * exact * (2 / chains) ** 0.5


def test_step_above_the_stability_limit_is_refused_with_the_limit():
    potential = potentials.quadratic([1.0, 4.0])
    with pytest.raises(ValueError, match=r"stability limit 2/beta = 0.5"):
        init(Langevin(potential, 1.0, 0.51), np.zeros((4, 2)), 0)
    init(Langevin(potential, 1.0, 0.51, adjusted=True), np.zeros((4, 2)), 0)
    state = State(np.ones((4, 2)), 0)
    with pytest.raises(ValueError, match="stability limit"):  # a state from elsewhere does not slip past it
        sample(state, Langevin(potential, 1.0, 0.6), 3000, every=3000)
    unknown = dataclasses.replace(potential, wells=())
    with pytest.raises(DivergedError, match="left for infinity"):  # what the limit is for
        sample(state, Langevin(unknown, 1.0, 0.6), 3000, every=3000)


def test_a_step_exactly_at_the_stability_limit_is_refused():
    potential = potentials.quadratic([1.0, 4.0])
    with pytest.raises(ValueError, match=r"not below the stability limit 2/beta = 0.5 .*at the wells"):
        init(Langevin(potential, 1.0, 0.5), np.zeros((4, 2)), 0)
    unknown = dataclasses.replace(potential, wells=())
    with pytest.raises(ValueError, match="at the starting points, as no wells are known"):
        init(Langevin(unknown, 1.0, 0.5), np.zeros((4, 2)), 0)


def test_a_state_that_does_not_fit_the_kernel_is_refused():
    state = init(Langevin(potentials.quadratic([1.0, 4.0]), 1.0, 0.1), np.zeros((4, 2)), 0)
    with pytest.raises(ValueError, match=r"takes states of shape \(chains, 3\)"):
        sample(state, Langevin(potentials.quadratic([1.0, 1.0, 1.0]), 1.0, 0.1), 10)
    with pytest.raises(ValueError, match="whole number, at least 1, got -5"):
        advance(state, Langevin(potentials.quadratic([1.0, 4.0]), 1.0, 0.1), -5)


def test_bad_input_is_refused():
    potential = potentials.double_well()
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="temperature must be positive"):
            Langevin(potential, temperature, 0.1)
    for h in (0.0, -0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="step size must be positive"):
            Langevin(potential, 1.0, h)
    x = sp.symbols("x", real=True)
    with pytest.raises(NotNormalisable, match="unbounded below"):
        Langevin(Potential("u", -(x**2), (x,)), 1.0, 0.1)
    kernel = Langevin(potential, 1.0, 0.1)
    with pytest.raises(ValueError, match="finite"):
        init(kernel, np.array([[math.nan]]), 0)
    with pytest.raises(ValueError, match="shape"):
        init(kernel, np.zeros((3, 2)), 0)
    with pytest.raises(ValueError, match="multiple of every"):
        sample(init(kernel, np.zeros((3, 1)), 0), kernel, 5, every=2)
    with pytest.raises(ValueError, match="2 wells, 1 chains"):
        spread(potential, 1)


def test_wrong_types_are_refused_in_one_line():
    potential, start = potentials.double_well(), np.zeros((3, 1))
    kernel = Langevin(potential, 1.0, 0.1)
    refused = [
        (lambda: Langevin("x^4", 1.0, 0.1), TypeError, "a potential must be a th.Potential"),
        (lambda: Langevin(potential, "warm", 0.1), TypeError, "the temperature must be a number"),
        (lambda: Langevin(potential, 1.0, "small"), TypeError, "the step size must be a number, got 'small'"),
        (lambda: init(kernel, [[0.0]], 0), TypeError, "a numpy array or a torch tensor .* got list"),
        (lambda: init(kernel, start.astype(complex), 0), TypeError, "must be real numbers, got an array of complex128"),
        (lambda: init(kernel, start[:0], 0), ValueError, "at least one chain"),
        (lambda: advance(init(kernel, start, 0), kernel, 5, threads=0), ValueError, "the number of threads must be"),
        (lambda: advance(init(kernel, start, 0), kernel, 5, schedule=0.5), TypeError, "a schedule must be a function"),
        (lambda: advance(init(kernel, start, 0), kernel, 5, lambda k: 0.0), ValueError, "temperature must be positive"),
        (lambda: sample(init(kernel, start, 0), kernel, 1.5), ValueError, "steps must be a whole number"),
        (lambda: spread(potential, "all"), ValueError, "number of chains must be a whole number"),
    ]
    for attempt, error, text in refused:
        with pytest.raises(error, match=text) as caught:
            attempt()
        assert "\n" not in str(caught.value)


def autoregressive(rho, records, chains, seed=0):
    rng = np.random.default_rng(seed)
    values = np.empty((records, chains))
    values[0] = rng.normal(size=chains)
    for k in range(1, records):
        values[k] = rho * values[k - 1] + math.sqrt(1 - rho**2) * rng.normal(size=chains)
    return values


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_effective_sample_size_of_an_autoregressive_chain(rho):
    values = autoregressive(rho, 20_000, 20)
    exact = values.size * (1 - rho) / (1 + rho)
    assert diagnostics.effective_sample_size(values) == pytest.approx(exact, rel=0.12)  # 4 standard errors at 0.9
    assert diagnostics.r_hat(values) < 1.02


def test_burn_in_is_as_long_as_the_start_is_felt():
    values = autoregressive(0.5, 400, 200)
    assert diagnostics.burn_in(values, least=0) < 40
    assert diagnostics.burn_in(values) == 100
    start = 3 * 0.9 ** np.arange(400)[:, None]  # below the error of the mean over 200 chains after 40 records
    assert 20 < diagnostics.burn_in(values + start, least=0) < 80
    assert diagnostics.burn_in(values + np.linspace(0, 5, 400)[:, None]) == 200  # never settled


def test_constants_have_no_effective_samples_and_chains_apart_an_infinite_r_hat():
    assert math.isnan(diagnostics.effective_sample_size(np.ones((10, 4))))
    assert diagnostics.r_hat(np.ones((10, 4))) == 1
    assert diagnostics.r_hat(np.ones((10, 4)) * np.arange(4)) == math.inf


def test_disagreeing_chains_are_noticed():
    values = autoregressive(0.5, 500, 20)
    labels = np.arange(20) % 2
    assert diagnostics.start_gap(values, labels) < 4
    apart = values + 0.5 * labels
    assert diagnostics.start_gap(apart, labels) > 4
    assert diagnostics.r_hat(apart) > 1.02
    with pytest.raises(ValueError, match="NaN"):
        diagnostics.mean(values * math.nan)


# ---- compiled steps


def test_normals_by_counter_are_normal_uncorrelated_and_their_own_for_every_chain():
    key, increment = counter_normals.keys(5, 200_000)
    assert len(set(key)) == len(key)
    assert (increment % 2 == 1).all()
    found = np.empty((8, len(key)))
    counter_normals.fill_normal(found, key, increment, np.uint64(10**9))
    everything = found.ravel()  # 1.6 million
    assert stats.kstest(everything, "norm").pvalue > 1e-4
    for order, variance in ((1, 1), (2, 2), (3, 15), (4, 96)):  # of the powers of a standard normal number
        expected = {1: 0, 2: 1, 3: 0, 4: 3}[order]
        assert abs((everything**order).mean() - expected) < Z * math.sqrt(variance / everything.size)
    tail = (abs(everything) > 3.9).mean()  # beyond the base layer's edge of 3.65
    exact = 2 * stats.norm.sf(3.9)
    assert abs(tail - exact) < Z * math.sqrt(exact / everything.size)
    worst = abs(np.corrcoef(found) - np.eye(8)).max()  # between numbers of one chain
    assert worst * math.sqrt(len(key)) < 4.8  # 28 pairs
    assert abs((found[0, 1:] * found[0, :-1]).mean()) * math.sqrt(len(key)) < Z  # between neighbouring chains
    again = np.empty((1, len(key)))
    counter_normals.fill_normal(again, key, increment, np.uint64(10**9 + 7))
    assert (again[0] == found[7]).all()


def test_uniforms_by_counter_are_uniform():
    key, increment = counter_normals.keys(6, 100_000)
    found = np.empty(len(key))
    counter_normals.fill_uniform(found, key, increment, np.uint64(3))
    assert stats.kstest(found, "uniform").pvalue > 1e-4
    assert 0 < found.min() < found.max() < 1


COMPILED = (
    potentials.double_well(2),
    potentials.coupled_angles(),
    potentials.two_wells(3),
    potentials.valley_and_point(2),
)


@pytest.mark.parametrize("adjusted", [False, True], ids=["plain", "adjusted"])
@pytest.mark.parametrize("potential", COMPILED, ids=lambda p: p.name)
def test_compiled_steps_are_the_formula_with_these_normals(potential, adjusted):
    h, temperature, chains, seed = 0.05, 0.4, 300, 9
    dimension = potential.dimension
    kernel, here = Langevin(potential, temperature, h, adjusted), spread(potential, chains)
    state = init(kernel, here, seed)
    key, increment = counter_normals.keys(seed, chains)
    for count in range(3):
        noise, uniform = np.empty((dimension, chains)), np.empty(chains)
        counter_normals.fill_normal(noise, key, increment, np.uint64(count * (dimension + 1)))
        counter_normals.fill_uniform(uniform, key, increment, np.uint64(count * (dimension + 1) + dimension))
        slope = potential.gradient(here)
        move = math.sqrt(2 * h * temperature) * noise.T - h * slope
        there = potential.domain.fold(here + move)
        back, forth = move - h * potential.gradient(there), move + h * slope
        density = np.exp((potential.value(here) - potential.value(there)) / temperature)
        proposals = np.exp(-((back**2).sum(1) - (forth**2).sum(1)) / (4 * h * temperature))
        taken = uniform < density * proposals if adjusted else np.ones(chains, bool)
        here = np.where(taken[:, None], there, here)
        state, info = step(state, kernel)
        assert state.position == pytest.approx(here, abs=1e-12)
        if adjusted:
            assert info.acceptance == pytest.approx(np.minimum(density * proposals, 1), abs=1e-9)


@pytest.mark.parametrize("adjusted", [False, True], ids=["plain", "adjusted"])
def test_chains_do_not_depend_on_the_number_of_threads_nor_on_how_they_are_cut(adjusted):
    kernel = Langevin(potentials.two_wells(3), 0.25, 0.02, adjusted)
    state = init(kernel, spread(kernel.potential, 10_001), 2)
    one, two, seven = (advance(state, kernel, 60, threads=n)[0].position for n in (1, 2, 7))
    assert (one == two).all()
    assert (one == seven).all()
    by_steps = state
    for _ in range(60):
        by_steps, _ = step(by_steps, kernel)
    assert (one == by_steps.position).all()


def test_without_a_compiler_the_law_is_the_same(monkeypatch):
    monkeypatch.setattr(compiled_steps, "available", lambda *_: False)
    test_adjusted_steps_have_no_step_size_bias_where_plain_ones_have()
    test_box_reflects_and_a_flat_potential_is_uniform_in_it()


def test_a_formula_that_cannot_be_compiled_is_stepped_by_numpy():
    x = sp.symbols("x", real=True)
    odd = Potential("with a function of its own", x**2 / 2 + sp.besselj(0, x) / 10**9, (x,))
    assert not compiled_steps.available(odd, False)
    state, _ = settled(Langevin(odd, 0.25, 0.5), 4000, 40)
    assert state.position.var() == pytest.approx(0.5 / 1.5, rel=Z * (2 / 4000) ** 0.5)


def test_a_schedule_sets_the_temperature_of_every_step():
    kernel = Langevin(potentials.quadratic([1.0]), 1.0, 0.5)
    state, variance = init(kernel, np.zeros((40_000, 1)), 0), 0.0
    found, _ = sample(state, kernel, 6, every=2, schedule=lambda k: 1 / k)
    for k in range(1, 7):
        variance = 0.25 * variance + 2 * 0.5 / k
    assert abs(found.position.var() - variance) < Z * variance * (2 / 40_000) ** 0.5
    with pytest.raises(ValueError, match="temperature must be positive"):
        sample(state, kernel, 2, schedule=lambda k: 1 - k)


def test_records_leave_as_an_xarray_tree():
    pytest.importorskip("arviz_base")
    kernel = Langevin(potentials.double_well(2), 0.5, 0.05)
    _, found = sample(init(kernel, spread(kernel.potential, 30), 0), kernel, 20, every=2)
    tree = found.to_xarray("position")
    position = tree["posterior"]["position"]
    assert position.dims[:2] == ("chain", "draw")
    assert (position.to_numpy() == found.values.swapaxes(0, 1)).all()
