"""Folders of arrays that cannot be opened or saved, damaged ones among them: one line says why."""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.pieces import COUNTS, LABELS, SEQUENCES, Piece, pieces, put
from unrolled.data import Dataset, batches, open_arrays, save_arrays
from unrolled.errors import UnrolledError


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"train_sequences": SEQUENCES.astype("c8")}, r"holds complex64 \[23, 5, 2\], expected float16, "),
        ({"train_sequences": SEQUENCES.astype("U3")}, r"holds <U3 \[23, 5, 2\], expected float16, "),
        ({"train_sequences": SEQUENCES.astype("f16")}, r"holds float128 \[23, 5, 2\], expected float16, "),
        ({"train_sequences": SEQUENCES.astype(">f4")}, r"holds >f4 .*: save array.astype.array.dtype.newb"),
        ({"train_sequences": SEQUENCES[:, :, 0]}, r"holds float32 \[23, 5\], expected .* \[N, T, I\]"),
        ({"train_sequences": SEQUENCES[:0]}, r"holds float32 \[0, 5, 2\], expected .*none of them 0"),
        ({"test_sequences": SEQUENCES[:7, :0]}, r"test-sequences.npy holds float32 \[7, 0, 2\], expected"),
        ({"train_sequences": np.asfortranarray(SEQUENCES)}, r"float32 \[23, 5, 2\] in Fortran order"),
        ({"train_sequences": SEQUENCES.astype(object)}, "train-sequences.npy holds Python objects"),
        ({"train_labels": LABELS[:-1]}, r"train-labels.npy holds 22 labels, expected 23: one for each seq"),
        ({"train_labels": LABELS[:, None]}, r"train-labels.npy holds int64 \[23, 1\], expected int"),
        ({"train_labels": LABELS / 2}, r"train-labels.npy holds 0.5 in row 1, expected whole numbers"),
        ({"train_labels": LABELS * np.nan}, r"train-labels.npy holds nan in row 0, expected whole numbers"),
        ({"train_labels": LABELS.astype("u8") - 1}, r"labels.npy holds 18446744073709551615 in row 0, exp"),
        ({"train_labels": LABELS.astype("U1")}, r"holds <U1 \[23\], expected integers .*return_inverse=True"),
        ({"train_labels": LABELS[:0]}, r"train-labels.npy holds int64 \[0\], expected int"),
        ({"train_labels": LABELS.astype(object)}, "train-labels.npy holds Python objects"),
        ({"test_labels": LABELS[:7] + 1}, "test-labels.npy holds 3 in row 2, of which train has no example"),
        ({"test_sequences": SEQUENCES[:7].astype("u1")}, r"of test are torch.uint8 .*, those of train torch"),
        ({"test_sequences": SEQUENCES[:7, :, :1]}, r"of test are torch.float32 \[7, 5, 1\].* same last axis"),
    ],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    put(tmp_path, **arrays)
    with pytest.raises(UnrolledError, match=message) as caught:
        open_arrays(tmp_path)
    assert str(caught.value).count(str(tmp_path)) == 1


def test_more_labels_than_there_can_be_classes_are_refused(tmp_path: Path) -> None:
    count = 10_001
    some = np.zeros((count, 1, 1), np.float32)
    put(tmp_path, train_sequences=some, train_labels=np.arange(count) * 3, test_sequences=some[:7])
    with pytest.raises(
        UnrolledError, match=r"train has 10001 labels, from 0 to 30000, expected at most 10000"
    ):
        open_arrays(tmp_path)


