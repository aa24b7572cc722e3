"""The loss of any torch model along one or two directions in its weights: profiles and surfaces.

The surface is that of the loss over all data given, evaluated in chunks, with the model in evaluation mode; the model
itself is never changed. What is drawn depends on the directions: see `empirical.directions`.
"""

import copy
import hashlib
import io
import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zipfile import BadZipFile

import numpy as np
import torch
from torch import nn

from empirical.data import Data
from empirical.directions import Directions, between, random_directions
from empirical.losses import Loss, check_evaluates, check_loss, examples, mean_loss
from empirical.records import write
from empirical.train import reestimate_batchnorm
from theory.arguments import check_count, check_seed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SAVE_SECONDS = 5.0  # between two writes of the file that an interrupted surface goes on from


@dataclass(frozen=True)
class Surface:
    """Losses on a grid of one or two directions.

    coordinates: one (n,) an axis; loss: (n,) or (n, n), loss[i, j] at coordinates[0][i], coordinates[1][j]; NaN: a hole
    names: of the axes, with what one unit is; centre: the loss at the model's own weights
    holes: how many losses were not finite; path: (p, axes) where the models that made the directions lie, else None
    """

    coordinates: tuple[np.ndarray, ...]
    loss: np.ndarray
    names: tuple[str, ...]
    centre: float
    holes: int
    path: np.ndarray | None = None

    @property
    def nonconvex_share(self) -> float:
        """Share of inner points at which a second difference along an axis is negative; holes and their neighbours are
        left out; NaN where nothing is left. Rounding, 1e-6 of the range of losses, counts as 0.
        """
        differences = [np.diff(self.loss, 2, axis=axis).ravel() for axis in range(self.loss.ndim)]
        known = np.concatenate(differences)
        known = known[np.isfinite(known)]
        if not len(known):
            return math.nan
        return float((known < -1e-6 * (np.nanmax(self.loss) - np.nanmin(self.loss))).mean())

    def draw(self, title: str = "") -> "dict[str, Figure]":
        """The figures: `profile` of one direction; `contour` and `surface` of two."""
        from empirical import plotting

        quantity = f"loss ({self.holes} of {self.loss.size} not finite)" if self.holes else "loss"
        if self.loss.ndim == 1:
            return {"profile": plotting.lines({"loss": (self.coordinates[0], self.loss)}, x=self.names[0], y=quantity,
                                              title=title, markers=False)}  # fmt: skip
        x, y = self.coordinates
        look: dict[str, Any] = {"names": self.names, "quantity": quantity, "title": title}
        return {
            "contour": plotting.contour(x, y, self.loss, path=self.path, **look),
            "surface": plotting.landscape(x, y, self.loss, **look),
        }


