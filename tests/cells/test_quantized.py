"""Cells with int8 or bfloat16 weights: what they compute, and what they refuse."""

import pickle
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tolerances import assert_close, assert_equal
from unrolled import GRUCell, LSTMCell, LSTMState, RNNCell
from unrolled.cells import QuantizedCell
from unrolled.cells.quantized import GATES, SMALLEST, quantize_rows
from unrolled.errors import UnrolledError

N, I, H = 3, 5, 4
MAKERS = {
    "lstm": lambda **options: LSTMCell(I, H, **options),
    "gru_after": lambda **options: GRUCell(I, H, **options),
    "gru_before": lambda **options: GRUCell(I, H, reset="before", **options),
    "rnn_tanh": lambda **options: RNNCell(I, H, **options),
    "rnn_relu": lambda **options: RNNCell(I, H, nonlinearity="relu", **options),
}


def weights_of(cell):
    return cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh


def quantized(kind, dtype, **options):
    cell = MAKERS[kind](**options)
    return cell, QuantizedCell(kind, *weights_of(cell), dtype=dtype)


def state_for(kind):
    h = torch.rand(N, H) * 2 - 1
    return LSTMState(h, torch.randn(N, H)) if kind == "lstm" else h


@given(
    st.lists(
        st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=3, max_size=3), min_size=1, max_size=5
    )
)
def test_a_quantized_row_is_half_a_step_from_the_numbers_at_most(rows):
    x = torch.tensor(rows)
    q, s = quantize_rows(x)
    assert q.dtype == torch.int8
    assert int(q.abs().max()) <= 127
    kept = x.abs().amax(1) >= SMALLEST
    distance = (q.double() * s.double()[:, None] - x.double()).abs().amax(1)
    assert bool((distance <= s.double() * (0.5 + 1e-4))[kept].all())
    assert bool((q[~kept] == 0).all())
    assert bool((q.abs().amax(1)[kept] == 127).all())


def test_halves_are_rounded_to_the_even_number():
    q, s = quantize_rows(torch.tensor([[127.0, 0.5, 1.5, -2.5]]))
    assert (q.tolist(), s.tolist()) == ([[127, 0, 2, -2]], [1.0])


def test_a_row_with_nan_or_an_infinity_has_no_scale():
    q, s = quantize_rows(torch.tensor([[1.0, torch.nan], [-torch.inf, 1.0], [0.0, 0.0], [1e-38, 0.0]]))
    assert s[:2].isnan().all()
    assert s[2:].tolist() == [0.0, 0.0]
    assert not q.any()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", GATES)
def test_bfloat16_is_the_cell_with_rounded_weights(kind, bias):
    cell, small = quantized(kind, torch.bfloat16, bias=bias)
    with torch.no_grad():
        for weight in (cell.weight_ih, cell.weight_hh):
            weight.copy_(weight.bfloat16())
        x, state = torch.randn(N, I), state_for(kind)
        assert_close(small(x, state), cell(x, state))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", GATES)
def test_int8_is_the_cell_where_rounding_has_nothing_to_do(kind, bias):
    """Weights and inputs of whole numbers up to 127 stand for themselves, and so do sums."""
    cell, small = quantized(kind, torch.int8, bias=bias)
    whole = [torch.randint(-20, 21, weight.shape).float() for weight in (cell.weight_ih, cell.weight_hh)]
    for weight in whole:
        weight[:, 0] = 127
    x = torch.randint(-20, 21, (N, I)) / 64
    x[:, 1] = 127 / 64
    with torch.no_grad():
        cell.weight_ih.copy_(whole[0] / 512)
        cell.weight_hh.copy_(whole[1] / 512)
        small = QuantizedCell(kind, *weights_of(cell))
        h = torch.zeros(N, H)
        state = LSTMState(h, torch.randn(N, H)) if kind == "lstm" else h
        assert_close(small(x, state), cell(x, state))


