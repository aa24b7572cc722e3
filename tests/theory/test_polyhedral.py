import numpy as np
import pytest

import theory as th
from tests import known_systems
from tests.theory.test_solve import adds_up, network_system, same_points
from theory.continuation.choice import choose
from theory.continuation.homotopy import reduce
from theory.continuation.polyhedral import PolyhedralError, binomial_roots, polyhedra, polyhedral
from theory.continuation.start import TooManyPathsError
from theory.polynomials import Polynomial, gaussian
from theory.polytopes import stable_mixed_volume
from theory.systems import PolynomialSystem

parse = th.PolynomialSystem.parse
SPARSE = ["cyclic-5", "cyclic-6", "eco-5", "eco-6", "eco-7", "eco-8", "noon-3", "noon-4", "katsura-5", "katsura-6"]


def sparse_system(seed, n=3, terms=4, degree=3, constants=False):
    """Random monomials with random real coefficients; constant terms in all equations or, mostly, in none."""
    rng = np.random.default_rng(seed)
    equations = []
    for _ in range(n):
        exponents = {tuple(row) for row in rng.integers(0, degree, (terms, n)).tolist()}
        exponents = exponents | {(0,) * n} if constants else exponents - {(0,) * n}
        equations.append(Polynomial({e: gaussian(rng.normal()) for e in sorted(exponents)}, n))
    return PolynomialSystem.from_polynomials(equations, known_systems.names(n))


def critical(inputs, hidden, bias, n=4):
    rng = np.random.default_rng(0)
    network = th.PolynomialNetwork((inputs, hidden, 1), th.monomial(2), bias=bias)
    return network.critical_system(rng.normal(size=(n, inputs)), rng.normal(size=n), regularization=0.1)


@pytest.mark.parametrize("name", SPARSE)
def test_mixed_cells_lead_to_the_solutions_that_total_degree_finds(name):
    """And as many paths are tracked as the stable mixed volume, computed by other means, says."""
    known = known_systems.EVERY[name]
    expected = th.solve(known.system, start="total-degree").solutions
    volume = stable_mixed_volume([p.exponents for p in known.system.polynomials])
    for seed in range(3):
        found = th.solve(known.system, start="polyhedral", seed=seed)
        assert same_points(found.solutions, expected, 1e-9)
        assert len(found) == known.roots
        assert found.paths.tracked == volume
        assert adds_up(found)


@pytest.mark.parametrize("seed", range(3))
def test_cyclic_7_takes_one_path_for_each_of_its_924_solutions(seed):
    found = th.solve(known_systems.EVERY["cyclic-7"].system, start="polyhedral", seed=seed)
    assert (len(found), len(found.real)) == (924, 56)
    assert (found.paths.tracked, found.paths.finite) == (924, 924)


@pytest.mark.parametrize("seed", range(12))
def test_random_sparse_systems_have_the_solutions_that_total_degree_finds(seed):
    """And as many as Bernstein says, where all have constant terms; total degree may take large ones for infinite."""
    system = sparse_system(seed, constants=seed % 2 == 0)
    found, others = (th.solve(system, start=s, seed=seed) for s in ("polyhedral", "total-degree"))
    for point in others.solutions[~others.singular]:
        assert np.abs(found.solutions - point).max(axis=1).min() < 1e-8 * (1 + np.abs(point).max())
    if seed % 2 == 0:
        assert len(found) == stable_mixed_volume([p.exponents for p in system.polynomials])
    assert found.paths.failed == 0
    assert adds_up(found)


def test_a_large_solution_among_many_paths_to_infinity_is_found_and_proved():
    """31 solutions, Bernstein's number; one is of size 8e6, and 149 of 180 total-degree paths go to infinity."""
    found = th.solve(sparse_system(18, constants=True), start="auto", certify=True)
    assert len(found) == found.certified.sum() == 31
    assert np.abs(found.solutions).max() > 8e6


@pytest.mark.parametrize("seed", range(30))
def test_strata_of_regular_zeros_add_up_to_the_stable_mixed_volume(seed):
    system = sparse_system(seed, n=3 + seed % 2, terms=3)
    found = polyhedra(reduce(system))
    volume = stable_mixed_volume([p.exponents for p in system.polynomials])
    regular = "added" not in found.bound
    assert found.count <= volume if regular else found.count >= volume


def test_lines_of_zeros_in_a_coordinate_plane_take_no_path():
    """x y = x, y z = y, z x = z by hand: (1, 1, 1), the origin, and no other; the stable mixed volume is 2."""
    found = th.solve(parse("3\nx*y - x;\ny*z - y;\nz*x - z;"), start="polyhedral")
    assert sorted(found.real.round(12).tolist()) == [[0, 0, 0], [1, 1, 1]]
    assert found.paths.tracked == 2


@pytest.mark.parametrize(
    ("system", "count", "paths"),
    [
        (parse("1\nx^2 - x;"), 2, 2),
        (parse("2\nx*y - x;\nx*y - y;"), 2, 2),
        (parse("2\nx - 2;\nx*y^2 - y;"), 2, 2),
        (critical(1, 1, (True, False)), 33, 33),
        (critical(2, 1, False), 33, 33),
        (critical(1, 2, False), 33, 81),
        (parse("2\nx*y - 1;\nx*y - 2;"), 0, 0),
        (parse("2\nx*y - 1;\nx^2;"), 0, 0),
    ],
    ids=["x(x-1)", "two-corners", "affine", "crit_d1h1", "crit_d2h1", "crit_d1h2", "parallel-segments", "a-point"],
)
def test_zeros_with_zero_coordinates_are_found_and_mixed_volume_0_needs_no_path(system, count, paths):
    """Counts by hand, and those of the critical points by `phc -b`, as in test_solve; paths: stable mixed volumes."""
    for seed in range(3):
        found = th.solve(system, start="polyhedral", seed=seed)
        assert len(found) == count
        assert found.paths.tracked == paths == stable_mixed_volume([p.exponents for p in system.polynomials])
        assert adds_up(found)


