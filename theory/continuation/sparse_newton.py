"""Newton's method on a square sparse system at many points, compiled: values, terms and derivatives in one pass.

What `sift` asks of every end of a path; numpy takes ten times as long for small systems, mostly on calls.
"""

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from theory.jit import ENGINE, njit
from theory.systems import PolynomialSystem

_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}
_ITERATIONS = 4


class Terms(NamedTuple):
    """The terms of all equations in a row.

    first: (m + 1,) where each equation begins; coefficients: (terms,) complex; begin: (terms + 1,) where each term's
    factors unknown[k]^power[k] begin
    """

    first: np.ndarray
    coefficients: np.ndarray
    begin: np.ndarray
    unknown: np.ndarray
    power: np.ndarray


_known: WeakKeyDictionary[PolynomialSystem, Terms] = WeakKeyDictionary()


def terms_of(system: PolynomialSystem) -> Terms | None:
    """The terms of a square sparse system; None for others, and where nothing is compiled."""
    if ENGINE != "numba" or system.network is not None or system.n_equations != system.n_unknowns:
        return None
    if system not in _known:
        exponents = np.vstack([p.exponents for p in system.polynomials])
        rows, columns = np.nonzero(exponents)
        _known[system] = Terms(
            first=np.cumsum([0, *(len(p.terms) for p in system.polynomials)]),
            coefficients=np.concatenate([p.coefficients for p in system.polynomials]),
            begin=np.searchsorted(rows, np.arange(len(exponents) + 1)),
            unknown=columns,
            power=exponents[rows, columns],
        )
    return _known[system]


@njit(**_OPTIONS)
def _power(x: complex, exponent: int) -> complex:
    if exponent == 1:
        return x
    result = 1 + 0j
    while exponent:
        if exponent & 1:
            result *= x
        exponent >>= 1
        if exponent:
            x *= x
    return result


@njit(**_OPTIONS)
def _evaluate(terms: Terms, x: np.ndarray, values: np.ndarray, jacobian: np.ndarray, sizes: np.ndarray) -> float:
    """Write the equations' values, derivatives and sums of |terms| at x (n,); returns the largest relative residual,
    infinity where a value is not finite."""
    n = len(x)
    before = np.empty(n + 1, np.complex128)
    jacobian[:] = 0
    worst = 0.0
    for i in range(n):
        values[i], sizes[i] = 0, 0.0
        for term in range(terms.first[i], terms.first[i + 1]):
            begin, end = terms.begin[term], terms.begin[term + 1]
            before[0] = terms.coefficients[term]
            for k in range(begin, end):
                before[k - begin + 1] = before[k - begin] * _power(x[terms.unknown[k]], terms.power[k])
            value, after = before[end - begin], 1 + 0j
            values[i] += value
            sizes[i] += np.sqrt(value.real**2 + value.imag**2)
            for k in range(end - 1, begin - 1, -1):
                unknown, e = terms.unknown[k], terms.power[k]
                outer = before[k - begin] * after
                if e == 1:
                    jacobian[i, unknown] += outer
                    after *= x[unknown]
                else:
                    lower = _power(x[unknown], e - 1)
                    jacobian[i, unknown] += e * lower * outer
                    after *= lower * x[unknown]
        residual = abs(values[i]) / (1 + sizes[i])
        worst = max(worst, residual) if residual >= 0 and residual < np.inf else np.inf
    return worst


@njit(**_OPTIONS)
def _factor(matrix: np.ndarray, swaps: np.ndarray) -> bool:
    """LU with partial pivoting, in place, rows divided by their lengths beforehand; False where a pivot is 0.

    Inverse pivots on the diagonal.
    """
    n = len(matrix)
    for k in range(n):
        best, row = -1.0, k
        for i in range(k, n):
            size = matrix[i, k].real ** 2 + matrix[i, k].imag ** 2
            if size > best:
                best, row = size, i
        if not best > 0:
            return False
        swaps[k] = row
        if row != k:
            for j in range(n):
                matrix[k, j], matrix[row, j] = matrix[row, j], matrix[k, j]
        matrix[k, k] = 1 / matrix[k, k]
        for i in range(k + 1, n):
            if matrix[i, k] != 0:
                factor = matrix[i, k] * matrix[k, k]
                matrix[i, k] = factor
                for j in range(k + 1, n):
                    matrix[i, j] -= factor * matrix[k, j]
    return True


@njit(**_OPTIONS)
def _substitute(matrix: np.ndarray, swaps: np.ndarray, vector: np.ndarray) -> None:
    """Solve with the factors, in place of the right-hand side."""
    n = len(matrix)
    for k in range(n):
        vector[k], vector[swaps[k]] = vector[swaps[k]], vector[k]
    for i in range(n):
        for j in range(i):
            vector[i] -= matrix[i, j] * vector[j]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            vector[i] -= matrix[i, j] * vector[j]
        vector[i] *= matrix[i, i]


