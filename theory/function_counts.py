"""What can be counted on the neurovariety of a small network: its degree, a generic fibre, the learning degree.

Functions are known by their values at as many generic inputs as there are monomials. The weights run over an affine
space of as many dimensions as the variety has, so that fibres become finite; loops (`theory.loops`) find all points
from one that is known, so that nothing is solved from scratch and there are as many paths as points.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.arguments import check_count, check_seed
from theory.continuation.tape import Recorder, Tape
from theory.loops import QUIET_LOOPS, SAME, Found, IncompleteError, TooManyPointsError, complex_normal, find_all
from theory.rank import numerical_rank
from theory.rings import ring_array
from theory.symmetries import Junction, junctions

if TYPE_CHECKING:
    from theory.continuation.tracker import Progress
    from theory.networks import PolynomialNetwork
    from theory.neurovarieties import Neurovariety

MAX_POINTS = 2_000
MAX_WORK = 10_000_000  # points times operations of one evaluation with derivatives: up to half a minute
QUIET_LOOPS_OF_FIBRES = 24  # more than elsewhere: no trace test sees a point missing from every fibre
MAX_SIZE = 20_000  # weights times values of the outputs: derivatives that one evaluation takes

Equations = Callable[[np.ndarray, np.ndarray], Sequence[Any]]


@dataclass(frozen=True)
class GenericFibre:
    """The weights that make one generic function of a network's neurovariety.

    dimension: of the fibre; symmetry_dimension: what the continuous symmetries account for
    points: the number of its points modulo the continuous symmetries, where it is finite and was counted; else None
    classes: the same number modulo the permutations of units, too
    reason: what the numbers rest on. The dimensions are exact (ranks over a prime field, the symmetries' Lie algebra);
        points and classes are numerical: every point counted exists as far as its digits tell, but that none is missing
        from every fibre is not proved
    """

    dimension: int
    symmetry_dimension: int
    points: int | None
    classes: int | None
    reason: str

    @property
    def is_finite(self) -> bool:
        """Whether finitely many weights make the function, up to continuous symmetries."""
        return self.dimension == self.symmetry_dimension


@dataclass(frozen=True, eq=False)
class _Section:
    """Weights w = offset + matrix u, and inputs that tell functions apart.

    offset: (K,); matrix: (K, D); inputs: (s, n_inputs)
    """

    network: "PolynomialNetwork"
    offset: np.ndarray
    matrix: np.ndarray
    inputs: np.ndarray

    def functions(self, points: np.ndarray) -> np.ndarray:
        """The values of the outputs at all inputs, (p, s * m)."""
        values = self.network.evaluate(self.offset + points @ self.matrix.T, self.inputs)
        return values.reshape(len(points), -1)

    def tape(self, equations: Equations, n_parameters: int) -> Tape:
        """The D equations (weights, parameters) -> values, in the unknowns u."""
        recorder = Recorder(self.matrix.shape[1])
        parameters = ring_array(recorder.parameters(n_parameters))
        weights = [
            recorder.homogenised(
                sum((c * u for c, u in zip(row, recorder.unknowns, strict=True)), recorder.constant(b))
            )
            for row, b in zip(self.matrix, self.offset, strict=True)
        ]
        return recorder.tape(equations(ring_array(weights), parameters))

    def ring_inputs(self) -> np.ndarray:
        return self.inputs.astype(object)


def degree(variety: "Neurovariety", seed: int, max_points: int | None, progress: "Progress | None") -> int:
    """See `Neurovariety.degree`."""
    seed, limit = _checked(variety, seed, max_points)
    if variety.fills:
        return 1
    rng = np.random.default_rng([seed, 1])
    section = _generic_section(variety, variety._monomials.largest, rng)
    found = _sliced(variety, section, rng, seed, limit, section.functions, progress)
    return len(found.points)


def learning_degree(variety: "Neurovariety", seed: int, max_points: int | None, progress: "Progress | None") -> int:
    """See `Neurovariety.learning_degree`."""
    seed, limit = _checked(variety, seed, max_points)
    if variety.fills:
        return 1
    rng = np.random.default_rng([seed, 2])
    section = _generic_section(variety, _generic_data(variety), rng)
    network, start = variety._network, complex_normal(rng, variety.dimension)
    weights = section.offset + section.matrix @ start
    tangents = network.jacobian(weights, section.inputs) @ section.matrix  # (N m, D)
    values = section.functions(start[None])[0]
    normal = complex_normal(rng, len(values))
    normal -= tangents @ np.linalg.solve(tangents.T @ tangents, tangents.T @ normal)
    targets = values + normal * np.linalg.norm(values) / np.linalg.norm(normal)

    def gradient(w: np.ndarray, y: np.ndarray) -> Sequence[Any]:
        states = network.forward(w, section.ring_inputs())
        by_weight = network.backward(w, states, states[-1] - y.reshape(states[-1].shape))
        return _combinations(section.matrix.T, by_weight)

    tape = section.tape(gradient, len(targets))
    bound = f"at most {2 * _weight_degree(network) - 1}^{variety.dimension} by Bezout's count"
    found = _found(bound, section, tape, targets, start, section.functions, seed, limit, progress)
    return len(found.points)


def generic_fibre(
    variety: "Neurovariety", seed: int, max_points: int | None, progress: "Progress | None"
) -> GenericFibre:
    """See `Neurovariety.generic_fibre`."""
    seed, limit = _checked(variety, seed, max_points)
    fibre = variety.n_parameters - variety.dimension
    symmetry = variety.symmetry_dimension
    rng = np.random.default_rng([seed, 4])
    if fibre != symmetry:
        return GenericFibre(fibre, symmetry, None, None, "infinite modulo the continuous symmetries, by exact ranks")
    fixed = _gauge(variety._network, complex_normal(rng, variety.n_parameters))
    if fixed is None:
        reason = "not counted: no weights are known that, held fixed, leave one point of each orbit of the symmetries"
        return GenericFibre(fibre, symmetry, None, None, reason)
    free = np.setdiff1d(np.arange(variety.n_parameters), fixed)
    section = _section(variety, free, complex_normal(rng, variety._monomials.largest, variety._network.n_inputs), rng)
    found = _sliced(variety, section, rng, seed, limit, lambda points: points, progress, QUIET_LOOPS_OF_FIBRES)
    sizes = set(_sizes_of_fibres(section.functions(found.points)))
    permutations = _permutations(variety._network)
    if len(sizes) > 1 or any(size % permutations for size in sizes):
        raise IncompleteError(
            f"fibres of {', '.join(map(str, sorted(sizes)))} points were found, but all must have as many, a multiple "
            f"of the {permutations} permutations of units: try another seed"
        )
    reason = (
        f"numerical: {QUIET_LOOPS_OF_FIBRES} loops in a row found no other point, the functions of all pass the trace "
        f"test, and all {len(found.points) // max(sizes)} fibres met have as many, a multiple of the {permutations} "
        "permutations of units; that none is missing from every fibre is not proved"
    )
    return GenericFibre(fibre, symmetry, max(sizes), max(sizes) // permutations, reason)


# ---- slices of the variety


def _generic_section(variety: "Neurovariety", n_inputs: int, rng: np.random.Generator) -> _Section:
    """All weights fixed but as many as the variety has dimensions, such that these still reach all of it.

    Those are the first ones that a pivoted QR decomposition of the Jacobian at random weights takes.
    """
    from scipy.linalg import qr

    weights = complex_normal(rng, variety.n_parameters)
    inputs = complex_normal(rng, n_inputs, variety._network.n_inputs)
    order = qr(variety._network.jacobian(weights, inputs), mode="r", pivoting=True)[1]
    return _section(variety, np.sort(order[: variety.dimension]), inputs, rng)


def _section(variety: "Neurovariety", free: np.ndarray, inputs: np.ndarray, rng: np.random.Generator) -> _Section:
    """These weights free, the others fixed at random, of size 1: were they near 0, others would be far out."""
    offset = np.exp(2j * np.pi * rng.random(variety.n_parameters))
    offset[free] = 0
    matrix = np.zeros((variety.n_parameters, len(free)), complex)
    matrix[free, np.arange(len(free))] = 1
    return _Section(variety._network, offset, matrix, inputs)


def _sliced(
    variety: "Neurovariety",
    section: _Section,
    rng: np.random.Generator,
    seed: int,
    limit: int | None,
    images: Callable[[np.ndarray], np.ndarray],
    progress: "Progress | None",
    quiet_loops: int = QUIET_LOOPS,
) -> Found:
    """The points of the section whose functions lie in a generic affine space of complementary dimension.

    That space moves parallel to itself. The sum of the functions is then affine in its position, since the projection
    of the variety along the space is finite; also if each is counted once for each point of its fibre.
    """
    start = complex_normal(rng, variety.dimension)
    values = section.functions(start[None])[0]
    combine = complex_normal(rng, variety.dimension, len(values)) / math.sqrt(len(values))

    def equations(w: np.ndarray, c: np.ndarray) -> Sequence[Any]:
        outputs = variety._network.forward(w, section.ring_inputs())[-1].ravel()
        return [value - target for value, target in zip(_combinations(combine, outputs), c, strict=True)]

    tape = section.tape(equations, variety.dimension)
    bound = f"at most {_weight_degree(variety._network)}^{variety.dimension} by Bezout's count"
    return _found(bound, section, tape, combine @ values, start, images, seed, limit, progress, quiet_loops)


def _found(
    bound: str,
    section: _Section,
    tape: Tape,
    parameters: np.ndarray,
    start: np.ndarray,
    images: Callable[[np.ndarray], np.ndarray],
    seed: int,
    limit: int | None,
    progress: "Progress | None",
    quiet_loops: int = QUIET_LOOPS,
) -> Found:
    """`find_all`, which says what to expect where the points become too many: fewer by default where each is dear."""
    if limit is None:
        operations = len(tape.real_ids) + len(tape.complex_ids) + len(tape.product_ids)
        limit = min(MAX_POINTS, max(1, MAX_WORK // operations))
    if progress is not None:
        progress(0, 1, bound)
    try:
        return find_all(
            tape,
            parameters,
            start,
            images,
            seed,
            summed=section.functions,
            max_points=limit,
            quiet_loops=quiet_loops,
            progress=progress,
        )
    except TooManyPointsError as error:
        raise TooManyPointsError(f"{error}, {bound}, a path for each and loop: allow more by max_points") from None


def _combinations(matrix: np.ndarray, nodes: Sequence[Any]) -> list[Any]:
    """The rows of a matrix times ring elements; zeros are left out."""
    return [sum(node * complex(c) for c, node in zip(row, nodes, strict=True) if c) for row in matrix]


def _weight_degree(network: "PolynomialNetwork") -> int:
    return max(network.degree_in_weights)


def _generic_data(variety: "Neurovariety") -> int:
    """So many inputs that the sum of F(x_i)^2 is as generic a quadratic form in F as with more of them.

    The powers x_i that it is made of must then fill the space of its forms of degree a + b; they are a little more
    than its dimension over the number of inputs. Source: J. Alexander, A. Hirschowitz (1995).
    """
    n = variety._network.n_inputs
    sums = {a + b for a in variety._monomials.degrees for b in variety._monomials.degrees}
    forms = sum(math.comb(n - 1 + t, t) for t in sums)
    return max(variety._monomials.largest, forms // n + 2)


def _checked(variety: "Neurovariety", seed: Any, max_points: Any) -> tuple[int, int | None]:
    limit = None if max_points is None else check_count(max_points, "max_points")
    size = variety._monomials.largest * variety._network.n_outputs * variety.n_parameters
    if size > MAX_SIZE and not variety.fills:
        raise ValueError(
            f"points of a neurovariety are counted up to {MAX_SIZE:,} coefficients times weights, this one has {size:,}"
        )
    return check_seed(seed), limit


# ---- fibres


def _gauge(network: "PolynomialNetwork", weights: np.ndarray) -> np.ndarray | None:
    """Which weights to fix so that every orbit of the continuous symmetries is met once; None where that is not known.

    Of a rescaled unit one weight; of h units that mix h each, and the biases where these can be shifted.
    """
    fixed = np.array([k for junction in junctions(network) for k in _fixed(junction)], dtype=int)
    symmetries = network.symmetries()
    moved = symmetries.tangents(weights)[:, fixed]
    if len(fixed) != symmetries.dimension or (len(fixed) and numerical_rank(moved).rank != len(fixed)):
        return None
    return fixed


def _fixed(junction: Junction) -> list[int]:
    h, before, first = junction.n_units, junction.before, junction.here.start
    taps = before.n_weights // h - before.bias
    if not _mixes(junction):
        return [first + unit * taps for unit in range(h) if junction.rescalable(unit)]
    rows = [first + unit * taps + k for unit in range(h) for k in range(min(h, taps))]
    return rows + (list(range(junction.here.stop - h, junction.here.stop)) if before.bias and junction.absorbs else [])


def _mixes(junction: Junction) -> bool:
    forms = [junction.power(unit) for unit in range(junction.n_units)]
    return all(form is not None and form.k == 1 for form in forms)


def _permutations(network: "PolynomialNetwork") -> int:
    """The order of the permutations of units, those left out that continuous mixings contain."""
    apart = [junction for junction in junctions(network) if not _mixes(junction)]
    return math.prod(math.factorial(count) for junction in apart for count in junction.equal_units())


def _sizes_of_fibres(functions: np.ndarray) -> list[int]:
    """How many points share each function."""
    from theory.continuation.sift import clusters

    return np.bincount(clusters(functions, SAME)).tolist()
