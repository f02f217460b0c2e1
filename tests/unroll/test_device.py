"""Unrollings run where cell and sequences are: the numbers of the CPU's loop, and nothing made elsewhere."""

import pytest
import torch

from tests.catalogue import DRAWN, FIXED, LENGTHS, N, T, draw, draw_state, make, parts
from tests.tolerances import assert_close, assert_equal
from unrolled import bidirectional_unroll, dynamic_unroll, isa, static_unroll
from unrolled.cells.state import map_state
from unrolled.kernels import torch_ops, unroll

# cuDNN packs weights anew at every call that are not in one piece of memory, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk")


def moved(state, device):
    return map_state(lambda part: part.to(device), state)


def everything(results, cell, device):
    """Outputs, states and gradients of the weights, all of them made on `device`."""
    found = [part for result in results for part in parts(result)]
    weights = [torch.linspace(1, 2, part.numel(), dtype=part.dtype).view(part.shape) for part in found]
    loss = sum((part * weight.to(device)).sum() for part, weight in zip(found, weights, strict=True))
    found += torch.autograd.grad(loss, list(cell.parameters()), materialize_grads=True)
    assert {part.device.type for part in found} == {device.type}
    return [part.cpu() for part in found]


def looped(cell, x, lengths, state, **options):
    outputs, final = static_unroll(cell, x.unbind(1), lengths, state, **options)
    return torch.stack(outputs, 1), final


@pytest.mark.parametrize("resets", [None, [[(n + t) % 3 == 1 for t in range(T)] for n in range(N)]])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("name", FIXED)
def test_dynamic_unroll_gives_what_the_loop_gives_on_the_cpu(name, lengths, resets, device, elsewhere):
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    expected = everything(looped(cell, x, lengths, state, resets=resets), cell, x.device)
    cell, x, state = cell.to(device), x.to(device), moved(state, device)
    with elsewhere:
        found = dynamic_unroll(cell, x, lengths, state, resets=resets)
    assert_close(everything(found, cell, device), expected)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("name", ["rnn", "rnn-relu", "rnn-no-bias", "lstm", "lstm-forget-bias", "gru-after"])
def test_a_gpus_way_through_torchs_operators_gives_what_the_loop_gives(name, lengths, elsewhere, monkeypatch):
    monkeypatch.setattr(unroll, "_runs_native", lambda layer: False)
    calls = []
    run = torch_ops.unroll
    monkeypatch.setattr(torch_ops, "unroll", lambda layer: calls.append(layer) or run(layer))
    cell = make(name)
    x, state = draw(N, T, cell.input_size), draw_state(cell)
    with elsewhere:
        found = dynamic_unroll(cell, x, lengths, state)
    expected = looped(cell, x, lengths, state)
    assert len(calls) == (isa.active() != isa.REFERENCE)
    assert_close(everything(found, cell, x.device), everything(expected, cell, x.device))


@pytest.mark.parametrize("name", FIXED)
def test_static_unroll_gives_what_it_gives_on_the_cpu(name, device, elsewhere):
    cell = make(name)
    x = draw(N, T, cell.input_size)
    expected = everything(looped(cell, x, LENGTHS, None), cell, x.device)
    cell, steps = cell.to(device), x.to(device).unbind(1)
    with elsewhere:
        outputs, final = static_unroll(cell, steps, LENGTHS)
    assert_close(everything((torch.stack(outputs, 1), final), cell, device), expected)


@pytest.mark.parametrize("name", ["rnn", "lstm-forget-bias", "gru-after", "gru-before", "lstm-peephole"])
def test_time_first_and_reverse_and_every_state_are_those_of_the_cpu(name, device, elsewhere):
    cell = make(name)
    x = draw(T, N, cell.input_size)
    how = {"batch_first": False, "reverse": True, "return_states": True}
    expected = everything(dynamic_unroll(cell, x, LENGTHS, **how), cell, x.device)
    cell, x, lengths = cell.to(device), x.to(device), torch.tensor(LENGTHS)
    for known in (lengths, lengths.to(device)):
        with elsewhere:
            found = dynamic_unroll(cell, x, known, **how)
        assert_close(everything(found, cell, device), expected)


def test_both_directions_are_those_of_the_cpu(device, elsewhere):
    cells = make("lstm"), make("gru-after")
    x = draw(N, T, 3)
    both = torch.nn.ModuleList(cells)
    expected = everything(bidirectional_unroll(*cells, x, LENGTHS), both, x.device)
    both, x = both.to(device), x.to(device)
    with elsewhere:
        found = bidirectional_unroll(*both, x, LENGTHS)
    assert_close(everything(found, both, device), expected)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru-after"])
def test_a_state_may_be_a_piece_of_another_tensor(name, device):
    cell = make(name).to(device)
    x = draw(N, T, cell.input_size).to(device)
    state = map_state(lambda size: draw(size, N).to(device).t(), cell.state_size)
    expected = dynamic_unroll(cell, x, None, map_state(lambda part: part.contiguous(), state))
    assert_equal(list(dynamic_unroll(cell, x, None, state)), list(expected))


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_is_drawn_where_the_sequences_are(name, device, elsewhere):
    cell = make(name).to(device)
    x = draw(N, T, cell.input_size).to(device)
    with elsewhere:
        found = dynamic_unroll(cell, x, LENGTHS)
    everything(found, cell, device)
