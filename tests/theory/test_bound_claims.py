"""The claims on root counts: they hold, they can fail, and the published counts come out."""

import pytest

from theory.claims import bezout, bound_chain
from theory.claims.bound_chain import INSTANCES, in_order


def test_bezout_holds_in_the_corrected_form_and_fails_as_printed():
    claim = bezout.check(seed=0)
    assert (claim.verdict, claim.printed_verdict) == ("holds", "fails")
    assert claim.control.passed
    assert claim.observed["CIFAR-10 net, log2 of the paper's 2^(10^5), Shub and Smale's l^(N d/2)"] == 100_000


def test_a_degree_that_is_too_low_is_seen(monkeypatch):
    """The printed l^d in place of the exact degree: cases disagree and the claim fails."""
    monkeypatch.setattr(bezout, "predicted", lambda widths, degree: degree ** (len(widths) - 2))
    assert bezout.check(seed=0).verdict == "fails"


@pytest.mark.parametrize(("widths", "degree"), [((1, 1), 2), ((3, 1, 1), 4), ((1, 1, 1, 1, 1), 2)])
def test_degrees_along_a_ray_are_those_of_the_formula(widths, degree):
    assert bezout.observed(widths, degree, seed=7) == bezout.predicted(widths, degree)


def test_the_chain_holds_and_its_control_breaks_it():
    claim = bound_chain.check(seed=0)
    assert claim.verdict == "holds"
    assert claim.control.passed


@pytest.mark.parametrize(
    ("instance", "isolated"),
    [
        (INSTANCES[0], 12),
        (INSTANCES[1], 45),
        (INSTANCES[2], 36),
        (INSTANCES[3], 32),
        (INSTANCES[5], 33),
        (INSTANCES[6], 105),
    ],
    ids=str,
)
def test_isolated_zeros_are_as_many_as_phcpack_found(instance, isolated):
    assert bound_chain.observed(instance, seed=1)["isolated"] == isolated


CHAIN = {"mixed volume": 10, "stable mixed volume": 12, "multihomogeneous": 15, "bezout": 20}


@pytest.mark.parametrize(
    ("counts", "chain", "expected"),
    [
        ((10, 12, 0, 0), CHAIN, True),
        ((11, 12, 0, 0), CHAIN, False),
        ((10, 13, 0, 0), CHAIN, False),
        ((9, 12, 2, 0), CHAIN, None),
        ((5, 11, 0, 2), CHAIN, None),
        ((5, 5, 0, 7), CHAIN, None),
        ((1, 1, 0, 0), {**CHAIN, "multihomogeneous": 11}, False),
        ((1, 1, 0, 0), {**CHAIN, "bezout": 14}, False),
    ],
)
def test_every_link_of_the_chain_can_break_or_stay_open(counts, chain, expected):
    names = ("torus", "isolated", "unclear", "undecided paths")
    assert in_order(dict(zip(names, counts, strict=True)), chain) is expected
