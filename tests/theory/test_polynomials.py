"""Exact polynomials: they obey the laws of a ring, and agree with sympy."""

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.polynomials import GaussianRational, Polynomial, gaussian

FRACTIONS = st.fractions(max_denominator=50, min_value=-20, max_value=20)
NUMBERS = st.builds(GaussianRational, FRACTIONS, FRACTIONS)
POLYNOMIALS = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 3)), NUMBERS.filter(bool), max_size=5).map(
    lambda terms: Polynomial(terms, 2)
)
X = sp.symbols("x y")


@given(NUMBERS, NUMBERS, NUMBERS)
def test_gaussian_rationals_form_a_field(a, b, c):
    assert (a + b) * c == a * c + b * c
    assert a - a == gaussian(0)
    if b:
        assert a / b * b == a


@settings(max_examples=50, deadline=None)
@given(POLYNOMIALS, POLYNOMIALS, POLYNOMIALS)
def test_polynomials_form_a_ring(p, q, r):
    assert (p + q) * r == p * r + q * r
    assert p * q == q * p
    assert (p - p).terms == {}
    assert p**3 == p * p * p


@settings(max_examples=50, deadline=None)
@given(POLYNOMIALS, POLYNOMIALS)
def test_the_product_rule_holds(p, q):
    for k in range(2):
        assert (p * q).diff(k) == p.diff(k) * q + p * q.diff(k)


@settings(max_examples=50, deadline=None)
@given(POLYNOMIALS)
def test_sympy_gives_back_the_same_polynomial(p):
    assert Polynomial.from_sympy(p.to_sympy(X), X) == p


@settings(max_examples=50, deadline=None)
@given(POLYNOMIALS, NUMBERS, NUMBERS)
def test_values_are_those_of_sympy(p, a, b):
    exact = p.evaluate([a, b], convert=lambda c: c)
    point = {s: sp.Rational(*v.re.as_integer_ratio()) + sp.I * sp.Rational(*v.im.as_integer_ratio())
             for s, v in zip(X, (a, b), strict=True)}  # fmt: skip
    value = sp.expand(p.to_sympy(X).subs(point))
    assert gaussian(value) == exact


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, (3, 0)),
        (Fraction(1, 3), (Fraction(1, 3), 0)),
        (0.1, (Fraction(0.1), 0)),
        (np.float32(0.5), (Fraction(1, 2), 0)),
        (np.int64(7), (7, 0)),
        (1 - 2j, (1, -2)),
        (np.complex128(0.25j), (0, Fraction(1, 4))),
        (sp.Rational(2, 7) + 3 * sp.I, (Fraction(2, 7), 3)),
    ],
)
def test_numbers_of_every_kind_become_exact(value, expected):
    assert gaussian(value) == GaussianRational(Fraction(expected[0]), Fraction(expected[1]))


@pytest.mark.parametrize("value", [math.nan, math.inf, complex(0, math.nan), np.float64("-inf")])
def test_numbers_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match="finite"):
        gaussian(value)


@pytest.mark.parametrize("value", ["1", None, [1]])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="must be a number"):
        gaussian(value)


def test_powers_must_be_whole_and_not_negative():
    x = Polynomial.variable(0, 1)
    for exponent in (-1, 0.5):
        with pytest.raises(ValueError, match="power"):
            x**exponent


def test_polynomials_in_different_numbers_of_unknowns_do_not_mix():
    with pytest.raises(ValueError, match="2 and 3 unknowns"):
        Polynomial.variable(0, 2) + Polynomial.variable(0, 3)


@pytest.mark.parametrize("expression", [1 / X[0], sp.sin(X[0]), X[0] ** sp.Rational(1, 2), X[0] + sp.Symbol("z")])
def test_expressions_that_are_not_polynomial_in_the_unknowns_are_refused(expression):
    with pytest.raises(ValueError, match=r"not polynomial|not among"):
        Polynomial.from_sympy(expression, X)


def test_text_is_never_read_as_an_expression():
    with pytest.raises(TypeError, match="text goes through parse"):
        Polynomial.from_sympy("__import__('os').system('x')", X)


def test_arrays_hold_the_terms_in_one_order():
    p = Polynomial({(2, 0): gaussian(3), (0, 1): gaussian(1j)}, 2)
    assert p.exponents.tolist() == [[2, 0], [0, 1]]
    assert p.coefficients.tolist() == [3, 1j]
    assert p.degree == 2
    assert not p.is_real
    assert Polynomial.constant(0, 2).exponents.shape == (0, 2)
