"""Points: read from text, parsed and never evaluated, and from what Python counts with."""

import json
import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from theory.polynomials import gaussian
from theory.rings import finite_array

_REAL = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?:/\d+)?"
_NUMBER = re.compile(rf"(?:(?P<re>{_REAL})(?=$|[+-]))?(?:(?P<im>{_REAL}|[+-]?)\*?[iIjJ])?")


def point_of(point: Any, n: int, wanted_by: str) -> np.ndarray:
    """One point (n,) as float64 or complex128: of ints, Fractions, sympy numbers, floats, complex; all are rounded.

    Raises ValueError for text, NaN, infinities and another shape; wanted_by: the function that needs it.
    """
    array = _numbers(point, f"{wanted_by} takes one point of shape ({n},)")
    if array.shape != (n,):
        raise ValueError(f"{wanted_by} takes one point of shape ({n},), got shape {array.shape}")
    return array


def points_of(points: Any, n: int, wanted_by: str) -> np.ndarray:
    """Points (p, n), or one point (n,), as rows (p, n); as `point_of`. Nothing at all gives (0, n)."""
    array = _numbers(points, f"{wanted_by} takes points of shape (p, {n})")
    if not array.size:
        return np.zeros((0, n))
    if array.ndim not in (1, 2) or array.shape[-1] != n:
        raise ValueError(f"{wanted_by} takes points of shape (p, {n}), got shape {array.shape}")
    return np.atleast_2d(array)


def _numbers(values: Any, wanted: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{wanted}, got rows of different lengths") from None
    if array.dtype.kind in "biufc":
        if not np.isfinite(array).all():
            raise ValueError(f"{wanted} with finite entries, got NaN or infinity")
        return finite_array(array, "points")
    if array.dtype != object:
        raise ValueError(f"{wanted} with numbers as entries, got text or the like: {array.ravel()[:1].tolist()}")
    entries = [_rounded(entry, wanted) for entry in array.ravel()]
    return np.array(entries, dtype=complex if any(isinstance(z, complex) for z in entries) else float).reshape(
        array.shape
    )


def _rounded(entry: Any, wanted: str) -> float | complex:
    try:
        exact = gaussian(entry)
        return complex(exact) if exact.im else float(exact.re)
    except OverflowError:
        raise ValueError(f"{wanted} with entries in the range of doubles, got one beyond 1e308") from None
    except (TypeError, ValueError, AttributeError):
        shown = "NaN or infinity" if entry != entry or str(entry) in ("nan", "inf", "-inf", "oo", "-oo") else entry
        raise ValueError(f"{wanted} with finite numbers as entries, got {shown!s:.40}") from None


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
