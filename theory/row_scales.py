"""Equations times powers of 2: neither zeros nor ranks depend on their size, but what doubles tell of them does."""

from collections.abc import Sequence
from fractions import Fraction

from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem

_NEAR = 10  # powers of 2 that equations may be off without being scaled


def scaled_up(system: PolynomialSystem) -> PolynomialSystem:
    """The system with equations whose coefficients are all far below 1 scaled so that the largest is about 1.

    Residuals are relative to 1 + the sizes of the terms: else any point would be a zero of 1e-12 (x y - 1).
    Networks keep their equations, whose size is that of the data.
    """
    return _scaled(system, [max(0, power) for power in _powers(system)])


def enlarged(system: PolynomialSystem) -> PolynomialSystem:
    """All equations times the one power of 2 that makes the largest coefficient about 1, if all are far below: critical
    points of the squared error, and their nullities, stay."""
    powers = _powers(system)
    return _scaled(system, [max(0, min(powers, default=0))] * len(powers))


def balanced(system: PolynomialSystem) -> PolynomialSystem:
    """Each equation scaled so that its largest coefficient is about 1, for ranks: else 1e12 y would hide x."""
    return _scaled(system, _powers(system))


def _powers(system: PolynomialSystem) -> list[int]:
    """Of 2, for each equation; 0 where that is not far off."""
    if system.network is not None:
        return []
    powers = (-_bits(p) for p in system.polynomials)
    return [power if abs(power) > _NEAR else 0 for power in powers]


def _scaled(system: PolynomialSystem, powers: Sequence[int]) -> PolynomialSystem:
    if not any(powers):
        return system
    scaled = [p * Fraction(2) ** power for p, power in zip(system.polynomials, powers, strict=True)]
    return PolynomialSystem.from_polynomials(scaled, system.names)


def _bits(polynomial: Polynomial) -> int:
    """k where the largest coefficient lies between 2^(k - 1) and 2^(k + 1), for numbers of any size."""
    parts = (abs(part) for c in polynomial.terms.values() for part in (c.re, c.im) if part)
    return max(part.numerator.bit_length() - part.denominator.bit_length() for part in parts)
