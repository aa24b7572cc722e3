"""Where training ends at zero error, how many directions are flat? The claim `zero-set-dimension`, seen from training.

The networks and data are those that theory solves (theory/claims/zero_set_dimension.py), once with their polynomial and
once with ReLU, and one wider net whose number of data is swept through the dimension D of its neurovariety.

Each net starts at a random point, goes down by full-batch gradient descent, and is then polished by
Levenberg-Marquardt steps in float64. At zero error the Hessian of the squared error is J^T J, so its nullity is K minus
the rank of J. Theory predicts K - N*m while N*m <= D, and no zero beyond. For ReLU the same K - N*m holds wherever
training reaches zero error: the data are generic, hence regular values of each of the finitely many polynomial pieces
(Sard).

Beside them the plain CNN of 188,810 weights on a few images, square loss on targets +-1: descent, then Gauss-Newton
steps to a residual of 1e-8, then the rank of J through J J^T. Its nullity K - N*m contains what batch normalisation
flattens, whatever the data: biases before it and scales of its channels. The verdict is open where the residual is not
reached or the smallest singular value of J lies below 1e-6 of the largest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical import measure, zero_error
from empirical.data import Data
from empirical.models import Activation, SmallNet
from empirical.records import Result
from empirical.steps import Arrays, as_text, from_text, kept
from empirical.train import TrainConfig, one_thread, train
from empirical.zero_error import Large, ZeroError
from theory.activations import PolynomialActivation
from theory.claims.claim import Case, Claim, Control
from theory.claims.zero_set_dimension import CUBIC, INSTANCES, Instance, rational_data
from theory.parallel import in_processes
from theory.rank import numerical_rank

ID = "zero-set-dimension"
DEVICE = "cpu"  # whatever is asked for: small nets in double precision
STATEMENT = "Where training ends at zero error, the Hessian of the error has nullity K - N*m: minima are degenerate."
SOURCE = "Review (2018), sections 2, 3 and 7; arXiv 1703.09833, Proposition 1"
_WORTH_PROCESSES = 10  # starts of each net; starting a process takes 3 s
REPORTED: dict[str, float] = {}  # the source states the dimension and prints no measured nullity


@dataclass(frozen=True)
class Config:
    """starts: random starting points of each net; descent, rate: steps and rate of gradient descent before polishing

    polish: Levenberg-Marquardt steps at most; residual: largest residual that counts as zero error
    sweep: numbers of data of the wider net
    data, subset: from which the CNN takes its images: the first `images` of them, for each of the numbers; nets: for
    each of these and either activation
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = (1000, 100)
    images: tuple[int, ...] = (5, 20)
    nets: int = 3

    starts: int = 20
    descent: int = 500
    rate: float = 0.02
    polish: int = 500
    residual: float = 1e-8
    sweep: tuple[int, ...] = tuple(range(2, 25, 2))


PRESETS = {
    "smoke": Config(
        data="digits", subset=(50, 10), images=(3,), nets=1, starts=2, descent=50, polish=60, sweep=(4, 12)
    ),
    "cpu": Config(),
    "paper": Config(starts=200, descent=2000, polish=2000, images=(5, 20, 100), nets=5),
}


@dataclass(frozen=True)
class End:
    """Where one training ended. nullity: of the Hessian of half the squared error, second-order terms included where
    the error is not zero; reliable: whether its singular values have a clear gap there."""

    name: str
    activation: str
    n_weights: int
    n_equations: int
    neurovariety_dimension: int
    start: int
    residual_after_descent: float
    residual: float
    zero_error: bool
    nullity: int
    gap: float
    reliable: bool


def wide(n: int) -> Instance:
    """The cubic net 2-8-1 with n data: K = 32, D = 10, the dimension of all cubics in two variables."""
    inputs, targets = rational_data((n, 2), 11), rational_data((n, 1), 12)
    return Instance(f"cubic 2-8-1, N={n}", (2, 8, 1), CUBIC, (True, False), inputs, targets, 10, 11)


def compute(
    config: Config,
    data: Data | None,
    *,
    seed: int,
    device: str,
    progress: Callable[[int, int, str], None] | None = None,
    checkpoints: Path | None = None,
) -> Result:
    """Train every net from every start and compare the nullities with the prediction; the small nets bring their own
    data, the CNN takes images; without images it is left out."""
    instances = (*INSTANCES, *(wide(n) for n in config.sweep))
    problems = [(i, a) for i in instances for a in (PolynomialActivation(i.coefficients), "relu")]
    files = [None if checkpoints is None else checkpoints / f"step-{k:03d}.npz" for k in range(len(problems))]
    tasks = [
        (file, instance, activation, config, seed) for file, (instance, activation) in zip(files, problems, strict=True)
    ]

    def tell(position: int, done: int, _: Arrays) -> None:
        if progress is not None:
            progress(done, len(problems), problems[position][0].name)

    found = in_processes(_kept_ends, tasks, None if config.starts >= _WORTH_PROCESSES else 1, tell)
    ends: list[End] = []
    weights: dict[str, dict[str, torch.Tensor]] = {}
    for arrays in found:
        own = [End(**values) for values in from_text(arrays.pop("ends"))]
        ends += own
        weights[_file(own[0])] = {name: torch.from_numpy(values) for name, values in arrays.items()}
    with one_thread():  # matrices of 20 rows: more threads only wait for each other
        large, twins = zero_error.on_images(data, config.images, config.nets, seed, checkpoints)
    table = [{**vars(end), "forced": 0, "conditioning": float("nan")} for end in ends]
    table += [zero_error.row(*found) for found in large]
    return Result(_claim(ends, seed, large, twins), table, weights=weights)


