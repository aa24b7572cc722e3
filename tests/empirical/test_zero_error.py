"""The plain CNN at zero squared error: ranks and flat directions against direct computations on small nets."""

import numpy as np
import pytest
import torch
from torch import nn

import theory as th
from empirical.measure import jacobian, weight_vector
from empirical.models import PlainCNN, SmallNet
from empirical.zero_error import ZeroError, exact, examine, jacobian_blocks, polish


def problem(n=4, equal=False, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, 1, 8, 8, generator=generator, dtype=torch.float64)
    targets = torch.sign(torch.randn(n, 3, generator=generator, dtype=torch.float64))
    if equal:
        inputs[1], targets[1] = inputs[0], targets[0]
    return inputs, targets


def small(activation="relu"):
    return exact(PlainCNN(activation, channels=(4,), hidden=(6,), n_classes=3, input_shape=(1, 8, 8), seed=1))


def test_blocks_are_the_columns_of_the_jacobian():
    net = SmallNet((3, 4, 2), dtype=torch.float64)
    inputs = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(np.hstack(jacobian_blocks(net, inputs)), jacobian(net, inputs), atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", th.relu_approximation(2, (-3, 3), method="legendre")], ids=str)
def test_polishing_reaches_zero_error_where_the_nullity_is_k_minus_nm(activation):
    inputs, targets = problem()
    model = small(activation)
    before = weight_vector(model)
    assert polish(model, inputs, targets, 60) < 1e-9
    assert not np.array_equal(weight_vector(model), before)
    found = examine(model, inputs, targets)
    assert isinstance(found, ZeroError)
    assert found.n_weights == (4 * 9 + 4) + (6 * 64 + 6) + (3 * 6 + 3)
    assert found.reliable
    assert found.nullity == found.n_weights - 12
    assert found.conditioning == pytest.approx(
        (sizes := np.linalg.svd(np.hstack(jacobian_blocks(model, inputs)), compute_uv=False))[-1] / sizes[0], rel=1e-6
    )


def test_batch_normalisation_flattens_biases_and_scales_and_nothing_else_is_counted():
    inputs, targets = problem()
    found = examine(small(), inputs, targets)
    assert found.forced == 2 * (4 + 6)
    assert found.bent < 1e-12
    with_epsilon = small()
    for layer in with_epsilon.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.eps = 1e-2
    assert examine(with_epsilon, inputs, targets).bent > 1e-5  # the scale then shows
    plain = examine(SmallNet((64, 5, 3), dtype=torch.float64), inputs.flatten(1), targets)
    assert (plain.forced, plain.bent) == (0, 0.0)


def test_equal_images_make_the_rank_smaller():
    inputs, targets = problem(equal=True)
    model = small()
    polish(model, inputs, targets, 60)
    assert examine(model, inputs, targets).rank == 9
