"""Potentials against finite differences, their integrals against closed forms and against each other's routes."""

import math
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from theory import landmarks, potentials, quadrature
from theory.normalisable import NotNormalisable, require_normalisable
from theory.potentials import Potential
from theory.regions import Ball, Box, Domain, Outside

ALL = (
    potentials.quadratic((1.0, 4.0)),
    potentials.double_well(3),
    potentials.bent_double_well(),
    potentials.coupled_angles(),
    potentials.two_wells(1),
    potentials.two_wells(3),
    potentials.review_wells(2),
    potentials.valley_and_point(3),
)
NAMED = pytest.mark.parametrize("potential", ALL, ids=lambda p: p.name)


def inside(potential, count, seed=0):
    points = np.random.default_rng(seed).normal(size=(count, potential.dimension))
    return potential.domain.fold(2 * points)


def plain(potential):
    """The same formula with every hint about its structure removed."""
    domain = potential.domain
    box = Domain("box", domain.lower, domain.upper) if domain.kind == "torus" else domain
    return Potential("plain", potential.expression, potential.variables, box, potential.wells)


@NAMED
def test_gradient_and_hessian_are_the_slopes_of_value_and_gradient(potential):
    points, h = inside(potential, 20), 1e-5
    for axis in range(potential.dimension):
        step = h * np.eye(potential.dimension)[axis]
        slope = (potential.value(points + step) - potential.value(points - step)) / (2 * h)
        curvature = (potential.gradient(points + step) - potential.gradient(points - step)) / (2 * h)
        assert potential.gradient(points)[:, axis] == pytest.approx(slope, rel=1e-7, abs=1e-7)
        assert potential.hessian(points)[:, axis] == pytest.approx(curvature, rel=1e-7, abs=1e-7)


@NAMED
def test_numpy_torch_and_sympy_give_the_same_numbers(potential):
    torch = pytest.importorskip("torch")
    points = inside(potential, 7)
    tensor = torch.as_tensor(points)
    for of in (potential.value, potential.gradient, potential.hessian):
        assert of(tensor).numpy() == pytest.approx(of(points), abs=1e-13)
    at = dict(zip(potential.variables, points[0], strict=True))
    assert float(potential.expression.subs(at)) == pytest.approx(potential.value(points)[0], abs=1e-13)
    assert [float(g.subs(at)) for g in potential.symbolic_gradient] == pytest.approx(potential.gradient(points)[0])


@NAMED
def test_every_well_is_a_critical_point_without_descent_in_its_own_region(potential):
    centres = np.array([well.centre for well in potential.wells])
    assert abs(potential.gradient(centres)).max() < 2e-3  # dents feel each other's tails, exp(-8) of the depth
    assert np.linalg.eigvalsh(potential.hessian(centres)).min() > -2e-3
    assert all(bool(well.region.contains(np.array([well.centre]))[0]) for well in potential.wells)


@pytest.mark.parametrize("temperature", [0.05, 0.3, 2.0])
def test_double_well_has_the_partition_function_of_its_bessel_functions(temperature):
    z = 1 / (2 * temperature)
    quartic = math.pi / 2 * (special.ive(-0.25, z) + special.ive(0.25, z))
    for dimension in (1, 2, 6):
        found = quadrature.partition(potentials.double_well(dimension), temperature)
        exact = quartic * (2 * math.pi * temperature) ** ((dimension - 1) / 2)
        assert found.value == pytest.approx(exact, abs=max(10 * found.error, 1e-9 * exact))


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5])
def test_two_wells_have_the_masses_of_noncentral_chi_square_laws(dimension):
    temperature = 0.25  # the narrow well is the ball of radius 2 around -e_1
    narrow = stats.ncx2.cdf(4 / temperature, dimension, 1 / temperature)
    wide = 2**dimension * stats.ncx2.sf(1 / temperature, dimension, 4 / temperature)
    masses = quadrature.well_masses(potentials.two_wells(dimension), temperature)
    assert masses["wide"].value == pytest.approx(wide / (narrow + wide), abs=1e-8)
    assert masses["narrow"].value + masses["wide"].value == pytest.approx(1, abs=1e-12)
    published = (0.667, 0.803, 0.893, 0.945, 0.973)[dimension - 1]  # PROTOCOLS, rounded up in 5-D: 0.9725
    assert masses["wide"].value == pytest.approx(published, abs=6e-4)


@pytest.mark.parametrize("temperature", [0.1, 0.3])
def test_series_in_the_dents_meets_plain_cubature(temperature):
    torus = potentials.valley_and_point(2)
    for region in (Box((0.0, 0.0), (8.0, 8.0)), torus.wells[0].region):
        series = quadrature._integral(torus, temperature, region)
        cubature = quadrature._integral(plain(torus), temperature, region)
        assert series.value == pytest.approx(cubature.value, rel=1e-8)


