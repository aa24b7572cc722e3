"""What arguments must be, said once, so that the same mistake gets the same answer everywhere."""

from numbers import Integral
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
