"""No count exceeds its bound: zeros in the torus, in C^n, mixed volumes, groups of unknowns, Bezout.

Predicted: the chain of bounds, from supports and degrees alone. Observed: the zeros that path tracking finds.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from theory.activations import monomial
from theory.claims.claim import Case, Claim, Control
from theory.continuation.solve import solve
from theory.networks import PolynomialNetwork
from theory.root_counts import bounds
from theory.systems import PolynomialSystem

ID = "bound-chain"
STATEMENT = (
    "Zeros without zero coordinates <= mixed volume; isolated zeros in C^n <= stable mixed volume <= multihomogeneous "
    "number of every partition of the unknowns; the least of these <= Bezout's number"
)
SOURCE = "review section 3 (Bezout's theorem); Bernstein (1975); Huber and Sturmfels (1997); Morgan and Sommese (1987)"
ZERO = 1e-9  # a coordinate below it counts as 0
CLEAR = 1e-6  # and above this as not 0; nothing may lie between


@dataclass(frozen=True)
class Instance:
    """A small network, its data, and which equations: the interpolation equations, sliced, or the critical points."""

    widths: tuple[int, ...]
    degree: int
    n_data: int
    bias: tuple[bool, ...]
    critical: bool = False

    def __str__(self) -> str:
        kind = "critical points" if self.critical else "sliced"
        with_bias = "".join("b" if b else "-" for b in self.bias)
        return f"{'-'.join(map(str, self.widths))} z^{self.degree} {with_bias} N = {self.n_data}, {kind}"


INSTANCES = (
    Instance((1, 2, 1), 2, 3, (True, False)),
    Instance((2, 2, 1), 2, 4, (True, False)),
    Instance((2, 2, 1), 2, 5, (True, False)),
    Instance((1, 2, 1), 3, 4, (True, False)),
    Instance((2, 1, 1), 3, 2, (True, True)),
    Instance((1, 1, 1), 2, 4, (True, False), critical=True),
    Instance((2, 1, 1), 2, 4, (True, False), critical=True),
    Instance((1, 2, 1), 2, 4, (False, False), critical=True),
)


def system(instance: Instance, seed: int, degree: int | None = None) -> PolynomialSystem:
    """The square system of an instance; degree replaces that of its activation."""
    rng = np.random.default_rng([seed, *instance.widths, instance.n_data])
    network = PolynomialNetwork(instance.widths, monomial(degree or instance.degree), bias=instance.bias)
    grid = np.concatenate([np.arange(-16, 0), np.arange(1, 17)]) / 8  # no 0, and exact in floating point
    columns = [rng.choice(grid, instance.n_data, replace=False) for _ in range(instance.widths[0] + 1)]
    X, y = np.stack(columns[1:], axis=1), columns[0]
    if instance.critical:
        return network.critical_system(X, y, regularization=Fraction(1, 2))
    return network.interpolation_system(X, y).slice(seed)


def predicted(instance: Instance, seed: int) -> dict[str, int]:
    """The bounds, in the order of the chain; the multihomogeneous number is the least over all partitions."""
    b = bounds(system(instance, seed))
    chain = {
        "mixed volume": b.mixed_volume,
        "stable mixed volume": b.stable_mixed_volume,
        "multihomogeneous": b.multihomogeneous,
        "bezout": b.bezout,
    }
    return {name: value for name, value in chain.items() if value is not None}  # at these sizes none is


def observed(instance: Instance, seed: int) -> dict[str, int]:
    """Isolated zeros with multiplicity: in the torus, in C^n; and what could not be decided.

    "unclear": zeros with a coordinate that is neither 0 nor clear of it
    """
    found = solve(system(instance, seed), seed=seed, on_interrupt="raise")
    least = np.abs(found.solutions).min(axis=1, initial=np.inf)
    return {
        "torus": int(found.multiplicity[least >= CLEAR].sum()),
        "isolated": int(found.multiplicity.sum()),
        "unclear": int(found.multiplicity[(least > ZERO) & (least < CLEAR)].sum()),
        "undecided paths": found.paths.failed,
    }


def in_order(counts: dict[str, int], chain: dict[str, int]) -> bool | None:
    """Whether the whole chain stands; None where undecided paths or coordinates could still break it."""
    volume, stable, groups, bezout = chain.values()
    torus, isolated, undecided = counts["torus"], counts["isolated"], counts["undecided paths"]
    if not stable <= groups <= bezout or isolated > stable or torus > volume:
        return False
    return True if torus + counts["unclear"] + undecided <= volume and isolated + undecided <= stable else None


def control(seed: int) -> Control:
    """The mixed volume of the net with a linear activation, whose supports lack most terms: it must be exceeded."""
    instance = INSTANCES[1]
    volume = bounds(system(instance, seed, degree=1)).mixed_volume or 0
    torus = observed(instance, seed)["torus"]
    return Control(
        f"the mixed volume of a smaller support (activation z), {volume}, must be exceeded",
        expected=f"more than {volume}",
        observed=torus,
        passed=torus > volume,
    )


def check(seed: int = 0) -> Claim:
    """The chain for eight small systems."""
    cases = []
    for instance in INSTANCES:
        chain, counts = predicted(instance, seed), observed(instance, seed)
        cases.append(Case(str(instance), chain, counts, in_order(counts, chain)))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"none: whole numbers; coordinates are below {ZERO:g} (0) or above {CLEAR:g}, never between",
        seed=seed,
        note=(
            "Every partition was tried: up to 8 unknowns the least multihomogeneous number is that of all partitions. "
            "Networks have special coefficients, so that counts stay below the mixed volumes; with one hidden unit "
            "they reach them."
        ),
    )
