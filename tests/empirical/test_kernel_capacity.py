"""Kernel expansions: Gram matrices, fits of random labels, the linear control."""

import numpy as np
import pytest

from empirical.data import load_data
from empirical.experiments import kernel_capacity as experiment

CONFIG = experiment.PRESETS["smoke"]


def test_gram_matrices_are_the_kernels_of_the_pairs():
    rng = np.random.default_rng(0)
    images, tests = rng.normal(size=(6, 3)), rng.normal(size=(4, 3))
    apart = np.linalg.norm(images[:, None] - images, axis=2)
    width = 0.5 * np.median(apart[np.triu_indices(6, 1)] ** 2) ** 0.5
    here, there = experiment.gram_matrices(images, tests, 0.5)
    np.testing.assert_allclose(here, np.exp(-(apart**2) / (2 * width**2)), atol=1e-12)
    gap = ((tests[2] - images[1]) ** 2).sum()
    assert there[2, 1] == pytest.approx(np.exp(-gap / (2 * width**2)))
    assert experiment.gram_matrices(images, tests, "linear")[1][2, 1] == pytest.approx(1 + tests[2] @ images[1])


def test_expansions_meet_labels_that_their_rank_allows_and_no_others():
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(20, 3)), rng.integers(4, size=20)
    full = experiment.expand(experiment.gram_matrices(images, images, 0.5), labels, labels, 4, "", "random", 0)
    assert (full.rank, full.test_error) == (20, 0.0)
    assert full.miss < 1e-9
    poor = experiment.expand(experiment.gram_matrices(images, images, "linear"), labels, labels, 4, "", "random", 0)
    assert poor.rank == 4
    assert poor.miss > 0.1


def test_gaussian_kernels_fit_random_labels_and_guess_and_the_linear_one_misses():
    result = experiment.compute(CONFIG, load_data("digits"), seed=0, device="cpu")
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    true = [row["test_error"] for row in result.table if row["labels"] == "true" and row["kernel"] != "linear"]
    assert max(true) < 0.2
    assert set(experiment.draw(result)) == {"fits"}


@pytest.mark.parametrize(
    ("miss", "error", "agrees"), [(1e-9, 0.9, [True, True]), (0.1, 0.9, [False, True]), (0.0, 0.5, [True, False])]
)
def test_misses_and_errors_below_guessing_speak_against_it(miss, error, agrees):
    fits = [experiment.Fit("Gaussian, 1", "random", k, miss, 10, error + 0.001 * k) for k in range(5)]
    assert [case.agrees for case in experiment._cases("Gaussian, 1", fits, 0.9, CONFIG)] == agrees
