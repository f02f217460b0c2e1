"""Products of bfloat16: hardware gives the bits of conversion, and AMX's are as its manual defines them."""

import numpy as np
import pytest
import torch

from tests.kernels.layers import make_layer
from unrolled.errors import UnrolledError
from unrolled.kernels import isa, native_call
from unrolled.kernels.native_call import KINDS, Incoming, Layer

pytestmark = pytest.mark.skipif(isa._native() is None, reason="no kernels are compiled")

STAND_IN = "amx_by_conversion"
SIZES = [(1, 3, 5, 4), (7, 4, 28, 20), (33, 3, 17, 33), (70, 2, 64, 48), (2, 5, 3, 130)]  # N, T, I, H


@pytest.fixture
def by_conversion():
    """While this lasts, hardware is left alone."""
    native = isa._native()
    before = native.allow_faster_products(False)
    yield
    native.allow_faster_products(before)


def in_float32(layer, parts):
    values = (v.float() if isinstance(v, torch.Tensor) and v.is_floating_point() else v for v in layer)
    return Layer(*values)._replace(parts=parts)


def passes(layer, chosen):
    """All that forward and backward give."""
    results = native_call.forward(layer, native_call.EVERYTHING, True, chosen)
    incoming = Incoming(*(None if value is None else value.cos() for value in results[:4]))
    return [*results[:4], *native_call.backward(layer, results.saved, incoming, True)]


def assert_same_bits(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one is other is None or torch.equal(one, other)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_avx512_bf16_gives_the_bits_of_conversion(kind, parts):
    native = isa._native()
    if "avx512" not in isa.available() or native.bfloat16_product("avx512") != "AVX512_BF16":
        pytest.skip("no AVX512_BF16 here")
    for N, T, I, H in SIZES:
        layer = in_float32(make_layer(kind, N, T, I, H, states=True), parts)
        found = passes(layer, "avx512")
        before = native.allow_faster_products(False)
        try:
            assert native.bfloat16_product("avx512") == ""
            expected = passes(layer, "avx512")
        finally:
            native.allow_faster_products(before)
        assert_same_bits(found, expected)


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_amx_gives_the_bits_of_its_stand_in(kind, parts):
    if "amx" not in isa.available():
        pytest.skip("no AMX here")
    for N, T, I, H in SIZES:
        layer = in_float32(make_layer(kind, N, T, I, H, states=True), parts)
        assert_same_bits(passes(layer, "amx"), passes(layer, STAND_IN))


def bfloat16(x):
    return torch.from_numpy(x).to(torch.bfloat16).float().numpy()


def fused(a, b, c):
    """a b + c, rounded once: the product of two bfloat16 has no more digits than a float32."""
    return (a.astype(np.float64) * b + c).astype(np.float32)


def products_of_pairs(x, W, start):
    """start + x Wᵀ, one k after another."""
    total = np.broadcast_to(start, (len(x), len(W))).astype(np.float32)
    for k in range(x.shape[1]):
        total = fused(x[:, None, k], W[None, :, k], total)
    return total


def products_of_tiles(x, W, start):
    """The same in the order of TDPBF16PS: 32 k at a time, even and odd ones with a sum of their own."""
    total = np.broadcast_to(start, (len(x), len(W))).astype(np.float32)
    for first in range(0, x.shape[1], 32):
        sums = [np.zeros_like(total), np.zeros_like(total)]
        for k in range(first, min(first + 32, x.shape[1])):
            sums[k % 2] = fused(x[:, None, k], W[None, :, k], sums[k % 2])
        total = total + (sums[0] + sums[1])
    return total


def relu_layer(N, width, hidden):
    """One step of an RNN whose outputs are its products, where these are positive."""
    generator = np.random.default_rng(N + width)
    x, W, b = (generator.standard_normal(s, np.float32) for s in ((N, width), (hidden, width), (hidden,)))
    arguments = [
        torch.from_numpy(value) for value in (x[:, None], W, np.zeros((hidden, hidden), np.float32), b)
    ]
    layer = Layer("rnn_relu", *arguments, torch.zeros(hidden), None, None, None, 0.0, False, True, parts=1)
    return layer, bfloat16(x), bfloat16(W), b


@pytest.mark.parametrize(("N", "width", "hidden"), [(1, 32, 16), (5, 7, 20), (40, 100, 33), (33, 65, 48)])
def test_products_are_rounded_as_they_are_defined(N, width, hidden, each_product, by_conversion):
    layer, x, W, b = relu_layer(N, width, hidden)
    defined = products_of_tiles if "amx" in each_product else products_of_pairs
    found = native_call.forward(layer, native_call.NOTHING, False, each_product).out[:, 0].numpy()
    np.testing.assert_array_equal(found, np.maximum(defined(x, W, b), 0))


def test_the_order_of_amx_is_another_one():
    layer, *_ = relu_layer(40, 100, 33)
    one, other = (
        native_call.forward(layer, chosen=name).out for name in ("baseline", isa._native().stand_ins()[-1])
    )
    assert not torch.equal(one, other)


def test_a_stand_in_runs_for_who_asks_for_it_by_name_only(monkeypatch):
    assert STAND_IN not in isa.available()
    for name in isa._native().stand_ins():
        monkeypatch.setenv(isa.VARIABLE, name)
        assert isa.active() == name
        assert "stands in" in isa.explain()
    monkeypatch.delenv(isa.VARIABLE)
    assert isa.active() not in isa._native().stand_ins()


def test_hardware_that_this_cpu_lacks_is_refused(monkeypatch):
    lacking = [name for name, _, here in isa._native().compiled() if not here]
    if not lacking:
        pytest.skip("this CPU has all that was compiled")
    monkeypatch.setenv(isa.VARIABLE, lacking[0])
    with pytest.raises(UnrolledError, match=f"UNROLLED_ISA is '{lacking[0]}', but this CPU does not have"):
        isa.active()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"parts": 4}, "parts is 4, expected 0, or how many bfloat16 stand for a number: 1, 2 or 3"),
        ({"parts": -1}, "parts is -1, expected 0"),
    ],
)
def test_parts_that_nobody_has_are_refused(changed, message):
    layer = in_float32(make_layer("lstm", 2, 3, 4, 5), 1)._replace(**changed)
    with pytest.raises(ValueError, match=message):
        native_call.forward(layer)


def test_parts_of_float64_are_refused():
    layer = make_layer("lstm", 2, 3, 4, 5)._replace(parts=1)
    with pytest.raises(
        ValueError, match=r"parts is given, but x is torch\.float64: products in bfloat16 are of"
    ):
        native_call.forward(layer)
