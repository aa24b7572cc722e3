"""Every claim on the theory side: its verdict is the documented one, its control failed, and it can fail."""

import json
from dataclasses import fields, is_dataclass, replace
from importlib import import_module

import numpy as np
import pytest
import sympy as sp

import theory
from theory.claims import CLAIM_IDS, CLAIMS, UnknownClaimError, verify, verify_all
from theory.claims.claim import Case, Claim, Control, judge

PRINTED_FAILS = {
    "bezout",
    "real-zeros",
    "zero-set-dimension",
    "regions",
    "proposition-1",
    "corollary-1",
    "inconsistent",
    "minimum-norm",
    "deep-linear",
}
"""Claims whose wording in the source fails as computed, while the corrected statement holds."""

PASSED = Control("must fail", 1, 2, passed=True)


UPPER_BOUNDS = {"bound-chain", "smooth-descent", "vacuous-capacity"}
"""Claims that predict a bound: a larger one would still hold, a far smaller one cannot."""


def wrong(value, number):
    """A prediction of the same shape, its numbers replaced by number(value)."""
    if isinstance(value, bool):
        return not value
    if value is None:
        return None
    if isinstance(value, str):
        return "something else"
    if is_dataclass(value):
        return replace(value, **{f.name: wrong(getattr(value, f.name), number) for f in fields(value)})
    if isinstance(value, dict):
        return {key: wrong(item, number) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(wrong(item, number) for item in value)
    if isinstance(value, frozenset):
        return frozenset({*(wrong(item, number) for item in value), 99})
    if isinstance(value, sp.MatrixBase):
        return value.applyfunc(number)
    return number(value)


def patched(module, kind, change, monkeypatch):
    """Replace every function of the module whose name begins with kind by change(function)."""
    names = [name for name, value in vars(module).items() if name.startswith(kind) and callable(value)]
    assert names, f"{module.__name__} has no function {kind}"
    for name in names:
        monkeypatch.setattr(module, name, change(getattr(module, name)))


@pytest.fixture(scope="module")
def seen():
    """What each claim observed in the first run, so that the second run need not compute it again."""
    return {}


def remembering(store):
    """Let a function answer from the store what it was asked before."""

    def change(original):
        def function(*args, **kwargs):
            key = original.__module__, original.__name__, repr(args), repr(kwargs)
            if key not in store:
                store[key] = original(*args, **kwargs)
            return store[key]

        return function

    return change


@pytest.mark.parametrize("id", CLAIMS)
def test_claim_holds_and_its_control_fails(id, seen, monkeypatch):
    module = import_module(f"theory.claims.{CLAIMS[id]}")
    patched(module, "observed", remembering(seen), monkeypatch)
    claim = verify(id, seed=0)
    assert (claim.id, claim.side, claim.seed) == (id, "theory", 0)
    assert claim.verdict == "holds", {k: (v, claim.observed[k]) for k, v in claim.predicted.items()}
    assert claim.control.passed
    assert (claim.printed_verdict == "fails") == (id in PRINTED_FAILS)
    assert claim.statement == module.STATEMENT
    assert claim.source
    assert claim.tolerance
    assert json.loads(claim.to_json())["verdict"] == "holds"


@pytest.mark.parametrize("id", CLAIMS)
def test_claim_fails_with_a_wrong_prediction(id, seen, monkeypatch):
    module = import_module(f"theory.claims.{CLAIMS[id]}")
    patched(module, "observed", remembering(seen), monkeypatch)
    number = (lambda value: 1e-9 * value) if id in UPPER_BOUNDS else (lambda value: value + 1)
    patched(module, "predicted", lambda f: lambda *a, **k: wrong(f(*a, **k), number), monkeypatch)
    assert verify(id, seed=0).verdict == "fails"


def test_the_list_keeps_the_order_of_the_sources():
    assert list(CLAIMS) == [id for id in CLAIM_IDS if id in CLAIMS]
    assert theory.list_claims().keys() == CLAIMS.keys()
    assert all(id.replace("-", "_") == module for id, module in CLAIMS.items())


def test_claims_run_in_parallel_in_the_order_asked_for():
    done = []
    claims = verify_all(["permutations", "hessian-cases"], processes=2, progress=lambda *seen: done.append(seen))
    assert [claim.id for claim in claims] == ["permutations", "hessian-cases"]
    assert [(i, n) for i, n, _ in done] == [(1, 2), (2, 2)]
    assert all(claim.seconds > 0 for claim in claims)


def test_an_unknown_claim_is_refused_with_the_nearest_ones():
    with pytest.raises(UnknownClaimError, match="did you mean bezout"):
        verify("bezot")
    with pytest.raises(UnknownClaimError, match="the claims are bezout, "):
        verify("qqqqqqq")
    with pytest.raises(UnknownClaimError):
        verify_all(["permutations", "no such"])


@pytest.mark.parametrize(
    ("agrees", "control", "verdict"),
    [
        ([True, True], True, "holds"),
        ([True, False], True, "fails"),
        ([None, False], True, "fails"),
        ([True, None], True, "inconclusive"),
        ([True, True], False, "inconclusive"),
        ([True, False], False, "fails"),
    ],
)
def test_the_cases_force_the_verdict(agrees, control, verdict):
    cases = [Case(str(k), 1, 1, a) for k, a in enumerate(agrees)]
    assert judge(cases, replace(PASSED, passed=control)) == verdict


def test_a_disagreement_in_numpy_counts():
    assert judge([Case("a", 1, 2, np.float64(1) == 2)], PASSED) == "fails"


def test_a_claim_without_cases_is_refused():
    with pytest.raises(ValueError, match="at least one case"):
        Claim.from_cases([], PASSED, id="x", side="theory", statement="", source="", tolerance="", seed=0)
