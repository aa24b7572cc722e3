"""Measures on nets: distances against direct ones, maps against distances that a plane can hold, noise of layers."""

import numpy as np
import pytest
import torch

from empirical.measure import distances, embed, layers, margins, perturbed, set_weights, weight_vector
from empirical.models import PlainCNN, SmallNet


def test_layers_are_numbered_and_sized_as_in_the_paper():
    model = PlainCNN()
    sizes = {name: len(weight_vector(model)[part]) for name, part in layers(model).items()}
    assert sizes == {"2": 896, "3": 18496, "4": 36928, "5": 131200, "6": 1290, "all": 188810}  # PROTOCOLS, section 1
    small = layers(SmallNet((2, 3, 1), bias=(False, True)))
    assert small == {"2": slice(0, 6), "3": slice(6, 10), "all": slice(0, 10)}


@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
def test_distances_by_gram_matrices_are_those_computed_directly(kind):
    from scipy.spatial.distance import pdist, squareform

    rows = np.random.default_rng(0).normal(size=(7, 20_000))
    rows[1] = rows[0] + 1e-6 * rows[2]  # close ones, where 1 - cosine loses digits
    found = distances(rows, {"first": slice(0, 9000), "all": slice(None)}, kind)
    for name, part in (("first", rows[:, :9000]), ("all", rows)):
        np.testing.assert_allclose(found[name], squareform(pdist(part, kind)), rtol=1e-6, atol=1e-14)
    with pytest.raises(ValueError, match="unknown distance 'manhattan'"):
        distances(rows, {"all": slice(None)}, "manhattan")
    with pytest.raises(ValueError, match="finite"):
        distances(rows * np.nan, {"all": slice(None)}, kind)


def test_distances_of_points_in_the_plane_are_met_exactly_and_others_are_not():
    rng = np.random.default_rng(1)
    plane = rng.normal(size=(30, 2)) @ rng.normal(size=(2, 50))
    given = distances(plane, {"all": slice(None)}, "euclidean")["all"]
    found = embed(given)
    again = np.linalg.norm(found.points[:, None] - found.points, axis=2)
    np.testing.assert_allclose(again, given, atol=1e-10)
    assert found.stress < 1e-12
    assert found.share == pytest.approx(1)
    np.testing.assert_allclose(found.points.mean(0), 0, atol=1e-12)
    on_a_line = embed(np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0))))
    np.testing.assert_allclose(abs(on_a_line.points), [[1.5, 0], [0.5, 0], [0.5, 0], [1.5, 0]], atol=1e-7)
    two_of_four = embed(np.kron(1 - np.eye(2), np.ones((2, 2))))  # two pairs of equal points: one axis is left
    assert np.isfinite(two_of_four.points).all()
    simplex = embed(1 - np.eye(5))  # 5 points at distance 1: four equal eigenvalues of 1/2, of which two are kept
    assert simplex.share == pytest.approx(2 / 4)
    assert simplex.stress > 0.2


def test_noise_has_the_size_of_each_layers_own_weights():
    model = PlainCNN(seed=3)
    copy, again, other = (perturbed(model, 0.25, seed) for seed in (5, 5, 6))
    change = weight_vector(copy) - weight_vector(model)
    for name, part in layers(model).items():
        if name != "all":
            layer = model.layers[{"2": 0, "3": 3, "4": 6, "5": 10, "6": 13}[name]]
            expected = 0.25 * layer.weight.detach().numpy().std()
            n = part.stop - part.start
            assert abs(change[part].std() / expected - 1) < 4 / (2 * n) ** 0.5  # four standard errors
    np.testing.assert_array_equal(weight_vector(copy), weight_vector(again))
    assert not np.array_equal(weight_vector(copy), weight_vector(other))
    np.testing.assert_array_equal(weight_vector(model), weight_vector(PlainCNN(seed=3)))  # left as it was


def test_noise_of_a_quarter_alone_turns_a_layer_by_the_known_angle():
    model = PlainCNN(seed=0)
    pair = np.stack([weight_vector(model), weight_vector(perturbed(model, 0.25, 1))])
    found = distances(pair, layers(model))
    # weights of mean 0: cosine = 1 / sqrt(1 + 0.25^2), up to 4 / sqrt(n) relative
    assert found["5"][0, 1] == pytest.approx(1 - 1 / (1 + 0.0625) ** 0.5, rel=4 / 131200**0.5 + 0.01)
    assert torch.is_tensor(model.layers[0].weight)


def test_margins_of_a_linear_net_are_distances_to_its_boundaries():
    model = SmallNet((2, 3), bias=False)
    set_weights(model, np.array([3.0, 4.0, 0.0, 0.0, -3.0, 0.0]))  # outputs 3 x + 4 y, 0, -3 x
    inputs = torch.tensor([[1.0, 0.0], [1.0, 2.0], [-1.0, -1.0]])
    found = margins(model, inputs, torch.tensor([0, 0, 1]))
    np.testing.assert_allclose(found.outputs, [3, 11, -3])  # the last: 0 against 3
    np.testing.assert_allclose(found.distance, [3 / 5, 11 / 5, -1], rtol=1e-6)
    twice = SmallNet((2, 3), bias=False)
    set_weights(twice, 2 * weight_vector(model))
    np.testing.assert_allclose(margins(twice, inputs, torch.tensor([0, 0, 1])).distance, found.distance, rtol=1e-6)


def test_weights_given_to_two_nets_are_their_own():
    nets = [torch.nn.Linear(2, 2) for _ in range(2)]
    weights = np.arange(6, dtype=np.float32)
    for net in nets:
        set_weights(net, weights)
    with torch.no_grad():
        for parameter in nets[0].parameters():
            parameter.add_(1.0)  # as a step of training does
    assert weights.tolist() == weight_vector(nets[1]).tolist() == [0, 1, 2, 3, 4, 5]
