"""dynamic_unroll on the kernels: the same numbers as the loop, and the loop where no kernel can go."""

import pytest
import torch

from tests.kernels.layers import TOLERANCES
from unrolled import (
    DropoutCell,
    GRUCell,
    HighwayCell,
    LSTMCell,
    LSTMState,
    ResidualCell,
    RNNCell,
    StackedCell,
    bidirectional_unroll,
    dynamic_unroll,
)
from unrolled.kernels import isa, ops

CELLS = {
    "rnn": lambda: RNNCell(5, 7),
    "rnn-relu": lambda: RNNCell(5, 7, nonlinearity="relu"),
    "lstm": lambda: LSTMCell(5, 7, forget_bias=1.0),
    "peephole": lambda: LSTMCell(5, 7, peephole=True, cell_clip=0.4),
    "projection": lambda: LSTMCell(5, 7, proj_size=3, proj_clip=0.1),
    "norm-gates": lambda: LSTMCell(5, 7, layer_norm="gates", forget_bias=1.0),
    "norm-projections": lambda: LSTMCell(5, 7, bias=False, layer_norm="projections", peephole=True),
    "mean-zoneout": lambda: LSTMCell(5, 7, zoneout=0.3, recurrent_dropout=0.5).eval(),
    "gru-after": lambda: GRUCell(5, 7),
    "gru-before": lambda: GRUCell(5, 7, reset="before", bias=False),
    "stack": lambda: StackedCell([LSTMCell(5, 7), GRUCell(7, 4), ResidualCell(RNNCell(4, 4))]),
    "stack-with-a-loop": lambda: StackedCell(
        [GRUCell(5, 7), LSTMCell(7, 4, activation="relu"), _Mine(4, 3), LSTMCell(3, 2, proj_size=1)]
    ),
    "dropout-off": lambda: DropoutCell(LSTMCell(5, 7), output=0.5).eval(),
    "residual": lambda: ResidualCell(GRUCell(5, 5)),
    "highway": lambda: HighwayCell(GRUCell(5, 5)),
}
CALLS = {"stack": 3, "stack-with-a-loop": 2}
LENGTHS = [None, [6, 0, 3, 1]]


class _Mine(GRUCell):
    def step(self, x, state):
        return super().step(x, state)


@pytest.fixture
def calls(each_isa, monkeypatch):
    """The layers that went through the kernels."""
    seen = []
    run = ops.unroll
    monkeypatch.setattr(ops, "unroll", lambda layer, **how: seen.append(layer) or run(layer, **how))
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
    assert len(calls) == CALLS.get(name, 1)
    assert_near(fused, looped)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_both_directions_go_through_the_kernels(lengths, calls, monkeypatch):
    cells = LSTMCell(5, 7), StackedCell([GRUCell(5, 3), RNNCell(3, 2)])
    x = torch.randn(4, 6, 5)
    fused, looped = both_ways(lambda: bidirectional_unroll(*cells, x, lengths), monkeypatch)
    assert [layer.reverse for layer in calls] == [False, True, True]
    assert_near(fused, looped)


def _hooked(cell, part):
    part.register_forward_hook(lambda *_: None)
    return cell


def _inner_hook():
    cell = LSTMCell(5, 7, layer_norm="gates")
    return _hooked(cell, cell.norm_c)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LSTMCell(5, 7, activation="relu"),
        lambda: DropoutCell(LSTMCell(5, 7), state=0.5),
        lambda: _hooked(*[GRUCell(5, 7)] * 2),
        _inner_hook,
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
    assert calls == []
    assert_near([mapped[1]], [dynamic_unroll(cell, x[1])[0]])


def test_bfloat16_and_autocast_go_through_a_kernel_that_multiplies_bfloat16(calls):
    x = torch.randn(3, 4, 5)
    with torch.autocast("cpu", torch.bfloat16):
        dynamic_unroll(GRUCell(5, 7), x)
    dynamic_unroll(GRUCell(5, 7).to(torch.bfloat16), x.to(torch.bfloat16))
    assert [layer.parts for layer in calls] == [1, 1]


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


