"""Polynomial text in and out. Stub replaced below."""

from theory.polynomials import Polynomial


class ParseError(ValueError):
    """Text that is no polynomial system; says where and what was expected."""


def parse_system(text: str) -> tuple[tuple[Polynomial, ...], tuple[str, ...]]:
    raise ParseError("not written yet")


def write_system(polynomials: tuple[Polynomial, ...], names: tuple[str, ...], format: str) -> str:
    raise ValueError("not written yet")
