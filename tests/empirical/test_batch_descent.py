"""bgd-no-local-minima: what counts as stuck, what would make it fail, and its control."""

from dataclasses import replace

import pytest
import torch

from empirical.data import load_data
from empirical.experiments import bgd_no_local_minima as experiment
from empirical.train import Epoch, History

SMOKE = experiment.PRESETS["smoke"]


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", subset=SMOKE.subset)


@pytest.fixture(scope="module")
def smoke(digits):
    return experiment.compute(SMOKE, digits, seed=0, device="cpu")


def test_batch_descent_reaches_zero_error_from_every_start(smoke):
    assert smoke.claim.verdict == "holds"
    ends = [row for row in smoke.table if row["kind"] == experiment.BATCH and row["epoch"] == SMOKE.steps]
    assert len(ends) == SMOKE.starts
    assert all(row["train_error"] == 0 and row["train_loss"] < SMOKE.negligible for row in ends)


def test_starts_in_a_trap_stay_stuck_at_what_the_shares_of_the_classes_allow(smoke, digits):
    assert smoke.claim.control.passed
    ends = [row for row in smoke.table if row["kind"] == experiment.TRAP and row["epoch"] == SMOKE.steps]
    assert len(ends) == SMOKE.traps
    most = torch.bincount(digits.train_labels).max().item() / len(digits.train_labels)
    assert all(end["train_error"] >= 1 - most - 1e-12 for end in ends)  # one class for all images is all it can say


def test_the_gradient_in_a_trap_is_exactly_zero_but_for_the_bias_of_the_output(digits):
    net = experiment.trap(experiment._net(digits, 0)).train()
    torch.nn.functional.cross_entropy(net(digits.train_inputs), digits.train_labels).backward()
    *others, bias = net.parameters()
    assert all(not parameter.grad.any() for parameter in others)
    assert bias.grad.any()


def test_runs_from_a_trap_that_reach_zero_leave_the_claim_without_control():
    def ends(error, count):
        return [History((Epoch(1, 0.01 + error, error, 1.0, 0.4 + 0.01 * k),), 1) for k in range(count)]

    for error, verdict in ((0.9, "holds"), (0.0, "inconclusive")):
        found = {experiment.BATCH: ends(0.0, 7), experiment.SGD: ends(0.0, 7), experiment.TRAP: ends(error, 3)}
        assert experiment._claim(found, SMOKE, 0).verdict == verdict


def test_too_few_steps_count_as_stuck_and_the_claim_fails(digits):
    short = replace(SMOKE, steps=2, epochs=1, starts=4)
    claim = experiment.compute(short, digits, seed=0, device="cpu").claim
    assert claim.verdict == "fails"


@pytest.mark.parametrize(
    ("stuck", "runs", "verdict"),
    [(0, 7, True), (0, 6, None), (1, 7, None), (2, 7, None), (3, 7, False), (7, 7, False)],
)
def test_a_verdict_on_stuck_runs_needs_enough_of_them(stuck, runs, verdict):
    # upper bound of 0 of n: 1 - 0.01^(1/n), below one half from n = 7 on; lower bound of 3 of 7: 0.071 (tables)
    assert experiment._seldom(stuck, runs, 0.05) is verdict


@pytest.mark.parametrize(
    ("error", "loss", "stopped", "expected"),
    [(0.0, 0.01, None, False), (1e-5, 0.01, None, True), (0.0, 0.2, None, True), (0.0, 0.01, "broke down", True),
     (0.0, float("nan"), None, True)],
)  # fmt: skip
def test_what_counts_as_stuck(error, loss, stopped, expected):
    history = History((Epoch(1, loss, error, 1.0, 0.5),), 1, stopped)
    assert experiment.is_stuck(history, SMOKE) is expected


def test_the_printed_verdict_follows_the_gap_in_test_error():
    def ends(tests):
        return [History((Epoch(1, 0.01, 0.0, 1.0, test),), 1) for test in tests]

    trapped = [History((Epoch(1, 2.3, 0.9, 2.3, 0.9),), 1)] * 3
    worse, better = [0.40, 0.41, 0.39, 0.40, 0.42, 0.40, 0.41], [0.32, 0.31, 0.33, 0.32, 0.32, 0.31, 0.32]
    for batch, sgd, printed in ((worse, better, None), (better, worse, "fails"), (better, better, "inconclusive")):
        found = {experiment.BATCH: ends(batch), experiment.SGD: ends(sgd), experiment.TRAP: trapped}
        claim = experiment._claim(found, SMOKE, 0)
        assert claim.verdict == "holds"
        assert claim.printed_verdict == printed


@pytest.mark.parametrize("change", [{"starts": 1}, {"looks": 0}, {"traps": 0}, {"traps": 8}])
def test_a_config_without_pairs_or_looks_is_refused(change):
    with pytest.raises(ValueError, match="bgd-no-local-minima needs"):
        replace(SMOKE, **change)
