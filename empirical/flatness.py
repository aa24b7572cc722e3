"""How far one may go from a minimum in random directions before the loss or the error has risen by epsilon.

The raw radius depends on the size of the weights: a net with batch normalisation (or ReLU) can be rescaled without
changing its function, and the radius is rescaled with it. Directions scaled filter by filter do not have that fault.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Literal, cast

import numpy as np
import torch
from torch import nn

from empirical.data import Data
from empirical.directions import normalised
from empirical.evaluation import evaluate, one_thread, placed, reestimate_batchnorm
from empirical.measure import AFFINE, set_weights, weight_vector
from theory.arguments import check_count, check_seed

Quantity = Literal["loss", "error"]
Scaling = Literal["raw", "filter"]
Statistics = Literal["estimated", "kept"]
_CHUNK = 100  # images whose statistics are estimated together: a batch of training, and what a CPU's cache holds


def directions(model: nn.Module, n: int, seed: int, scaling: Scaling = "raw") -> np.ndarray:
    """n random directions (n, K) in the order of `weight_vector`.

    scaling: "raw": N(0, 1) over all weights and biases, normalised to length 1; "filter": N(0, 1), the part of each
        filter (each unit's weights) scaled to the length of that filter, biases 0: a radius r then moves every filter
        by r times its own length

    Source: "raw" 2018 review, equation 11; "filter" Li et al., Visualizing the loss landscape of neural nets (2018).
    """
    if scaling not in ("raw", "filter"):
        raise ValueError(f'unknown scaling {scaling!r}: choose "raw" or "filter"')
    rng, size = np.random.default_rng(check_seed(seed)), len(weight_vector(model))
    drawn = rng.standard_normal((check_count(n, "n"), size), dtype=np.float32)
    if scaling == "raw":
        return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    shapes = {name: parameter.shape for name, parameter in model.named_parameters()}
    for row in drawn:
        parts = torch.from_numpy(row).split([shape.numel() for shape in shapes.values()])
        step = {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
        row[:] = torch.cat([change.flatten() for change in normalised(step, model, "filter").values()]).numpy()
    return drawn


def top_layer(model: nn.Module, data: Data) -> tuple[nn.Module, Data]:
    """The last affine layer of a model alone, as a net, and the training data as they enter it.

    model: its layers in the attribute `layers`, the last of them affine
    """
    *below, last = cast(nn.Sequential, model.layers)
    if not isinstance(last, AFFINE):
        raise ValueError(f"top_layer needs a model that ends in an affine layer, got {type(last).__name__}")
    body = nn.Sequential(*below).eval()
    with torch.inference_mode():
        entered = torch.cat([body(some) for some in data.train_inputs.split(500)])
    return deepcopy(last), replace(data, train_inputs=entered.clone(), test_inputs=entered[:0].clone())


def flatness_radius(
    rise: Callable[[float], float], epsilon: float, *, start: float = 1.0, tolerance: float = 0.01, largest: float = 1e5
) -> float:
    """Distance r at which |rise(r)| first exceeds epsilon, as far as steps that grow to twofold see it.

    Brackets it from start, outwards or inwards, then bisects until the two ends are within the relative tolerance;
    returns their geometric mean; infinity where the rise stays within epsilon up to `largest`, 0 where it exceeds it at
    1e-10 times start still. A rise that is not a number counts as too large.

    Source: 2018 review, equation 11.
    """
    if not (epsilon > 0 and start > 0 and tolerance > 0):
        raise ValueError(f"epsilon, start and tolerance must be above 0, got {epsilon}, {start}, {tolerance}")
    factor, r = 1.2, start
    inside = abs(rise(r)) <= epsilon
    while True:
        before, r = r, (r * factor if inside else r / factor)
        factor = min(factor * factor, 2.0)
        if r > largest:
            return math.inf
        if r < 1e-10 * start:
            return 0.0
        if (abs(rise(r)) <= epsilon) != inside:
            break
    low, high = (before, r) if inside else (r, before)
    while high > low * (1 + tolerance):
        middle = math.sqrt(low * high)
        if abs(rise(middle)) <= epsilon:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


def radii(
    model: nn.Module,
    data: Data,
    steps: np.ndarray,
    epsilon: float,
    *,
    quantity: Quantity = "loss",
    statistics: Statistics = "estimated",
    loss: Literal["cross-entropy", "square"] = "cross-entropy",
    tolerance: float = 0.01,
    start: float = 1.0,
    device: str = "cpu",
) -> np.ndarray:
    """Flatness radius (n,) along each of the directions `steps` (n, K), on the training data; the model stays as it is.

    statistics: of batch normalisation: estimated anew at every point, or kept as they are at the minimum
    start: where the first search starts; each later one starts at the radius found before
    """
    if quantity not in ("loss", "error"):
        raise ValueError(f'unknown quantity {quantity!r}: choose "loss" or "error"')
    if statistics not in ("estimated", "kept"):
        raise ValueError(f'unknown statistics {statistics!r}: choose "estimated" or "kept"')
    moved, origin = deepcopy(model).to(device), weight_vector(model)
    inputs, labels = placed(data.train_inputs, moved, device), data.train_labels.to(device)

    def rise(step: np.ndarray, r: float, base: float) -> float:
        set_weights(moved, origin + np.float32(r) * step)
        if statistics == "estimated":
            reestimate_batchnorm(moved, inputs, _CHUNK)
        return evaluate(moved, inputs, labels, loss)[quantity == "error"] - base

    found: list[float] = []
    with one_thread():
        base = rise(steps[0], 0.0, 0.0)
        for step in steps:
            near = found[-1] if found and 0 < found[-1] < math.inf else start
            found.append(flatness_radius(partial(rise, step, base=base), epsilon, start=near, tolerance=tolerance))
    return np.array(found)
