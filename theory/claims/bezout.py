"""The zero-error equations are polynomial in the weights; Bezout's number, the product of degrees, bounds their zeros.

The paper writes l^d for the degree of an equation and l^(N d) for the number of zeros. For a dense net with a linear
output the degree in all weights together is 1 + l + ... + l^d: each layer multiplies by its own weights once more. So
the printed number is no bound: the equations below have more isolated zeros than it allows.
"""

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from theory.activations import PolynomialActivation, monomial
from theory.architectures import theory2_cnn
from theory.claims.claim import Case, Claim, Control
from theory.continuation.solve import solve
from theory.network_equations import NetworkEquations
from theory.networks import PolynomialNetwork
from theory.root_counts import bounds

ID = "bezout"
STATEMENT = (
    "The interpolation equations of a dense polynomial net with linear output have degree 1 + l + ... + l^d in the "
    "weights (d nonlinear layers of degree l), and at most the product of their degrees isolated zeros"
)
SOURCE = (
    "review section 3: degree l^d of each equation, Bezout bound l^(N d), Shub-Smale l^(N d/2), 'as high as 2^(10^5)'"
)
ARCHITECTURES = (((1, 2, 1), 2), ((2, 3, 1), 3), ((2, 2, 2, 1), 2), ((2, 1, 2, 1), 3), ((1, 2, 1, 2, 1), 2))
SLICED = (((1, 2, 1), 2, 3), ((2, 2, 1), 2, 4), ((1, 2, 1), 3, 4))  # widths, l, N; no output bias
IMAGES = 50_000  # CIFAR-10's training set


def predicted(widths: Sequence[int], degree: int) -> int:
    """1 + l + ... + l^d."""
    return sum(degree**k for k in range(len(widths) - 1))


def observed(widths: Sequence[int], degree: int, seed: int) -> int:
    """The degree of f(x; t w) - y as a polynomial in t, by exact finite differences along a random ray of weights.

    Differences of order up to twice the expected degree are looked at, so that a higher degree would show.
    """
    rng = np.random.default_rng([seed, degree, *widths])
    activation = PolynomialActivation([Fraction(int(k), 3) for k in rng.integers(1, 9, degree + 1)])
    network = PolynomialNetwork(widths, activation)
    equations = NetworkEquations(network, rng.integers(1, 9, (1, widths[0])), rng.integers(1, 9, 1))
    direction = [Fraction(int(k), 5) for k in rng.integers(1, 99, network.n_parameters)]
    row = [equations.residuals([t * w for w in direction])[0] for t in range(2 * predicted(widths, degree) + 1)]
    highest = 0
    for order in range(1, len(row)):
        row = [b - a for a, b in itertools.pairwise(row)]
        if any(row):
            highest = order
    return highest


def isolated_zeros(widths: Sequence[int], degree: int, n_data: int, seed: int) -> tuple[int, int]:
    """The zeros of a generic slice of the interpolation equations, with multiplicity, and the paths left undecided."""
    rng = np.random.default_rng([seed, degree, n_data, *widths])
    network = PolynomialNetwork(widths, monomial(degree), bias=(True, False))
    columns = [rng.choice(np.arange(1, 17), n_data, replace=False) / 8 for _ in range(widths[0] + 1)]
    system = network.interpolation_system(np.stack(columns[1:], axis=1), columns[0]).slice(seed)
    found = solve(system, seed=seed, on_interrupt="raise")
    return int(found.multiplicity.sum()), found.paths.failed


def control(seed: int) -> Control:
    """Bezout's number with the printed degree l^d: more zeros must be found than it allows."""
    widths, degree, n_data = SLICED[0]
    printed = degree ** (n_data * (len(widths) - 2))
    count, _ = isolated_zeros(widths, degree, n_data, seed)
    return Control(
        f"the product of the printed degrees l^d, {printed}, must be exceeded by the zeros of {n_data} equations",
        expected=f"more than {printed}",
        observed=count,
        passed=count > printed,
    )


def check(seed: int = 0) -> Claim:
    """Degrees of five nets, zeros of three sliced systems, and the paper's figure for the CIFAR-10 net."""
    cases, printed_holds = [], True
    for widths, degree in ARCHITECTURES:
        said, seen = predicted(widths, degree), observed(widths, degree, seed)
        cases.append(Case(f"degree of {_name(widths)}, l = {degree}", said, seen, said == seen))
        printed_holds &= seen == degree ** (len(widths) - 2)
    for widths, degree, n_data in SLICED:
        bezout = predicted(widths, degree) ** n_data
        count, undecided = isolated_zeros(widths, degree, n_data, seed)
        agrees = False if count > bezout else True if count + undecided <= bezout else None
        cases.append(Case(f"zeros of {_name(widths)}, l = {degree}, N = {n_data}", f"at most {bezout}", count, agrees))
        printed_holds &= count <= degree ** (n_data * (len(widths) - 2))
    cases += _cifar_cases()
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: degrees by exact differences, whole numbers of zeros; log2 to rounding (1e-12)",
        seed=seed,
        printed_verdict="holds" if printed_holds else "fails",
        note=" ".join(bounds(theory2_cnn(), IMAGES).notes),
    )


def _cifar_cases() -> list[Case]:
    """log2 for the 188,810-weight net with l = 2, d = 4: the formulas here, the layers' description in `bounds`."""
    found = bounds(theory2_cnn(2), IMAGES)
    exact, printed, real = IMAGES * math.log2(1 + 2 + 4 + 8 + 16), 4.0 * IMAGES, 10.0**5
    return [
        Case(f"CIFAR-10 net, log2 of {what}", said, seen, seen is not None and math.isclose(said, seen, rel_tol=1e-12))
        for what, said, seen in (
            ("Bezout's number", exact, found.log2_bezout),
            ("the paper's l^(N d)", printed, found.log2_paper_bezout),
            ("the paper's 2^(10^5), Shub and Smale's l^(N d/2)", real, found.log2_shub_smale),
        )
    ]


def _name(widths: Sequence[int]) -> str:
    return "-".join(map(str, widths))
