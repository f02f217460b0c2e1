"""Archives of arrays: the usual layouts are read, and whatever else comes is one clear error."""

import contextlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.data.readers.npz import read_npz
from unrolled.errors import UnrolledError

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(4, 5, 3))
LENGTHS = np.array([5, 1, 3, 2])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npz")


def save(folder: Path, **arrays: Any) -> Path:
    np.savez_compressed(folder / "some.npz", **arrays)
    return folder / "some.npz"


def ragged(x: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    return [row[:length].astype(np.float32) for row, length in zip(x, lengths, strict=True)]


def assert_holds(path: Path, expected: list[np.ndarray], **options: Any) -> None:
    read = read_npz(path, **options)
    assert len(read.sequences) == len(expected)
    for mine, theirs in zip(read.sequences, expected, strict=True):
        assert mine.numpy().dtype == np.float32
        np.testing.assert_array_equal(mine.numpy(), theirs.reshape(len(theirs), -1))


@pytest.mark.skipif("UNROLLED_DATA_DIR" not in os.environ, reason="UNROLLED_DATA_DIR names no folder of data")
@pytest.mark.parametrize(("part", "count"), [("train", 60_000), ("test", 10_000)])
def test_strokes_are_read_as_they_are(part: str, count: int) -> None:
    path = Path(os.environ["UNROLLED_DATA_DIR"]) / "mnist-strokes" / f"strokes_{part}.npz"
    read = read_npz(path)
    with np.load(path) as arrays:
        assert (read.sequences.values.numpy() == arrays["steps"]).all()
        assert (read.sequences.lengths.numpy() == arrays["lengths"]).all()
        assert read.labels.tolist() == [str(label) for label in arrays["labels"].tolist()]
    assert len(read.sequences) == count
    assert read.notes == ()


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "f2", "i2", "u1", "?"])
def test_every_layout_is_read(folder: Path, dtype: str) -> None:
    x = (X * 50).astype("i8").astype(dtype) if dtype not in ("f4", "f8", ">f8", "f2") else X.astype(dtype)
    whole, parts = ragged(x, np.full(4, 5)), ragged(x, LENGTHS)
    flat = np.concatenate([row[:n] for row, n in zip(x, LENGTHS, strict=True)])
    assert_holds(save(folder, X=x), whole)
    assert_holds(save(folder, x=np.asfortranarray(x)), whole)
    assert_holds(save(folder, x=x[..., 0]), [one[:, :1] for one in whole])
    assert_holds(save(folder, data=x, lengths=LENGTHS), parts)
    assert_holds(save(folder, steps=flat, lengths=LENGTHS), parts)
    assert_holds(save(folder, steps=flat[:, 0], lengths=LENGTHS), [one[:, :1] for one in parts])
    assert_holds(save(folder, mine=x, other=np.zeros(4)), whole)
    assert_holds(save(folder, mine=x, yours=x + x, n=LENGTHS), parts, features="mine", lengths="n")


def test_labels_are_of_sequences_or_of_steps(folder: Path) -> None:
    def labels(**arrays: Any) -> tuple[Any, bool]:
        read = read_npz(save(folder, **arrays))
        return read.labels.tolist(), read.each_step

    assert labels(x=X, y=[1, 0, 7, 1]) == (["1", "0", "7", "1"], False)
    assert labels(x=X, y=[[1.0], [0], [7], [1]]) == (["1", "0", "7", "1"], False)
    assert labels(x=X, labels=["a", "b", "a", "b"]) == (["a", "b", "a", "b"], False)
    assert labels(x=X, label=np.array([b"a", b"b", b"a", b"b"])) == (["a", "b", "a", "b"], False)
    assert labels(x=X, targets=[0.5, 1, 2, 3]) == ([0.5, 1.0, 2.0, 3.0], False)
    assert labels(x=X, y=[[1, 2]] * 4) == ([[1.0, 2.0]] * 4, False)
    tags = np.arange(20).reshape(4, 5)
    real = tags[np.arange(5) < LENGTHS[:, None]]
    assert labels(x=X, y=tags) == ([str(tag) for tag in range(20)], True)
    assert labels(x=X, y=tags, lengths=LENGTHS) == ([str(tag) for tag in real], True)
    assert labels(steps=real * 1.0, lengths=LENGTHS, y=real) == ([str(tag) for tag in real], True)


def test_parts_become_a_column(folder: Path) -> None:
    path = save(folder, x_train=X, y_train=[0, 1, 0, 1], x_test=X[:2], y_test=[1, 1], x_val=X[:1], y_val=[0])
    read = read_npz(path)
    assert read.columns == {"part": ("train",) * 4 + ("test",) * 2 + ("validation",)}
    assert read.labels.tolist() == list("0101110")
    assert len(read.sequences) == 7
    assert_holds(path, ragged(np.concatenate([X, X[:2], X[:1]]), np.full(7, 5)))


def test_missing_values_stay_missing(folder: Path) -> None:
    x = X.copy()
    x[1, 2, 0] = np.nan
    assert_holds(save(folder, x=x), ragged(x, np.full(4, 5)))


