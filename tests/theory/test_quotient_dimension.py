"""The exact number of zeros, with multiplicity: known counts, and nothing said where zeros are infinitely many."""

import pytest

import theory as th
from theory.quotient_dimension import quotient_dimension


def count(*equations, most=200):
    text = f"{len(equations)}\n" + "".join(f"{e};\n" for e in equations)
    return quotient_dimension(th.PolynomialSystem.parse(text).polynomials, most)


@pytest.mark.parametrize(
    ("equations", "zeros"),
    [
        (("x^2-1", "y^3-x"), 6),  # Bezout
        (("x^3", "y^2+x*y^2"), 6),  # a point of multiplicity 6; the double point at infinity does not count
        (("x*y-1", "x^2*y-1"), 1),  # by hand: x = y = 1
        (("x*y-1", "x*y-2"), 0),
        (("x^2-2*i", "y^2-x"), 4),  # Gaussian rationals
        (("x^2-1", "y^2-1", "x*y-1"), 2),  # overdetermined: (1, 1) and (-1, -1)
        (("(x-1e-4)*(x-1e4)", "y^2-1e-300*x"), 4),
        (("x+y+z", "x*y+y*z+z*x", "x*y*z-1"), 6),  # cyclic-3
        (("x*(y^2+z^2)-1.1*x+1", "y*(x^2+z^2)-1.1*y+1", "z*(x^2+y^2)-1.1*z+1"), 21),  # noon-3, PHCpack's demonstration
        (("(x-1)*(x-1.0000001)*(x-2)",), 3),
        (("x^4-y^3", "x^3*y-2*y^3"), 13),  # 12 + 1: below
    ],
)
def test_the_count_is_the_known_one(equations, zeros):
    """x^4 = y^3 is (t^3, t^4): t^13 = 2 t^12 has the root 2, and the origin of multiplicity 12."""
    assert count(*equations) == zeros


@pytest.mark.parametrize(
    "equations",
    [("x*y", "x*(y-1)"), ("x^2-y^2", "x-y"), ("(x^2+y^2-1)*(x-3)", "(x^2+y^2-1)*y"), ("x*y*z", "x^2", "x*z")],
)
def test_infinitely_many_zeros_have_no_count(equations):
    assert count(*equations) is None


def test_work_is_bounded_by_the_number_of_monomials():
    assert count("x^3-1", "y^3-1", most=200) == 9
    assert count("x^3-1", "y^3-1", most=10) is None