def draw(result: Result) -> dict[str, Any]:
    """Nullity against the number of data for the wider net, and the residual that training ended with."""
    from empirical import plotting

    swept = [row for row in result.table if row["name"].startswith("cubic 2-8-1")]
    figure, (left, right) = plotting.panels(2, width=3.6, height=3.0)
    counts = sorted({row["n_equations"] for row in swept})
    total, dimension = swept[0]["n_weights"], swept[0]["neurovariety_dimension"]
    nullities, residuals = {}, {}
    for kind, name, shift in (("polynomial", "cubic", -0.2), ("relu", "ReLU", 0.2)):  # side by side, not on each other
        rows = [row for row in swept if row["activation"] == kind]
        nullities[f"{name}, zero error"] = _columns([row for row in rows if row["zero_error"]], "nullity", shift)
        residuals[name] = _columns(rows, "residual", shift)
    rest = [row for row in swept if row["activation"] == "polynomial" and not row["zero_error"]]
    nullities["cubic, error above zero"] = _columns(rest, "nullity", -0.2)
    plotting.lines({"K − N": (counts, [total - n for n in counts])}, x="", y="", markers=False, first=6, axes=left)
    plotting.points(nullities, x="number of data N", y="nullity of the Hessian", axes=left)
    plotting.points(residuals, x="number of data N", y="largest residual at the end", log="y", axes=right)
    for axes in (left, right):
        plotting.mark(axes, dimension, f"D = {dimension}", vertical=True)
    return {"nullity": figure}


def _columns(rows: list[dict[str, Any]], name: str, shift: float) -> tuple[list[float], list[float]]:
    return [row["n_equations"] + shift for row in rows], [row[name] for row in rows]


def _file(end: End) -> str:
    """The name under which the nets of one kind are kept, all starts in one file: cubic-2-8-1-N4-relu."""
    return f"{end.name} {end.activation}".replace(",", "").replace("=", "").replace(" ", "-")


def _kept_ends(file: Path | None, instance: Instance, activation: Activation, config: Config, seed: int) -> Arrays:
    with one_thread():
        return kept(file, partial(_ends, instance, activation, config, seed))


def _ends(instance: Instance, activation: Activation, config: Config, seed: int) -> Arrays:
    """The ends from all starts, as text, and the weights there by start and name."""
    found = [_end(instance, activation, config, [seed, start]) for start in range(config.starts)]
    weights = {
        f"start-{end.start}.{name}": value.numpy() for end, model in found for name, value in model.state_dict().items()
    }
    return {"ends": as_text([vars(end) for end, _ in found])} | weights


def _end(instance: Instance, activation: Activation, config: Config, seed: list[int]) -> tuple[End, nn.Module]:
    kind = activation if isinstance(activation, str) else "polynomial"
    start = int(np.random.default_rng(seed).integers(2**31))
    model = SmallNet(instance.widths, activation, instance.bias, seed=start, dtype=torch.float64)
    inputs, targets = (torch.from_numpy(array) for array in instance.arrays())
    data = Data(instance.name, inputs, targets, inputs[:0], targets[:0], n_classes=0, identity="")
    descent = TrainConfig(config.descent, batch=None, rate=config.rate, every=max(config.descent, 1), loss="square")
    before = measure.weight_vector(model)
    history = train(model, data, descent)
    if (
        not history.last.train_loss <= history.epochs[0].train_loss
    ):  # the step was too long there: polish from the start
        measure.set_weights(model, before)
    after_descent = float(np.abs(measure.residuals(model, inputs, targets)).max())
    residual = polish(model, inputs, targets, config.polish)
    zero = residual <= config.residual
    matrix = measure.jacobian(model, inputs) if zero else measure.hessian(model, inputs, targets)
    decision = numerical_rank(matrix)
    n_weights = instance.n_weights
    end = End(
        instance.name,
        kind,
        n_weights,
        instance.n_equations,
        instance.neurovariety_dimension,
        seed[-1],
        after_descent,
        residual,
        zero,
        n_weights - decision.rank,
        decision.gap,
        decision.reliable,
    )
    return end, model


