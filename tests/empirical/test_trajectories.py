"""sgd-trajectories: what the smoke run shows, what would make it fail, and that a killed run goes on."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import empirical as em
import empirical.records
import empirical.train
from empirical import comparisons, measure
from empirical.data import load_data
from empirical.experiments import sgd_trajectories
from empirical.models import PlainCNN
from empirical.records import RecordError
from empirical.train import train_each

SMALL = replace(
    sgd_trajectories.PRESETS["smoke"],
    subset=(100, 50),
    stages=3,
    same=2,
    perturbed=1,
    batch=20,
    epochs=2,
    single=2,
    layers=(),
    repeats=2,
)


@pytest.fixture(scope="module")
def smoke():
    return sgd_trajectories.compute(
        sgd_trajectories.PRESETS["smoke"], load_data("digits", subset=(200, 100)), seed=0, device="cpu"
    )


def test_later_stages_spread_less_in_every_repeat_and_no_two_ends_coincide(smoke):
    assert smoke.claim.verdict == "holds"
    assert smoke.claim.control.passed
    at = {(row["repeat"], row["stage"]): row for row in smoke.table if row["layer"] == "all"}
    for repeat in range(3):
        assert at[repeat, 4]["spread"] < 0.5 * at[repeat, 1]["spread"]
        assert at[repeat, 4]["step"] < 0.5 * at[repeat, 1]["step"]
    assert all(row["least"] > 0 for row in smoke.table)
    assert {row["layer"] for row in smoke.table} == {"2", "3", "4", "5", "6", "all"}


def test_the_first_stage_starts_in_one_point_and_the_others_where_the_first_trajectory_ended(smoke):
    ways = smoke.series["maps"]["all"][0]  # all stages of the first repeat
    starts = {of: way[0] for of, way in zip(ways["of"], ways["ways"], strict=True)}
    ends = {of: way[-1] for of, way in zip(ways["of"], ways["ways"], strict=True)}
    for stage in (2, 3, 4):
        for number in (1, 2, 3):
            np.testing.assert_allclose(starts[stage, number], ends[stage - 1, 1], atol=1e-9)
        assert not np.allclose(starts[stage, 4], ends[stage - 1, 1], atol=1e-9)


def test_stages_in_the_other_order_fail(smoke):
    config = sgd_trajectories.PRESETS["smoke"]
    backwards = [row | {"stage": config.stages + 1 - row["stage"]} for row in smoke.table]
    assert sgd_trajectories._claim(backwards, [0.0, 0.1, 0.0], config, 0).verdict == "fails"


@pytest.mark.parametrize(
    ("logarithms", "passed"), [((0.1, 0.0, -0.1), True), ((-2.0, -2.1, -1.9), False), ((-0.9, 0.5, 0.0), False)]
)
def test_spreads_that_shrink_in_the_control_leave_the_claim_without_control(smoke, logarithms, passed):
    claim = sgd_trajectories._claim(smoke.table, logarithms, sgd_trajectories.PRESETS["smoke"], 0)
    assert claim.control.passed is passed
    assert claim.verdict == ("holds" if passed else "inconclusive")


def test_the_test_fails_for_noise_of_one_size_and_not_for_noise_that_gets_smaller():
    starts = [PlainCNN(input_shape=(1, 8, 8), seed=k) for k in range(2)]
    for sizes, agrees in (((0.1,), False), ((0.2, 0.1, 0.05), True)):  # the spread goes with the square of the size
        found = sgd_trajectories._diffusion(SMALL, starts, 0, sizes)
        assert sgd_trajectories._shrinks(comparisons.mean(found), SMALL).agrees is agrees


def test_the_same_seed_gives_no_spread():
    data = load_data("digits", subset=(100, 50))
    start = PlainCNN(input_shape=(1, 8, 8))
    _, jobs = sgd_trajectories._jobs(SMALL, [start], 1, 0)
    twice = [jobs[0], (measure.perturbed(start, 0.0, 5), jobs[0][1]), jobs[1]]
    ends = np.stack([measure.weight_vector(model) for model, _ in train_each(twice, data)])
    found = measure.distances(ends, {"all": slice(None)})["all"]
    assert found[0, 1] < 1e-15
    assert found[0, 2] > 1e-6


@pytest.mark.parametrize("change", [{"single": 1}, {"single": 3}, {"same": 1}, {"repeats": 1}, {"perturbed": -1}])
def test_a_config_without_late_stages_or_pairs_is_refused(change):
    with pytest.raises(ValueError, match="sgd-trajectories needs"):
        replace(SMALL, **change)


KILLED = """
import sys
from dataclasses import replace
import empirical as em
import empirical.records
import empirical.train
from empirical.experiments import sgd_trajectories as module
module.PRESETS["smoke"] = replace(module.PRESETS["smoke"], subset=(100, 50), stages=3, same=2, perturbed=1, batch=20,
                                  epochs=2, single=2, layers=(), repeats=2)
