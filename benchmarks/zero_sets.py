"""Irreducible decompositions: our zero_set beside phcpy's cascade with factoring and Macaulay2's, in CPU seconds."""

import json
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import theory as th
from benchmarks.peers import PeerError, decimal_equations, program, run
from tests import known_systems
from theory.continuation.phcpy_backend import interpreter
from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem

if TYPE_CHECKING:
    from rich.table import Table

Pieces = tuple[tuple[int, int], ...]  # (dimension, degree) of each, sorted downwards
SEEDS = range(3)
_WORKER = Path(__file__).with_name("phcpy_decomposition.py")


@dataclass(frozen=True)
class Case:
    """A system and the dimensions and degrees of its components."""

    name: str
    system: PolynomialSystem
    pieces: Pieces


@dataclass(frozen=True)
class Decomposition:
    """CPU seconds of one program on one system, and what it found; a median over seeds for ours."""

    seconds: float
    pieces: Pieces


@dataclass(frozen=True)
class Row:
    """One system: our time, each peer's, and why a peer has none."""

    system: str
    known: Pieces
    ours: Decomposition
    peers: dict[str, Decomposition]
    missing: dict[str, str]

    def ratio(self, peer: str) -> float | None:
        """CPU time of a peer over ours."""
        found = self.peers.get(peer)
        return None if found is None else found.seconds / self.ours.seconds


def _matrix(rows: int, columns: int) -> tuple[list[list[Polynomial]], tuple[str, ...]]:
    n = rows * columns
    unknowns = [Polynomial.variable(k, n) for k in range(n)]
    matrix = [unknowns[i * columns : (i + 1) * columns] for i in range(rows)]
    return matrix, tuple(f"x{i}{j}" for i in range(rows) for j in range(columns))


def adjacent_minors(columns: int) -> PolynomialSystem:
    """The 2 x 2 minors of neighbouring columns of a 2 x n matrix."""
    (top, bottom), names = _matrix(2, columns)
    pairs = pairwise(zip(top, bottom, strict=True))
    return PolynomialSystem.from_polynomials([a * d - b * c for (a, b), (c, d) in pairs], names)


def rank_one(rows: int, columns: int) -> PolynomialSystem:
    """All 2 x 2 minors."""
    m, names = _matrix(rows, columns)
    picks = [(i, j) for i in combinations(range(rows), 2) for j in combinations(range(columns), 2)]
    minors = [m[i][k] * m[j][p] - m[i][p] * m[j][k] for (i, j), (k, p) in picks]
    return PolynomialSystem.from_polynomials(minors, names)


def _network(widths: tuple[int, ...], n_data: int) -> PolynomialSystem:
    """Zero-error weights of a quadratic net without biases on whole-numbered data, multiplied out for the peers."""
    network = th.PolynomialNetwork(widths, th.monomial(2), bias=False)
    X = [[1, 2], [3, -1], [-2, 5]][:n_data]
    system = network.interpolation_system(X, [1, -1, 2][:n_data])
    return PolynomialSystem.from_polynomials(system.polynomials, system.names)


def cases() -> list[Case]:
    """The systems; sources of the answers: tests/theory/test_zero_sets.py."""
    parse, cyclic = PolynomialSystem.parse, known_systems.cyclic
    sphere = "(x^2+y^2+z^2-1)"
    mixed = f"3 3\n(y-x^2)*{sphere}*(x-1/2);\n(z-x^3)*{sphere}*(y-1/2);\n(y-x^2)*(z-x^3)*{sphere}*(z-1/2);"
    return [
        Case("twisted cubic", parse("2 3\nx^2-y;\nx^3-z;"), ((1, 3),)),
        Case("cyclic-4", PolynomialSystem.from_polynomials(cyclic(4), known_systems.names(4)), ((1, 2), (1, 2))),
        Case("sphere, curves, point", parse(mixed), ((2, 2), (1, 3), (1, 1), (1, 1), (1, 1), (0, 1))),
        Case("adjacent minors 2 x 4", adjacent_minors(4), ((5, 4), (5, 2), (5, 2))),
        Case("adjacent minors 2 x 5", adjacent_minors(5), ((6, 5), (6, 4), (6, 3), (6, 3), (6, 1))),
        Case("3 x 3 of rank 1", rank_one(3, 3), ((5, 6),)),
        Case("net 2-1-1, 2 points", _network((2, 1, 1), 2), ((1, 3), (1, 3))),
        Case("net 2-2-1, 2 points", _network((2, 2, 1), 2), ((4, 9),)),
    ]


