"""Columns of labels: text, or numbers where their values are no whole ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UnrolledError

NO_LABEL = frozenset(("", "?", "nan"))
WHOLE = 1e15  # whole numbers up to here are classes that somebody numbered


class Codes(NamedTuple):
    """A column of text: row r is values[codes[r]]."""

    codes: NDArray[np.int32]
    values: Sequence[str]


def label_text(text: str) -> str:
    """A class as it is called: a whole number loses what programs write behind the point.

    >>> [label_text(text) for text in (" 7.0", "1.0000000e+00", "07", "7.5", "cat")]
    ['7', '1', '07', '7.5', 'cat']
    """
    text = text.strip()
    if not text.isdigit():
        number = as_number(text)
        if number is not None and number.is_integer() and abs(number) < WHOLE:
            return str(int(number))
    return text


def as_number(text: str) -> float | None:
    """The number that a text stands for, if it stands for one: NaN, which may be a name, does not."""
    try:
        number = float(text)
    except ValueError:
        return None
    return None if number != number or "_" in text else number


def as_labels(
    path: str, names: Sequence[str], columns: Sequence[Codes]
) -> NDArray[np.str_] | NDArray[np.float64]:
    """The labels that columns of M rows hold.

    Args:
        path: the file, for messages.
        names: of the columns.
        columns: K of them.

    Returns:
        One column: text [M], or float64 [M] where its values are numbers that are not all whole. Several:
        float64 [M, K].

    Raises:
        UnrolledError: a label is missing, is infinite, or is no number although there are several columns.

    >>> as_labels("mine.csv", ["y"], [Codes(np.array([0, 1, 0]), ["1", "2.0"])]).tolist()
    ['1', '2', '1']
    >>> as_labels("mine.csv", ["y"], [Codes(np.array([0, 1, 0]), ["1", "2.5"])]).tolist()
    [1.0, 2.5, 1.0]
    """
    for name, (codes, values) in zip(names, columns, strict=True):
        missing = [code for code, text in enumerate(values) if text.strip().lower() in NO_LABEL]
        if missing and (without := np.isin(codes, missing)).any():
            raise UnrolledError(
                f"{path}: {int(without.sum())} of {len(codes)} labels {name!r} are missing, number "
                f"{int(without.argmax()) + 1} first: leave those out, or name another column as label"
            )
    numbers = [[as_number(text) for text in values] for _, values in columns]
    for name, column, found in zip(names, columns, numbers, strict=True):
        if any(number is not None and np.isinf(number) for number in found):
            raise UnrolledError(f"{path}: a label {name!r} is infinite, expected numbers or names")
        if len(names) > 1 and None in found:
            text = column.values[found.index(None)]
            raise UnrolledError(
                f"{path}: the label {name!r} holds {text!r}; several labels must be numbers, all of them: "
                "name one column of classes, or columns of numbers"
            )
    if len(names) > 1:
        return np.stack(
            [
                np.array(found, np.float64)[column.codes]
                for column, found in zip(columns, numbers, strict=True)
            ],
            1,
        )
    ((codes, values),), (found,) = columns, numbers
    if None not in found and any(
        not number.is_integer() or abs(number) >= WHOLE for number in found if number is not None
    ):
        return np.array(found, np.float64)[codes]
    return np.array([label_text(text) for text in values], np.str_)[codes]
