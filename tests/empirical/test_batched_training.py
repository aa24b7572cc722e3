"""Batch descent in pieces and nets trained as one: against the plain ways, in float64."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import theory as th
from empirical import stacked
from empirical.data import load_data
from empirical.epochs import on_device
from empirical.full_batch import full_gradient
from empirical.models import PlainCNN, SmallNet
from empirical.train import TrainConfig, train, train_each


@pytest.fixture(scope="module")
def digits():
    data = load_data("digits", subset=(120, 60))
    return replace(data, train_inputs=data.train_inputs.double(), test_inputs=data.test_inputs.double())


def net(seed=0, activation="relu"):
    return PlainCNN(activation, input_shape=(1, 8, 8), channels=(4, 6, 5), hidden=(16,), seed=seed).double()


class Affine(nn.Module):
    """Normalisation with scale and shift, defined in another order than it is passed in, and a skip."""

    def __init__(self):
        super().__init__()
        self.last = nn.BatchNorm1d(10, momentum=None).double()
        self.first = nn.BatchNorm1d(64).double()
        self.dense = nn.Linear(64, 10, dtype=torch.float64)
        generator = torch.Generator().manual_seed(0)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)

    def forward(self, x):
        x = x.flatten(1)
        return self.last(self.dense(torch.relu(self.first(x)))) + x[:, :10]


def plain_gradient(model, inputs, labels):
    model.train()
    loss = nn.functional.cross_entropy(model(inputs), labels)
    names, weights = zip(*model.named_parameters(), strict=True)
    return loss.detach(), dict(zip(names, torch.autograd.grad(loss, weights), strict=True))


@pytest.mark.parametrize("make", [net, Affine, lambda: SmallNet((64, 5, 10), dtype=torch.float64)])
@pytest.mark.parametrize("piece", [7, 60, 1000])
def test_the_gradient_in_pieces_is_that_of_all_at_once(make, piece, digits):
    whole, parts = make(), make()
    inputs = digits.train_inputs * torch.linspace(0.1, 3, 120, dtype=torch.float64).view(-1, 1, 1, 1)  # unlike pieces
    inputs = inputs.flatten(1) if isinstance(whole, SmallNet) else inputs
    expected = plain_gradient(whole, inputs, digits.train_labels)
    found = full_gradient(parts, inputs, digits.train_labels, "cross-entropy", piece)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-13, atol=0)
    for name, gradient in expected[1].items():  # a bias before normalisation has none: only rounding is left of it
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-10, atol=1e-14)
    for ours, usual in zip(parts.buffers(), whole.buffers(), strict=True):
        torch.testing.assert_close(ours, usual, rtol=1e-12, atol=1e-14)


def test_pieces_with_statistics_of_their_own_would_give_another_gradient(digits):
    """The control of the test above: what it is to tell apart is far above its tolerance."""
    model = net()
    _, exact = plain_gradient(model, digits.train_inputs, digits.train_labels)
    parts = [
        plain_gradient(model, *pair)[1]
        for pair in zip(digits.train_inputs.split(30), digits.train_labels.split(30), strict=True)
    ]
    name = "layers.0.weight"
    wrong = sum(part[name] for part in parts) / len(parts)
    assert (wrong - exact[name]).norm() > 0.01 * exact[name].norm()


def test_batch_descent_in_pieces_walks_the_same_path(digits):
    whole, parts = net(), net()
    config = TrainConfig(epochs=10, batch=None, rate=0.5)
    expected, found = train(whole, digits, config), train(parts, digits, replace(config, piece=50))
    for one, other in zip(expected.epochs, found.epochs, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-9)
    assert expected.last.train_loss < 0.7 * expected.epochs[0].train_loss


def test_a_loss_that_is_not_finite_ends_batch_descent_in_pieces(digits):
    history = train(net(), digits, TrainConfig(epochs=5, batch=None, rate=1e200, piece=50))
    assert history.stopped is not None


def stack(jobs, digits, files=None):
    jobs = [(deepcopy(model), config) for model, config in jobs]
    sets = on_device(digits, jobs[0][0], "cpu")
    runs = [{"net": k} for k in range(len(jobs))]
    return stacked.train_stacked(jobs, sets, files or [None] * len(jobs), runs), [model for model, _ in jobs]


KINDS = {
    "plain": TrainConfig(epochs=3, batch=25, rate=0.05, keep=(0, 2)),
    "noise": TrainConfig(epochs=2, batch=25, rate=0.05, noise=1e-3, momentum=0.9),
    "adam": TrainConfig(epochs=3, batch=25, rate=1e-3, optimizer="adam", every=2),
}


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("activation", ["relu", th.relu_approximation(4, (-8, 8), method="legendre")])
def test_nets_trained_as_one_end_as_each_alone(config, activation, digits):
    jobs = [(net(seed, activation), replace(config, seed=10 + seed)) for seed in range(3)]
    assert stacked.groups(jobs) == [[0, 1, 2]]
    ends, models = stack(jobs, digits)
    for (single, own), end, model in zip(jobs, ends, models, strict=True):
        history = train(single, digits, own)
        assert end.steps == history.steps
        for one, other in zip(end.epochs, history.epochs, strict=True):
            assert one.train_loss == pytest.approx(other.train_loss, rel=1e-9)
            assert one.test_error == other.test_error
        for ours, usual in zip(model.state_dict().values(), single.state_dict().values(), strict=True):
            torch.testing.assert_close(ours, usual, rtol=1e-8, atol=1e-10)
        assert end.weights.keys() == history.weights.keys() == set(config.keep)


def test_a_net_whose_loss_is_not_finite_leaves_the_stack_and_the_others_do_not_feel_it(digits):
    config = TrainConfig(epochs=3, batch=25, rate=0.05)
    jobs = [(net(seed), replace(config, seed=seed)) for seed in range(3)]
    with torch.no_grad():
        jobs[1][0].layers[-1].bias.fill_(torch.nan)
    ends, models = stack(jobs, digits)
    assert [end.stopped is not None for end in ends] == [False, True, False]
    assert "after step 0" in ends[1].stopped
    for k in (0, 2):
        train(*[jobs[k][0], digits, jobs[k][1]])
        for ours, usual in zip(models[k].state_dict().values(), jobs[k][0].state_dict().values(), strict=True):
            torch.testing.assert_close(ours, usual, rtol=1e-8, atol=1e-10)


def test_a_stack_goes_on_from_checkpoints_that_are_an_epoch_apart(digits, tmp_path, monkeypatch):
    from empirical import checkpoints

    jobs = [(net(seed), TrainConfig(epochs=3, batch=25, rate=0.05, momentum=0.5, seed=seed)) for seed in range(3)]
    files = [tmp_path / f"{k}.safetensors" for k in range(3)]
    expected, whole = stack(jobs, digits)
    save, calls = checkpoints.save, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 5:  # in the second epoch, after the first net of three
            raise KeyboardInterrupt
        save(*arguments)

    monkeypatch.setattr(checkpoints, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stack(jobs, digits, files)
    found, resumed = stack(jobs, digits, files)
    for one, other, model, twin in zip(expected, found, whole, resumed, strict=True):
        assert one.epoch == other.epoch == 3
        for ours, usual in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
            torch.testing.assert_close(ours, usual, rtol=1e-8, atol=1e-10)


def test_only_nets_of_one_kind_are_trained_as_one():
    config = TrainConfig()
    polynomials = [th.relu_approximation(4, (-a, a), method="legendre") for a in (4, 8)]
    jobs = [
        (net(0), config),
        (net(1), replace(config, seed=3)),
        (net(2), replace(config, rate=0.5)),
        (net(3, polynomials[0]), config),
        (net(4, polynomials[1]), config),
        (net(5), replace(config, batch=None)),
        (net(6), replace(config, batch=None)),
        (nn.Linear(2, 2), config),
        (nn.Linear(2, 2), config),
    ]
    assert stacked.groups(jobs) == [[0, 1], [2], [3], [4], [5], [6], [7], [8]]


def test_on_a_device_for_stacks_train_each_gives_the_same_nets_in_the_same_order(digits, tmp_path, monkeypatch):
    config = TrainConfig(epochs=2, batch=25, rate=0.05)

    def jobs():
        rates = (0.05, 0.1, 0.05)
        return [(net(seed), replace(config, rate=rate, seed=seed)) for seed, rate in enumerate(rates)]

    expected = train_each(jobs(), digits)
    monkeypatch.setattr("empirical.train._STACKED_ON", ("cpu",))
    seen = []
    found = train_each(jobs(), digits, checkpoints=tmp_path, progress=lambda done, total, _: seen.append((done, total)))
    assert seen == [(2, 3), (3, 3)]
    assert len(list(tmp_path.iterdir())) == 3
    for (model, history), (twin, same) in zip(expected, found, strict=True):
        assert [e.test_error for e in history.epochs] == [e.test_error for e in same.epochs]
        np.testing.assert_allclose(*(torch.cat([p.flatten() for p in m.parameters()]).detach() for m in (model, twin)))
