"""Where the windows of convolutions and averages lie in an image, as tables of indices."""

from typing import Any

import numpy as np

from theory.dual_numbers import linear
from theory.layers import Shape

Pair = tuple[int, int]


def pair(value: Any, name: str, least: int) -> Pair:
    """A whole number twice, or a pair of them. Raises ValueError for anything else and for numbers below the least."""
    entries = tuple(value) if isinstance(value, tuple | list) else (value, value)
    whole = all(isinstance(e, int | np.integer) and not isinstance(e, bool) and e >= least for e in entries)
    if len(entries) != 2 or not whole:
        raise ValueError(f"{name} must be a whole number of at least {least}, or a pair of these, got {value!r}")
    return int(entries[0]), int(entries[1])


def n_positions(size: Shape, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """How many places a window has, vertically and horizontally."""
    room = [length + 2 * p - k for length, k, p in zip(size, kernel, padding, strict=True)]
    if min(room) < 0:
        raise ValueError(
            f"a window of {kernel[0]} x {kernel[1]} does not fit into an image of {size[0]} x {size[1]} with padding "
            f"{padding[0]}, {padding[1]}"
        )
    return room[0] // stride[0] + 1, room[1] // stride[1] + 1


def window_indices(shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> np.ndarray:
    """Indices of the numbers in each window, (channels, *positions, *kernel); that of no number stands for padding."""
    channels, height, width = shape
    n = channels * height * width
    grid = np.full((channels, height + 2 * padding[0], width + 2 * padding[1]), n)
    grid[:, padding[0] : padding[0] + height, padding[1] : padding[1] + width] = np.arange(n).reshape(shape)
    windows = np.lib.stride_tricks.sliding_window_view(grid, kernel, axis=(1, 2))
    return windows[:, :: stride[0], :: stride[1]]


def inverse(table: np.ndarray, n: int) -> np.ndarray:
    """(n, uses): the flat places where each of 0, ..., n - 1 stands in a table; the table's size fills up the rows."""
    flat = table.ravel()
    order = np.argsort(flat, kind="stable")
    order = order[flat[order] < n]
    counts = np.bincount(flat, minlength=n + 1)[:n]
    within = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = np.full((n, max(int(counts.max(initial=0)), 1)), flat.size)
    places[flat[order], within] = order
    return places


def gather(x: Any, table: np.ndarray, filling: int = 0) -> Any:
    """x[..., table], of Duals too; an index beyond the last one gives the filling."""

    def look_up(a: np.ndarray) -> np.ndarray:
        if table.max(initial=0) < a.shape[-1]:
            return a[..., table]
        beyond = np.full((*a.shape[:-1], 1), filling, dtype=a.dtype)
        return np.concatenate([a, beyond], axis=-1)[..., table]

    return linear(look_up, x)
