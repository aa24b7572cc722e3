"""Many nets of one width trained as one, bootstrap of log ratios, the experiment and its control."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from empirical.data import load_data
from empirical.experiments import similar_minima as experiment
from empirical.models import SmallNet

CONFIG = experiment.PRESETS["smoke"]


def test_losses_and_training_of_many_nets_are_those_of_each_alone():
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(30, 4, generator=generator), torch.arange(30) % 3
    nets = [SmallNet((4, 5, 3), seed=s) for s in range(3)]
    config = replace(CONFIG, epochs=2, batch=10, rate=0.2)
    together = experiment.train_alike(nets, inputs, labels, config, seed=7)
    order = torch.Generator().manual_seed(7)
    batches = [some for _ in range(2) for some in torch.randperm(30, generator=order).split(10)]
    for k, net in enumerate(nets):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.2)
        for some in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs[some]), labels[some]).backward()
            optimizer.step()
        for ours, theirs in zip(together, net.parameters(), strict=True):
            torch.testing.assert_close(ours[k], theirs.detach(), rtol=1e-4, atol=1e-6)
        loss = nn.functional.cross_entropy(net(inputs), labels)
        torch.testing.assert_close(experiment.losses(together, inputs, labels)[k], loss.detach(), rtol=1e-4, atol=1e-6)


def test_the_bootstrap_interval_of_a_log_ratio_covers_it_at_its_rate():
    rng, missed = np.random.default_rng(0), 0
    for _ in range(300):
        narrow, wide = rng.normal(2.0, 0.2, size=40), rng.normal(1.0, 0.1, size=40)
        _, low, high = experiment.log_ratio(narrow, wide, np.mean, rng)
        missed += not low <= np.log(2.0) <= high
    assert missed <= 300 * 0.02 + 4 * (300 * 0.02) ** 0.5


def test_wider_nets_end_lower_and_closer_together():
    result = experiment.compute(CONFIG, load_data(CONFIG.data, subset=CONFIG.subset), seed=0, device="cpu")
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert len(result.table) == CONFIG.nets * len(CONFIG.widths)
    assert set(experiment.draw(result)) == {"losses"}


@pytest.mark.parametrize(("shift", "agrees"), [(2.0, True), (0.8, False), (1.03, None)])
def test_ratios_can_hold_fail_and_stay_open(shift, agrees):
    wide = np.random.default_rng(1).normal(1.0, 0.1, size=60)
    mean, _ = experiment._cases([shift * wide, wide], CONFIG, np.random.default_rng(2))
    assert mean.agrees is agrees


def test_the_control_fails_where_losses_of_untrained_nets_fall_with_the_width():
    rng = np.random.default_rng(3)

    def ends(untrained):
        return experiment.Ends(3, *(rng.normal(level, 0.05, size=40) for level in (1.0, 1.0, untrained)), 0.0, 1.0)

    assert experiment._control([ends(2.3), ends(2.3)], CONFIG, np.random.default_rng(0)).passed
    assert not experiment._control([ends(4.6), ends(2.3)], CONFIG, np.random.default_rng(0)).passed
