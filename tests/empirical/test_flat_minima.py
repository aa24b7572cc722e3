"""The experiments on how flat minima are: what they measure, what decides them, and that they can fail."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from empirical.data import load_data, with_random_labels
from empirical.experiments import (
    flat_global_minima,
    flatness_radius,
    margin,
    perturbation_size,
    random_labels,
    three_point,
)
from empirical.interpolate import Mixtures
from empirical.minima import Training, first, minima

QUICK = Training(natural=15, random=40, batch=30, rate=0.2, hidden=(30, 20))


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", subset=(150, 100))


def test_random_labels_are_new_and_those_of_the_test_set_stay(digits):
    random = with_random_labels(digits, 0)
    assert random.identity != digits.identity
    agreeing = (random.train_labels == digits.train_labels).double().mean()
    assert abs(agreeing - 0.1) < 4 * (0.09 / 150) ** 0.5
    assert torch.equal(random.test_labels, digits.test_labels)
    assert torch.equal(random.train_labels, with_random_labels(digits, 0).train_labels)
    assert not torch.equal(random.train_labels, with_random_labels(digits, 1).train_labels)


def test_minima_of_one_kind_share_their_labels_and_differ_in_their_weights(digits):
    first, second = minima(digits, "random", QUICK, 2, seed=0)
    assert torch.equal(first.data.train_labels, second.data.train_labels)
    assert not torch.equal(first.model.layers[0].weight, second.model.layers[0].weight)
    images = load_data("images", subset=(50, 20))
    (net,) = minima(images, "natural", replace(QUICK, natural=1), 1, seed=0)
    assert sum(p.numel() for p in net.model.parameters()) == 188_810


@pytest.mark.parametrize("name", ["digits", "images"])
def test_a_rescaled_net_is_the_same_function(name):
    data = load_data(name, subset=(100, 50))
    (minimum,) = minima(data, "natural", replace(QUICK, natural=2), 1, seed=0)
    other = flatness_radius.rescaled(minimum.model, 30.0)
    minimum.model.train()
    other.train()  # batch normalisation with the statistics of the batch
    inputs = minimum.data.train_inputs
    torch.testing.assert_close(other(inputs), minimum.model(inputs), rtol=0.05, atol=0.05)  # its epsilon counts more
    assert not torch.equal(other.layers[0].weight, minimum.model.layers[0].weight)


def test_flatness_radii_of_all_nets_are_measured_and_compared(digits):
    config = replace(flatness_radius.PRESETS["smoke"], dense=QUICK, directions=2, minima=2)
    result = flatness_radius.compute(config, digits, seed=0)
    assert len(result.table) == 2 * 2 * 6  # labels, nets, kinds (no batch normalisation: nothing to keep)
    assert all(row["radius"] > 0 for row in result.table)
    assert result.claim.control.passed
    assert set(flatness_radius.draw(result)) == {"radii", "ratios"}
    again = flatness_radius.compute(config, (digits,), seed=0)
    assert again.table == result.table


@pytest.mark.parametrize(("natural", "verdict"), [(2.0, "holds"), (0.5, "fails"), (1.01, "inconclusive")])
def test_the_ratio_of_the_radii_decides(natural, verdict):
    rng = np.random.default_rng(0)
    table = []
    for labels, size in (("natural", natural), ("random", 1.0)):
        for net in range(3):
            for kind in flatness_radius.KINDS:
                row = {"data": "digits", "labels": labels, "net": net, "train_error": 0.0, **kind._asdict()}
                table.append(row | {"radius": size * (1 + 0.02 * rng.normal())})
    config = flatness_radius.PRESETS["smoke"]
    assert flatness_radius._claim(table, 0.1, config, 0).verdict == verdict
    assert flatness_radius._claim(table, 5.0, config, 0).verdict != "holds"  # the control did not come out
    table[0]["radius"] = np.inf
    assert flatness_radius._claim(table, 0.1, config, 0).verdict != "holds"


@pytest.fixture(scope="module")
def perturbed_minima(digits):
    config = replace(flat_global_minima.PRESETS["smoke"], sgd_epochs=12, steps=10, keep=5, nets=3, runs=2, early=(3,))
    return flat_global_minima.compute(config, digits, seed=0)


def test_perturbed_minima_end_apart_and_those_of_a_convex_loss_at_one_point(perturbed_minima):
    claim = perturbed_minima.claim
    assert claim.control.passed
    kept = claim.observed["distance of the ends / of the starts, 3 nets"]
    assert 0.5 < float(kept.split(",")[0]) < 1.5
    assert "M_3 of the first net" in claim.note
    runs = perturbed_minima.series["runs"]
    assert len(runs) == 3 * 2 + 1 + 2  # runs of all nets, one without noise, two from the early net
    assert all(len(run.weights) == 3 for run in runs)  # after 0, 5, 10 steps
    figures = flat_global_minima.draw(perturbed_minima)
    assert set(figures) == {"curves", "paths", "curves-M3", "paths-M3", "confusion"}


def test_ends_that_come_together_fail_and_errors_above_zero_fail(perturbed_minima):
    runs, config = perturbed_minima.series["runs"], perturbed_minima.series["config"]
    final = [run for run in runs if run.start == "final" and run.noise]
    assert all(run.history.last.train_error == 0 for run in final) == (perturbed_minima.claim.verdict != "fails")
    together = [replace(run, weights=np.stack([run.weights[0], runs[0].weights[-1]])) for run in runs]
    assert flat_global_minima._claim(together, [0.0] * 3, 0.0, replace(config, early=()), 0).verdict == "fails"


def test_without_a_rise_of_the_loss_or_a_way_back_nothing_is_decided(perturbed_minima, digits):
    config = replace(flat_global_minima.PRESETS["smoke"], sgd_epochs=15, steps=10, runs=2)
    assert flat_global_minima.compute(config, digits, seed=0).claim.verdict == "holds"
    still = flat_global_minima.compute(replace(config, descent_rate=1e-9), digits, seed=0)
    assert still.claim.verdict == "inconclusive"
    runs = perturbed_minima.series["runs"]
    unraised = flat_global_minima._claim(runs, [9.0] * 3, 0.0, replace(config, early=()), 0)
    assert unraised.verdict != "holds"


def test_the_control_of_perturbed_minima_does_not_come_out_where_the_loss_is_flat(digits):
    config = flat_global_minima.PRESETS["smoke"]
    assert flat_global_minima.single_minimum(config, digits, 0, "cpu") < 0.05
    flat = flat_global_minima.single_minimum(config, digits, 0, "cpu", pull=0.0)
    assert flat > config.apart
    assert not flat_global_minima._control(flat, config).passed


def test_confusion_matrices_have_the_shares_of_each_class():
    found = flat_global_minima._confusion(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 3)
    np.testing.assert_array_equal(found, [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]])


def returns(small, large, independent=0.4):
    """Three nets with the given barriers at the smallest and the largest noise."""
    found = []
    for net in range(3):
        for scale, height in ((0.1, small), (2.0, large), (None, independent)):
            error = np.array([0.0, height + 0.001 * net, 0.0])
            nothing = np.full(3, np.nan)
            along = Mixtures(np.array([[1, 0], [0.5, 0.5], [0, 1]]), error, error, nothing, nothing)
            found.append(perturbation_size.Return(net, scale, along, 0.1, 0.1, 0.0, 0.1))
    return found


@pytest.mark.parametrize(
    ("barriers", "verdict"),
    [((0.0, 0.1), "holds"), ((0.1, 0.1), "fails"), ((0.0, 0.0), "fails"), ((0.019, 0.1), "inconclusive"),
     ((0.0, 0.1, 0.0), "inconclusive")],
)  # fmt: skip
def test_walls_decide_about_the_size_of_a_perturbation(barriers, verdict):
    config = replace(perturbation_size.PRESETS["smoke"], scales=(0.1, 2.0))
    assert perturbation_size._claim(returns(*barriers), config, 300, 0).verdict == verdict


def test_nets_trained_again_after_large_noise_are_behind_a_wall(digits):
    config = replace(perturbation_size.PRESETS["smoke"], nets=2, scales=(0.05, 3.0), epochs=8, again=8)
    result = perturbation_size.compute(config, digits, seed=0)
    barriers = {(row["pair"], row["noise"]): row["barrier_error"] for row in result.table}
    assert barriers["perturbed", 0.05] < 0.02
    assert barriers["perturbed", 3.0] > 0.05
    noise = [row["distance_of_noise"] for row in result.table if row["noise"] == 3.0]
    np.testing.assert_allclose(noise, 1 - 1 / 10**0.5, atol=0.05)  # weights of mean near 0: 1 - 1/sqrt(1 + 3^2)
    assert set(perturbation_size.draw(result)) == {"barriers"}


def surfaces(**flat):
    """Three surfaces of 100 points for each kind of labels, with about so many of them flat."""
    found = []
    for labels, share in flat.items():
        for triple in range(3):
            accuracy = np.where(np.arange(100) < share + triple, 1.0, 0.5).reshape(10, 10)
            found.append(three_point.Surface("digits", labels, triple, "estimated", accuracy, (1.0, 1.0, 1.0)))
    return found


@pytest.mark.parametrize(("shares", "verdict"), [((60, 30), "holds"), ((30, 60), "fails"), ((31, 30), "inconclusive")])
def test_the_flat_share_of_the_simplex_decides(shares, verdict):
    config, near = three_point.PRESETS["smoke"], surfaces(random=95)
    claim = three_point._claim(surfaces(natural=shares[0], random=shares[1]), near, config, 0)
    assert claim.verdict == verdict


@pytest.mark.parametrize(("near", "passed"), [(95, True), (30, False), (10, False)])
def test_nets_close_together_must_come_out_flatter_than_nets_from_other_starts(near, passed):
    config = three_point.PRESETS["smoke"]
    claim = three_point._claim(surfaces(natural=60, random=30), surfaces(random=near), config, 0)
    assert claim.control.passed is passed
    assert claim.verdict == ("holds" if passed else "inconclusive")


def test_the_noise_of_the_control_decides_how_flat_near_nets_of_random_labels_are(digits):
    (net,) = minima(digits, "random", QUICK, 1, seed=0)
    config = replace(three_point.PRESETS["smoke"], steps=7)
    shares = []
    for noise in (0.05, 3.0):
        some = three_point._close_together(net, replace(config, near=noise), [0])
        found = three_point._followed(some, "estimated", config, "cpu")
        shares.append(three_point.Surface("digits", "random", 0, "estimated", found["accuracy"], (1, 1, 1)).flat(0.9))
    assert shares[0] > 0.9 > 0.5 > shares[1]


def test_a_surface_knows_its_flat_share_and_what_lies_beyond_the_margin():
    accuracy = np.array([[1.0, 0.95], [0.85, np.nan]])
    assert three_point.Surface("digits", "natural", 0, "estimated", accuracy, (1, 1, 1)).flat(0.9) == 2 / 3


def test_simplices_of_images_are_followed_with_both_kinds_of_statistics():
    data = load_data("images", subset=(60, 20))
    quick = Training(natural=2, random=2, batch=30, rate=0.05)
    config = replace(three_point.PRESETS["smoke"], convolutional=quick, triples=2, steps=3, margin=0.0)
    result = three_point.compute(config, data, seed=0)
    kinds = [(row["labels"], row["statistics"], row["triple"]) for row in result.table]
    of_one = [("estimated", 0), ("averaged", 0), ("estimated", 1)]
    assert kinds == [(labels, *kind) for labels in ("natural", "random") for kind in of_one]
    assert all(np.isfinite(one.accuracy).sum() == 6 for one in result.series["surfaces"])  # half of 3 x 3, and edges
    assert set(three_point.draw(result)) == {"surfaces", "shares"}


def rows_of_nets(error=0.0, margin=2.0, radius=2.0, easy=9.0):
    """Three nets of each kind; margins and radii of natural labels, and of one label for all, are so many times those
    of random ones."""
    rows = []
    for kind, times in ((random_labels.NATURAL, (margin, radius)), (random_labels.RANDOM, (1.0, 1.0)),
                        (random_labels.DECAYED, (1.0, 1.0)), (random_labels.CONSTANT, (easy, easy))):  # fmt: skip
        for net in range(3):
            near = 1 + 0.01 * net
            rows.append({"data": "digits", "kind": kind, "train_error": error * (kind in random_labels.KINDS[1:]),
                         "median_margin": times[0] * near, "radius": times[1] * near,
                         "radius_filters": near})  # fmt: skip
    return rows


def test_more_examples_than_there_are_is_refused(digits):
    assert len(first(digits, 150).train_inputs) == 150
    with pytest.raises(ValueError, match="151 training examples were asked for, digits has 150"):
        first(digits, 151)


@pytest.mark.parametrize(
    ("seen", "grown", "verdict"),
    [({}, 0.8, "holds"), ({"error": 0.6}, 0.8, "fails"), ({"error": 0.1}, 0.8, "inconclusive"),
     ({"margin": 0.5}, 0.8, "fails"), ({"radius": 0.5}, 0.8, "fails"), ({}, 0.1, "fails")],
)  # fmt: skip
def test_each_part_of_the_claim_on_random_labels_can_fail(seen, grown, verdict):
    config = replace(random_labels.PRESETS["smoke"], growing=(500,))
    errors = {500: [grown, grown + 0.01, grown - 0.01]}
    assert random_labels._claim(rows_of_nets(**seen), errors, 0.9, config, 0).verdict == verdict


@pytest.mark.parametrize(
    ("grown", "easy", "passed"), [(0.8, 9.0, True), (0.0, 9.0, False), (0.8, 2.0, False), (0.8, 1.0, False)]
)
def test_the_tests_on_random_labels_must_fail_for_small_nets_and_against_easy_labels(grown, easy, passed):
    config = replace(random_labels.PRESETS["smoke"], growing=(500,))
    claim = random_labels._claim(rows_of_nets(easy=easy), {500: [grown] * 3}, 0.9, config, 0)
    assert claim.control.passed is passed


def test_random_labels_are_fitted_with_and_without_decay(digits):
    how = Training(natural=10, random=60, batch=10, rate=0.2, hidden=(40,))
    config = replace(random_labels.PRESETS["smoke"], fitted=30, dense=how, growing=(10, 150), nets=2, directions=1)
    result = random_labels.compute(config, digits, seed=0)
    fitted = [row for row in result.table if row["kind"] in (random_labels.RANDOM, random_labels.DECAYED)]
    assert len(fitted) == 4
    assert all(row["train_error"] == 0 and row["least_margin"] > 0 for row in fitted)
    norms = {kind: [row["weight_norm"] for row in fitted if row["kind"] == kind] for kind in random_labels.KINDS[1:]}
    assert max(norms[random_labels.DECAYED]) < min(norms[random_labels.RANDOM])
    least = {kind: min(row["radius"] for row in result.table if row["kind"] == kind) for kind in
             (random_labels.NATURAL, random_labels.CONSTANT)}  # fmt: skip
    assert least[random_labels.CONSTANT] > least[random_labels.NATURAL]
    assert set(random_labels.draw(result)) == {"random-labels"}


def margins_of(first, last, least=0.5, residual=0.4):
    """Three nets whose least distance goes from first to last, and their fits of the square loss."""
    looks, fits = [], []
    for net in range(3):
        for epoch, distance in ((5, first), (10, last)):
            spread = np.array([1.0, 2.0, 3.0]) * distance * (1 + 0.01 * net)
            looks.append(margin.Look(net, epoch, 0.0, spread, spread))
        fits.append(margin.Fit(net, residual, 0.0, least))
    return {"digits": looks}, {"digits": fits}


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [({"first": 1.0, "last": 2.0, "least": 1.3}, "holds"), ({"first": 2.0, "last": 1.0, "least": 1.3}, "fails"),
     ({"first": 1.0, "last": 2.0, "least": 1.1}, "fails"), ({"first": 1.0, "last": 1.0, "least": 1.3}, "inconclusive"),
     ({"first": 1.0, "last": 2.0, "least": 1.3, "residual": 1.2}, "inconclusive")],
)  # fmt: skip
def test_margins_must_grow_and_keep_what_the_residual_leaves(seen, verdict):
    config = replace(margin.PRESETS["smoke"], nets=3)
    found = margins_of(**seen)
    assert margin._claim(*found, *margin_controls(found), config, 0).verdict == verdict


def margin_controls(found, wrong=-1.0, grown=1.0):
    """The three nets judged by wrong labels, and with outputs twice and distances so many times as large."""
    ends = [look for look in found[0]["digits"] if look.epoch == 10]
    mistaken = [replace(look, outputs=wrong * look.outputs) for look in ends]
    doubled = [
        replace(look, outputs=2 * look.outputs, distance=(grown + 0.01 * look.net * (grown - 1)) * look.distance)
        for look in ends
    ]
    return mistaken, doubled


@pytest.mark.parametrize(("seen", "passed"), [({}, True), ({"wrong": 0.1}, False), ({"grown": 2.0}, False)])
def test_larger_outputs_must_not_count_as_growth_and_wrong_labels_must_not_have_margins(seen, passed):
    found = margins_of(first=1.0, last=2.0, least=1.3)
    claim = margin._claim(*found, *margin_controls(found, **seen), replace(margin.PRESETS["smoke"], nets=3), 0)
    assert claim.control.passed is passed
    assert claim.verdict == ("holds" if passed else "inconclusive")


def test_margins_of_trained_nets_are_those_of_zero_error(digits):
    how = Training(natural=25, random=0, batch=10, rate=0.1, hidden=(40,))
    result = margin.compute(replace(margin.PRESETS["smoke"], dense=how, looks=3, nets=2), digits, seed=0)
    zero = [row for row in result.table if row["loss"] == "cross-entropy" and row["train_error"] == 0]
    assert zero
    assert all(row["least_margin"] > 0 and row["least_distance"] > 0 for row in zero)
    fits = result.series["fits"]["digits"]
    assert all(fit.least_margin >= fit.bound - 1e-4 for fit in fits)
    assert result.claim.control.passed
    assert set(margin.draw(result)) == {"margins"}


def test_data_that_are_no_images_are_refused():
    with pytest.raises(ValueError, match="square images"):
        flatness_radius.check_data(None)
