"""What the command line prints: tables, JSON with the attribute names as keys, and a progress bar."""

import json
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from theory.claims.claim import Claim
    from theory.continuation.solutions import SolutionSet
    from theory.real_components import RealComponent
    from theory.root_counts import Bounds
    from theory.sweeps import Swept

_ROUNDING = 1e-12  # a coordinate below that, relative to 1 + the largest, is printed as 0


def attributes(value: Any) -> dict[str, Any]:
    """The public attributes of a result: fields and properties, by name."""
    if hasattr(value, "to_dict"):
        return dict(value.to_dict())
    names = [field.name for field in fields(value)] if is_dataclass(value) else list(vars(value))
    properties = [name for name in dir(type(value)) if _is_quantity(getattr(type(value), name))]
    public = [name for name in dict.fromkeys([*names, *properties]) if not name.startswith("_")]
    return {name: getattr(value, name) for name in public}


def _is_quantity(member: Any) -> bool:
    return isinstance(member, property) or type(member).__name__ == "cached_property"


def echo_json(value: Any) -> None:
    from theory.claims.claim import plain

    if isinstance(value, dict):  # counts stay whole numbers at the top level, however long
        value = {key: item if isinstance(item, int) else plain(item) for key, item in value.items()}
    else:
        value = plain(value)
    click.echo(json.dumps(value, indent=1, allow_nan=False))


def show(values: dict[str, Any], as_json: bool, title: str) -> None:
    if as_json:
        echo_json(values)
    else:
        table(title, ("quantity", "value"), [[name, text(value)] for name, value in values.items()])


def show_bounds(b: "Bounds") -> None:
    degrees = ", ".join(f"{count} of degree {degree}" for degree, count in b.degrees)
    title = f"{b.n_equations:,} equations ({degrees}) in {b.n_unknowns:,} unknowns"
    meanings = {
        "bezout": "at most so many isolated zeros",
        "multihomogeneous": "at most so many isolated zeros",
        "stable_mixed_volume": "at most so many isolated zeros",
        "mixed_volume": "at most so many isolated zeros without zero coordinates",
        "paper_bezout": "the paper's count, l^(N d): no bound, see below",
        "shub_smale": "the paper's l^(N d/2): the order of the real zeros, no bound",
    }
    if b.paper_bezout is None and b.log2_paper_bezout is None:
        meanings["shub_smale"] = "mean number of real zeros of Kostlan's random systems, no bound"
    rows = []
    for name, meaning in meanings.items():
        exact, log2 = getattr(b, name), getattr(b, f"log2_{name}")
        missing = "not computed" if log2 is None else "irrational" if log2 < 14_000 else "too long to write out"
        if exact is not None or log2 is not None or "mixed" in name:
            number = f"{exact:,}" if exact is not None else missing
            rows.append([name, number, "" if log2 is None else f"{log2:,.1f}", meaning])
    table(title, ("quantity", "number", "log2", "what it says"), rows)
    groups = " | ".join(" ".join(group) for group in b.partition)
    proved = "; no partition has a smaller number" if b.partition_proved else ""
    lines = [f"Groups of the multihomogeneous number: {groups} ({b.partition_search}{proved})"]
    if b.mixed_volume_limit:
        lines.append(f"Mixed volumes: {b.mixed_volume_limit}")
    for line in (*lines, *b.notes):
        click.echo(textwrap.fill(line, 110, initial_indent="- ", subsequent_indent="  "))


