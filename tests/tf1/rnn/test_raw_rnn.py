"""The loop whose every step a function decides."""

import pytest
import torch

from tests.tolerances import assert_close, assert_equal
from unrolled import tf1

N, T, I, H = 3, 5, 4, 6
LENGTHS = torch.tensor([2, 0, 5])


def reading(inputs, cell, lengths=LENGTHS):
    """The loop_fn that makes raw_rnn a dynamic_rnn."""
    steps = tf1.TensorArray("float32", size=T).unstack(inputs.transpose(0, 1))

    def loop_fn(time, cell_output, cell_state, loop_state):
        if cell_output is None:
            cell_state = cell.zero_state(N, "float32")
        return time >= lengths, steps.read(min(time, T - 1)), cell_state, cell_output, None

    return loop_fn


@pytest.mark.parametrize(
    "make", [lambda: tf1.MultiRNNCell([tf1.BasicLSTMCell(H), tf1.GRUCell(H)]), lambda: tf1.BasicRNNCell(H)]
)
def test_it_can_do_what_dynamic_rnn_does(make):
    x, cell = torch.randn(N, T, I), make()
    emitted, state, loop_state = tf1.raw_rnn(cell, reading(x, cell))
    outputs, final = tf1.dynamic_rnn(cell, x, LENGTHS, dtype="float32")
    assert_close(emitted.stack().transpose(0, 1), outputs)
    assert_close(state, final)
    assert loop_state is None


def test_it_ends_when_all_sequences_have_finished():
    x, cell = torch.randn(N, T, I), tf1.GRUCell(H)
    emitted, _, _ = tf1.raw_rnn(cell, reading(x, cell, torch.tensor([2, 0, 3])))
    assert emitted.size() == 3


def test_one_flag_may_speak_for_all_sequences():
    cell = tf1.GRUCell(I)

    def loop_fn(time, output, state, count):
        if output is None:
            return False, torch.ones(N, I), cell.zero_state(N, "float32"), None, [0]
        return time == 4, output, state, output, [*count, time]

    emitted, state, count = tf1.raw_rnn(cell, loop_fn)
    assert count == [0, 1, 2, 3, 4]
    assert_equal(emitted.read(3), state)


def test_what_has_finished_stays_so_and_a_loop_state_of_none_is_the_last():
    cell = tf1.GRUCell(I)

    def loop_fn(time, output, state, carried):
        if output is None:
            return False, torch.ones(N, I), cell.zero_state(N, "float32"), None, "carried"
        flags = {1: [True, False, False], 2: [False] * N}.get(time, [True] * N)
        return torch.tensor(flags), output, state, output, None

    emitted, state, carried = tf1.raw_rnn(cell, loop_fn)
    assert carried == "carried"
    assert emitted.size() == 3
    assert_equal(state[0], emitted.read(0)[0])
    assert not emitted.read(2)[0].any()


def test_a_variational_mask_in_a_stack_is_one_for_each_run():
    cell = tf1.MultiRNNCell(
        [
            tf1.DropoutWrapper(
                tf1.GRUCell(60), output_keep_prob=0.5, variational_recurrent=True, dtype="float32"
            )
        ]
    )
    x, masks = torch.randn(N, T, I), []
    for _ in range(2):
        outputs = tf1.raw_rnn(cell, reading(x, cell, torch.tensor([T] * N)))[0].stack()
        masks.append(outputs[0, 0] == 0)
        assert_equal(outputs == 0, masks[-1].expand(T, N, 60))
    assert not torch.equal(*masks)


def test_a_tensor_array_keeps_what_was_written():
    array = tf1.TensorArray("float32", size=1).write(2, torch.ones(2)).write(0, torch.zeros(2))
    assert array.size() == 3
    with pytest.raises(IndexError, match="nothing was written at 1 of a TensorArray of 3"):
        array.stack()
    assert array.write(1, torch.full((2,), 5.0)).stack().tolist() == [[0, 0], [5, 5], [1, 1]]


def test_a_loop_without_a_function_is_refused():
    with pytest.raises(TypeError, match="loop_fn is None, expected a function"):
        tf1.raw_rnn(tf1.GRUCell(H), None)
    with pytest.raises(TypeError, match=r"cell is a builtins.int, expected a cell of unrolled\.tf1"):
        tf1.raw_rnn(3, lambda *_: None)
