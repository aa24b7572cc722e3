"""Networks as far as root counts see them: the weights of each layer, and the degree of what follows it.

A count of zeros needs no more than that, so that it is instant for nets whose equations nobody could write down.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from theory.layers import Activate, Normalise

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

BATCH_NORMALISATION = (
    "Batch normalisation is counted as a fixed affine map: with the statistics of a batch the net would not be "
    "polynomial in its weights."
)


@dataclass(frozen=True)
class NetworkShape:
    """Affine layers and polynomial activations, without their values.

    weights: the number of weights of each affine layer, biases included
    degrees: the degree of the activation after each of them; 1 for none
    n_outputs: the entries of the last layer's output
    """

    weights: tuple[int, ...]
    degrees: tuple[int, ...]
    n_outputs: int
    name: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.weights) != len(self.degrees) or not self.weights:
            raise ValueError(f"a network needs a degree for each layer, got {len(self.weights)} and {self.degrees}")
        if min(*self.weights, *self.degrees, self.n_outputs) < 1:
            raise ValueError(f"weights, degrees and outputs must be at least 1, got {self}")

    @classmethod
    def of(cls, network: "PolynomialNetwork") -> "NetworkShape":
        """The shape of a network: its affine layers, each with the degree of all that follows up to the next."""
        weights: list[int] = []
        degrees: list[int] = []
        notes: tuple[str, ...] = ()
        for layer in network.layers:
            if isinstance(layer, Normalise):
                notes = (BATCH_NORMALISATION,)
            if layer.n_weights:
                weights.append(layer.n_weights)
                degrees.append(1)
            elif isinstance(layer, Activate):
                degrees[-1] *= max(layer.activation.degree, 1)
        return cls(tuple(weights), tuple(degrees), network.n_outputs, notes=notes)

    @property
    def n_parameters(self) -> int:
        return sum(self.weights)

    @property
    def nonlinear_degrees(self) -> tuple[int, ...]:
        """The degrees of the d layers that have a nonlinearity."""
        return tuple(degree for degree in self.degrees if degree > 1)

    @property
    def degree_in_layers(self) -> tuple[int, ...]:
        """The degree of an output in the weights of each layer: the product of all later activations' degrees."""
        result, factor = [], 1
        for degree in reversed(self.degrees):
            factor *= degree
            result.append(factor)
        return tuple(reversed(result))

    @property
    def degree_in_weights(self) -> int:
        """The degree in all weights together: 1 + l + ... + l^d for activations of degree l and a linear output."""
        return sum(self.degree_in_layers)


def network_of_module(
    module: Any, input_shape: Sequence[int] | None = None
) -> "tuple[PolynomialNetwork, tuple[str, ...]]":
    """The network that a torch module is in eval mode, by default on the smallest square images it takes, and notes.

    Counts of weights and degrees do not depend on these; where the number of outputs does, a note says so.
    Raises TypeError and ValueError as `PolynomialNetwork.from_torch`.
    """
    from theory.networks import PolynomialNetwork
    from theory.torch_modules import fitting_shape, outputs_vary

    module = copy.deepcopy(module).eval()
    shape = fitting_shape(module) if input_shape is None else tuple(input_shape)
    network = PolynomialNetwork.from_torch(module, shape)
    if input_shape is not None or shape is None or not outputs_vary(module, shape, network.n_outputs):
        return network, ()
    size = " x ".join(map(str, shape))
    return network, (
        f"The number of outputs, {network.n_outputs}, is that on images of {size}, the smallest that fit: it depends "
        "on their size, which input_shape=(channels, height, width) gives.",
    )


def network_notes(shape: NetworkShape, n_data: int, degree: int, counted: str) -> tuple[str, ...]:
    """What is counted for a network of this degree at n_data inputs, in sentences."""
    notes = []
    layers, k, n, m = shape.nonlinear_degrees, shape.n_parameters, n_data, shape.n_outputs
    theirs = math.prod(layers)
    if theirs != degree:
        power = f"l^d = {layers[0]}^{len(layers)} = {theirs}" if len(set(layers)) == 1 else f"{theirs}"
        notes.append(
            f"Each equation has degree {degree} in all weights together; the paper writes {power}, the degree in the "
            "weights of the first layer alone. Every layer adds a factor of its own weights: 1 + l + ... + l^d for d "
            "nonlinear layers of degree l and a linear output."
        )
    if m == 1:
        notes.append(f"Weights K = {k:,}, equations N = {n:,}: K is {_compare(k, n)} N.")
    else:
        notes.append(
            f"Counted here: {counted}. By the paper's count K = {k:,} weights are {_compare(k, n)} N = {n:,} "
            f"equations; fitting all m = {m} outputs takes N*m = {n * m:,}, and K is {_compare(k, n * m)} that."
        )
    return (*notes, *shape.notes)


def _compare(weights: int, equations: int) -> str:
    return "more than" if weights > equations else "as much as" if weights == equations else "less than"


def theory2_cnn(degree: int = 2) -> NetworkShape:
    """The 188,810-parameter net for CIFAR-10, every ReLU replaced by a polynomial of this degree.

    3 x 3 convolutions of stride 2 and padding 1 from 3 to 32, 64 and 64 channels, then 1024 -> 128 -> 10, with biases;
    batch normalisation and a nonlinearity after each layer but the last.
    """
    if degree < 1:
        raise ValueError(f"the degree of an activation must be at least 1, got {degree}")
    convolutions = tuple(9 * inputs * outputs + outputs for inputs, outputs in ((3, 32), (32, 64), (64, 64)))
    dense = tuple(inputs * outputs + outputs for inputs, outputs in ((1024, 128), (128, 10)))
    notes = (
        BATCH_NORMALISATION,
        "The 2018 review speaks of about 10^6 unknowns and 6*10^4 equations for CIFAR-10; this net has 188,810 "
        "weights, and CIFAR-10 has 50,000 training images (60,000 with the test images).",
    )
    return NetworkShape(convolutions + dense, (degree,) * 4 + (1,), 10, "theory2-cnn", notes)


NAMED: dict[str, Callable[[int], NetworkShape]] = {"theory2-cnn": theory2_cnn}
