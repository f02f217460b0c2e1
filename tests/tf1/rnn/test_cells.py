"""Cells under TensorFlow 1's names: built on first use, one bias, TensorFlow's variables and states."""

import pytest
import torch
from torch.nn import functional as F

from tests.tolerances import assert_close, assert_equal
from unrolled import isa, tf1

N, T, I, H = 3, 5, 4, 6

CELLS = {
    "basic_rnn_cell": lambda **options: tf1.BasicRNNCell(H, **options),
    "basic_lstm_cell": lambda **options: tf1.BasicLSTMCell(H, **options),
    "lstm_cell": lambda **options: tf1.LSTMCell(H, **options),
    "gru_cell": lambda **options: tf1.GRUCell(H, **options),
}
each_cell = pytest.mark.parametrize("name", CELLS)


@each_cell
def test_a_cell_learns_its_input_size_and_type_from_the_first_inputs(name):
    cell = CELLS[name]()
    assert cell.variables == {}
    assert dict(cell.named_parameters()) == {}
    x = torch.randn(N, I, dtype=torch.float64)
    cell(x, cell.zero_state(N, "float64"))
    assert {value.dtype for value in cell.variables.values()} == {torch.float64}
    assert all(value.shape[0] == I + H for key, value in cell.variables.items() if key.endswith("kernel"))


@each_cell
def test_the_variables_bear_the_cells_name(name):
    cell, named = CELLS[name](), CELLS[name](name="layer_7")
    cell.build(I)
    named.build(I)
    assert {key.split("/")[0] for key in cell.variables} == {name}
    assert {key.split("/")[0] for key in named.variables} == {"layer_7"}


@each_cell
def test_a_dtype_of_its_own_goes_before_that_of_the_inputs(name):
    cell = CELLS[name](dtype="float64")
    cell.build(I, torch.float32)
    assert {value.dtype for value in cell.variables.values()} == {torch.float64}


@each_cell
def test_only_tensorflows_variables_are_trained(name):
    cell = CELLS[name]()
    cell.build(I)
    trained = sum(p.numel() for p in cell.parameters() if p.requires_grad)
    assert trained == sum(value.numel() for value in cell.variables.values())
    frozen = CELLS[name](trainable=False)
    frozen.build(I)
    assert not any(p.requires_grad for p in frozen.parameters())


@each_cell
def test_what_is_assigned_is_read_again(name):
    cell = CELLS[name]()
    cell.build(I)
    drawn = {key: torch.randn(value.shape) for key, value in cell.variables.items()}
    cell.assign({key: value.numpy() for key, value in drawn.items()})
    assert_equal(list(cell.variables.values()), list(drawn.values()))


@each_cell
def test_gradients_flow_through_the_variables(name):
    cell = CELLS[name]()
    cell.build(I)
    penalty = sum(value.square().sum() for value in cell.variables.values())
    penalty.backward()
    squares = sum(float(p.grad.square().sum()) for p in cell.parameters() if p.requires_grad)
    assert squares == pytest.approx(4 * penalty.item(), rel=1e-5)


@each_cell
def test_a_state_dict_moves_to_another_built_cell(name):
    one, other = CELLS[name](), CELLS[name]()
    one.build(I)
    other.build(I)
    other.load_state_dict(one.state_dict())
    assert_equal(list(other.variables.values()), list(one.variables.values()))


def test_kernels_start_from_glorots_distribution_on_the_joint_kernel():
    cell = tf1.BasicLSTMCell(32)
    cell.build(96)
    kernel = cell.variables["basic_lstm_cell/kernel"].detach()
    limit = (6 / (96 + 32 + 4 * 32)) ** 0.5
    assert 0.99 * limit < kernel.abs().max() < limit
    assert abs(float(kernel.mean())) < 0.02 * limit
    assert not cell.variables["basic_lstm_cell/bias"].any()


def test_a_grus_biases_start_from_one_in_the_gates_and_zero_in_the_candidate():
    cell = tf1.GRUCell(H)
    cell.build(I)
    assert_equal(cell.variables["gru_cell/gates/bias"], torch.ones(2 * H))
    assert_equal(cell.variables["gru_cell/candidate/bias"], torch.zeros(H))


