"""The command line: `theory`, or `python -m theory`. Everything heavy is imported inside the commands.

What it takes is in `command_input`, what it prints in `printing`.
"""

import json
import os
import sys
from typing import Any

import click

from theory import command_input as given
from theory.command_input import as_json, file_argument, limited, of_network, read, read_system, seeded
from theory.printing import (
    Progress,
    attributes,
    control_verdict,
    echo_json,
    real_pieces,
    show,
    show_bounds,
    show_cases,
    show_real_pieces,
    show_solutions,
    show_sweep,
    shown_counts,
    table,
    text,
)


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

    sources = [name for name, value in (("FILE", file), ("--widths", widths), ("--net", net)) if value]
    if len(sources) != 1:
        raise click.UsageError(f"give one of FILE, --widths and --net, got {' and '.join(sources) or 'none'}")
    given.refuse_beside(sources[0], {"FILE": ("data", "degree", "bias"), "--net": ("bias",)}.get(sources[0], ()))
    if file:
        result = compute(read_system(file))
    elif data is None:
        raise click.UsageError("a network needs --data, the number of data points")
    elif net:
        from theory.architectures import theory2_cnn

        result = compute(theory2_cnn(degree), n_data=data)
    else:
        result = compute(given.network_of(widths, degree, bias), n_data=data)
    if as_json:
        echo_json(attributes(result))
    else:
        show_bounds(result)


@cli.command()
@file_argument
@click.option("--start", default="auto", show_default=True, help="Start system: auto, total-degree, ...")
@click.option("--backend", default="native", show_default=True, help="native, or phcpy where that is installed.")
@click.option("--certify", is_flag=True, help="Prove the solutions by interval arithmetic.")
@click.option("--checkpoint", metavar="PATH", help="Keep the state of the work in this file and go on from there.")
@seeded
@limited
@as_json
def solve(
    file: str,
    start: str,
    backend: str,
    certify: bool,
    checkpoint: str | None,
    seed: int,
    max_paths: int | None,
    as_json: bool,
) -> None:
    """All isolated solutions of the square system in FILE.

    Ctrl-C shows what has been found by then; the exit code is 130.
    """
    system = read_system(file)
    from theory.continuation.solve import solve as compute

    options: dict[str, Any] = {"start": start, "backend": backend, "seed": seed, "certify": certify}
    try:
        with Progress("paths") as progress:
            result = compute(system, max_paths=max_paths, progress=progress, checkpoint=checkpoint, **options)
    except RuntimeError as error:  # of a backend: missing, or ended
        if backend == "native":
            raise
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(result.to_json())
    else:
        show_solutions(result)
    if result.partial:
        _fail(result.notes[0], 130)


@cli.command("zero-set")
@file_argument
@click.option("--real", is_flag=True, help="Count the connected pieces of the real zeros, too, with certificates.")
@seeded
@limited
@as_json
def zero_set(file: str, real: bool, seed: int, max_paths: int | None, as_json: bool) -> None:
    """Dimension, degree and irreducible components of the zero set of the system in FILE."""
    system = read_system(file)
    from theory.zero_sets import zero_set as compute

    with Progress("dimensions") as progress:
        result = compute(system, seed=seed, max_paths=max_paths, progress=progress)
        pieces, reason = given.counted_pieces(result, max_paths, progress) if real else (None, None)
    names = ("dimension", "degree", "multiplicity", "trace_residual")
    components = [{name: getattr(c, name) for name in names} for c in result.components]
    summary = {name: getattr(result, name) for name in ("dimension", "degree", "paths", "undecided", "reason", "seed")}
    if as_json:
        points = [{**c, "points": part.points} for c, part in zip(components, result.components, strict=True)]
        echo_json({**summary, "components": points, **(real_pieces(pieces, reason) if real else {})})
        return
    show(summary, False, "Zero set")
    table("Components", names, [[text(c[name]) for name in names] for c in components])
    if real:
        show_real_pieces(pieces, reason)