em.run("sgd-trajectories", out=sys.argv[1], device="cpu")
"""


def test_a_run_that_is_killed_goes_on_and_ends_at_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.setitem(sgd_trajectories.PRESETS, "smoke", SMALL)
    out = tmp_path / "killed"
    path = out / "sgd-trajectories-smoke-seed0"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(out)],
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not (path / "checkpoints" / "stage-02" / "net-000.safetensors").exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (path / "claim.json").exists()
    monkeypatch.setitem(sgd_trajectories.PRESETS, "smoke", replace(SMALL, rate=0.2))
    with pytest.raises(RecordError, match=r"config\.rate: 0\.1 there, 0\.2 asked"):
        em.run("sgd-trajectories", out=out, device="cpu")
    monkeypatch.setitem(sgd_trajectories.PRESETS, "smoke", SMALL)
    trained = []
    original = em.train.epochs.one_epoch
    monkeypatch.setattr(em.train.epochs, "one_epoch", lambda *args: trained.append(1) or original(*args))
    resumed = em.run("sgd-trajectories", out=out, device="cpu")
    again = len(trained)
    whole = em.run("sgd-trajectories", out=tmp_path / "whole", device="cpu")
    assert again < len(trained) - again == 3 * 6 * 2  # stages, nets, epochs
    assert (resumed.path / "metrics.csv").read_bytes() == (whole.path / "metrics.csv").read_bytes()
    assert resumed.claim.observed == whole.claim.observed
    assert not (resumed.path / "checkpoints").exists()  # they have served


def test_a_disk_that_is_full_at_the_end_is_one_line_and_nothing_is_trained_again(tmp_path, monkeypatch):
    monkeypatch.setitem(sgd_trajectories.PRESETS, "smoke", SMALL)
    write = em.records.write

    def full(path, content):
        if Path(path).name == "metrics.csv":
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(em.records, "write", full)
    with pytest.raises(ValueError, match=r"cannot write .*No space left on device; make room and run again") as caught:
        em.run("sgd-trajectories", out=tmp_path, device="cpu")
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(em.records, "write", write)
    monkeypatch.delattr(em.train.epochs, "one_epoch")
    assert em.run("sgd-trajectories", out=tmp_path, device="cpu").claim.id == "sgd-trajectories"


def test_with_resume_off_a_run_that_was_cut_short_starts_afresh(tmp_path, monkeypatch):
    monkeypatch.setitem(sgd_trajectories.PRESETS, "smoke", SMALL)
    folder = tmp_path / "sgd-trajectories-smoke-seed0" / "checkpoints" / "stage-01"
    first = em.run("sgd-trajectories", out=tmp_path, device="cpu")
    (first.path / "claim.json").unlink()
    folder.mkdir(parents=True)
    (folder / "net-000.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"net-000\.safetensors is damaged"):
        em.run("sgd-trajectories", out=tmp_path, device="cpu")
    again = em.run("sgd-trajectories", out=tmp_path, device="cpu", resume=False)
    assert again.claim.observed == first.claim.observed
