"""Paths side by side: in LLVM's vectors where numba compiles, else in numpy arrays; in doubles or double-doubles."""

from importlib import import_module
from typing import Any

from theory.jit import ENGINE

_chosen: Any = import_module(f"theory.continuation.{'compiled' if ENGINE == 'numba' else 'numpy'}_lanes")
import_module(f"theory.continuation.{'compiled' if ENGINE == 'numba' else 'numpy'}_doubles")  # their arithmetic
LANES: int = _chosen.LANES
at, load, store, splat, like = _chosen.at, _chosen.load, _chosen.store, _chosen.splat, _chosen.like
maximum, less, blend, rounded = _chosen.maximum, _chosen.less, _chosen.blend, _chosen.rounded
peek, put, move, swap = _chosen.peek, _chosen.put, _chosen.move, _chosen.swap
