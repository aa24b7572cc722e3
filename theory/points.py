"""A point as text: one number for each unknown, parsed and never evaluated."""

import json
import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

_REAL = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?:/\d+)?"
_NUMBER = re.compile(rf"(?:(?P<re>{_REAL})(?=$|[+-]))?(?:(?P<im>{_REAL}|[+-]?)\*?[iIjJ])?")


def parse_point(text: str, names: Sequence[str]) -> np.ndarray:
    """The point as a (n,) array, real where all its numbers are.

    text: numbers separated by spaces, commas or lines in the order of the names (1, -2.5e-3, 1/3, 1+2i), or a JSON
        list of numbers and [re, im] pairs, or a JSON object name -> number

    Raises ValueError for anything else, a wrong number of entries, NaN and infinities.
    """
    stripped = text.strip()
    if stripped[:1] in ("[", "{"):
        try:
            entries = json.loads(stripped)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise ValueError(f"the point is not valid JSON: {reason}") from None
        if isinstance(entries, dict):
            entries = _by_name(entries, names)
    else:
        entries = stripped.replace(",", " ").replace(";", " ").split()
    if len(entries) != len(names):
        raise ValueError(f"the point must have {len(names)} numbers ({', '.join(names)}), got {len(entries)}")
    point = np.array([_entry(entry) for entry in entries], dtype=np.complex128)
    return point if point.imag.any() else point.real


def _by_name(entries: dict[str, Any], names: Sequence[str]) -> list[Any]:
    if set(entries) != set(names):
        raise ValueError(f"the point must give {', '.join(names)}, got {', '.join(entries) or 'nothing'}")
    return [entries[name] for name in names]


def _entry(entry: Any) -> complex:
    if isinstance(entry, list) and len(entry) == 2:
        return complex(_entry(entry[0]).real, _entry(entry[1]).real)
    if isinstance(entry, str):
        match = _NUMBER.fullmatch(entry)
        if not entry or match is None:
            raise ValueError(f"{entry[:40]!r} is not a number; a point is written like 1, -2.5e-3, 1/3 or 1+2i")
        imaginary = match["im"]
        return complex(
            _real(match["re"] or "0"), _real({"": "1", "+": "1", "-": "-1"}.get(imaginary, imaginary or "0"))
        )
    if isinstance(entry, bool) or not isinstance(entry, int | float):
        raise ValueError(f"{str(entry)[:40]!r} is not a number")
    if not math.isfinite(entry):
        raise ValueError(f"the point must be finite, got {entry}")
    return complex(entry)


def _real(text: str) -> float:
    numerator, _, denominator = text.partition("/")
    try:
        value = float(Fraction(numerator) / (Fraction(denominator) if denominator else 1))
    except ZeroDivisionError:
        raise ValueError(f"{text!r} divides by 0") from None
    except OverflowError:
        raise ValueError(f"{text!r} is beyond the range of doubles") from None
    return value
