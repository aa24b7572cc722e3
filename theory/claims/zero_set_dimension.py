"""Zero-error weights of an underdetermined network form a set of dimension K - N*m, as long as the data can be met.

The sentence of the source, "dimension K - N", is right while the N*m equations stay independent, that is up to
D = the dimension of the network's neurovariety (the set of functions it can be). A monomial network has D < K, because
hidden units can be rescaled: between D and K its generic data have no zero at all, where K - N promises a positive
dimension. So the statement as checked predicts from D; the printed one predicts from K.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from theory.activations import PolynomialActivation
from theory.networks import PolynomialNetwork
from theory.systems import PolynomialSystem

ID = "zero-set-dimension"

CUBIC = (Fraction(3, 10), Fraction(1, 2), Fraction(2, 5), Fraction(1, 5))  # not homogeneous: no rescaling symmetry
SQUARE = (Fraction(0), Fraction(0), Fraction(1))
LINEAR = (Fraction(0), Fraction(1))


@dataclass(frozen=True)
class Instance:
    """One network with its data, exact: theory solves it, the experiment of the same name trains it.

    bias: for each layer whether it has one; coefficients: of the activation, ascending
    inputs: N points; targets: N rows of m numbers
    neurovariety_dimension: D, the largest number of generic equations that are independent, from the closed form
    """

    name: str
    widths: tuple[int, ...]
    coefficients: tuple[Fraction, ...]
    bias: tuple[bool, ...]
    inputs: tuple[tuple[Fraction, ...], ...]
    targets: tuple[tuple[Fraction, ...], ...]
    neurovariety_dimension: int
    seed: int

    @property
    def n_weights(self) -> int:
        pairs = zip(self.widths, self.widths[1:], self.bias, strict=False)
        return sum(out * (fan_in + has_bias) for fan_in, out, has_bias in pairs)

    @property
    def n_equations(self) -> int:
        return len(self.inputs) * self.widths[-1]

    def network(self) -> PolynomialNetwork:
        return PolynomialNetwork(self.widths, PolynomialActivation(list(self.coefficients)), bias=self.bias)

    def system(self) -> PolynomialSystem:
        """The interpolation equations f(x_i; w) = y_i, exact."""
        return self.network().interpolation_system(self.inputs, self.targets)

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The data as float64 arrays: inputs (N, n), targets (N, m)."""
        return np.array(self.inputs, dtype=np.float64), np.array(self.targets, dtype=np.float64)


def rational_data(shape: tuple[int, int], seed: int, scale: int = 10) -> tuple[tuple[Fraction, ...], ...]:
    """Random decimals with one digit in [-2, 2], exact and never 0; shape: rows, columns."""
    rng = np.random.default_rng(seed)
    magnitudes = rng.integers(1, 2 * scale + 1, size=shape)
    signs = rng.choice([-1, 1], size=shape)
    return tuple(tuple(Fraction(int(value), scale) for value in row) for row in magnitudes * signs)


def _instance(
    name: str,
    widths: Sequence[int],
    coefficients: tuple[Fraction, ...],
    bias: Sequence[bool],
    n: int,
    d: int,
    seed: int,
) -> Instance:
    inputs = rational_data((n, widths[0]), seed)
    targets = rational_data((n, widths[-1]), seed + 1000)
    return Instance(f"{name}, N={n}", tuple(widths), coefficients, tuple(bias), inputs, targets, d, seed)


# Real zeros exist wherever complex ones do (the seeds are chosen so), else training could not reach them.
# D of the closed forms: symmetric n x n matrices of rank <= h have dimension h*n - h*(h-1)/2 (here 3, 2);
# m x k matrices of rank <= h have dimension h*(m+k-h) (here 4); the cubic networks have no symmetry, so D = K.
INSTANCES: tuple[Instance, ...] = (
    *(_instance("square 2-2-1", (2, 2, 1), SQUARE, (False, False), n, 3, 0) for n in (2, 3, 4)),
    *(_instance("square 1-1-1", (1, 1, 1), SQUARE, (True, False), n, 2, 4) for n in (1, 2, 3)),
    *(_instance("cubic 1-1-1", (1, 1, 1), CUBIC, (True, False), n, 3, 4) for n in (1, 2, 3, 4)),
    *(_instance("cubic 2-2-1", (2, 2, 1), CUBIC, (True, False), n, 8, 3) for n in (4, 5)),
    _instance("linear 2-2-2", (2, 2, 2), LINEAR, (False, False), 2, 4, 4),
)
