"""Drop-ins and accelerated models run where their weights are: the CPU's numbers, nothing elsewhere."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import unrolled
from tests.tolerances import assert_close

N, T, I, H = 3, 17, 5, 7

# cuDNN packs weights anew at every call that are not in one piece of memory, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:RNN module weights are not part of single contiguous chunk")


def everything(outputs, final, layer, device):
    """Outputs, final states and gradients of the weights, all of them made on `device`."""
    found = [outputs, *(final if isinstance(final, tuple) else (final,))]
    weights = [torch.linspace(1, 2, part.numel(), dtype=part.dtype).view(part.shape) for part in found]
    loss = sum((part * weight.to(device)).sum() for part, weight in zip(found, weights, strict=True))
    found += torch.autograd.grad(loss, list(layer.parameters()))
    assert {part.device.type for part in found} == {device.type}
    return [part.cpu() for part in found]


@pytest.mark.parametrize("lengths", [None, [9, 0, T]])
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_drop_in_gives_what_it_gives_on_the_cpu(lengths, batch_first, make, device, elsewhere):
    peer, drop_in = make(I, H, 2, bidirectional=True, batch_first=batch_first, dtype=torch.float64)
    x = torch.randn((N, T, I) if batch_first else (T, N, I), dtype=torch.float64)
    judged = peer(x) if lengths is None else drop_in(x, lengths=lengths)
    expected = everything(*judged, peer if lengths is None else drop_in, x.device)
    drop_in, x = drop_in.to(device), x.to(device)
    with elsewhere:
        found = drop_in(x, lengths=lengths)
    assert_close(everything(*found, drop_in, device), expected)


def test_a_packed_batch_gives_what_it_gives_on_the_cpu(make, device, elsewhere):
    peer, drop_in = make(I, H, 2, dtype=torch.float64)
    packed = pack_padded_sequence(torch.randn(T, N, I, dtype=torch.float64), [4, T, 9], enforce_sorted=False)
    outputs, final = peer(packed)
    expected = everything(outputs.data, final, peer, packed.data.device)
    drop_in, packed = drop_in.to(device), packed.to(device)
    with elsewhere:
        outputs, final = drop_in(packed)
    assert_close(everything(outputs.data, final, drop_in, device), expected)


@pytest.mark.parametrize("moves", ["before", "after"])
def test_an_accelerated_model_gives_what_it_gave_on_the_cpu(moves, device, elsewhere):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.LSTM(I, H), nn.GRU(H, 4, bidirectional=True), nn.RNN(8, 2)])

        def forward(self, x):
            for layer in self.layers:
                x, final = layer(x)
            return x, final

    model = Model().double()
    x = torch.randn(T, N, I, dtype=torch.float64)
    expected = everything(*model(x), model, x.device)
    moved = copy.deepcopy(model).to(device) if moves == "before" else copy.deepcopy(model)
    moved = unrolled.accelerate(moved).to(device)
    x = x.to(device)
    with elsewhere:
        found = moved(x)
    assert_close(everything(*found, moved, device), expected)
