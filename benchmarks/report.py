"""The tables: what was measured beside what is wanted, as text and as JSON."""

import importlib.metadata
import json
import math
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.ours import Speed
from benchmarks.peers import Timing
from benchmarks.systems import PER_PATH, PER_SYSTEM


@dataclass(frozen=True)
class Row:
    """One system: our times, each peer's time, and why a peer has none."""

    system: str
    unknowns: int
    known: int
    ours: Speed
    peers: dict[str, Timing]
    missing: dict[str, str]

    def ratio(self, peer: str) -> float | None:
        """CPU time of a peer over ours: per tracked path for phcpy, per solved system for the others."""
        timing = self.peers.get(peer)
        if timing is None:
            return None
        if peer == "phcpy":
            return timing.seconds / timing.count / (self.ours.tracking / self.ours.paths)
        return timing.seconds / self.ours.solving


@dataclass(frozen=True)
class Target:
    """A number of the table that is to be reached; higher is better unless `at_most`."""

    what: str
    wanted: float
    measured: float | None
    over: int = 1  # systems it is taken over
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


def targets(rows: Sequence[Row]) -> list[Target]:
    """What the ratios should be at least, over the systems that the comparison is about."""

    def ratios(peer: str, names: Sequence[str]) -> list[float]:
        return [value for row in rows if row.system in names and (value := row.ratio(peer)) is not None]

    path, phc, m2 = ratios("phcpy", PER_PATH), ratios("phc", PER_SYSTEM), ratios("m2", PER_SYSTEM)
    return [
        Target("phcpy, total degree, per path: median", 150, statistics.median(path) if path else None, len(path)),
        Target("phcpy, total degree, per path: worst", 75, min(path, default=None), len(path)),
        Target("phc -b, per system: geometric mean", 100, geometric_mean(phc), len(phc)),
        Target("phc -b, per system: worst", 15, min(phc, default=None), len(phc)),
        Target("Macaulay2 solveSystem, per system: geometric mean", 30, geometric_mean(m2), len(m2)),
    ]


def geometric_mean(values: Sequence[float]) -> float | None:
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def tracker_table(rows: Sequence[Row]) -> Table:
    """CPU seconds for orientation; the ratios are the result."""
    table = Table(title="One processor, CPU seconds; ratios from this run, compile time excluded")
    for name in ("system", "n", "paths", "µs/path", "no endgame", "solve ms", "roots", "undecided"):
        table.add_column(name, justify="left" if name == "system" else "right")
    for name in ("phcpy s", "per path", "phc -b s (sols)", "ratio", "M2 s (sols)", "ratio"):
        table.add_column(name, justify="right")
    for row in rows:
        ours = row.ours
        roots = f"{ours.roots}" if ours.roots == row.known else f"[red]{ours.roots} of {row.known}[/red]"
        cells = [row.system, str(row.unknowns), str(ours.paths), f"{ours.tracking / ours.paths * 1e6:.0f}"]
        cells += [f"{ours.alone / ours.paths * 1e6:.0f}"]
        cells += [f"{ours.solving * 1e3:.1f}", roots, str(ours.failed)]
        for peer in ("phcpy", "phc", "m2"):
            cells += _cells(row, peer)
        table.add_row(*cells)
    return table


def _cells(row: Row, peer: str) -> list[str]:
    timing, ratio = row.peers.get(peer), row.ratio(peer)
    if timing is None or ratio is None:
        return ["-", "-"]
    count = f" ({timing.count})" if peer != "phcpy" else "*" if timing.note else ""
    return [f"{timing.seconds:.3g}{count}", f"{ratio:.0f}x" if ratio >= 10 else f"{ratio:.1f}x"]


def remarks(rows: Sequence[Row], compiling: float | None = None) -> list[str]:
    """Peers that are missing, and for which systems; subsets of paths; CPU seconds of compiling."""
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        for reason in row.missing.values():
            by_reason.setdefault(reason, []).append(row.system)
        for timing in row.peers.values():
            if timing.note:
                by_reason.setdefault(f"* {timing.note}", []).append(row.system)
    once = [f"compiling takes {compiling:.0f} CPU seconds, once: a cache on disk keeps the code"] if compiling else []
    return once + [
        reason if len(systems) == len(rows) > 1 else f"{reason}: {', '.join(systems)}"
        for reason, systems in by_reason.items()
    ]


def target_table(found: Sequence[Target]) -> Table:
    table = Table(title="Against what is wanted")
    for name in ("what", "over", "wanted", "measured", ""):
        table.add_column(name, justify="left" if name == "what" else "right")
    for target in found:
        sign = "≤" if target.at_most else "≥"
        measured = "-" if target.measured is None else f"{target.measured:.3g}"
        verdict = {None: "not measured", True: "[green]reached[/green]", False: "[red]below[/red]"}[target.met]
        if target.at_most and target.met is False:
            verdict = "[red]above[/red]"
        table.add_row(target.what, str(target.over), f"{sign} {target.wanted:g}", measured, verdict)
    return table


def plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(title=title)
    for k, column in enumerate(columns):
        table.add_column(column, justify="right" if k else "left")
    for row in rows:
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    return table


def show(*parts: object) -> None:
    console = Console(width=None if Console().is_terminal else 160, highlight=False)
    for part in parts:
        console.print(part)


def write(path: str, kind: str, content: dict[str, Any]) -> None:
    """A result with the versions it was made with."""
    packages = ("numpy", "numba", "llvmlite", "theory2-landscape")
    versions = {name: importlib.metadata.version(name) for name in packages}
    head = {"kind": kind, "python": platform.python_version(), "versions": versions, "processor": _processor()}
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**head, **content}, indent=1, default=_plain) + "\n", encoding="utf-8")


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return asdict(value)
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
