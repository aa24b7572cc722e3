"""What `compiled_lanes` offers, in numpy: LANES doubles are an array, and nothing is compiled.

The tracker's source is the same, so are its paths but for the last bits; it takes some hundred times as long.
"""

import numpy as np

LANES = 64
"""More than compiled ones, since each operation costs a microsecond whatever it works on."""


def load(array: np.ndarray, index: int) -> np.ndarray:
    """The LANES entries of a contiguous array from index on."""
    return array.reshape(-1)[index : index + LANES].copy()


def at(array: np.ndarray, index: int) -> float:
    """array.ravel()[index] of a contiguous array."""
    value: float = array.reshape(-1)[index]
    return value


def store(array: np.ndarray, index: int, value: np.ndarray) -> None:
    """Write LANES entries of a contiguous array from index on."""
    array.reshape(-1)[index : index + LANES] = value


def splat(value: float) -> np.ndarray:
    """The same number in every lane."""
    return np.full(LANES, value)


def maximum(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The larger entry, lane by lane; NaN on the left counts as larger."""
    return np.where(left <= right, right, left)


def less(left: np.ndarray, right: np.ndarray) -> int:
    """An integer with bit k set where lane k of left is below that of right."""
    return int.from_bytes(np.packbits(left < right, bitorder="little").tobytes(), "little")


def blend(mask: int, chosen: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Lane k of `chosen` where bit k of the mask is set, of `other` elsewhere."""
    bits = np.frombuffer(mask.to_bytes(LANES // 8, "little"), np.uint8)
    return np.where(np.unpackbits(bits, bitorder="little").astype(bool), chosen, other)
