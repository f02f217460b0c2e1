"""Tables: long and wide, in every format, give the same bits; whatever else comes is one clear error."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.readers.tables import FORMATS, NUMBERS, Rows, as_parquet, as_text, assert_same, write
from unrolled.data.collection import Collection
from unrolled.data.readers import spool
from unrolled.data.readers.table import read_one, read_table
from unrolled.data.readers.ts import read_ts
from unrolled.errors import UnrolledError


@pytest.fixture(scope="module")
def vowels() -> tuple[Collection, Rows]:
    if "UNROLLED_DATA_DIR" not in os.environ:
        pytest.skip("UNROLLED_DATA_DIR names no folder of data")
    path = Path(os.environ["UNROLLED_DATA_DIR"]) / "japanese-vowels" / "JapaneseVowels_TRAIN.ts"
    lines = [line for line in path.read_text().splitlines() if line[0] not in "#@"]
    rows = []
    for number, line in enumerate(lines):
        *dimensions, label = line.split(":")
        for step, values in enumerate(zip(*(one.split(",") for one in dimensions), strict=True)):
            cells = {f"ch{i}": float(value) for i, value in enumerate(values)}
            rows.append({"id": f"u{number}", "time": step, "label": int(label), **cells})
    return read_ts(path), rows


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_long_table_has_the_bits_of_the_ts_file(
    vowels: tuple[Collection, Rows], folder: Path, format: str, shuffled: bool
) -> None:
    expected, rows = vowels
    if shuffled:  # rows of a sequence apart from each other; the first row of each still in order
        order = np.random.default_rng(0).permutation(len(rows))
        first = {row["id"]: place for place, row in reversed(list(enumerate(rows)))}
        heads = sorted(first.values())
        rows = [rows[i] for i in heads] + [rows[i] for i in order if i not in set(heads)]
    read = read_table(write(folder, FORMATS[format](rows), f"vowels.{format}"))
    assert_same(read, expected)
    assert read.features == tuple(f"ch{i}" for i in range(12))
    assert read.reading["form"] == "long"
    assert any("put in order by id and time" in note for note in read.notes) == shuffled


def test_a_wide_table_has_the_bits_of_the_ts_file(vowels: tuple[Collection, Rows], folder: Path) -> None:
    expected, _ = vowels
    rows = []
    for sequence, label in zip(expected.sequences, expected.labels, strict=True):
        row: dict[str, Any] = {"label": label}
        for channel in range(12):
            for step in range(29):
                value = float(sequence[step, channel]) if step < len(sequence) else ""
                row[f"ch{channel}_t{step}"] = value
        rows.append(row)
    read = read_table(write(folder, as_text(rows)))
    assert_same(read, expected)
    assert read.features == tuple(f"ch{i}" for i in range(12))
    assert read.reading["form"] == "wide"


@pytest.mark.parametrize("format", FORMATS)
@given(
    sequences=st.integers(1, 3).flatmap(
        lambda width: st.lists(
            st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=1, max_size=5), min_size=1
        )
    ),
    data=st.data(),
)
def test_what_is_written_long_is_read(
    folder: Path, format: str, sequences: list[list[list[float]]], data: st.DataObject
) -> None:
    rows = [
        {
            "case": f"s{n}",
            "t": t * 0.5,
            "kind": f"k{n % 2}",
            **{f"x{i}": float(v) for i, v in enumerate(step)},
        }
        for n, steps in enumerate(sequences)
        for t, step in enumerate(steps)
    ]
    rows = data.draw(st.permutations(rows))
    features = [name for name in rows[0] if name.startswith("x")]
    path = write(folder, FORMATS[format](rows), f"long.{format}")
    read = read_table(path, id="case", time="t", form="long", label="kind", features=features)
    assert set(read.names) == {f"s{n}" for n in range(len(sequences))}
    for name, sequence, label in zip(read.names, read.sequences, read.labels, strict=True):
        number = int(name[1:])
        expected = np.array(sequences[number], np.float64).astype(np.float32)
        np.testing.assert_array_equal(sequence.numpy(), expected)
        assert label == f"k{number % 2}"


@pytest.mark.parametrize("format", FORMATS)
@given(
    sequences=st.lists(st.lists(st.floats(-1e30, 1e30), min_size=1, max_size=6), min_size=1, max_size=9),
)
def test_what_is_written_wide_is_read(folder: Path, format: str, sequences: list[list[float]]) -> None:
    longest = max(map(len, sequences))
    nan = float("nan")
    rows = [
        {"label": f"k{n}", **{f"t{i}": steps[i] if i < len(steps) else nan for i in range(longest)}}
        for n, steps in enumerate(sequences)
    ]
    read = read_table(write(folder, FORMATS[format](rows), f"wide.{format}"), form="wide")
    assert read.labels.tolist() == [f"k{n}" for n in range(len(sequences))]
    for sequence, steps in zip(read.sequences, sequences, strict=True):
        assert sequence[:, 0].numpy().tobytes() == np.array(steps).astype(np.float32).tobytes()


def test_labels_that_change_within_a_sequence_are_one_for_each_step(folder: Path) -> None:
    text = "id,time,x,label\na,1,5,up\na,0,4,down\nb,0,6,up\nb,1,7,up\n"
    read = read_table(write(folder, text))
    assert read.each_step
    assert read.labels.tolist() == ["down", "up", "up", "up"]


def test_text_that_is_the_same_in_every_row_of_a_sequence_is_kept(folder: Path) -> None:
    text = "id,x,speaker,word\na,1,kim,hello\nb,2,lee,one\na,3,kim,you\nb,4,lee,two\n"
    read = read_table(write(folder, text))
    assert read.columns == {"speaker": ("kim", "lee")}
    assert read.labels is None
    with pytest.raises(UnrolledError, match=r"some.csv, row 3 has another 'word' than the rows before it"):
        read_table(write(folder, text), columns="word")


def test_numbers_that_are_kept_are_no_features(folder: Path) -> None:
    read = read_table(write(folder, "id,x,patient\na,1,7\na,2,7\nb,3,8\n"), columns=["patient"])
    assert read.features == ("x",)
    assert read.columns == {"patient": ("7", "8")}


def test_several_labels_are_numbers_and_whole_ones_are_text(folder: Path) -> None:
    text = "id,x,height,age\na,1,1.5,7\na,2,1.5,7\nb,3,2.5,9\nb,3,2.5,9\n"
    path = write(folder, text)
    read = read_table(path, label=("height", "age"))
    assert read.labels.tolist() == [[1.5, 7], [2.5, 9]]
    assert read.label_names == ("height", "age")
    assert read_table(path, label="height").labels.tolist() == [1.5, 2.5]
    assert read_table(path, label="age").labels.tolist() == ["7", "9"]
    for format in ("parquet", "jsonl"):
        rows = [{"id": "a", "x": 1.0, "k": 7.0}, {"id": "a", "x": 2.0, "k": 7.0}]
        again = read_table(write(folder, FORMATS[format](rows), f"k.{format}"), label="k", features="x")
        assert again.labels.tolist() == ["7"]


@pytest.mark.parametrize(
    ("times", "order"),
    [
        (["2026-02-01", "2026-01-31", "2026-02-01 00:00:01"], [1, 0, 2]),
        (["02.01.2026", "01.02.2026", "01.01.2026 23:59"], [2, 0, 1]),
        (["2026-01-01T01:00:00+02:00", "2026-01-01T00:00:00Z", "2025/12/31"], [2, 0, 1]),
        (["10", "9", "-1.5"], [2, 1, 0]),
        (["1990-02", "1990-01", "1989-12"], [2, 1, 0]),
    ],
)
def test_a_series_is_sorted_by_its_times(folder: Path, times: list[str], order: list[int]) -> None:
    rows = "".join(f"{time},{row}\n" for row, time in enumerate(times))
    read = read_table(write(folder, "date,co2\n" + rows))
    assert read.sequences[0][:, 0].tolist() == order
    assert (read.features, read.labels, read.reading["form"]) == (("co2",), None, "series")
    assert "rows were put in order by date" in read.notes


def test_times_that_come_twice_are_noted(folder: Path) -> None:
    read = read_table(write(folder, "time,x\n1,1\n1,2\n2,3\n"))
    assert "1 rows have the time of the row before them" in read.notes


def test_dates_in_a_first_column_without_a_name_are_the_times(folder: Path) -> None:
    read = read_table(write(folder, ",co2\n2026-01-02,5\n2026-01-01,4\n"))
    assert read.sequences[0].tolist() == [[4], [5]]


def test_numbers_of_rows_in_a_first_column_without_a_name_are_left_out(folder: Path) -> None:
    read = read_table(write(folder, ",id,x\n0,a,5\n1,a,4\n2,b,6\n"))
    assert read.features == ("x",)
    assert "the first column has no name and is left out" in read.notes


def test_prophets_columns_are_a_series_and_not_labels(folder: Path) -> None:
    read = read_table(write(folder, "unique_id,ds,y\na,2026-01-01,1.5\na,2026-01-02,2.5\nb,2026-01-01,3\n"))
    assert (read.features, read.labels) == (("y",), None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ucr.tsv", "1\t0.5\t1.5\t2.5\n2\t3.5\t4.5\tNaN\n"),
        ("ucr.txt", "  1.0000000e+00  5.0e-01  1.5e+00  2.5\n  2.0000000e+00  3.5  4.5 NaN\n"),
        ("ucr.txt", "1,0.5,1.5,2.5\n2,3.5,4.5,NaN\n"),
        ("headless.csv", "1,0.5,1.5,2.5\n2,3.5,4.5,\n"),
    ],
)
def test_the_ucr_archive_s_files_have_the_label_first(folder: Path, name: str, text: str) -> None:
    read = read_table(write(folder, text, name))
    assert read.labels.tolist() == ["1", "2"]
    assert [sequence[:, 0].tolist() for sequence in read.sequences] == [[0.5, 1.5, 2.5], [3.5, 4.5]]
    assert read.features == ("value",)
    assert any("the columns are called c1 to c4" in note for note in read.notes)


def test_names_that_count_are_a_header(folder: Path) -> None:
    read = read_table(write(folder, "0,1,2,3\n0.5,1.5,2.5,3.5\n4.5,5.5,6.5,7.5\n"), form="wide")
    assert read.sequences.lengths.tolist() == [4, 4]


def test_inner_cells_without_a_value_are_missing_and_those_at_the_end_are_not_there(folder: Path) -> None:
    read = read_table(write(folder, "label,t0,t1,t2,t3\na,,1,,2\nb,3,?,NA,\n"))
    assert read.sequences.lengths.tolist() == [4, 1]
    np.testing.assert_array_equal(read.sequences[0][:, 0].numpy(), [np.nan, 1, np.nan, 2])


def test_ids_that_never_come_again_name_the_rows_of_a_wide_table(folder: Path) -> None:
    read = read_table(write(folder, "id,label,t0,t1,t2\np,a,1,2,3\nq,b,4,5,6\n"))
    assert (read.names, read.reading["form"]) == (("p", "q"), "wide")
    assert read.sequences.lengths.tolist() == [3, 3]


def test_decimal_commas_are_read_beside_semicolons(folder: Path) -> None:
    read = read_table(write(folder, "id;x;y\na;1,5;2\na;-2,25;3\n"), features=("x", "y"))
    assert read.sequences[0].tolist() == [[1.5, 2], [-2.25, 3]]
    assert "numbers have decimal commas" in read.notes


def test_a_column_may_be_whole_numbers_for_long_and_then_not(folder: Path) -> None:
    read = read_table(
        write(folder, "time,x\n" + "".join(f"{t},7\n" for t in range(200_000)) + "200000,1.5\n")
    )
    assert read.sequences[0][-2:, 0].tolist() == [7, 1.5]


def test_a_run_s_settings_read_another_file_likewise(folder: Path) -> None:
    text = "id,time,x,label\na,1,5,up\na,2,4,up\nb,1,6,down\nb,2,7,down\n"
    first = read_table(write(folder, text))
    settings = {name: value for name, value in first.reading.items() if name != "format"}
    one = read_table(write(folder, "id,time,x,label,z\nq,1,5,up,1\n", "other.csv"), **settings)
    assert one.sequences[0].tolist() == [[5.0]]
    assert json.loads(json.dumps(first.reading)) == first.reading


def test_a_table_may_be_one_sequence(folder: Path) -> None:
    read = read_one(write(folder, "x,y\n1,2\n3,4\n"))
    assert read.sequences[0].tolist() == [[1, 2], [3, 4]]
    assert read.names == ("1",)


def test_many_steps_go_through_files_and_are_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": f"s{i % 5}", "time": -i, "x": i / 3} for i in range(3000)]
    path = write(folder, as_text(rows))
    expected = read_table(path)
    monkeypatch.setattr(spool, "IN_MEMORY", 1000)
    monkeypatch.setattr(spool, "CHUNK", 100)
    read = read_table(path)
    assert read.sequences.file is not None
    assert (read.sequences.values == expected.sequences.values).all()
    assert read.sequences[0][:2, 0].tolist() == np.array([2995 / 3, 2990 / 3], np.float32).tolist()


def test_batches_are_no_seams(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"id": f"s{i % 5}", "time": i, "x": i / 3, "who": f"w{i % 5}"} for i in range(3000)]
    expected = read_table(write(folder, as_parquet(rows), "some.parquet"))
    monkeypatch.setattr("unrolled.data.readers.delimited.BLOCK", 1000)
    monkeypatch.setattr("unrolled.data.readers.json_lines.BATCH", 7)
    for format in ("csv", "jsonl"):
        read = read_table(write(folder, FORMATS[format](rows), f"some.{format}"))
        assert (read.sequences.values == expected.sequences.values).all()
        assert read.columns == expected.columns == {"who": ("w0", "w1", "w2", "w3", "w4")}
