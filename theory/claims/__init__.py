"""The statements of the sources that a computer can check, one file each, in the order in which they are claimed.

A module of this package holds STATEMENT, SOURCE, `predicted` and `observed` (routes that share no code), `control` (a
case where the claim must fail) and `check(seed) -> Claim`.
"""

import difflib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib import import_module
from typing import Any

from theory.arguments import check_seed
from theory.claims.claim import Claim
from theory.parallel import in_processes

CLAIM_IDS = (
    "bezout",
    "bound-chain",
    "real-zeros",
    "zero-set-dimension",
    "regions",
    "proposition-1",
    "corollary-1",
    "inconsistent",
    "relu-approximation",
    "polynomial-net",
    "margin",
    "random-labels",
    "permutations",
    "sgd-trajectories",
    "bgd-no-local-minima",
    "branches",
    "interpolation",
    "flat-global-minima",
    "flatness-radius",
    "three-point",
    "perturbation-size",
    "overparametrisation",
    "minimum-norm",
    "gradient-noise",
    "sgdl",
    "boltzmann",
    "wide-minimum",
    "degenerate-valley",
    "sgd-convergence",
    "hessian-cases",
    "newton-step",
    "deep-linear",
    "random-hessian",
    "index-and-error",
    "spurious-minima",
    "xor-jellyfish",
    "blind-spot",
    "stuck-not-critical",
    "profiles",
    "strategies",
    "bn-and-skip",
    "smooth-descent",
    "saddle-escape",
    "overspecified",
    "memorizer",
    "vacuous-capacity",
    "similar-minima",
    "kernel-capacity",
)
"""Every statement of the sources that is to be checked, on the theory side, by an experiment, or both."""

CLAIMS = {
    "bezout": "bezout",
    "bound-chain": "bound_chain",
    "real-zeros": "real_zeros",
    "zero-set-dimension": "zero_set_dimension",
    "regions": "regions",
    "proposition-1": "proposition_1",
    "corollary-1": "corollary_1",
    "inconsistent": "inconsistent",
    "relu-approximation": "relu_approximation",
    "margin": "margin",
    "random-labels": "random_labels",
    "permutations": "permutations",
    "minimum-norm": "minimum_norm",
    "gradient-noise": "gradient_noise",
    "boltzmann": "boltzmann",
    "wide-minimum": "wide_minimum",
    "degenerate-valley": "degenerate_valley",
    "hessian-cases": "hessian_cases",
    "newton-step": "newton_step",
    "deep-linear": "deep_linear",
    "random-hessian": "random_hessian",
    "index-and-error": "index_and_error",
    "spurious-minima": "spurious_minima",
    "blind-spot": "blind_spot",
    "smooth-descent": "smooth_descent",
    "memorizer": "memorizer",
    "vacuous-capacity": "vacuous_capacity",
    "kernel-capacity": "kernel_capacity",
}
"""Claim id -> module of this package."""

Progress = Callable[[int, int, str], None]


class UnknownClaimError(ValueError):
    """No claim of that id; the message lists the nearest ones."""


def list_claims() -> dict[str, str]:
    """Claim ids and their statements, in the order of the sources."""
    return {id: _module(id).STATEMENT for id in CLAIMS}


def verify(id: str, seed: int = 0) -> Claim:
    """Check one claim: predicted against observed, and the control that must fail.

    Raises UnknownClaimError (a ValueError), and ValueError for a seed that is not a whole number >= 0.
    """
    module, seed = _module(id), check_seed(seed)
    started = time.perf_counter()
    claim: Claim = module.check(seed)
    return replace(claim, seconds=round(time.perf_counter() - started, 3))


def verify_all(
    ids: Iterable[str] | None = None, seed: int = 0, processes: int | None = None, progress: Progress | None = None
) -> list[Claim]:
    """Check several claims (all by default), in parallel processes; they come back in the order asked for.

    progress(done, total, text) is called as each one ends. Raises as `verify` does, before anything runs.
    """
    seed = check_seed(seed)
    wanted = list(CLAIMS if ids is None else ids)
    for id in wanted:
        _require(id)

    def ended(position: int, done: int, claim: Claim) -> None:
        if progress is not None:
            progress(done, len(wanted), f"{wanted[position]}: {claim.verdict}")

    return in_processes(verify, [(id, seed) for id in wanted], processes, ended)


def _require(id: str) -> None:
    if not isinstance(id, str) or id not in CLAIMS:
        near = difflib.get_close_matches(str(id), CLAIMS, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the claims are {', '.join(CLAIMS)}"
        raise UnknownClaimError(f"there is no claim {id!r}; {hint}")


def _module(id: str) -> Any:
    _require(id)
    return import_module(f"theory.claims.{CLAIMS[id]}")