@pytest.mark.parametrize("variational", [False, True])
@pytest.mark.parametrize("batch_first", [True, False])
def test_dropout_around_a_layer_drops_as_often_as_it_says(batch_first, variational, calls):
    torch.manual_seed(1)
    cell = DropoutCell(LSTMCell(40, 50), input=0.3, output=0.4, variational=variational)
    x = torch.ones(20, 30, 40) if batch_first else torch.ones(30, 20, 40)
    outputs, _ = dynamic_unroll(cell, x, batch_first=batch_first)
    (layer,) = calls
    for dropped, p in ((layer.x, 0.3), (outputs, 0.4)):
        zero = dropped == 0
        assert abs(float(zero.double().mean()) - p) < 0.05
        steps = zero.transpose(0, 1) if batch_first else zero
        assert bool((steps == steps[:1]).all()) == variational
    assert layer.x.unique().tolist() == pytest.approx([0.0, 1 / 0.7])


def test_an_output_that_is_dropped_does_not_touch_the_state(calls):
    cell = DropoutCell(GRUCell(5, 7), output=1.0)
    outputs, state = dynamic_unroll(cell, torch.ones(2, 3, 5))
    assert not bool(outputs.any())
    assert bool((state != 0).all())


def test_recurrent_dropout_drops_g_as_often_as_it_says_and_scales_the_rest(calls):
    torch.manual_seed(2)
    cell = LSTMCell(4, 300, recurrent_dropout=0.25)
    plain = LSTMCell(4, 300)
    plain.load_state_dict(cell.state_dict())
    x = torch.randn(8, 1, 4)
    ratio = (dynamic_unroll(cell, x)[1].c / dynamic_unroll(plain, x)[1].c).detach()
    assert abs(float((ratio == 0).double().mean()) - 0.25) < 0.05
    torch.testing.assert_close(ratio[ratio != 0], torch.full_like(ratio[ratio != 0], 1 / 0.75))
    assert not torch.equal(dynamic_unroll(cell, x)[0], dynamic_unroll(cell, x)[0])


def test_zoneout_keeps_old_values_as_often_as_it_says(calls):
    torch.manual_seed(3)
    cell = LSTMCell(4, 300, zoneout=0.25)
    x, h, c = torch.randn(8, 1, 4), torch.randn(8, 300), torch.randn(8, 300)
    _, state = dynamic_unroll(cell, x, state=LSTMState(h, c))
    for old, new in ((h, state.h), (c, state.c)):
        assert abs(float((old == new).double().mean()) - 0.25) < 0.05
    assert not torch.equal(state.h == h, state.c == c)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize(
    "name", ["lstm", "peephole", "norm-gates", "gru-after", "gru-before", "rnn", "stack"]
)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("resets", [None, torch.rand(4, 6, generator=torch.Generator().manual_seed(0)) < 0.4])
def test_gates_are_those_of_the_reference(name, lengths, reverse, resets, calls, monkeypatch):
    cell = CELLS[name]()
    x = torch.randn(4, 6, 5)

    def unroll():
        *_, gates = dynamic_unroll(cell, x, lengths, resets=resets, reverse=reverse, return_gates=True)
        return gates

    fused = unroll()
    monkeypatch.setenv(isa.VARIABLE, isa.REFERENCE)
    looped = unroll()
    assert str(type(fused)) == str(type(looped))
    if name == "rnn":
        assert fused is None
    elif name == "stack":
        assert [type(part).__name__ for part in fused] == ["LSTMGates", "GRUGates", "NoneType"]
    else:
        assert_near(flat(fused), flat(looped))
        assert float(flat(fused)[0].abs().min()) == (0 if lengths else pytest.approx(0.5, abs=0.5))


