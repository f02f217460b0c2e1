"""Steps are whole sequences, bit for bit, however a sequence is cut."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.catalogue import FIXED, draw_state, make
from tests.tolerances import assert_close, assert_equal
from unrolled import (
    DropoutCell,
    GRUCell,
    LSTMCell,
    ResidualCell,
    RNNCell,
    StackedCell,
    Stream,
    dynamic_unroll,
)
from unrolled.stream.fused import FusedWalk, fuses
from unrolled.stream.loop import LoopWalk
from unrolled.stream.parts import StackWalk, WrapperWalk

T, I, H, K = 6, 5, 21, 34  # H and K fill no vector of any instruction set

FUSING = {
    "rnn": lambda: RNNCell(I, H),
    "rnn-relu": lambda: RNNCell(I, H, bias=False, nonlinearity="relu"),
    "lstm": lambda: LSTMCell(I, H),
    "lstm-forget-bias": lambda: LSTMCell(I, K, forget_bias=1.5),
    "gru-after": lambda: GRUCell(I, K),
    "gru-before": lambda: GRUCell(I, H, reset="before"),
    "stack": lambda: StackedCell([LSTMCell(I, H), LSTMCell(H, K), LSTMCell(K, H)]),
    "stack-mixed": lambda: StackedCell([LSTMCell(I, K), GRUCell(K, H, reset="before"), RNNCell(H, K)]),
    "residual": lambda: ResidualCell(StackedCell([GRUCell(I, H), RNNCell(H, I)])),
    "dropout": lambda: DropoutCell(LSTMCell(I, H), input=0.5, output=0.5, state=0.5),
    "wrapped-stack": lambda: StackedCell(
        [ResidualCell(DropoutCell(GRUCell(I, I), output=0.5)), ResidualCell(RNNCell(I, I)), LSTMCell(I, H)]
    ),
}

each_cell = pytest.mark.parametrize("name", FUSING)


def walk_of(stream, x):
    return torch.stack([stream.step(x[:, t]) for t in range(x.shape[1])], 1)


@pytest.mark.usefixtures("each_isa")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
@each_cell
def test_steps_are_the_whole_sequence(name, batch_size, dtype):
    cell = FUSING[name]().to(dtype).eval()
    x = torch.randn(batch_size, T, I, dtype=dtype)
    stream = Stream(cell)
    outputs, state = dynamic_unroll(cell, x)
    assert_equal(walk_of(stream, x), outputs)
    assert_equal(stream.state, state)
    assert type(stream.state) is type(state)
    assert type(stream._walk) is FusedWalk


@pytest.mark.parametrize("name", FIXED)
def test_every_cell_streams(name):
    cell = make(name)
    x = torch.randn(3, 5, cell.input_size, dtype=torch.float64)
    stream = Stream(cell)
    outputs, state = dynamic_unroll(cell, x)
    assert_equal(walk_of(stream, x), outputs)
    assert_equal(stream.state, state)
    if fuses(cell):
        assert type(stream._walk) is FusedWalk
    else:
        assert isinstance(stream._walk, LoopWalk | StackWalk | WrapperWalk)


@each_cell
def test_without_kernels_the_cell_takes_its_own_step(name, monkeypatch):
    monkeypatch.setenv("UNROLLED_ISA", "reference")
    cell = FUSING[name]().eval()
    x = torch.randn(3, T, I)
    stream = Stream(cell)
    assert_equal(walk_of(stream, x), dynamic_unroll(cell, x)[0])
    assert type(stream._walk) is LoopWalk


@given(
    st.sampled_from(sorted(FUSING)),
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=5),
)
def test_any_mix_of_steps_and_unrollings_gives_the_same_bits(name, batch_size, pieces):
    cell = FUSING[name]().eval()
    x = torch.randn(batch_size, sum(length for length, _ in pieces), I)
    expected, final = dynamic_unroll(cell, x)
    stream, outputs, at = Stream(cell), [], 0
    for length, steps in pieces:
        piece = x[:, at : at + length]
        if steps:
            outputs.append(walk_of(stream, piece))
        else:
            output, stream.state = dynamic_unroll(cell, piece, state=stream.state)
            outputs.append(output)
        at += length
    assert_equal(torch.cat(outputs, 1), expected)
    assert_equal(stream.state, final)


@pytest.mark.usefixtures("each_isa")
def test_sequences_do_not_see_each_other():
    cell = StackedCell([LSTMCell(I, H), GRUCell(H, K)])
    x = torch.randn(9, T, I)
    together = walk_of(Stream(cell), x)
    for row in range(9):
        assert_equal(walk_of(Stream(cell), x[row : row + 1]), together[row : row + 1])


def test_a_large_step_runs_on_several_threads_with_the_same_bits():
    cell, x = LSTMCell(I, 256), torch.randn(40, 3, I)
    expected = walk_of(Stream(cell), x[:7])  # too small for more than one
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert_equal(walk_of(Stream(cell), x)[:7], expected)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["stack-mixed", "residual", "highway"])
def test_a_state_that_was_read_can_be_set_again(name):
    cell = make(name) if name in FIXED else FUSING[name]().double()
    x = torch.randn(3, 7, cell.input_size, dtype=torch.float64)
    stream = Stream(cell)
    walk_of(stream, x[:, :4])
    kept = stream.state
    after = walk_of(stream, x[:, 4:])
    other = Stream(cell)
    other.state = kept
    assert_equal(walk_of(other, x[:, 4:]), after)
    stream.state = kept
    assert_equal(walk_of(stream, x[:, 4:]), after)


@pytest.mark.parametrize("name", ["lstm", "highway"])
def test_state_and_outputs_are_the_users_own(name):
    cell = make(name)
    x = torch.randn(2, 3, cell.input_size, dtype=torch.float64)
    stream = Stream(cell)
    outputs, _ = dynamic_unroll(cell, x)
    for t in range(3):
        output = stream.step(x[:, t])
        assert_equal(output, outputs[:, t])
        output.fill_(9.0)
        for part in stream.state:
            part.fill_(9.0)
    mine = draw_state(cell, 2)
    stream.state = mine
    expected = copy.deepcopy(mine)
    for part in mine:
        part.fill_(9.0)
    assert_equal(stream.state, expected)


@pytest.mark.parametrize("name", ["lstm", "highway"])
def test_reset_begins_anew_and_may_change_the_number_of_sequences(name):
    cell = make(name)
    x = torch.randn(4, 3, cell.input_size, dtype=torch.float64)
    stream = Stream(cell)
    assert stream.state is None
    first = walk_of(stream, x)
    stream.reset()
    assert stream.state is None
    assert_equal(walk_of(stream, x), first)
    stream.reset()
    assert_close(walk_of(stream, x[:2]), first[:2])
    stream.state = None
    assert_close(walk_of(stream, x[1:]), first[1:])


def test_with_a_batch_size_the_initial_state_is_there_at_once():
    cell = LSTMCell(I, H)
    stream = Stream(cell, batch_size=3)
    assert_equal(stream.state, cell.initial_state(3))
    walk_of(stream, torch.randn(3, T, I))
    stream.reset()
    assert_equal(stream.state, cell.initial_state(3))


@pytest.mark.parametrize("name", ["dropout", "dropout-in-stack", "lstm-zoneout-drawn"])
def test_a_model_in_training_streams_as_after_eval_and_stays_in_training(name):
    cell = make(name).train()
    x = torch.randn(2, 5, cell.input_size, dtype=torch.float64)
    steps = walk_of(Stream(cell), x)
    assert all(module.training for module in cell.modules())
    assert_equal(steps, dynamic_unroll(cell.eval(), x)[0])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["stack-mixed", "lstm-peephole"])
def test_the_first_step_after_an_update_uses_the_new_weights(name, training):
    cell = (make(name).float() if name in FIXED else FUSING[name]()).train(training)
    x = torch.randn(2, 4, cell.input_size)
    stream = Stream(cell)
    walk_of(stream, x[:, :2])
    for weight in cell.parameters():  # each of them alone is noticed
        with torch.no_grad():
            weight.add_(0.1)
        state = stream.state
        expected, expected_state = dynamic_unroll(cell, x[:, 2:3], state=state)
        assert_equal(stream.step(x[:, 2]), expected[:, 0])
        assert_equal(stream.state, expected_state)


def test_a_weight_that_was_replaced_is_found_at_the_next_reset():
    cell, x = GRUCell(I, H), torch.randn(1, T, I)
    stream = Stream(cell)
    old = walk_of(stream, x)
    cell.weight_hh = torch.nn.Parameter(torch.randn(3 * H, H))
    cell.bias_ih.data = torch.randn(3 * H)
    stream.reset()
    new = walk_of(stream, x)
    assert_equal(new, dynamic_unroll(cell, x)[0])
    assert not torch.equal(new, old)


@pytest.mark.parametrize("context", [torch.inference_mode, torch.no_grad, torch.enable_grad])
@pytest.mark.parametrize("name", ["lstm", "highway"])
def test_a_stream_takes_no_gradients(name, context):
    cell = make(name)
    x = torch.randn(2, cell.input_size, dtype=torch.float64, requires_grad=True)
    expected, _ = cell(x)
    with context():
        stream = Stream(cell)
        output = stream.step(x)
        stream.state = stream.state
        assert not output.requires_grad
        assert_close(output, expected.detach())


def test_a_head_can_be_trained_on_the_outputs():
    head = torch.nn.Linear(H, 2)
    head(Stream(GRUCell(I, H)).step(torch.randn(3, I))).sum().backward()
    assert head.weight.grad is not None


def test_weights_without_versions_stream_too():
    with torch.inference_mode():
        cell, x = GRUCell(I, H), torch.randn(2, T, I)
        expected, _ = dynamic_unroll(cell, x)
    assert_equal(walk_of(Stream(cell), x), expected)
