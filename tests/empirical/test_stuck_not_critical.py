"""Gradients where training is stuck, batch descent from there, paths past a saddle."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from empirical.data import load_data
from empirical.experiments import stuck_not_critical as experiment

CONFIG = experiment.PRESETS["smoke"]


def test_the_gradient_is_that_of_the_mean_loss():
    net = nn.Linear(2, 2).double()
    x, y = torch.tensor([[1.0, 2.0], [3.0, -1.0]]).double(), torch.tensor([0, 1])
    loss, slopes = experiment.gradient(net, x, y)
    step = 1e-6
    before = net.weight.detach().clone()
    with torch.no_grad():
        net.weight[0, 1] += step
    after = experiment.gradient(net, x, y)[0]
    assert (after - loss) / step == pytest.approx(float(slopes[0][0, 1]), abs=1e-5)
    assert experiment.norm_of(slopes) == pytest.approx(float(torch.cat([s.flatten() for s in slopes]).norm()))
    assert not torch.equal(before, net.weight)


def test_batch_descent_ends_at_a_critical_point_of_a_convex_loss_and_never_climbs():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 3, generator=generator).double()
    y = (x[:, 0] + torch.randn(40, generator=generator) > 0).long()  # not separable: the minimum is finite
    net = nn.Linear(3, 2).double()
    start, slopes = experiment.gradient(net, x, y)
    loss, norm = experiment.settle(net, x, y, 500)
    assert loss < start
    assert norm < 1e-6 * experiment.norm_of(slopes)


def test_paths_come_near_the_saddle_and_escape_and_on_its_stable_line_they_stay():
    (least, at), ends = experiment.past_saddle(50, np.random.default_rng(0))
    assert least.max() < 1e-2
    np.testing.assert_allclose(at, 1.0, atol=0.02)  # the loss at the saddle
    assert ends.max() < 1e-6
    losses, norms = experiment.one_path()
    assert norms[np.argmin(norms[: len(norms) // 2])] < 0.01 * norms[0]
    assert losses[-1] < 1e-6


def test_training_is_stuck_where_the_gradient_is_not_small_and_descent_brings_it_down():
    data = load_data(CONFIG.data, subset=CONFIG.subset)
    result = experiment.compute(CONFIG, data, seed=0, device="cpu")
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert len(result.table) == CONFIG.seeds * (CONFIG.epochs + 1)
    assert set(experiment.draw(result)) == {"gradients"}


@pytest.mark.parametrize(
    ("losses", "norms", "agrees"),
    [
        ((2.0, 1.0, 1.0), (1.0, 0.9, 0.8), True),
        ((2.0, 1.0, 1.0), (1.0, 0.1, 0.01), False),
        ((3.0, 2.0, 1.0), (1.0, 0.9, 0.8), None),
    ],
)
def test_small_gradients_fail_and_training_that_improves_is_not_stuck(losses, norms, agrees):
    tracks = [
        experiment.Track(k, np.repeat(losses, 3), np.repeat(norms, 3) * (1 + 0.01 * k), 0.5, 0.01) for k in range(3)
    ]
    assert experiment._case(tracks, CONFIG).agrees is agrees
    settled = experiment._control(tracks).passed
    assert settled is (norms[-1] > 0.03)
    assert not experiment._control([replace(t, settled_loss=2.0) for t in tracks]).passed
