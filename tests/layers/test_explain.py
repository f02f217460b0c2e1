"""What explain() says and restore() does is true, whatever else has been done to a layer."""

import copy
import re

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import unrolled
from tests.layers.conftest import PAIRS
from tests.layers.results import tensors_of
from tests.tolerances import assert_close, assert_equal
from unrolled import isa
from unrolled.layers import explain

N, T, I, H = 3, 17, 5, 7
IN_KERNELS = "it runs in the fused kernels"


def reasons_of(model):
    return [finding.reason for finding in explain(model)]


def test_explain_says_what_was_done_and_why(kernel_calls, capsys):
    model = nn.ModuleDict({"encoder": nn.LSTM(I, H), "blocks": nn.Sequential(nn.RNN(I, H), nn.GRUCell(I, H))})
    assert set(reasons_of(model)[:2]) == {"accelerate has not seen it yet"}
    assert not any(finding.replaced for finding in explain(model))
    unrolled.accelerate(model, verbose=True)
    assert capsys.readouterr().out.splitlines() == [
        "encoder: LSTM, replaced: it runs in the fused kernels",
        "blocks.0: RNN, replaced: it runs in the fused kernels",
        "blocks.1: GRUCell, replaced: it runs in the fused kernels where no gradients are needed, "
        "in torch.nn's code where they are",
    ]


def weight_norm(layer):
    return nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")


def spectral_norm(layer):
    return nn.utils.parametrizations.spectral_norm(layer, "weight_ih_l0")


def orthogonal(layer):
    return nn.utils.parametrizations.orthogonal(layer, "weight_hh_l0")


def old_weight_norm(layer):
    return nn.utils.weight_norm(layer, "weight_hh_l0")


def old_spectral_norm(layer):
    return nn.utils.spectral_norm(layer, "weight_hh_l0")


def pruned(layer):
    return prune.l1_unstructured(layer, "weight_hh_l0", amount=0.5)


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("first", ["accelerate", "the change"])
@pytest.mark.parametrize(
    "change", [weight_norm, spectral_norm, orthogonal, old_weight_norm, old_spectral_norm, pruned]
)
@pytest.mark.parametrize("peer", [peer for peer, _ in PAIRS.values()], ids=list(PAIRS))
def test_changed_weights_are_the_kernels_in_either_order(peer, change, first, kernel_calls):
    layer = peer(I, H, dtype=torch.float64).eval()  # spectral norms turn at each call in training
    plain = copy.deepcopy(layer)
    layer = (
        change(unrolled.accelerate(layer)) if first == "accelerate" else unrolled.accelerate(change(layer))
    )
    torch.manual_seed(0)
    twin = change(plain)
    twin.load_state_dict(layer.state_dict())
    x = torch.randn(T, N, I, dtype=torch.float64)
    assert_close(tensors_of(layer(x)), tensors_of(twin(x)))
    assert len(kernel_calls) == 1
    (finding,) = [finding for finding in explain(layer) if not finding.name]
    computed = set(dict(peer(I, H).named_parameters())) - set(layer._parameters)
    steps = f", single steps in torch.nn: its {computed.pop()} is computed for each call"
    assert (finding.replaced, finding.reason) == (True, IN_KERNELS + steps)
    assert finding.kind == type(twin).__name__
    unrolled.restore(layer)
    assert type(layer).__mro__[-4:] == type(twin).__mro__[-4:]
    assert not isinstance(layer, PAIRS_BY_PEER[peer])
    assert_equal(tensors_of(layer(x)), tensors_of(twin(x)))
    assert len(kernel_calls) == 1


PAIRS_BY_PEER = dict(PAIRS.values())


@pytest.mark.parametrize("first", ["accelerate", "the parametrization"])
def test_a_parametrization_comes_off_on_either_side(first):
    for restores in (False, True):
        layer = nn.GRU(I, H)
        layer = (
            weight_norm(unrolled.accelerate(layer))
            if first == "accelerate"
            else unrolled.accelerate(weight_norm(layer))
        )
        if restores:
            unrolled.restore(layer)
        nn.utils.parametrize.remove_parametrizations(layer, "weight_hh_l0")
        assert type(layer) is (nn.GRU if restores else unrolled.GRU)
        layer(torch.randn(T, N, I))


def test_two_copies_of_a_parametrized_layer_have_classes_of_their_own():
    layer = weight_norm(nn.GRU(I, H))
    twin = copy.deepcopy(layer)
    unrolled.accelerate(layer)
    assert [explain(one)[0].replaced for one in (layer, twin)] == [True, False]
    nn.utils.parametrize.remove_parametrizations(layer, "weight_hh_l0")
    twin(torch.randn(T, N, I))
    assert nn.utils.parametrize.is_parametrized(twin, "weight_hh_l0")


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (unrolled.GRU(I, H, dtype=torch.complex64), ", as its weights are torch.complex64 on cpu"),
        (unrolled.GRU(I, H, device="meta"), ", as its weights are torch.float32 on meta"),
    ],
    ids=["dtype", "device"],
)
def test_explain_says_where_a_drop_in_runs_torch_nns_code(layer, reason):
    (finding,) = explain(layer)
    assert str(finding).startswith("the model itself: ")
    assert finding.replaced
    assert finding.reason == f"it runs in torch.nn's code{reason}"


