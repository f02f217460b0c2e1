"""Files of the .ts format: what they say is read, and whatever else comes is one clear error."""

import contextlib
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.readers import spool
from unrolled.data.readers.ts import read_ts
from unrolled.errors import UnrolledError

NUMBERS = st.floats(-1e30, 1e30) | st.just(float("nan"))
HEAD = "@problemName some\n@timeStamps false\n@classLabel true a b\n@data\n"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.ts"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ts")


@pytest.mark.skipif("UNROLLED_DATA_DIR" not in os.environ, reason="UNROLLED_DATA_DIR names no folder of data")
@pytest.mark.parametrize(("part", "count"), [("TRAIN", 270), ("TEST", 370)])
def test_japanese_vowels_are_read_as_another_way_of_reading_reads_them(part: str, count: int) -> None:
    path = Path(os.environ["UNROLLED_DATA_DIR"]) / "japanese-vowels" / f"JapaneseVowels_{part}.ts"
    read = read_ts(path)
    lines = [line for line in path.read_text().splitlines() if re.match(r"[-\d]", line)]
    assert len(read.sequences) == len(lines) == count
    assert read.classes == tuple("123456789")
    for sequence, label, line in zip(read.sequences, read.labels, lines, strict=True):
        *dimensions, expected = line.split(":")
        values = [np.array(dimension.split(","), np.float64).astype(np.float32) for dimension in dimensions]
        assert (sequence.numpy() == np.stack(values, 1)).all()
        assert label == expected
    assert read.sequences.lengths.min() >= 7
    assert read.sequences.lengths.max() <= 29
    assert len(read.features) == 12
    assert read.notes == ()


@given(
    sequences=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.lists(NUMBERS, min_size=width, max_size=width), min_size=1, max_size=6), min_size=1
        )
    )
)
def test_what_is_written_is_read(folder: Path, sequences: list[list[list[float]]]) -> None:
    for sequence in sequences:
        sequence[-1][0] = 1.5  # what ends in nothing is shorter
    lines = [
        ":".join(
            ",".join("?" if v != v else repr(v) for v in channel) for channel in zip(*steps, strict=True)
        )
        for steps in sequences
    ]
    read = read_ts(write(folder, "@classLabel true a b\n@data\n" + "".join(f"{line}:b\n" for line in lines)))
    assert read.sequences.lengths.tolist() == list(map(len, sequences))
    for got, steps in zip(read.sequences, sequences, strict=True):
        np.testing.assert_array_equal(got.numpy(), np.array(steps).astype(np.float32))
    assert read.labels.tolist() == ["b"] * len(sequences)
    assert read.classes == ("a", "b")


def test_headers_come_in_any_order_and_case_and_unknown_ones_are_let_be(folder: Path) -> None:
    text = "\ufeff# a ü\n\n@\n@DATAQUALITY good\n@CLASSLABEL TRUE y x\r\n@Dimensions 1\n@timestamps False\n"
    text += "@DATA\n1,2:x\r\n\n#\n3:y"
    read = read_ts(write(folder, text))
    assert read.labels.tolist() == ["x", "y"]
    assert read.classes == ("y", "x")
    assert read.features == ("value",)
    assert read.sequences.lengths.tolist() == [2, 1]


def test_targets_are_numbers_and_a_file_may_have_no_labels(folder: Path) -> None:
    read = read_ts(write(folder, "@targetlabel true\n@data\n1,2:0.25\n3,4:7\n"))
    assert read.labels.dtype == np.float64
    assert read.labels.tolist() == [0.25, 7.0]
    assert read.classes is None
    read = read_ts(write(folder, "@classlabel false\n@data\n1,2:3,4\n"))
    assert read.labels is None
    assert read.sequences[0].tolist() == [[1, 3], [2, 4]]


def test_classes_written_as_fractions_are_those_of_the_header(folder: Path) -> None:
    read = read_ts(write(folder, "@classLabel true 1 2\n@data\n5:2.0\n"))
    assert read.labels.tolist() == ["2"]


