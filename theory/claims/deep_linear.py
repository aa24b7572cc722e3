"""Deep linear networks: all minima are global, and saddles get flatter with depth.

Three sides. (1) Chains (1 - w1 ... wm)^2 of single units, to eleven factors: all critical points from exact factors of
the gradient and by homotopy, the kind of each from higher-order terms. (2) The Hessian at (0, 0, k) for three factors:
its off-diagonal entry is -2k, where the slide prints -2. (3) Networks of several widths and depths on generic data: by
Kawaguchi's theorem and its forerunners the critical values belong to subsets of singular directions; the observed ones
come from a search for zeros of the gradient that knows nothing of them.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control
from theory.critical_points import classify
from theory.networks import PolynomialNetwork
from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem
from theory.zero_sets import zero_set

ID = "deep-linear"
STATEMENT = (
    "The critical points of a deep linear network with squared loss are global minima or saddles. With two factors "
    "every saddle has a negative eigenvalue, with three and more some have none: the Hessian of (1 - w1 w2 w3)^2 is 0 "
    "at 0 and has the off-diagonal entry -2k at (0, 0, k). With hidden layers at least as wide as input or output the "
    "minima reach the least squares optimum."
)
SOURCE = "slides, Deep Linear Network (Kawaguchi 2016; Lu and Kawaguchi 2017; Laurent and von Brecht 2017)"

FACTORS = (2, 3, 4, 11)  # eleven: ten hidden layers
NETWORKS = ((2, 2, 2), (2, 1, 2), (2, 3, 1), (2, 2, 2, 2), (1, 2, 2, 1))  # widths
SAME_VALUE = 1e-6
PRINTED_ENTRY = -2  # of the Hessian at (0, 0, k), on the slide, whatever k

# ---- chains of single units


def chain_loss(m: int) -> PolynomialSystem:
    """(1 - w1 ... wm)^2 as a system of one polynomial."""
    product = math.prod((Polynomial.variable(i, m) for i in range(m)), start=Polynomial.constant(1, m))
    return PolynomialSystem.from_polynomials(((1 - product) ** 2,), [f"w{i + 1}" for i in range(m)])


def predicted_chain(m: int) -> dict[str, Any]:
    """The gradient has the entries -2 (1 - p) p / w_i, p the product: p = 1, or two of the w vanish."""
    return {
        "critical points": f"product = 1, and {math.comb(m, 2)} sets on which two w vanish",
        "at product = 1": "value 0: a global minimum",
        "where two vanish": f"saddle, least eigenvalue {-(2 ** (m - 1))}",
        "at 0": f"saddle, least eigenvalue {-2 if m == 2 else 0}",
    }


def observed_chain(m: int) -> dict[str, Any]:
    """From the expanded polynomial: factors of its derivatives, and exact classification at rational points."""
    loss = chain_loss(m)
    minimum = [Fraction(2), Fraction(1, 2)] + [Fraction(1)] * (m - 2)
    value = loss.polynomials[0].evaluate(minimum, lambda c: c.re)
    square_at_zero = "minimum" if value == 0 else "point of no known kind"  # where classifying takes long
    kind = classify(loss, minimum).kind if m <= 3 else square_at_zero
    common, planes = critical_set(loss)
    return {
        "critical points": f"{common}, and {planes} sets on which two w vanish",
        "at product = 1": f"value {value}: a global {kind}",
        "where two vanish": _saddle(loss, [0, 0] + [2] * (m - 2)),
        "at 0": _saddle(loss, [0] * m),
    }


def _saddle(loss: PolynomialSystem, point: list[int]) -> str:
    return f"{classify(loss, point).kind}, least eigenvalue {float(np.linalg.eigvalsh(hessian(loss, point))[0]):g}"


def hessian(loss: PolynomialSystem, point: Sequence[Any]) -> np.ndarray:
    """The exact Hessian of the one polynomial of a system at a point of rationals, as float64 (n, n)."""
    f, n = loss.polynomials[0], loss.n_unknowns
    values = [Fraction(x) for x in point]
    rows = [[f.diff(i).diff(j).evaluate(values, lambda c: c.re) for j in range(n)] for i in range(n)]
    return np.array(rows, dtype=np.float64)


def critical_set(loss: PolynomialSystem) -> tuple[str, int]:
    """The factor that all derivatives share, and the number of irreducible sets on which all the rest vanish.

    Needs what is left of each derivative to be a monomial: the sets are then the smallest choices of unknowns that
    meet every monomial, all of two unknowns here. Raises ValueError otherwise.
    """
    import sympy as sp

    symbols = sp.symbols(loss.names)
    factors = [dict(sp.factor_list(f.to_sympy(symbols))[1]) for f in map(loss.polynomials[0].diff, range(len(symbols)))]
    shared = set.intersection(*map(set, factors))
    rest = [set(part) - shared for part in factors]
    if len(shared) != 1 or not all(part <= set(symbols) for part in rest):
        raise ValueError(f"the derivatives are not one shared factor times monomials: {factors}")
    covers: list[set[Any]] = []
    for size in range(1, len(symbols) + 1):
        for chosen in map(set, itertools.combinations(symbols, size)):
            if all(chosen & part for part in rest) and not any(smaller <= chosen for smaller in covers):
                covers.append(chosen)
    if {len(cover) for cover in covers} != {2}:
        raise ValueError(f"the other critical sets are {covers}, not pairs of unknowns")
    is_product = sp.expand(shared.pop() ** 2 - (1 - sp.prod(symbols)) ** 2) == 0
    return ("product = 1" if is_product else "another set"), len(covers)


def predicted_pieces(m: int) -> list[tuple[int, int, int]]:
    """Dimension, degree and multiplicity of the irreducible critical sets: a hypersurface and linear spaces."""
    return [(m - 1, m, 1)] + [(m - 2, 1, 1)] * math.comb(m, 2)


def observed_pieces(m: int, seed: int) -> list[tuple[int, int, int]]:
    """The same by homotopy: the irreducible decomposition of the zero set of the gradient."""
    loss = chain_loss(m)
    gradient = PolynomialSystem.from_polynomials(map(loss.polynomials[0].diff, range(m)), loss.names)
    found = zero_set(gradient, seed=seed).components
    return sorted(((c.dimension, c.degree, c.multiplicity) for c in found), reverse=True)


# ---- networks


def data(widths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (4, n) and targets (4, m), whole numbers whose critical values lie well apart at this seed."""
    rng = np.random.default_rng(118)
    return rng.integers(-4, 5, size=(4, widths[0])), rng.integers(-4, 5, size=(4, widths[-1]))


