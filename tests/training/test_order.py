"""Which examples each step takes."""

from itertools import chain, islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled import tf1
from unrolled.data import write_idx
from unrolled.training.order import batches_of_rows
from unrolled.training.recipe import ORDERS, steps_per_epoch


def rows(order, examples, batch_size, seed, steps, first_step=0):
    drawn = islice(batches_of_rows(order, examples, batch_size, seed, first_step), steps)
    return [batch.tolist() for batch in drawn]


@given(
    order=st.sampled_from(ORDERS),
    examples=st.integers(1, 40),
    batch_size=st.integers(1, 50),
    seed=st.integers(0, 2**32 - 1),
    first_step=st.integers(0, 60),
)
def test_beginning_at_a_later_step_gives_what_would_have_come_there(
    order, examples, batch_size, seed, first_step
):
    whole = rows(order, examples, batch_size, seed, first_step + 7)
    assert rows(order, examples, batch_size, seed, 7, first_step) == whole[first_step:]


@given(examples=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 9))
def test_a_shuffled_epoch_has_every_example_once(examples, batch_size, seed):
    steps = steps_per_epoch("shuffled", examples, batch_size)
    epochs = rows("shuffled", examples, batch_size, seed, 2 * steps)
    for epoch in (epochs[:steps], epochs[steps:]):
        assert sorted(chain(*epoch)) == list(range(examples))
        assert [len(batch) for batch in epoch[:-1]] == [batch_size] * (steps - 1)


def test_shuffled_epochs_differ_from_each_other_and_by_seed():
    first, second = rows("shuffled", 20, 20, 0, 2)
    assert first != second
    assert rows("shuffled", 20, 20, 1, 1) != [first]


def test_next_batch_gives_the_batches_of_tensorflow_1(tmp_path):
    labels = np.arange(23).astype(np.uint8)
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", np.zeros((23, 28, 28), np.uint8))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", labels)
    train = tf1.read_data_sets(tmp_path, validation_size=0, seed=5).train
    expected = [train.next_batch(6)[1].tolist() for _ in range(30)]
    assert rows("next-batch", 23, 6, 5, 30) == expected
    assert train.epochs_completed > 5


def test_file_order_leaves_out_the_rest_of_an_epoch():
    assert rows("file", 7, 3, 0, 3) == [[0, 1, 2], [3, 4, 5], [0, 1, 2]]


@pytest.mark.parametrize("order", ["next-batch", "file"])
def test_whole_batches_are_as_large_as_there_are_examples_at_most(order):
    assert [sorted(batch) for batch in rows(order, 3, 8, 0, 2)] == [[0, 1, 2]] * 2


def test_rows_are_what_index_select_takes():
    assert all(next(batches_of_rows(order, 9, 4, 0)).dtype == torch.int64 for order in ORDERS)
