"""No bit of what bfloat16 parts give depends on threads, neighbours, padding, cuts, episodes or strides."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels.conftest import NATIVE
from tests.kernels.layers import as_leaves, episodes, everything, make_layer
from unrolled.kernels import isa, ops
from unrolled.kernels.native_call import KINDS

PARTS = (1, 2, 3)
# As in test_threads.py: a call of such layers is worth a second thread.
LENGTHS = [3, 0, 24, 24, 1, 17, 2, 15, 24, 4, 16, 8, 1, 2, 24, 24, 3]


def unroll(layer):
    return ops.unroll(layer, keep_c=True)


def short(layer, parts):
    return as_leaves(layer, torch.float32)._replace(parts=parts)


def same_with(run, numbers):
    before, found = torch.get_num_threads(), []
    try:
        for threads in numbers:
            torch.set_num_threads(threads)
            found.append(run())
    finally:
        torch.set_num_threads(before)
    return all(torch.equal(a, b) for one in found[1:] for a, b in zip(one, found[0], strict=True))


@pytest.mark.parametrize("resets", ["", "given"])
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_threads_that_share_the_sequences_do_not_change_a_bit(each_product, kind, parts, lengths, resets):
    layer = make_layer(kind, 17, 24, 9, 53, lengths=lengths, states=True, resets=resets)
    assert same_with(lambda: everything(unroll, short(layer, parts)), (1, 2, 3, 7))


@pytest.mark.parametrize("batch", [1, 4, 20])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize(("kind", "hidden"), [("lstm", 260), ("gru_after", 300), ("rnn_tanh", 520)])
def test_threads_that_share_the_units_do_not_change_a_bit(each_product, kind, hidden, batch, parts):
    lengths = [9, 0, 5, 7, 1] * 4 if batch == 20 else None
    layer = make_layer(kind, batch, 9, 6, hidden, lengths=lengths, states=True, resets="given")
    assert same_with(lambda: everything(unroll, short(layer, parts)), (1, 2, 3))


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", ["lstm", "gru_before"])
def test_two_directions_at_once_have_the_bits_of_one_after_the_other(each_product, kind, parts, two_threads):
    pair = [
        short(make_layer(kind, 6, 12, 9, 40, reverse=reverse, seed=3), parts) for reverse in (False, True)
    ]
    together, alone = ops.unroll_both(*pair), [ops.unroll(layer) for layer in pair]
    for a, e, layer in zip(together, alone, pair, strict=True):
        assert torch.equal(a.out, e.out)
        wanted = [layer.x, layer.weight_ih, layer.weight_hh]
        gradients = [torch.autograd.grad(one.out.square().sum(), wanted, retain_graph=True) for one in (a, e)]
        assert all(torch.equal(x, y) for x, y in zip(*gradients, strict=True))


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_do_not_change_a_bit(each_product, kind, parts):
    lengths = torch.tensor([4, 9, 0, 9, 7, 1, 9, 3] * 5)
    layer = short(make_layer(kind, 40, 9, 5, 21, lengths=lengths), parts)
    whole = unroll(layer)
    (d_x,) = torch.autograd.grad(whole.out.square().sum(), layer.x)
    for rows in ([1], [7, 0], [2, 3, 4, 5, 6], list(range(3, 20)), list(range(7, 40))):
        part = layer._replace(x=layer.x.detach()[rows].requires_grad_(), lengths=lengths[rows])
        alone = unroll(part)
        assert torch.equal(alone.out, whole.out[rows])
        assert torch.equal(alone.h_n, whole.h_n[rows])
        assert torch.equal(torch.autograd.grad(alone.out.square().sum(), part.x)[0], d_x[rows])


@pytest.mark.parametrize("batch", [1, 4, 33])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_cutting_a_sequence_does_not_change_a_bit(each_product, kind, parts, batch):
    layer = make_layer(kind, batch, 9, 5, 21, states=True)
    layer = short(layer, parts)
    with torch.no_grad():
        whole = unroll(layer)
        h, c = layer.h0, layer.c0
        for begin, end in ((0, 1), (1, 5), (5, 9)):
            piece = unroll(layer._replace(x=layer.x[:, begin:end], h0=h, c0=c))
            h, c = piece.h_n, piece.c_n if layer.has_c else None
            assert torch.equal(piece.out, whole.out[:, begin:end])
        assert torch.equal(h, whole.h_n)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, [4, 9, 0, 9, 7, 1, 9, 3]])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_has_the_bits_of_a_sequence_of_its_own(each_product, kind, parts, lengths, reverse):
    layer = make_layer(kind, 8, 9, 5, 21, lengths=lengths, states=True, reverse=reverse, resets="given")
    layer = short(layer, parts)
    with torch.no_grad():
        whole = unroll(layer)
        for row in range(8):
            for begin, end, anew in episodes(layer, row):
                h, c = (layer.reset_h, layer.reset_c) if anew else (layer.h0, layer.c0)
                alone = layer._replace(
                    x=layer.x[row : row + 1, begin:end],
                    lengths=None,
                    resets=None,
                    h0=h[row : row + 1],
                    c0=None if c is None else c[row : row + 1],
                    reset_h=None,
                    reset_c=None,
                )
                assert torch.equal(unroll(alone).out, whole.out[row : row + 1, begin:end])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_padding_is_never_read_and_comes_back_as_zeros(each_product, kind, parts, reverse):
    lengths = [4, 9, 0, 6, 1]
    clean = make_layer(kind, 5, 9, 5, 21, lengths=lengths, reverse=reverse)
    past = torch.arange(9)[None, :, None] >= torch.tensor(lengths)[:, None, None]
    dirty = clean._replace(x=clean.x.masked_fill(past, float("nan")))
    found = [everything(unroll, short(layer, parts)) for layer in (clean, dirty)]
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    d_x = found[0][4 if kind.startswith("lstm") else 2]
    for padded in (found[0][0], d_x):
        assert float(padded.detach().masked_select(past).abs().sum()) == 0


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_inputs_and_gradients_may_have_any_strides(each_product, kind, parts, batch_first):
    layer = short(make_layer(kind, 5, 4, 6, 18, batch_first=batch_first), parts)
    wide = torch.randn(12, 9, 6)
    odd = (wide[1:11:2, :4] if batch_first else wide[:4, 2:7]).requires_grad_()
    dense = odd.detach().contiguous().requires_grad_()
    every_other = torch.randn(5, 4, 36)[..., ::2]
    incoming = every_other if batch_first else every_other.transpose(0, 1)
    for x in (odd, dense):
        unroll(layer._replace(x=x)).out.backward(incoming)
    assert torch.equal(odd.grad, dense.grad)


@pytest.mark.skipif(not NATIVE, reason=isa.explain())
@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(PARTS),
    st.integers(1, 40),
    st.integers(1, 6),
    st.integers(1, 40),
    st.integers(1, 40),
    st.data(),
)
def test_a_sequence_among_any_others_has_the_bits_that_it_has_alone(kind, parts, n, t, i, h, data):
    lengths = data.draw(st.lists(st.integers(0, t), min_size=n, max_size=n))
    row = data.draw(st.integers(0, n - 1))
    layer = short(make_layer(kind, n, t, i, h, lengths=lengths, seed=n * t), parts)
    with torch.no_grad():
        whole = unroll(layer)
        alone = unroll(layer._replace(x=layer.x[row : row + 1], lengths=layer.lengths[row : row + 1]))
    torch.testing.assert_close(alone.out[0], whole.out[row], rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(alone.h_n[0], whole.h_n[row], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_results_differ_from_those_of_float32(each_product, kind, parts):
    """Or nothing above would say anything of parts."""
    layer = make_layer(kind, 9, 5, 30, 40)
    with torch.no_grad():
        assert not torch.equal(unroll(short(layer, parts)).out, unroll(short(layer, 0)).out)