def test_initializers_of_your_own_are_used():
    gru = tf1.GRUCell(H, kernel_initializer=tf1.constant(0.25), bias_initializer=tf1.constant(0.5))
    gru.build(I)
    assert {v.unique().item() for k, v in gru.variables.items() if k.endswith("kernel")} == {0.25}
    assert {v.unique().item() for k, v in gru.variables.items() if k.endswith("bias")} == {0.5}
    lstm = tf1.LSTMCell(H, use_peepholes=True, num_proj=2, initializer=tf1.constant(0.25))
    lstm.build(I)
    values = {key.removeprefix("lstm_cell/"): v.unique().item() for key, v in lstm.variables.items()}
    assert values == {
        "kernel": 0.25,
        "bias": 0.0,
        "w_f_diag": 0.25,
        "w_i_diag": 0.25,
        "w_o_diag": 0.25,
        "projection/kernel": 0.25,
    }


def test_the_scales_and_shifts_of_a_layer_norm_start_as_they_are_told():
    cell = tf1.LayerNormBasicLSTMCell(H, norm_gain=1.5, norm_shift=0.25)
    cell.build(I)
    norms = [key for key in cell.variables if key.endswith(("gamma", "beta"))]
    assert len(norms) == 10
    for key in norms:
        assert cell.variables[key].unique().item() == (1.5 if key.endswith("gamma") else 0.25)
    assert "layer_norm_basic_lstm_cell/bias" not in cell.variables


def test_without_layer_norm_that_cell_draws_its_bias():
    cell = tf1.LayerNormBasicLSTMCell(H, layer_norm=False)
    cell.build(I)
    assert len(cell.variables["layer_norm_basic_lstm_cell/bias"].unique()) == 4 * H


def test_recurrent_dropout_is_on_the_candidate_alone():
    cell = tf1.LayerNormBasicLSTMCell(200, dropout_keep_prob=0.5, layer_norm=False)
    x, state = torch.randn(1, I), cell.zero_state(1, "float32")
    _, (c, _) = cell(x, state)
    _, (whole, _) = cell.eval()(x, state)
    dropped = c == 0
    assert 60 < int(dropped.sum()) < 140
    assert_close(c[~dropped], 2 * whole[~dropped])


@pytest.mark.parametrize("layers", [1, 3])
def test_a_cell_that_stands_twice_has_its_variables_once(layers):
    cell = tf1.MultiRNNCell([tf1.GRUCell(H)] * layers)
    cell.build(H)
    assert {key.split("/")[1] for key in cell.variables} == {"cell_0"}
    assert len(cell.variables) == 4


@pytest.mark.parametrize("name", ["basic_rnn_cell", "basic_lstm_cell", "gru_cell"])
def test_an_activation_by_name_by_function_and_of_your_own_are_one(name):
    x = torch.randn(N, I)
    activations = ["relu", F.relu, torch.relu, lambda v: v.clamp(min=0)]
    cells = [CELLS[name](activation=activation) for activation in activations]
    outputs = []
    for cell in cells:
        cell.build(I)
        cell.assign(cells[0].variables)
        outputs.append(cell(x, cell.zero_state(N, "float32"))[0])
    assert_close(outputs[1:], outputs[:1] * 3)


@pytest.mark.skipif(isa.active() == isa.REFERENCE, reason="no fused kernels here")
@pytest.mark.parametrize(
    "make",
    [
        lambda: tf1.BasicRNNCell(H),
        lambda: tf1.BasicLSTMCell(H),
        lambda: tf1.BasicLSTMCell(H, state_is_tuple=False),
        lambda: tf1.LSTMCell(H),
        lambda: tf1.GRUCell(H),
        lambda: tf1.MultiRNNCell([tf1.LSTMCell(H), tf1.GRUCell(2 * H)]),
        lambda: tf1.ResidualWrapper(tf1.GRUCell(I)),
        lambda: tf1.DropoutWrapper(tf1.GRUCell(H), output_keep_prob=torch.tensor(1.0)),
    ],
)
def test_the_loops_run_on_the_fused_kernels(make, monkeypatch):
    from unrolled.kernels import ops  # it needs the native module

    run, layers = ops.unroll, []
    monkeypatch.setattr(ops, "unroll", lambda layer, **how: layers.append(layer) or run(layer, **how))
    cell = make()
    tf1.dynamic_rnn(cell, torch.randn(N, T, I), dtype="float32")
    assert len(layers) == (2 if isinstance(cell, tf1.MultiRNNCell) else 1)


