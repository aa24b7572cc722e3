"""Work in processes: results in order, silent where a worker is replaced, loud where one dies."""

import os
import sys
import time

import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from theory.parallel import in_processes


def grow(k: int) -> int:
    """Keeps 310 MB, as a library does that is loaded late; joblib looks at most once a second."""
    time.sleep(1.05)
    if k > 1:
        vars(sys)["_kept_for_this_test"] = b"x" * (310 << 20)
    return k


def die(k: int) -> None:
    os._exit(1)


def test_a_worker_that_grew_is_replaced_without_a_warning_and_no_task_is_lost():
    assert in_processes(grow, [(k,) for k in range(6)], 2) == list(range(6))  # pytest makes warnings errors


def test_a_worker_that_dies_at_work_raises():
    with pytest.raises(TerminatedWorkerError):
        in_processes(die, [(k,) for k in range(3)], 2)
