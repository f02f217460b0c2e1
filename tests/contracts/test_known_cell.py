"""Unrollings of a cell whose answers are known by head, as a `Cell` and as any other module."""

import pytest
import torch
from torch import nn

from tests.tolerances import assert_equal
from unrolled import Cell, bidirectional_unroll, dynamic_unroll, static_unroll


class Counter(Cell):
    """output = x + 1, state' = state + 1."""

    def __init__(self):
        super().__init__(input_size=2, output_size=2, state_size=1)

    def step(self, x, state):
        return x + 1, state + 1


class PlainCounter(nn.Module):
    """The same, of no class of ours."""

    def forward(self, x, state):
        return x + 1, state + 1

    def initial_state(self, batch_size):
        return torch.zeros(batch_size, 1)


X = torch.arange(24.0).reshape(3, 4, 2)  # N = 3, T = 4
LENGTHS = [2, 0, 4]
OUTPUTS = torch.tensor(
    [
        [[1.0, 2.0], [3.0, 4.0], [0.0, 0.0], [0.0, 0.0]],
        [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]],
        [[17.0, 18.0], [19.0, 20.0], [21.0, 22.0], [23.0, 24.0]],
    ]
)

both_counters = pytest.mark.parametrize("counter", [Counter(), PlainCounter()], ids=["Cell", "Module"])


@both_counters
def test_dynamic_unroll_counts_the_steps_of_each_sequence(counter):
    outputs, count = dynamic_unroll(counter, X, LENGTHS)
    assert_equal(outputs, OUTPUTS)
    assert count.tolist() == [[2], [0], [4]]


@both_counters
def test_dynamic_unroll_counts_on_from_a_given_state(counter):
    _, count = dynamic_unroll(counter, X, LENGTHS, torch.tensor([[10.0], [20.0], [30.0]]))
    assert count.tolist() == [[12], [20], [34]]


@both_counters
def test_dynamic_unroll_without_lengths_counts_every_step(counter):
    outputs, count = dynamic_unroll(counter, X)
    assert_equal(outputs, X + 1)
    assert count.tolist() == [[4], [4], [4]]


@both_counters
def test_dynamic_unroll_returns_the_count_after_every_step(counter):
    _, _, counts = dynamic_unroll(counter, X, LENGTHS, return_states=True)
    assert counts.squeeze(2).tolist() == [[1, 2, 2, 2], [0, 0, 0, 0], [1, 2, 3, 4]]


@both_counters
def test_dynamic_unroll_takes_time_first(counter):
    outputs, count = dynamic_unroll(counter, X.transpose(0, 1), LENGTHS, batch_first=False)
    assert_equal(outputs, OUTPUTS.transpose(0, 1))
    assert count.tolist() == [[2], [0], [4]]


@both_counters
def test_static_unroll_takes_and_returns_a_list_of_steps(counter):
    outputs, count = static_unroll(counter, list(X.unbind(1)), LENGTHS)
    assert isinstance(outputs, list)
    assert_equal(torch.stack(outputs, 1), OUTPUTS)
    assert count.tolist() == [[2], [0], [4]]


@both_counters
def test_bidirectional_unroll_counts_from_both_ends(counter):
    outputs, counts = bidirectional_unroll(counter, counter, X, LENGTHS)
    assert_equal(outputs, torch.cat([OUTPUTS, OUTPUTS], 2))
    assert [count.tolist() for count in counts] == [[[2], [0], [4]]] * 2


@pytest.mark.parametrize("shape", [(), (1,), (3,), (3, 1), (3, 4)])
def test_a_module_may_have_states_of_any_shape_that_begins_with_n(shape):
    class AnyCounter(PlainCounter):
        def initial_state(self, batch_size):
            return torch.zeros(batch_size, *shape)

    _, count, counts = dynamic_unroll(AnyCounter(), X, LENGTHS, return_states=True)
    assert count.shape == (3, *shape)
    assert counts.shape == (3, 4, *shape)
    assert_equal(count.reshape(3, -1).amax(1), torch.tensor([2.0, 0.0, 4.0]))
    assert_equal(count.reshape(3, -1).amin(1), torch.tensor([2.0, 0.0, 4.0]))


def test_a_module_may_take_steps_of_more_axes():
    images = X.reshape(3, 4, 2, 1).expand(3, 4, 2, 3)
    outputs, count = dynamic_unroll(PlainCounter(), images, LENGTHS)
    assert_equal(outputs, OUTPUTS.reshape(3, 4, 2, 1).expand(3, 4, 2, 3))
    assert count.tolist() == [[2], [0], [4]]


def test_the_cell_rests_once_every_sequence_has_finished():
    counter, calls = PlainCounter(), []
    counter.register_forward_hook(lambda *_: calls.append(1))
    dynamic_unroll(counter, X, [2, 0, 3])
    assert len(calls) == 3


@both_counters
def test_no_steps_count_nothing(counter):
    outputs, count = dynamic_unroll(counter, X[:, :0])
    assert outputs.shape == (3, 0, 2)
    assert count.tolist() == [[0], [0], [0]]
