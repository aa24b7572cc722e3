"""Wrong types: one clear line each, the same for the same mistake, nowhere an error from within."""

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

import theory as th
from theory.arguments import check_count, check_seed
from theory.interpolants import memorizer
from theory.landscapes import CriticalPiece
from theory.polytopes import mixed_volume
from theory.zero_sets import ZeroSet

x, y = sp.symbols("x y")
PARABOLA = th.PolynomialSystem([y - x**2], [x, y])
SQUARE = th.PolynomialSystem([y - x**2, x + y - 1], [x, y])
SEEDS = [-1, 1.5, "0", None, True, np.float64(2)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "call",
    [
        check_seed,
        PARABOLA.slice,
        lambda seed: th.solve(PARABOLA.slice(), seed=seed),
        lambda seed: th.zero_set(PARABOLA, seed=seed),
        lambda seed: th.trace_paths(SQUARE, seed=seed),
        lambda seed: th.verify("permutations", seed=seed),
        lambda seed: mixed_volume(PARABOLA.slice().supports, seed=seed),
        lambda seed: memorizer([[1, 2], [3, 4]], [0, 1], seed=seed),
        lambda seed: th.PolynomialNetwork((2, 2, 1), th.monomial(2)).neurovariety(seed),
    ],
    ids=[
        "check_seed",
        "slice",
        "solve",
        "zero_set",
        "trace_paths",
        "verify",
        "mixed_volume",
        "memorizer",
        "neurovariety",
    ],
)
def test_a_wrong_seed_gets_the_same_answer_everywhere(call, seed):
    with pytest.raises(ValueError, match="seed must be a whole number that is not negative, got"):
        call(seed)


def test_seeds_of_numpy_are_whole_numbers():
    assert check_seed(np.int64(3)) == 3
    assert PARABOLA.slice(np.int64(3)).affine == PARABOLA.slice(3).affine


@pytest.mark.parametrize("value", [0, 1.5, "a", float("nan"), True, None])
def test_what_is_no_count_is_refused(value):
    with pytest.raises(ValueError, match="paths must be a whole number, at least 1, got"):
        check_count(value, "paths")
    assert check_count(np.int64(7), "paths") == 7


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "method must be one of", lambda: th.relu_approximation(3, method=["minimax"])),
        (ValueError, "low < high, got", lambda: th.PolynomialActivation([0, 1], interval=(1, 1))),
        (ValueError, "low < high, got", lambda: th.PolynomialActivation([0, 1], interval=(2, 1))),
        (ValueError, "pair of numbers", lambda: th.PolynomialActivation([0, 1], interval=3)),
        (ValueError, "at most 100,000", lambda: th.monomial(10**9)),
        (TypeError, "PolynomialSystem, a network .* or its shape, got 'x'", lambda: th.bounds("x", 3)),
        (TypeError, "PolynomialSystem, a network .* or its shape, got None", lambda: th.bounds(None)),
        (TypeError, "degeneracy needs a PolynomialSystem, got str", lambda: th.degeneracy("x", [1])),
        (TypeError, "zero_set needs a PolynomialSystem, got str", lambda: th.zero_set("x")),
        *(
            (
                ValueError,
                "max_paths must be a whole number, at least 1, got",
                lambda f=f, bad=bad: f(SQUARE, max_paths=bad),
            )
            for f in (th.solve, th.zero_set)
            for bad in ("a", float("nan"), 1.5, 0)
        ),
        (TypeError, "parse takes text", lambda: th.PolynomialSystem.parse(5)),
        (ValueError, "at least one unknown, got the constant 3", lambda: th.classify(sp.Integer(3), {})),
        (TypeError, "sympy expression", lambda: th.classify([x**2], {})),
        (ValueError, "there is no claim 3", lambda: th.verify(3)),
        (ValueError, "there is no claim", lambda: th.verify(["bezout"])),
    ],
)
def test_wrong_types_are_one_clear_line(error, message, call):
    with pytest.raises(error, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


# ---- points and systems


POINTED = {
    "degeneracy": lambda point: th.degeneracy(PARABOLA, point),
    "local_dimension": lambda point: th.local_dimension(PARABOLA, point),
    "rank_lower_bound": lambda point: th.rank_lower_bound(PARABOLA, point),
    "certify": lambda point: th.certify(SQUARE, point),
    "prove_manifold": lambda point: th.prove_manifold(PARABOLA, point),
    "contains": lambda point: th.zero_set(PARABOLA).contains(point),
}


@pytest.mark.parametrize("name", POINTED)
@pytest.mark.parametrize(
    ("point", "message"),
    [
        ([float("nan"), 1], "finite entries, got NaN or infinity"),
        ([Fraction(1, 2), float("inf")], "got NaN or infinity"),
        ([sp.nan, 1], "got NaN or infinity"),
        (["a", "b"], "numbers as entries, got text"),
        ("12", "numbers as entries, got text"),
        (None, "finite numbers as entries, got None"),
        ([10**400, 1], "range of doubles"),
        ([x, 1], "finite numbers as entries, got x"),
        ([1, 2, 3], r"got shape \(3,\)"),
        ([[1], [1, 2]], "got rows of different lengths"),
    ],
)
def test_a_wrong_point_gets_the_same_answer_everywhere(name, point, message):
    with pytest.raises(ValueError, match=rf"^{name} takes (one point|points) of shape \(.*{message}") as caught:
        POINTED[name](point)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "point",
    [
        [Fraction(1, 2), Fraction(1, 4)],
        [sp.Rational(1, 2), sp.Rational(1, 4)],
        [sp.Rational(1, 2), 0.25],
        [10**10, 10**20],
        [0.5, 0.25],
        [0, 0],
    ],
)
def test_exact_points_are_read_as_floats_are(point):
    assert th.local_dimension(PARABOLA, point) == th.degeneracy(PARABOLA, point).local_dimension == 1
    assert th.rank_lower_bound(PARABOLA, point) == 1
    assert th.prove_manifold(PARABOLA, point).certified[0]
    assert th.zero_set(PARABOLA).contains(point)


