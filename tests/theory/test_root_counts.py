"""Bounds: the chain of inequalities, exact numbers, the paper's figures, and who is counted."""

import math
import time

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import theory as th
from empirical.models import ALL_CONVOLUTIONS, PlainCNN
from tests import known_systems
from theory import multihomogeneous
from theory.architectures import NetworkShape, theory2_cnn
from theory.polynomials import Polynomial, gaussian
from theory.root_counts import log2
from theory.systems import ConstantEquationError, PolynomialSystem

x, y, z = sp.symbols("x y z")


@pytest.mark.parametrize("known", known_systems.ISOLATED, ids=lambda known: known.name)
def test_no_bound_is_below_the_known_count(known):
    b = th.bounds(known.system)
    assert b.bezout == known.total_degree
    assert known.roots <= b.stable_mixed_volume <= b.multihomogeneous <= b.bezout
    assert b.mixed_volume <= b.stable_mixed_volume


def set_partitions(n):
    """All partitions of n things as labels, by another way than the one tested."""
    grown = [()]
    for _ in range(n):
        grown = [(*labels, label) for labels in grown for label in range(max(labels, default=-1) + 2)]
    return grown


SUPPORT = st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=2, max_size=5, unique=True).map(np.array)


@settings(max_examples=30, deadline=None)
@given(SUPPORT, SUPPORT, SUPPORT)
def test_the_stable_volume_is_below_the_number_of_every_partition(p, q, r):
    supports = [p, q, r]
    stable = th.bounds(system_of(supports)).stable_mixed_volume if all(s.any() for s in supports) else 0
    for labels in set_partitions(3):
        assert stable <= multihomogeneous.number(*multihomogeneous.degrees_in_groups(supports, labels))


def system_of(supports):
    n = len(supports)
    return PolynomialSystem.from_polynomials(
        [Polynomial({tuple(e): gaussian(1) for e in support.tolist()}, n) for support in supports], "xyz"[:n]
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=2), min_size=4, max_size=4), st.integers(0, 4))
def test_the_multihomogeneous_number_is_the_coefficient_that_sympy_expands(degrees, size):
    expanded = sp.Poly(sp.prod([a * x + b * y for a, b in degrees]), x, y)
    assert multihomogeneous.number(degrees, [size, 4 - size]) == expanded.coeff_monomial(x**size * y ** (4 - size))


def test_the_best_partition_is_found_among_all():
    """Generalised eigenvectors: (A - t B) v = 0, c.v = 1: n solutions, Bezout says 2^n. Morgan and Sommese (1987)."""
    n = 4
    t, *v = sp.symbols(f"t v1:{n + 1}")
    rng = np.random.default_rng(0)
    a, b = rng.integers(1, 9, (2, n, n)).tolist()
    equations = [sum((a[i][j] - t * b[i][j]) * v[j] for j in range(n)) for i in range(n)]
    found = th.bounds(PolynomialSystem([*equations, sum(v) - 1], [t, *v]))
    assert found.bezout == 2**n
    assert found.multihomogeneous == n
    assert set(found.partition) == {("t",), tuple(map(str, v))}
    assert "all 52 partitions" in found.partition_search


def test_a_partition_can_be_given():
    system = PolynomialSystem([x * y - 1, x + y - 3], [x, y])
    assert th.bounds(system, partition=[["x"], ["y"]]).multihomogeneous == 2
    with pytest.raises(ValueError, match="must name each of x, y once"):
        th.bounds(system, partition=[["x"]])
    with pytest.raises(ValueError, match="must name each of x, y once"):
        th.bounds(system, partition=[["x", "y"], ["y"]])


def test_local_search_is_never_worse_than_one_group_and_says_so():
    net = th.PolynomialNetwork((2, 3, 1), th.monomial(2))
    b = th.bounds(net, 6)
    assert b.multihomogeneous <= b.bezout == 3**6
    assert "a smaller number may exist" in b.partition_search
    assert not b.partition_proved


def test_the_partition_is_proved_least_by_trying_all_or_by_the_mixed_volume():
    net = th.PolynomialNetwork((2, 2, 1), th.monomial(2))
    small = th.bounds(net, 3)
    assert small.stable_mixed_volume < small.multihomogeneous == 27
    assert small.partition_search == "all 21147 partitions of 9 unknowns tried"
    assert small.partition_proved
    symbols = sp.symbols("x1:12")
    dense = th.bounds(PolynomialSystem([sum(v**2 for v in symbols) + k * symbols[k] - 1 for k in range(11)], symbols))
    assert "a smaller number may exist" in dense.partition_search
    assert dense.multihomogeneous == dense.stable_mixed_volume == 2**11
    assert dense.partition_proved
    assert not th.bounds(PolynomialSystem([symbols[0] - 1], symbols[:1]), partition=[["x1"]])._grouped.exhaustive


