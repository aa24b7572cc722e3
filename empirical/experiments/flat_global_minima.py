"""A global minimum perturbed and trained again, several times: does it end elsewhere? The claim `flat-global-minima`.

A net is trained to zero error by SGD, then by batch descent. All its layers get Gaussian noise of 0.1 of their own
standard deviation, and batch descent goes on; so several times, from several nets.

The test: for each net the mean distance (1 - cosine of all weights) between pairs of ends, over that between the
perturbed starts: near 1 where the noise is kept (flat directions), near 0 where the runs come back to one point. Its
mean over the nets has Student's interval at error rate 0.01 on either side: above 0.5 the ends are different minima,
below 0.5 they are not. Every run must end at zero training error. And there must have been a way back: the noise must
have raised the training loss, and batch descent must have taken off more than half of the rise, both with such an
interval; otherwise nothing is decided.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from empirical import comparisons, measure
from empirical.data import Data, square_images
from empirical.evaluation import placed
from empirical.histories import check_finished
from empirical.models import PlainCNN
from empirical.records import Result
from empirical.train import History, TrainConfig, train_each
from theory.claims.claim import Case, Claim, Control

ID = "flat-global-minima"
STATEMENT = (
    "Batch descent from a perturbed global minimum comes back to zero training error, and runs with different noise "
    "end in different global minima."
)
SOURCE = "arXiv 1703.09833, Fig. 5"
REPORTED = {
    "Fig. 5": "noise 0.1 S, 200 epochs of gradient descent, 4 runs: errors and losses, MDS of the paths, confusion "
    "matrices; 4 different solutions; no numbers in the text at hand"
}
FINAL = "final"


@dataclass(frozen=True)
class Config:
    """noise, steps, runs: of Fig. 5. The lengths of the trainings before are recalled, not quoted; the rates are ours.

    sgd_epochs, batch, rate: to zero error; descent_steps, descent_rate: of the batch descent after that
    early: epochs of SGD after which the first net is perturbed as well (M_5 and M_30 of the source's appendix)
    keep: steps from one snapshot of a path, and one look at errors, to the next; nets: independent trainings
    apart: the share of the distance of the starts above which ends are different minima
    """

    data: str = "cifar10"
    subset: tuple[int, int] | None = None
    sgd_epochs: int = 60
    batch: int = 100
    rate: float = 0.01
    descent_steps: int = 400
    descent_rate: float = 0.1
    early: tuple[int, ...] = (5, 30)
    noise: float = 0.1
    runs: int = 4
    steps: int = 200
    keep: int = 10
    nets: int = 5
    apart: float = 0.5
    piece: int | None = 5000  # images held at a time in batch descent


PRESETS = {
    "smoke": Config(data="digits", subset=(120, 200), sgd_epochs=18, rate=0.1, descent_steps=5, early=(), runs=3,
                    steps=10, keep=5, nets=3, piece=None),
    "cpu": Config(subset=(2000, 1000), sgd_epochs=40, descent_steps=30, early=(5,), steps=30, keep=3, nets=3,
                  piece=None),
    "paper": Config(),
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One path. start: FINAL or the epoch of SGD at which the net was perturbed; weights: (snapshots, K)."""

    net: int
    start: str
    number: int
    noise: float
    history: History
    weights: np.ndarray
    predictions: np.ndarray  # (test images,)

    @property
    def name(self) -> str:
        return f"run {self.number + 1}" if self.noise else "without noise"


def check_data(data: Data | None) -> Data:
    """The data, if they are square images; ValueError otherwise."""
    return square_images(data, ID)


def compute(
    config: Config,
    data: Data | None,
    *,
    seed: int,
    device: str = "cpu",
    progress: Callable[[int, int, str], None] | None = None,
    checkpoints: Path | None = None,
) -> Result:
    """Train the nets, perturb each of them several times, train again, compare where they end."""
    data = check_data(data)
    folders = [None if checkpoints is None else checkpoints / part for part in ("sgd", "descent", "again")]
    minima, losses = _minima(config, data, seed, device, folders[:2])
    if progress is not None:
        progress(1, 2, f"{len(minima)} nets trained")
    jobs, labels = [], []
    for (net, start), model in minima.items():
        kinds = [(number, config.noise) for number in range(config.runs)]
        twins = [(config.runs, 0.0)] if (net, start) == (0, FINAL) else []
        for number, noise in kinds + twins:
            own = int(np.random.default_rng([seed, net, number]).integers(2**31))
            labels.append((net, start, number, noise))
            jobs.append((measure.perturbed(model, noise, own), _descent(config, config.steps)))
    trained = train_each(jobs, data, device=device, checkpoints=folders[2])
    check_finished((history for _, history in trained), ID)
    if progress is not None:
        progress(2, 2, f"{len(jobs)} runs after perturbation")
    runs = [
        Run(*label, history, np.stack([*history.weights.values()]), predictions(model, data))
        for label, (model, history) in zip(labels, trained, strict=True)
    ]
    origins = {key: measure.weight_vector(model) for key, model in minima.items()}
    parts = measure.layers(jobs[0][0])
    table = [row for run in runs for row in _rows(run)]
    single = single_minimum(config, data, seed, device)
    return Result(_claim(runs, losses, single, config, seed), table, _maps(runs, origins, parts, data, config))


def predictions(model: nn.Module, data: Data) -> np.ndarray:
    """The class of each test image, (test images,)."""
    model.eval()
    with torch.inference_mode():
        found = [model(some).argmax(1) for some in placed(data.test_inputs, model, "cpu").split(500)]
    return torch.cat(found).numpy()


def _minima(
    config: Config, data: Data, seed: int, device: str, folders: Sequence[Path | None]
) -> tuple[dict[tuple[int, str], nn.Module], list[float]]:
    """(net, start) -> the net to perturb: after SGD and batch descent, and as SGD had it at the early epochs.

    And the training loss of each net after SGD and batch descent.
    """
    shape = (data.train_inputs.shape[1], *data.train_inputs.shape[2:])
    jobs = []
    for net in range(config.nets):
        own = int(np.random.default_rng([seed, net]).integers(2**31))
        schedule = TrainConfig(config.sgd_epochs, config.batch, config.rate, every=config.sgd_epochs, seed=own,
                               keep=config.early)  # fmt: skip
        jobs.append((PlainCNN(n_classes=data.n_classes, input_shape=shape, seed=own), schedule))
    found: dict[tuple[int, str], nn.Module] = {}
    trained = train_each(jobs, data, device=device, checkpoints=folders[0])
    check_finished((history for _, history in trained), ID)
    for epoch, weights in trained[0][1].weights.items():
        found[0, str(epoch)] = PlainCNN(n_classes=data.n_classes, input_shape=shape)
        measure.set_weights(found[0, str(epoch)], weights)
    polished = [(model, replace(_descent(config, config.descent_steps), keep=())) for model, _ in trained]
    descended = train_each(polished, data, device=device, checkpoints=folders[1])
    check_finished((history for _, history in descended), ID)
    for net, (model, _) in enumerate(descended):
        found[net, FINAL] = model
    return found, [history.last.train_loss for _, history in descended]


def _descent(config: Config, steps: int) -> TrainConfig:
    kept = tuple(range(0, steps + 1, config.keep))
    return TrainConfig(steps, None, config.descent_rate, every=config.keep, keep=kept, piece=config.piece)


def _rows(run: Run) -> Iterator[dict[str, Any]]:
    for row in run.history.rows():
        yield {"net": run.net, "start": run.start, "run": run.number, "noise": run.noise} | row


def _apart(runs: Sequence[Run]) -> tuple[float, float, float]:
    """Over pairs of runs: mean distance of the ends, that of the starts, share of test images predicted differently."""
    stack = np.concatenate([[run.weights[0] for run in runs], [run.weights[-1] for run in runs]])
    found = measure.distances(stack, {"all": slice(None)})["all"]
    n = len(runs)
    pairs = list(combinations(range(n), 2))
    disagree = [float(np.mean(runs[a].predictions != runs[b].predictions)) for a, b in pairs]
    starts, ends = ([found[k + a, k + b] for a, b in pairs] for k in (0, n))
    return float(np.mean(ends)), float(np.mean(starts)), float(np.mean(disagree))


def _descended(finals: Sequence[Sequence[Run]], losses: Sequence[float]) -> list[Case]:
    """Whether the noise raised the training loss above that of the minimum, and descent took off most of the rise."""
    starts, ends = (np.array([np.mean([run.history.epochs[k].train_loss for run in some]) for some in finals])
                    for k in (0, -1))  # fmt: skip
    rise = starts - np.array(losses)
    raised = comparisons.mean(rise)
    cases = [
        Case("training loss after the noise, minus before", "above 0", raised.text(".2g"), raised.above(0) or None)
    ]
    if (rise > 0).all():
        back = comparisons.mean((starts - ends) / rise)
        cases.append(Case("share of that rise that descent took off", "above 0.5", back.text(".2f"),
                          back.above(0.5) or None))  # fmt: skip
    return cases


def _claim(runs: list[Run], losses: Sequence[float], single: float, config: Config, seed: int) -> Claim:
    finals = [[r for r in runs if (r.net, r.start) == (net, FINAL) and r.noise] for net in range(config.nets)]
    found = [_apart(of_net) for of_net in finals]
    kept = comparisons.mean([ends / starts for ends, starts, _ in found])
    errors = [run.history.last.train_error for of_net in finals for run in of_net]
    cases = [
        Case("training error of all runs at the end", 0.0, max(errors), max(errors) == 0.0),
        Case(
            f"distance of the ends / of the starts, {config.nets} nets",
            f"above {config.apart:g}",
            kept.text(".2f"),
            kept.above(config.apart),
        ),
        *_descended(finals, losses),
    ]
    return Claim.from_cases(
        cases,
        _control(single, config),
        id=ID,
        side="empirical",
        statement=STATEMENT,
        source=SOURCE,
        tolerance="Student's interval over nets, 0.01 on either side; both bounds of one half are ours",
        seed=seed,
        note=_note(runs, found, config),
    )


def _control(ratio: float, config: Config) -> Control:
    """The same test at a minimum that is not flat: there is one point to come back to."""
    return Control(
        "a linear net with a weight decay that leaves it a single minimum: perturbed runs must come back to one point",
        f"distance of the ends / of the starts below {config.apart:g}",
        f"{ratio:.2g}",
        passed=ratio < config.apart,
    )


def single_minimum(config: Config, data: Data, seed: int, device: str, pull: float = 0.3) -> float:
    """Distance of the ends over that of the starts of runs from the perturbed minimum of a convex loss.

    pull: the share that weight decay takes off all weights a step; at 0 the loss is flat in some directions. The means
    over quarters of the images are all that the net sees: descent at the rate of the large nets is then stable.
    """
    torch_seed = torch.Generator().manual_seed(seed % 2**63)
    linear = nn.Linear(4 * data.train_inputs.shape[1], data.n_classes)
    with torch.no_grad():
        linear.weight.copy_(torch.randn(linear.weight.shape, generator=torch_seed))
        linear.bias.zero_()
    schedule = TrainConfig(config.steps, None, config.descent_rate, every=config.steps, keep=(0, config.steps),
                           decay=pull / config.descent_rate)  # fmt: skip
    before = replace(schedule, epochs=100, every=100, keep=())
    ((model, _),) = train_each([(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), linear), before)], data,
                               device=device)  # fmt: skip
    seeds = [int(np.random.default_rng([seed, 99, number]).integers(2**31)) for number in range(config.runs)]
    jobs = [(measure.perturbed(model, config.noise, own), schedule) for own in seeds]
    ends = [
        Run(0, FINAL, k, config.noise, history, np.stack([*history.weights.values()]), predictions(net, data))
        for k, (net, history) in enumerate(train_each(jobs, data, device=device))
    ]
    apart, starts, _ = _apart(ends)
    return apart / starts


