"""Long tables: a row for each step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.collection import Collection
from unrolled.data.readers.columns import NUMBER, TEXT, Rows, Table, TextColumn
from unrolled.data.readers.spool import Spool, as_float32, reordered
from unrolled.data.readers.targets import NO_LABEL, Codes, as_labels
from unrolled.data.readers.times import read_times
from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError


class Roles(NamedTuple):
    """What the columns of a table are for.

    Attributes:
        id: which sequence a row belongs to; None if all are one.
        time: what the rows of a sequence are sorted by; None for the order of the file.
        labels: what is to be predicted.
        features: the numbers of a step.
        columns: what else is said of a sequence; None for the text that is the same in all its rows.
    """

    id: str | None
    time: str | None
    labels: tuple[str, ...]
    features: tuple[str, ...]
    columns: tuple[str, ...] | None


def read_long(table: Table, roles: Roles, notes: list[str]) -> Collection:
    """The sequences of a table that has a row for each step, in the order in which each begins.

    Raises:
        UnrolledError: a row has no id, time or label, or a column is not the same in all rows of a sequence
            although it was asked for.
    """
    reading = _Reading(table, roles)
    for rows in table.rows(reading.numbers, reading.texts):
        reading.add(rows)
    steps = reading.spool.finish()
    count = reading.spool.count
    if not count:
        raise UnrolledError(f"{table.path} has no rows, expected one for each step")
    ids, times = np.concatenate(reading.ids), np.concatenate(reading.times)
    order = None
    later, same = ids[1:] > ids[:-1], ids[1:] == ids[:-1]
    if not (later | (same & (times[1:] >= times[:-1]))).all():
        order = np.lexsort((times, ids))
        ids, times, steps = ids[order], times[order], reordered(steps, order)
        notes.append(f"rows were put in order by {' and '.join(filter(None, (roles.id, roles.time)))}")
        same = ids[1:] == ids[:-1]
    if roles.time and (twice := int((same & (times[1:] == times[:-1])).sum())):
        notes.append(f"{twice} rows have the {roles.time} of the row before them")
    lengths = np.bincount(ids)
    labels = [np.concatenate(pieces) for pieces in reading.labels]
    if order is not None:
        labels = [codes[order] for codes in labels]
    first = np.cumsum(lengths) - lengths
    each_step = any((codes != codes[first][ids]).any() for codes in labels)
    said = [
        Codes(codes if each_step else codes[first], column.values)
        for codes, column in zip(labels, reading.label_columns, strict=True)
    ]
    return Collection(
        path=table.path,
        sequences=Sequences.flat(steps.values, torch.from_numpy(lengths), steps.file),
        features=roles.features,
        names=tuple(reading.id_column.values) if roles.id else ("1",),
        labels=as_labels(table.path, roles.labels, said) if said else None,
        each_step=each_step,
        label_names=roles.labels,
        columns=reading.columns(),
        notes=tuple(notes),
    )


class _Reading:
    """What has come of a table so far."""

    def __init__(self, table: Table, roles: Roles) -> None:
        self.table, self.roles = table, roles
        used = {roles.id, roles.time, *roles.labels, *roles.features}
        self.kept = list(
            roles.columns
            if roles.columns is not None
            else (name for name, kind in table.kinds.items() if kind == TEXT and name not in used)
        )
        self.time_is_number = roles.time is not None and table.kinds[roles.time] == NUMBER
        self.numbers = [*roles.features, *([roles.time] if roles.time and self.time_is_number else [])]
        self.texts = [roles.id] if roles.id else []
        self.texts += [*roles.labels, *self.kept]
        if roles.time and not self.time_is_number:
            self.texts.append(roles.time)
        self.spool = Spool(len(roles.features))
        self.id_column = TextColumn()
        self.ids: list[NDArray[np.int32]] = []
        self.times: list[NDArray[Any]] = []
        self.label_columns = [TextColumn() for _ in roles.labels]
        self.labels: list[list[NDArray[np.int32]]] = [[] for _ in roles.labels]
        self.others = [_Constant() for _ in self.kept]

    def add(self, rows: Rows) -> None:
        """More rows of the table."""
        roles, begun, width = self.roles, self.spool.count, len(self.roles.features)
        texts = iter(rows.texts)
        self.spool.append(
            as_float32(
                rows.numbers[:, :width],
                lambda row, column: f"{self.table.row_name(begun + row)} column {roles.features[column]!r}",
            )
        )
        ids = np.zeros(len(rows.numbers), np.int32)
        if roles.id:
            ids = self.id_column.add(codes := next(texts))
            self._check_there(roles.id, codes, begun)
        self.ids.append(ids)
        for column, pieces in zip(self.label_columns, self.labels, strict=True):
            pieces.append(column.add(next(texts)))
        for other, name in zip(self.others, self.kept, strict=True):
            at = other.add(ids, next(texts))
            if at is not None and roles.columns is not None:
                raise UnrolledError(
                    f"{self.table.row_name(begun + at)} has another {name!r} than the rows before it of its "
                    "sequence, expected the same"
                )
        if roles.time is None:
            times: NDArray[Any] = np.zeros(len(ids), np.int8)
        elif self.time_is_number:
            times = rows.numbers[:, width].copy()  # a view would keep all the numbers
            if (without := np.isnan(times)).any():
                self._missing(roles.time, begun + int(without.argmax()))
        else:
            codes = next(texts)
            self._check_there(roles.time, codes, begun)
            times = read_times(codes.values, f"{self.table.path}: the column {roles.time!r}")[codes.codes]
        self.times.append(times)

    def columns(self) -> dict[str, tuple[str, ...]]:
        """What is said of each sequence: the columns that are the same in all its rows."""
        return {
            name: tuple(other.texts())
            for name, other in zip(self.kept, self.others, strict=True)
            if other.constant
        }

    def _check_there(self, name: str, codes: Codes, begun: int) -> None:
        missing = [place for place, text in enumerate(codes.values) if text.strip().lower() in NO_LABEL]
        if missing:
            self._missing(name, begun + int(np.isin(codes.codes, missing).argmax()))

    def _missing(self, name: str, row: int) -> None:
        raise UnrolledError(f"{self.table.row_name(row)} has no {name!r}, expected one in each row")


class _Constant:
    """A column of text as long as it is the same in all rows of a sequence."""

    def __init__(self) -> None:
        self.constant = True
        self._column = TextColumn()
        self._first = np.empty(0, np.int32)

    def add(self, ids: NDArray[np.int32], texts: Codes) -> int | None:
        """More rows; the first that is another than those of its sequence before it."""
        if not self.constant:
            return None
        codes = self._column.add(texts)
        more = int(ids.max(initial=-1)) + 1 - len(self._first)
        self._first = np.concatenate([self._first, np.full(max(0, more), -1, np.int32)])
        rows = np.flatnonzero(self._first[ids] < 0)[::-1]  # so that the first row of each is written last
        self._first[ids[rows]] = codes[rows]
        other = codes != self._first[ids]
        self.constant = not other.any()
        return None if self.constant else int(other.argmax())

    def texts(self) -> list[str]:
        values = self._column.values
        return [values[code] for code in self._first.tolist()]
