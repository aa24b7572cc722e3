"""Equations with repeated factors: multiplicities by Bezout's theorem and by intersection numbers done by hand."""

import numpy as np
import pytest

import theory as th
from theory.continuation.repeated_factors import has_repeated_factors, square_free

PARSE = th.PolynomialSystem.parse


def polynomial(text):
    return PARSE(f"1\n{text};").polynomials[0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1\n(x - 1)^7*(x - 2)^3;", {(1,): 7, (2,): 3}),
        ("1\n(x - 1/3)^5*(x - i)^2;", {(1 / 3,): 5, (1j,): 2}),
        ("2\n(x + y - 1)^3*(x - y); x*y;", {(0, 1): 3, (1, 0): 3, (0, 0): 2}),
        # at (1, 1): 2 2 1 for the line x = y, 3 2 2 for the tangent, 1 2 1 for x = 1
        ("2\n(x - y)^2*(x + y - 2)^3*(x - 1); (x*y - 1)^2;", {(1, 1): 18, (-1, -1): 4}),
    ],
)
def test_multiplicities_of_factors_add_up(text, wanted, seed):
    found = th.solve(PARSE(text), seed=seed)
    known = {tuple(np.round(p, 9).tolist()): m for p, m in zip(found.solutions, found.multiplicity, strict=True)}
    assert known == {tuple(np.round(np.array(p, complex), 9).tolist()): m for p, m in wanted.items()}
    assert found.paths.failed == 0
    assert found.paths.finite + found.paths.singular == sum(wanted.values())
    assert (found.singular == (found.multiplicity > 1)).all()


def test_repeated_factors_are_seen_on_a_line():
    assert has_repeated_factors(polynomial("(x*y + z - 1)^2*(x + 3)"))
    assert has_repeated_factors(polynomial("(x - i*y)^2"))
    assert not has_repeated_factors(polynomial("(x*y + z - 1)*(x*y + z - 2)"))
    assert not has_repeated_factors(polynomial("x^4 + y^4 - 1"))


def test_square_free_factors_multiply_to_the_polynomial():
    whole = polynomial("(x - i*y)^2*(x + y + 1/2)^3*(x - 5)")
    product, at = 1, [0.3 + 1j, -0.7]
    for q, m in square_free(whole):
        assert not has_repeated_factors(q)
        product *= q.evaluate(at) ** m
    other = [1.1, 0.4j]
    ratio = np.prod([q.evaluate(other) ** m for q, m in square_free(whole)]) / product
    assert whole.evaluate(other) / whole.evaluate(at) == pytest.approx(ratio)
    assert sorted(m for _, m in square_free(whole)) == [1, 2, 3]


def test_a_common_factor_is_no_isolated_solution():
    found = th.solve(PARSE("2\n(x - y)^2; (x - y)*(x + 1);"))
    assert len(found) == 0
    assert found.paths.not_isolated == 4


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1\n(x-1)^2*(x-1.0000002)^2;", [(1, 2), (1.0000002, 2)]),
        ("1\n(x-1)^2*(x-1.000001);", [(1, 2), (1.000001, 1)]),
        ("1\n(x-1)^2*(x-1.000004)^2*(x-5);", [(1, 2), (1.000004, 2), (5, 1)]),
        ("2\n(x-1)^2*(x-1.0000002)^2; y^2-x;", [(1, 2), (1, 2), (1.0000002, 2), (1.0000002, 2)]),
        ("2\n(x-1)^2*(x-1.0000002); y^2-x;", [(1, 2), (1, 2), (1.0000002, 1), (1.0000002, 1)]),
    ],
)
def test_zeros_close_together_stay_apart(text, wanted, seed):
    found = th.solve(PARSE(text), seed=seed)
    known = sorted(zip(found.real[:, 0].tolist(), found.multiplicity.tolist(), strict=True))
    assert [m for _, m in known] == [m for _, m in wanted]
    assert [x for x, _ in known] == pytest.approx([x for x, _ in wanted], abs=1e-9)


@pytest.mark.parametrize(
    ("text", "wanted"), [("(x-1)^61", {1: 61}), ("(x+1)^100*(x-1)", {-1: 100, 1: 1}), ("(x-3)^200*(x^2-2)", None)]
)
def test_no_power_in_one_unknown_is_too_high(text, wanted):
    assert [m for _, m in square_free(polynomial(text))][-1] == max(wanted.values() if wanted else [200])
    if wanted:
        found = th.solve(PARSE(f"1\n{text};"))
        assert dict(zip(found.real[:, 0].round(12).tolist(), found.multiplicity.tolist(), strict=True)) == wanted
        assert found.paths.failed == 0


def test_residuals_of_repeated_factors_are_those_of_scaled_coefficients():
    found = th.solve(PARSE("1\n(x^2-1e200)^2;"))
    assert found.multiplicity.tolist() == [2, 2]
    assert sorted(found.real[:, 0].tolist()) == pytest.approx([-1e100, 1e100])
    assert (found.residual < 1e-12).all()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(x-1)*(x-1.00000001)", [1, 1.00000001]),
        ("(x-1)^2+1e-20", [1 - 1e-10j, 1 + 1e-10j]),
        ("(x-1)*(x-1.00000001)*(x^2+3)", [-1j * 3**0.5, 1j * 3**0.5, 1, 1.00000001]),
    ],
)
def test_simple_roots_however_close_are_no_multiple_root(text, wanted, seed):
    found = th.solve(PARSE(f"1\n{text};"), seed=seed)
    assert np.sort_complex(found.solutions[:, 0]) == pytest.approx(np.sort_complex(wanted), abs=1e-13)
    assert (found.multiplicity == 1).all()
    assert not found.singular.any()
    assert found.is_real.sum() == sum(np.isreal(wanted))
