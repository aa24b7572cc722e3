"""The neurovariety of a network: the functions it can be, as a set of polynomials closed up; its dimension at once.

Everything is of the affine cone, in the space of coefficients. Where the first layer is dense, a polynomial part of
degree t contains every monomial of degree t or none, because the linear group of the inputs acts on what the network
can be, and Sym^t is irreducible. Where it is a convolution the monomials are counted at random weights.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from theory.arguments import check_seed
from theory.layers import Activate, Dense
from theory.rank import PRIME, modular_rank
from theory.rings import ring_array

if TYPE_CHECKING:
    from theory.continuation.tracker import Progress
    from theory.function_counts import GenericFibre
    from theory.networks import PolynomialNetwork

MAX_DEGREE = 1000  # in the inputs
MAX_MONOMIALS = 20_000  # of a network on images, one by one
MAX_ENTRIES = 4_000_000  # of the matrix whose rank is taken: 10 s, 400 MB


@dataclass(frozen=True)
class Neurovariety:
    """The set of functions that a network can be.

    dimension: of the set itself; ambient_dimension: of the space of polynomials with all monomials that occur
    symmetry_dimension: how many weights the network's continuous symmetries use up
    n_parameters: K, the number of weights

    Source: Kileel, Trager, Bruna, "On the Expressive Power of Deep Polynomial Neural Networks" (2019).
    """

    dimension: int
    ambient_dimension: int
    symmetry_dimension: int
    n_parameters: int
    _network: "PolynomialNetwork" = field(repr=False, compare=False)
    _monomials: "Monomials" = field(repr=False, compare=False)

    @cached_property
    def expected_dimension(self) -> int:
        """min(ambient, K - symmetry)."""
        return min(self.ambient_dimension, self.n_parameters - self.symmetry_dimension)

    @property
    def defect(self) -> int:
        """How far the dimension stays below the expected one."""
        return self.expected_dimension - self.dimension

    @property
    def fills(self) -> bool:
        """Whether almost every polynomial of the ambient space can be approached."""
        return self.dimension == self.ambient_dimension

    # ---- counted when asked for

    def degree(self, seed: int = 0, max_points: int | None = None, progress: "Progress | None" = None) -> int:
        """In how many points a generic affine space of complementary dimension meets the set, closed up.

        Found by monodromy and complete by a trace test. Raises ValueError for networks that are too large, and (as a
        subclass) where there are more than max_points points or the test is not passed; by default these are 2,000, or
        fewer for larger networks, so that it ends within half a minute or so.
        """
        from theory import function_counts

        return function_counts.degree(self, seed, max_points, progress)

    def generic_fibre(
        self, seed: int = 0, max_points: int | None = None, progress: "Progress | None" = None
    ) -> "GenericFibre":
        """The weights that make one generic function: dimension, and their number modulo continuous symmetries.

        Found by monodromy until the functions of all points pass the trace test; every function must then have the
        same number, a multiple of the permutations of units. That no point is missing from every fibre is not proved:
        it rests on 24 loops in a row without news. Raises ValueError as `degree`, whose points all have their fibres
        counted.
        """
        from theory import function_counts

        return function_counts.generic_fibre(self, seed, max_points, progress)

    def learning_degree(self, seed: int = 0, max_points: int | None = None, progress: "Progress | None" = None) -> int:
        """How many complex critical points the sum of squared errors over many generic data has on the smooth part.

        Spurious critical points, where the weights move the function in fewer directions, do not count. Found by
        monodromy and complete by a trace test; ValueError as `degree`.
        Source: K. Kubjas, J. Li, M. Wiesmann, "Geometry of polynomial neural networks" (2024).
        """
        from theory import function_counts

        return function_counts.learning_degree(self, seed, max_points, progress)


@dataclass(frozen=True)
class Monomials:
    """Of the outputs: how many in the largest, how many in all, and their degrees in the inputs."""

    largest: int
    total: int
    degrees: tuple[int, ...]


def neurovariety(network: "PolynomialNetwork", seed: int = 0) -> Neurovariety:
    """Dimensions of a network's neurovariety.

    The dimension is the rank of w -> (f(x_1; w), ..., f(x_s; w)) at random residues modulo 2^61 - 1 and enough random
    inputs: never too high, and too low with a probability of about degree * K / 2^61; the better of two draws.
    Raises ValueError beyond MAX_DEGREE, MAX_ENTRIES or MAX_MONOMIALS.
    """
    degree = math.prod(layer.activation.degree for layer in network.layers if isinstance(layer, Activate))
    if degree > MAX_DEGREE:
        raise ValueError(
            f"a neurovariety is computed up to degree {MAX_DEGREE:,} in the inputs, this one has {degree:,}"
        )
    rng = np.random.default_rng(check_seed(seed))
    monomials = _monomials(network, rng)
    samples = max(1, min(monomials.largest, network.n_parameters))  # as many points tell the tangent functions apart
    entries = samples * network.n_outputs * network.n_parameters
    if entries > MAX_ENTRIES:
        raise ValueError(
            f"a neurovariety is the rank of a matrix of up to {MAX_ENTRIES:,} entries, this one has {entries:,}: "
            f"{monomials.total:,} coefficients, {network.n_parameters:,} weights"
        )
    dimension = max(_rank(network, samples, rng) for _ in range(2))
    symmetry = network.symmetries().dimension
    return Neurovariety(dimension, monomials.total, symmetry, network.n_parameters, network, monomials)


def _residues(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    import flint

    drawn = rng.integers(PRIME, size=shape)
    return ring_array([flint.nmod(int(value), PRIME) for value in drawn.ravel()]).reshape(shape)


def _rank(network: "PolynomialNetwork", samples: int, rng: np.random.Generator) -> int:
    w, x = _residues((network.n_parameters,), rng), _residues((samples, network.n_inputs), rng)
    return modular_rank(network.ring_jacobian(w, x), PRIME)


def _monomials(network: "PolynomialNetwork", rng: np.random.Generator) -> Monomials:
    degrees = _degrees(network, rng)
    n = network.n_inputs
    count = sum(math.comb(n - 1 + t, t) for t in degrees)
    if isinstance(network.layers[0], Dense):
        return Monomials(count, count * network.n_outputs, tuple(degrees))
    if count > MAX_MONOMIALS:
        raise ValueError(
            f"the monomials of a network on images are counted up to {MAX_MONOMIALS:,}, this one may have {count:,}"
        )
    counts = _counted_monomials(network, rng)
    return Monomials(max(counts), sum(counts), tuple(degrees))


def _counted_monomials(network: "PolynomialNetwork", rng: np.random.Generator) -> list[int]:
    """The number of monomials of each output, at random whole weights."""
    import flint

    ring = flint.fmpq_mpoly_ctx.get([f"x{k}" for k in range(network.n_inputs)])
    w = ring_array([ring.constant(int(value)) for value in rng.integers(1, 2**40, size=network.n_parameters)])
    outputs = network.forward(w, ring_array(ring.gens())[None])[-1][0]
    return [len(output) for output in outputs]


def _degrees(network: "PolynomialNetwork", rng: np.random.Generator) -> list[int]:
    """The total degrees in x that occur: read off f along a random line through 0, modulo the prime."""
    import flint

    def polynomials(columns: np.ndarray) -> np.ndarray:
        return ring_array([flint.nmod_poly([int(v) for v in column], PRIME) for column in columns])

    w = polynomials(rng.integers(PRIME, size=(network.n_parameters, 1)))
    line = np.column_stack([np.zeros(network.n_inputs, dtype=np.int64), rng.integers(PRIME, size=network.n_inputs)])
    outputs = network.forward(w, polynomials(line)[None])[-1][0]
    coefficients = [list(output.coeffs()) for output in outputs]
    return sorted({t for row in coefficients for t, c in enumerate(row) if int(c)})
