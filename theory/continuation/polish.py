"""Ends that double precision cannot settle: Newton's method in multiple precision with the exact coefficients."""

import numpy as np

from theory.continuation.boxes import fraction
from theory.continuation.sift import relative_residual
from theory.systems import PolynomialSystem

CONVERGED = 1e-12  # relative residual of a regular zero, after Newton's method
ILL_CONDITIONED = 1e6  # from here on a point may have fewer than 9 digits
PRECISIONS = (106, 848)  # bits
_REACH = 1e-2  # how far Newton's method may go, in units of 1 + |x|
_MOST = 500  # points: about 10 ms each


def polish(system: PolynomialSystem, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(points (p, n), proved (p,) bool): the doubles nearest to proved regular zeros of a square system, where one is
    near; the others are left. Beyond what takes a few seconds the residual must do for a proof.
    """
    points, proved = points.copy(), np.zeros(len(points), bool)
    rows = np.flatnonzero(np.isfinite(points).all(axis=1))
    rows, rest = rows[:_MOST], rows[_MOST:]
    proved[rest] = relative_residual(system, points[rest]) < CONVERGED
    if not len(rows):
        return points, proved
    from theory.continuation.krawczyk import Square, prove  # python-flint, only where it is needed
    from theory.continuation.straight_line import record

    square = Square(record(system), tuple(range(system.n_unknowns)), system.is_real)
    for row, box in zip(rows, prove(square, points[rows].tolist(), *PRECISIONS, _REACH), strict=True):
        if not isinstance(box, str):
            points[row] = [complex(float(fraction(re)), float(fraction(im))) for re, im in box.midpoint]
            proved[row] = True
    return points, proved
