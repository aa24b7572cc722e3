"""th.bounds: how many isolated zeros a system can have, by Bezout, by groups of unknowns, by Newton polytopes.

Cheap numbers are there at once; the multihomogeneous number and the mixed volumes are computed when first asked for.
Everything is exact where an integer can be written out (up to 4,300 digits), and log2 is always given.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.architectures import NetworkShape, Overparametrisation
from theory.counted_equations import MAX_DIGITS, MAX_UNKNOWNS, CountedEquations, GroupedCount, Partition
from theory.systems import PolynomialSystem

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork

_GENERIC = 2**20  # size of the integer data that stand for generic ones


@dataclass(frozen=True)
class Bounds:
    """Upper bounds on the number of isolated zeros in C^n, counted with multiplicity.

    Fewer equations than unknowns: the bounds are those of the system with generic affine equations added, and so bound
    the degree of the zero set. More: those of as many generic combinations as there are unknowns.

    n_equations, n_unknowns: of the system as given
    degree_counts: ((degree, number of equations of this degree), ...)
    bezout: the product of the degrees
    paper_bezout: l^(N d), the paper's count for networks; None for other systems
    shub_smale: the paper's l^(N d / 2) for networks; otherwise the square root of bezout, the mean number of real zeros
        of Kostlan's random systems of these degrees
    overparametrisation: None where no network is known
    notes: what was counted, and how, in sentences
    An integer that is no integer, or too long to write out, is None; its log2 is always there.
    """

    n_equations: int
    n_unknowns: int
    degree_counts: tuple[tuple[int, int], ...]
    bezout: int | None
    log2_bezout: float
    paper_bezout: int | None
    log2_paper_bezout: float | None
    shub_smale: int | None
    log2_shub_smale: float
    overparametrisation: Overparametrisation | None
    notes: tuple[str, ...]
    _equations: CountedEquations = field(repr=False, compare=False)

    @property
    def degrees(self) -> tuple[int, ...]:
        """The degree of each equation, the highest first."""
        return tuple(degree for degree, count in self.degree_counts for _ in range(count))

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

    # ---- by Newton polytopes

    @cached_property
    def mixed_volume(self) -> int | None:
        """Bernstein's bound for zeros without zero coordinates; None where `size_limit` says so."""
        from theory import polytopes

        return None if self.size_limit else polytopes.mixed_volume(self._equations.supports)

    @cached_property
    def stable_mixed_volume(self) -> int | None:
        """Huber's and Sturmfels' bound for all zeros in C^n; None where `size_limit` says so."""
        from theory import polytopes

        return None if self.size_limit else polytopes.stable_mixed_volume(self._equations.supports)

    @property
    def log2_mixed_volume(self) -> float | None:
        return log2(self.mixed_volume)

    @property
    def log2_stable_mixed_volume(self) -> float | None:
        return log2(self.stable_mixed_volume)

    @property
    def size_limit(self) -> str | None:
        """Why the mixed volumes are None; None where they are not."""
        return self._equations.size_limit

    def to_dict(self) -> dict[str, Any]:
        """All numbers by their names; computes those that were not asked for yet."""
        names = (
            "n_equations n_unknowns degree_counts bezout log2_bezout multihomogeneous log2_multihomogeneous partition "
            "partition_search mixed_volume log2_mixed_volume stable_mixed_volume log2_stable_mixed_volume size_limit "
            "paper_bezout log2_paper_bezout shub_smale log2_shub_smale notes"
        )
        result = {name: getattr(self, name) for name in names.split()}
        over = self.overparametrisation
        result["overparametrisation"] = None if over is None else {
            name: getattr(over, name)
            for name in (
                "n_data", "n_outputs", "n_parameters", "n_equations_per_image", "per_image",
                "n_equations_all_outputs", "all_outputs",
            )
        }  # fmt: skip
        return result


