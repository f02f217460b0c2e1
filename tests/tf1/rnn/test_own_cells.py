"""Cells of one's own, as written for TensorFlow 1: `__call__` alone, properties, no `super().__init__`."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from tests.tolerances import assert_equal
from unrolled import tf1


class Mean(tf1.RNNCell):
    """The mean of all inputs so far; the state is their sum and their number."""

    def __init__(self, width):
        self._width = width

    @property
    def state_size(self):
        return (self._width, 1)

    @property
    def output_size(self):
        return self._width

    def __call__(self, inputs, state, scope=None):
        total, count = state[0] + inputs, state[1] + 1
        return total / count, (total, count)


class Affine(tf1.RNNCell):
    """It has a parameter, made in its own __init__, and calls the one above."""

    def __init__(self, width):
        super().__init__(name="affine")
        self.state_size = self.output_size = width
        self.scale = nn.Parameter(torch.full((width,), 2.0))

    def __call__(self, inputs, state):
        output = self.scale * inputs + state
        return output, output


def expected_means(x):
    return x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]


def test_a_cell_with_call_alone_runs_in_every_loop():
    x = torch.rand(2, 5, 3)
    outputs, (total, count) = tf1.dynamic_rnn(Mean(3), x, dtype="float32")
    torch.testing.assert_close(outputs, expected_means(x))
    torch.testing.assert_close(total, x.sum(1))
    assert count.tolist() == [[5], [5]]
    steps, _ = tf1.static_rnn(Mean(3), x.unbind(1), dtype="float32")
    assert_equal(steps, list(outputs.unbind(1)))
    (forward, backward), _ = tf1.bidirectional_dynamic_rnn(Mean(3), Mean(3), x, dtype="float32")
    assert_equal([forward], [outputs])
    torch.testing.assert_close(backward.flip(1), expected_means(x.flip(1)))


def test_lengths_and_states_are_its_own():
    x = torch.rand(2, 5, 3)
    outputs, (total, count) = tf1.dynamic_rnn(Mean(3), x, [2, 5], dtype="float32")
    assert bool((outputs[0, 2:] == 0).all())
    assert count.tolist() == [[2], [5]]
    torch.testing.assert_close(total[0], x[0, :2].sum(0))


def test_it_stands_in_stacks_and_wrappers():
    x = torch.rand(2, 5, 3)
    stack = tf1.MultiRNNCell([Mean(3), tf1.ResidualWrapper(Mean(3)), tf1.GRUCell(4)])
    outputs, states = tf1.dynamic_rnn(stack, x, dtype="float32")
    means = expected_means(x)
    torch.testing.assert_close(states[1][0], means.sum(1))
    assert outputs.shape == (2, 5, 4)


def test_its_parameters_are_trained():
    cell, x = Affine(3), torch.rand(2, 4, 3)
    outputs, state = tf1.dynamic_rnn(cell, x, dtype="float32")
    torch.testing.assert_close(outputs, 2 * x.cumsum(1))
    state.sum().backward()
    torch.testing.assert_close(cell.scale.grad, x.sum((0, 1)))
    assert list(cell.state_dict()) == ["scale"]


def test_it_can_be_copied_and_pickled():
    for cell in (Mean(3), Affine(3)):
        x = torch.rand(2, 4, 3)
        expected, _ = tf1.dynamic_rnn(cell, x, dtype="float32")
        for other in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
            assert_equal([tf1.dynamic_rnn(other, x, dtype="float32")[0]], [expected])


def test_a_cell_without_a_step_is_refused():
    class Nothing(tf1.RNNCell):
        state_size = output_size = 3

    with pytest.raises(TypeError, match="Nothing defines neither call nor __call__"):
        Nothing()


@pytest.mark.parametrize("units", [np.int64(3), torch.tensor(3), np.array(3)], ids=repr)
def test_units_may_be_numpys(units):
    for make in (tf1.BasicRNNCell, tf1.GRUCell, tf1.BasicLSTMCell, tf1.LSTMCell, tf1.LayerNormBasicLSTMCell):
        cell = make(units)
        assert type(cell.num_units) is int
        assert tf1.dynamic_rnn(cell, torch.rand(2, 4, 5), dtype="float32")[0].shape == (2, 4, 3)
    projected = tf1.LSTMCell(units, num_proj=np.int32(2), cell_clip=np.float32(3))
    assert tf1.dynamic_rnn(projected, torch.rand(2, 4, 5), dtype="float32")[0].shape == (2, 4, 2)
    dropping = tf1.DropoutWrapper(tf1.GRUCell(units), output_keep_prob=np.float32(0.5))
    assert tf1.dynamic_rnn(dropping, torch.rand(2, 4, 5), dtype="float32")[0].shape == (2, 4, 3)
