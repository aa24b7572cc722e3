"""SGD, Adam and switches: what each way of training is, and the parts of the statement."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from empirical.data import load_data
from empirical.experiments import strategies as experiment


@pytest.fixture(scope="module")
def data():
    return load_data("digits", subset=(300, 100))


def test_a_switched_net_starts_from_the_weights_sgd_had(data):
    config = replace(experiment.PRESETS["smoke"], epochs=3, switches=(0, 3), seeds=2)
    ways = experiment.train_all(config, data, 0, "cpu", None, None)
    assert len(ways) == 2 * 4
    for number in range(2):
        sgd, late = ways["SGD", number][0].state_dict(), ways["Adam at 3", number][0].state_dict()
        assert torch.equal(
            sgd["layers.0.weight"], late["layers.0.weight"]
        )  # switched after the last epoch: nothing left
        assert not torch.equal(sgd["layers.0.weight"], ways["Adam", number][0].state_dict()["layers.0.weight"])


def test_the_experiment_has_its_control_and_figures(data):
    config = replace(experiment.PRESETS["smoke"], epochs=4, switches=(0, 3), seeds=3)
    result = experiment.compute(config, data, seed=0, device="cpu")
    assert len(result.table) == 3 * 4
    assert {row["way"] for row in result.table} == {"SGD", "Adam", "Adam at 3", experiment.BRANCH}
    assert all(row["barrier"] == row["distance"] == 0 for row in result.table if row["way"] == "SGD")
    assert set(experiment.draw(result)) == {"ends"}


def an_end(way, number, **changes):
    fields = {"train_loss": 0.1, "test_error": 0.1, "barrier": 0.0, "distance": 1.0, "length": 1.0, "radius": 1.0}
    return experiment.End(way, number, **(fields | changes))


def ends(**adam):
    jitter = np.array([-0.001, 0.0, 0.001])
    found = [an_end(way, k) for way in ("SGD", experiment.BRANCH) for k in range(3)]
    return found + [an_end(way, k, **{key: v + jitter[k] for key, v in adam.items()})
                    for way in ("Adam", "Adam at 4") for k in range(3)]  # fmt: skip


def test_each_part_of_the_statement_can_hold_and_fail():
    config = replace(experiment.PRESETS["smoke"], switches=(0, 4))
    good = experiment._cases(ends(barrier=0.5, test_error=0.12, radius=1.5), config)
    bad = experiment._cases(ends(barrier=0.0, test_error=0.4, radius=0.6), config)
    assert [case.agrees for case in good] == [True] * 4
    assert [case.agrees for case in bad] == [False] * 4
    assert experiment._control(ends(barrier=0.5), config).passed
    away = [an_end(experiment.BRANCH, k, barrier=0.3) for k in range(3)]
    assert not experiment._control(away, config).passed
