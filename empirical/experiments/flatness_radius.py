"""How far from a minimum the loss rises by 0.05: natural against random labels. The claim `flatness-radius`.

Nets are trained on natural and on random labels, several of each; from every one random directions are followed until
the training loss (or error) has risen by epsilon.

The test: for each data set, all parameters and the top layer, the mean radius for the loss of each net; the ratio of
the geometric means, natural over random, has Welch's interval over the nets (logarithms; error rate 0.01 shared by the
ratios). The claim holds if every interval lies above 1; it fails if one lies below 1.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from empirical import comparisons
from empirical.data import Data
from empirical.flatness import Quantity, Scaling, Statistics, directions, radii, top_layer
from empirical.measure import AFFINE
from empirical.minima import (
    CPU_CONVOLUTIONAL,
    CPU_DENSE,
    FULL_CONVOLUTIONAL,
    FULL_DENSE,
    LABELS,
    SMALL_DENSE,
    Minimum,
    Training,
    check_images,
    is_dense,
    minima,
)
from empirical.records import Result
from empirical.steps import kept_value
from theory.claims.claim import Case, Claim, Control
from theory.parallel import in_processes

ID = "flatness-radius"
STATEMENT = (
    "The mean distance to a rise of the loss by 0.05 in random directions is larger for natural than for random "
    "labels, for all parameters and for the top layer."
)
SOURCE = "Review (2018), equation 11 and Table 1"
REPORTED: dict[str, dict[tuple[str, str], tuple[float, float]]] = {  # Table 1 of the review: mean, standard error
    "mnist": {
        ("all", "natural"): (45.4, 2.7),
        ("all", "random"): (6.9, 1.0),
        ("top", "natural"): (15.0, 1.7),
        ("top", "random"): (3.0, 0.1),
    },
    "cifar10": {
        ("all", "natural"): (17.0, 2.4),
        ("all", "random"): (5.7, 1.0),
        ("top", "natural"): (19.5, 4.0),
        ("top", "random"): (12.1, 2.6),
    },
}
REPRODUCED = {  # ratios of an independent implementation of section IV of arXiv 1801.02254, half of the labels redrawn
    "mnist": {"all": 3.0, "top": 0.6},
    "cifar10": {"all": 2.0, "top": 2.1},
}


class Kind(NamedTuple):
    """Which radius: of which weights, for which quantity, in directions of which scaling, with which statistics."""

    part: Literal["all", "top"]
    quantity: Quantity
    scaling: Scaling
    statistics: Statistics


KINDS = (
    Kind("all", "loss", "raw", "estimated"),
    Kind("all", "error", "raw", "estimated"),
    Kind("all", "loss", "filter", "estimated"),
    Kind("all", "error", "filter", "estimated"),
    Kind("all", "loss", "raw", "kept"),
    Kind("top", "loss", "raw", "kept"),
    Kind("top", "error", "raw", "kept"),
)
TESTED = (KINDS[0], KINDS[5])


@dataclass(frozen=True)
class Config:
    """epsilon, T directions: the review's; nets, numbers of minima and training are not in it.

    100 directions: the default of scripts by one of the authors; training: see `empirical.minima`.
    minima: nets of each kind; directions: followed from each; tolerance: relative, of a radius
    shrink: factor of the rescaling in the control
    """

    data: str = "mnist+cifar10"
    subset: tuple[int, int] | None = None
    dense: Training = FULL_DENSE
    convolutional: Training = FULL_CONVOLUTIONAL
    epsilon: float = 0.05
    directions: int = 100
    minima: int = 5
    tolerance: float = 0.01
    shrink: float = 30.0


PRESETS = {
    "smoke": Config(
        data="digits",
        subset=(300, 100),
        dense=SMALL_DENSE,
        directions=4,
        minima=3,
        tolerance=0.05,
    ),
    "cpu": Config(
        subset=(2000, 1000),
        dense=CPU_DENSE,
        convolutional=CPU_CONVOLUTIONAL,
        directions=6,
        minima=3,
        tolerance=0.02,
    ),
    "paper": Config(),
}


def check_data(data: Data | tuple[Data, ...] | None) -> tuple[Data, ...]:
    """The data sets, if they are images; ValueError otherwise."""
    return check_images(data, ID)


def compute(
    config: Config,
    data: Data | tuple[Data, ...] | None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
    checkpoints: Path | None = None,
) -> Result:
    """Train the nets, measure their radii, compare."""
    sets = check_data(data)
    table: list[dict[str, Any]] = []
    shrunk = np.nan
    for k, one in enumerate(sets):
        training = config.dense if is_dense(one) else config.convolutional
        found: list[Minimum] = []
        for labels in LABELS:
            found += minima(one, labels, training, config.minima, seed=seed, looks=1, device=device,
                            checkpoints=checkpoints)  # fmt: skip
        if progress is not None:
            progress(2 * k + 1, 2 * len(sets), f"{one.name}: {len(found)} nets trained")
        folder = None if checkpoints is None else checkpoints / f"{one.name}-radii"
        table += [{"data": one.name} | row for row in _measured(found, config, seed, device, folder)]
        if progress is not None:
            progress(2 * k + 2, 2 * len(sets), f"{one.name}: radii measured")
        if k == 0:
            shrunk = _rescaled_radius(found[0], config, seed, device)
    return Result(_claim(table, shrunk, config, seed), table)


def draw(result: Result) -> dict[str, Any]:
    """The radii as bars; the ratios natural / random beside the printed ones."""
    from empirical import plotting

    names = list(dict.fromkeys(row["data"] for row in result.table))
    bars, places = plotting.panels(len(names), width=5.2, height=3.4)
    for name, axes in zip(names, places, strict=True):
        kinds = [kind for kind in KINDS if _values(result.table, name, kind, "natural")]
        heights = {labels: [_values(result.table, name, kind, labels) for kind in kinds] for labels in LABELS}
        plotting.bars(
            [_short(kind).replace(", ", "\n") for kind in kinds],
            {f"{labels} labels": [float(np.mean(v)) for v in values] for labels, values in heights.items()},
            errors={f"{labels} labels": [_standard_error(v) for v in values] for labels, values in heights.items()},
            x="which radius (bars: standard error over nets)",
            y="flatness radius (filters: relative)",
            title=name,
            log="y",
            axes=axes,
        )
    return {"radii": bars, "ratios": _ratios_figure(result.table, names)}


def rescaled(model: nn.Module, factor: float) -> nn.Module:
    """The same function with other weights: a copy with all of the first layer divided by factor, and the weights of
    the second multiplied by it where no batch normalisation makes up for that."""
    copy = deepcopy(model)
    first, second = [layer for layer in copy.modules() if isinstance(layer, AFFINE)][:2]
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.div_(factor)
        if not _has_statistics(copy):
            second.weight.mul_(factor)
    return copy


def _measured(
    found: Sequence[Minimum], config: Config, seed: int, device: str, folder: Path | None
) -> list[dict[str, Any]]:
    """The rows of all nets, each net's kept; in processes side by side where that is worth starting them."""
    files = [None if folder is None else folder / f"{net.labels}-{net.number:03d}.npz" for net in found]
    tasks = [(file, minimum, config, seed, device) for file, minimum in zip(files, found, strict=True)]
    work = len(found[0].data.train_inputs) * config.directions * len(tasks)
    side_by_side = device == "cpu" and work > 50_000
    rows = in_processes(_kept_radii, tasks) if side_by_side else [_kept_radii(*task) for task in tasks]
    return [row for of_net in rows for row in of_net]


