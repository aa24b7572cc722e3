import numpy as np
import pytest

import theory as th
from tests import known_systems
from theory.continuation.follow import follow
from theory.continuation.homotopy import reduce
from theory.continuation.start import TooManyPathsError, multihomogeneous, total_degree
from theory.continuation.tape import evaluate


def critical_system(widths, bias, seed=0):
    rng = np.random.default_rng(seed)
    network = th.PolynomialNetwork(widths, th.monomial(2), bias=bias)
    return network.critical_system(rng.normal(size=(4, widths[0])), rng.normal(size=4), regularization=0.1)


def starts_of(homotopy):
    values, _ = evaluate(homotopy.tape, homotopy.starts, homotopy.parameters[0])
    return np.abs(values).max(), homotopy.starts


@pytest.mark.parametrize("name", ["noon-3", "cyclic-5", "griewank-osborne"])
def test_total_degree_start_points_solve_the_start_system(name):
    known = known_systems.EVERY[name]
    residual, points = starts_of(total_degree(reduce(known.system), 0, 10**6))
    assert residual < 1e-12
    assert len(np.unique(points.round(9), axis=0)) == known.total_degree


@pytest.mark.parametrize(
    ("widths", "bias", "groups", "count"),
    [((1, 1, 1), (True, False), [[0, 1], [2]], 57), ((1, 2, 1), False, [[0, 1], [2, 3]], 169)],
)
def test_multihomogeneous_start_points_solve_the_start_system(widths, bias, groups, count):
    homotopy = multihomogeneous(reduce(critical_system(widths, bias)), groups, 0, 10**6)
    residual, points = starts_of(homotopy)
    assert residual < 1e-9 * np.abs(points).max() ** 5
    assert len(np.unique(points.round(9), axis=0)) == count


@pytest.mark.parametrize(
    ("widths", "bias"), [((1, 1, 1), (True, False)), ((1, 2, 1), False), ((2, 1, 1), (True, False))]
)
def test_fewer_multihomogeneous_paths_find_the_same_critical_points(widths, bias):
    system = critical_system(widths, bias)
    few, many = th.solve(system, start="multihomogeneous"), th.solve(system, start="total-degree")
    assert few.paths.tracked < many.paths.tracked / 2
    assert len(few) == len(many)
    near = np.abs(few.solutions[:, None] - many.solutions[None]).max(axis=2).min(axis=1)
    assert near.max() < 1e-9


def test_an_eigenvalue_problem_needs_a_path_for_each_eigenvector():
    """A x = e x with x normalised by an affine equation: 2^3 paths by total degree, 3 in the groups x and e."""
    text = "4\n2*x + y - e*x;\nx + 3*y + z - e*y;\ny - z - e*z;\nx + 2*y - 3*z - 1;"
    reduced = reduce(th.PolynomialSystem.parse(text))
    names = [reduced.system.names[k] for k in reduced.reduction.free]
    groups = [[k for k, name in enumerate(names) if (name == "e") == value] for value in (False, True)]
    found = follow(lambda seed: multihomogeneous(reduced, groups, seed, 1000), 0)
    assert found.paths.tracked == found.paths.finite == 3
    eigenvalues = np.linalg.eigvalsh([[2, 1, 0], [1, 3, 1], [0, 1, -1]])
    assert np.allclose(np.sort(found.real[:, reduced.system.names.index("e")]), eigenvalues, rtol=1e-12)


def test_auto_says_which_start_it_took():
    assert th.solve(critical_system((1, 2, 1), False)).start == (
        "polyhedral: 81 paths, the stable mixed volume instead of 625 by total degree"
    )
    assert th.solve(known_systems.EVERY["noon-3"].system).start == "total degree: 27 paths"


@pytest.mark.parametrize("seed", range(4))
def test_auto_avoids_the_paths_to_infinity_on_which_total_degree_loses_its_way(seed):
    found = th.solve(known_systems.EVERY["eco-6"].system, seed=seed)
    assert found.start == "polyhedral: 16 paths, the mixed volume instead of 162 by total degree"
    assert (len(found), found.paths.failed) == (16, 0)


def test_a_multihomogeneous_start_keeps_to_its_terms():
    system = critical_system((1, 2, 1), False)
    with pytest.raises(TooManyPathsError, match="169 paths"):
        th.solve(system, start="multihomogeneous", max_paths=100)
    with pytest.raises(ValueError, match="as many independent equations as unknowns"):
        th.solve(th.PolynomialSystem.parse("3\nx^2 - 1; y^2 - 1; x*y - 1;"), start="multihomogeneous")


def test_a_multihomogeneous_start_eliminates_affine_equations():
    """A x = e x with x normalised, 3 unknowns of x and e: 3 paths in the groups x and e, 8 by total degree."""
    text = "4\n2*x + y - e*x; x + 3*y + z - e*y; y - z - e*z; x + 2*y - 3*z - 1;"
    found = th.solve(th.PolynomialSystem.parse(text), start="multihomogeneous")
    matrix = np.array([[2, 1, 0], [1, 3, 1], [0, 1, -1]])
    assert found.paths.tracked == 3
    assert sorted(found.solutions[:, 2].real) == pytest.approx(np.linalg.eigvalsh(matrix), abs=1e-10)
    katsura = th.solve(known_systems.EVERY["katsura-3"].system, start="multihomogeneous")
    assert len(katsura) == katsura.paths.tracked == 8
