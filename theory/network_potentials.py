"""The loss of a polynomial network as a potential, and what its zero-error set says about exp(-U/T) for T -> 0.

U = loss + T |w|^2 / (2 s^2): rescaling makes zero sets unbounded, so that exp(-loss/T) alone has no finite integral.
With the Gaussian prior it has, and the prior stays what it is as T falls. Let loss = |F|^2 / m, for m equations F = 0
whose Jacobian J has rank m on the zero set. Then exp(-U/T) tends to a law there: density det(J J^T)^(-1/2)
exp(-|w|^2 / (2 s^2)) against volume, and Z to (pi m T)^(m/2) times the integral of that density.
Source: Laplace's method across the zero set; Hwang, Laplace's method revisited, Annals of Probability 8 (1980).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import sympy as sp

from theory.cubature import Estimate
from theory.normalisable import check_temperature
from theory.potentials import Potential
from theory.real_components import RealComponent
from theory.systems import PolynomialSystem
from theory.zero_sets import ZeroSet

REACH = 8.5  # standard deviations of the prior: exp(-8.5^2 / 2) = 2e-16
MAX_NODES = 4_000_000

Values = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Rule:
    """A quadrature rule on a real zero set.

    points: (p, K) on the set; volume: (p,) what each stands for; extent: (p, K) how far that reaches along each axis
    piece: (p,) which connected component it is on, where they are known (curves), else 0
    jacobian_factor: (p,) det(J J^T)^(-1/2); prior: (p,) exp(-|w|^2 / (2 s^2)); their product is the limit's density
    """

    points: np.ndarray
    volume: np.ndarray
    extent: np.ndarray
    piece: np.ndarray
    jacobian_factor: np.ndarray
    prior: np.ndarray

    @property
    def masses(self) -> np.ndarray:
        """Of the points, (p,), not normalised."""
        return self.volume * self.jacobian_factor * self.prior

    def marginal(self, axis: int, edges: np.ndarray) -> np.ndarray:
        """Shares (bins,) between the edges; the mass of a point is spread evenly over its extent."""
        at, width = self.points[:, axis], np.maximum(self.extent[:, axis], 1e-12)
        below = [float(self.masses @ np.clip((edge - at) / width + 0.5, 0, 1)) for edge in edges]
        return np.diff(below) / self.masses.sum()


@dataclass(frozen=True, eq=False)
class Concentration:
    """The limit law of exp(-U/T) for T -> 0 on a zero set, by a fine rule; a coarser one tells the errors.

    equations: m, the codimension of the set
    """

    fine: Rule
    coarse: Rule
    equations: int

    def integral(self, values: Values | None = None) -> Estimate:
        """Of a function of the points, (p, K) -> (p,), times the density over the zero set; 1 if none is given."""
        of_fine, of_coarse = (
            float(np.sum(rule.masses if values is None else rule.masses * values(rule.points)))
            for rule in (self.fine, self.coarse)
        )
        return Estimate(of_fine, abs(of_fine - of_coarse))

    def mean(self, values: Values) -> Estimate:
        """Of a function of the points under the limit law; where it says true or false, a probability."""
        return self.integral(values) / self.integral()

    def pieces(self) -> list[Estimate]:
        """The probability of every connected component, in the order of `real_components`; only of curves."""
        shares = []
        for number in range(int(self.fine.piece.max()) + 1):
            of_fine, of_coarse = (
                float(rule.masses[rule.piece == number].sum() / rule.masses.sum()) for rule in (self.fine, self.coarse)
            )
            shares.append(Estimate(of_fine, abs(of_fine - of_coarse)))
        return shares

    def marginal(self, axis: int, edges: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The masses (bins,) of the slabs edges_k <= w_axis < edges_(k+1), and their errors (bins,)."""
        bounds = np.asarray(edges, dtype=float)
        of_fine, of_coarse = (rule.marginal(axis, bounds) for rule in (self.fine, self.coarse))
        return of_fine, np.abs(of_fine - of_coarse)

    def partition(self, temperature: float) -> Estimate:
        """The leading term of Z for T -> 0: (pi m T)^(m/2) times the integral of the density."""
        scale = (math.pi * self.equations * check_temperature(temperature)) ** (self.equations / 2)
        return Estimate(scale, 0.0) * self.integral()


