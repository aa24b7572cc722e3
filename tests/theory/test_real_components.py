"""Connected components of smooth real zero sets, against sets whose pieces are known."""

import json
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import sympy as sp

import theory as th
from theory.real_components import SingularSetError, piece_of
from theory.slopes import Slope, UndecidedError
from theory.zero_sets import TooManyPathsError

x, y, z = sp.symbols("x y z")
EPSILON = sp.Rational(1, 10**9)
LEMNISCATE = (x**2 + y**2) ** 2 - 2 * (x**2 - y**2)
CLEBSCH = (
    81 * (x**3 + y**3 + z**3)
    - 189 * (x**2 * y + x**2 * z + y**2 * x + y**2 * z + z**2 * x + z**2 * y)
    + 54 * x * y * z
    + 126 * (x * y + x * z + y * z)
    - 9 * (x**2 + y**2 + z**2)
    - 9 * (x + y + z)
    + 1
)

KNOWN = {  # equations; the Euler characteristic of each component: 1 line, plane; 0 circle, cylinder, torus; 2 sphere
    "hyperbola": ([x**2 - y**2 - 1], [1, 1]),
    "two circles": ([(x**2 + y**2 - 1) * ((x - 4) ** 2 + y**2 - 1)], [0, 0]),
    "two ovals of a quartic": ([y**2 + (x**2 - 1) * (x**2 - 4)], [0, 0]),
    "four ovals of a quartic, the most (Harnack)": ([(x**2 + 4 * y**2 - 4) * (4 * x**2 + y**2 - 4) + 1], [0, 0, 0, 0]),
    "oval and line of a cubic": ([y**2 - x * (x**2 - 1)], [0, 1]),
    "two circles, one round the other": ([(x**2 + y**2 - 1) * (x**2 + y**2 - sp.Rational(6, 5))], [0, 0]),
    "lemniscate pulled apart by 1e-9": ([LEMNISCATE + EPSILON], [0, 0]),
    "lemniscate opened by 1e-9": ([LEMNISCATE - EPSILON], [0]),
    "sphere": ([x**2 + y**2 + z**2 - 1], [2]),
    "torus": ([(x**2 + y**2 + z**2 + 3) ** 2 - 16 * (x**2 + y**2)], [0]),
    "hyperboloid of two sheets": ([z**2 - x**2 - y**2 - 1], [1, 1]),
    "hyperboloid of one sheet": ([z**2 - x**2 - y**2 + 1], [0]),
    # RP^2 blown up in six real points, 1 - 6, without its smooth curve at infinity, 0 (Segre 1942)
    "Clebsch's cubic surface": ([CLEBSCH], [-5]),
    # on the cylinder over a circle round (1, 0), of radius r, z^2 = 4 - x^2 - y^2 reaches 0 exactly if r >= 1
    "thin cylinder through a sphere": ([x**2 + y**2 + z**2 - 4, (x - 1) ** 2 + y**2 - sp.Rational(9, 10)], [0, 0]),
    "thick cylinder through a sphere": ([x**2 + y**2 + z**2 - 4, (x - 1) ** 2 + y**2 - sp.Rational(11, 10)], [0]),
    "two points": ([x**2 - 2, y**3 - x], [1, 1]),
    "plane": ([x + y + z - 1], [1]),
    "two planes": ([x**2 - 1 + 0 * (y + z)], [1, 1]),  # its singular equations contradict each other: 2 x = 0
    # equations that are dependent or have multiple components, but whose parts cut the set out
    "a curve that two equations do not cut out": ([x**2 + y**2 - 1, x * (x**2 + y**2 - 1)], [0]),
    "a doubled circle and a line": ([(x**2 + y**2 - 1) ** 2 * (x - 3)], [0, 1]),
    "twisted cubic by three equations": ([x**2 - y, x**3 - z, x * y - z], [1]),
    "double point": ([x**2, y], [1]),
    "no real point": ([x**2 + y**2 + 1], []),
    "no point": ([x, x - 1, y], []),
}


def components(equations, seed=0):
    unknowns = sorted(set().union(*(e.free_symbols for e in equations)), key=str)
    return th.zero_set(th.PolynomialSystem(equations, unknowns), seed=seed).real_components()


@pytest.mark.parametrize(("equations", "euler"), KNOWN.values(), ids=KNOWN)
def test_pieces_of_known_sets(equations, euler):
    found = components(equations)
    assert sorted(piece.euler_characteristic for piece in found) == sorted(euler)


