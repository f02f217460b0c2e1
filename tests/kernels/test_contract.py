"""The native door: what is no layer of the contract is one error that names it, whoever calls."""

import copy
import re

import pytest
import torch
from torch import nn

import unrolled
from tests.kernels.layers import OPTIONS, make_layer
from tests.tolerances import assert_close
from unrolled import GRUCell, LSTMCell, RNNCell, dynamic_unroll, isa
from unrolled.kernels import ops
from unrolled.kernels.native_call import Incoming, Layer, Results

pytestmark = pytest.mark.skipif(isa.active() == isa.REFERENCE, reason=isa.explain())

N, T, I, H = 3, 4, 2, 5


def layer_of(of="gru_after", **changed):
    options = OPTIONS if of.startswith("lstm_") else ()
    layer = make_layer(of, N, T, I, H, lengths=[4, 2, 0], states=True, options=options)
    return layer._replace(**changed)


def unroll(layer, keep=True):
    return Results(*torch.ops.unrolled.unroll(*layer, keep, False, False))


MISTAKES = {
    "kind": ("gru", "kind is 'gru', expected one of lstm, gru_after"),
    "x, half": (torch.zeros(N, T, I).half(), "x is torch.float16, expected torch.float32 or torch.float64"),
    "x, flat": (torch.zeros(N, T).double(), r"x has shape [3, 4], expected [N, T, I]"),
    "weight_ih": (torch.zeros(14, I).double(), "weight_ih has shape [14, 2], expected [15, 2]: [G H, I]"),
    "weight_hh": (torch.zeros(15).double(), "weight_hh has shape [15], expected [G H, P]"),
    "weight_hh, single": (torch.zeros(15, H), "weight_hh is torch.float32, expected torch.float64 as x is"),
    "bias_hh": (torch.zeros(1).double(), "bias_hh has shape [1], expected [15]: [G H]"),
    "bias_ih": (None, "one of bias_ih and bias_hh is None, expected both or none"),
    "h0": (torch.zeros(N, 4).double(), "h0 has shape [3, 4], expected [3, 5]: [N, P]"),
    "c0": (torch.zeros(N, H).double(), "c0 is given, but the kind is gru_after: it is an option of an LSTM"),
    "lengths, int32": (torch.tensor([4, 2, 0]).int(), "lengths is torch.int32, expected torch.int64"),
    "lengths, negative": (torch.tensor([4, -1, 0]), "lengths[1] is -1, expected 0 to 4 (x has 4 steps)"),
    "lengths, long": (torch.tensor([5, 1, 0]), "lengths[0] is 5, expected 0 to 4 (x has 4 steps)"),
    "lengths, few": (torch.tensor([4, 2]), "lengths has shape [2], expected [3]: [N]"),
    "resets, floats": (torch.zeros(N, T), "resets is torch.float32, expected torch.bool"),
    "resets, time first": (
        torch.zeros(T, N, dtype=torch.bool),
        "resets has shape [4, 3], expected [3, 4]: [N, T], whatever the layout of x",
    ),
    "resets, flat": (torch.zeros(N, dtype=torch.bool), "resets has shape [3], expected [3, 4]: [N, T]"),
    "reset_h": (torch.zeros(N, H).double(), "reset_h or reset_c is given, but resets is None"),
    "reset_c": (torch.zeros(N, H).double(), "reset_c is given, but the kind is gru_after"),
    "peephole": (torch.zeros(3, H).double(), "peephole is given, but the kind is gru_after"),
    "cell_clip": (1.0, "cell_clip is given, but the kind is gru_after"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("door", ["operator", "without dispatch"])
def test_a_mistake_is_one_error_that_names_it(door, mistake):
    value, message = MISTAKES[mistake]
    layer = layer_of(**{mistake.split(",")[0]: value})
    with pytest.raises(ValueError, match=re.escape(message)):
        unroll(layer) if door == "operator" else ops.unroll(layer)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("zoneout", float("nan"), "zoneout is nan, expected a probability from 0 (off) to 1"),
        ("recurrent_dropout", 1.5, "recurrent_dropout is 1.5, expected a probability"),
        ("cell_clip", -1.0, "cell_clip is -1.0, expected a positive bound, or 0 for none"),
        ("weight_hr", None, "weight_hh has shape"),
        ("norm_weight", torch.zeros(3).double(), "norm_weight has shape [3], expected [25]: [5 H]"),
        ("h_noise", None, "one of h_noise and c_noise is None, expected both or none"),
        ("g_noise", torch.zeros(N, T, 1).double(), "g_noise has shape [3, 4, 1], expected [3, 4, 5]"),
    ],
)
def test_a_wrong_option_is_one_error_that_names_it(name, value, message):
    layer = layer_of("lstm_norm_gates", **{name: value})
    if name == "weight_hr":
        message = "proj_clip is given, but weight_hr is None"
    with pytest.raises(ValueError, match=re.escape(message)):
        unroll(layer)


