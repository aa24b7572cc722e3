"""Dimensions of neurovarieties against theorems: secants of Veronese varieties, determinants, equal widths."""

import itertools
import time

import pytest

import theory as th
from theory.sweeps import sweep


def neurovariety(widths, activation=2, bias=False, seed=0):
    act = th.monomial(activation) if isinstance(activation, int) else th.PolynomialActivation(activation)
    return th.PolynomialNetwork(widths, act, bias).neurovariety(seed)


@pytest.mark.parametrize(("n", "h", "power", "dimension"), [
    (3, 2, 2, 5), (4, 2, 2, 7), (4, 3, 2, 9), (5, 3, 2, 12),  # quadrics: n h - h(h-1)/2
    (3, 5, 4, 14), (4, 9, 4, 34), (5, 7, 3, 34), (5, 14, 4, 69),  # one below what is expected
])  # fmt: skip
def test_one_hidden_layer_is_defective_in_the_cases_of_alexander_and_hirschowitz(n, h, power, dimension):
    """Source: J. Alexander, A. Hirschowitz, "Polynomial interpolation in several variables" (1995)."""
    found = neurovariety((n, h, 1), power)
    assert found.dimension == dimension
    assert found.defect > 0
    assert not found.fills


@pytest.mark.parametrize(("n", "h", "power"), [(2, 2, 3), (3, 3, 3), (3, 4, 4), (4, 5, 3), (2, 3, 5), (5, 6, 3)])
def test_one_hidden_layer_has_the_expected_dimension_otherwise(n, h, power):
    """The same theorem: min(n h, C(n - 1 + r, r)); K = (n + 1) h weights, h rescalings."""
    found = neurovariety((n, h, 1), power)
    assert found.defect == 0
    assert found.dimension == min(n * h, found.ambient_dimension)


@pytest.mark.parametrize(("widths", "power"), [((2, 2, 2), 2), ((2, 2, 2, 2), 2), ((3, 3, 3), 2), ((3, 3, 3, 3), 2)])
def test_equal_widths_are_never_defective(widths, power):
    """Source: Finkel, Rodriguez, Wu, Yahl, "Activation degree thresholds and expressiveness of polynomial neural
    networks" (2024): the activation degree threshold of equal widths is 1."""
    found = neurovariety(widths, power)
    assert found.dimension == found.n_parameters - sum(widths[1:-1])
    assert found.symmetry_dimension == sum(widths[1:-1])


def test_the_network_2_2_3_with_squares_is_a_determinantal_hypersurface():
    """Three quadratic forms in the span of two: 3 x 3 matrices of rank 2. Source: Kileel, Trager, Bruna (2019)."""
    found = neurovariety((2, 2, 3))
    assert (found.dimension, found.ambient_dimension, found.defect, found.fills) == (8, 9, 0, False)


@pytest.mark.parametrize(("m", "h", "n"), [(3, 2, 3), (3, 1, 4), (2, 2, 5), (3, 4, 2)])
def test_linear_networks_are_the_matrices_of_bounded_rank(m, h, n):
    found = neurovariety((m, h, n), 1)
    rank = min(m, h, n)
    assert found.dimension == rank * (m + n - rank)
    assert found.fills == (rank == min(m, n))
    assert found.defect == 0


def test_squares_that_fill_all_quadratic_forms():
    found = neurovariety((2, 3, 1))
    assert (found.dimension, found.ambient_dimension, found.fills) == (3, 3, True)


@pytest.mark.parametrize(("activation", "bias", "ambient"), [
    (2, True, 6), (2, (True, False), 6), ([1, 0, 1], False, 4), ([0, 1, 0, 1], False, 6), ([1, 2, 3, 4], True, 10),
])  # fmt: skip
def test_the_ambient_space_has_the_monomials_that_occur(activation, bias, ambient):
    """Two inputs: 1, 2, 3, 4 monomials of degree 0, 1, 2, 3."""
    assert neurovariety((2, 4, 1), activation, bias).ambient_dimension == ambient


def test_deep_networks_without_bias_see_one_degree_only():
    found = neurovariety((2, 2, 2, 1), 2)
    assert found.ambient_dimension == 5  # binary quartics
    assert found.dimension == 5


def test_the_cubic_networks_without_symmetry_use_all_their_weights():
    found = neurovariety((3, 2, 1), [3, 5, 4, 2], True)
    assert (found.dimension, found.symmetry_dimension) == (11, 0)
    assert found.dimension == found.n_parameters


def test_the_dimension_does_not_depend_on_the_seed():
    assert len({neurovariety((3, 3, 2), 3, True, seed) for seed in range(5)}) == 1


def test_fifty_architectures_of_up_to_60_weights_take_less_than_a_minute_of_one_processor():
    every = [(widths, 2) for widths in itertools.product((2, 3, 4), (3, 4, 5), (2, 3, 4), (1, 2))]
    asked = [
        (widths, degree)
        for widths, degree in every
        if 30 <= th.PolynomialNetwork(widths, th.monomial(degree)).n_parameters <= 60
    ]
    asked = (asked * 2)[:50]
    started = time.process_time()
    rows = sweep(asked, True, processes=1)
    assert time.process_time() - started < 60
    assert [(row.widths, row.activation_degree) for row in rows] == asked
    assert all(row.neurovariety is not None for row in rows)


def test_a_sweep_in_processes_finds_the_same_as_one_network_at_a_time(monkeypatch):
    monkeypatch.setattr("theory.sweeps._ALONE", 0.0)
    asked = [((2, 2, 1), 3), ((3, 2, 1), 2), ((2, 3, 2), 2)]
    said = []
    rows = sweep(asked, processes=2, progress=lambda done, total, text: said.append((done, total)))
    assert [row.neurovariety for row in rows] == [neurovariety(*each) for each in asked]
    assert sorted(said) == [(1, 3), (2, 3), (3, 3)]


def test_a_sweep_refuses_what_makes_no_network():
    with pytest.raises(ValueError, match="above 0, got 0"):
        sweep([((2, 2, 1), 2), ((2, 0, 1), 2)])
