"""Paths side by side: in LLVM's vectors where numba compiles, else in numpy arrays."""

from importlib import import_module
from typing import Any

from theory.jit import ENGINE

_chosen: Any = import_module(f"theory.continuation.{'compiled' if ENGINE == 'numba' else 'numpy'}_lanes")
LANES: int = _chosen.LANES
at, load, store, splat = _chosen.at, _chosen.load, _chosen.store, _chosen.splat
maximum, less, blend = _chosen.maximum, _chosen.less, _chosen.blend
