"""The data sets: CIFAR-10 and MNIST from files whose checksums are verified, handwritten digits, generated images.

Each comes as whole tensors, standardised per channel with the statistics of the training images in use.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from theory.arguments import check_seed, is_whole

NAMES = ("cifar10", "mnist", "digits", "images")
_MNIST_MD5 = {  # of the unpacked files, which are what torchvision reads; it knows those of the packed ones only
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # training images and labels, test images and labels


class DataError(ValueError):
    """Data that are missing, damaged or of the wrong shape: what was looked for, what was found, how to mend it."""


@dataclass(frozen=True)
class Data:
    """A training and a test set in memory.

    train_inputs, test_inputs: (N, C, H, W) or (N, features), float
    train_labels, test_labels: (N,) whole numbers below n_classes, or (N, m) floats where n_classes is 0 (regression)
    identity: SHA-256 of the arrays before standardisation, after subset and random labels
    """

    name: str
    train_inputs: torch.Tensor
    train_labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor
    n_classes: int
    identity: str

    def fingerprint(self) -> str:
        """What tells these data from others: the identity, or where there is none the SHA-256 of the tensors."""
        if self.identity:
            return self.identity
        tensors = (self.train_inputs, self.train_labels, self.test_inputs, self.test_labels)
        return _sha256(*(tensor.numpy() for tensor in tensors))

    def describe(self) -> dict[str, Any]:
        """Name, sizes and SHA-256, as a run keeps them."""
        return {
            "name": self.name,
            "train": len(self.train_inputs),
            "test": len(self.test_inputs),
            "shape": list(self.train_inputs.shape[1:]),
            "classes": self.n_classes,
            "sha256": self.identity,
        }


def load_data(
    name: str,
    root: str | Path | None = None,
    random_labels: float = 0.0,
    subset: int | tuple[int, int] | None = None,
    seed: int = 0,
) -> Data:
    """A data set by name: "cifar10", "mnist" (files under root), "digits" (from scikit-learn) or "images" (made here).

    root: the folder in which torchvision keeps cifar-10-batches-py and MNIST; nothing is downloaded
    random_labels: the share of training labels drawn anew, uniformly (a tenth of those hit the old label by chance);
        test labels stay as they are
    subset: how many training images, or (training, test) images, drawn without repetition; None: all
    seed: of the subset, the random labels and the generated images

    Raises DataError on an unknown name, missing or damaged files, a share outside [0, 1] and a subset too large or of
    another form, ValueError on a seed that is not a whole number >= 0.
    """
    if not isinstance(name, str) or name not in NAMES:
        raise DataError(f"unknown data set {name!r}: choose one of {', '.join(NAMES)}")
    seed = check_seed(seed)
    n_train, n_test = _sizes(subset)
    share = isinstance(random_labels, int | float | np.number) and not isinstance(random_labels, bool)
    if not share or not 0.0 <= random_labels <= 1.0:
        raise DataError(f"random_labels is a share between 0 and 1, got {random_labels!r}")
    readers: dict[str, Callable[[], Arrays]] = {
        "cifar10": lambda: _cifar10(root),
        "mnist": lambda: _mnist(root),
        "digits": _digits,
        "images": lambda: _images(seed),
    }
    train_x, train_y, test_x, test_y = readers[name]()
    rng = np.random.default_rng([seed, 1])
    keep, keep_test = _choose(len(train_x), n_train, rng, "training"), _choose(len(test_x), n_test, rng, "test")
    train_x, train_y, test_x, test_y = train_x[keep], train_y[keep].copy(), test_x[keep_test], test_y[keep_test]
    redrawn = rng.permutation(len(train_y))[: round(random_labels * len(train_y))]
    train_y[redrawn] = rng.integers(0, 10, size=len(redrawn))
    return _standardised(name, (train_x, train_y, test_x, test_y), n_classes=10)


def from_arrays(inputs: Any, labels: Any, seed: int = 0) -> Data:
    """The user's own (X, Y): a fifth of it, drawn by seed, is kept for testing.

    inputs: (N, C, H, W) or (N, features), numbers. labels: (N,) whole numbers from 0.
    Raises DataError on other shapes, on NaN or infinity, and on fewer than 10 examples.
    """
    seed = check_seed(seed)
    try:
        x, y = np.asarray(inputs, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"data (X, Y) must be arrays of numbers: {error}") from error
    if x.ndim not in (2, 4) or y.shape != x.shape[:1] or len(x) < 10:
        raise DataError(
            f"data (X, Y) must have shapes (N, C, H, W) or (N, features) and (N,), N >= 10; got {x.shape}, {y.shape}"
        )
    if not np.isfinite(x).all():
        raise DataError(
            f"data X must be finite, got {np.count_nonzero(~np.isfinite(x))} entries that are NaN or infinite"
        )
    if not (np.isfinite(y) & (y >= 0) & (y == np.round(y))).all():
        raise DataError("data Y must be class labels, whole numbers from 0")
    whole = y.astype(np.int64)
    order = np.random.default_rng([seed, 1]).permutation(len(x))
    test, train = np.split(order, [len(x) // 5])
    return _standardised("(X, Y)", (x[train], whole[train], x[test], whole[test]), n_classes=int(whole.max()) + 1)


def with_random_labels(data: Data, seed: int) -> Data:
    """The same data with every training label drawn anew, uniformly; test labels stay as they are.

    Source: 2018 review, section 8; Zhang et al., Understanding deep learning requires rethinking generalization (2017).
    """
    drawn = np.random.default_rng([check_seed(seed), 3]).integers(0, data.n_classes, size=len(data.train_labels))
    identity = hashlib.sha256(f"{data.identity} random labels {seed}".encode()).hexdigest()
    return replace(data, train_labels=torch.from_numpy(drawn), identity=identity)


def shrunk(data: Data, side: int) -> Data:
    """The images averaged over squares of this side, which must divide theirs."""
    if side == 1:
        return data
    parts = [torch.nn.functional.avg_pool2d(inputs, side) for inputs in (data.train_inputs, data.test_inputs)]
    return replace(data, train_inputs=parts[0], test_inputs=parts[1])


def square_images(data: Data | None, wanted_by: str) -> Data:
    """data, if they are square images; DataError otherwise."""
    shape = () if data is None else tuple(data.train_inputs.shape)
    if data is None or len(shape) != 4 or shape[2] != shape[3]:
        raise DataError(f"{wanted_by} needs square images (N, C, size, size), got {shape or 'no data'}")
    return data


def _standardised(name: str, arrays: Arrays, n_classes: int) -> Data:
    """arrays as tensors; each channel (or feature) of mean 0 and variance 1 over the training inputs."""
    identity = _sha256(*arrays)
    train_x, train_y, test_x, test_y = (torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)
    axes = (0, *range(2, train_x.ndim))
    train, test = train_x.float(), test_x.float()
    mean, spread = train.mean(axes, keepdim=True), train.std(axes, keepdim=True, correction=0)
    spread = torch.where(spread > 0, spread, torch.ones_like(spread))  # a constant feature stays, as 0
    return Data(
        name,
        train.sub_(mean).div_(spread),
        train_y.long(),
        test.sub_(mean).div_(spread),
        test_y.long(),
        n_classes,
        identity,
    )


def _sha256(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _sizes(subset: Any) -> tuple[int | None, int | None]:
    """How many training and test images a subset asks for; None: all."""
    pair = tuple(subset) if isinstance(subset, tuple | list) else (subset, None)
    if len(pair) != 2 or not all(size is None or is_whole(size) for size in pair):
        raise DataError(f"subset must be a whole number, a pair (training, test) of these, or None; got {subset!r}")
    return pair


def _choose(available: int, wanted: int | None, rng: np.random.Generator, kind: str) -> np.ndarray:
    if wanted is None:
        return np.arange(available)
    if not 0 < wanted <= available:
        raise DataError(f"subset asks for {wanted} {kind} images of {available}")
    return rng.choice(available, size=wanted, replace=False)


def _cifar10(root: str | Path | None) -> Arrays:
    folder = _folder("cifar10", root, "cifar-10-batches-py", "CIFAR10")
    from torchvision.datasets import CIFAR10

    expected = dict([*CIFAR10.train_list, *CIFAR10.test_list])
    _verify("cifar10", folder, expected | {CIFAR10.meta["filename"]: CIFAR10.meta["md5"]}, "CIFAR10")
    train, test = (CIFAR10(str(folder.parent), train=part) for part in (True, False))
    images = [np.ascontiguousarray(part.data.transpose(0, 3, 1, 2)) for part in (train, test)]
    return images[0], np.array(train.targets), images[1], np.array(test.targets)


def _mnist(root: str | Path | None) -> Arrays:
    folder = _folder("mnist", root, "MNIST/raw", "MNIST")
    _verify("mnist", folder, _MNIST_MD5, "MNIST")
    from torchvision.datasets import MNIST

    train, test = (MNIST(str(folder.parent.parent), train=part) for part in (True, False))
    return train.data.numpy()[:, None], train.targets.numpy(), test.data.numpy()[:, None], test.targets.numpy()


def _folder(name: str, root: str | Path | None, inner: str, torchvision_name: str) -> Path:
    if root is None:
        raise DataError(
            f"{name} is read from files: give as root the folder that holds {inner}{_remedy(torchvision_name)}"
        )
    folder = Path(root) / inner
    if not folder.is_dir():
        there = sorted(entry.name for entry in Path(root).iterdir())[:5] if Path(root).is_dir() else None
        found = "no such folder" if there is None else f"it holds {', '.join(there) or 'nothing'}"
        raise DataError(f"{name}: looked for {inner} in {root}: {found}{_remedy(torchvision_name)}")
    return folder


def _verify(name: str, folder: Path, expected: dict[str, str], torchvision_name: str) -> None:
    """DataError naming every file that is missing or whose MD5 is not the published one."""
    faults = []
    for file, md5 in expected.items():
        path = folder / file
        if not path.is_file():
            faults.append(f"{file} is missing")
            continue
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "md5").hexdigest()
        if found != md5:
            faults.append(f"{file} is damaged ({path.stat().st_size} bytes, MD5 {found}, expected {md5})")
    if faults:
        mend = "; remove what is damaged" if any("damaged" in fault for fault in faults) else ""
        raise DataError(f"{name} in {folder}: {'; '.join(faults)}{mend}{_remedy(torchvision_name)}")


def _remedy(torchvision_name: str) -> str:
    return f"; to fetch it: torchvision.datasets.{torchvision_name}(root, download=True)"


def _digits() -> Arrays:
    """The 1,797 handwritten digits of scikit-learn, (N, 1, 8, 8); the last 450, of other writers, are for testing."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    x = images.reshape(-1, 1, 8, 8).astype(np.uint8)
    return x[:-450], labels[:-450].astype(np.int64), x[-450:], labels[-450:].astype(np.int64)


