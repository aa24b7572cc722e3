"""Profiles of the loss along lines: the climb, the recurrent net, the experiment with its control."""

import numpy as np
import pytest
import torch

from empirical.data import load_data
from empirical.experiments import profiles as experiment
from empirical.recurrent import RowLSTM


def test_a_climb_is_the_largest_rise_above_what_was_reached_before():
    assert experiment.climb(np.array([5.0, 3.0, 4.0, 1.0, 1.5])) == 1.0
    assert experiment.climb(np.array([3.0, 2.9, 2.8, 0.0])) == 0.0  # monotone, however far from its chord
    assert np.isnan(experiment.climb(np.array([3.0, np.nan, 1.0])))


def test_the_recurrent_net_reads_rows_in_their_order_and_depends_on_its_seed_only():
    x = torch.rand(4, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    net = RowLSTM((1, 5, 6), hidden=8, n_classes=3, seed=2)
    again = RowLSTM((1, 5, 6), hidden=8, n_classes=3, seed=2)
    torch.testing.assert_close(net(x), again(x))
    assert net(x).shape == (4, 3)
    assert not torch.allclose(net(x), net(x.flip(2)))
    torch.testing.assert_close(net(x)[:2], net(x[:2]))
    assert max(p.abs().max() for p in net.parameters()) <= 8**-0.5


def test_lines_from_start_to_end_do_not_climb_and_lines_between_ends_do():
    config = experiment.PRESETS["smoke"]
    result = experiment.compute(config, load_data("digits", subset=config.subset), seed=0, device="cpu")
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert len(result.table) == 9 * config.seeds
    assert set(experiment.draw(result)) == {"profiles", "climbs"}


@pytest.mark.parametrize(
    ("climbs", "agrees"), [((0.0, 0.001, 0.0), True), ((0.5, 0.6, 0.55), False), ((0.0, 0.1, 0.0), None)]
)
def test_only_an_interval_on_one_side_of_the_margin_decides(climbs, agrees):
    found = [experiment.Line("MLP", "start to end", k, c, 0.0, 2.3, 0.1) for k, c in enumerate(climbs)]
    assert experiment._case("MLP", found, margin=0.05).agrees is agrees


@pytest.mark.parametrize(("climb", "passes"), [(0.4, True), (0.02, False)])
def test_the_control_fails_where_lines_between_ends_do_not_climb(climb, passes):
    config = experiment.PRESETS["cpu"]
    found = [
        experiment.Line(kind, "end to end", k, climb + 0.001 * k, 0.5, 0.1, 0.1)
        for kind in experiment.KINDS
        for k in range(5)
    ]
    assert experiment._control(found, config).passed is passes
