"""The embedded sample is what its README says."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from unrolled.data import load, read_idx
from unrolled.data.download import content_digest
from unrolled.data.mnist import FILES, SAMPLE

DIGESTS = {
    "train-images-idx3-ubyte": "7ef6484fa2dcb69d5685d12455f0f8f6f59e31930d0c102b583ff8df0e6c6d19",
    "train-labels-idx1-ubyte": "75102ab4df8a2610cf378bda720556f68dc274c8cb6b49cc1a71a8a3a8ad139a",
    "t10k-images-idx3-ubyte": "31748e62b7e27aa6ce80e1fb8174b28c95b1ae6f9c8750fe36e41a790135fd78",
    "t10k-labels-idx1-ubyte": "e3640686ec3dd9c20a8b5e186f9795118702ca2c27242b7431fc37f09008cef2",
}
MNIST = Path(os.environ.get("UNROLLED_DATA_DIR", ""), "mnist")


def digits(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    return images, read_idx(folder / f"{part}-labels-idx1-ubyte.gz")


@pytest.mark.parametrize("file", FILES)
def test_the_sample_s_content_is_the_one_that_was_made(file: str) -> None:
    content = gzip.decompress((SAMPLE / f"{file}.gz").read_bytes())
    assert hashlib.sha256(content).hexdigest() == DIGESTS[file]
    assert content_digest(SAMPLE / f"{file}.gz") == DIGESTS[file]


def test_the_sample_has_as_many_of_each_class_in_every_prefix() -> None:
    for part, of_each in (("train", 400), ("t10k", 100)):
        images, labels = digits(SAMPLE, part)
        assert images.shape == (10 * of_each, 28, 28)
        assert (np.sort(labels.reshape(-1, 10), axis=1) == np.arange(10)).all(), "one of each in every ten"
        assert len(np.unique(labels.reshape(-1, 10), axis=0)) > of_each / 2, "in ever another order"


def test_no_digit_comes_twice() -> None:
    images = np.concatenate([digits(SAMPLE, part)[0] for part in ("train", "t10k")])
    assert len({image.tobytes() for image in images}) == 5000


def test_the_sample_s_first_digits_are_held_out() -> None:
    sample = load("sample")
    assert [len(part) for part in (sample.train, sample.validation, sample.test)] == [3600, 400, 1000]
    assert sample.validation.labels.bincount().tolist() == [40] * 10
    images, labels = digits(SAMPLE, "train")
    assert (sample.validation.sequences.numpy() == images[:400]).all()
    assert (sample.train.labels.numpy() == labels[400:]).all()
    whole = load("sample", validation=0)
    assert [len(part) for part in (whole.train, whole.validation, whole.test)] == [4000, 0, 1000]


@pytest.mark.skipif(not MNIST.is_dir(), reason="needs MNIST in the folder that UNROLLED_DATA_DIR names")
def test_all_of_the_sample_is_in_mnist_s_training_half() -> None:
    label_of = {image.tobytes(): label for image, label in zip(*digits(MNIST, "train"), strict=True)}
    tests = {image.tobytes() for image in digits(MNIST, "t10k")[0]}
    for part in ("train", "t10k"):
        images, labels = digits(SAMPLE, part)
        assert [label_of.get(image.tobytes()) for image in images] == labels.tolist()
        assert not tests & {image.tobytes() for image in images}
    assert not tests & set(label_of)
