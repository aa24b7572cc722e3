"""Paths side by side: compiled by numba, or in numpy where numba is missing or THEORY_TRACKER=numpy asks for that."""

import os
from importlib import import_module
from typing import Any

ENGINES = {"numba": "theory.continuation.compiled_lanes", "numpy": "theory.continuation.numpy_lanes"}


def _lanes() -> tuple[str, Any]:
    wanted = os.environ.get("THEORY_TRACKER", "")
    if wanted not in ("", *ENGINES):
        raise ValueError(f"THEORY_TRACKER must be one of {', '.join(ENGINES)}, got {wanted!r}")
    try:
        return wanted or "numba", import_module(ENGINES[wanted or "numba"])
    except (ImportError, OSError):  # no numba, or no LLVM library that it can load
        if wanted == "numba":
            raise
        return "numpy", import_module(ENGINES["numpy"])


ENGINE, _chosen = _lanes()
LANES: int = _chosen.LANES
njit, load, store, splat = _chosen.njit, _chosen.load, _chosen.store, _chosen.splat
maximum, less, blend = _chosen.maximum, _chosen.less, _chosen.blend
