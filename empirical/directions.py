"""Directions in the weights of a model: random with a normalisation, principal ones of a trajectory, towards others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from theory.arguments import check_seed

Step = Mapping[str, torch.Tensor]
Normalisation = Literal["filter", "layer"] | None


@dataclass(frozen=True)
class Directions:
    """One or two directions, each a change of the parameters; between models also of statistics.

    steps: name -> change; names: of the axes; extent: (low, high) of each coordinate that suits them
    path: (p, axes) coordinates of the models they were made of, else None
    explained: share of the variance of a trajectory that each explains, for principal directions
    """

    steps: tuple[Step, ...]
    names: tuple[str, ...]
    extent: tuple[tuple[float, float], ...]
    path: np.ndarray | None = None
    explained: tuple[float, ...] | None = None

    def checked(self, model: nn.Module) -> "Directions":
        """Itself, if the model has the tensors it speaks of; ValueError otherwise."""
        own = {name: tensor.shape for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
        for step in self.steps:
            wrong = [name for name, change in step.items() if own.get(name) != change.shape]
            if wrong:
                raise ValueError(f"these directions are of another model: {wrong[0]} is not there, or of another shape")
        return self


def random_directions(
    model: nn.Module, dimensions: int = 2, *, normalisation: Normalisation = "filter", seed: int = 0
) -> Directions:
    """Gaussian directions.

    normalisation: "filter": each filter (row of a dense layer, the weights into one output channel of a convolution)
        gets the length of the model's own, parameters of one axis (biases, batch normalisation) do not move; "layer":
        the same with whole tensors; None: N(0, 1) in every parameter
    Raises ValueError where nothing would move. Source: Li et al. 2018, section 4.
    """
    if dimensions not in (1, 2):
        raise ValueError(f"dimensions must be 1 or 2, got {dimensions!r}")
    if normalisation not in ("filter", "layer", None):
        raise ValueError(f'normalisation must be "filter", "layer" or None, got {normalisation!r}')
    generator = torch.Generator().manual_seed(check_seed(seed) % 2**63)
    steps = []
    for _ in range(dimensions):
        drawn = {
            name: torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            for name, parameter in model.named_parameters()
        }
        steps.append(normalised(drawn, model, normalisation))
    if not any(change.any() for change in steps[0].values()):
        raise ValueError(
            f"with {normalisation} normalisation nothing moves: every parameter of the model has one axis or is 0; "
            "take normalisation=None"
        )
    unit = f"{normalisation}-normalised" if normalisation else "N(0, 1) a weight"
    names = tuple(f"random direction {k + 1} ({unit})" for k in range(dimensions))
    return Directions(tuple(steps), names, ((-1.0, 1.0),) * dimensions)


def normalised(step: Step, model: nn.Module, normalisation: Normalisation) -> Step:
    """A step with lengths taken from the model's own weights, as `random_directions` says."""
    if normalisation is None:
        return step
    own = {name: parameter.detach().cpu() for name, parameter in model.named_parameters()}
    return {name: _scaled(change, own[name], normalisation) for name, change in step.items()}


