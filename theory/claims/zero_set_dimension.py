"""Zero-error weights of an underdetermined network form a set of dimension K - N*m, as long as the data can be met.

The sentence of the source, "dimension K - N", is right while the N*m equations stay independent, that is up to
D = the dimension of the network's neurovariety (the set of functions it can be). A monomial network has D < K, because
hidden units can be rescaled: between D and K its generic data have no zero at all, where K - N promises a positive
dimension. So the statement as checked predicts from D; the printed one predicts from K.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control, judge
from theory.local_geometry import degeneracy
from theory.networks import PolynomialNetwork
from theory.systems import PolynomialSystem
from theory.zero_sets import zero_set

ID = "zero-set-dimension"
STATEMENT = (
    "Generic data of N points and m outputs are met by a zero set of dimension K - N*m in the K weights as long as N*m "
    "is at most the dimension D of the network's neurovariety, and by no weights at all beyond"
)
SOURCE = "2018 review, sections 2, 3 and 7 (there: K - N whenever K > N)"
EMPTY = -1

CUBIC = (Fraction(3, 10), Fraction(1, 2), Fraction(2, 5), Fraction(1, 5))  # not homogeneous: no rescaling symmetry
SQUARE = (Fraction(0), Fraction(0), Fraction(1))
LINEAR = (Fraction(0), Fraction(1))


@dataclass(frozen=True)
class Instance:
    """One network with its data, exact: theory solves it, the experiment of the same name trains it.

    bias: for each layer whether it has one; coefficients: of the activation, ascending
    inputs: N points; targets: N rows of m numbers
    neurovariety_dimension: D, the largest number of generic equations that are independent, from the closed form
    """

    name: str
    widths: tuple[int, ...]
    coefficients: tuple[Fraction, ...]
    bias: tuple[bool, ...]
    inputs: tuple[tuple[Fraction, ...], ...]
    targets: tuple[tuple[Fraction, ...], ...]
    neurovariety_dimension: int
    seed: int

    @property
    def n_weights(self) -> int:
        pairs = zip(self.widths, self.widths[1:], self.bias, strict=False)
        return sum(out * (fan_in + has_bias) for fan_in, out, has_bias in pairs)

    @property
    def n_equations(self) -> int:
        return len(self.inputs) * self.widths[-1]

    def network(self) -> PolynomialNetwork:
        return PolynomialNetwork(self.widths, PolynomialActivation(list(self.coefficients)), bias=self.bias)

    def system(self) -> PolynomialSystem:
        """The interpolation equations f(x_i; w) = y_i, exact."""
        return self.network().interpolation_system(self.inputs, self.targets)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The data as float64 arrays: inputs (N, n), targets (N, m)."""
        return np.array(self.inputs, dtype=np.float64), np.array(self.targets, dtype=np.float64)


def rational_data(shape: tuple[int, int], seed: int, scale: int = 10) -> tuple[tuple[Fraction, ...], ...]:
    """Random decimals with one digit in [-2, 2], exact and never 0; shape: rows, columns."""
    rng = np.random.default_rng(seed)
    magnitudes = rng.integers(1, 2 * scale + 1, size=shape)
    signs = rng.choice([-1, 1], size=shape)
    return tuple(tuple(Fraction(int(value), scale) for value in row) for row in magnitudes * signs)


def _instance(
    name: str,
    widths: Sequence[int],
    coefficients: tuple[Fraction, ...],
    bias: Sequence[bool],
    n: int,
    d: int,
    seed: int,
) -> Instance:
    inputs = rational_data((n, widths[0]), seed)
    targets = rational_data((n, widths[-1]), seed + 1000)
    return Instance(f"{name}, N={n}", tuple(widths), coefficients, tuple(bias), inputs, targets, d, seed)


# Real zeros exist wherever complex ones do (the seeds are chosen so), else training could not reach them.
# D of the closed forms: symmetric n x n matrices of rank <= h have dimension h*n - h*(h-1)/2 (here 3, 2);
# m x k matrices of rank <= h have dimension h*(m+k-h) (here 4); the cubic networks have no symmetry, so D = K.
INSTANCES: tuple[Instance, ...] = (
    *(_instance("square 2-2-1", (2, 2, 1), SQUARE, (False, False), n, 3, 0) for n in (2, 3, 4)),
    *(_instance("square 1-1-1", (1, 1, 1), SQUARE, (True, False), n, 2, 4) for n in (1, 2, 3)),
    *(_instance("cubic 1-1-1", (1, 1, 1), CUBIC, (True, False), n, 3, 4) for n in (1, 2, 3, 4)),
    *(_instance("cubic 2-2-1", (2, 2, 1), CUBIC, (True, False), n, 8, 3) for n in (4, 5)),
    _instance("linear 2-2-2", (2, 2, 2), LINEAR, (False, False), 2, 4, 4),
)

COPIED = ("square 2-2-1, N=2", "linear 2-2-2, N=2")  # homogeneous activations without biases