# ---- torch modules and networks on images


class Square(nn.Module):
    activation = th.monomial(2)

    def forward(self, z):
        return z * z


def test_a_torch_module_has_the_bounds_of_its_network():
    net = th.PolynomialNetwork((2, 2, 1), th.monomial(2))
    by_module = th.bounds(net.to_torch(np.ones(net.n_parameters)), n_data=3)
    by_net = th.bounds(net, n_data=3)
    assert by_module == by_net
    assert by_module.mixed_volume == by_net.mixed_volume
    assert by_module.multihomogeneous == by_net.multihomogeneous


def test_the_trained_net_has_the_bounds_of_the_named_one_and_says_what_became_of_its_normalisation():
    module = PlainCNN(activation=th.monomial(2))
    found, named = th.bounds(module, n_data=50_000), th.bounds(theory2_cnn(), n_data=50_000)
    assert (found.n_unknowns, found.log2_shub_smale) == (188_810, 100_000)
    assert found.log2_bezout == named.log2_bezout
    assert found.log2_multihomogeneous == named.log2_multihomogeneous
    assert sum("Batch normalisation is counted as a fixed affine map" in note for note in found.notes) == 1
    assert module.training  # as it was
    averaged = th.bounds(PlainCNN(activation=th.monomial(2), hidden=(), channels=ALL_CONVOLUTIONS), n_data=50_000)
    assert averaged.n_unknowns == 188_810


def test_a_small_convolutional_net_has_a_mixed_volume():
    """f = sum over two windows of v (a . x_window)^2: degree 3 in the weights, and the count of its zeros below it."""
    net = th.PolynomialNetwork.from_layers(
        [th.Convolution(1, 1, (1, 2), bias=False), th.monomial(2), th.Flatten(), th.Dense(2, 1, bias=False)],
        input_shape=(1, 1, 3),
    )
    b = th.bounds(net, n_data=2)
    assert (b.n_unknowns, b.bezout, b.paper_bezout) == (4, 9, 4)
    system = net.interpolation_system([[1, 2, 3], [4, -1, 2]], [1, 2]).slice(seed=0)
    assert len(th.solve(system).solutions) <= b.stable_mixed_volume <= b.multihomogeneous <= b.bezout
    assert any("degree 3 in all weights" in note for note in b.notes)


def test_modules_that_are_not_polynomial_are_refused():
    for modules, message in (
        ([nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)], "got ReLU.*relu_approximation"),
        ([nn.Conv2d(1, 2, 3), Square(), nn.MaxPool2d(2)], "got MaxPool2d"),
    ):
        with pytest.raises(TypeError, match=message):
            th.bounds(nn.Sequential(*modules), n_data=5)
    with pytest.raises(TypeError, match=r"got Activate\(relu\)"):
        th.bounds(PlainCNN(), n_data=5)
    with pytest.raises(ValueError, match="groups=1"):
        th.bounds(nn.Sequential(nn.Conv2d(2, 2, 3, groups=2)), n_data=5)
    with pytest.raises(ValueError, match="no square images of up to 256 pixels a side fit this module"):
        th.bounds(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(7, 1)), n_data=5)
    with pytest.raises(ValueError, match="need n_data"):
        th.bounds(nn.Linear(2, 1))


def test_dropout_and_half_precision_change_no_count():
    module = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), Square(), nn.Dropout(0.5), nn.Linear(3, 1)).half()
    assert th.bounds(module, n_data=5).bezout == 3**5


def test_layers_make_good_groups_for_critical_points():
    """The table of critical systems: 57 of 125 and 5265 of 15625, groups {A, b} and {v}."""
    rng = np.random.default_rng(0)
    for hidden, expected in ((1, 57), (2, 5265)):
        net = th.PolynomialNetwork((1, hidden, 1), th.monomial(2), bias=(True, False))
        system = net.critical_system(rng.integers(1, 99, (4, 1)), rng.integers(1, 99, 4), regularization=1)
        b = th.bounds(system)
        assert b.multihomogeneous == expected
        assert b.bezout == 5 ** (3 * hidden)
        assert b.paper_bezout is None
        assert any("critical points" in note for note in b.notes)


# ---- networks