def network_potential(system: PolynomialSystem, temperature: float, scale: float = 1.0) -> Potential:
    """U = mean of the squared residuals of the equations + T |w|^2 / (2 scale^2); its formula belongs to this T only.

    Raises ValueError for equations that are not real, and for temperatures and scales that are not positive and finite.
    """
    temperature = check_temperature(temperature)
    _check_scale(scale)
    if not system.is_real:
        raise ValueError("a potential needs equations with real coefficients, these have complex ones")
    loss = sp.Add(*(equation**2 for equation in system.equations)) / system.n_equations
    prior = sp.Float(temperature / (2 * scale**2)) * sp.Add(*(w**2 for w in system.variables))
    return Potential(f"loss with {system.n_unknowns} weights at T = {temperature:g}", loss + prior, system.variables)


def concentration(zeros: ZeroSet, scale: float = 1.0, nodes: int = 400) -> Concentration:
    """The limit for T -> 0 of exp(-U/T)/Z on a real zero set, U = `network_potential(zeros.system, T, scale)`.

    Curves are followed, every connected component of them; sets of higher dimension must be the graph of as many
    unknowns, which enter linearly, as there are equations (weights of the last layer), over the others.
    nodes: along each of the axes of a graph, and about as many on 2 * REACH * scale of a curve

    Raises ValueError where neither is the case, where the equations are not independent, and as `real_components`.
    """
    _check_scale(scale)
    system = zeros.system
    if zeros.dimension != system.n_unknowns - system.n_equations or zeros.dimension < 1:
        raise ValueError(
            f"{system.n_equations} equations in {system.n_unknowns} unknowns: the zero set should have dimension "
            f"{system.n_unknowns - system.n_equations} >= 1, it has {zeros.dimension}"
        )
    if zeros.dimension > 1:
        return graph(system, scale, nodes)
    return along_curves(system, zeros.real_components(), scale, 2 * REACH * scale / nodes)


def along_curves(system: PolynomialSystem, pieces: Sequence[RealComponent], scale: float, step: float) -> Concentration:
    """Gauss's rule with 16 points on every arc between neighbours of a trace of each piece; with 8 for the error."""
    if not pieces:
        raise ValueError("the real zero set is empty: nothing to concentrate on")
    traces = [_trace(piece, REACH * scale, step) for piece in pieces]
    rules = []
    for points in (16, 8):
        at, length, extent = (
            np.concatenate(of) for of in zip(*(_on_arcs(system, trace, points) for trace in traces), strict=True)
        )
        piece = np.repeat(np.arange(len(traces)), [points * (len(trace) - 1) for trace in traces])
        rules.append(_rule(system, scale, at, length, extent, piece))
    return Concentration(rules[0], rules[1], system.n_equations)


def _trace(piece: RealComponent, reach: float, step: float) -> np.ndarray:
    """Points (p, K) in order along a curve: once round if it is closed, else until both ends are beyond the reach."""
    n = 257
    while n < MAX_NODES:
        points = piece.trace(n, step)
        middle = n // 2
        gone = np.linalg.norm(points[middle:] - points[middle], axis=1)
        away = int(np.argmax(gone > 2 * step))
        back = np.flatnonzero(gone[away:] < step) if gone[away] > 2 * step else np.array([], int)
        if len(back):  # closed: the first point near the start again, then the start itself
            return np.vstack([points[middle : middle + away + back[0]], points[middle]])
        if min(np.linalg.norm(points[0]), np.linalg.norm(points[-1])) > reach:
            inside = np.flatnonzero(np.linalg.norm(points, axis=1) <= reach)
            return points[max(inside[0] - 1, 0) : inside[-1] + 2]
        n = 2 * n + 1
    raise ValueError("a curve of zeros was followed for too long: give fewer nodes, or a smaller scale")


