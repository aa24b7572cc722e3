"""certify: each of many numerical zeros proved, real or not, distinct from the others; written down to check again."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from theory.arguments import is_whole
from theory.continuation.boxes import Box, Dyadic, distance, dyadic, fraction, meetings
from theory.continuation.krawczyk import FIRST_PRECISION, MAX_PRECISION, Square, prove
from theory.continuation.proving import Job, Progress, prove_all
from theory.continuation.straight_line import record
from theory.points import point_of, points_of
from theory.systems import PolynomialSystem, check_system


@dataclass(frozen=True, eq=False)
class Certificates:
    """What is proved about each of p points, with the proofs.

    points: (p, K), as they were given; boxes: a proof or None for each; reasons: why there is none, empty where one is
    distinct: (p,) the box meets no other one, so that the zero is another than those of all other points
    dimension: K - m, which is 0 but for `prove_manifold`

    All arrays are (p,). A False means not proved, never disproved; that a zero is not real is proved by `not_real`.
    """

    system: PolynomialSystem
    points: np.ndarray
    boxes: tuple[Box | None, ...]
    reasons: tuple[str, ...]
    distinct: np.ndarray

    @property
    def dimension(self) -> int:
        """Of the manifold around each zero: unknowns minus equations."""
        return self.system.n_unknowns - self.system.n_equations

    @cached_property
    def certified(self) -> np.ndarray:
        """Exactly one zero, and a regular one, is in a box at the point."""
        return np.array([box is not None for box in self.boxes], dtype=bool)

    @cached_property
    def real(self) -> np.ndarray:
        """The zero in the box is real."""
        return np.array([box is not None and box.reality == "real" for box in self.boxes], dtype=bool)

    @cached_property
    def not_real(self) -> np.ndarray:
        """The zero in the box is not real."""
        return np.array([box is not None and box.reality == "not real" for box in self.boxes], dtype=bool)

    @cached_property
    def radius(self) -> np.ndarray:
        """The zero is at most this far from the point as given, in each coordinate; infinite where none is proved."""
        return np.array([distance(p, b) if b else math.inf for p, b in zip(self.points, self.boxes, strict=True)])

    @cached_property
    def precision(self) -> np.ndarray:
        """Bits that the proof took, 0 where there is none."""
        return np.array([box.precision if box else 0 for box in self.boxes], dtype=np.int64)

    @cached_property
    def n_distinct(self) -> int:
        """So many distinct zeros are proved: of points that share a zero one counts."""
        meets = meetings(self.boxes)
        kept: set[int] = set()
        for k, box in enumerate(self.boxes):
            if box is not None and not kept & meets.get(k, set()):
                kept.add(k)
        return len(kept)

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return (
            f"Certificates({self.certified.sum()} of {len(self)} points certified: {self.n_distinct} distinct zeros, "
            f"{self.real.sum()} points real, {self.not_real.sum()} not real)"
        )

    def to_json(self) -> str:
        """The system, the points, the claims and the proofs; numbers as "a p b" for a * 2^b, so that none is rounded.

        `theory.certificates.check_certificate` checks such a text from scratch.
        """
        points = [self._entry(k, box) for k, box in enumerate(self.boxes)]
        return json.dumps({"system": self.system.to_text(), "dimension": self.dimension, "points": points}, indent=1)

    def _entry(self, k: int, box: Box | None) -> dict[str, Any]:
        point = [[_text(dyadic(part)) for part in (z.real, z.imag)] for z in map(complex, self.points[k])]
        if box is None:
            return {"point": point, "certified": False, "reason": self.reasons[k]}
        return {
            "point": point,
            "certified": True,
            "distance": _text(dyadic(float(self.radius[k]))),
            "reality": box.reality,
            "distinct": bool(self.distinct[k]),
            "precision": box.precision,
            "midpoint": [list(map(_text, pair)) for pair in box.midpoint],
            "radii": [None if b is None else _text((1, b)) for b in box.radii],
            "matrix": [[list(map(_text, pair)) for pair in row] for row in box.matrix],
        }

    @classmethod
    def from_json(cls, text: str) -> "Certificates":
        """Certificates as they were written; nothing is checked again.

        Raises ValueError where the text is none.
        """
        try:
            data = json.loads(text)
            system = PolynomialSystem.parse(data["system"])
            entries = data["points"]
            rows = [[complex(*(float(fraction(_number(x))) for x in z)) for z in e["point"]] for e in entries]
            return cls(
                system=system,
                points=np.array(rows, dtype=np.complex128).reshape(len(rows), system.n_unknowns),
                boxes=tuple(_read_box(entry) if entry["certified"] else None for entry in entries),
                reasons=tuple(entry.get("reason", "") for entry in entries),
                distinct=np.array([bool(entry.get("distinct")) for entry in entries], dtype=bool),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not certificates written by to_json: {type(error).__name__} {error}") from None


def certify(
    system: PolynomialSystem,
    points: Any,
    *,
    max_precision: int = MAX_PRECISION,
    tolerance: float = 1e-4,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Certificates:
    """Prove that exact zeros exist near points (p, K), that they are real or not, and that they are distinct.

    The precision starts at 53 bits and is doubled until all is decided, at most to max_precision. A point that is no
    zero, or a singular one, stays uncertified and has a reason. tolerance: how far from its point a zero may lie, in
    units of 1 + max |point_k|; `radius` has the proved distance. workers: processes, by default all cores where the
    work takes more than some seconds; the answer does not depend on them.

    Raises ValueError for a system that is not square, for points of the wrong shape or not finite, and a precision or
    tolerance that is none; TypeError for what is no system.
    Source: see `theory.continuation.krawczyk`.
    """
    check_system(system, "certify")
    max_precision, tolerance = _check_effort(max_precision, tolerance)
    m, n = system.n_equations, system.n_unknowns
    if m < n:
        raise ValueError(
            f"certify needs as many equations as unknowns, got {m} equations in {n} unknowns: "
            "add equations with slice(), or prove a manifold of real zeros with prove_manifold"
        )
    if m > n:
        raise ValueError(
            f"certify needs as many equations as unknowns, got {m} equations in {n} unknowns: "
            f"certify {n} of them, or {n} combinations; that proves zeros of those, not of all {m}"
        )
    rows = points_of(points, n, "certify").astype(np.complex128)
    square = Square(record(system), tuple(range(n)), system.is_real)
    job = Job(square, FIRST_PRECISION, max_precision, tolerance)
    results = prove_all(job, rows.tolist(), workers, progress)
    return _certificates(system, rows, results, max_precision)


def prove_manifold(
    system: PolynomialSystem, point: Any, *, max_precision: int = MAX_PRECISION, tolerance: float = 1e-2
) -> Certificates:
    """Prove that the real zeros of m equations in K > m unknowns form a manifold of dimension K - m near a point (K,).

    The K - m coordinates that a pivoted QR decomposition of the Jacobian finds least useful are held constant; for the
    others a real zero is proved at which the Jacobian has rank m. By the implicit function theorem, a manifold of
    dimension K - m of exact real zeros passes through it. certified[0] says whether the proof succeeded, radius[0] how
    far that zero is from the point at most, reasons[0] why there is no proof: where the zero set is singular or the
    equations depend on each other there cannot be one.

    Raises ValueError for more equations than unknowns, coefficients or points that are not real, wrong shapes, and a
    precision or tolerance that is none; TypeError for what is no system.
    Source: the implicit function theorem, with the zero from `theory.continuation.krawczyk`.
    """
    from scipy.linalg import qr

    check_system(system, "prove_manifold")
    max_precision, tolerance = _check_effort(max_precision, tolerance)
    m, n = system.n_equations, system.n_unknowns
    if m > n:
        raise ValueError(
            f"prove_manifold needs at most as many equations as unknowns, got {m} equations in {n} unknowns"
        )
    if not system.is_real:
        raise ValueError("prove_manifold needs a system with real coefficients, got complex ones")
    given = point_of(point, n, "prove_manifold")
    if given.imag.any():
        raise ValueError(f"prove_manifold takes one real point of shape ({n},), got a complex one")
    rows = given[None].astype(np.complex128)
    pivots = qr(system.jacobian(rows[0].real), mode="r", pivoting=True)[1]
    square = Square(record(system), tuple(sorted(map(int, pivots[:m]))), real=True)
    results = prove(square, rows.tolist(), FIRST_PRECISION, max_precision, tolerance)
    results = [
        r if isinstance(r, str) or r.reality == "real" else "the zero near the point is not real" for r in results
    ]
    return _certificates(system, rows, results, max_precision)


def _check_effort(max_precision: Any, tolerance: Any) -> tuple[int, float]:
    if not is_whole(max_precision) or max_precision < FIRST_PRECISION:
        raise ValueError(
            f"max_precision must be a whole number of bits, at least {FIRST_PRECISION}, got {max_precision!r}"
        )
    real: Any = tolerance if isinstance(tolerance, Real) and not isinstance(tolerance, bool) else math.nan
    if not 0 < real <= sys.float_info.max:
        raise ValueError(f"tolerance must be a finite number above 0, got {tolerance!r:.40}")
    return int(max_precision), float(tolerance)


def _certificates(
    system: PolynomialSystem, rows: np.ndarray, results: Sequence[Box | str], max_precision: int
) -> Certificates:
    boxes = tuple(result if isinstance(result, Box) else None for result in results)
    meets = meetings(boxes)
    residual = np.zeros(len(rows))
    if None in boxes:
        residual = np.max(np.abs(system.evaluate(rows)) / (1 + system.magnitude(rows)), axis=1)
    notes = f"up to {max_precision} bits; relative residual of the point"
    return Certificates(
        system=system,
        points=rows,
        boxes=boxes,
        reasons=tuple(f"{r} ({notes} {residual[k]:.1e})" if isinstance(r, str) else "" for k, r in enumerate(results)),
        distinct=np.array([box is not None and k not in meets for k, box in enumerate(boxes)], dtype=bool),
    )


def _text(number: Dyadic) -> str:
    return f"{number[0]}p{number[1]}"


def _number(text: str) -> Dyadic:
    mantissa, exponent = map(int, text.split("p"))
    if abs(exponent) > 20_000:
        raise ValueError(f"an exponent of two beyond 20,000 in {text[:30]!r}")
    return mantissa, exponent


def _read_box(entry: dict[str, Any]) -> Box:
    def pairs(row: Sequence[Any]) -> tuple[tuple[Dyadic, Dyadic], ...]:
        return tuple((_number(re), _number(im)) for re, im in row)

    if entry["reality"] not in ("real", "not real", "undecided"):
        raise ValueError(f"reality must be real, not real or undecided, got {entry['reality']!r}")
    return Box(
        midpoint=pairs(entry["midpoint"]),
        radii=tuple(None if radius is None else _number(radius)[1] for radius in entry["radii"]),
        matrix=tuple(map(pairs, entry["matrix"])),
        precision=int(entry["precision"]),
        reality=entry["reality"],
    )
