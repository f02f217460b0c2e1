"""Folders of files, and what says which class each is of."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.nasty_names import NASTY
from tests.tolerances import assert_equal
from unrolled.data.readers import folder
from unrolled.data.readers.log_mel import MelSettings
from unrolled.errors import UnrolledError
from unrolled.names import printable

DATA = os.environ.get("UNROLLED_DATA_DIR")
random = np.random.default_rng(0)


def put(root: Path, *names: str, size: tuple[int, int] = (3, 4)) -> Path:
    """Pictures of noise of these names."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, size, dtype=np.uint8)).save(path, "PNG")
    return root


def labelled(root: Path, **options: object) -> dict[str, str]:
    """The label of each file."""
    found = folder.read(root, **options)
    return dict(zip(found.names, found.labels.tolist(), strict=True))


def test_sub_folders_are_classes_in_natural_order(tmp_path: Path) -> None:
    put(tmp_path, "c10/a.png", "c9/b10.png", "c9/b9.png", "c9/deeper/x.png")
    found = folder.read(tmp_path)
    assert found.names == ("c9/b9.png", "c9/b10.png", "c9/deeper/x.png", "c10/a.png")
    assert found.labels.tolist() == ["c9", "c9", "c9", "c10"]
    assert (found.classes, found.label_names, found.columns) == (("c9", "c10"), ("folder",), {})
    assert (found.sequences.dtype, found.sequences.width) == (torch.uint8, 4)
    assert found.features == ("pixel 1", "pixel 2", "pixel 3", "pixel 4")
    assert found.path == str(tmp_path)


@pytest.mark.parametrize(
    ("train", "test", "held"), [("train", "test", "val"), ("Training", "testing", "dev")]
)
def test_parts_above_the_classes_are_a_column(tmp_path: Path, train: str, test: str, held: str) -> None:
    put(tmp_path, f"{train}/a/1.png", f"{train}/b/1.png", f"{test}/a/1.png", f"{held}/b/1.png")
    found = folder.read(tmp_path)
    parts = dict(zip(found.names, found.columns["part"], strict=True))
    assert parts == {
        f"{train}/a/1.png": "train",
        f"{train}/b/1.png": "train",
        f"{test}/a/1.png": "test",
        f"{held}/b/1.png": "validation",
    }
    assert set(found.labels.tolist()) == {"a", "b"}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    put(tmp_path, "train/1.png", "plane/1.png")
    assert labelled(tmp_path) == {"train/1.png": "train", "plane/1.png": "plane"}


def test_names_of_files_tell_labels_and_columns(tmp_path: Path) -> None:
    put(tmp_path, "7_ann_0.png", "7_ben_10.png", "3_ann_2.png")
    found = folder.read(tmp_path, names="{label}_{speaker}_{index}")
    assert found.labels.tolist() == ["3", "7", "7"]
    assert found.columns == {"speaker": ("ann", "ann", "ben"), "index": ("2", "0", "10")}
    assert (found.classes, found.label_names) == (None, ("label",))
    by_speaker = folder.read(tmp_path, names="{label}_{speaker}_{_}", label="speaker")
    assert by_speaker.labels.tolist() == ["ann", "ann", "ben"]
    assert by_speaker.columns == {"label": ("3", "7", "7")}


def test_names_within_folders_of_classes_add_columns(tmp_path: Path) -> None:
    put(tmp_path, "cat/ann_1.png", "dog/ben_1.png")
    found = folder.read(tmp_path, names="{speaker}_{index}")
    assert found.labels.tolist() == ["cat", "dog"]
    assert found.columns["speaker"] == ("ann", "ben")
    found = folder.read(tmp_path, names="{speaker}_{index}", label="speaker")
    assert (found.labels.tolist(), found.columns["folder"]) == (["ann", "ben"], ("cat", "dog"))


