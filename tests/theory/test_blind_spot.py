"""Local minima of ReLU networks, proved, and dead initialisations, counted."""

from fractions import Fraction

import numpy as np
import pytest

from theory.claims import blind_spot as claim


@pytest.mark.parametrize("example", [claim.THREE, claim.FIVE])
def test_constructed_weights_attain_the_regression_with_zero_gradient_off_every_kink(example):
    loss, gradient, margin = claim.observed_point(claim.local_minimum(*example), *example[:2])
    assert loss == claim.regression(*example).loss
    assert gradient == [0, 0, 0, 0]
    assert margin > 0


def test_three_points_by_hand():
    # active at 1 and 2: a line through all; at 2 only: the others cost 2 (1/2)^2; at 0 only: they cost 2 (3/2)^2
    assert claim.predicted_minima(*claim.THREE[:2]) == (0, Fraction(1, 2), Fraction(9, 2))


def test_the_gradient_is_the_derivative_of_the_loss():
    weights, (xs, ys, _) = tuple(Fraction(v, 7) for v in (9, -5, 11, 3)), claim.FIVE
    h = Fraction(1, 10**6)
    _, gradient, _ = claim.observed_point(weights, xs, ys)
    for k in range(4):
        up, down = (tuple(v + s * h * (i == k) for i, v in enumerate(weights)) for s in (1, -1))
        slope = (claim.observed_point(up, xs, ys)[0] - claim.observed_point(down, xs, ys)[0]) / (2 * h)
        assert float(gradient[k]) == pytest.approx(float(slope), abs=1e-8)


def test_no_weights_near_the_local_minimum_are_better():
    xs, ys, active = claim.FIVE
    weights = claim.local_minimum(xs, ys, active)
    value, _, margin = claim.observed_point(weights, xs, ys)
    rng = np.random.default_rng(0)
    for move in rng.integers(-100, 101, size=(200, 4)):
        near = tuple(w + margin / 20 * Fraction(int(m), 100) for w, m in zip(weights, move, strict=True))
        assert claim.observed_point(near, xs, ys)[0] >= value


def test_a_pattern_whose_kink_falls_among_its_points_is_no_local_minimum():
    xs, ys = (-2, -1, 1, 2), (2, 1, 1, 2)  # |x|: the line of one branch meets the mean of the other beyond its points
    with pytest.raises(ValueError, match="does not separate"):
        claim.local_minimum(xs, ys, (False, False, True, True))


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0.5, 2), (-3, 0.2)])
def test_angle_and_integral_give_one_share(low, high):
    angle, integral = claim.predicted_dead(low, high, 0, 1), claim.predicted_dead(low, high, 1e-13, 1)
    assert angle == pytest.approx(integral, abs=1e-10)


def test_a_quarter_of_all_units_is_dead_on_the_interval_from_minus_one_to_one():
    assert claim.predicted_dead(-1, 1, 0, 1) == pytest.approx(1 / 4)
    count = claim.observed_dead(np.linspace(-1, 1, 5), 0.0, 1, 20_000, seed=2)
    assert abs(count / 20_000 - 1 / 4) < 4 * (3 / 16 / 20_000) ** 0.5


def test_the_claim_holds_and_units_without_bias_have_no_blind_spot():
    outcome = claim.check(seed=1)
    assert outcome.verdict == "holds"
    assert outcome.control.passed
