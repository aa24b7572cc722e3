"""Regular zeros from any source, each once: proved by interval arithmetic in units of their own, hence told apart."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from theory.continuation.boxes import Box, fraction, meetings, same_zero
from theory.continuation.homotopy import in_units
from theory.continuation.krawczyk import Square, prove
from theory.continuation.polish import PRECISIONS
from theory.continuation.straight_line import record
from theory.systems import PolynomialSystem

Powers = tuple[int, ...]
MOST_POINTS = 300  # about 10 ms each
_REACH = 10.0  # how far Newton's method may go, in units of 1 + |x|: any zero that it proves will do


def proved_zeros(system: PolynomialSystem, points: Iterable[np.ndarray], scales: np.ndarray) -> np.ndarray | None:
    """(k, n) the doubles nearest to the distinct zeros that are proved near some of the points (n,).

    Each point is tried in units near the sizes of its coordinates, then in the units `scales` (n,), where coordinates
    that should be 0 do no harm. None where there are too many points, or two zeros cannot be told apart, or are the
    same doubles.
    """
    given = list(points)
    if len(given) > MOST_POINTS:
        return None
    usual = tuple(np.log2(scales).astype(int).tolist())
    squares: dict[Powers, Square] = {}
    boxes = []
    for point in given:
        for powers in (_sizes(point), usual):
            square = squares.setdefault(powers, _square(system, powers))
            (box,) = prove(square, [_in_units(point, powers).tolist()], *PRECISIONS, _REACH)
            if isinstance(box, Box):
                boxes.append(_moved(box, powers))
                break
    zeros = _distinct(boxes)
    if zeros is None:
        return None
    doubles = np.array([_nearest(box) for box in zeros]).reshape(-1, system.n_unknowns)
    return doubles if len(np.unique(doubles, axis=0)) == len(zeros) else None


def _sizes(point: np.ndarray) -> Powers:
    size = np.abs(point)
    return tuple(np.round(np.log2(np.where(size > 0, size, 1.0))).astype(int).tolist())


def _square(system: PolynomialSystem, powers: Powers) -> Square:
    scaled = PolynomialSystem.from_polynomials(in_units(system.polynomials, powers), system.names)
    return Square(record(scaled), tuple(range(system.n_unknowns)), system.is_real)


def _in_units(point: np.ndarray, powers: Powers) -> np.ndarray:
    down = -np.array(powers)
    return np.ldexp(point.real, down) + 1j * np.ldexp(point.imag, down)


def _moved(box: Box, powers: Powers) -> Box:
    """The box in the unknowns themselves, exactly."""
    midpoint = tuple(((re[0], re[1] + k), (im[0], im[1] + k)) for (re, im), k in zip(box.midpoint, powers, strict=True))
    radii = tuple(None if b is None else b + k for b, k in zip(box.radii, powers, strict=True))
    return replace(box, midpoint=midpoint, radii=radii)


def _distinct(boxes: Sequence[Box]) -> list[Box] | None:
    """One box for each zero; None where two boxes meet and it is open whether they share theirs."""
    left = set(range(len(boxes)))
    for i, others in sorted(meetings(boxes).items()):
        for j in others:
            if not (same_zero(boxes[i], boxes[j]) or same_zero(boxes[j], boxes[i])):
                return None
            if i in left and j in left:
                left.discard(max(i, j))
    return [boxes[k] for k in sorted(left)]


def _nearest(box: Box) -> list[complex]:
    """The zero as doubles; parts whose interval holds 0 are 0."""
    zero = []
    for (re, im), b in zip(box.midpoint, box.radii, strict=True):
        radius = 0 if b is None else fraction((1, b))
        parts = [0.0 if abs(fraction(part)) <= radius else float(fraction(part)) for part in (re, im)]
        zero.append(complex(parts[0], 0.0 if box.reality == "real" else parts[1]))
    return zero
