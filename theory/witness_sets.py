"""Witness sets: a pure-dimensional zero set as its points on a generic linear slice, which can be moved at will.

Moving the slice is all there is to it: it samples the set, tests membership, joins points of one irreducible component
(monodromy), and proves a group of points complete (trace test).
Source: A. Sommese, C. Wampler, The Numerical Solution of Systems of Polynomials, 2005, chapters 13 to 15.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from theory.continuation.tape import Recorder, Tape
from theory.continuation.tracker import DEFAULT, REACHED, track
from theory.slicing import random_slices, slices_through
from theory.systems import PolynomialSystem

MEMBER = 1e-6
"""Two ends of paths are one point where they differ by less than this, relative to 1 + their size."""

TRACKED = 1e-15
"""Relative error of the equations at the ends of paths."""

MOST_UNJOINED = 16  # incomplete groups whose unions are tried

_APPROACH = (1e-2, 1e-6)  # distances of slices from a point whose membership is tested

_SMOOTH = DEFAULT._replace(endgame=0.0)  # slices are generic: no path ends at infinity or at a singular point
_AMONG_GENERIC = (
    _SMOOTH,
    _SMOOTH._replace(predictor_error=3e-4, newton_ratio=0.05, largest_step=0.05, max_steps=20_000.0),
    _SMOOTH._replace(predictor_error=3e-5, newton_ratio=0.02, accepted_update=1e-6, largest_step=0.02, max_steps=1e5),
)


@dataclass(frozen=True, eq=False)
class WitnessSet:
    """Smooth points of zero sets of one dimension k, all those on k generic affine hyperplanes (or some of them).

    square: as many equations as it has unknowns minus k, with these points as simple zeros on the slices
    slices: (k, n + 1), in the first n unknowns; any others (of deflated equations) are carried along
    points: (d, unknowns) complex
    """

    square: PolynomialSystem
    slices: np.ndarray
    points: np.ndarray
    _recorded: Tape | None = None

    @property
    def dimension(self) -> int:
        return len(self.slices)

    @property
    def n(self) -> int:
        """The number of unknowns that the set lies in."""
        return self.slices.shape[1] - 1

    @cached_property
    def _tape(self) -> Tape:
        """The equations and the slices, whose coefficients are the parameters, row by row."""
        if self._recorded is not None:
            return self._recorded
        recorder = Recorder(self.square.n_unknowns)
        network = self.square.network
        equations = list(network.residuals(recorder.unknowns)) if network is not None else []
        sparse = self.square.affine if network is not None else self.square.polynomials
        equations += [recorder.polynomial(p) for p in sparse]
        for _ in range(self.dimension):
            *factors, constant = recorder.parameters(self.n + 1)
            row = constant
            for factor, unknown in zip(factors, recorder.unknowns, strict=False):
                row = row + factor * unknown
            equations.append(row)
        return recorder.tape(equations)

    def moved(self, targets: np.ndarray, points: np.ndarray | None = None) -> np.ndarray:
        """Every point followed to every target slice: targets (t, k, n + 1) -> (t, d, unknowns), NaN where lost."""
        points = self.points if points is None else points
        count, d = len(targets), len(points)
        if not self.dimension:
            return np.broadcast_to(points, (count, *points.shape)).copy()
        starts = np.tile(np.hstack([points, np.ones((d, 1))]), (count, 1))
        parameters = np.vstack([self.slices.reshape(1, -1), targets.reshape(count, -1)])
        last = np.repeat(np.arange(1, count + 1), d)
        first = np.zeros(count * d, dtype=np.int64)
        ends = track(self._tape, starts, parameters, first, last, _AMONG_GENERIC[0])
        for settings in _AMONG_GENERIC[1:]:
            lost = np.flatnonzero(ends.status != REACHED)
            if not len(lost):
                break
            again = track(self._tape, starts[lost], parameters, first[lost], last[lost], settings)
            ends.points[lost], ends.info[lost] = again.points, again.info
        with np.errstate(divide="ignore", invalid="ignore"):
            affine = ends.points[:, :-1] / ends.points[:, -1:]
        affine[ends.status != REACHED] = np.nan
        return affine.reshape(count, d, -1)

    def contains(self, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Which of the points (p, n) lie on the set: some path to slices ever closer to the point comes ever closer.

        Stopping short of the point keeps the paths smooth where the set, or the system on it, is singular there: the
        distance goes like a root of that of the slices (down to the 7th). Right with probability one as long as no path
        is lost; points off the set by less than about 1e-4 are taken for members, so check the equations first.
        """
        if not self.dimension or not len(points):
            known = self.points[:, : self.n]
            return np.array([bool(np.any(same_point(known, point))) for point in points], dtype=bool)
        targets = []
        for point in points:
            through = slices_through(point, self.dimension, rng)
            aside = np.zeros_like(through)
            aside[:, -1] = (1 + np.max(np.abs(point))) * np.exp(2j * np.pi * rng.random(self.dimension))
            targets += [through + distance * aside for distance in _APPROACH]
        ends = self.moved(np.array(targets)).reshape(len(points), len(_APPROACH), len(self.points), -1)
        distances = np.max(np.abs(ends[..., : self.n] - points[:, None, None, :]), axis=-1)  # (p, 2, d)
        far, near = np.where(np.isfinite(distances), distances, np.inf).min(axis=2).T
        near, far = (d / (1 + np.max(np.abs(points), axis=1)) for d in (near, far))
        return (near < MEMBER) | ((near < 0.3 * far) & (near < 0.1))

    def loop(self, rng: np.random.Generator) -> np.ndarray:
        """Where the points come back to after one loop of slices: (d, unknowns), NaN where a path was lost."""
        away = random_slices(self.dimension, self.n, rng)
        there = self.moved(away[None])[0]
        turned = self.slices * np.exp(2j * np.pi * rng.random((self.dimension, 1)))  # the same slices, another way back
        usable = np.isfinite(there).all(axis=1)
        back = np.full_like(self.points, np.nan)
        if usable.any():
            start = WitnessSet(self.square, away, there[usable], self._tape)
            back[usable] = start.moved(turned[None])[0]
        return back

    def with_points(self, points: np.ndarray) -> "WitnessSet":
        """The same equations and slices with other points."""
        return WitnessSet(self.square, self.slices, points, self._tape)

    def traces(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Second differences of a linear function at the points while one slice moves in parallel, (d,) complex, and
        the rounding error that each may have, (d,).

        They sum to 0 over a set of points exactly where it is a union of whole components; relative to the largest
        value. The slice moves as far as the points are out: seen from afar curved pieces look like lines.
        """
        shift = np.zeros_like(self.slices)
        size = 1 + np.median(np.max(np.abs(self.points[:, : self.n]), axis=1))
        shift[0, -1] = size * np.exp(2j * np.pi * rng.random())
        places = np.array([self.slices, self.slices + shift, self.slices - shift])
        ends = np.concatenate([self.points[None], self.moved(places[1:])])
        errors = sum(self._errors(points, slices) for points, slices in zip(ends, places, strict=True))
        direction = np.exp(2j * np.pi * rng.random(self.n))
        values = ends[..., : self.n] @ direction  # (3, d)
        scale = np.nanmax(np.abs(values), initial=1.0)
        return (values[1] + values[2] - 2 * values[0]) / scale, errors / scale

    def _errors(self, points: np.ndarray, slices: np.ndarray) -> np.ndarray:
        """How far off points (d, unknowns) on slices may be, by the least scaled singular value; NaN for lost ones."""
        errors = np.full(len(points), np.nan)
        known = np.isfinite(points).all(axis=1)
        near = points[known]
        normals = np.zeros((len(slices), points.shape[1]), complex)
        normals[:, : self.n] = slices[:, :-1]
        rows = self.square.jacobian(near) / (1 + self.square.magnitude(near))[:, :, None]
        turned = (
            np.broadcast_to(normals, (len(near), *normals.shape)) / (1 + np.abs(near) @ np.abs(normals.T))[..., None]
        )
        units = np.hypot(np.abs(near), 1e-2)[:, None]
        sizes = np.linalg.svd(np.concatenate([rows, turned], axis=1) * units, compute_uv=False)
        errors[known] = TRACKED / sizes[:, -1] * (1 + np.max(np.abs(near), axis=1))
        return errors


def same_point(points: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Which rows of points (d, n) agree with the point (n,): (d,) bool; NaN agrees with nothing."""
    distance = np.max(np.abs(points - point), axis=-1, initial=0.0)
    return distance < MEMBER * (1 + np.max(np.abs(point), initial=0.0))


def irreducible_components(
    witness: WitnessSet,
    rng: np.random.Generator,
    loops: int = 40,
    tolerance: float = 1e-8,
    on_set: Callable[[np.ndarray], np.ndarray] | None = None,
) -> list[tuple[WitnessSet, float | None]]:
    """The witness set of each irreducible component, with the residual of its trace test (None: points need none).

    Loops of slices join points of one component, and find those that are missing; as soon as the traces of every group
    sum to 0, as exactly as rounding allows, all groups are complete. A component whose residual stays above the
    tolerance is not: too few loops.
    on_set: tells which of some points (p, unknowns) lie on the set, where the square equations have other zeros, too;
        paths that end there have jumped
    """
    if witness.dimension == 0:
        return [(witness.with_points(point[None]), None) for point in witness.points]
    label = np.arange(len(witness.points))
    traces, errors = _finite_traces(witness, rng)
    for _ in range(loops):
        if not _incomplete(label, traces, errors, tolerance):
            break
        ends = witness.loop(rng)
        known = np.isfinite(ends).all(axis=1)
        if on_set is not None and known.any():
            ends[np.flatnonzero(known)[~on_set(ends[known])]] = np.nan
        label, new = _joined(label, witness.points, ends, witness.n)
        if len(new):
            witness = witness.with_points(np.vstack([witness.points, new]))
            traces, errors = _finite_traces(witness, rng)
    label = _joined_by_traces(label, traces, errors, tolerance)
    groups = np.unique(label)
    return [(witness.with_points(witness.points[label == g]), float(abs(np.sum(traces[label == g])))) for g in groups]


def _vanishes(here: np.ndarray, traces: np.ndarray, errors: np.ndarray, tolerance: float) -> bool:
    """Whether the traces of these points (a mask) sum to 0 within their errors, and the tolerance."""
    return bool(abs(np.sum(traces[here])) < min(tolerance, np.sum(errors[here])))


def _incomplete(label: np.ndarray, traces: np.ndarray, errors: np.ndarray, tolerance: float) -> list[int]:
    return [int(g) for g in np.unique(label) if not _vanishes(label == g, traces, errors, tolerance)]


def _joined_by_traces(label: np.ndarray, traces: np.ndarray, errors: np.ndarray, tolerance: float) -> np.ndarray:
    """Labels after incomplete groups that loops did not join were joined in the smallest unions whose traces sum to 0.

    Source: A. Sommese, J. Verschelde, C. Wampler, SIAM J. Numer. Anal. 40 (2002), on certifying by linear traces.
    """
    label = label.copy()
    left = _incomplete(label, traces, errors, tolerance)
    size = 2
    while size <= len(left) <= MOST_UNJOINED:
        unions = combinations(left, size)
        union = next((u for u in unions if _vanishes(np.isin(label, u), traces, errors, tolerance)), None)
        if union is None:
            size += 1
        else:
            label[np.isin(label, union)] = union[0]
            left = [g for g in left if g not in union]
    return label


def _finite_traces(witness: WitnessSet, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Traces without lost paths, and their errors; NaN after four attempts."""
    attempts = (witness.traces(rng) for _ in range(4))
    lost = np.full(len(witness.points), np.nan)
    return next((found for found in attempts if np.isfinite(found[0]).all()), (lost, lost))


def _joined(label: np.ndarray, points: np.ndarray, ends: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels after each point was joined with the one that its loop ended in; points not known before come last.

    Points are compared by their first n coordinates.
    """
    label, new = label.copy(), np.zeros((0, points.shape[1]), dtype=complex)
    for k, end in enumerate(ends):
        if not np.isfinite(end).all():
            continue
        hits = np.flatnonzero(same_point(np.vstack([points, new])[:, :n], end[:n]))
        if not len(hits):
            new, label, hits = np.vstack([new, end]), np.append(label, label.max() + 1), np.array([len(label)])
        label[label == label[hits[0]]] = label[k]
    return label, new
