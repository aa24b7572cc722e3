"""numba's njit, or the plain function where numba is missing, cannot load, or THEORY_TRACKER=numpy asks for that."""

import os
from typing import Any

_ENGINES = ("numba", "numpy")


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

    return compiled(**options)