def predicted_network(widths: Sequence[int]) -> dict[str, Any]:
    """From singular values: a critical point keeps some of the directions in which least squares explains the targets.

    Source: Baldi and Hornik, Neural Networks 2 (1989), 53; Kawaguchi 2016, Theorem 2.3.
    """
    X, Y = (part.astype(float) for part in data(widths))
    explained = np.linalg.svd(np.linalg.qr(X)[0].T @ Y, compute_uv=False) ** 2
    widest = min(min(widths[1:-1]), len(explained))
    chosen = [c for size in range(widest + 1) for c in itertools.combinations(explained, size)]
    values = sorted((float((Y**2).sum()) - sum(c)) / Y.size for c in chosen)
    return {
        "critical values": values,
        "values of local minima": values[:1],
        "saddles without negative eigenvalue": len(widths) > 3,
        "minima reach the least squares optimum": min(widths[1:-1]) >= min(widths[0], widths[-1]),
    }


def observed_network(widths: Sequence[int], seed: int, tries: int = 60) -> dict[str, Any]:
    """From a search for zeros of the gradient, and from descents out of each, slightly moved."""
    X, Y = data(widths)
    network = PolynomialNetwork(widths, PolynomialActivation([0, 1]), bias=False)
    gradient = network.critical_system(X, Y if Y.shape[1] > 1 else Y[:, 0])

    def value(points: np.ndarray) -> np.ndarray:
        return ((network.evaluate(points, X) - Y) ** 2).mean(axis=(1, 2))

    ends = _search(gradient, network.n_parameters, tries, seed)
    values = value(ends)
    moved = ends + 0.02 * np.random.default_rng([seed, 2]).standard_normal(ends.shape)
    moved = _descend(value, gradient, moved, steps=1500)
    stays = value(moved) > values - SAME_VALUE
    least = np.linalg.eigvalsh(gradient.jacobian(ends))[:, 0]
    residual = Y - X @ np.linalg.lstsq(X.astype(float), Y.astype(float), rcond=None)[0]
    return {
        "critical values": _distinct(values),
        "values of local minima": _distinct(values[stays]),
        "saddles without negative eigenvalue": bool((~stays & (least > -1e-3)).any()),
        "minima reach the least squares optimum": bool(abs(values.min() - (residual**2).mean()) < SAME_VALUE),
    }


