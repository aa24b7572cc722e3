"""Exact interpolation: the 2n + d net of Zhang et al. (arXiv 1611.03530) and kernel expansions."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.claims import kernel_capacity
from theory.claims import memorizer as claim
from theory.interpolants import (
    ConflictingLabelsError,
    cauchy_kernel,
    gram,
    memorizer,
    outer_weights,
    polynomial_kernel,
    solve_exactly,
)
from theory.rank import modular_rank

rationals = st.fractions(min_value=-100, max_value=100, max_denominator=50)


@st.composite
def labelled_points(draw):
    d = draw(st.integers(1, 4))
    points = draw(st.lists(st.tuples(*[rationals] * d), min_size=1, max_size=12, unique=True))
    labels = draw(st.lists(rationals, min_size=len(points), max_size=len(points)))
    return points, labels


@settings(max_examples=40, deadline=None)
@given(labelled_points(), st.fractions(min_value=0, max_value=Fraction(9, 10)))
def test_every_label_is_met_exactly_with_2n_plus_d_weights(data, position):
    points, labels = data
    net = memorizer(points, labels, position)
    assert [net(x) for x in points] == labels
    assert net.n_weights == 2 * len(points) + len(points[0])


def test_three_points_on_a_line_by_hand():
    # z = 0, 1, 2 with thresholds -1, 1/2, 3/2: f rises to 1 by slope 1, then must fall to 0 and climb to 2
    weights = outer_weights([0, 1, 2], [-1, Fraction(1, 2), Fraction(3, 2)], [Fraction(1), Fraction(0), Fraction(2)])
    assert weights == [1, -4, 10]


def test_the_weights_solve_the_triangular_system_of_the_theorem():
    z, labels = [sp.Integer(k * k) for k in range(1, 6)], sp.symbols("y1:6")
    thresholds = [z[0] - 1, *((a + b) / 2 for a, b in pairwise(z))]
    A = sp.Matrix(5, 5, lambda i, j: sp.Max(z[i] - thresholds[j], 0))
    assert A.is_lower
    assert A.LUsolve(sp.Matrix(labels)).expand() == sp.Matrix(outer_weights(z, thresholds, labels)).expand()


def test_equal_inputs_with_different_labels_are_refused():
    with pytest.raises(ConflictingLabelsError, match="input 2 has label 4, an equal one before it has 3"):
        memorizer([(1, 2), (0, 0), (1, 2)], [3, 0, 4])


def test_equal_inputs_with_equal_labels_count_once():
    net = memorizer([(1, 2), (0, 0), (1, 2)], [3, 0, 3])
    assert net.n_weights == 2 * 2 + 2
    assert net((1, 2)) == 3


@pytest.mark.parametrize(
    ("X", "y", "position", "message"),
    [
        ([], [], 0, "n >= 1 rows"),
        ([(1, 2), (1,)], [0, 0], 0, "one length"),
        ([(1, 2)], [0, 1], 0, "1 inputs and 2 labels"),
        ([(1, 2)], [1j], 0, "must be real"),
        ([(1.0, np.nan)], [1], 0, "finite"),
        ([(1, 2)], [0], 1, "position must lie in"),
    ],
)
def test_what_cannot_be_meant_is_refused(X, y, position, message):
    with pytest.raises(ValueError, match=message):
        memorizer(X, y, position)


def test_rounded_weights_lose_the_labels_that_exact_ones_keep():
    assert claim.float_error(100, Fraction(3, 4), seed=0) > 1
    assert claim.float_error(100, Fraction(0), seed=0) < 1e-6


def test_the_memorizer_claim_holds_and_its_control_is_refused():
    outcome = claim.check(seed=1)
    assert outcome.verdict == "holds"
    assert outcome.control.passed


def test_a_memorizer_with_one_weight_changed_misses_labels(monkeypatch):
    def broken(z, thresholds, y):
        return [w + 1 for w in outer_weights(z, thresholds, y)]

    monkeypatch.setattr("theory.interpolants.outer_weights", broken)
    assert claim.observed(10, 3, seed=0).missed == 10


def test_solving_is_exact():
    hilbert = [[Fraction(1, i + j + 1) for j in range(12)] for i in range(12)]  # condition number 1.7e16
    assert solve_exactly(hilbert, [sum(row) for row in hilbert]) == (1,) * 12
    with pytest.raises(ZeroDivisionError):
        solve_exactly([[Fraction(1, 3), Fraction(2, 3)], [Fraction(1, 2), Fraction(1)]], [Fraction(1), Fraction(0)])


def test_a_polynomial_kernel_has_the_rank_of_its_feature_space():
    X = np.random.default_rng(0).integers(-50, 50, size=(20, 2))
    for degree in (1, 2, 3):  # C(2 + degree, degree) monomials
        assert modular_rank(gram(polynomial_kernel(degree), X)) == [3, 6, 10][degree - 1]


def test_the_cauchy_kernel_is_the_mixture_of_gaussians():
    s = sp.Symbol("s", positive=True)
    mixture = sp.integrate(sp.exp(-s) * sp.exp(-s * 5), (s, 0, sp.oo))  # ||(1, 0) - (0, 2)||^2 = 5
    assert cauchy_kernel((Fraction(1), Fraction(0)), (Fraction(0), Fraction(2))) == Fraction(
        int(mixture.p), int(mixture.q)
    )


def test_the_kernel_claim_holds_and_a_kernel_of_low_rank_does_not_fit():
    outcome = kernel_capacity.check(seed=1)
    assert outcome.verdict == "holds"
    assert outcome.control.passed
