"""torch.utils.flop_counter counts the operators as it counts torch's own."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import unrolled
from unrolled import isa
from unrolled.kernels import ops
from unrolled.unroll.kernel_layer import layer_of

N, T, I, H = 3, 17, 5, 7


@pytest.fixture(autouse=True)
def _kernels():
    if isa.active() == isa.REFERENCE:
        pytest.skip(isa.explain())


def counted(run):
    with FlopCounterMode(display=False) as counter:
        result = run()
    return counter.get_total_flops(), result


def both(layer, x, states):
    forward, (outputs, _) = counted(lambda: layer(x, states))
    backward, _ = counted(lambda: outputs.sum().backward())
    return forward, backward


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize("wants_x", [True, False])
@pytest.mark.parametrize("peer", [nn.LSTM, nn.GRU, nn.RNN])
def test_an_accelerated_layer_counts_what_torch_nns_counts(peer, wants_x, options):
    layer = peer(I, H, dtype=torch.float64, **options)  # in float32 torch's LSTM is oneDNN's: it counts none
    x = torch.randn(T, N, I, dtype=torch.float64, requires_grad=wants_x)
    walks = layer.num_layers * (2 if layer.bidirectional else 1)
    h = torch.randn(walks, N, H, dtype=torch.float64, requires_grad=True)
    states = (h, h.detach().requires_grad_()) if peer is nn.LSTM else h
    expected = both(layer, x, states)
    assert min(expected) > 0
    assert both(unrolled.accelerate(layer), x, states) == expected


def test_a_projection_counts():
    layer, x = unrolled.LSTM(I, H, proj_size=2), torch.randn(T, N, I)
    forward, backward = both(layer, x.requires_grad_(), None)
    assert forward == 2 * N * T * (4 * H * (I + 2) + 2 * H)
    assert backward == 2 * forward


def test_what_backward_computes_again_counts_again():
    cell, x = unrolled.LSTMCell(I, H), torch.randn(N, T, I, requires_grad=True)
    state = cell.initial_state(N)
    layer = layer_of(cell, x, None, state, batch_first=True, reverse=False)
    for recompute in (False, True):
        forward, results = counted(lambda: ops.unroll(layer, recompute_gates=recompute))  # noqa: B023
        backward, _ = counted(lambda: results.out.sum().backward())  # noqa: B023
        assert forward == 2 * N * T * 4 * H * (I + H)
        assert backward == (3 if recompute else 2) * forward


def test_a_cell_over_a_sequence_counts_as_its_loop():
    cell, x = unrolled.GRUCell(I, H), torch.randn(N, T, I)
    expected = 2 * N * T * 3 * H * (I + H)
    for unroll in (unrolled.dynamic_unroll, unrolled.static_unroll):
        assert counted(lambda: unroll(cell, x))[0] == expected  # noqa: B023


def test_the_operators_count_before_a_kernel_was_ever_called():
    code = (
        "import torch, unrolled; from torch.utils.flop_counter import FlopCounterMode as Mode\n"
        "layer = unrolled.GRU(4, 4); x = torch.randn(16, 4, 4)\n"
        "with Mode(display=False) as mode: layer(x)\n"
        "print(mode.get_total_flops())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) == 2 * 64 * 12 * 8
