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


@pytest.mark.parametrize(("fitted", "passed"), [(0, True), (1, False), (20, False)])
def test_the_control_fails_as_soon_as_one_net_fits_shuffled_labels(fitted, passed):
    losses = np.where(np.arange(20) < fitted, 0.0, 1.0)[None]
    assert experiment._control(experiment.Fits("adam", 4, np.array([1]), losses), CONFIG).passed is passed


def test_the_control_fails_on_the_teacher_s_own_labels_and_passes_on_shuffled_ones():
    config = replace(CONFIG, units=1, factors=(12,), examples=100, nets=3, steps=500)
    inputs, labels = experiment.teacher(config, 0)
    shuffled = labels[torch.randperm(100, generator=torch.Generator().manual_seed(1))]
    for own, passed in ((labels, False), (shuffled, True)):
        (widest,) = experiment.train(inputs, own, config.factors, "adam", config, 0)
        assert experiment._control(widest, config).passed is passed


@pytest.mark.parametrize("optimizer", experiment.OPTIMIZERS)
def test_training_is_that_of_torch_net_by_net(optimizer):
    config = replace(CONFIG, inputs=3, units=2, examples=30, factors=(2,), nets=1, steps=20, batch=30, looks=1)
    inputs, labels = experiment.teacher(config, 0)
    seen = experiment.train(inputs, labels, config.factors, optimizer, config, 0)[0].losses[-1, 0]
    generator = torch.Generator().manual_seed(17)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    shapes, bounds = ((1, 4, 3), (1, 4), (1, 4), (1,)), (3**-0.5, 3**-0.5, 0.5, 0.5)
    with torch.no_grad():
        for weight, shape, bound in zip(net.parameters(), shapes, bounds, strict=True):
            weight.copy_(((2 * torch.rand(shape, generator=generator) - 1) * bound).view(weight.shape))
    rate = config.rates[experiment.OPTIMIZERS.index(optimizer)]
    adam, descent = torch.optim.Adam, torch.optim.SGD
    steps = adam(net.parameters(), rate) if optimizer == "adam" else descent(net.parameters(), rate, momentum=0.9)
    for step in range(1, config.steps + 1):
        some = torch.randint(30, (30,), generator=generator)
        steps.zero_grad()
        (net(inputs[some])[:, 0] - labels[some]).square().mean().backward()
        steps.step()
        if step == config.steps // 2:
            steps.param_groups[0]["lr"] = rate / 10
    loss = (net(inputs)[:, 0] - labels).square().mean().item()
    assert seen == pytest.approx(loss, rel=1e-4)
