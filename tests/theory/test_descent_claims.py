"""Newton's step on quadratics, exactly; gradient descent against the bound of the descent lemma."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.claims import newton_step, smooth_descent
from theory.polynomials import Polynomial


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from(newton_step.KINDS[:2]))
def test_one_newton_step_ends_in_the_critical_point_of_a_quadratic(seed, n, kind):
    assert newton_step.observed(n, kind, seed) == newton_step.predicted(n, kind, seed)


def test_the_quadratics_have_the_kinds_they_are_named_for():
    for kind, signs in [("minimum", {1}), ("maximum", {-1}), ("saddle", {1, -1})]:
        f, centre = newton_step.quadratic(4, kind, seed=3)
        H = [[float(f.diff(i).diff(j).evaluate(centre, lambda c: c.re)) for j in range(4)] for i in range(4)]
        assert set(np.sign(np.linalg.eigvalsh(H)).astype(int)) == signs
        assert not any(f.diff(i).evaluate(centre, lambda c: c.re) for i in range(4))


def test_newtons_step_on_x_cubed_is_two_thirds_of_the_way():
    assert newton_step.newton_step(Polynomial.variable(0, 1) ** 3, [Fraction(1)]) == (Fraction(1, 2),)


def test_a_singular_hessian_has_no_newton_step():
    with pytest.raises(ZeroDivisionError):
        newton_step.newton_step(Polynomial.variable(0, 2) ** 2, [Fraction(1), Fraction(1)])


@pytest.mark.parametrize("claim", [newton_step, smooth_descent])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_claim_holds_and_its_control_fails(claim, seed):
    outcome = claim.check(seed)
    assert outcome.verdict == "holds"
    assert outcome.control.passed


@pytest.mark.parametrize("f", smooth_descent.functions(seed=2), ids=lambda f: f.name)
def test_values_gradients_and_smoothness_are_as_stated(f):
    rng = np.random.default_rng(0)
    x, h = f.start + 0.3 * rng.standard_normal(f.start.shape), 1e-5
    slopes = [(f.value(x + h * e) - f.value(x - h * e)) / (2 * h) for e in np.eye(len(x))]
    np.testing.assert_allclose(f.gradient(x), slopes, rtol=1e-5, atol=1e-7)
    bends = [(f.gradient(x + h * e) - f.gradient(x - h * e)) / (2 * h) for e in np.eye(len(x))]
    assert np.linalg.norm(bends, 2) <= f.beta * (1 + 1e-6)
    assert f.value(x) >= f.infimum


def test_the_bound_is_reached_to_a_half_on_the_slow_family_and_is_generous_on_quadratics():
    slow, easy = smooth_descent.slow(0.02), smooth_descent.quadratic(20, 1e-3, seed=0)
    assert 0.45 < smooth_descent.observed(slow, 1.0) / smooth_descent.predicted(slow, 1.0) < 0.5
    assert smooth_descent.observed(easy, 1.0) / smooth_descent.predicted(easy, 1.0) < 0.01


def test_there_is_no_bound_beyond_two_over_beta_and_descent_diverges():
    f = smooth_descent.quadratic(20, 1e-3, seed=0)
    assert smooth_descent.predicted(f, 2.0) == math.inf
    assert smooth_descent.observed(f, 2.1, max_steps=20_000) is None
    assert smooth_descent.observed(f, 1.9, max_steps=20_000) is not None
