"""All that a module of torch.nn is besides its forward: building, saving, copying, compiling."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

import unrolled
from tests.layers.results import tensors_of
from tests.tolerances import assert_close, assert_equal

N, T, I, H = 3, 17, 5, 7


def test_it_is_built_as_torch_nns_with_the_same_numbers(kind, make):
    built = []
    for layer in make(I, H)[0:2]:
        torch.manual_seed(3)
        built.append(type(layer)(I, H, num_layers=2, bias=False, batch_first=True, bidirectional=True))
    peer, drop_in = built
    assert_equal(list(drop_in.parameters()), list(peer.parameters()))
    assert list(drop_in.state_dict()) == list(peer.state_dict())
    assert repr(drop_in) == repr(peer)
    assert drop_in._all_weights == peer._all_weights
    assert [len(one) for one in drop_in.all_weights] == [2] * 4
    assert drop_in.flatten_parameters() is None


def test_arguments_have_torch_nns_places():
    x = torch.randn(4, T, I)
    assert unrolled.LSTM(I, H, 2, True, True, 0.5, True, 3)(x)[0].shape == (4, T, 6)
    assert unrolled.GRU(I, H, 2, False, True, 0.5, True, "cpu", torch.float32)(x)[0].shape == (4, T, 2 * H)
    assert unrolled.RNN(I, H, 2, "relu", False, True, 0.5, True, "cpu")(x)[0].shape == (4, T, 2 * H)
    with pytest.raises(
        TypeError, match="RNN got 11 arguments without names, expected at most 10: the last are"
    ):
        unrolled.RNN(I, H, 2, "relu", False, True, 0.5, True, "cpu", torch.float32, 0)
    with pytest.raises(TypeError, match="multiple values for keyword argument 'device'"):
        unrolled.GRU(I, H, 2, False, True, 0.5, True, "cpu", device="cpu")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((0, H), {}),
        ((I, 0), {}),
        ((I, H, 0), {}),
        (("5", H), {}),
        ((I, 7.0), {}),
        ((I, H), {"dropout": 2}),
        ((I, H), {"bias": 1}),
        ((I, H), {"batch_first": "yes"}),
        ((I, H), {"proj_size": H}),
        ((I, H), {"proj_size": -1}),
        ((I, H), {"nonlinearity": "sigmoid"}),
        ((I, H), {"width": 3}),
    ],
    ids=str,
)
def test_a_wrong_argument_raises_the_type_that_torch_nn_raises(arguments, options, kind, make):
    peer, drop_in = (type(layer) for layer in make(I, H))
    with pytest.raises((ValueError, TypeError)) as expected:
        peer(*arguments, **options)
    with pytest.raises(expected.type):
        drop_in(*arguments, **options)


def test_dropout_with_one_layer_warns_as_torch_nn(kind, make):
    _, drop_in = make(I, H)
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last recurrent layer"):
        type(drop_in)(I, H, dropout=0.5)


def test_weights_move_both_ways(make):
    peer, drop_in = make(I, H, 2, bidirectional=True)
    other = type(peer)(I, H, 2, bidirectional=True)
    other.load_state_dict(drop_in.state_dict())
    assert_equal(list(other.parameters()), list(peer.parameters()))


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_compute_the_same(duplicate, make, kernel_calls):
    _, drop_in = make(I, H, 2)
    x = torch.randn(T, N, I)
    twin = duplicate(drop_in)
    assert type(twin) is type(drop_in)
    assert_equal(tensors_of(twin(x)), tensors_of(drop_in(x)))
    assert len(kernel_calls) == 4


def test_torch_save_keeps_the_whole_module(make):
    _, drop_in = make(I, H)
    file = io.BytesIO()
    torch.save(drop_in, file)
    file.seek(0)
    x = torch.randn(T, N, I)
    assert_equal(tensors_of(torch.load(file, weights_only=False)(x)), tensors_of(drop_in(x)))


def test_a_new_parameter_is_used_at_once(make, kernel_calls):
    peer, drop_in = make(I, H)
    x, weight = torch.randn(T, N, I), nn.Parameter(torch.randn_like(peer.weight_hh_l0))
    peer.weight_hh_l0 = drop_in.weight_hh_l0 = weight
    assert_close(tensors_of(drop_in(x)), tensors_of(peer(x)))
    peer.double(), drop_in.double()
    assert_close(tensors_of(drop_in(x.double())), tensors_of(peer(x.double())))
    assert len(kernel_calls) == 2


def test_weight_norm_is_torch_nns(make, kernel_calls):
    peer, drop_in = (nn.utils.parametrizations.weight_norm(one, "weight_hh_l0") for one in make(I, H))
    x = torch.randn(T, N, I)
    assert_close(tensors_of(drop_in(x)), tensors_of(peer(x)))
    assert len(kernel_calls) == 1


def test_hooks_see_every_call(make):
    _, drop_in = make(I, H)
    seen = []
    drop_in.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[0].shape))
    drop_in(torch.randn(T, N, I))
    assert seen == [(T, N, H)]


@pytest.mark.parametrize("options", [{}, {"dynamic": True}], ids=str)
def test_torch_compile_makes_one_graph(options, make, kernel_calls):
    peer, drop_in = make(I, H, 2, batch_first=True, bidirectional=True)
    torch._dynamo.reset()
    compiled = torch.compile(drop_in, backend="aot_eager", fullgraph=True, **options)
    x = torch.randn(N, T, I, requires_grad=True)
    found, expected = tensors_of(compiled(x)), tensors_of(peer(x))
    assert_close(found, expected)
    slopes = [torch.autograd.grad(sum(t.cos().sum() for t in one), x)[0] for one in (found, expected)]
    assert_close(slopes[0], slopes[1])


def test_torch_compile_takes_lengths_into_the_graph(make):
    _, drop_in = make(I, H, batch_first=True)
    torch._dynamo.reset()
    compiled = torch.compile(
        lambda x, lengths: drop_in(x, lengths=lengths)[0], backend="aot_eager", fullgraph=True
    )
    x, lengths = torch.randn(N, T, I), torch.tensor([4, 0, T])
    assert_close(compiled(x, lengths), drop_in(x, lengths=lengths)[0])
    assert_close(compiled(x, lengths + 1), drop_in(x, lengths=torch.tensor([5, 1, T]))[0])  # T + 1 is T


def test_torch_compile_leaves_what_the_kernels_do_not_take_to_torch_nn(make):
    peer, drop_in = make(I, H)
    torch._dynamo.reset()
    compiled = torch.compile(drop_in, backend="aot_eager")
    packed = nn.utils.rnn.pack_padded_sequence(torch.randn(T, N, I), [4, T, 9], enforce_sorted=False)
    assert_close(tensors_of(compiled(packed)), tensors_of(peer(packed)))


def test_torch_compile_traces_the_operator_in_autocast_and_with_fewer_bits(make):
    _, drop_in = make(I, H, bidirectional=True)
    x = torch.randn(T, N, I)
    torch._dynamo.reset()
    compiled = torch.compile(drop_in, backend="aot_eager", fullgraph=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert_equal(tensors_of(compiled(x)), tensors_of(drop_in(x)))
    assert_equal(tensors_of(compiled(x)), tensors_of(drop_in(x)))
    drop_in.bfloat16()
    assert_equal(tensors_of(compiled(x.bfloat16())), tensors_of(drop_in(x.bfloat16())))


@pytest.mark.parametrize("strict", [False, True])
def test_torch_export_keeps_the_time_axis_free(strict, make):
    peer, drop_in = make(I, H, batch_first=True)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("time")}
    program = torch.export.export(
        drop_in, (torch.randn(N, T, I),), dynamic_shapes=(axes,), strict=strict
    ).module()
    x = torch.randn(2, 31, I)
    assert_close(tensors_of(program(x)), tensors_of(peer(x)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("way", ["trace", "script"])
def test_torch_jit_compiles_torch_nns_layer(way, make):
    peer, drop_in = make(I, H)
    x = torch.randn(T, N, I)
    model = nn.Sequential(drop_in)
    compiled = torch.jit.trace(model, (x,)) if way == "trace" else torch.jit.script(model)
    assert_close(tensors_of(compiled(x)), tensors_of(peer(x)))
    assert "unrolled::" not in str(compiled.inlined_graph)
