"""`python -m benchmarks`: the tables of ratios; further: descents, family, families, startup, torture, training."""

import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from benchmarks.report import Row
    from benchmarks.systems import Case

_NAMES = "Names of systems, separated by commas; all by default."
to_json = click.option("--json", "json_file", metavar="FILE", help="Write the numbers here, too.")


def _cases(names: str | None) -> list["Case"]:
    from benchmarks.systems import CASES, choose

    try:
        return choose(names.split(",") if names else CASES)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--systems") from None


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def cli(context: click.Context) -> None:
    """How fast and how trustworthy the path tracker is. Without a command: tracker, zero-sets, langevin."""
    if context.invoked_subcommand is None:
        context.invoke(tracker)
        context.invoke(zero_sets)
        context.invoke(langevin)


@cli.command()
@click.option("--systems", help="Names of systems, separated by commas; by default those the comparison is about.")
@click.option("--peers", default="phcpy,phc,m2", show_default=True, help='Programs to compare with; "" for none.')
@click.option("--seconds", default=120.0, show_default=True, help="CPU seconds a peer may spend on one system.")
@click.option("--compile-time/--no-compile-time", default=True, help="Measure what compiling takes, a minute.")
@to_json
def tracker(systems: str | None, peers: str, seconds: float, compile_time: bool, json_file: str | None) -> None:
    """CPU time against phcpy, phc -b and Macaulay2 on one processor, then the gain by a second one."""
    from benchmarks import ours, report
    from benchmarks.peers import PEERS
    from benchmarks.systems import PER_SYSTEM, SECOND_PROCESSOR

    chosen = _cases(systems or ",".join(PER_SYSTEM))
    wanted = [name for name in peers.split(",") if name]
    if unknown := [name for name in wanted if name not in PEERS]:
        raise click.BadParameter(f"no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)}", None, None)
    ours.warm_up()
    with ours.one_processor():
        rows = [_row(case, wanted, seconds) for case in chosen]
    large = [name for name in SECOND_PROCESSOR if name in {case.name for case in chosen}]
    second = [ours.second_processor(name) for name in large]
    found = [*report.targets(rows), *(report.Target(f"two threads, {s.system}", 1.8, s.ratio) for s in second)]
    compiling = ours.compile_time() if compile_time else None
    report.show(report.tracker_table(rows), report.target_table(found), *report.remarks(rows, compiling))
    if json_file:
        numbers = {"rows": rows, "targets": found, "second_processor": second, "compile_time": compiling}
        report.write(json_file, "tracker", numbers)


def _row(case: "Case", peers: list[str], seconds: float) -> "Row":
    from benchmarks import ours, report
    from benchmarks.peers import PeerError, measure
    from benchmarks.systems import PER_PATH

    click.echo(f"{case.name} ...", err=True)
    timings, missing = {}, {}
    for name in peers:
        if name == "phcpy" and case.name not in PER_PATH:
            continue
        try:
            timings[name] = measure(name, case.system, seconds)
        except PeerError as error:
            missing[name] = str(error)
    system = case.system
    return report.Row(case.name, system.n_unknowns, case.roots, ours.speed(system), timings, missing)


@cli.command("zero-sets")
@click.option("--systems", help=_NAMES)
@click.option("--peers", default="phcpy,m2", show_default=True, help='Programs to compare with; "" for none.')
@click.option("--seconds", default=120.0, show_default=True, help="CPU seconds a peer may spend on one system.")
@to_json
def zero_sets(systems: str | None, peers: str, seconds: float, json_file: str | None) -> None:
    """Irreducible decompositions against phcpy's cascade and Macaulay2's, on one processor."""
    from benchmarks import ours, report
    from benchmarks.zero_sets import PEERS, cases, compare, table

    known = {case.name: case for case in cases()}
    names = systems.split(",") if systems else list(known)
    wanted = [name for name in peers.split(",") if name]
    for kind, given, listed in (("system", names, known), ("peer", wanted, PEERS)):
        if unknown := [name for name in given if name not in listed]:
            raise click.UsageError(f"no {kind} is called {', '.join(unknown)}; there are {', '.join(listed)}")
    ours.warm_up()
    with ours.one_processor():
        rows = [compare(known[name], wanted, seconds) for name in names]
    report.show(table(rows), *{reason for row in rows for reason in row.missing.values()})
    if json_file:
        report.write(json_file, "zero-sets", {"rows": rows})


