"""A run on disk: its config, seed and versions, its numbers, its claim, its figures and its weights.

A folder holds config.json first and claim.json last, each file renamed into place when whole: a folder with a claim is
a finished run, one without is a run that was cut short. It goes on from the checkpoints of its trainings, which are
removed when it has come to its end.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.claims.claim import Claim, Control, plain

if TYPE_CHECKING:
    import pandas as pd
    import torch

PACKAGES = ("theory2-landscape", "numpy", "scipy", "torch", "torchvision", "scikit-learn", "matplotlib", "pandas")
COMPARED = ("experiment", "preset", "seed", "device", "data", "config")  # what makes two runs the same run


class RecordError(ValueError):
    """A run folder that cannot be used as asked: it holds another run, or is damaged."""


@dataclass(frozen=True)
class Result:
    """What an experiment computed. Figures are drawn from it, files are written from it.

    table: rows of metrics.csv, all with the same keys
    series: numbers that only the figures need, by name
    weights: name -> (parameter name -> tensor), one file of checkpoints/ each
    """

    claim: Claim
    table: list[dict[str, Any]]
    series: Mapping[str, Any] = field(default_factory=dict)
    weights: "Mapping[str, Mapping[str, torch.Tensor]]" = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A finished run, as its folder holds it; figures: name -> PNG, the SVG of the same name beside it."""

    claim: Claim
    table: "pd.DataFrame"
    figures: dict[str, Path]
    path: Path
    config: dict[str, Any]


def write(path: str | Path, content: str | bytes) -> Path:
    """Write a whole file or nothing: into a temporary file of the same folder, flushed to disk, then renamed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def describe(
    experiment: str, preset: str, seed: int, device: str, config: Any, data: dict[str, Any] | None
) -> dict[str, Any]:
    """What config.json holds: the run's inputs (COMPARED), how to repeat it, and the versions it ran with.

    config: a dataclass instance. data: name, sizes and SHA-256 of the data used (name: several joined by "+", then
    those of each by its name), None for an experiment without data.
    """
    command = f"empirical run {experiment} --preset {preset} --seed {seed} --device {device}"
    if data is not None:
        free = set(data["name"].split("+")) <= {"digits", "images"}  # such data need no folder
        command += f" --data {data['name']}" if free and "+" not in data["name"] else "" if free else " --data DIR"
    return {
        "experiment": experiment,
        "preset": preset,
        "seed": seed,
        "device": device,
        "data": plain(data),
        "config": plain(asdict(config)),
        "command": command,
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
        "machine": f"{platform.system()} {platform.machine()}",
    }


def begin(path: Path, config: dict[str, Any], resume: bool = False) -> None:
    """Make path the folder of a run of this config: what an older run left there goes, its claim first.

    resume: the checkpoints stay, if they are of a run of this very config
    """
    goes_on = resume and (path / "config.json").is_file() and not resumable(path, config)
    checkpoints = [] if goes_on else _all_files(path / "checkpoints")
    partial = path.glob(".*.part")  # of a process that was killed while it wrote
    for old in (path / "claim.json", path / "metrics.csv", *partial, *_files(path / "figures"), *checkpoints):
        old.unlink(missing_ok=True)
    write(path / "config.json", json.dumps(config, indent=1) + "\n")


def finish(path: Path, result: Result, figures: Mapping[str, Any]) -> None:
    """Write the numbers, weights and figures of a run that has begun, its claim last; figures: name -> Figure.

    Their SHA-256 go to config.json as `files`. The checkpoints of the run's trainings are removed after that.
    """
    import pandas as pd
    from safetensors.torch import save

    from empirical import plotting

    for name, weights in result.weights.items():
        tensors = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
        write(path / "checkpoints" / f"{name}.safetensors", save(tensors))
    for name, figure in figures.items():
        plotting.save(figure, path / "figures", name)
    write(path / "metrics.csv", pd.DataFrame(result.table).to_csv(index=False))
    config = json.loads((path / "config.json").read_text())
    weights_files = [path / "checkpoints" / f"{name}.safetensors" for name in sorted(result.weights)]
    files = [path / "metrics.csv", *_files(path / "figures"), *weights_files]
    config["files"] = {str(file.relative_to(path)): _sha256(file) for file in files}
    write(path / "config.json", json.dumps(config, indent=1) + "\n")
    write(path / "claim.json", result.claim.to_json() + "\n")
    for file in _all_files(path / "checkpoints"):
        if file not in files:
            file.unlink()
    _remove_empty(path / "checkpoints")


def abandon(path: Path) -> None:
    """Take back `begin`: a run that could not be computed leaves nothing behind, unless its trainings have begun."""
    if _all_files(path / "checkpoints"):
        return
    (path / "config.json").unlink(missing_ok=True)
    with suppress(OSError):  # of another run's files the folder is kept
        _remove_empty(path / "checkpoints")
        for folder in (path / "figures", path):
            if folder.is_dir():
                folder.rmdir()


def is_finished(path: Path) -> bool:
    """Whether path holds a run that came to its end."""
    return (path / "claim.json").is_file() and (path / "config.json").is_file()


def load(path: str | Path) -> Run:
    """The finished run of a folder.

    RecordError if it is not one, if a file of it is missing, cannot be read or is not what was written.
    """
    import pandas as pd

    path = Path(path)
    if not is_finished(path):
        raise RecordError(f"{path} holds no finished run: config.json and claim.json were looked for; run it first")
    try:
        config = json.loads((path / "config.json").read_text())
        claim = _claim((path / "claim.json").read_text())
        _check_files(path, config, claim)
        table = pd.read_csv(path / "metrics.csv")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise RecordError(f"{path} is damaged ({reason}); remove it, or run again with resume off") from error
    figures = {file.stem: file for file in _files(path / "figures") if file.suffix == ".png"}
    return Run(claim, table, figures, path, config)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Each compared entry in which two configs differ, as `name: old there, new asked`."""
    before, after = (dict(_flat({key: config.get(key) for key in COMPARED})) for config in (old, new))
    names = dict.fromkeys([*before, *after])
    return [
        f"{name}: {before.get(name)!r} there, {after.get(name)!r} asked"
        for name in names
        if before.get(name) != after.get(name)
    ]