METADATA = {
    "metadata.csv": "\ufefffile_name,label,age\nclips/1.png,cat,7\n2.png,dog,8\n",
    "metadata.tsv": "age\tpath\tlabel\n7\t1.png\tcat\n8\tclips/2.png\tdog\n",
    "metadata.jsonl": '{"file": "1.png", "label": "cat", "age": 7}\n\n'
    '{"file": "2.png", "label": "dog", "age": 8}\n',
}


@pytest.mark.parametrize("name", METADATA)
def test_a_table_beside_the_files_says_what_they_are(tmp_path: Path, name: str) -> None:
    put(tmp_path, "clips/1.png", "clips/2.png", "clips/3.png")
    (tmp_path / name).write_text(METADATA[name], encoding="utf-8")
    found = folder.read(tmp_path)
    assert found.names == ("clips/1.png", "clips/2.png")
    assert (found.labels.tolist(), found.columns) == (["cat", "dog"], {"age": ("7", "8")})
    assert found.notes[0] == "1 files that no table names are left out"
    assert folder.read(tmp_path, label="age").labels.tolist() == ["7", "8"]


def test_tables_of_parts_and_tables_within_parts_say_the_part(tmp_path: Path) -> None:
    put(tmp_path / "one", "clips/1.png", "clips/2.png")
    (tmp_path / "one" / "train.tsv").write_text("path\tsentence\n1.png\tyes\n")
    (tmp_path / "one" / "dev.tsv").write_text("path\tsentence\n2.png\tno\n")
    one = folder.read(tmp_path / "one")
    assert (one.labels.tolist(), one.columns["part"]) == (["yes", "no"], ("train", "validation"))
    put(tmp_path / "two", "train/1.png", "test/1.png")
    for part in ("train", "test"):
        (tmp_path / "two" / part / "metadata.csv").write_text(f"file_name,label\n1.png,{part}ed\n")
    two = folder.read(tmp_path / "two")
    assert (two.labels.tolist(), two.columns["part"]) == (["tested", "trained"], ("test", "train"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metadata.csv", "label,age\ncat,7\n", "has the columns label, age, expected one of file_name"),
        ("metadata.csv", "file,label\n9.png,cat\n", r"row 1: there is no file '9\.png' that can be read"),
        ("metadata.csv", "file,label\n1.png,a\nx/1.png,b\n", r"row 2: the file .* has a row already"),
        ("metadata.csv", "file,label\n1.png\n", "line 2: 1 values, expected 2"),
        ("metadata.csv", 'file,label\n"1.png,a\n', "line 2: unexpected end of data"),
        ("metadata.csv", "file,label\n1.png,\n", r"there is no label of 'x/1\.png'"),
        ("metadata.csv", "file,a,b\n1.png,x,y\n", "which of a, b is to be predicted"),
        ("metadata.csv", "file,a,a\n1.png,x,y\n", "no two columns of one name"),
        ("metadata.csv", "", "has 0 rows"),
        ("metadata.jsonl", "[]\n", "line 1 is no object"),
        ("metadata.jsonl", "{\n", "line 1 is no JSON"),
        ("metadata.jsonl", "[" * 99_999, "line 1 is no JSON"),
    ],
)
def test_a_table_that_says_nothing_is_one_error(tmp_path: Path, name: str, text: str, message: str) -> None:
    put(tmp_path, "x/1.png")
    (tmp_path / name).write_text(text)
    with pytest.raises(UnrolledError, match=message):
        folder.read(tmp_path)


def test_a_table_in_bytes_that_are_no_text_is_one_error(tmp_path: Path) -> None:
    put(tmp_path, "1.png")
    (tmp_path / "metadata.csv").write_bytes(b"file,label\n1.png,\xff\n")
    with pytest.raises(UnrolledError, match=r"metadata\.csv is not text in UTF-8"):
        folder.read(tmp_path)


def test_without_anything_that_says_a_class_the_error_shows_a_name(tmp_path: Path) -> None:
    put(tmp_path, "only/7_ann_0.png")
    with pytest.raises(UnrolledError, match=r"which class 'only/7_ann_0\.png' is of.*\{label\}_\{speaker\}"):
        folder.read(tmp_path)
    with pytest.raises(UnrolledError, match="unknown label 'lable': did you mean 'label'"):
        folder.read(tmp_path, names="{label}_{x}_{y}", label="lable")
    with pytest.raises(UnrolledError, match="nothing says the digit of files"):
        folder.read(tmp_path, label="digit")