@pytest.mark.parametrize("name", ["two ovals of a quartic", "torus", "two points"])
def test_every_piece_has_a_point_with_a_certificate_that_checks(name):
    equations, _ = KNOWN[name]
    for piece in components(equations, seed=1):
        values = [
            float(e.subs(dict(zip(sorted(e.free_symbols, key=str), piece.point, strict=False)))) for e in equations[:1]
        ]
        assert np.allclose(values, 0, atol=1e-9)
        count = piece.n_critical_points
        assert (
            f"{count} regular zero{'s' * (count > 1)} proved: {count} distinct, {count} real"
            in th.check_certificate(piece.certificate)
        )
        assert piece.indices[0] == 0
        assert np.array_equal(piece.critical_points[0], piece.point)
        written = json.loads(piece.certificate)["points"][0]["point"]
        assert len(written) >= len(piece.point)


def number(numerator, denominator=1):
    return Fraction(numerator, denominator)


CUBIC = [number(3, 10), number(1, 2), number(2, 5), number(1, 5)]  # strictly increasing
SQUARE, CUBE = [0, 0, 1], [0, 0, 0, 1]
NETWORKS = {
    # v (w x + b)^2 = y is v = y / u^2, u = w x + b either positive or negative; the other coordinate is free
    "square 1-1-1, one point": ((1, 1, 1), SQUARE, (True, False), [[1]], [2], [1, 1]),
    # u_1, u_2 are coordinates for (w, b), and u_2 = +- u_1 sqrt(3/2): two lines without the origin
    "square 1-1-1, two points": ((1, 1, 1), SQUARE, (True, False), [[1], [-2]], [2, 3], [1] * 4),
    "square 1-1-1, targets of both signs": ((1, 1, 1), SQUARE, (True, False), [[1], [-2]], [2, -3], []),
    # v (u_1^2 - u_2^2) = 1: the plane without two lines, v and the output bias follow
    "square 1-1-1, output bias": ((1, 1, 1), SQUARE, (True, True), [[1], [-2]], [3, 2], [1] * 4),
    # u_2 = u_1 (3/2)^(1/3): one line without the origin
    "cube 1-1-1, two points": ((1, 1, 1), CUBE, (True, False), [[1], [-2]], [2, 3], [1, 1]),
    # 3 p(u_1) = 2 p(u_2), p increasing: a curve without the point where p = 0
    "cubic 1-1-1, two points": ((1, 1, 1), CUBIC, (True, False), [[1], [-2]], [2, 3], [1, 1]),
    # v_1 w_1^2 + v_2 w_2^2 = 2: a line of v over every w but 0, so a circle up to homotopy
    "square 1-2-1, one point": ((1, 2, 1), SQUARE, (False, False), [[1]], [2], [0]),
    # W^T diag(v) W = M, m_11 = 1 and m_22 = -1: indefinite whatever m_12, so that v has signs (+, -) or (-, +); for
    # each the four pieces of O(1, 1)
    "square 2-2-1, two points": ((2, 2, 1), SQUARE, (False, False), [[1, 0], [0, 1]], [1, -1], [1] * 8),
}


@pytest.mark.parametrize(("widths", "coefficients", "bias", "X", "targets", "euler"), NETWORKS.values(), ids=NETWORKS)
def test_pieces_of_zero_error_weights(widths, coefficients, bias, X, targets, euler):
    network = th.PolynomialNetwork(widths, th.PolynomialActivation(coefficients), bias=bias)
    system = network.interpolation_system(X, targets)
    found = th.zero_set(system, seed=0).real_components()
    assert sorted(piece.euler_characteristic for piece in found) == sorted(euler)
    assert all(np.abs(system.evaluate(piece.critical_points)).max() < 1e-9 for piece in found)


@pytest.mark.parametrize("seed", range(3))
def test_the_count_does_not_depend_on_the_centre(seed):
    assert len(components([(x**2 + 4 * y**2 - 4) * (4 * x**2 + y**2 - 4) + 1], seed)) == 4


SINGULAR = {
    "crossing lines": [x * y],
    "cusp": [y**2 - x**3],
    "isolated real point": [x**2 + y**2],
    "double line": [y**2 * (x - 1)],
    "plane, line and point": [z * a * b for a in (x, y) for b in (x - 1, y - 1, z - 1)],
    "cone": [x**2 + y**2 - z**2],
    "singular along a complex curve": [(x**2 + y**2 + z**2 - 1) * ((x - 4) ** 2 + y**2 + z**2 - 1)],
}


