"""The gradient over all examples at once, a piece at a time, with batch normalisation over all of them.

Adding up the gradients of pieces that are each normalised by their own statistics would descend another loss. Here the
statistics are those of all examples, and the gradient includes how they change with the weights. Nothing is kept from
piece to piece, what is needed again is computed again: memory is that of one piece, whatever the number of examples
(60 MB beyond the data at 100 images a piece, where all at once take 130 kB an image; three times the time on a CPU).

How: the loss is L(w, s_1, ..., s_n), where s_k, mean and variance of what enters layer k, is S_k(w, s_1, ..., s_{k-1}).
With the multipliers l_k = d/ds_k (L + sum over j > k of <l_j, S_j>), from the last layer to the first, the gradient is
that of L + sum of <l_j, S_j> at fixed s. L and each S_j are sums over examples (the variance at fixed mean, which is
exact where that is the examples' own), so each of these derivatives is a sum over pieces.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from empirical.evaluation import criterion

Layer = nn.BatchNorm1d | nn.BatchNorm2d
Piece = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class _Statistics:
    """Of what enters a layer over all examples: count of values a channel, mean and variance (channels,)."""

    count: int
    mean: torch.Tensor
    variance: torch.Tensor


class _Reached(Exception):
    """Ends a forward pass at the layer whose statistics are wanted."""


def full_gradient(
    model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, loss: str, piece: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Mean loss over all examples in training mode, and its gradient by name of the parameter: no step is taken.

    Equal to one forward and backward pass over all examples up to rounding. The running statistics of batch
    normalisation are updated once, with those of all. The net must be deterministic and pass each such layer once.

    piece: examples held at a time
    """
    pieces = list(zip(inputs.split(piece), labels.split(piece), strict=True))
    total = labels.numel() if loss == "square" else len(labels)
    loss_of = criterion(loss, reduction="sum")
    layers = _in_order(model, inputs[:2])
    model.train()
    known: list[_Statistics] = []
    for _ in layers:
        known.append(_statistics(model, layers, known, [x for x, _ in pieces]))
    multipliers: dict[int, list[torch.Tensor]] = {}

    def share(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What a piece adds to L, and to L + sum of <l_j, S_j> over the layers whose multipliers are known."""
        with _normalising(layers, known) as entered:
            value = loss_of(model(x), y) / total
        return value, value + sum(_term(entered[j], known[j], multipliers[j]) for j in multipliers)

    for k in reversed(range(len(layers))):
        wanted = [known[k].mean.requires_grad_(), known[k].variance.requires_grad_()]
        multipliers[k] = _summed(pieces, share, wanted)[1]
        for statistic in wanted:
            statistic.requires_grad_(False)
    weights = dict(model.named_parameters())
    value, gradients = _summed(pieces, share, list(weights.values()))
    for layer, statistics in zip(layers, known, strict=True):
        _update(layer, statistics)
    return value, dict(zip(weights, gradients, strict=True))


def _summed(
    pieces: Sequence[Piece],
    share: Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    wanted: list[torch.Tensor],
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The sum over pieces of the first number of `share`, and the gradient of the sum of the second."""
    total, gradients = torch.zeros((), device=wanted[0].device), [torch.zeros_like(w) for w in wanted]
    for x, y in pieces:
        value, differentiated = share(x, y)
        for gradient, part in zip(gradients, torch.autograd.grad(differentiated, wanted), strict=True):
            gradient += part
        total = total + value.detach()
    return total, gradients


def _term(entered: torch.Tensor, known: _Statistics, multipliers: list[torch.Tensor]) -> torch.Tensor:
    """A piece's part of <multipliers, statistics>; the derivative of the variance by the mean is 0 at the mean."""
    z = entered.movedim(1, -1).reshape(-1, len(known.mean))  # (values, channels)
    by_mean, by_variance = multipliers
    return (z.sum(0) @ by_mean + (z - known.mean).square().sum(0) @ by_variance) / known.count


@torch.no_grad()
def _statistics(
    model: nn.Module, layers: Sequence[Layer], known: Sequence[_Statistics], pieces: Sequence[torch.Tensor]
) -> _Statistics:
    """Of the layer after those known; pieces are merged in float64 by the rule of Chan, Golub and LeVeque (1983)."""
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for x in pieces:
        with _normalising(layers, known) as entered, suppress(_Reached):
            model(x)
        z = entered[len(known)]
        more = z.numel() // z.shape[1]
        variance, own = torch.var_mean(z, dim=[0, *range(2, z.ndim)], correction=0)
        apart = own.double() - mean.to(z.device)
        squares = squares.to(z.device) + more * variance.double() + apart.square() * (count * more / (count + more))
        mean = mean.to(z.device) + apart * (more / (count + more))
        count += more
    return _Statistics(count, mean.to(z.dtype), (squares / count).to(z.dtype))


@contextmanager
def _normalising(layers: Sequence[Layer], known: Sequence[_Statistics]) -> Iterator[dict[int, torch.Tensor]]:
    """Within it layers normalise by what is known; what enters them is collected, and the next one ends the pass."""
    entered: dict[int, torch.Tensor] = {}

    def normalise(k: int, z: torch.Tensor) -> torch.Tensor:
        entered[k] = z
        if k == len(known):
            raise _Reached
        layer, shape = layers[k], (-1, *(1,) * (z.ndim - 2))
        scale = (known[k].variance + layer.eps).rsqrt()
        if layer.affine:
            scale = scale * layer.weight
        shifted = (z - known[k].mean.view(shape)) * scale.view(shape)
        return shifted + layer.bias.view(shape) if layer.affine else shifted

    for k, layer in enumerate(layers):
        vars(layer)["forward"] = partial(normalise, k)
    try:
        yield entered
    finally:
        for layer in layers:
            del vars(layer)["forward"]


@torch.no_grad()
def _in_order(model: nn.Module, some: torch.Tensor) -> list[Layer]:
    """The layers of batch normalisation in the order of a forward pass."""
    found: list[Layer] = []
    layers = [layer for layer in model.modules() if isinstance(layer, Layer)]
    handles = [layer.register_forward_pre_hook(lambda layer, _: found.append(layer)) for layer in layers]
    model.eval()
    model(some)
    for handle in handles:
        handle.remove()
    return found


@torch.no_grad()
def _update(layer: Layer, known: _Statistics) -> None:
    """The running statistics after one step of training, as the layer itself would set them."""
    if layer.running_mean is None or layer.running_var is None or layer.num_batches_tracked is None:
        return
    layer.num_batches_tracked += 1
    share = layer.momentum if layer.momentum is not None else 1 / float(layer.num_batches_tracked)
    layer.running_mean.lerp_(known.mean, share)
    layer.running_var.lerp_(known.variance * (known.count / max(known.count - 1, 1)), share)
