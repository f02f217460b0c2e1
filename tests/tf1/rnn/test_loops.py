"""Loops under TensorFlow 1's names."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import assert_close, assert_equal
from unrolled import tf1

N, T, I, H = 3, 5, 4, 6
X = torch.arange(60.0).reshape(N, T, I) / 30 - 1


class Counter(tf1.RNNCell):
    """output = x + 1, state' = state + 1."""

    state_size, output_size = 1, I

    def call(self, inputs, state):
        return inputs + 1, state + 1


def test_every_loop_counts_the_steps_of_each_sequence():
    options = {"dtype": "float32", "sequence_length": [2, 0, 5]}
    counts = [[2.0], [0.0], [5.0]]
    expected = X + 1
    expected[0, 2:], expected[1] = 0, 0

    outputs, state = tf1.dynamic_rnn(Counter(), X, **options)
    assert_equal(outputs, expected)
    assert state.tolist() == counts
    outputs, state = tf1.static_rnn(Counter(), list(X.unbind(1)), **options)
    assert isinstance(outputs, list)
    assert_equal(torch.stack(outputs, 1), expected)
    assert state.tolist() == counts

    both = torch.cat([expected, expected], 2)
    outputs, states = tf1.bidirectional_dynamic_rnn(Counter(), Counter(), X, **options)
    assert isinstance(outputs, tuple)
    assert_equal(torch.cat(outputs, 2), both)
    assert [state.tolist() for state in states] == [counts, counts]
    outputs, *states = tf1.static_bidirectional_rnn(Counter(), Counter(), list(X.unbind(1)), **options)
    assert_equal(torch.stack(outputs, 1), both)
    assert [state.tolist() for state in states] == [counts, counts]


@given(lengths=st.lists(st.integers(0, T), min_size=N, max_size=N), seed=st.integers(0, 99))
def test_dynamic_and_static_loops_are_one(lengths, seed):
    torch.manual_seed(seed)
    x = torch.randn(N, T, I, dtype=torch.float64)
    cells = [tf1.MultiRNNCell([tf1.LSTMCell(H, num_proj=2), tf1.GRUCell(I)]) for _ in range(4)]
    options = {"dtype": "float64", "sequence_length": lengths}
    outputs, states = tf1.dynamic_rnn(cells[0], x, **options)
    steps, final = tf1.static_rnn(cells[0], x.unbind(1), **options)
    assert_close(torch.stack(steps, 1), outputs)
    assert_close(final, states)

    for cell in cells[2:]:
        cell.build(2 * I)
        cell.double()
    layers = [cells[0], cells[2]], [cells[1], cells[3]]
    outputs, *states = tf1.stack_bidirectional_dynamic_rnn(*layers, x, **options)
    steps, *finals = tf1.stack_bidirectional_rnn(*layers, x.unbind(1), **options)
    assert_close(torch.stack(steps, 1), outputs)
    assert_close(tuple(finals), tuple(states))


@pytest.mark.parametrize("loop", [tf1.bidirectional_dynamic_rnn, tf1.dynamic_rnn])
def test_time_major_is_the_transpose(loop):
    cells = [tf1.GRUCell(H), tf1.GRUCell(2)][: 1 + (loop is tf1.bidirectional_dynamic_rnn)]
    outputs, state = loop(*cells, X, [5, 0, 2], dtype="float32")
    by_time, same = loop(*cells, X.transpose(0, 1), [5, 0, 2], dtype="float32", time_major=True)
    transposed = (
        tuple(part.transpose(0, 1) for part in by_time)
        if isinstance(by_time, tuple)
        else by_time.transpose(0, 1)
    )
    assert_close(transposed, outputs)
    assert_close(same, state)