def pca_directions(
    model: nn.Module, trajectory: Sequence[nn.Module | Step], dimensions: int = 2, margin: float = 0.2
) -> Directions:
    """Principal directions of the weights along a trajectory, of length 1, through the model's own weights.

    trajectory: models, or their state dicts, in the order of training; buffers (statistics) are left alone.
    The axes cover the trajectory with this margin; `path` is where it lies, `explained` its variance along each.
    Raises ValueError on fewer snapshots than dimensions + 1, and where they span fewer dimensions.
    Source: Li et al. 2018, section 7.
    """
    if dimensions not in (1, 2):
        raise ValueError(f"dimensions must be 1 or 2, got {dimensions!r}")
    own = [(name, parameter.detach().cpu()) for name, parameter in model.named_parameters()]
    states = [one.state_dict() if isinstance(one, nn.Module) else one for one in trajectory]
    if len(states) <= dimensions:
        raise ValueError(
            f"{dimensions} principal directions need at least {dimensions + 1} snapshots, got {len(states)}"
        )
    rows = torch.stack([_difference(state, own) for state in states])
    centred = rows - rows.mean(0)
    gram = (centred @ centred.T).numpy()  # (snapshots, snapshots): far smaller than the weights
    variances, mixing = np.linalg.eigh(gram)
    variances, mixing = variances[::-1][:dimensions], mixing[:, ::-1][:, :dimensions]
    if variances[-1] <= 1e-12 * max(gram.trace(), 1e-300):
        way_out = (
            "take them further apart"
            if gram.any()
            else "they are all alike; copy.deepcopy(model.state_dict()) keeps one"
        )
        raise ValueError(f"the snapshots span fewer than {dimensions} directions: {way_out}")
    vectors = torch.as_tensor(mixing.T.copy()) @ centred
    vectors = vectors / vectors.norm(dim=1, keepdim=True)
    path = (rows @ vectors.T).numpy()
    explained = tuple(float(v / gram.trace()) for v in variances)
    low, high = np.minimum(path.min(0), 0), np.maximum(path.max(0), 0)
    room = margin * np.maximum(high - low, 1e-12)
    return Directions(
        tuple(_parts(vector, own) for vector in vectors),
        tuple(f"principal direction {k + 1} ({_percent(share)} of the variance)" for k, share in enumerate(explained)),
        tuple(zip((low - room).tolist(), (high + room).tolist(), strict=True)),
        path,
        explained,
    )


def between(model: nn.Module, *others: nn.Module) -> Directions:
    """The way from a model (coordinate 0) to one or two others (coordinate 1 each), statistics included.

    Raises TypeError for what is no model, ValueError for models of another shape and for one equal to the first.
    """
    if not 1 <= len(others) <= 2:
        raise ValueError(f"directions between models need one or two other models, got {len(others)}")
    own = _floating(model)
    steps = []
    for other in others:
        if not isinstance(other, nn.Module):
            raise TypeError(f"directions between models need torch modules, got {type(other).__name__}")
        theirs = _floating(other)
        if {name: t.shape for name, t in own.items()} != {name: t.shape for name, t in theirs.items()}:
            raise ValueError("the models have parameters of different names or shapes: there is no line between them")
        steps.append({name: theirs[name].to(own[name]) - own[name] for name in own})
        if not any(change.any() for change in steps[-1].values()):
            raise ValueError("the models have the same weights: there is no direction between them")
    if len(steps) == 2:
        first, second = (torch.cat([change.double().ravel() for change in step.values()]) for step in steps)
        if float((first @ second) ** 2) > (1 - 1e-12) * float((first @ first) * (second @ second)):
            raise ValueError("both models lie on one line through the first: they span no plane, take one of them")
    names = tuple(f"way to model {k + 2} (1: there)" for k in range(len(others)))
    corners = np.concatenate([np.zeros((1, len(others))), np.eye(len(others))])
    return Directions(tuple(steps), names, ((-0.5, 1.5),) * len(others), corners)


def _scaled(change: torch.Tensor, own: torch.Tensor, normalisation: Normalisation) -> torch.Tensor:
    if own.ndim < 2:
        return torch.zeros_like(change)
    rows = len(own) if normalisation == "filter" else 1
    drawn, lengths = change.reshape(rows, -1), own.reshape(rows, -1).norm(dim=1, keepdim=True)
    return (drawn * (lengths / drawn.norm(dim=1, keepdim=True).clamp_min(1e-30))).reshape(own.shape)


def _floating(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers that are no counters."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor.detach() for name, tensor in tensors if tensor.is_floating_point()}


def _difference(state: Mapping[str, Any], own: Sequence[tuple[str, torch.Tensor]]) -> torch.Tensor:
    for name, parameter in own:
        if name not in state or state[name].shape != parameter.shape:
            raise ValueError(f"a snapshot lacks {name} of shape {tuple(parameter.shape)}: it is of another model")
    return torch.cat([(state[name].detach().cpu() - parameter).double().ravel() for name, parameter in own])


def _percent(share: float) -> str:
    return f"{share:.0%}" if 0.01 < share < 0.99 else f"{100 * share:.3g} %"


def _parts(vector: torch.Tensor, own: Sequence[tuple[str, torch.Tensor]]) -> Step:
    pieces = vector.split([parameter.numel() for _, parameter in own])
    return {name: piece.view(p.shape).to(p.dtype) for (name, p), piece in zip(own, pieces, strict=True)}
