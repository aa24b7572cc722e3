"""Other programs on the same systems, in CPU seconds: phcpy's path tracker, `phc -b`, Macaulay2's solveSystem.

Every runner returns a Timing, or raises PeerError, which says why there is none. The processes inherit the processor
this one is bound to.
"""

import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from theory.continuation.phcpy_backend import interpreter
from theory.systems import PolynomialSystem

_WORKER = Path(__file__).with_name("phcpy_worker.py")
_QUICK, _REPEATS = 1.0, 6  # CPU seconds below which a solver is run so many times more
_FAILURES = 2  # after which it is not tried again
_PATIENCE = 20.0  # wall time per CPU second, on a busy machine


class PeerError(RuntimeError):
    """A peer is not installed, took too long or gave no answer."""


@dataclass(frozen=True)
class Timing:
    """CPU seconds of a peer, for `count` of `total` paths or for so many solutions; note: what else to know."""

    seconds: float
    count: int
    total: int
    note: str = ""


def decimal_equations(system: PolynomialSystem, imaginary: str) -> list[str]:
    """The equations in x1, x2, ... with coefficients of 17 decimals: PHCpack misreads long exact ones."""
    texts = []
    for polynomial in system.polynomials:
        terms = []
        for exponents, c in zip(polynomial.exponents.tolist(), polynomial.coefficients.tolist(), strict=True):
            number = f"({c.real:.17e}{c.imag:+.17e}*{imaginary})" if c.imag else f"({c.real:.17e})"
            powers = [f"x{k}^{e}" for k, e in enumerate(exponents, 1) if e]
            terms.append("*".join([number, *powers]))
        texts.append(" + ".join(terms))
    return texts


def run(command: list[str], seconds: float, text: str = "", cwd: str | None = None) -> str:
    """Standard output of a command that may use so many CPU seconds."""
    name, limit = Path(command[0]).name, max(1, round(seconds))

    def limit_cpu() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))

    try:
        done = subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=cwd,
            timeout=_PATIENCE * seconds,
            preexec_fn=limit_cpu if sys.platform != "win32" else None,
        )
    except subprocess.TimeoutExpired:
        raise PeerError(f"{name} was stopped after {_PATIENCE * seconds:.0f} s") from None
    if done.returncode in (-24, -9):  # SIGXCPU, SIGKILL
        raise PeerError(f"{name} was stopped after {limit} CPU seconds")
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise PeerError(f"{name} ended with exit code {done.returncode}: {last}")
    return done.stdout


def program(name: str, package: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise PeerError(f"{name} is not installed (Debian and Ubuntu: {package})")
    return path


def phcpy_paths(system: PolynomialSystem, seconds: float) -> Timing:
    """total_degree_start_system and trackers.track; evenly spread paths if all would take longer."""
    python = interpreter()
    if python is None:
        raise PeerError("phcpy is not installed (Debian and Ubuntu: python3-phcpy)")
    polynomials = [f"{text};" for text in decimal_equations(system, "i")]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        request = json.dumps({"polynomials": polynomials, "seconds": seconds})
        run([python, str(_WORKER), str(result)], 3 * seconds + 60, request)
        if not result.exists():
            raise PeerError("phcpy's process ended without an answer")
        answer = json.loads(result.read_text(encoding="utf-8"))
    tracked, paths = answer["tracked"], answer["paths"]
    if not tracked:
        raise PeerError("phcpy returned no path")
    share = tracked / paths
    note = "" if tracked == paths else f"{tracked} of {paths} paths"
    return Timing(answer["track_seconds"] + share * answer["start_seconds"], tracked, paths, note)


def phc_blackbox(system: PolynomialSystem, seconds: float) -> Timing:
    """`phc -b`: user CPU seconds of its process (its start takes about 0.005 of them), and the solutions it lists."""
    phc = program("phc", "phcpack")
    equations = decimal_equations(system, "i")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in"
        source.write_text(f"{len(equations)}\n" + "".join(f"{e};\n" for e in equations), encoding="utf-8")
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        run([phc, "-b", "in", "out"], seconds, cwd=folder)
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        listed = re.search(r"THE SOLUTIONS\s*:\s*(\d+)", source.read_text(encoding="utf-8", errors="replace"))
    count = int(listed.group(1)) if listed else 0
    return Timing(used, count, count)


def macaulay2(system: PolynomialSystem, seconds: float) -> Timing:
    """solveSystem of NumericalAlgebraicGeometry: cpuTime around the call, and the solutions it calls regular."""
    m2 = program("M2", "macaulay2")
    names = ", ".join(f"x{k}" for k in range(1, system.n_unknowns + 1))
    script = (
        f'needsPackage "NumericalAlgebraicGeometry";\nR = CC[{names}];\n'
        f"F = {{{', '.join(decimal_equations(system, 'ii'))}}};\n"
        "t = cpuTime();\nS = solveSystem F;\nt = cpuTime() - t;\n"
        'print("timed " | toString t | " " | toString(#select(S, s -> status s === Regular)));\n'
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run.m2").write_text(script, encoding="utf-8")
        output = run([m2, "--script", "run.m2"], seconds + 10, cwd=folder)
    timed = re.search(r"timed (\S+) (\d+)", output)
    if timed is None:
        raise PeerError("Macaulay2 gave no answer")
    return Timing(float(timed.group(1)), int(timed.group(2)), int(timed.group(2)))


PEERS: dict[str, Callable[[PolynomialSystem, float], Timing]] = {
    "phcpy": phcpy_paths,
    "phc": phc_blackbox,
    "m2": macaulay2,
}


def measure(name: str, system: PolynomialSystem, seconds: float) -> Timing:
    """A peer's time. Solvers that need less than a second are run several times, and the fastest run counts, as for
    ours; runs that fail (`phc -b` does, now and then) do not. phcpy's tracking is a median over random numbers already.
    """
    timings, failures = [], []
    for _ in range(1 if name == "phcpy" else 1 + _REPEATS):
        try:
            timings.append(PEERS[name](system, seconds))
        except PeerError as error:
            failures.append(error)
        if (timings and timings[0].seconds > _QUICK) or len(failures) == _FAILURES:
            break
    if not timings:
        raise failures[0]
    return min(timings, key=lambda timing: timing.seconds)
