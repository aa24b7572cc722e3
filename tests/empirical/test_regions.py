"""Basins of zero error: pieces of curves that are known, and the networks whose pieces theory counts."""

from dataclasses import replace

import numpy as np
import pytest

from empirical import experiments, records
from empirical.basins import pieces, reaches, to_zeros
from empirical.experiments import regions
from theory.claims.regions import INSTANCES, predicted


def circles(points):
    """(x^2 + y^2 - 1) (x^2 + y^2 - 4): two pieces."""
    square = (points**2).sum(1)
    gradient = 2 * points * (2 * square - 5)[:, None]
    return ((square - 1) * (square - 4))[:, None], gradient[:, None, :]


def hyperbola(points):
    """x y - 1: two pieces, one in each quadrant."""
    return (points[:, 0] * points[:, 1] - 1)[:, None], points[:, None, ::-1].copy()


def test_zeros_of_two_circles_fall_into_two_pieces():
    rng = np.random.default_rng(0)
    zeros = to_zeros(circles, rng.normal(size=(60, 2)) * 1.5)
    zeros = zeros[np.isfinite(zeros).all(1)]
    radius = np.linalg.norm(zeros, axis=1)
    assert len(zeros) > 50
    np.testing.assert_allclose(np.minimum(abs(radius - 1), abs(radius - 2)), 0, atol=1e-9)
    found = pieces(circles, zeros, seed=0)
    assert found.max() == 1
    for number in (0, 1):
        assert np.ptp(radius[found == number]) < 1e-8
    assert (found == 0).sum() >= (found == 1).sum()  # by size


def test_walks_stay_on_their_branch_of_a_hyperbola():
    right = np.array([[0.2, 5.0], [1.0, 1.0], [4.0, 0.25]])
    assert reaches(hyperbola, right, np.array([2.0, 0.5])).all()
    assert not reaches(hyperbola, -right, np.array([2.0, 0.5])).any()
    assert not reaches(hyperbola, np.array([[-1e-2, -1e2]]), np.array([1e-2, 1e2])).any()


def test_what_has_no_zero_reaches_none():
    found = to_zeros(lambda p: (p[:, :1] ** 2 + 1, 2 * p[:, None, :1]), np.array([[3.0], [0.5]]))
    assert np.isnan(found).all()


@pytest.mark.parametrize("instance", [INSTANCES[0], INSTANCES[4]], ids=str)
def test_sgd_reaches_the_pieces_that_theory_counts(instance):
    config = replace(regions.PRESETS["smoke"], starts=80, steps=200)
    found = regions._basins(instance, config, [0, 0])
    assert found.count <= predicted(instance).real
    assert found.count >= min(predicted(instance).real, 4)  # four of the eight draw few of the starts
    network, inputs, targets = regions.equations(instance)
    np.testing.assert_allclose(network.evaluate(found.ends, inputs)[..., 0], np.tile(targets, (len(found.ends), 1)))
    signs = np.sign(found.ends @ _preactivations(inputs))  # pieces are those of the signs, for one unit
    assert len({(piece, *row) for piece, row in zip(found.piece, signs, strict=True)}) == found.count


def _preactivations(inputs):
    """(K, N): takes the weights w, b, v to w . x_i + b."""
    return np.concatenate([inputs.T, np.ones((1, len(inputs))), np.zeros((1, len(inputs)))])


def basins(count, expected_instance, ends=40, seed=0):
    return regions.Basins(expected_instance, seed, np.zeros((ends, 4)), np.arange(ends) % max(count, 1), 0.0, 40)


@pytest.mark.parametrize(("counts", "agrees"), [((4, 4), True), ((4, 5), False), ((4, 3), None)])
def test_more_basins_than_pieces_contradict_and_fewer_leave_it_open(counts, agrees):
    own = [basins(count, INSTANCES[1], seed=k) for k, count in enumerate(counts)]
    assert regions._agrees(own, 4) is agrees
    assert regions._agrees([basins(4, INSTANCES[1], ends=10)], 4) is None  # few starts came to a zero


@pytest.mark.parametrize(("count", "passed"), [(4, True), (2, False), (1, False)])
def test_walks_that_join_too_much_leave_the_claim_on_basins_without_control(count, passed):
    assert regions._control([basins(count, INSTANCES[1])]).passed is passed


@pytest.mark.parametrize("change", [{"instances": 1}, {"seeds": 0}])
def test_a_config_without_the_control_or_a_seed_is_refused(change):
    with pytest.raises(ValueError, match="regions needs"):
        replace(regions.PRESETS["smoke"], **change)


def test_regions_runs_and_its_printed_verdict_is_that_of_z():
    result = regions.compute(replace(regions.PRESETS["smoke"], instances=2, steps=150), None, seed=1)
    assert result.claim.control.passed
    assert result.claim.verdict == "holds"
    assert result.claim.printed_verdict == "fails"
    assert set(regions.draw(result)) == {"basins", "ends"}


@pytest.mark.parametrize("id", ["regions", "zero-set-dimension"])
def test_the_device_on_record_is_the_one_that_was_used(id, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise InterruptedError

    monkeypatch.setattr(experiments, "_device", lambda name: "cuda:0")
    monkeypatch.setattr(experiments._module(id), "compute", stop)
    seen = []
    monkeypatch.setattr(records, "describe", lambda *facts: seen.append(facts[3]) or {})
    monkeypatch.setattr(records, "begin", lambda *_: None)
    with pytest.raises(InterruptedError):
        experiments.run(id, out=tmp_path)
    assert seen == ["cpu"]
