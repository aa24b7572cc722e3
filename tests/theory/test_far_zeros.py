"""Zeros far out or close together, as coefficients of very different size make them, are never silently lost."""

import numpy as np
import pytest

import theory as th

STARTS = ("total-degree", "multihomogeneous", "polyhedral")
BEYOND_DOUBLES = "2\nx^2+1e-60*x*y-1;\ny^2-1e60*x-1;"  # |y| about 1e30
NEARLY_NINEFOLD = "2\ny-x^2;\n(y-x)^9+1e-30;"


def solved(text, start, seed):
    return th.solve(th.PolynomialSystem.parse(text), start=start, seed=seed)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("start", STARTS)
def test_zeros_thirty_powers_of_ten_apart_are_both_found(start, seed):
    found = solved("1\nx*(x-1)+1e-30;", start, seed)
    assert found.paths.finite == 2
    np.testing.assert_allclose(np.sort(found.real.ravel()), [1e-30, 1], rtol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("2\ny-x^2;\n(y-x)^3+1e-24;", 6),
        ("2\ny-x^2;\n(y-x)^2-1e-24;", 4),
        ("2\ny-x^2;\n(y-x)^2+1e-16;", 4),
        ("2\ny-x^2;\n(y-x)^5+1e-30;", 10),
    ],
)
def test_two_clusters_of_zeros_are_counted_as_many_as_the_degrees_say(text, total, start, seed):
    found = solved(text, start, seed)
    assert found.multiplicity.sum() == total
    assert found.paths.at_infinity == found.paths.not_isolated == 0


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(("text", "total"), [(BEYOND_DOUBLES, 4), (NEARLY_NINEFOLD, 18)])
def test_zeros_that_double_precision_does_not_show_are_undecided_rather_than_absent(text, total, start, seed):
    found = solved(text, start, seed)
    assert found.multiplicity.sum() + found.paths.failed == total
    assert found.paths.at_infinity == found.paths.not_isolated == 0


@pytest.mark.parametrize("seed", [0, 1])
def test_no_path_of_a_polynomial_in_one_unknown_goes_to_infinity(seed):
    found = solved("1\n(x+1)^100*(x-1)+1;", "total-degree", seed)  # no repeated factor
    assert found.paths.at_infinity == 0
    assert found.multiplicity.sum() + found.paths.failed == 101


def test_the_polyhedral_start_says_what_a_mixed_volume_of_zero_leaves_open():
    found = solved("2\nx*y;\nx*y;", "polyhedral", 0)
    assert found.paths.tracked == 0
    assert any("positive dimension" in note for note in found.notes)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("start", STARTS)