def _note(runs: Sequence[Run], found: Sequence[tuple[float, float, float]], config: Config) -> str:
    ends, starts, disagree = np.mean(found, axis=0)
    tests = [run.history.last.test_error for run in runs if run.start == FINAL and run.noise]
    said = [
        f"1 - cosine of pairs of ends {ends:.2g}, of perturbed starts {starts:.2g}; {disagree:.1%} of test images "
        f"predicted differently by two ends; test errors {min(tests):.1%} to {max(tests):.1%}."
    ]
    for epoch in config.early:
        some = [r for r in runs if r.start == str(epoch)]
        last = [r.history.last for r in some]
        ends, starts, _ = _apart(some)
        said.append(
            f"M_{epoch} of the first net: training errors at the end up to {max(e.train_error for e in last):.1%}, "
            f"distance of ends {ends:.2g} after {starts:.2g}."
        )
    return " ".join(said)


def _maps(
    runs: list[Run], origins: dict[tuple[int, str], np.ndarray], parts: dict[str, slice], data: Data, config: Config
) -> dict[str, Any]:
    """What the figures need of the first net: maps of its runs' paths by layer, confusion matrices of their ends."""
    maps, single = {}, {}
    for start in (FINAL, *map(str, config.early)):
        some = [run for run in runs if (run.net, run.start) == (0, start) and run.noise]
        stack = np.concatenate([origins[0, start][None], *(run.weights for run in some)])
        maps[start] = {name: measure.embed(d) for name, d in measure.distances(stack, parts).items()}
        one = measure.distances(some[0].weights, parts)
        single[start] = {name: measure.embed(d) for name, d in one.items()}
    ends = [run for run in runs if (run.net, run.start) == (0, FINAL)]
    truth = data.test_labels.numpy()
    confusion = {run.name: _confusion(truth, run.predictions, data.n_classes) for run in ends if run.noise}
    return {"maps": maps, "single": single, "confusion": confusion, "runs": runs, "config": config}


