"""What the command line takes: its common options, lists of whole numbers, files, and networks described by options."""

import itertools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from theory.networks import PolynomialNetwork
    from theory.real_components import RealComponent
    from theory.systems import PolynomialSystem
    from theory.zero_sets import Progress, ZeroSet

MAX_NETWORKS = 10_000  # of one sweep
MAX_NUMBER = 10**9  # in a range

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object with the attribute names as keys.")
seeded = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
limited = click.option("--max-paths", type=click.IntRange(min=1), help="Refuse work that needs more paths than this.")
file_argument = click.argument("file", type=str)
with_bias = click.option("--bias/--no-bias", default=True, help="Biases in every layer; on by default.")


class Numbers(click.ParamType):
    """A list of whole numbers such as 2,3,1."""

    name = "n,n,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"expected whole numbers separated by commas, such as 2,3,1, got {value!r}", param, ctx)


class Ranges(click.ParamType):
    """A list of whole numbers and ranges such as 2,1-4,1: the alternatives at each place."""

    name = "n,a-b,..."

    def __init__(self, example: str = "2,1-4,1") -> None:
        self.example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[range, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(_range(part) for part in value.split(","))
        except ValueError as error:
            wanted = f"expected whole numbers or ranges separated by commas, such as {self.example}, got {value!r}"
            self.fail(f"{wanted}{error if isinstance(error, _BackwardsError) else ''}", param, ctx)


class _BackwardsError(ValueError):
    """A range from a larger to a smaller number."""


def _range(text: str) -> range:
    first, dash, last = text.strip().rpartition("-")
    if not dash or not first:  # 3 or -3
        first = last = text
    found = range(int(first), int(last) + 1)
    if not found:
        raise _BackwardsError(f": {text.strip()} runs backwards, write {int(last)}-{int(first)}")
    if found[-1] > MAX_NUMBER:
        raise ValueError
    return found


def combinations(ranges: Sequence[range]) -> list[tuple[int, ...]]:
    """Every choice of one number from each range. Raises UsageError as `check_number`."""
    check_number(math.prod(map(len, ranges)))
    return list(itertools.product(*ranges))


def check_number(networks: int) -> None:
    """Raises UsageError for more than MAX_NETWORKS."""
    if networks > MAX_NETWORKS:
        raise click.UsageError(f"a sweep takes at most {MAX_NETWORKS:,} networks, got {networks:,}")


def of_network(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that describe a dense network."""
    for option in (
        with_bias,
        click.option("--degree", type=int, default=2, show_default=True, help="Of the activation z^degree."),
        click.option("--widths", type=Numbers(), help="Inputs, hidden layers, outputs: 2,3,1."),
    ):
        command = option(command)
    return command


def network_of(widths: tuple[int, ...] | None, degree: int, bias: bool) -> "PolynomialNetwork":
    """The dense network that the options describe."""
    from theory.activations import monomial
    from theory.networks import PolynomialNetwork

    return PolynomialNetwork(widths or (), monomial(degree), bias=bias)


def counted_pieces(
    zeros: "ZeroSet", max_paths: int | None, progress: "Progress"
) -> "tuple[list[RealComponent] | None, str | None]":
    """The connected real pieces, or None and why they cannot be counted. Raises TooManyPathsError."""
    from theory.continuation.solve import TooManyPathsError

    try:
        return zeros.real_components(max_paths, progress), None
    except TooManyPathsError:  # more may be allowed
        raise
    except ValueError as error:
        return None, str(error)


def refuse_beside(given: str, options: Sequence[str]) -> None:
    """A usage error for options that were typed and would not be looked at."""
    context = click.get_current_context()
    written = {"data": "--data", "degree": "--degree", "bias": "--bias/--no-bias", "checkpoint": "--checkpoint"}
    typed = [
        written[name]
        for name in options
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if typed:
        raise click.UsageError(
            f"{' and '.join(typed)} cannot be combined with {given}, which has its own: leave it out"
        )


def read(file: str) -> str:
    """The text of a file, of standard input for -."""
    if file == "-":
        return sys.stdin.read()
    return Path(file).read_text(encoding="utf-8")


def read_system(file: str) -> "PolynomialSystem":
    """The system in a file."""
    from theory.systems import PolynomialSystem

    return PolynomialSystem.parse(read(file))
