import json
from types import SimpleNamespace

import numpy as np
import pytest
import sympy

import theory as th
from tests import known_systems
from theory.continuation import follow, phcpy_backend, sift
from theory.continuation.homotopy import equilibrate
from theory.continuation.solve import TooManyPathsError, UnderdeterminedError
from theory.polynomials import Polynomial

parse = th.PolynomialSystem.parse
QUICK = [k for k in known_systems.ISOLATED if k.total_degree <= 1500]
WITH_PHCPY = pytest.mark.skipif(phcpy_backend.interpreter() is None, reason="phcpy is not installed")


def network_system(widths, n, power, seed=1, bias=(True, False)):
    rng = np.random.default_rng(seed)
    network = th.PolynomialNetwork(widths, th.monomial(power), bias=bias)
    return network.interpolation_system(rng.normal(size=(n, widths[0])), rng.normal(size=n)).slice(seed)


def adds_up(found):
    p = found.paths
    assert p.tracked == p.finite + p.at_infinity + p.singular + p.failed
    assert found.multiplicity.sum() == p.finite + p.singular - p.excess - p.not_isolated
    return True


def same_points(a, b, tolerance):
    """Each row of a is near exactly one row of b, and the other way round."""
    near = np.abs(a[:, None, :] - b[None, :, :]).max(axis=2) < tolerance * (1 + np.abs(a).max(axis=1))[:, None]
    return len(a) == len(b) and (near.sum(axis=0) == 1).all() and (near.sum(axis=1) == 1).all()


