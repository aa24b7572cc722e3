from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.rank import PRIME, modular_rank, numerical_rank


def product(rows: int, columns: int, rank: int, seed: int) -> np.ndarray:
    """A matrix of whole numbers that factors through `rank` dimensions, generically."""
    rng = np.random.default_rng(seed)
    return rng.integers(-50, 50, (rows, rank)) @ rng.integers(-50, 50, (rank, columns))


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 8), st.integers(0, 10**6))
def test_both_ranks_are_those_of_a_product(rows, columns, rank, seed):
    matrix = product(rows, columns, rank, seed)
    exact = modular_rank(matrix)
    assert exact <= min(rows, columns, rank)
    decision = numerical_rank(matrix.astype(float))
    assert decision.rank == exact or not decision.reliable


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_a_generic_product_has_the_rank_of_its_inner_dimension(rank):
    matrix = product(6, 7, rank, seed=3)
    decision = numerical_rank(matrix.astype(float))
    assert modular_rank(matrix) == decision.rank == rank
    assert decision.reliable
    assert decision.gap > 1e10


def test_the_modular_rank_falls_where_the_prime_divides_the_determinant():
    matrix = np.array([[2, 3], [4, 13]])  # determinant 14
    assert [modular_rank(matrix, prime) for prime in (7, 5, PRIME)] == [1, 2, 2]


def test_whole_numbers_beyond_64_bits_count_exactly():
    huge = 10**30
    matrix = np.array([[huge, huge + 1], [2 * huge, 2 * huge + 2]], dtype=object)
    assert modular_rank(matrix) == 1
    matrix[1, 1] += 1
    assert modular_rank(matrix) == 2


def test_fractions_are_taken_as_they_are():
    third = Fraction(1, 3)
    assert modular_rank(np.array([[third, 1], [1, 3]], dtype=object)) == 1
    assert modular_rank(np.array([[third, 1], [1, 4]], dtype=object)) == 2


def test_rank_zero_and_empty_matrices_are_decided():
    assert modular_rank(np.zeros((3, 2), dtype=int)) == 0
    assert numerical_rank(np.zeros((3, 2))).rank == 0
    assert numerical_rank(np.zeros((0, 4))).rank == 0


def test_the_widest_gap_decides_and_is_reported():
    decision = numerical_rank([5.0, 1.0, 1e-9, 1e-10])
    assert decision.rank == 2
    assert decision.gap == pytest.approx(1e9)
    assert decision.reliable


def test_two_gaps_of_the_same_width_are_not_reliable():
    assert not numerical_rank([1.0, 3e-8]).reliable


def test_singular_values_below_the_stated_noise_do_not_count():
    values = [1.0, 0.5, 1e-5, 0.8e-5]
    assert numerical_rank(values).rank == 4
    noisy = numerical_rank(values, noise=1e-4)
    assert noisy.rank == 2
    assert noisy.reliable


def test_an_ill_conditioned_matrix_of_full_rank_keeps_it():
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(6, 6)))[0] for _ in range(2))
    decision = numerical_rank(left @ np.diag(10.0 ** -np.arange(6)) @ right)
    assert decision.rank == 6
    assert decision.reliable


@pytest.mark.parametrize("bad", [[[0.5]], [1, 2]])
def test_modular_rank_refuses_what_is_no_matrix_of_exact_numbers(bad):
    with pytest.raises(ValueError, match="exact numbers"):
        modular_rank(bad)


def test_numerical_rank_refuses_nan():
    with pytest.raises(ValueError, match="finite"):
        numerical_rank([1.0, np.nan])


def test_values_below_the_floor_are_zero_and_those_just_above_decide_nothing():
    assert numerical_rank([1.0, 1e-8], floor=1e-7).rank == 1
    assert numerical_rank([1e-8, 1e-9], floor=1e-7).rank == 0
    assert numerical_rank([1.0, 1e-8], floor=1e-7).reliable
    assert not numerical_rank([1.0, 5e-7], floor=1e-7).reliable
    assert numerical_rank([1.0, 5e-6], floor=1e-7).rank == 2
