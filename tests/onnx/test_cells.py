"""Cells, their stacks and pairs: ONNX Runtime beside the unrollings."""

import numpy as np
import onnx
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from tests.catalogue import FIXED, LENGTHS, H, I, N, T, draw_state, make, ragged
from tests.onnx.nearness import assert_near, with_rubbish
from unrolled import (
    GRUCell,
    LSTMCell,
    RNNCell,
    UnrolledError,
    bidirectional_unroll,
    dynamic_unroll,
    stacked_bidirectional_unroll,
)
from unrolled.cells.lstm import ACTIVATIONS
from unrolled.cells.state import map_state
from unrolled.unroll.kinds import unroll


def state_for(cell, batch_size=N):
    return map_state(torch.Tensor.float, draw_state(cell, batch_size))


@pytest.mark.parametrize("name", FIXED)
def test_a_cell_computes_what_its_unrolling_does(exported, name):
    """Ragged, one of length 0, NaN in the padding, from states that are given."""
    cell = make(name).float()
    x, state = torch.randn(N, T, I), state_for(cell)
    came = exported(cell)(with_rubbish(x, LENGTHS), LENGTHS, state)
    assert_near(came, *dynamic_unroll(cell, x, LENGTHS, state))


@pytest.mark.parametrize("name", FIXED)
def test_a_step_computes_what_the_cell_does(exported, name):
    cell = make(name).float()
    x, state = torch.randn(N, I), state_for(cell)
    assert_near(exported(cell, stream=True)(x, None, state), *cell(x, state))


@pytest.mark.parametrize("name", ["stack-mixed", "lstm-norm-peephole-projection-zoneout"])
def test_a_sequence_that_is_cut_goes_on_from_the_state(exported, name):
    cell = make(name).float()
    x, state = torch.randn(N, T, I), state_for(cell)
    model = exported(cell, lengths=False)
    first, *between = model(x[:, :3], None, state)
    rest, *final = model(x[:, 3:], None, tuple(map(torch.from_numpy, between)))
    outputs, expected = dynamic_unroll(cell, x, state=state)
    assert_near([np.concatenate([first, rest], 1), *final], outputs, expected)


@pytest.mark.parametrize("name", FIXED)
def test_in_16_bits_a_cell_is_within_a_hundredth(exported, name):
    """On numbers that 16 bits hold: a layer norm of nearly equal gates makes much of rounding."""
    cell = make(name).half().float()
    x, state = torch.randn(N, T, I).half().float(), map_state(lambda s: s.half().float(), state_for(cell))
    came = exported(cell, fp16=True)(with_rubbish(x, LENGTHS), LENGTHS, state)
    assert {array.dtype for array in came} == {np.dtype("float16")}
    assert_near(came, *dynamic_unroll(cell, x, LENGTHS, state), most=1e-2)


def test_in_16_bits_gates_that_are_all_equal_are_no_nan(exported):
    cell = LSTMCell(I, H, layer_norm="gates")
    came = exported(cell, fp16=True)(
        torch.zeros(N, T, I), [T] * N, map_state(lambda s: 0 * s, state_for(cell))
    )
    assert all(np.isfinite(array).all() for array in came)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_of_an_lstm_is_there(exported, activation):
    cell = LSTMCell(I, H, activation=activation, forget_bias=0.5)
    x, state = torch.randn(N, T, I) * 3, state_for(cell)
    assert_near(exported(cell)(x, LENGTHS, state), *dynamic_unroll(cell, x, LENGTHS, state))


