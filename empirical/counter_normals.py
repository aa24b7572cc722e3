"""Normal numbers by counter: number `index` of a chain is computed from its key alone, so threads cannot change it.

The bits are those of SplitMix64 with an increment of its own for every chain; they become normal by the ziggurat
method, 256 layers of equal area, which needs one 64-bit number for 99 of 100 normals.
Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014; Marsaglia, Tsang, The ziggurat
method for generating random variables, J. Stat. Soft. 5 (2000); layer and place from different bits: Doornik (2005).
"""

import math

import numpy as np

from theory.jit import njit

_GOLDEN, _FIRST, _SECOND = (np.uint64(v) for v in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_LAYER_BITS = np.uint64(255)
_RETRY = np.uint64(56)  # numbers for rejected attempts have their own counters, in the top byte


def _ziggurat(layers: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Right edges of the layers of exp(-x^2/2), the widest first and 0 last, and the heights there: (layers + 1,) each.

    The base layer has the tail beyond its edge in it; that edge is found by bisection so that the top layer closes.
    """

    def edges(base: float) -> list[float] | None:
        area = base * math.exp(-(base**2) / 2) + math.sqrt(math.pi / 2) * math.erfc(base / math.sqrt(2))
        found = [area * math.exp(base**2 / 2), base]
        while len(found) < layers:
            height = area / found[-1] + math.exp(-(found[-1] ** 2) / 2)
            if height >= 1:
                return None
            found.append(math.sqrt(-2 * math.log(height)))
        return found if area / found[-1] + math.exp(-(found[-1] ** 2) / 2) <= 1 else None

    low, high = 3.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if edges(middle) is None else (low, middle)
    x = np.array([*(edges(high) or []), 0.0])
    return x, np.exp(-(x**2) / 2)


_EDGES, _HEIGHTS = _ziggurat()


def keys(seed: int, chains: int) -> tuple[np.ndarray, np.ndarray]:
    """Start and increment (odd) of every chain's sequence of 64-bit numbers: (chains,) each, unsigned."""
    first, second = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    number = np.arange(1, chains + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        return _mixed_array(first + _GOLDEN * number), _mixed_array(second + _GOLDEN * number) | np.uint64(1)


def _mixed_array(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def _bits(key: np.uint64, increment: np.uint64, index: np.uint64) -> np.uint64:
    """64 random bits: one member of a SplitMix64 sequence."""
    z = key + increment * index
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def _uniform(key: np.uint64, increment: np.uint64, index: np.uint64) -> float:
    """Uniform in the open interval (0, 1)."""
    return (np.float64(_bits(key, increment, index) >> np.uint64(11)) + 0.5) * 2.0**-53


@njit(cache=True)
def _rejected(key: np.uint64, increment: np.uint64, index: np.uint64, layer: np.int64, x: float) -> float:
    """The normal number whose first attempt fell beside the inner rectangle of its layer."""
    attempt = np.uint64(0)
    while True:
        attempt += np.uint64(1)
        other = _uniform(key, increment, index + (attempt << _RETRY))
        if layer == 0:  # the tail beyond the base layer's edge: exponential proposals
            edge = _EDGES[1]
            while True:
                beyond = -math.log(other) / edge
                attempt += np.uint64(1)
                other = _uniform(key, increment, index + (attempt << _RETRY))
                if -2 * math.log(other) > beyond * beyond:
                    return edge + beyond if x > 0 else -edge - beyond
                attempt += np.uint64(1)
                other = _uniform(key, increment, index + (attempt << _RETRY))
        if _HEIGHTS[layer] + other * (_HEIGHTS[layer + 1] - _HEIGHTS[layer]) < math.exp(-x * x / 2):
            return x
        attempt += np.uint64(1)
        bits = _bits(key, increment, index + (attempt << _RETRY))
        layer = np.int64(bits & _LAYER_BITS)
        x = np.float64(np.int64(bits) >> np.int64(9)) * 2.0**-54 * _EDGES[layer]
        if abs(x) < _EDGES[layer + 1]:
            return x


@njit(cache=True, nogil=True)
def fill_normal(out: np.ndarray, key: np.ndarray, increment: np.ndarray, first: np.uint64) -> None:
    """Normal numbers out[d, c], (D, n), of chains with these keys (n,): those with the counters first + d."""
    for d in range(out.shape[0]):
        index = first + np.uint64(d)
        for c in range(len(key)):
            bits = _bits(key[c], increment[c], index)
            layer = np.int64(bits & _LAYER_BITS)
            x = np.float64(np.int64(bits) >> np.int64(9)) * 2.0**-54 * _EDGES[layer]  # uses other bits than the layer
            if abs(x) < _EDGES[layer + 1]:
                out[d, c] = x
            else:
                out[d, c] = _rejected(key[c], increment[c], index, layer, x)


@njit(cache=True, nogil=True)
def fill_uniform(out: np.ndarray, key: np.ndarray, increment: np.ndarray, index: np.uint64) -> None:
    """Uniform numbers out[c], (n,), in (0, 1), of chains with these keys (n,): those with this counter."""
    for c in range(len(key)):
        out[c] = _uniform(key[c], increment[c], index)
