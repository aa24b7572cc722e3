"""Averages of nets: values known by hand, statistics of batch normalisation, barriers."""

import numpy as np
import pytest
import torch
from torch import nn

from empirical.data import Data, load_data
from empirical.interpolate import barrier, line, lines, mixtures, triangle
from empirical.measure import weight_vector
from empirical.models import PlainCNN, SmallNet
from empirical.train import TrainConfig, reestimate_batchnorm, train


def linear(slope):
    model = SmallNet((1, 1), bias=False, dtype=torch.float64)
    nn.init.constant_(model.layers[0].weight, slope)
    return model


def points():
    x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    return Data("two points", x, 2 * x, x[:1], 2 * x[:1], n_classes=0, identity="")


def test_the_square_loss_of_a_line_of_linear_nets_is_the_parabola():
    found = line(linear(0.0), linear(4.0), points(), points=5, loss="square", test=True)
    slopes = 4 * found.coefficients[:, 1]
    np.testing.assert_allclose(found.loss, 2.5 * (slopes - 2) ** 2)  # mean of (w x - 2 x)^2 over x = 1, 2
    np.testing.assert_allclose(found.test_loss, (slopes - 2) ** 2)
    assert barrier(found.loss) == 0  # convex: nowhere above the chord
    assert barrier(-found.loss) == pytest.approx(10)
    outside = line(linear(0.0), linear(4.0), points(), points=2, low=-0.5, high=1.5, loss="square")
    np.testing.assert_allclose(outside.loss, 2.5 * np.array([16.0, 16.0]))
    assert np.isnan(outside.test_loss).all()


def test_three_nets_are_mixed_by_their_coefficients():
    grid = triangle(3, margin=1.0)
    np.testing.assert_allclose(grid.sum(1), 1)
    assert grid.shape == (9, 3)
    found = mixtures([linear(1.0), linear(2.0), linear(6.0)], grid, points(), loss="square")
    slopes = grid @ [1.0, 2.0, 6.0]
    np.testing.assert_allclose(found.loss, 2.5 * (slopes - 2) ** 2)


def test_a_net_whose_units_are_scaled_is_no_wall_with_statistics_of_its_own():
    data = load_data("digits", subset=(300, 100))
    model = PlainCNN(channels=(8, 16), hidden=(32,), input_shape=(1, 8, 8), seed=0)
    train(model, data, TrainConfig(epochs=6, rate=0.1))
    scaled = PlainCNN(channels=(8, 16), hidden=(32,), input_shape=(1, 8, 8))
    scaled.load_state_dict(model.state_dict())
    with torch.no_grad():
        for layer in (0, 3, 7):  # before batch normalisation: the function does not change
            scaled.layers[layer].weight.mul_(30)
            scaled.layers[layer].bias.mul_(30)
    reestimate_batchnorm(scaled, data.train_inputs)
    reestimate_batchnorm(model, data.train_inputs)
    before = weight_vector(model)
    found = line(model, scaled, data, points=5)
    assert np.ptp(found.loss) < 0.01 * found.loss.mean()
    kept = line(model, scaled, data, points=5, statistics="averaged")
    np.testing.assert_allclose(kept.loss[[0, -1]], found.loss[[0, -1]], rtol=0.01)
    assert barrier(kept.loss) > 0.05  # half the variances too large: the average of s^2 and (30 s)^2 is not (15.5 s)^2
    np.testing.assert_array_equal(weight_vector(model), before)


def test_work_in_processes_gives_the_same_numbers(monkeypatch):
    data = load_data("digits", subset=(200, 50))
    nets = [PlainCNN(channels=(4,), hidden=(), input_shape=(1, 8, 8), seed=seed) for seed in (0, 1)]
    alone = line(*nets, data, test=True)
    monkeypatch.setattr("empirical.interpolate._WORTH_PROCESSES", 0)
    monkeypatch.setattr("empirical.interpolate.processors", lambda: 2)
    together = line(*nets, data, test=True)
    for name in ("loss", "error", "test_loss", "test_error"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))
    (of_pairs, back) = lines([nets, nets[::-1]], data, test=True)
    np.testing.assert_array_equal(of_pairs.test_error, alone.test_error)
    np.testing.assert_allclose(back.loss, alone.loss[::-1], rtol=1e-5)


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(ValueError, match="each mixture of 2 nets needs 2 coefficients, got 3"):
        mixtures([linear(0.0), linear(1.0)], np.ones((1, 3)), points(), loss="square")
    with pytest.raises(ValueError, match="unknown statistics 'kept'"):
        mixtures([linear(0.0)], np.ones((1, 1)), points(), statistics="kept", loss="square")
