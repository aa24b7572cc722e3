"""Ctrl-C and checkpoints: a run that is stopped keeps what it has, and goes on later to the very same answer."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import theory as th
from tests.known_systems import cyclic, katsura, names
from theory.continuation import checkpoint
from theory.continuation.checkpoint import CheckpointError

ROOT = Path(__file__).resolve().parents[2]
STOPPED = """
import os, signal, sys
import theory as th

def stop(done, total, text):
    if 0 < done < total:
        os.kill(os.getpid(), signal.SIGINT)

system = th.PolynomialSystem.parse(open(sys.argv[1]).read())
print(th.solve(system, start="total-degree", progress=stop, checkpoint=sys.argv[2] or None).to_json())
"""


@pytest.fixture(autouse=True)
def interrupts_arrive():
    """A shell ignores SIGINT for what it starts in the background, and what that starts ignores it in turn."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def katsura_system(n):
    polynomials = katsura(n)
    return th.PolynomialSystem.from_polynomials(polynomials, names(polynomials[0].n_variables))


def python(*arguments):
    """A process on one processor, where there are more: slow enough to be stopped on the way."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    bound = hasattr(os, "sched_setaffinity")
    allowed = os.sched_getaffinity(0) if bound else set()
    if bound:
        os.sched_setaffinity(0, {min(allowed)})  # inherited by the process
    try:
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
    finally:
        if bound:
            os.sched_setaffinity(0, allowed)


def test_an_interrupted_solve_returns_what_it_has_and_goes_on_from_its_file(tmp_path):
    system = katsura_system(14)
    file, checkpoint = tmp_path / "katsura-14", tmp_path / "checkpoint"
    file.write_text(system.to_text())
    answer, error = python("-c", STOPPED, file, checkpoint).communicate(timeout=120)
    stopped = th.SolutionSet.from_json(answer)
    assert not error
    assert stopped.partial
    assert 0 < len(stopped) < 2**14
    assert stopped.paths.tracked == 2**14 == stopped.paths.finite + stopped.paths.failed
    assert stopped.paths.failed == stopped.paths.untracked
    assert stopped.residual.max() < 1e-12
    known = np.load(checkpoint)["info"][:, 0] >= 0
    assert known.sum() == stopped.paths.finite
    resumed = th.solve(system, start="total-degree", checkpoint=checkpoint)
    whole = th.solve(system, start="total-degree")
    assert not resumed.partial
    assert len(resumed) == 2**14
    assert (resumed.solutions == whole.solutions).all()
    rows = {tuple(row) for row in whole.solutions.tolist()}
    assert {tuple(row) for row in stopped.solutions[~stopped.is_real].tolist()} <= rows


def test_ctrl_c_on_the_command_line_shows_what_was_found_and_exits_130(tmp_path):
    file, checkpoint = tmp_path / "katsura-17", tmp_path / "checkpoint"
    file.write_text(katsura_system(17).to_text())
    process = python("-m", "theory", "solve", file, "--json", "--checkpoint", checkpoint, "--start", "total-degree")
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    answer, error = process.communicate(timeout=60)
    assert process.returncode == 130
    found = json.loads(answer)
    assert found["partial"]
    assert found["paths"]["tracked"] == 2**17
    assert found["paths"]["untracked"] > 0
    assert len(error.strip().splitlines()) == 1
    assert "interrupted with" in error


def test_a_checkpoint_serves_only_the_run_that_wrote_it(tmp_path):
    path, system = tmp_path / "checkpoint", katsura_system(3)
    first = th.solve(system, start="total-degree", checkpoint=path)
    again = th.solve(system, start="total-degree", checkpoint=path)
    assert (first.solutions == again.solutions).all()
    with pytest.raises(CheckpointError, match="seed 0 there, 1 here"):
        th.solve(system, start="total-degree", seed=1, checkpoint=path)
    with pytest.raises(CheckpointError, match="paths 8 there, 16 here"):
        th.solve(katsura_system(4), start="total-degree", checkpoint=path)
    other = th.PolynomialSystem.parse(system.to_text().replace("- 1;", "- 2;"))
    with pytest.raises(CheckpointError, match="other coefficients"):
        th.solve(other, start="total-degree", checkpoint=path)
    path.write_text("something else")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        th.solve(system, start="total-degree", checkpoint=path)


def sliced_network():
    net = th.PolynomialNetwork((2, 2, 1), th.monomial(2), bias=(True, False))
    rng = np.random.default_rng(3)
    return net.interpolation_system(rng.normal(size=(5, 2)), rng.normal(size=5)).slice(0)


def stop_after(calls):
    """A progress report that Ctrl-C interrupts."""
    left = [calls]

    def progress(done, total, text):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    return progress


def test_phcpy_keeps_its_paths_to_itself(tmp_path):
    with pytest.raises(ValueError, match="native"):
        th.solve(sliced_network(), backend="phcpy", checkpoint=tmp_path / "file")


def test_loops_that_are_stopped_return_the_zeros_known_and_go_on_from_their_file(tmp_path):
    system, file = sliced_network(), tmp_path / "loops"
    part = th.solve(system, start="monodromy", progress=stop_after(4), checkpoint=file)
    assert part.partial
    assert 0 < len(part) < 36
    assert part.residual.max() < 1e-10
    assert "others are missing" in part.notes[0]
    known = len(np.load(file)["points"])
    resumed = th.solve(system, start="monodromy", checkpoint=file)
    whole = th.solve(system, start="monodromy")
    assert 0 < known <= 36
    assert len(resumed) == 36
    assert (resumed.solutions == whole.solutions).all()
    with pytest.raises(CheckpointError, match="another run"):
        th.solve(system, start="monodromy", seed=1, checkpoint=file)
    with pytest.raises(KeyboardInterrupt):
        th.solve(system, start="monodromy", progress=stop_after(4), on_interrupt="raise")


def test_a_family_that_is_stopped_returns_what_it_has(monkeypatch):
    rng = np.random.default_rng(0)
    family = th.family(th.PolynomialNetwork((2, 3, 1), th.monomial(2), bias=(True, False)), rng.normal(size=(6, 2)))
    targets = rng.normal(size=6)

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("theory.continuation.follow.ends_of", stop)
    found = family.solve(targets)
    assert found.partial
    assert found.paths.tracked == found.paths.untracked == 90
    with pytest.raises(KeyboardInterrupt):
        family.solve(targets, on_interrupt="raise")


def test_those_who_need_the_whole_set_get_the_interrupt():
    def stop(done, total, text):
        if 0 < done < total:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        th.solve(katsura_system(14), start="total-degree", progress=stop, on_interrupt="raise")


def test_a_polyhedral_solve_goes_on_from_the_paths_to_its_generic_system(tmp_path, monkeypatch):
    system, file = th.PolynomialSystem.from_polynomials(cyclic(6), names(6)), tmp_path / "run"
    tracked = checkpoint.track

    def stopped(*arguments, **options):
        tracked(*arguments, **{**options, "at_most": 100})
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "track", stopped)
    early = th.solve(system, start="polyhedral", checkpoint=file)
    assert early.partial
    assert "nothing is known yet" in early.notes[0]
    with pytest.raises(KeyboardInterrupt):
        th.solve(system, start="polyhedral", on_interrupt="raise")
    monkeypatch.setattr(checkpoint, "track", tracked)
    info = np.load(tmp_path / "run.generic")["info"]
    assert (info[:, 0] >= 0).sum() == 100 < len(info)
    resumed = th.solve(system, start="polyhedral", checkpoint=file)
    assert (resumed.solutions == th.solve(system, start="polyhedral").solutions).all()
    with pytest.raises(CheckpointError, match="seed 0 there, 1 here"):
        th.solve(system, start="polyhedral", checkpoint=file, seed=1)


def test_ctrl_c_while_a_doubtful_set_is_looked_at_again_leaves_that_set(monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("theory.continuation.solve.beside_exact_count", stopped)
    system = th.PolynomialSystem.parse("2\nx^2-2;y^2-x;")
    found = th.solve(system)
    assert found.partial
    assert len(found) == found.paths.tracked == 4
    assert any("doubtful ends" in note for note in found.notes)
    with pytest.raises(KeyboardInterrupt):
        th.solve(system, on_interrupt="raise")
