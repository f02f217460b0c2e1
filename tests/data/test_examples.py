"""Examples and data sets check what they are made of."""

import dataclasses

import pytest
import torch

from unrolled.data import Dataset, Examples
from unrolled.errors import UnrolledError


def some(count: int, first: int = 0) -> Examples:
    return Examples(torch.zeros(count, 4, 3), torch.arange(first, first + count))


def dataset(**changes: object) -> Dataset:
    parts = {"train": some(3), "validation": some(1), "test": some(2), "classes": ("a", "b", "c")}
    return Dataset("mine", **{**parts, **changes})


def test_examples_are_counted_and_sliced_without_a_copy() -> None:
    examples = some(5)
    part = examples[1:3]
    assert len(examples) == 5
    assert part.labels.tolist() == [1, 2]
    assert part.sequences.data_ptr() == examples.sequences[1].data_ptr()
    assert len(examples[:0]) == 0


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.bool, torch.float16, torch.float64])
def test_sequences_are_pictures_or_real_numbers(dtype: torch.dtype) -> None:
    assert Examples(torch.zeros(1, 4, 3, dtype=dtype), torch.zeros(1).long()).sequences.dtype == dtype


@pytest.mark.parametrize(
    ("sequences", "labels", "message"),
    [
        (
            torch.zeros(2, 4, 3),
            torch.zeros(3).long(),
            "2 sequences and 3 labels, expected one label for each",
        ),
        (
            torch.zeros(2, 4),
            torch.zeros(2).long(),
            r"sequences are torch.float32 \[2, 4\], expected real numbers",
        ),
        (torch.zeros(2, 4, 3) * 1j, torch.zeros(2).long(), r"sequences are torch.complex64 \[2, 4, 3\]"),
        (
            torch.zeros(2, 4, 3),
            torch.zeros(2).int(),
            r"labels are torch.int32 \[2\], expected torch.int64 \[N\]",
        ),
        (torch.zeros(2, 4, 3), torch.zeros(2, 1).long(), r"labels are torch.int64 \[2, 1\]"),
    ],
)
def test_examples_that_do_not_fit_are_refused(
    sequences: torch.Tensor, labels: torch.Tensor, message: str
) -> None:
    with pytest.raises(UnrolledError, match=message):
        Examples(sequences, labels)


def test_a_data_set_may_have_nothing_to_validate_with() -> None:
    assert len(dataset(validation=some(0)).validation) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ()}, "mine: there are no classes, expected the name of at least one"),
        ({"train": some(0)}, "mine: train has no examples, expected at least one"),
        ({"test": some(0)}, "mine: test has no examples"),
        ({"train": some(4)}, "mine: label 3 of train is 3, expected 0 to 2"),
        ({"validation": some(2, first=2)}, "mine: label 1 of validation is 3, expected 0 to 2"),
        ({"test": some(2, first=-1)}, "mine: label 0 of test is -1, expected 0 to 2"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UnrolledError, match=message):
        dataset(**changes)


def test_neither_can_be_changed_afterwards() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        some(1).labels = torch.zeros(1)  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset().name = "other"  # type: ignore[misc]
