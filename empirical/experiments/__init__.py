"""The experiments, in the order of the claims they check, and the one way to run any of them.

A module of this folder, named by its id with underscores, has
    REPORTED              what the source prints, with where each number comes from
    Config, PRESETS       a frozen dataclass and its values "smoke", "cpu" and "paper"; where the experiment needs data,
                          its field `data` names the data set, or several joined by "+", of which `compute` then gets a
                          tuple; `subset` says how much of each
    check_data(data)      where it takes data of some shapes only: raises ValueError, before anything is written
    compute(config, data, *, seed, device, progress) -> Result     numbers only; data is None where none is wanted;
                          where it has the keyword `checkpoints` it gets a folder for those of its trainings, and a run
                          that was cut short goes on from there
    draw(result) -> {name: Figure}
"""

import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.arguments import check_seed

if TYPE_CHECKING:
    from empirical.data import Data
    from empirical.records import Run

EXPERIMENTS = {
    "zero-set-dimension": "nullity of the error's Hessian where training ends, polynomial and ReLU nets",
    "regions": "basins reached by SGD from many starts, clustered, beside the pieces that theory counts",
    "polynomial-net": "ReLU and polynomial nets trained alike: error curves, gap, what leaves the interval",
    "margin": "margins of training images at zero error: cross entropy on its way, square loss by its residual",
    "random-labels": "random labels fitted, with weight decay too: margins, flatness, error as their number grows",
    "sgd-trajectories": "SGD again and again from one point, stage after stage: maps of the ways, spread by stage",
    "bgd-no-local-minima": "batch descent and SGD from the same starts: who gets stuck, test errors",
    "branches": "branches off batch descent, early and late: distance from the trunk beyond that of their noise",
    "interpolation": "error between nets that parted early or late, at several rates: where there are walls",
    "flat-global-minima": "a minimum perturbed by 0.1 S and trained again: errors, maps of the paths, where they end",
    "flatness-radius": "distance to a rise of the loss by 0.05 in random directions, natural and random labels",
    "three-point": "training accuracy over the simplex of three minimisers, natural and random labels",
    "perturbation-size": "noise of 0.1 to 2 S on a trained net, training again: is there a wall in between",
    "overparametrisation": "training and test error of nets of growing width",
    "minimum-norm": "where SGD ends on a flat minimum, against the nearest and the least solution",
    "gradient-noise": "minibatch gradients early and late: mean, covariance, distance from a Gaussian, by batch size",
    "sgdl": "SGD with added Gaussian noise beside SGD, several noise levels",
    "boltzmann": "Langevin descent against the Boltzmann distribution",
    "wide-minimum": "visits to two wells, one wider by 2, in 1 to 5 dimensions",
    "degenerate-valley": "visits to a degenerate valley and to an isolated minimum of the same depth: GDL, SGD, SGDL",
    "sgd-convergence": "decreasing rates and decreasing noise on convex, pseudo-convex and double-well functions",
    "random-hessian": "random matrices to size 1,000: shares of minima, of negative eigenvalues, index against error",
    "index-and-error": "index against error at all critical points of a small network, and at those a search finds",
    "spurious-minima": "the tables of Safran and Shamir: how often descent ends in a spurious minimum, by k and n",
    "xor-jellyfish": "how often nets of 2 to 7 units learn XOR, with ReLU or sigmoid, Adam or descent",
    "blind-spot": "ReLU nets from starts of negative mean: how many start dead, how many learn nothing",
    "stuck-not-critical": "norm of the gradient where SGD no longer improves; paths that pass a saddle",
    "profiles": "the loss from start to end, end to end, start to start: MLP, CNN and LSTM",
    "strategies": "SGD, Adam and a switch at epoch t: barriers between the ends, errors, radii of the basins",
    "bn-and-skip": "rise of the loss around residual nets with and without skips and batch normalisation",
    "smooth-descent": "steps until the gradient of a network is small, against the bound with its measured beta",
    "saddle-escape": "steps that perturbed descent takes out of a saddle, by dimension; plain descent stays",
    "overspecified": "nets of 1 to 8 times the units of the one that made the data: how many fit them, how soon",
    "memorizer": "2n + d weights that meet any labels of n images, exactly and rounded; descent with as many",
    "vacuous-capacity": "capacity bounds of trained nets beside the gaps measured; nets on random signs",
    "similar-minima": "mean and spread of the losses of many nets by width, and the Hessians where they end",
    "kernel-capacity": "kernel expansions on random labels: what they miss, what they get right on new images",
}
PRESETS = ("smoke", "cpu", "paper")
DATA_SETS = ("cifar10", "mnist", "digits", "images")
WITHOUT_FILES = ("digits", "images")  # data sets that need no folder

Progress = Callable[[int, int, str], None]


def list_experiments() -> list[str]:
    """The ids that `run` takes, in the order of the claims."""
    return list(EXPERIMENTS)


