"""Sine and cosine in plain arithmetic against multiple precision; coordinates folded back into a domain."""

import math

import mpmath
import numpy as np
import pytest

from empirical.compiled_functions import around, cosine, exponential, reflected, sine
from theory.regions import Domain

ULP = 2.0**-52


@pytest.mark.parametrize("size", [1.0, 30.0, 1e4, 1e6])
def test_sines_and_cosines_are_right_to_the_last_bits(size):
    rng = np.random.default_rng(0)
    near_zeros = (np.floor(size / math.pi * rng.uniform(-2, 2, 200)) + 0.5) * (math.pi / 2)
    near_zeros = np.concatenate([near_zeros, 2 * near_zeros])
    with mpmath.workprec(120):
        for x in [*rng.uniform(-size, size, 500), *near_zeros]:
            for ours, exact in ((sine(x), mpmath.sin(x)), (cosine(x), mpmath.cos(x))):
                assert abs(ours - exact) <= (ULP + 1e-26 * size / abs(exact)) * abs(exact) * 1.5


def test_far_out_they_are_those_of_a_number_within_rounding():
    for x in (1e8, 3e12, -7e14):
        step = math.ulp(x)
        assert abs(sine(x) - math.sin(x)) <= 2 * step + ULP
        assert abs(cosine(x) - math.cos(x)) <= 2 * step + ULP


def test_what_has_no_sine_gives_nan():
    for x in (math.inf, -math.inf, math.nan):
        assert math.isnan(sine(x))
        assert math.isnan(cosine(x))
    assert (sine(0.0), cosine(0.0)) == (0.0, 1.0)


@pytest.mark.parametrize("size", [1e-3, 1.0, 30.0, 700.0])
def test_exponentials_are_right_to_the_last_bits(size):
    with mpmath.workprec(120):
        for x in np.random.default_rng(0).uniform(-size, size, 500):
            assert abs(exponential(x) / mpmath.exp(x) - 1) <= 1.5 * ULP


def test_exponentials_end_in_zero_and_infinity():
    assert [exponential(x) for x in (-math.inf, -1e300, -709.0, 0.0, 710.0, math.inf)] == [
        0,
        0,
        0,
        1,
        math.inf,
        math.inf,
    ]
    assert math.isnan(exponential(math.nan))


@pytest.mark.parametrize("kind", ["torus", "box"])
def test_compiled_folding_is_that_of_the_domain_and_leaves_inner_points_alone(kind):
    low, high = -1.3, 2.9
    fold, domain = {"torus": around, "box": reflected}[kind], Domain(kind, (low,), (high,))
    outside = np.random.default_rng(1).uniform(-40, 40, 500)
    folded = np.array([fold(v, low, high - low) for v in outside])
    np.testing.assert_allclose(folded, domain.fold(outside[:, None])[:, 0], atol=1e-13)
    for v in (low, np.nextafter(low, high), 0.1, np.nextafter(high, low)):
        assert fold(v, low, high - low) == v
    for v in (np.nextafter(low, -9), np.nextafter(high, 9), high, 1e17, -1e17):
        assert low <= fold(v, low, high - low) <= low + (high - low)
    assert math.isnan(fold(math.nan, low, high - low))
