"""What a table has, and its columns read batch by batch, whatever format it is in."""

from __future__ import annotations

import abc
import importlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.data.readers.targets import Codes, as_number
from unrolled.errors import UnrolledError, unknown_name

NUMBER, TEXT, OTHER = "number", "text", "other"
LOOKED_AT = 2000  # rows, by which the kinds of the columns are told
MISSING = ("", "?", "NA", "N/A", "#N/A", "NaN", "nan", "NAN", "-nan", "null", "NULL", "None", "none")
# Spellings of infinity come through as such, so that an error can say where they are.


class Rows(NamedTuple):
    """Some rows of a table, of the columns that were asked for.

    Attributes:
        numbers: float64 [n, K], NaN where a value is missing.
        texts: of each other column.
    """

    numbers: NDArray[np.float64]
    texts: list[Codes]


class Table(abc.ABC):
    """A table that was opened: its columns are known, its rows not read yet.

    Attributes:
        path: where it is, for messages.
        kinds: of each column by its name, "number", "text" or "other".
        samples: the texts of the first rows of a column, by its name.
        headless: whether the names of the columns were made up.
        nameless: the first column, if it alone has no name: programs write the numbers of their rows so.
        notes: what had to be assumed.
    """

    path: str
    kinds: dict[str, str]
    samples: dict[str, list[str]]
    headless: bool = False
    nameless: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.kinds)

    def check(self, what: str, columns: Sequence[str]) -> None:
        """Raise an UnrolledError if a column is not there, cannot be used, or is named twice."""
        for number, name in enumerate(columns):
            if name not in self.kinds:
                error = unknown_name(f"column of {what}", name, self.kinds)
                raise UnrolledError(f"{self.path}: {error.args[0]}")
            if self.kinds[name] == OTHER:
                raise UnrolledError(f"{self.path}: the column {name!r} holds neither numbers nor text")
            if name in columns[:number]:
                raise UnrolledError(f"{self.path}: {what} names the column {name!r} twice")

    @abc.abstractmethod
    def rows(self, numbers: Sequence[str], texts: Sequence[str]) -> Iterator[Rows]:
        """All rows from the first on, some at a time.

        Raises:
            UnrolledError: the file is damaged, or one of the numbers is none; the message says which.
        """

    def row_name(self, row: int) -> str:
        """What to call a row, counted from 0, in messages."""
        return f"{self.path}, row {row + 1}"


def arrow(part: str) -> Any:
    """A part of pyarrow, which reads CSV and Parquet.

    Raises:
        UnrolledError: it is not installed.
    """
    try:
        return importlib.import_module(part)
    except ImportError:
        raise UnrolledError("reading tables needs pyarrow: pip install 'unrolled[tables]'") from None


def kind_of(texts: Sequence[str]) -> str:
    """What a column holds, by some of its values.

    >>> kind_of(["1", "", "2.5"]), kind_of(["1", "a"]), kind_of(["", "NaN"])
    ('number', 'text', 'number')
    """
    there = [text.strip() for text in texts if text.strip() not in MISSING]
    return NUMBER if all(as_number(text) is not None for text in there) else TEXT


def stray(texts: Sequence[str], most: float = 1.0) -> str | None:
    """The first text that is no number, if its like are at most such a share of those that are there.

    >>> stray(["1", "", "x", "2.5"]), stray(["1", "a", "b"], most=0.5)
    ('x', None)
    """
    there = [text for text in texts if text.strip() not in MISSING]
    others = [text for text in there if as_number(text) is None]
    return others[0] if others and len(others) <= most * len(there) else None


class TextColumn:
    """A column of text that grows; each text is held once.

    >>> column = TextColumn()
    >>> [column.add(Codes(np.array([0, 1, 0]), texts)).tolist() for texts in (["a", "b"], ["c", "a"])]
    [[0, 1, 0], [2, 0, 2]]
    >>> column.values
    ['a', 'b', 'c']
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def add(self, codes: Codes) -> NDArray[np.int32]:
        """The numbers of more texts, in the order in which each came first."""
        places = np.full(len(codes.values), -1, np.int32)
        used, first = np.unique(codes.codes, return_index=True)
        for code in used[np.argsort(first)].tolist():
            places[code] = self._places.setdefault(codes.values[code], len(self._places))
        return places[codes.codes]

    @property
    def values(self) -> list[str]:
        return list(self._places)
