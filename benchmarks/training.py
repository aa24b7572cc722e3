"""Training speed: images a second of the plain CNN, as ratios to the loops people write, and what batch descent costs.

The images are random bytes of CIFAR-10's shape: speed does not depend on what they show. Wall times are medians of
interleaved rounds; CPU seconds beside them tell how busy the machine was with other things.
"""

import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from empirical import epochs, stacked, train
from empirical.allocator import keep_freed_memory
from empirical.data import Data
from empirical.full_batch import full_gradient
from empirical.histories import TrainConfig
from empirical.models import PlainCNN

LOADER, TENSORS, OURS = "plain loop, torchvision data set", "plain loop, tensors", "one trajectory"
BFLOAT16, COMPILED = "one trajectory, bfloat16", "one trajectory, torch.compile"
IN_TURN, AT_ONCE, STACKED = "several in turn", "several at once", "several as one (vmap)"


@dataclass(frozen=True)
class Rate:
    """Images a second of one way to train, by wall time, and CPU microseconds an image."""

    way: str
    wall: float
    cpu: float


@dataclass(frozen=True)
class Descent:
    """One step of batch descent; piece: None for all images at once; memory: MB beyond the images and the program."""

    images: int
    piece: int | None
    seconds: float
    memory: float


class _Pictures(Dataset):
    """Images as torchvision's CIFAR10 gives them: one at a time, through PIL, to a tensor, normalised."""

    def __init__(self, images: np.ndarray, labels: torch.Tensor) -> None:
        from torchvision import transforms

        self.images, self.labels = images, labels
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.25,) * 3)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, k: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.images[k])), int(self.labels[k])


class _Bfloat16(nn.Module):
    """The net with its convolutions and products in bfloat16, weights in float32."""

    def __init__(self, net: nn.Module, device: str) -> None:
        super().__init__()
        self.net, self.kind = net, torch.device(device).type

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.kind, dtype=torch.bfloat16):
            return self.net(inputs).float()


def rates(n: int, rounds: int, device: str, nets: int = 8, variants: bool = False) -> list[Rate]:
    """Each way to train, on n images an epoch, the median of as many rounds; nets: how many several are.

    variants: also one trajectory in bfloat16, and one of a net that torch.compile has compiled (which needs a C++
    compiler); the experiments use neither.
    The plain loops run in a process of their own, in which memory is managed as it is by default.
    """
    code = f"from benchmarks.training import plain_rates; plain_rates({n}, {rounds}, {device!r})"
    plain = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    keep_freed_memory()
    _, labels, inputs = _random_pictures(n)
    data = Data("random", inputs, labels, inputs[:0], labels[:0], 10, identity="random")
    jobs = [(PlainCNN(seed=k), TrainConfig(epochs=2, every=2, seed=k)) for k in range(nets)]
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        OURS: (n, lambda: _one_epoch(PlainCNN(), data, device)),
        IN_TURN: (2 * nets * n, lambda: [train.train(_copy(net), data, config, device=device) for net, config in jobs]),
        AT_ONCE: (2 * nets * n, lambda: train.train_each(jobs, data, device=device)),
        STACKED: (2 * nets * n, lambda: _stack(jobs, data, device)),
    }
    if variants:
        compiled = torch.compile(PlainCNN())
        ways[BFLOAT16] = n, lambda: _one_epoch(_Bfloat16(PlainCNN(), device), data, device)
        ways[COMPILED] = n, lambda: _one_epoch(compiled, data, device)
    return [Rate(*row) for row in json.loads(plain.stdout)] + _rates(ways, rounds, device)


def plain_rates(n: int, rounds: int, device: str) -> None:
    """Print the rates of the plain loops as JSON."""
    pictures, labels, inputs = _random_pictures(n)
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        LOADER: (n, lambda: _plain_loop(_Pictures(pictures.numpy(), labels), device)),
        TENSORS: (n, lambda: _plain_loop(TensorDataset(inputs, labels), device)),
    }
    print(json.dumps([[rate.way, rate.wall, rate.cpu] for rate in _rates(ways, rounds, device)]))


