"""A recurrent net that reads an image row by row."""

from collections.abc import Sequence

import torch
from torch import nn

from theory.arguments import check_count, check_seed


class RowLSTM(nn.Module):
    """An LSTM over the rows of an image, then a dense layer on its last state. Input (N, channels, rows, columns).

    seed: of the initialisation, all weights U(-1, 1) / sqrt(hidden), torch's own choice; no global state is touched
    """

    def __init__(
        self, input_shape: Sequence[int] = (1, 28, 28), hidden: int = 64, n_classes: int = 10, *, seed: int = 0
    ) -> None:
        super().__init__()
        channels, _, columns = input_shape
        self.lstm = nn.LSTM(channels * columns, check_count(hidden, "hidden"), batch_first=True, device="meta")
        self.read = nn.Linear(hidden, n_classes, device="meta")
        self.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(check_seed(seed) % 2**63)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5, generator=generator)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.permute(0, 2, 1, 3).flatten(2)
        states, _ = self.lstm(rows)
        return self.read(states[:, -1])
