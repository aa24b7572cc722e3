"""interpolation: walls where they must be, none where they must not, and the order of hidden units."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from empirical.data import load_data
from empirical.evaluation import reestimate_batchnorm
from empirical.experiments import interpolation
from empirical.lineages import OTHER
from empirical.models import PlainCNN, permuted

SMOKE = interpolation.PRESETS["smoke"]


@pytest.fixture(scope="module")
def smoke():
    return interpolation.compute(SMOKE, load_data("digits", subset=SMOKE.subset), seed=0, device="cpu")


def test_children_that_split_late_have_no_wall_between_them_and_independent_nets_have(smoke):
    assert smoke.claim.verdict == "holds"
    assert smoke.claim.control.passed
    near = interpolation._barriers(smoke.table, "children", SMOKE.rates[0], SMOKE.splits[-1])
    far = interpolation._barriers(smoke.table, interpolation.INDEPENDENT, SMOKE.rates[0], OTHER)
    assert len(near) == len(far) == SMOKE.repeats
    assert max(near) < min(far)


def test_at_a_larger_rate_children_that_split_at_the_start_end_farther_apart(smoke):
    def apart(rate):
        return [r["distance"] for r in smoke.table if (r["section"], r["rate"], r["split"]) == ("children", rate, 0)]

    low, high = (apart(rate) for rate in SMOKE.rates)
    assert max(low) < min(high)


def test_averaged_statistics_make_walls_higher(smoke):
    some = [row for row in smoke.table if row["section"] == interpolation.INDEPENDENT]
    assert np.mean([row["barrier_averaged"] for row in some]) > np.mean([row["barrier"] for row in some])


def test_every_section_has_its_rows(smoke):
    def count(section):
        return sum(row["section"] == section for row in smoke.table)

    rates, splits = len(SMOKE.rates), len(SMOKE.splits)
    assert count("children") == SMOKE.repeats * rates * splits
    assert count(interpolation.INDEPENDENT) == SMOKE.repeats * rates
    assert count("all pairs") == rates * 6  # any two of four children
    assert {row["epoch"] for row in smoke.table if row["section"] == "on the way"} == {1, 2, 3}


def test_walls_between_near_nets_make_it_fail(smoke):
    worse = [row | {"barrier": row["barrier"] + 0.5} for row in smoke.table]
    assert interpolation._claim(worse, [0.5] * 4, SMOKE, 200, 0).verdict == "fails"


@pytest.mark.parametrize(("heights", "passed"), [((0.4, 0.5, 0.6, 0.5), True), ((0.0, 0.0, 0.001, 0.0), False)])
def test_the_control_needs_walls_between_a_net_and_itself_in_another_order(smoke, heights, passed):
    claim = interpolation._claim(smoke.table, heights, SMOKE, 200, 0)
    assert claim.control.passed is passed
    assert claim.verdict == ("holds" if passed else "inconclusive")


def test_hidden_units_in_another_order_are_the_same_function_far_away():
    data = load_data("digits", subset=(100, 50))
    net = PlainCNN(input_shape=(1, 8, 8), channels=(8, 6), hidden=(20, 12), seed=3)
    reestimate_batchnorm(net, data.train_inputs)
    other = permuted(net, seed=1)
    net.eval()
    other.eval()
    with torch.no_grad():
        torch.testing.assert_close(other(data.test_inputs), net(data.test_inputs), rtol=1e-4, atol=1e-5)
    for mine, its in zip(list(net.parameters())[:-1], list(other.parameters())[:-1], strict=True):
        assert not torch.equal(mine, its)


@pytest.mark.parametrize(
    "change",
    [{"splits": (4, 0)}, {"splits": (0, 4)}, {"splits": (-1, 2)}, {"repeats": 1}, {"points": 2}, {"rates": ()}],
)
def test_a_config_without_rising_splits_rates_or_repeats_is_refused(change):
    with pytest.raises(ValueError, match="interpolation needs"):
        replace(SMOKE, **change)