def _kept_radii(file: Path | None, minimum: Minimum, config: Config, seed: int, device: str) -> list[dict[str, Any]]:
    return kept_value(file, partial(_radii, minimum, config, seed, device))


def _radii(minimum: Minimum, config: Config, seed: int, device: str) -> list[dict[str, Any]]:
    """One row a kind of radius, for one net."""
    last, rows = minimum.history.last, []
    for kind in KINDS:
        if kind.part == "all" and kind.statistics == "kept" and not _has_statistics(minimum.model):
            continue
        found = _radius(minimum.model, minimum.data, kind, config, seed, device)
        rows.append(
            {"labels": minimum.labels, "net": minimum.number, **kind._asdict(), "radius": float(found.mean())}
            | {"standard_error": _standard_error(found), "directions": len(found), "train_loss": last.train_loss}
            | {"train_error": last.train_error, "test_error": last.test_error}
        )
    return rows


def _radius(model: nn.Module, data: Data, kind: Kind, config: Config, seed: int, device: str) -> np.ndarray:
    if kind.part == "top":
        model, data = top_layer(model, data)
    steps = directions(model, config.directions, seed, kind.scaling)
    return radii(
        model,
        data,
        steps,
        config.epsilon,
        quantity=kind.quantity,
        statistics=kind.statistics,
        tolerance=config.tolerance,
        device=device,
    )


def _rescaled_radius(minimum: Minimum, config: Config, seed: int, device: str) -> float:
    model = rescaled(minimum.model, config.shrink)
    return float(_radius(model, minimum.data, KINDS[0], config, seed, device).mean())


def _has_statistics(model: nn.Module) -> bool:
    return any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) for layer in model.modules())


def _standard_error(values: Any) -> float:
    return float(np.std(values, ddof=1) / len(values) ** 0.5)


