"""The benchmark of training measures each way, and batch descent in pieces within memory that does not grow."""

import math

import pytest
from click.testing import CliRunner

from benchmarks import training
from benchmarks.__main__ import cli


def test_every_way_to_train_is_measured():
    found = training.rates(100, 1, "cpu", nets=2)
    assert [rate.way for rate in found] == [
        training.LOADER, training.TENSORS, training.OURS, training.IN_TURN, training.AT_ONCE, training.STACKED
    ]  # fmt: skip
    assert all(rate.wall > 0 and rate.cpu > 0 for rate in found)


def test_memory_of_a_step_in_pieces_does_not_grow_with_the_number_of_images():
    few, many = training.descents((400, 1200), (50,), "cpu")
    (whole,) = training.descents((1200,), (None,), "cpu")
    if math.isnan(whole.memory):
        pytest.skip("peak memory is read from /proc, which is not here")
    assert whole.memory > 100  # 1,200 images at about 170 kB
    assert many.memory < 0.3 * whole.memory
    assert many.memory < few.memory + 20


@pytest.mark.parametrize("given", ["x", "1000,-3", "2"])
def test_a_number_of_images_that_is_none_is_refused_in_one_line(given):
    result = CliRunner().invoke(cli, ["training", "--descent", given])
    assert result.exit_code == 2
    assert "numbers of images, at least 4 each" in result.output
