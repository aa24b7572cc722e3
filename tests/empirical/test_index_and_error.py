"""Critical points of small networks by homotopy and by a search, side by side."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from empirical.experiments import index_and_error as experiment
from theory.systems import PolynomialSystem

CONFIG = experiment.PRESETS["smoke"]


@pytest.fixture(scope="module")
def result():
    return experiment.compute(replace(CONFIG, draws=2), None, seed=0)


def test_the_search_finds_every_critical_point_of_a_quartic_and_drops_what_did_not_converge():
    x, y = sp.symbols("x y")  # (x^2 - 1)^2 + (y^2 - 4)^2: nine critical points, x in -1, 0, 1 and y in -2, 0, 2
    system = PolynomialSystem((4 * x * (x**2 - 1), 4 * y * (y**2 - 4)), (x, y))
    ends = experiment.descend_gradient(system, np.random.default_rng(0).normal(scale=2, size=(300, 2)), 100)
    found = {tuple(point) for point in np.round(ends, 6) + 0.0}
    assert found == {(a, b) for a in (-1.0, 0.0, 1.0) for b in (-2.0, 0.0, 2.0)}
    assert len(experiment.descend_gradient(system, np.array([[30.0, -17.0]]), 1)) == 0


def test_homotopy_finds_the_known_number_of_critical_points_and_the_search_none_beside_them(result):
    for draw in result.series["draws"]:
        assert draw.complex_points == 105  # of the one-unit net with two inputs: also by PHCpack
        assert draw.missing == 0
        assert len(draw.found.distinct) <= len(draw.everything.distinct)


def test_points_are_critical_and_symmetric_ones_count_once(result):
    draw = result.series["draws"][0]
    everything = draw.everything
    assert (np.bincount(everything.orbits)[everything.orbits] <= 2).all()  # the sign of the one unit's weights
    assert len(everything.distinct) < len(everything.error)
    assert set(np.round(4 * everything.index * 5) % 4) <= {0.0}  # multiples of a fifth: five weights


def test_growth_can_hold_fail_and_be_refused_to_shuffled_indices():
    error = np.linspace(0.1, 1.0, 12)
    jitter = [np.random.default_rng(k).normal(scale=0.01, size=12) for k in range(4)]

    def draw(index):
        same = experiment.Points(np.zeros((12, 2)), error, index, np.arange(12))
        return experiment.Draw(0, same, same, 12, 0, 12, 0)

    growing = [draw(error + j) for j in jitter]
    falling = [draw(-error + j) for j in jitter]
    assert experiment._cases(growing)[0].agrees is True
    assert experiment._cases(falling)[0].agrees is False
    assert experiment._control(growing, np.random.default_rng(1)).passed
    lost = [replace(growing[0], missing=1), *growing[1:]]
    assert experiment._cases(lost)[1].agrees is False
    assert experiment._cases([replace(d, undecided_paths=3) for d in lost])[1].agrees is None


def test_its_figure_has_three_panels(result):
    figures = experiment.draw(result)
    assert len(figures["index"].axes) == 3
