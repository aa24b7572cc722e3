"""The same function on many arguments, in worker processes of one thread each."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def in_processes(
    function: Callable[..., T],
    arguments: Sequence[tuple[Any, ...]],
    processes: int | None = None,
    each: Callable[[int, int, T], None] | None = None,
) -> list[T]:
    """[function(*a) for a in arguments], as many at once as there are processors; results in the order given.

    each: called as each(position, done, result) when one of them ends. The first exception ends the others and is
    raised. function and arguments must be picklable, as for multiprocessing.
    """
    from concurrent.futures import Future, ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    workers = max(1, min(processes or os.cpu_count() or 1, len(arguments)))
    # spawned, not forked: threads of compiled code do not survive a fork
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread)
    try:
        jobs: list[Future[T]] = [pool.submit(function, *given) for given in arguments]
        place = {job: k for k, job in enumerate(jobs)}
        for done, job in enumerate(as_completed(jobs), 1):
            result = job.result()
            if each is not None:
                each(place[job], done, result)
        return [job.result() for job in jobs]
    finally:
        pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    # The workers share the processors: more threads than processors slow linear algebra down, many times over.
    for name in _THREAD_COUNTS:
        os.environ[name] = "1"