@cli.command()
@click.option("--systems", help="Names of families, separated by commas; all by default.")
@click.option("--sets", default=200, show_default=True, type=click.IntRange(min=1), help="New data sets for each.")
@to_json
def family(systems: str | None, sets: int, json_file: str | None) -> None:
    """Network families: found once by monodromy, then solved again for new data on all processors."""
    from benchmarks import ours, report

    names = systems.split(",") if systems else list(ours.FAMILIES)
    if unknown := [name for name in names if name not in ours.FAMILIES]:
        text = f"no family is called {', '.join(unknown)}; there are {', '.join(ours.FAMILIES)}"
        raise click.BadParameter(text, param_hint="--systems")
    ours.warm_up()
    found = [ours.family_speed(name, sets) for name in names]
    columns = ("family", "n", "zeros", "found in s", "by paths", "sets/s", "paths/s", "CPU ms a set", "lost")
    rows = [
        (f.name, f.unknowns, f.degree, f.found_wall, f.found_paths, 1 / f.wall, f.degree / f.wall, f.cpu * 1e3, f.lost)
        for f in found
    ]
    wanted = [
        report.Target("new data sets of net_d2h3N6 a second", 200, 1 / f.wall) for f in found if "d2h3N6" in f.name
    ]
    report.show(report.plain_table("Families (wall time)", columns, rows), report.target_table(wanted))
    if json_file:
        report.write(json_file, "family", {"families": found, "targets": wanted})


@cli.command()
@click.option("--images", default=5000, show_default=True, type=click.IntRange(min=200), help="Images an epoch.")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="The median counts.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--descent", default="1000,4000", show_default=True, help='Images of a step of batch descent; "": none.')
@click.option("--variants", is_flag=True, help="Also in bfloat16 and with torch.compile, which no experiment uses.")
@to_json
def training(images: int, rounds: int, device: str, descent: str, variants: bool, json_file: str | None) -> None:
    """Images a second of the plain CNN: one trajectory, eight at once; what batch descent in pieces costs."""
    from benchmarks import report, training

    sizes = [part.strip() for part in descent.split(",") if part.strip()]
    if wrong := [size for size in sizes if not size.isdecimal() or int(size) < 4]:
        raise click.BadParameter(f"numbers of images, at least 4 each, got {wrong[0]!r}", param_hint="--descent")
    found = training.rates(images, rounds, device, variants=variants)
    speed = {rate.way: rate.wall for rate in found}
    rows = [(r.way, r.wall, r.cpu, r.wall / speed[training.LOADER], r.wall / speed[training.IN_TURN]) for r in found]
    steps = training.descents(tuple(map(int, sizes)), (None, 500, 100), device)
    on_gpu = device.startswith("cuda")
    wanted = [report.Target("one trajectory / plain loop", 1.8, speed[training.OURS] / speed[training.LOADER])]
    if on_gpu:
        wanted.append(
            report.Target("eight as one / eight in turn", 5, speed[training.STACKED] / speed[training.IN_TURN])
        )
    columns = ("way", "images/s", "CPU µs an image", "over plain loop", "over several in turn")
    report.show(
        report.plain_table(f"Training on {device}, eight nets are several", columns, rows),
        report.plain_table(
            "A step of batch descent",
            ("images", "piece", "s", "MB"),
            [(s.images, s.piece or "all", s.seconds, s.memory) for s in steps],
        ),
        report.target_table(wanted),
    )
    if json_file:
        report.write(json_file, "training", {"rates": found, "descents": steps, "targets": wanted})


