"""The published tables, row by row: counts against print, the loop beside the compiled descents."""

import numpy as np
import pytest

from empirical.experiments import spurious_minima as experiment
from theory.claims.spurious_minima import Ends, Row
from theory.teacher_student import descend, starts


def test_the_loop_and_the_compiled_descents_end_alike():
    begin = starts(4, 4, 4, seed=1)
    ends = [experiment.loop(start, np.eye(4), 0.5) for start in begin]
    np.testing.assert_allclose(ends, descend(begin, step=0.5).loss, rtol=1e-2, atol=1e-4)
    assert experiment.speed_ratio(4, 2, seed=0) > 0


def test_rows_up_to_nine_agree_with_print():
    result = experiment.compute(experiment.PRESETS["smoke"], None, seed=0)
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert [(row["k"], row["n"]) for row in result.table] == [(6, 6), (7, 7), (8, 8), (9, 9), (8, 9), (6, 8)]
    assert set(experiment.draw(result)) == {"tables"}


@pytest.mark.parametrize(
    ("n", "percent", "spurious", "unfinished", "agrees"),
    [
        (8, 12.6, 25, 0, True),
        (8, 12.6, 100, 0, False),
        (10, 0.0, 0, 0, True),
        (10, 0.0, 1, 0, False),
        (8, 12.6, 25, 2, None),
    ],
)
def test_counts_far_from_print_do_not_agree(n, percent, spurious, unfinished, agrees):
    row = Row(8, n, percent, None, None)
    ends = Ends(200, spurious, unfinished, 0.02, 0.02, ())
    assert experiment._case(row, ends, 10).agrees is agrees


@pytest.mark.parametrize(
    ("n", "percent", "spurious", "agrees"), [(8, 12.6, 1, None), (10, 0.0, 0, None), (10, 0.0, 1, False)]
)
def test_ten_runs_confirm_nothing(n, percent, spurious, agrees):
    ends = Ends(10, spurious, 0, 0.02, 0.02, ())
    assert experiment._case(Row(8, n, percent, None, None), ends, 10).agrees is agrees


def test_the_paper_preset_has_all_rows_at_a_thousand_runs():
    paper = experiment.PRESETS["paper"]
    assert paper.runs == 1000
    assert paper.largest == max(max(row.k, row.n) for row in experiment.published.TABLE)