def test_a_cell_of_your_own_may_have_parameters():
    class Linear(tf1.RNNCell):
        state_size = output_size = H

        def _build(self, input_size, **where):
            self.w = torch.nn.Parameter(torch.ones(input_size, H, **where))

        def call(self, inputs, state):
            return inputs @ self.w + state, state + 1

    cell = tf1.MultiRNNCell([Linear(), Linear()])
    outputs, states = tf1.dynamic_rnn(cell, torch.ones(N, T, I), dtype="float32")
    assert outputs[0, :, 0].tolist() == [I * H + t * H + t for t in range(T)]
    assert [float(state.unique()) for state in states] == [T, T]
    assert len(list(cell.parameters())) == 2


def test_errors_say_what_came_and_what_was_expected():
    cell = tf1.BasicLSTMCell(H)
    state = cell.zero_state(N, "float32")
    with pytest.raises(
        ValueError, match=r"BasicLSTMCell has no variables yet: call build\(input_size\) first"
    ):
        cell.assign({})
    with pytest.raises(ValueError, match=r"BasicLSTMCell: inputs has shape \[3, 5, 4\], expected \[N, I\]"):
        cell(torch.zeros(N, T, I), state)
    cell.build(I)
    with pytest.raises(
        ValueError,
        match=r"state has shapes \(\[3, 6\],\), expected LSTMStateTuple\(c=\[3, 6\], h=\[3, 6\]\)",
    ):
        cell(torch.zeros(N, I), (state.c,))
    with pytest.raises(
        ValueError, match=r"variables are \['bias'\], expected \['basic_lstm_cell/bias', 'basic_"
    ):
        cell.assign({"bias": 0})
    with pytest.raises(ValueError, match=r"basic_lstm_cell/kernel has shape \[1\], expected \[10, 24\]"):
        cell.assign({"basic_lstm_cell/kernel": [0.0], "basic_lstm_cell/bias": torch.zeros(24)})
    with pytest.raises(ValueError, match=r"GRUCell: reuse is True, .* use the same cell object"):
        tf1.GRUCell(H, reuse=True)
    unknown = tf1.GRUCell(H, activation="tahn")
    with pytest.raises(ValueError, match="unknown activation 'tahn': did you mean 'tanh'"):
        unknown.build(I)
    with pytest.raises(ValueError, match="dtype is 'flaot', expected a floating point type"):
        cell.zero_state(N, "flaot")
    with pytest.raises(ValueError, match="batch_size is None and dtype is 'float32', expected both"):
        cell.get_initial_state(dtype="float32")


def test_the_errors_of_a_stack_say_what_is_wrong_in_it():
    with pytest.raises(ValueError, match="MultiRNNCell: cells is empty, expected at least one cell"):
        tf1.MultiRNNCell([])
    with pytest.raises(TypeError, match=r"MultiRNNCell: cells is GRUCell\(\), expected a list of cells"):
        tf1.MultiRNNCell(tf1.GRUCell(H))
    with pytest.raises(TypeError, match=r"cells\[1\] is a torch.nn.* expected a cell of unrolled.tf1"):
        tf1.MultiRNNCell([tf1.GRUCell(H), torch.nn.LSTMCell(I, H)])
    with pytest.raises(ValueError, match="state_is_tuple is False, but some cells have tuples as states"):
        tf1.MultiRNNCell([tf1.GRUCell(H), tf1.LSTMCell(H)], state_is_tuple=False)


def test_the_zero_state_comes_from_a_size_and_a_type_or_from_inputs():
    cell = tf1.MultiRNNCell([tf1.LSTMCell(H, num_proj=2), tf1.GRUCell(I)])
    (c, h), s = cell.get_initial_state(torch.zeros(N, 9, dtype=torch.float64))
    assert (c.shape, h.shape, s.shape) == ((N, H), (N, 2), (N, I))
    assert c.dtype == torch.float64
    assert isinstance(cell.get_initial_state(batch_size=N, dtype="float32")[0], tf1.LSTMStateTuple)


def test_the_type_of_a_state_tuple_is_that_of_both_parts():
    state = tf1.LSTMCell(H).zero_state(N, "float64")
    assert state.dtype == torch.float64
    with pytest.raises(TypeError, match=r"c is torch\.float64 and h is torch\.float32, expected one type"):
        _ = state._replace(h=state.h.float()).dtype