def ours(case: Case) -> Decomposition:
    """Of zero_set with its defaults: the median over seeds, and the last pieces that are not the known ones."""
    times, wrong = [], None
    for seed in SEEDS:
        clock = time.process_time()
        found = th.zero_set(case.system, seed=seed)
        times.append(time.process_time() - clock)
        pieces = _sorted([(c.dimension, c.degree) for c in found.components])
        wrong = wrong if pieces == case.pieces else pieces
    return Decomposition(statistics.median(times), case.pieces if wrong is None else wrong)


def phcpy(case: Case, seconds: float) -> Decomposition:
    """factor.solve: a cascade of homotopies from the top dimension down, then monodromy.

    It is told the true top dimension: from n - 1 it returns empty sets or single points for most of these systems.
    """
    python = interpreter()
    if python is None:
        raise PeerError("phcpy is not installed (Debian and Ubuntu: python3-phcpy)")
    polynomials = [f"{text};" for text in decimal_equations(case.system, "i")]
    request = json.dumps({"polynomials": polynomials, "unknowns": case.system.n_unknowns, "top": case.pieces[0][0]})
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        run([python, str(_WORKER), str(result)], seconds, request)
        if not result.exists():
            raise PeerError("phcpy's process ended without an answer")
        answer = json.loads(result.read_text(encoding="utf-8"))
    return Decomposition(answer["seconds"], _sorted(answer["pieces"]))


def macaulay2(case: Case, seconds: float) -> Decomposition:
    """numericalIrreducibleDecomposition of NumericalAlgebraicGeometry: cpuTime around the call."""
    names = ", ".join(f"x{k}" for k in range(1, case.system.n_unknowns + 1))
    script = (
        f'needsPackage "NumericalAlgebraicGeometry";\nR = CC[{names}];\n'
        f"F = ideal {{{', '.join(decimal_equations(case.system, 'ii'))}}};\n"
        "t = cpuTime();\nV = numericalIrreducibleDecomposition F;\nt = cpuTime() - t;\n"
        'print("timed " | toString t);\n'
        'scan(components V, W -> print("piece " | toString dim W | " " | toString degree W));\n'
    )
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "run.m2").write_text(script, encoding="utf-8")
        output = run([program("M2", "macaulay2"), "--script", "run.m2"], seconds, cwd=folder)
    timed = re.search(r"timed (\S+)", output)
    if timed is None:
        raise PeerError("Macaulay2 gave no answer")
    pieces = [(int(d), int(degree)) for d, degree in re.findall(r"piece (\d+) (\d+)", output)]
    return Decomposition(float(timed.group(1)), _sorted(pieces))


PEERS: dict[str, Callable[[Case, float], Decomposition]] = {"phcpy": phcpy, "m2": macaulay2}


def _sorted(pieces: list[tuple[int, int]]) -> Pieces:
    return tuple(sorted(((int(d), int(degree)) for d, degree in pieces), reverse=True))


def compare(case: Case, peers: list[str], seconds: float) -> Row:
    """One row; a peer that fails or takes longer than so many CPU seconds is missing."""
    found, missing = {}, {}
    for name in peers:
        try:
            found[name] = PEERS[name](case, seconds)
        except PeerError as error:
            missing[name] = str(error)
    return Row(case.name, case.pieces, ours(case), found, missing)


def table(rows: list[Row]) -> "Table":
    """CPU seconds and ratios; wrong decompositions are named."""
    from rich.table import Table

    shown = Table(title="Irreducible decompositions on one processor, CPU seconds; ratios from this run")
    for name in ("system", "dimension:degree", "zero_set ms", "phcpy s", "ratio", "M2 s", "ratio"):
        shown.add_column(name, justify="left" if name in ("system", "dimension:degree") else "right")
    for row in rows:
        right = "" if row.ours.pieces == row.known else f" (we say {_text(row.ours.pieces)})"
        cells = [row.system, _text(row.known) + right, f"{row.ours.seconds * 1e3:.0f}"]
        for peer in PEERS:
            decomposition, ratio = row.peers.get(peer), row.ratio(peer)
            if decomposition is None or ratio is None:
                cells += ["-", "-"]
            else:
                wrong = "" if decomposition.pieces == row.known else f" (says {_text(decomposition.pieces)})"
                cells += [f"{decomposition.seconds:.3g}{wrong}", f"{ratio:.3g}x"]
        shown.add_row(*cells)
    return shown


def _text(pieces: Pieces) -> str:
    kinds = Counter(pieces).items()
    return ", ".join(f"{d}:{degree}" if n == 1 else f"{n} of {d}:{degree}" for (d, degree), n in kinds) or "empty"