@cli.command()
@click.option("--steps", default=400, show_default=True, type=click.IntRange(min=10), help="Of 10,000 chains.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1), help="The median counts.")
@to_json
def langevin(steps: int, rounds: int, json_file: str | None) -> None:
    """Langevin chain-steps against a numpy loop over steps, and against blackjax where it is installed."""
    from benchmarks import report
    from benchmarks.langevin import rates

    found = rates(steps, rounds)
    columns = ("potential", "kernel", "ns CPU", "normals %", "numpy, ns CPU", "ratio", "ratio, wall", "blackjax, ratio")
    rows = [
        (
            r.potential,
            "adjusted" if r.adjusted else "plain",
            r.ours,
            100 * r.normals,
            r.numpy,
            r.numpy / r.ours if r.numpy else None,
            r.numpy_wall / r.ours_wall if r.numpy_wall else None,
            r.blackjax / r.ours if r.blackjax else None,
        )
        for r in found
    ]
    ratios = [r.numpy_wall / r.ours_wall for r in found if r.numpy_wall]
    alone = [r.numpy / r.ours for r in found if r.numpy]
    wanted = [
        report.Target("least wall time of a numpy loop / ours, all processors", 3, min(ratios), len(ratios)),
        report.Target("least CPU time of a numpy loop / ours, one processor", 1.5, min(alone), len(alone)),
    ]
    report.show(report.plain_table("A Langevin step of one chain", columns, rows), report.target_table(wanted))
    if json_file:
        report.write(json_file, "langevin", {"rates": found, "targets": wanted})


@cli.command()
@click.option("--systems", help="Names of parameterised systems, separated by semicolons; all by default.")
@click.option("--paths", default=20_000, show_default=True, type=click.IntRange(min=1), help="At least so many each.")
@to_json
def families(systems: str | None, paths: int, json_file: str | None) -> None:
    """Parameterised systems of 100 to 700 roots in 9 to 12 unknowns: paths a second to new parameters."""
    from benchmarks import ours, report
    from benchmarks.families import FAMILIES, measure

    names = systems.split(";") if systems else list(FAMILIES)
    if unknown := [name for name in names if name not in FAMILIES]:
        text = f"none is called {'; '.join(unknown)}; there are {'; '.join(FAMILIES)}"
        raise click.BadParameter(text, param_hint="--systems")
    ours.warm_up()
    found = [measure(name, paths) for name in names]
    columns = ("system", "n", "roots", "of", "loops", "found in s", "paths/s", "paths a CPU s", "µs", "lost", "doubled")
    rows = [
        (
            *(f.name, f.unknowns, f.roots, f.known, f.loops, f.found_wall),
            *(round(1 / f.wall), round(1 / f.cpu), f.cpu * 1e6, f.lost, f.doubled),
        )
        for f in found
    ]
    report.show(report.plain_table("Parameter homotopies, all processors (paths/s by wall time)", columns, rows))
    if json_file:
        report.write(json_file, "families", {"families": found})


@cli.command()
@click.option("--runs", default=20, show_default=True, type=click.IntRange(min=1), help="Descents each.")
@to_json
def descents(runs: int, json_file: str | None) -> None:
    """Descents on the population loss of ReLU nets, all at once, against a numpy loop over runs."""
    from benchmarks import report
    from benchmarks.descents import WANTED, measure

    found = [measure(k, runs) for k in WANTED]
    wanted = [report.Target(f"numpy loop / ours, k = {d.k}", WANTED[d.k], d.ratio) for d in found]
    rows = [(d.k, d.runs, d.ours * 1e3, d.loop * 1e3, d.ratio, d.apart) for d in found]
    columns = ("k", "runs", "ours, CPU ms", "loop, CPU ms", "ratio", "losses apart")
    report.show(report.plain_table("A descent", columns, rows), report.target_table(wanted))
    if json_file:
        report.write(json_file, "descents", {"descents": found, "targets": wanted})


@cli.command()
@to_json
def startup(json_file: str | None) -> None:
    """Wall time of `theory solve` on cyclic-5 in a new process, the compiled tracker in its cache."""
    from benchmarks import ours, report

    times = ours.first_solve()
    wanted = [report.Target("wall seconds for theory solve on cyclic-5", 1.5, times[-1].wall, at_most=True)]
    rows = [(t.what, t.wall, t.cpu) for t in times]
    report.show(report.plain_table("A new process", ("what", "wall s", "CPU s"), rows), report.target_table(wanted))
    if json_file:
        report.write(json_file, "startup", {"processes": times, "targets": wanted})


@cli.command()
@click.option("--systems", help=_NAMES)
@click.option("--paths", default=1_000_000, show_default=True, type=click.IntRange(min=1), help="At least so many.")
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(min=1), help="At least so many.")
@click.option("--start", "starts", multiple=True, help="Start systems: auto and total-degree by default.")
@click.option("--resume", metavar="FILE", help="Keep every solve in FILE, and go on from those it has.")
@to_json
def torture(
    systems: str | None, paths: int, seeds: int, starts: tuple[str, ...], resume: str | None, json_file: str | None
) -> None:
    """Many seeds over the table of known systems, and over networks with new data for each seed where --systems names
    none; exit code 1 if a count is missed."""
    from pathlib import Path

    from benchmarks import report
    from benchmarks.torture import complaints, fresh, summary, trials

    chosen, file = _cases(systems), Path(resume) if resume else None

    def cases(seed: int) -> list["Case"]:
        return chosen if systems else [*chosen, *fresh(seed)]

    results = list(trials(cases, starts or ("auto", "total-degree"), paths, seeds, _progress(), file))
    click.echo(err=True)
    names = ("solves", "paths", "missed", "errors", "lost", "surplus", "distinct_off", "doubled", "false", "failed")
    by_system, by_start = summary(results, lambda t: (t.case, t.start)), summary(results, lambda t: (t.start,))
    columns = ("", *(name.replace("_", " ") for name in names), "failed %")

    def rows(sums: dict[tuple[str, ...], Counter[str]]) -> list[tuple[object, ...]]:
        return [(" from ".join(key), *(s[name] for name in names), _percent(s)) for key, s in sums.items()]

    bad = [result for result in results if not result.passed]
    wanted = [
        report.Target(f"undecided paths, %, start {start}", 0.2 if start == "auto" else 1.0, _percent(s), at_most=True)
        for (start,), s in by_start.items()
    ]
    wanted += [
        report.Target(what, 0, sum(s[name] for s in by_start.values()), at_most=True)
        for what, name in (("roots lost", "lost"), ("roots twice", "doubled"), ("points that are no roots", "false"))
    ]
    report.show(
        report.plain_table(f"Known systems, seeds 0 to {max(r.seed for r in results)}", columns, rows(by_system)),
        report.plain_table("By start system", columns, rows(by_start)),
        report.target_table(wanted),
        *complaints(results),
    )
    if json_file:
        table = {" from ".join(key): dict(value) for key, value in by_system.items()}
        report.write(json_file, "torture", {"systems": table, "missed": [asdict(r) for r in bad], "targets": wanted})
    sys.exit(1 if bad else 0)


def _percent(sums: Counter[str]) -> float:
    return 100 * sums["failed"] / sums["paths"] if sums["paths"] else math.nan


def _progress() -> Callable[[int, int], None]:
    shown = -1

    def tell(done: int, total: int) -> None:
        nonlocal shown
        if (percent := 100 * done // total) != shown:
            shown = percent
            click.echo(f"\r{percent} %", nl=False, err=True)

    return tell


if __name__ == "__main__":
    cli(prog_name="python -m benchmarks")
