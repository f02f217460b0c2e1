"""Cells in autocast and with fewer bits: the types of their own steps, in the kernels."""

import contextlib

import pytest
import torch

from tests.catalogue import CATALOGUE
from unrolled.cells import GRUCell, LSTMCell, RNNCell, StackedCell
from unrolled.cells.state import LSTMState, map_state
from unrolled.kernels import isa, native_call
from unrolled.unroll import dynamic_unroll, static_unroll

BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
N, T, I = 3, 6, 5
FUSED = {
    "lstm": lambda: LSTMCell(I, 7, forget_bias=1.0),
    "peepholes": lambda: LSTMCell(I, 7, peephole=True, cell_clip=0.5),
    "projection": lambda: LSTMCell(I, 7, proj_size=4, proj_clip=0.4),
    "projection and zoneout": lambda: LSTMCell(I, 7, proj_size=4, zoneout=0.2).eval(),
    "norm of gates": lambda: LSTMCell(I, 7, layer_norm="gates"),
    "norm of projections": lambda: LSTMCell(I, 7, layer_norm="projections"),
    "gru": lambda: GRUCell(I, 7),
    "gru, reset before": lambda: GRUCell(I, 7, reset="before"),
    "rnn": lambda: RNNCell(I, 7),
    "rnn with relu": lambda: RNNCell(I, 7, nonlinearity="relu"),
    "stack": lambda: StackedCell([LSTMCell(I, 7), RNNCell(7, 4), GRUCell(4, 3)]),
}


@pytest.fixture(params=FUSED)
def cell(request):
    torch.manual_seed(0)
    return FUSED[request.param]()


@pytest.fixture
def parts(monkeypatch):
    """The parts of every layer that the kernels were given so far."""
    if isa.active() == isa.REFERENCE:
        pytest.skip(isa.explain())
    seen = []
    run = native_call.forward

    def forward(layer, *rest, **named):
        assert all(t.dtype == F32 for t in layer if isinstance(t, torch.Tensor) and t.is_floating_point())
        seen.append(layer.parts)
        return run(layer, *rest, **named)

    monkeypatch.setattr(native_call, "forward", forward)
    return seen


def types_of(nested):
    return map_state(lambda part: part.dtype, nested)


@pytest.mark.parametrize("given", [F32, BF16], ids=str)
@pytest.mark.parametrize("states", [None, F32, BF16, F16], ids=str)
@pytest.mark.parametrize("cast", [BF16, F16], ids=str)
def test_autocast_gives_the_types_of_the_cells_own_steps(cast, states, given, cell, parts):
    x = torch.randn(N, T, I).to(given)
    state = None if states is None else map_state(lambda part: part.to(states), cell.initial_state(N))
    with torch.autocast("cpu", cast):
        expected, theirs = static_unroll(cell, list(x.unbind(1)), state=state)
        outputs, final, every = dynamic_unroll(cell, x, state=state, return_states=True)
    assert parts == [int(cast == BF16)] * len(parts) != []
    assert outputs.dtype == expected[-1].dtype
    assert types_of(final) == types_of(theirs)
    assert types_of(every) == types_of(theirs)
    near = 0.05 if BF16 in (cast, states, given) else 0.005
    torch.testing.assert_close(outputs.float(), torch.stack(expected, 1).float(), rtol=near, atol=near)


@pytest.mark.parametrize("short", [BF16, F16], ids=str)
def test_cells_of_fewer_bits_give_and_take_their_own_type(short, cell, parts):
    cell, x = cell.to(short), torch.randn(N, T, I).to(short).requires_grad_()
    outputs, final = dynamic_unroll(cell, x, lengths=[T, 0, 3])
    assert parts == [int(short == BF16)] * len(parts) != []
    assert outputs.dtype == x.dtype
    assert types_of(final) == types_of(cell.initial_state(N))
    outputs.float().sum().backward()
    assert all(p.grad.dtype == short for p in cell.parameters() if p.grad is not None)
    steps, _ = static_unroll(cell, list(x.unbind(1)), [T, 0, 3])
    torch.testing.assert_close(outputs, torch.stack(steps, 1), rtol=0.05, atol=0.05)


def test_gradients_are_near_those_of_the_loop(cell):
    x = torch.randn(N, T, I)
    found = []
    for unroll in (dynamic_unroll, lambda cell, x: static_unroll(cell, list(x.unbind(1)))):
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", BF16):
            outputs, _ = unroll(cell, given)
        outputs = outputs if isinstance(outputs, torch.Tensor) else torch.stack(outputs, 1)
        weights = list(cell.parameters())
        found.append(torch.autograd.grad(outputs.float().cos().sum(), [given, *weights], allow_unused=True))
    for a, e in zip(*found, strict=True):
        assert (a is None) == (e is None)
        if e is not None:
            assert a.dtype == e.dtype
            scale = max(1.0, float(e.abs().max()))
            torch.testing.assert_close(a, e, rtol=0, atol=0.1 * scale)


