"""th.bounds: how many isolated zeros a system can have, by Bezout, by groups of unknowns, by Newton polytopes.

Cheap numbers are there at once; the multihomogeneous number and the mixed volumes are computed when first asked for.
Everything is exact where an integer can be written out (up to 4,300 digits), and log2 is always given.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.architectures import NetworkShape, network_notes, network_of_module
from theory.counted_equations import (
    MAX_DIGITS,
    MAX_UNKNOWNS,
    CountedEquations,
    GroupedCount,
    Partition,
    PolyhedralCount,
)
from theory.systems import ConstantEquationError, PolynomialSystem
from theory.torch_modules import is_module

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

_GENERIC = 2**20  # size of the integer data that stand for generic ones


@dataclass(frozen=True)
class Bounds:
    """Upper bounds on the number of isolated zeros in C^n, counted with multiplicity.

    Fewer equations than unknowns: the bounds are those of the system with generic affine equations added, and so bound
    the degree of the zero set. More: those of as many generic combinations as there are unknowns.

    n_equations, n_unknowns: of the system as given
    degrees: ((degree, number of equations of this degree), ...)
    bezout: the product of the degrees
    paper_bezout: l^(N d), the paper's count for networks; None for other systems
    shub_smale: the paper's l^(N d / 2) for networks; otherwise the square root of bezout, the mean number of real zeros
        of Kostlan's random systems of these degrees
    n_data, n_outputs: N and m; None where no network is known
    notes: what was counted, and how, in sentences
    An integer that is no integer, or too long to write out, is None; its log2 is always there.
    """

    n_equations: int
    n_unknowns: int
    degrees: tuple[tuple[int, int], ...]
    bezout: int | None
    log2_bezout: float
    paper_bezout: int | None
    log2_paper_bezout: float | None
    shub_smale: int | None
    log2_shub_smale: float
    n_data: int | None
    n_outputs: int | None
    notes: tuple[str, ...]
    _equations: CountedEquations = field(repr=False, compare=False)

    @property
    def n_equations_all_outputs(self) -> int | None:
        """N*m: the equations that fitting every output to a number takes."""
        return self.n_data * self.n_outputs if self.n_data and self.n_outputs else None

    @property
    def overparametrised_per_image(self) -> bool | None:
        """K > N: more weights than images, the paper's count of one equation for each image."""
        return self.n_unknowns > self.n_data if self.n_data else None

    @property
    def overparametrised_all_outputs(self) -> bool | None:
        """K > N*m: more weights than numbers to fit."""
        equations = self.n_equations_all_outputs
        return self.n_unknowns > equations if equations else None

    # ---- by groups of unknowns

    @cached_property
    def _grouped(self) -> GroupedCount:
        return self._equations.grouped()

    @property
    def multihomogeneous(self) -> int | None:
        """The multihomogeneous number of `partition`."""
        return self._grouped.number

    @property
    def log2_multihomogeneous(self) -> float:
        return self._grouped.log2

    @property
    def partition(self) -> Partition:
        """The groups of unknowns of the least multihomogeneous number found, or the partition that was given."""
        return self._grouped.partition

    @property
    def partition_search(self) -> str:
        """Which partitions were tried."""
        return self._grouped.how

    @property
    def partition_proved(self) -> bool:
        """Whether no partition has a smaller number: all were tried, or this one has the stable mixed volume.

        Every multihomogeneous number is a mixed volume of polytopes that contain those of the equations and 0.
        """
        return self._grouped.exhaustive or (
            self.multihomogeneous is not None and self.multihomogeneous == self.stable_mixed_volume
        )

    # ---- by Newton polytopes

    @cached_property
    def _polyhedral(self) -> PolyhedralCount:
        return self._equations.polyhedral()

    @property
    def mixed_volume(self) -> int | None:
        """Bernstein's bound for zeros without zero coordinates; None where `mixed_volume_limit` says why."""
        return self._polyhedral.mixed_volume

    @property
    def stable_mixed_volume(self) -> int | None:
        """Huber's and Sturmfels' bound for all zeros in C^n; None where `mixed_volume_limit` says why."""
        return self._polyhedral.stable_mixed_volume

    @property
    def log2_mixed_volume(self) -> float | None:
        return log2(self.mixed_volume)

    @property
    def log2_stable_mixed_volume(self) -> float | None:
        return log2(self.stable_mixed_volume)

    @property
    def mixed_volume_limit(self) -> str | None:
        """Why a mixed volume is None; None where both are there."""
        return self._polyhedral.limit


