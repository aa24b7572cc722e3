"""exp(-U/T)/Z is where Langevin descent tends: its Fokker-Planck equation, and Z and marginals by two routes each.

Stationarity is computed from the density and from the moments of the sampler's own step, so that either being wrong
shows. For the loss of a polynomial network, where exp(-U/T)/Z concentrates is told by the zero set that homotopy
continuation finds, against the integral of exp(-U/T) at falling temperatures, which knows the formula of U only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
import sympy as sp
from scipy import special

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control
from theory.cubature import Estimate
from theory.network_potentials import Concentration, concentration, network_potential
from theory.networks import PolynomialNetwork
from theory.potentials import Potential, bent_double_well, coupled_angles, double_well, quadratic, valley_and_point
from theory.quadrature import marginal, partition
from theory.regions import Domain
from theory.systems import PolynomialSystem
from theory.zero_sets import zero_set

STATEMENT = (
    "Langevin descent on U at temperature T has the Boltzmann distribution exp(-U/T)/Z; for a network's loss it "
    "concentrates on the zero set for T -> 0"
)
SOURCE = "2018 review, equation 9"
TEMPERATURES = (0.1, 0.5, 2.0)


def predicted(name: str, temperature: float) -> float:
    """Z in closed form.

    The double well's is a sum of two modified Bessel functions of 1/(2T). The bent one adds a Gaussian factor, since
    x_2 - x_1^2 is free; in the same way the coupled angles' is a product, since x_2 - x_1 is free.
    """
    z = 1 / (2 * temperature)
    quartic = math.pi / 2 * float(special.ive(-0.25, z) + special.ive(0.25, z))
    return {
        "quadratic": (2 * math.pi * temperature) / math.sqrt(1 * 9),
        "double well": quartic,
        "bent double well": quartic * math.sqrt(math.pi * temperature),
        "coupled angles": (2 * math.pi * float(special.i0(z))) ** 2,
    }[name]


def observed(name: str, temperature: float) -> Estimate:
    """Z by adaptive quadrature of exp(-U/T)."""
    return partition(POTENTIALS[name], temperature)


POTENTIALS = {
    "quadratic": quadratic((1.0, 9.0)),
    "double well": double_well(),
    "bent double well": bent_double_well(),
    "coupled angles": coupled_angles(),
}


def predicted_density(potential: Potential, temperature: sp.Expr) -> sp.Expr:
    """exp(-U/T), not normalised."""
    return sp.exp(-potential.expression / temperature)


def langevin_step(
    potential: Potential, temperature: sp.Expr, h: sp.Symbol, noise: Sequence[sp.Symbol]
) -> list[sp.Expr]:
    """How far a step of length h goes: -h grad U + sqrt(2 h T) noise, the noise standard normal."""
    size = sp.sqrt(2 * h * temperature)
    return [size * xi - h * potential.expression.diff(v) for v, xi in zip(potential.variables, noise, strict=True)]


def observed_change(potential: Potential, temperature: sp.Expr, density: sp.Expr) -> sp.Expr:
    """d(rho)/dt / rho under Langevin descent: 0 exactly where the density rho stays what it is.

    The adjoint generator, -sum d_i(b_i rho) + sum d_i d_j (a_ij rho) / 2, has its drift b and diffusion a from the
    first two moments of the step that the sampler takes.
    """
    h, x = sp.Symbol("h", positive=True), potential.variables
    noise = sp.symbols(f"xi1:{len(x) + 1}")
    step = langevin_step(potential, temperature, h, noise)
    drift = [-(_rate(change, noise, h) * density).diff(v) for v, change in zip(x, step, strict=True)]
    diffusion = [
        (_rate(step[i] * step[j], noise, h) * density).diff(v, u) / 2 for i, v in enumerate(x) for j, u in enumerate(x)
    ]
    return sp.simplify(sp.expand(sp.Add(*drift, *diffusion) / density))


def _rate(change: sp.Expr, noise: Sequence[sp.Symbol], h: sp.Symbol) -> sp.Expr:
    """The mean of a polynomial in standard normal variables, to first order in h, divided by h."""
    even = [(e, c) for e, c in sp.Poly(change, *noise).terms() if not any(k % 2 for k in e)]
    mean = sp.Add(*(c * sp.prod([sp.factorial2(k - 1) for k in e]) for e, c in even))
    return sp.expand(mean).diff(h).subs(h, 0)


# ---- the loss of a network


@dataclass(frozen=True)
class Net:
    """A network, data it can fit, and the highest of three temperatures, each half of the one before."""

    widths: tuple[int, ...]
    bias: tuple[bool, ...]
    inputs: tuple[Fraction, ...]
    targets: tuple[Fraction, ...]
    temperature: float

    @property
    def system(self) -> PolynomialSystem:
        """Its interpolation equations."""
        net = PolynomialNetwork(self.widths, PolynomialActivation([1, 1, 1]), bias=self.bias)
        return net.interpolation_system([[x] for x in self.inputs], list(self.targets))


ONE, HALF = Fraction(1), Fraction(1, 2)
NETS = {  # activation 1 + z + z^2, which has no zeros: with one unit and no output bias the zero set is connected
    "2 weights, a curve": Net((1, 1, 1), (False, False), (HALF,), (ONE,), 0.04),
    "3 weights, a curve in two pieces": Net((1, 1, 1), (False, True), (ONE, -ONE), (ONE, HALF), 0.01),
    "3 weights, a surface": Net((1, 1, 1), (True, False), (HALF,), (ONE,), 0.04),
    "4 weights, a curve in two pieces": Net(
        (1, 1, 1), (True, True), (-ONE, 0 * ONE, ONE), (ONE, HALF, 3 * HALF), 0.004
    ),
}
BINS = np.linspace(-3, 3, 7)  # of the first hidden weight


@lru_cache(maxsize=8)
def predicted_limit(name: str, seed: int = 0) -> Concentration:
    """Where exp(-U/T)/Z tends for T -> 0: a law on the zero set that `theory.zero_set` finds."""
    return concentration(zero_set(NETS[name].system, seed=seed))


@lru_cache(maxsize=8)
def observed_limit(name: str) -> dict[str, tuple[np.ndarray, float]]:
    """Z relative to T^(codimension/2), the exponent of T in Z, the masses of BINS: extrapolated to T = 0, with errors.

    By quadrature of exp(-U/T) at T, T/2, T/4. What is left is a power series in T: the parabola through the three
    temperatures is taken, its difference to the line through the lower two as the error.
    """
    net = NETS[name]
    temperatures = [net.temperature / 2**k for k in range(4)]
    potentials = [network_potential(net.system, t) for t in temperatures]
    z = [partition(*pair).value for pair in zip(potentials, temperatures, strict=True)]
    m = net.system.n_equations
    constants = [value / (math.pi * m * t) ** (m / 2) for value, t in zip(z, temperatures, strict=True)]
    exponents = [math.log2(z[k] / z[k + 1]) for k in range(3)]
    masses = [marginal(u, t, 0, BINS) for u, t in zip(potentials[:3], temperatures[:3], strict=True)]
    found = {"constant": constants[:3], "exponent": exponents, "masses": masses}
    return {key: _extrapolated(np.array(values)) for key, values in found.items()}


def _extrapolated(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Limit of values (3, ...) at h, h/2, h/4 for h -> 0, and the largest error that line and parabola differ by."""
    line, parabola = 2 * values[2] - values[1], (values[0] - 6 * values[1] + 8 * values[2]) / 3
    return parabola, float(np.max(np.abs(parabola - line)))


