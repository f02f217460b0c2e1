"""Wrappers under TensorFlow 1's names."""

import pytest
import torch

from tests.tolerances import assert_close, assert_equal
from unrolled import tf1

N, T, I, H = 30, 6, 4, 200


def run(cell, x=None, **options):
    x = torch.randn(N, T, I) if x is None else x
    return tf1.dynamic_rnn(cell, x, dtype="float32", **options)


def shared(wrapped):
    """The share of zeros in a tensor."""
    return float((wrapped == 0).float().mean())


@pytest.mark.parametrize("keep", [0.25, torch.tensor(0.25)])
def test_the_output_is_dropped_and_the_state_is_not(keep):
    outputs, state = run(tf1.DropoutWrapper(tf1.BasicLSTMCell(H), output_keep_prob=keep))
    assert shared(outputs) == pytest.approx(0.75, abs=0.01)
    assert shared(state.h) == 0
    kept = outputs[:, -1] != 0
    assert_close(outputs[:, -1][kept], state.h[kept] * 4)


def test_the_states_dropout_skips_c():
    cell = tf1.DropoutWrapper(tf1.BasicLSTMCell(H), state_keep_prob=0.25)
    outputs, state = run(cell)
    assert shared(state.h) == pytest.approx(0.75, abs=0.02)
    assert (shared(state.c), shared(outputs)) == (0, 0)


@pytest.mark.parametrize("stacked", [False, True])
def test_a_state_of_one_tensor_is_dropped_as_a_whole(stacked):
    cell = tf1.BasicLSTMCell(H, state_is_tuple=False)
    _, state = run(tf1.DropoutWrapper(tf1.MultiRNNCell([cell]) if stacked else cell, state_keep_prob=0.25))
    c, h = (state[0] if stacked else state).chunk(2, dim=1)
    assert shared(c) == pytest.approx(0.75, abs=0.02)
    assert shared(h) == pytest.approx(0.75, abs=0.02)


def test_nothing_is_kept_with_a_probability_of_zero():
    for variational in (False, True):
        cell = tf1.DropoutWrapper(
            tf1.GRUCell(H),
            output_keep_prob=0.0,
            state_keep_prob=0.0,
            variational_recurrent=variational,
            dtype="float32",
        )
        outputs, state = run(cell)
        assert not outputs.any()
        assert not state.any()


def test_a_filter_says_which_parts_of_the_state_are_dropped():
    def first_part(state):
        """Of the stack its first layer, of that layer's state c, and of a tensor all."""
        if isinstance(state, tf1.LSTMStateTuple):
            return tf1.LSTMStateTuple(c=True, h=False)
        return (True, False) if isinstance(state, tuple) else True

    cell = tf1.DropoutWrapper(
        tf1.MultiRNNCell([tf1.BasicLSTMCell(H), tf1.GRUCell(H)]),
        state_keep_prob=0.25,
        dropout_state_filter_visitor=first_part,
    )
    _, (lstm, gru) = run(cell)
    assert shared(lstm.c) == pytest.approx(0.75, abs=0.02)
    assert (shared(lstm.h), shared(gru)) == (0, 0)


def test_the_inputs_are_dropped_before_the_cell_sees_them():
    class Echo(tf1.RNNCell):
        state_size, output_size = 1, I

        def call(self, inputs, state):
            return inputs, state

    x = torch.ones(1000, T, I)
    outputs, _ = run(tf1.DropoutWrapper(Echo(), input_keep_prob=0.25), x)
    assert set(outputs.unique().tolist()) == {0.0, 4.0}
    assert shared(outputs) == pytest.approx(0.75, abs=0.02)


def test_a_variational_mask_is_one_for_all_sequences_and_steps_and_drawn_anew_in_each_run():
    cell = tf1.DropoutWrapper(
        tf1.BasicLSTMCell(H),
        output_keep_prob=0.5,
        state_keep_prob=0.5,
        variational_recurrent=True,
        dtype="float32",
    )
    masks = []
    for _ in range(2):
        outputs, state = run(cell)
        dropped = outputs == 0
        masks.append(dropped[0, 0])
        assert_equal(dropped, masks[-1].expand(N, T, H))
        assert_equal(state.h == 0, (state.h[0] == 0).expand(N, H))
        assert shared(state.c) == 0
        assert not torch.equal(state.h[0] == 0, masks[-1])
    assert not torch.equal(*masks)


def test_by_hand_a_variational_mask_stays_until_a_sequence_begins():
    cell = tf1.DropoutWrapper(
        tf1.GRUCell(H), output_keep_prob=0.5, variational_recurrent=True, dtype=torch.float32
    )
    x, state = torch.randn(N, I), torch.zeros(N, H)
    one, two = (cell(x, state)[0] == 0 for _ in range(2))
    assert_equal(one, two)
    cell.begin_sequence()
    assert not torch.equal(one, cell(x, state)[0] == 0)