def table(title: str, columns: Any, rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table()
    for column in columns:
        drawn.add_column(str(column), overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(Text(title))  # a table's own title would be folded to the table's width
    console.print(drawn)


def text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and abs(value) >= 10**12:
        return f"about 2^{value.bit_length() - 1}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {text(item)}" for key, item in value.items())
    return "not known" if value is None else str(value)


def _number(z: complex) -> str:
    return f"{z.real:.10g}" if not z.imag else f"{z.real:.10g}{z.imag:+.10g}i"


def control_verdict(claim: "Claim") -> str:
    return "failed as it must" if claim.control.passed else "did not fail"


def show_cases(claim: "Claim") -> None:
    rows = [[key, text(value), text(claim.observed[key])] for key, value in dict(claim.predicted).items()]
    rows.append([f"control: {claim.control.description}", text(claim.control.expected), text(claim.control.observed)])
    table(f"{claim.id}: {claim.statement}", ("case", "predicted", "observed"), rows)


class Progress:
    """A progress bar on standard error, where that is a terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self._update

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _update(self, done: int, total: int, said: str) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = _bar()
            self._task = self._bar.add_task(self._what, total=total, rate="")
            self._begun, self._before = time.monotonic(), done
            self._bar.start()
        rate = (done - self._before) / max(time.monotonic() - self._begun, 1e-3)
        shown = f"{rate:.0f}/s" if rate >= 10 else ""
        self._bar.update(self._task, completed=done, total=total, description=f"{self._what}: {said}", rate=shown)


def _bar() -> Any:
    """What is done, of how much, how fast, and the time left."""
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def show_solutions(result: "SolutionSet") -> None:
    """What `solve` found, as tables."""
    show(attributes(result.paths), False, "Paths")
    columns = [*result.names, "residual", "multiplicity"]
    rows = [
        [*map(_number, point), f"{residual:.1e}", str(multiplicity)]
        for point, residual, multiplicity in zip(result.solutions, result.residual, result.multiplicity, strict=True)
    ]
    table(f"{len(rows)} distinct solutions, {len(result.real)} of them real", columns, rows)
    for note in result.notes:
        click.echo(note)


def real_pieces(pieces: "Sequence[RealComponent] | None", reason: str | None) -> dict[str, Any]:
    """Connected real pieces, each with its certificate, under their name; None and why where they are not counted."""
    if pieces is None:
        return {"real_components": None, "real_components_reason": reason}
    rows = [{"point": p.point, "euler_characteristic": p.euler_characteristic} for p in pieces]
    return {
        "real_components": [
            {**row, "certificate": json.loads(p.certificate)} for row, p in zip(rows, pieces, strict=True)
        ]
    }


def show_real_pieces(pieces: "Sequence[RealComponent] | None", reason: str | None) -> None:
    """A point on each connected real piece, as a table; or why they are not counted."""
    if pieces is None:
        click.echo(f"The connected real pieces are not counted: {reason}")
        return
    rows = [[", ".join(_coordinates(p.point.tolist())), str(p.euler_characteristic)] for p in pieces]
    table(f"{len(rows)} connected real pieces", ("a point on it", "Euler characteristic"), rows)


def _coordinates(point: list[float]) -> list[str]:
    """Numbers as text, those that are rounding next to the largest as 0."""
    size = 1 + max(map(abs, point), default=0.0)
    return [f"{v if abs(v) > _ROUNDING * size else 0:.6g}" for v in point]


def shown_counts(counts: dict[str, Any]) -> dict[str, Any]:
    """The counts of a neurovariety as they are printed: points of infinite fibres are infinitely many."""
    if counts.get("fibre_is_finite", True):
        return counts
    return counts | {"fibre_points": "infinite", "fibre_classes": "infinite"}


def show_sweep(rows: "Sequence[Swept]", as_json: bool) -> None:
    """What a sweep over networks found: a list of objects, or a table."""
    objects: list[dict[str, Any]] = [
        {"widths": row.widths, "activation_degree": row.activation_degree}
        | (attributes(row.neurovariety) if row.neurovariety else {"reason": row.reason})
        | (row.counts if as_json else shown_counts(row.counts))
        for row in rows
    ]
    if as_json:
        echo_json(objects)
        return
    head = ("n_parameters", "dimension", "expected_dimension", "ambient_dimension", "defect", "fills")
    counted = (
        ("degree", "learning_degree", "fibre_dimension", "fibre_points") if any(row.counts for row in rows) else ()
    )
    columns = ("widths", "power", "weights", "dimension", "expected", "ambient", "defect", "fills", *counted)
    lines = []
    for found in objects:
        network = [",".join(map(str, found["widths"])), str(found["activation_degree"])]
        values = [text(found.get(name)) if found.get(name) is not None else "" for name in (*head, *counted)]
        lines.append(network + values)
    table(f"Neurovarieties of {len(rows)} networks", columns, lines)
    if any(row.counts.get("fibre_points") for row in rows):
        click.echo("fibre_points are numerical: that none is missing from every fibre is not proved")
    for found in objects:
        note = found.get("reason") or found.get("counts_limit")
        if note:
            click.echo(f"{','.join(map(str, found['widths']))}, power {found['activation_degree']}: {note}")
