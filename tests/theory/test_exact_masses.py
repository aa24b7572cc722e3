"""Z and masses of potentials that nobody named wells of, against integrals done by hand, within the errors stated."""

import math

import numpy as np
import pytest
import sympy as sp
from scipy import special, stats

import theory as th
from theory import landmarks, potentials
from theory.normalisable import NotNormalisable
from theory.quadrature import crossover, expectation, laplace, well_masses
from theory.regions import Ball, Box, Domain, Outside

x, y, z, u, v = VARIABLES = sp.symbols("x y z u v", real=True)
INF = math.inf


def potential(expression, dimension, domain=None):
    return th.Potential("by hand", expression, VARIABLES[:dimension], domain or Domain())


def gauss(temperature, determinant=1.0, dimension=1):
    return (2 * math.pi * temperature) ** (dimension / 2) / math.sqrt(determinant)


def quartic(temperature):
    """Integral of exp(-x^4/T)."""
    return 2 * math.gamma(1.25) * temperature**0.25


def quartic_well(temperature):
    """Integral of exp(-(x^2 - 1)^2/T)."""
    half = 1 / (2 * temperature)
    return math.pi / 2 * float(special.ive(-0.25, half) + special.ive(0.25, half))


def ring(temperature):
    """Integral of exp(-(|x|^2 - 1)^2/T) over the plane."""
    return math.pi * math.sqrt(math.pi * temperature) / 2 * (1 + math.erf(1 / math.sqrt(temperature)))


