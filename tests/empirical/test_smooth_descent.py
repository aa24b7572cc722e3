"""Counts against the bound on the loss of a network, with measured curvature."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from empirical.data import load_data
from empirical.experiments import smooth_descent as experiment

CONFIG = experiment.PRESETS["smoke"]


def test_a_path_is_walked_in_pieces_as_in_one():
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.randn(20, 4, generator=generator).double(), torch.arange(20) % 3
    config = replace(CONFIG, steps=40, looks=4)
    path = experiment.descend(experiment.make_net(4, 5, 3, 1), inputs, labels, config, 0)
    losses, norms = experiment.walk(experiment.make_net(4, 5, 3, 1), inputs, labels, config.eta, 41)
    np.testing.assert_allclose(path.losses, losses)
    np.testing.assert_allclose(path.norms, norms)


def test_the_curvature_is_the_largest_eigenvalue_of_the_whole_hessian():
    inputs, labels = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)).double(), torch.arange(20) % 3
    net = experiment.make_net(4, 3, 3, 1)
    names, values = zip(*net.named_parameters(), strict=True)

    def loss(flat):
        parts = [part.view(v.shape) for part, v in zip(flat.split([v.numel() for v in values]), values, strict=True)]
        out = torch.func.functional_call(net, dict(zip(names, parts, strict=True)), inputs)
        return nn.functional.cross_entropy(out, labels)

    whole = torch.autograd.functional.hessian(loss, torch.cat([v.detach().flatten() for v in values]))
    assert experiment.curvature(net, inputs, labels) == pytest.approx(np.abs(np.linalg.eigvalsh(whole.numpy())).max())


def test_bounds_are_those_of_the_descent_lemma():
    path = experiment.Path(0, np.array([3.0, 2.0, 1.0]), np.array([1.0, 0.5, 0.1]), beta=2.0)
    assert path.bound(0.5, 0.5) == pytest.approx(2.0 / (0.5 * 0.5 * 0.25))
    assert path.bound(0.5, 1.0) == float("inf")
    assert path.count(0.2) == 2
    assert path.count(0.01) is None


def test_counts_on_a_network_lie_within_the_bound_and_large_rates_raise_the_loss():
    data = load_data(CONFIG.data, subset=CONFIG.subset)
    result = experiment.compute(CONFIG, data, seed=0, device="cpu")
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert all(row["count"] <= row["bound"] for row in result.table)
    assert set(experiment.draw(result)) == {"steps"}


@pytest.mark.parametrize(("norms", "agrees"), [((1.0, 0.1), True), ((1.0,) * 50, False), ((1.0,) * 5, None)])
def test_a_norm_that_is_due_and_not_met_fails(norms, agrees):
    losses = np.linspace(2.0, 1.0, len(norms))
    path = experiment.Path(0, losses, np.array(norms), beta=1.0)
    config = replace(CONFIG, eta=1.0)  # the bound for eps = 0.5: 1 / (1 * 1/2 * 1/4) = 8 steps
    assert experiment._case(0.5, [path], config).agrees is agrees
