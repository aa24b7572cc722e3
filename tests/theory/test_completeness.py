"""No finite solution is counted as infinite: large ones look infinite until late, ill-conditioned ones stop early."""

from dataclasses import replace

import numpy as np
import pytest

import theory as th
from theory.claims.zero_set_dimension import CUBIC, rational_data
from theory.continuation import completion, sift
from theory.continuation.monodromy import MonodromyError


def cubic_slice(seed, data=0):
    """5 points on the cubic 2-2-1 network, sliced: 475 zeros by the trace test, some of them of size 10^3 to 10^4."""
    network = th.PolynomialNetwork((2, 2, 1), th.PolynomialActivation(list(CUBIC)), bias=(True, False))
    return network.interpolation_system(rational_data((5, 2), data), rational_data((5, 1), data + 1000)).slice(seed)


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_large_solutions_of_sliced_networks_are_not_counted_as_infinite(seed):
    found = th.solve(cubic_slice(seed), start="total-degree")
    assert len(found) == 475
    assert np.abs(found.solutions).max() > 100


def test_a_solution_that_double_precision_takes_for_infinite_is_found():
    """One of these 475, of condition 3e11: its path is lost in rounding at t = 1e-13, where it still goes outwards."""
    found = th.solve(cubic_slice(1), start="total-degree")
    assert len(found) == 475
    assert found.paths.failed == 0
    assert np.abs(found.solutions).max() > 10_000


@pytest.mark.parametrize("seed", [0, 2])
def test_solutions_that_look_infinite_down_to_1e_minus_18_are_found(seed):
    """172 zeros by the trace test, 12 of them of size 100 to 500 and of condition 1e13 to 5e14: their paths go out like
    u^(1/7) until there."""
    rng = np.random.default_rng(102)
    network = th.PolynomialNetwork((1, 2, 1, 1), th.monomial(2), bias=(True, True, False))
    targets = rng.normal(size=3)
    system = network.interpolation_system(rng.normal(size=(3, 1)), targets).slice(2)
    assert len(th.solve(system, start="total-degree", seed=seed)) == 172


def test_newtons_method_tells_regular_zeros_from_multiple_ones():
    double = th.PolynomialSystem.parse("1\n(x - 10)^2;")
    close = th.PolynomialSystem.parse("1\n(x - 10)*(x - 10.001);")
    near = np.array([[10 + 1e-8], [10 - 3e-9j], [10 + 2e-5]], complex)
    assert not sift.regular_limits(double, near)[1].any()
    limits, regular = sift.regular_limits(close, near)
    assert regular.all()
    assert np.allclose(limits, 10, rtol=1e-12)
    assert not sift.regular_limits(close, np.array([[1e6 + 0j]]))[1].any()  # no zero nearby


@pytest.mark.parametrize("seed", range(4))
def test_a_family_follows_all_its_zeros_to_new_targets_by_whatever_way(seed):
    network = th.PolynomialNetwork((2, 2, 1), th.monomial(2), bias=(True, False))
    rng = np.random.default_rng(0)
    family = th.family(network, rng.normal(size=(5, 2)))
    found = family.solve(rng.normal(size=5), seed=seed)
    assert found.paths.tracked == family.degree == len(found)


def without(found, missing):
    """The set without some of its solutions."""
    kept = np.setdiff1d(np.arange(len(found)), missing)
    rows = ["solutions", "multiplicity", "singular", "is_real", "residual", "condition"]
    return replace(found, **{name: getattr(found, name)[kept] for name in rows})


def test_a_set_that_fails_the_trace_test_is_completed_and_says_so():
    system = cubic_slice(3)
    found = th.solve(system, start="total-degree")
    assert not found.notes
    whole = completion.checked(system, without(found, [0, 1, 2, 3, 200]), 0)
    assert len(whole) == 475
    assert "5 zeros that paths did not reach were found by monodromy" in whole.notes[0]
    assert "completed by monodromy" in whole.start
    assert whole.paths.tracked == whole.paths.finite == 475
    distance = np.abs(whole.solutions[:, None, :] - found.solutions[None, :, :]).max(axis=2)
    assert (distance.min(axis=0) < 1e-6 * (1 + np.abs(found.solutions).max(axis=1))).all()


def test_a_set_that_loops_cannot_complete_is_found_anew_or_says_so(monkeypatch):
    monkeypatch.setattr(completion, "_COMPLETING", 0)
    system = cubic_slice(3)
    part = without(th.solve(system, start="total-degree"), range(5))
    whole = completion.checked(system, part, 0)
    assert len(whole) == 475
    assert "then monodromy" in whole.start
    assert "5 zeros" in whole.notes[-1]

    def fails(*arguments):
        raise MonodromyError("no")

    monkeypatch.setattr(completion, "solve_system", fails)
    assert "below the certified trace" in completion.checked(system, part, 0).notes[0]


def test_zeros_that_loops_at_the_system_itself_lose_are_found_by_its_family():
    """2 of 172 zeros, of condition 6e10, whose paths to the system itself get lost; loops between generic systems and
    one way to this one find them."""
    rng = np.random.default_rng([11, 3, 1, 2, 1, 1])
    network = th.PolynomialNetwork((1, 2, 1, 1), th.monomial(2), bias=(True, True, False))
    system = network.interpolation_system(rng.normal(size=(3, 1)), rng.normal(size=3)).slice(11)
    found = th.solve(system, start="total-degree", seed=11)
    assert len(found) == 172
    assert found.paths.failed == 0
