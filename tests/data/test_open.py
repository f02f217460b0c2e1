"""A data set from files: who is tested on, what is left out, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled.data import DataOptions, open_data
from unrolled.errors import UnrolledError

pytest.importorskip("pyarrow")


def table(
    path: Path,
    count: int,
    *,
    classes: str = "ab",
    columns: str = "id,time,x,y,label,speaker",
    speakers: int = 3,
) -> Path:
    """A long table of sequences with 2 to 4 steps, its columns in the order of `columns`."""
    random = np.random.default_rng(0)
    lines = [columns]
    for number in range(count):
        for step in range(2 + number % 3):
            x, y = random.normal(size=2).round(3)
            row = {"id": f"s{number}", "time": step, "x": x, "y": y + 10, "extra": 1}
            row |= {"label": classes[number % len(classes)], "speaker": number % speakers}
            lines.append(",".join(str(row[name]) for name in columns.split(",")))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_file_to_test_on_is_read_by_the_names_of_the_training_columns(tmp_path: Path) -> None:
    train = table(tmp_path / "a.csv", 12, columns="id,time,x,y,label")
    other = table(tmp_path / "b.csv", 6, columns="label,y,extra,x,time,id")
    same = table(tmp_path / "c.csv", 6, columns="id,time,x,y,label")
    tests = [open_data(train, DataOptions(test=str(path))).test for path in (other, same)]
    for rows in (slice(0, 2), slice(2, 6)):
        ours, theirs = (test.take(torch.arange(6)[rows]) for test in tests)
        assert ours.x.equal(theirs.x)
        assert ours.labels.equal(theirs.labels)


def test_a_file_to_test_on_has_the_form_of_the_training_file(tmp_path: Path) -> None:
    train = table(tmp_path / "a.csv", 12, columns="id,time,x,y,label")
    one_step = tmp_path / "b.csv"
    one_step.write_text("id,time,x,y,label\np,0,1,2,a\nq,0,1,2,b\n")  # no id comes again: it looks wide
    assert open_data(train, DataOptions(test=str(one_step))).test.all_lengths().tolist() == [1, 1]


def test_a_column_of_numbers_with_a_word_in_it_is_left_out_aloud(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", 12, columns="id,time,x,y,label,speaker")
    lines = path.read_text().splitlines()
    lines[5] = lines[5].replace(lines[5].split(",")[2], "1..5")
    path.write_text("\n".join(lines) + "\n")
    notes = open_data(path).notes
    assert "the column 'x' is left out: it holds '1..5' among its numbers" in notes
    assert not any("'label' is left out" in note for note in notes)
    with pytest.raises(
        UnrolledError, match=r"a\.csv, line 6: the column 'x' holds '1\.\.5', expected a number"
    ):
        open_data(path, DataOptions(features=("x",)))


def test_ids_can_say_what_to_test_on(tmp_path: Path) -> None:
    data = open_data(table(tmp_path / "a.csv", 12), DataOptions(test="id=s1,s2"))
    assert data.test.all_lengths().tolist() == [3, 4]


def test_classes_of_one_sequence_each_leave_nothing_to_test_on(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", 3, classes="abc")
    with pytest.raises(
        UnrolledError, match=r"each of the 3 classes has one sequence, expected two .* --test"
    ):
        open_data(path)


def test_a_group_is_not_tested_on_that_is_trained_on_whatever_says_so(tmp_path: Path) -> None:
    train, other = table(tmp_path / "a.csv", 12), table(tmp_path / "b.csv", 6)
    for test in (str(other), "id=s1"):
        with pytest.raises(UnrolledError, match=r"--split-by speaker: .*1.* would be on both sides"):
            open_data(train, DataOptions(test=test, split_by="speaker"))
    open_data(train, DataOptions(test="speaker=1", split_by="speaker"))


def test_of_two_groups_one_is_trained_on_and_one_tested_on(tmp_path: Path) -> None:
    data = open_data(
        table(tmp_path / "a.csv", 20, speakers=2, classes="aab"), DataOptions(split_by="speaker")
    )
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 0, 10)
    assert any("all sequences to train on have the speaker" in note for note in data.notes)
    with pytest.raises(UnrolledError, match="of one group"):
        open_data(tmp_path / "a.csv", DataOptions(split_by="speaker"), validation=2)


def test_a_column_to_split_by_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", 12)
    with pytest.raises(UnrolledError, match=r"unknown column of sequences 'speakr': did you mean 'speaker'"):
        open_data(path, DataOptions(split_by="speakr"))


def test_where_no_value_may_be_missing_the_first_one_is_named(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", 12)
    lines = path.read_text().splitlines()
    lines[4] = ",".join(["s1", "1", "", *lines[4].split(",")[3:]])
    path.write_text("\n".join(lines) + "\n")
    for options, way in (
        (DataOptions(missing="error"), "say --missing previous"),
        (DataOptions(standardize=False), "leave --no-standardize out"),
    ):
        with pytest.raises(UnrolledError, match=f"x of s1 is missing at its step 2: fill it in, or {way}"):
            open_data(path, options)
    with pytest.raises(UnrolledError, match=r"--missing mean needs the mean of each feature, and --no-stand"):
        open_data(path, DataOptions(missing="mean", standardize=False))
    with pytest.raises(UnrolledError, match=r"b\.csv: x of s1 is missing"):
        open_data(
            table(tmp_path / "c.csv", 9),
            DataOptions(missing="error", test=str(path.rename(tmp_path / "b.csv"))),
        )
