"""The checks of lengths, and reversing in time."""

import re

import hypothesis
import pytest
import torch
from hypothesis import strategies

from tests.catalogue import I, N, T, draw, make, ragged
from tests.tolerances import assert_equal
from unrolled import bidirectional_unroll, dynamic_unroll, reverse_sequence, static_unroll

X = torch.zeros(N, T, I).double()
CELL = make("gru-after")
UNROLLINGS = {
    "dynamic": lambda lengths: dynamic_unroll(CELL, X, lengths),
    "static": lambda lengths: static_unroll(CELL, X.unbind(1), lengths),
    "bidirectional": lambda lengths: bidirectional_unroll(CELL, CELL, X, lengths),
    "reverse": lambda lengths: reverse_sequence(X, lengths),
}
every_unrolling = pytest.mark.parametrize("way", UNROLLINGS)


@every_unrolling
@pytest.mark.parametrize("lengths", [[1, 2, 3], [1, 2, 3, 4, 5, 6], [[1], [2], [3], [4], [5]], 3])
def test_lengths_of_another_shape_are_refused(way, lengths):
    shape = list(torch.as_tensor(lengths).shape)
    message = f"lengths has shape {shape}, expected [5]: one length for each sequence"
    with pytest.raises(ValueError, match=re.escape(message)):
        UNROLLINGS[way](lengths)


@every_unrolling
@pytest.mark.parametrize(
    ("lengths", "dtype"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0], "float32"),
        ([True, False, True, True, True], "bool"),
        (torch.ones(N, dtype=torch.complex64), "complex64"),
    ],
)
def test_lengths_that_are_no_whole_numbers_are_refused(way, lengths, dtype):
    with pytest.raises(ValueError, match=rf"lengths are torch\.{dtype}, expected whole numbers"):
        UNROLLINGS[way](lengths)


@every_unrolling
@pytest.mark.parametrize("length", [-1, 8])
def test_lengths_out_of_range_are_refused(way, length):
    message = rf"lengths\[3\] is {length}, expected 0 to 7 \(x has 7 steps\)"
    with pytest.raises(ValueError, match=message):
        UNROLLINGS[way]([7, 0, 1, length, -5])


def test_lengths_are_checked_for_no_steps_and_for_no_sequences_too():
    with pytest.raises(ValueError, match=r"lengths\[2\] is 1, expected 0 to 0 \(x has 0 steps\)"):
        dynamic_unroll(CELL, X[:, :0], [0, 0, 1, 0, 0])
    with pytest.raises(ValueError, match=r"lengths has shape \[2\], expected \[0\]"):
        dynamic_unroll(CELL, X[:0], [1, 2])


def test_reverse_sequence_reverses_each_sequence_and_leaves_its_padding():
    x = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]])
    expected = torch.tensor([[4, 3, 2, 1], [6, 5, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]])
    assert_equal(reverse_sequence(x, [4, 2, 1, 0]), expected)
    assert_equal(reverse_sequence(x.T, [4, 2, 1, 0], batch_first=False), expected.T)
    assert_equal(reverse_sequence(x)[1], torch.tensor([8, 7, 6, 5]))
    assert_equal(reverse_sequence(x.T, batch_first=False), x.T.flip(0))


@hypothesis.given(ragged, strategies.booleans())
def test_reversed_twice_is_the_identity(batch, batch_first):
    time, lengths = batch
    x = draw(len(lengths), time, 2) if batch_first else draw(time, len(lengths), 2)
    once = reverse_sequence(x, lengths, batch_first=batch_first)
    assert_equal(reverse_sequence(once, lengths, batch_first=batch_first), x)
    if max(lengths) > 1:
        assert not torch.equal(once, x)


def test_gradients_flow_back_through_a_reversal():
    x = draw(2, 3, 1).requires_grad_()
    weights = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).double().unsqueeze(2)
    (reverse_sequence(x, [3, 2]) * weights).sum().backward()
    assert x.grad.squeeze(2).tolist() == [[3, 2, 1], [5, 4, 6]]