def _search(gradient: PolynomialSystem, n: int, tries: int, seed: int) -> np.ndarray:
    """Zeros of the gradient (found, n) by Levenberg's damped Newton steps from starts of several sizes, and from 0."""
    rng = np.random.default_rng([seed, 3])
    points = rng.standard_normal((tries, n)) * rng.choice([0.3, 1.0, 2.0], size=(tries, 1))
    points[0] = 0
    damping = np.ones(tries)
    g = gradient.evaluate(points)
    for _ in range(150):
        curvatures, axes = np.linalg.eigh(gradient.jacobian(points))
        floor = 1e-12 + damping * np.linalg.norm(g, axis=1)
        along = np.einsum("pij,pi->pj", axes, g) * curvatures / (curvatures**2 + floor[:, None])
        tried = points - np.einsum("pij,pj->pi", axes, along)
        there = gradient.evaluate(tried)
        better = (there**2).sum(axis=1) < (g**2).sum(axis=1)
        points[better], g[better] = tried[better], there[better]
        damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-12, 1e12)
    return points[np.linalg.norm(g, axis=1) < 1e-10]


def _descend(
    value: Callable[[np.ndarray], np.ndarray], gradient: PolynomialSystem, points: np.ndarray, steps: int
) -> np.ndarray:
    """Gradient descent from points (p, n), each with a step of its own that keeps Armijo's condition."""
    here, rate = value(points), np.full(len(points), 0.02)
    for _ in range(steps):
        g = gradient.evaluate(points)
        tried = points - rate[:, None] * g
        there = value(tried)
        falls = there <= here - 0.5 * rate * (g**2).sum(axis=1)
        points, here = np.where(falls[:, None], tried, points), np.where(falls, there, here)
        rate = np.where(falls, 1.3 * rate, 0.5 * rate)
    return points


def _distinct(values: np.ndarray) -> list[float]:
    ordered = np.sort(values)
    return [float(v) for v, step in zip(ordered, np.diff(ordered, prepend=-np.inf), strict=True) if step > SAME_VALUE]


# ---- the claim


def off_diagonal(k: int) -> int:
    """Entry (1, 2) of the exact Hessian of (1 - w1 w2 w3)^2 at (0, 0, k); -2k by the product rule."""
    return int(hessian(chain_loss(3), [0, 0, k])[0, 1])


def control() -> Control:
    """One unit with the activation z^3 - 3z, not linear, and target 5: w = -1 is a minimum with loss 9, not 0."""
    w = Polynomial.variable(0, 1)
    loss = PolynomialSystem.from_polynomials(((5 - (w**3 - 3 * w)) ** 2,), ["w"])
    found = classify(loss, [-1])
    value = loss.polynomials[0].evaluate([Fraction(-1)], lambda c: c.re)
    return Control(
        "(5 - (w^3 - 3w))^2 at w = -1: a nonlinear chain, whose loss takes the value 0 elsewhere",
        "minimum of value 9",
        f"{found.kind} of value {value}",
        found.kind == "minimum" and bool(found.strict) and value == 9,
    )


def check(seed: int = 0) -> Claim:
    """The claim for chains of FACTORS, the printed Hessian, and NETWORKS."""
    cases = []
    for m in FACTORS:
        expected, found = predicted_chain(m), observed_chain(m)
        cases += [
            Case(f"{m} factors: {key}", expected[key], found[key], expected[key] == found[key]) for key in expected
        ]
    for m in (2, 3):
        pieces = observed_pieces(m, seed)
        cases.append(
            Case(
                f"{m} factors: dimension, degree, multiplicity",
                predicted_pieces(m),
                pieces,
                pieces == predicted_pieces(m),
            )
        )
    entries = {k: off_diagonal(k) for k in (1, 2, -3)}
    cases += [
        Case(f"off-diagonal entry at (0, 0, {k})", -2 * k, entry, entry == -2 * k) for k, entry in entries.items()
    ]
    as_printed = [k for k, entry in entries.items() if entry == PRINTED_ENTRY]
    for widths in NETWORKS:
        expected, found = predicted_network(widths), observed_network(widths, seed)
        name = "-".join(map(str, widths))
        cases += [
            Case(f"{name}: {key}", expected[key], found[key], _same(expected[key], found[key])) for key in expected
        ]
    return Claim.from_cases(
        cases,
        control(),
        id=ID,
        side="theory",
        statement=STATEMENT,
        source=SOURCE,
        tolerance=f"chains and printed Hessian: exact; values of networks: {SAME_VALUE:g}, gradients being below 1e-10",
        printed_verdict="holds" if len(as_printed) == len(entries) else "fails",
        seed=seed,
        note=f"The slide prints {PRINTED_ENTRY} for the off-diagonal entry at (0, 0, k), any k; of k = "
        f"{', '.join(map(str, entries))} that is so at {', '.join(map(str, as_printed)) or 'none'}. The rest of what "
        "it prints is part of the statement checked.",
    )


def _same(expected: Any, found: Any) -> bool:
    if isinstance(expected, list):
        return len(expected) == len(found) and bool(np.allclose(expected, found, rtol=0, atol=SAME_VALUE))
    return bool(expected == found)
