"""The population loss of Safran and Shamir (arXiv 1712.08968) and descents on it."""

import numpy as np
import pytest
from flint import arb
from scipy.stats import fisher_exact

from benchmarks.descents import measure
from theory import teacher_student_proof as proofs
from theory.claims import spurious_minima as claim
from theory.confidence import differ, wilson
from theory.teacher_student import descend, gradient, hessian, loss, starts
from theory.teacher_student_proof import prove_minimum

PI = np.pi


def test_one_neuron_against_one_teacher_by_hand():
    # E relu(x)^2 = 1/2, E relu(x) relu(-x) = 0, E relu(x) relu(y) = 1 / (2 pi) for independent x, y
    V = np.array([[1.0, 0.0]])
    assert loss(np.array([[0.0, 3.0]]), V) == pytest.approx(0.5 * (9 / 2 - 2 * 3 / (2 * PI) + 1 / 2))
    assert loss(np.array([[-2.0, 0.0]]), V) == pytest.approx(0.5 * (4 / 2 + 1 / 2))
    assert loss(V, V) == pytest.approx(0, abs=1e-16)


def test_the_closed_form_is_the_sampled_loss_for_a_teacher_that_is_not_orthonormal():
    rng = np.random.default_rng(0)
    W, V = rng.normal(size=(4, 3)), rng.normal(size=(2, 3))
    x = rng.normal(size=(400_000, 3))
    squares = 0.5 * (np.maximum(x @ W.T, 0).sum(1) - np.maximum(x @ V.T, 0).sum(1)) ** 2
    assert abs(loss(W, V) - squares.mean()) < 4 * squares.std() / np.sqrt(len(x))


def test_gradient_and_hessian_are_the_derivatives_of_the_loss():
    rng = np.random.default_rng(1)
    W, V, h = rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), 1e-5
    moved = h * np.eye(12).reshape(12, 3, 4)
    slopes = (loss(W + moved, V) - loss(W - moved, V)) / (2 * h)
    curvatures = (gradient(W + moved, V) - gradient(W - moved, V)).reshape(12, 12) / (2 * h)
    np.testing.assert_allclose(gradient(W, V).ravel(), slopes, atol=1e-9)
    np.testing.assert_allclose(hessian(W, V), curvatures, atol=1e-8)


def test_the_printed_point_for_k_7_is_critical_with_positive_definite_hessian_and_value_0_0232():
    W, V = claim.known_point(), np.eye(7)
    assert loss(W, V) == pytest.approx(0.023203, abs=5e-7)
    assert np.linalg.norm(gradient(W, V)) < 1e-9
    assert np.linalg.eigvalsh(hessian(W, V))[0] > 0.01


def test_the_printed_point_is_proved_to_be_a_spurious_minimum():
    proof = prove_minimum(claim.known_point())
    assert proof.spurious
    assert proof.loss == pytest.approx((0.0232027, 0.0232027), abs=2e-7)
    assert np.abs(proof.centre - claim.known_point()).max() < 1e-9  # all digits printed are right


def test_an_end_of_descent_for_k_6_is_proved_to_be_spurious():
    begin = claim.known_point()[[0, 2, 3, 4, 5, 6]][:, [0, 2, 3, 4, 5, 6]]
    end = descend(begin[None], 0.5)
    assert end.loss[0] == pytest.approx(0.02508, abs=1e-5)
    assert prove_minimum(end.weights[0]).spurious


def test_balls_hold_the_float_loss_gradient_and_hessian():
    W, V = starts(1, 3, 4, seed=5)[0], np.eye(4)
    balls = [[arb(float(x)) for x in row] for row in W]
    H = [[float(x.mid()) for x in row] for row in proofs._hessian(balls)]
    g = [[float(x.mid()) for x in row] for row in proofs._gradient(balls)]
    np.testing.assert_allclose(H, hessian(W, V), atol=1e-13)
    np.testing.assert_allclose(g, gradient(W, V), atol=1e-14)
    assert float(proofs._loss(balls).mid()) == pytest.approx(float(loss(W, V)), abs=1e-14)


def test_a_saddle_and_a_box_too_wide_are_not_proved_to_be_minima():
    # one neuron opposite to two teachers: shrinking or growing costs, turning towards the teachers pays
    reach = (np.sin(PI / 4) + PI / 4 * np.cos(3 * PI / 4)) / PI
    saddle = prove_minimum(np.full((1, 2), -2 * reach / np.sqrt(2)))
    assert saddle.unique
    assert not saddle.definite
    assert not prove_minimum(claim.known_point(), radius=1e-3).unique


def test_the_transposed_point_is_no_critical_point():
    assert np.linalg.norm(gradient(claim.known_point().T, np.eye(7))) > 0.1


def test_compiled_descents_take_the_same_steps_as_a_loop_over_the_public_functions():
    W = starts(3, 4, 3, seed=0)
    many = descend(W, 0.1, loss_tolerance=0, gradient_tolerance=0, max_steps=50)
    for _ in range(50):
        W = W - 0.1 * gradient(W, np.eye(3))
    np.testing.assert_allclose(many.weights, W, atol=1e-12)
    np.testing.assert_allclose(many.loss, loss(W, np.eye(3)), atol=1e-12)
    np.testing.assert_allclose(many.gradient_norm, np.linalg.norm(gradient(W, np.eye(3)), axis=(1, 2)), atol=1e-12)
    assert not many.converged.any()
    assert (many.steps == 50).all()


def test_descents_at_once_end_where_those_of_the_benchmark_do():
    assert measure(6, 4).apart < 1e-12


@pytest.mark.parametrize(("k", "runs"), [(6, 1000), (8, 500)])
def test_the_share_of_spurious_ends_agrees_with_the_published_table(k, runs):
    found, row = claim.observed(k, k, runs, seed=3), claim.predicted(k, k)
    assert found.unfinished == 0
    assert differ(found.spurious, runs, round(10 * row.percent), 1000) > 0.01
    low, high = found.interval
    assert low <= row.percent / 100 <= high


def test_two_more_neurons_than_the_teacher_leave_no_spurious_end():
    assert claim.observed(8, 10, 300, seed=2).spurious == 0


def test_ends_near_the_teacher_are_told_from_the_published_share():
    outcome = claim.control(seed=0, runs=200)
    assert outcome.passed


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: loss(np.ones((2, 3)), np.ones((2, 4))), "of one d"),
        (lambda: gradient(np.zeros((2, 3)), np.eye(3)), "a neuron is 0"),
        (lambda: hessian(np.eye(3), np.eye(3)), "parallel"),
        (lambda: descend(np.ones((2, 3)), 0.1), "shape"),
        (lambda: descend(np.full((1, 2, 3), np.nan), 0.1), "finite"),
        (lambda: descend(np.ones((1, 2, 3)), -0.1), "step must be positive"),
        (lambda: claim.predicted(5, 5), "no row for k = 5"),
    ],
)
def test_what_has_no_answer_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_wilson_intervals_match_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), Table I, method 3
    for successes, trials, low, high in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (1, 29, 0.0061, 0.1718)]:
        assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    with pytest.raises(ValueError, match="successes <= trials"):
        wilson(3, 2)


@pytest.mark.parametrize("table", [(3, 1000, 9, 4000), (0, 20, 0, 30), (12, 20, 3, 25), (585, 1000, 170, 300)])
def test_two_shares_are_compared_as_by_scipy(table):
    a, n, b, m = table
    assert differ(a, n, b, m) == pytest.approx(fisher_exact([[a, n - a], [b, m - b]])[1], rel=1e-6)
