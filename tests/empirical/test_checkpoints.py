"""Kill and resume: what goes on from a checkpoint ends at the same bits, and a wrong checkpoint is refused."""

import json
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from empirical import checkpoints
from empirical.checkpoints import CheckpointError
from empirical.data import load_data
from empirical.measure import weight_vector
from empirical.models import PlainCNN
from empirical.train import TrainConfig, one_thread, train, train_each

KINDS = {
    "plain": TrainConfig(epochs=4, rate=0.05, keep=(0, 2, 4)),
    "noise": TrainConfig(epochs=4, rate=0.05, noise=1e-3),
    "momentum": TrainConfig(epochs=4, momentum=0.9),
    "adam": TrainConfig(epochs=4, rate=1e-3, optimizer="adam", every=3),
}


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", subset=(300, 100))


def net(seed=0):
    return PlainCNN(input_shape=(1, 8, 8), channels=(8, 8), hidden=(16,), seed=seed)


def everything(model):
    """All that a net consists of, statistics included, as one array."""
    return np.concatenate([value.double().numpy().ravel() for value in model.state_dict().values()])


class Interrupted(Exception):
    """Ends a training from within, as Ctrl-C would."""


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_a_training_that_was_interrupted_ends_at_the_bits_of_one_that_was_not(config, digits, tmp_path, monkeypatch):
    whole, resumed, path = net(), net(), tmp_path / "net.safetensors"
    with one_thread():
        expected = train(whole, digits, config)
        save, calls = checkpoints.save, []

        def interrupt(*arguments):
            save(*arguments)
            calls.append(1)
            if len(calls) == 2:
                raise Interrupted

        monkeypatch.setattr(checkpoints, "save", interrupt)
        with pytest.raises(Interrupted):
            train(net(), digits, config, checkpoint=path)
        found = train(resumed, digits, config, checkpoint=path)
    assert len(calls) == config.epochs  # two before, two after
    assert found == expected
    assert np.array_equal(everything(whole), everything(resumed))
    assert found.weights.keys() == expected.weights.keys() == set(config.keep)
    assert all(np.array_equal(found.weights[k], expected.weights[k]) for k in config.keep)


def test_a_finished_training_is_read_back_without_training(digits, tmp_path, monkeypatch):
    config, path, again = KINDS["plain"], tmp_path / "net.safetensors", net()
    model = net()
    history = train(model, digits, config, checkpoint=path)
    monkeypatch.delattr("empirical.epochs.one_epoch")
    assert train(again, digits, config, checkpoint=path) == history
    assert np.array_equal(everything(model), everything(again))
    assert np.array_equal(history.weights[4], weight_vector(model))


def test_a_training_that_broke_down_is_read_back_as_such(digits, tmp_path):
    config = TrainConfig(epochs=5, batch=None, rate=1e38)
    first, second = (train(net(), digits, config, checkpoint=tmp_path / "net.safetensors") for _ in range(2))
    assert first.stopped is not None
    assert first.stopped == second.stopped


KILLED = """
import sys
from pathlib import Path
import torch
from empirical.data import load_data
from tests_net import net
from empirical.train import TrainConfig, train
torch.set_num_threads(1)
data = load_data("digits", subset=(300, 100))
train(net(), data, TrainConfig(epochs={epochs}, rate=0.05, momentum=0.5, noise=1e-4), checkpoint=Path(sys.argv[1]))
"""


def epoch_in(path):
    """The epoch of a checkpoint, 0 if there is none."""
    if not path.exists():
        return 0
    return json.loads(checkpoints._read(path)[0])["epoch"]


