"""Steps of a run that are kept: killed runs go on with the step they were in, and damaged files are named."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from empirical.checkpoints import CheckpointError
from empirical.data import load_data
from empirical.experiments import flatness_radius, random_labels, regions, run, three_point, zero_set_dimension
from empirical.minima import Training
from empirical.steps import as_text, from_text, kept


def test_a_step_is_done_once_and_comes_back_as_it_was(tmp_path):
    calls = []

    def work():
        calls.append(1)
        return {"numbers": np.array([0.1, np.nan, 1e300]), "text": as_text({"a": [0.1, 3, "x", None, True]})}

    first, second = (kept(tmp_path / "folder" / "step.npz", work) for _ in range(2))
    assert len(calls) == 1
    np.testing.assert_array_equal(first["numbers"], second["numbers"])
    assert from_text(second["text"]) == {"a": [0.1, 3, "x", None, True]}
    kept(None, work)
    assert len(calls) == 2


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other"])
def test_a_damaged_step_is_named_in_one_line(tmp_path, harm):
    file = tmp_path / "step.npz"
    kept(file, lambda: {"numbers": np.arange(100.0)})
    content = bytearray(file.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 255
    damaged = {"cut": content[: len(content) // 2], "flip": content, "empty": b"", "other": b"not an archive"}[harm]
    file.write_bytes(damaged)
    with pytest.raises(CheckpointError, match=f"^{re.escape(str(file))} is damaged .*remove it to do this step again$"):
        kept(file, dict)


def test_a_step_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "folder").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"cannot write .*step\.npz.*run again to go on from there"):
        kept(tmp_path / "folder" / "step.npz", lambda: {"numbers": np.arange(3.0)})


def test_kill_9_loses_one_step_and_the_resumed_run_has_the_same_numbers(tmp_path):
    command = [sys.executable, "-m", "empirical", "run", "regions", "--out", str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / "killed" / "regions-smoke-seed0"
    while process.poll() is None and not (folder / "checkpoints" / "step-002.npz").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = sorted((folder / "checkpoints").glob("step-*.npz"))
    assert done
    before = [file.stat().st_mtime_ns for file in done]
    whole = run("regions", out=tmp_path / "whole")
    seen = []
    resumed = run("regions", out=tmp_path / "killed", progress=lambda *_: seen.append(
        [file.stat().st_mtime_ns for file in done]))  # fmt: skip
    assert seen[0] == before  # what was done was not done again
    assert resumed.table.equals(whole.table)
    claims = [json.loads((one.path / "claim.json").read_text()) | {"seconds": 0} for one in (whole, resumed)]
    assert claims[0] == claims[1]
    assert not (folder / "checkpoints").exists()


def test_nets_at_zero_error_are_kept_and_read_back_without_training(tmp_path, monkeypatch):
    monkeypatch.setattr(zero_set_dimension, "INSTANCES", zero_set_dimension.INSTANCES[:1])
    config = zero_set_dimension.Config(starts=2, descent=20, polish=20, sweep=(4,))
    first = zero_set_dimension.compute(config, None, seed=0, device="cpu", checkpoints=tmp_path)
    monkeypatch.delattr(zero_set_dimension, "_end")
    again = zero_set_dimension.compute(config, None, seed=0, device="cpu", checkpoints=tmp_path)
    without_nan = [[{k: v for k, v in row.items() if v == v} for row in one.table] for one in (first, again)]
    assert without_nan[0] == without_nan[1]
    assert first.weights.keys() == again.weights.keys()
    assert all(
        (value == again.weights[file][name]).all()
        for file, tensors in first.weights.items()
        for name, value in tensors.items()
    )


def test_basins_are_read_back_as_they_were(tmp_path):
    config = replace(regions.PRESETS["smoke"], instances=2, steps=50, starts=20)
    first, again = (regions.compute(config, None, seed=0, checkpoints=tmp_path) for _ in range(2))
    assert first.table == again.table
    assert first.claim == again.claim


@pytest.mark.parametrize(
    ("module", "measuring", "small"),
    [(random_labels, "_row", {"fitted": 30, "growing": (10, 20), "directions": 1}),
     (flatness_radius, "_radii", {"directions": 2, "minima": 2}), (three_point, "_followed", {"steps": 3})],
    ids=["random-labels", "flatness-radius", "three-point"],
)  # fmt: skip
def test_what_was_measured_is_read_back_without_measuring(module, measuring, small, tmp_path, monkeypatch):
    quick = Training(natural=15, random=40, batch=30, rate=0.2, hidden=(30, 20))
    config = replace(module.PRESETS["smoke"], dense=quick, **small)
    data = load_data("digits", subset=(150, 100))
    first = module.compute(config, data, seed=0, checkpoints=tmp_path)
    monkeypatch.setattr(module, measuring, lambda *_: pytest.fail("measured again"))
    again = module.compute(config, data, seed=0, checkpoints=tmp_path)
    assert again.claim == first.claim
    assert str(again.table) == str(first.table)
