"""What `compiled_lanes` offers, in numpy: LANES doubles are an array, and nothing is compiled.

The tracker's source is the same, so are its paths but for the last bits; it takes some hundred times as long.
"""

import numpy as np

from theory.continuation.numpy_doubles import Doubles, doubles

LANES = 64
"""More than compiled ones, since each operation costs a microsecond whatever it works on."""

Memory = np.ndarray | tuple[np.ndarray, np.ndarray]
Value = np.ndarray | Doubles


def _arrays(memory: Memory) -> tuple[np.ndarray, ...]:
    return memory if isinstance(memory, tuple) else (memory,)


def load(memory: Memory, index: int) -> Value:
    """The LANES entries from index on."""
    values = [array.reshape(-1)[index : index + LANES].copy() for array in _arrays(memory)]
    return Doubles(*values) if len(values) == 2 else values[0]


def at(array: np.ndarray, index: int) -> float:
    """array.ravel()[index] of a contiguous array."""
    value: float = array.reshape(-1)[index]
    return value


def store(memory: Memory, index: int, value: Value) -> None:
    """Write LANES entries from index on, rounded to what the memory holds."""
    both = doubles(value)
    for array, part in zip(_arrays(memory), (both.high, both.low), strict=False):
        array.reshape(-1)[index : index + LANES] = part


def peek(memory: Memory, index: int) -> float:
    """A single entry, as a double."""
    value: float = _arrays(memory)[0][index]
    return value


def put(memory: Memory, index: int, value: float) -> None:
    """Write a double to a single entry."""
    for array, part in zip(_arrays(memory), (value, 0.0), strict=False):
        array[index] = part


def move(memory: Memory, source: int, target: int) -> None:
    """Copy a single entry."""
    for array in _arrays(memory):
        array[target] = array[source]


def swap(memory: Memory, i: int, j: int) -> None:
    """Exchange two entries."""
    for array in _arrays(memory):
        array[i], array[j] = array[j], array[i]


def splat(value: float) -> np.ndarray:
    """The same double in every lane."""
    return np.full(LANES, value)


def like(memory: Memory, value: float) -> Value:
    """The same number in every lane, of the kind that the memory holds."""
    return doubles(splat(value)) if isinstance(memory, tuple) else splat(value)


def rounded(value: Value) -> np.ndarray:
    """As doubles."""
    return value.high if isinstance(value, Doubles) else value


def _chosen(where: np.ndarray, left: Value, right: Value) -> Value:
    if isinstance(left, Doubles) or isinstance(right, Doubles):
        x, y = doubles(left), doubles(right)
        return Doubles(np.where(where, x.high, y.high), np.where(where, x.low, y.low))
    return np.where(where, left, right)


def maximum(left: Value, right: Value) -> Value:
    """The larger entry, lane by lane; NaN on the left counts as larger."""
    return _chosen(~(rounded(left) <= rounded(right)), left, right)


def less(left: Value, right: Value) -> int:
    """An integer with bit k set where lane k of left is below that of right, rounded to doubles."""
    return int.from_bytes(np.packbits(rounded(left) < rounded(right), bitorder="little").tobytes(), "little")


def blend(mask: int, chosen: Value, other: Value) -> Value:
    """Lane k of `chosen` where bit k of the mask is set, of `other` elsewhere."""
    bits = np.frombuffer(mask.to_bytes(LANES // 8, "little"), np.uint8)
    return _chosen(np.unpackbits(bits, bitorder="little").astype(bool), chosen, other)