@pytest.mark.parametrize("equations", SINGULAR.values(), ids=SINGULAR)
def test_singular_sets_are_refused(equations):
    with pytest.raises(SingularSetError, match="not counted"):
        components(equations)


def test_complex_singular_points_do_no_harm():
    """The circles meet in two points with imaginary parts of 0.03."""
    assert len(components([(x**2 + y**2 - 1) * ((x - 2 - sp.Rational(1, 1000)) ** 2 + y**2 - 1)])) == 2


def test_complex_coefficients_are_refused():
    zeros = th.zero_set(th.PolynomialSystem([x**2 + sp.I * y - 1], [x, y]))
    with pytest.raises(ValueError, match="real coefficients"):
        zeros.real_components()


def test_too_many_paths_are_refused_with_their_number():
    zeros = th.zero_set(th.PolynomialSystem([x**4 + y**4 + z**4 - 1], [x, y, z]))
    with pytest.raises(TooManyPathsError, match="max_paths=3"):
        zeros.real_components(max_paths=3)


def test_a_missing_critical_point_is_noticed():
    """A descent on the circle round (0, 0) ends at (1, 0), which is not among the points it is told."""
    slope = Slope(th.PolynomialSystem([x**2 + y**2 - 1], [x, y]), np.array([0.5, 0.0]))
    assert slope.descend(np.array([0.0, 1.0]), np.array([[-1.0, 0.0], [1.0, 0.0]])) == 1
    with pytest.raises(UndecidedError, match="had not been found"):
        slope.descend(np.array([0.0, 1.0]), np.array([[-1.0, 0.0]]))


def test_steps_do_not_jump_to_a_sheet_near_by():
    """From the upper of two lines 1e-3 apart no step may end on the lower one."""
    slope = Slope(th.PolynomialSystem([(y - x**2) * (y - x**2 + sp.Rational(1, 1000))], [x, y]), np.array([0.3, -1.0]))
    start = np.array([2.0, 4.0])
    frame = slope.frame(start)
    ends = [slope.moved(start, frame, length * frame.axes[:, 0]) for length in np.geomspace(1e-6, 10, 60)]
    arrived = np.array([end for end in ends if end is not None])
    assert len(arrived) > 10
    assert np.allclose(arrived[:, 1], arrived[:, 0] ** 2, atol=1e-9)


def test_points_are_told_apart_by_their_pieces():
    zeros = th.zero_set(th.PolynomialSystem([y**2 + (x**2 - 1) * (x**2 - 4)], [x, y]))
    pieces = zeros.real_components()
    points = zeros.sample(12, real=True)
    owner = piece_of(pieces, points + 1e-4)
    assert np.array_equal(np.sign(points[:, 0]), np.sign([pieces[k].point[0] for k in owner]))
    with pytest.raises(ValueError, match="not on the zero set"):
        piece_of(pieces, np.array([[0.0, 30.0]]))


def test_a_traced_curve_is_gone_round():
    """2 pi / 0.1 steps are one turn of the circle."""
    (circle,) = components([x**2 + y**2 - 1])
    points = circle.trace(101, step=0.1)
    assert np.allclose(np.sum(points**2, axis=1), 1)
    gaps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert gaps.max() <= 0.1 * 1.01  # chords of tangent steps on a circle of radius 1
    angles = np.unwrap(np.arctan2(points[:, 1], points[:, 0]))
    assert np.all(np.diff(angles) > 0) or np.all(np.diff(angles) < 0)
    assert abs(angles[-1] - angles[0]) > 2 * np.pi
    with pytest.raises(ValueError, match="dimension 2"):
        components([x**2 + y**2 + z**2 - 1])[0].trace(10, step=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_ovals_of_random_quartics_are_as_many_as_contour_lines(seed):
    """contourpy follows F = 0 on a fine grid; the curves are bounded, so that all lines close."""
    import contourpy

    rng = np.random.default_rng(seed)
    quartic = x**4 + y**4 + sp.Rational(int(rng.integers(-15, 16)), 10) * x**2 * y**2
    for i, j in product(range(4), repeat=2):
        quartic += sp.Rational(int(rng.integers(-30, 31)), 10) * x**i * y**j if i + j < 4 else 0
    grid = np.linspace(-8, 8, 2001)
    values = sp.lambdify((x, y), quartic)(*np.meshgrid(grid, grid))
    lines = contourpy.contour_generator(grid, grid, values).lines(0.0)
    assert all(np.allclose(line[0], line[-1]) for line in lines)
    assert [piece.euler_characteristic for piece in components([sp.expand(quartic)])] == [0] * len(lines)
