"""Local dimensions at singular points against sets whose pieces are known, and against witness sets."""

from itertools import combinations

import numpy as np
import pytest
import sympy as sp

import theory as th
from theory.germs import NotOnTheSetError
from theory.local_geometry import local_dimension
from theory.systems import PolynomialSystem

x, y, z = sp.symbols("x y z")
SPHERE = x**2 + y**2 + z**2 - 1
UNION = [z * a * b for a in (x, y) for b in (x - 1, y - 1, z - 1)]  # plane z = 0, line x = y = 0, point (1, 1, 1)
ENTRIES = sp.symbols("m:9")
MATRIX = sp.Matrix(3, 3, ENTRIES)
PAIRS = list(combinations(range(3), 2))
RANK_1 = [MATRIX.extract(list(i), list(j)).det() for i in PAIRS for j in PAIRS]
A, B = sp.symbols("a:4"), sp.symbols("b:4")
PRODUCT = list(sp.Matrix(2, 2, A) * sp.Matrix(2, 2, B))  # A B = 0: 5 where both have rank 1, 4 where A or B is 0

CASES = {  # name: equations, unknowns, point, dimension
    "plane and line meet": (UNION, (x, y, z), (0, 0, 0), 2),
    "on the line alone": (UNION, (x, y, z), (0, 0, 3), 1),
    "the point alone": (UNION, (x, y, z), (1, 1, 1), 0),
    "on the plane alone": (UNION, (x, y, z), (2, 3, 0), 2),
    "crossing lines": ([x * y], (x, y), (0, 0), 1),
    "a double line": ([x**2], (x, y), (0, 3), 1),
    "an embedded point": ([x**2, x * y], (x, y), (0, 0), 1),
    "four lines through a point": ([x**2 + y**2 + z**2, x * y], (x, y, z), (0, 0, 0), 1),
    "a cone in complex space, one real point": ([x**2 + y**2], (x, y, z), (0, 0, 0), 2),
    "node of a cubic": ([y**2 - x**2 * (x + 1)], (x, y), (0, 0), 1),
    "cusp": ([y**2 - x**3], (x, y), (0, 0), 1),
    "doubled twisted cubic": ([(x**2 - y) ** 2, x**3 - z], (x, y, z), (1, 1, 1), 1),
    "one equation too many": ([x**2 - y, x**3 - z, x * y - z], (x, y, z), (1, 1, 1), 1),
    "the same equation twice": ([x + y - 1, 2 * x + 2 * y - 2], (x, y), (0.5, 0.5), 1),
    "a point on a sphere where the rank is 0": ([SPHERE * x, SPHERE * y, SPHERE * (z - 1)], (x, y, z), (0, 0, 1), 2),
    "multiplicity 3": ([29 * x**3 / 16 - 2 * x * y, x**2 - y], (x, y), (0, 0), 0),
    "multiplicity 11": ([x**3 - y * z, y**3 - x * z, z**3 - x * y], (x, y, z), (0, 0, 0), 0),
    "apex of the rank 1 matrices": (RANK_1, ENTRIES, (0,) * 9, 5),
    "a matrix of rank 1": (RANK_1, ENTRIES, (1, 2, 3, 2, 4, 6, 3, 6, 9), 5),
    "A = B = 0": (PRODUCT, A + B, (0,) * 8, 5),
    "A of rank 1, B = 0": (PRODUCT, A + B, (1, 0, 0, 0, 0, 0, 0, 0), 5),
    "A of rank 2": (PRODUCT, A + B, (1, 0, 0, 1, 0, 0, 0, 0), 4),
}


@pytest.mark.parametrize(("equations", "unknowns", "point", "dimension"), CASES.values(), ids=CASES)
def test_local_dimensions_of_known_sets(equations, unknowns, point, dimension):
    system = PolynomialSystem(equations, unknowns)
    assert th.degeneracy(system, point).local_dimension == dimension
    assert local_dimension(system, point) == dimension


@pytest.mark.parametrize("name", ["plane and line meet", "on the line alone", "the point alone", "node of a cubic"])
def test_witness_sets_give_the_same_dimension(name):
    equations, unknowns, point, dimension = CASES[name]
    zeros = th.zero_set(PolynomialSystem(equations, unknowns), seed=0)
    assert zeros.local_dimension(point) == dimension


@pytest.mark.parametrize("seed", range(4))
def test_points_known_to_ten_digits_keep_their_dimension(seed):
    noise = np.random.default_rng(seed).standard_normal((4, 3)) * 1e-10
    for name, error in zip(
        ("plane and line meet", "on the line alone", "doubled twisted cubic", "cusp"), noise, strict=True
    ):
        equations, unknowns, point, dimension = CASES[name]
        near = np.array(point, float) + error[: len(point)]
        assert th.degeneracy(PolynomialSystem(equations, unknowns), near).local_dimension == dimension


def test_a_network_with_a_dead_unit_lies_on_a_larger_set():
    """v1 w1^2 + v2 w2^2 = 0 at w2 = v2 = 0, w1 = 0: a hypersurface, singular there."""
    network = th.PolynomialNetwork((1, 2, 1), th.monomial(2), bias=False)
    found = th.degeneracy(network.interpolation_system([[1]], [0]), np.zeros(4))
    assert (found.jacobian_rank, found.local_dimension) == (0, 3)


def test_points_off_the_set_are_refused():
    system = PolynomialSystem(UNION, (x, y, z))
    with pytest.raises(NotOnTheSetError, match="not on the zero set: its relative residual"):
        local_dimension(system, [1, 2, 3])
    with pytest.raises(NotOnTheSetError, match="not on the zero set"):
        th.zero_set(system).local_dimension([1, 2, 3])
    found = th.degeneracy(system, [1, 2, 3])
    assert (found.is_zero, found.local_dimension) == (False, None)
    with pytest.raises(ValueError, match="shape"):
        local_dimension(system, [1, 2])