@pytest.mark.parametrize("known", QUICK, ids=lambda k: k.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_known_systems_have_the_known_numbers_of_solutions(known, seed):
    found = th.solve(known.system, seed=seed)
    assert found.multiplicity.sum() == known.roots
    assert len(found) == known.distinct
    assert len(found.real) == known.real
    assert found.residual.max() < 1e-12
    assert adds_up(found)


def test_cyclic_7_has_924_solutions_and_few_paths_stay_undecided():
    found = th.solve(known_systems.EVERY["cyclic-7"].system)
    assert (len(found), len(found.real)) == (924, 56)
    assert found.paths.failed <= 0.01 * found.paths.tracked


@pytest.mark.parametrize("known", known_systems.SINGULAR, ids=lambda k: k.name)
def test_singular_solutions_have_the_right_multiplicity_for_20_seeds(known):
    for seed in range(20):
        found = th.solve(known.system, seed=seed)
        for point, multiplicity in known.singular.items():
            (row,) = np.flatnonzero(np.abs(found.solutions - np.array(point)).max(axis=1) < 1e-6)
            assert found.singular[row]
            assert found.multiplicity[row] == multiplicity
        assert found.singular.sum() == len(known.singular)


@pytest.mark.parametrize(
    ("text", "roots"),
    [
        ("(x-1)^8", {1: 8}),
        ("(x-3)^8", {3: 8}),
        ("(x-1)^5", {1: 5}),
        ("(x-1)^4*(x-2)", {1: 4, 2: 1}),
        ("(x-1)^7*(x+1)^5", {1: 7, -1: 5}),
    ],
)
def test_roots_of_high_multiplicity_are_counted_right_for_20_seeds(text, roots):
    for seed in range(20):
        found = th.solve(parse(f"1\n{text};"), seed=seed)
        assert dict(zip(found.real[:, 0].round(6).tolist(), found.multiplicity.tolist(), strict=True)) == roots


@pytest.mark.parametrize("seed", range(4))
def test_what_rounding_hides_is_called_undecided(seed):
    """Rounding of the coefficients moves these roots by 1e-2, the circle on which their paths change places."""
    found = th.solve(parse("1\n(x-1)^7*(x-2)^3;"), seed=seed)
    known = {1.0: 7, 2.0: 3}
    assert all(known[round(x.real, 4)] == m for x, m in zip(found.solutions[:, 0], found.multiplicity, strict=True))
    assert found.paths.failed == 10 - found.multiplicity.sum()
    assert found.paths.not_isolated == 0


def test_near_a_multiple_root_no_point_is_regular():
    points = 1 + np.array([[0.2], [0.04j], [1e-4], [0]])
    assert not sift.regular_limits(parse("1\n(x-1)^8;"), points.astype(complex))[1].any()
    points = 1 + np.array([[1e-3], [1e-8], [0]])
    assert not sift.regular_limits(parse("1\n(x-1)^2;"), points.astype(complex))[1].any()
    assert sift.regular_limits(parse("1\n(x-1)*(x-1.0001);"), np.array([[1.0], [1.0001]], complex))[1].all()


@pytest.mark.parametrize(
    ("widths", "n", "power", "count"),
    [
        ((1, 2, 1), 3, 2, 12),
        ((2, 2, 1), 4, 2, 45),
        ((2, 2, 1), 5, 2, 36),
        ((2, 3, 1), 5, 2, 171),
        ((2, 3, 1), 6, 2, 90),
        ((1, 2, 1), 4, 3, 32),
        ((1, 3, 1), 4, 3, 120),
    ],
)
def test_sliced_networks_have_the_counts_that_phc_confirms(widths, n, power, count):
    """Counts: total-degree runs of two programs, `phc -b` of PHCpack 2.4.86 among them."""
    found = th.solve(network_system(widths, n, power))
    assert len(found) == count
    assert found.paths.tracked == (power + 1) ** n  # the slices are eliminated, the network is never expanded
    assert adds_up(found)


@pytest.mark.parametrize(("inputs", "hidden", "bias"), [(1, 1, (True, False)), (1, 2, False), (2, 1, False)])
def test_regularised_critical_systems_have_33_solutions(inputs, hidden, bias):
    rng = np.random.default_rng(0)
    network = th.PolynomialNetwork((inputs, hidden, 1), th.monomial(2), bias=bias)
    system = network.critical_system(rng.normal(size=(4, inputs)), rng.normal(size=4), regularization=0.1)
    assert len(th.solve(system)) == 33  # generic weight decay gives 33 (`phc -b`); these equal weights do as well


@WITH_PHCPY
@pytest.mark.parametrize("name", ["cyclic-5", "cyclic-6", "katsura-6", "noon-4", "eco-6", "clebsch-27-lines"])
def test_solutions_equal_those_of_phcpy_point_by_point(name):
    system = known_systems.EVERY[name].system
    ours, theirs = th.solve(system), th.solve(system, backend="phcpy")
    assert same_points(ours.solutions, theirs.solutions, 1e-9)
    assert theirs.backend == "phcpy"


@WITH_PHCPY
def test_the_seed_fixes_what_phcpy_answers():
    system = known_systems.EVERY["cyclic-5"].system
    first, second, other = (th.solve(system, backend="phcpy", seed=seed) for seed in (3, 3, 4))
    assert first.solutions.tobytes() == second.solutions.tobytes() != other.solutions.tobytes()


def test_an_empty_answer_of_phcpy_is_asked_for_once_more(monkeypatch):
    roots = [{"point": [[x, 0.0]], "multiplicity": 1} for x in (-1.0, 1.0)]
    answers, seeds = [[], roots, [], []], []

    def ask(request, timeout):
        seeds.append(request["seed"])
        return answers.pop(0)

    monkeypatch.setattr(phcpy_backend, "_ask", ask)
    found = th.solve(parse("1\nx^2 - 1;"), backend="phcpy")
    assert len(found) == 2
    assert seeds == [1, 2]
    assert any("asked again: 2 points the second time" in note for note in found.notes)
    empty = th.solve(parse("1\nx^2 - 1;"), backend="phcpy")
    assert len(empty) == 0
    assert any("nothing the second time as well" in note for note in empty.notes)


@WITH_PHCPY
@pytest.mark.parametrize("known", known_systems.SINGULAR, ids=lambda k: k.name)
def test_phcpy_agrees_on_multiplicities(known):
    theirs = th.solve(known.system, backend="phcpy")
    assert theirs.multiplicity.sum() == known.roots
    assert len(theirs) == known.distinct


@WITH_PHCPY
def test_a_sliced_network_has_the_solutions_that_phcpy_finds():
    system = network_system((2, 2, 1), 4, 2)
    assert same_points(th.solve(system).solutions, th.solve(system, backend="phcpy").solutions, 1e-7)


@WITH_PHCPY
def test_phcpy_gets_coefficients_of_any_size_right():
    """PHCpack 2.4.86 reads 62254913544324174444*x - ... wrongly by a power of ten."""
    found = th.solve(parse("1\n62254913544324174444*x^2 - 9007199254740992;"), backend="phcpy")
    assert found.real.max() == pytest.approx((9007199254740992 / 62254913544324174444) ** 0.5, rel=1e-12)


def test_without_phcpy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(phcpy_backend, "interpreter", lambda: None)
    with pytest.raises(phcpy_backend.BackendError, match="python3-phcpy"):
        th.solve(parse("1\nx^2 - 1;"), backend="phcpy")


def test_the_same_seed_gives_the_same_bits_and_another_one_the_same_points():
    system = known_systems.EVERY["cyclic-5"].system
    first, second, other = (th.solve(system, seed=s).solutions for s in (3, 3, 4))
    assert (first == second).all()
    assert same_points(first, other, 1e-12)


def test_solutions_of_real_systems_come_in_exact_conjugate_pairs():
    found = th.solve(known_systems.EVERY["cyclic-5"].system)
    rows = {tuple(row) for row in found.solutions.tolist()}
    assert {tuple(z.conjugate() for z in row) for row in rows} == rows
    assert (found.solutions[found.is_real].imag == 0).all()


def test_a_complex_system_may_have_real_solutions():
    found = th.solve(parse("2\nx^2 - 1 + i*(y - x);\ny - x;"))
    assert sorted(found.real.ravel().round(12)) == [-1, -1, 1, 1]


def test_underdetermined_systems_are_refused_with_both_ways_out():
    with pytest.raises(UnderdeterminedError, match=r"slice.*zero_set"):
        th.solve(parse("1 2\nx*y - 1;"))
    with pytest.raises(UnderdeterminedError, match=r"slice.*zero_set"):
        th.solve(parse("2\nx + y - 1;\n2*x + 2*y - 2;"))


@pytest.mark.parametrize("text", ["2\nx^2-y^2;\nx-y;", "2\nx-y;\nx^4-2*x^2*y^2+y^4;", "2\nx-y;\n3*x-3*y;"])
def test_equations_that_follow_from_affine_ones_do_not_count(text):
    with pytest.raises(UnderdeterminedError, match="got 1 in 2"):
        th.solve(parse(text))


def test_superfluous_equations_change_no_multiplicity():
    found = th.solve(parse("4 3\nx-y; x^2-y^2; z^2-x; x+z-2;"))
    assert sorted(found.real.round(9).tolist()) == [[1, 1, 1], [4, 4, -2]]
    assert not found.notes


def test_excess_points_of_overdetermined_systems_are_dropped():
    found = th.solve(parse("3 2\nx^2 - 1;\ny^2 - 1;\nx*y - 1;"))
    assert sorted(map(tuple, found.real.tolist())) == [(-1, -1), (1, 1)]
    assert found.paths.excess == 2
    assert adds_up(found)


def test_multiplicities_of_overdetermined_systems_are_called_bounds():
    found = th.solve(parse("3 2\nx^2;\ny^2;\nx*y;"))  # the true multiplicity is 3: 1, x, y
    assert found.multiplicity.tolist() == [4]
    assert "upper bounds" in found.notes[0]


@pytest.mark.parametrize(
    "text",
    ["3 2\nx^2 - 1;\ny^2 - 1;\nx*y - 2;", "2\nx + y - 1;\nx + y - 2;", "2\nx*y - 1;\nx;", "2\nx*y - 1;\nx^2;"],
)
def test_inconsistent_systems_have_no_solution(text):
    found = th.solve(parse(text))
    assert len(found) == 0
    assert found.real.shape == (0, 2)
    assert adds_up(found)


def test_affine_systems_need_no_paths():
    found = th.solve(parse("2\nx + y - 1;\nx - y - 2;"))
    assert np.allclose(found.real, [[1.5, -0.5]], rtol=1e-15)
    assert found.paths.tracked == 0


def test_points_on_curves_are_not_taken_for_isolated_solutions():
    found = th.solve(parse("2\nx*y - y;\nx^2 - x;"))  # the line x = 1 and the origin
    assert found.real.tolist() == [[0, 0]]
    assert found.paths.not_isolated == 3
    assert "zero_set" in found.notes[0]
    assert adds_up(found)


@pytest.mark.parametrize("exponent", [20, 200])
def test_huge_coefficients_are_scaled(exponent):
    found = th.solve(parse(f"1\nx^2 - 1{'0' * (2 * exponent)};"))
    assert sorted(found.real.ravel()) == pytest.approx([-(10.0**exponent), 10.0**exponent], rel=1e-14)


def test_scaling_is_by_powers_of_two_and_exact():
    system = parse("2\n1000000*x^2*y - 3;\nx + 0.0001*y^3 - 1;")
    scaled, scales = equilibrate(system.polynomials, 2)
    assert (np.log2(scales) % 1 == 0).all()
    x = np.array([0.3, 0.7])
    for p, q in zip(system.polynomials, scaled, strict=True):
        ratio = p.evaluate(scales * x) / q.evaluate(x)
        assert np.log2(ratio.real) == pytest.approx(round(np.log2(ratio.real)), abs=1e-12)
    spread = [max(map(abs, p.terms.values())) / min(map(abs, p.terms.values())) for p in scaled]
    assert max(spread) < 2**10


@pytest.mark.parametrize(
    ("text", "count", "far"),
    [
        ("2\nx^2+y^2-5;y^900-x*y+3;", 1800, 0),
        ("2\nx^2-2;y^1000-x;", 2000, 0),
        ("1\nx^1000-3*x^999+x-7;", 1000, 1),  # its zero near 3, where the terms are too large for doubles
    ],
)
def test_degrees_up_to_a_thousand_are_solved(text, count, far):
    found = th.solve(th.PolynomialSystem.parse(text))
    assert found.paths.tracked == count
    assert len(found) == found.paths.finite == count - far
    assert found.paths.failed == far
    assert found.residual.max() < 1e-12


def test_high_degrees_are_no_singularities():
    found = th.solve(parse("1\nx^100 - 1;"))
    assert len(found) == 100
    assert not found.singular.any()


def test_too_many_paths_are_counted_before_the_start():
    system = parse("2\nx^500 - 1;\ny^500 - x;")
    with pytest.raises(TooManyPathsError, match="250000 paths"):
        th.solve(system)
    with pytest.raises(TooManyPathsError, match=r"4 paths.*max_paths = 3"):
        th.solve(parse("2\nx^2 - 1;\ny^2 - x;"), max_paths=3)


def test_wrong_arguments_are_named():
    system = parse("1\nx^2 - 1;")
    with pytest.raises(ValueError, match="start must be one of"):
        th.solve(system, start="best")
    with pytest.raises(ValueError, match="backend must be one of"):
        th.solve(system, backend="matlab")
    with pytest.raises(ValueError, match="seed"):
        th.solve(system, seed=-1)
    with pytest.raises(ValueError, match="max_paths"):
        th.solve(system, max_paths=0)
    with pytest.raises(TypeError, match="PolynomialSystem"):
        th.solve("x^2 - 1")


def test_a_set_survives_json_bit_for_bit():
    found = th.solve(known_systems.EVERY["ojika1"].system, seed=5)
    again = th.SolutionSet.from_json(found.to_json())
    assert (again.solutions == found.solutions).all()
    assert again.to_dict() == found.to_dict()
    assert json.loads(found.to_json())["paths"]["tracked"] == 4
    with pytest.raises(ValueError, match="no solution set"):
        th.SolutionSet.from_json("{}")


def test_a_frame_has_a_column_for_each_unknown():
    pytest.importorskip("pandas")
    frame = th.solve(known_systems.EVERY["noon-3"].system).to_frame()
    assert frame.shape[0] == 21
    assert list(frame.columns[:3]) == ["x0", "x1", "x2"]
    assert frame["real"].sum() == 7


def test_asked_for_proofs_every_regular_solution_is_certified():
    found = th.solve(known_systems.EVERY["katsura-3"].system, certify=True)
    assert found.certified.all()


def product_of_roots(n):
    x = Polynomial.variable(0, 1)
    polynomial = Polynomial.constant(1, 1)
    for k in range(1, n + 1):
        polynomial = polynomial * (x - k)
    return th.PolynomialSystem.from_polynomials([polynomial], ("x",))


def test_ill_conditioned_zeros_are_polished_with_the_exact_coefficients():
    """J. Wilkinson's example, with 14 roots: in double precision Newton's method leaves errors of 1e-6."""
    found = th.solve(product_of_roots(14))
    assert sorted(found.real.ravel()) == pytest.approx(range(1, 15), abs=1e-8)
    assert found.condition.max() > 1e8


def test_double_double_numbers_find_what_double_precision_takes_for_infinite():
    """With 20 roots the paths still go outwards where doubles lose them."""
    found = th.solve(product_of_roots(20))
    assert found.paths.finite == 20
    assert sorted(found.real.ravel()) == list(range(1, 21))


@pytest.mark.parametrize("n", [24, 40])
def test_what_no_precision_of_the_tracker_can_follow_is_undecided_but_never_wrong(n):
    found = th.solve(product_of_roots(n))
    assert found.paths.failed > 0
    assert found.paths.at_infinity == 0
    assert np.abs(found.real - found.real.round()).max() < 1e-9
    assert len(found) == len(found.real)
    assert adds_up(found)


def test_a_frame_keeps_unknowns_that_are_called_like_its_columns():
    names = ("residual", "condition", "real")
    system = th.PolynomialSystem.parse("3\nresidual^2 - 4;\ncondition - 3;\nreal - 5;\n")
    frame = th.solve(system).to_frame()
    assert sorted(frame["residual"].to_numpy().real) == pytest.approx([-2, 2])
    assert frame["condition"].to_numpy() == pytest.approx([3, 3])
    assert frame["solution_real"].tolist() == [True, True]
    assert frame["solution_residual"].max() < 1e-12
    assert list(frame.columns[:3]) == list(names)


def test_one_path_is_no_paths():
    found = SimpleNamespace(excess=1, not_isolated=3)
    assert follow._whereabouts(found, 1) == (
        "1 path went to infinity, 1 path ended at points that do not solve all equations, "
        "3 paths ended on a part of the zero set of positive dimension"
    )
    assert follow._undecided(1).startswith("1 path is undecided")
    assert follow._undecided(2).startswith("2 paths are undecided")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"progress": 5}, TypeError, "progress must be called"),
        ({"certify": "yes"}, TypeError, "certify must be True or False"),
        ({"checkpoint": "/no/such/folder/file.npz"}, ValueError, "cannot be written: No such file"),
        ({"backend": "phcpy", "start": "total-degree"}, ValueError, "start needs backend"),
        ({"backend": "phcpy", "max_paths": 3}, ValueError, "max_paths needs backend"),
    ],
)
def test_options_that_cannot_be_followed_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        th.solve(parse("1\nx^2 - 2;"), **options)


