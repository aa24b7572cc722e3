"""Every system of the table with many seeds, networks with new data each time: what is lost, doubled, false, undecided.

At default settings. The numbers of zeros of the networks for generic data are those of total-degree tracking and of
monodromy with a passed trace test.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

import theory as th
from benchmarks.systems import Case
from theory.continuation import sift
from theory.systems import PolynomialSystem

SAME = 1e-6  # relative distance below which two regular solutions are one
FALSE = 1e-7  # relative residual from which on a point solves nothing


def _network(widths: tuple[int, ...], coefficients: tuple[int, ...], n: int, seed: int) -> PolynomialSystem:
    """A network on n random points, made square by random affine equations; data and slices go with the seed."""
    rng = np.random.default_rng([seed, n, *widths])
    bias = (True,) * (len(widths) - 2) + (False,)
    network = th.PolynomialNetwork(widths, th.PolynomialActivation(list(coefficients)), bias=bias)
    return network.interpolation_system(rng.normal(size=(n, widths[0])), rng.normal(size=n)).slice(seed)


_SQUARE, _CUBE, _CUBIC = (0, 0, 1), (0, 0, 0, 1), (0, 1, 1, 1)
_FRESH = {
    "1-2-1, z^2, 3 points": (partial(_network, (1, 2, 1), _SQUARE, 3), 12),
    "2-2-1, z^2, 4 points": (partial(_network, (2, 2, 1), _SQUARE, 4), 45),
    "2-2-1, z^2, 5 points": (partial(_network, (2, 2, 1), _SQUARE, 5), 36),
    "2-3-1, z^2, 6 points": (partial(_network, (2, 3, 1), _SQUARE, 6), 90),
    "1-2-1, z^3, 4 points": (partial(_network, (1, 2, 1), _CUBE, 4), 32),
    "1-3-1, z^3, 4 points": (partial(_network, (1, 3, 1), _CUBE, 4), 120),
    "2-2-1, cubic, 5 points": (partial(_network, (2, 2, 1), _CUBIC, 5), 475),
    "1-2-1-1, z^2, 3 points": (partial(_network, (1, 2, 1, 1), _SQUARE, 3), 172),
}


def fresh(seed: int) -> list[Case]:
    """Networks with data of their own for each seed: ill-conditioned zeros, of size 10^4, are among theirs."""
    return [Case(name, partial(build, seed), roots, roots) for name, (build, roots) in _FRESH.items()]


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
    cases: Callable[[int], Sequence[Case]],
    starts: Sequence[str],
    paths: int,
    seeds: int,
    tell: Callable[[int, int], None] | None = None,
    file: Path | None = None,
) -> Iterator[Trial]:
    """cases(seed) from all starts with seed 0, 1, ...: whole rounds, until so many seeds and paths are done.

    file: where each trial is written down, one JSON object a line; those it has are not done again
    """
    known = {(t.case, t.start, t.seed): t for t in ([] if file is None else read(file))}
    done, seed = 0, 0
    while seed < seeds or done < paths:
        before = done
        for start in starts:
            for case in cases(seed):
                result = known.get((case.name, start, seed))
                if result is None:
                    result = trial(case, start, seed)
                    if file is not None:
                        with file.open("a", encoding="utf-8") as lines:
                            lines.write("\n" + json.dumps(asdict(result)))  # after a line that may be cut short
                done += result.paths
                if tell is not None:
                    tell(min(done, paths), paths)
                yield result
        seed += 1
        if done == before:  # every solve raised an error: no use in going on
            return


def read(file: Path) -> list[Trial]:
    """The trials of a file; a line cut short by the end of a run does not count."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            found.append(Trial(**json.loads(line)))
        except (TypeError, ValueError):
            continue
    return found


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
