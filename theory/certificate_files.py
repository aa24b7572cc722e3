"""Certificates as files: their form, and in a sentence what `theory.certificates` finds proved."""

import json
import re
from typing import Any

from theory.certificates import check, read

_NUMBER = re.compile(r"-?\d+p-?\d{1,5}")  # the mantissa and the exponent of 2


def check_certificate(text: str) -> str:
    """What a written certificate proves, in a sentence.

    Raises ValueError where it is none, for the first claim not proved, and where nothing is; TypeError for no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"check_certificate takes the text of a certificate, got {type(text).__name__}")
    try:
        data = json.loads(text)
        names, equations = read(data["system"])
        dimension = len(names) - len(equations)
        if type(data["dimension"]) is not int or data["dimension"] != dimension:
            raise ValueError(f"dimension must be {dimension}, got {data['dimension']!r:.30}")
        points = [entry for entry in data["points"] if entry["certified"]]
        if not points:
            raise ValueError("the certificate proves nothing: none of its points is certified")
        for entry in points:
            _check_form(entry, len(names), len(equations))
        check(names, equations, points)
    except (KeyError, TypeError, AttributeError, ZeroDivisionError, RecursionError, json.JSONDecodeError) as error:
        told = {KeyError: f"the field {error} is missing", RecursionError: "nested too deeply"}
        raise ValueError(f"not a certificate, which is one JSON object: {told.get(type(error), error)}") from None
    kinds = [kind for e in points for kind in (e["reality"], e["distinct"] and "distinct")]
    around = f", each on a manifold of zeros of dimension {dimension}" if dimension else ""
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("distinct", "real", "not real", "undecided"))
    return f"{len(points)} regular zero{'s' * (len(points) > 1)} proved{around}: {counts}"


def _check_form(entry: dict[str, Any], n_unknowns: int, n_equations: int) -> None:
    """Raises ValueError for fields of another length or kind, KeyError for missing ones."""
    sizes = dict.fromkeys(("point", "midpoint", "radii"), n_unknowns) | {"matrix": n_equations}
    for key, size in sizes.items():
        if len(entry[key]) != size:
            raise ValueError(f"{key} must have {size} entries, got {len(entry[key])}")
    if any(len(row) != n_equations for row in entry["matrix"]):
        raise ValueError(f"each row of matrix must have {n_equations} entries")
    pairs = [*entry["point"], *entry["midpoint"], *(pair for row in entry["matrix"] for pair in row)]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("each complex number must be a pair, its real and its imaginary part")
    radii = [radius for radius in entry["radii"] if radius is not None]
    for number in (*(part for pair in pairs for part in pair), *radii, entry["distance"]):
        if not _NUMBER.fullmatch(number):
            raise ValueError(f"numbers are written as mantissa p exponent of 2, such as 3p-2, got {number[:30]!r}")
    if entry["reality"] not in (kinds := ("real", "not real", "undecided")):
        raise ValueError(
            f"reality must be one of the following, but is none of {', '.join(kinds)}: {entry['reality']!r:.30}"
        )
    if type(entry["distinct"]) is not bool:
        raise ValueError(f"distinct must be true or false, got {entry['distinct']!r:.30}")