def bounds(
    system_or_net: "PolynomialSystem | PolynomialNetwork | NetworkShape | Any",
    n_data: int | None = None,
    partition: Sequence[Sequence[str]] | None = None,
    input_shape: Sequence[int] | None = None,
) -> Bounds:
    """Bounds on the isolated zeros of a system, or of the zero-error equations of a network at n_data generic inputs.

    partition: groups of names of unknowns, for the multihomogeneous number; by default the best one is searched.
    For a network one equation is counted for each input, as the paper does, whatever the number of its outputs; the
    equations of its `interpolation_system` are N*m. A torch module stands for the network that `from_torch` reads in
    eval mode; batch normalisation counts as a fixed affine map.
    input_shape: (channels, height, width) of the images of a torch module; only the number of outputs may depend on it,
        and `notes` say so where it was not given and does

    Raises ValueError for a network without n_data, a system with it, what is no partition of the unknowns, and
    (ConstantEquationError) equations of degree 0. Raises TypeError for what is neither system nor network, and for
    modules that are not polynomial, such as ReLU, and for an input_shape without a module.
    Source: Bezout; A. Morgan, A. Sommese, Appl. Math. Comput. 24 (1987), groups of unknowns; D. Bernstein (1975) and
    B. Huber, B. Sturmfels (1997), (stable) mixed volumes.
    """
    if is_module(system_or_net):
        system_or_net, notes = network_of_module(system_or_net, input_shape)
        found = bounds(system_or_net, n_data, partition)
        return replace(found, notes=found.notes + notes)
    if input_shape is not None:
        raise TypeError(f"input_shape belongs to a torch module, got {system_or_net!r:.80}")
    if isinstance(system_or_net, PolynomialSystem):
        if n_data is not None:
            raise ValueError("n_data belongs to a network; a system has its equations already")
        return _checked(_of_system(system_or_net, partition), partition)
    if not isinstance(system_or_net, NetworkShape) and not hasattr(system_or_net, "degree_in_weights"):
        raise TypeError(
            "bounds takes a PolynomialSystem, a network (PolynomialNetwork or torch module) or its shape, "
            f"got {system_or_net!r:.80}"
        )
    if isinstance(n_data, bool) or not isinstance(n_data, int | np.integer) or n_data < 1:
        raise ValueError(f"the bounds of a network need n_data, the number of data points, at least 1; got {n_data!r}")
    return _checked(_of_network(system_or_net, int(n_data), partition), partition)


def _checked(found: Bounds, partition: Sequence[Sequence[str]] | None) -> Bounds:
    if partition is not None:
        _ = found.partition  # computed now, so that what is no partition is refused now
    return found


def log2(value: int | None) -> float | None:
    """log2 of an exact integer of any size; -inf for 0, None for None."""
    if value is None:
        return None
    return math.log2(value) if value else -math.inf


def _exact(counts: Sequence[tuple[int, int]], log: float) -> int | None:
    return math.prod(base**count for base, count in counts) if log < MAX_DIGITS * math.log2(10) else None