@pytest.mark.parametrize(("hidden_layers", "degree"), [(1, 2), (1, 3), (2, 2), (3, 2), (2, 3)])
def test_the_degree_is_the_sum_of_powers_and_the_paper_s_is_the_last(hidden_layers, degree):
    net = th.PolynomialNetwork((2,) * (hidden_layers + 1) + (1,), th.monomial(degree))
    b = th.bounds(net, 3)
    assert b.degrees == ((sum(degree**k for k in range(hidden_layers + 1)), 3),)
    assert b.paper_bezout == degree ** (3 * hidden_layers)
    assert NetworkShape.of(net).degree_in_weights == b.degrees[0][0] == net.degree_in_weights[0]
    assert any("1 + l + ... + l^d" in note for note in b.notes)


def test_a_network_and_its_equations_have_the_same_bounds():
    net = th.PolynomialNetwork((2, 2, 1), th.monomial(2), bias=False)
    rng = np.random.default_rng(1)
    system = net.interpolation_system(rng.integers(1, 99, (4, 2)), rng.integers(1, 99, 4))
    for b in (th.bounds(net, 4), th.bounds(system), th.bounds(system.slice(seed=0))):
        assert (b.bezout, b.paper_bezout, b.shub_smale) == (81, 16, 4)
        assert b.mixed_volume == b.stable_mixed_volume
    assert th.bounds(net, 4).mixed_volume == th.bounds(system.slice(seed=0)).mixed_volume


def test_the_cifar_net_is_counted_at_once_and_the_paper_s_figure_comes_out():
    started = time.process_time()
    b = th.bounds(theory2_cnn(), n_data=50_000)
    assert time.process_time() - started < 0.2
    assert b.n_unknowns == 188_810
    assert b.log2_shub_smale == 100_000  # the paper: "this may be as high as 2^(10^5)"
    assert b.log2_paper_bezout == 200_000
    assert b.log2_bezout == pytest.approx(50_000 * math.log2(31), rel=1e-14)
    assert b.bezout is None
    assert b.paper_bezout is None
    assert b.mixed_volume is None
    assert "not written out" in b.mixed_volume_limit


def test_ten_outputs_make_the_cifar_net_not_overparametrised():
    b = th.bounds(theory2_cnn(), n_data=50_000)
    assert b.overparametrised_per_image
    assert b.n_equations_all_outputs == 500_000
    assert not b.overparametrised_all_outputs
    text = " ".join(b.notes)
    assert "188,810 weights are more than N = 50,000" in text
    assert "500,000, and K is less than that" in text
    assert "Batch normalisation is counted as a fixed affine map" in text
    assert "10^6 unknowns and 6*10^4 equations" in text


def test_layers_as_groups_do_not_help_the_cifar_net():
    b = th.bounds(theory2_cnn(), n_data=50_000)
    assert b.partition == (("layer 1", "layer 2", "layer 3", "layer 4", "layer 5"),)
    assert b.log2_multihomogeneous == pytest.approx(b.log2_bezout)
    assert "saddle point" in b.partition_search


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_saddle_point_meets_the_exact_number(scale):
    """Layer groups of a small net: the estimate within a per cent or two, the bound never below."""
    sizes = (6 * scale, 4 * scale, 3 * scale)
    n_data, n = 7 * scale, 13 * scale
    rows, counts = [(4, 2, 1), (1, 1, 1)], [n_data, n - n_data]
    exact = log2(multihomogeneous.number([rows[0]] * n_data + [rows[1]] * (n - n_data), sizes))
    estimate, bound = multihomogeneous.log2_number(rows, counts, sizes)
    assert abs(estimate - exact) < 0.1 / scale  # relative error of the order 1 / smallest group
    assert exact <= bound


def test_several_outputs_are_counted_per_image_for_a_net_and_all_for_a_system():
    net = th.PolynomialNetwork((2, 3, 2), th.monomial(2))
    rng = np.random.default_rng(0)
    by_net = th.bounds(net, 4)
    by_system = th.bounds(net.interpolation_system(rng.standard_normal((4, 2)), rng.standard_normal((4, 2))))
    assert (by_net.n_equations, by_system.n_equations) == (4, 8)
    assert by_net.bezout == 3**4
    assert by_system.bezout == 3**8
    assert by_net.paper_bezout == by_system.paper_bezout == 2**4
    assert any("one equation for each input" in note for note in by_net.notes)
    assert any("all N*m equations" in note for note in by_system.notes)


def test_more_equations_than_unknowns_are_counted_by_the_highest_degrees():
    system = PolynomialSystem([x - 1, x**3 - 1, y**2 - x, x * y - 1], [x, y])
    b = th.bounds(system)
    assert b.bezout == 6
    assert 1 <= b.stable_mixed_volume <= b.multihomogeneous <= 6
    assert any("More equations" in note for note in b.notes)


