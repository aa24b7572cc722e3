"""Hessian spectra against dense Hessians, against curvlinops, and against matrices whose spectrum is known."""

import warnings

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator
from torch import nn

from empirical.models import SmallNet
from empirical.spectrum import hessian_operator, lanczos, spectral_density, top_eigenvalues

LOSS = nn.CrossEntropyLoss()


@pytest.fixture(scope="module")
def net():
    return nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 3)).double().eval()


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(23, 4, generator=generator, dtype=torch.float64), torch.arange(23) % 3


@pytest.fixture(scope="module")
def dense(net, data):
    """The whole Hessian by torch's own function, parameter block by parameter block."""
    names, values = zip(*net.named_parameters(), strict=True)

    def loss(*weights):
        return LOSS(torch.func.functional_call(net, dict(zip(names, weights, strict=True)), data[0]), data[1])

    blocks = torch.autograd.functional.hessian(loss, tuple(v.detach() for v in values))
    sizes = [value.numel() for value in values]
    return np.block(
        [[blocks[i][j].reshape(sizes[i], sizes[j]).numpy() for j in range(len(sizes))] for i in range(len(sizes))]
    )


def test_products_are_those_of_the_dense_hessian_whatever_the_chunk(net, data, dense):
    for chunk in (1000, 5):
        operator = hessian_operator(net, LOSS, data, chunk=chunk)
        np.testing.assert_allclose(operator @ np.eye(len(dense)), dense, atol=1e-14)


def test_products_and_spectra_are_those_of_curvlinops(net, data, dense):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its dependencies use what newer versions of torch warn of
        curvlinops = pytest.importorskip("curvlinops")
        theirs = curvlinops.HessianLinearOperator(net, LOSS, list(net.parameters()), [data])
        theirs = theirs.to_scipy(dtype=np.float64)
        vector = np.random.default_rng(0).normal(size=len(dense))
        np.testing.assert_allclose(hessian_operator(net, LOSS, data) @ vector, theirs @ vector, atol=1e-13)
        np.testing.assert_allclose(
            top_eigenvalues(hessian_operator(net, LOSS, data), 4).values, top_eigenvalues(theirs, 4).values, atol=1e-10
        )


@pytest.mark.parametrize(
    ("which", "chosen"), [("largest", [-4, -3, -2, -1]), ("smallest", [0, 1, 2, 3]), ("both", [0, 1, -2, -1])]
)
def test_eigenvalues_are_those_of_the_dense_hessian_within_their_residuals(net, data, dense, which, chosen):
    found = top_eigenvalues(hessian_operator(net, LOSS, data), 4, which=which)
    exact = np.linalg.eigvalsh(dense)[chosen]
    assert (abs(found.values - exact) <= found.residuals + 1e-14).all()
    assert found.residuals.max() < 1e-9
    np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(4), atol=1e-9)


def test_moments_and_shares_of_the_density_lie_within_their_errors(net, data, dense):
    exact = np.linalg.eigvalsh(dense)
    density = spectral_density(hessian_operator(net, LOSS, data), steps=40, probes=30, seed=1)
    for power in (1, 2, 3):
        value, error = density.moment(power)
        assert abs(value - (exact**power).mean()) < 4 * error
    for cut in (-1e-3, 1e-3, 0.05):
        value, error = density.share_below(cut)
        assert abs(value - (exact < cut).mean()) < 4 * error + 1 / len(exact)  # a node may lie across the cut
    assert density.weights.sum(1) == pytest.approx(np.ones(30))


def test_a_full_krylov_space_gives_the_eigenvalues_themselves():
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    values = np.linspace(-1, 3, 12)
    diagonal, beside = lanczos(frame @ np.diag(values) @ frame.T, rng.normal(size=12), 12)
    found = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    np.testing.assert_allclose(found, values, atol=1e-12)