def run(
    id: str,
    preset: str = "smoke",
    data: Any = None,
    device: str = "auto",
    seed: int = 0,
    out: str | Path = "runs",
    resume: bool = True,
    progress: Progress | None = None,
) -> "Run":
    """Run one experiment, keep it in the folder out/<id>-<preset>-seed<seed>, and return what that folder holds.

    data: the folder under which torchvision's folders lie, the name of a data set, or (X, Y); experiments without data
        ignore it. Without it `smoke` takes data that need no files; `cpu` and `paper` say what is missing.
    device: "auto" (a GPU if there is one), "cpu", "cuda", ...; experiments with a DEVICE compute there and record that
    resume: a finished run of the same config is loaded instead of repeated, one that was cut short goes on from its
        checkpoints, and a folder that holds another run is refused with the difference; False starts afresh and
        replaces what is there.
    progress: called as progress(done, total, text).

    Raises ValueError on an unknown id, preset or device, on missing or damaged data, and on a folder of another run.
    """
    from empirical import records

    check_request(id, preset, data, device)
    seed = check_seed(seed)
    module = _module(id)
    config, place = module.PRESETS[preset], getattr(module, "DEVICE", None) or _device(device)
    used = _data(config, data, seed)
    if hasattr(module, "check_data"):
        module.check_data(used)
    path = Path(out) / f"{id}-{preset}-seed{seed}"
    described = records.describe(id, preset, seed, place, config, _described(used))
    if resume and records.resumable(path, described):
        return records.load(path)
    try:
        records.begin(path, described, resume)
    except OSError as error:
        raise ValueError(f"cannot write to {path}: {error.strerror}; give another out") from error
    start = time.perf_counter()
    kept = {"checkpoints": path / "checkpoints"} if "checkpoints" in signature(module.compute).parameters else {}
    try:
        result = module.compute(config, used, seed=seed, device=place, progress=progress, **kept)
        seconds = round(time.perf_counter() - start, 3)
        figures = module.draw(result)
    except Exception:  # an interrupt may leave its config: such a run is done again
        records.abandon(path)
        raise
    artifacts = ("metrics.csv", *(f"figures/{name}.png" for name in figures))
    result = replace(result, claim=replace(result.claim, seconds=seconds, artifacts=artifacts))
    try:
        records.finish(path, result, figures)
    except OSError as error:
        remedy = "make room and run again: what was trained is kept" if kept else "make room or give another out"
        raise ValueError(f"cannot write to {path}: {error.strerror}; {remedy}") from error
    return records.load(path)


def check_request(id: str, preset: str, data: Any = None, device: str = "auto") -> None:
    """Raise ValueError where `run` would, before it does any work, for what it is given; files are not read."""
    if id not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {id!r}: choose one of {', '.join(EXPERIMENTS)}")
    if preset not in PRESETS:
        raise ValueError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}")
    _device(device)
    if isinstance(data, str) and not data:
        raise ValueError(f"data is empty: give a folder, (X, Y) or one of {', '.join(DATA_SETS)}")
    if (
        data is not None
        and not isinstance(data, str | Path)
        and not (isinstance(data, tuple | list) and len(data) == 2)
    ):
        raise TypeError(f"data must be a folder, a data set's name or a pair (X, Y), got {type(data).__name__}")
    folder = _folder(data)
    if folder is not None and not folder.is_dir():
        raise ValueError(
            f"data folder {str(data)!r} does not exist; give a folder, (X, Y) or one of {', '.join(DATA_SETS)}"
        )
    wanted = getattr(_module(id).PRESETS[preset], "data", None)
    if data is None and wanted is not None and not set(wanted.split("+")) <= set(WITHOUT_FILES):
        raise ValueError(
            f"{id} with preset {preset} needs {wanted.replace('+', ' and ')}: give the folder that holds it as data "
            f"(--data), or take preset smoke"
        )


def _module(id: str) -> Any:
    return import_module(f"empirical.experiments.{id.replace('-', '_')}")


def _device(name: str) -> str:
    """The device to compute on, as torch names it; ValueError if there is none of that name here."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=torch.device(name)).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        found = ["cpu"] + [f"cuda:{k}" for k in range(torch.cuda.device_count())]
        raise ValueError(f"device {name!r} is not there; found: {', '.join(found)}; or give 'auto'") from error
    return name


def _folder(data: Any) -> Path | None:
    """data as a folder, where it is neither None nor arrays nor the name of a data set."""
    return Path(data) if isinstance(data, str | Path) and str(data) not in DATA_SETS else None


def _data(config: Any, data: Any, seed: int) -> "Data | tuple[Data, ...] | None":
    """The data an experiment is to use, from what the caller gave as `data`; None where it wants none."""
    from empirical.data import from_arrays, load_data

    if not hasattr(config, "data"):
        return None
    if isinstance(data, tuple | list):
        inputs, labels = data
        return from_arrays(inputs, labels, seed=seed)
    folder, names = _folder(data), config.data.split("+")
    if folder is not None:
        names = ["cifar10" if name in WITHOUT_FILES else name for name in names]
    elif data is not None:
        names = [str(data)]
    used = tuple(load_data(name, root=folder, subset=config.subset, seed=seed) for name in dict.fromkeys(names))
    return used if "+" in config.data else used[0]


def _described(used: "Data | tuple[Data, ...] | None") -> dict[str, Any] | None:
    if not isinstance(used, tuple):
        return None if used is None else used.describe()
    return {"name": "+".join(one.name for one in used)} | {one.name: one.describe() for one in used}