def _values(table: Sequence[dict[str, Any]], data: str, kind: Kind, labels: str) -> list[float]:
    """The mean radius of each net."""
    wanted = {"data": data, "labels": labels, **kind._asdict()}
    return [row["radius"] for row in table if all(row[key] == value for key, value in wanted.items())]


def _claim(table: list[dict[str, Any]], shrunk: float, config: Config, seed: int) -> Claim:
    names = list(dict.fromkeys(row["data"] for row in table))
    rate = 0.01 / (len(names) * len(TESTED))
    cases = [_case(table, name, kind, rate) for name in names for kind in TESTED]
    random = float(np.mean(_values(table, names[0], KINDS[0], "random")))
    control = Control(
        f"the same function with weights rescaled between layers by {config.shrink:g} (natural labels, {names[0]}): "
        "its raw radius must not be larger than that of random labels, so raw radii compare only nets trained alike",
        f"below {random:.3g}",
        round(shrunk, 3),
        passed=shrunk < random,
    )
    left = sum(row["train_error"] > 0 for row in table if Kind(*(row[f] for f in Kind._fields)) == KINDS[0])
    return Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"Welch's interval of the ratio over nets, {rate:.2g} on either side (0.01 over all ratios)",
        seed=seed,
        note=" ".join([_beside(table, names), f"{left} of {2 * config.minima * len(names)} nets have a training error "
                       "above zero."]),
    )  # fmt: skip


def _case(table: list[dict[str, Any]], name: str, kind: Kind, rate: float) -> Case:
    natural, random = (_values(table, name, kind, labels) for labels in LABELS)
    printed = _reported_ratio(name, kind.part)
    predicted = "ratio above 1" + (f" (the source: {printed:.1f})" if printed else "")
    label = f"{name}, {_short(kind)}: radius natural / random"
    if not np.isfinite([*natural, *random]).all() or min(*natural, *random) <= 0:
        return Case(label, predicted, "a radius is 0 or infinite", None)
    found = comparisons.ratio(natural, random, rate)
    return Case(label, predicted, found.text(".2f"), found.above(1))


def _beside(table: list[dict[str, Any]], names: Sequence[str]) -> str:
    """The ratios that are not tested."""
    said = []
    for name in names:
        for kind in KINDS:
            natural, random = (_values(table, name, kind, labels) for labels in LABELS)
            if kind not in TESTED and natural:
                said.append(f"{name} {_short(kind)} {np.mean(natural) / np.mean(random):.2f}")
    return f"Other ratios natural / random: {'; '.join(said)}."


def _short(kind: Kind) -> str:
    scaled = ", filters" if kind.scaling == "filter" else ""
    kept = ", BN kept" if kind.part == "all" and kind.statistics == "kept" else ""
    return f"{kind.part}, {kind.quantity}{scaled}{kept}"


def _reported_ratio(name: str, part: str) -> float | None:
    printed = REPORTED.get(name)
    return printed[part, "natural"][0] / printed[part, "random"][0] if printed else None


def _ratios_figure(table: list[dict[str, Any]], names: Sequence[str]) -> Any:
    """Measured ratios with their standard error, the printed ones beside them, and those of an independent run."""
    from empirical import plotting

    figure, places = plotting.panels(len(names), width=4.6, height=3.4)
    for name, axes in zip(names, places, strict=True):
        kinds = [kind for kind in KINDS if _values(table, name, kind, "natural")]
        found, printed, others = [], [], []
        for at, kind in enumerate(kinds):
            logs = [np.log(_values(table, name, kind, labels)) for labels in LABELS]
            error = sum(np.var(values, ddof=1) / len(values) for values in logs) ** 0.5
            centre = float(np.exp(logs[0].mean() - logs[1].mean()))
            found.append((at, centre, centre * error))
            if kind.scaling == "raw" and not (kind.part == "all" and kind.statistics == "kept") and name in REPORTED:
                printed.append((at + 0.15, _reported_ratio(name, kind.part)))
                others.append((at - 0.15, REPRODUCED[name][kind.part]))
        series = {"measured": tuple(zip(*found, strict=True))}
        if printed:
            series["Table 1 of the review"] = tuple(zip(*printed, strict=True))
            series["another reproduction"] = tuple(zip(*others, strict=True))
        plotting.points(series, x="which radius", y="radius, natural / random", log="y", title=name, axes=axes)
        plotting.mark(axes, 1.0, "no difference", below=True, left=True)
        axes.set_yticks(ticks := [0.5, 1, 2, 3, 5, 7], [str(tick) for tick in ticks])
        axes.set_yticks([], minor=True)
        axes.set_ylim(0.45, 8)
        axes.set_xticks(range(len(kinds)), [_short(kind).replace(", ", "\n") for kind in kinds])
    return figure
