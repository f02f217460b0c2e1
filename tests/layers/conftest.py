"""Pairs of a torch.nn layer and its drop-in with the same weights, and a count of kernel calls."""

import copy

import pytest
import torch
from torch import nn

import unrolled
from tests.layers.stepped import MODULES
from unrolled import isa
from unrolled.kernels import ops

PAIRS = {"lstm": (nn.LSTM, unrolled.LSTM), "gru": (nn.GRU, unrolled.GRU), "rnn": (nn.RNN, unrolled.RNN)}


@pytest.fixture(params=list(PAIRS))
def kind(request):
    return request.param


@pytest.fixture
def make(kind):
    """A function that builds the peer and the drop-in alike."""

    def build(*arguments, dtype=torch.float32, **options):
        peer, drop_in = (layer(*arguments, dtype=dtype, **options) for layer in PAIRS[kind])
        drop_in.load_state_dict(peer.state_dict())
        return peer, drop_in

    return build


@pytest.fixture
def kernel_calls(monkeypatch):
    """The layers that went through the kernels so far."""
    if isa.active() == isa.REFERENCE:
        pytest.skip(isa.explain())
    seen = []
    run = ops.unroll
    monkeypatch.setattr(ops, "unroll", lambda layer, **how: seen.append(layer) or run(layer, **how))
    return seen


@pytest.fixture(params=["kernels", "torch.nn"])
def both_ways(request, monkeypatch):
    """Once on the kernels, once on the peer's own forward."""
    if request.param == "torch.nn":
        monkeypatch.setenv(isa.VARIABLE, isa.REFERENCE)
    return request.param


@pytest.fixture(params=list(MODULES))
def pair(request):
    """A module of torch.nn and its accelerated twin."""
    peer = MODULES[request.param]()
    return peer, unrolled.accelerate(copy.deepcopy(peer))
