"""The report as one self-contained HTML page: figures inside, no script, nothing fetched when it opens."""

import base64
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from theory.claims.claim import Claim, plain

if TYPE_CHECKING:
    from empirical.report import Report

TEMPLATE = Path(__file__).with_name("page.html")


def render(report: "Report", written: str) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"short": short, "embed": embed}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report, written=written, table=values_table
    )


def embed(figure: Path) -> str:
    """A PNG file as a data address."""
    return "data:image/png;base64," + base64.b64encode(figure.read_bytes()).decode("ascii")


def values_table(claim: Claim) -> list[tuple[str, str, str]]:
    """(instance, predicted, observed) lines of a claim; one line without a name where the values have no instances."""
    predicted, observed = claim.predicted, claim.observed
    if not (isinstance(predicted, Mapping) and isinstance(observed, Mapping)):
        return [("", short(predicted), short(observed))]
    names = list(dict.fromkeys([*predicted, *observed]))
    return [(str(name), short(predicted.get(name, "")), short(observed.get(name, ""))) for name in names]


def short(value: Any) -> str:
    """A value as a person would write it: a few significant digits, long lists cut and counted."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Fraction | str):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.1f}" if abs(value) < 1e9 else f"{value:.4e}"
    if isinstance(value, complex):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {short(item)}" for key, item in value.items())
    if isinstance(value, Sequence):
        shown = ", ".join(short(item) for item in value[:12])
        return shown + (f", … ({len(value)} in all)" if len(value) > 12 else "")
    return short(plain(value))
