"""Blind spots: dead nets, what they can still learn, shares by the mean of the start."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from empirical.data import load_data
from empirical.experiments import blind_spot as experiment

CONFIG = experiment.PRESETS["smoke"]


def test_outputs_and_losses_are_those_of_single_nets():
    generator = torch.Generator().manual_seed(0)
    weights = experiment.start(3, -0.2, 1.0, (5, 4, 3), generator)
    inputs, labels = torch.rand(7, 5, generator=generator), torch.arange(7) % 3
    out, alive = experiment.outputs(weights, inputs, 0.1)
    for k in range(3):
        first, bias, second, last = (w[k] for w in weights)
        z = inputs @ first.T + bias
        single = nn.functional.leaky_relu(z, 0.1) @ second.T + last
        torch.testing.assert_close(out[k], single)
        assert bool(alive[k]) is bool((z > 0).any())
        torch.testing.assert_close(experiment.losses(out, labels)[k], nn.functional.cross_entropy(single, labels))


def test_a_dead_net_has_no_gradient_but_that_of_its_output_bias():
    weights = experiment.start(1, -5.0, 1.0, (5, 4, 3), torch.Generator().manual_seed(0))
    inputs, labels = torch.rand(7, 5, generator=torch.Generator().manual_seed(1)), torch.arange(7) % 2
    for weight in weights:
        weight.requires_grad_()
    out, alive = experiment.outputs(weights, inputs, 0.0)
    assert not alive.any()
    experiment.losses(out, labels).sum().backward()
    assert [bool(weight.grad.any()) for weight in weights] == [False, False, False, True]


def test_inputs_cover_the_unit_interval_and_tests_move_along():
    inputs, others = experiment.unit_range(torch.tensor([[-2.0, 0.0], [2.0, 1.0]]), torch.tensor([[4.0, 0.0]]))
    torch.testing.assert_close(inputs, torch.tensor([[0.0, 0.5], [1.0, 0.75]]))
    torch.testing.assert_close(others, torch.tensor([[1.5, 0.5]]))


def test_negative_means_lead_into_the_blind_spot_and_leaky_units_out_of_it():
    result = experiment.compute(CONFIG, load_data(CONFIG.data, subset=CONFIG.subset), seed=0, device="cpu")
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert len(result.table) == len(CONFIG.means) * len(CONFIG.spreads)
    assert set(experiment.draw(result)) == {"shares"}


@pytest.mark.parametrize(
    ("bad", "revived", "agrees"),
    [(20, 0, [True, True]), (0, 0, [False, True]), (20, 1, [True, False]), (3, 0, [None, True])],
)
def test_what_would_speak_against_it_is_seen(bad, revived, agrees):
    config = replace(CONFIG, means=(0.0, -2.0))
    cells = [experiment.Cell(0.0, 1.0, 20, 0, 0, 0, 0, 0.1), experiment.Cell(-2.0, 1.0, 20, 20, 20, bad, revived, 0.9)]
    assert [case.agrees for case in experiment._cases(cells, config)] == agrees


@pytest.mark.parametrize(("idle", "passed"), [(0, True), (4, True), (5, False), (10, False), (20, False)])
def test_the_control_fails_unless_most_leaky_nets_surely_learn(idle, passed):
    assert experiment._control(experiment.Cell(-2.0, 1.0, 20, 20, 20, idle, 0, 0.5), CONFIG).passed is passed


def test_the_control_fails_for_units_that_have_a_blind_spot():
    data = load_data(CONFIG.data, subset=CONFIG.subset)
    inputs, tests = experiment.unit_range(data.train_inputs.flatten(1), data.test_inputs.flatten(1))
    sets = inputs, data.train_labels, tests, data.test_labels
    for slope, passed in ((0.0, False), (CONFIG.slope, True)):
        (cell,) = experiment._cells((-2.0,), 1.0, sets, data.n_classes, CONFIG, 0, slope)
        assert experiment._control(cell, CONFIG).passed is passed
