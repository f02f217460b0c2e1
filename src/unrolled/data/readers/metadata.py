"""A table beside files that says of each what it is: `metadata.csv` and the like."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import PurePosixPath
from typing import NamedTuple

from unrolled.data.readers.walk import Place
from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign, read_foreign

ENDINGS = (".csv", ".tsv", ".jsonl")
FILE_COLUMNS = ("file_name", "filename", "file", "path")
LABEL_COLUMNS = ("label", "class", "target")
MOST_BYTES, MOST_OF_LINE = 1 << 28, 1 << 16


class Metadata(NamedTuple):
    """A table with a row for each file.

    Attributes:
        columns: the names of the columns, but that of the files.
        rows: what each says of a file, in the order of `columns`, by where the file is.
    """

    columns: tuple[str, ...]
    rows: dict[Place, tuple[str, ...]]


def has_files(path: str | os.PathLike[str]) -> bool:
    """Whether the first line of a table names a column of files."""
    with open_foreign(path) as file:
        words = re.split(rb"\W+", file.readline(MOST_OF_LINE).lower())
    return any(column.encode() in words for column in FILE_COLUMNS)


def read_metadata(path: str | os.PathLike[str], folder: Place, files: list[Place]) -> Metadata:
    """What a CSV, TSV or JSON-lines table says of files that lie in its folder or below.

    A row names its file by the way to it from the table's folder, or by its name alone if no other has it.

    Raises:
        UnrolledError: the table cannot be read, has no column of files, or a row names a file that is not
            there, or one that another row names.
    """
    names, rows = _read(path)
    column = next((name for name in FILE_COLUMNS if name in names), None)
    if column is None:
        raise UnrolledError(
            f"{path} has the columns {', '.join(names)}, expected one of {', '.join(FILE_COLUMNS)} with the "
            "file that each row is of"
        )
    place_of_file = names.index(column)
    ways = {place[len(folder) :]: place for place in files if place[: len(folder)] == folder}
    alone: dict[str, Place | None] = {}
    for place in ways.values():
        alone[place[-1]] = None if place[-1] in alone else place
    said: dict[Place, tuple[str, ...]] = {}
    for number, row in enumerate(rows, 1):
        name = row[place_of_file]
        found = ways.get(PurePosixPath(name).parts) or alone.get(name)
        if found is None:
            raise UnrolledError(f"{path}, row {number}: there is no file {name!r} that can be read")
        if found in said:
            raise UnrolledError(f"{path}, row {number}: the file {name!r} has a row already")
        said[found] = (*row[:place_of_file], *row[place_of_file + 1 :])
    return Metadata((*names[:place_of_file], *names[place_of_file + 1 :]), said)


def _read(path: str | os.PathLike[str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The names of the columns, and the rows."""
    try:
        text = read_foreign(path, MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnrolledError(f"{path} is not text in UTF-8: {error}") from None
    ending = os.path.splitext(path)[1].lower()
    names, rows = _json_lines(path, text) if ending == ".jsonl" else _delimited(path, text, ending)
    if not rows or len(set(names)) < len(names):
        raise UnrolledError(
            f"{path} has {len(rows)} rows and the columns {', '.join(names)}, expected at least one row, and "
            "no two columns of one name"
        )
    return names, rows


def _delimited(
    path: str | os.PathLike[str], text: str, ending: str
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    first = text.partition("\n")[0]
    mark = "\t" if ending == ".tsv" else max(",;\t", key=first.count)
    rows = []
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        names = tuple(name.strip() for name in next(lines, []))
        for row in lines:
            if row and len(row) != len(names):
                raise UnrolledError(
                    f"{path}, line {lines.line_num}: {len(row)} values, expected {len(names)} as the first "
                    "line has"
                )
            if row:
                rows.append(tuple(row))
    except csv.Error as error:
        raise UnrolledError(f"{path}, line {lines.line_num}: {error}") from None
    return names, rows


def _json_lines(path: str | os.PathLike[str], text: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    names: dict[str, None] = {}
    found = []
    for number, line in enumerate(io.StringIO(text), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UnrolledError(f"{path}, line {number} is no JSON: {error}") from None
        if not isinstance(value, dict):
            raise UnrolledError(f"{path}, line {number} is no object in braces, expected names and values")
        row = {
            name: thing if isinstance(thing, str) else json.dumps(thing)
            for name, thing in value.items()
            if not isinstance(thing, dict | list) and thing is not None
        }
        names |= dict.fromkeys(row)
        found.append(row)
    return tuple(names), [tuple(row.get(name, "") for name in names) for row in found]
