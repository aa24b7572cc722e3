"""exp(-U/T)/Z is where Langevin descent tends: its Fokker-Planck equation, and Z and marginals by two routes each.

Stationarity is computed from the density and from the moments of the sampler's own step, so that either being wrong
shows.
"""

import math
from collections.abc import Sequence

import numpy as np
import sympy as sp
from scipy import special

from theory.claims.claim import Case, Claim, Control
from theory.potentials import Potential, bent_double_well, coupled_angles, double_well, quadratic, valley_and_point
from theory.quadrature import Estimate, marginal, partition
from theory.regions import Domain

STATEMENT = "Langevin descent on U at temperature T has the Boltzmann distribution exp(-U/T)/Z"
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


def check(seed: int = 0) -> Claim:
    """Stationarity, exactly; Z against closed forms; a marginal against a simpler one; series against cubature."""
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
    return Claim.from_cases(
        cases,
        control(),
        id="boltzmann",
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="Fokker-Planck residual: exact; Z: 10 times the quadrature's own error estimate, at least 1e-8 of it",
        seed=seed,
    )


def control() -> Control:
    """Densities of another temperature or sign, and a sampler of another temperature, must not be stationary."""
    t, potential = sp.Symbol("T", positive=True), POTENTIALS["bent double well"]
    right = predicted_density(potential, t)
    rests = {
        "exp(-U/(2T))": observed_change(potential, t, predicted_density(potential, 2 * t)),
        "exp(U/T)": observed_change(potential, t, predicted_density(potential, -t)),
        "exp(-U/T) for noise of T/2": observed_change(potential, t / 2, right),
    }
    shown = {name: str(rest) for name, rest in rests.items()}
    return Control("wrong densities, a wrong sampler", "none stationary", shown, all(r != 0 for r in rests.values()))


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
