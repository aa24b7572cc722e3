"""The connected components of a smooth real zero set, with real points on each, by Morse theory of a distance.

Routing function: 1 / (1 + |x - c|^2) for a random real centre c. Its critical points on the zero set V are those of
the squared distance to c, it has one on every component (the nearest point), and it goes to 0 at infinity, so that
unbounded components need no special care. Components are born at minima of the distance and joined at its saddles of
index 1 only. So descend from every critical point that is no minimum, both ways along the steepest unstable direction:
two minima lie on one component exactly where a chain of such paths joins them.

Proven: each critical point that is used is an exact real zero near the printed one, distinct from the others, V is a
manifold around it, and it is nondegenerate (a regular zero of the Lagrange equations, by interval arithmetic).
Numerical: that there are no others (probability 1 over the start system and the centre, as long as no path is lost; so
two centres must agree on the number of complex critical points and on the Euler characteristics of the components, and
descents from real points found by other means must not end at unknown points), the signs of the eigenvalues that make
the index, the absence of real singular points, and the descents, whose steps are held so short that the tangent space
hardly turns.
Source: H. Hong, J. Rohal, M. Safey El Din, E. Schost, Connectivity in semi-algebraic sets, arXiv:2011.02162;
J. Cummings, J. Hauenstein, H. Hong, C. Smyth, Smooth connectivity in real algebraic varieties, arXiv:2405.18578; points
on every component by the distance: A. Seidenberg, Annals of Math. 60 (1954); J. Milnor, Morse theory (1963), section 3.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from theory.continuation.certify import Certificates, certify
from theory.continuation.polyhedral import PolyhedralError
from theory.continuation.sift import conjugate_partners
from theory.continuation.solutions import SolutionSet
from theory.continuation.solve import TooManyPathsError, solve
from theory.lagrange import lagrange_system, singular_equations
from theory.radicals import as_complete_intersection
from theory.real_points import some_real_points
from theory.slopes import Slope, UndecidedError
from theory.systems import PolynomialSystem
from theory.zero_sets import Progress, ZeroSet, zero_set

# each with another centre, until two agree; groups of unknowns cope best with multipliers of another size
STARTS = ("multihomogeneous", "polyhedral", "auto", "multihomogeneous", "polyhedral", "auto")
PROBES = 4  # real points found by other means, from which the descent must end at critical points that are known
NEARLY_REAL = 1e-3  # |imaginary part| relative to 1 + size below which a point must be proved to be real or not
REAL = 1e-8  # the same for singular points, which cannot be proved: below it they count as real


class SingularSetError(ValueError):
    """The real zero set is singular, or may be: its components cannot be counted by Morse theory."""


@dataclass(frozen=True, eq=False)
class RealComponent:
    """One connected component of a smooth real zero set.

    point: (n,) real, its point nearest to the centre
    critical_points: (k, n) of the squared distance to the centre on the component, `point` first; indices: (k,) their
        numbers of descending directions
    certificate: text for `check_certificate`; proves the critical points, in the Lagrange equations or, for sets of
        isolated points, in the equations themselves
    """

    point: np.ndarray
    critical_points: np.ndarray
    indices: np.ndarray
    certificate: str
    _slope: Slope

    @property
    def n_critical_points(self) -> int:
        return len(self.critical_points)

    @property
    def euler_characteristic(self) -> int:
        """Of the component: the sum of (-1)^index. Source: Morse."""
        return int(np.sum((-1) ** self.indices))

    def trace(self, n: int, step: float) -> np.ndarray:
        """n points of a curve in order (n, unknowns), about `step` apart at most, with `point` in the middle.

        A closed curve is gone round as often as that takes. Raises ValueError where the component is no curve.
        """
        if self._slope.dimension != 1:
            raise ValueError(f"trace follows curves, this component has dimension {self._slope.dimension}")
        back = self._slope.walk(self.point, n // 2, step, -1)
        return np.vstack([back[::-1], self.point, self._slope.walk(self.point, n - n // 2 - 1, step, 1)])


def of_zero_set(zeros: ZeroSet, max_paths: int | None = None, progress: Progress | None = None) -> list[RealComponent]:
    """The connected components of the real points of a zero set; empty where there are none.

    The zero set must be that of m real equations in n unknowns whose Jacobian has rank m at every real zero; where it
    is not, the square-free parts of the equations, and those that suffice alone, are tried (`theory.radicals`), and
    certificates are then about these. Raises SingularSetError (a ValueError) where that does not help or cannot be
    told, ValueError for equations that are not real, UndecidedError (a ValueError) where the numerics fail, and
    TooManyPathsError.
    """
    system = zeros.system
    m, n = system.n_equations, system.n_unknowns
    if not system.is_real:
        raise ValueError("real components need a system with real coefficients, this one has complex ones")
    if zeros.is_empty:
        return []
    if any(c.multiplicity > 1 or c.dimension != n - m for c in zeros.components):
        simpler = as_complete_intersection(zeros, max_paths)
        if simpler is None:
            raise SingularSetError(_not_cut_out(zeros))
        return of_zero_set(simpler, max_paths, progress)
    if m == n:
        return _isolated(zeros)
    _require_smooth(system, zeros.seed, max_paths, progress)
    return _pieces(system, zeros.seed, max_paths, progress)


def _not_cut_out(zeros: ZeroSet) -> str:
    """Why pieces are not counted where equations are dependent, or components multiple or of several dimensions."""
    m, n = zeros.system.n_equations, zeros.system.n_unknowns
    kinds = dict.fromkeys((c.dimension, c.multiplicity) for c in zeros.components)
    described = ", ".join(f"dimension {d}" + (f" and multiplicity {k}" if k > 1 else "") for d, k in kinds)
    return (
        f"real components need independent equations that cut the set out, {m} of them in {n} unknowns a set of "
        f"dimension {n - m}, but it has components of {described}, and no choice of the equations' square-free parts "
        "cuts it out smoothly: its pieces are not counted"
    )


def piece_of(pieces: list[RealComponent], points: np.ndarray) -> np.ndarray:
    """Which of the components of one zero set, all of them, each of the real points (p, n) lies on: (p,) indices.

    Points a little off the set (ends of training) are brought onto it first. Raises ValueError for points that stay off
    it.
    """
    owner = np.repeat(np.arange(len(pieces)), [piece.n_critical_points for piece in pieces])
    known = np.vstack([piece.critical_points for piece in pieces])
    slope = pieces[0]._slope
    return np.array([owner[slope.descend(slope.onto(point), known)] for point in points], dtype=int)


def _isolated(zeros: ZeroSet) -> list[RealComponent]:
    """Every real point is a component of its own."""
    points = zeros.points
    near = points[np.max(np.abs(points.imag), axis=1) < NEARLY_REAL * (1 + np.max(np.abs(points), axis=1))]
    proofs = certify(zeros.system, near)
    if not np.all(proofs.real | proofs.not_real):
        raise UndecidedError(f"{np.sum(~(proofs.real | proofs.not_real))} zeros are proved neither real nor not real")
    found = []
    for k in np.flatnonzero(proofs.real):
        point, slope = near[k].real, Slope(zeros.system, np.zeros(near.shape[1]))
        found.append(RealComponent(point, point[None], np.zeros(1, int), _certificate(proofs, np.array([k])), slope))
    return found


# ---- singular points


def _require_smooth(system: PolynomialSystem, seed: int, max_paths: int | None, progress: Progress | None) -> None:
    """Raise SingularSetError where a point of the real zero set is singular, or that cannot be excluded."""
    equations = singular_equations(system, seed)
    if equations is None:
        return
    singular = zero_set(equations, seed=seed, max_paths=max_paths, progress=progress)
    if singular.dimension > 0:
        raise SingularSetError(
            f"the complex zero set is singular along a set of dimension up to {singular.dimension}; whether that has "
            "real points is not decided, so the real components are not counted"
        )
    for component in singular.components:
        point = component.points[0, : system.n_unknowns]
        error = REAL if component.multiplicity == 1 else NEARLY_REAL  # of multiple points only few digits are known
        if np.max(np.abs(point.imag)) < error * (1 + np.max(np.abs(point))):
            raise SingularSetError(
                f"the real zero set is singular near ({', '.join(f'{v:.4g}' for v in point.real + 0.0)}): "
                "its connected components are not counted"
            )


# ---- critical points


def _random_centre(n: int, rng: np.random.Generator) -> tuple[Fraction, ...]:
    """Normal, exact multiples of 2^-10: few digits keep the certificates short."""
    return tuple(Fraction(round(v * 1024), 1024) for v in rng.standard_normal(n))


def _pieces(
    system: PolynomialSystem, seed: int, max_paths: int | None, progress: Progress | None
) -> list[RealComponent]:
    """The components for the first centre that another one confirms."""
    system = PolynomialSystem.from_polynomials(
        system.polynomials, system.names
    )  # small networks: faster multiplied out
    probes = some_real_points(system, PROBES, np.random.default_rng([seed, 5]))
    seen: dict[tuple[int, ...], list[RealComponent]] = {}
    failure: ValueError = UndecidedError("no two centres agree")
    for attempt, start in enumerate(STARTS):
        centre = _random_centre(system.n_unknowns, np.random.default_rng([seed, 4, attempt]))
        lagrange = lagrange_system(system, centre, _sizes(system, probes))
        if 1 in lagrange.degrees:
            start = "auto"  # others do not eliminate affine equations
        try:
            solutions = solve(
                lagrange,
                start,
                seed=seed + attempt,
                max_paths=max_paths,
                progress=progress,
                on_interrupt="raise",
            )
            pieces = _joined(system, centre, _proved(lagrange, solutions), probes)
        except (UndecidedError, PolyhedralError, TooManyPathsError) as error:
            failure = error
            continue
        signature = (len(solutions), *sorted(piece.euler_characteristic for piece in pieces))
        if signature in seen:
            return seen[signature]
        seen[signature] = pieces
    if isinstance(failure, TooManyPathsError):
        raise failure
    raise UndecidedError(
        f"the real components were not counted: no two of {len(STARTS)} random centres agree on them, at last {failure}"
    )


def _sizes(system: PolynomialSystem, points: np.ndarray) -> tuple[Fraction, ...]:
    """The powers of 2 nearest to the usual length of each gradient at the points (p, n); 1 without points."""
    if not len(points):
        return (Fraction(1),) * system.n_equations
    lengths = np.median(np.linalg.norm(system.jacobian(points), axis=2), axis=0)
    return tuple(Fraction(2) ** round(np.log2(max(length, 1e-9))) for length in lengths)


def _proved(lagrange: PolynomialSystem, found: SolutionSet) -> Certificates:
    """The real critical points with multipliers, all proved. Raises UndecidedError where one may be missing."""
    if found.paths.failed:
        raise UndecidedError(f"{found.paths.failed} of {found.paths.tracked} paths to critical points were lost")
    alone = int(np.sum(conjugate_partners(found.solutions, found.singular) < 0))
    if alone:
        raise UndecidedError(f"{alone} critical points came without their complex conjugate")
    size = 1 + np.max(np.abs(found.solutions), axis=1, initial=0)
    near = found.solutions[np.max(np.abs(found.solutions.imag), axis=1, initial=0) < NEARLY_REAL * size]
    proofs = certify(lagrange, near)
    unclear = int(np.sum(~((proofs.real & proofs.distinct) | proofs.not_real)))
    if unclear:
        raise UndecidedError(f"{unclear} critical points are proved neither real and distinct nor not real")
    return _selected(proofs, np.flatnonzero(proofs.real))


def _selected(proofs: Certificates, rows: np.ndarray) -> Certificates:
    return Certificates(
        proofs.system,
        proofs.points[rows],
        tuple(proofs.boxes[k] for k in rows),
        tuple(proofs.reasons[k] for k in rows),
        proofs.distinct[rows],
    )


def _certificate(proofs: Certificates, rows: np.ndarray) -> str:
    return _selected(proofs, rows).to_json()


# ---- joining them


def _joined(
    system: PolynomialSystem, centre: tuple[Fraction, ...], proofs: Certificates, probes: np.ndarray
) -> list[RealComponent]:
    """Descend from every critical point that is no minimum; the connected parts of the graph are the components.

    Raises UndecidedError where a descent, also one from the probes (p, n), ends elsewhere than in a known point.
    """
    points = np.ascontiguousarray(proofs.points[:, : system.n_unknowns].real)
    slope = Slope(system, np.array([float(c) for c in centre]))
    for probe in probes:
        slope.descend(probe, points)
    frames = [slope.frame(point) for point in points]
    indices = np.array([int(np.sum(frame.eigenvalues < 0)) for frame in frames], dtype=int)
    edges = []
    for k in np.flatnonzero(indices):
        steepest = frames[k].axes[:, 0]
        edges += [(k, slope.descend(slope.leave(points[k], way * steepest), points)) for way in (1, -1)]
    count = len(points)
    start, end = np.array(edges, dtype=int).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (start, end)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    distance = np.linalg.norm(points - slope.centre, axis=1)
    pieces = [np.flatnonzero(labels == label) for label in np.unique(labels)] if count else []
    pieces = sorted((piece[np.argsort(distance[piece])] for piece in pieces), key=lambda piece: distance[piece[0]])
    return [
        RealComponent(points[piece[0]], points[piece], indices[piece], _certificate(proofs, piece), slope)
        for piece in pieces
    ]