def test_degrees_too_high_for_any_path_are_refused():
    x = sympy.Symbol("x")
    with pytest.raises(ValueError, match="degree 1000 at most, got degree 1200"):
        th.solve(th.PolynomialSystem([x**1200 - 1], [x]))


@WITH_PHCPY
def test_points_of_phcpack_that_solve_nothing_are_failed_paths():
    found = th.solve(parse("2\nx + y - 1; x + y - 2;"), backend="phcpy")
    assert len(found) == 0
    assert found.paths.failed == found.paths.tracked


@WITH_PHCPY
def test_phcpack_has_as_many_paths_as_its_multiplicities_say():
    found = th.solve(parse("2\nx^2; x*y;"), backend="phcpy")
    assert found.paths.tracked - found.paths.failed == found.multiplicity.sum()


@pytest.mark.parametrize("name", ["multiplicity", "singular", "is_real", "residual", "condition"])
def test_a_solution_set_with_arrays_of_other_lengths_is_refused(name):
    data = th.solve(parse("1\nx^2 - 2;")).to_dict()
    data[name] = data[name][:1]
    with pytest.raises(ValueError, match=f"{name} has 1 entries for 2 solutions"):
        th.SolutionSet.from_json(json.dumps(data))


@pytest.mark.parametrize(
    ("text", "zero", "seeds"),
    [
        ("3 2\n(x-i)*(x+3);(y-2)*(y-3)*(y+i);(x-i)*(x+y)+(y-2)*(x-2*i);", (1j, 2), (250, 1508, 1824)),
        ("3 2\n(x-3)*(x+3);(y-2)*(y-3)*(y+1);(x-3)*(x-1)-2*(y-2);", (3, 2), (2047, 2466, 2643)),
    ],
)
def test_excess_points_near_a_zero_of_an_overdetermined_system_are_no_copies_of_it(text, zero, seeds):
    """With these seeds a zero of the random combinations lies within 1e-3 of it."""
    for seed in seeds:
        found = th.solve(th.PolynomialSystem.parse(text), seed=seed)
        np.testing.assert_allclose(found.solutions, [zero], atol=1e-12)


def test_a_checkpoint_that_is_no_file_name_is_refused():
    with pytest.raises(TypeError, match="checkpoint must be the name of a file, got 5"):
        th.solve(th.PolynomialSystem.parse("1\nx^2-2;"), checkpoint=5)
