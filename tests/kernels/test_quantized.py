"""Layers with quantized weights: every instruction set against the cell, which is the definition."""

import itertools
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tolerances import assert_equal
from unrolled import GRUCell, LSTMCell, LSTMState, RNNCell, dynamic_unroll, isa, static_unroll
from unrolled.cells import QuantizedCell
from unrolled.cells.quantized import GATES
from unrolled.cells.state import map_state
from unrolled.kernels import native_call, ops
from unrolled.unroll.kernel_layer import layer_of

DTYPES = [torch.int8, torch.bfloat16]
kinds = pytest.mark.parametrize("kind", GATES)
dtypes = pytest.mark.parametrize("dtype", DTYPES)
pytestmark = pytest.mark.usefixtures("each_isa")


@pytest.fixture(params=["the best product", "its own product"])
def each_product(request):
    before = native_call._native().allow_faster_products(request.param == "the best product")
    yield
    native_call._native().allow_faster_products(before)


def make(kind, dtype, width, hidden, bias=True, seed=0):
    """A cell whose weights are large enough for every gate to move."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, scale=1.0):
        return scale * torch.randn(*shape, generator=generator)

    rows = GATES[kind] * hidden
    biases = (normal(rows, scale=0.3), normal(rows, scale=0.3)) if bias else (None, None)
    return QuantizedCell(
        kind,
        normal(rows, width, scale=width**-0.5),
        normal(rows, hidden, scale=0.7 * hidden**-0.5),
        *biases,
        dtype=dtype,
        forget_bias=1.0 if kind == "lstm" else 0.0,
    )


def some_state(cell, batch):
    return map_state(lambda zeros: torch.rand_like(zeros) * 2 - 1, cell.initial_state(batch))


def assert_steps_are_the_cells(cell, x, outputs, states, before):
    """Each step from the kernel's own state: what it rounds to int8 is then the same number there."""
    at_once = isinstance(states, tuple)
    for t in range(x.shape[1]):
        output, after = cell(x[:, t], before)
        here = LSTMState(*(part[:, t] for part in states)) if at_once else states[:, t]
        scale = max(1.0, float(output.abs().max()))
        # r * h is made in the step itself: where it falls between two int8, either is right.
        allowed = 0.02 if cell.kind == "gru_before" and cell.weight_hh.dtype == torch.int8 else 3e-6
        assert float((outputs[:, t] - output).abs().max()) <= allowed * scale
        if at_once:
            assert float((here.c - after.c).abs().max()) <= 3e-6 * max(1.0, float(after.c.abs().max()))
        before = here


@pytest.mark.parametrize(
    ("batch", "time", "width", "hidden"),
    [(1, 5, 5, 3), (2, 4, 28, 33), (3, 3, 1, 128), (7, 5, 13, 17), (1, 3, 130, 40), (70, 2, 3, 20)],
)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.usefixtures("each_product")
@dtypes
@kinds
def test_a_kernels_steps_are_those_of_the_cell(kind, dtype, bias, batch, time, width, hidden):
    cell, x = make(kind, dtype, width, hidden, bias), torch.randn(batch, time, width)
    state = some_state(cell, batch)
    outputs, _, states = dynamic_unroll(cell, x, state=state, return_states=True)
    assert_steps_are_the_cells(cell, x, outputs, states, state)


