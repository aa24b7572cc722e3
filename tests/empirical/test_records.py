"""Run folders: whole or not there, readable again, and never mistaken for another run."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from empirical import plotting, records
from empirical.records import RecordError, Result
from theory.claims.claim import Case, Claim, Control


@dataclass(frozen=True)
class Config:
    steps: int = 3
    interval: tuple[float, float] = (-1.0, 1.0)


def claim():
    control = Control("nothing is trained", "worse", "worse", passed=True)
    fields = {"id": "x", "side": "empirical", "statement": "s", "source": "t", "tolerance": "u", "seed": 0}
    return Claim.from_cases([Case("a", 1, 1, True)], control, **fields, artifacts=("metrics.csv",))


def described(**changes):
    fields = {"experiment": "x", "preset": "smoke", "seed": 0, "device": "cpu", "config": Config(), "data": None}
    return records.describe(**(fields | changes))


def finished(path):
    result = Result(
        claim(), [{"step": 0, "loss": 0.1}, {"step": 1, "loss": 1 / 3}], weights={"end": {"w": torch.ones(2)}}
    )
    records.begin(path, described())
    records.finish(path, result, {"loss": plotting.lines({"a": ([0, 1], [1, 2])}, x="step", y="loss")})
    return path


def test_a_finished_run_is_read_back_as_it_was_written(tmp_path):
    path = finished(tmp_path / "run")
    run = records.load(path)
    assert run.claim == claim()
    assert run.table["loss"].tolist() == pytest.approx([0.1, 1 / 3], rel=1e-15)
    assert run.figures == {"loss": path / "figures" / "loss.png"}
    assert torch.equal(load_file(path / "checkpoints" / "end.safetensors")["w"], torch.ones(2))
    files = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    figures = {"figures/loss.png", "figures/loss.svg"}
    assert files == {"config.json", "metrics.csv", "claim.json", "checkpoints/end.safetensors"} | figures


def test_a_config_says_with_which_versions_and_how_to_run_again(tmp_path):
    config = json.loads((finished(tmp_path / "run") / "config.json").read_text())
    assert torch.__version__.startswith(config["versions"]["torch"])
    assert config["config"] == {"steps": 3, "interval": [-1.0, 1.0]}
    assert config["command"] == "empirical run x --preset smoke --seed 0 --device cpu"


def test_the_same_config_resumes_and_another_is_refused_with_the_difference(tmp_path):
    path = finished(tmp_path / "run")
    assert records.resumable(path, described())
    with pytest.raises(RecordError, match=r"config\.steps: 3 there, 4 asked"):
        records.resumable(path, described(config=Config(steps=4)))
    with pytest.raises(RecordError, match="seed: 0 there, 1 asked"):
        records.resumable(path, described(seed=1))


def test_a_run_cut_short_is_not_finished_and_is_done_again(tmp_path):
    path = finished(tmp_path / "run")
    records.begin(path, described())  # as a run that is killed after it began
    assert not records.resumable(path, described())
    assert not list((path / "figures").iterdir())
    with pytest.raises(RecordError, match="no finished run"):
        records.load(path)


def test_versions_may_differ_when_a_run_is_resumed(tmp_path):
    path = finished(tmp_path / "run")
    assert records.resumable(path, described() | {"versions": {"torch": "0.1"}})


@pytest.mark.parametrize("content", ["[]", "3", '"x"', "{"])
def test_a_config_that_is_no_object_is_one_line(tmp_path, content):
    path = finished(tmp_path / "run")
    (path / "config.json").write_text(content)
    with pytest.raises(RecordError, match=r"config\.json .*turn resume off"):
        records.resumable(path, described())
    with pytest.raises(RecordError, match="is damaged"):
        records.load(path)


@pytest.mark.parametrize("file", ["metrics.csv", "figures/loss.png", "figures/loss.svg", "checkpoints/end.safetensors"])
def test_a_file_that_is_gone_or_changed_is_named(tmp_path, file):
    path = finished(tmp_path / "run")
    whole = (path / file).read_bytes()
    (path / file).write_bytes(whole + b"?")
    with pytest.raises(RecordError, match=f"{file} is not what was written"):
        records.load(path)
    (path / file).unlink()
    with pytest.raises(RecordError, match=f"{file} is missing"):
        records.load(path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("claim.json", "{"),
        ("metrics.csv", ""),
        ("metrics.csv", "garbage\n1\n"),
        ("claim.json", "{}"),
        ("claim.json", "[]"),
    ],
)
def test_a_damaged_folder_is_named(tmp_path, file, content):
    path = finished(tmp_path / "run")
    (path / file).write_text(content)
    with pytest.raises(RecordError, match="is damaged") as caught:
        records.load(path)
    assert "\n" not in str(caught.value)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    file = records.write(tmp_path / "a.txt", "old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        records.write(file, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
    assert file.read_text() == "old"


def test_the_same_numbers_give_the_same_figure_files(tmp_path):
    first, second = (
        plotting.save(plotting.bars(["a"], {"g": [1.0], "h": [2.0]}, x="x", y="y"), tmp_path / k, "f") for k in "12"
    )
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(first, second, strict=True))


MEASURED = sorted((Path(__file__).parents[2] / "notebooks" / "results").iterdir())


@pytest.mark.parametrize("folder", MEASURED, ids=lambda folder: folder.name)
def test_measured_records_are_whole_and_their_controls_came_out_as_they_should(folder):
    run = records.load(folder)
    assert folder.name.startswith(run.claim.id)
    assert run.claim.control.passed
    assert len(run.table)
    assert run.figures