def _bounds(
    equations: CountedEquations,
    degrees: Counter[int],
    n_unknowns: int,
    paper: tuple[NetworkShape, int] | None,
    data: tuple[int | None, int | None],
    notes: tuple[str, ...],
) -> Bounds:
    """The cheap numbers; paper: a shape and N where the paper's count applies."""
    if degrees[0]:
        raise ConstantEquationError(
            f"{degrees[0]} of {sum(degrees.values())} equations do not depend on the unknowns; a net without bias "
            "gives such equations at the input 0: leave it out"
        )
    ordered = tuple(sorted(degrees.items(), reverse=True))
    counted, room = [], n_unknowns
    for degree, count in ordered:  # of more equations than unknowns those of the highest degrees
        counted.append((degree, min(count, room)))
        room -= counted[-1][1]
    log_bezout = sum(count * math.log2(degree) for degree, count in counted)
    bezout = _exact(counted, log_bezout)
    log_paper, paper_bezout = None, None
    if paper is not None:
        shape, n_data = paper
        factors = [(degree, n_data) for degree in shape.nonlinear_degrees]
        log_paper = float(sum(count * math.log2(degree) for degree, count in factors))
        paper_bezout = _exact(factors, log_paper)
    square = bezout if paper is None else paper_bezout
    log_square = log_bezout if log_paper is None else log_paper
    root = None if square is None else math.isqrt(square)
    return Bounds(
        n_equations=sum(degrees.values()),
        n_unknowns=n_unknowns,
        degrees=ordered,
        bezout=bezout,
        log2_bezout=float(log_bezout),
        paper_bezout=paper_bezout,
        log2_paper_bezout=log_paper,
        shub_smale=root if root is not None and root * root == square else None,
        log2_shub_smale=log_square / 2,
        n_data=data[0],
        n_outputs=data[1],
        notes=_square_notes(sum(degrees.values()), n_unknowns) + notes,
        _equations=equations,
    )


def _of_system(system: PolynomialSystem, partition: Sequence[Sequence[str]] | None) -> Bounds:
    shape, paper = None, None
    data: tuple[int | None, int | None] = (None, None)
    notes: tuple[str, ...] = ()
    network = system.network
    if network is not None:
        shape = NetworkShape.of(network.network)
        data = (len(network.inputs), shape.n_outputs)
        if network.kind == "interpolation":
            paper = (shape, len(network.inputs))
            notes = network_notes(shape, len(network.inputs), max(network.degrees), "all N*m equations")
        else:
            notes = ("The equations are those of the critical points: every weight gives one.",)
    equations = CountedEquations(system, shape, partition)
    return _bounds(equations, Counter(system.degrees), system.n_unknowns, paper, data, notes)


def _of_network(
    network: "PolynomialNetwork | NetworkShape", n_data: int, partition: Sequence[Sequence[str]] | None
) -> Bounds:
    system = None
    if isinstance(network, NetworkShape):
        shape, degree = network, network.degree_in_weights
    else:
        shape, degree = NetworkShape.of(network), max(network.degree_in_weights)
        if shape.n_outputs == 1 and n_data <= shape.n_parameters <= MAX_UNKNOWNS:
            data = np.random.default_rng(0).integers(1, _GENERIC, (n_data, network.n_inputs + 1))
            system = network.interpolation_system(data[:, 1:], data[:, 0])
    notes = network_notes(shape, n_data, degree, "one equation for each input, as in the paper")
    equations = CountedEquations(system, shape, partition, n_data)
    paper, outputs = (shape, n_data), (n_data, shape.n_outputs)
    return _bounds(equations, Counter({degree: n_data}), shape.n_parameters, paper, outputs, notes)


# ---- what is said about them


def _square_notes(n_equations: int, n_unknowns: int) -> tuple[str, ...]:
    if n_equations < n_unknowns:
        return (
            f"Fewer equations ({n_equations:,}) than unknowns ({n_unknowns:,}): its zeros form sets of dimension "
            f"{n_unknowns - n_equations:,} or more, or there are none; the bounds count what as many generic affine "
            "equations leave of them.",
        )
    if n_equations > n_unknowns:
        return (
            f"More equations ({n_equations:,}) than unknowns ({n_unknowns:,}): generically without a zero; the "
            "bounds are those of as many generic combinations as there are unknowns.",
        )
    return ()