def test_a_symmetric_potential_has_the_same_marginal_with_and_without_its_symmetry():
    axial, edges = potentials.two_wells(2), [-2.0, 0.0, 1.0, 4.0]
    whole = (
        quadrature.partition(axial, 0.5),
        quadrature._integral(plain(axial), 0.5, Box((-math.inf,) * 2, (math.inf,) * 2), accuracy=1e-6),
    )
    assert whole[0].value == pytest.approx(whole[1].value, rel=1e-5)
    for low, high in pairwise(edges):
        slab = Box((low, -math.inf), (high, math.inf))
        assert quadrature._integral(axial, 0.5, slab, accuracy=1e-6).value == pytest.approx(
            quadrature._integral(plain(axial), 0.5, slab, accuracy=1e-6).value, rel=1e-5
        )


def test_marginal_of_the_bent_double_well_is_that_of_the_straight_one():
    edges = np.linspace(-2, 2, 9)
    bent = quadrature.marginal(potentials.bent_double_well(), 0.4, 0, edges)
    assert bent == pytest.approx(quadrature.marginal(potentials.double_well(), 0.4, 0, edges), rel=1e-6)


def test_mean_energy_of_the_coupled_angles_is_a_ratio_of_bessel_functions():
    potential, temperature = potentials.coupled_angles(), 0.5
    z = 1 / (2 * temperature)
    exact = -special.i1(z) / special.i0(z)
    assert quadrature.expectation(potential, temperature, potential.expression).value == pytest.approx(exact, rel=1e-8)


@given(st.lists(st.floats(0.1, 10.0), min_size=1, max_size=2), st.floats(0.05, 3.0))
@settings(max_examples=10, deadline=None)
def test_step_bias_of_a_quadratic_is_half_the_temperature_for_every_variance(curvatures, temperature):
    potential = potentials.quadratic(
        curvatures
    )  # the chain's variance is T / (c (1 - h c / 2)) = T / c + h T / 2 + ...
    for variable in potential.variables:
        assert quadrature.step_bias(potential, temperature, variable**2) == pytest.approx(temperature / 2, rel=1e-5)


@pytest.mark.parametrize("dimension", [2, 3, 6])
def test_laplace_is_the_limit_of_the_integral_over_a_degenerate_valley(dimension):
    potential = potentials.valley_and_point(dimension)
    strip = potential.wells[0].region
    errors = []
    for temperature in (0.02, 0.01, 0.005):
        leading = quadrature.laplace(potential, temperature)["valley"]
        found = quadrature.mass(potential, temperature, strip) * quadrature.partition(potential, temperature)
        errors.append(abs(found.value / leading - 1))
    assert errors[2] < errors[1] < errors[0] < 0.05
    assert errors[0] / errors[2] == pytest.approx(4, rel=0.3)  # the next term is of order T


def test_valley_wins_over_the_point_and_by_more_in_every_further_dimension():
    temperature = 0.1
    odds = []
    for dimension in (2, 3, 4):
        strip = quadrature.mass(
            potentials.valley_and_point(dimension), temperature, potentials.valley_and_point(dimension).wells[0].region
        )
        odds.append(strip.value / (1 - strip.value))
    assert 1 < odds[0] < odds[1] < odds[2]


def test_valley_and_point_have_the_masses_measured_before():
    published = {0.05: (0.965, 0.035), 0.1: (0.948, 0.051), 0.2: (0.869, 0.073), 0.3: (0.727, 0.078)}  # PROTOCOLS
    for temperature, expected in published.items():
        masses = quadrature.well_masses(potentials.valley_and_point(2), temperature)
        assert (masses["valley"].value, masses["point"].value) == pytest.approx(expected, abs=6e-4)


x, y = sp.symbols("x y", real=True)


@pytest.mark.parametrize(
    ("formula", "word"),
    [
        (x**4 - y**4, "unbounded below"),
        (-(x**2) - y**2, "unbounded below"),
        (x**4 + y**4 - 2 * x * y**3, "unbounded below"),
        ((x * y - 1) ** 2, "too slowly"),  # the valley narrows as 1/x only: its mass grows like a logarithm
        (sp.sin(x) + y**2, "too slowly"),
        (sp.log(1 + x**2 + y**2), "too slowly"),
        (sp.log(x) + y**2, "not a number"),
    ],
    ids=str,
)
def test_a_potential_that_cannot_be_normalised_is_refused(formula, word):
    with pytest.raises(NotNormalisable, match=word):
        quadrature.partition(Potential("u", formula, (x, y)), 1.0)


@pytest.mark.parametrize(
    "formula",
    [x**2 * (1 + y**4), (x * y - 1) ** 2 + (x**2 + y**2) / 100, sp.sqrt(1 + x**2 + y**2), 3 * sp.log(1 + x**2 + y**2)],
    ids=str,
)
def test_a_valley_that_narrows_fast_enough_is_accepted(formula):
    require_normalisable(Potential("u", formula, (x, y)), 1.0)


