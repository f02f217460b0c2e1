"""Tables in JSON lines: an object on each line, whose keys are the columns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from unrolled.data.idx import open_content
from unrolled.data.readers.columns import LOOKED_AT, MISSING, OTHER, TEXT, Rows, Table, kind_of
from unrolled.data.readers.targets import Codes, as_number
from unrolled.errors import UnrolledError

BATCH = 1 << 12  # rows
MOST_LINE = 1 << 26  # bytes


class JsonTable(Table):
    """A file of JSON lines. A key that a line lacks, or null, is a value that is missing."""

    def __init__(self, path: str) -> None:
        self.path = path
        found: dict[str, list[Any]] = {}
        for number, (_, row) in enumerate(self._lines()):
            if number == LOOKED_AT:
                break
            for name, value in row.items():
                found.setdefault(name, []).append(value)
        if not found:
            raise UnrolledError(f"{path} has no rows, expected an object with a value for each column a line")
        self.kinds = {name: _kind(values) for name, values in found.items()}
        self.samples = {
            name: [str(value) for value in values[:100] if value is not None]
            for name, values in found.items()
            if self.kinds[name] == TEXT
        }

    def rows(self, numbers: Sequence[str], texts: Sequence[str]) -> Iterator[Rows]:
        batch: list[tuple[int, dict[str, Any]]] = []
        for line in self._lines():
            batch.append(line)
            if len(batch) == BATCH:
                yield self._rows(batch, numbers, texts)
                batch.clear()
        if batch:
            yield self._rows(batch, numbers, texts)

    def _rows(
        self, batch: list[tuple[int, dict[str, Any]]], numbers: Sequence[str], texts: Sequence[str]
    ) -> Rows:
        values = np.full((len(batch), len(numbers)), np.nan)
        for place, name in enumerate(numbers):
            for row, (line, cells) in enumerate(batch):
                value = cells.get(name)
                if value is not None:
                    values[row, place] = self._number(value, line, name)
        columns = []
        for name in texts:
            places: dict[str, int] = {}
            codes = []
            for line, cells in batch:
                value = cells.get(name)
                if isinstance(value, dict | list):
                    raise UnrolledError(f"{self._place(line, name)} holds a list or an object, expected text")
                codes.append(places.setdefault("" if value is None else str(value), len(places)))
            columns.append(Codes(np.array(codes, np.int32), list(places)))
        return Rows(values, columns)

    def _number(self, value: Any, line: int, name: str) -> float:
        if isinstance(value, str) and value.strip() in MISSING:
            return np.nan
        number: Any = (
            as_number(value) if isinstance(value, str) else value
        )  # some programs quote their numbers
        try:
            return float(number)
        except (TypeError, OverflowError):
            raise UnrolledError(f"{self._place(line, name)} is {value!r}, expected a number") from None

    def _place(self, line: int, name: str) -> str:
        return f"{self.path}, line {line}: {name!r}"

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows, and the numbers of their lines."""
        most = os.path.getsize(self.path) * 50 + MOST_LINE if os.path.exists(self.path) else 0
        number = came = 0
        with open_content(self.path) as content:
            while raw := content.readline(MOST_LINE):
                number, came = number + 1, came + len(raw)
                if len(raw) == MOST_LINE or came > most:
                    raise UnrolledError(f"{self.path}, line {number} is absurdly long: it is something else")
                if not (raw := raw.strip().removeprefix(b"\xef\xbb\xbf")):
                    continue
                try:
                    row = json.loads(raw)
                except UnicodeDecodeError as error:
                    raise UnrolledError(
                        f"{self.path}, line {number} is not text in UTF-8: {error.reason}"
                    ) from None
                except (ValueError, RecursionError) as error:
                    raise UnrolledError(
                        f"{self.path}, line {number} is no JSON: {str(error)[:80]}; expected an object a line"
                    ) from None
                if not isinstance(row, dict):
                    raise UnrolledError(f"{self.path}, line {number} is no object, expected one a line")
                yield number, row


def _kind(values: list[Any]) -> str:
    there = [value for value in values if value is not None]
    if any(isinstance(value, dict | list) for value in there):
        return OTHER
    return kind_of([value for value in there if isinstance(value, str)])
