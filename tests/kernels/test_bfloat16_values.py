"""The kernels on bfloat16 parts against the reference's products of the same parts, values and gradients."""

import pytest
import torch

from tests.kernels.layers import NORMS, as_leaves, everything, make_layer, random_layer
from tests.kernels.rounded import assert_multiplies_parts
from unrolled.kernels import ops, reference
from unrolled.kernels.native_call import KINDS, Layer

PARTS = (1, 2, 3)
SIZES = [1, 2, 3, 7, 16, 17, 29, 32, 33, 37, 64, 67]
BOUNDS = {0: 5e-7, 3: 5e-7, 2: 5e-6, 1: 5e-3}  # of outputs in [-1, 1], against float64


def unroll(layer):
    return ops.unroll(layer, keep_c=True)


def draw(kind, number):
    """A layer of random sizes, odd ones too, whose pairs have no second half."""
    layer = random_layer(kind, number, SIZES, [0, 1, 2, 5, 6, 7, 13, 31, 64], "bfloat16 ")
    # A relu doubles what is wrong with h at each step where its weights are large.
    return layer._replace(weight_hh=0.5 * layer.weight_hh) if kind == "rnn_relu" else layer


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_results_and_gradients_are_those_of_the_parts(each_product, kind, parts, number):
    assert_multiplies_parts(unroll, draw(kind, number), parts)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_large_layer_multiplies_parts_as_well(each_product, kind, parts):
    """Large enough for products of many steps at once, for tiles, and for weights that do not stay near."""
    layer = make_layer(kind, 40, 12, 70, 160, states=True)
    if kind == "rnn_relu":
        layer = layer._replace(weight_hh=0.5 * layer.weight_hh)
    assert_multiplies_parts(unroll, layer, parts)


def as_double(layer):
    return Layer(
        *(
            value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value
            for value in layer
        )
    )


def summed_in_float64(layer):
    """The reference with sums in float64: as right as a kernel can be."""
    results = reference.unroll(as_double(layer))
    return results._replace(**{name: getattr(results, name).float() for name in results._fields[:4]})


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_judge_takes_right_sums_of_another_order(kind, parts):
    for number in range(10):
        assert_multiplies_parts(summed_in_float64, draw(kind, number), parts)


def with_one_part_less(layer):
    return summed_in_float64(layer._replace(parts=layer.parts - 1))


def with_one_part_more(layer):
    return summed_in_float64(layer._replace(parts=layer.parts + 1))


def with_unrounded_gradients(layer):
    """Right results, but gradients of products of whole numbers, as far as these see none of the parts."""
    short, whole = summed_in_float64(layer), summed_in_float64(layer._replace(parts=0))
    return whole._replace(
        **{
            name: getattr(whole, name) + (getattr(short, name) - getattr(whole, name)).detach()
            for name in whole._fields[:4]
        }
    )


# What a norm magnifies hides whether there are two parts or more.
WRONG = [
    (kind, wrong, parts)
    for kind in KINDS
    for wrong in (with_one_part_less, with_one_part_more, with_unrounded_gradients)
    for parts in (1, 2)
    if parts == 1 or wrong is with_one_part_less or kind not in NORMS
]


@pytest.mark.parametrize(("kind", "wrong", "parts"), WRONG)
def test_the_judge_refuses_other_parts(kind, wrong, parts):
    layer = make_layer(kind, 13, 20, 20, 48)
    layer = layer._replace(weight_hh=0.5 * layer.weight_hh) if kind == "rnn_relu" else layer
    with pytest.raises(AssertionError, match=r"away from (its|their) definition"):
        assert_multiplies_parts(wrong, layer, parts)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_inference_gives_what_training_gives(each_product, kind, parts):
    layer = as_leaves(make_layer(kind, 9, 5, 4, 19, states=True), torch.float32)._replace(parts=parts)
    training = unroll(layer)
    with torch.no_grad():
        inference = unroll(layer)
    for a, b in zip(training[:4], inference[:4], strict=True):
        assert a is b is None or torch.equal(a, b)


@pytest.mark.parametrize("parts", [0, *PARTS])
@pytest.mark.parametrize("kind", ["lstm", "lstm_options", "gru_after", "gru_before"])
def test_outputs_are_within_the_bound_of_their_precision(each_product, kind, parts):
    """Of weights as PyTorch draws them, against float64."""
    layer = make_layer(kind, 16, 100, 64, 128)
    bound = 128**-0.5
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    drawn = {name: (w := getattr(layer, name)) / w.abs().max() * bound for name in names}
    layer = layer._replace(**drawn)
    with torch.no_grad():
        exact = reference.unroll(layer).out
        found = unroll(as_leaves(layer, torch.float32)._replace(parts=parts)).out
    assert float((found.double() - exact).abs().max()) < BOUNDS[parts]


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_recomputed_gates_give_the_gradients_of_kept_ones(each_product, kind, parts):
    layer = make_layer(kind, 5, 9, 6, 21, lengths=[9, 0, 4, 9, 1], states=True, resets="given")
    layer = as_leaves(layer, torch.float32)._replace(parts=parts)
    expected = everything(unroll, layer)
    found = everything(lambda layer: ops.unroll(layer, keep_c=True, recompute_gates=True), layer)
    for a, e in zip(found, expected, strict=True):
        scale = max(1.0, float(e.detach().abs().max()))
        torch.testing.assert_close(a, e, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_nan_stays_nan_and_infinities_saturate(each_product, kind, parts):
    layer = make_layer(kind, 4, 3, 5, 7)
    layer.x[2, 1, 0] = float("nan")
    layer.x[1, 2, 3] = float("inf")
    with torch.no_grad():
        out = unroll(as_leaves(layer, torch.float32)._replace(parts=parts)).out
    assert bool(out[2, 1:].isnan().all())
    assert not bool(out[[0, 3]].isnan().any())
    assert not bool(out[2, 0].isnan().any())
    if kind in ("lstm", "lstm_options", "gru_after", "gru_before", "rnn_tanh"):
        assert bool((out[1, 2].abs() <= 1).all())
