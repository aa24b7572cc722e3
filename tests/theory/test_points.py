"""Points as text: parsed, never evaluated."""

import numpy as np
import pytest

from theory.points import parse_point


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1 2.5e-3\n-1/4", [1, 2.5e-3, -0.25]),
        ("1, 2; 3", [1, 2, 3]),
        ("[1, -2, 0.5]", [1, -2, 0.5]),
        ('{"z": 3, "x": 1, "y": "1/2"}', [1, 0.5, 3]),
        ("1+2i -i 3.5I", [1 + 2j, -1j, 3.5j]),
        ("[[1, 2], 0, [0.5, -1]]", [1 + 2j, 0, 0.5 - 1j]),
        (" .5 1. +2e2", [0.5, 1, 200]),
    ],
)
def test_numbers_in_any_of_the_forms(text, values):
    assert np.array_equal(parse_point(text, ("x", "y", "z")), values)


def test_real_points_are_real_arrays():
    assert parse_point("1 2", ("x", "y")).dtype == np.float64
    assert parse_point("1 2+0.5i", ("x", "y")).dtype == np.complex128


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3", "2 numbers"),
        ("", "2 numbers"),
        ("1 nan", "not a number"),
        ("1 inf", "not a number"),
        ("[1, NaN]", "finite"),
        ("[1, true]", "not a number"),
        ("[1, 2", "JSON"),
        ('{"x": 1}', "must give x, y"),
        ("1 __import__('os').system('x')", "not a number"),
        ("1 1/0", "divides by 0"),
        ("1 1e999", "beyond the range"),
        ("1 i2", "not a number"),
    ],
)
def test_anything_else_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_point(text, ("x", "y"))
