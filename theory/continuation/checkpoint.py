"""A long run on disk: where its paths ended so far, saved every few seconds and resumed only by the same run."""

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from theory.continuation.homotopy import Homotopy
from theory.continuation.tape import Tape
from theory.continuation.tracker import UNTRACKED, Ends, Progress, Settings, track

SAVE_EVERY = 5.0  # seconds
_FIRST_PART = 1024  # paths; later parts are larger, so that one takes a few seconds


class CheckpointError(ValueError):
    """A file that is no checkpoint, that of another run, or one that cannot be written."""


def restore(path: Path, homotopy: Homotopy, seed: int) -> Ends:
    """The ends saved for this very homotopy, none where there is no file yet (it is made, to see that it can be).

    Raises CheckpointError for anything else in the file, and where it cannot be written.
    """
    if not path.exists():
        ends = Ends.unknown(homotopy.starts)
        save(path, homotopy, seed, ends)
        return ends
    data = _read(path, _run(homotopy, seed), ("points", "info"))
    return Ends(data["points"], data["info"])


def save(path: Path, homotopy: Homotopy, seed: int, ends: Ends) -> None:
    """Write the ends known so far."""
    _write(path, _run(homotopy, seed), points=ends.points, info=ends.info)


def restore_loops(
    path: Path, tape: Tape, parameters: np.ndarray, points: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[int, ...]]:
    """(zeros, counts) saved for a search by loops from these points, and the random numbers where they were; what is
    given where there is no file yet, which is made. Raises as `restore` does."""
    run = _loops(tape, parameters)
    if not path.exists():
        save_loops(path, tape, parameters, points, rng, (0, 0, 0))
        return points, (0, 0, 0)
    data = _read(path, run, ("points", "counts", "random"))
    rng.bit_generator.state = json.loads(str(data["random"]))
    return data["points"], tuple(data["counts"].tolist())


def save_loops(
    path: Path,
    tape: Tape,
    parameters: np.ndarray,
    points: np.ndarray,
    rng: np.random.Generator,
    counts: tuple[int, ...],
) -> None:
    """Write the zeros known so far, counts of the search and the state of its random numbers."""
    random = json.dumps(rng.bit_generator.state)
    _write(path, _loops(tape, parameters), points=points, counts=np.array(counts), random=np.array(random))


def _read(path: Path, here: dict[str, Any], names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of a file that belongs to the run described."""
    try:
        with np.load(path, allow_pickle=False) as data:
            there, arrays = json.loads(str(data["run"])), {name: data[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise CheckpointError(f"{path} is no checkpoint of a run: give the name of a new file") from None
    different = [f"{key} {there.get(key)} there, {here[key]} here" for key in here if there.get(key) != here[key]]
    if different:
        shown = [text for text in different if not text.startswith("digest")] or ["other coefficients"]
        raise CheckpointError(f"{path} belongs to another run ({'; '.join(shown)}): give the name of a new file")
    return arrays


def _write(path: Path, run: dict[str, Any], **arrays: np.ndarray) -> None:
    """A reader finds either the old file or the new one."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            np.savez(file, run=np.array(json.dumps(run)), **arrays)  # type: ignore[arg-type]  # of other options
        os.replace(part, path)
    except OSError as error:
        raise CheckpointError(f"the checkpoint {path} cannot be written: {error.strerror or error}") from None


def track_and_save(
    homotopy: Homotopy,
    ends: Ends,
    settings: Settings,
    progress: Progress | None,
    keep: Callable[[Ends], None],
    **options: Any,
) -> None:
    """Track what is still unknown in `ends`, part by part; keep(ends) every few seconds and at the end, also by Ctrl-C.

    options: for `track`, where the paths do not all run from the first parameters to the second.
    Where a path ends does not depend on which others are tracked with it, so the parts do not show in the answer.
    """
    size, kept = _FIRST_PART, time.monotonic()
    try:
        while (ends.status == UNTRACKED).any():
            begun = time.monotonic()
            track(
                homotopy.tape,
                homotopy.starts,
                homotopy.parameters,
                settings=settings,
                progress=progress,
                ends=ends,
                at_most=size,
                **options,
            )
            if time.monotonic() - begun < SAVE_EVERY / 2:
                size *= 2
            if time.monotonic() - kept > SAVE_EVERY:
                keep(ends)
                kept = time.monotonic()
    finally:
        keep(ends)


def tracked(
    homotopy: Homotopy,
    seed: int,
    settings: Settings,
    progress: Progress | None,
    checkpoint: Path | None,
    **options: Any,
) -> Ends:
    """The ends of all paths; where a file is named, those it has are taken from there, and the others kept in it."""
    if checkpoint is None:
        options |= {"settings": settings, "progress": progress}
        return track(homotopy.tape, homotopy.starts, homotopy.parameters, **options)
    ends = restore(checkpoint, homotopy, seed)
    track_and_save(homotopy, ends, settings, progress, lambda e: save(checkpoint, homotopy, seed, e), **options)
    return ends


def _digest(arrays: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _run(homotopy: Homotopy, seed: int) -> dict[str, Any]:
    """What must be the same: readable first, then a digest of every number that goes in."""
    names = homotopy.reduced.system.names
    return {
        "unknowns": f"{len(names)} ({', '.join(names[:8])}{', ...' if len(names) > 8 else ''})",
        "start": homotopy.origin,
        "seed": seed,
        "paths": len(homotopy.starts),
        "digest": _digest((*homotopy.tape, homotopy.starts, homotopy.parameters)),
    }


def _loops(tape: Tape, parameters: np.ndarray) -> dict[str, Any]:
    return {"start": "monodromy", "unknowns": tape.n_coordinates - 1, "digest": _digest((*tape, parameters))}