def test_times_are_left_out_and_said_to_be(folder: Path) -> None:
    text = "@timeStamps true\n@classLabel true a\n@data\n(0,1.5),(1,?):(2020-01-01 10:00:00,3),(2,4):a\n"
    read = read_ts(write(folder, text))
    np.testing.assert_array_equal(read.sequences[0].numpy(), [[1.5, 3], [np.nan, 4]])
    assert read.notes == ("the times of the steps are not used",)


def test_missing_values_are_nan_and_steps_without_any_end_a_sequence(folder: Path) -> None:
    read = read_ts(write(folder, HEAD + "?,NaN,3,?:?:a\n1:2:b\n"))
    np.testing.assert_array_equal(read.sequences[0].numpy(), [[np.nan] * 2, [np.nan] * 2, [3, np.nan]])
    assert read.notes == ("1 of 2 sequences end in steps without values, which are left out",)


def test_many_steps_lie_in_a_file_that_has_no_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(folder, HEAD + "1,2,3:a\n4,5:b\n" * 50)
    expected = read_ts(path)
    monkeypatch.setattr(spool, "IN_MEMORY", 100)
    read = read_ts(path)
    assert read.sequences.file is not None
    assert expected.sequences.file is None
    assert not os.path.lexists(read.sequences.file.path)
    assert (read.sequences.values == expected.sequences.values).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no sequences"),
        (HEAD, "holds no sequences, expected a line for each after @data"),
        (HEAD + "1,2:3:a\n", r"line 5, has 1 values in dimension 2 and 2 in dimension 1"),
        (HEAD + "1:2:a\n1:b\n", "line 6, has 1 dimensions, expected 2 as before"),
        ("@dimensions 2\n" + HEAD + "1:a\n", "line 6, has 1 dimensions, expected 2 as the header says"),
        (HEAD + "1,x:a\n", "line 5, value 2 of dimension 1 is 'x', expected a number"),
        (HEAD + "1_0:a\n", "value 1 of dimension 1 is '1_0', expected a number"),
        (HEAD + "1,inf:a\n", "line 5, value 2 of dimension 1 is inf, expected a number of at most 3.4e38"),
        (HEAD + "1,1e39:a\n", r"value 2 of dimension 1 is 1e\+39, expected"),
        (HEAD + "?,?:a\n", "line 5, has no value, expected a sequence"),
        (HEAD + "1,2:c\n", "line 5, is of the class 'c', expected one that the header lists: a, b"),
        (HEAD + "1,2:?\n", "line 5, has no label"),
        (HEAD + "a\n", "line 5, has no label"),
        ("@targetLabel true\n@data\n1:cat\n", "line 3, has the label 'cat', expected a number"),
        ("@targetLabel true\n@classLabel true a\n@data\n", "line 2, makes the label both"),
        ("@classLabel maybe\n", "line 1, says '@classLabel maybe', expected @classlabel true or"),
        ("@dimensions many\n", "line 1, says '@dimensions many', expected a number of dimensions"),
        ("@timeStamps true\n@data\n1,2\n", r"line 3, dimension 1: expected \(time,value\)"),
        (HEAD.encode() + b"1,\xff:a\n", "line 5, is not text in UTF-8"),
    ],
)
def test_a_bad_file_is_one_error_that_says_where(folder: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UnrolledError, match=message) as caught:
        read_ts(write(folder, text))
    assert str(caught.value).count("some.ts") == 1


@given(
    content=st.binary(max_size=80) | st.text("@()?:,.-019naei\n", max_size=80).map(str.encode),
    head=st.booleans(),
)
def test_any_bytes_are_sequences_or_an_error(folder: Path, content: bytes, head: bool) -> None:
    with contextlib.suppress(UnrolledError):
        read_ts(write(folder, HEAD.encode() * head + content))