def surface(
    model: nn.Module,
    loss: Loss,
    data: Data | Sequence[torch.Tensor],
    directions: Literal["random"] | Directions | nn.Module | Sequence[nn.Module] = "random",
    *,
    dimensions: int = 2,
    normalisation: Literal["filter", "layer"] | None = "filter",
    extent: Sequence[float] | None = None,
    points: int = 25,
    chunk: int = 1000,
    batchnorm: Literal["kept", "recomputed"] = "kept",
    seed: int = 0,
    checkpoint: str | Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Surface:
    """The loss of a model around its weights, along one or two directions.

    model: any module in evaluation mode, without dropout. It is not changed.
    loss: of (outputs, targets), the mean over the examples given
    data: (inputs, targets), tensors or arrays with one row an example, or Data: its training set
    directions: "random": Gaussian, `dimensions` of them, with this normalisation and seed; one or two other models of
        the same shape: the way to each, batch normalisation's statistics included; or what `pca_directions` and the
        other functions of empirical.directions return. normalisation and dimensions are those of random ones only.
    extent: (low, high) of every coordinate; None: what suits the directions. points: on each axis
    chunk: examples evaluated at a time
    batchnorm: statistics of batch normalisation "kept" as they are, or "recomputed" on the inputs at every point, as is
        needed for the loss that training would see there
    checkpoint: a file that keeps what is done every few seconds; the same call goes on from it

    Raises ValueError on a model in training mode or with dropout, a loss that is no mean or changes from call to call,
    and a checkpoint of another surface; non-finite losses are holes, counted.
    Source: Goodfellow et al. 2015 (profiles); Li et al. 2018, section 4 (filter normalisation).
    """
    check_evaluates(model)
    if batchnorm not in ("kept", "recomputed"):
        raise ValueError(f'batchnorm must be "kept" or "recomputed", got {batchnorm!r}')
    inputs, targets = examples(data, model)
    check_count(points, "points", least=2)
    check_count(chunk, "chunk")
    along = _directions(model, directions, dimensions, normalisation, check_seed(seed))
    axes = _axes(along, extent, points)
    moved = copy.deepcopy(model)

    def at(place: np.ndarray) -> float:
        move(moved, model, along, place)
        if batchnorm == "recomputed":
            reestimate_batchnorm(moved, inputs, chunk)
            moved.eval()
        return mean_loss(moved, loss, inputs, targets, chunk)

    check_loss(model, loss, inputs, targets)
    centre = at(np.zeros(len(axes)))
    grid = [np.array(place) for place in np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))]
    values = np.full(len(grid), np.nan)
    known = [] if checkpoint is None else [centre, *(at(grid[k]) for k in (0, len(grid) // 3, len(grid) - 1))]
    with _Kept(checkpoint, values, _identity(model, along, axes, inputs, targets, batchnorm, known)) as kept:
        for k in kept.missing():
            values[k] = at(grid[k])
            kept.done(k)
            if progress is not None:
                progress(k + 1, len(grid), f"loss {values[k]:.4g}")
    holes = int((~np.isfinite(values)).sum())
    values[~np.isfinite(values)] = np.nan
    shape = tuple(len(axis) for axis in axes)
    return Surface(axes, values.reshape(shape), along.names, centre, holes, along.path)


@torch.no_grad()
def move(moved: nn.Module, model: nn.Module, along: Directions, place: np.ndarray) -> None:
    """Give `moved` the weights of `model` plus place[0] times the first direction plus ..."""
    old = dict([*model.named_parameters(), *model.named_buffers()])
    new = dict([*moved.named_parameters(), *moved.named_buffers()])
    for name, tensor in new.items():
        if name not in along.steps[0]:
            tensor.copy_(old[name])
            continue
        total = old[name].clone()
        for step, amount in zip(along.steps, place, strict=True):
            total.add_(step[name].to(total), alpha=float(amount))
        tensor.copy_(total)


def _directions(model: nn.Module, directions: Any, dimensions: int, normalisation: Any, seed: int) -> Directions:
    if isinstance(directions, Directions):
        return directions.checked(model)
    if isinstance(directions, str):
        if directions != "random":
            raise ValueError(f'directions must be "random", one or two models, or Directions; got {directions!r}')
        return random_directions(model, dimensions, normalisation=normalisation, seed=seed)
    return between(model, *([directions] if isinstance(directions, nn.Module) else directions))


def _axes(along: Directions, extent: Sequence[float] | None, points: int) -> tuple[np.ndarray, ...]:
    if extent is None:
        pairs: Sequence[tuple[float, float]] = along.extent
    else:
        pair = tuple(map(float, extent)) if isinstance(extent, Sequence | np.ndarray) else ()
        if len(pair) != 2 or not (math.isfinite(pair[0]) and math.isfinite(pair[1]) and pair[0] < pair[1]):
            raise ValueError(f"extent must be (low, high), finite, low < high; got {extent!r}")
        pairs = [(pair[0], pair[1])] * len(along.steps)
    return tuple(np.linspace(low, high, points) for low, high in pairs)


def _identity(
    model: nn.Module,
    along: Directions,
    axes: tuple[np.ndarray, ...],
    inputs: torch.Tensor,
    targets: torch.Tensor,
    batchnorm: str,
    known: Sequence[float],
) -> str:
    """SHA-256 of what makes a surface: weights, directions, grid, data and, for the loss, its values at some places.

    Several, since different losses often agree at one: at a perfect fit, or where both are infinite.
    """
    digest = hashlib.sha256(f"{batchnorm} {list(known)!r}".encode())
    tensors = [*model.state_dict().values(), *(t for step in along.steps for t in step.values()), inputs, targets]
    for array in [
        *axes,
        *(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy() for tensor in tensors),
    ]:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


class _Kept:
    """Losses that survive an interrupt: values (n,) in memory, and in a file where one is given.

    The file holds `identity`, `values` and `known` (n,), written whole, then renamed.
    """

    def __init__(self, path: str | Path | None, values: np.ndarray, identity: str) -> None:
        self.path = None if path is None else Path(path)
        self.values, self.identity = values, identity
        self.known = np.zeros(len(values), bool)
        self.written = time.monotonic()
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                identity, values, known = str(file["identity"]), file["values"], file["known"]
        except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zlib.error, BadZipFile) as error:
            raise ValueError(
                f"{path} is no checkpoint of a surface ({error}); remove it or name another file"
            ) from error
        if identity != self.identity or not values.shape == known.shape == self.values.shape:
            raise ValueError(f"{path} is the checkpoint of another surface; remove it or name another file")
        self.values[:], self.known = values, known

    def missing(self) -> Iterator[int]:
        return iter(np.flatnonzero(~self.known).tolist())

    def done(self, k: int) -> None:
        self.known[k] = True
        if time.monotonic() - self.written > _SAVE_SECONDS:
            self._write()

    def _write(self) -> None:
        if self.path is not None:
            buffer = io.BytesIO()
            np.savez(buffer, identity=self.identity, values=self.values, known=self.known)
            write(self.path, buffer.getvalue())
        self.written = time.monotonic()

    def __enter__(self) -> "_Kept":
        return self

    def __exit__(self, *_: object) -> None:
        self._write()
