from fractions import Fraction

import flint
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import theory as th
from theory.dual_numbers import Dual
from theory.polynomials import Polynomial

HALF_OF_BERNSTEIN = 0.28016949902 / 2  # Varga and Carpenter 1985
METHODS = ["minimax", "chebyshev", "legendre", "least-squares"]
INTERVALS = [(-1, 1), (-5, 5), (-1, 3), (-8, Fraction(1, 2))]


def grid(interval) -> np.ndarray:
    """Ascending points, 0 among them: some errors have a narrow peak there."""
    return np.union1d(np.linspace(float(interval[0]), float(interval[1]), 20_001), np.zeros(1))


def error(activation, x: np.ndarray) -> np.ndarray:
    return activation(x) - np.maximum(x, 0)


# ---- one object, many rings


def test_coefficients_stay_exact():
    activation = th.PolynomialActivation([0, Fraction(1, 3), sp.Rational(1, 7), 0.1, 0])
    assert activation.coefficients == (0, Fraction(1, 3), Fraction(1, 7), Fraction(0.1))
    assert activation.degree == 3


@pytest.mark.parametrize("coefficients", [[3], [0, 1], [0, 0, 1], [1, -2, Fraction(1, 3)], [0, 2, 0, 0, 5]])
def test_every_kind_of_argument_gives_the_same_value(coefficients):
    activation = th.PolynomialActivation(coefficients)
    point = Fraction(3, 4)
    exact = sum((c * point**k for k, c in enumerate(map(Fraction, coefficients))), Fraction(0))
    z = sp.Symbol("z")
    assert activation(point) == exact
    assert activation(z + 0 * z).subs(z, sp.Rational(point)) == sp.Rational(exact)
    assert activation(Polynomial.variable(0, 1)).evaluate([point], lambda c: c.re) == exact
    assert activation(flint.arb(0.75)).contains(flint.fmpq(exact.numerator, exact.denominator))
    assert activation(flint.nmod(3, 10007) / 4) == flint.nmod(exact.numerator, 10007) / exact.denominator
    assert activation(0.75) == pytest.approx(float(exact))
    assert activation(0.75 + 0j) == pytest.approx(complex(exact))
    assert activation(np.array([0.75, 0.75]))[1] == pytest.approx(float(exact))
    assert activation(np.array([point, point], dtype=object))[0] == exact
    assert activation(torch.tensor([0.75], dtype=torch.float64)).item() == pytest.approx(float(exact))


def test_whole_numbers_are_not_wrapped_at_64_bits():
    assert th.monomial(9)(1000) == 10**27
    assert th.monomial(9)(np.array([1000])) == pytest.approx(1e27)


def test_the_derivative_is_exact():
    activation = th.PolynomialActivation([7, 1, Fraction(1, 2), Fraction(1, 3)])
    assert activation.derivative.coefficients == (1, 1, 1)
    assert th.PolynomialActivation([7]).derivative.coefficients == (0,)


def test_torch_gradients_are_those_of_the_derivative():
    activation = th.relu_approximation(20, (-2, 3))
    z = torch.linspace(-2, 3, 50, dtype=torch.float64, requires_grad=True)
    activation(z).sum().backward()
    np.testing.assert_allclose(z.grad.numpy(), activation.derivative(z.detach().numpy()), atol=1e-11)


def test_dual_numbers_carry_first_and_second_derivatives():
    activation = th.relu_approximation(12, (-1, 2))
    x = np.linspace(-1, 2, 7)
    twice = activation(Dual(Dual(x, np.ones_like(x)), np.ones_like(x)))
    np.testing.assert_allclose(twice.tangent.value, activation.derivative(x), atol=1e-11)
    np.testing.assert_allclose(twice.tangent.tangent, activation.derivative.derivative(x), atol=1e-9)


@pytest.mark.parametrize("interval", [(-1, 1), (-3, 5)])
def test_degree_60_is_evaluated_without_cancellation(interval):
    """Against exact rational arithmetic; Horner's rule in floats would be off by 1 and more."""
    activation = th.relu_approximation(60, interval)
    points = [Fraction(k, 16) for k in range(16 * interval[0], 16 * interval[1] + 1)]
    exact = np.array([float(activation(p)) for p in points])
    floats = np.array([float(p) for p in points])
    np.testing.assert_allclose(activation(floats), exact, atol=3e-14)
    np.testing.assert_allclose(activation(torch.tensor(floats)).numpy(), exact, atol=3e-14)
    assert np.abs(np.polynomial.polynomial.polyval(floats, np.array(activation.coefficients, float)) - exact).max() > 1


# ---- ReLU: the four fits


@pytest.mark.parametrize("degree", [2, 4, 10, 20])
def test_minimax_errors_on_minus_5_to_5_are_those_found_before(degree):
    """Of an earlier exchange written independently of this one; degree 2 is 5/16, by hand."""
    known = {2: 0.3125, 4: 0.16905, 10: 0.06961, 20: 0.03497}
    assert th.relu_approximation(degree, (-5, 5)).sup_error == pytest.approx(known[degree], abs=6e-6)


