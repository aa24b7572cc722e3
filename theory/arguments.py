"""What arguments must be, said once, so that the same mistake gets the same answer everywhere."""

import math
from numbers import Integral, Real
from typing import Any


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number, of Python or numpy; truth values are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_seed(seed: Any) -> int:
    """A seed as an int. Raises ValueError where it is not a whole number >= 0."""
    if not is_whole(seed) or seed < 0:
        raise ValueError(f"seed must be a whole number that is not negative, got {seed!r}")
    return int(seed)


def check_count(value: Any, name: str, least: int = 1) -> int:
    """A number of things as an int. Raises ValueError where it is not a whole number, at least `least`."""
    if not is_whole(value) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}, got {value!r}")
    return int(value)


def check_positive(value: Any, name: str) -> float:
    """A number as a float. TypeError where it is none, ValueError unless it is positive and finite."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be positive and finite, got {value}")
    return number
