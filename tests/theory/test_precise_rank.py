"""Ranks in multiple precision, and lower bounds that interval arithmetic proves."""

import numpy as np
import pytest

from theory.precise_rank import precise_rank, rank_lower_bound
from theory.systems import PolynomialSystem

parse = PolynomialSystem.parse


@pytest.mark.parametrize(
    ("text", "point", "rank"),
    [
        ("1\nx^2-2.000000001*x+1.000000001;", (1,), 1),
        ("1\nx^2-2*x+1;", (1,), 0),
        ("2\nx^2-2;\n(x^2-2)*y;", (2**0.5, 0), 1),  # the exact zero is irrational
        ("2\nx+y-1;\nx+1.00000000000001*y-1;", (1, 0), 2),
        ("2\nx+y-1;\n2*x+2*y-2;", (0.25, 0.75), 1),
    ],
)
def test_ranks_at_the_exact_zero(text, point, rank):
    found = precise_rank(parse(text), np.array(point, float), 0)
    assert found.rank == rank
    assert found.gap > 1e60
    assert np.allclose(found.point, point, atol=1e-12)


@pytest.mark.parametrize("distance", [1e-9, 1e-6])
def test_multiple_zeros_known_to_half_the_digits_stay_open(distance):
    assert precise_rank(parse("1\nx^2-2*x+1;"), np.array([1 + distance]), 0) is None


def test_a_proved_rank_holds_all_over_the_box():
    """The derivative 2 x - 2 vanishes at 1, which the wider box round 1.1 contains."""
    system = parse("1\nx^2-2*x+1;")
    assert rank_lower_bound(system, [1.1], radius=0.05) == 1
    assert rank_lower_bound(system, [1.1], radius=0.2) == 0


def test_at_deficient_points_the_proved_rank_is_the_rank_and_no_more():
    system = parse("3\nx*y;\nx*z;\ny*z;")  # the three axes: rank 2 on them, 0 at the origin
    assert rank_lower_bound(system, [2, 0, 0], radius=1e-3) == 2
    assert rank_lower_bound(system, [0, 0, 0]) == 0
    assert rank_lower_bound(system, [1, 1, 1]) == 3


@pytest.mark.parametrize(
    ("point", "radius", "message"), [([1, 2], 0, "shape"), ([1], -1, "radius"), ([np.nan], 0, "finite")]
)
def test_bad_boxes_are_refused(point, radius, message):
    with pytest.raises(ValueError, match=message):
        rank_lower_bound(parse("1\nx^2-2;"), point, radius)
