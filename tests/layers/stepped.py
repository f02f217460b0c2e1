"""Modules that take single steps, steps for them, and whether those are torch.nn's."""

import copy

import pytest
import torch
from torch import nn

from tests.layers.results import tensors_of
from unrolled import isa
from unrolled.layers.keeping import KEPT

N, I, H = 3, 5, 7
CELLS = {
    "LSTMCell": lambda: nn.LSTMCell(I, H),
    "LSTMCell without bias": lambda: nn.LSTMCell(I, H, bias=False),
    "GRUCell": lambda: nn.GRUCell(I, H),
    "RNNCell": lambda: nn.RNNCell(I, H),
    "RNNCell of relu": lambda: nn.RNNCell(I, H, nonlinearity="relu"),
}
LAYERS = {
    "LSTM": lambda: nn.LSTM(I, H),
    "LSTM, batch first": lambda: nn.LSTM(I, H, batch_first=True),
    "LSTM of 2 layers, both ways": lambda: nn.LSTM(I, H, 2, bidirectional=True, bias=False),
    "LSTM of 3 layers": lambda: nn.LSTM(I, H, 3, batch_first=True),
    "GRU of 2 layers": lambda: nn.GRU(I, H, 2),
    "GRU, both ways": lambda: nn.GRU(I, H, batch_first=True, bidirectional=True),
    "RNN": lambda: nn.RNN(I, H, 2, nonlinearity="relu"),
}
MODULES = CELLS | LAYERS
native = pytest.mark.skipif(isa.active() == isa.REFERENCE, reason=isa.explain())


def step_of(module, batch=N, dtype=torch.float32):
    """An x and a state for one step of a module; batch None: without an axis for it."""
    rows = () if batch is None else (batch,)
    if isinstance(module, nn.RNNCellBase):
        x, state = torch.randn(*rows, I, dtype=dtype), torch.randn(*rows, H, dtype=dtype)
    else:
        places = module.num_layers * (2 if module.bidirectional else 1)
        x = torch.randn(1, *rows, I, dtype=dtype)
        x = x.transpose(0, 1) if batch is not None and module.batch_first else x
        state = torch.randn(places, *rows, H, dtype=dtype)
    has_c = "LSTM" in type(module).__name__
    return x, (state, torch.randn_like(state)) if has_c else state


def taken_by(module):
    """How many steps the weights that a module keeps have taken; None if it keeps none."""
    kept = vars(module).get(KEPT)
    return None if kept is None or kept._native is None else kept._native.taken


def follows(module, peer, **how):
    """Whether the next step is that of torch.nn with the same weights."""
    peer.load_state_dict(module.state_dict())
    x, state = step_of(peer, **how)
    with torch.no_grad():
        found, expected = tensors_of(module(x, state)), tensors_of(peer(x, state))
    return all(torch.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))


def shifted(peer):
    """A module of the same sizes with other weights."""
    other = copy.deepcopy(peer)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.5)
    return other