def resumable(path: Path, config: Mapping[str, Any]) -> bool:
    """Whether path holds the finished run of this very config.

    RecordError, with the differences, if it holds a run (finished or not) of another one.
    """
    if not (path / "config.json").is_file():
        return False
    try:
        old = json.loads((path / "config.json").read_text())
    except ValueError as error:
        raise RecordError(f"{path / 'config.json'} is not JSON ({error}); remove {path}, or turn resume off") from error
    if not isinstance(old, dict):
        raise RecordError(f"{path / 'config.json'} holds no JSON object; remove {path}, or turn resume off")
    if found := differences(old, config):
        raise RecordError(f"{path} holds another run ({'; '.join(found)}); give another out, or turn resume off")
    return is_finished(path)


def _check_files(path: Path, config: dict[str, Any], claim: Claim) -> None:
    """ValueError naming the first file that is missing or changed; runs kept without checksums: missing ones only."""
    written = config.get("files", {})
    for name in dict.fromkeys((*claim.artifacts, *written)):
        if not (path / name).is_file():
            raise ValueError(f"{name} is missing")
        if name in written and _sha256(path / name) != written[name]:
            raise ValueError(f"{name} is not what was written")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _claim(text: str) -> Claim:
    fields = json.loads(text)
    fields["control"] = Control(**fields["control"])
    fields["artifacts"] = tuple(fields["artifacts"])
    return Claim(**fields)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield name, value
        return
    for key, item in value.items():
        yield from _flat(item, f"{name}.{key}" if name else key)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _all_files(folder: Path) -> list[Path]:
    """The files of a folder and of those in it."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those in it, as far as they hold no files."""
    for inner in sorted(folder.rglob("*/"), reverse=True):  # the inner ones first
        with suppress(OSError):
            inner.rmdir()
    with suppress(OSError):
        folder.rmdir()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