def test_a_matrix_of_two_eigenvalues_needs_two_steps_and_shares_come_out():
    matrix = np.diag([5.0] * 30 + [-1.0] * 70)
    density = spectral_density(matrix, steps=10, probes=4)
    share, error = density.share_below(0.0)
    assert share == pytest.approx(0.7, abs=1e-12)  # sign vectors see a diagonal matrix exactly
    assert error < 1e-12
    at, width = np.linspace(-3, 7, 401), 0.2
    height, _ = density.curve(at, width)
    assert height.sum() * (at[1] - at[0]) == pytest.approx(1.0, abs=1e-6)
    assert height[at == -1.0] == pytest.approx(0.7 / (width * np.sqrt(2 * np.pi)))


def test_the_density_of_a_wigner_matrix_is_the_semicircle():
    n = 400
    noise = np.random.default_rng(0).normal(size=(n, n)) / np.sqrt(2 * n)
    density = spectral_density(noise + noise.T, steps=50, probes=10)
    for cut in (-1.0, 0.0, 0.5):
        exact = 0.5 + cut * np.sqrt(4 - cut * cut) / (4 * np.pi) + np.arcsin(cut / 2) / np.pi
        share, error = density.share_below(cut)
        assert abs(share - exact) < 4 * error + 1 / 50  # the weight of a node


def test_weights_without_influence_give_eigenvalue_zero():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Parameter(torch.ones(2).double()), nn.Parameter(torch.ones(3).double())

        def forward(self, x):
            return x * self.used

    data = torch.ones(4, 2).double(), torch.zeros(4, 2).double()
    operator = hessian_operator(Idle().eval(), nn.MSELoss(), data)
    np.testing.assert_allclose(operator @ np.eye(5), np.diag([1, 1, 0, 0, 0]), atol=1e-15)
    linear = hessian_operator(Idle().eval(), lambda out, _: out.mean(), data)
    np.testing.assert_array_equal(linear @ np.ones(5), np.zeros(5))


def test_the_zero_matrix_has_zero_eigenvalues():
    for matrix in (np.zeros((4, 4)), LinearOperator((4, 4), matvec=np.zeros_like, dtype=float)):
        found = top_eigenvalues(matrix, 2)
        np.testing.assert_array_equal(found.values, [0.0, 0.0])
        np.testing.assert_array_equal(found.vectors.T @ found.vectors, np.eye(2))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: hessian_operator(nn.Linear(2, 1), LOSS, (torch.ones(3, 2), torch.ones(3, 1))), "training mode"),
        (lambda: hessian_operator(SmallNet((2, 1)).eval(), LOSS, (torch.ones(3, 2), torch.ones(2))), "as many"),
        (lambda: hessian_operator(nn.Linear(2, 1).requires_grad_(False).eval(), nn.MSELoss(),
                                  (torch.ones(3, 2), torch.ones(3, 1))), "requires a gradient"),
        (lambda: top_eigenvalues(np.eye(3), 3), "below the number of weights, 3, got 3"),
        (lambda: top_eigenvalues(np.eye(3), 1, which="middle"), "which must be"),
        (lambda: spectral_density(np.eye(3), probes=1), "probes"),
        (lambda: spectral_density(np.eye(3)[:2]), r"square matrix or operator.*shape \(2, 3\)"),
        (lambda: spectral_density(np.triu(np.ones((3, 3)))), "symmetric"),
        (lambda: top_eigenvalues(nn.Linear(2, 1), 1), "got Linear"),
        (lambda: spectral_density(np.eye(3), steps=0), "steps"),
        (lambda: spectral_density(np.eye(3)).curve([0.0], 0.0), "width"),
        (lambda: hessian_operator(nn.Linear(2, 1).eval(), lambda o, _: (1e30 * o).square().mean(),
                                  (torch.ones(3, 2), torch.ones(3, 1))) @ np.ones(3), "not finite"),
    ],
)  # fmt: skip
def test_bad_input_is_said_in_one_line(call, named):
    with pytest.raises(ValueError, match=named) as caught:
        call()
    assert "\n" not in str(caught.value)
