"""Numbers on their way into other rings, and numpy arrays of ring elements."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from theory.polynomials import GaussianRational, Polynomial, gaussian

RESIDUE_PRIME = 2305843009213693921
_ROOT_OF_MINUS_ONE = 583529827753931384


def ring_number(number: Fraction | GaussianRational, sample: Any) -> Any:
    """An exact number in a form that adds to and multiplies with sample's kind of ring element.

    Whole numbers become int; sympy expressions get sympy numbers, python-flint elements fmpq (or acb), polynomials and
    fractions the exact number itself, everything else (tape nodes, floats) Fraction or complex.
    """
    if isinstance(number, GaussianRational):
        if number.im:
            return _complex_ring_number(number, sample)
        number = number.re
    if number.denominator == 1:
        return int(number)
    if type(sample).__module__.startswith("flint"):
        import flint

        return flint.fmpq(number.numerator, number.denominator)
    if isinstance(sample, float | complex | np.number):
        return float(number)
    return number


def _complex_ring_number(number: GaussianRational, sample: Any) -> Any:
    if isinstance(sample, Polynomial | GaussianRational) or getattr(sample, "takes_gaussian_rationals", False):
        return number
    module = type(sample).__module__
    if module.startswith("sympy"):
        import sympy as sp

        return sp.Rational(number.re) + sp.I * sp.Rational(number.im)
    if module.startswith("flint"):
        import flint

        return flint.acb(*(flint.fmpq(x.numerator, x.denominator) for x in (number.re, number.im)))
    return complex(number)


def ring_array(elements: Sequence[Any]) -> np.ndarray:
    """Ring elements as a numpy array of objects, (n,); never looks into them."""
    array = np.empty(len(elements), dtype=object)
    for k, element in enumerate(elements):  # one by one: numpy takes polynomials of other libraries for sequences
        array[k] = element
    return array


def ring_matrix(rows: Any, width: int) -> np.ndarray:
    """Rows of ring elements as an array of objects, (N, width); (N,) counts as N rows of one."""
    flat = [e for row in rows for e in (row if isinstance(row, list | tuple | np.ndarray) else [row])]
    return ring_array(flat).reshape(-1, width)


def plain_array(values: Any, what: str) -> np.ndarray:
    """values as a numpy array. Raises ValueError for rows of different lengths."""
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{what} must have rows of equal length") from None


def finite_array(values: Any, what: str) -> np.ndarray:
    """values as an array of float64 or complex128. Raises ValueError where one is no finite number."""
    array = plain_array(values, what)
    if array.dtype == object:
        exact = [gaussian(entry) for entry in array.ravel()]
        numbers = [complex(c) if c.im else float(c.re) for c in exact]
        return np.array(numbers, dtype=complex if any(c.im for c in exact) else float).reshape(array.shape)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"{what} must be numbers, got an array of {array.dtype}")
    array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite, got NaN or infinity")
    return array


def residue(number: GaussianRational) -> Any:
    """The number modulo RESIDUE_PRIME, a flint.nmod; the prime is 1 mod 4, so that i has an image there, and this is a
    ring homomorphism. Raises ZeroDivisionError where the prime divides a denominator."""
    import flint

    re, im = (flint.nmod(x.numerator, RESIDUE_PRIME) / x.denominator for x in (number.re, number.im))
    return re + im * _ROOT_OF_MINUS_ONE
