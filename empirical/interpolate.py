"""Nets whose weights are averages of other nets' weights: their loss and error on lines and on simplices.

With batch normalisation an average of weights needs statistics of its own: they are estimated anew on the training
inputs. The average of the nets' statistics, which some of the literature uses, makes walls that are none; it is here
for comparison.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from empirical.data import Data
from empirical.evaluation import evaluate, one_thread, placed, reestimate_batchnorm
from theory.parallel import in_processes, processors

_WORTH_PROCESSES = 1e10  # mixtures x images x parameters, as in train

Statistics = Literal["estimated", "averaged"]


@dataclass(frozen=True)
class Mixtures:
    """Loss and error of p mixtures of k nets.

    coefficients: (p, k), the weight of each net
    loss, error, test_loss, test_error: (p,); NaN on a set that was not looked at
    """

    coefficients: np.ndarray
    loss: np.ndarray
    error: np.ndarray
    test_loss: np.ndarray
    test_error: np.ndarray


def mixtures(
    models: Sequence[nn.Module],
    coefficients: np.ndarray,
    data: Data,
    *,
    statistics: Statistics = "estimated",
    test: bool = False,
    loss: Literal["cross-entropy", "square"] = "cross-entropy",
    device: str = "cpu",
    alone: bool = False,
) -> Mixtures:
    """Evaluate the nets with weights sum_j c_j w_j on the training data, and on the test data if asked.

    models: k nets of one architecture, left as they are; coefficients: (p, k)
    statistics: of batch normalisation: estimated anew at each mixture, or averaged with the same coefficients
        (variances below 0, outside the simplex, count as 0)
    alone: in this process, even where others side by side would be faster

    Raises ValueError where coefficients and models do not match, and on an unknown kind of statistics.
    """
    rows = np.atleast_2d(np.asarray(coefficients, float))
    if rows.shape[1] != len(models):
        raise ValueError(f"each mixture of {len(models)} nets needs {len(models)} coefficients, got {rows.shape[1]}")
    if statistics not in ("estimated", "averaged"):
        raise ValueError(f'unknown statistics {statistics!r}: choose "estimated" or "averaged"')
    if not test:
        data = Data(data.name, data.train_inputs, data.train_labels, data.train_inputs[:0], data.train_labels[:0],
                    data.n_classes, data.identity)  # fmt: skip
    size = sum(p.numel() for p in models[0].parameters())
    work = len(rows) * (len(data.train_inputs) + len(data.test_inputs)) * size
    workers = min(processors(), len(rows)) if device == "cpu" and work > _WORTH_PROCESSES and not alone else 1
    if workers > 1:
        parts = np.array_split(rows, workers)
        seen = in_processes(_seen, [(models, part, data, statistics, loss, device) for part in parts])
    else:
        seen = [_seen(models, rows, data, statistics, loss, device)]
    return Mixtures(rows, *np.concatenate(seen).T)


def line(
    first: nn.Module,
    second: nn.Module,
    data: Data,
    *,
    points: int = 11,
    low: float = 0.0,
    high: float = 1.0,
    **how: Any,
) -> Mixtures:
    """The nets with weights (1 - a) first + a second at evenly spaced a from low to high; how: as in `mixtures`."""
    a = np.linspace(low, high, points)
    return mixtures([first, second], np.column_stack([1 - a, a]), data, **how)


def lines(
    pairs: Sequence[tuple[nn.Module, nn.Module]], data: Data, *, device: str = "cpu", **how: Any
) -> list[Mixtures]:
    """`line` between each pair; on a CPU in processes side by side where that is worth it."""
    size = sum(p.numel() for p in pairs[0][0].parameters())
    work = len(pairs) * how.get("points", 11) * len(data.train_inputs) * size
    if device == "cpu" and work > _WORTH_PROCESSES and processors() > 1:
        return in_processes(_one_line, [(*pair, data, how) for pair in pairs])
    return [line(*pair, data, device=device, **how) for pair in pairs]


def _one_line(first: nn.Module, second: nn.Module, data: Data, how: dict[str, Any]) -> Mixtures:
    return line(first, second, data, alone=True, **how)


def barrier(values: np.ndarray) -> float:
    """How far the values along a line (p,), at even distances, rise above the straight line between the ends; >= 0.

    NaN where a value is. Source: Frankle et al. (2020), linear mode connectivity, for the error.
    """
    chord = np.linspace(values[0], values[-1], len(values))
    return float(np.max(values - chord))


def triangle(steps: int, margin: float = 0.0) -> np.ndarray:
    """Barycentric coordinates (steps^2, 3) of a square grid over the plane of three nets, x running fastest.

    x and y, the coefficients of the first and the second net, run from -margin to 1 + margin; the third is 1 - x - y.
    """
    ticks = np.linspace(-margin, 1 + margin, steps)
    x, y = (axis.ravel() for axis in np.meshgrid(ticks, ticks))
    return np.column_stack([x, y, 1 - x - y])


def _seen(
    models: Sequence[nn.Module], rows: np.ndarray, data: Data, statistics: str, loss: str, device: str
) -> np.ndarray:
    """Training loss and error, test loss and error, one row a mixture."""
    model = deepcopy(models[0]).to(device)
    states = [{name: value.to(device) for name, value in net.state_dict().items()} for net in models]
    train, test = (placed(inputs, model, device) for inputs in (data.train_inputs, data.test_inputs))
    train_labels, test_labels = data.train_labels.to(device), data.test_labels.to(device)
    found = []
    with one_thread():
        for row in rows:
            model.load_state_dict(_mixed(states, row))
            if statistics == "estimated":
                reestimate_batchnorm(model, train)
            found.append((*evaluate(model, train, train_labels, loss), *evaluate(model, test, test_labels, loss)))
    return np.array(found)


def _mixed(states: Sequence[dict[str, torch.Tensor]], row: np.ndarray) -> dict[str, torch.Tensor]:
    """The states averaged entry by entry; counters are those of the first."""
    mixed = {}
    for name, value in states[0].items():
        if not value.is_floating_point():
            mixed[name] = value
            continue
        total = sum((c * state[name].double() for c, state in zip(row, states, strict=True)), torch.zeros(()))
        mixed[name] = (total.clamp(min=0) if name.endswith("running_var") else total).to(value.dtype)
    return mixed