@pytest.mark.parametrize("door", ["operator", "without dispatch"])
def test_a_wrong_state_to_go_back_to_is_one_error_that_names_it(door):
    right = make_layer("lstm", N, T, I, H, resets="given")
    for name, shape, letters in (("reset_h", (N, 4), "[N, P]"), ("reset_c", (1, H), "[N, H]")):
        layer = right._replace(**{name: torch.zeros(shape).double()})
        message = f"{name} has shape {list(shape)}, expected [3, 5]: {letters}"
        with pytest.raises(ValueError, match=re.escape(message)):
            unroll(layer) if door == "operator" else ops.unroll(layer)


def test_resets_without_memory_are_an_error_that_names_them():
    resets = torch.ones(N, T, dtype=torch.bool)
    resets.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match=r"resets has no memory|resets is on meta|expected one device"):
        unroll(layer_of(resets=resets))
    with pytest.raises(ValueError, match=r"tensors are on cpu and meta, expected one device"):
        unroll(layer_of(resets=torch.ones(N, T, dtype=torch.bool, device="meta")))


def test_a_missing_weight_is_a_type_error():
    with pytest.raises(TypeError, match="weight_ih is a NoneType, expected a tensor"):
        unroll(layer_of(weight_ih=None))


@pytest.mark.parametrize("what", ["values", "another kind", "short", "nothing", "another dtype"])
def test_backward_takes_only_what_forward_gave(what):
    layer = layer_of()
    saved = unroll(layer).saved
    saved = {
        "values": torch.zeros_like(saved),
        "another kind": unroll(layer_of("gru_before")).saved,
        "short": saved[:-1],
        "nothing": saved[:0],
        "another dtype": saved.float(),
    }[what]
    incoming = Incoming(torch.ones(N, T, H).double(), None, None, None)
    with pytest.raises(ValueError, match="saved"):
        torch.ops.unrolled.unroll_backward(*layer, None, None, saved, *incoming, True)


@pytest.mark.parametrize(
    ("incoming", "message"),
    [
        ((torch.ones(N, T, 4).double(), None, None, None), "d_out has shape [3, 4, 4], expected [3, 4, 5]"),
        ((torch.ones(N, T, H), None, None, None), "d_out is torch.float32, expected torch.float64"),
        ((None, torch.ones(H).double(), None, None), "d_h_n has shape [5], expected [3, 5]"),
    ],
)
def test_backward_checks_the_gradients_that_arrive(incoming, message):
    layer = layer_of()
    saved = unroll(layer).saved
    with pytest.raises(ValueError, match=re.escape(message)):
        torch.ops.unrolled.unroll_backward(*layer, None, None, saved, *incoming, True)


@pytest.mark.parametrize(
    "name", ["x", "weight_ih", "weight_hh", "h0", "bias_ih", "lengths", "resets", "reset_h"]
)
@pytest.mark.parametrize("lies", ["strided", "expanded", "misaligned", "offset"])
def test_right_numbers_may_lie_anyhow(lies, name):
    layer = make_layer("lstm", N, T, I, H, lengths=[4, 2, 0], states=True, resets="given")
    value = getattr(layer, name)
    if lies == "strided":
        value = torch.stack([value, value], -1)[..., 0]
    elif lies == "expanded":
        value = value[:1].expand_as(value)
    elif lies == "offset":
        value = torch.cat([value.flatten()[:1], value.flatten()])[1:].view(value.shape)
    else:
        memory = bytearray(value.nbytes + 1)
        value = torch.frombuffer(memory, dtype=value.dtype, offset=1).view(value.shape).copy_(value)
    dense = torch.empty(value.shape, dtype=value.dtype).copy_(value)
    found, expected = (unroll(layer._replace(**{name: tensor})) for tensor in (value, dense))
    assert torch.equal(found.out, expected.out)
    assert torch.equal(found.h_n, expected.h_n)