def test_a_power_of_a_moderate_root_is_found(start, seed):
    found = solved("2\nx^2-900;\ny-x^8;", start, seed)
    np.testing.assert_allclose(sorted(found.real.tolist()), [[-30, 30.0**8], [30, 30.0**8]], rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_zeros_beside_many_paths_to_infinity_are_found_by_the_mixed_volume(seed):
    """x = +-sqrt(3), y = +-sqrt(3^10 + 1); 36 of the 40 paths by total degree go to infinity, and the others nearly."""
    found = th.solve(th.PolynomialSystem.parse("2\nx^2-3;y^2-x^20-1;"), seed=seed)
    assert len(found.real) == 4
    assert found.real[:, 1] ** 2 == pytest.approx(3**10 + 1)
    assert any("polyhedral start finds more" in note for note in found.notes)


def test_a_start_that_misses_zeros_beside_infinity_says_so():
    """The same system: with 36 paths that grow like t^(-1/18), zeros of size 243 look infinite down to t = 1e-40."""
    found = th.solve(th.PolynomialSystem.parse("2\nx^2-3;y^2-x^20-1;"), start="total-degree")
    assert len(found.real) + found.paths.failed == 4
    assert len(found.real) == 4 or any("the polyhedral start finds" in note for note in found.notes)
    generic = th.solve(th.PolynomialSystem.parse("2\nx^2-3;y^2-x^3-1;"), start="total-degree")
    assert len(generic) == 4
    assert not any("polyhedral" in note for note in generic.notes)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("start", ["auto", *STARTS])
@pytest.mark.parametrize(
    ("text", "zeros"),
    [
        ("2\nx^2+y^2-2;(x-y)^2-1e-12;", 4),
        (
            "3\n(x-1e-4)*(x-1e4);(y-1e-4)*(y-1e4);x*y*z-1;",
            [(a, b, 1 / (a * b)) for a in (1e-4, 1e4) for b in (1e-4, 1e4)],
        ),
        (
            "3\n(x-1e-7)*(x-1e7);(y-1e-7)*(y-1e7);x*y*z-1;",
            [(a, b, 1 / (a * b)) for a in (1e-7, 1e7) for b in (1e-7, 1e7)],
        ),
        ("2\n(x-1e-8)*(x-1)*(x-1e8);y-x^2;", [(a, a * a) for a in (1e-8, 1, 1e8)]),
        (
            "2\n(x-1e-8)*(x-1e-4)*(x-1)*(x-1e4)*(x-1e8);y-x^2;",
            [(a, a * a) for a in (1e-8, 1e-4, 1, 1e4, 1e8)],
        ),
    ],
)
def test_zeros_of_very_different_sizes_are_all_found_to_their_last_digits(text, zeros, start, seed):
    """The equations factor: the zeros are known by hand."""
    found = solved(text, start, seed)
    if isinstance(zeros, int):
        assert len(found) == found.multiplicity.sum() == zeros
    else:
        assert len(found.real) == len(found) == len(zeros)
        order = np.lexsort(found.real.T)
        expected = np.array(sorted(zeros, key=lambda z: z[::-1]))
        np.testing.assert_allclose(found.real[order], expected, rtol=1e-12)
    assert found.paths.failed == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("start", ["auto", *STARTS])
def test_a_zero_that_cancellation_throws_far_out_is_found_or_undecided(start, seed):
    """y = 2 + 1e-8 and 1 - 1e-8, nearly, and x = 1 / (y - 1): no coefficient says that x = -1e8 is a zero."""
    found = solved("2\nx*(y-1)-1;(y-1)*(y-2)-1e-8;", start, seed)
    assert len(found) + found.paths.failed >= 2
    assert start != "auto" or len(found) == 2


@pytest.mark.parametrize(
    ("text", "zeros"),
    [
        ("2\nx^2-2*x+1e14*(3*y-1);3*y-1;", [(0, 1 / 3), (2, 1 / 3)]),
        ("2\nx-1e13;y^2-400*x-1;", [(1e13, -np.sqrt(4e15 + 1)), (1e13, np.sqrt(4e15 + 1))]),
        (
            "2\nx^2-2*x+1e14*(3*y-1);y^2-1/9;",
            [(1 - np.sqrt(1 + 2e14), -1 / 3), (0, 1 / 3), (2, 1 / 3), (1 + np.sqrt(1 + 2e14), -1 / 3)],
        ),
        ("2\nx-1e15;y-x-1;", [(1e15, 1e15 + 1)]),
        ("2\n14e-8-0.0029*x-10*(7700000000+37000*y);7700000000+37000*y;", [(14e-8 / 0.0029, -77e8 / 37e3)]),
        (
            "2\n2305843009213693921*x^2*y-1;x*y-y;",
            [(1, 1 / 2305843009213693921)],
        ),  # divisible by the prime of the count
        ("2\nx*y-1/2305843009213693921;x^2*y-1;", [(2305843009213693921, 1 / 2305843009213693921**2)]),
        ("2\n1e400*x^2-1;y-x-1;", [(-1e-200, 1), (1e-200, 1)]),
    ],
)
def test_zeros_that_hang_on_differences_of_large_numbers_are_right_to_their_last_digits(text, zeros):
    """By hand. In doubles the first equation has no digit left where the second one holds."""
    found = solved(text, "auto", 0)
    assert found.paths.failed == 0
    order = np.argsort(found.real[:, 0], kind="stable") if len(zeros) != 2 else np.lexsort(found.real.T[::-1])
    np.testing.assert_allclose(found.real[order], zeros, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("text", "size", "roots"),
    [
        ("2\nx^2-1e-390;y^2-3*x-1;", 1e-195, [-1, -1, 1, 1]),
        ("2\n1e600*x^3-1;y-x^2-1;", 1e-200, [-0.5 - 0.75**0.5 * 1j, -0.5 + 0.75**0.5 * 1j, 1]),
    ],
)
def test_zeros_too_small_for_doubles_to_tell_them_from_0_are_told_apart(text, size, roots, seed):
    """The roots of x^k = size^k."""
    found = solved(text, "auto", seed)
    assert found.paths.failed == 0
    assert not found.singular.any()
    np.testing.assert_allclose(np.sort_complex((found.solutions[:, 0] / size).round(14)), roots, rtol=1e-12)


def test_equations_that_depend_on_affine_ones_for_all_that_rounding_tells_count():
    found = solved("2\nx^4-1e-3*x-1+1e15*(600000+710000*y);600000+710000*y;", "auto", 0)
    roots = np.roots([1, 0, 0, -1e-3, -1])
    np.testing.assert_allclose(np.sort_complex(found.solutions[:, 0]), np.sort_complex(roots), atol=1e-12)


@pytest.mark.parametrize(
    ("text", "total"), [("2\n(x+4e12)*(x-7e5)^3;y-400*x^2-1;", 4), ("2\n(x+7e15)^2*(x-1)^3;y-x^2-1;", 5)]
)
def test_affine_factors_far_from_others_are_no_reason_to_give_up(text, total):
    found = solved(text, "auto", 0)
    assert found.multiplicity.sum() + found.paths.failed == total


def test_contradicting_affine_equations_are_named():
    found = solved("3\nx^2-1;y-x-1;2*y-2*x-3;", "auto", 0)
    assert found.notes == ("the affine equations contradict each other",)


def nearly_degenerate(n):
    """2^n zeros, for no direction makes all terms of degree 2 vanish; without 1e-10 a hyperplane of them would."""
    total = "+".join(f"x{i}" for i in range(1, n + 1))
    equations = [f"x{i}*({total})+{i}*x{i % n + 1}-{i + 1}+1e-10*x{i}^2" for i in range(1, n + 1)]
    return th.PolynomialSystem.parse(f"{n}\n" + ";".join(equations) + ";")


def test_zeros_that_look_infinite_because_highest_terms_nearly_cancel_are_found_or_undecided():
    found = th.solve(nearly_degenerate(4))
    assert found.paths.at_infinity == 0
    assert found.multiplicity.sum() + found.paths.failed == 16


def test_where_such_zeros_are_too_many_to_count_a_note_says_that_they_may_be_missing():
    found = th.solve(nearly_degenerate(5))
    whole = found.multiplicity.sum() + found.paths.failed == 32
    assert whole or any("may end at zeros larger than 1e6" in note for note in found.notes)
