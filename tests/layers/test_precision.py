"""Drop-ins with fewer bits and in autocast: torch.nn's types, its numbers within theirs, and the kernels."""

import contextlib
import itertools

import pytest
import torch
from torch import nn

import unrolled
from tests.layers.results import tensors_of
from unrolled.kernels import isa, ops, precision, reference
from unrolled.layers import explain

T, N, I, H = 20, 2, 5, 7
BF16, F16, F32, F64 = torch.bfloat16, torch.float16, torch.float32, torch.float64
NEAR = {BF16: 0.05, F16: 0.01}  # what outputs in [-1, 1] may differ by where products have so many bits
FORMS = {
    "one layer": {},
    "stack": {"num_layers": 2, "bidirectional": True},
    "projection": {"proj_size": 3, "bias": False, "batch_first": True},
}


def autocast(cast):
    return contextlib.nullcontext() if cast is None else torch.autocast("cpu", cast)


def typed(module, x, hx, cast, packed):
    """The types of outputs, states and gradients, and the outputs; or what was raised."""
    leaves = [x, *([] if hx is None else hx if isinstance(hx, tuple) else [hx]), *module.parameters()]
    given = nn.utils.rnn.pack_padded_sequence(x, [T, 3], module.batch_first) if packed else x
    try:
        with autocast(cast):
            outputs, states = module(given, hx)
    except (RuntimeError, ValueError) as error:
        return error, None
    outputs = outputs.data if packed else outputs
    found = [outputs, *tensors_of(states)]
    gradients = torch.autograd.grad(sum(one.double().sum() for one in found), leaves)
    return [one.dtype for one in (*found, *gradients)], outputs.detach()


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("cast", [None, BF16, F16], ids=str)
def test_results_and_gradients_have_torch_nns_types(cast, packed, form, kind, make):
    """Weights, input and states of every mix of types: what torch.nn computes, and what it refuses."""
    options = {name: value for name, value in FORMS[form].items() if kind == "lstm" or name != "proj_size"}
    computed = 0
    for weights, given, states in itertools.product((F32, BF16, F16, F64), repeat=3):
        torch.manual_seed(0)
        peer, layer = make(I, H, **options)
        peer, layer = peer.to(weights), layer.to(weights)
        shape = (N, T, I) if peer.batch_first else (T, N, I)
        x = torch.randn(shape).to(given).requires_grad_()
        walks = peer.num_layers * (2 if peer.bidirectional else 1)
        h = torch.randn(walks, N, peer.proj_size or H).to(states).requires_grad_()
        c = torch.randn(walks, N, H).to(states).requires_grad_()
        for hx in (None, (h, c) if peer.mode == "LSTM" else h):
            expected, theirs = typed(peer, x, hx, cast, packed)
            found, ours = typed(layer, x, hx, cast, packed)
            if isinstance(expected, Exception):
                # What oneDNN or autocast has no code for, the kernels may compute.
                if "primitive" not in str(expected) and "prioritize" not in str(expected):
                    assert str(found) == str(expected)
                continue
            assert found == expected
            near = max((NEAR[t] for t in (cast, given, weights, *expected) if t in NEAR), default=1e-5)
            torch.testing.assert_close(ours.double(), theirs.double(), rtol=0, atol=near)
            computed += 1
    assert computed >= 7


@pytest.fixture
def layers_of_calls(monkeypatch):
    """What the kernels were given so far: one layer for each direction."""
    if isa.active() == isa.REFERENCE:
        pytest.skip(isa.explain())
    seen = []
    run = ops.native_call.forward

    def forward(layer, *rest, **named):
        seen.append(layer)
        return run(layer, *rest, **named)

    monkeypatch.setattr(ops.native_call, "forward", forward)
    return seen


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("cast", [BF16, F16], ids=str)
@pytest.mark.parametrize("way", ["autocast", "tensors"])
def test_calls_run_in_the_kernels_on_float32(way, cast, grad, make, layers_of_calls):
    _, layer = make(I, H)
    x = torch.randn(T, N, I)
    if way == "tensors":
        layer, x = layer.to(cast), x.to(cast)
    with autocast(cast if way == "autocast" else None), torch.set_grad_enabled(grad):
        outputs, _ = layer(x)
    (seen,) = layers_of_calls
    assert seen.parts == (cast == BF16)
    assert all(t.dtype == F32 for t in seen if isinstance(t, torch.Tensor) and t.is_floating_point())
    assert outputs.requires_grad == grad


