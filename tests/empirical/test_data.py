"""Data: shapes, standardisation, subsets, random labels; files that are missing or damaged are named."""

import gzip
import pickle
import shutil

import numpy as np
import pytest
import torch

import empirical as em
from empirical import data as module
from empirical.data import DataError, from_arrays, load_data
from empirical.experiments import DATA_SETS


@pytest.fixture(scope="module")
def images():
    return load_data("images")


def test_digits_are_those_of_scikit_learn_split_in_order():
    data = load_data("digits")
    assert data.train_inputs.shape == (1347, 1, 8, 8)
    assert data.test_inputs.shape == (450, 1, 8, 8)
    assert data.train_labels[:5].tolist() == [0, 1, 2, 3, 4]  # as scikit-learn lists them
    assert data.n_classes == 10


def test_generated_images_have_the_shape_of_cifar_and_standardised_channels(images):
    assert images.train_inputs.shape == (4000, 3, 32, 32)
    torch.testing.assert_close(images.train_inputs.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(images.train_inputs.std((0, 2, 3)), torch.ones(3), atol=1e-4, rtol=0)


def test_generated_images_can_be_learnt_from_their_low_frequencies_but_not_from_one_pixel(images):
    def nearest_mean(train, test):
        """Test error of the nearest class mean, a classifier that shares no code with the networks."""
        means = torch.stack([train[images.train_labels == k].flatten(1).mean(0) for k in range(10)])
        guess = torch.cdist(test.flatten(1), means).argmin(1)
        return (guess != images.test_labels).float().mean().item()

    assert nearest_mean(images.train_inputs, images.test_inputs) < 0.45
    assert nearest_mean(images.train_inputs[..., :1, :1], images.test_inputs[..., :1, :1]) > 0.7


def test_a_seed_fixes_the_generated_images_and_another_changes_them(images):
    assert load_data("images").identity == images.identity
    assert load_data("images", seed=1).identity != images.identity


def test_a_subset_has_the_sizes_asked_for_and_is_standardised_by_itself():
    data = load_data("digits", subset=(200, 50), seed=3)
    assert (len(data.train_inputs), len(data.test_inputs)) == (200, 50)
    assert abs(data.train_inputs.mean()) < 1e-6
    assert load_data("digits", subset=(200, 50), seed=4).identity != data.identity


def test_random_labels_change_about_nine_tenths_of_the_share_and_no_test_label():
    natural, random = load_data("digits"), load_data("digits", random_labels=0.5)
    changed = (natural.train_labels != random.train_labels).sum().item()
    n = round(0.5 * 1347)  # each redrawn label differs with probability 0.9; four standard deviations
    assert abs(changed - 0.9 * n) < 4 * (n * 0.09) ** 0.5
    assert torch.equal(natural.test_labels, random.test_labels)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("imagenet",), "imagenet"),
        (("cifar10",), "root"),
        (("cifar10", "no/such/folder"), "no such folder"),
        (("mnist", "no/such/folder"), "MNIST/raw"),
        (("digits", None, 1.5), "1.5"),
        (("digits", None, 0.0, 5000), "5000"),
        (("digits", None, "a"), "share between 0 and 1, got 'a'"),
        (("digits", None, True), "got True"),
        (("digits", None, 0.0, 1.5), r"subset must be .*; got 1\.5"),
        (("digits", None, 0.0, (10,)), "subset must be"),
        (("digits", None, 0.0, (10, 10, 10)), "subset must be"),
        (("digits", None, 0.0, ("a", 5)), "subset must be"),
        (("digits", None, 0.0, ...), "subset must be .*; got Ellipsis"),
        ((["digits"],), "unknown data set"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(arguments, named):
    with pytest.raises(DataError, match=named) as caught:
        load_data(*arguments)
    assert "\n" not in str(caught.value)


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """MNIST's four files with 20 images each, and the checksums of these."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    sums = {}
    for part in ("train", "t10k"):
        images, labels = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8), np.arange(20, dtype=np.uint8) % 10
        for name, magic, array in (
            (f"{part}-images-idx3-ubyte", 2051, images),
            (f"{part}-labels-idx1-ubyte", 2049, labels),
        ):
            content = np.array([magic, *array.shape], dtype=">i4").tobytes() + array.tobytes()
            (folder / name).write_bytes(content)
            sums[name] = module.hashlib.md5(content).hexdigest()
    monkeypatch.setattr(module, "_MNIST_MD5", sums)
    return folder


def test_mnist_is_read_where_torchvision_keeps_it(small_mnist):
    data = load_data("mnist", root=small_mnist.parents[1])
    assert data.train_inputs.shape == (20, 1, 28, 28)
    assert data.train_labels.tolist() == [*range(10)] * 2


def test_a_truncated_and_a_missing_file_are_named_with_size_and_checksum(small_mnist):
    file = small_mnist / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:100])
    (small_mnist / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError) as caught:
        load_data("mnist", root=small_mnist.parents[1])
    text = str(caught.value)
    assert "train-images-idx3-ubyte is damaged (100 bytes, MD5" in text
    assert "t10k-labels-idx1-ubyte is missing" in text
    assert "train-labels" not in text
    assert "remove what is damaged" in text
    assert "download=True" in text


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None])
def test_data_need_a_whole_number_as_seed(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        load_data("images", seed=seed)
    with pytest.raises(ValueError, match="seed must be a whole number"):
        from_arrays(np.zeros((20, 3)), np.zeros(20), seed=seed)


def test_a_damaged_cifar_batch_is_named_and_never_unpickled(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    class Trap:
        def __reduce__(self):
            return (shutil.rmtree, (str(folder),))

    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (folder / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="data_batch_3 is damaged"):
        load_data("cifar10", root=tmp_path)
    assert folder.is_dir()


def test_packed_files_alone_are_not_enough(small_mnist):
    file = small_mnist / "train-labels-idx1-ubyte"
    file.with_suffix(".gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    with pytest.raises(DataError, match="train-labels-idx1-ubyte is missing") as caught:
        load_data("mnist", root=small_mnist.parents[1])
    assert "remove" not in str(caught.value)  # there is nothing to remove


def test_own_arrays_keep_a_fifth_for_testing():
    rng = np.random.default_rng(0)
    data = from_arrays(rng.normal(size=(50, 3, 8, 8)), rng.integers(0, 4, 50))
    assert (len(data.train_inputs), len(data.test_inputs)) == (40, 10)
    assert data.n_classes <= 4


@pytest.mark.parametrize(
    ("inputs", "labels", "named"),
    [
        (np.zeros((20, 3)), np.zeros(19), "shapes"),
        (np.zeros((20, 3, 4)), np.zeros(20), "shapes"),
        (np.full((20, 3), np.nan), np.zeros(20), "60 entries"),
        (np.zeros((20, 3)), np.full(20, 0.5), "whole numbers"),
        (np.zeros((20, 3)), np.full(20, -1), "whole numbers"),
        (np.zeros((20, 3)), np.full(20, np.nan), "whole numbers"),
        ([["a", "b"]] * 20, np.zeros(20), "numbers"),
    ],
)
def test_own_arrays_of_the_wrong_kind_are_refused(inputs, labels, named):
    with pytest.raises(DataError, match=named):
        from_arrays(inputs, labels)


def test_the_names_that_need_no_torch_are_those_of_the_data_module():
    assert DATA_SETS == module.NAMES
    assert em.load_data is load_data
