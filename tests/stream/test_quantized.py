"""Streams of quantized models: the bits of whole sequences, step by step."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from tests.tolerances import assert_equal
from unrolled import GRUCell, LSTMCell, ResidualCell, RNNCell, StackedCell, Stream, dynamic_unroll, quantize
from unrolled.networks import NetworkConfig, SequenceClassifier

N, T, I, H = 3, 6, 5, 7
MODELS = {
    "lstm": lambda: LSTMCell(I, H, forget_bias=1.0),
    "gru": lambda: GRUCell(I, H),
    "gru, before": lambda: GRUCell(I, H, reset="before", bias=False),
    "rnn": lambda: RNNCell(I, H, bias=False),
    "stack": lambda: StackedCell([LSTMCell(I, H), ResidualCell(GRUCell(H, H))]),
}
pytestmark = pytest.mark.usefixtures("each_isa")
dtypes = pytest.mark.parametrize("dtype", [torch.int8, torch.bfloat16])


@pytest.mark.parametrize("batch", [1, N])
@pytest.mark.parametrize("name", MODELS)
@dtypes
def test_steps_have_the_bits_of_the_whole_sequence(dtype, name, batch):
    cell, x = quantize(MODELS[name](), dtype), torch.randn(batch, T, I)
    outputs, state = dynamic_unroll(cell, x)
    stream = Stream(cell)
    assert_equal(torch.stack([stream.step(x[:, t]) for t in range(T)], 1), outputs)
    assert_equal(stream.state, state)
    stream.reset()
    arrays = [stream.step(x[:, t].numpy()) for t in range(T)]
    assert_equal(torch.from_numpy(np.stack(arrays, 1)), outputs)


@dtypes
@pytest.mark.parametrize("make", [nn.LSTM, nn.GRU, nn.RNN])
def test_layers_of_torch_stream(dtype, make):
    layers, x = quantize(make(I, H, num_layers=2), dtype), torch.randn(T, N, I)
    outputs, states = layers(x)
    stream = Stream(layers)
    assert_equal(torch.stack([stream.step(step) for step in x]), outputs)
    assert_equal(stream.state, states)


@dtypes
@pytest.mark.parametrize("make", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_cells_of_torch_stream(dtype, make):
    cell, x = quantize(make(I, H), dtype), torch.randn(T, N, I)
    stream, hx = Stream(cell), None
    for step in x:
        hx = cell(step, hx)
        assert_equal(stream.step(step), hx[0] if isinstance(hx, tuple) else hx)


@dtypes
def test_a_network_streams(dtype):
    network = quantize(SequenceClassifier(NetworkConfig("n", (("gru", H),), input_size=I)).eval(), dtype)
    x = torch.randn(1, T, I)
    stream = Stream(network)
    last = [stream.step(x[:, t]) for t in range(T)][-1]
    torch.testing.assert_close(last, network(x).softmax(1), rtol=0, atol=1e-6)


@dtypes
def test_copies_go_on_by_themselves(dtype):
    stream, x = Stream(quantize(LSTMCell(I, H), dtype)), torch.randn(4, N, I)
    stream.step(x[0])
    copies = [copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))]
    after = stream.step(x[1])
    for one in copies:
        assert_equal(one.step(x[1]), after)


@dtypes
def test_new_weights_count_from_the_next_step(dtype):
    one, other = quantize(GRUCell(I, H), dtype), quantize(GRUCell(I, H), dtype)
    x = torch.randn(2, N, I)
    stream, wanted = Stream(one), Stream(other)
    one.load_state_dict(other.state_dict())
    assert_equal(stream.step(x[0]), wanted.step(x[0]))