@dataclass(frozen=True)
class Found:
    """The zero set as computed: dimension (-1: empty), degree and number of components of that dimension, and the
    nullities K - rank J seen at the witness points of those components."""

    dimension: int
    degree: int
    components: int
    nullities: tuple[int, ...]

    def __str__(self) -> str:
        if self.dimension == EMPTY:
            return "empty"
        nullities = ", ".join(map(str, self.nullities))
        return f"dimension {self.dimension}, degree {self.degree} in {self.components} components, nullity {nullities}"


def printed(instance: Instance) -> int:
    """What the source's words give: K - N*m, where that is not negative."""
    return max(instance.n_weights - instance.n_equations, EMPTY)


def predicted(instance: Instance) -> int:
    """K - N*m as long as the equations are independent, that is up to D of them; EMPTY beyond."""
    return printed(instance) if instance.n_equations <= instance.neurovariety_dimension else EMPTY


def observed(instance: Instance, seed: int) -> Found:
    """The numerical decomposition of the zero set by homotopy, and ranks at up to three points of each component."""
    system = instance.system()
    zeros = zero_set(system, seed=seed)
    top = [c for c in zeros.components if c.dimension == zeros.dimension]
    points = [point for component in top for point in component.points[:3]]
    nullities = {degeneracy(system, point).tangent_dimension for point in points}
    return Found(zeros.dimension, zeros.degree, len(top), tuple(sorted(nullities)))


def _agrees(expected: int, found: Found) -> bool:
    return found.dimension == expected and set(found.nullities) <= {expected}


def _dimension_cases() -> list[Case]:
    """D of each network: the closed form against an exact rank over a prime field."""
    networks = {i.name.partition(",")[0]: i for i in INSTANCES}
    exact = {name: i.network().neurovariety().dimension for name, i in networks.items()}
    return [
        Case(f"D of {name}", i.neurovariety_dimension, exact[name], i.neurovariety_dimension == exact[name])
        for name, i in networks.items()
    ]


def copies(instance: Instance, w: np.ndarray) -> list[np.ndarray]:
    """Weights (K,) of a net with one hidden layer and no biases again: its units reversed, and each one rescaled by 2
    before and 2^-l after an activation z^l."""
    inputs, hidden, outputs = instance.widths
    first, second = w[: hidden * inputs].reshape(hidden, inputs), w[hidden * inputs :].reshape(outputs, hidden)
    power = len(instance.coefficients) - 1
    pairs = [(first[::-1], second[:, ::-1]), (2 * first, second / 2**power)]
    return [np.concatenate([a.ravel(), b.ravel()]) for a, b in pairs]


def _copy_case(instance: Instance, seed: int) -> Case:
    """Copies of a generic zero are zeros on the set, as degenerate as it is."""
    system, expected = instance.system(), predicted(instance)
    zeros = zero_set(system, seed=seed)
    again = copies(instance, zeros.sample(1, seed=seed)[0])
    found = [degeneracy(system, w).tangent_dimension if zeros.contains(w) else EMPTY for w in again]
    return Case(f"{instance.name}: nullity at permuted and rescaled copies", expected, found, set(found) == {expected})


def control(seed: int) -> Control:
    """One data point given twice: two of the equations are the same, and K - N*m must be too low by one."""
    instance = next(i for i in INSTANCES if i.name == "cubic 1-1-1, N=2")
    twice = replace(
        instance, inputs=(*instance.inputs, instance.inputs[0]), targets=(*instance.targets, instance.targets[0])
    )
    expected, found = predicted(twice), observed(twice, seed)
    return Control(
        f"cubic 1-1-1 with one of its two data points repeated: the dimension must not be K - 3 = {expected}",
        expected=expected + 1,
        observed=found.dimension,
        passed=not _agrees(expected, found) and found.dimension == expected + 1,
    )


def check(seed: int = 0) -> Claim:
    """All instances; N runs through D and through K."""
    results = [(instance, observed(instance, seed)) for instance in INSTANCES]
    cases = [Case(i.name, _shown(predicted(i)), str(found), _agrees(predicted(i), found)) for i, found in results]
    as_printed = [Case(i.name, _shown(printed(i)), str(found), _agrees(printed(i), found)) for i, found in results]
    negative = control(seed)
    return Claim.from_cases(
        [*cases, *_dimension_cases(), *(_copy_case(i, seed) for i in INSTANCES if i.name in COPIED)],
        negative,
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: dimensions are whole numbers; components complete by the trace test, ranks by their gaps",
        seed=seed,
        printed_verdict=judge(as_printed, negative),
        note="K - N fails between D and K: "
        + "; ".join(f"{c.instance}: {c.predicted} as printed, {c.observed}" for c in as_printed if not c.agrees)
        + ". The data are random decimals, at seeds chosen so that real zeros exist wherever complex ones do, for the "
        "sake of the experiment; dimensions are those of the complex zero set, which the choice does not change.",
    )


def _shown(dimension: int) -> str:
    return "empty" if dimension == EMPTY else f"dimension {dimension}"
