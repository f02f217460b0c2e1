"""What the tutorials say about their networks, row by row (V1 to V15)."""

import itertools

import pytest
import torch

from tests.tolerances import assert_equal
from unrolled import (
    DropoutCell,
    GRUCell,
    LSTMCell,
    LSTMState,
    StackedCell,
    bidirectional_unroll,
    dynamic_unroll,
    stacked_bidirectional_unroll,
    static_unroll,
)
from unrolled.networks import NetworkConfig, SequenceClassifier, build

ROWS, WIDTH = 28, 28  # an image is 28 steps of 28 numbers


def demo(make_cell):
    """The tutorial's first lesson: two sequences of 4 and 1 steps."""
    return dynamic_unroll(make_cell(5, 3).double(), torch.randn(2, 4, 5).double(), [4, 1])


both_cells = pytest.mark.parametrize("make_cell", [LSTMCell, GRUCell])


@both_cells
def test_v1_outputs_past_a_length_are_zero(make_cell):
    outputs, _ = demo(make_cell)
    assert outputs[1, 1:].count_nonzero() == 0
    assert outputs[0].count_nonzero() == 12
    assert outputs[1, 0].count_nonzero() == 3


@both_cells
def test_v2_the_final_state_is_that_of_the_last_valid_step(make_cell):
    outputs, state = demo(make_cell)
    h = state.h if make_cell is LSTMCell else state
    assert_equal(h[0], outputs[0, 3])
    assert_equal(h[1], outputs[1, 0])


def test_v3_an_lstm_has_two_tensors_for_a_state_and_a_gru_has_one():
    _, state = demo(LSTMCell)
    assert isinstance(state, LSTMState)
    assert [tuple(part.shape) for part in state] == [(2, 3), (2, 3)]
    outputs, state = demo(GRUCell)
    assert isinstance(state, torch.Tensor)
    assert len(state) == 2
    assert_equal(state[0], outputs[0, -1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_v4_without_an_initial_state_the_dtype_is_that_of_the_cell(dtype):
    """TensorFlow must be given a dtype; here the weights have one."""
    outputs, state = dynamic_unroll(LSTMCell(5, 3, dtype=dtype), torch.randn(2, 4, 5, dtype=dtype))
    assert outputs.dtype == state.c.dtype == dtype


def three_lstms(dropout):
    stack = StackedCell([DropoutCell(LSTMCell(size, 256), output=dropout) for size in (WIDTH, 256, 256)])
    return dynamic_unroll(stack, torch.randn(32, ROWS, WIDTH))


def test_v5_the_top_layers_h_is_the_last_output_only_without_dropout():
    outputs, state = three_lstms(dropout=0.0)
    assert_equal(state[-1].h, outputs[:, -1, :])
    outputs, state = three_lstms(dropout=0.5)
    assert (state[-1].h == outputs[:, -1, :]).sum() == 0


@pytest.mark.parametrize("steps", [1, ROWS])
def test_v6_the_state_is_that_of_the_last_step_and_no_larger_for_more_steps(steps):
    stack = StackedCell([LSTMCell(WIDTH, 32), LSTMCell(32, 64)])
    outputs, states = dynamic_unroll(stack, torch.randn(64, steps, WIDTH))
    assert_equal(states[1].h, outputs.transpose(0, 1)[-1])
    assert [tuple(part.shape) for state in states for part in state] == [(64, 32)] * 2 + [(64, 64)] * 2


def test_v7_a_stack_has_one_state_for_each_layer():
    _, state = three_lstms(dropout=0.5)
    assert len(state) == 3
    for layer in state:
        assert isinstance(layer, LSTMState)
        assert [tuple(part.shape) for part in layer] == [(32, 256), (32, 256)]


def bidirectional(kind):
    cells = LSTMCell(WIDTH, 128), LSTMCell(WIDTH, 128)
    return bidirectional_unroll(*cells, torch.randn(3, ROWS, WIDTH), kind=kind)[0]


def test_v8_static_bidirectional_outputs_are_28_steps_of_both_directions():
    steps = bidirectional("static").unbind(1)
    assert [tuple(step.shape) for step in steps] == [(3, 256)] * 28


def test_v9_dynamic_bidirectional_outputs_are_two_halves():
    outputs = bidirectional("dynamic")
    assert [tuple(half.shape) for half in outputs.split(128, dim=2)] == [(3, 28, 128)] * 2


def test_v10_stacked_bidirectional_outputs_are_those_of_the_top_layer():
    forward, backward = ([LSTMCell(size, 128) for size in (WIDTH, 256, 256)] for _ in range(2))
    outputs, _ = stacked_bidirectional_unroll(forward, backward, torch.randn(3, ROWS, WIDTH))
    assert outputs.shape == (3, 28, 256)


@pytest.mark.parametrize("lengths", [None, [28, 0, 1, 11]])
@pytest.mark.parametrize(
    "name",
    [
        "single-layer-{}-lstm",
        "single-layer-{}-gru",
        "multi-layer-{}-lstm",
        "multi-layer-{}-gru",
        "multi-layer-{}-mix",
        "single-layer-{}-bi-lstm",
        "multi-layer-{}-bi-lstm",
    ],
)
def test_v11_static_and_dynamic_build_the_same_network(name, lengths, assert_agree, monkeypatch):
    static, dynamic = build(name.format("static")), build(name.format("dynamic"))
    dynamic.load_state_dict(static.state_dict())
    x = torch.rand(4, ROWS, WIDTH)

    def results(network):
        image = x.clone().requires_grad_()
        logits = network(image, lengths)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([3, 1, 4, 5]))
        return logits, torch.autograd.grad(loss, [image, *network.parameters()])

    in_eager_mode = results(dynamic)
    assert_equal(results(static), in_eager_mode)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)  # then it takes the plain loop
    assert_agree(in_eager_mode, results(static))