@settings(max_examples=10)
@given(st.data())
@dtypes
@kinds
def test_kernel_and_loop_agree_on_lengths_resets_and_directions(kind, dtype, data):
    batch, time = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 6))
    cell = make(kind, dtype, 3, 6)
    options = {
        "lengths": data.draw(st.lists(st.integers(0, time), min_size=batch, max_size=batch)),
        "reverse": data.draw(st.booleans()),
        "state": some_state(cell, batch),
        "resets": torch.rand(batch, time) < data.draw(st.sampled_from([0.0, 0.3])),
        "reset_state": some_state(cell, batch),
    }
    x = torch.randn(batch, time, 3)
    fused = dynamic_unroll(cell, x, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(isa.VARIABLE, isa.REFERENCE)
        looped = dynamic_unroll(cell, x, **options)
    # An h that falls between two int8 may go to either, and the steps after it with it.
    tolerance = 3e-2 if dtype == torch.int8 else 2e-5
    scale = max(1.0, float(looped[0].abs().max()))
    assert float((fused[0] - looped[0]).abs().max()) <= tolerance * scale
    final = map_state(lambda a, b: float((a - b).abs().max()), fused[1], looped[1])
    assert max(final if isinstance(final, tuple) else (final,)) <= tolerance * scale


@kinds
def test_products_that_are_exact_give_the_same_bits_whichever_instruction_forms_them(kind):
    cell, x = make(kind, torch.int8, 77, 50), torch.randn(6, 9, 77)
    native, found = native_call._native(), []
    for allowed in (True, False):
        before = native.allow_faster_products(allowed)
        cell = make(kind, torch.int8, 77, 50)
        found.append(dynamic_unroll(cell, x))
        native.allow_faster_products(before)
    assert_equal(found[0], found[1])


@pytest.mark.usefixtures("each_product")
@kinds
def test_the_largest_products_do_not_overflow(kind):
    """Rows of nothing but -127 and 127: the pairs and fours that instructions add have their largest sums."""
    for signs in ((1, 1), (1, -1), (-1, -1)):
        weights = torch.full((GATES[kind] * 20, 64), 1e-3 * signs[0])
        cell = QuantizedCell(kind, weights, torch.full((GATES[kind] * 20, 20), 1e-3))
        x = torch.full((2, 1, 64), float(signs[1]))
        state = cell.initial_state(2)
        outputs, _, states = dynamic_unroll(cell, x, state=state, return_states=True)
        assert_steps_are_the_cells(cell, x, outputs, states, state)


@pytest.mark.parametrize("batch", [1, 2, 7])
@kinds
def test_bfloat16_has_the_bits_of_the_float_kernel_on_the_same_weights(kind, batch):
    makers = {"lstm": LSTMCell, "rnn_tanh": RNNCell, "gru_after": GRUCell}
    extra = {"gru_before": {"reset": "before"}, "rnn_relu": {"nonlinearity": "relu"}}.get(kind, {})
    exact = (makers.get(kind) or (GRUCell if kind == "gru_before" else RNNCell))(13, 37, **extra)
    with torch.no_grad():
        for weight in (exact.weight_ih, exact.weight_hh):
            weight.copy_(weight.bfloat16())
    small = QuantizedCell(
        kind, exact.weight_ih, exact.weight_hh, exact.bias_ih, exact.bias_hh, dtype=torch.bfloat16
    )
    x = torch.randn(batch, 6, 13)
    with torch.no_grad():
        assert_equal(dynamic_unroll(small, x), dynamic_unroll(exact, x))


@dtypes
@kinds
def test_bits_do_not_depend_on_neighbours_cuts_or_layout(kind, dtype):
    cell, x = make(kind, dtype, 5, 21), torch.randn(9, 7, 5)
    lengths = torch.tensor([7, 3, 0, 7, 1, 5, 7, 2, 6])
    state = some_state(cell, 9)
    whole, final = dynamic_unroll(cell, x, lengths, state)
    for row in range(9):
        own = map_state(lambda part, row=row: part[row : row + 1], state)
        alone, _ = dynamic_unroll(cell, x[row : row + 1, : lengths[row]], state=own)
        assert_equal(alone, whole[row : row + 1, : lengths[row]])
    first, between = dynamic_unroll(cell, x[:, :3], lengths.clamp(max=3), state)
    second, end = dynamic_unroll(cell, x[:, 3:], (lengths - 3).clamp(min=0), between)
    assert_equal(torch.cat([first, second], 1), whole)
    assert_equal(end, final)
    spread = torch.randn(9, 7, 11)[..., 2:7].copy_(x)
    assert_equal(dynamic_unroll(cell, spread, lengths, state)[0], whole)
    turned, _ = dynamic_unroll(cell, x.transpose(0, 1), lengths, state, batch_first=False)
    assert_equal(turned.transpose(0, 1), whole)


@pytest.mark.parametrize(("batch", "hidden", "time"), [(1, 512, 40), (3, 300, 60), (40, 64, 30)])
@dtypes
@kinds
def test_bits_do_not_depend_on_threads(kind, dtype, batch, hidden, time, two_threads):
    cell, x = make(kind, dtype, 40, hidden), torch.randn(batch, time, 40)
    several = dynamic_unroll(cell, x)
    torch.set_num_threads(1)
    assert_equal(dynamic_unroll(cell, x), several)


@dtypes
def test_weights_that_were_changed_are_packed_anew(dtype):
    cell, other = make("lstm", dtype, 5, 4), make("lstm", dtype, 5, 4, seed=1)
    x = torch.randn(2, 3, 5)
    before, wanted = dynamic_unroll(cell, x)[0], dynamic_unroll(other, x)[0]
    cell.load_state_dict(other.state_dict())
    assert_equal(dynamic_unroll(cell, x)[0], wanted)
    assert not torch.equal(before, wanted)
    third = make("lstm", dtype, 5, 4, seed=2)
    cell.weight_hh = third.weight_hh
    cell.scale_hh = third.scale_hh
    steps, _ = static_unroll(cell, x.unbind(1))
    assert float((dynamic_unroll(cell, x)[0] - torch.stack(steps, 1)).abs().max()) < 0.02


@dtypes
@kinds
def test_nan_stays_in_its_row_and_its_steps(kind, dtype):
    cell, x = make(kind, dtype, 5, 19), torch.randn(3, 6, 5)
    clean, _ = dynamic_unroll(cell, x)
    x[1, 2, 3] = torch.nan
    outputs, _ = dynamic_unroll(cell, x)
    assert_equal(outputs[[0, 2]], clean[[0, 2]])
    assert_equal(outputs[1, :2], clean[1, :2])
    assert outputs[1, 2:].isnan().all()


@dtypes
def test_what_asks_for_a_gradient_is_told_so(dtype):
    cell, x = make("gru_after", dtype, 3, 4), torch.randn(2, 5, 3, requires_grad=True)
    with pytest.raises(isa.UnrolledError, match="requires gradients, and it has none to give"):
        dynamic_unroll(cell, x)


def the_layer(**changed):
    layer = layer_of(
        make("gru_after", torch.int8, 3, 4),
        torch.randn(2, 5, 3),
        None,
        None,
        batch_first=True,
        reverse=False,
    )
    return layer._replace(**changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scale_ih": None}, "scale_ih or scale_hh is None, but the weights are torch.int8"),
        ({"scale_hh": torch.ones(3)}, "scale_hh has shape [3], expected [12]: [G H]"),
        ({"weight_ih": torch.zeros(12, 3)}, "weight_ih is torch.float32, expected torch.int8 as weight_hh"),
        (
            {"weight_hh": torch.zeros(12, 4)},
            "scale_ih or scale_hh is given, but the weights are not torch.int8",
        ),
        ({"kind": "lstm_options"}, "weight_hh is quantized, but the kind is lstm_options"),
        (
            {"weight_ih": torch.zeros(12, 4, dtype=torch.int8)},
            "weight_ih has shape [12, 4], expected [12, 3]",
        ),
    ],
)
def test_a_mistake_is_one_error_that_names_it(changed, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ops.unroll(the_layer(**changed))


def test_float64_beside_int8_is_refused():
    layer = the_layer()
    wide = [v.double() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for v in layer]
    with pytest.raises(ValueError, match=r"x is torch.float64, expected torch.float32 beside quantized"):
        ops.unroll(type(layer)(*wide))


def test_there_is_no_backward():
    layer = the_layer()
    with pytest.raises(ValueError, match="has no backward"):
        ops.unroll(layer, keep_gates=True)
    exact = layer._replace(
        weight_ih=torch.randn(12, 3), weight_hh=torch.randn(12, 4), scale_ih=None, scale_hh=None
    )
    kept = native_call.forward(exact, native_call.EVERYTHING)
    nothing = native_call.Incoming(kept.out, None, None, None)
    with pytest.raises(ValueError, match="has no backward"):
        native_call.backward(layer, kept.saved, nothing, True)


def test_packed_weights_of_another_layer_are_refused():
    layer = the_layer()
    other = native_call.pack(layer)[1:]
    with pytest.raises(ValueError, match="packed has shape"):
        native_call.forward(layer, packed=other)


def test_the_operator_is_dispatched_where_someone_watches():
    cell, x = make("lstm", torch.int8, 3, 4), torch.randn(2, 5, 3)
    compiled = torch.compile(lambda x: dynamic_unroll(cell, x)[0], backend="eager", fullgraph=True)
    assert_equal(compiled(x), dynamic_unroll(cell, x)[0])


@pytest.mark.usefixtures("each_product")
def test_every_pair_of_sizes_fills_its_last_groups():
    for width, hidden in itertools.product((1, 2, 3, 4, 5, 8), (1, 4, 15, 16, 17)):
        cell, x = make("gru_after", torch.int8, width, hidden), torch.randn(2, 2, width)
        state = some_state(cell, 2)
        outputs, _, states = dynamic_unroll(cell, x, state=state, return_states=True)
        assert_steps_are_the_cells(cell, x, outputs, states, state)
