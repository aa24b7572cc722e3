"""Zeros closer together than rounded coefficients can tell: told apart, or said to be a cluster; multiple ones stay."""

import numpy as np
import pytest

import theory as th


def solved(text, seed=0):
    return th.solve(th.PolynomialSystem.parse(text), seed=seed)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("exponent", [18, 21])
def test_a_cluster_of_three_that_doubles_take_for_a_triple_zero_is_told_apart(exponent, seed):
    """x = 1 + 10^-(exponent / 3) times the cube roots of unity: the constant term 1 + 10^-exponent is 1 in doubles."""
    found = solved(f"2\n(x-1)^3-1e-{exponent};y-x^2;", seed)
    roots = 1 + 10.0 ** (-exponent / 3) * np.exp(2j * np.pi * np.arange(3) / 3)
    order = np.argsort(found.solutions[:, 0].imag)
    np.testing.assert_allclose(found.solutions[order, 0], roots[np.argsort(roots.imag)], rtol=0, atol=1e-15)
    assert found.multiplicity.tolist() == [1, 1, 1]
    assert not found.singular.any()
    assert len(found.real) == 1
    assert found.paths.finite == 3


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("2\n(x-1)*(x-1-1e-9);x*y-x+y-2;", [1, 1 + 1e-9]),
        ("2\n(x-1)^3-1e-27;y-x^2;", 1 + 1e-9 * np.exp(2j * np.pi * np.arange(3) / 3)),
    ],
)
def test_zeros_that_coefficients_in_doubles_make_one_are_told_apart_where_they_are_different_doubles(text, x):
    found = solved(text)
    assert found.paths.finite == len(found) == len(x)
    np.testing.assert_allclose(np.sort_complex(found.solutions[:, 0]), np.sort_complex(x), rtol=0, atol=1e-15)


def test_zeros_too_close_for_doubles_are_said_to_be_a_cluster():
    found = solved("2\n(x-1)*(x-1-1e-17);x*y-x+y-2;")
    assert len(found) == 1
    assert any("cluster of regular zeros" in note for note in found.notes)


@pytest.mark.parametrize(
    ("text", "multiplicity"),
    [
        ("2\n29/16*x^3-2*x*y;x^2-y;", [3]),
        ("2\nx^2+y-3;x+y^2/8-3/2;", [1, 3]),
        ("2\n(x-1)^2*(x-1-1e-4);y-x;", [1, 2]),
        ("3\nx^3-y*z;y^3-x*z;z^3-x*y;", [1] * 16 + [11]),
    ],
)
def test_zeros_of_true_multiplicity_stay_what_they_are(text, multiplicity):
    found = solved(text)
    assert sorted(found.multiplicity.tolist()) == multiplicity
    assert not any("cluster" in note for note in found.notes)


@pytest.mark.parametrize("seed", range(3))
def test_points_on_a_curve_that_the_equations_share_are_not_isolated(seed):
    """The circle, and (3, 2); x = 3 meets the circle in (3, +-sqrt(-8)), which are zeros of (x-3, circle * (y-2))."""
    found = solved("2\n(x^2+y^2-1)*(x-3)^2;(x^2+y^2-1)*(y-2);", seed)
    np.testing.assert_allclose(found.solutions, [[3, 2]], atol=1e-12)
    assert found.multiplicity.tolist() == [2]
    assert found.paths.not_isolated == 10
    assert any("zero_set" in note for note in found.notes)


@pytest.mark.parametrize("start", ["auto", "polyhedral"])
@pytest.mark.parametrize("text", ["2\n(x-1)^2-1e-3*(y-1);(y-1)^2;", "2\n(x-1)^2-3e-3*(y-1);(y-1)^2;"])
def test_a_flat_multiple_zero_is_not_taken_for_a_curve(text, start):
    """(1, 1), of multiplicity 4: paths end so far from it that its dual space seems to grow without end."""
    found = th.solve(th.PolynomialSystem.parse(text), start=start)
    np.testing.assert_allclose(found.solutions, [[1, 1]], atol=1e-12)
    assert found.multiplicity.tolist() == [4]