def test_autocast_that_is_off_again_is_off(make, layers_of_calls):
    _, layer = make(I, H)
    x = torch.randn(T, N, I)
    with torch.autocast("cpu", BF16):
        with torch.autocast("cpu", enabled=False):
            inner = layer(x)[0]
        layer(x)
    assert [seen.parts for seen in layers_of_calls] == [0, 1]
    assert torch.equal(inner, layer(x)[0])


def test_autocast_leaves_float64_alone(make):
    _, layer = make(I, H, dtype=F64)
    x = torch.randn(T, N, I, dtype=F64)
    with torch.autocast("cpu", BF16):
        found = layer(x)[0]
    assert torch.equal(found, layer(x)[0])


@pytest.mark.parametrize("lengths", [None, [T, 0]])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_autocast_is_the_same_with_gradients_and_without(mode, lengths, make):
    _, layer = make(I, H, 2, bidirectional=True)
    x = torch.randn(T, N, I)
    with torch.autocast("cpu", BF16):
        expected = tensors_of(layer(x, lengths=lengths))
        with mode():
            found = tensors_of(layer(x, lengths=lengths))
    for a, e in zip(found, expected, strict=True):
        assert torch.equal(a, e)
        assert a.dtype == e.dtype


def test_a_layer_of_bfloat16_is_what_autocast_makes_of_the_same_numbers(make):
    """Products round their factors in either case; only the results' types may differ."""
    _, layer = make(I, H, 2)
    layer, x = layer.bfloat16(), torch.randn(T, N, I).bfloat16()
    expected = tensors_of(layer(x))
    with torch.autocast("cpu", BF16):
        found = tensors_of(layer.float()(x))
    for a, e in zip(found, expected, strict=True):
        assert torch.equal(a.bfloat16(), e)


@pytest.fixture
def without_onednn():
    torch._C._set_mkldnn_enabled(False)
    yield
    torch._C._set_mkldnn_enabled(True)


def test_where_onednn_is_off_results_have_the_types_of_torchs_loop(make, without_onednn):
    peer, layer = make(I, H)
    x = torch.randn(T, N, I)
    with torch.autocast("cpu", BF16):
        expected, found = tensors_of(peer(x)), tensors_of(layer(x))
    assert [one.dtype for one in found] == [one.dtype for one in expected]


@pytest.mark.parametrize("way", ["autocast", "tensors"])
def test_second_derivatives_go_through_products_of_bfloat16(way, make):
    _, layer = make(I, H)
    x = torch.randn(T, N, I).requires_grad_()
    given = x
    if way == "tensors":
        layer, given = layer.bfloat16(), x.bfloat16()

    def second(call):
        (first,) = torch.autograd.grad(call().float().sin().sum(), x, create_graph=True)
        return torch.autograd.grad(first.square().sum(), x)[0]

    with autocast(BF16 if way == "autocast" else None):
        found = second(lambda: layer(given)[0])
    expected = second(lambda: layer.float()(x)[0])
    difference = (found - expected).abs().max() / expected.abs().max()
    assert 0 < float(difference) < 0.1


def test_gradients_that_can_be_differentiated_are_the_same_inside_autocast_and_outside(make):
    """They come from the reference, whose products autocast is not to round once more."""
    _, layer = make(I, H)
    x = torch.randn(T, N, I).requires_grad_()
    with torch.autocast("cpu", BF16):
        loss = layer(x)[0].float().sin().sum()
        (inside,) = torch.autograd.grad(loss, x, create_graph=True)
    (outside,) = torch.autograd.grad(loss, x, create_graph=True)
    assert torch.equal(inside, outside)


