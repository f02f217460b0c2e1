"""MNIST as TensorFlow 1's tutorials read it."""

import numpy as np
import pytest
import torch

from unrolled import UnrolledError, tf1
from unrolled.data import read_idx, write_idx

TRAIN, VALIDATION, TEST = 23, 4, 7


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for part, count in (("train", TRAIN + VALIDATION), ("t10k", TEST)):
        write_idx(
            tmp_path / f"{part}-images-idx3-ubyte", random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        )
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", random.integers(0, 10, count, dtype=np.uint8))
    return tmp_path


def read(folder, **options):
    return tf1.read_data_sets(folder, validation_size=VALIDATION, **options)


def test_images_and_labels_are_those_of_the_files(folder):
    images = read_idx(folder / "train-images-idx3-ubyte")
    labels = read_idx(folder / "train-labels-idx1-ubyte")
    mnist = read(folder)
    assert [part.num_examples for part in mnist] == [TRAIN, VALIDATION, TEST]
    assert (mnist.validation.images * 255).round().astype(int).tolist() == images[:4].reshape(4, -1).tolist()
    assert mnist.train.images.dtype == np.float32
    assert mnist.train.labels.tolist() == labels[VALIDATION:].tolist()
    assert mnist.train.labels.dtype == np.uint8

    hot = read(folder, one_hot=True).train.labels
    assert (hot.shape, hot.dtype) == ((TRAIN, 10), np.float64)
    assert hot.argmax(1).tolist() == labels[VALIDATION:].tolist()
    assert (hot.sum(1) == 1).all()


def test_grey_values_are_multiplied_and_not_divided(folder):
    grey = np.arange(256, dtype=np.float32)
    assert (grey * np.float32(1 / 255) != grey / np.float32(255)).sum() == 126
    bytes_ = read(folder, dtype="uint8").test.images
    assert np.array_equal(read(folder).test.images, bytes_.astype(np.float32) * np.float32(1 / 255))
    assert read(folder, dtype=torch.uint8, reshape=False).test.images.shape == (TEST, 28, 28, 1)


def test_batches_come_in_the_order_of_numpys_old_generator(folder):
    mnist = read(folder, seed=5)
    rows = {image.tobytes(): row for row, image in enumerate(mnist.train.images)}
    random = np.random.RandomState(5)
    first, test, second = np.arange(TRAIN), np.arange(TEST), np.arange(TRAIN)
    random.shuffle(first)
    random.shuffle(test)  # the generator is one for all parts
    second = first[second]
    order = np.arange(TRAIN)
    random.shuffle(order)

    def given(batch):
        return [rows[image.tobytes()] for image in batch[0]]

    assert given(mnist.train.next_batch(10)) == first[:10].tolist()
    mnist.test.next_batch(3)
    assert given(mnist.train.next_batch(10)) == first[10:20].tolist()
    assert mnist.train.epochs_completed == 0
    # The rest of the first epoch, and the beginning of the second, shuffled from the first's order.
    assert given(mnist.train.next_batch(10)) == [*first[20:], *first[order][:7]]
    assert mnist.train.epochs_completed == 1
    assert given(mnist.train.next_batch(10)) == first[order][7:17].tolist()


def test_every_example_is_given_once_in_an_epoch_with_its_label(folder):
    mnist = read(folder)
    labels = {image.tobytes(): label for image, label in zip(*_all(mnist.train), strict=True)}
    images, given = mnist.train.next_batch(TRAIN)
    assert len({image.tobytes() for image in images}) == TRAIN
    assert [labels[image.tobytes()] for image in images] == given.tolist()


def _all(part):
    return part.images, part.labels


def test_without_shuffle_batches_are_in_order(folder):
    mnist = read(folder)
    images, _ = mnist.train.next_batch(5, shuffle=False)
    assert np.array_equal(images, mnist.train.images[:5])


def test_a_whole_epoch_in_one_batch_is_not_yet_completed(folder):
    mnist = read(folder)
    mnist.test.next_batch(TEST)
    assert mnist.test.epochs_completed == 0
    mnist.test.next_batch(1)
    assert mnist.test.epochs_completed == 1


def test_the_graphs_seed_rules_if_there_is_no_other(folder):
    tf1.set_random_seed(5)
    by_graph = read(folder).train.next_batch(TRAIN)[1]
    tf1.set_random_seed(None)
    assert by_graph.tolist() == read(folder, seed=5).train.next_batch(TRAIN)[1].tolist()


def test_arguments_that_cannot_be_used_are_refused(folder):
    with pytest.raises(UnrolledError, match="validation_size is 5000, expected 0 to 27"):
        tf1.read_data_sets(folder)
    with pytest.raises(UnrolledError, match="dtype is 'int8', expected 'float32' or 'uint8'"):
        read(folder, dtype="int8")
    with pytest.raises(UnrolledError, match="fake_data is True, expected False"):
        read(folder, fake_data=True)
    mnist = read(folder)
    with pytest.raises(UnrolledError, match="fake_data is True, expected False"):
        mnist.train.next_batch(1, fake_data=True)
    with pytest.raises(UnrolledError, match="batch_size is 24, expected 1 to 23"):
        mnist.train.next_batch(24)
    with pytest.raises(UnrolledError, match="does not hold mnist: expected train-images-idx3-ubyte"):
        tf1.read_data_sets(folder / "nothing")
