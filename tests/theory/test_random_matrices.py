"""Random Hessians: exact probabilities against the literature and against samples."""

import math

import numpy as np
import pytest
import sympy as sp

from theory.claims import index_and_error as index
from theory.claims import random_hessian as claim
from theory.random_matrices import (
    error_threshold,
    goe,
    goe_definite_log_probability,
    goe_definite_probability,
    hessian_model,
    negative_share,
    rotated,
)

# Dedieu and Malajovich (arXiv math/0702360), and Kuriki and Takemura for size 3
PUBLISHED = {1: sp.Rational(1, 2), 2: (2 - sp.sqrt(2)) / 4, 3: (sp.pi - 2 * sp.sqrt(2)) / (4 * sp.pi)}


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_exact_probability_is_the_published_one(size):
    assert sp.simplify(goe_definite_probability(size) - PUBLISHED[size]) == 0


def test_size_four_has_the_published_value():
    assert float(goe_definite_probability(4)) == pytest.approx(0.00246, abs=5e-6)  # Dean and Majumdar 2008: 0.0024...


@pytest.mark.parametrize("size", range(1, 8))
def test_expansion_and_determinant_give_one_probability(size):
    assert math.exp(goe_definite_log_probability(size)) == pytest.approx(
        float(goe_definite_probability(size)), rel=1e-12
    )


def test_the_rate_tends_to_the_large_deviation_of_dean_and_majumdar():
    gaps = [claim.curvature(n) + math.log(3) / 2 for n in (10, 20, 40)]
    assert gaps[0] > 3.5 * gaps[1] > 12 * gaps[2] > 0  # the next term of the expansion is of order ln n: gap ~ 1/n^2


def test_goe_entries_have_the_variances_of_the_ensemble():
    draws = goe(50_000, 3, seed=0)
    variances = draws.var(axis=0)
    expected = (1 + np.eye(3)) / 2
    assert np.abs(variances / expected - 1).max() < 5 * math.sqrt(2 / len(draws))
    assert (draws == draws.transpose(0, 2, 1)).all()


def test_rotation_keeps_the_eigenvalues_and_hides_the_axes():
    eigenvalues = np.sort(np.random.default_rng(0).standard_normal((2000, 3)))
    matrices = rotated(eigenvalues, seed=1)
    np.testing.assert_allclose(np.linalg.eigvalsh(matrices), eigenvalues, atol=1e-12)
    top = np.linalg.eigh(matrices)[1][:, :, -1]
    assert np.abs((top**2).mean(axis=0) - 1 / 3).max() < 0.03


def test_a_matrix_without_rows_is_refused():
    for probability in (goe_definite_probability, goe_definite_log_probability):
        with pytest.raises(ValueError, match="size >= 1, got 0"):
            probability(0)


def test_the_claim_holds_and_biased_signs_are_found_out(monkeypatch):
    monkeypatch.setattr(claim, "DRAWS", 20_000)
    outcome = claim.check(seed=1)
    assert outcome.verdict == "holds"
    assert outcome.control.passed


def test_the_claim_fails_when_eigenvalues_repel_but_coins_are_expected(monkeypatch):
    monkeypatch.setattr(claim, "DRAWS", 20_000)
    monkeypatch.setattr(claim, "predicted", lambda model, size: 2.0**-size)
    assert claim.check(seed=0).verdict == "fails"


def test_the_threshold_has_the_values_of_pennington_and_bahri():
    assert error_threshold(0.25) == pytest.approx(0.04351, abs=5e-6)
    assert error_threshold(0.5) == pytest.approx(0.01127, abs=5e-6)


@pytest.mark.parametrize("phi", [0.1, 0.25, 0.5, 1.0])
def test_the_threshold_is_where_the_discriminant_puts_the_edge(phi):
    if phi < 1:  # at phi = 1 the Wishart spectrum itself reaches 0
        assert index.observed_threshold(phi) == pytest.approx(error_threshold(phi), rel=1e-9)
    assert negative_share(phi, 0.99 * error_threshold(phi)) == 0
    assert negative_share(phi, 1.01 * error_threshold(phi) + 1e-9) > 0


def test_half_of_the_spectrum_is_negative_when_the_wigner_part_dominates():
    assert negative_share(0.5, 1e4) == pytest.approx(0.5, abs=5e-3)


def test_the_exponent_is_three_halves_in_the_limit_and_less_away_from_it():
    assert index.limit_exponent(0.5) == pytest.approx(1.5, abs=1e-3)
    assert index.predicted_slope(0.5) < 1.4


def test_sampled_spectra_have_the_moments_of_the_free_sum():
    phi, eps = 0.5, 0.3
    (sample,) = hessian_model(800, phi, [eps], seed=0)
    eigenvalues = np.linalg.eigvalsh(sample)
    assert eigenvalues.mean() == pytest.approx(1, abs=0.01)
    assert eigenvalues.var() == pytest.approx(phi + 2 * eps, abs=0.03)  # variances add in the free sum


def test_index_and_error_holds_and_wigner_alone_has_no_threshold():
    outcome = index.check(seed=1, size=500)
    assert outcome.verdict == "holds"
    assert outcome.control.passed


def test_the_control_runs_the_tests_of_the_claim_and_can_pass_them(monkeypatch):
    monkeypatch.setattr(index, "wigner_part", hessian_model)  # nothing left out: no test may fail on purpose
    assert not index.control(seed=0).passed


def test_a_share_beyond_the_model_is_refused():
    with pytest.raises(ValueError, match="0 < phi <= 1"):
        negative_share(1.5, 0.1)
    with pytest.raises(ValueError, match="eps >= 0"):
        hessian_model(4, 0.5, [-0.1], seed=0)
