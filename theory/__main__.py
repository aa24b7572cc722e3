"""The command line: `theory`, or `python -m theory`. Everything heavy is imported inside the commands."""

import json
import os
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from theory.activations import PolynomialActivation
    from theory.claims.claim import Claim
    from theory.continuation.solutions import SolutionSet
    from theory.networks import PolynomialNetwork
    from theory.root_counts import Bounds
    from theory.systems import PolynomialSystem

as_json = click.option("--json", "as_json", is_flag=True, help="One JSON object with the attribute names as keys.")
seeded = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of everything random.")
limited = click.option("--max-paths", type=click.IntRange(min=1), help="Refuse work that needs more paths than this.")
file_argument = click.argument("file", type=str)


class _Numbers(click.ParamType):
    """A list of whole numbers such as 2,3,1."""

    name = "n,n,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"expected whole numbers separated by commas, such as 2,3,1, got {value!r}", param, ctx)


def of_network(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that describe a dense network."""
    for option in (
        click.option("--bias/--no-bias", default=True, help="Biases in every layer; on by default."),
        click.option("--degree", type=int, default=2, show_default=True, help="Of the activation z^degree."),
        click.option("--widths", type=_Numbers(), help="Inputs, hidden layers, outputs: 2,3,1."),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
def cli() -> None:
    """Count, find, measure and prove the zeros and critical points of polynomial networks.

    FILE holds a system of polynomial equations: a first line with their number, then the equations, each ended by a
    semicolon, as in "x^2 + y^2 - 1;"; - reads it from standard input.
    """


@cli.command()
@click.argument("file", required=False)
@of_network
@click.option("--net", type=click.Choice(["theory2-cnn"]), help="A named network instead of --widths.")
@click.option("--data", type=click.IntRange(min=1), help="Number of data points N (with --widths or --net).")
@as_json
def bounds(
    file: str | None, widths: tuple[int, ...] | None, degree: int, bias: bool, net: str | None, data: int, as_json: bool
) -> None:
    """Upper bounds of the number of isolated zeros: of a network's equations, or of a system in FILE."""
    from theory.root_counts import bounds as compute

    given = [name for name, value in (("FILE", file), ("--widths", widths), ("--net", net)) if value]
    if len(given) != 1:
        raise click.UsageError(f"give one of FILE, --widths and --net, got {' and '.join(given) or 'none'}")
    _refuse_beside(given[0], {"FILE": ("data", "degree", "bias"), "--net": ("bias",)}.get(given[0], ()))
    if file:
        result = compute(_read_system(file))
    elif data is None:
        raise click.UsageError("a network needs --data, the number of data points")
    elif net:
        from theory.architectures import theory2_cnn

        result = compute(theory2_cnn(degree), n_data=data)
    else:
        result = compute(_network(widths, degree, bias), n_data=data)
    if as_json:
        _echo_json(_attributes(result))
    else:
        _show_bounds(result)


@cli.command()
@file_argument
@click.option("--start", default="auto", show_default=True, help="Start system: auto, total-degree, ...")
@click.option("--certify", is_flag=True, help="Prove the solutions by interval arithmetic.")
@click.option("--checkpoint", metavar="PATH", help="Keep the state of the work in this file and go on from there.")
@seeded
@limited
@as_json
def solve(
    file: str, start: str, certify: bool, checkpoint: str | None, seed: int, max_paths: int | None, as_json: bool
) -> None:
    """All isolated solutions of the square system in FILE.

    Ctrl-C shows what has been found by then; the exit code is 130.
    """
    system = _read_system(file)
    from theory.continuation.solve import solve as compute

    with _Progress("paths") as progress:
        result = compute(
            system,
            start=start,
            seed=seed,
            certify=certify,
            max_paths=max_paths,
            progress=progress,
            checkpoint=checkpoint,
        )
    if as_json:
        click.echo(result.to_json())
    else:
        _solutions(result)
    if result.partial:
        _fail(result.notes[0], 130)


def _solutions(result: "SolutionSet") -> None:
    """What `solve` found, as tables."""
    _show(_attributes(result.paths), False, "Paths")
    columns = [*result.names, "residual", "multiplicity"]
    rows = [
        [*map(_number, point), f"{residual:.1e}", str(multiplicity)]
        for point, residual, multiplicity in zip(result.solutions, result.residual, result.multiplicity, strict=True)
    ]
    _table(f"{len(rows)} distinct solutions, {len(result.real)} of them real", columns, rows)
    for note in result.notes:
        click.echo(note)


@cli.command("zero-set")
@file_argument
@seeded
@limited
@as_json
def zero_set(file: str, seed: int, max_paths: int | None, as_json: bool) -> None:
    """Dimension, degree and irreducible components of the zero set of the system in FILE."""
    system = _read_system(file)
    from theory.zero_sets import zero_set as compute

    with _Progress("dimensions") as progress:
        result = compute(system, seed=seed, max_paths=max_paths, progress=progress)
    names = ("dimension", "degree", "multiplicity", "trace_residual")
    components = [{name: getattr(c, name) for name in names} for c in result.components]
    summary = {name: getattr(result, name) for name in ("dimension", "degree", "paths", "reason", "seed")}
    if as_json:
        points = [{**c, "points": part.points} for c, part in zip(components, result.components, strict=True)]
        _echo_json({**summary, "components": points})
        return
    _show(summary, False, "Zero set")
    _table("Components", names, [[_text(c[name]) for name in names] for c in components])


@cli.command()
@file_argument
@click.option("--point", "point_file", required=True, help="A file with one number for each unknown, in their order.")
@as_json
def degeneracy(file: str, point_file: str, as_json: bool) -> None:
    """Ranks, nullities and local dimension of the system in FILE at a point."""
    system = _read_system(file)
    from theory.local_geometry import degeneracy as compute
    from theory.points import parse_point

    point = parse_point(_read(point_file), system.names)
    _show(_attributes(compute(system, point)), as_json, "Degeneracy")


@cli.command()
@of_network
@as_json
def neurovariety(widths: tuple[int, ...] | None, degree: int, bias: bool, as_json: bool) -> None:
    """Dimension and defect of the set of functions that a network can be."""
    if not widths:
        raise click.UsageError("give --widths, such as --widths 2,3,1")
    _show(_attributes(_network(widths, degree, bias).neurovariety()), as_json, "Neurovariety")


@cli.command("check-certificate")
@file_argument
@as_json
def check_certificate(file: str, as_json: bool) -> None:
    """Check a written proof of zeros, in rational arithmetic; exit code 2 if it proves nothing."""
    from theory.certificates import check_certificate as check

    _show({"proved": check(_read(file))}, as_json, "Certificate")


@cli.command()
@as_json
def claims(as_json: bool) -> None:
    """The claims that can be verified."""
    from theory.claims import list_claims

    statements = list_claims()
    if as_json:
        _echo_json([{"id": id, "statement": statement} for id, statement in statements.items()])
    else:
        _table("Claims", ("id", "statement"), [list(item) for item in statements.items()])


@cli.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@seeded
@as_json
def verify(ids: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Check claims (all by default); exit code 1 if a statement, as corrected, fails."""
    from theory.claims import verify_all

    with _Progress("claims") as progress:
        results = verify_all(ids or None, seed=seed, progress=progress)
    if as_json:
        objects = [json.loads(claim.to_json()) for claim in results]
        _echo_json(objects[0] if len(ids) == 1 else objects)
    else:
        for claim in results if ids else ():
            _cases(claim)
        columns = ("claim", "verdict", "as printed", "control", "seconds")
        rows = [[c.id, c.verdict, c.printed_verdict or "", _passed(c), f"{c.seconds:.1f}"] for c in results]
        _table("Claims", columns, rows)
    if any(claim.verdict == "fails" for claim in results):
        sys.exit(1)


# ---- input


def _refuse_beside(given: str, options: Sequence[str]) -> None:
    """A usage error for options that were typed and would not be looked at."""
    context = click.get_current_context()
    written = {"data": "--data", "degree": "--degree", "bias": "--bias/--no-bias"}
    typed = [
        written[name]
        for name in options
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if typed:
        raise click.UsageError(
            f"{' and '.join(typed)} cannot be combined with {given}, which has its own: leave it out"
        )


def _read(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    return Path(file).read_text(encoding="utf-8")


def _read_system(file: str) -> "PolynomialSystem":
    from theory.systems import PolynomialSystem

    return PolynomialSystem.parse(_read(file))


def _network(widths: tuple[int, ...] | None, degree: int, bias: bool) -> "PolynomialNetwork":
    from theory.activations import monomial
    from theory.networks import PolynomialNetwork

    activation: PolynomialActivation = monomial(degree)
    return PolynomialNetwork(widths or (), activation, bias=bias)


# ---- output


def _attributes(value: Any) -> dict[str, Any]:
    """The public attributes of a result: fields and properties, by name."""
    if hasattr(value, "to_dict"):
        return dict(value.to_dict())
    names = [field.name for field in fields(value)] if is_dataclass(value) else list(vars(value))
    properties = [name for name in dir(type(value)) if _is_quantity(getattr(type(value), name))]
    public = [name for name in dict.fromkeys([*names, *properties]) if not name.startswith("_")]
    return {name: getattr(value, name) for name in public}


def _is_quantity(member: Any) -> bool:
    return isinstance(member, property) or type(member).__name__ == "cached_property"


def _echo_json(value: Any) -> None:
    from theory.claims.claim import plain

    if isinstance(value, dict):  # counts stay whole numbers at the top level, however long
        value = {key: item if isinstance(item, int) else plain(item) for key, item in value.items()}
    else:
        value = plain(value)
    click.echo(json.dumps(value, indent=1, allow_nan=False))


def _show(values: dict[str, Any], as_json: bool, title: str) -> None:
    if as_json:
        _echo_json(values)
    else:
        _table(title, ("quantity", "value"), [[name, _text(value)] for name, value in values.items()])


def _show_bounds(b: "Bounds") -> None:
    degrees = ", ".join(f"{count} of degree {degree}" for degree, count in b.degrees)
    title = f"{b.n_equations:,} equations ({degrees}) in {b.n_unknowns:,} unknowns"
    meanings = {
        "bezout": "at most so many isolated zeros",
        "multihomogeneous": "at most so many isolated zeros",
        "stable_mixed_volume": "at most so many isolated zeros",
        "mixed_volume": "at most so many isolated zeros without zero coordinates",
        "paper_bezout": "the paper's count, l^(N d): no bound, see below",
        "shub_smale": "the paper's l^(N d/2): the order of the real zeros, no bound",
    }
    if b.paper_bezout is None and b.log2_paper_bezout is None:
        meanings["shub_smale"] = "mean number of real zeros of Kostlan's random systems, no bound"
    rows = []
    for name, meaning in meanings.items():
        exact, log2 = getattr(b, name), getattr(b, f"log2_{name}")
        missing = "not computed" if log2 is None else "irrational" if log2 < 14_000 else "too long to write out"
        if exact is not None or log2 is not None or "mixed" in name:
            number = f"{exact:,}" if exact is not None else missing
            rows.append([name, number, "" if log2 is None else f"{log2:,.1f}", meaning])
    _table(title, ("quantity", "number", "log2", "what it says"), rows)
    groups = " | ".join(" ".join(group) for group in b.partition)
    lines = [f"Groups of the multihomogeneous number: {groups} ({b.partition_search})"]
    if b.mixed_volume_limit:
        lines.append(f"Mixed volumes: {b.mixed_volume_limit}")
    for line in (*lines, *b.notes):
        click.echo(textwrap.fill(line, 110, initial_indent="- ", subsequent_indent="  "))


def _table(title: str, columns: Any, rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for column in columns:
        table.add_column(str(column), overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(Text(title))  # a table's own title would be folded to the table's width
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and abs(value) >= 10**12:
        return f"about 2^{value.bit_length() - 1}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    return "not known" if value is None else str(value)


def _number(z: complex) -> str:
    return f"{z.real:.10g}" if not z.imag else f"{z.real:.10g}{z.imag:+.10g}i"


def _passed(claim: "Claim") -> str:
    return "failed as it must" if claim.control.passed else "did not fail"


def _cases(claim: "Claim") -> None:
    rows = [[key, _text(value), _text(claim.observed[key])] for key, value in dict(claim.predicted).items()]
    rows.append([f"control: {claim.control.description}", _text(claim.control.expected), _text(claim.control.observed)])
    _table(f"{claim.id}: {claim.statement}", ("case", "predicted", "observed"), rows)


class _Progress:
    """A progress bar on standard error, where that is a terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None

    def __enter__(self) -> Callable[[int, int, str], None]:
        return self._update

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _update(self, done: int, total: int, text: str) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            self._bar = _bar()
            self._task = self._bar.add_task(self._what, total=total, rate="")
            self._begun, self._before = time.monotonic(), done
            self._bar.start()
        rate = (done - self._before) / max(time.monotonic() - self._begun, 1e-3)
        shown = f"{rate:.0f}/s" if rate >= 10 else ""
        self._bar.update(self._task, completed=done, total=total, description=f"{self._what}: {text}", rate=shown)


def _bar() -> Any:
    """What is done, of how much, how fast, and the time left."""
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[rate]}"),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input ends in one line on standard error and exit code 2."""
    try:
        cli.main(args=arguments, prog_name="theory", standalone_mode=False)
    except click.exceptions.Abort:
        _fail("interrupted", 130)
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except UnicodeDecodeError:
        _fail("the file is not text", 2)
    except OSError as error:
        _fail(f"cannot read {error.filename}: {error.strerror}", 2)
    except (ValueError, TypeError) as error:
        _fail(str(error), 2)


def _fail(message: str, code: int) -> None:
    click.echo(f"theory: {' '.join(message.split())}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