@njit(**_OPTIONS)
def _scale_rows(matrix: np.ndarray, scales: np.ndarray) -> None:
    for i in range(len(matrix)):
        for j in range(len(matrix)):
            matrix[i, j] *= scales[i]


@njit(**_OPTIONS)
def refine(terms: Terms, points: np.ndarray, steps: int, residual: np.ndarray, regular: np.ndarray) -> None:
    """Newton steps at points (p, n), in place, as long as they make the largest relative residual (p,) smaller.

    regular: (p,) False where a Jacobian was singular, and the point stayed.
    """
    n = points.shape[1]
    values, sizes, jacobian = np.empty(n, np.complex128), np.empty(n), np.empty((n, n), np.complex128)
    scales, swaps = np.empty(n), np.empty(n, np.int64)
    for p in range(len(points)):
        residual[p], regular[p] = _evaluate(terms, points[p], values, jacobian, sizes), True
        for _ in range(steps):
            if residual[p] == 0:
                break
            for i in range(n):
                length = 0.0
                for j in range(n):
                    length += jacobian[i, j].real ** 2 + jacobian[i, j].imag ** 2
                scales[i] = 1 / np.sqrt(length) if length > 0 else 1.0
                values[i] *= scales[i]
            _scale_rows(jacobian, scales)
            if not _factor(jacobian, swaps):
                regular[p] = False
                break
            _substitute(jacobian, swaps, values)
            moved = points[p] - values
            after = _evaluate(terms, moved, values, jacobian, sizes)
            if not after < residual[p]:
                break
            points[p], residual[p] = moved, after


@njit(**_OPTIONS)
def residuals(terms: Terms, points: np.ndarray, residual: np.ndarray) -> None:
    """The largest relative residual at each point (p, n): (p,)."""
    n = points.shape[1]
    values, sizes, jacobian = np.empty(n, np.complex128), np.empty(n), np.empty((n, n), np.complex128)
    for p in range(len(points)):
        residual[p] = _evaluate(terms, points[p], values, jacobian, sizes)


@njit(**_OPTIONS)
def conditions(terms: Terms, points: np.ndarray, condition: np.ndarray) -> None:
    """The condition number of each point (p, n), as `sift.conditions` defines it: (p,).

    The norm of the inverse by power iteration from its longest column: never too large, and too small by n^(1/18) at
    most where the iteration meets all singular vectors alike.
    """
    n = points.shape[1]
    values, sizes, jacobian = np.empty(n, np.complex128), np.empty(n), np.empty((n, n), np.complex128)
    inverse, swaps = np.empty((n, n), np.complex128), np.empty(n, np.int64)
    for p in range(len(points)):
        _evaluate(terms, points[p], values, jacobian, sizes)
        largest = 1 + np.abs(points[p]).max()
        for i in range(n):
            sizes[i] = largest / (1 + sizes[i])
        _scale_rows(jacobian, sizes)
        condition[p] = _inverse_norm(jacobian, swaps, inverse)


@njit(**_OPTIONS)
def inverse_norms(matrices: np.ndarray, scales: np.ndarray, norm: np.ndarray) -> None:
    """The spectral norm of the inverse of each matrix (p, n, n), its rows multiplied by the scales (p, n), as in
    `conditions`, inf where there is none: (p,)."""
    n = matrices.shape[1]
    matrix, inverse, swaps = np.empty((n, n), np.complex128), np.empty((n, n), np.complex128), np.empty(n, np.int64)
    for p in range(len(matrices)):
        matrix[:] = matrices[p]
        _scale_rows(matrix, scales[p])
        norm[p] = _inverse_norm(matrix, swaps, inverse)


@njit(**_OPTIONS)
def _inverse_norm(matrix: np.ndarray, swaps: np.ndarray, inverse: np.ndarray) -> float:
    """The norm of the inverse of a matrix, which is overwritten, and so is `inverse`: its columns, as rows."""
    n = len(matrix)
    if not _factor(matrix, swaps):
        return np.inf
    longest, best = 0, -1.0
    for k in range(n):
        inverse[k] = 0
        inverse[k, k] = 1
        _substitute(matrix, swaps, inverse[k])
        length = _length(inverse[k])
        if length > best:
            longest, best = k, length
    return _norm(inverse, inverse[longest].copy())


@njit(**_OPTIONS)
def _norm(columns: np.ndarray, image: np.ndarray) -> float:
    """Spectral norm of the matrix with these columns (as rows of the array), from one of its values."""
    n = len(columns)
    vector = np.empty(n, np.complex128)
    for _ in range(_ITERATIONS):
        for k in range(n):
            vector[k] = 0
            for i in range(n):
                vector[k] += columns[k, i].conjugate() * image[i]
        vector /= _length(vector)
        image[:] = 0
        for k in range(n):
            for i in range(n):
                image[i] += vector[k] * columns[k, i]
    return _length(image)


@njit(**_OPTIONS)
def _length(vector: np.ndarray) -> float:
    total = 0.0
    for z in vector:
        total += z.real**2 + z.imag**2
    return np.sqrt(total)
