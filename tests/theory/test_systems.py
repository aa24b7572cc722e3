"""PolynomialSystem: values, derivatives and slices, of sparse systems and of networks alike."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

import theory as th
from tests import known_systems
from theory.polynomials import Polynomial
from theory.systems import ConstantEquationError, PolynomialSystem

x, y, z = sp.symbols("x y z")
SPARSE = PolynomialSystem([x**3 * y - 2 * y + sp.Rational(1, 3), x * y * z - z**2 + sp.I], [x, y, z])


def network_system(kind="interpolation"):
    rng = np.random.default_rng(3)
    net = th.PolynomialNetwork((2, 2, 1), th.PolynomialActivation([0, Fraction(1, 2), 1]))
    X, Y = rng.integers(-5, 6, (4, 2)), rng.integers(-5, 6, 4)
    return net.interpolation_system(X, Y) if kind == "interpolation" else net.critical_system(X, Y, Fraction(1, 3))


SYSTEMS = {
    "sparse": SPARSE,
    "cyclic-5": known_systems.EVERY["cyclic-5"].system,
    "network": network_system(),
    "sliced network": network_system().slice(seed=1),
    "critical": network_system("critical"),
}
EVERY = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS.keys())


def points(system, count=3, seed=0):
    rng = np.random.default_rng(seed)
    shape = (count, system.n_unknowns)
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


@EVERY
def test_values_are_those_of_the_exact_polynomials(system):
    rows = points(system)
    expected = [[p.evaluate(row) for p in system.polynomials] for row in rows]
    np.testing.assert_allclose(system.evaluate(rows), expected, rtol=1e-10, atol=1e-10)


@EVERY
def test_the_jacobian_is_that_of_the_exact_polynomials(system):
    row = points(system, 1)[0]
    expected = [[p.diff(k).evaluate(row) for k in range(system.n_unknowns)] for p in system.polynomials]
    np.testing.assert_allclose(system.jacobian(row), expected, rtol=1e-10, atol=1e-10)


@EVERY
def test_the_weighted_hessian_is_that_of_the_exact_polynomials(system):
    row = points(system, 1)[0]
    weights = np.arange(1, system.n_equations + 1)
    n = system.n_unknowns
    expected = sum(
        w * np.array([[p.diff(j).diff(k).evaluate(row) for j in range(n)] for k in range(n)])
        for w, p in zip(weights, system.polynomials, strict=True)
    )
    np.testing.assert_allclose(system.hessian_contraction(row, weights), expected, rtol=1e-9, atol=1e-9)


@EVERY
def test_the_magnitude_bounds_the_value(system):
    rows = points(system)
    assert (np.abs(system.evaluate(rows)) <= system.magnitude(rows) * (1 + 1e-12)).all()


@EVERY
def test_degrees_and_supports_are_those_of_the_polynomials(system):
    assert tuple(system.degrees) == tuple(p.degree for p in system.polynomials)
    assert [len(s) for s in system.supports] == [len(p.terms) for p in system.polynomials]
    assert len(system.names) == system.n_unknowns
    assert len(system.polynomials) == system.n_equations


@EVERY
def test_equations_in_sympy_make_the_same_system(system):
    again = PolynomialSystem(system.equations, system.variables)
    assert again.polynomials == system.polynomials


@EVERY
def test_one_point_and_a_table_of_points_agree(system):
    rows = points(system)
    np.testing.assert_allclose(system.evaluate(rows)[1], system.evaluate(rows[1]), rtol=1e-13)
    np.testing.assert_allclose(system.jacobian(rows)[1], system.jacobian(rows[1]), rtol=1e-13)


def test_a_slice_is_square_keeps_the_network_and_depends_on_the_seed_alone():
    system = network_system()
    sliced = system.slice(seed=5)
    assert sliced.n_equations == sliced.n_unknowns == 9
    assert sliced.network is system.network
    assert len(sliced.affine) == 5
    assert {p.degree for p in sliced.affine} == {1}
    assert sliced.affine == system.slice(seed=5).affine
    assert sliced.affine != system.slice(seed=6).affine
    assert not sliced.is_real
    assert system.slice(seed=5, real=True).is_real


def test_more_equations_than_unknowns_cannot_be_sliced():
    with pytest.raises(ValueError, match="2 equations in 1 unknowns"):
        PolynomialSystem([x - 1, x**2 - 1], [x]).slice()


@pytest.mark.parametrize(
    ("equations", "variables", "said"),
    [
        ([], [x], "at least one equation"),
        ([x], [], "not among|at least one unknown"),
        ([x * y], [x, x], "differ|duplicate|not among"),
        ([x + z], [x, y], "not among the unknowns"),
        ([sp.sqrt(x)], [x], "not polynomial"),
        ([sp.nan], [x], "finite|number|polynomial"),
    ],
)
def test_bad_systems_are_refused(equations, variables, said):
    with pytest.raises((ValueError, TypeError), match=said):
        PolynomialSystem(equations, variables)


@pytest.mark.parametrize("value", [sp.Integer(0), sp.Integer(3), x - x])
def test_an_equation_without_unknowns_is_refused(value):
    with pytest.raises(ConstantEquationError, match="equation 2"):
        PolynomialSystem([x - 1, value], [x])


@pytest.mark.parametrize("bad", [np.zeros(2), np.zeros((2, 2)), np.full(3, np.nan), np.zeros((1, 1, 3))])
def test_bad_points_are_refused(bad):
    with pytest.raises(ValueError, match="points must"):
        SPARSE.evaluate(bad)


def test_real_systems_have_real_values_at_real_points():
    system = PolynomialSystem([x * y - 1], [x, y])
    assert system.is_real
    assert not SPARSE.is_real
    assert system.evaluate(np.ones(2)).dtype == np.float64


def test_coefficients_stay_exact():
    system = PolynomialSystem.parse("1\n0.1*x - 1/3;")
    assert system.polynomials[0] == Polynomial.variable(0, 1) * Fraction(1, 10) - Fraction(1, 3)


def test_what_is_no_list_of_equations_and_unknowns_is_refused_by_name():
    x = sp.Symbol("x")
    with pytest.raises(ValueError, match="must differ from each other, got x, x"):
        th.PolynomialSystem([x**2 - 1], [x, x])
    with pytest.raises(TypeError, match=r"variables must be a list.* got x"):
        th.PolynomialSystem([x**2 - 1], x)
    with pytest.raises(TypeError, match="equations must be a list"):
        th.PolynomialSystem(x**2 - 1, [x])


def test_sympy_floats_of_any_exponent_stay_exact():
    x = sp.Symbol("x")
    ((_, tiny),) = [
        t
        for t in th.PolynomialSystem([sp.Float("1e-400") * x**2 - 1], [x]).polynomials[0].terms.items()
        if t[0] == (2,)
    ]
    assert 0 < abs(tiny.re * 10**400 - 1) < Fraction(1, 10**14)
