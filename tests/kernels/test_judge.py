"""The judge of the kernels must be able to say no: wrong layers, and right ones in too few bits."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from tests.kernels.layers import GATES, NORMS, assert_near, make_layer
from unrolled.kernels import reference
from unrolled.kernels.native_call import KINDS


def reordered(layer, name, order):
    """The layer with the blocks of H rows of a parameter in another order."""
    blocks = getattr(layer, name).unflatten(0, (-1, 48))
    return layer._replace(**{name: blocks[list(order)].flatten(0, 1)})


def without_a_bias(layer):
    name = "norm_bias" if layer.kind in NORMS else "bias_ih"
    kept = torch.ones_like(getattr(layer, name))
    kept[:48] = 0
    return layer._replace(**{name: getattr(layer, name) * kept})


def with_two_gates_exchanged(layer):
    gates = GATES[layer.kind]
    return reordered(layer, "weight_hh", [1, 0, *range(2, gates)])


def with_a_transposed_gate(layer):
    first, *others = layer.weight_hh.split(48)
    return layer._replace(weight_hh=torch.cat([first.t(), *others]))


def without_its_last_step(layer):
    return layer._replace(lengths=torch.full([13], 19))


def with_8_bits_less(layer):
    """Weights of 16 bits, each next to the right one; they take gradients as before."""

    def short(weight):
        exponent = torch.frexp(weight.detach()).exponent
        shortened = torch.ldexp(torch.ldexp(weight.detach(), 16 - exponent).round(), exponent - 16)
        return weight + (shortened - weight.detach())

    return layer._replace(weight_ih=short(layer.weight_ih), weight_hh=short(layer.weight_hh))


def without_a_small_gradient(layer):
    """Right results; the gradient of one weight of a thousand is missing."""
    kept = torch.ones_like(layer.weight_ih)
    kept[5, 7] = 0
    held = layer.weight_ih.detach()
    return layer._replace(weight_ih=held * (1 - kept) + layer.weight_ih * kept)


def some_layer(kind):
    layer = make_layer(kind, 13, 20, 20, 48)
    return layer._replace(weight_hh=0.5 * layer.weight_hh) if kind == "rnn_relu" else layer


WRONG = [
    without_a_bias,
    with_two_gates_exchanged,
    with_a_transposed_gate,
    without_its_last_step,
    with_8_bits_less,
    without_a_small_gradient,
]


@pytest.mark.parametrize("wrong", WRONG, ids=[wrong.__name__ for wrong in WRONG])
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_layer_is_not_near(kind, wrong):
    if wrong is with_two_gates_exchanged and kind.startswith("rnn"):
        pytest.skip("has one gate")
    with pytest.raises(AssertionError, match=r"tensor \d+ of shape .* is .* away"):
        assert_near(lambda layer: reference.unroll(wrong(layer)), some_layer(kind), torch.float32)


def exact(x, W, b=None):
    """Better than any library's: each sum is rounded once."""
    return F.linear(x.double(), W.double(), None if b is None else b.double()).float()


def one_by_one(x, W, b=None):
    """Worse than any library's: terms are added one after another, from the last."""
    result = x.new_zeros(len(x), len(W)) if b is None else b.expand(len(x), -1)
    for k in reversed(range(W.shape[1])):
        result = result + x[:, k : k + 1] * W[:, k]
    return result


@pytest.mark.parametrize("linear", [exact, one_by_one])
@pytest.mark.parametrize("kind", KINDS)
def test_a_right_layer_is_near_whoever_multiplies(kind, linear, monkeypatch):
    def unroll(layer):
        with monkeypatch.context() as patch:
            patch.setattr(reference, "F", SimpleNamespace(linear=linear, layer_norm=F.layer_norm))
            return reference.unroll(layer)

    assert_near(unroll, some_layer(kind), torch.float32)
