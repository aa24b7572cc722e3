"""Surfaces: quadratic losses with exact values, normalisations, other models, trajectories, interrupts, bad input."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import empirical as em
from empirical import surfaces
from empirical.directions import Directions, between, pca_directions, random_directions
from empirical.models import PlainCNN, SmallNet
from empirical.train import reestimate_batchnorm


def bowl(output, _):
    """Half the squared norm of all weights, whatever the data: the model below returns them."""
    return 0.5 * output.square().sum(1).mean()


class Weights(nn.Module):
    """Returns its own parameters as one row for each example: any function of the weights is then a loss."""

    def __init__(self, weights):
        super().__init__()
        self.matrix = nn.Parameter(torch.as_tensor(weights, dtype=torch.float64))

    def forward(self, x):
        return self.matrix.flatten().expand(len(x), -1)


EXAMPLES = (torch.zeros(7, 1, dtype=torch.float64), torch.zeros(7))


def at_weights(weights=((3.0, 0.0), (0.0, 4.0))):
    return Weights(weights).eval()


def steps_of(model, along):
    return [
        np.concatenate([step[name].numpy().ravel() for name, _ in model.named_parameters()]) for step in along.steps
    ]


def test_the_surface_of_a_quadratic_loss_is_that_quadratic():
    model = at_weights()
    found = em.surface(model, bowl, EXAMPLES, normalisation=None, points=9, seed=3)
    first, second = steps_of(model, random_directions(model, 2, normalisation=None, seed=3))
    start = np.array([3.0, 0.0, 0.0, 4.0])
    for i, a in enumerate(found.coordinates[0]):
        for j, b in enumerate(found.coordinates[1]):
            assert found.loss[i, j] == pytest.approx(0.5 * ((start + a * first + b * second) ** 2).sum(), rel=1e-12)
    assert found.centre == 12.5
    assert found.holes == 0
    assert found.nonconvex_share == 0.0


def test_the_profile_between_two_models_of_a_quadratic_loss_is_a_parabola():
    found = em.surface(at_weights(), bowl, EXAMPLES, at_weights([[0.0, 5.0], [0.0, 0.0]]), points=5)
    t = np.array([-0.5, 0.0, 0.5, 1.0, 1.5])
    np.testing.assert_allclose(found.coordinates[0], t)
    np.testing.assert_allclose(found.loss, 0.5 * ((3 - 3 * t) ** 2 + (5 * t) ** 2 + (4 - 4 * t) ** 2), rtol=1e-12)


def test_chunks_of_unequal_size_give_the_mean_over_all_examples():
    model, x = SmallNet((3, 4, 2), seed=1, dtype=torch.float64).eval(), torch.randn(11, 3, dtype=torch.float64)
    y, loss = torch.arange(11) % 2, nn.CrossEntropyLoss()
    whole, parts = (em.surface(model, loss, (x, y), dimensions=1, points=3, chunk=c) for c in (11, 4))
    np.testing.assert_allclose(whole.loss, parts.loss, rtol=1e-13)
    assert whole.loss[1] == pytest.approx(loss(model(x), y).item(), rel=1e-13)


def test_filters_get_their_own_lengths_and_biases_and_batch_normalisation_stand_still():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))
    (step,) = random_directions(model, 1, seed=0).steps
    own = dict(model.named_parameters())
    for name in ("0.weight", "3.weight"):
        lengths = [tensor.detach().flatten(1).norm(dim=1) for tensor in (step[name], own[name])]
        torch.testing.assert_close(*lengths)
    assert not any(step[name].any() for name in ("0.bias", "1.weight", "1.bias", "3.bias"))
    (layer,) = random_directions(model, 1, normalisation="layer", seed=0).steps
    torch.testing.assert_close(layer["0.weight"].norm(), own["0.weight"].detach().norm())
    assert not torch.allclose(*(t.detach().flatten(1).norm(dim=1) for t in (layer["0.weight"], own["0.weight"])))
    (free,) = random_directions(model, 1, normalisation=None, seed=0).steps
    assert all(change.any() for change in free.values())


def test_filter_normalised_profiles_do_not_depend_on_the_scale_of_homogeneous_layers():
    # ReLU: the first layer times 10 and the second divided by 10 is the same function; raw directions see it
    model = SmallNet((4, 6, 2), bias=False, seed=0, dtype=torch.float64).eval()
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled.layers[0].weight.mul_(10)
        scaled.layers[2].weight.div_(10)
    data = (torch.randn(20, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2)
    filtered, raw = (
        [em.surface(m, nn.CrossEntropyLoss(), data, normalisation=n, points=5).loss for m in (model, scaled)]
        for n in ("filter", None)
    )
    np.testing.assert_allclose(*filtered, rtol=1e-9)
    assert not np.allclose(*raw, rtol=1e-2)


def test_principal_directions_find_the_plane_of_a_trajectory_and_where_it_lies():
    rng = np.random.default_rng(0)
    plane = np.linalg.qr(rng.normal(size=(6, 2)))[0].T
    places = np.array([[4.0, 1.0], [3.0, -1.0], [1.5, 0.5], [0.5, 0.0], [0.0, 0.0]])
    models = [Weights((p @ plane).reshape(2, 3)).eval() for p in places]
    along = pca_directions(models[-1], models)
    assert sum(along.explained) == pytest.approx(1.0)
    vectors = np.array(steps_of(models[-1], along))
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(along.path @ vectors, places @ plane, atol=1e-12)
    found = em.surface(models[-1], bowl, EXAMPLES, along, points=4)
    assert found.path is along.path
    a, b = found.coordinates[0][3], found.coordinates[1][0]
    assert found.loss[3, 0] == pytest.approx(0.5 * (a * a + b * b), rel=1e-12)
    with pytest.raises(ValueError, match="span fewer than 2"):
        pca_directions(models[-1], [models[0], models[-1], models[-1]])


def test_between_models_the_statistics_of_batch_normalisation_move_too():
    one, other = (PlainCNN(channels=(4,), hidden=(), n_classes=3, input_shape=(1, 8, 8), seed=s) for s in (0, 1))
    data = torch.randn(30, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 3
    for model, some in ((one, data[0]), (other, 3 * data[0] + 1)):
        reestimate_batchnorm(model, some)
        model.eval()
    found = em.surface(one, nn.CrossEntropyLoss(), data, other, extent=(0.0, 1.0), points=2)
    for model, value in zip((one, other), found.loss, strict=True):
        assert value == pytest.approx(nn.CrossEntropyLoss()(model(data[0]), data[1]).item(), rel=1e-5)
    again = em.surface(one, nn.CrossEntropyLoss(), data, other, extent=(0.0, 1.0), points=2, batchnorm="recomputed")
    reestimate_batchnorm(other, data[0])
    other.eval()
    assert again.loss[1] == pytest.approx(nn.CrossEntropyLoss()(other(data[0]), data[1]).item(), rel=1e-5)
    assert again.loss[1] != pytest.approx(found.loss[1], rel=1e-3)


def test_the_model_is_left_as_it_was():
    model = PlainCNN(channels=(4,), hidden=(), n_classes=3, input_shape=(1, 8, 8)).eval()
    before = copy.deepcopy(model.state_dict())
    em.surface(
        model, nn.CrossEntropyLoss(), (torch.randn(9, 1, 8, 8), torch.arange(9) % 3), points=2, batchnorm="recomputed"
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_losses_that_are_not_finite_are_holes_and_counted():
    def pole(output, _):
        value = bowl(output, _)
        return torch.where(value > 30, torch.inf, torch.where(value > 20, torch.nan, value))

    model = at_weights()
    other = at_weights([[0.0, 5.0], [0.0, 0.0]])
    whole, broken = (em.surface(model, f, EXAMPLES, other, points=21, extent=(-2, 2)) for f in (bowl, pole))
    lost = whole.loss > 20
    assert broken.holes == lost.sum() > 0
    assert np.isnan(broken.loss[lost]).all()
    np.testing.assert_array_equal(broken.loss[~lost], whole.loss[~lost])


def test_an_interrupted_surface_goes_on_where_it_was(tmp_path, monkeypatch):
    file, calls = tmp_path / "surface.npz", []

    def counted(output, target):
        calls.append(1)
        return bowl(output, target)

    def interrupt(done, total, _):
        if done == 10:
            raise KeyboardInterrupt

    arguments = {"points": 5, "checkpoint": file, "normalisation": None}
    monkeypatch.setattr(surfaces, "_SAVE_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        em.surface(at_weights(), counted, EXAMPLES, progress=interrupt, **arguments)
    calls.clear()
    found = em.surface(at_weights(), counted, EXAMPLES, **arguments)
    assert len(calls) < 25  # 15 points, and what is asked before
    np.testing.assert_array_equal(
        found.loss, em.surface(at_weights(), bowl, EXAMPLES, points=5, normalisation=None).loss
    )
    with pytest.raises(ValueError, match="checkpoint of another surface"):
        em.surface(at_weights(), counted, EXAMPLES, **(arguments | {"points": 6}))
    with pytest.raises(ValueError, match="checkpoint of another surface"):
        em.surface(at_weights(((1.0, 2.0),)), counted, EXAMPLES, **arguments)
    file.write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="no checkpoint of a surface"):
        em.surface(at_weights(), counted, EXAMPLES, **arguments)


@pytest.mark.parametrize("centre", [1.0, float("nan")])
def test_losses_that_agree_in_the_centre_are_told_apart(tmp_path, centre):
    def power(k):
        def loss(output, _):
            value = (output.square().sum(1) / 25) ** k
            return torch.where((value - 1).abs() < 1e-9, centre, value).mean()

        return loss

    file = tmp_path / "surface.npz"
    em.surface(at_weights(), power(1), EXAMPLES, points=3, checkpoint=file)
    with pytest.raises(ValueError, match="checkpoint of another surface"):
        em.surface(at_weights(), power(2), EXAMPLES, points=3, checkpoint=file)


def test_damaged_checkpoints_are_said_in_one_line(tmp_path):
    file = tmp_path / "surface.npz"
    arguments = {"points": 3, "checkpoint": file}
    em.surface(at_weights(), bowl, EXAMPLES, **arguments)
    whole = file.read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(9))
    other = (tmp_path / "array.npy").read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-3], b"PK", b"", b"garbage", other):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="no checkpoint of a surface") as caught:
            em.surface(at_weights(), bowl, EXAMPLES, **arguments)
        assert "\n" not in str(caught.value)


def test_a_model_in_half_precision_has_checkpoints_too(tmp_path):
    model = nn.Linear(2, 1, dtype=torch.bfloat16).eval()
    data = torch.ones(3, 2, dtype=torch.bfloat16), torch.zeros(3, 1, dtype=torch.bfloat16)
    found = em.surface(model, nn.MSELoss(), data, points=2, checkpoint=tmp_path / "surface.npz")
    assert np.isfinite(found.loss).all()


def test_arrays_in_double_precision_go_with_a_model_in_single():
    model, x = SmallNet((3, 4, 2), seed=1).eval(), np.random.default_rng(0).normal(size=(6, 3))
    labels = np.arange(6) % 2
    double, single = (
        em.surface(model, nn.CrossEntropyLoss(), (data, labels), points=2) for data in (x, x.astype(np.float32))
    )
    np.testing.assert_array_equal(double.loss, single.loss)


def test_two_models_on_one_line_span_no_plane():
    other = at_weights([[0.0, 5.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="no plane"):
        em.surface(at_weights(), bowl, EXAMPLES, [other, other])


class Noisy(Weights):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5)  # which evaluation mode does not switch off


def a_net(*extra):
    return nn.Sequential(nn.Linear(1, 2, dtype=torch.float64), *extra)


@pytest.mark.parametrize(
    ("model", "changes", "named"),
    [
        (a_net(), {}, "training mode"),
        (a_net(nn.Dropout(0.3)).eval(), {}, r"dropout \(1, 0.3\)"),
        (nn.LSTM(1, 2, 2, dropout=0.1).eval(), {}, r"dropout \(LSTM, 0.1\)"),
        (Noisy(torch.arange(100.0).reshape(10, 10)).eval(), {}, "draws random numbers"),
        (nn.Flatten().eval(), {}, "no parameters"),
        (at_weights(), {"directions": "sideways"}, 'must be "random"'),
        (at_weights(), {"normalisation": "batch"}, "normalisation must be"),
        (at_weights(), {"dimensions": 3}, "dimensions must be 1 or 2"),
        (at_weights(), {"extent": (1, -1)}, "extent must be"),
        (at_weights(), {"extent": (0, float("nan"))}, "extent must be"),
        (at_weights(), {"extent": 1}, "extent must be"),
        (at_weights(), {"data": torch.zeros(3, 1)}, "two tensors or arrays of all examples, got Tensor"),
        (at_weights(), {"data": TensorDataset(torch.zeros(3, 1), torch.zeros(3))}, "got TensorDataset"),
        (nn.Sequential(nn.LazyLinear(3)).eval(), {}, "call it once"),
        (a_net().eval(), {"data": (torch.rand(3, 5), torch.zeros(3))}, "cannot be computed"),
        (nn.LSTM(1, 2).eval(), {"data": (torch.zeros(3, 1, 1), torch.zeros(3))}, r"cannot be computed.*tuple"),
        (at_weights(), {"points": 1}, "points must be"),
        (at_weights(), {"chunk": 0}, "chunk must be"),
        (at_weights(), {"batchnorm": "new"}, "batchnorm must be"),
        (at_weights(), {"seed": -1}, "seed must be"),
        (at_weights(), {"data": (torch.zeros(3, 1), torch.zeros(4))}, "as many of both"),
        (at_weights(), {"data": (torch.zeros(3, 1),)}, "inputs, targets"),
        (at_weights(), {"loss": lambda o, _: o.square().sum()}, "mean over the examples"),
        (at_weights(), {"loss": lambda o, _: o}, r"must return one number.*shape \(2, 4\)"),
        (at_weights(), {"directions": at_weights()}, "the same weights"),
        (at_weights(), {"directions": at_weights([[1.0, 2.0]])}, "different names or shapes"),
        (at_weights(((0.0, 0.0),)), {}, "nothing moves"),
        (at_weights(), {"directions": Directions(({"other": torch.zeros(1)},), ("",), ((0, 1),))}, "of another model"),
    ],
)
def test_bad_input_is_said_in_one_line(model, changes, named):
    arguments = {"loss": bowl, "data": EXAMPLES, "points": 3} | changes
    with pytest.raises(ValueError, match=named) as caught:
        em.surface(model, **arguments)
    assert "\n" not in str(caught.value)


def test_outputs_and_targets_that_are_broadcast_are_said_with_their_shapes():
    net = nn.Linear(1, 1, bias=False).eval()
    nn.init.ones_(net.weight)
    with (
        pytest.warns(UserWarning, match="broadcasting"),
        pytest.raises(ValueError, match=r"\(outputs \(2, 1\) .*, targets \(2,\) "),
    ):
        em.surface(net, nn.MSELoss(), (torch.tensor([[0.0], [5.0], [1.0]]), torch.tensor([0.0, 5.0, 1.0])), points=3)


def test_snapshots_that_are_references_to_one_state_are_said_to_be_alike():
    model = at_weights()
    with pytest.raises(ValueError, match=r"all alike; copy\.deepcopy"):
        pca_directions(model, [model.state_dict() for _ in range(4)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_data_in_single_precision_go_with_a_model_of_another_one(dtype):
    torch.manual_seed(0)
    net = nn.Linear(2, 3).to(dtype).eval()
    found = em.surface(net, nn.CrossEntropyLoss(), (torch.rand(5, 2), torch.tensor([0, 1, 2, 0, 1])), points=3)
    assert found.holes == 0


def test_what_is_no_model_is_refused():
    with pytest.raises(TypeError, match=r"torch\.nn\.Module, got int"):
        em.surface(3, bowl, EXAMPLES)
    with pytest.raises(TypeError, match="torch modules, got str"):
        between(at_weights(), "there")


def test_pictures_of_one_and_two_directions_holes_included():
    def pole(output, _):
        value = bowl(output, _)
        return torch.where(value > 25, torch.nan, value)

    plane = em.surface(at_weights(), pole, EXAMPLES, points=7)
    assert plane.holes > 0
    assert set(plane.draw("title")) == {"contour", "surface"}
    assert f"({plane.holes} of 49 not finite)" in plane.draw()["contour"].axes[1].get_ylabel()
    line = em.surface(at_weights(), pole, EXAMPLES, dimensions=1, points=7)
    assert line.draw()["profile"].axes[0].get_xlabel() == "random direction 1 (filter-normalised)"
    assert line.nonconvex_share == 0.0
    wave = em.surface(at_weights(), lambda o, _: -bowl(o, _), EXAMPLES, dimensions=1, points=7)
    assert wave.nonconvex_share == 1.0
