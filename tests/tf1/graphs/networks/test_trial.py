"""Sequences on which graphs and networks are tried."""

import numpy as np

from unrolled.tf1.graphs.networks.feeding import Entrance, Layout
from unrolled.tf1.graphs.networks.trial import Sequences, Setting


def drawn(dtype, width):
    entrance, layout = Entrance("x:0", dtype, None, False), Layout("N T I", lambda x: x, {})
    return Sequences.draw(Setting("y:0", entrance, layout, {}), width, 6, 9, seed=3, padded=True).x


def test_padded_words_end_with_the_first_the_last_or_the_second_word_of_many():
    x = drawn(3, 5000)
    assert x[:, -1].tolist() == [0, 4999, 1] * 2
    assert ((x[:, 0] > 0) & (x[:, 0] < 4999)).all()


def test_padded_numbers_end_with_steps_of_zeros_and_begin_without():
    x = drawn(1, 4)
    assert not x[:, -1].any()
    assert np.abs(x[:, 0]).min() > 0
