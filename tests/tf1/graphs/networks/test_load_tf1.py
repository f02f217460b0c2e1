"""A checkpoint's variables into the cells of `unrolled.tf1`: built by their shapes, found by their names."""

import numpy as np
import pytest
import torch

from tests.tolerances import assert_close
from unrolled import UnrolledError, tf1

N, T, I, H = 2, 5, 3, 4


def numbers(cell, scope="rnn", input_size=I):
    """Random variables of a cell as it would be for inputs of that width."""
    generator = np.random.default_rng(0)
    return {
        f"{scope}/{name}": generator.normal(size=shape) for name, shape in cell.shapes(input_size).items()
    }


def test_a_cell_that_is_not_built_is_built_by_the_variables():
    variables = {
        "rnn/basic_lstm_cell/kernel": np.ones((I + H, 4 * H), "f4"),
        "rnn/basic_lstm_cell/bias": np.zeros(4 * H, "f4"),
        "Variable": np.zeros((H, 10), "f4"),
    }
    cell = tf1.BasicLSTMCell(H)
    assert tf1.load_variables(cell, variables, "rnn") == list(variables)[:2]
    assert (cell.built, cell.input_size) == (True, I)
    outputs, _ = tf1.dynamic_rnn(cell, torch.ones(N, T, I), dtype="float32")
    assert outputs.abs().min() > 0.5


STACKS = {
    "stack": lambda: tf1.MultiRNNCell([tf1.LSTMCell(H, use_peepholes=True, num_proj=2), tf1.GRUCell(6)]),
    "shared": lambda: tf1.MultiRNNCell([tf1.BasicLSTMCell(I)] * 2),
    "wrappers": lambda: tf1.DropoutWrapper(tf1.ResidualWrapper(tf1.HighwayWrapper(tf1.GRUCell(I))), 0.5),
    "open highway": lambda: tf1.HighwayWrapper(tf1.GRUCell(I), couple_carry_transform_gates=False),
    "norm": lambda: tf1.LayerNormBasicLSTMCell(H),
    "projections": lambda: tf1.MultiRNNCell(
        [tf1.InputProjectionWrapper(tf1.UGRNNCell(H), 5), tf1.OutputProjectionWrapper(tf1.GRUCell(6), 2)]
    ),
}


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("built", [False, True])
def test_stacks_and_wrappers_are_filled(name, built):
    cell = STACKS[name]()
    variables = numbers(cell, "model/decoder")
    if built:
        cell.build(I, "float64")
    assert tf1.load_variables(cell, variables, "model/decoder") == list(variables)
    for key, value in cell.variables.items():
        assert_close(value, variables[f"model/decoder/{key}"])
    assert cell.input_size == I


def test_cells_of_another_name_and_stacks_without_their_level_are_found():
    cell = tf1.MultiRNNCell([tf1.BasicLSTMCell(H), tf1.BasicLSTMCell(H)])
    variables = numbers(cell)
    renamed = {
        name.replace("multi_rnn_cell/", "").replace("basic_lstm_cell", f"layer_{name[24]}"): value
        for name, value in variables.items()
    }
    assert next(iter(renamed)) == "rnn/cell_0/layer_0/kernel"
    assert tf1.load_variables(cell, renamed) == list(renamed)
    for key, value in cell.variables.items():
        assert_close(value, variables[f"rnn/{key}"])


def test_names_and_shards_of_older_eras_are_found():
    cell = tf1.MultiRNNCell([tf1.LSTMCell(H, use_peepholes=True)])
    variables = numbers(cell)
    kernel, bias, *diagonals = variables.values()
    old = {f"RNN/MultiRNNCell/Cell0/LSTMCell/W_{n}": part for n, part in enumerate(np.array_split(kernel, 3))}
    old["RNN/MultiRNNCell/Cell0/LSTMCell/B"] = bias
    for gate, value in zip("FIO", diagonals, strict=True):
        old[f"RNN/MultiRNNCell/Cell0/LSTMCell/W_{gate}_diag"] = value
    assert tf1.load_variables(cell, old, "RNN") == list(old)
    for key, value in cell.variables.items():
        assert_close(value, variables[f"rnn/{key}"])


def test_layers_and_mechanisms_and_scopes_are_filled_too():
    layer = tf1.Dense(5)
    assert tf1.load_variables(layer, numbers(layer, "decoder", 7), "decoder") == [
        "decoder/dense/kernel",
        "decoder/dense/bias",
    ]
    assert layer(torch.ones(2, 7).double()).shape == (2, 5)
    attention = tf1.seq2seq.BahdanauAttention(5)
    assert tf1.load_variables(attention, {"memory_layer/kernel": np.ones((6, 5))}, "") == [
        "memory_layer/kernel"
    ]
    attention.setup_memory(torch.ones(2, 4, 6).double())
    wrapper = tf1.seq2seq.AttentionWrapper(tf1.GRUCell(H), attention, attention_layer_size=3)
    variables = numbers(wrapper, "decoder")
    assert tf1.load_variables(wrapper, variables, "decoder") == list(variables)
    assert wrapper.input_size == I
    cudnn = tf1.cudnn_rnn.CudnnGRU(2, H, direction="bidirectional")
    variables = numbers(cudnn, "model")
    assert tf1.load_variables(cudnn, variables, "model") == list(variables)
    scope, cell = tf1.VariableScope(), tf1.GRUCell(H)
    with pytest.raises(UnrolledError, match="VariableScope has no variables yet: call what makes them once"):
        tf1.load_variables(scope, {}, "rnn_decoder")
    tf1.legacy_seq2seq.rnn_decoder([torch.ones(N, I)], torch.zeros(N, H), cell, scope=scope)
    variables = numbers(cell, "rnn_decoder")
    assert tf1.load_variables(scope, variables, "rnn_decoder") == list(variables)
    assert_close(
        cell.variables["gru_cell/gates/bias"], variables["rnn_decoder/gru_cell/gates/bias"].astype("f4")
    )


def test_what_does_not_fit_is_explained():
    cell = tf1.BasicLSTMCell(H)
    variables = numbers(cell)
    message = (
        "encoder has no variables basic_lstm_cell/kernel of a BasicLSTMCell, expected one; there are rnn/"
    )
    with pytest.raises(UnrolledError, match=message):
        tf1.load_variables(cell, variables, "encoder")
    with pytest.raises(UnrolledError, match=r"lstm_cell/kernel has shape \[7, 16\], expected \[6, 20\]"):
        tf1.load_variables(tf1.BasicLSTMCell(5), variables)
    twice = {
        name.replace("basic_lstm_cell", other): value for other in "ab" for name, value in variables.items()
    }
    with pytest.raises(UnrolledError, match="rnn has 2 variables basic_lstm_cell/kernel of a BasicLSTMCell"):
        tf1.load_variables(cell, twice)
    assert not cell.built
    cell.build(I + 1)
    with pytest.raises(ValueError, match=r"basic_lstm_cell/kernel has shape \[7, 16\], expected \[8, 16\]"):
        tf1.load_variables(cell, variables)
    with pytest.raises(UnrolledError, match="Mine has no variables"):
        tf1.load_variables(Mine(), {})


class Mine(tf1.RNNCell):
    state_size = output_size = 3

    def call(self, inputs, state):
        return inputs, state
