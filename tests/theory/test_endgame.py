"""Ends of paths: circuits against series that are known, paths to infinity that doubles cannot follow to their end."""

import numpy as np
import pytest

import theory as th
from benchmarks.systems import CASES
from theory.continuation.circuits import go_round
from theory.continuation.endgame import settle
from theory.continuation.homotopy import Homotopy, reduce
from theory.continuation.outcomes import FINITE, INFINITE, ends_of
from theory.continuation.start import total_degree
from theory.continuation.tape import Recorder
from theory.continuation.tracker import DEFAULT, track

CAREFUL = DEFAULT._replace(endgame=0.0, accepted_update=1e-6)


def homotopy(equations_of, start: complex, at_the_end: complex) -> Homotopy:
    """One unknown x and one parameter p that runs from 1 to at_the_end."""
    recorder = Recorder(1)
    (x,), (p,) = recorder.unknowns, recorder.parameters(1)
    tape = recorder.tape([equations_of(x, p)])
    reduced = reduce(th.PolynomialSystem.parse("1\nx^2 - 1;"))
    return Homotopy(tape, np.array([[start, 1.0]]), np.array([[1.0], [at_the_end]]), reduced, "test")


@pytest.mark.parametrize(
    ("equations_of", "winding", "valuation"),
    [
        (lambda x, p: x**3 - p, 3, 0.0),  # x = t^(1/3)
        (lambda x, p: p * x**2 - 1, 2, 0.5),  # x = t^(-1/2)
        (lambda x, p: x - 1 - p, 1, 0.0),
        (lambda x, p: p * x - 1, 1, 1.0),
    ],
    ids=["branch point", "infinity and branch point", "regular", "infinity"],
)
def test_a_circuit_has_the_winding_number_and_the_valuation_of_the_series(equations_of, winding, valuation):
    radius, finite = 1e-3, 0.0 if winding == 3 else 1.0
    start = radius**-valuation if valuation else finite + radius ** (1 / winding)
    h = homotopy(equations_of, 1.0, 0.0)
    circuits = go_round(h, np.array([[start, 1.0]], complex), radius, 8, CAREFUL)
    assert (circuits.winding[0], circuits.valuation[0]) == (winding, valuation)
    end = np.array([1.0, 0.0]) if valuation else np.array([finite, 1.0])
    assert abs(np.vdot(end, circuits.mean[0])) == pytest.approx(np.linalg.norm(end), abs=1e-9)


def test_what_does_not_close_within_the_limit_has_no_winding_number():
    circuits = go_round(homotopy(lambda x, p: x**5 - p, 1.0, 0.0), np.array([[1e-1, 1.0]], complex), 1e-5, 4, CAREFUL)
    assert circuits.winding[0] == 0


def test_a_path_that_jumps_to_its_singular_end_at_infinity_is_settled_by_its_way_down():
    h = total_degree(reduce(CASES["eco-8"].system), 0, 10**6)
    ends = track(h.tape, h.starts, h.parameters)
    at_once = np.flatnonzero((ends.status == 2) & (ends.info[:, 1] == 0))  # stalled, at u = 0
    assert len(at_once) > 100
    assert settle(h, at_once, ends).infinite.mean() > 0.98


@pytest.mark.parametrize("seed", range(3))
def test_slow_paths_to_infinity_of_critical_systems_are_all_decided(seed):
    """Valuations of 1/4 and 1/8; with seed 2 a path seems to have a finite end while t > 1e-6."""
    found = th.solve(CASES["crit_d1h2N4b"].system, seed=seed)
    assert (found.paths.failed, found.paths.singular, len(found)) == (0, 0, 385)


def test_zeros_of_condition_1e18_that_stall_as_deep_as_paths_to_infinity_are_found():
    """172 zeros, by monodromy with a passed trace test; that of the last seven to be found stalls at t = 5e-25."""
    rng = np.random.default_rng([2, 3, 1, 2, 1, 1])
    network = th.PolynomialNetwork((1, 2, 1, 1), th.monomial(2), bias=(True, True, False))
    system = network.interpolation_system(rng.normal(size=(3, 1)), rng.normal(size=3)).slice(2)
    kinds = ends_of(total_degree(reduce(system), 2, 1_000), DEFAULT).kind
    assert (kinds == FINITE).sum() == 172
    assert (kinds == INFINITE).sum() == 343 - 172
