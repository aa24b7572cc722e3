"""Zero-error minima are highly degenerate, other critical points are not, once symmetries and dead units are set aside.

Observed: the *whole* set of complex critical points of small networks, decomposed by homotopy, with the nullity of the
Hessian on every piece. Three exceptions to the source's words are kept apart: directions that a continuous symmetry
forces (a homogeneous activation has one for each hidden unit), critical points whose hidden unit is dead (outer weight
0), which form a manifold of dimension K - 2 and are saddles, and real minima, which are what the source speaks of.
A full decomposition is feasible for one hidden unit; for the cubic network with two only the zero-error points are
examined, where ranks are taken from the Jacobian.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control, Verdict
from theory.claims.zero_set_dimension import CUBIC, SQUARE, rational_data
from theory.local_geometry import ZERO_RESIDUAL, degeneracy
from theory.networks import PolynomialNetwork
from theory.systems import PolynomialSystem
from theory.zero_sets import Component, real_points, zero_set

ID = "proposition-1"
STATEMENT = (
    "With generic data, N < K, the Hessian has nullity K - N where the error is zero; at critical points of non-zero "
    "error without a dead hidden unit it has nullity 0 beyond what continuous symmetries force"
)
SOURCE = "2018 review, section 3, Proposition 1"

MIXED = (Fraction(0), Fraction(1), Fraction(1))  # z + z^2 without biases: no rescaling symmetry
_DEAD = 1e-8  # size of an outer weight that counts as 0


@dataclass(frozen=True)
class Network:
    """One hidden unit, no biases, N points of generic rational data."""

    name: str
    n_inputs: int
    coefficients: tuple[Fraction, ...]
    n_data: int
    seed: int

    @property
    def n_weights(self) -> int:
        return self.n_inputs + 1

    def systems(self, inputs: Sequence[Sequence[Fraction]] | None = None) -> tuple[PolynomialSystem, PolynomialSystem]:
        """The interpolation system and the critical system."""
        network = PolynomialNetwork((self.n_inputs, 1, 1), PolynomialActivation(self.coefficients), bias=False)
        X = inputs or rational_data((self.n_data, self.n_inputs), self.seed)
        Y = rational_data((self.n_data, 1), self.seed + 1000)
        return network.interpolation_system(X, Y), network.critical_system(X, Y)


NETWORKS = (
    Network("z+z^2, 2-1-1, N=2", 2, MIXED, 2, 0),
    Network("z+z^2, 2-1-1, N=3", 2, MIXED, 3, 0),
    Network("z+z^2, 2-1-1, N=5", 2, MIXED, 5, 0),
    Network("z+z^2, 3-1-1, N=3", 3, MIXED, 3, 1),
    Network("z+z^2, 3-1-1, N=6", 3, MIXED, 6, 1),
    Network("z^2, 2-1-1, N=3", 2, SQUARE, 3, 0),
)


@dataclass(frozen=True)
class Nullities:
    """Of the Hessian on the pieces of the critical set; live: after the dimensions that symmetries force."""

    zero_error: frozenset[int]
    live: frozenset[int]
    dead: frozenset[int]
    n_live: int = 0
    n_real_minima: int = 0
    degenerate_real_minima: int = 0

    def __str__(self) -> str:
        def shown(values: frozenset[int]) -> str:
            return ", ".join(map(str, sorted(values))) or "none"

        return f"zero error {shown(self.zero_error)}; live {shown(self.live)}; dead {shown(self.dead)}"

    def agrees(self, other: "Nullities") -> bool:
        return (self.zero_error, self.live, self.dead) == (other.zero_error, other.live, other.dead)


def predicted(network: Network) -> Nullities:
    """K - N where the data can be met (not by z^2 beyond N = D = K - 1), 0 for live units, K - 2 for the dead one."""
    symmetric = network.coefficients == SQUARE
    meets = network.n_data <= network.n_weights - symmetric
    zero_error = {network.n_weights - network.n_data} if meets else set()
    return Nullities(frozenset(zero_error), frozenset({0}), frozenset({network.n_weights - 2}))


def observed(network: Network, seed: int, inputs: Sequence[Sequence[Fraction]] | None = None) -> Nullities:
    """Decompose the critical set and take the nullity at generic points of every piece."""
    interpolation, critical = network.systems(inputs)
    found: dict[str, set[int]] = {"zero": set(), "live": set(), "dead": set()}
    minima = degenerate = n_live = 0
    for piece in zero_set(critical, seed=seed).components:
        kind = _kind(interpolation, piece)
        for point in piece.points[:3]:
            local = degeneracy(interpolation, point)
            forced = (local.symmetry_dimension or 0) if kind == "live" else 0
            found[kind].add(local.hessian_nullity - forced)
        if kind == "live":
            n_live += piece.degree
            for point in piece.points[np.max(np.abs(piece.points.imag), axis=1) < _DEAD]:
                nullity = degeneracy(interpolation, point.real).excess or 0
                minima += _is_minimum(critical, point.real)
                degenerate += _is_minimum(critical, point.real) and nullity > 0
    zero_error, live, dead = (frozenset(found[kind]) for kind in ("zero", "live", "dead"))
    return Nullities(zero_error, live, dead, n_live, minima, degenerate)


def _kind(interpolation: PolynomialSystem, piece: Component) -> str:
    values = np.abs(interpolation.evaluate(piece.points)) / (1 + interpolation.magnitude(piece.points))
    if np.max(values) < ZERO_RESIDUAL:
        return "zero"
    return "dead" if np.max(np.abs(piece.points[:, -1])) < _DEAD else "live"  # the outer weight comes last


def _is_minimum(critical: PolynomialSystem, point: np.ndarray) -> bool:
    """No negative eigenvalue: the Jacobian of the gradient is the Hessian."""
    eigenvalues = np.linalg.eigvalsh(critical.jacobian(point))
    return bool(eigenvalues[0] > -1e-9 * eigenvalues[-1])


def _cubic_cases(seed: int) -> list[Case]:
    """The cubic network 2-2-1, K = 8: nullity of J at real zero-error points for N = 5, 6, 7."""
    network = PolynomialNetwork((2, 2, 1), PolynomialActivation(CUBIC), bias=(True, False))
    cases = []
    for n in (5, 6, 7):
        system = network.interpolation_system(rational_data((n, 2), 3), rational_data((n, 1), 1003))
        points = real_points(system, 6, np.random.default_rng([seed, n]))
        nullities = sorted({degeneracy(system, point).hessian_nullity for point in points})
        cases.append(Case(f"cubic 2-2-1, N={n}: zero error", 8 - n, nullities, nullities == [8 - n]))
    return cases


def control(seed: int) -> Control:
    """Inputs on one line: moving the incoming weights across it changes nothing, so live points are degenerate."""
    network = NETWORKS[2]
    line = [(Fraction(k, 5), Fraction(2 * k, 5)) for k in (-4, -1, 2, 3, 5)]
    found = observed(network, seed, line)
    return Control(
        f"{network.name} with all inputs on one line: live critical points must not have nullity 0",
        expected=[1],
        observed=sorted(found.live),
        passed=not found.agrees(predicted(network)) and found.live == {1},
    )


def check(seed: int = 0) -> Claim:
    """All critical points of six networks, zero-error points of three more."""
    results = [(network, observed(network, seed)) for network in NETWORKS]
    cases = [Case(n.name, str(predicted(n)), str(found), found.agrees(predicted(n))) for n, found in results]
    minima = sum(found.n_real_minima for _, found in results)
    degenerate = sum(found.degenerate_real_minima for _, found in results)
    return Claim.from_cases(
        [*cases, *_cubic_cases(seed)],
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="none: nullities are whole numbers, read off gaps between singular values",
        seed=seed,
        printed_verdict=_printed(minima, degenerate),
        note=f"{sum(found.n_live for _, found in results)} live critical points of non-zero error, {minima} of them "
        f"real minima, {degenerate} of those degenerate. Points with a dead unit form manifolds of degenerate saddles "
        "of non-zero error. One hidden unit: larger networks are too large for a full decomposition.",
    )


def _printed(minima: int, degenerate: int) -> Verdict:
    """The source speaks of local minima of non-zero error, 'usually not degenerate'."""
    if not minima:
        return "inconclusive"
    return "holds" if 2 * degenerate < minima else "fails"
