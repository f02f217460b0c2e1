"""The labels of a folder of arrays, and the classes that they are of."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UnrolledError
from unrolled.foreign import read_foreign

CLASSES_FILE = "classes.txt"
MOST_BYTES = 1 << 24  # of that file
MOST_UNNAMED = 10_000  # classes without names: more of them are something else than labels


class Classes(NamedTuple):
    """The classes of a data set.

    Attributes:
        names: of each class.
        values: the label that each has in the files, in rising order; None if labels are their numbers.
    """

    names: tuple[str, ...]
    values: NDArray[np.int64] | None = None

    def number(self, labels: NDArray[np.int64], what: object) -> NDArray[np.int64]:
        """The numbers of the classes that labels [N] in a file stand for.

        Raises:
            UnrolledError: a label is none of the values.

        >>> Classes(("3", "7"), np.array([3, 7])).number(np.array([7, 3, 7]), "mine").tolist()
        [1, 0, 1]
        """
        if self.values is None:
            return labels
        places = np.searchsorted(self.values, labels).clip(max=len(self.values) - 1)
        wrong = self.values[places] != labels
        if wrong.any():
            row = int(wrong.argmax())
            raise UnrolledError(
                f"{what} holds {labels[row]} in row {row}, of which train has no example: leave it out, or "
                f"name all classes in {CLASSES_FILE}, whose lines count from 0"
            )
        return places

    def notes(self) -> tuple[str, ...]:
        """What is to be said of labels that do not count from 0 to the number of classes."""
        if self.values is None or (self.values == np.arange(len(self.values))).all():
            return ()
        if len(self.names) == 1:
            return (f"the label {self.names[0]} is the only class, of this name",)
        first, last = self.names[0], self.names[-1]
        return (f"the {len(self.names)} labels from {first} to {last} are classes of these names",)


def whole(labels: NDArray[Any], what: object) -> NDArray[np.int64]:
    """Labels [N] as int64: whole numbers of any type.

    Raises:
        UnrolledError: one of them is no whole number.

    >>> whole(np.array([1.0, 3.0]), "mine").tolist()
    [1, 3]
    """
    limits = np.iinfo(np.int64)
    with np.errstate(invalid="ignore"):
        if labels.dtype.kind == "f":
            right = (labels == np.rint(labels)) & (np.abs(labels) < 2.0**53)
        else:
            right = labels <= limits.max
        if not right.all():
            row = int((~right).argmax())
            raise UnrolledError(f"{what} holds {labels[row]} in row {row}, expected whole numbers")
        return labels.astype(np.int64)


def read_classes(path: Path, labels: NDArray[np.int64]) -> Classes:
    """The classes that a file names, one a line; without it, those that the labels of train are of.

    Raises:
        UnrolledError: the file cannot be read, or a line is no name; or without it, there are too many.
    """
    if not os.path.lexists(path):
        values = np.unique(labels)
        if len(values) > MOST_UNNAMED:
            raise UnrolledError(
                f"{path.parent}: train has {len(values)} labels, from {values[0]} to {values[-1]}, expected "
                f"at most {MOST_UNNAMED}, or a {path.name} with the name of each class"
            )
        return Classes(tuple(map(str, values.tolist())), values)
    try:
        text = read_foreign(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnrolledError(f"{path} is not text in UTF-8: {error}") from error
    # A form feed, say, ends no line: the names after it would move on by one.
    names = tuple(line.strip(" \t\n") for line in io.StringIO(text, newline=None))
    if not all(name.isprintable() and name for name in names) or len(set(names)) < len(names) or not names:
        raise UnrolledError(
            f"{path} has {len(names)} lines, expected the name of a class on each, none twice"
        )
    return Classes(names)
