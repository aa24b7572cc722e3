"""Capacity bounds: vacuous for networks, not for half-planes."""

import math

import numpy as np
import pytest

from theory.claims import vacuous_capacity as claim


def test_the_union_bound_of_the_cifar_network_is_about_six_and_a_half():
    bounds = claim.predicted(188_810, 50_000, 3072)
    assert bounds.union == pytest.approx(math.sqrt(4.188e6 / 1e5), rel=1e-3)
    assert bounds.vc == pytest.approx(math.sqrt(92_869 / 50_000))


def test_a_net_with_2n_plus_d_weights_has_rademacher_complexity_one():
    assert claim.observed_rademacher(5, 2, seed=1) == 1


@pytest.mark.parametrize("n", [3, 5, 9])
def test_half_planes_make_the_number_of_dichotomies_that_cover_counted(n):
    found = claim.half_plane_dichotomies(np.random.default_rng(n).standard_normal((n, 2)))
    assert len(found) == n * n - n + 2  # Cover 1965: 2 (C(n-1, 0) + C(n-1, 1) + C(n-1, 2))


def test_half_planes_shatter_three_points_but_not_four():
    assert claim.plane_rademacher(3, seed=0) == 1
    assert claim.plane_rademacher(4, seed=0) < 1


def test_random_labels_are_learnt_by_heart_and_say_nothing_about_others():
    train, test = claim.observed_gap(100, 5, 400, seed=3)
    assert train == 0
    assert abs(test / 400 - 0.5) < 4 * 0.5 / math.sqrt(400)


def test_few_weights_on_many_points_are_not_called_vacuous():
    bounds = claim.predicted(3, 50_000, 2)
    assert bounds.union < 1
    assert bounds.vc < 1
    assert math.isnan(bounds.rademacher)


@pytest.mark.parametrize("seed", [0, 4])
def test_the_claim_holds_and_half_planes_are_not_vacuous(seed):
    outcome = claim.check(seed)
    assert outcome.verdict == "holds"
    assert outcome.control.passed
