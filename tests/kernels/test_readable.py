"""What a kernel may read of a tensor, and what happens where it may not."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.testing._internal.two_tensor import TwoTensor

import unrolled
from tests.tolerances import assert_close, assert_equal
from unrolled import (
    GRUCell,
    HighwayCell,
    LSTMCell,
    RNNCell,
    StackedCell,
    Stream,
    dynamic_unroll,
    isa,
    static_unroll,
)
from unrolled.kernels import readable

N, T, I, H = 4, 6, 3, 5
LENGTHS = torch.tensor([6, 2, 0, 3])


def negative(tensor):
    """The same numbers as a view whose memory holds them with the other sign."""
    view = torch.view_as_complex(torch.stack([torch.zeros_like(tensor), -tensor], -1)).conj().imag
    assert view.is_neg()
    return view


needs_kernels = pytest.mark.skipif(isa.active() == isa.REFERENCE, reason=isa.explain())


@pytest.mark.parametrize("what", ["x", "state", "weight", "gradient"])
def test_negative_views_are_read_with_their_sign(what, monkeypatch):
    cell = GRUCell(I, H)
    x, state, gradient = torch.randn(N, T, I), torch.randn(N, H), torch.randn(N, T, H)
    plain = (x, state, gradient, cell)
    if what == "weight":
        cell = copy.deepcopy(cell)
        weight = cell.weight_hh.detach().clone()
        del cell.weight_hh
        cell.weight_hh = negative(weight)
    made = (
        negative(x) if what == "x" else x,
        negative(state) if what == "state" else state,
        negative(gradient) if what == "gradient" else gradient,
        cell,
    )

    def everything(x, state, gradient, cell):
        outputs, final = dynamic_unroll(cell, x, state=state)
        return outputs, final, torch.autograd.grad(outputs, cell.weight_ih, gradient)[0]

    assert_equal(everything(*made), everything(*plain))


@pytest.mark.parametrize("layer", [unrolled.LSTM, unrolled.GRU, unrolled.RNN])
def test_the_imaginary_part_of_a_conjugate_spectrum_keeps_its_sign_and_its_gradient(layer):
    drop_in, signal = layer(1, H, batch_first=True), torch.randn(4, 64, requires_grad=True)
    spectrum = torch.fft.rfft(signal).conj().imag.unsqueeze(2)
    assert spectrum.is_neg()
    found, expected = drop_in(spectrum)[0], drop_in(spectrum.resolve_neg())[0]
    assert_equal(found, expected)
    gradients = [
        torch.autograd.grad(part.square().sum(), signal, retain_graph=True)[0] for part in (found, expected)
    ]
    assert_close(*gradients)


def test_zeros_without_memory_are_zeros():
    cell = GRUCell(I, H)
    zeros = torch._efficientzerotensor
    found = dynamic_unroll(cell, zeros((N, T, I)), state=zeros((N, H)))[0]
    expected = dynamic_unroll(cell, torch.zeros(N, T, I))[0]
    assert_equal(found, expected)
    assert_equal(
        torch.autograd.grad(found, cell.weight_hh, zeros((N, T, H))), [torch.zeros_like(cell.weight_hh)]
    )


@needs_kernels
@pytest.mark.parametrize("what", ["x", "weight_hh", "d_out"])
def test_memory_that_was_given_back_is_an_error_that_names_the_tensor(what):
    cell, x = GRUCell(I, H), torch.randn(N, T, I)
    gradient = torch.randn(N, T, H)
    with pytest.raises(ValueError, match=f"{what} has no memory: its storage holds nothing"):  # noqa: PT012
        if what == "d_out":
            outputs, _ = dynamic_unroll(cell, x)
            gradient.untyped_storage().resize_(0)
            outputs.backward(gradient)
        {"x": x, "weight_hh": cell.weight_hh}[what].data.untyped_storage().resize_(0)
        dynamic_unroll(cell, x)


UNROLLINGS = {
    "dynamic": dynamic_unroll,
    "static": lambda cell, x: static_unroll(cell, list(x.unbind(1))),
    "no steps": lambda cell, x: dynamic_unroll(cell, x[:, :0]),
    "above another": lambda cell, x: dynamic_unroll(StackedCell([GRUCell(I, I), cell]), x),
    "stream": lambda cell, x: Stream(cell).step(x[:, 0]),
    "stream of two": lambda cell, x: Stream(StackedCell([GRUCell(I, I), cell])).step(x[:, 0]),
}
WITH_WEIGHTS = {
    "rnn": lambda: RNNCell(I, H),
    "peepholes": lambda: LSTMCell(I, H, peephole=True, proj_size=2),
    "norms of gates": lambda: LSTMCell(I, H, layer_norm="gates"),
    "norms of projections": lambda: LSTMCell(I, H, layer_norm="projections"),
    "no kernel": lambda: LSTMCell(I, H, activation="relu"),
    "highway": lambda: HighwayCell(GRUCell(I, I)),
}


def put(cell, name, weight, way):
    """Put a weight into the cell, as a parameter or otherwise."""
    *path, last = name.split(".")
    owner = cell.get_submodule(".".join(path))
    delattr(owner, last)
    if way == "buffer":
        owner.register_buffer(last, weight)
    else:
        setattr(owner, last, nn.Parameter(weight) if way == "parameter" else weight)


@pytest.mark.parametrize("way", ["parameter", "buffer", "attribute"])
@pytest.mark.parametrize("unrolling", UNROLLINGS)
@pytest.mark.parametrize("cell", WITH_WEIGHTS)
def test_a_weight_on_meta_among_others_is_an_error(cell, unrolling, way):
    for name, weight in WITH_WEIGHTS[cell]().named_parameters():
        mixed = WITH_WEIGHTS[cell]()
        put(mixed, name, weight.detach().to("meta"), way)
        with pytest.raises(ValueError, match=rf"{name} is on meta, without numbers, but .* is on cpu: load"):
            UNROLLINGS[unrolling](mixed, torch.randn(N, T, I))


def given_back(weight):
    odd = weight.clone()
    odd.untyped_storage().resize_(0)
    return odd


def early_in_what_was_given_back(weight):
    whole = torch.randn(weight.numel() + 7)
    odd = whole[7:].view(weight.shape)
    whole.untyped_storage().resize_(0)
    return odd


@pytest.mark.parametrize("emptied", [given_back, early_in_what_was_given_back])
@pytest.mark.parametrize("unrolling", UNROLLINGS)
@pytest.mark.parametrize("cell", WITH_WEIGHTS)
def test_a_weight_whose_memory_was_given_back_is_an_error(cell, unrolling, emptied):
    for name, weight in WITH_WEIGHTS[cell]().named_parameters():
        odd = WITH_WEIGHTS[cell]()
        put(odd, name, emptied(weight.detach()), "attribute")
        words = f"{name} has no memory: its storage holds nothing"
        if cell.startswith("norms") or cell == "peepholes":  # the kernels' names are those of all joined
            words = "has no memory: its storage holds nothing"
        with pytest.raises(ValueError, match=words):
            UNROLLINGS[unrolling](odd, torch.randn(N, T, I))


def test_memory_that_was_given_back_is_an_error_with_any_default_device():
    with torch.device("cpu"):
        test_a_weight_whose_memory_was_given_back_is_an_error("peepholes", "dynamic", given_back)


@pytest.mark.parametrize("what", ["x", "steps", "state"])
def test_the_loop_reads_no_memory_that_was_cut_short(what, monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, isa.REFERENCE)
    cell, x, state = GRUCell(I, H), torch.randn(N, T, I), torch.randn(N, H)
    steps = [step.clone() for step in x.unbind(1)]
    {"x": x, "steps": steps[3], "state": state}[what].untyped_storage().resize_(16)
    with pytest.raises(
        ValueError, match=rf"{what}.* has no memory: its storage holds 16 of \d+ bytes, though"
    ):
        dynamic_unroll(cell, x) if what == "x" else static_unroll(cell, steps, state=state)


def test_a_module_that_is_on_meta_as_a_whole_tells_shapes():
    cell = LSTMCell(I, H, peephole=True, device="meta")
    x = torch.zeros(N, T, I, device="meta")
    outputs, _ = dynamic_unroll(cell, x)
    assert outputs.is_meta
    assert outputs.shape == (N, T, H)


class Named(torch.Tensor):
    """As libraries have them: a name for plain memory."""


class NamedParameter(nn.Parameter):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


@needs_kernels
def test_a_cell_reads_subclasses_over_plain_memory():
    cell, x = GRUCell(I, H), torch.randn(N, T, I)
    expected = dynamic_unroll(cell, x, LENGTHS)
    found = dynamic_unroll(cell, x.as_subclass(Named), LENGTHS)
    assert [type(part) for part in found] == [Named, Named]
    assert_equal([part.as_subclass(torch.Tensor) for part in found], list(expected))
    cell.weight_hh = NamedParameter(cell.weight_hh.detach())
    assert_equal(list(dynamic_unroll(cell, x, LENGTHS)), list(expected))


def test_a_wrapper_around_two_tensors_takes_the_loop():
    cell, a, b = GRUCell(I, H), torch.randn(N, T, I), torch.randn(N, T, I)
    outputs, _ = dynamic_unroll(cell, TwoTensor(a, b))
    assert_close([outputs.a, outputs.b], [dynamic_unroll(cell, x)[0] for x in (a, b)])


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_is_refused_with_advice():
    nested = torch.nested.nested_tensor([torch.randn(4, I), torch.randn(2, I)])
    with pytest.raises(ValueError, match=r"x is a nested tensor, expected \[N, T, I\]"):
        dynamic_unroll(GRUCell(I, H), nested)


@pytest.mark.parametrize("recompute_gates", [False, True])
def test_the_default_device_is_nobodys_business(recompute_gates):
    cell, x = LSTMCell(I, H, peephole=True, zoneout=0.2), torch.randn(N, T, I)
    packed = nn.utils.rnn.pack_padded_sequence(torch.randn(20, 2, I), [20, 3])
    layer = unrolled.LSTM(I, H, 2, bidirectional=True)
    with torch.device("meta"):
        outputs, *_ = dynamic_unroll(
            cell,
            x,
            [6, 2, 0, 3],
            reverse=True,
            return_states=True,
            return_gates=True,
            recompute_gates=recompute_gates,
        )
        outputs.sum().backward()
        found, _ = layer(packed)
        found.data.sum().backward()
    assert {outputs.device.type, found.data.device.type, cell.weight_hh.grad.device.type} == {"cpu"}


@pytest.mark.parametrize("kind", [Named, nn.Parameter, NamedParameter, torch.Tensor])
def test_classes_over_plain_memory_are_memory(kind):
    tensor = kind(torch.zeros(2)) if issubclass(kind, nn.Parameter) else torch.zeros(2).as_subclass(kind)
    assert readable.is_memory(tensor)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(2, dtype=torch.half),
        torch.zeros(2, dtype=torch.int64),
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2).to_sparse(),
        TwoTensor(torch.zeros(2), torch.zeros(2)),
        nn.parameter.UninitializedParameter(),
        None,
        1.0,
    ],
    ids=lambda tensor: type(tensor).__name__,
)
def test_what_is_no_memory_of_a_kernels_numbers_is_told(tensor):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert not readable.is_memory(tensor)