def network_cases(name: str, seed: int = 0) -> list[Case]:
    """The constant of Laplace's method, the exponent of T in Z, and the law of the first hidden weight."""
    limit, seen = predicted_limit(name, seed), observed_limit(name)
    expected, exponent = limit.integral(), limit.equations / 2
    (constant, error), (power, wrong) = seen["constant"], seen["exponent"]
    masses, rounding = limit.marginal(0, BINS)
    off, allowed = _variation(masses, *seen["masses"], rounding)
    return [
        Case(
            f"{name}: integral of det(JJ^T)^(-1/2) prior over the zero set, and Z / (pi m T)^(m/2) for T -> 0",
            expected.value,
            float(constant),
            abs(float(constant) - expected.value) <= error + expected.error,
        ),
        Case(
            f"{name}: exponent of T in Z, half the codimension",
            exponent,
            float(power),
            abs(float(power) - exponent) <= wrong,
        ),
        Case(
            f"{name}: law of the first weight on the zero set, total variation to T -> 0",
            f"<= {allowed:.1e}",
            off,
            off <= allowed,
        ),
    ]


def _variation(expected: np.ndarray, found: np.ndarray, error: float, rounding: np.ndarray) -> tuple[float, float]:
    """Total variation of two laws on the same bins, and what the errors of both allow."""
    return float(abs(expected - found).sum() / 2), float(len(found) * error + rounding.sum()) / 2