def _confusion(truth: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """Share of each class (row) that was taken for each class (column), (classes, classes)."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (truth, found), 1)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def draw(result: Result) -> dict[str, Any]:
    """As Fig. 5 and its appendix: errors and losses, maps of the paths by layer, of one path, confusion matrices."""
    from empirical import plotting

    figures = {}
    for start in result.series["maps"]:
        name = "" if start == FINAL else f"-M{start}"
        figures[f"curves{name}"] = _curves(result, start)
        figures[f"paths{name}"] = _paths(result, start)
    figure, places = plotting.panels(len(result.series["confusion"]), width=2.9, height=2.6)
    for (name, values), axes in zip(result.series["confusion"].items(), places, strict=True):
        plotting.matrix(values, x="predicted class", y="true class", quantity="share of the class", limits=(0, 1),
                        labels=[str(k) for k in range(len(values))],
                        title=name, axes=axes)  # fmt: skip
    return figures | {"confusion": figure}


def _curves(result: Result, start: str) -> Any:
    from empirical import plotting

    figure, places = plotting.panels(4, width=2.9)
    names = {"train_error": "training error", "train_loss": "training loss", "test_error": "test error",
             "test_loss": "test loss"}  # fmt: skip
    runs = [run for run in result.series["runs"] if (run.net, run.start) == (0, start)]
    for axes, (column, title) in zip(places, names.items(), strict=True):
        series = {
            run.name: ([e.epoch for e in run.history.epochs], [getattr(e, column) for e in run.history.epochs])
            for run in runs
        }
        plotting.lines(series, x="steps of batch descent", y=title, markers=False, axes=axes)
    return figure


def _paths(result: Result, start: str) -> Any:
    from empirical import plotting

    maps, single = result.series["maps"][start], result.series["single"][start]
    runs = [r for r in result.series["runs"] if (r.net, r.start) == (0, start) and r.noise]
    names = [*maps]
    figure, places = plotting.panels(len(names), 2, width=2.7, height=2.7)
    for name, above, below in zip(names, places[: len(names)], places[len(names) :], strict=True):
        points, length = maps[name].points, len(runs[0].weights)
        ways = {run.name: points[1 + k * length : 1 + (k + 1) * length] for k, run in enumerate(runs)}
        title = "all layers" if name == "all" else f"layer {name}"
        plotting.paths(
            ways, title=f"{title}:\nshare {maps[name].share:.0%}, stress {maps[name].stress:.2f}", axes=above
        )
        above.plot(*points[0], "X", color="black", markersize=7, label="before the noise")
        errors = {e.epoch: e.train_error for e in runs[0].history.epochs}
        told = {0, length // 2, length - 1}  # all of them would cover each other
        texts = [
            f"{errors[at]:.1%}" if k in told and at in errors else "" for k, at in enumerate(runs[0].history.weights)
        ]
        plotting.paths({"run 1": single[name].points}, texts={"run 1": texts}, title=f"{title}: one path", axes=below)
    return figure
