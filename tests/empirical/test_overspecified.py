"""Wider nets on a teacher's data: padded batches, success, what must fail."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from empirical.experiments import overspecified as experiment

CONFIG = experiment.PRESETS["smoke"]


def test_labels_are_standardised_and_those_of_one_small_net():
    inputs, labels = experiment.teacher(CONFIG, 3)
    assert labels.mean().item() == pytest.approx(0, abs=1e-5)
    assert labels.std(correction=0).item() == pytest.approx(1, rel=1e-5)
    again = experiment.teacher(CONFIG, 3)
    torch.testing.assert_close((inputs, labels), again)


def test_switched_off_units_change_nothing():
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(shape, generator=generator) for shape in ((1, 6, 3), (1, 6), (1, 6), (1,))]
    inputs = torch.randn(5, 3, generator=generator)
    alive = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    small = [weights[0][:, :3], weights[1][:, :3], weights[2][:, :3], weights[3]]
    torch.testing.assert_close(
        experiment.outputs(weights, alive, inputs), experiment.outputs(small, torch.ones(1, 3), inputs)
    )


def test_first_success_is_the_first_look_below_the_share():
    fits = experiment.Fits("adam", 1, np.array([10, 20, 30]), np.array([[1.0, 1.0], [0.1, 1.0], [0.2, 1.0]]))
    assert fits.first(0.5)[0] == 20
    assert np.isnan(fits.first(0.5)[1])
    assert fits.succeeded(0.5) == 1


def test_wider_nets_fit_more_often_and_shuffled_labels_are_not_fitted():
    result = experiment.compute(CONFIG, None, seed=0)
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert set(experiment.draw(result)) == {"fits"}


@pytest.mark.parametrize(("narrow", "wide", "agrees"), [(1, 19, True), (19, 1, False), (9, 11, None), (20, 20, False)])
def test_counts_decide(narrow, wide, agrees):
    config = replace(CONFIG, factors=(1, 4))
    fits = [
        experiment.Fits("adam", factor, np.array([1]), np.where(np.arange(20) < k, 0.0, 1.0)[None])
        for factor, k in ((1, narrow), (4, wide))
    ]
    assert experiment._case("adam", fits, config).agrees is agrees