def test_coordinates_that_are_zero_are_so_exactly():
    found = th.solve(critical(1, 1, (True, False)), start="polyhedral")
    assert (found.solutions == 0).all(axis=1).sum() == 1


@pytest.mark.parametrize("known", known_systems.SINGULAR, ids=lambda k: k.name)
def test_multiplicities_of_singular_zeros_are_right(known):
    for seed in range(5):
        found = th.solve(known.system, start="polyhedral", seed=seed)
        assert found.multiplicity.sum() == known.roots
        assert len(found) == known.distinct
        for point, multiplicity in known.singular.items():
            (row,) = np.flatnonzero(np.abs(found.solutions - np.array(point)).max(axis=1) < 1e-6)
            assert found.multiplicity[row] == multiplicity


def test_points_on_a_line_of_zeros_are_no_isolated_solutions_even_on_a_coordinate_axis():
    found = th.solve(parse("2\nx*y - y;\nx^2 - x;"), start="polyhedral")  # the line x = 1 and the origin
    assert found.real.tolist() == [[0, 0]]
    assert found.paths.not_isolated == 1


@pytest.mark.parametrize("n", [1, 2, 4])
def test_binomial_systems_have_as_many_roots_as_their_determinant(n):
    rng = np.random.default_rng(n)
    edges = rng.integers(-3, 4, (200, n, n))
    edges = edges[np.abs(np.linalg.det(edges)) > 0.5]
    volumes = np.abs(np.linalg.det(edges)).round().astype(int)
    ratios = np.exp(2j * np.pi * rng.random(edges.shape[:2]))
    roots = np.split(binomial_roots(edges, ratios, volumes), np.cumsum(volumes)[:-1])
    for matrix, ratio, of_cell in zip(edges, ratios, roots, strict=True):
        assert np.allclose(np.prod(of_cell[:, None, :] ** matrix, axis=2), ratio, rtol=1e-10)
        assert len(np.unique(of_cell.round(8), axis=0)) == len(of_cell)


def test_the_generic_system_is_solved_completely_whatever_the_lifting():
    reduced = reduce(known_systems.EVERY["cyclic-5"].system)
    for seed in range(10):
        homotopy = polyhedral(polyhedra(reduced, seed), seed, 1000)
        points = homotopy.affine(homotopy.starts)
        assert len(np.unique(points.round(8), axis=0)) == 70


def test_more_equations_than_unknowns_are_squared_up_and_excess_points_dropped():
    found = th.solve(parse("3 2\nx^2 - 1;\ny^2 - 1;\nx*y - 1;"), start="polyhedral")
    assert found.start.startswith("polyhedral: 4 paths")
    assert sorted(found.solutions.real.round(9).tolist()) == [[-1, -1], [1, 1]]
    assert found.paths.excess == 2


def test_what_the_polyhedral_start_cannot_do_is_said():
    with pytest.raises(PolyhedralError, match="max_work"):
        polyhedra(reduce(known_systems.EVERY["cyclic-6"].system), max_work=100.0)
    with pytest.raises(PolyhedralError, match="multiplies a network's equations out"):
        th.solve(critical(3, 3, (True, False), n=20), start="polyhedral")
    with pytest.raises(TooManyPathsError, match="polyhedral start needs 70 paths"):
        th.solve(known_systems.EVERY["cyclic-5"].system, start="polyhedral", max_paths=69)


@pytest.mark.parametrize(
    ("system", "chosen"),
    [
        (known_systems.EVERY["eco-8"].system, "polyhedral: 64 paths, the mixed volume instead of 1458 by total degree"),
        (known_systems.EVERY["cyclic-5"].system, "polyhedral: 70 paths, the mixed volume instead of 120"),
        (known_systems.EVERY["cyclic-6"].system, "polyhedral: 156 paths, the mixed volume instead of 720"),
        (critical(1, 2, False), "polyhedral: 81 paths, the stable mixed volume instead of 625"),
        (known_systems.EVERY["katsura-8"].system, "total degree: 256 paths"),
        (known_systems.EVERY["noon-5"].system, "total degree: 243 paths"),
        (network_system((2, 3, 1), 6, 2), "total degree: 729 paths"),
    ],
    ids=["eco-8", "cyclic-5", "cyclic-6", "crit_d1h2", "katsura-8", "noon-5", "sliced-network"],
)
def test_auto_takes_the_cheapest_start_and_says_why(system, chosen):
    assert choose(reduce(system), "auto", 0, 200_000)(0).origin.startswith(chosen)


def test_of_118098_total_degree_paths_to_eco_12_auto_needs_1024():
    """eco-12: 2^10 solutions, 2 * 3^10 = 118,098 total-degree paths."""
    system = PolynomialSystem.from_polynomials(known_systems.eco(12), known_systems.names(12))
    found = th.solve(system)
    assert len(found) == found.paths.tracked == 1024
    assert found.start == "polyhedral: 1024 paths, the mixed volume instead of 118098 by total degree"