def test_initial_states_are_used_in_every_loop():
    ten = torch.full((N, 1), 10.0)
    _, state = tf1.dynamic_rnn(Counter(), X, initial_state=ten)
    assert state.tolist() == [[15.0]] * N
    _, state = tf1.static_rnn(Counter(), X.unbind(1), ten)
    assert state.tolist() == [[15.0]] * N
    _, states = tf1.bidirectional_dynamic_rnn(
        Counter(), Counter(), X, initial_state_fw=ten, initial_state_bw=2 * ten
    )
    assert [float(state[0]) for state in states] == [15.0, 25.0]
    _, forwards, backwards = tf1.stack_bidirectional_dynamic_rnn(
        [Counter()], [Counter()], X, [ten], [2 * ten]
    )
    assert [float(state[0]) for state in forwards + backwards] == [15.0, 25.0]
    _, forwards, backwards = tf1.stack_bidirectional_rnn(
        [Counter()], [Counter()], X.unbind(1), [ten], [2 * ten]
    )
    assert [float(state[0]) for state in forwards + backwards] == [15.0, 25.0]


def test_arrays_and_lengths_of_floats_are_taken():
    cell = tf1.GRUCell(H)
    outputs, _ = tf1.dynamic_rnn(cell, X.double().numpy(), np.array([2.0, 0.0, 5.0]), dtype=np.float64)
    assert outputs.dtype == torch.float64
    assert not outputs[0, 2:].any()


def test_the_gradient_of_the_padding_is_zero_even_if_it_is_nan():
    x = X.clone()
    x[0, 2:] = float("nan")
    x.requires_grad_()
    outputs, _ = tf1.dynamic_rnn(tf1.BasicLSTMCell(H), x, [2, 5, 5], dtype="float32")
    outputs.sum().backward()
    assert not x.grad[0, 2:].any()
    assert x.grad[0, :2].all()


def test_without_an_initial_state_there_must_be_a_dtype():
    message = "neither initial_state nor dtype was given"
    cell = tf1.GRUCell(H)
    with pytest.raises(ValueError, match=message):
        tf1.dynamic_rnn(cell, X)
    with pytest.raises(ValueError, match=message):
        tf1.static_rnn(cell, X.unbind(1))
    with pytest.raises(ValueError, match=message):
        tf1.bidirectional_dynamic_rnn(cell, cell, X, initial_state_fw=torch.zeros(N, H))


def test_arguments_that_do_not_fit_are_refused():
    cell = tf1.GRUCell(H)
    with pytest.raises(
        TypeError, match=r"cell is a torch.nn.modules.rnn.GRUCell, expected a cell of unrolled"
    ):
        tf1.dynamic_rnn(torch.nn.GRUCell(I, H), X, dtype="float32")
    with pytest.raises(ValueError, match=r"inputs has shape \[3, 4\], expected \[T, N, I\]: a batch of seq"):
        tf1.dynamic_rnn(cell, X[:, 0], dtype="float32", time_major=True)
    with pytest.raises(ValueError, match=r"inputs are torch.float32, dtype is float64: expected one type"):
        tf1.dynamic_rnn(cell, X, dtype="float64")
    with pytest.raises(ValueError, match=r"GRUCell: state has shapes \[3, 2\], expected \[3, 6\]"):
        tf1.dynamic_rnn(cell, X, initial_state=torch.zeros(N, 2))
    with pytest.raises(ValueError, match=r"lengths\[1\] is 6, expected 0 to 5"):
        tf1.dynamic_rnn(cell, X, [1, 6, 2], dtype="float32")
    with pytest.raises(TypeError, match=r"inputs is a Tensor, expected a list of T tensors \[N, I\]"):
        tf1.static_rnn(cell, X, dtype="float32")
    with pytest.raises(ValueError, match=r"inputs is empty, expected a list of T tensors \[N, I\]"):
        tf1.static_rnn(cell, [], dtype="float32")
    with pytest.raises(ValueError, match=r"cells_fw is \[\], expected a list of cells, one for each layer"):
        tf1.stack_bidirectional_dynamic_rnn([], [cell], X, dtype="float32")
    with pytest.raises(ValueError, match="1 cells_fw and 2 cells_bw, expected as many of both"):
        tf1.stack_bidirectional_rnn([cell], [cell, cell], X.unbind(1), dtype="float32")
    with pytest.raises(ValueError, match="initial_states_bw is not a list of 1 states, one for each layer"):
        tf1.stack_bidirectional_dynamic_rnn([cell], [cell], X, None, [], dtype="float32")
