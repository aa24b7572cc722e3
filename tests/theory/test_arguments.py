"""Wrong types: one clear line each, the same for the same mistake, nowhere an error from within."""

import numpy as np
import pytest
import sympy as sp

import theory as th
from theory.arguments import check_count, check_seed
from theory.interpolants import memorizer
from theory.polytopes import mixed_volume

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
        (TypeError, "PolynomialSystem, a network or its shape, got 'x'", lambda: th.bounds("x", 3)),
        (TypeError, "PolynomialSystem, a network or its shape, got None", lambda: th.bounds(None)),
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
