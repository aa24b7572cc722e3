"""Small nets on XOR and on the stand-in: gradients, known solutions, success rates."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from empirical.experiments import xor_jellyfish as experiment

CONFIG = experiment.PRESETS["smoke"]


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "linear"])
def test_gradients_are_those_of_torch(activation):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=shape) for shape in ((3, 4, 2), (3, 4), (3, 4), (3, 1))]
    x, y = experiment.STAND_IN
    outputs, slopes = experiment.gradient(weights, x, y, activation)
    tensors = [torch.tensor(w, requires_grad=True) for w in weights]
    function = {"relu": torch.relu, "sigmoid": torch.sigmoid, "linear": lambda z: z}[activation]
    hidden = function(torch.einsum("rhd,pd->rph", tensors[0], torch.tensor(x)) + tensors[1][:, None])
    theirs = torch.einsum("rph,rh->rp", hidden, tensors[2]) + tensors[3]
    loss = nn.functional.binary_cross_entropy_with_logits(theirs, torch.tensor(y).expand(3, -1), reduction="none")
    loss.mean(1).sum().backward()
    np.testing.assert_allclose(outputs, theirs.detach().numpy())
    for ours, tensor in zip(slopes, tensors, strict=True):
        np.testing.assert_allclose(ours, tensor.grad.numpy(), atol=1e-14)


def test_one_run_of_adam_is_that_of_torch():
    config = replace(CONFIG, widths=(3,), runs=1, steps=300)
    net = nn.Sequential(nn.Linear(2, 3), nn.Sigmoid(), nn.Linear(3, 1)).double()
    rng = np.random.default_rng(5)
    shapes = ((1, 3, 2), (1, 3), (1, 3), (1, 1))
    scales = (2**-0.5, 2**-0.5, 3**-0.5, 3**-0.5)
    with torch.no_grad():
        for p, shape, scale in zip(net.parameters(), shapes, scales, strict=True):
            p.copy_(torch.tensor(rng.uniform(-1, 1, size=shape) * scale).view(p.shape))
    optimizer = torch.optim.Adam(net.parameters(), lr=config.rates[0])
    x, y = (torch.tensor(part) for part in experiment.XOR)
    for _ in range(config.steps):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(net(x)[:, 0], y).backward()
        optimizer.step()
    right = bool(((net(x)[:, 0] > 0) == (y > 0.5)).all())
    found = experiment.successes(*experiment.XOR, "sigmoid", "adam", config, np.random.default_rng(5))
    assert found.tolist() == [int(right)]


def test_two_units_can_do_both_and_a_line_neither():
    xor = [np.array([[[1.0, 1.0], [1.0, 1.0]]]), np.array([[0.0, -1.0]]), np.array([[1.0, -2.0]]), np.array([[-0.5]])]
    band = [
        np.array([[[50.0, 0.0], [-50.0, 0.0]]]),
        np.array([[10.0, 10.0]]),
        np.array([[1.0, 1.0]]),
        np.array([[-1.5]]),
    ]
    for (x, y), weights, activation in ((experiment.XOR, xor, "relu"), (experiment.STAND_IN, band, "sigmoid")):
        outputs, _ = experiment.gradient(weights, x, y, activation)
        assert ((outputs > 0) == (y > 0.5)).all()
        normals = np.random.default_rng(0).normal(size=(5000, 3))
        sides = normals[:, :2] @ x.T + normals[:, 2:] > 0
        assert not (sides == (y > 0.5)).all(1).any()
    assert len(experiment.STAND_IN[0]) == 10


def test_success_grows_with_the_width_and_linear_nets_never_succeed():
    result = experiment.compute(CONFIG, None, seed=1)
    assert result.claim.verdict == "holds"
    assert result.claim.control.passed
    assert set(experiment.draw(result)) == {"successes"}
    assert all(row["printed_percent"] is None for row in result.table if row["points"] != "XOR")
    first = result.table[0]
    assert (first["width"], first["printed_percent"]) == (2, 28)


@pytest.mark.parametrize(("few", "many", "agrees"), [(5, 38, True), (38, 5, False), (20, 22, None), (40, 40, False)])
def test_growth_is_judged_by_counts(few, many, agrees):
    counts = {("XOR", *way): np.array([few, 20, many]) for way in experiment.WAYS}
    assert {case.agrees for case in experiment._cases(counts, CONFIG)} == {agrees}


def test_the_control_passes_for_linear_nets_and_fails_for_nets_that_can_do_it():
    config = replace(CONFIG, widths=(7,), runs=10, steps=400)
    for activation, passed in (("linear", True), ("relu", False)):
        found = experiment.successes(*experiment.XOR, activation, "adam", config, np.random.default_rng(0))
        assert experiment._control(found).passed is passed


@pytest.mark.parametrize(("counts", "passed"), [((0, 0, 0), True), ((0, 1, 0), False), ((9, 9, 9), False)])
def test_one_success_of_a_linear_net_fails_the_control(counts, passed):
    assert experiment._control(np.array(counts)).passed is passed
