"""The construction on images: exact checks that can fail, rounding, descent with as many weights."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from empirical.data import load_data
from empirical.experiments import memorizer as experiment
from theory.interpolants import memorizer

CONFIG = experiment.PRESETS["smoke"]


def test_grey_values_become_whole_numbers_in_their_order():
    values = np.array([[-1.5, 0.25], [0.25, 3.0]], np.float32)
    assert experiment.whole_numbers(values).tolist() == [[0, 1], [1, 2]]


def test_a_wrong_weight_is_seen_by_the_exact_check():
    rng = np.random.default_rng(0)
    inputs, labels = rng.integers(0, 17, size=(12, 5)), rng.choice([-1, 1], size=12)
    net = memorizer(inputs, labels, Fraction(0), 0)
    assert experiment.missed(net, inputs, labels) == 0
    assert experiment.missed(net, inputs, -labels) == 12
    bent = replace(net, outer=(net.outer[0] + Fraction(1, 10**30), *net.outer[1:]))
    assert experiment.missed(bent, inputs, labels) == 12
    assert experiment.float_miss(net, inputs, labels) < 1e-6


def test_no_label_is_missed_and_conflicts_are_refused():
    result = experiment.compute(CONFIG, load_data("digits"), seed=0, device="cpu")
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    for n, weights, _ in result.series["trained"]:
        assert weights <= 2 * n + result.series["d"]
    assert set(experiment.draw(result)) == {"memorizer"}


def test_misses_and_other_numbers_of_weights_speak_against_it():
    fits = [experiment.Fit(5, 0, 14, 0, 0.0), experiment.Fit(5, 1, 14, 1, 0.0)]
    assert [case.agrees for case in experiment._cases(5, 4, fits)] == [True, False]
    assert [case.agrees for case in experiment._cases(5, 3, fits[:1])] == [False, True]


def test_too_few_images_are_said():
    with pytest.raises(ValueError, match="needs 5000 distinct images, got"):
        experiment.compute(replace(CONFIG, sizes=(5000,)), load_data("digits"), seed=0, device="cpu")