@given(
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=8),
    width=st.integers(1, 4),
    flat=st.booleans(),
)
def test_what_is_saved_is_read(folder: Path, lengths: list[int], width: int, flat: bool) -> None:
    steps = np.arange(sum(lengths) * width, dtype=np.float64).reshape(-1, width) / 3
    sequences = np.split(steps, np.cumsum(lengths)[:-1])
    x = np.full((len(lengths), 7, width), np.nan)
    for row, sequence in zip(x, sequences, strict=True):
        row[: len(sequence)] = sequence
    path = save(folder, x=steps if flat else x, lengths=lengths)
    assert_holds(path, [sequence.astype(np.float32) for sequence in sequences])


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({}, {}, "holds no arrays"),
        (
            {"x": np.array([[1], [1, 2]], object)},
            {},
            "holds Python objects, which are not unpickled: save steps",
        ),
        ({"x": X[0, 0]}, {}, r"x is float64 \[3\], expected numbers \[N, T, I\]"),
        ({"x": X[:0]}, {}, r"x is float64 \[0, 5, 3\], expected numbers"),
        ({"x": X.astype("c8")}, {}, r"x is complex64 .*expected numbers"),
        ({"x": X.astype("U5")}, {}, r"x is <U5 .*expected numbers"),
        ({"a": X, "b": X}, {}, r"has the arrays a float64 \[4, 5, 3\], b float64 .*say which"),
        ({"x": X}, {"features": "z"}, "unknown array of sequences 'z': expected one of x"),
        ({"x": X}, {"label": "why"}, "unknown array of labels 'why'"),
        ({"x": X}, {"features": ["x", "y"]}, "features are x, y, expected the name of one array"),
        ({"x": X, "lengths": LENGTHS + 1}, {}, r"x is \[4, 5, 3\], and lengths are 4 with a sum of 15"),
        ({"x": X, "lengths": LENGTHS[:3]}, {}, "lengths are 3 with a sum of 9"),
        ({"x": X, "lengths": LENGTHS - 1}, {}, r"lengths\[1\] is 0, expected a length of at least 1"),
        ({"x": X, "lengths": LENGTHS * 1.0}, {}, r"lengths is float64 \[4\], expected whole numbers"),
        (
            {"x": X, "y": [1, 2, 3]},
            {},
            r"y is int64 \[3\], expected labels of 4 sequences, \[4\] or \[4, K\]",
        ),
        ({"x": X, "y": [1, np.nan, 3, 4]}, {}, "1 of 4 labels 'label' are missing, number 2 first"),
        ({"x": X, "y": [[1, np.inf]] * 4}, {}, "must be finite numbers"),
        (
            {"x": np.where(X[1, 2, 0] == X, np.inf, X)},
            {},
            r"x\[1, 2, 0\] is inf, expected a number of at most",
        ),
        ({"x": np.full((2, 2), 1e39)}, {}, r"x\[0, 0\] is 1e\+39, expected a number of at most 3.4e38"),
        ({"x_train": X, "y_train": LENGTHS, "x_test": X}, {}, "some parts have labels and others none"),
        ({"x_train": X, "x_test": X[..., :2]}, {}, r"the parts have \[2, 3\] numbers a step"),
    ],
)
def test_arrays_that_do_not_fit_are_one_error(
    folder: Path, arrays: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnrolledError, match=message):
        read_npz(save(folder, **arrays), **options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no .npz archive, or damaged"),
        (b"PK\3\4 and so on", "is no .npz archive, or damaged"),
        (b"\x93NUMPY", "is no .npz archive, or damaged"),
    ],
)
def test_what_is_no_archive_is_one_error(folder: Path, content: bytes, message: str) -> None:
    (folder / "some.npz").write_bytes(content)
    with pytest.raises(UnrolledError, match=message):
        read_npz(folder / "some.npz")


def test_an_archive_of_something_else_is_one_error(folder: Path) -> None:
    with zipfile.ZipFile(folder / "some.npz", "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(UnrolledError, match=r"holds 'notes.txt', expected arrays"):
        read_npz(folder / "some.npz")


def test_letters_that_there_are_not_are_an_error(folder: Path) -> None:
    for order in "<>":
        texts = np.array([0x110000] * 4, f"{order}u4").view(f"{order}U1")
        with pytest.raises(UnrolledError, match="y holds letters that there are not: it is damaged"):
            read_npz(save(folder, x=X, y=texts))


def test_what_unpacks_to_far_more_is_refused_unread(folder: Path) -> None:
    with pytest.raises(UnrolledError, match="unpacks to far more than arrays do"):
        read_npz(save(folder, x=np.zeros((600, 1000, 500), np.uint8)))


def test_a_header_that_promises_what_is_not_there_is_refused_unread(folder: Path) -> None:
    array = io.BytesIO()
    np.save(array, X)
    content = array.getvalue().replace(b"(4, 5, 3)", b"(4, 5, 3" + b"0" * 12 + b")")
    with zipfile.ZipFile(folder / "some.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(UnrolledError, match=r"header|x has \d+ bytes, expected"):
        read_npz(folder / "some.npz")


@given(flips=st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1, max_size=4))
def test_any_flipped_bytes_are_sequences_or_an_error(folder: Path, flips: list[tuple[int, int]]) -> None:
    path = save(folder, x=X, lengths=LENGTHS, y=LENGTHS)
    content = bytearray(path.read_bytes())
    for place, change in flips:
        content[place % len(content)] ^= change
    path.write_bytes(content)
    with contextlib.suppress(UnrolledError):
        read_npz(path)