BY_HAND = {  # formula, dimension, domain, Z(T), region, its mass(T)
    "Gaussian at 50": ((x - 50) ** 2 / 2, 1, None, gauss, Box((50.0,), (INF,)), lambda t: 0.5),
    "correlated Gaussian at (50, -30)": (
        ((x - 50) ** 2 + (y + 30) ** 2 + sp.Rational(9, 5) * (x - 50) * (y + 30)) / 2,
        2,
        None,
        lambda t: gauss(t, 0.19, 2),
        Box((50.0, -30.0), (INF, INF)),
        lambda t: 0.25 + math.asin(-0.9) / (2 * math.pi),
    ),
    "curvatures 1 and 10^4": (
        (x**2 + 10_000 * y**2) / 2,
        2,
        None,
        lambda t: gauss(t, 1e4, 2),
        Box((-INF, -INF), (1.0, INF)),
        lambda t: stats.norm.cdf(t**-0.5),
    ),
    "curvatures 1 and 10^4, turned": (
        ((3 * x + 4 * y) ** 2 / 25 + 400 * (3 * y - 4 * x) ** 2) / 2,
        2,
        None,
        lambda t: gauss(t, 1e4, 2),
        Box((0.0, -INF), (INF, INF)),
        lambda t: 0.5,
    ),
    "correlated Gaussian in 3-D, off the origin": (
        ((x - 5) ** 2 + y**2 + z**2 + (x - 5) * (y + z)) / 2,
        3,
        None,
        lambda t: gauss(t, 0.5, 3),
        Box((5.0, -INF, -INF), (INF, INF, INF)),
        lambda t: 0.5,
    ),
    "quartic at 20": ((x - 20) ** 4, 1, None, quartic, Box((-INF,), (20.0,)), lambda t: 0.5),
    "quartics of sums and differences": (
        (x + y) ** 4 + (x - y) ** 4,
        2,
        None,
        lambda t: quartic(t) ** 2 / 2,
        Box((-INF, -INF), (0.0, INF)),
        lambda t: 0.5,
    ),
    "unequal wells with a kink": (
        sp.Min((x + 5) ** 2 / 2, (x - 5) ** 2 / 8),
        1,
        None,
        lambda t: gauss(t) * (stats.norm.cdf(10 / 3 / t**0.5) + 2 * stats.norm.sf(-10 / 3 / t**0.5)),
        Box((-INF,), (-5 / 3,)),
        lambda t: 1 / 3,
    ),
    "|x - 7|": (sp.Abs(x - 7), 1, None, lambda t: 2 * t, Box((7.0,), (8.0,)), lambda t: -math.expm1(-1 / t) / 2),
    "bent wells whose curvature vanishes": (
        (x**2 - 1) ** 2 + (y - x**2) ** 4,
        2,
        None,
        lambda t: quartic_well(t) * quartic(t),
        Box((-INF, -INF), (0.0, INF)),
        lambda t: 0.5,
    ),
    "ring around (10, 0)": (
        ((x - 10) ** 2 + y**2 - 1) ** 2,
        2,
        None,
        ring,
        Box((-INF, -INF), (10.0, INF)),
        lambda t: 0.5,
    ),
    "ring, as a disc": ((x**2 + y**2 - 1) ** 2, 2, None, ring, Ball((0.0, 0.0), 30.0), lambda t: 1.0),
    "cosine on a torus": (
        1 - sp.cos(x),
        1,
        Domain("torus", (-math.pi,), (math.pi,)),
        lambda t: 2 * math.pi * special.i0e(1 / t),
        Box((0.0,), (math.pi,)),
        lambda t: 0.5,
    ),
    "valley on a torus": (
        sp.sin(sp.pi * y) ** 2,
        2,
        Domain("torus", (0.0, 0.0), (4.0, 1.0)),
        lambda t: 4 * special.i0e(0.5 / t),
        Box((0.0, 0.0), (1.0, 1.0)),
        lambda t: 0.25,
    ),
    "slope in a box, least at its wall": (
        x,
        1,
        Domain("box", (0.0,), (2.0,)),
        lambda t: -t * math.expm1(-2 / t),
        Box((0.0,), (1.0,)),
        lambda t: math.expm1(-1 / t) / math.expm1(-2 / t),
    ),
    "nothing in a box": (
        sp.Integer(0),
        2,
        Domain("box", (0.0, 0.0), (2.0, 3.0)),
        lambda t: 6.0,
        Outside(Box((0.0, 0.0), (1.0, 1.0))),
        lambda t: 5 / 6,
    ),
    "four in a row": (
        (x**2 - 1) ** 2 + (y - x**2) ** 2 + (z - y) ** 2 + (u - z) ** 2,
        4,
        None,
        lambda t: quartic_well(t) * (math.pi * t) ** 1.5,
        Box((-INF,) * 4, (0.0, INF, INF, INF)),
        lambda t: 0.5,
    ),
    "wells in 5-D": (
        (x**2 - 1) ** 2 + (y**2 + z**2 + u**2 + v**2) / 2,
        5,
        None,
        lambda t: quartic_well(t) * gauss(t, 1.0, 4),
        Box((0.0, -INF, -INF, -INF, -INF), (INF, 0.0, INF, INF, INF)),
        lambda t: 0.25,
    ),
}


@pytest.mark.parametrize("temperature", [1e-4, 0.3, 100.0])
@pytest.mark.parametrize("name", BY_HAND)
def test_integrals_done_by_hand_are_within_the_errors_stated(name, temperature):
    formula, dimension, domain, whole, region, share = BY_HAND[name]
    own = potential(formula, dimension, domain)
    if temperature == 100.0 and name in ("unequal wells with a kink", "ring, as a disc"):
        pytest.skip("the share by hand is that of wells far apart, of a disc far wider than the ring")
    found, part = th.partition(own, temperature), th.mass(own, temperature, region)
    exact = whole(temperature)
    assert abs(found.value - exact) <= 2 * found.error + 1e-11 * exact
    assert abs(part.value - share(temperature)) <= 2 * part.error + 1e-11
    assert found.error < 1e-5 * exact


@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_quartics_in_three_dimensions_without_structure(temperature):
    own = potential((x + y) ** 4 + (y + z) ** 4 + (x + z) ** 4, 3)
    found = th.partition(own, temperature)
    assert abs(found.value - quartic(temperature) ** 3 / 2) <= 2 * found.error < 1e-5 * found.value