@pytest.mark.parametrize("kind", ["lstm", "gru_before", "rnn_tanh"])
def test_a_batch_of_no_sequences_may_have_any_strides(each_isa, kind):
    layer = make_layer(kind, 0, 5, I, H)
    x = (
        layer.x.new_empty(0).as_strided(layer.x.shape, (0, 0, 0)).requires_grad_()
    )  # as torch.tensor of NumPy's has
    found = unroll(layer._replace(x=x))
    assert found.out.shape == unroll(layer).out.shape
    (gradient,) = torch.autograd.grad(found.out.sum(), x)
    assert gradient.shape == x.shape


def test_a_layer_that_is_larger_than_any_memory_is_an_error():
    x = torch.zeros(1, 1, 1).expand(2**40, 2**20, 1)
    layer = Layer("rnn_tanh", x, torch.zeros(4, 1), torch.zeros(4, 4), *[None] * 5, 0.0, False, True)
    with pytest.raises((MemoryError, RuntimeError)):
        unroll(layer)


CELLS = {
    "gru": lambda: GRUCell(I, H),
    "rnn": lambda: RNNCell(I, H),
    "peepholes and projection": lambda: LSTMCell(I, H, peephole=True, proj_size=3),
    "norms": lambda: LSTMCell(I, H, layer_norm="projections"),
}
WRONG = {
    "fewer rows": lambda weight: nn.Parameter(weight[:-1]),
    "one number": lambda weight: nn.Parameter(weight.flatten()[:1]),
    "a buffer in float64": lambda weight: weight.double(),
    "on meta": lambda weight: weight.to("meta"),
    "half precision": lambda weight: weight.half(),
    "whole numbers": lambda weight: weight.long(),
    "none": lambda weight: None,
    "a number": lambda weight: 0.5,
    "an array": lambda weight: weight.numpy(),
    "sparse": lambda weight: weight.to_sparse(),
    "complex": lambda weight: weight + 0j,
    "twice": lambda weight: torch.cat([weight, weight]),
    "a plain attribute": lambda weight: weight,
}


def outcome(cell, x):
    """Outputs and a gradient, or the error."""
    try:
        outputs, _ = dynamic_unroll(cell, x)
        leaf = next(parameter for parameter in cell.parameters() if parameter.numel() > 1)
        return [outputs, *torch.autograd.grad(outputs.sum(), leaf, allow_unused=True)]
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_with_strange_weights_does_what_the_loop_does(name, wrong, monkeypatch):
    for weight, _ in CELLS[name]().named_parameters():
        cell = CELLS[name]()
        *path, last = weight.split(".")
        owner = cell.get_submodule(".".join(path))
        value = getattr(owner, last).detach().clone()
        delattr(owner, last)
        setattr(owner, last, WRONG[wrong](value))
        x = torch.randn(N, T, I)
        found = outcome(copy.deepcopy(cell), x)
        with monkeypatch.context() as context:
            context.setenv(isa.VARIABLE, isa.REFERENCE)
            expected = outcome(cell, x)
        if isinstance(expected, str) or isinstance(found, str):
            assert found == expected, weight
        else:
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_a_norm_that_was_changed_is_the_loops(monkeypatch):
    cell, x = LSTMCell(I, H, layer_norm="projections"), torch.randn(N, T, I)
    cell.norm_c.eps = 0.5
    found = dynamic_unroll(cell, x)[0]
    monkeypatch.setenv(isa.VARIABLE, isa.REFERENCE)
    assert_close(found, dynamic_unroll(cell, x)[0])


def test_a_cell_with_its_own_step_is_the_loops():
    cell, x = GRUCell(I, H), torch.randn(N, T, I)
    cell.step = lambda x, state: (state + 1, state + 1)
    assert float(dynamic_unroll(cell, x)[0][0, -1, 0].detach()) == T


def test_a_stream_checks_the_numbers_that_it_is_given():
    stream = unrolled.Stream(GRUCell(I, H))
    x = torch.randn(N, I)
    stream.step(x)
    x.untyped_storage().resize_(0)
    with pytest.raises(ValueError, match="x has no memory"):
        stream.step(x)
