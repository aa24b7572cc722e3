"""Minima of non-zero error can have a higher dimension than the zero-error set: only independent, active equations cut.

Linear networks: on inconsistent data whose inputs have rank r < N the minimisers have dimension K - r m, where N m
consistent, independent equations would leave K - N m. ReLU networks: where all hidden units are off on all data the
loss is constant in all K directions without an output bias, and minimal on a set of dimension K - 1 with one. The
source prints "K vs. N": K itself is right for the dead region without an output bias only. Its words are a statement
on sets; beside it stands one on constraints, Proposition 1: critical points of non-zero error satisfy K equations, not
N, so that with a polynomial activation their Hessian usually has full rank. The two do not contradict each other.
Predicted: dimensions, from how the data were made. Observed: exact rank of the normal equations, homotopy, and exact
losses of a ReLU network all over a box on which interval arithmetic keeps every unit off.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control, judge
from theory.claims.zero_set_dimension import rational_data
from theory.networks import PolynomialNetwork
from theory.rank import modular_rank
from theory.zero_sets import zero_set

ID = "corollary-1"
STATEMENT = (
    "There are minima of non-zero error of higher dimension than the zero-error set of as many generic data: K - r m "
    "for linear networks on inconsistent data of rank r < N, K (K - 1 with an output bias) where all ReLUs are off"
)
SOURCE = "arXiv 1703.09833, Corollary 1 (reading: dimensions of sets)"

Rows = tuple[tuple[Fraction, ...], ...]


# ---- linear networks


@dataclass(frozen=True)
class LinearData:
    """A linear network with N data whose inputs have rank r: the last N - r are sums of the first r."""

    widths: tuple[int, ...]
    n_data: int
    rank: int

    def __str__(self) -> str:
        return f"linear {'-'.join(map(str, self.widths))}, N = {self.n_data}, r = {self.rank}"

    @property
    def n_weights(self) -> int:
        return sum(a * b for a, b in itertools.pairwise(self.widths))

    def data(self, seed: int) -> tuple[Rows, Rows]:
        free = rational_data((self.rank, self.widths[0]), seed + 10 * self.n_data)
        rng = np.random.default_rng([seed, self.n_data])
        factors = rng.integers(1, 4, size=(self.n_data - self.rank, self.rank)).tolist()
        columns = list(zip(*free, strict=True))
        dependent = [tuple(_dot(list(map(Fraction, row)), column) for column in columns) for row in factors]
        return (*free, *dependent), rational_data((self.n_data, self.widths[-1]), seed + 500)


ONE_LAYER = (LinearData((5, 1), 3, 2), LinearData((4, 2), 3, 1), LinearData((6, 1), 5, 3))
TWO_LAYERS = (LinearData((2, 1, 1), 2, 1), LinearData((1, 2, 1), 3, 1))


def predicted_linear(case: LinearData) -> dict[str, Any]:
    """K - r m: the outputs on the data are free in r m directions, and are fixed at the best ones."""
    return {"dimension": case.n_weights - case.rank * case.widths[-1], "error": "positive"}


def observed_one_layer(case: LinearData, seed: int) -> dict[str, Any]:
    """The normal equations X^T X w = X^T y, exactly: an affine space, and the least error on it."""
    import flint

    X, Y = case.data(seed)
    n, m = case.widths
    normal = [[sum(x[i] * x[j] for x in X) for j in range(n)] for i in range(n)]
    right = [[sum(x[i] * y[k] for x, y in zip(X, Y, strict=True)) for k in range(m)] for i in range(n)]
    table = flint.fmpq_mat(n, n + m, [_fmpq(v) for a, b in zip(normal, right, strict=True) for v in (*a, *b)])
    reduced, rank = table.rref()
    pivots = [next(j for j in range(n + m) if reduced[i, j] != 0) for i in range(rank)]
    if any(p >= n for p in pivots):
        raise ValueError("normal equations without a solution: this cannot be")
    weights = [[Fraction(0)] * m for _ in range(n)]  # the solution whose free weights are 0
    for i, p in enumerate(pivots):
        weights[p] = [Fraction(int(reduced[i, n + k].p), int(reduced[i, n + k].q)) for k in range(m)]
    outputs = [[sum(x[i] * weights[i][k] for i in range(n)) for k in range(m)] for x in X]
    error = sum((f - t) ** 2 for row, y in zip(outputs, Y, strict=True) for f, t in zip(row, y, strict=True))
    return {"dimension": m * (n - rank), "error": "positive" if error > 0 else "zero"}


def _fmpq(value: Fraction | int) -> Any:
    import flint

    value = Fraction(value)
    return flint.fmpq(value.numerator, value.denominator)


def observed_two_layers(case: LinearData, seed: int) -> dict[str, Any]:
    """All critical points by homotopy; the dimension of the pieces on which the error is least, and that error."""
    X, Y = case.data(seed)
    network = PolynomialNetwork(case.widths, PolynomialActivation([0, 1]), bias=False)
    pieces = zero_set(network.critical_system(X, Y), seed=seed).components
    inputs, wanted = np.array(X, dtype=float), np.array(Y, dtype=float)
    # the pieces are complex, but on each of them the error is one real number
    errors = [float(((network.evaluate(p.points[0], inputs) - wanted) ** 2).mean().real) for p in pieces]
    least = min(errors)
    dimension = max(p.dimension for p, e in zip(pieces, errors, strict=True) if e < least + 1e-9)
    return {"dimension": dimension, "error": "positive" if least > 1e-9 else "zero"}


# ---- ReLU networks: 2-3-1 on five points, in exact rationals


@dataclass(frozen=True)
class Relu:
    """Weights of x -> sum_j a_j relu(w_j x + b_j) + c; c counts as a weight where it is given."""

    incoming: Rows
    biases: tuple[Fraction, ...]
    outgoing: tuple[Fraction, ...]
    output_bias: Fraction | None = None

    @property
    def flat(self) -> list[Fraction]:
        tail = [] if self.output_bias is None else [self.output_bias]
        return [*(v for row in self.incoming for v in row), *self.biases, *self.outgoing, *tail]

    def moved(self, flat: Sequence[Fraction]) -> "Relu":
        n, h = len(self.incoming[0]), len(self.biases)
        rows = tuple(tuple(flat[j * n : (j + 1) * n]) for j in range(h))
        rest = tuple(flat[h * n :])
        return Relu(rows, rest[:h], rest[h : 2 * h], None if self.output_bias is None else rest[2 * h])

    def pre_activations(self, x: Sequence[Fraction]) -> list[Fraction]:
        return [_dot(row, x) + b for row, b in zip(self.incoming, self.biases, strict=True)]

    def __call__(self, x: Sequence[Fraction]) -> Fraction:
        hidden = [max(z, Fraction(0)) for z in self.pre_activations(x)]
        return _dot(self.outgoing, hidden) + (self.output_bias or 0)

    def jacobian_row(self, x: Sequence[Fraction]) -> list[Fraction]:
        """Derivatives of the output in the order of `flat`; needs pre-activations that are not 0."""
        z = self.pre_activations(x)
        on = [a if value > 0 else Fraction(0) for a, value in zip(self.outgoing, z, strict=True)]
        row = [v * xk for v in on for xk in x] + on + [max(value, Fraction(0)) for value in z]
        return row if self.output_bias is None else [*row, Fraction(1)]


def _dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))


def _rational(rows: Sequence[Sequence[int]]) -> Rows:
    return tuple(tuple(Fraction(v, 10) for v in row) for row in rows)


POINTS = _rational([(10, 5), (-8, 12), (3, -14), (-15, -6), (18, -7)])
_BIASES, _OUTGOING = _rational([(3, -2, 5), (8, -11, 14)])
TEACHER = Relu(_rational([(12, -5), (-9, 11), (-4, -13)]), _BIASES, _OUTGOING)
TARGETS = tuple(TEACHER(x) for x in POINTS)  # so that the error can be 0


def dead(output_bias: bool) -> Relu:
    """Weights far inside the dead region; with an output bias at its best value there, the mean of the targets."""
    mean = sum(TARGETS, Fraction(0)) / len(TARGETS)
    low = (Fraction(-20),) * len(TEACHER.biases)
    return Relu(TEACHER.incoming, low, TEACHER.outgoing, mean if output_bias else None)


def error(network: Relu) -> Fraction:
    return sum(((network(x) - y) ** 2 for x, y in zip(POINTS, TARGETS, strict=True)), Fraction(0)) / len(POINTS)


def predicted_relu(kind: str) -> dict[str, Any]:
    """K = 12 without and 13 with an output bias, N = 5."""
    K, N = 12 + (kind == "dead, output bias"), len(POINTS)
    if kind == "zero error":
        return {"dimension": K - N, "error": "zero"}
    return {"dimension": K - (kind == "dead, output bias"), "error": "positive"}


def observed_relu(kind: str, seed: int) -> dict[str, Any]:
    """Zero error: K less the exact rank of the Jacobian. Dead: the directions in which the exact loss does not move."""
    if kind == "zero error":
        rank = modular_rank([TEACHER.jacobian_row(x) for x in POINTS])
        return {"dimension": len(TEACHER.flat) - rank, "error": "zero" if error(TEACHER) == 0 else "positive"}
    network = dead(kind == "dead, output bias")
    box = largest_box(network)
    return {
        "dimension": flat_directions(network, box, seed) if box > 0 else 0,
        "error": "positive" if error(network) > 0 else "zero",
    }


def largest_box(network: Relu) -> Fraction:
    """A radius such that, whatever weights are moved by at most as much each, every unit stays off on every point.

    The pre-activation w x + b moves by at most radius * (|x|_1 + 1). 0 where a unit is on.
    """
    slack = [-z / (sum(map(abs, x), Fraction(1))) for x in POINTS for z in network.pre_activations(x)]
    return max(Fraction(0), min(slack) * Fraction(99, 100))


def flat_directions(network: Relu, box: Fraction, seed: int) -> int:
    """Along how many axes the loss is the same on both sides, exactly; 0 unless also at random corners of the box.

    Axes along which it moves must raise it, else the point is no minimum and 0 is returned.
    """
    here, flat = error(network), network.flat
    moves, rises = [], []
    for k in range(len(flat)):
        sides = [error(network.moved([*flat[:k], flat[k] + s * box, *flat[k + 1 :]])) - here for s in (1, -1)]
        moves.append(any(sides))
        rises.append(all(d > 0 for d in sides))
    rng = np.random.default_rng(seed)
    for _ in range(50):
        step = [Fraction(int(d), 7) * box * (not m) for d, m in zip(rng.integers(-7, 8, len(flat)), moves, strict=True)]
        if error(network.moved([v + d for v, d in zip(flat, step, strict=True)])) != here:
            return 0
    return moves.count(False) if all(r for m, r in zip(moves, rises, strict=True) if m) else 0


# ---- the claim


def control(seed: int) -> Control:
    """Independent data, which a linear network fits; and inputs all round 0, which no unit without bias is off on."""
    independent = LinearData((5, 1), 3, 3)
    found = observed_one_layer(independent, seed)
    sums = [sum(column) for column in zip((10, 0), (0, 10), (-10, -10), strict=True)]
    return Control(
        f"{independent}: the minimum must be 0, of dimension K - N; ReLUs without biases on inputs whose sum is 0: no "
        "dead region, as the pre-activations of a unit add up to 0",
        expected={"dimension": 2, "error": "zero", "sum of inputs": [0, 0]},
        observed={**found, "sum of inputs": sums},
        passed=found == {"dimension": 2, "error": "zero"} and sums == [0, 0],
    )


def check(seed: int = 0) -> Claim:
    """Three linear networks in exact rationals, two by homotopy, and a ReLU network at three points."""
    linear = [(case, observed_one_layer(case, seed)) for case in ONE_LAYER]
    linear += [(case, observed_two_layers(case, seed)) for case in TWO_LAYERS]
    cases = [Case(str(c), predicted_linear(c), found, predicted_linear(c) == found) for c, found in linear]
    beyond = [(str(c), c.n_weights - c.n_data * c.widths[-1], found["dimension"]) for c, found in linear]
    printed = [Case(str(c), c.n_weights, found["dimension"], c.n_weights == found["dimension"]) for c, found in linear]
    relu = {kind: observed_relu(kind, seed) for kind in ("zero error", "dead", "dead, output bias")}
    cases += [Case(f"ReLU 2-3-1, {k}", predicted_relu(k), f, predicted_relu(k) == f) for k, f in relu.items()]
    beyond += [(f"ReLU 2-3-1, {k}", relu["zero error"]["dimension"], relu[k]["dimension"]) for k in list(relu)[1:]]
    cases += [Case(f"{name}: above K - N m = {low}", True, found > low, found > low) for name, low, found in beyond]
    negative = control(seed)
    return Claim.from_cases(
        cases,
        negative,
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: exact rationals and intervals; for two layers whole dimensions by homotopy",
        seed=seed,
        printed_verdict=judge(printed, negative),
        note="As printed the dimension is K: right for the dead region without an output bias only. Read as a count of "
        "constraints it is Proposition 1: zero-error minima satisfy N equations (Hessian of rank <= N), other critical "
        "points K (rank up to K).",
    )
