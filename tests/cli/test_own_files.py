"""Files of one's own: what training, prediction and evaluation make of what users have."""

import numpy as np
import pytest

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.usefixtures("blank_pictures")


def long_table(path, count=12, labels="ab", header="id,time,x,y,label"):
    """A long table of sequences with 2 to 4 steps."""
    random = np.random.default_rng(0)
    lines = [header]
    for number in range(count):
        for step in range(2 + number % 3):
            x, y = random.normal(number % len(labels), 1, 2).round(3)
            lines.append(f"s{number},{step},{x},{y},{labels[number % len(labels)]}")
    path.write_text("\n".join(lines) + "\n")
    return path


def wide_table(path, labels="12"):
    """A wide table of sequences with 4 steps, its labels numbers."""
    random = np.random.default_rng(0)
    lines = ["label,t0,t1,t2,t3"]
    for number in range(12):
        lines.append(f"{labels[number % len(labels)]}," + ",".join(map(str, random.normal(size=4).round(3))))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("table", [long_table, wide_table])
def test_labels_that_are_left_empty_or_are_not_there_are_no_matter_to_predict(unrolled, tmp_path, table):
    train, run = table(tmp_path / "train.csv"), tmp_path / "run"
    assert unrolled("train", "--data", train, "--steps", 2, "--run", run).code == 0
    whole = unrolled("predict", train, "--run", run, "--csv")
    assert whole.code == 0
    header, *lines = train.read_text().splitlines()
    place = header.split(",").index("label")
    without = tmp_path / "without.csv"
    for label in ("", "?", "zebra", None):
        cells = [line.split(",") for line in (header, *lines)]
        for row in cells if label is None else cells[1:]:
            row[place : place + 1] = [] if label is None else [label]
        without.write_text("\n".join(",".join(row) for row in cells) + "\n")
        answered = unrolled("predict", without, "--run", run, "--csv")
        assert (answered.code, answered.out) == (0, whole.out), answered.err


def test_a_ts_file_whose_labels_are_not_known_is_predicted(unrolled, tmp_path):
    head = "@problemName some\n@timeStamps false\n@univariate true\n@classLabel true a b\n@data\n"
    rows = [f"{number},2,{number % 3}" for number in range(12)]
    train, run, unknown = tmp_path / "train.ts", tmp_path / "run", tmp_path / "unknown.ts"
    train.write_text(head + "".join(f"{row}:{'ab'[number % 2]}\n" for number, row in enumerate(rows)))
    unknown.write_text(head + "".join(f"{row}:?\n" for row in rows))
    assert unrolled("train", "--data", train, "--steps", 2, "--run", run).code == 0
    known = unrolled("predict", train, "--run", run, "--csv")
    assert unrolled("predict", unknown, "--run", run, "--csv").out == known.out != ""
    assert unrolled("evaluate", run, "--data", unknown).code == 2


def step_labels(path, labels):
    """A long table of sequences with four steps, each with one of `labels`."""
    rows = [f"s{number // 4},{number % 4},{number % 7},{label}" for number, label in enumerate(labels)]
    path.write_text("\n".join(["id,time,x,label", *rows]) + "\n")
    return path


def test_labels_that_never_change_in_a_sequence_are_tags_to_a_network_that_tags(tmp_path):
    from unrolled.data import DataOptions, open_data

    train = step_labels(tmp_path / "train.csv", "abab" * 6)
    test = open_data(train, DataOptions(test=str(step_labels(tmp_path / "test.csv", "aaaabbbb")))).test
    assert test.labels.values.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_label_for_each_step_is_refused_where_one_for_each_sequence_was_learned(unrolled, tmp_path):
    train, run = long_table(tmp_path / "train.csv"), tmp_path / "run"
    assert unrolled("train", "--data", train, "--steps", 2, "--run", run).code == 0
    changing = tmp_path / "changing.csv"
    header, first, *lines = train.read_text().splitlines()
    changing.write_text("\n".join([header, first.removesuffix("a") + "b", *lines]))
    refused = unrolled("evaluate", run, "--data", changing)
    assert refused.code == 2
    (line,) = refused.err.splitlines()
    assert "changing.csv has a label for each step, which --task classify does not predict" in line
