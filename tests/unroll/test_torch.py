"""Unrollings against torch.nn.RNN, LSTM and GRU with the same weights, of several layers and directions."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.catalogue import H, I, N, P, T, draw
from tests.tolerances import assert_close
from unrolled import (
    GRUCell,
    LSTMCell,
    LSTMState,
    RNNCell,
    StackedCell,
    dynamic_unroll,
    stacked_bidirectional_unroll,
)

LAYERS = 3
LENGTHS = [7, 3, 2, 1, 5]  # torch packs no sequence of length 0

MODULES = {
    "rnn": (torch.nn.RNN, RNNCell, {}),
    "rnn-relu": (torch.nn.RNN, RNNCell, {"nonlinearity": "relu"}),
    "rnn-no-bias": (torch.nn.RNN, RNNCell, {"bias": False}),
    "lstm": (torch.nn.LSTM, LSTMCell, {}),
    "lstm-projection": (torch.nn.LSTM, LSTMCell, {"proj_size": P}),
    "gru": (torch.nn.GRU, GRUCell, {}),
}
every_module = pytest.mark.parametrize("name", MODULES)
any_lengths = pytest.mark.parametrize("lengths", [None, LENGTHS])


def torch_unroll(module, x, lengths, state):
    """The outputs, zero past each length, and h_n or (h_n, c_n), each [layers and directions, N, size]."""
    if lengths is None:
        return module(x, state)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    outputs, state = module(packed, state)
    return pad_packed_sequence(outputs, batch_first=True, total_length=T)[0], state


def make_cells(module, make_cell, options, ending):
    """One cell for each layer, with the weights that torch has under names such as weight_ih_l0_reverse."""
    cells = []
    for layer in range(LAYERS):
        suffix = f"_l{layer}{ending}"
        weights = {k.removesuffix(suffix): v for k, v in module.state_dict().items() if k.endswith(suffix)}
        cell = make_cell(weights["weight_ih"].shape[1], H, **options).double()
        cell.load_state_dict(weights)
        cells.append(cell)
    return cells


def random_state(module, directions):
    """An initial state as torch takes it, and as a list of ours: layer by layer, forward before backward."""
    h = draw(LAYERS * directions, N, module.proj_size or H)
    if not isinstance(module, torch.nn.LSTM):
        return h, list(h)
    c = draw(LAYERS * directions, N, H)
    return (h, c), [LSTMState(*pair) for pair in zip(h, c, strict=True)]


def joined(states):
    """States layer by layer as torch returns them."""
    if isinstance(states[0], LSTMState):
        return torch.stack([s.h for s in states]), torch.stack([s.c for s in states])
    return torch.stack(states)


@every_module
@any_lengths
def test_a_stack_computes_what_several_layers_of_torch_do(name, lengths):
    make_torch, make_cell, options = MODULES[name]
    module = make_torch(I, H, LAYERS, batch_first=True, **options).double()
    x, (state, states) = draw(N, T, I), random_state(module, 1)
    expected = torch_unroll(module, x, lengths, state)
    cell = StackedCell(make_cells(module, make_cell, options, ""))
    outputs, final = dynamic_unroll(cell, x, lengths, tuple(states))
    assert_close((outputs, joined(final)), expected)


@every_module
@any_lengths
def test_stacked_bidirectional_unroll_computes_what_bidirectional_layers_of_torch_do(name, lengths):
    make_torch, make_cell, options = MODULES[name]
    module = make_torch(I, H, LAYERS, batch_first=True, bidirectional=True, **options).double()
    x, (state, states) = draw(N, T, I), random_state(module, 2)
    expected = torch_unroll(module, x, lengths, state)
    forward_cells = make_cells(module, make_cell, options, "")
    backward_cells = make_cells(module, make_cell, options, "_reverse")
    outputs, (forwards, backwards) = stacked_bidirectional_unroll(
        forward_cells, backward_cells, x, lengths, (states[0::2], states[1::2])
    )
    final = [state for layer in zip(forwards, backwards, strict=True) for state in layer]
    assert_close((outputs, joined(final)), expected)


@every_module
def test_gradients_are_those_of_torch(name):
    make_torch, make_cell, options = MODULES[name]
    module = make_torch(I, H, LAYERS, batch_first=True, **options).double()
    x = draw(N, T, I).requires_grad_()
    cell = StackedCell(make_cells(module, make_cell, options, ""))
    ours = torch.autograd.grad(dynamic_unroll(cell, x, LENGTHS)[0].sin().sum(), [x, *cell.parameters()])
    theirs = torch.autograd.grad(
        torch_unroll(module, x, LENGTHS, None)[0].sin().sum(), [x, *module.parameters()]
    )
    assert_close(list(ours), list(theirs))


def test_in_float32_an_unroll_stays_close_to_torch():
    module = torch.nn.LSTM(I, H, LAYERS, batch_first=True)
    x = torch.randn(N, T, I)
    cells = [LSTMCell(width, H) for width in (I, H, H)]
    for layer, cell in enumerate(cells):
        cell.load_state_dict({k: module.state_dict()[f"{k}_l{layer}"] for k in cell.state_dict()})
    assert_close(dynamic_unroll(StackedCell(cells), x)[0], module(x)[0])