def polish(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, steps: int) -> float:
    """Levenberg-Marquardt steps w - J^T (J J^T + s I)^-1 r from where the model stands; the largest residual left.

    s shrinks after a step that lowered the error and grows after one that did not (and was taken back). Ends where
    the gradient is rounding, when no step lowers the error any more, or after so many steps.
    """
    w, damping = measure.weight_vector(model), 1e-2
    r = measure.residuals(model, inputs, targets)
    fresh = True
    for _ in range(steps):
        if fresh:
            jacobian = measure.jacobian(model, inputs)
        if np.abs(jacobian.T @ r).max() <= 1e-14 or damping > 1e12:
            break
        u, sizes, v = np.linalg.svd(jacobian, full_matrices=False)
        trial = w - v.T @ (sizes / (sizes**2 + damping) * (u.T @ r))
        measure.set_weights(model, trial)
        new = measure.residuals(model, inputs, targets)
        fresh = bool(new @ new < r @ r)
        if fresh:
            w, r, damping = trial, new, max(damping / 5, 1e-18)
        else:
            damping *= 4
    measure.set_weights(model, w)
    return float(np.abs(r).max())


def _claim(
    ends: list[End],
    seed: int,
    large: Sequence[Large] = (),
    twins: ZeroError | None = None,
) -> Claim:
    cases = [*_cases(ends), *zero_error.cases(large)]
    above = [end for end in ends if end.n_equations > end.neurovariety_dimension and not end.zero_error]
    above = [end for end in above if end.activation == "polynomial" and end.reliable]
    above = [end for end in above if end.n_equations <= end.n_weights]  # with more, K - N*m < 0 is no nullity at all
    groups = {name: {end.nullity for end in above if end.name == name} for name in dict.fromkeys(e.name for e in above)}
    formula = {end.name: {end.n_weights - end.n_equations} for end in above}
    met = sum(groups[name] == formula[name] for name in groups)
    control = Control(
        "data with N*m > D, so that training ends above zero error: there the nullity must not be K - N*m",
        f"K - N*m at the ends of 0 of {len(groups)} nets",
        f"K - N*m at the ends of {met} of {len(groups)} nets",
        passed=bool(groups) and met == 0,
    )
    if twins is not None:
        control = replace(
            control,
            description=f"{control.description}; the CNN on images of which two are equal: nor there",
            expected=f"{control.expected}; not {twins.n_weights - twins.n_equations}",
            observed=f"{control.observed}; {twins.nullity}",
            passed=control.passed and twins.rank < twins.n_equations,
        )
    unmet = [end for end in above if end.n_weights > end.n_equations]
    claim = Claim.from_cases(
        cases,
        control,
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="whole numbers; rank by the widest gap of singular values, at least 1000 (float64, residual <= 1e-8)",
        seed=seed,
        note=" ".join([*_between(unmet), *_left_out(ends), *zero_error.forced(large)]),
    )
    return replace(claim, printed_verdict="fails") if unmet and claim.verdict == "holds" else claim


def _between(unmet: list[End]) -> list[str]:
    if not unmet:
        return []
    return [
        "K - N*m holds up to the neurovariety's dimension D; between D and K, where the source's K - N promises zeros, "
        "no training from any start reached one."
    ]


def _left_out(ends: list[End]) -> list[str]:
    """What no case speaks of, counted: ends of unclear rank, and ReLU nets that never came to zero error."""
    said = []
    if unclear := sum(not end.reliable for end in ends):
        said.append(
            f"{unclear} of {len(ends)} ends have singular values without a clear gap; their nullity is left out."
        )
    relu = {end.name: False for end in ends if end.activation == "relu"}
    relu |= {end.name: True for end in ends if end.activation == "relu" and end.zero_error}
    if never := [name for name, reached in relu.items() if not reached]:
        said.append(
            f"{len(never)} of {len(relu)} ReLU nets came to zero error from no start, of which theory says nothing: "
            f"{'; '.join(never)}."
        )
    return said


def _cases(ends: list[End]) -> Iterator[Case]:
    """One case a net: all its zero-error ends must have the predicted nullity; beyond D there must be none.

    A ReLU net that reaches zero error from no start makes no case: for it theory says nothing about existence. Ends
    whose rank is unclear are counted in the case's name, and their nullity is not compared.
    """
    for name, kind in dict.fromkeys((end.name, end.activation) for end in ends):
        group = [end for end in ends if (end.name, end.activation) == (name, kind)]
        zero = [end for end in group if end.zero_error]
        first = group[0]
        exists = kind == "relu" or first.n_equations <= first.neurovariety_dimension
        if kind == "relu" and not zero:
            continue
        found = sorted({end.nullity for end in zero if end.reliable})
        predicted = first.n_weights - first.n_equations
        observed = f"nullity {', '.join(map(str, found))}" if found else "no zero"
        if exists:
            agrees = found == [predicted] if found else None
        else:
            agrees = not zero
        expected = f"nullity {predicted}" if exists else "no zero"
        unclear = sum(not end.reliable for end in zero)
        ends_seen = f"{len(zero)} of {len(group)} ends" + (f", {unclear} of unclear rank" if unclear else "")
        yield Case(f"{name}, {kind}: {ends_seen}", expected, observed, agrees)
