"""exp(-U/T)/Z is where Langevin descent tends: its Fokker-Planck equation, and Z and marginals by two routes each."""

import math

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


def fokker_planck(potential: Potential, temperature: sp.Expr, assumed: sp.Expr) -> sp.Expr:
    """div(grad(U) rho + T grad(rho)) / rho for rho = exp(-U / assumed): 0 exactly where rho does not change in time."""
    flux = [potential.expression.diff(v) * (1 - temperature / assumed) for v in potential.variables]
    drift = [
        f.diff(v) - f * potential.expression.diff(v) / assumed for f, v in zip(flux, potential.variables, strict=True)
    ]
    return sp.simplify(sp.Add(*drift))


def check(seed: int = 0) -> Claim:
    """Stationarity, exactly; Z against closed forms; a marginal against a simpler one; series against cubature."""
    cases = []
    t = sp.Symbol("T", positive=True)
    for name, potential in POTENTIALS.items():
        rest = fokker_planck(potential, t, t)
        cases.append(Case(f"Fokker-Planck residual of exp(-U/T), {name}", "0", str(rest), rest == 0))
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
    """At a temperature that is not the chain's the distribution must not be stationary."""
    t = sp.Symbol("T", positive=True)
    rest = fokker_planck(POTENTIALS["bent double well"], t, 2 * t)
    return Control("exp(-U/(2T)) for a chain at temperature T", "residual not 0", str(rest), passed=rest != 0)


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
