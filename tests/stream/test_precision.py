"""Streams of models with fewer bits: in the kernels, and the whole sequence bit for bit."""

import copy
import pickle

import pytest
import torch

from tests.stream.test_stream import FUSING, I, T, walk_of
from tests.tolerances import assert_equal
from unrolled import GRU, LSTM, GRUCell, LSTMCell, Stream, dynamic_unroll
from unrolled.cells.state import map_state
from unrolled.kernels import isa
from unrolled.stream.fused import FusedWalk
from unrolled.stream.loop import LoopWalk

SHORT = (torch.bfloat16, torch.float16)
each_dtype = pytest.mark.parametrize("dtype", SHORT, ids=str)


@pytest.mark.usefixtures("each_isa")
@each_dtype
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("name", FUSING)
def test_steps_are_the_whole_sequence(name, batch_size, dtype):
    cell = FUSING[name]().to(dtype).eval()
    x = torch.randn(batch_size, T, I).to(dtype)
    stream = Stream(cell)
    outputs, state = dynamic_unroll(cell, x)
    assert_equal(walk_of(stream, x), outputs)
    assert_equal(stream.state, state)
    assert not isinstance(stream._walk, LoopWalk)


@pytest.mark.usefixtures("each_isa")
@each_dtype
@pytest.mark.parametrize("make", [LSTMCell, GRUCell])
def test_within_a_stream_the_state_keeps_its_bits(make, dtype):
    """Handed over in the model's type it would be rounded at each step."""
    cell, x = make(I, 21).to(dtype), torch.randn(2, 40, I).to(dtype)
    outputs, _ = dynamic_unroll(cell, x)
    stream, handed = Stream(cell), Stream(cell)
    assert isinstance(stream._look()[0].cell, make)
    assert_equal(walk_of(stream, x), outputs)
    assert isinstance(stream._walk, FusedWalk)
    steps = []
    for t in range(40):
        steps.append(handed.step(x[:, t]))
        handed.state = handed.state
    assert not torch.equal(torch.stack(steps, 1), outputs)
    torch.testing.assert_close(torch.stack(steps, 1), outputs, rtol=0.05, atol=0.05)


@each_dtype
@pytest.mark.parametrize("layers", [LSTM, GRU])
def test_drop_ins_stream_with_fewer_bits(layers, dtype):
    module, x = layers(I, 21, 2, batch_first=True).to(dtype), torch.randn(2, T, I).to(dtype)
    with torch.no_grad():
        outputs, states = module(x)
    stream = Stream(module)
    torch.testing.assert_close(walk_of(stream, x), outputs, rtol=0.02, atol=0.02)
    map_state(lambda a, e: torch.testing.assert_close(a.dtype is e.dtype, True), stream.state, states)


@each_dtype
@pytest.mark.parametrize("way", [copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))])
def test_copies_go_on_from_the_state_as_it_is_shown(way, dtype):
    cell, x = LSTMCell(I, 21).to(dtype), torch.randn(2, T, I).to(dtype)
    stream = Stream(cell)
    stream.step(x[:, 0])
    twin = way(stream)
    assert_equal(twin.state, stream.state)
    stream.state = stream.state
    assert_equal(twin.step(x[:, 1]), stream.step(x[:, 1]))


def test_an_x_of_another_type_is_refused():
    stream = Stream(LSTMCell(I, 21).bfloat16())
    with pytest.raises(Exception, match="x is float32, but the model is bfloat16"):
        stream.step(torch.zeros(1, I))


def test_resets_begin_anew_with_fewer_bits():
    cell, x = GRUCell(I, 21).bfloat16(), torch.randn(2, T, I).bfloat16()
    stream = Stream(cell)
    stream.step(x[:, 0])
    found = stream.step(x[:, 1], resets=[True, False])
    expected, _ = dynamic_unroll(cell, x[:, :2], resets=[[False, True], [False, False]])
    assert_equal(found, expected[:, 1])


@pytest.mark.usefixtures("each_isa")
@pytest.mark.parametrize("setting", ["highest", "high", "medium"])
@pytest.mark.parametrize("product", ["", "AVX512_BF16", "AMX"])
def test_steps_are_the_whole_sequence_at_every_matmul_precision(setting, product, monkeypatch):
    monkeypatch.setattr(isa, "bfloat16_product", lambda: product)
    torch.set_float32_matmul_precision(setting)
    try:
        cell, x = LSTMCell(I, 21), torch.randn(2, T, I)
        outputs, state = dynamic_unroll(cell, x)
        stream = Stream(cell)
        assert_equal(walk_of(stream, x), outputs)
        assert_equal(stream.state, state)
    finally:
        torch.set_float32_matmul_precision("highest")
