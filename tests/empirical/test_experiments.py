"""The experiments: the registry, the contract of each module, and the two on networks."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import empirical as em
import theory as th
from empirical import measure, records, zero_error
from empirical.data import load_data
from empirical.experiments import (
    EXPERIMENTS,
    PRESETS,
    _data,
    _described,
    _module,
    flatness_radius,
    polynomial_net,
    zero_set_dimension,
)
from empirical.models import SmallNet
from empirical.records import RecordError
from empirical.zero_error import ZeroError
from theory.rank import numerical_rank


@pytest.mark.parametrize("id", EXPERIMENTS)
def test_every_experiment_keeps_the_contract(id):
    module = _module(id)
    assert tuple(module.PRESETS) == PRESETS
    assert is_dataclass(module.Config)
    assert all(isinstance(preset, module.Config) for preset in module.PRESETS.values())
    assert isinstance(module.REPORTED, dict)
    names = {field.name for field in fields(module.Config)}
    assert ("data" in names) == ("subset" in names)


def test_a_run_is_kept_loaded_again_and_not_mixed_with_another(tmp_path):
    first = em.run("polynomial-net", out=tmp_path)
    assert first.path == tmp_path / "polynomial-net-smoke-seed0"
    assert first.config["data"]["name"] == "digits"
    stamp = (first.path / "metrics.csv").stat().st_mtime_ns
    assert em.run("polynomial-net", out=tmp_path).claim == first.claim
    assert (first.path / "metrics.csv").stat().st_mtime_ns == stamp
    with pytest.raises(RecordError, match=r"data\.name: 'digits' there, 'images' asked"):
        em.run("polynomial-net", data="images", out=tmp_path)
    assert set(first.figures) == {"curves", "sweep", "activations"}
    assert first.claim.verdict == "holds"
    assert first.claim.control.passed


@pytest.mark.parametrize(
    ("changes", "error", "named"),
    [
        ({"id": "nope"}, ValueError, "unknown experiment 'nope'"),
        ({"preset": "huge"}, ValueError, "unknown preset 'huge'"),
        ({"preset": "cpu"}, ValueError, "needs cifar10"),
        ({"data": "no/such/folder"}, ValueError, "does not exist"),
        ({"data": "mnist"}, ValueError, "root"),
        ({"data": 3}, TypeError, "int"),
        ({"data": (np.zeros((20, 5)), np.zeros(20))}, ValueError, "images"),
        ({"device": "abacus"}, ValueError, "'abacus' is not there"),
        ({"seed": -1}, ValueError, "seed must be a whole number that is not negative, got -1"),
        ({"seed": 1.5}, ValueError, "seed must be a whole number"),
        ({"data": ""}, ValueError, "data is empty"),
        ({"id": "sgdl", "data": (np.zeros((20, 5)), np.zeros(20))}, ValueError, "images"),
    ],
)
def test_a_bad_request_is_said_in_one_line_and_finishes_nothing(changes, error, named, tmp_path):
    with pytest.raises(error, match=named) as caught:
        em.run(**({"id": "polynomial-net", "out": tmp_path} | changes))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_experiment_on_several_data_sets_gets_each_of_them_and_says_so():
    config = replace(flatness_radius.PRESETS["smoke"], data="digits+images", subset=(50, 10))
    used = _data(config, None, 0)
    assert [one.name for one in used] == ["digits", "images"]
    described = _described(used)
    assert described["name"] == "digits+images"
    assert described["images"]["train"] == 50
    assert "--data" not in records.describe("id", "smoke", 0, "cpu", config, described)["command"]
    (only,) = _data(config, "digits", 0)
    assert only.name == "digits"
    with pytest.raises(ValueError, match="needs mnist and cifar10"):
        em.run("flatness-radius", preset="cpu")


def test_a_run_that_fails_leaves_nothing_and_wrong_data_leave_an_older_run_alone(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ValueError("broken")

    kept = em.run("boltzmann", out=tmp_path)
    monkeypatch.setattr(_module("minimum-norm"), "compute", broken)
    with pytest.raises(ValueError, match="broken"):
        em.run("minimum-norm", out=tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [kept.path.name]
    monkeypatch.setattr(_module("boltzmann"), "check_data", broken, raising=False)
    with pytest.raises(ValueError, match="broken"):
        em.run("boltzmann", out=tmp_path, resume=False)
    assert records.load(kept.path).claim == kept.claim


def test_ends_that_no_case_speaks_of_are_counted_and_the_nets_are_kept(tmp_path):
    run = em.run("zero-set-dimension", out=tmp_path)
    kept = load_file(run.path / "checkpoints" / "cubic-2-8-1-N4-relu.safetensors")
    assert kept["start-1.layers.0.weight"].shape == (8, 2)
    small = run.table[run.table["forced"] == 0]  # without the CNN
    assert len(list((run.path / "checkpoints").iterdir())) == len(small.groupby(["name", "activation"]))
    relu = small[small["activation"] == "relu"].groupby("name")["zero_error"].any()
    assert f"{(~relu).sum()} of {len(relu)} ReLU nets came to zero error from no start" in run.claim.note


def test_unclear_ranks_are_counted_and_negative_nullities_are_no_control():
    end = zero_set_dimension.End("net", "polynomial", 3, 4, 2, 0, 1.0, 1.0, False, 0, 1e9, True)
    claim = zero_set_dimension._claim([end], 0)  # N = 4 > K = 3
    assert not claim.control.passed
    inside = replace(end, n_equations=3, nullity=1)
    assert zero_set_dimension._claim([inside], 0).control.passed
    unclear = replace(end, n_equations=2, nullity=2, zero_error=True, reliable=False)
    claim = zero_set_dimension._claim([inside, unclear], 0)
    assert "1 of 2 ends have singular values without a clear gap" in claim.note
    assert any("1 of unclear rank" in name for name in claim.predicted)


def test_ends_of_the_cnn_decide_only_where_their_rank_is_clear():
    def verdicts(**changes):
        end = replace(ZeroError(100, 20, 1e-12, 20, 1e9, True, 0.1, 10, 1e-15), **changes)
        return [case.agrees for case in zero_error.cases([("CNN, relu, N=2", 0, end)])]

    assert verdicts() == [True]
    assert verdicts(rank=19) == [False]
    for unclear in ({"residual": 1e-6}, {"conditioning": 1e-7}, {"reliable": False}, {"bent": 1e-3}):
        assert verdicts(rank=19, **unclear) == [None]


def test_the_cnn_on_images_has_the_nullity_of_its_equations_and_equal_images_have_another():
    found, twins = zero_error.on_images(load_data("digits", subset=(20, 5)), (3,), 1, 0)
    assert [end.nullity for _, _, end in found] == [65_354 - 30, 65_354 - 30]
    assert {end.forced for _, _, end in found} == {2 * (32 + 64 + 64 + 128)}
    assert twins.rank == 20
    assert zero_error.on_images(None, (3,), 1, 0) == ([], None)


def test_numbers_depend_on_the_seed_alone(monkeypatch):
    monkeypatch.setattr(zero_set_dimension, "INSTANCES", zero_set_dimension.INSTANCES[:1])
    config = zero_set_dimension.Config(starts=1, descent=20, polish=20, sweep=(4,))
    first, second, other = (
        zero_set_dimension.compute(config, None, seed=seed, device="cpu").table for seed in (0, 0, 1)
    )
    assert repr(first) == repr(second)  # NaN is not equal to itself
    assert [row["residual"] for row in first] != [row["residual"] for row in other]


def test_nullities_at_zero_error_are_those_theory_predicts():
    result = zero_set_dimension.compute(zero_set_dimension.PRESETS["smoke"], None, seed=1, device="cpu")
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    zero = [row for row in result.table if row["zero_error"]]
    assert {row["activation"] for row in zero} == {"polynomial", "relu"}
    assert all(row["nullity"] == row["n_weights"] - row["n_equations"] for row in zero)


def test_the_wider_net_has_the_neurovariety_dimension_it_is_said_to_have():
    instance = zero_set_dimension.wide(40)
    net = instance.network()
    w = np.random.default_rng(0).normal(size=net.n_parameters)
    jacobian = net.jacobian(w, np.random.default_rng(1).normal(size=(40, 2)))
    assert numerical_rank(jacobian).rank == instance.neurovariety_dimension == 10
    assert instance.n_weights == net.n_parameters == 32


def test_polishing_ends_at_zero_error_and_elsewhere_at_a_critical_point():
    net = SmallNet((1, 1), bias=False, dtype=torch.float64)  # y = w x on inconsistent data: least squares
    x, y = torch.tensor([[1.0], [2.0]], dtype=torch.float64), torch.tensor([[1.0], [1.0]], dtype=torch.float64)
    zero_set_dimension.polish(net, x, y, 100)
    # a change of w by its share sqrt(eps) changes the error by less than rounding
    np.testing.assert_allclose(measure.weight_vector(net), [3 / 5], rtol=np.finfo(float).eps ** 0.5)
    assert zero_set_dimension.polish(net, x, 3 * x, 100) < 1e-12


def test_the_hessian_contains_the_second_order_terms():
    # half (a v^2 - y)^2 at a = 2, v = 3, y = 1: residual 17, gradient of f (9, 12), Hessian of f ((0, 6), (6, 4))
    net = SmallNet((1, 1, 1), th.monomial(2), bias=False, dtype=torch.float64)
    measure.set_weights(net, np.array([3.0, 2.0]))  # v, then a
    found = measure.hessian(net, torch.ones(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64))
    np.testing.assert_allclose(found, np.outer([12, 9], [12, 9]) + 17 * np.array([[4, 6], [6, 0]]))


def test_shares_outside_an_interval_are_counted_over_all_hidden_layers():
    net = SmallNet((1, 2, 2, 1), bias=False)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
    seen = measure.preactivations(net, torch.tensor([[1.0], [3.0]]), radius=2.5)
    assert seen.outside == 4 / 8  # first layer 1, 1, 3, 3; second layer 2, 2, 6, 6
    assert seen.largest == 6.0


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((-0.04, 0.03), True), ((0.06, 0.09), False), ((-0.09, -0.06), False), ((-0.06, 0.01), None)],
)
def test_only_an_interval_within_the_margin_is_a_small_gap(interval, verdict):
    assert polynomial_net._inside(*interval, margin=0.05) is verdict


def test_the_interval_of_a_mean_covers_it_at_the_stated_rate():
    rng = np.random.default_rng(0)
    ends = np.array([polynomial_net.interval_of_mean(rng.normal(size=4)) for _ in range(4000)])
    missed_above, missed_below = (ends[:, 1] < 0).mean(), (ends[:, 0] > 0).mean()
    error = 4 * (0.01 * 0.99 / 4000) ** 0.5
    assert abs(missed_above - 0.01) < error
    assert abs(missed_below - 0.01) < error


def test_a_polynomial_that_does_not_cover_what_enters_it_does_not_hold():
    config = replace(polynomial_net.PRESETS["smoke"], epochs=1, seeds=2, polynomial=(10, 3), sweep=())
    data = load_data("digits", subset=(300, 100))
    claim = polynomial_net.compute(config, data, seed=0, device="cpu").claim
    assert claim.verdict != "holds"
