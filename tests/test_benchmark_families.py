"""The parameterised systems of the benchmarks: roots that are roots, loops that find them all."""

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import families
from benchmarks.__main__ import cli


@pytest.mark.parametrize("name", list(families.FAMILIES))
def test_a_random_root_of_a_family_solves_its_equations(name):
    case = families.FAMILIES[name]
    parameters, root = case.first(np.random.default_rng(3))
    assert len(parameters) == case.parameters == len(case.generic(np.random.default_rng(0)))
    assert 9 <= case.unknowns == len(root) <= 12
    assert np.abs(np.array(case.equations(list(root), list(parameters)), complex)).max() < 1e-10


def test_loops_find_all_roots_of_a_family_and_carry_them_to_new_parameters():
    found = families.measure("eco-10", paths=512)
    assert found.roots == found.known == 2**8
    assert found.sets == 2
    assert found.lost == found.doubled == 0


def test_an_unknown_family_is_named():
    result = CliRunner().invoke(cli, ["families", "--systems", "eco-99"])
    assert result.exit_code == 2
    assert "none is called eco-99" in result.output
