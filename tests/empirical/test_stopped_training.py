"""Training that stopped for want of a finite loss: what is said of it, and that no experiment goes on with it."""

import re
from dataclasses import replace

import pytest
import torch

from empirical.data import load_data
from empirical.evaluation import escaped
from empirical.experiments import branches, flat_global_minima, interpolation, perturbation_size, sgd_trajectories
from empirical.histories import Epoch, History, check_finished
from empirical.models import PlainCNN
from empirical.train import TrainConfig, train
from theory.activations import relu_approximation

RATES = {
    branches: {"rate": 1e38, "subset": (50, 20)},
    interpolation: {"rates": (1e38,)},
    sgd_trajectories: {"rate": 1e38},
    perturbation_size: {"rate": 1e38},
    flat_global_minima: {"descent_rate": 1e38, "sgd_epochs": 2},
}


@pytest.mark.parametrize("module", RATES, ids=lambda module: module.ID)
def test_an_experiment_whose_training_stops_says_at_which_step_and_what_to_try(module):
    config = replace(module.PRESETS["smoke"], **RATES[module])
    with pytest.raises(ValueError, match=r"stopped: the loss.* was not finite after step \d+; .* try rate 5e\+37") as e:
        module.compute(config, load_data("digits", subset=(50, 20)), seed=0, device="cpu")
    assert "\n" not in str(e.value)


def test_the_last_look_is_that_of_the_net_that_was_handed_back():
    looks = tuple(Epoch(k, loss, 0.5, loss, 0.5) for k, loss in enumerate((2.0, 1.0, float("inf"))))
    assert History(looks, 2, "not finite").last.epoch == 1
    assert History(looks, 2).last.epoch == 2
    check_finished([History(looks, 2)], "this")
    with pytest.raises(ValueError, match="this needs every training to reach its end, 1 stopped: not finite"):
        check_finished([History(looks, 2), History(looks, 2, "not finite")], "this")


@pytest.mark.parametrize("kind", ["polynomial", "relu"])
def test_a_polynomial_that_explodes_is_reported_with_the_share_outside_its_interval(kind):
    activation = relu_approximation(10, (-5, 5), method="least-squares") if kind == "polynomial" else "relu"
    net = PlainCNN(activation, input_shape=(1, 8, 8))
    rate = 0.5 if kind == "polynomial" else 1e38
    stopped = train(net, load_data("digits", subset=(200, 50)), TrainConfig(8, rate=rate)).stopped
    assert "\n" not in stopped
    outside = re.search(r"; (\d+\.\d)% of what entered the activations then lay outside \+-5", stopped)
    assert (outside is not None and float(outside[1]) > 0) == (kind == "polynomial")


def test_what_enters_an_activation_and_is_not_finite_is_not_called_the_largest():
    net, images = PlainCNN(relu_approximation(4, (-5, 5)), input_shape=(1, 8, 8)), torch.ones(3, 1, 8, 8)
    assert "(the largest: " in escaped(net, images)
    with torch.no_grad():
        next(net.parameters())[0] = torch.nan
    assert escaped(net, images).endswith("(not all of it finite)")