PAIRS = {
    "one-node": lambda i: (LSTMCell(i, H), LSTMCell(i, H, forget_bias=1.0)),
    "two-widths": lambda i: (GRUCell(i, H), GRUCell(i, 2)),
    "two-kinds": lambda i: (LSTMCell(i, H, peephole=True), RNNCell(i, 3, nonlinearity="relu")),
    "two-resets": lambda i: (GRUCell(i, H), GRUCell(i, H, reset="before")),
    "scans": lambda i: (LSTMCell(i, H, cell_clip=0.2), LSTMCell(i, H, layer_norm="gates")),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_pair_reads_in_both_directions(exported, name):
    forward, backward = PAIRS[name](I)
    x, states = torch.randn(N, T, I), (state_for(forward), state_for(backward))
    model = exported((forward, backward))
    came = model(with_rubbish(x, LENGTHS), LENGTHS, states)
    assert_near(came, *bidirectional_unroll(forward, backward, x, LENGTHS, states))
    both = [node for node in model.proto.graph.node if node.op_type == "LSTM"]
    assert len(both) == {"one-node": 1, "two-kinds": 1}.get(name, 0)


def test_levels_of_pairs_read_both_directions_of_the_one_below(exported):
    forwards, backwards = [LSTMCell(I, H), GRUCell(H + 2, 3)], [RNNCell(I, 2), GRUCell(H + 2, 3)]
    states = tuple(tuple(map(state_for, cells)) for cells in (forwards, backwards))
    x = torch.randn(N, T, I)
    model = exported((forwards, backwards))
    ordered = [state for level in zip(*states, strict=True) for state in level]
    came = model(with_rubbish(x, LENGTHS), LENGTHS, tuple(ordered))
    outputs, (ahead, back) = stacked_bidirectional_unroll(forwards, backwards, x, LENGTHS, states)
    assert_near(came, outputs, tuple(state for level in zip(ahead, back, strict=True) for state in level))
    assert model.outputs == [
        "outputs",
        "layer1_forward_h",
        "layer1_forward_c",
        "layer1_backward_h",
        "layer2_forward_h",
        "layer2_backward_h",
    ]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Models for many calls: an operator of the standard, and a Scan."""
    from tests.onnx.conftest import Exported

    folder = tmp_path_factory.mktemp("kept")
    cells = [GRUCell(2, 3), LSTMCell(2, 3, peephole=True, cell_clip=0.5)]
    return [
        (cell, Exported(cell, folder / f"{kind.__name__}.onnx"))
        for cell, kind in zip(cells, map(type, cells), strict=True)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ragged)
def test_any_lengths_are_as_in_the_unrolling(kept, drawn):
    time, lengths = drawn
    for cell, model in kept:
        x, state = torch.randn(len(lengths), time, 2), state_for(cell, len(lengths))
        assert_near(
            model(with_rubbish(x, lengths), lengths, state), *unroll(cell, x, lengths, state, kind="static")
        )


def test_weights_are_not_swapped_in_a_way_that_only_names_hide(exported):
    """Forget biases, peepholes and both biases, each in its own place of the standard's."""
    cell = LSTMCell(2, 3, peephole=True, forget_bias=0.25)
    model = exported(cell)
    weights = {value.name: onnx.numpy_helper.to_array(value) for value in model.proto.graph.initializer}
    bias = (cell.bias_ih + torch.tensor([0, 0.25, 0, 0]).repeat_interleave(3)).numpy()
    np.testing.assert_allclose(weights["B"][0][6:9], bias[3:6], atol=1e-6)
    np.testing.assert_array_equal(weights["P"][0][3:6], cell.weight_co.numpy())


def test_names_are_those_of_the_cell_and_its_layers(exported):
    model = exported(make("stack-mixed").float())
    assert model.inputs == ["x", "lengths", "layer1_h0", "layer1_c0", "layer2_h0", "layer3_h0"]
    assert model.outputs == ["outputs", "layer1_h", "layer1_c", "layer2_h", "layer3_h"]
    operators = {node.name: node.op_type for node in model.proto.graph.node}
    assert operators["layer1/LSTM"] == "LSTM"
    assert operators["layer2/GRU"] == "GRU"
    assert operators["layer3/RNN"] == "RNN"


def test_every_value_has_a_known_rank(exported):
    graph = exported(make("lstm-norm-projections").float()).proto.graph
    known = {value.name for value in (*graph.value_info, *graph.output)}
    assert {output for node in graph.node for output in node.output} <= known


def test_a_cell_of_ones_own_is_refused_in_a_line(exported):
    class Mine(LSTMCell):
        def step(self, x, state):
            return super().step(2 * x, state)

    with pytest.raises(UnrolledError, match=r"Mine has no form in ONNX here, expected cells of unrolled"):
        exported(Mine(I, H))
    with pytest.raises(TypeError, match=r"model is a torch.*Linear, expected a network of unrolled.networks"):
        exported(torch.nn.Linear(2, 2))
    with pytest.raises(UnrolledError, match="2 forward cells and 1 backward cells, expected as many of both"):
        exported(([LSTMCell(I, H), LSTMCell(H, H)], [LSTMCell(I, H)]))


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    import sys

    from unrolled.onnx import export

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UnrolledError, match=r"need the package onnx: pip install 'unrolled\[onnx\]'"):
        export(LSTMCell(I, H), tmp_path / "model.onnx")