def test_kill_9_loses_at_most_an_epoch_and_the_end_is_the_same(digits, tmp_path):
    epochs = 25
    source = Path(__file__).read_text()
    definition = source[source.index("def net(") : source.index("def everything")]
    (tmp_path / "tests_net.py").write_text(f"from empirical.models import PlainCNN\n{definition}")
    path = tmp_path / "net.safetensors"
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED.format(epochs=epochs), str(path)],
        env={"PYTHONPATH": f"{root}:{tmp_path}", "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while epoch_in(path) < 3 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = epoch_in(path)
    assert 3 <= reached < epochs
    config = TrainConfig(epochs=epochs, rate=0.05, momentum=0.5, noise=1e-4)
    whole, resumed, seen = net(), net(), []
    with one_thread():
        expected = train(whole, digits, config)
        found = train(resumed, digits, config, checkpoint=path, progress=lambda done, *_: seen.append(done))
    assert seen[0] == reached + 1  # nothing that a checkpoint holds is done again
    assert found == expected
    assert np.array_equal(everything(whole), everything(resumed))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rate": 0.02}, "rate: 0.05 there, 0.02 asked"),
        ({"epochs": 9}, "epochs: 4 there, 9 asked"),
        ({"momentum": 0.5}, "momentum: 0.0 there, 0.5 asked"),
    ],
)
def test_a_checkpoint_of_another_config_is_refused_with_the_difference(change, named, digits, tmp_path):
    path = tmp_path / "net.safetensors"
    train(net(), digits, KINDS["plain"], checkpoint=path)
    with pytest.raises(CheckpointError, match=re.escape(named)) as caught:
        train(net(), digits, replace(KINDS["plain"], **change), checkpoint=path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_other_data_or_another_start_is_refused(digits, tmp_path):
    path, config = tmp_path / "net.safetensors", TrainConfig(epochs=1)
    train(net(), digits, config, checkpoint=path)
    with pytest.raises(CheckpointError, match="start: "):
        train(net(seed=1), digits, config, checkpoint=path)
    with pytest.raises(CheckpointError, match="data: "):
        train(net(), load_data("digits", subset=(300, 100), seed=1), config, checkpoint=path)
    unnamed = replace(digits, identity="", train_labels=digits.train_labels.flip(0))
    with pytest.raises(CheckpointError, match="data: "):
        train(net(), unnamed, config, checkpoint=path)


@pytest.mark.parametrize("damage", ["empty", "short", "bit", "text", "metadata", "kept"])
def test_a_damaged_checkpoint_is_one_line_that_names_it(damage, digits, tmp_path):
    path, config = tmp_path / "net.safetensors", replace(KINDS["plain"], epochs=2, keep=(1,))
    train(net(), digits, config, checkpoint=path)
    whole = bytearray(path.read_bytes())
    if damage == "kept":
        (tmp_path / "net.epoch-1.safetensors").unlink()
    elif damage == "metadata":
        from safetensors.torch import save_file

        save_file({"w": torch.ones(2)}, path)
    else:
        flipped = whole.copy()
        flipped[-7] ^= 1
        path.write_bytes({"empty": b"", "short": whole[:-100], "bit": flipped, "text": b"garbage" * 9}[damage])
    with pytest.raises(CheckpointError, match=r"net\.safetensors is damaged .*remove it") as caught:
        train(net(), digits, config, checkpoint=path)
    assert "\n" not in str(caught.value)


def test_a_flipped_bit_or_another_epoch_in_the_kept_weights_is_noticed(digits, tmp_path):
    config, path = replace(KINDS["plain"], epochs=2, keep=(0, 1)), tmp_path / "net.safetensors"
    train(net(), digits, config, checkpoint=path)
    first, second = (tmp_path / f"net.epoch-{k}.safetensors" for k in (0, 1))
    whole = first.read_bytes()
    for wrong in (whole[:-1] + bytes([whole[-1] ^ 1]), second.read_bytes()):
        first.write_bytes(wrong)
        with pytest.raises(CheckpointError, match=r"net\.epoch-0\.safetensors, which belongs to it"):
            train(net(), digits, config, checkpoint=path)


def test_a_full_disk_is_one_line_and_the_epoch_before_is_kept(digits, tmp_path, monkeypatch):
    path, config = tmp_path / "net.safetensors", KINDS["plain"]
    write, room = checkpoints.write, [4]  # two kept weights, two epochs

    def limited(*arguments):
        room[0] -= 1
        if room[0] < 0:
            raise OSError(28, "No space left on device")
        return write(*arguments)

    monkeypatch.setattr(checkpoints, "write", limited)
    with pytest.raises(CheckpointError, match=r"No space left on device.*make room and run again") as caught:
        train(net(), digits, config, checkpoint=path)
    assert "\n" not in str(caught.value)
    assert epoch_in(path) == 2
    room[0] = 100
    whole, resumed = net(), net()
    assert train(resumed, digits, config, checkpoint=path) == train(whole, digits, config)
    assert np.array_equal(everything(whole), everything(resumed))


def test_what_a_killed_writer_left_is_removed(digits, tmp_path):
    (tmp_path / ".net.safetensors.123.part").write_bytes(b"half")
    train(net(), digits, TrainConfig(epochs=1), checkpoint=tmp_path / "net.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_several_nets_have_a_checkpoint_each(digits, tmp_path, monkeypatch):
    jobs = [(net(seed), TrainConfig(epochs=2, seed=seed)) for seed in range(2)]
    expected = train_each([(net(seed), config) for seed, (_, config) in enumerate(jobs)], digits)
    monkeypatch.setattr("empirical.train._WORTH_PROCESSES", 0.0)
    train_each(jobs, digits, checkpoints=tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["net-000.safetensors", "net-001.safetensors"]
    monkeypatch.delattr("empirical.epochs.one_epoch")
    monkeypatch.setattr("empirical.train._WORTH_PROCESSES", np.inf)
    found = train_each([(net(seed), config) for seed, (_, config) in enumerate(jobs)], digits, checkpoints=tmp_path)
    for (model, history), (twin, same) in zip(expected, found, strict=True):
        assert history == same
        assert np.array_equal(everything(model), everything(twin))


def test_the_identity_of_a_training_is_plain_json(digits):
    found = checkpoints.identity({"rate": np.float64(0.5), "batch": np.int64(3)}, "x", net())
    assert json.loads(json.dumps(found)) == found
