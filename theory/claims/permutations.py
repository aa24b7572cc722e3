"""Permuting hidden units leaves the loss unchanged, so zero-error weights come in orbits of h_1! h_2! ... points.

Predicted: the product of the factorials. Observed: weights are moved coordinate by coordinate and put into the
network's equations in rational arithmetic; the exact zeros among the images are counted.
"""

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control
from theory.network_equations import NetworkEquations
from theory.networks import PolynomialNetwork

ID = "permutations"
STATEMENT = (
    "Permuting the hidden units of a layer, weights in and out together, leaves the loss unchanged: a global minimum "
    "with different units is one of h_1! h_2! ... , exponentially many in the widths"
)
SOURCE = "slides, 'Loss of Deep Learning is not convex'"
INSTANCES = ((2, 3, 1), (1, 4, 2), (2, 2, 3, 1), (2, 5, 1))  # widths
CUBIC = PolynomialActivation([Fraction(3, 10), Fraction(1, 2), Fraction(2, 5), Fraction(1, 5)])


def predicted(widths: Sequence[int]) -> int:
    """The order of the group: one factorial for each hidden layer."""
    return math.prod(math.factorial(h) for h in widths[1:-1])


def observed(widths: Sequence[int], seed: int, out_too: bool = True) -> int:
    """How many different weight vectors among the permuted ones have residual exactly 0.

    The data are made by the network itself with random rational weights, so those weights are a zero. out_too: permute
    the outgoing weights with the units; without that the images are no symmetries.
    """
    rng = np.random.default_rng([seed, *widths])
    network = PolynomialNetwork(widths, CUBIC, bias=True)
    weights = [Fraction(int(k), 7) for k in rng.permutation(np.arange(1, network.n_parameters + 1))]
    inputs = np.array([[Fraction(int(k), 5) for k in row] for row in rng.integers(-9, 10, size=(3, widths[0]))])
    zeros = np.zeros((len(inputs), widths[-1]), dtype=int)
    targets = np.array(NetworkEquations(network, inputs, zeros).residuals(weights)).reshape(zeros.shape)
    equations = NetworkEquations(network, inputs, targets)
    by_name = dict(zip(network.names, weights, strict=True))
    found = set()
    for permutations in itertools.product(*(itertools.permutations(range(1, h + 1)) for h in widths[1:-1])):
        image = tuple(by_name[_source(name, permutations, out_too)] for name in network.names)
        if not any(equations.residuals(list(image))):
            found.add(image)
    return len(found)


def _source(name: str, permutations: Sequence[Sequence[int]], out_too: bool) -> str:
    """The weight that takes the place of the named one: w{layer}_{out}_{in}, b{layer}_{out}, counted from 1."""
    kind, (layer, *units) = name[0], map(int, name[1:].split("_"))

    def image(hidden_layer: int, unit: int) -> int:
        return permutations[hidden_layer - 1][unit - 1] if 1 <= hidden_layer <= len(permutations) else unit

    out = image(layer, units[0])
    if kind == "b":
        return f"b{layer}_{out}"
    return f"w{layer}_{out}_{image(layer - 1, units[1]) if out_too else units[1]}"


def control(seed: int) -> Control:
    """Only the incoming weights permuted: the network changes, and no image but the point itself stays a zero."""
    widths = INSTANCES[0]
    count = observed(widths, seed, out_too=False)
    return Control(
        "outgoing weights left in place: of all images only the point itself may be a zero",
        expected=1,
        observed=count,
        passed=count != predicted(widths) and count == 1,
    )


def check(seed: int = 0) -> Claim:
    """All permutations of four networks, one of them with two hidden layers."""
    cases = []
    for widths in INSTANCES:
        said, seen = predicted(widths), observed(widths, seed)
        cases.append(Case("-".join(map(str, widths)), said, seen, said == seen))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: residuals are exactly 0 in rational arithmetic",
        seed=seed,
        note="h! >= 2^(h-1): exponentially many in the width. Weights with two equal units have smaller orbits.",
    )
