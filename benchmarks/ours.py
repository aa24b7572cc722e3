"""This project's own times: tracking, whole solves, the second processor, families, the first solve of a process.

CPU seconds of this process unless a name says wall; the best of several runs, after one that compiles or loads.
"""

import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import theory as th
from benchmarks.systems import CASES
from theory.continuation.homotopy import reduce
from theory.continuation.outcomes import ends_of
from theory.continuation.start import total_degree
from theory.continuation.tracker import DEFAULT, track
from theory.systems import PolynomialSystem

_LONGEST = 2.0  # CPU seconds after which no further run is added


@dataclass(frozen=True)
class Speed:
    """CPU seconds of ours for one system.

    tracking: all total-degree paths to their ends, endgame included, the tape built before; paths: their number
    alone: the part of that without endgame and second attempts
    solving: the whole of th.solve(system); start: the start system it took; solved: the paths that needed
    roots: the multiplicities it found, summed up; distinct: solutions; failed: its undecided paths
    """

    paths: int
    tracking: float
    alone: float
    solving: float
    start: str
    solved: int
    roots: int
    distinct: int
    failed: int


def best(work: Callable[[], object], clock: Callable[[], float] = time.process_time, runs: int = 60) -> float:
    """Seconds of the fastest of several runs."""
    times: list[float] = []
    while len(times) < runs and (len(times) < 2 or sum(times) < _LONGEST):
        before = clock()
        work()
        times.append(clock() - before)
    return min(times)


def child_cpu() -> float:
    """CPU seconds of the processes this one has started and waited for."""
    times = os.times()
    return times.children_user + times.children_system


@contextmanager
def one_processor() -> Iterator[None]:
    """Bind this process, and those it starts, to one processor, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def warm_up() -> None:
    """Compile the tracker, or load it from its cache."""
    for name in ("noon-3", "double-root", "net_d1h2N3"):
        th.solve(CASES[name].system)


def compile_time() -> float:
    """CPU seconds that a new process needs for `warm_up` where nothing is compiled yet, less those of the next one."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, "-c", "from benchmarks import ours; ours.warm_up()"]
        environment, root = {**os.environ, "NUMBA_CACHE_DIR": folder}, Path(__file__).resolve().parents[1]
        times = [child_cpu()]
        for _ in range(2):
            subprocess.run(line, check=True, env=environment, cwd=root)
            times.append(child_cpu())
    return (times[1] - times[0]) - (times[2] - times[1])


def speed(system: PolynomialSystem) -> Speed:
    """Times of one system, after `warm_up`."""
    homotopy = total_degree(reduce(system), 0, 10**9)
    found = th.solve(system)
    return Speed(
        paths=len(homotopy.starts),
        tracking=best(lambda: ends_of(homotopy, DEFAULT, None)),
        alone=best(lambda: track(homotopy.tape, homotopy.starts, homotopy.parameters)),
        solving=best(lambda: th.solve(system)),
        start=found.start,
        solved=found.paths.tracked,
        roots=int(found.multiplicity.sum()),
        distinct=len(found),
        failed=found.paths.failed,
    )


@dataclass(frozen=True)
class SecondProcessor:
    """Wall seconds of tracking alone, with one thread and with two."""

    system: str
    paths: int
    one: float
    two: float

    @property
    def ratio(self) -> float:
        return self.one / self.two


def second_processor(name: str, runs: int = 7) -> SecondProcessor:
    """One and two threads by turns, so that other work on the computer slows both; the best run of each."""
    homotopy = total_degree(reduce(CASES[name].system), 0, 10**9)
    wall = [math.inf, math.inf]
    for _ in range(runs):
        for k in range(2):
            before = time.perf_counter()
            track(homotopy.tape, homotopy.starts, homotopy.parameters, threads=k + 1)
            wall[k] = min(wall[k], time.perf_counter() - before)
    return SecondProcessor(name, len(homotopy.starts), *wall)


@dataclass(frozen=True)
class FamilySpeed:
    """A network family: what finding it took (wall seconds, paths), and wall and CPU seconds per new data set."""

    name: str
    unknowns: int
    degree: int
    found_wall: float
    found_paths: int
    sets: int
    lost: int
    wall: float
    cpu: float


FAMILIES: dict[str, tuple[tuple[int, ...], int, int]] = {  # widths, power of the activation, data points
    "net_d2h3N6": ((2, 3, 1), 2, 6),
    "net_d2h3N5": ((2, 3, 1), 2, 5),
    "net_d1h3N4_cubic": ((1, 3, 1), 3, 4),
    "net_d3h2N6": ((3, 2, 1), 2, 6),
}


def family_speed(name: str, sets: int = 200, seed: int = 0) -> FamilySpeed:
    """Solve new data sets with `solve_each`; lost: solutions that are missing in all of them together."""
    widths, power, n = FAMILIES[name]
    network = th.PolynomialNetwork(widths, th.monomial(power), bias=(True, False))
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, widths[0]))
    before = time.perf_counter()
    found = th.family(network, inputs, seed=seed)
    found_wall = time.perf_counter() - before
    found.solve_each(rng.normal(size=(2, n)))
    targets = rng.normal(size=(sets, n))
    wall, cpu = time.perf_counter(), time.process_time()
    solved = found.solve_each(targets)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    lost = sum(found.degree - int(s.multiplicity.sum()) for s in solved)
    return FamilySpeed(
        name, len(found.tape.group) - 1, found.degree, found_wall, found.tracked, sets, lost, wall / sets, cpu / sets
    )


@dataclass(frozen=True)
class FirstAnswer:
    """Wall and CPU seconds of a whole new process, the fastest of several."""

    what: str
    wall: float
    cpu: float


def first_solve(runs: int = 5) -> list[FirstAnswer]:
    """`theory solve` on cyclic-5, and for comparison what its imports take."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cyclic5.txt"
        file.write_text(CASES["cyclic-5"].system.to_text("phcpack"), encoding="utf-8")
        commands = {
            "python": ["-c", "pass"],
            "import numpy, numba": ["-c", "import numpy, numba"],
            "import theory.continuation.solve": ["-c", "import theory.continuation.solve"],
            "theory solve": ["-m", "theory", "solve", str(file)],
        }

        def run(arguments: list[str]) -> object:
            return subprocess.run([sys.executable, *arguments], capture_output=True, check=True)

        run(commands["theory solve"])
        return [
            FirstAnswer(
                what, best(partial(run, line), time.perf_counter, runs), best(partial(run, line), child_cpu, runs)
            )
            for what, line in commands.items()
        ]
