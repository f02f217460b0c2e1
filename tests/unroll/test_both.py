"""Both directions of a quantized layer at once: the bits of one after the other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.tolerances import assert_equal
from unrolled import dynamic_unroll, quantize
from unrolled.cells import QuantizedCell
from unrolled.cells.quantized import GATES
from unrolled.cells.state import map_state
from unrolled.kernels import isa, native_call
from unrolled.unroll.both import both_unroll

dtypes = pytest.mark.parametrize("dtype", [torch.int8, torch.bfloat16])
kinds = pytest.mark.parametrize("kind", GATES)


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def make(kind, dtype, width, hidden):
    rows = GATES[kind] * hidden
    sizes = (rows, width), (rows, hidden), (rows,), (rows,)
    return QuantizedCell(kind, *(0.3 * torch.randn(*size) for size in sizes), dtype=dtype)


def one_after_the_other(
    cells, x, lengths, states, *, resets=None, reset_states=(None, None), batch_first=True
):
    return [
        dynamic_unroll(
            cell,
            x,
            lengths,
            state,
            resets=resets,
            reset_state=back,
            batch_first=batch_first,
            reverse=reverse,
        )
        for cell, state, back, reverse in zip(cells, states, reset_states, (False, True), strict=True)
    ]


@settings(max_examples=15)
@given(st.data())
@dtypes
@kinds
@pytest.mark.usefixtures("threads")
def test_bits_are_those_of_one_after_the_other(kind, dtype, data):
    batch, time = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 5))
    cells = make(kind, dtype, 3, 6), make(kind, dtype, 3, 6)
    first = data.draw(st.booleans())

    def some_states():
        if data.draw(st.booleans()):
            return None, None
        return [map_state(torch.rand_like, cell.initial_state(batch)) for cell in cells]

    resets = torch.rand(batch, time) < 0.3 if data.draw(st.booleans()) else None
    given_ = (
        torch.randn(*((batch, time) if first else (time, batch)), 3),
        data.draw(st.none() | st.lists(st.integers(0, time), min_size=batch, max_size=batch)),
        some_states(),
    )
    options = {"resets": resets, "reset_states": some_states(), "batch_first": first}
    if resets is None:
        options["reset_states"] = (None, None)
    found = both_unroll(cells, *given_, **options)
    for one, other in zip(found, one_after_the_other(cells, *given_, **options), strict=True):
        assert_equal(one, other)


@pytest.mark.skipif(isa.active() == isa.REFERENCE, reason="there are no kernels here")
@dtypes
@pytest.mark.parametrize("kind", ["lstm", "gru_after", "rnn_tanh"])
@pytest.mark.usefixtures("threads")
def test_sequences_that_are_worth_a_thread_each_have_the_same_bits(kind, dtype):
    cells = make(kind, dtype, 40, 200), make(kind, dtype, 40, 200)
    given_ = (torch.randn(2, 60, 40), None, (None, None))
    for one, other in zip(both_unroll(cells, *given_), one_after_the_other(cells, *given_), strict=True):
        assert_equal(one, other)


@pytest.mark.skipif(isa.active() == isa.REFERENCE, reason="there are no kernels here")
@pytest.mark.parametrize("make_layers", [nn.LSTM, nn.GRU, nn.RNN])
def test_the_directions_of_a_layer_are_one_call_of_the_kernels(make_layers, monkeypatch):
    calls, forward_both, before = [], native_call.forward_both, torch.get_num_threads()

    def seen(*arguments, **named):
        calls.append(named["packed"])
        return forward_both(*arguments, **named)

    monkeypatch.setattr(native_call, "forward_both", seen)
    layers = quantize(make_layers(5, 4, num_layers=2, bidirectional=True))
    x = torch.randn(7, 3, 5)
    torch.set_num_threads(2)
    try:
        outputs, _ = layers(x)
    finally:
        torch.set_num_threads(before)
    assert len(calls) == 2  # of each layer
    assert all(isinstance(part, torch.Tensor) for packed in calls for part in packed)
    with monkeypatch.context() as patch:
        patch.setenv(isa.VARIABLE, isa.REFERENCE)
        expected = layers(x)[0]
    assert float((outputs - expected).abs().max()) < 0.02


def test_a_wrong_state_is_the_error_of_dynamic_unroll():
    cells, x = (
        (make("gru_after", torch.int8, 3, 4), make("gru_after", torch.int8, 3, 4)),
        torch.randn(2, 5, 3),
    )
    with pytest.raises(ValueError, match="state") as expected:
        dynamic_unroll(cells[1], x, state=torch.zeros(2, 5), reverse=True)
    with pytest.raises(ValueError, match="state") as found:
        both_unroll(cells, x, None, (torch.zeros(2, 4), torch.zeros(2, 5)))
    assert str(found.value) == str(expected.value)
