"""Points compared with each other and refined: against every pair of points, and against numpy."""

import numpy as np
import pytest

from tests import known_systems
from theory.continuation import sift, sparse_newton
from theory.systems import PolynomialSystem


def chains(points: np.ndarray, radius: float) -> np.ndarray:
    """Clusters by comparing all pairs, until nothing changes."""
    near = np.abs(points[:, None] - points[None]).max(axis=2) < radius * (1 + np.abs(points).max(axis=1))[:, None]
    label = np.arange(len(points))
    for _ in points:
        label = np.array([label[row].min() for row in near | near.T])
    return np.unique(label, return_inverse=True)[1]


@pytest.mark.parametrize("block", [10**6, 5])
def test_clusters_are_chains_of_close_points(monkeypatch, block):
    monkeypatch.setattr(sift, "_BLOCK", block)
    rng = np.random.default_rng(0)
    for size in (1, 2, 30, 60):
        points = rng.integers(0, 3, (size, 2)) + 1j * rng.integers(0, 2, (size, 2)) + 3e-6 * rng.normal(size=(size, 2))
        assert (sift.clusters(points, 1e-5) == chains(points, 1e-5)).all()


def test_partners_are_the_nearest_conjugates_and_real_points_their_own():
    points = np.array([[1 + 2j], [3.0], [1 - 2j], [4 + 1e-12j], [5 + 1j], [1 + 2j + 3e-9]])
    partner = sift.conjugate_partners(points, np.zeros(6, bool))
    assert partner.tolist() == [2, 1, 0, 3, -1, -1]
    exact = sift.symmetrised(points, partner)
    assert exact[2, 0] == exact[0, 0].conjugate()
    assert exact[3, 0].imag == 0


@pytest.mark.parametrize("known", known_systems.ISOLATED[:8], ids=lambda k: k.name)
def test_compiled_residuals_steps_and_conditions_are_those_of_numpy(known, monkeypatch):
    system = known.system
    points = np.random.default_rng(1).normal(size=(7, system.n_unknowns, 2)) @ [1, 1j]

    def measured() -> tuple[np.ndarray, ...]:
        moved, residual, condition = sift.refine(system, points, steps=1)
        return moved, residual, sift.relative_residual(system, points), condition, sift.conditions(system, points)

    assert sparse_newton.terms_of(system) is not None
    compiled = measured()
    monkeypatch.setattr(sift, "terms_of", lambda system: None)
    plain = measured()
    for ours, numpys in zip(compiled[:3], plain[:3], strict=True):
        np.testing.assert_allclose(ours, numpys, rtol=1e-7, atol=1e-12)
    for ours, numpys in zip(compiled[3:], plain[3:], strict=True):
        assert ((ours / numpys > 0.6) & (ours / numpys < 1 + 1e-7)).all()


def test_a_singular_jacobian_leaves_the_step_to_the_pseudo_inverse():
    system = PolynomialSystem.parse("2\nx^2 + y^2 - 2;\nx^2 - y^2;")
    points = np.array([[1.1, 0.0], [1.1, 0.9]], complex)
    residual = sift.refine(system, points, steps=4).residual
    assert residual[0] < sift.relative_residual(system, points)[0]
    assert residual[1] < 1e-12
    assert np.isinf(sift.conditions(system, points[:1])[0])
    assert np.isinf(sift.relative_residual(system, np.array([[1e200, 1.0]], complex))[0])
