"""Results of a long run's steps, each kept in a file: a run that was killed repeats only the step it was in.

For what is no training by epochs (checkpoints keeps those): solving, sorting, measuring.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from empirical.checkpoints import CheckpointError
from empirical.records import write

Arrays = dict[str, np.ndarray]


def kept(file: Path | None, work: Callable[[], Arrays]) -> Arrays:
    """What the file (.npz) holds, or else what the work returns, which is then written there as a whole.

    The work must always return the same: a run's folder is of one config, seed and data, which its config.json says.

    Raises CheckpointError, in one line, if the file is damaged or cannot be written.
    """
    if file is None:
        return work()
    if file.exists():
        return _read(file)
    found = work()
    content = io.BytesIO()
    np.savez(content, **found)  # type: ignore[arg-type]  # its stub takes the names for keywords of its own
    try:
        write(file, content.getvalue())
    except OSError as error:
        raise CheckpointError(
            f"cannot write {file}: {error.strerror or error}; the steps before are kept: make room and run again to go "
            "on from there"
        ) from error
    return found


def kept_value(file: Path | None, work: Callable[[], Any]) -> Any:
    """The same for work that returns a value made of dicts, lists, strings and numbers."""
    return from_text(kept(file, lambda: {"value": as_text(work())})["value"])


def as_text(value: Any) -> np.ndarray:
    """A value made of dicts, lists, strings and numbers as an array that `from_text` reads; floats stay the same."""
    return np.array(json.dumps(value))


def from_text(array: np.ndarray) -> Any:
    """The value that `as_text` was given; tuples come back as lists."""
    return json.loads(str(array))


def _read(file: Path) -> Arrays:
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CheckpointError(f"{file} is damaged ({reason}); remove it to do this step again") from error
