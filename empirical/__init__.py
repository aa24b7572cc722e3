"""What training and sampling show: the experiments that stand beside the theory, on the same networks and data."""

from importlib import import_module
from typing import Any

_HOME = {
    "load_data": "data",
    "PlainCNN": "models",
    "SmallNet": "models",
    "list_experiments": "experiments",
    "run": "experiments",
    "surface": "surfaces",
    "compare": "report",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'empirical' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"empirical.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
