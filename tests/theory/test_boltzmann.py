"""Stationarity of exp(-U/T): computed from the density and from the sampler's step, so that a wrong one shows."""

import pytest
import sympy as sp

from theory.claims import boltzmann as claim

T = sp.Symbol("T", positive=True)


@pytest.mark.parametrize("name", claim.POTENTIALS)
def test_the_boltzmann_density_is_stationary_and_one_with_a_factor_is_not(name):
    potential = claim.POTENTIALS[name]
    density = claim.predicted_density(potential, T)
    assert claim.observed_change(potential, T, density) == 0
    assert claim.observed_change(potential, T, density * (2 + sp.cos(potential.variables[0]))) != 0


def test_a_wrong_density_makes_the_claim_fail(monkeypatch):
    monkeypatch.setattr(claim, "predicted_density", lambda U, t: sp.exp(-U.expression / (2 * t)))
    assert claim.check().verdict == "fails"


@pytest.mark.parametrize("change", [{"size": 2}, {"drift": -1}], ids=["noise of twice the size", "uphill"])
def test_a_wrong_sampler_makes_the_claim_fail(monkeypatch, change):
    def step(potential, temperature, h, noise):
        size, drift = change.get("size", 1) * sp.sqrt(2 * h * temperature), change.get("drift", 1)
        gradient = [potential.expression.diff(v) for v in potential.variables]
        return [size * xi - drift * h * g for xi, g in zip(noise, gradient, strict=True)]

    monkeypatch.setattr(claim, "langevin_step", step)
    assert claim.check().verdict == "fails"


def test_a_control_that_finds_everything_stationary_has_not_failed(monkeypatch):
    monkeypatch.setattr(claim, "observed_change", lambda *_: sp.Integer(0))
    assert not claim.control().passed
