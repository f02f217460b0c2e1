"""The kernels against the reference in plain PyTorch, values and gradients."""

import pytest
import torch

from tests.kernels.layers import as_leaves, assert_near, everything, make_layer, random_layer
from unrolled.kernels import ops, reference
from unrolled.kernels.native_call import KINDS

DTYPES = [torch.float32, torch.float64]
SIZES = [1, 2, 3, 7, 16, 17, 29, 37, 64, 67]


def unroll(layer):
    return ops.unroll(layer, keep_c=True)


def draw(kind, number):
    """A layer of random sizes, that are no multiple of a vector too."""
    return random_layer(kind, number, SIZES, [0, 1, 2, 5, 6, 7, 13, 31])


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_results_and_gradients_are_the_references(each_isa, kind, dtype, number):
    assert_near(unroll, draw(kind, number), dtype)


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_wide_layer_stays_as_near(each_isa, kind):
    layer = make_layer(kind, 40, 60, 20, 48)
    if kind == "rnn_relu":
        layer = layer._replace(weight_hh=0.5 * layer.weight_hh)
    assert_near(unroll, layer, torch.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_inference_gives_what_training_gives(each_isa, kind):
    layer = as_leaves(make_layer(kind, 9, 5, 4, 19, states=True), torch.float32)
    training = unroll(layer)
    with torch.no_grad():
        inference = unroll(layer)
    assert training.saved.numel() > 0
    assert inference.saved is None
    for a, b in zip(training[:4], inference[:4], strict=True):
        assert a is b is None or torch.equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_x_needs_no_gradient(each_isa, kind):
    layer = make_layer(kind, 9, 5, 4, 19)
    expected = everything(unroll, as_leaves(layer, torch.float64))
    without = everything(unroll, as_leaves(layer, torch.float64, wants_x=False))
    results = 4 if kind.startswith("lstm") else 2
    for a, b in zip(expected[:results] + expected[results + 1 :], without, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_inputs_and_gradients_may_have_any_strides(each_isa, kind, batch_first):
    layer = as_leaves(make_layer(kind, 5, 4, 6, 18, batch_first=batch_first), torch.float64)
    wide = torch.randn(12, 9, 6, dtype=torch.float64)
    odd = (wide[1:11:2, :4] if batch_first else wide[:4, 2:7]).requires_grad_()
    dense = odd.detach().contiguous().requires_grad_()
    every_other = torch.randn(5, 4, 36, dtype=torch.float64)[..., ::2]
    incoming = every_other if batch_first else every_other.transpose(0, 1)
    for x in (odd, dense):
        unroll(layer._replace(x=x)).out.backward(incoming)
    assert torch.equal(odd.grad, dense.grad)


@pytest.mark.parametrize("kind", ["lstm", "gru_after", "gru_before"])
@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 1e30])
def test_great_inputs_saturate_the_gates_and_do_not_spoil_them(each_isa, kind, value):
    layer = as_leaves(make_layer(kind, 3, 4, 5, 7), torch.float32)
    x = layer.x.detach().clone()
    x[1, 2, :] = 0
    x[1, 2, 3] = value
    judge = reference.unroll(as_leaves(layer._replace(x=x), torch.float64))
    result = unroll(layer._replace(x=x))
    torch.testing.assert_close(result.out.double(), judge.out, rtol=0, atol=2e-6)
    (d_h0,) = torch.autograd.grad(result.out.sum(), layer.bias_hh, allow_unused=True)
    assert bool(torch.isfinite(d_h0).all())


def test_nan_stays_nan(each_isa):
    for kind in KINDS:
        layer = make_layer(kind, 4, 3, 5, 7)
        layer.x[2, 1, 0] = float("nan")
        out = unroll(layer).out
        assert bool(out[2, 1:].isnan().all())
        assert not bool(out[[0, 1, 3]].isnan().any())
        assert not bool(out[2, 0].isnan().any())


def test_denormals_come_back_after_a_kernel(each_isa):
    unroll(make_layer("lstm", 13, 3, 5, 7))
    assert float(torch.tensor([1e-40]) * 1) > 0
