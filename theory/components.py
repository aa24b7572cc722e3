"""One irreducible component of a zero set, as its witness points on generic hyperplanes, which can be moved."""

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory.points import point_of
from theory.slicing import random_slices
from theory.witness_sets import WitnessSet

TRACE = 1e-8  # residual of a trace test that was passed


@dataclass(frozen=True, eq=False)
class Component:
    """One irreducible component.

    dimension, degree: of the component as a set; degree = the number of witness points
    multiplicity: of the equations along it, 1 where they have full rank
    points: (degree, n) complex, generic points of the component
    trace_residual: of the test that no point is missing; None for points, which need none, and where it cannot be run
        (the equations could not be deflated), so that such a piece may be a union of components
    """

    dimension: int
    degree: int
    multiplicity: int
    points: np.ndarray
    trace_residual: float | None
    _witness: WitnessSet
    _seed: int
    _regular: bool = True

    @property
    def is_split(self) -> bool:
        """Whether this is known to be one irreducible component: a point, or the trace test was run and passed."""
        return not self.dimension or (self.trace_residual is not None and self.trace_residual < TRACE)

    def contains(self, point: Sequence[Any] | np.ndarray) -> bool:
        """Whether the point (n,) lies on the component: slices moved through it lead a witness point there.

        Raises ValueError for multiple pieces that could not be deflated: their witness points cannot be followed.
        """
        self._require_regular("contains")
        target = point_of(point, self.points.shape[1], "contains")
        rng = np.random.default_rng([self._seed, 1])
        return bool(self._witness.contains(target[None].astype(complex), rng)[0])

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """n complex points of the component (n, unknowns), on random hyperplanes.

        Raises ValueError for a negative n, and for multiple pieces that could not be deflated.
        """
        n = count_of(n)
        self._require_regular("sample")
        rng = np.random.default_rng([self._seed, seed])
        found: list[np.ndarray] = []
        for _ in range(10 if n else 0):
            sets = math.ceil((n - len(found)) / self.degree)
            targets = np.array([random_slices(self.dimension, self.points.shape[1], rng) for _ in range(sets)])
            found += list(self.moved(targets))
            if len(found) >= n or not self.dimension:
                break
        picked = [found[k % len(found)] for k in range(n)]
        return np.array(picked, dtype=complex).reshape(n, self.points.shape[1])

    def moved(self, slices: np.ndarray) -> np.ndarray:
        """The points of the component (found, n) on each of some affine slices (s, dimension, n + 1), constants last.

        Raises ValueError for multiple pieces that could not be deflated.
        """
        self._require_regular("moved")
        n = self.points.shape[1]
        ends = self._witness.moved(np.asarray(slices, complex))[..., :n].reshape(-1, n)
        return ends[np.isfinite(ends).all(axis=1)]

    def _require_regular(self, what: str) -> None:
        if self.dimension and not self._regular:
            raise ValueError(
                f"{what} needs a component whose points can be followed; the equations have multiplicity "
                f"{self.multiplicity} along this one and could not be deflated"
            )


def count_of(n: Any) -> int:
    """A number of points, 0 or more; ValueError for what is none."""
    try:
        count = operator.index(n)
    except TypeError:
        count = -1
    if count < 0:
        raise ValueError(f"sample needs a number of points that is 0 or more, got {n!r}")
    return count
