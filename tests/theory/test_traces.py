"""Paths to look at: they begin at the start system, move by small steps and end where `solve` ends."""

import numpy as np
import pytest

import theory as th

ELLIPSE = "2\n x^2 + 4*y^2 - 4; 2*y^2 - x;"


def test_paths_end_in_the_solutions():
    system = th.PolynomialSystem.parse(ELLIPSE)
    t, points = th.trace_paths(system, seed=1)
    assert points.shape == (len(t), 4, 2)
    ends, roots = points[-1], th.solve(system, seed=1).solutions
    assert np.abs(ends[:, None] - roots[None]).max(axis=2).min(axis=1).max() < 1e-8
    assert np.abs(ends[:, None] - roots[None]).max(axis=2).min(axis=0).max() < 1e-8


def test_paths_are_continuous():
    """Halving the step in t halves the largest step of a point, to first order."""
    system = th.PolynomialSystem.parse(ELLIPSE)
    steps = [
        np.nanmax(np.abs(np.diff(th.trace_paths(system, seed=1, t=np.linspace(1, 0, n)).points, axis=0)))
        for n in (801, 1601)
    ]
    assert 1.7 < steps[0] / steps[1] < 2.3


def test_a_path_to_infinity_has_no_end():
    parallel = th.PolynomialSystem.parse("2\n x*y - 1; x*y + x - 2;")  # Bezout 4, one zero: x = 1, y = 1
    points = th.trace_paths(parallel, seed=0).points
    assert np.isfinite(points[-1]).all(axis=1).sum() == 1
    assert np.isfinite(points[:-1]).all()


@pytest.mark.parametrize("t", [[1.0], [0.5, 0.0], [1.0, -0.1], [1.0, 0.2, 0.3], [[1.0, 0.0]], [1.0, float("nan")]])
def test_other_values_of_t_are_refused(t):
    with pytest.raises(ValueError, match="t must fall from 1"):
        th.trace_paths(th.PolynomialSystem.parse(ELLIPSE), t=t)
