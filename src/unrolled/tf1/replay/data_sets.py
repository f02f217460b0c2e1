"""MNIST as TensorFlow 1's tutorials read it: `read_data_sets` and `next_batch`, in the original order."""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data import locate, read_idx
from unrolled.errors import UnrolledError
from unrolled.tf1.replay.initializers import get_graph_seed


class DataSet:
    """Images and labels, given out in shuffled batches.

    Attributes:
        images: float32 [N, 784] from 0 to 1, in their present order.
        labels: uint8 [N], or with one_hot float64 [N, 10].
        num_examples: N.
        epochs_completed: how many times all images were given out.
    """

    def __init__(self, images: NDArray[Any], labels: NDArray[Any], random: np.random.RandomState) -> None:
        self.images = images
        self.labels = labels
        self.num_examples = len(images)
        self.epochs_completed = 0
        self._given = 0  # of the present epoch
        self._random = random

    def next_batch(
        self, batch_size: int, fake_data: bool = False, shuffle: bool = True
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """The next images and labels.

        The images are shuffled at the first call and when all were given out; a batch over the end takes the
        rest and the beginning of the reshuffled images.

        Args:
            batch_size: how many, at most `num_examples`.
            fake_data: only False.
            shuffle: whether an epoch that begins is shuffled.
        """
        if fake_data:
            raise UnrolledError("fake_data is True, expected False: there is no fake data here")
        if not 0 < batch_size <= self.num_examples:
            raise UnrolledError(f"batch_size is {batch_size}, expected 1 to {self.num_examples}")
        if self._given == 0 and shuffle:  # the very first call
            self._shuffle()
        rest = slice(self._given, self._given + batch_size)
        images, labels = self.images[rest], self.labels[rest]
        self._given += batch_size
        if self._given > self.num_examples:
            self.epochs_completed += 1
            self._given -= self.num_examples
            if shuffle:
                self._shuffle()
            images = np.concatenate([images, self.images[: self._given]])
            labels = np.concatenate([labels, self.labels[: self._given]])
        return images, labels

    def _shuffle(self) -> None:
        order = np.arange(self.num_examples)
        self._random.shuffle(order)
        self.images, self.labels = self.images[order], self.labels[order]


class Datasets(NamedTuple):
    """The three parts: 55,000 images to train, the first 5,000 of the file to validate, 10,000 to test."""

    train: DataSet
    validation: DataSet
    test: DataSet


def read_data_sets(
    train_dir: str | os.PathLike[str],
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = "float32",
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str | None = None,
) -> Datasets:
    """Read MNIST from a folder, as `tensorflow.examples.tutorials.mnist.input_data.read_data_sets`.

    Images are multiplied by float32(1/255), which is in the last bit not a division by 255. One numpy
    generator shuffles all three parts, as numpy's global one did: with a seed, the batches come in
    TensorFlow 1's order.

    Args:
        train_dir: a folder with the four files, plain or gzip; nothing is downloaded.
        fake_data: only False.
        one_hot: whether labels are rows [10] with a 1.
        dtype: "float32" for 0 to 1, "uint8" for 0 to 255.
        reshape: whether images are rows [784], or else [28, 28, 1].
        validation_size: how many of the first training images are for validation.
        seed: of the shuffling; None for that of `set_random_seed`, and without that for another at each call.
        source_url: taken for TensorFlow's sake.

    Raises:
        UnrolledError: files are missing or damaged, or an argument cannot be used.
    """
    if fake_data:
        raise UnrolledError("fake_data is True, expected False: there is no fake data here")
    dtype = getattr(dtype, "__name__", str(dtype)).removeprefix("torch.")
    if dtype not in ("float32", "uint8"):
        raise UnrolledError(f"dtype is {dtype!r}, expected 'float32' or 'uint8'")
    train_images, train_labels, test_images, test_labels = map(read_idx, locate("mnist", train_dir))
    if not 0 <= validation_size <= len(train_images):
        raise UnrolledError(f"validation_size is {validation_size}, expected 0 to {len(train_images)}")
    # Each part seeded the generator anew, and it was one for all three: only the last seeding counts.
    random = np.random.RandomState(get_graph_seed() if seed is None else seed)

    def part(images: NDArray[Any], labels: NDArray[Any]) -> DataSet:
        images = (
            images.reshape(len(images), math.prod(images.shape[1:])) if reshape else images[..., np.newaxis]
        )
        if dtype == "float32":
            images = np.multiply(images.astype(np.float32), np.float32(1.0 / 255.0))
        return DataSet(images, np.eye(10)[labels] if one_hot else labels, random)

    return Datasets(
        part(train_images[validation_size:], train_labels[validation_size:]),
        part(train_images[:validation_size], train_labels[:validation_size]),
        part(test_images, test_labels),
    )
