"""Neurovarieties of many dense networks at once: soon a process for each processor."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from theory.activations import monomial
from theory.networks import PolynomialNetwork
from theory.neurovarieties import Neurovariety
from theory.parallel import in_processes

_ALONE = 1.0  # CPU seconds of work before other processes are started, which takes as long

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Swept:
    """One architecture of a sweep.

    neurovariety: None where `reason` says why; counts: see `counts_of`, empty where nothing was to be counted
    """

    widths: tuple[int, ...]
    activation_degree: int
    neurovariety: Neurovariety | None
    counts: dict[str, Any]
    reason: str | None


def sweep(
    architectures: Sequence[tuple[Sequence[int], int]],
    bias: bool = False,
    *,
    count: bool = False,
    max_points: int | None = None,
    seed: int = 0,
    processes: int | None = None,
    progress: Progress | None = None,
) -> list[Swept]:
    """The neurovarieties of dense networks (widths, degree of the monomial activation), in the order given.

    count: degree, generic fibre and learning degree as well, where they have at most max_points points
    processes: as many as there are processors by default

    What is too large is in `reason`. Raises ValueError for widths and degrees that make no network.
    """
    for widths, degree in architectures:
        PolynomialNetwork(widths, monomial(degree), bias)
    tasks = [(tuple(widths), degree, bias, count, max_points, seed) for widths, degree in architectures]

    def ended(position: int, done: int, _: Swept) -> None:
        if progress is not None:
            progress(done, len(tasks), f"{tasks[position][0]}, degree {tasks[position][1]}")

    rows: list[Swept] = []
    started = time.process_time()
    while len(rows) < len(tasks) and (processes == 1 or time.process_time() - started < _ALONE):
        rows.append(_swept(*tasks[len(rows)]))
        ended(len(rows) - 1, len(rows), rows[-1])
    first = len(rows)
    others = tasks[first:]
    if others:
        rows += in_processes(_swept, others, processes, lambda k, done, row: ended(first + k, first + done, row))
    return rows


def _swept(widths: tuple[int, ...], degree: int, bias: bool, count: bool, max_points: int | None, seed: int) -> Swept:
    try:
        found = PolynomialNetwork(widths, monomial(degree), bias).neurovariety(seed)
    except ValueError as error:
        return Swept(widths, degree, None, {}, str(error))
    return Swept(widths, degree, found, counts_of(found, seed, max_points) if count else {}, None)


def counts_of(
    found: Neurovariety, seed: int = 0, max_points: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """degree, learning_degree and of a generic fibre dimension, is_finite, points, classes and reason.

    None where the fibre is infinite, and where `counts_limit` says why, which is there only then.
    """
    counts: dict[str, Any] = dict.fromkeys(("degree", "learning_degree", "fibre_points", "fibre_classes"))
    limits: list[str] = []

    def attempt(name: str, count: Callable[..., Any]) -> Any:
        try:
            return count(seed, max_points, progress)
        except ValueError as error:
            limits.append(f"{name}: {error}")
            return None

    counts["degree"] = attempt("degree", found.degree)
    counts["learning_degree"] = attempt("learning_degree", found.learning_degree)
    fibre = attempt("generic_fibre", found.generic_fibre)
    if fibre is not None:
        counts |= {"fibre_points": fibre.points, "fibre_classes": fibre.classes, "fibre_reason": fibre.reason}
    counts["fibre_dimension"] = found.n_parameters - found.dimension
    counts["fibre_is_finite"] = counts["fibre_dimension"] == found.symmetry_dimension
    return counts | ({"counts_limit": "; ".join(limits)} if limits else {})