def _rates(ways: dict[str, tuple[int, Callable[[], object]]], rounds: int, device: str) -> list[Rate]:
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for round_ in range(rounds + 1):
        for way, (images, run) in ways.items():
            wall, cpu = _timed(run, device)
            if round_:  # the first one warms up caches and worker processes
                found[way].append((images / wall, 1e6 * cpu / images))
    return [Rate(way, *(statistics.median(values) for values in zip(*found[way], strict=True))) for way in ways]


def _random_pictures(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures (n, 32, 32, 3) of bytes, labels, and the pictures as a net takes them."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (n, 32, 32, 3), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (n,), generator=generator)
    return pictures, labels, (pictures.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25


def descents(images: tuple[int, ...], pieces: tuple[int | None, ...], device: str) -> list[Descent]:
    """Time and peak memory of a step of batch descent, each measured in a process of its own."""
    found = []
    for n in images:
        for piece in pieces:
            code = f"from benchmarks.training import one_descent; one_descent({n}, {piece}, {device!r})"
            run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            seconds, memory = map(float, run.stdout.split())
            found.append(Descent(n, piece, seconds, memory))
    return found


def one_descent(n: int, piece: int | None, device: str) -> None:
    """Print the CPU seconds of a step on n random images, and by how many MB it raised the peak of memory."""
    torch.set_num_threads(1)
    keep_freed_memory()
    model = PlainCNN().to(device, memory_format=torch.channels_last)
    inputs = torch.randn(n, 3, 32, 32).to(device, memory_format=torch.channels_last)
    labels = torch.zeros(n, dtype=torch.long, device=device)
    full_gradient(model, inputs[:4], labels[:4], "cross-entropy", 2)  # loads what is loaded at the first use
    gpu = torch.device(device).type == "cuda"
    before = _memory(gpu, start=True)

    def step() -> None:
        if piece is not None:
            full_gradient(model, inputs, labels, "cross-entropy", piece)
        else:
            loss = nn.functional.cross_entropy(model.train()(inputs), labels)
            torch.autograd.grad(loss, list(model.parameters()))

    wall, cpu = _timed(step, device)
    print(wall if gpu else cpu, _memory(gpu) - before)


def _memory(gpu: bool, start: bool = False) -> float:
    """MB in use now, which is then the peak to be raised (start), or the peak since; NaN where it cannot be read."""
    if gpu and start:
        torch.cuda.reset_peak_memory_stats()
    if gpu:
        return torch.cuda.max_memory_allocated() / 1e6
    try:
        if start:
            Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak becomes what is in use now
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return float(lines["VmHWM"].split()[0]) / 1e3
    except OSError:
        return math.nan


def _plain_loop(pictures: Dataset, device: str) -> None:
    """What tutorials write, with the memory allocator as it is by default."""
    model = PlainCNN().to(device).train()
    optimizer, loss_of = torch.optim.SGD(model.parameters(), lr=0.01), nn.CrossEntropyLoss()
    for inputs, labels in DataLoader(pictures, batch_size=100, shuffle=True):
        optimizer.zero_grad()
        loss_of(model(inputs.to(device)), labels.to(device)).backward()
        optimizer.step()


def _one_epoch(model: nn.Module, data: Data, device: str) -> None:
    """An epoch without the look at its end, which the plain loop does not have either."""
    config = TrainConfig(epochs=2, every=2)
    sets = epochs.on_device(data, model, device)
    small = epochs.Sets(sets.train_inputs[:2], sets.train_labels[:2], sets.test_inputs, sets.test_labels)
    epochs.one_epoch(model, sets, config, epochs.start(model, small, config))


def _stack(jobs: list[tuple[nn.Module, TrainConfig]], data: Data, device: str) -> None:
    copies = [(_copy(model).to(device), config) for model, config in jobs]
    sets = epochs.on_device(data, copies[0][0], device)
    stacked.train_stacked(copies, sets, [None] * len(jobs), [{}] * len(jobs))


def _copy(model: nn.Module) -> nn.Module:
    copy = PlainCNN()
    copy.load_state_dict(model.state_dict())
    return copy


def _timed(run: Callable[[], object], device: str) -> tuple[float, float]:
    """Wall and CPU seconds, child processes included once they have ended."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu
