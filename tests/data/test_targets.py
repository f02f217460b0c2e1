"""What is to be predicted: found out, or as it was asked for."""

import numpy as np
import pytest
import torch

from unrolled.data.collection import Collection
from unrolled.data.sequences import Sequences
from unrolled.data.targets import as_text, class_numbers, find_classes, find_task, numbers
from unrolled.errors import UnrolledError
from unrolled.names import natural


def holding(labels: object, *, each_step: bool = False, **more: object) -> Collection:
    count = 3 if labels is None else len(labels)  # type: ignore[arg-type]
    lengths = torch.tensor([count]) if each_step else torch.ones(count, dtype=torch.int64)
    return Collection(
        "mine.csv",
        Sequences.flat(torch.zeros(count, 2), lengths),
        ("a", "b"),
        tuple(f"row {row}" for row in range(len(lengths))),
        labels=None if labels is None else np.array(labels),
        each_step=each_step,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("labels", "each_step", "asked", "task"),
    [
        (["a", "b"], False, None, "classify"),
        ([1.5, 2.0], False, None, "regress"),
        (["1", "2"], False, "regress", "regress"),
        (["a", "b"], True, None, "tag"),
        (None, False, "forecast", "forecast"),
    ],
)
def test_the_task_is_what_the_labels_are(labels, each_step, asked, task) -> None:
    assert find_task(holding(labels, each_step=each_step), asked) == task


@pytest.mark.parametrize(
    ("labels", "each_step", "asked", "message"),
    [
        (None, False, None, "mine.csv says nothing of classes or numbers to predict: .*--label.*forecast"),
        (["a", "b"], False, "tag", "mine.csv has a label for each sequence, which --task tag does not"),
        (["a", "b"], True, "classify", "a label for each step, which --task classify .* expected tag"),
        ([0.5, 1.5], True, None, "a number for each step, expected one for each sequence: .*--task tag"),
        ([[1.0, 2.0], [3.0, 4.0]], False, "classify", "2 labels for each sequence, expected one to classify"),
        ([[1.0, 2.0], [3.0, 4.0]], True, "tag", "2 labels for each step, expected one to tag: .*--label"),
    ],
)
def test_a_task_that_the_labels_are_not_of_is_refused(labels, each_step, asked, message) -> None:
    with pytest.raises(UnrolledError, match=message):
        find_task(holding(labels, each_step=each_step), asked)


def test_classes_are_in_natural_order() -> None:
    assert find_classes(holding(["10", "9", "b", "-1", "a10", "a9"])) == ("-1", "9", "10", "a9", "a10", "b")


def test_whole_numbers_are_the_same_classes_as_text_and_as_numbers() -> None:
    assert find_classes(holding([10.0, 9.0, 9.0])) == find_classes(holding(["10", "9", "9"])) == ("9", "10")
    assert as_text(np.array([1.0, -2.0, 1e20, 0.5])).tolist() == ["1", "-2", "100000000000000000000", "0.5"]


def test_the_order_of_the_file_is_kept() -> None:
    collection = holding(["cat", "dog"], classes=("dog", "cat", "cow"))
    assert find_classes(collection) == ("dog", "cat", "cow")
    assert class_numbers(collection, ("dog", "cat", "cow")).tolist() == [1, 0]


def test_labels_of_steps_are_sequences() -> None:
    tags = class_numbers(holding(["a", "b", "a"], each_step=True), ("a", "b"))
    assert isinstance(tags, Sequences)
    assert tags[0].tolist() == [0, 1, 0]


def test_one_class_is_nothing_to_tell_apart() -> None:
    with pytest.raises(UnrolledError, match="all 3 labels are 'a', expected at least two classes"):
        find_classes(holding(["a", "a", "a"]))


def test_far_too_many_classes_are_something_else() -> None:
    with pytest.raises(UnrolledError, match=r"10,001 different ones, .*--task regress"):
        find_classes(holding([str(number) for number in range(10_001)]))


def test_a_class_that_is_not_trained_on_is_named() -> None:
    with pytest.raises(
        UnrolledError, match=r"row 1 is of the class 'c', of which there is none.*expected a, b"
    ):
        class_numbers(holding(["a", "c"]), ("a", "b"))


def test_numbers_come_from_text_and_in_several_columns() -> None:
    assert numbers(holding(["1", "2.5"])).tolist() == [[1.0], [2.5]]
    assert numbers(holding([[1.0, 2.0], [3.0, 4.0]])).tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["1", "cat"], "the label of row 1 is 'cat', expected a number: --task classify"),
        (["inf", "7"], r"the label of row 0 is \['inf'\], expected finite numbers"),
        ([1.0, float("nan")], r"the label of row 1 is \[nan\], expected finite numbers"),
        ([1.0, 1e300], r"the label of row 1 is \[1e\+300\], expected finite numbers in float32's range"),
    ],
)
def test_labels_that_are_no_numbers_are_named(labels, message) -> None:
    with pytest.raises(UnrolledError, match=message):
        numbers(holding(labels))


def test_names_are_sorted_as_people_do() -> None:
    names = ["10", "9", "a", "-3", "x2y10", "x2y9", "B", ""]
    assert sorted(names, key=natural) == ["", "-3", "9", "10", "B", "a", "x2y9", "x2y10"]
