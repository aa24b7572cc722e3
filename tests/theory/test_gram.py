"""The rank through the Gram matrix against singular values that are put in, and against a full decomposition."""

import numpy as np
import pytest

from theory.gram import gram_rank


def with_singular_values(values, columns, seed=0, dtype=float):
    """A matrix (len(values), columns) with these singular values and random singular vectors."""
    rng = np.random.default_rng(seed)
    left = np.linalg.qr(rng.standard_normal((len(values), len(values))))[0]
    right = np.linalg.qr(rng.standard_normal((columns, len(values))))[0]
    return (left * values @ right.T).astype(dtype)


def blocks_of(matrix, width=37):
    return lambda: (matrix[:, k : k + width] for k in range(0, matrix.shape[1], width))


@pytest.mark.parametrize("seed", range(3))
def test_singular_values_of_ten_decades_are_found_by_reading_the_columns_again(seed):
    values = np.geomspace(1, 1e-10, 40)
    found = gram_rank(blocks_of(with_singular_values(values, 300, seed)), 40)
    assert (found.rank, found.n_columns, found.nullity, found.reliable) == (40, 300, 260, True)
    assert np.allclose(found.singular_values, values, rtol=1e-4, atol=found.level)
    assert found.passes == 4
    assert found.undecided == 0


def test_one_reading_says_that_it_cannot_decide_below_half_the_digits():
    """Squares of 1e-9 are 1e-18: rounding errors of 1."""
    matrix = with_singular_values(np.geomspace(1, 1e-9, 40), 300)
    once = gram_rank(blocks_of(matrix)(), 40)
    assert not once.reliable
    assert once.passes == 1
    assert once.undecided > 0
    assert once.rank <= 40 - once.undecided


@pytest.mark.parametrize("rank", [0, 1, 25, 40])
@pytest.mark.parametrize("reread", [True, False])
def test_exact_ranks_are_found_either_way(rank, reread):
    matrix = with_singular_values([1.0] * rank + [0.0] * (40 - rank), 200)
    blocks = blocks_of(matrix)
    found = gram_rank(blocks if reread else blocks(), 40)
    assert (found.rank, found.undecided, found.reliable) == (rank, (40 - rank) * (rank > 0), True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_it_agrees_with_the_full_decomposition(dtype):
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal((30, 400)).astype(dtype)
    matrix = matrix + 1j * rng.standard_normal((30, 400)) if dtype == np.complex128 else matrix
    found = gram_rank(blocks_of(matrix), 30)
    assert np.allclose(found.singular_values, np.linalg.svd(matrix, compute_uv=False), rtol=1e-5)
    assert found.reliable


def test_single_precision_entries_hide_singular_values_below_their_rounding():
    matrix = with_singular_values(np.array([1.0] * 20 + [1e-9] * 5), 300, dtype=np.float32)
    found = gram_rank(blocks_of(matrix), 25)
    assert (found.rank, found.undecided) == (20, 5)


def test_more_rows_than_columns_are_counted_by_columns():
    matrix = np.random.default_rng(2).standard_normal((30, 12))
    found = gram_rank(blocks_of(matrix), 30)
    assert (found.rank, found.nullity, len(found.singular_values), found.reliable) == (12, 0, 12, True)


@pytest.mark.parametrize(
    ("blocks", "rows", "message"),
    [
        ([], 3, "at least one column"),
        ([np.ones((2, 4))], 3, r"shape \(3, columns\), got \(2, 4\)"),
        ([np.array([[np.nan], [1.0]])], 2, "finite"),
        ([np.full((2, 2), 1e200)], 2, "finite"),
        ([np.ones((2, 4))], 0, "n_rows must be a whole number"),
    ],
)
def test_bad_blocks_are_refused(blocks, rows, message):
    with pytest.raises(ValueError, match=message):
        gram_rank(blocks, rows)
