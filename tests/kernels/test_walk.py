"""dynamic_unroll on the kernels: the same numbers as the loop, and the loop where no kernel can go."""

import pytest
import torch

from tests.kernels.layers import TOLERANCES
from unrolled import (
    DropoutCell,
    GRUCell,
    LSTMCell,
    ResidualCell,
    RNNCell,
    StackedCell,
    bidirectional_unroll,
    dynamic_unroll,
)
from unrolled.kernels import isa, ops
from unrolled.unroll.fused import fused_unroll

CELLS = {
    "rnn": lambda: RNNCell(5, 7),
    "rnn-relu": lambda: RNNCell(5, 7, nonlinearity="relu"),
    "lstm": lambda: LSTMCell(5, 7, forget_bias=1.0),
    "gru-after": lambda: GRUCell(5, 7),
    "gru-before": lambda: GRUCell(5, 7, reset="before", bias=False),
    "stack": lambda: StackedCell([LSTMCell(5, 7), GRUCell(7, 4), ResidualCell(RNNCell(4, 4))]),
    "dropout-off": lambda: DropoutCell(LSTMCell(5, 7), output=0.5).eval(),
    "residual": lambda: ResidualCell(GRUCell(5, 5)),
}
LENGTHS = [None, [6, 0, 3, 1]]


@pytest.fixture
def calls(each_isa, monkeypatch):
    """The layers that went through the kernels."""
    seen = []
    run = ops.unroll
    monkeypatch.setattr(ops, "unroll", lambda layer, keep_c=False: seen.append(layer) or run(layer, keep_c))
    return seen


def flat(nested):
    if isinstance(nested, torch.Tensor):
        return [nested]
    return [tensor for part in nested for tensor in flat(part)]


def both_ways(unroll, monkeypatch):
    """Results and gradients on the kernels, and on the reference path."""
    fused = flat(unroll())
    monkeypatch.setenv(isa.VARIABLE, isa.REFERENCE)
    return fused, flat(unroll())


def assert_near(actual, expected):
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        torch.testing.assert_close(
            a, e, rtol=0, atol=TOLERANCES[a.dtype] * max(1.0, float(e.detach().abs().max()))
        )


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("name", CELLS)
def test_the_kernels_give_what_the_loop_gives(name, lengths, batch_first, calls, monkeypatch):
    cell = CELLS[name]().double()
    x = torch.randn(*((4, 6) if batch_first else (6, 4)), 5, dtype=torch.float64, requires_grad=True)
    state = cell.initial_state(4)
    flat(state)[0].normal_()

    def unroll():
        results = dynamic_unroll(cell, x, lengths, state, batch_first=batch_first, return_states=True)
        loss = sum((part * part.detach().cos()).sum() for part in flat(results))
        return results, torch.autograd.grad(loss, [x, *cell.parameters()])

    fused, looped = both_ways(unroll, monkeypatch)
    assert len(calls) == (3 if name == "stack" else 1)
    assert_near(fused, looped)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_both_directions_go_through_the_kernels(lengths, calls, monkeypatch):
    cells = LSTMCell(5, 7), StackedCell([GRUCell(5, 3), RNNCell(3, 2)])
    x = torch.randn(4, 6, 5)
    fused, looped = both_ways(lambda: bidirectional_unroll(*cells, x, lengths), monkeypatch)
    assert [layer.reverse for layer in calls] == [False, True, True]
    assert_near(fused, looped)


def _hooked():
    cell = GRUCell(5, 7)
    cell.register_forward_hook(lambda *_: None)
    return cell


class _Mine(GRUCell):
    def step(self, x, state):
        return super().step(x, state)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LSTMCell(5, 7, peephole=True),
        lambda: LSTMCell(5, 7, layer_norm="gates"),
        lambda: LSTMCell(5, 7, proj_size=3),
        lambda: LSTMCell(5, 7, recurrent_dropout=0.5),
        lambda: LSTMCell(5, 7, zoneout=0.5),
        lambda: LSTMCell(5, 7, activation="relu"),
        lambda: DropoutCell(LSTMCell(5, 7), input=0.5),
        lambda: GRUCell(5, 7).to(torch.bfloat16),
        _hooked,
        lambda: _Mine(5, 7),
    ],
)
def test_what_has_no_kernel_goes_through_the_loop(make, calls):
    cell = make()
    outputs, _ = dynamic_unroll(cell, torch.zeros(2, 3, 5, dtype=next(cell.parameters()).dtype))
    assert outputs.shape[:2] == (2, 3)
    assert calls == []


def test_transformations_go_through_the_loop(calls):
    cell = GRUCell(5, 7)
    x = torch.randn(2, 3, 4, 5)
    mapped = torch.func.vmap(lambda part: dynamic_unroll(cell, part)[0])(x)
    with torch.autocast("cpu", torch.bfloat16):
        assert dynamic_unroll(cell, x[0])[0].shape == (3, 4, 7)
    assert calls == []
    assert_near([mapped[1]], [dynamic_unroll(cell, x[1])[0]])


@pytest.mark.parametrize(
    ("x", "state", "message"),
    [
        (torch.zeros(2, 3, 4), None, r"x has shape \[2, 4\], expected \[N, 5\]"),
        (torch.zeros(2, 3, 5), torch.zeros(2, 6), r"state has shapes \[2, 6\], expected \[2, 7\]"),
    ],
)
def test_what_does_not_fit_is_refused_in_the_same_words(x, state, message, each_isa, monkeypatch):
    cell = GRUCell(5, 7)
    for name in (each_isa, isa.REFERENCE):
        monkeypatch.setenv(isa.VARIABLE, name)
        with pytest.raises(ValueError, match=message):
            dynamic_unroll(cell, x, None, state)


def test_torch_compile_keeps_one_op(calls):
    cell = LSTMCell(5, 7)
    x = torch.randn(2, 3, 5)
    compiled = torch.compile(lambda x: dynamic_unroll(cell, x)[0], backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(x), dynamic_unroll(cell, x)[0])


def test_fused_unroll_says_when_it_cannot(monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, isa.REFERENCE)
    assert fused_unroll(GRUCell(5, 7), torch.zeros(1, 2, 5), None, None, batch_first=True) is None
