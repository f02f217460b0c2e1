"""Tables in text: CSV and its like, with whatever stands between the cells."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import itertools
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from unrolled.data.idx import Content, open_content
from unrolled.data.readers.columns import LOOKED_AT, MISSING, Rows, Table, arrow, kind_of
from unrolled.data.readers.parquet import rows_of
from unrolled.data.readers.targets import Codes, as_number
from unrolled.errors import UnrolledError

PEEK = 1 << 20  # bytes that are looked at
MOST_LINE = 1 << 26
BLOCK = 1 << 22  # bytes that are read at once, if lines are not long
MOST_CELLS = 100_000  # to a line
HONEST_RATIO = 50  # what gzip makes of text; a trap unpacks to more
COMMA_DECIMAL = re.compile(r"\s*[-+]?\d+,\d+([eE][-+]?\d+)?\s*")
ROW_OF_BLANKS = 1 << 12  # rows at once


class DelimitedTable(Table):
    """A table in text, plain or gzip.

    What parts the cells (comma, semicolon, tab, bar or blanks), a decimal comma beside semicolons, and
    whether the first row names the columns is told by the first lines: it does not if a number is in it,
    apart from names that count, 0, 1, 2.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        lines = self._first_lines()
        self.delimiter = _delimiter(path, lines)
        self.width = 0
        cells = [row for row in self._parsed(lines) if row]
        if not cells:
            raise UnrolledError(f"{path} is empty, expected a row for each step or sequence")
        first = cells[0]
        self.headless = not _is_header(first)
        self.decimal = "."
        rows = cells if self.headless else cells[1:]
        if not rows:
            raise UnrolledError(f"{path} has a header, {', '.join(first)[:80]}, and no rows")
        self.width = len(first)
        if self.width > MOST_CELLS:
            raise UnrolledError(f"{path} has {self.width:,} columns, expected at most {MOST_CELLS:,}")
        columns = [[row[place] for row in rows if place < len(row)] for place in range(self.width)]
        if self.delimiter in (";", "\t", "|") and any(
            column
            and all(COMMA_DECIMAL.fullmatch(cell) for cell in column if cell.strip() not in MISSING)
            and any(COMMA_DECIMAL.fullmatch(cell) for cell in column)
            for column in columns
        ):
            self.decimal = ","
            columns = [[cell.replace(",", ".") for cell in column] for column in columns]
        names = self._names(first)
        self.kinds = {name: kind_of(column) for name, column in zip(names, columns, strict=True)}
        self.samples = {name: column[:100] for name, column in zip(names, columns, strict=True)}
        notes = []
        if self.headless:
            notes.append(f"the first row holds numbers, so the columns are called {names[0]} to {names[-1]}")
        if self.decimal == ",":
            notes.append("numbers have decimal commas")
        self.notes = tuple(notes)

    def rows(self, numbers: Sequence[str], texts: Sequence[str]) -> Iterator[Rows]:
        if self.delimiter == " ":
            yield from self._rows_between_blanks(numbers, texts)
            return
        pa, reader = arrow("pyarrow"), arrow("pyarrow.csv")
        columns = list(dict.fromkeys([*numbers, *texts]))
        if both := set(numbers) & set(texts):
            raise UnrolledError(f"{self.path}: the column {both.pop()!r} cannot be a number and text at once")
        types = {name: pa.float64() if name in numbers else pa.string() for name in columns}
        options: dict[str, Any] = {
            "read_options": reader.ReadOptions(
                use_threads=False,
                block_size=max(BLOCK, 8 * self.longest),
                column_names=list(self.names),
                skip_rows_after_names=0 if self.headless else 1,
            ),
            "parse_options": reader.ParseOptions(delimiter=self.delimiter, newlines_in_values=self.quoted),
            "convert_options": reader.ConvertOptions(
                column_types=types,
                include_columns=columns,
                null_values=list(MISSING),
                strings_can_be_null=False,
                decimal_point=self.decimal,
            ),
        }
        try:
            with (
                self._content() as content,
                reader.open_csv(pa.PythonFile(content, "r"), **options) as batches,
            ):
                for batch in batches:
                    if batch.num_rows:
                        yield rows_of(batch, numbers, texts)
        except (pa.ArrowException, OverflowError, MemoryError) as error:
            self._find_fault(numbers)
            said = str(error).split(": ")[-1]
            raise UnrolledError(f"{self.path} cannot be read as a table: {said[:200]}") from error

    @contextlib.contextmanager
    def _content(self) -> Iterator[BinaryIO]:
        with open_content(self.path) as content:
            size = os.path.getsize(self.path)
            yield io.BufferedReader(_Bounded(content, self.path, size), 1 << 16)

    def _first_lines(self) -> list[str]:
        """The first lines, whole ones, without the mark that some programs put before them."""
        with self._content() as content:
            start = content.read(PEEK)
            if len(start) == PEEK:
                start += content.readline(MOST_LINE)
                if len(start) >= MOST_LINE:
                    raise UnrolledError(f"{self.path} has a line of {MOST_LINE:,} bytes: it is no table")
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise UnrolledError(f"{self.path} is in UTF-16, expected UTF-8: save it as such")
        if b"\0" in start:
            raise UnrolledError(
                f"{self.path} is no text: a zero byte is at {start.index(0)}; expected a table"
            )
        try:
            text = start.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = start.count(b"\n", 0, error.start) + 1
            raise UnrolledError(
                f"{self.path}, line {line} is not text in UTF-8 (byte {start[error.start]:#04x}): "
                "save it as UTF-8"
            ) from None
        lines = list(io.StringIO(text, newline=""))
        self.quoted = '"' in text
        self.longest = max(map(len, lines), default=0)
        return lines[: LOOKED_AT + 1]

    def _parsed(self, lines: Iterator[str] | list[str]) -> Iterator[list[str]]:
        if self.delimiter == " ":
            yield from (line.split() for line in lines)
            return
        try:
            yield from csv.reader(lines, delimiter=self.delimiter)
        except csv.Error as error:
            raise UnrolledError(f"{self.path} cannot be read as a table: {error}") from None

    def _names(self, first: list[str]) -> list[str]:
        if self.headless:
            return [f"c{place + 1}" for place in range(self.width)]
        names = [name.strip() or f"c{place + 1}" for place, name in enumerate(first)]
        for place, name in enumerate(names):
            if names.index(name) < place:
                raise UnrolledError(
                    f"{self.path}: the columns {names.index(name) + 1} and {place + 1} are both "
                    f"called {name!r}, expected names of their own"
                )
        self.nameless = None if first[0].strip() else names[0]
        return names

    def _rows_between_blanks(self, numbers: Sequence[str], texts: Sequence[str]) -> Iterator[Rows]:
        place = {name: index for index, name in enumerate(self.names)}
        with self._content() as content:
            lines = enumerate(io.TextIOWrapper(content, "utf-8-sig", errors="replace"), 1)
            batch: list[list[str]] = []
            for number, line in lines:
                cells = line.split()
                if cells and (self.headless or number > 1):
                    self._check_cells(number, cells, numbers)
                    batch.append(cells)
                if len(batch) == ROW_OF_BLANKS:
                    yield _batch(batch, [place[n] for n in numbers], [place[n] for n in texts])
                    batch = []
            if batch:
                yield _batch(batch, [place[n] for n in numbers], [place[n] for n in texts])

    def _find_fault(self, numbers: Sequence[str]) -> None:
        """Read again, slowly, and say in which line something is wrong."""
        with self._content() as content:
            reader = csv.reader(io.TextIOWrapper(content, "utf-8-sig", newline=""), delimiter=self.delimiter)
            try:
                for count, cells in enumerate(reader):
                    if cells and (self.headless or count):
                        self._check_cells(reader.line_num, cells, numbers)
            except UnicodeDecodeError as error:
                raise UnrolledError(
                    f"{self.path} is not text in UTF-8 after line {reader.line_num}: {error.reason}"
                ) from None
            except csv.Error as error:
                raise UnrolledError(f"{self.path}, line {reader.line_num}: {error}") from None

    def _check_cells(self, line: int, cells: list[str], numbers: Sequence[str]) -> None:
        if len(cells) != self.width:
            raise UnrolledError(f"{self.path}, line {line} has {len(cells)} cells, expected {self.width}")
        place = {name: index for index, name in enumerate(self.names)}
        for name in numbers:
            cell = cells[place[name]]
            number = cell.strip()
            if self.decimal == ",":
                number = number.replace(",", ".")
            if number not in MISSING and as_number(number) is None:
                raise UnrolledError(
                    f"{self.path}, line {line}: the column {name!r} holds {cell!r}, expected a number: "
                    "mend it, leave it empty, or name other columns as features"
                )


