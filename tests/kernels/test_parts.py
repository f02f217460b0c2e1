"""Products of bfloat16 parts: what they are, how near they come, and their gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.kernels.layers import NORMS, OPTIONS, as_leaves, error, everything, make_layer
from unrolled.kernels import reference
from unrolled.kernels.native_call import KINDS
from unrolled.kernels.parts import product, split

BOUNDS = {0: 5e-7, 3: 5e-7, 2: 5e-6, 1: 5e-3}  # of outputs in [-1, 1], against float64
OPTIONAL = ("lstm_options", "lstm_norm_gates", "lstm_norm_projections")


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_three_parts_are_the_number(number):
    x = torch.tensor(number)
    assert sum(split(x, 3)).item() == pytest.approx(number, rel=2**-24, abs=2**-126)


def test_a_part_is_rounded_to_the_nearest_and_halves_to_the_even_one():
    between = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20])
    assert split(between, 1)[0].tolist() == [1.0, 1 + 2**-6, 1 + 2**-7]


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 3.4e38])
def test_what_is_too_large_stays_large(value, parts):
    y = product(torch.tensor([[value, 1.0]]), torch.tensor([[0.51, 1.0]]), parts)
    assert (y.item() if value > 0 else -y.item()) > 1e38


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_nan_stays_nan(parts):
    x = torch.tensor([[float("nan"), 1.0], [1.0, 1.0]])
    assert product(x, torch.ones(1, 2), parts).isnan().flatten().tolist() == [True, False]


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_products_are_those_of_the_parts_one_by_one(parts):
    x, W = normal(5, 7), normal(3, 7, seed=1)
    expected = torch.zeros(5, 3, dtype=torch.float64)
    for i, x_i in enumerate(split(x, parts)):
        for j, W_j in enumerate(split(W, parts)):
            if i + j < parts:
                expected += x_i.double() @ W_j.double().t()
    torch.testing.assert_close(product(x, W, parts).double(), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_gradients_are_products_of_the_same_parts(parts):
    x, W, d_y = normal(5, 7).requires_grad_(), normal(3, 7, seed=1).requires_grad_(), normal(5, 3, seed=2)
    d_x, d_W = torch.autograd.grad(product(x, W, parts), (x, W), d_y)
    assert torch.equal(d_x, product(d_y, W.detach().t(), parts))
    assert torch.equal(d_W, product(d_y.t(), x.detach().t(), parts))


def test_second_derivatives_are_near_those_of_whole_numbers():
    x, W = normal(5, 7).requires_grad_(), normal(3, 7, seed=1).requires_grad_()

    def second(y):
        (d_x,) = torch.autograd.grad((y**3).sum(), x, create_graph=True)
        return torch.autograd.grad((d_x**2).sum(), (x, W))

    for a, e in zip(second(product(x, W, 2)), second(x @ W.t()), strict=True):
        assert 0 < error(a, e) < 1e-4


@pytest.mark.parametrize("transform", ["vmap", "jacrev"])
def test_torch_func_maps_and_differentiates_them(transform):
    x, W = normal(5, 7), normal(3, 7, seed=1)
    if transform == "vmap":
        found = torch.func.vmap(lambda row: product(row[None], W, 1)[0])(x)
        torch.testing.assert_close(found, product(x, W, 1))
    else:
        found = torch.func.jacrev(lambda x: product(x, W, 1))(x)
        torch.testing.assert_close(found[2, 1, 2], split(W, 1)[0][1])


@pytest.mark.parametrize("parts", sorted(BOUNDS))
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NORMS and kind != "rnn_relu"])
def test_outputs_of_a_layer_are_within_the_bound_of_its_precision(kind, parts):
    """Of weights as PyTorch draws them. What a layer norm divides has no bound, and no RNN with relu."""
    layer = make_layer(kind, 8, 30, 20, 48)
    bound = 48**-0.5

    def drawn(weight):
        return None if weight is None else weight / weight.abs().max() * bound

    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    layer = layer._replace(**{name: drawn(getattr(layer, name)) for name in names})
    exact = reference.unroll(layer).out
    short = as_leaves(layer, torch.float32)._replace(parts=parts)
    with torch.no_grad():
        found = reference.unroll(short).out
    assert float((found.double() - exact).abs().max()) < BOUNDS[parts]
    if parts:
        assert float((found.double() - exact).abs().max()) > BOUNDS[parts] / 1000


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_a_layer_come_nearer_with_each_part(kind):
    options = [name for name in OPTIONS if kind in OPTIONAL and name not in ("clips", "dropout", "zoneout")]
    layer = make_layer(kind, 5, 6, 4, 7, lengths=[6, 0, 3, 1, 6], states=True, options=options)
    expected = everything(reference.unroll, as_leaves(layer, torch.float64))
    errors = [
        max(
            error(a, e)
            for a, e in zip(
                everything(reference.unroll, as_leaves(layer, torch.float64)._replace(parts=parts)),
                expected,
                strict=True,
            )
        )
        for parts in (1, 2, 3)
    ]
    assert 2e-1 > errors[0] > 20 * errors[1] > 400 * errors[2] > 0