def test_minimax_error_times_degree_tends_to_half_of_bernsteins_constant():
    products = [th.relu_approximation(n).sup_error * n for n in (10, 20, 40, 60, 100)]
    assert products == sorted(products)
    assert products[3] == pytest.approx(0.14006, abs=1e-5)
    assert products[4] < HALF_OF_BERNSTEIN
    assert 2 * products[4] - products[2] == pytest.approx(HALF_OF_BERNSTEIN, abs=1e-4)


def test_minimax_of_degree_2_is_the_parabola_found_by_hand():
    np.testing.assert_allclose(np.array(th.relu_approximation(2).coefficients, float), [1 / 16, 1 / 2, 1 / 2])


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 7, 24])
def test_the_minimax_error_alternates_as_chebyshev_demands(degree, interval):
    """degree + 2 alternations at the full error prove that no polynomial of this degree is better."""
    activation = th.relu_approximation(degree, interval)
    errors = error(activation, grid(interval))
    at_the_top = errors[np.abs(errors) > 0.99 * activation.sup_error]
    assert 1 + np.sum(np.diff(np.sign(at_the_top)) != 0) >= degree + 2


@pytest.mark.parametrize("degree", [3, 5, 21])
def test_an_odd_degree_is_no_better_than_the_even_one_below_on_a_symmetric_interval(degree):
    odd, even = th.relu_approximation(degree), th.relu_approximation(degree - 1)
    assert odd.degree == degree - 1
    assert odd.sup_error == pytest.approx(even.sup_error, rel=1e-12)


def test_legendre_coefficients_are_exact():
    """The series of ReLU in Legendre polynomials on [-1, 1] is 1/4, 1/2, 5/16, 0, -3/32, 0, 13/256, 0, -17/512."""
    z = sp.Symbol("z")
    series = {0: "1/4", 1: "1/2", 2: "5/16", 4: "-3/32", 6: "13/256", 8: "-17/512", 10: "49/2048"}
    expected = sp.Poly(sum(sp.Rational(c) * sp.legendre(k, z) for k, c in series.items()), z)
    exact = th.relu_approximation(10, method="legendre").coefficients
    assert [sp.Rational(c) for c in exact[::-1]] == expected.all_coeffs()


@pytest.mark.parametrize(("degree", "known"), {2: 0.09375, 4: 0.0586, 6: 0.0427, 8: 0.0337, 10: 0.0278}.items())
def test_the_legendre_error_is_the_value_at_zero(degree, known):
    activation = th.relu_approximation(degree, method="legendre")
    assert activation.sup_error == pytest.approx(known, abs=6e-5)
    assert activation.sup_error == pytest.approx(float(activation(Fraction(0))), rel=1e-15)


@pytest.mark.parametrize("interval", INTERVALS)
def test_legendre_errors_are_orthogonal_to_all_polynomials_of_the_degree(interval):
    low, high = map(Fraction, interval)
    activation = th.relu_approximation(5, interval, "legendre")
    for power in range(6):
        of_fit = sum(c * (high ** (k + power + 1) - low ** (k + power + 1)) / (k + power + 1)
                     for k, c in enumerate(activation.coefficients))  # fmt: skip
        assert of_fit == high ** (power + 2) / (power + 2)


def test_the_chebyshev_series_of_the_absolute_value_is_the_known_one():
    """|t| = 2/pi - 4/pi sum (-1)^k T_2k(t) / (4 k^2 - 1), so the error of degree 2n at 0 is 1 / ((2n + 1) pi)."""
    for half_degree in (1, 2, 10):
        activation = th.relu_approximation(2 * half_degree, method="chebyshev")
        assert activation(0.0) == pytest.approx(1 / (np.pi * (2 * half_degree + 1)), rel=1e-13)


@pytest.mark.parametrize("interval", INTERVALS)
def test_the_chebyshev_series_agrees_with_quadrature(interval):
    low, high = map(float, interval)
    angles = (np.arange(200_000) + 0.5) * np.pi / 200_000
    values = np.maximum((high + low) / 2 + (high - low) / 2 * np.cos(angles), 0)
    series = np.array([2 * np.mean(values * np.cos(k * angles)) for k in range(8)])
    series[0] /= 2
    x = grid(interval)
    fit = np.polynomial.Chebyshev(series, domain=[low, high])
    np.testing.assert_allclose(th.relu_approximation(7, interval, "chebyshev")(x), fit(x), atol=1e-8 * high)


def test_least_squares_for_a_normal_input_has_the_known_coefficients():
    """Hermite series of ReLU: 1/sqrt(2 pi) (1/2 + x sqrt(pi/2) + x^2/2) up to degree 2; the cut at 12 is invisible."""
    known = {2: [0.19947, 0.5, 0.19947], 4: [0.1496, 0.5, 0.29921, 0, -0.01662]}
    for degree, coefficients in known.items():
        fit = th.relu_approximation(degree, (-12, 12), "least-squares")
        np.testing.assert_allclose(np.array(fit.coefficients, float), coefficients, atol=6e-6)
    precise = float(th.relu_approximation(2, (-12, 12), "least-squares").coefficients[2])
    assert precise == pytest.approx(1 / (2 * np.sqrt(2 * np.pi)), rel=1e-12)


