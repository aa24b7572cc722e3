"""How often does descent end in a spurious minimum? The published tables, row by row. The claim `spurious-minima`.

A student of n ReLUs learns a teacher of k orthonormal ones by gradient descent on the population loss, in closed form,
from N(0, 1/k) starts; an end above 1e-3 is spurious. The descents of a row are compiled and follow one another without
Python between them; how much faster that is than a loop of numpy steps is measured on a few runs of two rows.

The test: in each row our count against the printed share of 1,000 runs, Fisher's exact test, error rate 0.01 shared by
the rows; for n >= k + 2 no run may end spurious. Too few runs decide nothing: where half our 95 % interval is wider
than PRECISION, and for n >= k + 2 where runs that end spurious at the rate RARE might well not have shown.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from empirical.records import Result
from theory.claims import spurious_minima as published
from theory.claims.claim import Case, Claim
from theory.claims.spurious_minima import Ends, Row
from theory.confidence import differ
from theory.teacher_student import descend, gradient, loss, starts

ID = "spurious-minima"
STATEMENT = (
    "Gradient descent on the population loss of a teacher of k and a student of n ReLUs ends in spurious local minima "
    "in the printed shares of runs; never for n >= k + 2."
)
SOURCE = published.SOURCE
REPORTED = {f"k={row.k}, n={row.n}": {"per cent": row.percent, "eigenvalue": row.eigenvalue, "value": row.value}
            for row in published.TABLE}  # fmt: skip

PRECISION = 0.1  # shares
RARE = 0.05  # share of runs; it stays unseen with probability (1 - RARE)^runs, below 0.01 from 90 runs on


@dataclass(frozen=True)
class Config:
    """largest: k and n up to which rows are run; runs: of each row; timed: (k = n, runs of the loop in Python)"""

    largest: int = 12
    runs: int = 400
    timed: tuple[tuple[int, int], ...] = ((6, 5), (12, 2))


PRESETS = {
    "smoke": Config(largest=9, runs=200, timed=((6, 1),)),
    "cpu": Config(),
    "paper": Config(largest=20, runs=1000, timed=((6, 20), (12, 10))),
}


def compute(
    config: Config,
    data: None = None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
) -> Result:
    """Run every row up to `largest`, and time a few descents both ways."""
    rows = [row for row in (*published.TABLE, *published.WIDER) if max(row.k, row.n) <= config.largest]
    found = []
    for k, row in enumerate(rows):
        found.append(published.observed(row.k, row.n, config.runs, seed))
        if progress is not None:
            progress(k + 1, len(rows) + 1, f"k = {row.k}, n = {row.n}")
    ratios = {k: speed_ratio(k, runs, seed) for k, runs in config.timed}
    claim = Claim.from_cases(
        [_case(row, ends, len(rows)) for row, ends in zip(rows, found, strict=True)],
        published.control(seed, runs=200),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Fisher's exact test of {config.runs} runs a row against {published.PRINTED_RUNS} printed ones, "
        f"error rate 0.01 shared by {len(rows)} rows",
        seed=seed,
        note="processor time of a loop in Python over that of the compiled one: "
        + ", ".join(f"{ratio:.0f} at k = {k}" for k, ratio in ratios.items()),
    )
    return Result(
        claim, [_line(row, ends) for row, ends in zip(rows, found, strict=True)], {"rows": rows, "found": found}
    )


def draw(result: Result) -> dict[str, Any]:
    """Shares of spurious ends and their mean losses by k, ours with Wilson intervals, the printed ones beside them."""
    from empirical import plotting

    pairs: Sequence[tuple[Row, Ends]] = list(zip(result.series["rows"], result.series["found"], strict=True))
    figure, axes = plotting.panels(3, width=3.2)
    for place, extra, title in ((axes[0], 0, "n = k"), (axes[1], 1, "n = k + 1")):
        own = [(row, ends) for row, ends in pairs if row.n == row.k + extra]
        shares = np.array([ends.spurious / ends.runs for _, ends in own])
        ends_of = np.array([ends.interval for _, ends in own]).reshape(-1, 2)
        k = np.array([row.k for row, _ in own])
        series = {
            "here, 95 % interval": (k - 0.08, shares, np.array([shares - ends_of[:, 0], ends_of[:, 1] - shares])),
            "printed": (k + 0.08, np.array([row.percent for row, _ in own]) / 100),
        }
        plotting.points(series, x="teacher units k", y="share of spurious ends", title=title, axes=place)
    own = [(row, ends) for row, ends in pairs if row.n == row.k]
    k = np.array([row.k for row, _ in own])
    values = {"here": (k - 0.08, [ends.value for _, ends in own]), "printed": (k + 0.08, [row.value for row, _ in own])}
    plotting.points(values, x="teacher units k", y="mean loss of spurious ends", title="n = k", axes=axes[2])
    return {"tables": figure}


def speed_ratio(k: int, runs: int, seed: int) -> float:
    """Processor time of a loop over runs and steps in Python with numpy over that of the compiled descents, k = n.

    Both start alike, and stop alike: at a loss below 1e-4 or a gradient below 1e-9.
    """
    begin, teacher, step = starts(runs, k, k, seed), np.eye(k), min(0.5, 5 / k)
    descend(begin[:1].copy(), step=step, max_steps=1)  # compiled before the clock starts
    before = time.process_time()
    compiled = descend(begin, step=step)
    fast = time.process_time() - before
    before = time.process_time()
    ends = np.array([loop(start, teacher, step) for start in begin])
    slow = time.process_time() - before
    if not np.allclose(ends, compiled.loss, rtol=1e-2, atol=1e-4):
        raise ArithmeticError(f"both ways must end alike, got losses {ends} and {compiled.loss}")
    return slow / max(fast, 1e-9)


def loop(start: np.ndarray, teacher: np.ndarray, step: float, most: int = 100_000) -> float:
    """The loss at which one descent ends, step by step in numpy; the loss is looked at every tenth step only."""
    w = start.copy()
    for count in range(most):
        slope = gradient(w, teacher)
        if float(np.linalg.norm(slope)) < 1e-9 or (count % 10 == 0 and float(loss(w, teacher)) < 1e-4):
            break
        w = w - step * slope
    return float(loss(w, teacher))


def _case(row: Row, ends: Ends, rows: int) -> Case:
    low, high = ends.interval
    shown = f"{ends.spurious / ends.runs:.1%}, 95 % interval {low:.1%} to {high:.1%}"
    name = f"k={row.k}, n={row.n}: spurious ends"
    if ends.unfinished:
        return Case(name, f"{row.percent} %", f"{shown}; {ends.unfinished} unfinished", None)
    if row.n >= row.k + 2:
        unseen = None if (1 - RARE) ** ends.runs > 0.01 else True
        return Case(name, "none", shown, False if ends.spurious else unseen)
    printed = round(row.percent * published.PRINTED_RUNS / 100)
    p = differ(ends.spurious, ends.runs, printed, published.PRINTED_RUNS)
    agrees: bool | None = p >= 0.01 / rows
    if agrees and high - low > 2 * PRECISION:
        agrees = None
    return Case(name, f"{row.percent} %", f"{shown}, p = {p:.2g}", agrees)


def _line(row: Row, ends: Ends) -> dict[str, Any]:
    low, high = ends.interval
    return {
        "k": row.k, "n": row.n, "runs": ends.runs, "spurious_percent": 100 * ends.spurious / ends.runs,
        "low": 100 * low, "high": 100 * high, "printed_percent": row.percent, "value": ends.value,
        "printed_value": row.value, "eigenvalue": ends.eigenvalue, "printed_eigenvalue": row.eigenvalue,
    }  # fmt: skip
