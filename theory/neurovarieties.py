"""The neurovariety of a network: the functions it can be, as a set of polynomials closed up; here its dimension.

Everything is of the affine cone, in the space of coefficients. The first layer must be dense: then a polynomial part
of degree t contains every monomial of degree t or none, because the linear group of the inputs acts on what the
network can be, and Sym^t is irreducible.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from theory.arguments import check_seed
from theory.layers import Activate, Dense
from theory.rank import PRIME, modular_rank
from theory.rings import ring_array

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

MAX_DEGREE = 1000  # in the inputs
MAX_ENTRIES = 4_000_000  # of the matrix whose rank is taken: 10 s, 400 MB


@dataclass(frozen=True)
class Neurovariety:
    """Dimensions of the set of functions that a network can be.

    dimension: of the set itself; ambient_dimension: of the space of polynomials with all monomials that occur
    symmetry_dimension: how many weights the network's continuous symmetries use up
    n_parameters: K, the number of weights

    Source: Kileel, Trager, Bruna, "On the Expressive Power of Deep Polynomial Neural Networks" (2019).
    """

    dimension: int
    ambient_dimension: int
    symmetry_dimension: int
    n_parameters: int

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


def neurovariety(network: "PolynomialNetwork", seed: int = 0) -> Neurovariety:
    """Dimensions of a network's neurovariety.

    The dimension is the rank of w -> (f(x_1; w), ..., f(x_s; w)) at random residues modulo 2^61 - 1 and enough random
    inputs: never too high, and too low with a probability of about degree * K / 2^61; the better of two draws.
    Raises ValueError where the first layer is not dense, and beyond MAX_DEGREE or MAX_ENTRIES.
    """
    degree = math.prod(layer.activation.degree for layer in network.layers if isinstance(layer, Activate))
    if degree > MAX_DEGREE:
        raise ValueError(
            f"a neurovariety is computed up to degree {MAX_DEGREE:,} in the inputs, this one has {degree:,}"
        )
    if not isinstance(network.layers[0], Dense):
        raise ValueError("neurovariety needs a network whose first layer is dense")
    rng = np.random.default_rng(check_seed(seed))
    n = network.n_inputs
    monomials = sum(math.comb(n - 1 + t, t) for t in _degrees(network, rng))
    samples = max(1, min(monomials, network.n_parameters))  # as many points tell the tangent functions apart
    entries = samples * network.n_outputs * network.n_parameters
    if entries > MAX_ENTRIES:
        raise ValueError(
            f"a neurovariety is the rank of a matrix of up to {MAX_ENTRIES:,} entries, this one has {entries:,}: "
            f"{monomials * network.n_outputs:,} coefficients, {network.n_parameters:,} weights"
        )
    dimension = max(_rank(network, samples, rng) for _ in range(2))
    return Neurovariety(dimension, monomials * network.n_outputs, network.symmetries().dimension, network.n_parameters)


def _residues(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    import flint

    drawn = rng.integers(PRIME, size=shape)
    return ring_array([flint.nmod(int(value), PRIME) for value in drawn.ravel()]).reshape(shape)


def _rank(network: "PolynomialNetwork", samples: int, rng: np.random.Generator) -> int:
    w, x = _residues((network.n_parameters,), rng), _residues((samples, network.n_inputs), rng)
    return modular_rank(network.ring_jacobian(w, x), PRIME)


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
