"""numba's njit, or the plain function where numba is missing, cannot load, or THEORY_TRACKER=numpy asks for that."""

import os
import re
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

_ENGINES = ("numba", "numpy")
_ROOT = Path(__file__).resolve().parents[1]
_IMPORT = re.compile(r"^from ((?:theory|empirical)[.\w]*) import", re.MULTILINE)


def _engine() -> str:
    wanted = os.environ.get("THEORY_TRACKER", "")
    if wanted not in ("", *_ENGINES):
        raise ValueError(f"THEORY_TRACKER must be one of {', '.join(_ENGINES)}, got {wanted!r}")
    if wanted != "numpy":
        try:
            import numba  # noqa: F401 - whether it loads is the question
        except (ImportError, OSError):  # not installed, or without an LLVM library that it can load
            if wanted:
                raise
            return "numpy"
    return wanted or "numba"


ENGINE = _engine()


def njit(**options: Any) -> Any:
    """numba.njit(**options), or a decorator that does nothing."""
    if ENGINE == "numpy":
        return lambda function: function
    from numba import njit as compiled

    def compile_later(function: Callable[..., Any]) -> Any:
        dispatcher = compiled(**options)(function)
        # numba takes what it keeps on disk for fresh as long as the file of the function is the same, though functions
        # and constants of other files are compiled into it. Where it keeps that stamp is no part of its interface.
        kept: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
        if hasattr(kept, "_source_stamp"):
            kept._source_stamp = (kept._source_stamp, sources_digest(Path(function.__code__.co_filename)))
        return dispatcher

    return compile_later


@cache
def sources_digest(file: Path, root: Path = _ROOT) -> str:
    """A digest of a file and those of this project that it imports from; of those that compile something, in turn."""
    found, todo = {file: _read(file)}, [file]
    while todo:
        for module in _IMPORT.findall(found[todo.pop()]):
            imported = root.joinpath(*module.split(".")).with_suffix(".py")
            if imported not in found:
                found[imported] = _read(imported)
                if "njit(" in found[imported]:
                    todo.append(imported)
    texts = (found[name] for name in sorted(found))
    return sha256("".join(texts).encode()).hexdigest()


@cache
def _read(file: Path) -> str:
    """The text, "" where there is none to be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