def test_checkpointed_layers_run_again_in_the_same_autocast(make, layers_of_calls):
    _, layer = make(I, H)
    x = torch.randn(T, N, I).requires_grad_()
    with torch.autocast("cpu", BF16):
        found = torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False)[0]
    found.float().sum().backward()
    assert [seen.parts for seen in layers_of_calls] == [1, 1]


@pytest.fixture
def setting():
    """A function that sets the precision of float32 products, for one test."""
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(
    ("product", "expected"),
    [("", (0, 0, 0)), ("AVX512_BF16", (0, 0, 1)), ("AMX", (0, 2, 1))],
    ids=["conversion", "AVX512_BF16", "AMX"],
)
def test_matmul_precision_is_what_is_faster_here(
    product, expected, setting, make, layers_of_calls, monkeypatch
):
    monkeypatch.setattr(isa, "bfloat16_product", lambda: product)
    _, layer = make(I, H)
    x = torch.randn(T, N, I)
    for name in ("highest", "high", "medium"):
        setting(name)
        with torch.no_grad():
            layer(x)
    assert tuple(seen.parts for seen in layers_of_calls) == expected
    layers_of_calls.clear()
    layer.double()(x.double())
    layer.bfloat16()(x.bfloat16())
    assert [seen.parts for seen in layers_of_calls] == [0, 1]


def test_the_newer_interface_of_torch_is_heard_and_cudas_setting_is_not(setting, monkeypatch):
    if not hasattr(torch.backends.mkldnn, "matmul"):
        pytest.skip("this torch has the older one alone")
    monkeypatch.setattr(isa, "bfloat16_product", lambda: "AMX")
    before = torch.backends.mkldnn.matmul.fp32_precision
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    try:
        assert precision.float32_setting() == "medium"
        assert precision.float32_parts() == 1
    finally:
        torch.backends.mkldnn.matmul.fp32_precision = before
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        assert precision.float32_setting() == "highest"
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


def test_backward_multiplies_as_forward_did(setting, make, monkeypatch):
    monkeypatch.setattr(isa, "bfloat16_product", lambda: "AMX")
    _, layer = make(I, H)
    x = torch.randn(T, N, I)
    seen = []
    run = ops.native_call.backward
    monkeypatch.setattr(
        ops.native_call, "backward", lambda layer, *rest: seen.append(layer.parts) or run(layer, *rest)
    )
    setting("medium")
    loss = layer(x)[0].sum()
    setting("highest")
    loss.backward()
    assert seen == [1]


def test_explain_says_what_is_multiplied(setting, monkeypatch):
    monkeypatch.setattr(isa, "bfloat16_product", lambda: "AMX")
    setting("high")
    if isa.active() == isa.REFERENCE:
        pytest.skip(isa.explain())
    (finding,) = explain(unrolled.GRU(I, H))
    assert finding.reason == (
        "it runs in the fused kernels, multiplied as two bfloat16, in three products by AMX"
    )
    assert precision.explain() == (
        'bfloat16 by AMX; float32 at matmul precision "high" as two bfloat16, in three products'
    )


@pytest.mark.parametrize(("product", "bound"), [("", 5e-7), ("AVX512_BF16", 5e-3)])
def test_the_error_of_a_setting_is_within_its_bound(product, bound, setting, make, monkeypatch):
    """Against float64, of weights as PyTorch draws them and outputs in [-1, 1]."""
    monkeypatch.setattr(isa, "bfloat16_product", lambda: product)
    monkeypatch.setattr(ops.native_call, "forward", lambda layer, *rest, **named: reference.unroll(layer))
    torch.manual_seed(1)
    _, layer = make(20, 64)
    x = torch.randn(50, 8, 20)
    setting("medium")
    with torch.no_grad():
        found = layer(x)[0]
        setting("highest")
        exact = layer.double()(x.double())[0]
    assert float((found.double() - exact).abs().max()) < bound
