"""Labels: classes are text, numbers are numbers, and a task may ask for the numbers that text stands for."""

import numpy as np
import pytest

from unrolled.data.collection import Collection, as_numbers
from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError


def collection(labels: np.ndarray | None) -> Collection:
    steps = Sequences.of([[[1.0]], [[2.0]]])
    return Collection("some.csv", steps, ("x",), ("a", "b"), labels, label_names=("age",))


@pytest.mark.parametrize("labels", [["7", "9"], [7.5, 9.0], [[1.0, 2.0], [3.0, 4.0]]])
def test_labels_that_are_numbers_can_be_had_as_such(labels: list[object]) -> None:
    numbers = as_numbers(collection(np.array(labels)))
    assert numbers.dtype == np.float64
    assert numbers.tolist() == np.array(labels).astype(float).tolist()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "some.csv has no labels, expected numbers"),
        (np.array(["7", "old"]), "some.csv: the label age is 'old', expected numbers"),
        (np.array(["inf", "7"]), "the label age is 'inf', expected numbers"),
    ],
)
def test_labels_that_are_none_are_one_error(labels: np.ndarray | None, message: str) -> None:
    with pytest.raises(UnrolledError, match=message):
        as_numbers(collection(labels))
