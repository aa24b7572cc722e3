"""Every system of the table with many seeds: what is lost, doubled, false or undecided at default settings."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

import theory as th
from benchmarks.systems import Case
from theory.continuation import sift

SAME = 1e-6  # relative distance below which two regular solutions are one
FALSE = 1e-7  # relative residual from which on a point solves nothing


@dataclass(frozen=True, eq=False)
class Trial:
    """One solve: the number of paths by outcome, and what is wrong with the solutions.

    lost, surplus: roots (with multiplicity) below and above the known number; doubled: regular solutions that come
    twice; false: points whose residual in the original system is too large; error: the exception, if one was raised
    """

    case: str
    start: str
    seed: int
    paths: int = 0
    failed: int = 0
    lost: int = 0
    surplus: int = 0
    distinct_off: int = 0
    doubled: int = 0
    false: int = 0
    error: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        return not (self.error or self.lost or self.surplus or self.distinct_off or self.doubled or self.false)

    def complaint(self) -> str:
        """What went wrong, in words."""
        if self.error:
            return self.error
        names = ("lost", "surplus", "distinct_off", "doubled", "false", "failed")
        found = [f"{getattr(self, name)} {name.replace('_', ' ')}" for name in names if getattr(self, name)]
        return "; ".join([", ".join(found), *self.notes])


def trial(case: Case, start: str, seed: int) -> Trial:
    """Solve once and compare with what is known."""
    try:
        found = th.solve(case.system, start=start, seed=seed)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return Trial(case.name, start, seed, error=f"{type(error).__name__}: {error}")
    roots = int(found.multiplicity.sum())
    regular = found.solutions[~found.singular]
    pairs = sum(i < j for i, j, _ in sift.close_pairs(regular, regular, SAME))
    return Trial(
        case.name,
        start,
        seed,
        paths=found.paths.tracked,
        failed=found.paths.failed,
        lost=max(0, case.roots - roots),
        surplus=max(0, roots - case.roots),
        distinct_off=abs(len(found) - case.distinct),
        doubled=pairs,
        false=int((_residuals(case, found.solutions) > FALSE).sum()),
        notes=found.notes,
    )


def _residuals(case: Case, points: np.ndarray) -> np.ndarray:
    """(p,) of the system as it was given, relative to the sum of its terms."""
    system = case.system
    if not len(points):
        return np.zeros(0)
    return (np.abs(system.evaluate(points)) / (1 + system.magnitude(points))).max(axis=1)


def trials(
    cases: Sequence[Case], starts: Sequence[str], paths: int, seeds: int, tell: Callable[[int, int], None] | None = None
) -> Iterator[Trial]:
    """All systems from all starts with seed 0, 1, ...: whole rounds, until so many seeds and paths are done."""
    done, seed = 0, 0
    while seed < seeds or done < paths:
        before = done
        for start in starts:
            for case in cases:
                result = trial(case, start, seed)
                done += result.paths
                if tell is not None:
                    tell(min(done, paths), paths)
                yield result
        seed += 1
        if done == before:  # every solve raised an error: no use in going on
            return


def summary(results: Sequence[Trial], by: Callable[[Trial], tuple[str, ...]]) -> dict[tuple[str, ...], Counter[str]]:
    """Sums over the trials that share a key."""
    sums: dict[tuple[str, ...], Counter[str]] = {}
    for result in results:
        total = sums.setdefault(by(result), Counter())
        total["solves"] += 1
        total["errors"] += bool(result.error)
        total["missed"] += not result.passed
        for name in ("paths", "failed", "lost", "surplus", "distinct_off", "doubled", "false"):
            total[name] += getattr(result, name)
    return sums


def complaints(results: Sequence[Trial]) -> list[str]:
    """What went wrong, one line for each system, start and kind of failure, with its seeds."""
    seeds: dict[tuple[str, str, str], list[int]] = {}
    for result in results:
        if not result.passed:
            seeds.setdefault((result.case, result.start, result.complaint()), []).append(result.seed)
    return [
        f"{case}, start {start}, seeds {', '.join(map(str, s))}: {text}" for (case, start, text), s in seeds.items()
    ]