def network_control(seed: int = 0) -> dict[str, tuple[float, float]]:
    """Without the factor det(J J^T)^(-1/2): by net, the total variation to the limit and what is allowed."""
    found = {}
    for name in NETS:
        limit = predicted_limit(name, seed)
        flat = replace(
            limit,
            fine=replace(limit.fine, jacobian_factor=np.ones_like(limit.fine.jacobian_factor)),
            coarse=replace(limit.coarse, jacobian_factor=np.ones_like(limit.coarse.jacobian_factor)),
        )
        masses, rounding = flat.marginal(0, BINS)
        found[name] = _variation(masses, *observed_limit(name)["masses"], rounding)
    return found


# ---- the check


def check(seed: int = 0) -> Claim:
    """Stationarity, exactly; Z against closed forms; a marginal against a simpler one; a series; networks."""
    cases = []
    t = sp.Symbol("T", positive=True)
    for name, potential in POTENTIALS.items():
        rest = observed_change(potential, t, predicted_density(potential, t))
        cases.append(Case(f"d(rho)/dt / rho of rho = exp(-U/T), {name}", "0", str(rest), rest == 0))
        for temperature in TEMPERATURES:
            expected, seen = predicted(name, temperature), observed(name, temperature)
            cases.append(Case(f"Z, {name}, T={temperature}", expected, seen.value, _agree(expected, seen)))
    edges = np.linspace(-1.5, 1.5, 7)
    of_bent, of_plain = (marginal(POTENTIALS[name], 0.5, 0, edges) for name in ("bent double well", "double well"))
    same = bool(np.allclose(of_bent, of_plain, rtol=1e-7))
    cases.append(Case("marginal of x_1, bent against plain double well, T=0.5", of_plain, of_bent, same))
    cases.append(_series_case(0.2))
    cases += [case for name in NETS for case in network_cases(name, seed)]
    return Claim.from_cases(
        cases,
        control(seed),
        id="boltzmann",
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=(
            "Fokker-Planck residual: exact; Z: 10 times the quadrature's own error estimate, at least 1e-8 of it; "
            "limits T -> 0: the difference between extrapolations by line and parabola"
        ),
        seed=seed,
        note="U of a net = mean squared residual + T |w|^2 / 2",
    )


def control(seed: int = 0) -> Control:
    """Other temperatures, another sign, another sampler: not stationary. The prior without the Jacobian: no limit."""
    t, potential = sp.Symbol("T", positive=True), POTENTIALS["bent double well"]
    right = predicted_density(potential, t)
    rests = {
        "exp(-U/(2T))": observed_change(potential, t, predicted_density(potential, 2 * t)),
        "exp(U/T)": observed_change(potential, t, predicted_density(potential, -t)),
        "exp(-U/T) for noise of T/2": observed_change(potential, t / 2, right),
    }
    without = network_control(seed)
    shown: dict[str, str | float] = {name: str(rest) for name, rest in rests.items()}
    shown |= {f"{name}, without det(JJ^T)^(-1/2): total variation": off for name, (off, _) in without.items()}
    return Control(
        "wrong densities, a wrong sampler; the prior alone on the zero sets",
        "none stationary; total variations far above what is allowed",
        shown,
        all(r != 0 for r in rests.values()) and all(off > 2 * allowed for off, allowed in without.values()),
    )


def _series_case(temperature: float) -> Case:
    """Z of the valley and the point on its torus: the power series in the dents against cubature of the formula."""
    torus = valley_and_point(2)
    series = partition(torus, temperature)
    box = Domain("box", torus.domain.lower, torus.domain.upper)
    plain = partition(
        Potential("the same formula, its dents unknown", torus.expression, torus.variables, box, torus.wells),
        temperature,
    )
    return Case(f"Z, valley and point, T={temperature}", series.value, plain.value, _agree(series.value, plain))


def _agree(expected: float, seen: Estimate) -> bool:
    return abs(expected - seen.value) <= max(10 * seen.error, 1e-8 * abs(expected))
