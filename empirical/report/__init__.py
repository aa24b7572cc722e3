"""Every claim, both sides, one page: `compare` runs the checks and writes the report."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from theory.claims.claim import Claim, plain
from theory.parallel import in_processes

Progress = Callable[[int, int, str], None]
Outcome = tuple[Claim, tuple[Path, ...]]  # a claim, and the PNG figures of its experiment
SIDES = ("theory", "empirical")


@dataclass(frozen=True)
class Row:
    """One claim of the page: either side may be missing, never both."""

    id: str
    theory: Claim | None
    empirical: Claim | None
    figures: tuple[Path, ...] = ()  # PNG files of the experiment

    @property
    def claims(self) -> tuple[Claim, ...]:
        return tuple(claim for claim in (self.theory, self.empirical) if claim is not None)


@dataclass(frozen=True)
class Report:
    """What `compare` returns: the rows in the order of the claims, and the page."""

    rows: tuple[Row, ...]
    path: Path
    preset: str
    seed: int


def compare(
    ids: Iterable[str] | str | None = None,
    preset: str = "smoke",
    out: str | Path = "report",
    *,
    data: Any = None,
    seed: int = 0,
    device: str = "auto",
    progress: Progress | None = None,
) -> Report:
    """Check every claim (or the given ids) on each side that it has, and write one page that shows them side by side.

    out: folder that receives `report.html` (self-contained), `claims.json`, `figures/` and the runs under `runs/`;
    finished runs with the same configuration are not run again.
    Raises ValueError for an unknown claim or preset, or data that is missing, before anything is written.
    """
    from empirical.experiments import PRESETS, check_request

    wanted = _select(ids)
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}: choose {', '.join(PRESETS)}")
    for side, claim_id in wanted:
        if side == "empirical":
            check_request(claim_id, preset, data, device)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"the report cannot be written to {folder}: {error.strerror}; give another folder") from None
    outcomes = _run_all(wanted, preset, folder / "runs", data, seed, device, progress)
    rows = tuple(_row(claim_id, outcomes) for claim_id in dict.fromkeys(claim_id for _, claim_id in wanted))
    report = Report(rows, folder / "report.html", preset, seed)
    _write(report)
    return report


def _row(claim_id: str, outcomes: dict[tuple[str, str], Outcome]) -> Row:
    theory, empirical = (outcomes.get((side, claim_id), (None, ())) for side in SIDES)
    return Row(claim_id, theory[0], empirical[0], empirical[1])


def _select(ids: Iterable[str] | str | None) -> list[tuple[str, str]]:
    """(side, id) of all checks asked for, in the order of the claims."""
    from empirical.experiments import EXPERIMENTS
    from theory.claims import CLAIM_IDS, CLAIMS

    available = {"theory": set(CLAIMS), "empirical": set(EXPERIMENTS)}
    known = [claim_id for claim_id in CLAIM_IDS if any(claim_id in names for names in available.values())]
    chosen = known if ids is None else [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
    if not chosen:
        raise ValueError(f"no claim is asked for: leave ids out for all of them, or choose from {', '.join(known)}")
    unknown = [claim_id for claim_id in chosen if claim_id not in known]
    if unknown:
        raise ValueError(f"no claim is called {', '.join(map(repr, unknown))}; known are {', '.join(known)}")
    return [(side, claim_id) for claim_id in chosen for side in SIDES if claim_id in available[side]]


def _run_all(
    wanted: list[tuple[str, str]],
    preset: str,
    runs: Path,
    data: Any,
    seed: int,
    device: str,
    progress: Progress | None,
) -> dict[tuple[str, str], Outcome]:
    """Each check in a worker process; as many at once as there are cores."""

    def ended(position: int, done: int, outcome: Outcome) -> None:
        if progress is not None:
            side, claim_id = wanted[position]
            progress(done, len(wanted), f"{claim_id} ({side}): {outcome[0].verdict}")

    arguments = [(side, claim_id, preset, runs, data, seed, device) for side, claim_id in wanted]
    return dict(zip(wanted, in_processes(_check, arguments, each=ended), strict=True))


def _check(side: str, claim_id: str, preset: str, runs: Path, data: Any, seed: int, device: str) -> Outcome:
    if side == "theory":
        from theory.claims import verify

        return verify(claim_id, seed=seed), ()
    from empirical.experiments import run

    done = run(claim_id, preset=preset, data=data, device=device, seed=seed, out=runs, resume=True)
    # The artifacts as seen from the report's folder, where claims.json lies.
    artifacts = tuple(str(Path(runs.name) / done.path.name / name) for name in done.claim.artifacts)
    return replace(done.claim, artifacts=artifacts), tuple(done.figures.values())


def _write(report: Report) -> None:
    """claims.json, the figures and the page; each replaces its predecessor in one step."""
    from empirical.records import write
    from empirical.report import page

    folder = report.path.parent
    for row in report.rows:
        for source in row.figures:
            for path in (source, source.with_suffix(".svg")):
                write(folder / "figures" / f"{row.id}-{path.name}", path.read_bytes())
    written = datetime.now(UTC).isoformat(timespec="seconds")
    content = {
        "preset": report.preset,
        "seed": report.seed,
        "written": written,
        "claims": [asdict(claim) for row in report.rows for claim in row.claims],
    }
    write(folder / "claims.json", json.dumps(plain(content), indent=1, allow_nan=False) + "\n")
    write(report.path, page.render(report, written))
