"""The training loop: against numbers worked out by hand, and bit by bit against itself."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import theory as th
from empirical.data import Data, load_data
from empirical.measure import weight_vector
from empirical.models import PlainCNN, SmallNet
from empirical.train import TrainConfig, evaluate, one_thread, reestimate_batchnorm, train, train_each


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", subset=(300, 100))


def line(n=4):
    """Regression data y = 2x on n points, as a Data without test set."""
    x = torch.arange(n, dtype=torch.float64)[:, None]
    return Data("line", x, 2 * x, x[:0], x[:0], n_classes=0, identity="")


def linear(slope):
    model = SmallNet((1, 1), bias=False, dtype=torch.float64)
    nn.init.constant_(model.layers[0].weight, slope)
    return model


def test_batch_descent_takes_the_steps_of_the_quadratic():
    # f(w) = mean (w x - 2 x)^2 = 3.5 (w - 2)^2 on x = 0..3, so each step multiplies w - 2 by 1 - 7 rate
    model = linear(1.0)
    history = train(model, line(), TrainConfig(epochs=5, batch=None, rate=0.1, loss="square"))
    np.testing.assert_allclose(weight_vector(model), [2 - 0.3**5], rtol=1e-14)
    np.testing.assert_allclose([epoch.train_loss for epoch in history.epochs], [3.5 * 0.09**k for k in range(6)])
    assert history.steps == 5
    assert np.isnan(history.last.train_error)
    assert np.isnan(history.last.test_loss)


def test_weight_decay_moves_the_minimum_of_the_quadratic():
    # f(w) = 3.5 (w - 2)^2, so a step is w <- (1 - 0.1 * 0.7) w - 0.1 * 7 (w - 2), at rest where 0.7 w = 7 (2 - w)
    model = linear(1.0)
    config = TrainConfig(epochs=200, batch=None, rate=0.1, loss="square", decay=0.7, every=200)
    train(model, line(), config)
    np.testing.assert_allclose(weight_vector(model), [2 / 1.1], rtol=1e-12)


def test_added_noise_has_the_variance_asked_for():
    data = line(1)  # x = 0: no gradient, so the weight walks at random
    model = linear(0.0)
    ends = []
    for seed in range(300):
        nn.init.zeros_(model.layers[0].weight)
        train(model, data, TrainConfig(epochs=4, batch=None, rate=0.1, noise=0.5, loss="square", seed=seed, every=4))
        ends.append(weight_vector(model)[0])
    expected = 4 * 0.5**2
    assert abs(np.var(ends) - expected) < 4 * expected * (2 / 300) ** 0.5  # four standard errors


def test_same_seed_same_bits_and_another_seed_others(digits):
    def weights(seed):
        model = PlainCNN(input_shape=(1, 8, 8))
        with one_thread():
            history = train(model, digits, TrainConfig(epochs=2, rate=0.05, seed=seed))
        return weight_vector(model), history

    (first, history), (second, again), (other, _) = weights(0), weights(0), weights(1)
    assert np.array_equal(first, second)
    assert history == again
    assert not np.array_equal(first, other)


def test_every_image_is_seen_once_an_epoch(digits):
    from empirical.epochs import batches

    found = batches(1347, 100, torch.Generator().manual_seed(0))
    assert sorted(torch.cat(tuple(found)).tolist()) == list(range(1347))
    assert {len(batch) for batch in found} == {103, 104}  # what is left over is spread over the 13 steps


def test_training_learns_the_digits(digits):
    history = train(PlainCNN(input_shape=(1, 8, 8)), digits, TrainConfig(epochs=8, batch=50, rate=0.1))
    assert history.epochs[0].test_error > 0.7
    assert history.last.train_error < 0.02
    assert history.last.test_error < 0.3


def test_a_loss_that_is_not_finite_stops_and_gives_back_the_last_good_weights():
    model = linear(1.0)
    rate = 1e80  # each step multiplies w - 2 by -7e80: its square overflows after the second
    history = train(model, line(), TrainConfig(epochs=10, batch=None, rate=rate, loss="square"))
    assert "after step 2" in history.stopped
    assert "try rate 5e+79" in history.stopped
    assert "those after epoch 1" in history.stopped
    assert [np.isfinite(epoch.train_loss) for epoch in history.epochs] == [True, True, False]
    np.testing.assert_allclose(weight_vector(model), [2 - (1 - 7 * rate)], rtol=1e-12)


def test_looking_less_often_changes_nothing_but_what_is_recorded(digits):
    histories = [
        train(PlainCNN(input_shape=(1, 8, 8)), digits, TrainConfig(epochs=5, rate=0.05, every=every))
        for every in (1, 3)
    ]
    assert [epoch.epoch for epoch in histories[1].epochs] == [0, 3, 5]
    assert histories[0].last == histories[1].last


def test_several_nets_end_as_each_alone_whether_in_this_process_or_in_others(digits, monkeypatch):
    def jobs():
        kinds = ("relu", th.relu_approximation(10, (-12, 12), method="legendre"))
        return [(PlainCNN(kind, input_shape=(1, 8, 8)), TrainConfig(epochs=1, rate=0.05)) for kind in kinds]

    here = train_each(jobs(), digits)
    monkeypatch.setattr("empirical.train._WORTH_PROCESSES", 0.0)
    seen = []
    there = train_each(jobs(), digits, progress=lambda done, total, text: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    for (model, history), (twin, same) in zip(here, there, strict=True):
        assert history == same
        assert np.array_equal(weight_vector(model), weight_vector(twin))


def test_an_output_that_is_not_finite_counts_as_wrong():
    class Broken(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0], torch.full_like(x[:, 0], torch.nan)], 1)

    loss, error = evaluate(Broken(), torch.ones(4, 1), torch.zeros(4, dtype=torch.long))
    assert error == 1.0
    assert np.isnan(loss)


def test_reestimated_statistics_are_those_of_the_inputs(digits):
    model = PlainCNN(input_shape=(1, 8, 8), seed=1)
    reestimate_batchnorm(model, digits.train_inputs, chunk=300)
    first = model.layers[0](digits.train_inputs)
    torch.testing.assert_close(model.layers[1].running_mean, first.mean((0, 2, 3)).detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.layers[1].running_var, first.var((0, 2, 3)).detach(), atol=1e-5, rtol=1e-4)
    assert model.layers[1].momentum == 0.1  # as before: training goes on as usual


@pytest.mark.parametrize(
    "fields",
    [
        *({"epochs": bad} for bad in (-1, 1.5, True, "3")),
        *({"batch": bad} for bad in (0, 2.5)),
        *({"every": bad} for bad in (0, 1.5)),
        *({"rate": bad} for bad in (0.0, float("nan"), float("inf"), "0.1", None)),
        *({"noise": bad} for bad in (-0.1, float("nan"), float("inf"))),
        *({"seed": bad} for bad in (-1, 1.5, None)),
        {"loss": "hinge"},
        {"loss": ["square"]},
        {"optimizer": "newton"},
        *({"momentum": bad} for bad in (-0.1, 1.0, float("nan"), "0.9")),
        *({"piece": bad, "batch": None} for bad in (0, 1.5)),
        {"piece": 10},
        *({"keep": bad} for bad in ((11,), (-1,), (0.5,), 3)),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(fields):
    with pytest.raises(ValueError, match=f"{next(iter(fields))}.*{re.escape(str(next(iter(fields.values()))))}"):
        TrainConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "peer"),
    [
        ({"momentum": 0.9}, lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9)),
        ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, lr=0.01)),
    ],
    ids=["momentum", "adam"],
)
def test_the_rules_take_the_steps_of_torch(fields, peer, digits):
    ours, theirs = (SmallNet((64, 5, 10), dtype=torch.float64) for _ in range(2))
    data = replace(digits, train_inputs=digits.train_inputs.flatten(1).double(), test_inputs=torch.empty(0, 64))
    train(ours, data, TrainConfig(epochs=20, batch=None, rate=0.01, **fields))
    optimizer = peer(theirs.parameters())
    for _ in range(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(theirs(data.train_inputs), data.train_labels).backward()
        optimizer.step()
    np.testing.assert_allclose(weight_vector(ours), weight_vector(theirs), rtol=1e-12)


def test_freed_memory_is_kept_where_the_c_library_can_and_elsewhere_nothing_happens(monkeypatch):
    import platform

    from empirical import allocator

    function = allocator.keep_freed_memory.__wrapped__  # without its cache
    assert function() is (platform.libc_ver()[0] == "glibc")
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert function() is False
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: object())  # a C library without mallopt
    assert function() is False
