"""Random labels can be met by as large a set of weights as structured ones, up to the dimension D of the neurovariety.

Predicted: dimension K - N and the degree for generic targets, by monodromy in the targets (K - N: the equations are
independent up to D of them). Observed: dimension and degree by a decomposition that knows the given labels alone:
random signs, the sign of a coordinate, the outputs of a teacher. Beyond D generic labels have no zero at all, a
teacher's always do: this is the source's proviso that the target lies in the space of functions of the network.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control
from theory.claims.zero_set_dimension import CUBIC, SQUARE, rational_data
from theory.continuation.families import family
from theory.networks import PolynomialNetwork
from theory.zero_sets import zero_set

ID = "random-labels"
STATEMENT = (
    "For N up to the dimension D of the neurovariety the zero-error set has the same dimension K - N and the same "
    "degree for random labels as for structured ones"
)
SOURCE = "2018 review, section 8 (proviso: the target is in the space of functions realized by the network); notes"

Labels = Literal["random signs", "sign of a coordinate", "a teacher's outputs"]
KINDS: tuple[Labels, ...] = ("random signs", "sign of a coordinate", "a teacher's outputs")
MIXED = (Fraction(0), Fraction(1), Fraction(1))


@dataclass(frozen=True)
class Instance:
    """A network of one output on N points; dimension: D, by closed form."""

    name: str
    widths: tuple[int, ...]
    coefficients: tuple[Fraction, ...]
    bias: tuple[bool, ...]
    n_data: int
    dimension: int

    def __str__(self) -> str:
        return f"{self.name}, N = {self.n_data}"

    def network(self) -> PolynomialNetwork:
        return PolynomialNetwork(self.widths, PolynomialActivation(self.coefficients), bias=self.bias)

    def inputs(self, seed: int) -> tuple[tuple[Fraction, ...], ...]:
        """Points whose first coordinates all differ, decimals."""
        rng = np.random.default_rng([seed, self.n_data])
        grid = [Fraction(k, 10) for k in range(-20, 21) if k]
        columns = [[grid[i] for i in rng.permutation(len(grid))[: self.n_data]] for _ in range(self.widths[0])]
        return tuple(zip(*columns, strict=True))

    def labels(self, kind: Labels, seed: int) -> tuple[Fraction, ...]:
        rng = np.random.default_rng([seed, 7, self.n_data])
        inputs = self.inputs(seed)
        if kind == "random signs":
            return tuple(Fraction(int(s)) for s in rng.choice([-1, 1], self.n_data))
        if kind == "sign of a coordinate":
            return tuple(Fraction(1 if x[0] > 0 else -1) for x in inputs)
        network = self.network()
        weights = rational_data((1, network.n_parameters), seed + 77)[0]
        system = network.interpolation_system(inputs, [Fraction(0)] * self.n_data)
        return tuple(p.evaluate(weights, lambda c: c.re) for p in system.polynomials)


# D: quadratic forms in two unknowns; networks without symmetry have D = K
INSTANCES = (
    *(Instance("square 2-2-1", (2, 2, 1), SQUARE, (False, False), n, 3) for n in (1, 2, 3)),
    *(Instance("z+z^2 3-1-1", (3, 1, 1), MIXED, (False, False), n, 4) for n in (2, 3)),
    Instance("cubic 1-1-1 with bias", (1, 1, 1), CUBIC, (True, False), 2, 3),
    Instance("cubic 2-2-1 with bias", (2, 2, 1), CUBIC, (True, False), 3, 8),
)
BEYOND = Instance("square 2-2-1", (2, 2, 1), SQUARE, (False, False), 4, 3)


def predicted(instance: Instance, seed: int) -> dict[str, int]:
    """K - N, and the number of zeros on generic slices for generic targets, by monodromy."""
    network = instance.network()
    inputs = np.array(instance.inputs(seed), dtype=np.float64)
    degree = family(network, inputs, seed).degree
    return {"dimension": network.n_parameters - instance.n_data, "degree": degree}


def observed(instance: Instance, kind: Labels, seed: int) -> dict[str, Any]:
    """Dimension (-1: empty) and degree of the zero set for these very labels."""
    system = instance.network().interpolation_system(instance.inputs(seed), instance.labels(kind, seed))
    found = zero_set(system, seed=seed)
    return {"dimension": found.dimension, "degree": found.degree}


def control(seed: int) -> Control:
    """One point more than D: random labels must have no zero, while a teacher's outputs keep theirs."""
    kinds = (KINDS[0], KINDS[2])
    found = {kind: observed(BEYOND, kind, seed)["dimension"] for kind in kinds}
    free = BEYOND.network().n_parameters - BEYOND.dimension
    return Control(
        f"{BEYOND}, above D = {BEYOND.dimension}: random labels must have no zero, realizable ones a set of dimension "
        f"K - D = {free}",
        expected={kinds[0]: -1, kinds[1]: free},
        observed=found,
        passed=found == {kinds[0]: -1, kinds[1]: free},
    )


def check(seed: int = 0) -> Claim:
    """Seven networks and data sets, three kinds of labels each."""
    cases = []
    for instance in INSTANCES:
        expected = predicted(instance, seed)
        for kind in KINDS:
            found = observed(instance, kind, seed)
            cases.append(Case(f"{instance}, {kind}", expected, found, expected == found))
    for name, instance in {i.name: i for i in (*INSTANCES, BEYOND)}.items():
        exact = instance.network().neurovariety(seed).dimension
        cases.append(Case(f"D of {name}", instance.dimension, exact, instance.dimension == exact))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: whole numbers; monodromy and components complete by the trace test",
        seed=seed,
        note="With more weights than data, K > N, random labels need not be met: between D and K they have no zero.",
    )
