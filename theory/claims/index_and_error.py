"""The share of negative eigenvalues at a critical point grows with the error, from a threshold on, like its 3/2 power.

The model of Pennington and Bahri: the Hessian is a Wishart matrix plus a Wigner matrix whose size is that of the
residuals. Predicted: threshold in closed form, shares by integrating the density of the free sum. Observed:
eigenvalues of sampled matrices, and the threshold as the root of a discriminant.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from theory.claims.claim import Case, Claim, Control
from theory.random_matrices import error_threshold, hessian_model, negative_share

ID = "index-and-error"
STATEMENT = (
    "In the model Hessian = Wishart + Wigner the share alpha of negative eigenvalues is 0 up to an error c, then grows "
    "with the error eps, and near c it is proportional to (eps/c - 1)^(3/2)."
)
SOURCE = "slides, Training Error v.s. Eigenvalues (Pennington and Bahri 2017)"

PHIS = (0.25, 0.5)  # weights over equations
RATIOS = (0.9, 1.25, 1.5, 2.0, 3.0, 4.0)  # eps / c
WINDOW = (1.25, 1.4, 1.6)  # eps / c for the fitted exponent: several eigenvalues are negative there

Sample = Callable[[int, float, Sequence[float], int], np.ndarray]  # size, phi, errors, seed -> (errors, size, size)


@dataclass(frozen=True)
class Slope:
    """A fitted exponent with its interval."""

    estimate: float
    low: float
    high: float


def predicted(phi: float, ratio: float) -> float:
    """Share of negative eigenvalues at the error ratio * c, for large matrices."""
    return negative_share(phi, ratio * error_threshold(phi))


def observed(
    phi: float, ratios: Sequence[float], size: int, draws: int, seed: int, sample: Sample = hessian_model
) -> np.ndarray:
    """Shares of negative eigenvalues in sampled matrices (draws, len(ratios))."""
    errors = [ratio * error_threshold(phi) for ratio in ratios]
    samples = (sample(size, phi, errors, seed * draws + draw) for draw in range(draws))
    return np.array([(np.linalg.eigvalsh(matrices) < 0).mean(axis=1) for matrices in samples])


def wigner_part(size: int, phi: float, errors: Sequence[float], seed: int) -> np.ndarray:
    """`hessian_model` without its Wishart part, which is all of it at the error 0: the control."""
    return hessian_model(size, phi, errors, seed) - hessian_model(size, phi, [0.0], seed)


def observed_threshold(phi: float) -> float:
    """The error at which the spectrum reaches 0: a double root g < 0 of its cubic at z = 0, by its discriminant.

    At z = 0 the cubic is -2 eps phi g^3 + 2 eps g^2 + (1 - phi) g + 1.
    """
    import sympy as sp

    eps, g = sp.symbols("eps g")
    p = sp.Rational(phi)
    cubic = sp.Poly(-2 * eps * p * g**3 + 2 * eps * g**2 + (1 - p) * g + 1, g)
    roots = [root for root in sp.Poly(sp.discriminant(cubic), eps).nroots(n=30) if root.is_real and root > 0]
    doubles = {float(e): np.roots([float(c.subs(eps, e)) for c in cubic.diff(g).all_coeffs()]) for e in roots}
    return min(e for e, stationary in doubles.items() if (stationary.real < 0).any())


def limit_exponent(phi: float) -> float:
    """Local exponent of the predicted share at eps = 1.0001 c."""
    return float(np.log(predicted(phi, 1.000101) / predicted(phi, 1.0001)) / np.log(1.01))


def predicted_slope(phi: float) -> float:
    """Slope of log alpha against log(eps/c - 1) over WINDOW: below 3/2, which holds in the limit only."""
    return float(_fit(np.array([[predicted(phi, ratio) for ratio in WINDOW]]))[0])


def observed_slope(
    phi: float, size: int, draws: int, seed: int, sample: Sample = hessian_model, error_rate: float = 0.01
) -> Slope:
    """The same slope from sampled matrices, with a bootstrap interval over the draws, error_rate both sides together.

    The interval is widened by what half an eigenvalue at the lower end of WINDOW does: matrices of finite size have
    their mean count off by a fraction of one near an edge.
    """
    shares = observed(phi, WINDOW, size, draws, seed, sample)
    rng = np.random.default_rng([seed, 7])
    again = shares[rng.integers(0, draws, size=(4000, draws))].mean(axis=1)
    slopes = _fit(again[(again > 0).all(axis=1)])
    low, high = np.quantile(slopes, [error_rate / 2, 1 - error_rate / 2])
    edge = 0.5 / (size * shares[:, 0].mean()) / np.log((WINDOW[-1] - 1) / (WINDOW[0] - 1))
    return Slope(float(_fit(shares.mean(axis=0, keepdims=True))[0]), float(low - edge), float(high + edge))


def _fit(shares: np.ndarray) -> np.ndarray:
    return np.polyfit(np.log(np.array(WINDOW) - 1), np.log(shares).T, 1)[0]


def control(seed: int, size: int = 200) -> Control:
    """The Wigner part alone, through the same tests: half of its eigenvalues are negative at every error."""
    cases = sampled_cases(seed, size, wigner_part)
    return Control(
        "without the Wishart part there is no threshold: every test of shares and exponent must fail",
        f"0 of {len(cases)} tests passed",
        f"{sum(case.agrees is True for case in cases)} of {len(cases)}: "
        + "; ".join(f"{case.instance}: {case.observed}" for case in cases),
        all(case.agrees is False for case in cases),
    )


def sampled_cases(seed: int, size: int, sample: Sample = hessian_model) -> list[Case]:
    """Shares at RATIOS, their growth, and the exponent, of sampled matrices."""
    cases, phi = [], 0.5
    shares = observed(phi, RATIOS, size, 4, seed, sample)
    for ratio, column in zip(RATIOS, shares.T, strict=True):
        expected, mean = predicted(phi, ratio), float(column.mean())
        tolerance = 4 * float(column.std(ddof=1)) / np.sqrt(len(column)) + 1 / size
        agrees = bool(abs(mean - expected) <= tolerance)
        cases.append(Case(f"phi={phi}: alpha at {ratio:g} c", round(expected, 5), round(mean, 5), agrees))
    grows = bool((np.diff(shares.mean(axis=0)) > 0).all())
    cases.append(Case("alpha grows with the error", True, grows, grows))
    slope, expected = observed_slope(0.25, size, 12, seed, sample), predicted_slope(0.25)
    shown = f"{slope.estimate:.3f}, interval {slope.low:.3f} to {slope.high:.3f}"
    name = f"phi=0.25: exponent fitted from {WINDOW[0]:g} c to {WINDOW[-1]:g} c"
    return [*cases, Case(name, round(expected, 3), shown, slope.low <= expected <= slope.high)]


def check(seed: int = 0, size: int = 600) -> Claim:
    """The claim for two ratios of weights to equations, matrices of `size` rows."""
    cases = []
    for phi in PHIS:
        threshold, root = error_threshold(phi), observed_threshold(phi)
        cases.append(
            Case(f"phi={phi}: threshold c", round(threshold, 8), round(root, 8), abs(threshold - root) < 1e-12)
        )
    cases += sampled_cases(seed, size)
    limit = limit_exponent(0.5)
    cases.append(Case("exponent at 1.0001 c", 1.5, round(limit, 4), abs(limit - 1.5) < 1e-3))
    return Claim.from_cases(
        cases,
        control(seed),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="threshold: rounding; shares: 4 standard errors plus one eigenvalue; fitted exponent: 99 % bootstrap "
        "interval and half an eigenvalue; its limit: 1e-3, the distance at 1.0001 c being of order 1e-4",
        seed=seed,
        note="The exponent is 3/2 in the limit only: from 1.25 c to 1.6 c the model itself bends below it.",
    )
