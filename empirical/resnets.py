"""Residual nets for small images, each with or without skip connections and batch normalisation."""

from collections.abc import Sequence

import torch
from torch import nn

from empirical.models import n_parameters
from theory.arguments import check_count, check_seed

__all__ = ["Block", "ResNet", "n_parameters"]


class Block(nn.Module):
    """Two convolutions 3x3, each followed by batch normalisation where asked; the input is added before the last ReLU.

    Where the shape changes, the input is taken at every second position and filled up with channels of 0 (He et al.'s
    option A, without parameters), so that nets with and without skips have the same parameters.
    """

    def __init__(self, fan_in: int, out: int, stride: int, skip: bool, batchnorm: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(fan_in, out, 3, stride, padding=1, bias=not batchnorm)
        self.second = nn.Conv2d(out, out, 3, padding=1, bias=not batchnorm)
        self.norms = nn.ModuleList([nn.BatchNorm2d(out) if batchnorm else nn.Identity() for _ in range(2)])
        self.skip, self.stride, self.missing = skip, stride, out - fan_in

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norms[1](self.second(torch.relu(self.norms[0](self.first(x)))))
        if self.skip:
            same = x[:, :, :: self.stride, :: self.stride]
            y = y + nn.functional.pad(same, (0, 0, 0, 0, 0, self.missing))
        return torch.relu(y)


class ResNet(nn.Module):
    """The nets of He et al. for CIFAR-10: a convolution, three stages of blocks (width, 2 width, 4 width channels, each
    at half the size of the one before), the mean over positions, a dense layer. Input (N, channels, size, size).

    depth: 6 n + 2 layers, n blocks a stage: 8, 14, 20, 32, 56, 110
    skip, batchnorm: without them the plain net of the same layers; without batch normalisation convolutions have biases
    seed: of He's initialisation, N(0, 2 / fan-in); with skips and without batch normalisation the second convolution of
        a block starts at 1 / sqrt(number of blocks) of that, else each block would double the variance

    Raises ValueError for another depth. Source: He et al. 2016, section 4.2; Li et al. 2018, section 5 (without skips).
    """

    def __init__(
        self,
        depth: int = 20,
        width: int = 16,
        *,
        skip: bool = True,
        batchnorm: bool = True,
        n_classes: int = 10,
        input_shape: Sequence[int] = (3, 32, 32),
        seed: int = 0,
    ) -> None:
        super().__init__()
        if check_count(depth, "depth") % 6 != 2 or depth < 8:
            raise ValueError(f"depth must be 6 n + 2 with n >= 1 (8, 14, 20, 32, 56, ...), got {depth}")
        blocks, fan_in = depth // 6, check_count(width, "width")
        layers: list[nn.Module] = [nn.Conv2d(input_shape[0], width, 3, padding=1, bias=not batchnorm)]
        layers += [nn.BatchNorm2d(width) if batchnorm else nn.Identity(), nn.ReLU()]
        for stage in range(3):
            for k in range(blocks):
                out = width * 2**stage
                layers.append(Block(fan_in, out, 2 if stage and not k else 1, skip, batchnorm))
                fan_in = out
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fan_in, n_classes))
        self._initialise(3 * blocks if skip and not batchnorm else 1, seed)

    def _initialise(self, shrunk: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(check_seed(seed) % 2**63)
        with torch.no_grad():
            for layer in self.modules():
                if isinstance(layer, nn.Conv2d | nn.Linear):
                    layer.weight.normal_(0.0, (2 / layer.weight[0].numel()) ** 0.5, generator=generator)
                    if layer.bias is not None:
                        layer.bias.zero_()
            for layer in self.modules():
                if isinstance(layer, Block):
                    layer.second.weight.mul_(shrunk**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)