def test_exact_points_are_certified():
    square = th.PolynomialSystem([y - x**2, 2 * x - 1], [x, y])
    proofs = th.certify(square, [[Fraction(1, 2), sp.Rational(1, 4)]])
    assert proofs.real.all()
    assert len(th.certify(square, [])) == 0


@pytest.mark.parametrize("given", [None, th.PolynomialNetwork((1, 1, 1), th.monomial(2))])
@pytest.mark.parametrize("name", ["prove_manifold", "certify", "rank_lower_bound", "local_dimension"])
def test_what_is_no_system_is_a_type_error(name, given):
    with pytest.raises(TypeError, match=f"{name} needs a PolynomialSystem, got {type(given).__name__}"):
        getattr(th, name)(given, [0, 0])


def test_what_is_no_function_and_no_matrix_is_a_type_error():
    network = th.PolynomialNetwork((1, 1, 1), th.monomial(2))
    with pytest.raises(TypeError, match="a sympy expression or a system of one equation, got PolynomialNetwork"):
        th.classify(network, [0])
    with pytest.raises(TypeError, match="the point must be a sequence or a dict of numbers, got None"):
        th.classify(x**2, None)
    with pytest.raises(TypeError, match="gram_rank takes an iterable of blocks or a function that gives one, got None"):
        th.gram_rank(None, 3)


@pytest.mark.parametrize("bad", [-1, float("nan"), 0, "x", True, None, -(10**400)])
@pytest.mark.parametrize("name", ["tolerance", "max_precision"])
def test_a_wrong_effort_of_a_proof_is_refused_in_one_line(name, bad):
    for prove, system in ((th.prove_manifold, PARABOLA), (th.certify, SQUARE)):
        with pytest.raises(ValueError, match=f"{name} must be a .*number.*, got") as caught:
            prove(system, [0, 0], **{name: bad})
        assert "\n" not in str(caught.value)


# ---- what the documentation must say


def _without_a_line(cls):
    own = {name: member for name, member in vars(cls).items() if not name.startswith("_")}
    told = {name: getattr(m, "fget", None) or getattr(m, "func", None) or m for name, m in own.items()}
    return [name for name, function in told.items() if callable(function) and not function.__doc__]


@pytest.mark.parametrize(
    "name", ["Dense", "Convolution", "AveragePool", "Flatten", "Normalise", "Certificates", "critical_pieces"]
)
def test_every_public_property_and_method_has_a_line(name):
    value = getattr(th, name)
    assert not _without_a_line(CriticalPiece if name == "critical_pieces" else value)
    assert not _without_a_line(ZeroSet)


@pytest.mark.parametrize("name", ["zero_set", "critical_pieces", "rank_lower_bound", "bounds"])
def test_mathematics_names_its_source(name):
    assert "Source: " in getattr(th, name).__doc__