def test_a_probability_in_a_tensor_is_fed_by_filling_it():
    keep_prob = torch.tensor(0.5)
    cell = tf1.MultiRNNCell([tf1.DropoutWrapper(tf1.GRUCell(H), output_keep_prob=keep_prob)])
    assert shared(run(cell)[0]) > 0.4
    keep_prob.fill_(1.0)
    outputs, (state,) = run(cell)
    assert_equal(outputs[:, -1], state)


def test_eval_turns_dropout_off_and_seeds_are_torchs():
    cell = tf1.DropoutWrapper(tf1.GRUCell(H), 0.5, 0.5, 0.5, seed=1)
    x = torch.randn(N, T, I)
    run(cell, x)
    torch.manual_seed(1)
    first = run(cell, x)
    torch.manual_seed(1)
    assert_equal(run(cell, x), first)
    outputs, state = run(cell.eval(), x)
    assert_equal(outputs[:, -1], state)
    outputs, state = run(tf1.DropoutWrapper(tf1.GRUCell(H), output_keep_prob=0.5).eval(), x)
    assert_equal(outputs[:, -1], state)


def test_a_wrapper_in_a_stack_has_the_variables_of_its_cell():
    cell = tf1.MultiRNNCell(
        [
            tf1.DropoutWrapper(tf1.GRUCell(I), output_keep_prob=0.5),
            tf1.ResidualWrapper(tf1.HighwayWrapper(tf1.BasicLSTMCell(I))),
        ]
    )
    run(cell, torch.randn(N, T, I))
    names = [key.removeprefix("multi_rnn_cell/") for key in cell.variables]
    assert names == [
        "cell_0/gru_cell/gates/kernel",
        "cell_0/gru_cell/gates/bias",
        "cell_0/gru_cell/candidate/kernel",
        "cell_0/gru_cell/candidate/bias",
        "cell_1/basic_lstm_cell/kernel",
        "cell_1/basic_lstm_cell/bias",
        "cell_1/carry_w",
        "cell_1/carry_b",
    ]
    drawn = {key: torch.randn(value.shape) for key, value in cell.variables.items()}
    cell.assign(drawn)
    assert_equal(list(cell.variables.values()), list(drawn.values()))


def test_a_highways_biases_start_from_one_and_minus_one():
    cell = tf1.HighwayWrapper(tf1.GRUCell(I), couple_carry_transform_gates=False, carry_bias_init=2.0)
    cell.build(I)
    assert_equal(cell.variables["carry_b"], torch.full((I,), 2.0))
    assert_equal(cell.variables["transform_b"], torch.full((I,), -2.0))


def test_a_residual_connection_adds_the_inputs_in_every_loop():
    cell = tf1.ResidualWrapper(tf1.GRUCell(I))
    x = torch.randn(N, T, I)
    outputs, state = run(cell, x)
    assert_close(outputs[:, -1], x[:, -1] + state)
    assert_close(cell(x[:, 0], torch.zeros(N, I))[0], outputs[:, 0])


@pytest.mark.parametrize("wrap", [tf1.ResidualWrapper, tf1.HighwayWrapper])
def test_widths_that_do_not_fit_are_refused(wrap):
    with pytest.raises(ValueError, match=r"inputs has shape \[30, 4\] and the cell's output \[30, 200\]"):
        wrap(tf1.GRUCell(H))(torch.zeros(N, I), torch.zeros(N, H))


def test_arguments_that_do_not_fit_are_refused():
    cell = tf1.GRUCell(H)
    with pytest.raises(ValueError, match=r"DropoutWrapper: output_keep_prob is 1\.5, expected 0 to 1"):
        tf1.DropoutWrapper(cell, output_keep_prob=1.5)
    with pytest.raises(ValueError, match="variational_recurrent needs dtype"):
        tf1.DropoutWrapper(cell, output_keep_prob=0.5, variational_recurrent=True)
    with pytest.raises(ValueError, match="variational_recurrent with input_keep_prob needs input_size"):
        tf1.DropoutWrapper(cell, input_keep_prob=0.5, variational_recurrent=True, dtype="float32")
    with pytest.raises(TypeError, match="dropout_state_filter_visitor is 'c', expected a function"):
        tf1.DropoutWrapper(cell, dropout_state_filter_visitor="c")
    with pytest.raises(
        TypeError, match=r"cell is a torch.nn.modules.rnn.GRUCell, expected a cell of unrolled"
    ):
        tf1.ResidualWrapper(torch.nn.GRUCell(I, H))