@pytest.mark.parametrize("cast", [None, BF16], ids=str)
def test_gates_are_shown_in_the_type_of_the_outputs(cast):
    cell, x = LSTMCell(I, 7), torch.randn(N, T, I)
    if cast is None:
        cell, x = cell.bfloat16(), x.bfloat16()
    with torch.autocast("cpu", cast) if cast else contextlib.nullcontext():
        outputs, _, gates = dynamic_unroll(cell, x, return_gates=True)
        assert types_of(tuple(gates)) == (outputs.dtype,) * 4


def test_what_the_reference_shows_is_not_rounded_by_autocast_once_more():
    """Of a layer norm no kernel keeps the gates."""
    cell, x = LSTMCell(I, 7, layer_norm="gates"), torch.randn(N, T, I)
    with torch.autocast("cpu", BF16):
        plain, _ = dynamic_unroll(cell, x)
        shown, _, _ = dynamic_unroll(cell, x, return_gates=True)
    assert shown.dtype == plain.dtype
    assert float((shown - plain).detach().abs().mean()) < 2e-4


def test_recomputed_gates_give_the_same_results_in_autocast(cell):
    x = torch.randn(N, T, I)
    with torch.autocast("cpu", BF16):
        expected, _ = dynamic_unroll(cell, x)
        found, _ = dynamic_unroll(cell, x, recompute_gates=True)
    assert torch.equal(found, expected)
    weights = list(cell.parameters())
    for a, e in zip(
        torch.autograd.grad(found.float().sum(), weights, allow_unused=True),
        torch.autograd.grad(expected.float().sum(), weights, allow_unused=True),
        strict=True,
    ):
        assert (a is None and e is None) or torch.allclose(a, e, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("make", [lambda: LSTMCell(I, 7), lambda: GRUCell(I, 7)], ids=["lstm", "gru"])
def test_float32_states_carry_a_sequence_in_autocast_over_a_cut_bit_for_bit(make):
    cell, x = make(), torch.randn(N, T, I)
    with torch.autocast("cpu", BF16):
        whole, final = dynamic_unroll(cell, x)
        first, state = dynamic_unroll(cell, x[:, :4])
        second, after = dynamic_unroll(cell, x[:, 4:], state=state)
    assert torch.equal(torch.cat([first, second], 1), whole)
    map_state(lambda a, e: torch.testing.assert_close(a, e, rtol=0, atol=0), after, final)


def test_a_weight_of_another_type_is_an_error_outside_of_autocast():
    cell = LSTMCell(I, 7)
    with pytest.raises(RuntimeError, match="dtype"):
        dynamic_unroll(cell, torch.randn(N, T, I).bfloat16())
    with torch.autocast("cpu", BF16):
        assert dynamic_unroll(cell, torch.randn(N, T, I).bfloat16())[0].dtype == F32


def test_noise_has_all_its_bits_where_a_cell_has_fewer(monkeypatch):
    """A bfloat16 below 1 has 8 of them: what is drawn by it would not be dropped as often as was asked."""
    seen = []
    run = native_call.forward
    monkeypatch.setattr(
        native_call, "forward", lambda layer, *rest, **named: seen.append(layer) or run(layer, *rest, **named)
    )
    cell = LSTMCell(I, 7, recurrent_dropout=0.3, zoneout=0.1).bfloat16()
    with torch.no_grad():
        dynamic_unroll(cell, torch.randn(N, 50, I).bfloat16())
    (layer,) = seen
    assert len(layer.g_noise.unique()) > 1000


def test_every_cell_takes_autocast():
    """Those without a kernel as well."""
    for name, make in CATALOGUE.items():
        cell = make()
        x = torch.randn(2, 3, cell.input_size)
        with torch.autocast("cpu", BF16):
            outputs, _ = dynamic_unroll(cell, x)
        assert bool(outputs.isfinite().all()), name


def test_a_state_of_float64_stays_the_loops_error():
    cell, x = LSTMCell(I, 7), torch.randn(N, T, I)
    double = LSTMState(*(torch.zeros(N, 7, dtype=torch.float64) for _ in range(2)))
    with pytest.raises(RuntimeError):
        dynamic_unroll(cell, x, state=double)
