"""What is to be predicted, from what a file says: classes of sequences or steps, or numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.collection import Collection
from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError
from unrolled.names import natural

MOST_CLASSES = 10_000  # more of them are something else than classes
ADVICE = "name the column of the labels with --label, or predict the next steps with --task forecast"


def find_task(collection: Collection, task: str | None) -> str:
    """What is to be done with a collection: what was asked for, if it can be, or what its labels are.

    Raises:
        UnrolledError: there are no labels, or not of that kind.
    """
    labels, where, each_step = collection.labels, collection.path, collection.each_step
    if task == "forecast":
        return task
    if labels is None:
        said = f" (it has {shown(collection.columns)})" if collection.columns else ""
        raise UnrolledError(f"{where} says nothing of classes or numbers to predict{said}: {ADVICE}")
    if task is None and each_step and labels.dtype.kind == "f":
        raise UnrolledError(
            f"{where} has a number for each step, expected one for each sequence: {ADVICE}; --task tag takes "
            "each number for a class"
        )
    if task is None:
        task = "regress" if labels.dtype.kind == "f" else "tag" if each_step else "classify"
    if (task == "tag") != each_step:
        one = "a label for each step" if each_step else "a label for each sequence"
        raise UnrolledError(f"{where} has {one}, which --task {task} does not predict: {_tasks(collection)}")
    if task != "regress" and labels.ndim > 1:
        one = "step" if each_step else "sequence"
        raise UnrolledError(
            f"{where} has {labels.shape[1]} labels for each {one}, expected one to {task}: name that with "
            "--label"
        )
    return task


def labelled_for(collection: Collection, task: str) -> Collection:
    """Another collection than the one trained on, with labels as the task has them.

    What is the same at all steps of each sequence looks like a label for each sequence, and may be one for
    each step.

    Raises:
        UnrolledError: there are no labels, or not of that kind.
    """
    if task == "tag" and not collection.each_step and collection.labels is not None:
        labels: Any = np.repeat(collection.labels, collection.sequences.lengths.numpy(), axis=0)
        collection = dataclasses.replace(collection, labels=labels, each_step=True)
    find_task(collection, task)
    return collection


def _tasks(collection: Collection) -> str:
    return "expected tag" if collection.each_step else "expected classify or regress"


def find_classes(collection: Collection) -> tuple[str, ...]:
    """The names of the classes: as the file lists them, or else those of its labels in natural order.

    Raises:
        UnrolledError: there is only one, or there are far too many.
    """
    assert collection.labels is not None
    found = set(map(str, np.unique(as_text(collection.labels)).tolist()))
    names = tuple(sorted(found, key=natural)) if collection.classes is None else collection.classes
    if len(names) < 2:
        raise UnrolledError(
            f"{collection.path}: all {len(collection.labels):,} labels are {names[0]!r}, expected at least "
            "two classes: there is nothing to tell apart"
        )
    if len(names) > MOST_CLASSES:
        raise UnrolledError(
            f"{collection.path}: the labels are {len(names):,} different ones, expected at most "
            f"{MOST_CLASSES:,} classes: name another column with --label, or say --task regress for numbers"
        )
    return names


def class_numbers(collection: Collection, classes: tuple[str, ...]) -> Tensor | Sequences:
    """The number of each label's class: int64 [N], or for labels of each step, sequences of them.

    Raises:
        UnrolledError: a label is none of the classes.
    """
    assert collection.labels is not None
    labels, places = np.unique(as_text(collection.labels), return_inverse=True)
    known = {name: number for number, name in enumerate(classes)}
    wrong = [row for row, label in enumerate(labels.tolist()) if label not in known]
    if wrong:
        row = int(np.isin(places, wrong).argmax())
        what = f"step {row}" if collection.each_step else collection.names[row]
        label = str(labels[places[row]])
        raise UnrolledError(
            f"{collection.path}: {what} is of the class {label!r}, of which there is none to train on: "
            f"expected {shown(classes)}"
        )
    numbers = torch.from_numpy(np.array([known[label] for label in labels.tolist()], np.int64)[places])
    if not collection.each_step:
        return numbers
    sequences = collection.sequences
    return Sequences(numbers, sequences.starts, sequences.lengths)


def numbers(collection: Collection) -> Tensor:
    """The numbers to predict, float32 [N, K].

    Raises:
        UnrolledError: a label is no finite number.
    """
    assert collection.labels is not None
    labels = collection.labels.reshape(len(collection.labels), -1)
    try:
        values = labels.astype(np.float64)
    except ValueError:
        row, column = next(place for place, text in np.ndenumerate(labels) if not is_number_text(text))
        raise UnrolledError(
            f"{collection.path}: the label of {collection.names[row]} is {str(labels[row, column])!r}, "
            "expected a number: --task classify predicts classes"
        ) from None
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    if not np.isfinite(values).all():
        row = int((~np.isfinite(values)).any(axis=1).argmax())
        raise UnrolledError(
            f"{collection.path}: the label of {collection.names[row]} is {labels[row].tolist()}, expected "
            "finite numbers in float32's range: mend it, or leave the row out"
        )
    return torch.from_numpy(values)


def is_number_text(text: object) -> bool:
    """Whether a text is a number."""
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def as_text(labels: NDArray[np.str_] | NDArray[np.float64]) -> NDArray[np.str_]:
    """Labels as the names of classes: whole numbers without a point.

    >>> as_text(np.array([1.0, 2.5])).tolist()
    ['1', '2.5']
    """
    if labels.dtype.kind != "f":
        return labels.astype(np.str_)
    return np.array([f"{value:.0f}" if value == int(value) else repr(value) for value in labels.tolist()])


def shown(names: Iterable[str], most: int = 12) -> str:
    """Some names, and how many more there are."""
    listed = list(names)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")