@pytest.mark.parametrize(("part", "row"), [("train", 20), ("train", 1), ("test", 6)])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e300])
def test_a_number_that_is_not_finite_is_named(tmp_path: Path, part: str, row: int, number: float) -> None:
    sequences = SEQUENCES.astype("f8")
    sequences[row, 3, 1] = number
    put(tmp_path, **{f"{part}_sequences": sequences[: COUNTS[part]]})
    data = open_arrays(tmp_path, validation=5)
    came = "inf" if number > 1 else str(number)
    message = rf"{part}-sequences.npy: in row {row}, step 3, number 1 is {came}, expected finite"
    with pytest.raises(UnrolledError, match=message):
        data.check_finite()
    open_arrays(put(tmp_path)).check_finite()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def misalign(path: Path) -> None:
    content = path.read_bytes()
    text = content[10:128].rstrip() + b"\n"
    path.write_bytes(content[:8] + len(text).to_bytes(2, "little") + text + content[128:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, r"is cut: 919 bytes of data came, 920 expected for float32 \[23, 5, 2\]"),
        (lengthen, r"is damaged: 921 bytes of data came, 920 expected for float32 \[23, 5, 2\]"),
        (lambda path: path.write_bytes(b""), "is not a .npy file, or its header is damaged"),
        (
            lambda path: path.write_bytes(path.read_bytes()[:50]),
            "is not a .npy file, or its header is damaged",
        ),
        (lambda path: path.write_bytes(b"PK" * 100), "is not a .npy file, or its header is damaged"),
        (misalign, r"begins its data at byte \d+, expected a multiple of 4: save the array again"),
        (Path.unlink, "cannot read .*train-sequences.npy: No such file or directory"),
        (lambda path: path.unlink() or path.mkdir(), "cannot read .*train-sequences.npy: Is a directory"),
    ],
)
def test_a_damaged_file_is_one_error_that_names_it(
    tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    change(put(tmp_path) / "train-sequences.npy")
    with pytest.raises(UnrolledError, match=message) as caught:
        open_arrays(tmp_path)
    assert str(caught.value).count("train-sequences.npy") == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\n", "label 2 of train is 2, expected 0 to 1"),
        (b"", "classes.txt has 0 lines, expected the name of a class on each, none twice"),
        (b"a\n\nb\n", "classes.txt has 3 lines, expected the name"),
        (b"a\nb\na\n", "classes.txt has 3 lines, expected the name of a class on each, none twice"),
        (b"\xff\xfe", "classes.txt is not text in UTF-8"),
        (b"a\nb\x1b[2J\nc\n", "classes.txt has 3 lines, expected the name of a class on each"),
    ],
)
def test_names_of_classes_that_do_not_fit_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    put(tmp_path)
    (tmp_path / "classes.txt").write_bytes(content)
    with pytest.raises(UnrolledError, match=message):
        open_arrays(tmp_path, validation=0)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnrolledError, match=r"no folder .*nowhere: expected one with train-sequences.npy"):
        open_arrays(tmp_path / "nowhere")


def failing() -> Iterator[Piece]:
    yield pieces(4)[0]
    raise RuntimeError("the source is gone")


