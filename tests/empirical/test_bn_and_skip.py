"""Residual nets, and the smoothness of their surfaces with and without skips and batch normalisation."""

import pytest
import torch
from torch import nn

from empirical.data import load_data
from empirical.experiments import bn_and_skip as experiment
from empirical.resnets import Block, ResNet, n_parameters


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_residual_nets_have_the_published_numbers_of_weights(depth, millions):  # He et al. 2016, table 6
    found = n_parameters(ResNet(depth)) / 1e6
    assert found == pytest.approx(millions, abs=0.05 if depth == 110 else 0.005)


def test_nets_with_and_without_skips_have_the_same_parameters():
    assert n_parameters(ResNet(20, 8, skip=False)) == n_parameters(ResNet(20, 8))
    assert ResNet(8, 4, n_classes=7, input_shape=(1, 8, 8)).eval()(torch.zeros(3, 1, 8, 8)).shape == (3, 7)


def test_a_block_whose_convolutions_are_zero_passes_its_input_on_only_with_a_skip():
    x = torch.rand(2, 4, 6, 6)
    for skip in (True, False):
        block = Block(4, 8, 2, skip, batchnorm=False)
        for parameter in block.parameters():
            nn.init.zeros_(parameter)
        out = block(x)
        assert out.shape == (2, 8, 3, 3)
        torch.testing.assert_close(out[:, :4], x[:, :, ::2, ::2] if skip else torch.zeros(2, 4, 3, 3))
        assert not out[:, 4:].any()


def test_the_number_of_layers_is_the_depth():
    for depth in (8, 20, 32):
        assert sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in ResNet(depth, 2).modules()) == depth
    with pytest.raises(ValueError, match="6 n \\+ 2"):
        ResNet(18)


def test_the_seed_alone_makes_the_weights():
    torch.manual_seed(0)
    one = ResNet(8, 4, seed=3).state_dict()
    torch.manual_seed(1)
    two, other = ResNet(8, 4, seed=3).state_dict(), ResNet(8, 4, seed=4).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["layers.0.weight"], other["layers.0.weight"])


@pytest.fixture(scope="module")
def smoke():
    config = experiment.PRESETS["smoke"]
    return experiment.compute(config, load_data("digits", subset=config.subset), seed=0, device="cpu")


def test_the_experiment_sees_through_a_change_of_scale_and_draws_its_figures(smoke):
    config = experiment.PRESETS["smoke"]
    assert smoke.claim.control.passed
    assert len(smoke.table) == 4 * config.seeds
    assert len(smoke.claim.observed) == len(experiment.PAIRS)
    assert set(experiment.draw(smoke)) == {"profiles", "contours", "rises"}


def test_nets_that_have_not_learnt_decide_nothing():
    config = experiment.PRESETS["smoke"]
    nets = [
        experiment.Net(kind, k, loss, 0.5, rise + 0.01 * k, 0.0)
        for kind, loss, rise in (("skip, BN", 0.1, 1.0), ("BN", 0.1, 3.0), ("skip", 2.3, 3.0), ("neither", 0.1, 3.0))
        for k in range(config.seeds)
    ]
    cases = experiment._cases(nets, config, learnt=2.0)
    assert [case.agrees for case in cases] == [True, None, None, False]  # the last: 3.0 with it, 3.0 without
    assert "3 of 6 nets have not learnt" in cases[2].observed


@pytest.mark.parametrize(("kind", "passes"), [("skip, BN", True), ("skip", False)])
def test_the_control_fails_where_the_scale_of_the_weights_changes_the_function(smoke, kind, passes):
    config = experiment.PRESETS["smoke"]
    data = load_data("digits", subset=config.subset)
    skip, batchnorm = experiment.KINDS[kind]
    net = ResNet(config.depth, config.width, skip=skip, batchnorm=batchnorm, input_shape=(1, 8, 8))
    net.load_state_dict(smoke.weights[kind])
    some = data.train_inputs[:100], data.train_labels[:100]
    assert experiment._control([net.eval()] * 3, some, config, seed=0).passed is passes
