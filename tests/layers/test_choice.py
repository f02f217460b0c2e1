"""Which calls go to the kernels and which to torch.nn; the results are the same."""

import re

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.rnn import PackedSequence

import unrolled
from tests.layers.results import tensors_of
from tests.tolerances import assert_close, assert_equal
from unrolled import isa

N, T, I, H = 3, 17, 5, 7


@pytest.mark.parametrize("shape", [(1, 40, I), (3, 5, I), (15, I)], ids=str)
def test_a_step_or_a_few_rows_go_to_torch_nn(shape, make, kernel_calls):
    peer, drop_in = make(I, H)
    x = torch.randn(shape)
    assert_equal(tensors_of(drop_in(x)), tensors_of(peer(x)))
    assert kernel_calls == []


def test_the_first_axis_is_the_batch_when_batch_first(make, kernel_calls):
    _, drop_in = make(I, H, batch_first=True)
    drop_in(torch.randn(40, 1, I))
    assert kernel_calls == []
    drop_in(torch.randn(1, 40, I))
    assert len(kernel_calls) == 1


def test_another_device_goes_to_torch_nn(make, kernel_calls):
    _, drop_in = make(I, H)
    outputs, _ = drop_in.to("meta")(torch.randn(T, N, I, device="meta"))
    assert outputs.shape == (T, N, H)
    assert kernel_calls == []


def test_no_rows_go_to_torch_nn(make, kernel_calls):
    peer, drop_in = make(I, H)
    x = torch.randn(T, 0, I)
    assert_equal(tensors_of(drop_in(x)), tensors_of(peer(x)))
    assert kernel_calls == []


def test_the_reference_is_torch_nn(make, monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, isa.REFERENCE)
    peer, drop_in = make(I, H, 2)
    x = torch.randn(T, N, I)
    assert_equal(tensors_of(drop_in(x)), tensors_of(peer(x)))


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, when jvp is first used
@pytest.mark.parametrize("transform", ["grad", "jvp"])
def test_torch_func_goes_where_torch_nn_goes(transform, kind, make, kernel_calls):
    if transform == "jvp" and kind == "lstm":
        pytest.skip("torch has no forward-mode derivative of its LSTM in float32")
    peer, drop_in = make(I, H)
    x = torch.randn(T, N, I)

    def results(layer):
        if transform == "jvp":
            return torch.func.jvp(lambda x: layer(x)[0], (x,), (torch.ones_like(x),))

        def loss(parameters):
            return torch.func.functional_call(layer, parameters, (x,))[0].square().sum()

        return list(torch.func.grad(loss)(dict(layer.named_parameters())).values())

    assert_close(results(drop_in), results(peer))
    assert kernel_calls == []


def test_functional_call_uses_the_weights_that_it_was_given(make, kernel_calls):
    peer, drop_in = make(I, H, 2)
    halved = {name: weight / 2 for name, weight in peer.named_parameters()}
    x = torch.randn(T, N, I)
    found, expected = (torch.func.functional_call(layer, halved, (x,)) for layer in (drop_in, peer))
    assert_close(tensors_of(found), tensors_of(expected))
    assert len(kernel_calls) == 2


def test_weights_of_a_wrong_shape_never_reach_a_kernel(make, kernel_calls):
    _, drop_in = make(I, H)
    drop_in.weight_hh_l0 = nn.Parameter(torch.randn(3, 2))
    with pytest.raises((ValueError, RuntimeError)):
        drop_in(torch.randn(T, N, I))
    assert kernel_calls == []


@pytest.mark.parametrize("sizes", [[2, 3], [3, 3, 0], [3, 3, 3], []], ids=str)
def test_a_packing_that_cannot_be_never_reaches_a_kernel(sizes, make, kernel_calls):
    _, drop_in = make(I, H)
    packed = PackedSequence(torch.randn(5, I), torch.tensor(sizes, dtype=torch.int64))
    with pytest.raises((RuntimeError, IndexError)):
        drop_in(packed)
    assert kernel_calls == []


