"""The systems that are timed and tortured: those of tests/known_systems.py and the equations of small networks.

Their names say what they are: net_d2h3N6 are 2 inputs, 3 hidden units z^2 with biases, 6 data points on generic slices,
crit_d1h2N4b the critical points of a loss with weight decay (b: with biases in the hidden layer).
Root counts of the networks: total-degree tracking, and independently `phc -b` of PHCpack 2.4.86.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import theory as th
from tests import known_systems
from theory.systems import PolynomialSystem


@dataclass(frozen=True)
class Case:
    """A named system, its roots with multiplicity and its distinct roots in C^n."""

    name: str
    make: Callable[[], PolynomialSystem]
    roots: int
    distinct: int

    @cached_property
    def system(self) -> PolynomialSystem:
        return self.make()


def _network(inputs: int, hidden: int, bias: bool) -> th.PolynomialNetwork:
    return th.PolynomialNetwork((inputs, hidden, 1), th.monomial(2), bias=(bias, False))


def _data(inputs: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, inputs)), rng.normal(size=n)


def interpolation(inputs: int, hidden: int, n: int, roots: int) -> Case:
    """f(x_i) = y_i for n generic points, made square by random affine equations."""
    network = _network(inputs, hidden, bias=True)
    return Case(
        f"net_d{inputs}h{hidden}N{n}",
        lambda: network.interpolation_system(*_data(inputs, n)).slice(seed=1),
        roots,
        roots,
    )


def critical(inputs: int, hidden: int, n: int, bias: bool, roots: int) -> Case:
    """Gradient of the mean squared error plus weight decay."""
    network = _network(inputs, hidden, bias)
    return Case(
        f"crit_d{inputs}h{hidden}N{n}{'b' if bias else ''}",
        lambda: network.critical_system(*_data(inputs, n), regularization=0.25),
        roots,
        roots,
    )


def _known(known: known_systems.Known) -> Case:
    return Case(known.name, lambda: known.system, known.roots, known.distinct)


def _katsura10() -> PolynomialSystem:
    return PolynomialSystem.from_polynomials(known_systems.katsura(10), known_systems.names(11))


_CASES = [
    *map(_known, known_systems.ISOLATED),
    Case("katsura-10", _katsura10, 1024, 1024),
    interpolation(1, 2, 3, 12),
    interpolation(2, 2, 4, 45),
    interpolation(2, 2, 5, 36),
    interpolation(2, 2, 6, 0),
    interpolation(2, 3, 5, 171),
    interpolation(2, 3, 6, 90),
    critical(1, 1, 3, True, 33),
    critical(2, 1, 4, False, 33),
    critical(1, 2, 4, False, 33),
    critical(1, 2, 4, True, 385),  # 481 if every weight had a decay of its own
]
CASES = {case.name: case for case in _CASES}

PER_PATH = (  # timed against phcpy's total-degree tracking
    *("cyclic-5", "cyclic-6", "cyclic-7", "katsura-6", "katsura-7", "katsura-8", "katsura-9", "katsura-10"),
    *("noon-4", "noon-5", "eco-8", "net_d2h2N5", "net_d2h3N6"),
)
PER_SYSTEM = (*PER_PATH, "crit_d1h2N4", "crit_d1h2N4b")  # timed against whole solvers
SECOND_PROCESSOR = ("katsura-10", "cyclic-7", "crit_d1h2N4b")  # large enough for two threads


def choose(names: Iterable[str]) -> list[Case]:
    """The cases of these names. Raises ValueError for a name that is none."""
    names = list(names)
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise ValueError(f"no system is called {', '.join(unknown)}; there are {', '.join(CASES)}")
    return [CASES[name] for name in names]
