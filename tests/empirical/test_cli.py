"""The command line: exit codes, one line on bad input, nothing heavy for help."""

import json
import subprocess
import sys

import pytest

from empirical.__main__ import main


def call(capsys, *arguments):
    """(exit code, standard output, standard error) of the command line, run in this process."""
    try:
        main(list(arguments))
        code = 0
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "nope"], "unknown experiment 'nope'"),
        (["run", "polynomial-net", "--preset", "huge"], "unknown preset 'huge'"),
        (["run", "polynomial-net", "--preset", "cpu"], "needs cifar10"),
        (["run", "polynomial-net", "--data", "no/such/folder"], "'no/such/folder' does not exist"),
        (["run", "polynomial-net", "--device", "abacus"], "'abacus' is not there"),
        (["run", "polynomial-net", "--seed", "-1"], "-1"),
        (["run", "polynomial-net", "--seed", "x"], "'x' is not a valid integer"),
        (["run", "polynomial-net", "--colour", "red"], "--colour"),
        (["run"], "ID"),
        (["fly"], "fly"),
        (["compare", "--preset", "huge"], "huge"),
        (["compare", "nope"], "nope"),
    ],
)
def test_bad_input_is_one_line_on_standard_error_and_exit_code_2(arguments, named, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert named in err
    assert not list(tmp_path.iterdir())


def test_a_folder_without_the_files_says_what_was_looked_for(capsys, tmp_path):
    code, _, err = call(capsys, "run", "polynomial-net", "--data", str(tmp_path), "--out", str(tmp_path / "runs"))
    assert code == 2
    assert err.count("\n") == 1
    assert "looked for cifar-10-batches-py" in err
    assert not (tmp_path / "runs").exists()


def test_a_file_in_the_way_is_one_line(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call(capsys, "run", "zero-set-dimension", "--out", str(tmp_path / "file"))
    assert (code, err.count("\n")) == (2, 1)


def test_list_names_every_experiment(capsys):
    from empirical.experiments import list_experiments

    code, out, _ = call(capsys, "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list_experiments()


def test_run_ends_with_the_verdict_and_the_folder_and_speaks_json(capsys, tmp_path):
    arguments = ["run", "polynomial-net", "--out", str(tmp_path)]
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    assert "verdict: holds" in out
    assert str(tmp_path / "polynomial-net-smoke-seed0") in out
    code, out, _ = call(capsys, *arguments, "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["claim"]["id"] == "polynomial-net"
    assert shown["path"] == str(tmp_path / "polynomial-net-smoke-seed0")


def test_exit_code_is_0_whatever_the_verdict(capsys, tmp_path, monkeypatch):
    from dataclasses import replace

    from empirical.experiments import zero_set_dimension as module

    hopeless = replace(module.PRESETS["smoke"], starts=1, descent=0, polish=0, sweep=(4,))
    monkeypatch.setitem(module.PRESETS, "smoke", hopeless)
    code, out, _ = call(capsys, "run", "zero-set-dimension", "--out", str(tmp_path))
    assert code == 0
    assert "verdict: inconclusive" in out


def test_help_and_list_import_neither_torch_nor_numpy():
    for arguments in (["--help"], ["list"], ["run", "--help"]):
        code = (
            "import sys\nfrom empirical.__main__ import main\n"
            f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
            "assert not {'torch', 'numpy', 'matplotlib', 'rich', 'pandas'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
