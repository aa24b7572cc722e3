import re
import subprocess

import numpy as np
import pytest

import theory as th
from tests import known_systems
from theory.continuation import phcpy_backend
from theory.solution_text import FORMATS, read_phcpack_solutions

WITH_PHCPY = pytest.mark.skipif(phcpy_backend.interpreter() is None, reason="phcpy is not installed")
OF_PHC = """THE SOLUTIONS :
2 2
===========================================================================
solution 1 :
t :  1.00000000000000E+00   0.00000000000000E+00
m : 1
the solution for t :
 x :  1.50000000000000E+00   2.50000000000000E-01
 y : -2.00000000000000E+00   0.00000000000000E+00
== err :  2.105E-16 = rco :  2.500E-01 = res :  1.110E-16 =
solution 2 :
t :  0.00000000000000E+00   0.00000000000000E+00
m : 3
the solution for t :
 x :  1.00000000000000E+00   0.00000000000000E+00
 y :  2.00000000000000E+00   0.00000000000000E+00
== err :  1.0E-08 = rco :  0.0 = res :  1.0E-16 =
"""


@pytest.fixture(scope="module")
def found():
    return th.solve(known_systems.EVERY["ojika1"].system)


def test_phcpacks_own_list_is_read():
    solutions = read_phcpack_solutions(OF_PHC)
    assert solutions.names == ("x", "y")
    assert solutions.points.tolist() == [[1.5 + 0.25j, -2], [1, 2]]
    assert solutions.multiplicity.tolist() == [1, 3]
    assert solutions.condition.tolist() == [4, np.inf]
    assert solutions.residual.tolist() == [1.11e-16, 1e-16]


def test_what_is_written_for_phcpack_is_read_again_bit_for_bit(found):
    again = read_phcpack_solutions(found.to_text("phcpack"))
    assert again.names == found.names
    assert (again.points == found.solutions).all()
    assert (again.multiplicity == found.multiplicity).all()
    assert (np.isinf(again.condition) == found.singular).all()


@WITH_PHCPY
def test_phcpy_reads_what_we_write(found):
    code = (
        "import sys; from phcpy.solutions import strsol2dict; s = sys.stdin.read().split('solution 1 :')[1]; "
        "d = strsol2dict(s.split('solution 2 :')[0].strip()); print(d['m'], complex(d['x0']), complex(d['x1']))"
    )
    done = subprocess.run(
        [phcpy_backend.interpreter(), "-c", code], input=found.to_text(), capture_output=True, text=True, check=True
    )
    multiplicity, *point = done.stdout.splitlines()[-1].split()
    assert int(multiplicity) == found.multiplicity[0]
    assert np.abs(np.array([complex(z) for z in point]) - found.solutions[0]).max() < 1e-14


def test_bertini_lists_start_with_their_length_and_have_two_numbers_a_line(found):
    count, *blocks = found.to_text("bertini").strip().split("\n\n")
    assert int(count) == len(blocks) == 2
    read = [[complex(*map(float, line.split())) for line in block.splitlines()] for block in blocks]
    assert (np.array(read) == found.solutions).all()


@pytest.mark.parametrize(("format", "unit", "brackets"), [("julia", "im", "[]"), ("macaulay2", "ii", "{}")])
def test_literals_hold_all_numbers_and_balanced_brackets(found, format, unit, brackets):
    text = found.to_text(format)
    pairs = re.findall(rf"(-?[\d.]+(?:e[+-]?\d+)?)([+-][\d.]+(?:e[+-]?\d+)?)\*{unit}", text)
    assert (np.array([complex(float(a), float(b)) for a, b in pairs]) == found.solutions.ravel()).all()
    body = text.removeprefix("solutions = Vector{ComplexF64}")
    assert body.count(brackets[0]) == body.count(brackets[1]) == 3


def test_msolve_gets_the_real_points(found):
    assert found.to_text("msolve").count("[[") == len(found.real)


def test_empty_lists_are_lists():
    empty = th.solve(th.PolynomialSystem.parse("2\nx*y - 1;\nx;"))
    for format in FORMATS:
        assert empty.to_text(format)
    assert read_phcpack_solutions(empty.to_text()).points.size == 0


def test_names_that_phcpack_cannot_take_are_replaced():
    found = th.solve(th.PolynomialSystem.parse("2\nepsilon^2 - 2;\nIx - 1;"))
    assert read_phcpack_solutions(found.to_text()).names == ("x1", "x2")


@pytest.mark.parametrize("text", ["", "x + y", "solution 1 :\nthe solution for t :\n x 1 2\n"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match="solution"):
        read_phcpack_solutions(text)


def test_another_format_is_named(found):
    with pytest.raises(ValueError, match="phcpack, bertini, julia, macaulay2, msolve"):
        found.to_text("latex")
