"""Deep linear networks: Kawaguchi's statements (NIPS 2016), the slides' chains, Baldi and Hornik's critical values."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from theory.claims import deep_linear as claim
from theory.systems import PolynomialSystem


@pytest.mark.parametrize("m", [2, 3, 5])
def test_the_chain_is_the_printed_loss(m):
    system = claim.chain_loss(m)
    symbols = sp.symbols(f"w1:{m + 1}")
    assert sp.expand(system.equations[0] - (1 - sp.prod(symbols)) ** 2) == 0


def test_the_hessian_of_two_factors_is_the_printed_one():
    w1, w2 = Fraction(3), Fraction(-2)
    printed = [[2 * w2**2, -2 + 4 * w1 * w2], [-2 + 4 * w1 * w2, 2 * w1**2]]
    assert claim.hessian(claim.chain_loss(2), [w1, w2]).tolist() == np.array(printed, dtype=float).tolist()


def test_three_factors_at_0_0_k_have_minus_2k_off_the_diagonal_and_not_minus_2():
    assert [claim.off_diagonal(k) for k in (1, 2, 5)] == [-2, -4, -10]


@pytest.mark.parametrize("m", [2, 3, 4])
def test_critical_points_of_chains_are_the_product_one_and_pairs_of_zeros(m):
    assert claim.observed_chain(m) == claim.predicted_chain(m)


def test_ten_hidden_layers_have_a_saddle_at_0_without_negative_eigenvalue():
    loss = claim.chain_loss(11)
    assert not claim.hessian(loss, [0] * 11).any()
    assert claim._saddle(loss, [0] * 11) == "saddle, least eigenvalue 0"


def test_homotopy_finds_the_surface_and_the_three_lines():
    assert claim.observed_pieces(3, seed=1) == [(2, 3, 1), (1, 1, 1), (1, 1, 1), (1, 1, 1)]


def test_a_loss_with_other_critical_points_is_not_taken_for_a_chain():
    w1, w2 = sp.symbols("w1 w2")
    with pytest.raises(ValueError, match="not one shared factor"):
        claim.critical_set(PolynomialSystem([sp.expand((1 - w1 * w2) ** 2 + w1**2)], [w1, w2]))


@pytest.mark.parametrize("widths", claim.NETWORKS)
@pytest.mark.parametrize("seed", [1, 2])
def test_networks_have_the_critical_values_of_the_subsets_of_singular_directions(widths, seed):
    expected, found = claim.predicted_network(widths), claim.observed_network(widths, seed)
    assert all(claim._same(expected[key], found[key]) for key in expected)


def test_critical_values_by_hand():
    # Y = X diag(2, 1) with orthonormal columns of X up to scale: explained parts are squares of singular values
    values = claim.predicted_network((2, 2, 2))["critical values"]
    X, Y = (part.astype(float) for part in claim.data((2, 2, 2)))
    W = np.linalg.lstsq(X, Y, rcond=None)[0]
    assert values[0] == pytest.approx(((X @ W - Y) ** 2).mean())
    assert values[-1] == pytest.approx((Y**2).mean())
    assert values[1] + values[2] == pytest.approx(values[0] + values[3])


def test_a_nonlinear_chain_has_a_minimum_that_is_not_global():
    assert claim.control().passed


def test_the_printed_verdict_is_that_of_the_entries_seen(monkeypatch):
    monkeypatch.setattr(claim, "FACTORS", ())
    monkeypatch.setattr(claim, "NETWORKS", ())
    monkeypatch.setattr(claim, "observed_pieces", lambda m, _: claim.predicted_pieces(m))
    assert claim.check().printed_verdict == "fails"
    monkeypatch.setattr(claim, "off_diagonal", lambda _: -2)
    found = claim.check()
    assert (found.verdict, found.printed_verdict) == ("fails", "holds")
