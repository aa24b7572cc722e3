"""A long run on disk: where its paths ended so far, saved every few seconds and resumed only by the same run."""

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from theory.continuation.homotopy import Homotopy
from theory.continuation.tracker import UNTRACKED, Ends, Progress, Settings, track

SAVE_EVERY = 5.0  # seconds
_FIRST_PART = 1024  # paths; later parts are larger, so that one takes a few seconds


class CheckpointError(ValueError):
    """A file that is no checkpoint, or that of another run."""


def restore(path: Path, homotopy: Homotopy, seed: int) -> Ends:
    """The ends saved for this very homotopy, none where there is no file yet (it is made, to see that it can be).

    Raises CheckpointError for anything else in the file, OSError where it cannot be written.
    """
    if not path.exists():
        ends = Ends.unknown(homotopy.starts)
        save(path, homotopy, seed, ends)
        return ends
    try:
        with np.load(path, allow_pickle=False) as data:
            there, points, info = json.loads(str(data["run"])), data["points"], data["info"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise CheckpointError(f"{path} is no checkpoint of a run: give the name of a new file") from None
    here = _run(homotopy, seed)
    different = [f"{key} {there.get(key)} there, {here[key]} here" for key in here if there.get(key) != here[key]]
    if different:
        shown = [text for text in different if not text.startswith("digest")] or ["other coefficients"]
        raise CheckpointError(f"{path} belongs to another run ({'; '.join(shown)}): give the name of a new file")
    return Ends(points, info)


def save(path: Path, homotopy: Homotopy, seed: int, ends: Ends) -> None:
    """Write the ends known so far; a reader finds either the old file or the new one."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, run=json.dumps(_run(homotopy, seed)), points=ends.points, info=ends.info)
    os.replace(part, path)


def track_and_save(
    homotopy: Homotopy, ends: Ends, settings: Settings, progress: Progress | None, keep: Callable[[Ends], None]
) -> None:
    """Track what is still unknown in `ends`, part by part; keep(ends) every few seconds and at the end, also by Ctrl-C.

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
            )
            if time.monotonic() - begun < SAVE_EVERY / 2:
                size *= 2
            if time.monotonic() - kept > SAVE_EVERY:
                keep(ends)
                kept = time.monotonic()
    finally:
        keep(ends)


def _run(homotopy: Homotopy, seed: int) -> dict[str, Any]:
    """What must be the same: readable first, then a digest of every number that goes in."""
    digest = hashlib.sha256()
    for array in (*homotopy.tape, homotopy.starts, homotopy.parameters):
        digest.update(np.ascontiguousarray(array).tobytes())
    names = homotopy.reduced.system.names
    return {
        "unknowns": f"{len(names)} ({', '.join(names[:8])}{', ...' if len(names) > 8 else ''})",
        "start": homotopy.origin,
        "seed": seed,
        "paths": len(homotopy.starts),
        "digest": digest.hexdigest(),
    }