@pytest.mark.parametrize("temperature", [1e-3, 1e-4])
def test_masses_are_right_where_z_is_beyond_what_doubles_hold(temperature):
    """U falls to -1: Z is exp(1/T) times a Gaussian integral, to first order in T."""
    own = potential(-sp.cos(x), 1, Domain("torus", (-math.pi,), (math.pi,)))
    assert th.mass(own, temperature, Box((0.0,), (math.pi,))).value == pytest.approx(0.5, rel=1e-9)
    exact = 1 / temperature + math.log(2 * math.pi * special.i0e(1 / temperature))
    assert th.log_partition(own, temperature).value == pytest.approx(exact, rel=1e-12)
    with pytest.raises(ArithmeticError, match="beyond what doubles hold: use `log_partition`"):
        th.partition(own, temperature)
    with pytest.raises(ArithmeticError, match="beyond what doubles hold"):
        laplace(potentials.valley_and_point(2), temperature)


def test_dents_at_a_low_temperature_have_the_masses_of_laplace():
    """At T = 0.0014 each of D - 1 flat directions of the valley counts 8 / (0.5 sqrt(2 pi T)), up to order T."""
    masses = well_masses(potentials.valley_and_point(3), 1.4e-3)
    odds = masses["valley"].value / masses["point"].value
    assert odds == pytest.approx((8 / (0.5 * math.sqrt(2 * math.pi * 1.4e-3))) ** 2, rel=5e-3)
    with pytest.raises(ValueError, match=r"terms at T = 0\.0001"):
        well_masses(potentials.valley_and_point(2), 1e-4)


def test_wells_that_a_potential_names_are_not_taken_to_be_all():
    """(x - 1)^2 (x - 9)^2 with only one of its wells named has half of its mass at the other."""
    one = potentials.Well("named", (1.0,), Box((-INF,), (5.0,)), 1, 1.0)
    own = th.Potential("half named", (x - 1) ** 2 * (x - 9) ** 2, (x,), wells=(one,))
    assert well_masses(own, 1e-3)["named"].value == pytest.approx(0.5, rel=1e-6)


def test_the_planes_go_through_the_minima_and_where_the_mass_ends():
    planes = landmarks.planes(potential((x - 50) ** 2 / 2, 1), 0.01)
    assert [round(v, 2) for v in planes[0]] == pytest.approx([49.1, 50.0, 50.9], abs=0.1)  # 8.5 widths of 0.1
    (low, *_, high) = landmarks.planes(potential((x**2 + y**2 - 1) ** 2, 2), 1e-4)[0]
    assert -1.1 < low < -1.0 < 1.0 < high < 1.1


def test_variables_that_are_not_declared_real_are_taken_as_real():
    w = sp.Symbol("w")
    own = th.Potential("kink", sp.Abs(w - 3), (w,))
    assert th.partition(own, 0.5).value == pytest.approx(1.0, rel=1e-8)
    assert own.gradient(np.array([[2.0], [5.0]])).ravel().tolist() == [-1.0, 1.0]


@pytest.mark.parametrize(
    ("region", "error", "text"),
    [
        (Box((-1.0, 0.0), (1.0, 1.0)), ValueError, "reaches beyond the box from"),
        (Outside(Box((0.0, 0.0), (1.0, 9.0))), ValueError, "reaches beyond the box from"),
        (Ball((0.5, 0.5), 1.0), ValueError, "reaches beyond the box from"),
        (Box((0.0,), (1.0,)), ValueError, "the region has 1 dimensions, the potential 2"),
        ("left", TypeError, "a region must be a Ball, a Box or what lies Outside one, got 'left'"),
        ((0.0, 1.0), TypeError, "a region must be a Ball"),
    ],
    ids=str,
)
def test_regions_that_do_not_fit_are_refused(region, error, text):
    own = potential(x**2 + y**2, 2, Domain("box", (0.0, 0.0), (2.0, 2.0)))
    with pytest.raises(error, match=text):
        th.mass(own, 1.0, region)