class _Bounded(io.RawIOBase):
    """What a file holds, and no more than a table's gzip can make of it."""

    def __init__(self, content: Content, path: str, size: int) -> None:
        self.content, self.path = content, path
        self.left = max(1 << 26, HONEST_RATIO * size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self.content.read1(len(buffer))
        self.left -= len(piece)
        if self.left < 0:
            raise UnrolledError(
                f"{self.path} unpacks to far more than it is: if that is meant, gunzip it first"
            )
        buffer[: len(piece)] = piece
        return len(piece)


def _delimiter(path: str, lines: list[str]) -> str:
    """What stands between the cells: what is in most lines equally often."""
    looked_at = [line for line in lines if line.strip()][:50]
    best, most = ",", (0.0, 0)
    for delimiter in ("\t", ";", ",", "|"):
        counts = [_outside_quotes(line).count(delimiter) for line in looked_at]
        usual = max(set(counts), key=counts.count) if counts else 0
        if usual and (share := (counts.count(usual) / len(counts), usual)) > most:
            best, most = delimiter, share
    if not most[1] and all(len(line.split()) > 1 for line in looked_at):
        numeric = [sum(as_number(cell) is not None for cell in line.split()) for line in looked_at[-1:]]
        if numeric and numeric[0] > 1:
            return " "
    return best


def _outside_quotes(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def _is_header(cells: list[str]) -> bool:
    numbers = [number for cell in cells if (number := as_number(cell)) is not None]
    if not numbers and any(cell.strip() not in MISSING for cell in cells):
        return True
    counts = all(first + 1 == second for first, second in itertools.pairwise(numbers))
    return len(numbers) > 2 and numbers[0] in (0.0, 1.0) and counts


def _batch(rows: list[list[str]], numbers: list[int], texts: list[int]) -> Rows:
    values = np.array(
        [[np.nan if row[i] in MISSING else float(row[i]) for i in numbers] for row in rows], np.float64
    ).reshape(len(rows), len(numbers))
    columns = []
    for i in texts:
        places: dict[str, int] = {}
        codes = [places.setdefault(row[i], len(places)) for row in rows]
        columns.append(Codes(np.array(codes, np.int32), list(places)))
    return Rows(values, columns)