def test_gates_are_what_the_state_is_made_of(calls):
    cell = LSTMCell(5, 7, forget_bias=1.0)
    x = torch.randn(4, 6, 5)
    _, _, (h, c), gates = dynamic_unroll(cell, x, return_states=True, return_gates=True)
    before = torch.cat([torch.zeros(4, 1, 7), c[:, :-1]], 1)
    assert_near([gates.f * before + gates.i * gates.g, gates.o * torch.tanh(c)], [c, h])


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("name", ["lstm", "projection", "norm-gates", "gru-after", "gru-before", "rnn"])
@pytest.mark.parametrize("resets", [None, torch.rand(4, 6, generator=torch.Generator().manual_seed(0)) < 0.4])
def test_recomputed_gates_give_the_same_gradients(name, resets, batch_first, reverse, lengths, calls):
    cell = CELLS[name]().double()
    x = torch.randn(*((4, 6) if batch_first else (6, 4)), 5, dtype=torch.float64, requires_grad=True)
    state = cell.initial_state(4)
    for part in flat(state):
        part.normal_().requires_grad_()

    def gradients(recompute_gates):
        results = dynamic_unroll(
            cell,
            x,
            lengths,
            state,
            resets=resets,
            batch_first=batch_first,
            reverse=reverse,
            return_states=True,
            recompute_gates=recompute_gates,
        )
        loss = sum((part * part.detach().cos()).sum() for part in flat(results))
        return [loss, *torch.autograd.grad(loss, [x, *flat(state), *cell.parameters()])]

    assert_near(gradients(True), gradients(False))


def test_recomputing_keeps_h_and_c_alone(each_isa):
    cell = LSTMCell(16, 64)
    x = torch.randn(4, 50, 16)
    kept = {}
    for recompute_gates in (False, True):
        seen = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, seen=seen: seen.append(t) or t, lambda t: t):
            dynamic_unroll(cell, x, recompute_gates=recompute_gates)
        inputs = {p.data_ptr() for p in (x, *cell.parameters())}
        kept[recompute_gates] = sum(t.numel() for t in seen if t.data_ptr() not in inputs)
    head = 16  # numbers that tell which kernels ran
    assert kept[True] == 2 * 4 * 50 * 64 + head
    assert kept[False] == 6 * 4 * 50 * 64 + head


class _Stack(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = StackedCell([LSTMCell(5, 7, peephole=True), GRUCell(7, 4)])

    def forward(self, x):
        return dynamic_unroll(self.cell, x)[0]


@pytest.mark.parametrize("strict", [True, False])
def test_an_exported_program_keeps_one_op_for_a_layer_and_a_free_time_axis(strict, each_isa):
    module = _Stack()
    free = {0: torch.export.Dim("N"), 1: torch.export.Dim("T")}
    program = torch.export.export(module, (torch.randn(2, 3, 5),), dynamic_shapes={"x": free}, strict=strict)
    names = [str(node.target) for node in program.graph.nodes]
    assert sum(name.startswith("unrolled.unroll") for name in names) == 2
    x = torch.randn(4, 9, 5)
    assert torch.equal(program.module()(x), module(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Inductor's own
def test_inductor_gives_the_same_results_and_gradients(each_isa):
    if each_isa != isa.available()[0]:
        pytest.skip("once is enough: it takes seconds")
    try:  # it takes the CPU's instruction set from elsewhere than torch's own operators do
        torch.compile(torch.nn.Softplus())(torch.ones(33))
    except torch._dynamo.exc.BackendCompilerFailed:
        pytest.skip("Inductor compiles nothing here")
    module = _Stack()
    x = torch.randn(2, 3, 5)
    eager, compiled = (
        torch.autograd.grad(run(x).square().sum(), list(module.parameters()))
        for run in (module, torch.compile(module, fullgraph=True))
    )
    assert_near(compiled, eager)
