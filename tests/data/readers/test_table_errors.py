"""Tables that cannot be read: one line says where and why."""

import contextlib
import gzip
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.readers.tables import as_parquet, write
from unrolled.data.readers.columns import Table
from unrolled.data.readers.spool import Spool
from unrolled.data.readers.table import read_table
from unrolled.errors import UnrolledError


def test_without_pyarrow_a_line_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(UnrolledError, match=r"pip install 'unrolled\[tables\]'"):
        read_table(write(folder, "id,x\na,1\na,2\n"))


LONG = "id,time,x,label\na,1,5,up\na,2,4,up\nb,1,6,down\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "is empty, expected a row"),
        ("\n\n", {}, "is empty, expected a row"),
        ("id,x\n", {}, "has a header, id, x, and no rows"),
        (
            LONG,
            {"label": "lable"},
            "unknown column of labels 'lable': did you mean 'label'. Known: id, time, x",
        ),
        (LONG, {"id": "who"}, "unknown column of ids 'who': expected one of id, time, x, label"),
        (LONG, {"time": "when"}, "unknown column of times 'when'"),
        (LONG, {"features": ["x", "z"]}, "unknown column of features 'z'"),
        (LONG, {"features": ["x", "x"]}, "features names the column 'x' twice"),
        (LONG, {"features": ["label"]}, r"line 2: the column 'label' holds 'up', expected a number"),
        (LONG, {"features": ["x"], "label": "x"}, "'x' is a feature and something else"),
        (LONG, {"label": "id", "id": "id"}, "'id' is a label and something else"),
        (LONG, {"form": "tall"}, "form is 'tall', expected one of long, wide, series"),
        (LONG, {"label": ["x", "label"]}, "has no column of numbers|several labels must be numbers"),
        (LONG + "b,2,7,\n", {}, "1 of 4 labels 'label' are missing, number 4 first"),
        (LONG + "b,2\n", {}, "line 5 has 2 cells, expected 4"),
        (LONG + ",2,7,up\n", {}, "row 4 has no 'id'"),
        (LONG + "b,,7,up\n", {}, "row 4 has no 'time'"),
        (LONG + "b,2,inf,up\n", {}, "row 4 column 'x' is inf, expected a number of at most 3.4e38"),
        (LONG + "b,2,1e39,up\n", {}, r"row 4 column 'x' is 1e\+39"),
        ("x,x\n1,2\n", {}, "the columns 1 and 2 are both called 'x'"),
        ("id,word\na,b\na,c\n", {}, "has no column of numbers besides those used otherwise"),
        ("id,series,x\na,b,1\n", {"form": "long"}, None),
        ("seq,series,x\na,b,1\n", {}, "the columns 'seq', 'series' may be the ids, expected one: say which"),
        ("date,x\n01/02/2026,1\n", {"time": "date"}, "'date' holds '01/02/2026', expected numbers, or dates"),
        ("label,t0,t1\na,,\n", {}, "row 1 has no value, expected a sequence"),
        ("label,x0,x1,y0,y1,y2\na,1,2,3,4,5\n", {}, r"unequally many columns \(x: 2, y: 3\)"),
        (b"id,x\na,1\na\xff,2\n", {}, r"line 3 is not text in UTF-8 \(byte 0xff\)"),
        ("id,x\n".encode("utf-16"), {}, "is in UTF-16, expected UTF-8"),
        (b"id,x\na\0,1\n", {}, "is no text: a zero byte"),
    ],
)
def test_a_bad_table_is_one_error(
    folder: Path, text: str | bytes, options: dict[str, Any], message: str | None
) -> None:
    path = write(folder, text)
    if message is None:
        read_table(path, **options)
        return
    with pytest.raises(UnrolledError, match=message) as caught:
        read_table(path, **options)
    assert str(caught.value).count("some.csv") == (0 if "form is" in message else 1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,2,word", "line 200002: the column 'x' holds 'word', expected a number"),
        ("a,2", "line 200002 has 2 cells, expected 3"),
        ("a,2,3,4", "line 200002 has 4 cells, expected 3"),
    ],
)
def test_a_row_far_down_is_told_by_its_line(folder: Path, row: str, message: str) -> None:
    text = "id,time,x\n" + "".join(f"a,{t},7\n" for t in range(200_000)) + row + "\n"
    with pytest.raises(UnrolledError, match=message):
        read_table(write(folder, text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 3 is no JSON"),
        ("[1]", "line 3 is no object"),
        ('{"id": "a", "x": "word"}', "'x' cannot|has no column of numbers"),
        ('{"id": "a", "x": [1]}', "has no column of numbers"),
        ("[" * 100_000, "line 3 is no JSON"),
        ('{"id": "a", "x": 1e999}', "row 3 column 'x' is inf"),
    ],
)
def test_bad_json_lines_are_one_error(folder: Path, line: str, message: str) -> None:
    text = '{"id": "a", "x": 1}\n{"id": "a", "x": 2.5}\n' + line + "\n"
    with pytest.raises(UnrolledError, match=message):
        read_table(write(folder, text, "some.jsonl"))


