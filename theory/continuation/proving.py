"""Many proofs: over all cores, and again in smaller boxes where two boxes meet. The answer is that of one process."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import IO, cast

from theory.continuation.boxes import Box, meetings, same_zero
from theory.continuation.krawczyk import Square, prove

Progress = Callable[[int, int, str], None]
Point = Sequence[complex]
_PATIENCE = 3.0  # seconds of work left from which other processes are worth their start
_BATCH = 16  # points proved between two looks at the clock


@dataclass(frozen=True)
class Job:
    """What does not depend on the point: the equations, the precisions in bits, the relative tolerance."""

    square: Square
    first: int
    last: int
    tolerance: float

    def run(self, points: Sequence[Point]) -> list[Box | str]:
        return prove(self.square, points, self.first, self.last, self.tolerance)


def prove_all(job: Job, points: Sequence[Point], workers: int | None, progress: Progress | None) -> list[Box | str]:
    """A proof or the reason why there is none for each point; where two boxes meet, both are made smaller.

    workers: processes, None for all cores where the work takes long enough.
    """
    cores = _cores() if workers is None else workers
    results: list[Box | str] = []
    start = time.perf_counter()
    while len(results) < len(points):
        left = len(points) - len(results)
        elapsed = time.perf_counter() - start
        slow = workers is not None or (results and elapsed / len(results) * left > _PATIENCE)
        if cores > 1 and slow:
            results += _in_processes(job, points[len(results) :], cores, progress, len(results))
        else:
            results += job.run(points[len(results) : len(results) + _BATCH])
            _tell(progress, len(results), len(points))
    return _separated(job, points, results)


def _separated(job: Job, points: Sequence[Point], results: list[Box | str]) -> list[Box | str]:
    """Higher precision, hence smaller boxes, for those that meet without being proved to share their zero."""
    first = 2 * job.first
    while first <= job.last:
        boxes = [result if isinstance(result, Box) else None for result in results]
        unclear = sorted(
            i for i, others in meetings(boxes).items() if any(not _shared(boxes[i], boxes[j]) for j in others)
        )
        if not unclear:
            break
        for i, better in zip(unclear, replace(job, first=first).run([points[i] for i in unclear]), strict=True):
            if isinstance(better, Box):
                results[i] = better
        first *= 2
    return results


def _shared(first: Box | None, second: Box | None) -> bool:
    return first is not None and second is not None and (same_zero(first, second) or same_zero(second, first))


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total, f"{done} of {total} points examined")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _in_processes(
    job: Job, points: Sequence[Point], workers: int, progress: Progress | None, before: int
) -> list[Box | str]:
    """Fresh processes, not forks or a pool: safe beside threads, and the caller's script needs no guard."""
    size = min(_BATCH * 16, -(-len(points) // workers))
    chunks = [points[k : k + size] for k in range(0, len(points), size)]
    answers: dict[int, list[Box | str]] = {}
    left = iter(enumerate(chunks))  # taken one by one: the next chunk goes to whoever is free

    def feed() -> None:
        with subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()) as process:
            to_process, from_process = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
            pickle.dump(job, to_process)
            for k, chunk in left:
                pickle.dump(chunk, to_process)
                to_process.flush()
                answers[k] = pickle.load(from_process)
                _tell(progress, before + sum(map(len, answers.values())), before + len(points))

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(feed) for _ in range(min(workers, len(chunks)))]:
            future.result()
    return [result for k in range(len(chunks)) for result in answers[k]]


_COMMAND = [sys.executable, "-c", "from theory.continuation.proving import serve; serve()"]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def serve() -> None:
    """A job and then chunks of points from standard input, results to standard output, until the input ends."""
    job: Job = pickle.load(sys.stdin.buffer)
    while True:
        try:
            points = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(job.run(points), sys.stdout.buffer)
        sys.stdout.buffer.flush()
