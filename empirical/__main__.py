"""The command line: `empirical list`, `empirical run`, `empirical compare`. Heavy imports wait until work begins."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

Progress = Callable[[int, int, str], None]
_PRESET = click.option("--preset", default="smoke", show_default=True, help="smoke, cpu or paper")
_DATA = click.option("--data", help="Folder that holds cifar-10-batches-py and MNIST, or a data set's name")
_SEED = click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0))
_DEVICE = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, ...")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table")


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="theory2-landscape")
@click.pass_context
def cli(context: click.Context) -> None:
    """Experiments that stand beside the theory: train, sample, measure, and compare with what is claimed."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@cli.command("list")
@_JSON
def list_command(as_json: bool) -> None:
    """The experiments, one a line."""
    from empirical.experiments import EXPERIMENTS

    if as_json:
        click.echo(json.dumps(EXPERIMENTS, indent=1))
        return
    width = max(map(len, EXPERIMENTS))
    for name, text in EXPERIMENTS.items():
        click.echo(f"{name:{width}}  {text}")


@cli.command("run")
@click.argument("id")
@_PRESET
@_DATA
@click.option("--out", default="runs", show_default=True, help="Folder that receives the run's folder")
@_SEED
@_DEVICE
@click.option("--resume/--no-resume", default=True, show_default=True, help="Load a finished run of the same config")
@_JSON
def run_command(
    id: str, preset: str, data: str | None, out: str, seed: int, device: str, resume: bool, as_json: bool
) -> None:
    """Run one experiment and keep its config, numbers, claim and figures in a folder."""
    from empirical.experiments import run

    with _progress(id) as progress:
        done = run(id, preset, data, device, seed, out, resume, progress)
    if as_json:
        shown = {"claim": json.loads(done.claim.to_json()), "path": str(done.path)}
        click.echo(json.dumps(shown | {"figures": {name: str(file) for name, file in done.figures.items()}}, indent=1))
    else:
        _show(done.claim, done.path)


@cli.command("compare")
@click.argument("ids", nargs=-1)
@_PRESET
@_DATA
@click.option("--out", default="report", show_default=True, help="Folder that receives report.html")
@_SEED
@_DEVICE
@_JSON
def compare_command(
    ids: tuple[str, ...], preset: str, data: str | None, out: str, seed: int, device: str, as_json: bool
) -> None:
    """Check every claim (or those given) on both sides and write one page."""
    from rich.console import Console
    from rich.table import Table

    from empirical.report import compare

    with _progress("compare") as progress:
        report = compare(ids or None, preset, out, data=data, seed=seed, device=device, progress=progress)
    if as_json:
        click.echo((report.path.parent / "claims.json").read_text(encoding="utf-8"), nl=False)
        return
    table = Table("claim", "theory", "experiment", "statement")
    for row in report.rows:
        table.add_row(row.id, *map(_verdict, (row.theory, row.empirical)), row.claims[0].statement)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    console.print(f"The page: {report.path}", soft_wrap=True)


def _verdict(claim: Any) -> str:
    if claim is None:
        return "–"
    differs = claim.printed_verdict and claim.printed_verdict != claim.verdict
    return f"{claim.verdict}\n(as printed: {claim.printed_verdict})" if differs else claim.verdict


def _show(claim: Any, path: Path) -> None:
    """The claim as a table on the terminal, and where the rest lies."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table("case", "predicted", "observed", title=claim.statement, title_justify="left")
    for name, predicted in claim.predicted.items():
        table.add_row(str(name), str(predicted), str(claim.observed[name]))
    table.add_row(f"control: {claim.control.description}", str(claim.control.expected), str(claim.control.observed))
    console.print(table)
    printed = f" (as the source words it: {claim.printed_verdict})" if claim.printed_verdict else ""
    console.print(f"verdict: [bold]{claim.verdict}[/bold]{printed}; {claim.tolerance}")
    console.print(f"seed {claim.seed}, {claim.seconds:.1f} s, kept in {path}", soft_wrap=True)


@contextmanager
def _progress(title: str) -> Iterator[Progress]:
    """Progress on standard error while something runs: a bar on a terminal, else a line every few seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, text="starting", total=None)
        yield lambda done, total, text: bar.update(task, completed=done, total=total, text=text)


def _lines(title: str, pause: float = 5.0) -> Progress:
    last = [time.monotonic()]

    def show(done: int, total: int, text: str) -> None:
        if done == total or time.monotonic() - last[0] >= pause:
            last[0] = time.monotonic()
            click.echo(f"{title} [{done}/{total}] {text}", err=True)

    return show


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit 0 when the work was done, 2 on bad input with one line on standard error."""
    try:
        cli.main(arguments, prog_name="empirical", standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message())
    except ModuleNotFoundError as error:
        _fail(f"{error.name} is not installed; install theory2-landscape[empirical]")
    except (ValueError, TypeError, OSError) as error:
        _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", code=130)


def _fail(message: str, code: int = 2) -> None:
    click.echo(f"empirical: {' '.join(message.split())}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
