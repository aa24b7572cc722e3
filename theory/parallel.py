"""The same function on many arguments, in worker processes of one thread each."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def replaced_silently() -> Iterator[None]:
    """Within it joblib does not warn when a worker makes room for a new one, which it does between two tasks, once the
    worker holds 300 MB more than after its first: libraries that a later task loads, freed memory that is kept.

    No task is lost by that. A worker that dies at work is another matter: it raises TerminatedWorkerError.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        yield


def in_processes(
    function: Callable[..., T],
    arguments: Sequence[tuple[Any, ...]],
    processes: int | None = None,
    each: Callable[[int, int, T], None] | None = None,
) -> list[T]:
    """[function(*a) for a in arguments], as many at once as there are processors; results in the order given.

    each: called as each(position, done, result) when one of them ends. The first exception ends the others and is
    raised. The caller's script needs no guard: joblib's workers start from nothing and do not import it.
    """
    from joblib import Parallel, delayed, parallel_config

    results: dict[int, T] = {}
    workers = max(1, min(processes or processors(), len(arguments)))
    # One thread each: more threads than processors slow linear algebra down, many times over.
    with parallel_config("loky", inner_max_num_threads=1), replaced_silently():
        pool = Parallel(workers, return_as="generator_unordered", batch_size=1)
        for position, result in pool(delayed(_numbered)(function, k, given) for k, given in enumerate(arguments)):
            results[position] = result
            if each is not None:
                each(position, len(results), result)
    return [results[k] for k in range(len(arguments))]


def _numbered(function: Callable[..., T], position: int, given: tuple[Any, ...]) -> tuple[int, T]:
    return position, function(*given)
