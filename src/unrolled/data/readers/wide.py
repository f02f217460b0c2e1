"""Wide tables: a row for each sequence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.data.collection import Collection
from unrolled.data.readers.columns import TEXT, Table, TextColumn
from unrolled.data.readers.long import Roles
from unrolled.data.readers.spool import Spool, as_float32
from unrolled.data.readers.targets import Codes, as_labels
from unrolled.data.sequences import Sequences
from unrolled.errors import UnrolledError

# t0, x_12, ch0_t3: what is measured, and the number of the step.
NUMBERED = re.compile(r"(.*?)[ _.\-]?(?:t|step)?[ _.\-]?(\d{1,7})", re.IGNORECASE)


def read_wide(table: Table, roles: Roles, notes: list[str]) -> Collection:
    """The sequences of a table that has a row for each, and a column for each number of each step.

    Columns that are called x_0, x_1, y_0, y_1 are two features of two steps. Where a row has no value any
    more its sequence ends; before that, values are missing.

    Raises:
        UnrolledError: the columns are no features of as many steps each, or a row has no value.
    """
    features, columns = _arrange(table, roles.features)
    count, steps = len(features), len(columns) // len(features)
    used = {roles.id, *roles.labels, *columns}
    kept = list(
        roles.columns
        if roles.columns is not None
        else (name for name, kind in table.kinds.items() if kind == TEXT and name not in used)
    )
    names = [*([roles.id] if roles.id else []), *roles.labels, *kept]
    texts = [TextColumn() for _ in names]
    coded: list[list[NDArray[np.int32]]] = [[] for _ in names]
    lengths: list[NDArray[np.int64]] = []
    spool, begun = Spool(count), 0
    for rows in table.rows(columns, names):
        values = as_float32(
            rows.numbers,
            lambda row, column, begun=begun: f"{table.row_name(begun + row)} column {columns[column]!r}",  # type: ignore[misc]
        )
        values = values.reshape(-1, count, steps).transpose(0, 2, 1)
        there = np.asarray(~np.isnan(values).all(axis=2))
        length = np.where(there.any(1), steps - there[:, ::-1].argmax(1), 0)
        if not length.all():
            raise UnrolledError(
                f"{table.row_name(begun + int(length.argmin()))} has no value, expected a sequence"
            )
        spool.append(values[np.arange(steps) < length[:, None]])
        lengths.append(length)
        for column, pieces, codes in zip(texts, coded, rows.texts, strict=True):
            pieces.append(column.add(codes))
        begun += len(values)
    if not begun:
        raise UnrolledError(f"{table.path} has no rows, expected one for each sequence")
    said = [Codes(np.concatenate(codes), column.values) for codes, column in zip(coded, texts, strict=True)]
    rows_named = [_texts(codes) for codes in said]
    done = 1 if roles.id else 0
    labels = said[done : done + len(roles.labels)]
    together = spool.finish()
    return Collection(
        path=table.path,
        sequences=Sequences.flat(together.values, torch.from_numpy(np.concatenate(lengths)), together.file),
        features=features,
        names=rows_named[0] if roles.id else tuple(str(row + 1) for row in range(begun)),
        labels=as_labels(table.path, roles.labels, labels) if labels else None,
        label_names=roles.labels,
        columns=dict(zip(kept, rows_named[done + len(labels) :], strict=True)),
        notes=tuple(notes),
    )


def looks_wide(columns: Sequence[str]) -> bool:
    """Whether columns are called as the steps of sequences are: a few names, and numbers that count."""
    grouped = _grouped(columns)
    return (
        len(columns) > 2
        and all(_counts(steps) for steps in grouped.values())
        and len(columns) >= 3 * len(grouped)
    )


def _arrange(table: Table, columns: tuple[str, ...]) -> tuple[tuple[str, ...], list[str]]:
    """The features, and the columns of the steps of the first, of the second, and so on."""
    grouped = _grouped(columns)
    counting = {name: steps for name, steps in grouped.items() if len(steps) > 1 and _counts(steps)}
    if not counting or table.headless:
        return ("value",), list(columns)
    lengths = {len(steps) for steps in counting.values()}
    if len(lengths) > 1:
        told = ", ".join(f"{name or 'value'}: {len(steps)}" for name, steps in counting.items())
        raise UnrolledError(
            f"{table.path}: features have unequally many columns ({told[:200]}): name those to be read "
            "as features"
        )
    arranged = [column for steps in counting.values() for _, column in sorted(steps)]
    return tuple(name or "value" for name in counting), arranged


def _grouped(columns: Iterable[str]) -> dict[str, list[tuple[int, str]]]:
    grouped: dict[str, list[tuple[int, str]]] = {}
    for column in columns:
        found = NUMBERED.fullmatch(column.strip())
        name, step = (found[1], int(found[2])) if found else (column, -1)
        grouped.setdefault(name, []).append((step, column))
    return grouped


def _counts(steps: list[tuple[int, str]]) -> bool:
    """Whether the numbers of the steps are 0, 1, 2 or 1, 2, 3 and so on, in any order."""
    numbers = sorted(step for step, _ in steps)
    return numbers[0] in (0, 1) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _texts(codes: Codes) -> tuple[str, ...]:
    return tuple(codes.values[code] for code in codes.codes.tolist())