def test_json_lines_lack_keys_and_quote_numbers(folder: Path) -> None:
    text = '{"id": 1, "x": "1.5", "y": 2}\n\n{"x": null, "id": 1}\n{"id": 1, "y": true, "x": "NaN"}\n'
    read = read_table(write(folder, text, "some.jsonl"))
    nan = float("nan")
    np.testing.assert_array_equal(read.sequences[0].numpy(), [[1.5, 2], [nan, nan], [nan, 1]])
    assert read.names == ("1",)


def test_json_text_far_down_in_a_column_of_numbers_is_told_by_its_line(folder: Path) -> None:
    text = '{"id": "a", "x": 1}\n' * 5000 + '{"id": "a", "x": "word"}\n'
    with pytest.raises(UnrolledError, match=r"line 5001: 'x' is 'word', expected a number"):
        read_table(write(folder, text, "some.jsonl"))


def test_gzip_that_unpacks_to_far_more_is_refused(folder: Path) -> None:
    packed = gzip.compress(b"time,x\n" + b"1,2\n" * 30_000_000)
    with pytest.raises(UnrolledError, match="unpacks to far more than it is"):
        read_table(write(folder, packed, "some.csv.gz"))


def test_a_cut_parquet_file_is_one_error(folder: Path) -> None:
    content = as_parquet([{"id": "a", "x": 1.5}, {"id": "a", "x": 2.5}])
    for cut in (0, 3, 10, len(content) // 2, len(content) - 1):
        with pytest.raises(UnrolledError, match="is no Parquet file, or damaged"):
            read_table(write(folder, content[:cut], "cut.parquet"))


def test_nothing_but_tables_is_opened(folder: Path) -> None:
    with pytest.raises(UnrolledError, match="No such file"):
        read_table(folder / "nowhere.csv")
    for ending in ("csv", "jsonl", "parquet"):
        (folder / f"folder.{ending}").mkdir(exist_ok=True)
        with pytest.raises(UnrolledError, match="Is a directory"):
            read_table(folder / f"folder.{ending}")


@given(
    content=st.binary(max_size=80) | st.text('id,xt;\t"\n01.5ae-', max_size=80).map(str.encode),
    name=st.sampled_from(["some.csv", "some.jsonl", "some.parquet", "some.txt"]),
)
def test_any_bytes_are_sequences_or_an_error(folder: Path, content: bytes, name: str) -> None:
    with contextlib.suppress(UnrolledError):
        read_table(write(folder, content, name))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")
def test_a_full_disk_is_one_error_whenever_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unrolled.data.readers.spool.IN_MEMORY", 0)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda prefix: open("/dev/full", "wb"))  # noqa: SIM115

    def keep_a_row() -> None:
        spool = Spool(2)
        spool.append(np.zeros((1, 2), np.float32))
        spool.finish()

    with pytest.raises(UnrolledError, match=r"cannot keep 8 bytes of steps in .*: No space left on device"):
        keep_a_row()


def test_a_table_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Table()  # type: ignore[abstract]