@pytest.mark.parametrize(
    ("train", "classes", "message"),
    [
        ([(SEQUENCES.astype("c8"), LABELS)], None, r"piece 0 of train is complex64 \[23, 5, 2\] with lab"),
        ([(SEQUENCES[0], LABELS)], None, r"piece 0 of train is float32 \[5, 2\] with labels"),
        ([(SEQUENCES, LABELS[1:])], None, r"float32 \[23, 5, 2\] with labels int64 \[22\], .*and integers"),
        ([(SEQUENCES, LABELS / 2)], None, "piece 0 of train holds 0.5 in row 1, expected whole numbers"),
        (
            [(SEQUENCES, LABELS), (SEQUENCES[:, 1:], LABELS)],
            None,
            r"piece 1 of train: float32 \[23, 4, 2\] came, expected float32 \[n, 5, 2\] as before",
        ),
        (
            [(SEQUENCES[:2], LABELS[:2]), ([SEQUENCES[0], SEQUENCES[1, 1:]], LABELS[:2])],
            None,
            "piece 1 of train is a list of arrays of unequal lengths, expected one array; only where the",
        ),
        ([(1.5, LABELS)], None, r"piece 0 of train is float64 \[\] with labels"),
        (
            [([[[1.0], [2.0]], [[1.0], [2.0, 3.0]]], LABELS[:2])],
            None,
            "sequence 1 of piece 0 of train is a list of arrays of unequal lengths",
        ),
        ([], None, r"new/train-labels.npy holds uint8 \[0\], expected"),
        ([(SEQUENCES, LABELS)], ["a", "b"], "new: label 2 of train is 2, expected 0 to 1"),
        ([(SEQUENCES, LABELS)], ["a", "b\nc"], "classes are .*, expected names of one line each"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_not_saved(
    tmp_path: Path, train: list[Piece], classes: list[str] | None, message: str
) -> None:
    with pytest.raises(UnrolledError, match=message):
        save_arrays(tmp_path / "new", train=train, test=pieces(7), classes=classes)
    assert list(tmp_path.iterdir()) == []


def test_nothing_stays_behind_when_a_source_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="the source is gone"):
        save_arrays(tmp_path / "new", train=failing(), test=pieces(7))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    save_arrays(tmp_path / "empty", train=pieces(23), test=pieces(7))
    with pytest.raises(UnrolledError, match="empty is there already: choose another folder, or remove it"):
        save_arrays(tmp_path / "empty", train=pieces(3), test=pieces(7))
    assert len(open_arrays(tmp_path / "empty", validation=0).train) == 23
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UnrolledError, match="file is there already"):
        save_arrays(tmp_path / "file", train=pieces(3), test=pieces(7))
    with pytest.raises(UnrolledError, match=r"cannot write .*file/new: "):
        save_arrays(tmp_path / "file" / "new", train=pieces(3), test=pieces(7))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return put(tmp_path_factory.mktemp("arrays"))


def open_or_refuse(folder: Path) -> Dataset | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, of headers in old forms
        try:
            return open_arrays(folder, validation=1)
        except UnrolledError:
            return None


FILES = st.sampled_from(["train-sequences.npy", "train-labels.npy", "test-sequences.npy", "test-labels.npy"])


@settings(max_examples=300)
@given(file=FILES, data=st.data())
def test_any_damage_to_a_file_is_data_or_an_error(whole: Path, file: str, data: st.DataObject) -> None:
    path = whole / file
    content = path.read_bytes()
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, 127) | st.integers(0, len(content) - 1))
        some = data.draw(
            st.binary(min_size=1, max_size=4) | st.sampled_from([b"(", b"'", b"-1", b"O", b"99", b","])
        )
        damaged[place : place + len(some)] = some
    try:
        path.write_bytes(bytes(damaged[: data.draw(st.integers(0, len(damaged)) | st.just(len(damaged)))]))
        opened = open_or_refuse(whole)
        if opened is not None:
            assert sum(len(labels) for _, labels, _ in batches(opened.train, 4)) == len(opened.train)
    finally:
        path.write_bytes(content)


HEADERS = st.builds(
    lambda descr, order, shape: f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}",
    st.sampled_from(["'<f4'", "'|u1'", "'|O'", "'<f2'", "[('a', '<f4')]", "'<U3'", "'V0'", "'<c8'", "1"]),
    st.sampled_from(["False", "True", "0"]),
    st.lists(st.integers(-3, 9) | st.integers(-(2**70), 2**70) | st.booleans(), max_size=5).map(tuple),
)


@settings(max_examples=300)
@given(text=HEADERS | st.text(max_size=80), rest=st.binary(max_size=200), version=st.integers(0, 4))
def test_any_header_is_data_or_an_error(whole: Path, text: str, rest: bytes, version: int) -> None:
    path = whole / "train-sequences.npy"
    content = path.read_bytes()
    header = text.encode("utf-8").ljust(118)
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    try:
        path.write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + header + rest)
        open_or_refuse(whole)
    finally:
        path.write_bytes(content)
