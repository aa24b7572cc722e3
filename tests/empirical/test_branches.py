"""branches: distances from the trunk, the noise's own share of them, and what would make the claim fail."""

from dataclasses import replace

import numpy as np
import pytest

from empirical.data import load_data
from empirical.experiments import branches
from theory.claims.claim import Case

SMOKE = branches.PRESETS["smoke"]


@pytest.fixture(scope="module")
def smoke():
    return branches.compute(SMOKE, load_data("digits", subset=SMOKE.subset), seed=0, device="cpu")


def test_the_first_branch_ends_farther_from_the_trunk_than_the_last(smoke):
    assert smoke.claim.verdict == "holds"
    first, last = (branches._ends(smoke.table, name, "excess", SMOKE.steps) for name in ("0", "12"))
    assert len(first) == len(last) == SMOKE.repeats
    assert min(first) > max(last)


def test_right_after_the_noise_a_branch_is_where_the_noise_alone_puts_it(smoke):
    # weights of mean zero in high dimension: cosine 1 / sqrt(1 + c^2), here c = 1/4
    for name in ("0", "4", "12"):
        for distance in branches._ends(smoke.table, name, "distance_all", int(name)):
            assert distance == pytest.approx(1 - 1 / (1 + 1 / 16) ** 0.5, rel=0.05)
        assert branches._ends(smoke.table, name, "excess", int(name)) == [0.0] * SMOKE.repeats


def test_without_noise_a_branch_stays_on_the_trunk_and_an_independent_net_is_far_from_it(smoke):
    assert smoke.claim.control.passed
    twin = [row for row in smoke.table if row["branch"] == branches.TWIN]
    assert max(row["distance_all"] for row in twin) < 1e-12
    assert {row["predicted_differently"] for row in twin if row["step"] == SMOKE.steps} == {0.0}
    assert min(branches._ends(smoke.table, branches.INDEPENDENT, "distance_all", SMOKE.steps)) > 0.8
    middle = branches._ends(smoke.table, branches.INDEPENDENT, "middle_error", SMOKE.steps)
    assert min(middle) > max(branches._ends(smoke.table, "12", "middle_error", SMOKE.steps)) + 0.05


def test_early_branches_that_end_nearer_make_it_fail(smoke):
    mirrored = [row | {"excess": -row["excess"]} for row in smoke.table]
    assert branches._claim(mirrored, convex(agrees=False), SMOKE, 0).verdict == "fails"


def convex(agrees):
    return Case("on a convex loss", "above 0", "", agrees)


@pytest.mark.parametrize(("agrees", "verdict"), [(False, "holds"), (None, "inconclusive"), (True, "inconclusive")])
def test_the_claim_counts_only_where_the_test_fails_on_a_convex_loss(smoke, agrees, verdict):
    assert branches._claim(smoke.table, convex(agrees), SMOKE, 0).verdict == verdict


def test_on_a_convex_loss_early_branches_come_back_farther_and_without_decay_they_do_not():
    data = load_data("digits", subset=SMOKE.subset)
    assert branches.convex_contrast(SMOKE, data, 0, "cpu").agrees is False
    still = replace(SMOKE, rate=1e-9)
    assert branches.convex_contrast(still, data, 0, "cpu", pull=0.0).agrees is None


def test_every_branch_is_compared_up_to_the_last_step_of_the_trunk(smoke):
    for name, left in (("0", 0), ("4", 4), ("12", 12), (branches.INDEPENDENT, 0)):
        steps = [row["step"] for row in smoke.table if (row["branch"], row["repeat"]) == (name, 0)]
        assert steps == sorted({left, *(step for step in branches._grid(SMOKE) if step >= left)})
        assert steps[-1] == SMOKE.steps
    assert not np.isnan([row["middle_error"] for row in smoke.table]).any()


@pytest.mark.parametrize(
    "change", [{"branches": (3,)}, {"branches": (4, 0)}, {"branches": (0, 16)}, {"noise": 0.0}, {"repeats": 1}]
)
def test_a_config_without_two_branches_noise_or_repeats_is_refused(change):
    with pytest.raises(ValueError, match="branches"):
        replace(SMOKE, **change)
