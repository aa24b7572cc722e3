"""Parameterised systems of 100 to 700 roots in 9 to 12 unknowns: all roots by monodromy, then new parameters.

Each is a system F(x) = p or one whose parameters are functions of the roots and of free choices, so that pairs of root
and parameters form an irreducible set and loops reach every root. The numbers of roots are from the literature, or
those of loops with a passed trace test for the networks.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import comb
from typing import Any

import numpy as np

import theory as th
from theory.continuation import sift
from theory.continuation.monodromy import carry, merged
from theory.continuation.tape import Node, Recorder, Tape
from theory.continuation.tracker import DEFAULT, PRECISE, REACHED, track

QUIET_LOOPS = 30  # without news, where the known number of roots is not reached
_ONLY_TRACK = DEFAULT._replace(endgame=0.0)
_CAREFUL = _ONLY_TRACK._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0)

Equations = Callable[[Sequence[Any], Sequence[Any]], list[Any]]  # of unknowns and parameters, over any ring


@dataclass(frozen=True)
class Parameterised:
    """A family of square systems: roots as in the source; first(rng): random parameters and a root of theirs.

    equations: a function of unknowns and parameters; generic(rng): random parameters
    """

    name: str
    unknowns: int
    parameters: int
    roots: int
    source: str
    equations: Equations
    first: Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]
    generic: Callable[[np.random.Generator], np.ndarray]

    def tape(self) -> Tape:
        recorder = Recorder(self.unknowns)
        return recorder.tape(self.equations(recorder.unknowns, recorder.parameters(self.parameters)))


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Complex, of mean square 1."""
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def graph(
    name: str, n: int, roots: int, source: str, functions: Callable[[Sequence[Any]], list[Any]], size: float = 1.0
) -> Parameterised:
    """F(x) = p, as many parameters as equations, of the size given."""

    def equations(x: Sequence[Any], p: Sequence[Any]) -> list[Any]:
        return [f - b for f, b in zip(functions(x), p, strict=True)]

    def first(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = normal(rng, n)
        return np.array(functions(list(x))), x

    return Parameterised(name, n, n, roots, source, equations, first, lambda rng: size * normal(rng, n))


def katsura(x: Sequence[Any]) -> list[Any]:
    """The left-hand sides of katsura-n in its n + 1 unknowns."""
    n = len(x) - 1
    rows = [
        sum((x[abs(k)] * x[abs(m - k)] for k in range(-n, n + 1) if abs(m - k) <= n), 0 * x[0]) - x[m] for m in range(n)
    ]
    return [*rows, x[0] + sum((2 * v for v in x[1:]), 0 * x[0])]


def economics(x: Sequence[Any]) -> list[Any]:
    """The left-hand sides of eco-n in its n unknowns."""
    n = len(x)
    rows = [(x[k] + sum((x[i] * x[i + k + 1] for i in range(n - k - 2)), 0 * x[0])) * x[-1] for k in range(n - 1)]
    return [*rows, sum(x[1:-1], x[0])]


def oscillators(x: Sequence[Any], coupling: np.ndarray) -> list[Any]:
    """Power flow without losses, or Kuramoto's model at rest: sine and cosine of all angles but the last, 0."""
    m = len(x) // 2
    sine, cosine = [*x[:m], 0], [*x[m:], 1]
    flows = [
        sum(
            (complex(coupling[i, j]) * (sine[i] * cosine[j] - sine[j] * cosine[i]) for j in range(m + 1) if j != i),
            0 * x[0],
        )
        for i in range(m)
    ]
    return [*flows, *(sine[i] * sine[i] + cosine[i] * cosine[i] for i in range(m))]


def _oscillators(nodes: int) -> Parameterised:
    coupling = normal(np.random.default_rng(0), nodes, nodes)
    coupling = coupling + coupling.T
    return graph(
        f"power flow, {nodes} buses",
        2 * nodes - 2,
        comb(2 * nodes - 2, nodes - 1),
        "J. Baillieul, C. Byrnes, IEEE Trans. Circuits Syst. 29 (1982)",
        partial(oscillators, coupling=coupling),
        size=5.0,  # with parameters of size 1, 126 loops left 4 of 252 roots unfound
    )


def eigenvectors(n: int) -> Parameterised:
    """A(x, x) = D x for a generic tensor A and a diagonal matrix D of parameters, x not 0."""
    tensor = normal(np.random.default_rng(1), n, n, n)

    def products(x: Sequence[Any]) -> list[Any]:
        return [
            sum((complex(tensor[i, j, k]) * (x[j] * x[k]) for j in range(n) for k in range(j + 1)), 0 * x[0])
            for i in range(n)
        ]

    def equations(x: Sequence[Any], p: Sequence[Any]) -> list[Any]:
        return [q - d * v for q, d, v in zip(products(x), p, x, strict=True)]

    def first(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x = normal(rng, n)
        return np.array(products(list(x))) / x, x

    source = "D. Cartwright, B. Sturmfels, Linear Algebra Appl. 438 (2013)"
    return Parameterised(
        f"eigenvectors, {n}x{n}x{n} tensor", n, n, 2**n - 1, source, equations, first, lambda rng: normal(rng, n)
    )


def linkage(poses: int, points: int) -> Parameterised:
    """Four-bar linkages whose coupler goes through a first pose, `poses` others and `points` points.

    Isotropic coordinates: pivots G, G~ on the ground and z, z~ on the coupler for each of two dyads; for each point the
    rotation T of the coupler, 1 / T cleared. Equation of a dyad: (P + T z - G)(P~ + z~ / T - G~) = (z - G)(z~ - G~).
    Parameters: P, P~ of every position, then T of the poses.
    """
    count, n = poses + points, 8 + points

    def equations(x: Sequence[Any], p: Sequence[Any]) -> list[Any]:
        rows = []
        for j in range(count):
            turn = p[2 * count + j] if j < poses else x[8 + j - poses]
            for G, H, z, w in (x[0:4], x[4:8]):
                moved, other = p[2 * j] + turn * z - G, turn * (p[2 * j + 1] - H) + w
                rows.append(moved * other - turn * ((z - G) * (w - H)))
        return rows

    def first(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x, turns = normal(rng, n), normal(rng, poses)
        x[8:] /= np.abs(x[8:])
        turns /= np.abs(turns)
        parameters = []
        for turn in (*turns, *x[8:]):
            (a, b, c), (d, e, f) = ((turn * z - G, w / turn - H, (z - G) * (w - H)) for G, H, z, w in (x[0:4], x[4:8]))
            # P P~ + b P + a P~ + a b = c for both dyads: their difference is linear, so P~ = r + q P
            q, r = (b - e) / (d - a), (a * b - d * e - c + f) / (d - a)
            P = np.roots([q, r + b + a * q, a * r + a * b - c])[0]
            parameters += [P, r + q * P]
        return np.array([*parameters, *turns]), x

    def generic(rng: np.random.Generator) -> np.ndarray:
        return normal(rng, 2 * count + poses)

    source = "D. Brake et al., J. Mechanisms Robotics 8 (2016)"
    name = f"four-bar linkages, {poses + 1} poses, {points} points"
    return Parameterised(name, n, 2 * count + poses, 402, source, equations, first, generic)


def network(widths: tuple[int, ...], data: int, roots: int) -> Parameterised:
    """Zeros of a network with z^2 on given inputs and slices, for any targets."""
    rng = np.random.default_rng(0)
    net = th.PolynomialNetwork(widths, th.monomial(2), bias=(True, False))
    equations = net.interpolation_system(rng.normal(size=(data, widths[0])), np.zeros(data)).network
    slices = normal(rng, net.n_parameters - data, data + 1) / np.sqrt(data)

    def affine(x: Sequence[Any], row: np.ndarray) -> Any:
        value = sum((complex(c) * v for c, v in zip(row, x, strict=False)), 0 * x[0] + complex(row[-1]))
        return value.recorder.homogenised(value) if isinstance(value, Node) else value

    def functions(x: Sequence[Any]) -> list[Any]:
        return list(equations.residuals([*x, *(affine(x, row) for row in slices)]))

    return graph(
        f"network {'-'.join(map(str, widths))}, {data} data", data, roots, "trace test of th.family", functions
    )


FAMILIES = {
    f.name: f
    for f in (
        graph("katsura-9", 10, 512, "S. Katsura (1990); 2^n", katsura),
        graph("eco-10", 10, 256, "A. Morgan (1987); 2^(n-2)", economics),
        _oscillators(6),
        eigenvectors(9),
        linkage(2, 4),
        network((3, 3, 1), 9, 360),
        network((4, 2, 1), 9, 420),
    )
}


@dataclass(frozen=True)
class FamilySpeed:
    """roots: found by loops; found_wall: seconds for that; sets: new parameters, all roots of each followed there.

    wall, cpu: seconds a path; lost: paths that did not arrive, after two further attempts; doubled: arrived twice
    """

    name: str
    unknowns: int
    roots: int
    known: int
    found_wall: float
    loops: int
    sets: int
    wall: float
    cpu: float
    lost: int
    doubled: int


def all_roots(case: Parameterised, tape: Tape, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Parameters, the roots there that loops find from one, and the number of loops: until the known number is reached,
    or nothing new comes."""
    rng = np.random.default_rng(seed)
    parameters, root = case.first(rng)
    points, quiet, loops = np.append(root, 1.0)[None, :], 0, 0
    while quiet < QUIET_LOOPS and len(points) < case.roots:
        way = np.array([parameters, case.generic(rng), case.generic(rng), parameters])
        together = merged(points, carry(tape, points, way)[0])
        quiet, points, loops = (quiet + 1 if len(together) == len(points) else 0), together, loops + 1
    return parameters, points, loops


def measure(name: str, paths: int = 20_000, seed: int = 0) -> FamilySpeed:
    """Find all roots of a family, then follow them to as many new parameters as give so many paths."""
    case, rng = FAMILIES[name], np.random.default_rng([seed, 1])
    tape, begun = case.tape(), time.perf_counter()
    parameters, points, loops = all_roots(case, tape, seed)
    found = time.perf_counter() - begun
    sets = max(1, -(-paths // len(points)))
    stations = np.array([parameters, *(case.generic(rng) for _ in range(sets))])
    starts, last = np.tile(points, (sets, 1)), np.repeat(np.arange(1, sets + 1), len(points))
    wall, cpu = time.perf_counter(), time.process_time()
    ends = track(tape, starts, stations, 0, last, _ONLY_TRACK)
    for settings in (_CAREFUL, PRECISE._replace(endgame=0.0)):
        left = np.flatnonzero(ends.status != REACHED)
        if len(left):
            again = track(tape, starts[left], stations, 0, last[left], settings, precise=settings is not _CAREFUL)
            ends.points[left], ends.info[left] = again.points, again.info
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    arrived, doubled = ends.status == REACHED, 0
    for k in range(1, sets + 1):
        rows = ends.points[arrived & (last == k)]
        affine = rows[:, :-1] / rows[:, -1:]
        doubled += sum(i < j for i, j, _ in sift.close_pairs(affine, affine, 1e-6))
    return FamilySpeed(
        name,
        case.unknowns,
        len(points),
        case.roots,
        found,
        loops,
        sets,
        wall / len(starts),
        cpu / len(starts),
        int((~arrived).sum()),
        doubled,
    )