@pytest.mark.parametrize("text", ["2\n(x-2)^2-1e-3*(y+1);(x-2)*(y+1);", "2\n(x-1)^2-1e-4*(y-2);(x-1)*(y-2);"])
def test_singular_zeros_of_real_systems_are_real_or_come_in_pairs_or_are_undecided(text):
    """One real zero of multiplicity 3, which the endgame misses by 1e-4."""
    found = solved(text)
    assert found.multiplicity.sum() + found.paths.failed == 3
    assert found.is_real.all()


@pytest.mark.parametrize("text", ["1\nx^2-1e3000;", "2\nx^2-1e700;y^2-x;"])
def test_zeros_that_no_double_can_hold_are_refused_in_one_line(text):
    with pytest.raises(ValueError, match="which no double can hold"):
        solved(text)


@pytest.mark.parametrize("seed", range(3))
def test_a_flat_zero_of_multiplicity_four_is_no_curve(seed):
    """3e-2 (y + 1) = (x - 2)^3 in (x - 2)(y + 1) = 0 gives (x - 2)^4 = 0: one zero, and no other."""
    found = solved("2\n(x-2)^3-3e-2*(y+1);(x-2)*(y+1);", seed)
    assert found.multiplicity.tolist() == [4]
    np.testing.assert_allclose(found.solutions, [[2, -1]], atol=1e-2)
    assert found.paths.failed == found.paths.not_isolated == 0


@pytest.mark.parametrize("start", ["total-degree", "polyhedral"])
def test_paths_to_a_flat_zero_are_undecided_where_a_start_does_not_settle_them(start):
    found = th.solve(th.PolynomialSystem.parse("2\n(x-2)^3-3e-2*(y+1);(x-2)*(y+1);"), start=start)
    assert found.multiplicity.sum() + found.paths.failed == 4
    assert found.paths.not_isolated == 0


@pytest.mark.parametrize("seed", range(3))
def test_six_zeros_in_two_clusters_are_told_apart_by_an_exact_count(seed):
    found = solved("2\n(x-1)*(x-1-1e-6)*(x-1+1e-6)*(x+1);y^2-x-3;", seed)
    assert found.paths.finite == len(found) == 8
    np.testing.assert_allclose(np.sort(found.real[:, 0]), np.repeat([-1, 1 - 1e-6, 1, 1 + 1e-6], 2), rtol=0, atol=1e-15)


@pytest.mark.parametrize("start", ["auto", "total-degree", "polyhedral", "multihomogeneous"])
@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("2\n(x-0.999993)*(x-1)*(x-1.000007)*(x+2);y*(y-1);", [0.999993, 1, 1.000007, -2]),
        ("2\n(x+1)*(x+1-1e-7)*(x+1-2e-7)*(x-2);(y-2*x)*(y+2-x)*(y+2-2*x);", [-1, -1 + 1e-7, -1 + 2e-7, 2]),
    ],
)
def test_a_list_that_is_said_to_be_whole_has_each_zero_once(text, x, start):
    """Zeros with coordinates that are 0 among them, whose copies differ in all digits of these."""
    found = th.solve(th.PolynomialSystem.parse(text), start=start)
    per_x = len(found) // len(x)
    np.testing.assert_allclose(np.sort(found.real[:, 0]), np.repeat(np.sort(x), per_x), rtol=0, atol=1e-12)
    assert th.certify(th.PolynomialSystem.parse(text), found.solutions).n_distinct == len(found) == found.paths.finite
    assert any(f"all {len(found)} zeros are found" in note for note in found.notes)


def test_notes_on_parts_of_a_set_do_not_stay_beside_those_on_the_whole():
    """Two square-free parts, of 6 and 4 zeros; the second counts twice."""
    found = solved("2\n(x-2)*(x-2000001/1000000)*(x-1000001/500000)*(x-4)^2;\n(y-1+2*x)*(y+2);")
    assert found.multiplicity.sum() + found.paths.failed == 10
    assert sum("exact count" in note for note in found.notes) <= 1


@pytest.mark.parametrize(
    ("text", "multiplicity"),
    [
        ("1\n(x-1e80)^2*(x-1e-80)^2*(x^2+1);", [1, 1, 2, 2]),
        ("1\n(x-1e100)^3*(x-1e-100)^2*(x^2+1);", [1, 1, 2, 3]),
    ],
)
def test_multiple_zeros_where_doubles_overflow_are_found(text, multiplicity):
    assert sorted(solved(text).multiplicity) == multiplicity
