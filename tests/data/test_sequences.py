"""Sequences of lengths of their own lie in one array, and are padded in batches alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError

LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@given(LENGTHS, st.integers(1, 3), st.data())
def test_flat_dense_and_listed_sequences_are_the_same(
    lengths: list[int], width: int, data: st.DataObject
) -> None:
    values = torch.arange(1.0, 1 + sum(lengths) * width).view(-1, width)
    listed = list(values.split(lengths))
    padded = torch.full((len(lengths), max(lengths) + 2, width), float("nan"))
    for row, one in enumerate(listed):
        padded[row, : len(one)] = one
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1)))
    forms = [
        Sequences.flat(values, torch.tensor(lengths)),
        Sequences.dense(padded, torch.tensor(lengths)),
        Sequences.of(listed),
    ]
    for form in forms:
        assert [one.tolist() for one in map(form.__getitem__, range(len(form)))] == [
            x.tolist() for x in listed
        ]
        assert torch.equal(form.padded(rows), forms[0].padded(rows))
        assert form.select(rows).lengths.tolist() == [lengths[row] for row in rows]
    assert forms[0].padded(rows).shape == (len(rows), max(lengths[row] for row in rows), width)


@pytest.mark.parametrize("dtype", [np.float64, np.int16, np.uint8, np.float16, np.bool_])
def test_arrays_of_any_real_type_are_kept_as_they_are(dtype: type) -> None:
    assert Sequences.of([np.ones((2, 3), dtype)]).values.numpy().dtype == dtype


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequences.of([]), "there are no sequences"),
        (
            lambda: Sequences.of([np.zeros((2, 3)), np.zeros((2, 4))]),
            r"sequence 1 is .*\[2, 4\], expected .*3",
        ),
        (lambda: Sequences.of([np.zeros(3)]), r"sequence 0 is torch.float64 \[3\], expected"),
        (
            lambda: Sequences.of([np.zeros((2, 3)), np.zeros((2, 3), np.float32)]),
            "sequence 1 is torch.float32",
        ),
        (lambda: Sequences.of([np.zeros((2, 3)), np.zeros((0, 3))]), "sequence 1 has 0 steps"),
        (lambda: Sequences.flat(torch.zeros(3, 1), torch.tensor([2, 2])), "sequence 1 has 2 steps from 2 on"),
        (
            lambda: Sequences.dense(torch.zeros(2, 3, 1), torch.tensor([3, 4])),
            r"lengths\[1\] is 4, expected 1 to 3",
        ),
        (lambda: Sequences.dense(torch.zeros(2, 3, 1), torch.tensor([3])), r"starts are torch.int64 \[2\]"),
        (lambda: Sequences.flat(torch.zeros(3, 1), torch.tensor([1.0, 2.0])), "starts are torch.float32"),
        (
            lambda: Sequences.flat(torch.zeros(3, 1, 1), torch.tensor([3])),
            r"values are torch.float32 \[3, 1, 1\]",
        ),
    ],
)
def test_sequences_that_do_not_fit_are_refused(make, message) -> None:
    with pytest.raises(UnrolledError, match=message):
        make()