def _images(seed: int) -> Arrays:
    """5,000 images of CIFAR's shape in 10 classes, a smooth pattern each, shifted, under smooth and white noise.

    Learnable (a class has one pattern) but not by a single pixel: the shift is up to 4 pixels and the noise as strong
    as the pattern.
    """
    rng = np.random.default_rng([seed, 2])
    patterns = _smooth(rng, 10)
    labels = rng.permutation(np.arange(5000) % 10)
    pictures = np.empty((5000, 3, 32, 32), np.uint8)
    for start in range(0, 5000, 500):  # 500 at a time: the floats of all 5,000 would take 120 MB
        some = labels[start : start + 500]
        shifts = rng.integers(-4, 5, size=(500, 2))
        signal = np.stack([np.roll(patterns[k], tuple(s), axis=(1, 2)) for k, s in zip(some, shifts, strict=True)])
        noise = _smooth(rng, 500) + 0.5 * rng.standard_normal((500, 3, 32, 32))
        pictures[start : start + 500] = np.clip(128 + 32 * (signal + noise), 0, 255)
    return pictures[:4000], labels[:4000], pictures[4000:], labels[4000:]


def _smooth(rng: np.random.Generator, n: int) -> np.ndarray:
    """n random fields (n, 3, 32, 32) of variance 1 made of the 5 x 5 lowest frequencies, periodic."""
    spectrum = np.zeros((n, 3, 32, 17), complex)
    low = np.array([-2, -1, 0, 1, 2])
    spectrum[:, :, low, :3] = rng.standard_normal((n, 3, 5, 3)) + 1j * rng.standard_normal((n, 3, 5, 3))
    field = np.fft.irfft2(spectrum, s=(32, 32))
    return field / field.std(axis=(1, 2, 3), keepdims=True)