def _on_arcs(system: PolynomialSystem, ends: np.ndarray, points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gauss's nodes (p, K) on the arcs between the ends (q, K) of a curve, the lengths (p,) and extents (p, K) of each.

    Nodes on the chords are brought onto the curve at a right angle to their chord, by Newton's method.
    """
    nodes, weights = np.polynomial.legendre.leggauss(points)
    chord = np.repeat(np.diff(ends, axis=0), points, axis=0)  # (p, K)
    length = np.linalg.norm(chord, axis=1)
    at = np.repeat(ends[:-1], points, axis=0) + np.tile((1 + nodes) / 2, len(ends) - 1)[:, None] * chord
    across = (chord / length[:, None])[:, None]  # (p, 1, K)
    zero = np.zeros((len(at), 1))
    for _ in range(6):  # the trace's steps are short: errors of 1e-3 become 1e-6, 1e-12
        matrix = np.concatenate([system.jacobian(at), across], axis=1)
        at = at - np.linalg.solve(matrix, np.concatenate([system.evaluate(at), zero], axis=1)[..., None])[..., 0]
    if np.max(np.abs(system.evaluate(at)) / (1 + system.magnitude(at))) > 1e-10:
        raise ValueError("a curve of zeros bends too much between two of its points: give more nodes")
    matrix = np.concatenate([system.jacobian(at), across], axis=1)
    unit = np.concatenate([np.zeros((len(at), system.n_equations)), np.ones((len(at), 1))], axis=1)
    tangent = np.linalg.solve(matrix, unit[..., None])[..., 0]  # d(arc) / d(chord)
    share = np.tile(weights / 2, len(ends) - 1) * length
    return at, share * np.linalg.norm(tangent, axis=1), share[:, None] * np.abs(tangent)


def graph(system: PolynomialSystem, scale: float = 1.0, nodes: int = 400) -> Concentration:
    """The trapezoidal rule over the unknowns that are left when m others, which enter linearly, are solved for.

    It converges faster than any power of the distance of its nodes, as the density is smooth and vanishes at both ends.
    Raises ValueError where there are no m such unknowns.
    """
    solved = linear_unknowns(system)
    free = [k for k in range(system.n_unknowns) if k not in solved]
    if nodes ** len(free) > MAX_NODES:
        raise ValueError(f"{nodes} nodes along {len(free)} axes are more than {MAX_NODES}: give fewer")
    line = np.linspace(-REACH, REACH, nodes + 1 - nodes % 2) * scale
    rules = [_over_graph(system, scale, free, list(solved), line[::every]) for every in (1, 2)]
    return Concentration(rules[0], rules[1], system.n_equations)


def _over_graph(system: PolynomialSystem, scale: float, free: list[int], solved: list[int], line: np.ndarray) -> Rule:
    points = np.zeros((len(line) ** len(free), system.n_unknowns))
    points[:, free] = np.stack([g.ravel() for g in np.meshgrid(*[line] * len(free), indexing="ij")], axis=1)
    matrix = system.jacobian(points)[:, :, solved]
    determinant = np.abs(np.linalg.det(matrix))
    kept = determinant > 1e-12 * np.median(determinant)  # at the others the solved unknowns are infinite
    points, matrix, determinant = points[kept], matrix[kept], determinant[kept]
    points[:, solved] = -np.linalg.solve(matrix, system.evaluate(points)[..., None])[..., 0]
    near = np.linalg.norm(points, axis=1) <= REACH * scale * math.sqrt(system.n_unknowns)
    points, matrix, determinant = points[near], matrix[near], determinant[near]
    jacobian, size = system.jacobian(points), line[1] - line[0]
    stretch = np.sqrt(np.linalg.det(jacobian @ jacobian.swapaxes(1, 2))) / determinant  # d(volume) / d(free unknowns)
    extent = np.full(points.shape, size)
    extent[:, solved] = size * np.abs(np.linalg.solve(jacobian[:, :, solved], jacobian[:, :, free])).sum(2)
    return _rule(system, scale, points, size ** len(free) * stretch, extent, np.zeros(len(points), int))


def linear_unknowns(system: PolynomialSystem) -> tuple[int, ...]:
    """As many unknowns as equations, the last ones that will do, of which no term has more than one; or ValueError."""
    supports = np.concatenate(system.supports)
    for chosen in combinations(reversed(range(system.n_unknowns)), system.n_equations):
        if supports[:, list(chosen)].sum(1).max() == 1:
            return tuple(sorted(chosen))
    raise ValueError(
        f"no {system.n_equations} of the unknowns {', '.join(system.names)} enter the equations linearly: "
        "zero sets that are no curves need that"
    )


def _rule(
    system: PolynomialSystem,
    scale: float,
    points: np.ndarray,
    volume: np.ndarray,
    extent: np.ndarray,
    piece: np.ndarray,
) -> Rule:
    jacobian = system.jacobian(points)
    gram = np.linalg.det(jacobian @ jacobian.swapaxes(1, 2))
    if not gram.min() > 0:
        raise ValueError("the equations are dependent at a point of the zero set: the density is infinite there")
    prior = np.exp(-(points**2).sum(1) / (2 * scale**2))
    return Rule(points, volume, extent, piece, gram**-0.5, prior)


def _check_scale(scale: float) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"the scale of the prior must be positive and finite, got {scale}")