@pytest.mark.parametrize(("degree", "interval"), [(4, (-1, 3)), (10, (-6, 4)), (30, (-2, 2))])
def test_least_squares_errors_are_orthogonal_under_the_normal_weight(degree, interval):
    x = grid(interval)
    weight = np.exp(-(x**2) / 2) * np.gradient(x)  # trapezium rule
    weight[[0, -1]] /= 2
    residual = error(th.relu_approximation(degree, interval, "least-squares"), x)
    t = 2 * (x - x[0]) / (x[-1] - x[0]) - 1
    for k in range(degree + 1):
        assert abs(weight @ (residual * np.polynomial.Chebyshev.basis(k)(t))) < 1e-7


# ---- the proven error


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("degree", [0, 1, 5, 12])
def test_the_sup_error_bounds_the_error_and_is_attained(method, interval, degree):
    activation = th.relu_approximation(degree, interval, method)
    seen = np.abs(error(activation, grid(interval))).max()
    assert seen <= activation.sup_error * (1 + 1e-12)
    assert seen >= activation.sup_error * (1 - 1e-3)


@given(st.integers(-40, -1), st.integers(1, 40), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_no_method_beats_minimax_and_wider_intervals_are_worse(low, high, degree):
    interval = (Fraction(low, 8), Fraction(high, 8))
    best = th.relu_approximation(degree, interval)
    for method in METHODS[1:]:
        assert th.relu_approximation(degree, interval, method).sup_error >= best.sup_error * (1 - 1e-12)
    wider = th.relu_approximation(degree, (interval[0] - 1, interval[1] + 1))
    assert wider.sup_error >= best.sup_error * (1 - 1e-12)


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_the_exchange_ends_on_any_interval(left, right, degree):
    activation = th.relu_approximation(degree, (-left, right))
    assert 0 < activation.sup_error <= right / 2 + 1e-14 * (left + right)  # the constant right/2 is a candidate


def test_what_approximates_nothing_has_no_sup_error():
    assert th.monomial(2).sup_error is None
    assert th.relu_approximation(4).derivative.sup_error is None


# ---- the degree that an error needs


@pytest.mark.parametrize(("epsilon", "interval", "degree"),
                         [(1, (-1, 1), 0), (0.5, (-1, 1), 0), (0.25, (-1, 1), 1), (0.0625, (-1, 1), 2),
                          (0.0624, (-1, 1), 4), (0.31, (-5, 5), 4), (0.001, (-1, 1), 142)])  # fmt: skip
def test_relu_degree_is_the_smallest(epsilon, interval, degree):
    assert th.relu_degree(epsilon, interval) == degree


@given(st.floats(0.01, 2), st.floats(0.1, 4), st.floats(0.1, 4))
@settings(max_examples=30, deadline=None)
def test_relu_degree_meets_epsilon_and_the_degree_below_does_not(epsilon, left, right):
    degree = th.relu_degree(epsilon, (-left, right))
    assert th.relu_approximation(degree, (-left, right)).sup_error <= epsilon * (1 + 1e-9)
    if degree:
        assert th.relu_approximation(degree - 1, (-left, right)).sup_error > epsilon * (1 - 1e-9)


# ---- misuse


@pytest.mark.parametrize(("call", "message"), [
    (lambda: th.relu_approximation(4, method="taylor"), "method must be one of minimax.*'taylor'"),
    (lambda: th.relu_approximation(-1), "not negative, got -1"),
    (lambda: th.relu_approximation(2.5), "whole number"),
    (lambda: th.relu_approximation(301), "at most 300"),
    (lambda: th.relu_approximation(4, (1, 2)), "ReLU is the polynomial x"),
    (lambda: th.relu_approximation(4, (-2, 0)), "ReLU is the polynomial 0"),
    (lambda: th.relu_approximation(4, (1, -1)), "low < high"),
    (lambda: th.relu_approximation(4, (-1, float("nan"))), "finite real numbers"),
    (lambda: th.relu_approximation(4, 5), "pair of numbers"),
    (lambda: th.relu_degree(0), "positive number"),
    (lambda: th.relu_degree(1e-9), "beyond 2000"),
    (lambda: th.monomial(-2), "not negative"),
    (lambda: th.PolynomialActivation([]), "list of coefficients"),
    (lambda: th.PolynomialActivation(3), "list of coefficients"),
    (lambda: th.PolynomialActivation([1, float("inf")]), "finite real numbers"),
    (lambda: th.PolynomialActivation([1, 2j]), "real numbers"),
    (lambda: th.PolynomialActivation(["x"]), "finite real numbers"),
])  # fmt: skip
def test_misuse_is_answered_in_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
