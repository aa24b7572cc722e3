"""The Jacobian of a large network in blocks of columns, layer by layer, never held as a whole."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from theory.gram import GramRank, gram_rank
from theory.systems import PolynomialSystem

WIDE = 20_000_000
"""Entries of a Jacobian above which it is read in blocks: 160 MB."""

_ENTRIES = 50_000_000  # of a block, and of what is computed at a time: 400 MB


def wide_rank(system: PolynomialSystem, point: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> GramRank:
    """The rank of the Jacobian of a network's residuals at a point (K,), through its Gram matrix.

    columns: (K,) and rows: (m,), factors of the columns and rows. Memory: three matrices (m, m) and about 1 GB.
    Raises ValueError for systems that are no network's, or have affine equations or a gradient's.
    """
    equations: Any = system.network
    if equations is None or equations.kind != "interpolation" or system.affine:
        raise ValueError(
            f"a Jacobian of {system.n_equations} x {system.n_unknowns} entries is read in blocks, which only "
            "interpolation systems of networks offer: leave out slices, or take fewer unknowns"
        )
    blocks = jacobian_columns(equations.network, point, np.asarray(equations.inputs, float))

    def scaled() -> Iterator[np.ndarray]:
        first = 0
        for block in blocks():
            block *= columns[first : first + block.shape[1]]
            block *= rows[:, None]
            first += block.shape[1]
            yield block

    return gram_rank(scaled, system.n_equations)


def jacobian_columns(network: Any, w: np.ndarray, x: np.ndarray) -> Callable[[], Iterator[np.ndarray]]:
    """A function that gives the columns of `network.jacobian(w, x)` in order, in blocks (N*m, some), at every call."""
    width = max(1, _ENTRIES // (len(x) * network.n_outputs))

    def blocks() -> Iterator[np.ndarray]:
        for k, layer in enumerate(network.layers):
            for first in range(0, layer.n_weights, width):
                yield _columns(network, w, x, k, slice(first, min(first + width, layer.n_weights)))

    return blocks


def _columns(network: Any, w: np.ndarray, x: np.ndarray, k: int, part: slice) -> np.ndarray:
    """The columns of some weights of layer k: (N*m, columns)."""
    layer, m = network.layers[k], network.n_outputs
    chunk = max(1, _ENTRIES // (m * layer.n_weights))
    rows = []
    for first in range(0, len(x), chunk):
        states = network.forward(w[None], x[first : first + chunk])
        n = len(states[0])
        g = np.broadcast_to(np.eye(m)[:, None, :], (m, n, m))
        for j in range(len(network.layers) - 1, k, -1):
            g = network.layers[j].backward(w[None, network.slices[j]], states[j], g)
        slopes = np.broadcast_to(layer.weight_gradient(states[k], g, True), (m, n, layer.n_weights))
        rows.append(np.array(np.swapaxes(slopes[..., part], 0, 1)).reshape(n * m, -1))  # no view, that keeps all
    return np.concatenate(rows)
