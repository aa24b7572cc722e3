"""Capacity bounds of trained nets, complexity estimated by training, the line that must be bounded."""

import numpy as np
import pytest
import torch

from empirical.data import load_data
from empirical.experiments import vacuous_capacity as experiment

CONFIG = experiment.PRESETS["smoke"]


def test_two_features_are_the_means_of_the_halves():
    found = experiment.two_features(torch.tensor([[1.0, 3.0, 5.0, 9.0]]))
    assert found.tolist() == [[2.0, 7.0]]


def test_bounds_of_trained_nets_exceed_one_and_those_of_a_line_do_not():
    result = experiment.compute(CONFIG, load_data("digits", subset=CONFIG.subset), seed=0, device="cpu")
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    true = [row for row in result.table if row["labels"] == "true"]
    assert all(abs(row["gap"]) < min(row["union"], row["vc"], row["rademacher"]) for row in true)
    signs = [row["test_error"] for row in result.table if row["labels"] == "random" and row["kind"] == "net"]
    assert np.mean(signs) == pytest.approx(0.5, abs=4 * 0.5 / (len(signs) * CONFIG.subset[1]) ** 0.5)
    assert set(experiment.draw(result)) == {"bounds"}


@pytest.mark.parametrize(
    ("errors", "bound", "agrees"),
    [
        ((0.0, 0.0, 0.01), 2.0, [True, True]),
        ((0.3, 0.31, 0.3), 2.0, [True, False]),
        ((0.0, 0.0, 0.2), 0.5, [False, None]),
    ],
)
def test_small_bounds_and_labels_that_do_not_fit_speak_against_it(errors, bound, agrees):
    nets = [experiment.Net("net", "random", k, 10, e, 0.5, bound, 2.0, 2.0) for k, e in enumerate(errors)]
    cases = experiment._cases(nets, CONFIG)
    assert [cases[0].agrees, cases[-1].agrees] == agrees