def test_bad_input_is_refused_in_one_line():
    with pytest.raises(TypeError, match="sympy expression, got str"):
        Potential("u", "x**2", (x,))
    with pytest.raises(ValueError, match="besides its variables"):
        Potential("u", x**2 + y**2, (x,))
    with pytest.raises(ValueError, match="real and finite"):
        Potential("u", x**2 + sp.nan, (x,))
    with pytest.raises(ValueError, match=r"shape \(p, 2\), got \(3,\)"):
        potentials.bent_double_well().value(np.zeros(3))
    for temperature in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="temperature must be positive"):
            quadrature.partition(potentials.double_well(), temperature)
    with pytest.raises(ValueError, match="dimension >= 1"):
        potentials.two_wells(0)
    with pytest.raises(ValueError, match="give a box or a torus"):
        potentials.gaussian_wells("u", (), Domain(), ())
    with pytest.raises(ValueError, match="lower < upper"):
        Domain("box", (1.0,), (0.0,))
    with pytest.raises(ValueError, match="a function that numpy does not know"):
        Potential("u", x**2 + sp.DiracDelta(x), (x,)).value(np.ones((1, 1)))
    four = sp.symbols("a:d", real=True)
    with pytest.raises(ValueError, match="no structure"):
        quadrature.partition(Potential("u", sum(four) ** 2 + sum(v**4 for v in four), four), 1.0)


def test_folding_wraps_a_torus_and_reflects_in_a_box():
    points = np.array([[-0.5], [0.5], [2.5], [4.25]])
    assert Domain("torus", (0.0,), (2.0,)).fold(points).ravel().tolist() == [1.5, 0.5, 0.5, 0.25]
    assert Domain("box", (0.0,), (2.0,)).fold(points).ravel().tolist() == [0.5, 0.5, 1.5, 0.25]


def test_regions_partition_space():
    points = np.random.default_rng(0).normal(size=(100, 2))
    for region in (Ball((0.0, 0.5), 1.0), Box((-1.0, -math.inf), (1.0, 0.3))):
        assert (region.contains(points) ^ Outside(region).contains(points)).all()


X, Y = potentials.coordinates(2)


@pytest.mark.parametrize(
    ("formula", "variables", "temperature", "exact", "relative"),
    [
        ((X - 20) ** 2 / 2, (X,), 0.5, math.sqrt(math.pi), 1e-9),
        ((X - 37) ** 2 / 2, (X,), 1e-4, math.sqrt(2e-4 * math.pi), 1e-9),
        ((X - 1) ** 2 * (2 * X - 19) ** 2 / 2, (X,), 0.01, 2 * math.sqrt(0.02 * math.pi) / 17, 3e-3),
        (((X - 1) ** 2 + Y**2) * ((X - 7) ** 2 + (Y - 8) ** 2) / 100, (X, Y), 0.01, 0.02 * math.pi, 3e-3),
    ],
)
def test_wells_far_from_the_origin_are_found(formula, variables, temperature, exact, relative):
    found = quadrature.partition(Potential("far", formula, variables), temperature)
    assert found.value == pytest.approx(exact, rel=relative)  # Gaussian integrals, or Laplace's leading term


def test_a_narrow_well_in_a_wide_box_is_found():
    box = Potential("narrow", (X - sp.Rational(123, 1000)) ** 2 / 2, (X,), Domain("box", (-100.0,), (100.0,)))
    assert quadrature.partition(box, 1e-5).value == pytest.approx(math.sqrt(2e-5 * math.pi), rel=1e-9)


def test_each_of_two_wells_that_nobody_named_has_its_mass():
    two = Potential("two", (X - 1) ** 2 * (2 * X - 19) ** 2 / 2, (X,))
    assert quadrature.mass(two, 0.01, Box((5.25,), (math.inf,))).value == pytest.approx(0.5, rel=1e-6)


def test_a_constant_term_scales_the_partition_function_only():
    plain = Potential("plain", X**4 - 2 * X**2, (X,))
    shifted = Potential("shifted", X**4 - 2 * X**2 + 1, (X,))
    ratio = quadrature.partition(shifted, 0.5).value / quadrature.partition(plain, 0.5).value
    assert ratio == pytest.approx(math.exp(-2), rel=1e-8)
    assert quadrature.partition(shifted, 0.5).value == pytest.approx(
        quadrature.partition(potentials.double_well(), 0.5).value, rel=1e-8
    )


def test_a_partition_function_that_misses_a_minimum_is_refused(monkeypatch):
    monkeypatch.setattr(landmarks, "planes", lambda potential, temperature: ((),))
    with pytest.raises(ArithmeticError, match="of what lies around the minimum"):
        quadrature.partition(Potential("missed", (X - 37) ** 2 / 2, (X,)), 1.1e-4)
