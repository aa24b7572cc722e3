"""solve(..., backend="phcpy"): PHCpack's blackbox solver as a peer, in a worker process.

Source: J. Verschelde, Algorithm 795: PHCpack, ACM Trans. Math. Softw. 25 (1999); J. Otto, A. Forbes, J. Verschelde,
Solving polynomial systems with phcpy, SciPy (2019).
"""

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from theory.continuation import sift
from theory.continuation.found import SOLVED
from theory.continuation.homotopy import equilibrate
from theory.continuation.solutions import PathCount, SolutionSet
from theory.polynomials import Polynomial
from theory.systems import PolynomialSystem

TIMEOUT = 3600.0  # seconds
_SEEDS = 2**30  # PHCpack's seed is a positive integer of 32 bits
_WORKER = Path(__file__).with_name("phcpy_worker.py")
_ILL_CONDITIONED = 1e7  # beyond that two nearby points cannot be told from one singular one


class BackendError(RuntimeError):
    """phcpy is missing, or its process did not give an answer."""


@cache
def interpreter() -> str | None:
    """A Python that has phcpy: the running one, else the system's; None where there is none."""
    if importlib.util.find_spec("phcpy") is not None:
        return sys.executable
    for candidate in ("/usr/bin/python3", shutil.which("python3")):
        if candidate and Path(candidate).exists():
            check = [candidate, "-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('phcpy') is None)"]
            if subprocess.run(check, capture_output=True, check=False).returncode == 0:
                return candidate
    return None


def solve(system: PolynomialSystem, seed: int = 0, tasks: int = 0, timeout: float = TIMEOUT) -> SolutionSet:
    """The solutions PHCpack finds, sifted like our own; its paths are those of the solutions it returns,
    as many as the multiplicity says; points that do not solve the equations count as failed. PHCpack's random numbers
    come from the seed. An empty answer is asked for once more with another seed: PHCpack 2.4.86 reads counters that it
    never set, and then may return nothing at all.

    Raises ValueError for systems that are not square, BackendError where phcpy is missing, fails or takes longer than
    the timeout (seconds).
    """
    n = system.n_unknowns
    if system.n_equations != n:
        raise ValueError(f"phcpy solves square systems only, got {system.n_equations} equations in {n} unknowns")
    polynomials, scales = equilibrate(system.polynomials, n)
    names = [f"x{k + 1}" for k in range(n)]  # i, I and e mean something to PHCpack's parser
    texts = [_decimal_text(polynomial, names) for polynomial in polynomials]
    request = {"polynomials": texts, "names": names, "tasks": tasks}
    answer = _ask(request | {"seed": 1 + seed % _SEEDS}, timeout)
    again = not answer
    if again:
        answer = _ask(request | {"seed": 1 + (seed + 1) % _SEEDS}, timeout)
    pairs = np.array([s["point"] for s in answer], dtype=float).reshape(-1, n, 2)
    points = pairs[..., 0] + 1j * pairs[..., 1]
    scaled = PolynomialSystem.from_polynomials(polynomials, system.names)
    found = _sifted(scaled, points, np.array([s["multiplicity"] for s in answer], dtype=int), seed)
    if again:
        second = f"{len(answer)} points the second time" if answer else "nothing the second time as well"
        found = replace(found, notes=(*found.notes, f"PHCpack gave no point and was asked again: {second}"))
    return replace(found, solutions=found.solutions * scales)


def _decimal_text(polynomial: Polynomial, names: Sequence[str]) -> str:
    """A polynomial as PHCpack reads it, coefficients rounded to 17 decimals.

    Not as fractions: PHCpack 2.4.86 misreads whole numbers of 20 digits and more by powers of ten.
    """
    terms = []
    for exponents, c in zip(polynomial.exponents.tolist(), polynomial.coefficients.tolist(), strict=True):
        powers = [f"{name}^{e}" if e > 1 else name for name, e in zip(names, exponents, strict=True) if e]
        number = f"({c.real:.17e}{c.imag:+.17e}*i)" if c.imag else f"({c.real:.17e})"
        terms.append("*".join([number, *powers]))
    return " + ".join(terms) + ";"


def _ask(request: dict, timeout: float) -> list[dict]:
    python = interpreter()
    if python is None:
        raise BackendError(
            "no Python here has phcpy: on Debian and Ubuntu install the packages python3-phcpy and phcpack, elsewhere "
            'build PHCpack from source; backend="native" needs neither'
        )
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        try:
            done = subprocess.run(
                [python, str(_WORKER), str(result)],
                input=json.dumps(request),
                text=True,
                capture_output=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BackendError(f"phcpy gave no answer within {timeout:g} s") from None
        if done.returncode or not result.exists():
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise BackendError(f"phcpy's process ended without an answer (exit code {done.returncode}): {last}")
        return json.loads(result.read_text(encoding="utf-8"))


def _sifted(system: PolynomialSystem, points: np.ndarray, stated: np.ndarray, seed: int) -> SolutionSet:
    """stated: (p,) the multiplicity PHCpack gives each point; a singular one may also come as several points."""
    returned = len(points)
    solves = sift.relative_residual(system, points) < SOLVED
    points, stated = points[solves], stated[solves]
    singular = (stated > 1) | (sift.conditions(system, points) > _ILL_CONDITIONED)
    points = np.where(singular[:, None], points, sift.refine(system, points).points)
    rows: list[int] = []
    multiplicity: list[int] = []
    for part, radius in ((~singular, sift.REGULAR_RADIUS), (singular, sift.LOOSE_RADIUS)):
        members = np.flatnonzero(part)
        if len(members):
            label = sift.clusters(points[members], radius)
            _, first, size = np.unique(label, return_index=True, return_counts=True)
            rows += members[first].tolist()
            multiplicity += np.maximum(stated[members[first]], size if singular[members[0]] else 1).tolist()
    index = np.array(rows, int)
    solutions = points[index]
    simple = int((~singular[index]).sum())
    failed = int((~solves).sum())
    notes = ["multiplicities and singular points are as PHCpack gives them"] if singular.any() else []
    if failed:
        notes.append(f"{failed} of {returned} points that PHCpack gives do not solve the equations and are left out")
    partner = sift.conjugate_partners(solutions, singular[index])
    if system.is_real:
        solutions = sift.symmetrised(solutions, partner)
    return SolutionSet(
        names=system.names,
        solutions=solutions,
        multiplicity=np.array(multiplicity, int),
        singular=singular[index],
        is_real=partner == np.arange(len(solutions)),
        residual=sift.relative_residual(system, solutions),
        condition=np.where(singular[index], np.inf, sift.conditions(system, solutions)),
        paths=PathCount(sum(multiplicity) + failed, simple, 0, sum(multiplicity) - simple, failed),
        start="PHCpack's blackbox solver",
        backend="phcpy",
        seed=int(seed),
        notes=tuple(notes),
    )