def bounds(
    system_or_net: "PolynomialSystem | PolynomialNetwork | NetworkShape",
    n_data: int | None = None,
    partition: Sequence[Sequence[str]] | None = None,
) -> Bounds:
    """Bounds on the isolated zeros of a system, or of the zero-error equations of a network at n_data generic inputs.

    partition: groups of names of unknowns, for the multihomogeneous number; by default the best one is searched.
    For a network one equation is counted for each input, as the paper does, whatever the number of its outputs; the
    equations of its `interpolation_system` are N*m.

    Raises ValueError for a network without n_data, a system with it, and what is no partition of the unknowns.
    """
    if isinstance(system_or_net, PolynomialSystem):
        if n_data is not None:
            raise ValueError("n_data belongs to a network; a system has its equations already")
        return _of_system(system_or_net, partition)
    if isinstance(n_data, bool) or not isinstance(n_data, int | np.integer) or n_data < 1:
        raise ValueError(f"the bounds of a network need n_data, the number of data points, at least 1; got {n_data!r}")
    return _of_network(system_or_net, int(n_data), partition)


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
    over: Overparametrisation | None,
    notes: tuple[str, ...],
) -> Bounds:
    """The cheap numbers; paper: a shape and N where the paper's count applies."""
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
        degree_counts=ordered,
        bezout=bezout,
        log2_bezout=float(log_bezout),
        paper_bezout=paper_bezout,
        log2_paper_bezout=log_paper,
        shub_smale=root if root is not None and root * root == square else None,
        log2_shub_smale=log_square / 2,
        overparametrisation=over,
        notes=_shape_notes(sum(degrees.values()), n_unknowns) + notes,
        _equations=equations,
    )


def _of_system(system: PolynomialSystem, partition: Sequence[Sequence[str]] | None) -> Bounds:
    network = system.network
    shape, paper, over = None, None, None
    notes: tuple[str, ...] = ()
    if network is not None:
        shape = NetworkShape.of(network.network)
        over = Overparametrisation(len(network.inputs), shape.n_outputs, shape.n_parameters)
        if network.kind == "interpolation":
            paper = (shape, len(network.inputs))
            notes = _network_notes(shape, over, max(network.degrees), per_image=False)
        else:
            notes = ("The equations are those of the critical points: every weight gives one.",)
    return _bounds(
        CountedEquations(system, shape, partition), Counter(system.degrees), system.n_unknowns, paper, over, notes
    )


def _of_network(
    network: "PolynomialNetwork | NetworkShape", n_data: int, partition: Sequence[Sequence[str]] | None
) -> Bounds:
    if isinstance(network, NetworkShape):
        shape, system, degree = network, None, network.degree_in_weights
    else:
        shape, degree = NetworkShape.of(network), max(network.degree_in_weights)
        system = None
        if shape.n_outputs == 1 and n_data <= shape.n_parameters <= MAX_UNKNOWNS:
            rng = np.random.default_rng(0)
            data = rng.integers(1, _GENERIC, (n_data, network.n_inputs + 1))
            system = network.interpolation_system(data[:, 1:], data[:, 0])
    over = Overparametrisation(n_data, shape.n_outputs, shape.n_parameters)
    notes = _network_notes(shape, over, degree, per_image=True)
    equations = CountedEquations(system, shape, partition, n_data)
    return _bounds(equations, Counter({degree: n_data}), shape.n_parameters, (shape, n_data), over, notes)


# ---- what is said about them


def _shape_notes(n_equations: int, n_unknowns: int) -> tuple[str, ...]:
    if n_equations < n_unknowns:
        return (
            f"Fewer equations ({n_equations:,}) than unknowns ({n_unknowns:,}): its zeros form sets of "
            f"dimension {n_unknowns - n_equations:,} or more, or there are none; the bounds count what as many generic "
            "affine equations leave of them.",
        )
    if n_equations > n_unknowns:
        return (
            f"More equations ({n_equations:,}) than unknowns ({n_unknowns:,}): generically there is no zero; the "
            "bounds are those of as many generic combinations as there are unknowns.",
        )
    return ()


def _network_notes(shape: NetworkShape, over: Overparametrisation, degree: int, per_image: bool) -> tuple[str, ...]:
    notes = []
    layers, n, m, k = shape.nonlinear_degrees, over.n_data, over.n_outputs, over.n_parameters
    theirs = math.prod(layers)
    if theirs != degree:
        power = f"l^d = {layers[0]}^{len(layers)} = {theirs}" if len(set(layers)) == 1 else f"{theirs}"
        notes.append(
            f"Each equation has degree {degree} in all weights together; the paper writes {power}, the degree in the "
            "weights of the first layer alone. Every layer adds a factor of its own weights: 1 + l + ... + l^d for d "
            "nonlinear layers of degree l and a linear output."
        )
    if m == 1:
        relation = "more" if over.per_image else "not more"
        notes.append(f"Weights K = {k:,}, equations N = {n:,}: {relation} weights than equations.")
    else:
        used = "one equation for each input, as in the paper" if per_image else "all N*m equations"
        notes.append(
            f"Counted here: {used}. By the paper's count K = {k:,} weights are {_compare(k, n)} N = {n:,} equations; "
            f"fitting all m = {m} outputs takes N*m = {n * m:,} equations, and K is {_compare(k, n * m)} that."
        )
    return (*notes, *shape.notes)


def _compare(weights: int, equations: int) -> str:
    return "more than" if weights > equations else "as many as" if weights == equations else "fewer than"
