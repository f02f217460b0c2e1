"""Results do not depend on neighbours, padding, how often backward runs; threads: test_threads.py."""

import pytest
import torch

from tests.kernels.layers import as_leaves, episodes, everything, make_layer
from unrolled.kernels import ops
from unrolled.kernels.native_call import KINDS

pytestmark = pytest.mark.usefixtures("each_isa")


def unroll(layer):
    return ops.unroll(layer, keep_c=True)


def assert_equal(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("resets", ["zeros", "given"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [4, 9, 0, 9, 7, 1, 9, 3]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_has_the_bits_of_a_sequence_of_its_own(kind, dtype, lengths, reverse, resets):
    layer = make_layer(kind, 8, 9, 5, 21, lengths=lengths, states=True, reverse=reverse, resets=resets)
    layer = as_leaves(layer, dtype)
    whole = unroll(layer)
    (d_x,) = torch.autograd.grad(whole.out.square().sum(), layer.x)
    for row in range(8):
        here = slice(row, row + 1)
        for begin, end, anew in episodes(layer, row):
            h, c = (layer.reset_h, layer.reset_c) if anew else (layer.h0, layer.c0)
            x = layer.x.detach()[here, begin:end].requires_grad_()
            alone = unroll(
                layer._replace(
                    x=x,
                    lengths=None,
                    resets=None,
                    h0=None if h is None else h[here],
                    c0=None if c is None else c[here],
                    reset_h=None,
                    reset_c=None,
                )
            )
            assert torch.equal(alone.out, whole.out[here, begin:end])
            (d_alone,) = torch.autograd.grad(alone.out.square().sum(), x)
            assert torch.equal(d_alone, d_x[here, begin:end])


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_do_not_change_a_bit(kind):
    lengths = torch.tensor([4, 9, 0, 9, 7, 1, 9, 3])
    layer = as_leaves(make_layer(kind, 8, 9, 5, 21, lengths=lengths), torch.float32)
    whole = unroll(layer)
    (d_x,) = torch.autograd.grad(whole.out.square().sum(), layer.x)
    for rows in ([1], [7, 0], [2, 3, 4, 5, 6]):
        part = layer._replace(x=layer.x.detach()[rows].requires_grad_(), lengths=lengths[rows])
        alone = unroll(part)
        assert torch.equal(alone.out, whole.out[rows])
        assert torch.equal(alone.h_n, whole.h_n[rows])
        assert torch.equal(torch.autograd.grad(alone.out.square().sum(), part.x)[0], d_x[rows])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_never_read_and_comes_back_as_zeros(kind, reverse):
    lengths = [4, 9, 0, 6, 1]
    clean = make_layer(kind, 5, 9, 5, 21, lengths=lengths, reverse=reverse)
    dirty = clean._replace(x=clean.x.clone())
    past = torch.arange(9)[None, :, None] >= torch.tensor(lengths)[:, None, None]
    dirty.x.masked_fill_(past, float("nan"))
    found = [everything(unroll, as_leaves(layer, torch.float32)) for layer in (clean, dirty)]
    assert_equal(*found)
    d_x = found[0][4 if kind.startswith("lstm") else 2]
    for padded in (found[0][0], d_x):
        assert float(padded.detach().masked_select(past).abs().sum()) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_give_what_each_sequence_gives_alone(kind):
    lengths = [4, 9, 1]
    layer = make_layer(kind, 3, 9, 5, 21, lengths=lengths, reverse=True)
    whole = unroll(layer)
    for row, length in enumerate(lengths):
        alone = unroll(layer._replace(x=layer.x[row : row + 1, :length], lengths=None))
        assert torch.equal(alone.out[0], whole.out[row, :length])
        assert torch.equal(alone.h_n[0], whole.h_n[row])


@pytest.mark.parametrize("kind", KINDS)
def test_backward_may_run_twice(kind):
    layer = as_leaves(make_layer(kind, 5, 4, 3, 9), torch.float32)
    results = unroll(layer)
    first, second = (
        torch.autograd.grad(results.out.sum(), [layer.x, layer.weight_hh], retain_graph=True)
        for _ in range(2)
    )
    assert_equal(first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_cutting_a_sequence_does_not_change_a_bit(kind):
    layer = make_layer(kind, 4, 9, 5, 21, states=True)
    whole = unroll(layer)
    h, c = layer.h0, layer.c0
    for begin, end in ((0, 1), (1, 5), (5, 9)):
        piece = unroll(layer._replace(x=layer.x[:, begin:end], h0=h, c0=c))
        h, c = piece.h_n, piece.c_n if layer.has_c else None
        assert torch.equal(piece.out, whole.out[:, begin:end])
    assert torch.equal(h, whole.h_n)
