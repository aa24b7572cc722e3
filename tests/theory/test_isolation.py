import numpy as np
import pytest

import theory as th
from tests import known_systems
from theory.continuation.isolation import dual_dimension, is_isolated, local_multiplicity

parse = th.PolynomialSystem.parse
TWISTED = "3\nx*z - y^2;\ny - x*z;\nx^2 - y;"  # the line x = y = 0, with the origin embedded, and two points


@pytest.mark.parametrize("known", known_systems.SINGULAR, ids=lambda k: k.name)
def test_the_dual_space_at_isolated_points_is_as_large_as_the_multiplicity(known):
    for point, multiplicity in known.singular.items():
        dimensions = [dual_dimension(known.system, np.array(point, complex), order) for order in range(1, 7)]
        assert max(dimensions) == dimensions[-1] == multiplicity
        assert is_isolated(known.system, np.array(point, complex), multiplicity)


@pytest.mark.parametrize(
    ("text", "point"),
    [
        (TWISTED, (0, 0, 0)),
        ("2\nx*y;\nx^2;", (0, 0)),
        ("2\nx^2 - y;\nx^4 - y^2;", (0, 0)),
        ("2\nx*y;\nx;", (0, 3)),
        ("2\n(x-y)^2*(x-1);\n(x-y)*(y-2);", (2 + 1e-14, 2 - 3e-15)),
    ],
)
def test_points_of_curves_are_not_isolated(text, point):
    assert is_isolated(parse(text), np.array(point, complex), 5) is False


def test_a_large_dual_space_decides_nothing():
    system = known_systems.EVERY["cbms1"].system
    assert is_isolated(system, np.zeros(3, complex), 1) is False  # 7 functionals of order 1 or 2, one path
    assert dual_dimension(system, np.zeros(3, complex), 40) is None


@pytest.mark.parametrize("seed", range(5))
def test_an_embedded_point_is_not_listed_as_a_solution(seed):
    found = th.solve(parse(TWISTED), seed=seed)
    assert sorted(found.real.round(12).tolist()) == [[-1, -1, 1], [1, 1, 1]]  # x, z, y
    assert not found.singular.any()
    assert found.paths.singular == found.paths.not_isolated > 0
    assert any("zero_set" in note for note in found.notes)


@pytest.mark.parametrize("error", [0, 1e-18, 1e-9])
def test_derivatives_of_the_size_of_the_error_of_a_point_are_none(error):
    near = np.array([error, -error], complex)
    assert is_isolated(parse("2\nx^2;\nx*y;"), near, 10) is False
    assert is_isolated(parse("2\n1e6*x^2;\n1e-9*x*y;"), near, 10) is False
    assert local_multiplicity(known_systems.EVERY["cbms1"].system, np.full(3, error, complex), 20) == 11


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "text",
    ["x^2;\nx*y;", "x*(x-y);\ny*(x-y);", "x^2*y-y^3;\nx*y^2-x^3;", "x*(y-x^2);\ny*(y-x^2);", "(x-1)^2;\n(x-1)*(y-1);"],
)
def test_curves_through_the_origin_hold_no_isolated_solution(text, seed):
    found = th.solve(parse(f"2\n{text}"), seed=seed)
    assert len(found) == 0
    assert found.paths.not_isolated > 0 == found.paths.failed