def test_what_is_passed_over_is_said(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png", "stray.png", ".hidden/1.png", "a/.2.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("x")
    (tmp_path / "b" / "sound.wav").write_text("x")
    found = folder.read(tmp_path)
    assert found.names == ("a/1.png", "b/1.png")
    assert found.notes[:3] == (
        "1 recordings and 1 other files beside the 3 pictures are left out",
        "1 files that lie beside the folders of the classes are left out",
        "there is nothing to be read in the folder empty: it is no class",
    )


def test_a_folder_without_anything_to_read_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(UnrolledError, match=r"holds no file, expected recordings \(\.wav"):
        folder.read(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "README").write_text("x")
    with pytest.raises(UnrolledError, match=r"holds 2 files with \.txt, no ending, expected"):
        folder.read(tmp_path)
    with pytest.raises(UnrolledError, match=r"no folder .*missing: expected one"):
        folder.read(tmp_path / "missing")


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "1.png")
    put(tmp_path / "data", "b/1.png", "c/1.png")
    (tmp_path / "data" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "b" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "b" / "dangling.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "data" / "b" / "pipe.png")
    found = folder.read(tmp_path / "data")
    assert found.names == ("a/1.png", "b/1.png", "c/1.png")
    assert found.notes[0] == "1 folders that links lead to a second time are read once"


def test_folders_nested_too_deep_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "/".join("d" * 18) + "/1.png")
    with pytest.raises(UnrolledError, match="is a folder within 16 others"):
        folder.read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_one_error(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "b").chmod(0)
    with pytest.raises(UnrolledError, match=r"cannot read .*b: Permission denied"):
        folder.read(tmp_path)
    (tmp_path / "b").chmod(0o700)


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes there")
def test_any_name_of_a_class_can_be_shown(tmp_path: Path) -> None:
    put(tmp_path, "plain/1.png")
    names = [
        name for name in NASTY if name and "/" not in name and not name.startswith(".") and "\0" not in name
    ]
    names = [
        name for name in names if len(os.fsencode(name.replace("\ud800", ""))) < 200 and "\ud800" not in name
    ]
    for name in names:
        put(tmp_path, f"{name}/1.png")
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    put(tmp_path / os.fsdecode(b"caf\xe9"), "1.png")
    found = folder.read(tmp_path)
    assert len(found.classes) == len(names) + 2
    assert r"caf\udce9" in found.classes
    for name in (*found.classes, *found.names, *found.labels.tolist()):
        assert printable(name) == name
        name.encode()


