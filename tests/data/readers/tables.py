"""Tables as text, as Parquet and as JSON lines, to be written and read."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from unrolled.data.collection import Collection

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

Rows = list[dict[str, Any]]


NUMBERS = st.floats(-1e30, 1e30) | st.integers(-(10**9), 10**9) | st.just(float("nan"))


def write(folder: Path, text: str | bytes, name: str = "some.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def as_text(rows: Rows, delimiter: str = ",", **options: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter, **options)
    writer.writeheader()
    for row in rows:
        writer.writerow({name: "" if value != value else value for name, value in row.items()})
    return text.getvalue()


def as_parquet(rows: Rows) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), file, row_group_size=7)
    return file.getvalue()


def as_json(rows: Rows) -> str:
    plain = [{name: None if value != value else value for name, value in row.items()} for row in rows]
    return "".join(json.dumps(row) + "\n" for row in plain)


FORMATS: dict[str, Callable[[Rows], str | bytes]] = {
    "csv": as_text,
    "tsv": lambda rows: as_text(rows, "\t"),
    "semicolons.csv": lambda rows: as_text(rows, ";"),
    "quoted.csv": lambda rows: "\ufeff" + as_text(rows, quoting=csv.QUOTE_ALL, lineterminator="\r\n"),
    "csv.gz": lambda rows: gzip.compress(as_text(rows).encode()),
    "parquet": as_parquet,
    "jsonl": as_json,
}


def assert_same(one: Collection, other: Collection) -> None:
    assert one.sequences.lengths.tolist() == other.sequences.lengths.tolist()
    for mine, theirs in zip(one.sequences, other.sequences, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
        assert mine.numpy().dtype == np.float32
    assert one.labels is not None
    assert other.labels is not None
    assert one.labels.tolist() == other.labels.tolist()