def test_explain_sees_weights_that_are_no_parameters(kernel_calls):
    layer = unrolled.GRU(I, H)
    del layer._parameters["weight_hh_l0"]
    layer.weight_hh_l0 = torch.randn(3 * H, H, dtype=torch.float64)
    assert reasons_of(layer) == [
        "it runs in torch.nn's code, as its weight_hh_l0 is torch.float64, others are torch.float32"
    ]
    layer.weight_hh_l0 = torch.randn(3 * H, 2)
    assert reasons_of(layer) == [
        "it runs in torch.nn's code, as its weight_hh_l0 has shape [21, 2], not [21, 7]"
    ]
    layer.weight_hh_l0 = torch.randn(3 * H, H).to_sparse()
    assert reasons_of(layer) == [
        "it runs in torch.nn's code, as its weight_hh_l0 is a Tensor of layout torch.sparse_coo"
    ]
    del layer.weight_hh_l0
    assert reasons_of(layer) == ["it runs in torch.nn's code, as its weight_hh_l0 is missing"]
    assert kernel_calls == []


def test_a_weight_of_a_subclass_of_parameter_is_the_kernels(kernel_calls):
    class Marked(nn.Parameter):
        pass

    layer = unrolled.GRU(I, H)
    layer.weight_hh_l0 = Marked(layer.weight_hh_l0.detach())
    assert reasons_of(layer) == [IN_KERNELS]
    layer(torch.randn(T, N, I))
    assert len(kernel_calls) == 1


def test_explain_says_what_autocast_and_types_of_fewer_bits_have_multiplied(monkeypatch):
    monkeypatch.setattr(isa, "bfloat16_product", lambda: "AMX")
    with torch.autocast("cpu", torch.bfloat16):
        assert reasons_of(unrolled.GRU(I, H)) == [
            "it runs in the fused kernels, multiplied as one bfloat16 by AMX, "
            "single steps in torch.nn: autocast is on"
        ]
    assert reasons_of(unrolled.GRU(I, H, dtype=torch.float16)) == [
        "it runs in the fused kernels, float16 as float32, "
        "single steps in torch.nn: its weight_ih_l0 is torch.float16"
    ]


def test_explain_says_that_a_forward_was_put_on_an_accelerated_layer():
    layer = unrolled.accelerate(nn.GRU(I, H))
    layer.forward = lambda x: x
    (finding,) = explain(layer)
    assert finding.replaced
    assert finding.reason == "its own code runs: something has put its own forward on it"
    assert type(unrolled.restore(layer)) is nn.GRU


def test_explain_says_when_the_kernels_are_off(monkeypatch):
    monkeypatch.setenv(isa.VARIABLE, isa.REFERENCE)
    assert reasons_of(unrolled.GRU(I, H))[0].startswith(
        "it runs in torch.nn's code: reference: UNROLLED_ISA asks for it"
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, unrolled.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_what_torch_jit_has_compiled_is_left(kind):
    x = torch.randn(T, I) if issubclass(kind, nn.RNNCellBase) else torch.randn(T, N, I)
    layer = kind(I, H)
    for compiled in (torch.jit.script(layer), torch.jit.trace(layer, (x,))):
        before = type(compiled)
        model = unrolled.accelerate(nn.Sequential(compiled))
        (finding,) = explain(model)
        assert str(finding) == f"0: {kind.__name__}, left: torch.jit has compiled it"
        assert type(unrolled.restore(model)[0]) is before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantized_layers_are_left():
    model = nn.Sequential(nn.LSTM(I, H), nn.GRU(I, H), nn.LSTMCell(I, H))
    quantized = torch.ao.quantization.quantize_dynamic(model, {nn.LSTM, nn.GRU, nn.LSTMCell})
    kinds = [type(module) for module in quantized]
    unrolled.accelerate(quantized)
    assert [type(module) for module in quantized] == kinds
    assert [str(finding) for finding in explain(quantized)] == [
        f"{place}: {kind}, left: it is one of torch.ao's, for quantization"
        for place, kind in enumerate(("LSTM", "GRU", "LSTMCell"))
    ]


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
@pytest.mark.parametrize("compiled", [torch.compile, lambda layer: layer.compile(backend="eager") or layer])
def test_what_torch_compile_has_wrapped_is_told_from_inside(compiled):
    layer = nn.GRU(I, H)
    wrapped = compiled(unrolled.accelerate(layer))
    (finding,) = explain(wrapped)
    assert (finding.kind, finding.replaced, finding.reason) == ("GRU", True, IN_KERNELS)
    unrolled.restore(wrapped)
    assert type(layer) is nn.GRU


def test_a_class_that_torch_makes_for_sharding_comes_off_too():
    class Sharded:
        pass

    layer = unrolled.accelerate(nn.GRU(I, H))
    made = type("FSDPGRU", (Sharded, type(layer)), {"__module__": "torch.distributed.fsdp._fully_shard"})
    layer.__class__ = made  # as fully_shard does
    assert reasons_of(layer) == [IN_KERNELS]
    unrolled.restore(layer)
    assert type(layer).__mro__[:3] == (type(layer), Sharded, nn.GRU)


@pytest.mark.parametrize(
    ("name", "value", "weights"),
    [("num_layers", 1, "8, .* 4"), ("num_layers", 3, "8, .* 12"), ("bias", False, "8, .* 4")],
)
def test_sizes_that_were_changed_afterwards_are_told(name, value, weights):
    layer = unrolled.accelerate(nn.GRU(H, H, num_layers=2))
    setattr(layer, name, value)
    (reason,) = reasons_of(layer)
    assert re.fullmatch(f"it runs in torch.nn's code, as the number of its weights is {weights}", reason)
