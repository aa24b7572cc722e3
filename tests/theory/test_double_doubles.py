"""The tracker in double-double numbers: the arithmetic against exact fractions, paths that doubles cannot follow."""

from fractions import Fraction

import numpy as np
import pytest
from numba import njit

import theory as th
from theory.continuation import numpy_doubles
from theory.continuation.decisions import ERROR, PRECISE
from theory.continuation.tape import Recorder
from theory.continuation.tracker import AT_INFINITY, REACHED, STALLED, track
from theory.continuation.vectors import LANES, blend, less, like, load, maximum, move, peek, put, splat, store, swap

DIGITS = Fraction(1, 2**100)


def exact(pair, row):
    """The rows of LANES entries as fractions."""
    here = slice(row * LANES, (row + 1) * LANES)
    return [Fraction(float(h)) + Fraction(float(lo)) for h, lo in zip(pair[0][here], pair[1][here], strict=True)]


def close(value, wanted, size):
    return abs(value - wanted) <= DIGITS * size


@njit
def _four_operations(left, right, out):
    a, b = load(left, 0), load(right, 0)
    store(out, 0, a + b)
    store(out, LANES, a - b)
    store(out, 2 * LANES, a * b)
    store(out, 3 * LANES, a / b)
    store(out, 4 * LANES, splat(3.0) * a - b / splat(7.0))
    store(out, 5 * LANES, maximum(a, b))
    store(out, 6 * LANES, blend(less(a, b), a, like(left, 2.0)))


def test_double_double_lanes_compute_31_digits():
    rng = np.random.default_rng(0)
    left, right = ((rng.normal(size=LANES) + 3, 1e-17 * rng.normal(size=LANES)) for _ in range(2))
    out = (np.zeros(7 * LANES), np.zeros(7 * LANES))
    _four_operations(left, right, out)
    a, b = exact(left, 0), exact(right, 0)
    for k in range(LANES):
        x, y = a[k], b[k]
        for row, wanted in enumerate((x + y, x - y, x * y, x / y, 3 * x - y / 7)):
            assert close(exact(out, row)[k], wanted, 20)
        assert exact(out, 5)[k] == max(x, y)
        assert exact(out, 6)[k] == (x if x < y else 2)


def test_numpy_computes_the_same_31_digits():
    rng = np.random.default_rng(1)
    parts = rng.normal(size=(4, 5)) * [[1], [1e-17], [1], [1e-17]]
    a, b = numpy_doubles.Doubles(*parts[:2]), numpy_doubles.Doubles(*parts[2:])
    for value, rule in ((a + b, "+"), (a - b, "-"), (a * b, "*"), (a / b, "/"), (parts[0] / b, "in")):
        for k in range(5):
            x, y = (Fraction(float(v.high[k])) + Fraction(float(v.low[k])) for v in (a, b))
            wanted = {"+": x + y, "-": x - y, "*": x * y, "/": x / y, "in": Fraction(float(parts[0][k])) / y}[rule]
            got = Fraction(float(value.high[k])) + Fraction(float(value.low[k]))
            assert close(got, wanted, abs(x) + abs(y) + abs(wanted))


def test_single_entries_are_read_written_copied_and_swapped_in_both_parts():
    @njit
    def run(memory):
        put(memory, 0, 5.0)
        swap(memory, 0, 1)
        move(memory, 2, 3)
        return peek(memory, 1)

    memory = (np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.1, 0.2, 0.3, 0.4]))
    assert run(memory) == 5.0
    assert memory[0].tolist() == [2.0, 5.0, 3.0, 3.0]
    assert memory[1].tolist() == [0.2, 0.0, 0.3, 0.3]


def quadratic_homotopy():
    """x^2 + b x + c: parameters (b, c)."""
    recorder = Recorder(1)
    (x,) = recorder.unknowns
    b, c = recorder.parameters(2)
    return recorder.tape([x * x + b * x + c])


def test_zeros_a_hundred_millionth_apart_are_told_apart():
    """(x - 1)(x - 1 - 1e-8), as rounded: Newton's method in doubles sees one double zero."""
    parameters = np.array([[0, 1j], [-(2 + 1e-8), 1 + 1e-8]])
    starts = np.array([[z, 1] for z in np.roots([1, 0, 1j])])
    ends = track(quadratic_homotopy(), starts, parameters, settings=PRECISE, precise=True)
    assert (ends.status == REACHED).all()
    assert (ends.info[:, ERROR] < 1e-16).all()
    b, c = (Fraction(float(v.real)) for v in parameters[1])
    root = complex(float(b * b / 4 - c)) ** 0.5
    found = np.sort_complex(ends.points[:, 0] / ends.points[:, 1] + float(b) / 2)
    assert np.allclose(found, np.sort_complex([root, -root]), rtol=1e-6, atol=1e-15)
    plain = track(quadratic_homotopy(), starts, parameters)
    assert (plain.status == STALLED).any() or plain.info[:, ERROR].max() > 1e-10


def test_a_double_zero_still_stalls():
    starts = np.array([[z, 1] for z in np.roots([1, 0, 1j])])
    ends = track(quadratic_homotopy(), starts, np.array([[0, 1j], [-2, 1]]), settings=PRECISE, precise=True)
    assert (ends.status == STALLED).all()


@pytest.mark.parametrize("precise", [False, True])
def test_paths_to_infinity_are_seen_in_either_precision(precise):
    recorder = Recorder(1)
    (x,) = recorder.unknowns
    (p,) = recorder.parameters(1)
    tape = recorder.tape([p * x**2 - 1])
    ends = track(tape, np.array([[1.0, 1.0]]), np.array([[1.0], [0.0]]), precise=precise)
    assert ends.status[0] == AT_INFINITY


@pytest.mark.parametrize("text", ["1\n(x - 1)*(x - 1.0000002);", "2\n(x - 1)*(x - 1.0000002); y^2 - 3*x + 1;"])
def test_regular_solutions_close_together_are_told_apart_and_not_called_double(text):
    system = th.PolynomialSystem.parse(text)
    found = th.solve(system)
    assert not found.singular.any()
    assert found.paths.finite == len(found) == 2 * (system.n_unknowns)
    assert sorted(set(found.solutions[:, 0].real.round(12))) == [1, 1.0000002]


def test_double_solutions_with_rounded_coefficients_stay_double():
    found = th.solve(th.PolynomialSystem.parse("2\n(3*x - 1)^2; y^2 - x;"))
    assert found.multiplicity.tolist() == [2, 2]
    assert found.singular.all()
