"""The benchmarks run, say what they did not measure, and notice wrong answers."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import theory as th
from benchmarks import langevin, ours, peers, report, torture
from benchmarks.__main__ import cli
from benchmarks.systems import CASES, PER_SYSTEM
from theory.continuation.solutions import SolutionSet

SMALL = CASES["ojika1"]
solve = th.solve


def run(*arguments):
    return CliRunner().invoke(cli, arguments)


def test_the_tracker_table_is_printed_and_written(tmp_path):
    file = tmp_path / "table.json"
    result = run("tracker", "--systems", "ojika1", "--peers", "", "--no-compile-time", "--json", str(file))
    assert result.exit_code == 0, result.output
    assert "ojika1" in result.output
    (row,) = json.loads(file.read_text())["rows"]
    assert row["ours"]["paths"] == 4
    assert row["ours"]["roots"] == 4
    assert row["ours"]["solving"] >= row["ours"]["tracking"] > 0


def test_a_peer_that_is_missing_is_named_and_left_out(monkeypatch):
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    monkeypatch.setattr(peers, "interpreter", lambda: None)
    result = run("tracker", "--systems", "ojika1", "--no-compile-time")
    assert result.exit_code == 0, result.output
    assert "phc is not installed" in result.output
    assert "M2 is not installed" in result.output
    assert "not measured" in result.output


def test_unknown_systems_and_peers_are_refused():
    assert "no system is called cyclic-99" in run("torture", "--systems", "cyclic-99").output
    assert run("torture", "--systems", "cyclic-99").exit_code == 2
    assert "no peer is called maple" in run("tracker", "--peers", "maple").output
    assert "no family is called x" in run("family", "--systems", "x").output


def test_compile_time_is_stated():
    assert "compiling takes 52 CPU seconds" in report.remarks([], 51.7)[0]


def test_ratios_are_per_path_against_phcpy_and_per_system_against_solvers():
    speed = ours.Speed(100, 0.001, 0.0005, 0.002, "total-degree", 100, 70, 70, 0)
    timings = {"phcpy": peers.Timing(0.5, 50, 100), "phc": peers.Timing(0.1, 70, 70)}
    row = report.Row("cyclic-5", 5, 70, speed, timings, {"m2": "M2 is not installed"})
    assert row.ratio("phcpy") == pytest.approx(0.01 / 0.00001)
    assert row.ratio("phc") == pytest.approx(50)
    assert row.ratio("m2") is None
    median, _, mean, worst, m2 = report.targets([row])
    assert (median.met, mean.met, worst.met, m2.met) == (True, False, True, None)


def test_peers_get_the_same_polynomials_in_decimals():
    texts = peers.decimal_equations(SMALL.system, "i")
    again = th.PolynomialSystem.parse(f"{len(texts)}\n" + "".join(f"{t};\n" for t in texts))
    points = np.array([[1, 2], [-3, -6]], dtype=complex)
    np.testing.assert_allclose(again.evaluate(points), 0, atol=1e-12)


def test_torture_passes_a_system_that_is_solved_right():
    result = run("torture", "--systems", "ojika1,noon-3", "--paths", "1", "--seeds", "1", "--start", "total-degree")
    assert result.exit_code == 0, result.output


def test_torture_goes_on_from_its_file(tmp_path, monkeypatch):
    file = tmp_path / "torture.jsonl"
    arguments = ("torture", "--systems", "ojika1,noon-3", "--paths", "1", "--start", "auto", "--resume", str(file))
    assert run(*arguments, "--seeds", "1").exit_code == 0
    file.write_text(file.read_text() + '\n{"case": "ojika1", "sta')  # killed while it wrote
    solved = []
    monkeypatch.setattr(torture.th, "solve", lambda *a, seed, **k: solved.append(seed) or solve(*a, seed=seed, **k))
    assert run(*arguments, "--seeds", "2").exit_code == 0
    assert solved == [1, 1]


def test_torture_makes_networks_with_data_of_their_own_for_each_seed():
    first, again, other = (torture.fresh(seed)[0] for seed in (0, 0, 1))
    assert first.system.to_text("julia") == again.system.to_text("julia") != other.system.to_text("julia")
    assert torture.trial(other, "total-degree", 1).passed


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda s: s[:-1], "1 lost"),
        (lambda s: np.vstack([s, s[:1]]), "1 doubled"),
        (lambda s: np.vstack([s[:-1], s[-1:] + 1]), "1 false"),
    ],
)
def test_torture_notices_lost_doubled_and_false_solutions(monkeypatch, spoil, complaint):
    right = th.solve(CASES["noon-3"].system)

    def wrong(system, start, seed):
        points = spoil(right.solutions)
        n = len(points)
        flat, yes = np.zeros(n), np.zeros(n, bool)
        return SolutionSet(right.names, points, np.ones(n, int), yes, yes, flat, flat, right.paths)

    monkeypatch.setattr(th, "solve", wrong)
    trial = torture.trial(CASES["noon-3"], "auto", 0)
    assert not trial.passed
    assert complaint in trial.complaint()
    assert run("torture", "--systems", "noon-3", "--paths", "1", "--seeds", "1").exit_code == 1


def test_an_error_of_the_engine_is_a_finding_and_no_crash(monkeypatch):
    def broken(system, start, seed):
        raise IndexError("lane 9 of 8")

    monkeypatch.setattr(th, "solve", broken)
    result = run("torture", "--systems", "noon-3", "--paths", "100", "--seeds", "2", "--start", "auto")
    assert result.exit_code == 1
    assert "IndexError: lane 9 of 8" in result.output


def test_every_system_of_the_comparison_has_its_total_degree():
    degrees = {name: int(np.prod(CASES[name].system.degrees)) for name in PER_SYSTEM}
    assert degrees["crit_d1h2N4b"] == 15_625
    assert degrees["net_d2h3N6"] == 729
    assert degrees["katsura-10"] == 1024
    assert degrees["cyclic-7"] == 5040


def test_the_langevin_table_is_printed_and_written(tmp_path):
    file = tmp_path / "table.json"
    result = run("langevin", "--steps", "10", "--rounds", "1", "--json", str(file))
    assert result.exit_code == 0, result.output
    assert "two wells in 3-D" in result.output
    rates = json.loads(file.read_text())["rates"]
    assert len(rates) == 8
    assert all(rate["ours"] > 0 and rate["normals"] > 0 for rate in rates)


@pytest.mark.parametrize("case", langevin.CASES, ids=lambda case: case.potential.name)
def test_the_peers_of_langevin_steps_walk_on_the_same_potential(case):
    points = np.random.default_rng(0).normal(size=(6, case.potential.dimension))
    assert case.slope(points) == pytest.approx(case.potential.gradient(points), abs=1e-12)
    assert [case.value(x, np) for x in points] == pytest.approx(case.potential.value(points), abs=1e-12)
