import numpy as np
import pytest
from numba import njit

from theory.continuation.kernels import WIDTH, decay, factor, substitute
from theory.continuation.tape import Recorder
from theory.continuation.tracker import AT_INFINITY, BAD_START, LAST_U, REACHED, STALLED, STEPS, track
from theory.continuation.vectors import LANES, blend, less, load, maximum, splat, store


def square_root_homotopy():
    """x^2 = p: parameters (p,)."""
    recorder = Recorder(1)
    (x,) = recorder.unknowns
    (p,) = recorder.parameters(1)
    return recorder.tape([x * x - p])


def affine(ends):
    return ends.points[:, :-1] / ends.points[:, -1:]


def test_lanes_add_multiply_compare_and_blend_elementwise():
    @njit
    def run(x, y, out):
        a, b = load(x, 0), load(y, 0)
        store(out, 0, a * b + a / b - splat(1.0))
        store(out, LANES, maximum(a, b))
        store(out, 2 * LANES, blend(less(a, b), a, b))
        return less(a, b)

    x, y = np.random.default_rng(0).normal(size=(2, LANES)) + 3
    out = np.zeros(3 * LANES)
    mask = run(x, y, out)
    assert np.allclose(out[:LANES], x * y + x / y - 1, rtol=1e-15)
    assert (out[LANES : 2 * LANES] == np.maximum(x, y)).all()
    assert (out[2 * LANES :] == np.minimum(x, y)).all()
    assert [(mask >> k) & 1 for k in range(LANES)] == (x < y).astype(int).tolist()


def test_decay_is_the_exponential_function_in_every_lane():
    @njit
    def run(x, out):
        store(out, 0, decay(load(x, 0)))

    x, out = np.array([0, 1e-9, 0.5, 1, 7, 30, 50, 1e5]), np.zeros(LANES)
    run(x, out)
    assert np.allclose(out[:7], np.exp(-x[:7]), rtol=3e-13)
    assert out[7] == pytest.approx(np.exp(-600), rel=1e-4)


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_lane_systems_are_solved_like_numpy_solves_them(n):
    rng = np.random.default_rng(n)
    A = rng.normal(size=(LANES, n, n)) + 1j * rng.normal(size=(LANES, n, n))
    b = rng.normal(size=(LANES, n)) + 1j * rng.normal(size=(LANES, n))
    A[0, 0, 0] = 0  # needs a row swap, in one lane only, where n > 1
    A[0, 0, 0] += n == 1
    memory = np.zeros((n * n + 2 * n) * WIDTH)
    entries = memory[: n * n * WIDTH].reshape(n, n, 2, LANES)
    vector = memory[n * n * WIDTH : (n * n + n) * WIDTH].reshape(n, 2, LANES)
    entries[:, :, 0], entries[:, :, 1] = A.real.transpose(1, 2, 0), A.imag.transpose(1, 2, 0)
    vector[:, 0], vector[:, 1] = b.real.T, b.imag.T
    swaps = np.zeros(3 * n * LANES + 1, np.int64)
    factor(memory, 0, n, swaps, (n * n + n) * WIDTH)
    substitute(memory, 0, n, swaps, n * n * WIDTH)
    assert np.allclose((vector[:, 0] + 1j * vector[:, 1]).T, np.linalg.solve(A, b[:, :, None])[..., 0], rtol=1e-9)


def test_a_path_ends_at_the_root_it_leads_to():
    ends = track(square_root_homotopy(), np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([[1.0], [4.0]]))
    assert (ends.status == REACHED).all()
    assert np.allclose(affine(ends)[:, 0], [2, -2], rtol=1e-12)


def test_round_the_branch_point_the_two_roots_change_places():
    tape, points = square_root_homotopy(), np.array([[1.0, 1.0], [-1.0, 1.0]], complex)
    corners = np.exp(2j * np.pi * np.arange(4) / 4)[:, None]
    for k in range(4):
        ends = track(tape, points, corners, k, (k + 1) % 4)
        points = ends.points
    assert np.allclose(affine(ends)[:, 0], [-1, 1], rtol=1e-12)


def test_parameters_may_decay_exponentially_along_the_way():
    """x^2 = 4 exp(-r u): from 2 exp(-r / 2) to 2, each path with its own rate, to the predictor's third order."""
    rates = np.linspace(0.0, 80.0, 20)  # the fastest stand still at first, for all that rounding shows
    starts = np.column_stack([2 * np.exp(-rates / 2), np.ones(20)])
    ends = track(square_root_homotopy(), starts, np.append(rates, 4.0)[:, None], np.arange(20), 20, decays=True)
    assert (ends.status == REACHED).all()
    assert np.allclose(affine(ends)[:, 0], 2, rtol=1e-12)
    assert ends.info[:, STEPS].max() < 100


def test_each_path_may_have_parameters_of_its_own():
    targets = np.arange(1.0, 20.0)
    starts = np.tile([1.0, 1.0], (len(targets), 1))
    ends = track(square_root_homotopy(), starts, np.append(1.0, targets)[:, None], 0, np.arange(1, 20))
    assert np.allclose(affine(ends)[:, 0], np.sqrt(targets), rtol=1e-12)


def test_a_path_into_a_double_root_stalls_close_to_it():
    ends = track(square_root_homotopy(), np.array([[1.0, 1.0]]), np.array([[1.0], [0.0]]))
    assert ends.status[0] == STALLED
    assert ends.info[0, LAST_U] < 1e-9


def test_a_path_to_infinity_is_seen_by_its_valuation():
    recorder = Recorder(1)
    (x,) = recorder.unknowns
    (p,) = recorder.parameters(1)
    tape = recorder.tape([p * x**2 - 1])  # x = p^(-1/2)
    ends = track(tape, np.array([[1.0, 1.0]]), np.array([[1.0], [0.0]]))
    assert ends.status[0] == AT_INFINITY


def test_a_point_that_solves_nothing_is_no_start_point():
    ends = track(square_root_homotopy(), np.array([[7.0, 1.0]]), np.array([[1.0], [4.0]]))
    assert ends.status[0] == BAD_START


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_and_neighbours_changes_no_bit(threads):
    recorder = Recorder(2)
    x, y = recorder.unknowns
    a, b = recorder.parameters(2)
    tape = recorder.tape([a * (x**5 - 1) + b * (x**5 + 3 * x * y**3 - 2), a * (y**5 - 1) + b * (y**5 - x**2 * y + 1)])
    unity = np.exp(2j * np.pi * np.arange(5) / 5)
    starts = np.array([[u, v, 1] for u in unity for v in unity])
    parameters = np.array([[1j, 0], [0, 1]])
    one = track(tape, starts, parameters, threads=1)
    several = track(tape, starts, parameters, threads=threads)
    alone = track(tape, starts[7:8], parameters)
    assert (one.points == several.points).all()
    assert (one.info == several.info).all()
    assert (one.points[7] == alone.points[0]).all()


def test_progress_ends_with_all_paths_done():
    seen = []
    starts = np.tile([1.0, 1.0], (4000, 1))
    track(square_root_homotopy(), starts, np.array([[1.0], [4.0]]), progress=lambda *call: seen.append(call))
    assert all(total == 4000 and 0 <= done <= total for done, total, _ in seen)