MISTAKES = {
    "a vector": (torch.zeros(I), None),
    "four axes": (torch.zeros(2, T, N, I), None),
    "another width": (torch.zeros(T, N, I + 1), None),
    "another type": (torch.zeros(T, N, I, dtype=torch.float64), None),
    "no steps": (torch.zeros(0, N, I), None),
    "one sequence, states of a batch": (torch.zeros(T, I), (1, 1, H)),
    "a batch, states of one sequence": (torch.zeros(T, N, I), (1, H)),
    "states of another batch": (torch.zeros(T, N, I), (1, N + 1, H)),
    "states of two layers": (torch.zeros(T, N, I), (2, N, H)),
    "states of another width": (torch.zeros(T, N, I), (1, N, H + 1)),
    "a packed batch, states of another": (
        nn.utils.rnn.pack_padded_sequence(torch.zeros(T, N, I), [T, 4, 2]),
        (1, N + 1, H),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_raises_torch_nns_error(mistake, kind, make, kernel_calls):
    x, shape = MISTAKES[mistake]
    hx = None if shape is None else torch.zeros(shape)
    hx = (hx, hx) if kind == "lstm" and hx is not None else hx
    errors = []
    for layer in make(I, H):
        with pytest.raises((ValueError, RuntimeError)) as caught:
            layer(x, hx)
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]
    assert kernel_calls == []


@pytest.mark.parametrize("count", [1, 3])
def test_an_lstm_wants_two_states(count):
    x, hx = torch.zeros(T, N, I), (torch.zeros(1, N, H),) * count
    for layer in (nn.LSTM(I, H), unrolled.LSTM(I, H)):
        with pytest.raises((IndexError, RuntimeError)):
            layer(x, hx)


@pytest.mark.parametrize(
    ("x", "lengths", "message"),
    [
        (torch.zeros(T, N, I), [1, 2, T + 1], rf"lengths\[2\] is {T + 1}, expected 0 to {T}"),
        (torch.zeros(T, N, I), [1, 2], r"lengths has shape \[2\], expected \[3\]"),
        (torch.zeros(T, I), [T], rf"lengths came with shape \[{T}, 5\], expected a padded batch \[T, N, I\]"),
        (
            nn.utils.rnn.pack_sequence([torch.zeros(T, I)]),
            [T],
            r"lengths came with a PackedSequence, expected a padded batch \[T, N, I\]",
        ),
    ],
)
def test_lengths_that_do_not_fit_are_refused(x, lengths, message, make):
    _, drop_in = make(I, H)
    with pytest.raises(ValueError, match=message):
        drop_in(x, lengths=lengths)


SHORT_AND_LONG = [torch.randn(1, N, I), torch.randn(T, N, I)]


@pytest.fixture
def onednn():
    """Switched on, which it may not be: without it torch.nn looks at shapes itself."""
    before = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(True)
    yield
    torch._C._set_mkldnn_enabled(before)


@pytest.mark.usefixtures("onednn")
@pytest.mark.parametrize("way", ["parameter", "buffer", "attribute"])
@pytest.mark.parametrize("x", SHORT_AND_LONG, ids=["short", "long"])
@pytest.mark.parametrize("made", ["drop-in", "accelerated", "subclass"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_an_lstms_weight_of_another_shape_is_an_error_that_names_it(made, x, way, bidirectional):
    def layer():
        kind = {"drop-in": unrolled.LSTM, "accelerated": nn.LSTM, "subclass": Thin}[made]
        return unrolled.accelerate(kind(I, H, 2, bidirectional=bidirectional))

    for name, weight in layer().named_parameters():
        for wrong in (weight.detach()[:-2].clone(), weight.detach().flatten()[:1].clone()):
            odd = layer()
            delattr(odd, name)
            if way == "buffer":
                odd.register_buffer(name, wrong)
            else:
                setattr(odd, name, nn.Parameter(wrong) if way == "parameter" else wrong)
            came, expected = re.escape(str(list(wrong.shape))), re.escape(str(list(weight.shape)))
            words = f"{name} has shape {came}, expected {expected}: input_size is {I}, hidden_size {H}"
            with pytest.raises(ValueError, match=words):
                odd(x)


class Thin(nn.LSTM):
    def forward(self, input, hx=None):
        return super().forward(input, hx)


@pytest.mark.parametrize("x", SHORT_AND_LONG, ids=["short", "long"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_where_torch_nn_looks_at_shapes_itself_the_words_and_the_numbers_are_its_own(x, dtype, make):
    for name, weight in make(I, H)[0].named_parameters():
        for wrong in (weight.detach()[:-2], weight.detach().flatten()[:1]):
            peer, drop_in = make(I, H, dtype=dtype)
            if dtype == torch.float32 and isinstance(peer, nn.LSTM):
                return
            found = []
            for layer in (peer, drop_in):
                setattr(layer, name, nn.Parameter(wrong.to(dtype)))
                try:
                    found.append(tensors_of(layer(x.to(dtype))))
                except RuntimeError as error:
                    found.append(str(error))
            if isinstance(found[0], str):
                assert found[1] == found[0]
            else:
                assert_close(found[1], found[0])


@pytest.mark.parametrize("x", SHORT_AND_LONG, ids=["short", "long"])
def test_weights_that_are_computed_may_stand_anywhere(x):
    layer = unrolled.LSTM(I, H)
    expected = tensors_of(layer(x))
    nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    nn.utils.parametrize.register_parametrization(layer, "weight_ih_l0", Padded(), unsafe=True)
    prune.identity(layer, "bias_ih_l0")
    assert layer.parametrizations.weight_ih_l0.original.shape == (4 * H, I + 2)
    assert_close(tensors_of(layer(x)), expected)


class Padded(nn.Module):
    """A weight that is kept wider than it is used."""

    def forward(self, kept):
        return kept[:, :I]

    def right_inverse(self, weight):
        return nn.functional.pad(weight, (0, 2))
