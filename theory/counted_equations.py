"""The square system whose zeros a bound counts: supports and degrees, without coefficients.

Fewer equations than unknowns: generic affine ones are added. More: the equation number i stands for a generic
combination of itself and all that follow, the highest degrees first, which keeps every isolated zero.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from theory.architectures import NetworkShape
from theory.systems import PolynomialSystem

MAX_DIGITS = 4300  # Python writes no longer integers in decimal
MAX_UNKNOWNS = 20  # for mixed volumes, and for a network's equations to be expanded
EXHAUSTIVE_UNKNOWNS = 10  # up to here all partitions are tried: 115,975, half a second
MAX_TERMS = 1_000_000  # of one equation of a network, counted as all monomials of its degree

MAX_WORK = 1e9  # multiplications for each support of a mixed volume: about a second

Partition = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class GroupedCount:
    """A multihomogeneous number, its partition, how that was found, and whether all others were tried."""

    number: int | None
    log2: float
    partition: Partition
    how: str
    exhaustive: bool = False


@dataclass(frozen=True)
class PolyhedralCount:
    """The mixed volumes, and why one is missing."""

    mixed_volume: int | None
    stable_mixed_volume: int | None
    limit: str | None


@dataclass(frozen=True)
class CountedEquations:
    """What multihomogeneous numbers and mixed volumes are computed from.

    system: None where nobody could write the equations down; then shape stands for n_data of them
    requested: a partition asked for, as names
    """

    system: PolynomialSystem | None
    shape: NetworkShape | None
    requested: Sequence[Sequence[str]] | None = None
    n_data: int = 0

    @property
    def _writable(self) -> bool:
        """Whether the system is there as sparse polynomials, or may be expanded."""
        if self.system is None or self.system.network is None:
            return self.system is not None
        n = self.system.n_unknowns
        return n <= MAX_UNKNOWNS and math.comb(n + max(self.system.degrees), n) <= MAX_TERMS

    @cached_property
    def supports(self) -> tuple[np.ndarray, ...]:
        """The exponents (terms, n) of n equations. Only for systems that are written out."""
        assert self.system is not None
        n = self.system.n_unknowns
        ordered = sorted(self.system.supports, key=lambda support: -support.sum(axis=1).max())
        if len(ordered) > n:
            return tuple(np.unique(np.vstack(ordered[i:]), axis=0) for i in range(n))
        affine = np.vstack([np.zeros((1, n), np.int64), np.eye(n, dtype=np.int64)])
        return (*ordered, *[affine] * (n - len(ordered)))

    def grouped(self) -> GroupedCount:
        """The least multihomogeneous number found, or that of the partition asked for."""
        from theory import multihomogeneous

        if not self._writable:
            return self._by_layers()
        assert self.system is not None
        names = self.system.names
        if self.requested is not None:
            labels = _labels(self.requested, names)
            number = multihomogeneous.number(*multihomogeneous.degrees_in_groups(self.supports, labels))
            how = "the partition that was asked for"
        else:
            number, labels, how = multihomogeneous.best_partition(self.supports, _by_name(names), EXHAUSTIVE_UNKNOWNS)
        groups = tuple(
            tuple(name for name, label in zip(names, labels, strict=True) if label == group)
            for group in range(max(labels) + 1)
        )
        every = self.requested is None and len(names) <= EXHAUSTIVE_UNKNOWNS
        return GroupedCount(number, math.log2(number) if number else -math.inf, groups, how, every)

    def polyhedral(self) -> PolyhedralCount:
        """Both mixed volumes, each None where the system or the work is too large."""
        from theory import polytopes

        if self.system is None:
            return PolyhedralCount(None, None, "not computed: the equations are not written out")
        if not self._writable or self.system.n_unknowns > MAX_UNKNOWNS:
            limit = f"not computed: over {MAX_UNKNOWNS} unknowns, or over {MAX_TERMS:,} monomials in an equation"
            return PolyhedralCount(None, None, limit)
        volume = None
        try:
            volume = polytopes.mixed_volume(self.supports, max_work=MAX_WORK)
            return PolyhedralCount(volume, polytopes.stable_mixed_volume(self.supports, max_work=MAX_WORK), None)
        except polytopes.MixedVolumeError as error:
            return PolyhedralCount(volume, None, f"not computed: {error}")

    def _by_layers(self) -> GroupedCount:
        """One group against one for each layer, from the layers' degrees, by a saddle point."""
        from theory import multihomogeneous

        if self.shape is None or self.requested is not None:
            raise ValueError(
                f"a partition needs the equations written out: at most {MAX_UNKNOWNS} unknowns and {MAX_TERMS:,} "
                "monomials in an equation"
            )
        rows, counts = self._layer_rows(self.shape)
        sizes = self.shape.weights
        layers = tuple(f"layer {k}" for k in range(1, len(sizes) + 1))
        one = sum(count * math.log2(sum(row)) for row, count in zip(rows[:-1], counts[:-1], strict=True))
        estimate, bound = multihomogeneous.log2_number(rows, counts, sizes)
        how = (
            f"one group: log2 = {one:,.1f}; a group for each layer: log2 = {estimate:,.1f} (saddle point; at "
            f"most {bound:,.1f} for certain); no other partition tried"
        )
        if one <= estimate:
            bits = MAX_DIGITS * math.log2(10)
            exact = math.prod(sum(r) ** c for r, c in zip(rows[:-1], counts[:-1], strict=True)) if one < bits else None
            return GroupedCount(exact, one, (layers,), how)
        return GroupedCount(None, estimate, tuple((layer,) for layer in layers), how)

    def _layer_rows(self, shape: NetworkShape) -> tuple[list[tuple[int, ...]], list[int]]:
        """Rows of degrees in the layers and how many equations have each; the last row is that of affine equations."""
        own, n = shape.degree_in_layers, shape.n_parameters
        network = self.system.network if self.system is not None else None
        if network is not None and network.kind == "critical":
            rows = [tuple(2 * d - (k == layer) for k, d in enumerate(own)) for layer in range(len(own))]
            counts = list(shape.weights)
        else:
            rows = [own]
            counts = [min(self.n_data if network is None else network.n_equations, n)]
        return [*rows, (1,) * len(own)], [*counts, n - sum(counts)]


def _by_name(names: Sequence[str]) -> list[tuple[int, ...]]:
    """Partitions that the names of a network's weights suggest: layer by layer, unit by unit."""
    matches = [re.fullmatch(r"[wb](\d+)_(\d+)(?:_\d+)*", name) for name in names]
    if not all(matches):
        return []
    keys = [match.groups() for match in matches if match]
    layers = {layer: k for k, layer in enumerate(dict.fromkeys(layer for layer, _ in keys))}
    units = {unit: k for k, unit in enumerate(dict.fromkeys(keys))}
    return [tuple(layers[layer] for layer, _ in keys), tuple(units[key] for key in keys)]


def _labels(groups: Sequence[Sequence[str]], names: Sequence[str]) -> tuple[int, ...]:
    label = {name: k for k, group in enumerate(groups) for name in group}
    if sorted(name for group in groups for name in group) != sorted(names) or not all(groups):
        raise ValueError(f"a partition must name each of {', '.join(names)} once, in groups that are not empty")
    return tuple(label[name] for name in names)