@pytest.mark.parametrize("kind", GATES)
def test_int8_is_near_the_cell(kind):
    cell, small = quantized(kind, torch.int8)
    with torch.no_grad():
        x, state = torch.randn(N, I), state_for(kind)
        exact, near = cell(x, state)[0], small(x, state)[0]
        assert 0 < float((exact - near).abs().max()) < 0.03


def test_the_forget_bias_is_added():
    cell = LSTMCell(I, H, forget_bias=1.5)
    small = QuantizedCell("lstm", *weights_of(cell), dtype=torch.bfloat16, forget_bias=1.5)
    other = QuantizedCell("lstm", *weights_of(cell), dtype=torch.bfloat16)
    with torch.no_grad():
        x, state = torch.randn(N, I), state_for("lstm")
        assert float((small(x, state)[0] - cell(x, state)[0]).abs().max()) < 0.01
        assert not torch.equal(small(x, state)[0], other(x, state)[0])


@pytest.mark.parametrize("dtype", [torch.int8, torch.bfloat16])
@pytest.mark.parametrize("kind", GATES)
def test_states_begin_as_zeros_of_float32(kind, dtype):
    _, small = quantized(kind, dtype, bias=False)
    state = small.initial_state(2)
    for part in state if kind == "lstm" else (state,):
        assert (part.dtype, part.shape, bool(part.any())) == (torch.float32, (2, H), False)


def test_a_gradient_is_one_clear_error():
    _, small = quantized("gru_after", torch.int8)
    assert not any(weight.requires_grad for weight in small.state_dict().values())
    with pytest.raises(UnrolledError, match="requires gradients, and it has none to give"):
        small(torch.randn(N, I, requires_grad=True))
    with pytest.raises(UnrolledError, match="requires gradients"):
        small(torch.randn(N, I), torch.zeros(N, H, requires_grad=True))
    with torch.no_grad():
        small(torch.randn(N, I, requires_grad=True))


def test_nan_in_one_row_stays_in_that_row():
    _, small = quantized("lstm", torch.int8)
    x = torch.randn(N, I)
    x[1, 2] = torch.nan
    with torch.no_grad():
        output, _ = small(x)
    assert output.isnan().any(1).tolist() == [False, True, False]


def test_a_row_does_not_depend_on_its_neighbours():
    _, small = quantized("gru_before", torch.int8)
    x = torch.randn(N, I)
    with torch.no_grad():
        assert_equal(small(x)[0][1:2], small(x[1:2])[0])


def test_a_state_dict_and_a_pickle_bring_the_weights_along():
    _, one = quantized("lstm", torch.int8)
    _, other = quantized("lstm", torch.int8)
    x = torch.randn(N, I)
    with torch.no_grad():
        assert not torch.equal(one(x)[0], other(x)[0])
        other.load_state_dict(one.state_dict())
        assert_equal(other(x)[0], one(x)[0])
        assert_equal(pickle.loads(pickle.dumps(one))(x)[0], one(x)[0])
    assert {name: value.dtype for name, value in one.state_dict().items()} == {
        "weight_ih": torch.int8,
        "scale_ih": torch.float32,
        "weight_hh": torch.int8,
        "scale_hh": torch.float32,
        "bias_ih": torch.float32,
        "bias_hh": torch.float32,
    }


def test_what_cannot_be_is_refused():
    cell = GRUCell(I, H)
    with pytest.raises(ValueError, match=re.escape("dtype is torch.float16, expected torch.int8 or")):
        QuantizedCell("gru_after", *weights_of(cell), dtype=torch.float16)
    with pytest.raises(ValueError, match="kind"):
        QuantizedCell("gru", *weights_of(cell))
    with pytest.raises(ValueError, match="a row has 131073 weights, expected 131072 at most"):
        QuantizedCell("rnn_tanh", torch.zeros(1, 131073), torch.zeros(1, 1))