def test_infinite_sides_of_a_region_end_at_the_domain():
    own = potential(x, 1, Domain("box", (0.0,), (2.0,)))
    whole, half = (th.mass(own, 1.0, Box((-INF,), (end,))) for end in (INF, 1.0))
    assert whole.value == pytest.approx(1.0, abs=1e-12)
    assert half.value == pytest.approx(math.expm1(-1) / math.expm1(-2), rel=1e-9)


def test_wrong_types_are_refused_in_one_line():
    own = potential(x**2, 1)
    refused = [
        (lambda: th.partition("x**2", 1.0), TypeError, "a potential must be a th.Potential"),
        (lambda: th.mass(None, 1.0, Box((0.0,), (1.0,))), TypeError, "a potential must be a th.Potential"),
        (lambda: th.partition(own, "warm"), TypeError, "the temperature must be a number, got 'warm'"),
        (lambda: th.partition(own, None), TypeError, "the temperature must be a number, got None"),
        (lambda: th.Potential("u", x**2, ["x"]), TypeError, "a sequence of sympy symbols"),
        (lambda: th.Potential("u", x**2, x), TypeError, "a sequence of sympy symbols"),
        (lambda: th.Potential("u", x**2, (x, x)), ValueError, "must differ"),
        (lambda: th.Potential("u", x**2, (x,), "torus"), TypeError, "must be a th.Domain, got 'torus'"),
        (lambda: th.Potential("u", x**2 + sp.I * x, (x,)), ValueError, "real and finite"),
        (lambda: th.partition(th.Potential("u", sp.Function("f")(x), (x,)), 1.0), ValueError, "does not know"),
        (lambda: th.marginal(own, 1.0, 1, [0, 1]), ValueError, r"the axis must be one of 0 ... 0, got 1"),
        (lambda: th.marginal(own, 1.0, 0, [1, 0]), ValueError, "at least two numbers that grow"),
        (lambda: th.marginal(own, 1.0, 0, [0, math.nan]), ValueError, "at least two numbers that grow"),
        (lambda: Box((1.0,), (0.0,)), ValueError, "lower < upper"),
        (lambda: Box((0.0,), (math.nan,)), ValueError, "must not be NaN"),
        (lambda: Box(0.0, 1.0), TypeError, "must be a sequence of numbers"),
        (lambda: Ball((0.0,), -1.0), ValueError, "radius of a ball must be positive"),
        (lambda: Ball((math.inf,), 1.0), ValueError, "centre of a ball must be finite"),
        (lambda: Outside("x > 0"), TypeError, "must be that of a Ball or a Box"),
        (lambda: Domain("torus", ("a",), (1.0,)), TypeError, "must be a sequence of numbers"),
        (lambda: crossover(potentials.valley_and_point(2), "valley", "hill", (0.1, 0.2)), ValueError, "not .'hill'."),
        (lambda: th.expectation(own, 1.0, x, Outside(Box((0.0,), (1.0,)))), ValueError, "takes a box or a ball"),
    ]
    for attempt, error, text in refused:
        with pytest.raises(error, match=text) as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_a_list_of_variables_is_taken_as_a_tuple():
    assert th.partition(th.Potential("u", x**2 / 2, [x]), 1.0).value == pytest.approx(math.sqrt(2 * math.pi))


def test_an_observable_without_the_symmetry_of_an_axial_potential_is_refused():
    """By reflection <x_2^2> is half of <x_2^2 + x_3^2>; read as a function of (x_1, r) it would be all of it."""
    potential = potentials.two_wells(3)
    x = potentials.coordinates(3)
    both = expectation(potential, 0.5, x[1] ** 2 + x[2] ** 2)
    assert both.value > 1
    with pytest.raises(ValueError, match="symmetric around its first axis"):
        expectation(potential, 0.5, x[1] ** 2)


@pytest.mark.parametrize(("power", "size"), [(4, 10**9), (6, 10**20)])
def test_potentials_that_turn_down_far_out_are_unbounded_below(power, size):
    x = sp.Symbol("x")
    with pytest.raises(NotNormalisable, match="unbounded below"):
        th.partition(th.Potential("far", x**2 - x**power / size, (x,)), 1.0)
