"""ReLU can be approximated within any epsilon in the sup norm by a polynomial of degree l(epsilon).

Predicted: the degree that suffices, by exchange, with a proven bound of its error; and half of Bernstein's constant as
the limit of error times degree. Observed: lower bounds of the error of *every* polynomial of a degree, by linear
programming on finitely many points, which share no code with the exchange.
"""

import itertools
from collections.abc import Callable

import numpy as np
from scipy.optimize import linprog

from theory.activations import relu_approximation, relu_degree
from theory.claims.claim import Case, Claim, Control

ID = "relu-approximation"
STATEMENT = "Each ReLU can be approximated within any epsilon in the sup norm by a polynomial of some degree l(epsilon)"
SOURCE = "2018 review, sections 1 and 3"

EPSILONS = (0.1, 0.05, 0.02, 0.01)
HALF_BERNSTEIN = 0.28016949902386913 / 2  # Varga and Carpenter 1985
METHODS = ("minimax", "chebyshev", "legendre", "least-squares")
_SLACK = 1e-7  # of the linear program

Function = Callable[[np.ndarray], np.ndarray]


def relu(points: np.ndarray) -> np.ndarray:
    return np.maximum(points, 0.0)


def step(points: np.ndarray) -> np.ndarray:
    """0 below 0, 1 from 0 on: not continuous, so no polynomial comes closer than 1/2."""
    return (points >= 0).astype(float)


def predicted(epsilon: float) -> int:
    """l(epsilon) on [-1, 1]."""
    return relu_degree(epsilon)


def observed(function: Function, epsilon: float, highest: int = 40) -> int | None:
    """The first degree that linear programming cannot exclude: below it every polynomial errs by more than epsilon."""
    for degree in range(highest + 1):
        if least_error(function, degree) <= epsilon + _SLACK:
            return degree
    return None


def least_error(function: Function, degree: int) -> float:
    """The smallest possible largest error on a fine set of points: a lower bound of the sup error on [-1, 1]."""
    angles = np.linspace(0, np.pi, 1201)
    points = np.unique(np.concatenate([np.cos(angles), [-1e-9, 0.0]]))  # both sides of 0, for the step
    basis = np.polynomial.chebyshev.chebvander(points, degree)
    values = function(points)
    ones = np.ones((len(points), 1))
    result = linprog(
        c=[0.0] * (degree + 1) + [1.0],
        A_ub=np.vstack([np.hstack([basis, -ones]), np.hstack([-basis, -ones])]),
        b_ub=np.concatenate([values, -values]),
        bounds=[(None, None)] * (degree + 1) + [(0, None)],
    )
    return float(result.fun)


def _degree_case(epsilon: float) -> Case:
    degree, first = predicted(epsilon), observed(relu, epsilon)
    proven = relu_approximation(degree).sup_error
    assert proven is not None
    agrees = first == degree and proven <= epsilon * (1 + 1e-9)
    seen = {"lowest degree not excluded": first, "proven error there": round(proven, 9)}
    return Case(f"l({epsilon})", degree, seen, agrees)


def _bernstein_case() -> Case:
    """Error times degree at 30 and 60 behaves like c - d/degree^2; the extrapolated limit is half of the constant."""
    products = [degree * (relu_approximation(degree).sup_error or np.nan) for degree in (30, 60)]
    limit = (4 * products[1] - products[0]) / 3
    seen = {"degree 60": round(products[1], 7), "limit": round(limit, 7)}
    agrees = abs(limit - HALF_BERNSTEIN) < 2e-6 and abs(products[1] - 0.14006) < 1e-5
    return Case("error * degree", HALF_BERNSTEIN, seen, agrees)


def _method_case(method: str) -> Case:
    """Any method gets below any epsilon: here below 0.02, with proven errors that fall and never undercut the best."""
    degrees = (4, 8, 16, 32, 64)
    errors = [relu_approximation(d, method=method).sup_error or np.nan for d in degrees]
    best = [least_error(relu, d) for d in degrees[:3]]
    falling = all(b < a for a, b in itertools.pairwise(errors))
    above = all(e >= b - _SLACK for e, b in zip(errors, best, strict=False))
    agrees = falling and above and errors[-1] < 0.02
    return Case(f"{method}, degrees 4 to 64", "falls below 0.02", [round(e, 6) for e in errors], agrees)


def control() -> Control:
    """The same check on a step function, which no polynomial approximates: it must find no degree."""
    found = observed(step, 0.4, highest=20)
    return Control(
        "a step in place of ReLU: no degree up to 20 may come within 0.4",
        expected=None,
        observed=found,
        passed=found is None,
    )


def check(seed: int = 0) -> Claim:
    """Degrees for four epsilons, the limit of error times degree, and the four methods; nothing random."""
    cases = [_degree_case(epsilon) for epsilon in EPSILONS]
    cases += [_bernstein_case(), *(_method_case(method) for method in METHODS)]
    return Claim.from_cases(
        cases,
        control(),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="degrees exact; errors proven from above, bounded from below by linear programming to 1e-7; the "
        "limit to 2e-6 (third-order remainder of the extrapolation)",
        seed=seed,
    )
