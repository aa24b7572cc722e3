"""One step down a gradient: plain, with momentum, Adam, with added noise.

By hand, for importing torch's optimisers costs 1.5 s; the tests compare the two.
"""

from collections.abc import Mapping, Sequence

import torch

from empirical.histories import TrainConfig

Memory = dict[str, torch.Tensor]  # what a rule carries from step to step: "velocity.NAME", "first.NAME", "second.NAME"
_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-8


@torch.no_grad()
def step(
    weights: Mapping[str, torch.Tensor],
    gradients: Mapping[str, torch.Tensor],
    memory: Memory,
    config: TrainConfig,
    number: int,
    generators: Sequence[torch.Generator],
) -> None:
    """Change the weights, and the memory (empty at first), by step `number` (1, 2, ...) of the config's rule.

    A weight without gradient moves by noise alone. Noise is drawn on the CPU, so a seed means the same everywhere, from
    the one generator, or, where several nets' weights are stacked, for each from its own.
    Source: Kingma and Ba (arXiv 1412.6980), Algorithm 1; momentum as in PyTorch: v = m v + gradient, w = w - rate v.
    """
    for name, weight in weights.items():
        if config.decay:
            weight.mul_(1 - config.rate * config.decay)
        if name in gradients:
            if config.optimizer == "adam":
                _adam(weight, gradients[name], memory, name, config.rate, number)
            else:
                gradient = _velocity(weight, gradients[name], memory, name, config.momentum)
                weight.sub_(gradient, alpha=config.rate)
        if config.noise:
            weight.add_(_noise(weight, generators).to(weight.device), alpha=config.noise)


def _noise(weight: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
    if len(generators) == 1:
        return torch.randn(weight.shape, generator=generators[0], dtype=weight.dtype)
    return torch.stack([torch.randn(weight.shape[1:], generator=g, dtype=weight.dtype) for g in generators])


def _velocity(weight: torch.Tensor, gradient: torch.Tensor, memory: Memory, name: str, momentum: float) -> torch.Tensor:
    if not momentum:
        return gradient
    return memory.setdefault(f"velocity.{name}", torch.zeros_like(weight)).mul_(momentum).add_(gradient)


def _adam(weight: torch.Tensor, gradient: torch.Tensor, memory: Memory, name: str, rate: float, number: int) -> None:
    first = memory.setdefault(f"first.{name}", torch.zeros_like(weight))
    second = memory.setdefault(f"second.{name}", torch.zeros_like(weight))
    first.lerp_(gradient, 1 - _FIRST)
    second.mul_(_SECOND).addcmul_(gradient, gradient, value=1 - _SECOND)
    scale = second.sqrt().div_((1 - _SECOND**number) ** 0.5).add_(_EPSILON)
    weight.addcdiv_(first, scale, value=-rate / (1 - _FIRST**number))
