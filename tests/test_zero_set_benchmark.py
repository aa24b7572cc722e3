"""The comparison of irreducible decompositions runs, knows the right answers and names what is missing."""

import json

import pytest
from click.testing import CliRunner

from benchmarks import peers, zero_sets
from benchmarks.__main__ import cli

CASES = {case.name: case for case in zero_sets.cases()}


@pytest.mark.parametrize("name", CASES)
def test_ours_finds_the_pieces_of_every_system(name):
    assert zero_sets.ours(CASES[name]).pieces == CASES[name].pieces


def test_the_table_is_printed_and_written(tmp_path):
    file = tmp_path / "table.json"
    result = CliRunner().invoke(cli, ["zero-sets", "--systems", "twisted cubic", "--peers", "", "--json", str(file)])
    assert result.exit_code == 0, result.output
    (row,) = json.loads(file.read_text())["rows"]
    assert row["ours"]["pieces"] == row["known"] == [[1, 3]]


def test_a_peer_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(peers.shutil, "which", lambda name: None)
    monkeypatch.setattr(zero_sets, "interpreter", lambda: None)
    result = CliRunner().invoke(cli, ["zero-sets", "--systems", "twisted cubic"])
    assert result.exit_code == 0, result.output
    assert "phcpy is not installed" in result.output
    assert "M2 is not installed" in result.output


def test_unknown_names_are_refused():
    for arguments in (["--systems", "noon"], ["--peers", "maple"]):
        result = CliRunner().invoke(cli, ["zero-sets", *arguments])
        assert result.exit_code == 2
        assert "there are" in result.output
