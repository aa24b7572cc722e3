"""Many proofs: over all cores, and again in smaller boxes where two boxes meet. The answer is that of one process."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from theory.continuation.boxes import Box, meetings, same_zero
from theory.continuation.krawczyk import Square, prove
from theory.parallel import in_processes, processors

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
    cores = processors() if workers is None else workers
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


def _in_processes(
    job: Job, points: Sequence[Point], workers: int, progress: Progress | None, before: int
) -> list[Box | str]:
    size = min(_BATCH * 16, -(-len(points) // workers))
    chunks = [points[k : k + size] for k in range(0, len(points), size)]
    proved = [before]

    def ended(position: int, done: int, some: list[Box | str]) -> None:
        proved[0] += len(some)
        _tell(progress, proved[0], before + len(points))

    answers = in_processes(job.run, [(chunk,) for chunk in chunks], workers, ended)
    return list(chain.from_iterable(answers))
