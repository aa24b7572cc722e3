"""The tracker without a compiler: the same source on numpy arrays, the same answers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import theory as th
from tests import known_systems

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
import theory as th
from tests import known_systems
from tests.theory.test_numpy_lanes import system
from theory.jit import ENGINE
assert ENGINE == "numpy"
print(th.solve(system(sys.argv[1]), start="total-degree").to_json())
assert "numba" not in sys.modules
"""
HIDDEN = "import sys; sys.modules['numba'] = sys.modules['llvmlite'] = None\n"  # as if it were not installed


def system(name):
    if name != "network":
        return known_systems.EVERY[name].system
    rng = np.random.default_rng(0)
    network = th.PolynomialNetwork((1, 2, 1), th.monomial(2), bias=(True, False))
    return network.interpolation_system(rng.normal(size=(3, 1)), rng.normal(size=3)).slice(0)


def run(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["noon-3", "cyclic-5", "griewank-osborne", "network"])
def test_numpy_finds_the_same_solutions_by_as_many_paths(name):
    done = run(CODE, name, THEORY_TRACKER="numpy")
    assert not done.stderr
    found, compiled = th.SolutionSet.from_json(done.stdout), th.solve(system(name), start="total-degree")
    assert found.paths == compiled.paths
    assert found.multiplicity.tolist() == compiled.multiplicity.tolist()
    assert np.abs(found.solutions - compiled.solutions).max() < 1e-8


def test_without_numba_numpy_is_taken():
    code = "import theory as th; print(len(th.solve(th.PolynomialSystem.parse('2\\nx^2 - 1;y^2 - x;'))))"
    assert run(HIDDEN + code).stdout.split() == ["4"]


def test_an_unknown_engine_is_named():
    done = run("import theory.jit", THEORY_TRACKER="fortran")
    assert "must be one of numba, numpy, got 'fortran'" in done.stderr.splitlines()[-1]
