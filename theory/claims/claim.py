"""What a claim check returns: predicted and observed values side by side, a verdict, and a control that had to fail."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal

Verdict = Literal["holds", "fails", "inconclusive"]


@dataclass(frozen=True)
class Case:
    """One instance of a claim: what was predicted for it, what was seen, and whether they agree.

    agrees is None where the numerics could not decide; one such case makes the whole claim inconclusive.
    """

    instance: str
    predicted: Any
    observed: Any
    agrees: bool | None

    def __post_init__(self) -> None:
        if self.agrees is not None:  # numpy's False is not the False that a verdict looks for
            object.__setattr__(self, "agrees", bool(self.agrees))


@dataclass(frozen=True)
class Control:
    """A case built so that the claim must fail there.

    passed says that it did fail: a check that cannot fail proves nothing.
    """

    description: str
    expected: Any
    observed: Any
    passed: bool


@dataclass(frozen=True)
class Claim:
    """The outcome of checking one statement of the source documents.

    verdict is that of the statement as checked; printed_verdict that of the source's own wording where the two differ.
    tolerance says how close predicted and observed must be and where that comes from: a proof, rounding, an interval.
    """

    id: str
    side: Literal["theory", "empirical"]
    statement: str
    source: str
    predicted: Any
    observed: Any
    tolerance: str
    verdict: Verdict
    control: Control
    seed: int
    seconds: float = 0.0
    printed_verdict: Verdict | None = None
    note: str = ""
    artifacts: tuple[str, ...] = ()

    @classmethod
    def from_cases(cls, cases: Sequence[Case], control: Control, **fields: Any) -> "Claim":
        """A claim that shows the values of its cases, by instance, with the verdict they force."""
        return cls(
            predicted={case.instance: case.predicted for case in cases},
            observed={case.instance: case.observed for case in cases},
            verdict=judge(cases, control),
            control=control,
            **fields,
        )

    def to_json(self) -> str:
        """The claim as one JSON object; exact numbers become strings such as "1/3", non-finite ones null."""
        return json.dumps(plain(asdict(self)), indent=1, allow_nan=False)


def judge(cases: Sequence[Case], control: Control) -> Verdict:
    """The verdict that the cases force: `fails` if one disagrees, `holds` if all agree and the control failed.

    A control that did not come out as expected leaves every agreement without weight: `inconclusive`.
    Raises ValueError when there is no case.
    """
    if not cases:
        raise ValueError("a claim needs at least one case, got none")
    if any(case.agrees is False for case in cases):
        return "fails"
    if any(case.agrees is None for case in cases) or not control.passed:
        return "inconclusive"
    return "holds"


def plain(value: Any) -> Any:
    """value made of dicts, lists, strings and finite numbers only, so that any JSON reader takes it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return plain(value.tolist())
    if isinstance(value, Sequence | set | frozenset):
        return [plain(item) for item in value]
    return str(value)