def test_a_run_reads_other_files_as_its_folder_was_read(tmp_path: Path) -> None:
    put(tmp_path / "data", "a/1.png", "b/1.png")
    put(tmp_path, "new.png", size=(8, 8))
    read = folder.read(tmp_path / "data", by="columns")
    reading = json.loads(json.dumps(read.reading))
    again = folder.read_files([tmp_path / "new.png", tmp_path / "data"], reading)
    assert again.labels is None
    assert again.names == tuple(map(str, (tmp_path / "new.png", *sorted(tmp_path.rglob("1.png")))))
    assert again.sequences.lengths.tolist() == [8 * 3 // 8, 4, 4]
    assert_equal(again.sequences[1], read.sequences[0])
    assert (again.features, again.reading) == (read.features, read.reading)


def test_a_folder_of_tables_has_a_sequence_in_each(tmp_path: Path) -> None:
    pytest.importorskip("unrolled.data.readers.table")
    pytest.importorskip("pyarrow")
    for name, rows in (("a/1", "1,2\n3,4\n"), ("b/1", "5,6\n7,8\n9,0\n")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.csv").write_text(f"x,y\n{rows}")
    found = folder.read(tmp_path)
    assert (found.features, found.labels.tolist()) == (("x", "y"), ["a", "b"])
    assert found.sequences[1].tolist() == [[5, 6], [7, 8], [9, 0]]
    assert folder.read(tmp_path, features=["y"]).sequences[0].tolist() == [[2], [4]]
    again = folder.read_files([tmp_path / "b" / "1.csv"], json.loads(json.dumps(found.reading)))
    assert_equal(again.sequences[0], found.sequences[1])


def test_files_that_are_none_are_refused_when_read_again(tmp_path: Path) -> None:
    reading = folder.read(put(tmp_path, "a/1.png", "b/1.png")).reading
    with pytest.raises(UnrolledError, match="there are no files, expected pictures"):
        folder.read_files([], reading)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnrolledError, match=r"empty holds no pictures, expected files with \.png"):
        folder.read_files([tmp_path / "empty"], reading)
    with pytest.raises(UnrolledError, match="No such file"):
        folder.read_files([tmp_path / "missing.png"], reading)


@pytest.mark.parametrize(
    "reading",
    [
        {},
        [],
        {"format": "folder", "kind": "pictures"},
        {"format": "table", "kind": "pictures", "settings": {}},
        {"format": "folder", "kind": "songs", "settings": {}},
        {"format": "folder", "kind": "pictures", "settings": {"by": "rows"}},
        {"format": "folder", "kind": "pictures", "settings": []},
        {"format": "folder", "kind": "recordings", "settings": {"rate": 8000}},
        {"format": "folder", "kind": ["pictures"], "settings": {}},
        {"format": "folder", "kind": "tables", "settings": {"features": []}},
        {"format": "folder", "kind": "tables", "settings": {"features": [1]}},
        {"format": "folder", "kind": "tables", "settings": {"features": ["a"], "more": 1}},
    ],
)
def test_a_reading_that_is_none_is_refused(reading: object, tmp_path: Path) -> None:
    with pytest.raises(UnrolledError, match=r"reading is|missing|features"):
        folder.read_files([tmp_path / "a.png"], reading)


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("soundfile")
    if not DATA or not (Path(DATA) / "free-spoken-digits").is_dir():
        pytest.skip("free-spoken-digits: UNROLLED_DATA_DIR names no folder with it")
    return folder.read(Path(DATA) / "free-spoken-digits", names="{label}_{speaker}_{index}")


def test_three_thousand_spoken_digits_are_what_their_names_say(digits) -> None:
    assert len(digits.names) == 3000
    labels, counts = np.unique(digits.labels, return_counts=True)
    assert (labels.tolist(), set(counts.tolist())) == ([str(digit) for digit in range(10)], {300})
    assert sorted(set(digits.columns["speaker"])) == [
        "george", "jackson", "lucas", "nicolas", "theo", "yweweler",
    ]  # fmt: skip
    assert set(digits.columns["index"]) == {str(index) for index in range(50)}
    assert digits.names[:3] == tuple(f"recordings/0_george_{index}.wav" for index in range(3))
    assert digits.names[10] == "recordings/0_george_10.wav"


def test_three_thousand_spoken_digits_last_from_a_tenth_of_a_second_to_two(digits) -> None:
    lengths = digits.sequences.lengths
    assert (int(lengths.min()), int(lengths.max())) == (12, 226)
    assert 40 < float(lengths.float().mean()) < 45
    assert digits.sequences.width == 40
    assert digits.sequences.values.isfinite().all()
    assert digits.reading["settings"] == {
        "rate": 8000, "window": 0.025, "hop": 0.01, "bands": 40, "lowest": 20.0, "highest": 4000.0,
        "span": 50.0, "centred": True,
    }  # fmt: skip


def test_one_spoken_digit_is_read_again_as_it_was_among_all(digits) -> None:
    path = Path(DATA) / "free-spoken-digits" / digits.names[1234]
    again = folder.read_files([path], json.loads(json.dumps(digits.reading)))
    assert_equal(again.sequences[0], digits.sequences[1234])
    assert MelSettings.from_dict(digits.reading["settings"]).rate == 8000