@cli.command()
@file_argument
@click.option("--point", "point_file", required=True, help="A file with one number for each unknown, in their order.")
@as_json
def degeneracy(file: str, point_file: str, as_json: bool) -> None:
    """Ranks, nullities and local dimension of the system in FILE at a point."""
    system = read_system(file)
    from theory.local_geometry import degeneracy as compute
    from theory.points import parse_point

    point = parse_point(read(point_file), system.names)
    show(attributes(compute(system, point)), as_json, "Degeneracy")


@cli.command()
@click.option("--widths", multiple=True, type=given.Ranges(), help="2,3,1; for a sweep several times, or 2,1-4,1.")
@click.option(
    "--degree", type=given.Ranges("2-5"), default="2", show_default=True, help="Of the activation: 2 or 2-5 or 2,4."
)
@given.with_bias
@click.option("--count", is_flag=True, help="Also degree, learning degree and generic fibre, where small enough.")
@click.option("--max-points", type=click.IntRange(min=1), help="With --count: give up beyond so many points.  [2000]")
@seeded
@as_json
def neurovariety(
    widths: tuple[tuple[range, ...], ...],
    degree: tuple[range, ...],
    bias: bool,
    count: bool,
    max_points: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Dimension and defect of the set of functions that a network can be; a table over several networks."""
    if not widths:
        raise click.UsageError("give --widths, such as --widths 2,3,1")
    if max_points is not None and not count:
        raise click.UsageError("--max-points belongs to --count")
    from theory import sweeps

    given.check_number(sum(map(len, degree)))
    degrees = [d for each in degree for d in each]
    shapes = [each for ranges in widths for each in given.combinations(ranges)]
    given.check_number(len(shapes) * len(degrees))
    every = [(shape, d) for shape in shapes for d in degrees]
    with Progress("networks" if len(every) > 1 else "loops") as progress:
        if len(every) > 1:
            show_sweep(
                sweeps.sweep(every, bias, count=count, max_points=max_points, seed=seed, progress=progress), as_json
            )
            return
        found = given.network_of(*every[0], bias).neurovariety(seed)
        counts = sweeps.counts_of(found, seed, max_points, progress) if count else {}
    show(attributes(found) | (counts if as_json else shown_counts(counts)), as_json, "Neurovariety")


@cli.command("check-certificate")
@file_argument
@as_json
def check_certificate(file: str, as_json: bool) -> None:
    """Check a written proof of zeros, in rational arithmetic; exit code 2 if it proves nothing."""
    from theory.certificate_files import check_certificate as check

    show({"proved": check(read(file))}, as_json, "Certificate")


@cli.command()
@as_json
def claims(as_json: bool) -> None:
    """The claims that can be verified."""
    from theory.claims import list_claims

    statements = list_claims()
    if as_json:
        echo_json([{"id": id, "statement": statement} for id, statement in statements.items()])
    else:
        table("Claims", ("id", "statement"), [list(item) for item in statements.items()])


@cli.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@seeded
@as_json
def verify(ids: tuple[str, ...], seed: int, as_json: bool) -> None:
    """Check claims (all by default); exit code 1 if a statement, as corrected, fails."""
    from theory.claims import verify_all

    with Progress("claims") as progress:
        results = verify_all(ids or None, seed=seed, progress=progress)
    if as_json:
        objects = [json.loads(claim.to_json()) for claim in results]
        echo_json(objects[0] if len(ids) == 1 else objects)
    else:
        for claim in results if ids else ():
            show_cases(claim)
        columns = ("claim", "verdict", "as printed", "control", "seconds")
        rows = [[c.id, c.verdict, c.printed_verdict or "", control_verdict(c), f"{c.seconds:.1f}"] for c in results]
        table("Claims", columns, rows)
    if any(claim.verdict == "fails" for claim in results):
        sys.exit(1)


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