def test_v12_the_last_of_static_outputs_is_the_last_step():
    cell, steps = LSTMCell(WIDTH, 128), [torch.randn(2, WIDTH) for _ in range(ROWS)]
    outputs, state = static_unroll(cell, steps)
    assert len(outputs) == 28
    assert_equal(outputs[-1], state.h)
    _, before = static_unroll(cell, steps[:-1])
    assert_equal(outputs[-1], cell(steps[-1], before)[0])


def test_v13_a_state_is_a_tuple_and_one_tensor_only_if_you_join_it():
    """TensorFlow's state_is_tuple=False is c beside h; golden/test_tensorflow.py compares the numbers."""
    _, state = demo(LSTMCell)
    assert torch.cat([state.c, state.h], dim=1).shape == (2, 6)


def test_v14_the_mean_over_200_batches_of_50_is_the_accuracy():
    network = SequenceClassifier(NetworkConfig("small", (("gru", 4),), input_size=2, classes=3)).double()
    x, labels = torch.randn(10_000, 3, 2).double(), torch.randint(3, (10_000,))
    with torch.no_grad():
        right = (network(x).argmax(1) == labels).double()
        order = torch.randperm(10_000)
        batches = [(network(x[rows]).argmax(1) == labels[rows]).double().mean() for rows in order.split(50)]
    assert len(batches) == 200
    assert abs(torch.stack(batches).mean() - right.mean()) < 1e-12
    assert 0.2 < right.mean() < 0.5


def test_v15_input_and_output_widths_need_not_be_equal():
    """The tutorial says that they must, beside a network with 28 in and 256 out."""
    for width, projection in itertools.product((16, 256), (0, 7)):
        cell = LSTMCell(WIDTH, width, proj_size=projection)
        outputs, _ = dynamic_unroll(cell, torch.randn(2, 3, WIDTH))
        assert outputs.shape == (2, 3, projection or width)