def test_fewer_equations_are_sliced_and_the_degree_of_the_set_is_bounded():
    b = th.bounds(PolynomialSystem([x**2 - y, x**3 - z], [x, y, z]))  # the twisted cubic, of degree 3
    assert b.bezout == 6
    assert b.stable_mixed_volume == 3
    assert any("generic affine" in note for note in b.notes)


def test_integers_are_written_out_up_to_4300_digits():
    degree = NetworkShape((3, 1), (9, 1), 1)  # degree 10 in the weights
    longest = th.bounds(degree, n_data=4)
    assert longest.bezout == 10**4
    wide = NetworkShape((10_000, 1), (9, 1), 1)
    assert th.bounds(wide, n_data=4299).bezout == 10**4299
    beyond = th.bounds(wide, n_data=4301)
    assert beyond.bezout is None
    assert beyond.log2_bezout == pytest.approx(4301 * math.log2(10))
    assert log2(10**5000) == pytest.approx(5000 * math.log2(10))
    assert log2(0) == -math.inf


@pytest.mark.parametrize(
    ("target", "arguments", "said"),
    [
        (theory2_cnn(), {}, "need n_data"),
        (theory2_cnn(), {"n_data": 0}, "need n_data"),
        (theory2_cnn(), {"n_data": 2.5}, "need n_data"),
        (PolynomialSystem([x - 1], [x]), {"n_data": 3}, "n_data belongs to a network"),
        (theory2_cnn(), {"n_data": 3, "partition": [["w1"]]}, "written out"),
    ],
)
def test_bad_questions_are_refused(target, arguments, said):
    with pytest.raises(ValueError, match=said):
        th.bounds(target, **arguments)


def test_data_that_no_weight_can_change_are_refused():
    network = th.PolynomialNetwork((2, 2, 1), th.monomial(2), bias=False)
    with pytest.raises(ConstantEquationError, match=r"equation 1 is the constant -1 and .* inconsistent"):
        network.interpolation_system([[0, 0], [1, 1]], [1, 1])
    assert th.bounds(network.critical_system([[0, 1]], [1])).n_equations == 4  # two of six weights are free


@pytest.mark.parametrize(("n", "bell"), [(1, 1), (2, 2), (3, 5), (4, 15), (5, 52), (6, 203), (7, 877)])
def test_all_partitions_of_a_set_are_tried_once(n, bell):
    supports = [np.vstack([np.zeros((1, n), int), 2 * np.eye(n, dtype=int)])] * n
    assert multihomogeneous.best_partition(supports)[2] == f"all {bell} partitions of {n} unknowns tried"
    assert len(set(set_partitions(n))) == bell


def test_the_named_net_has_the_layers_of_the_paper():
    shape = theory2_cnn()
    assert shape.weights == (896, 18_496, 36_928, 131_200, 1_290)
    assert shape.degree_in_layers == (16, 8, 4, 2, 1)
    for bad in (0, -1):
        with pytest.raises(ValueError, match="degree"):
            theory2_cnn(bad)


def test_exhaustive_search_agrees_with_brute_force():
    supports = known_systems.EVERY["eco-5"].system.supports
    number, labels, _ = multihomogeneous.best_partition(supports)
    every = [
        multihomogeneous.number(*multihomogeneous.degrees_in_groups(supports, candidate))
        for candidate in set_partitions(5)
    ]
    assert number == min(every) == multihomogeneous.number(*multihomogeneous.degrees_in_groups(supports, labels))


def fully_convolutional():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten())


def test_outputs_that_depend_on_the_size_of_the_images_are_those_of_the_size_given_or_noted_as_a_guess():
    """Windows of 3 x 3: one position on images of 3 x 3, four on 4 x 4, each with two channels."""
    guessed = th.bounds(fully_convolutional(), n_data=5)
    assert guessed.n_outputs == 2
    assert any("1 x 3 x 3, the smallest that fit" in note and "input_shape=" in note for note in guessed.notes)
    told = th.bounds(fully_convolutional(), n_data=5, input_shape=(1, 4, 4))
    assert told.n_outputs == 8
    assert not any("smallest" in note for note in told.notes)
    dense = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    assert not any("smallest" in note for note in th.bounds(dense, n_data=5).notes)


def test_an_input_shape_belongs_to_a_module():
    with pytest.raises(TypeError, match="input_shape belongs to a torch module"):
        th.bounds(theory2_cnn(2), n_data=5, input_shape=(3, 32, 32))
