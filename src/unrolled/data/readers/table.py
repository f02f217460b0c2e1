"""Tables of sequences, whatever format they are in: which column is what, and whether a row is a step."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from unrolled.data.collection import Collection
from unrolled.data.readers.columns import NUMBER, TEXT, Table, stray
from unrolled.data.readers.delimited import DelimitedTable
from unrolled.data.readers.json_lines import JsonTable
from unrolled.data.readers.long import Roles, read_long
from unrolled.data.readers.parquet import ParquetTable
from unrolled.data.readers.targets import as_number
from unrolled.data.readers.times import are_times
from unrolled.data.readers.wide import looks_wide, read_wide
from unrolled.errors import UnrolledError

FORMS = ("long", "wide", "series")
IDS = (
    *("id", "case", "sequence", "seq", "series", "sample", "instance", "recording", "utterance"),
    *("case_id", "sequence_id", "seq_id", "series_id", "sample_id", "instance_id", "unique_id"),
)
TIMES = ("time", "timestamp", "datetime", "date", "ds", "step", "t", "year", "month")
LABELS = ("label", "class", "target")
WIDE_LABELS = (*LABELS, "y")  # where a row is a step, x and y are as often places
LABEL_FIRST = (".txt", ".tsv")  # of the UCR archive, in files without a header


def read_table(
    path: str | os.PathLike[str],
    *,
    id: str | None = None,
    time: str | None = None,
    label: str | Sequence[str] | None = (),
    features: str | Sequence[str] = (),
    columns: str | Sequence[str] = (),
    form: str | None = None,
) -> Collection:
    r"""Read sequences from a table: CSV and its like, plain or gzip, Parquet, or JSON lines.

        long     a row for each step; rows of the same id are a sequence, sorted by time
        wide     a row for each sequence; a column for each number of each step
        series   a row for each step, all of one sequence

    What is not given is found by the names of the columns and stated in the notes. A table whose ids come
    again is long, one whose ids do not is wide. Without ids, one with a column of times is a series, one
    with labels or with columns that are numbered as steps are is wide, and any other a series.

    Args:
        path: the file; .csv, .tsv, .txt, .parquet, .pq, .jsonl or .ndjson, or text with any other ending.
        id: the column that says which sequence a row belongs to.
        time: the column by which the rows of a sequence are sorted: numbers or dates.
        label: the column that is to be predicted, or several columns of numbers; None if there is none,
            whatever a column is called.
        features: the columns of numbers; by default all that are not used otherwise.
        columns: what else to keep of each sequence, as text, and out of the features: a speaker, a part. By
            default all text that is the same in every row of a sequence.
        form: "long", "wide" or "series"; None to find out.

    Raises:
        UnrolledError: the file cannot be read or is damaged, a column is unknown, or what it holds does not
            fit; the message says where.

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "two.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("id,time,x,label\na,2,1.5,cat\nb,1,7,dog\na,1,0.5,cat\n")
    >>> two = read_table(path)
    >>> two.sequences[0].tolist(), two.names, two.labels.tolist()
    ([[0.5], [1.5]], ('a', 'b'), ['cat', 'dog'])
    """
    given = Roles(id, time, _listed(label or ()), _listed(features), _listed(columns) or None)
    if form not in (None, *FORMS):
        raise UnrolledError(f"form is {form!r}, expected one of {', '.join(FORMS)}")
    table = open_table(path)
    _check(table, given)
    form, roles, notes = _find_out(table, given, form, labelled=label is not None)
    notes = [*table.notes, *notes]
    read = read_wide if form == "wide" else read_long
    collection = read(table, roles, notes)
    reading = {
        "format": "table",
        "form": form,
        "id": roles.id,
        "time": roles.time,
        "label": list(roles.labels),
    }
    reading |= {"features": list(roles.features) if form != "wide" else list(given.features)}
    return dataclasses.replace(collection, reading=reading | {"columns": list(given.columns or ())})


def read_one(path: str | os.PathLike[str], **options: str | Sequence[str] | None) -> Collection:
    """A table that is one sequence: a row for each step. Options are those of `read_table`."""
    return read_table(path, form="series", **options)  # type: ignore[arg-type]


def open_table(path: str | os.PathLike[str]) -> Table:
    """The table in a file, told by the ending of its name.

    Raises:
        UnrolledError: it cannot be read, or is empty.
    """
    path = os.fspath(path)
    ending = os.path.splitext(path.lower().removesuffix(".gz"))[1]
    if ending in (".parquet", ".pq"):
        return ParquetTable(path)
    return JsonTable(path) if ending in (".jsonl", ".ndjson") else DelimitedTable(path)


def _listed(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _check(table: Table, given: Roles) -> None:
    table.check("ids", [given.id] if given.id else [])
    table.check("times", [given.time] if given.time else [])
    table.check("labels", given.labels)
    table.check("features", given.features)
    table.check("sequences", given.columns or ())
    for name in given.features:
        if table.kinds[name] != NUMBER:
            for _ in table.rows([name], []):  # most formats can say where it is
                pass
            example = stray(table.samples.get(name, ())) or "text"
            raise UnrolledError(
                f"{table.path}: the column {name!r} cannot be a feature: it holds {example!r}, "
                "expected numbers"
            )
        if name in (given.id, given.time, *given.labels, *(given.columns or ())):
            raise UnrolledError(
                f"{table.path}: the column {name!r} is a feature and something else, expected one of them"
            )
    for name in given.labels:
        if name in (given.id, given.time):
            raise UnrolledError(
                f"{table.path}: the column {name!r} is a label and something else, expected one of them"
            )


def _find_out(
    table: Table, given: Roles, form: str | None, *, labelled: bool
) -> tuple[str, Roles, list[str]]:
    """The form of a table, what its columns are for, and what had to be assumed."""
    notes: list[str] = []
    id, time, labels = given.id, given.time, given.labels
    taken: set[str | None] = {*labels, *given.features, *(given.columns or ())}
    if form != "series" and id is None and time is None:
        id = _called(table, "ids", IDS, {*labels, *given.features})  # it may be kept, too
    if form != "wide" and time is None:
        time = _time(table, taken | {id})
    if form is None:
        numbers = [name for name in _numbers(table, {id, time, *labels}) if name.lower() not in WIDE_LABELS]
        if id and _repeats(table, id):
            form, why = "long", f"a row is a step, since {id!r} comes again"
        elif given.time or (time and not labels):
            form, why = "series", f"a row is a step of one series, by {time!r}"
        elif id:
            form, why = "wide", f"a row is a sequence, since no {id!r} comes again"
        elif labels or table.headless or looks_wide(numbers) or _labels(table, taken, WIDE_LABELS):
            form, why = "wide", "a row is a sequence"
        else:
            form, why = "series", "a row is a step of one series: there are neither ids nor labels"
        notes.append(f"{why}; --form {'wide' if form != 'wide' else 'long'} reads it otherwise")
    if form == "series":
        id = None
    if form == "wide":
        time = None
    if labelled and not labels and form != "series":
        labels = _labels(table, taken | {id, time}, WIDE_LABELS if form == "wide" else LABELS)
        others = [name for name in _numbers(table, {id, time, *labels}) if name not in taken]
        if labels and not given.features and not others:
            labels = ()
    for what, name, came in (("id", id, given.id), ("time", time, given.time)):
        if name and not came:
            notes.append(f"the column {name!r} is taken for the {what}")
    if labels and not given.labels:
        notes.append(f"the column {labels[0]!r} is taken for the label")
    used: set[str | None] = {id, time, *labels, *(given.columns or ())}
    features = given.features or tuple(_numbers(table, used))
    if not features:
        text = ", ".join(map(repr, table.names))
        raise UnrolledError(f"{table.path} has no column of numbers besides those used otherwise: {text}")
    if not given.features and table.nameless and table.nameless not in used:
        notes.append("the first column has no name and is left out")
    if not given.features:
        notes += [
            f"the column {name!r} is left out: it holds {odd!r} among its numbers"
            for name in table.names
            if table.kinds[name] == TEXT
            and name not in used
            and (odd := stray(table.samples.get(name, ()), most=0.5))
        ]
    return form, Roles(id, time, labels, features, given.columns), notes


def _numbers(table: Table, used: set[str | None]) -> list[str]:
    return [
        name
        for name, kind in table.kinds.items()
        if kind == NUMBER and name not in used and name != table.nameless
    ]


def _called(table: Table, what: str, names: Sequence[str], taken: set[str | None]) -> str | None:
    """The one column that is called so, if there is one."""
    found = [name for name in table.names if name.lower() in names and name not in taken]
    if len(found) > 1:
        exact = [name for name in found if name.lower() == names[0]]
        if len(exact) != 1:
            raise UnrolledError(
                f"{table.path}: the columns {', '.join(map(repr, found))} may be the {what}, expected "
                "one: say which"
            )
        found = exact
    return found[0] if found else None


def _time(table: Table, taken: set[str | None]) -> str | None:
    """A column of times: by its name, or a first one without a name that holds dates."""
    for name in sorted(
        table.names, key=lambda name: TIMES.index(name.lower()) if name.lower() in TIMES else 99
    ):
        by_name = name.lower() in TIMES
        if name in taken or not (by_name or name == table.nameless):
            continue
        if (by_name and table.kinds[name] == NUMBER) or are_times(table.samples.get(name, ())):
            return name
    return None


def _labels(table: Table, taken: set[str | None], names: Sequence[str]) -> tuple[str, ...]:
    """The column of labels: by its name, or the first one of a file without names."""
    lower = [name.lower() for name in table.names]
    for name in table.names:
        if name.lower() in names and name not in taken and not (name.lower() == "y" and "x" in lower):
            return (name,)
    first, *others = table.names
    if table.headless and others and first not in taken:
        classes = [as_number(text) for text in table.samples[first]]
        named = all(number is None or number.is_integer() for number in classes)
        values = (as_number(text) for name in others for text in table.samples[name])
        if table.path.lower().endswith(LABEL_FIRST) or (
            named and not all(number is None or number.is_integer() for number in values)
        ):
            return (first,)
    return ()


def _repeats(table: Table, id: str) -> bool:
    """Whether a row has the id of one before it."""
    seen: set[str] = set()
    count = 0
    for rows in table.rows([], [id]):
        codes = rows.texts[0]
        count += len(codes.codes)
        seen.update(codes.values)
        if len(seen) < count:
            return True
    return False
