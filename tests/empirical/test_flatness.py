"""Flatness radii: quadratic losses, whose radius is known, walls, and rescaled nets of the same function."""

import math

import numpy as np
import pytest
import torch

from empirical.data import Data, load_data
from empirical.flatness import directions, flatness_radius, radii, top_layer
from empirical.measure import layers, set_weights, weight_vector
from empirical.models import PlainCNN, SmallNet
from empirical.train import TrainConfig, reestimate_batchnorm, train


@pytest.fixture(scope="module")
def trained():
    data = load_data("digits", subset=(200, 50))
    model = PlainCNN(channels=(4, 8), hidden=(16,), input_shape=(1, 8, 8))
    train(model, data, TrainConfig(epochs=15, rate=0.2))
    return model, data


@pytest.mark.parametrize("start", [1e-4, 1.0, 700.0])
def test_a_quadratic_has_the_radius_root_2_epsilon_over_curvature(start):
    found = flatness_radius(lambda r: 0.5 * 8.0 * r**2, 0.05, start=start, tolerance=1e-6)
    assert found == pytest.approx(math.sqrt(2 * 0.05 / 8.0), rel=1e-6)


@pytest.mark.parametrize(
    ("rise", "radius"),
    [
        (lambda r: 0.0 if r < 3 else 1.0, 3.0),
        (lambda r: 0.0 if r < 3 else math.nan, 3.0),
        (lambda r: -r, 0.1),  # it is the change that counts, whichever sign it has
        (lambda r: 0.0, math.inf),
        (lambda r: 1.0, 0.0),
    ],
    ids=["wall", "not a number", "falling", "flat", "at once"],
)
def test_walls_are_found_and_flat_directions_have_no_radius(rise, radius):
    assert flatness_radius(rise, 0.1, tolerance=1e-4) == pytest.approx(radius, rel=1e-4)


def test_a_linear_net_at_its_minimum_has_the_radii_of_its_hessian():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(40, 3)))
    target = rng.normal(size=3)
    data = Data("linear", x, (x @ torch.from_numpy(target))[:, None], x[:0], x[:0, :1], n_classes=0, identity="")
    model = SmallNet((3, 1), bias=False, dtype=torch.float64)
    set_weights(model, target)
    steps = directions(model, 5, seed=1)
    hessian = 2 * (x.T @ x).numpy() / 40  # of the mean squared error
    expected = np.sqrt(2 * 0.05 / np.einsum("ni,ij,nj->n", steps, hessian, steps))
    found = radii(model, data, steps, 0.05, loss="square", tolerance=1e-6)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(weight_vector(model), target)


def test_directions_have_the_lengths_they_should():
    model = PlainCNN(channels=(4,), hidden=(6,), input_shape=(1, 8, 8))
    raw = directions(model, 3, seed=0)
    np.testing.assert_allclose(np.linalg.norm(raw, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(raw, directions(model, 3, seed=0))
    scaled = directions(model, 3, seed=0, scaling="filter")
    first = model.layers[0]
    np.testing.assert_allclose(
        np.linalg.norm(scaled[:, : first.weight.numel()].reshape(3, 4, -1), axis=2),
        np.tile(first.weight.detach().flatten(1).norm(dim=1), (3, 1)),
        rtol=1e-5,
    )
    assert not scaled[:, first.weight.numel() : layers(model)["2"].stop].any()  # biases


def test_a_rescaled_net_has_another_raw_radius_and_the_same_filter_radius(trained):
    model, data = trained
    scaled = PlainCNN(channels=(4, 8), hidden=(16,), input_shape=(1, 8, 8))
    scaled.load_state_dict(model.state_dict())
    with torch.no_grad():
        for layer in (0, 3, 7):  # those before batch normalisation, which undoes it
            scaled.layers[layer].weight.mul_(10)
            scaled.layers[layer].bias.mul_(10)
    reestimate_batchnorm(scaled, data.train_inputs)
    found = {}
    for scaling in ("raw", "filter"):
        means = [radii(m, data, directions(m, 5, 0, scaling), 0.05).mean() for m in (model, scaled)]
        found[scaling] = means[1] / means[0]
    assert found["filter"] == pytest.approx(1, abs=0.05)
    assert found["raw"] > 1.5


def test_the_top_layer_alone_has_the_radii_of_steps_in_the_top_layer(trained):
    model, data = trained
    reestimate_batchnorm(model, data.train_inputs, 100)
    last, features = top_layer(model, data)
    steps = directions(last, 3, seed=2)
    whole = np.zeros((3, len(weight_vector(model))), np.float32)
    whole[:, layers(model)["5"]] = steps
    for quantity in ("loss", "error"):
        alone = radii(last, features, steps, 0.05, quantity=quantity)
        np.testing.assert_allclose(
            alone, radii(model, data, whole, 0.05, quantity=quantity, statistics="kept"), rtol=0.03
        )


def test_what_is_not_known_is_refused(trained):
    model, data = trained
    with pytest.raises(ValueError, match="unknown scaling 'layer'"):
        directions(model, 1, 0, "layer")
    with pytest.raises(ValueError, match="unknown quantity 'margin'"):
        radii(model, data, directions(model, 1, 0), 0.05, quantity="margin")
    with pytest.raises(ValueError, match="must be above 0, got 0"):
        flatness_radius(lambda r: r, 0)
