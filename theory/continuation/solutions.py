"""SolutionSet: the isolated solutions of a system, each once, and what became of every path."""

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


CLUSTER = "of regular zeros too close together to be listed: each counts as one, with multiplicity"
EXACTLY = "an exact count"
"""Words by which notes are known again: those on a whole set take the place of those on its parts."""


@dataclass(frozen=True)
class PathCount:
    """What became of the paths: tracked = finite + at_infinity + singular + failed.

    finite: ended at regular finite points; singular: at singular finite ones; failed: undecided, never left out
    Of the finite and singular ones these are no isolated solutions, so that the multiplicities sum up to the others:
    excess: off the full system, where more equations than unknowns were squared up by random combinations
    not_isolated: on a part of the zero set of positive dimension
    Of the failed ones these were never tracked, since the work was interrupted: untracked
    """

    tracked: int
    finite: int
    at_infinity: int
    singular: int
    failed: int
    excess: int = 0
    not_isolated: int = 0
    untracked: int = 0

    def __post_init__(self) -> None:
        if self.tracked != self.finite + self.at_infinity + self.singular + self.failed:
            raise ValueError(f"path counts do not add up: {self}")


@dataclass(frozen=True, eq=False)
class SolutionSet:
    """Isolated solutions, distinct, each once; a row of every array belongs to one solution.

    solutions: (p, n) complex, in the order of `names`; of real systems the others come in exact conjugate pairs
    is_real: (p,) bool; multiplicity: (p,) paths that end there (an upper bound if overdetermined); singular: (p,) bool
    residual: (p,) largest |F_i| / (1 + sum |terms of F_i|), coefficients scaled to a size of about 1
    condition: (p,) relative error of the solution over that of the coefficients; inf where singular
    certified: (p,) whether interval arithmetic proved the solution, None where no proof was asked for
    start: which start system was used, and why; notes: what the user should know, sentences; seed: reproduces this
    partial: the work was interrupted, solutions may be missing
    """

    names: tuple[str, ...]
    solutions: np.ndarray
    multiplicity: np.ndarray
    singular: np.ndarray
    is_real: np.ndarray
    residual: np.ndarray
    condition: np.ndarray
    paths: PathCount
    start: str = ""
    backend: str = "native"
    seed: int = 0
    certified: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
    partial: bool = False

    def __len__(self) -> int:
        return len(self.solutions)

    @cached_property
    def real(self) -> np.ndarray:
        """The real solutions: (r, n) float."""
        return np.ascontiguousarray(self.solutions[self.is_real].real)

    def __repr__(self) -> str:
        singular = int(self.singular.sum())
        return (
            f"SolutionSet({'partial: ' if self.partial else ''}{len(self)} solutions, {len(self.real)} real, "
            f"{singular} singular; "
            f"{self.paths.tracked} paths: {self.paths.finite} finite, {self.paths.singular} to singular points, "
            f"{self.paths.at_infinity} to infinity, {self.paths.failed} failed)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: complex numbers as [re, im], infinite condition numbers as null."""
        return {
            "names": list(self.names),
            "solutions": [[[z.real, z.imag] for z in row] for row in self.solutions.tolist()],
            "real": self.real.tolist(),
            "multiplicity": self.multiplicity.tolist(),
            "singular": self.singular.tolist(),
            "is_real": self.is_real.tolist(),
            "residual": self.residual.tolist(),
            "condition": [c if np.isfinite(c) else None for c in self.condition.tolist()],
            "paths": asdict(self.paths),
            "start": self.start,
            "backend": self.backend,
            "seed": self.seed,
            "certified": None if self.certified is None else self.certified.tolist(),
            "notes": list(self.notes),
            "partial": self.partial,
        }

    def to_json(self) -> str:
        """The whole set as JSON text; `from_json` gives it back bit for bit."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> "SolutionSet":
        """The set that `to_json` wrote. Raises ValueError where the text is none."""
        try:
            data = json.loads(text)
            names = tuple(data["names"])
            pairs = np.array(data["solutions"], dtype=float).reshape(-1, len(names), 2)
            _check_lengths(data, len(pairs))
            return cls(
                names=names,
                solutions=pairs[..., 0] + 1j * pairs[..., 1],
                multiplicity=np.array(data["multiplicity"], dtype=int),
                singular=np.array(data["singular"], dtype=bool),
                is_real=np.array(data["is_real"], dtype=bool),
                residual=np.array(data["residual"], dtype=float),
                condition=np.array([np.inf if c is None else c for c in data["condition"]], dtype=float),
                paths=PathCount(**data["paths"]),
                start=data["start"],
                backend=data["backend"],
                seed=data["seed"],
                certified=None if data["certified"] is None else np.array(data["certified"], dtype=bool),
                notes=tuple(data["notes"]),
                partial=data["partial"],
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reason = error if type(error) is ValueError else repr(error)
            raise ValueError(f"this is no solution set as to_json writes it: {reason}") from None

    def to_text(self, format: str = "phcpack") -> str:
        """The solutions as "phcpack", "bertini", "julia", "macaulay2" or "msolve" (the real ones) write lists of them.

        Raises ValueError for another format.
        """
        from theory.solution_text import SolutionList, write_solutions

        rows = (self.solutions, self.multiplicity, self.residual, self.condition)
        return write_solutions(SolutionList(self.names, *rows), format)

    def to_frame(self) -> "pd.DataFrame":
        """One row a solution: a complex column for each unknown, then what is known about the solution.

        Where an unknown is called like one of these quantities, they all begin with `solution_`. Needs pandas.
        """
        import pandas as pd

        frame = pd.DataFrame({name: self.solutions[:, k] for k, name in enumerate(self.names)})
        columns = {
            "multiplicity": self.multiplicity,
            "singular": self.singular,
            "real": self.is_real,
            "residual": self.residual,
            "condition": self.condition,
        }
        prefix = ""
        while any(prefix + name in self.names for name in columns):
            prefix += "solution_"
        return frame.assign(**{prefix + name: column for name, column in columns.items()})


def _check_lengths(data: dict[str, Any], count: int) -> None:
    """Raises ValueError where an array of `to_dict` has not one entry for each of so many solutions."""
    for name in ("multiplicity", "singular", "is_real", "residual", "condition", "certified"):
        if data[name] is not None and len(data[name]) != count:
            raise ValueError(f"{name} has {len(data[name])} entries for {count} solutions")
