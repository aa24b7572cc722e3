"""Where the data cannot be met the best weights still form a set of dimension K - D, the fibre of the network's map.

D is the dimension of the neurovariety: of the N m outputs on the data, D can be chosen freely to first order, and the
weights that make one best function are as many as those that make any other. So "still many global minima" is right
for K > D, where symmetries or surplus weights are left, and for K = D only as far as finite symmetries go: z + z^2
with one unit has a single best point. Predicted: the least error by closed forms that know no critical equations
(least squares, Eckart and Young, elimination of the outer weight), K - D by exact rank, the degree of the fibre.
Observed: all complex critical points by homotopy, the least value at real ones, dimension and degree of that piece.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control, judge
from theory.claims.zero_set_dimension import rational_data
from theory.continuation.solve import solve
from theory.networks import PolynomialNetwork
from theory.zero_sets import relative_residual, zero_set

ID = "inconsistent"
STATEMENT = (
    "On more generic data than the dimension D of the neurovariety the least squared error is positive, and where it "
    "is attained the global minima form a set of dimension K - D, as the zeros do for any function the network can be"
)
SOURCE = "2018 review, section 3"
VANISHES = 1e-7  # of the gradient, relative to the size of its terms
SAME = 1e-7  # of two values of the error
_ENDS = np.array([1e-5, 1e6])  # of w, where 0 and infinity are meant
Univariate = np.polynomial.Polynomial
NOISE = Fraction(1, 4)  # on the targets, in units of the random decimals


@dataclass(frozen=True)
class Least:
    """The infimum of the error; attained: not only in the limit of weights that go to infinity."""

    error: float
    attained: bool


Route = Callable[["Instance", int], Least]


@dataclass(frozen=True)
class Instance:
    """A network without biases, N data made by a teacher plus noise, and how its least error is known without descent.

    degree: of the set of global minima; the number of them where it is finite
    """

    name: str
    widths: tuple[int, ...]
    coefficients: tuple[int, ...]
    n_data: int
    degree: int
    route: Route

    def __str__(self) -> str:
        return f"{self.name} {'-'.join(map(str, self.widths))}, N = {self.n_data}"

    def network(self) -> PolynomialNetwork:
        return PolynomialNetwork(self.widths, PolynomialActivation(self.coefficients), bias=False)

    def data(self, seed: int) -> tuple[Any, Any]:
        """Inputs (N, n) and targets (N, m), exact: a teacher's outputs plus noise, so that the minimum is attained."""
        n, m = self.widths[0], self.widths[-1]
        inputs = tuple(zip(*(_distinct(self.n_data, seed + 31 * k) for k in range(n)), strict=True))
        network = self.network()
        system = network.interpolation_system(inputs, [[Fraction(0)] * m] * self.n_data)
        teacher = rational_data((1, network.n_parameters), seed + 200)[0]
        clean = [p.evaluate(teacher, lambda c: c.re) for p in system.polynomials]
        noise = [NOISE * v for row in rational_data((self.n_data, m), seed + 300) for v in row]
        rows = [c + v for c, v in zip(clean, noise, strict=True)]
        return inputs, tuple(tuple(rows[i * m : (i + 1) * m]) for i in range(self.n_data))

    def arrays(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        inputs, targets = self.data(seed)
        return np.array(inputs, dtype=np.float64), np.array(targets, dtype=np.float64)


def _distinct(n: int, seed: int) -> list[Fraction]:
    """n different decimals in [-1, 1], none of them 0."""
    grid = [k for k in range(-20, 21) if k]
    return [Fraction(grid[i], 20) for i in np.random.default_rng(seed).permutation(len(grid))[:n]]


def low_rank(instance: Instance, seed: int) -> Least:
    """Linear networks: the residual of least squares and the singular values beyond the width (Eckart and Young)."""
    X, Y = instance.arrays(seed)
    basis = np.linalg.qr(X)[0]
    dropped = np.linalg.svd(basis.T @ Y, compute_uv=False)[min(instance.widths) :]
    return Least(float((((Y - basis @ (basis.T @ Y)) ** 2).sum() + (dropped**2).sum()) / Y.size), True)


def one_direction(instance: Instance, seed: int) -> Least:
    """a p(w x) with one free number in w: y^2 - (y g)^2 / g^2 at the roots of its derivative, a polynomial in it.

    For one input w itself, for two and a homogeneous p the slope of w; g are p's values. Both ends, w = 0 and infinity,
    stand for limits in which a or w grows without bound.
    """
    X, Y = instance.arrays(seed)
    y = Y[:, 0]
    line = [Univariate([0, x[0]]) if len(x) == 1 else Univariate(x) for x in X]
    g = [sum((c * z**k for k, c in enumerate(instance.coefficients)), Univariate([0])) for z in line]
    yg = sum((v * q for v, q in zip(y, g, strict=True)), Univariate([0]))
    gg = sum((q * q for q in g), Univariate([0]))
    roots = (2 * yg.deriv() * gg - yg * gg.deriv()).roots()
    at = roots[np.abs(roots.imag) < 1e-6 * (1 + np.abs(roots))].real
    inner = (np.abs(at) > 1e-3) & (np.abs(at) < 1e3)
    gains, ends = yg(at[inner]) ** 2 / gg(at[inner]), yg(_ENDS) ** 2 / gg(_ENDS)
    best = max(gains.max(initial=0), ends.max())
    return Least(float(((y**2).sum() - best) / len(y)), bool(gains.max(initial=0) > ends.max()))


def two_directions(instance: Instance, seed: int) -> Least:
    """a p(w x) with w in the plane: y^2 - (y g)^2 / g^2, least over several descents of a simplex."""
    from scipy.optimize import minimize

    X, Y = instance.arrays(seed)
    y = Y[:, 0]

    def loss(w: np.ndarray) -> np.ndarray:  # w (..., 2)
        g = np.polynomial.polynomial.polyval(w @ X.T, instance.coefficients)
        return (y**2).sum() - (g @ y) ** 2 / ((g**2).sum(axis=-1) + 1e-300)

    side = np.tan(np.pi / 2 * np.linspace(-0.97, 0.97, 61))
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    starts = grid[np.argsort(loss(grid))[:6]]
    options = {"xatol": 1e-8, "fatol": 1e-12, "maxiter": 1000}
    ends = [minimize(loss, w, method="Nelder-Mead", options=options) for w in starts]
    best = min(ends, key=lambda end: float(end.fun))
    return Least(float(best.fun) / len(y), bool(1e-3 < np.abs(best.x).max() < 1e3))


INSTANCES = (
    Instance("linear", (2, 1, 2), (0, 1), 4, 2, low_rank),  # u v^T = M: the conic u = t u0, v = v0 / t
    Instance("linear", (1, 2, 1), (0, 1), 3, 2, low_rank),  # a w = c: a quadric
    Instance("z^2", (2, 1, 1), (0, 0, 1), 4, 3, one_direction),  # w = s w0, a = a0 / s^2: a plane cubic
    Instance("z+z^2", (1, 1, 1), (0, 1, 1), 4, 1, one_direction),  # K = D, no symmetry: one point
    Instance("z+z^3", (1, 1, 1), (0, 1, 0, 1), 4, 2, one_direction),  # odd: (w, a) and (-w, -a)
    Instance("z+z^2", (2, 1, 1), (0, 1, 1), 5, 1, two_directions),
)


def drawn(instance: Instance, seed: int) -> int:
    """The first of seed, seed + 1000, ... whose data have their infimum attained."""
    return next(s for s in itertools.count(seed, 1000) if instance.route(instance, s).attained)


def predicted(instance: Instance, seed: int) -> dict[str, Any]:
    """The least error, without critical equations; K - D; the degree of the fibre."""
    network = instance.network()
    dimension = network.n_parameters - network.neurovariety(seed).dimension
    return {"error": instance.route(instance, seed).error, "dimension": dimension, "degree": instance.degree}


def observed(instance: Instance, seed: int) -> dict[str, Any]:
    """The least error at real critical points; dimension and degree of the critical points that have it.

    Which pieces of positive dimension have real points is seen from descents, some of which start close to them.
    """
    exact_inputs, exact_targets = instance.data(seed)
    network, (X, Y) = instance.network(), instance.arrays(seed)
    critical = network.critical_system(exact_inputs, exact_targets)

    def errors(points: np.ndarray) -> np.ndarray:
        return ((network.evaluate(points, X) - Y) ** 2).mean(axis=(1, 2))

    # isolated points from a start of their own, with few paths to infinity; larger pieces by decomposition
    points = solve(critical, start="multihomogeneous", seed=seed)
    larger = [p for p in zero_set(critical, seed=seed).components if p.dimension]
    pieces = [(p.dimension, p.degree, p.points) for p in larger]
    pieces += [(0, 1, point[None]) for point in points.solutions]
    starts = [np.random.default_rng([seed, 4]).normal(size=(8, network.n_parameters))]
    starts += [p.sample(4).real for p in larger if p.multiplicity == 1]
    real = np.vstack([_descents(network, X, Y, np.vstack(starts)), points.real])
    critical_ones = real[relative_residual(critical, real) < VANISHES]
    least = float(errors(critical_ones).min())
    at_least = [(k, degree) for k, degree, some in pieces if np.abs(errors(some) - least).max() < SAME]
    dimension = max((k for k, _ in at_least), default=-1)
    return {"error": least, "dimension": dimension, "degree": sum(d for k, d in at_least if k == dimension)}


def _descents(network: PolynomialNetwork, X: np.ndarray, Y: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Ends of least squares descents: real points of the pieces that are not isolated."""
    from scipy.optimize import least_squares

    def residuals(w: np.ndarray) -> np.ndarray:
        return (network.evaluate(w, X) - Y).ravel()

    options = {"xtol": 1e-15, "ftol": 1e-15, "gtol": 1e-15, "max_nfev": 100}
    return np.array([least_squares(residuals, w, lambda w: network.jacobian(w, X), **options).x for w in starts])


def agrees(expected: dict[str, Any], found: dict[str, Any]) -> bool:
    """Also: the error is positive."""
    same = abs(expected["error"] - found["error"]) < SAME and found["error"] > SAME
    return same and all(expected[k] == found[k] for k in ("dimension", "degree"))


def control(seed: int) -> Control:
    """Fewer data than D: the error must be 0, on a set of dimension K - N, above K - D."""
    instance = Instance("z+z^2", (2, 1, 1), (0, 1, 1), 2, 1, two_directions)
    expected, found = predicted(instance, seed), observed(instance, seed)
    return Control(
        f"{instance}, below D = 3: the least error must be 0, and the dimension K - N = 1",
        expected={"error": 0, "dimension": 1},
        observed=found,
        passed=not agrees(expected, found) and found["error"] < SAME and found["dimension"] == 1,
    )


def check(seed: int = 0) -> Claim:
    """Six networks on more data than they can meet."""
    draws = {instance: drawn(instance, seed) for instance in INSTANCES}
    results = [(instance, predicted(instance, s), observed(instance, s)) for instance, s in draws.items()]
    printed = []
    for instance, _, found in results:
        many = found["dimension"] > 0 or found["degree"] > 1
        shown = f"dimension {found['dimension']}, degree {found['degree']}"
        printed.append(Case(str(instance), "many global minima", shown, many))
    negative = control(seed)
    return Claim.from_cases(
        [Case(str(i), expected, found, agrees(expected, found)) for i, expected, found in results],
        negative,
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"errors: {SAME:g}, gradients vanishing to rounding; dimension and degree are whole numbers",
        seed=seed,
        printed_verdict=judge(printed, negative),
        note="A single global minimum: " + "; ".join(case.instance for case in printed if not case.agrees),
    )
