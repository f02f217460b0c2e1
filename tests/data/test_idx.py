"""IDX files: what is written is read, and whatever else comes is one clear error."""

import gzip
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from unrolled.data import read_idx, write_idx
from unrolled.data.mnist import SAMPLE
from unrolled.errors import UnrolledError

TYPES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
ARRAYS = st.sampled_from(sorted(TYPES.values())).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)
ENDINGS = st.sampled_from(["", ".gz"])
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx")


def write(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


def header(code: int, *sizes: int) -> bytes:
    return struct.pack(f">4B{len(sizes)}I", 0, 0, code, len(sizes), *sizes)


def peak_of_refusal(path: Path, match: str) -> int:
    tracemalloc.start()
    with pytest.raises(UnrolledError, match=match):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@settings(max_examples=200)
@given(array=ARRAYS, ending=ENDINGS)
def test_what_is_written_is_read(folder: Path, array: np.ndarray, ending: str) -> None:
    path = folder / f"array{ending}"
    write_idx(path, array)
    read = read_idx(path)
    assert (read.dtype, read.shape, read.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert read.dtype.isnative
    assert read.flags.writeable


@pytest.mark.parametrize("code", TYPES)
def test_the_bytes_of_a_file_are_the_format_s(folder: Path, code: int) -> None:
    letter = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}[code]
    content = header(code, 2, 3) + struct.pack(f">6{letter}", 1, 2, 3, 4, 5, 100)
    array = np.array([[1, 2, 3], [4, 5, 100]], dtype=TYPES[code])
    read = read_idx(write(folder, content))
    assert read.dtype == array.dtype
    assert (read == array).all()
    write_idx(folder / "written", array)
    assert (folder / "written").read_bytes() == content


def test_gzip_is_recognised_by_content_and_not_by_name(folder: Path) -> None:
    content = header(0x08, 3) + b"abc"
    (folder / "plain.gz").write_bytes(content)
    (folder / "compressed").write_bytes(gzip.compress(content))
    assert read_idx(folder / "plain.gz").tobytes() == read_idx(folder / "compressed").tobytes() == b"abc"


def test_gzip_of_several_members_is_read_as_one(folder: Path) -> None:
    content = header(0x08, 3) + b"abc"
    assert (
        read_idx(write(folder, gzip.compress(content[:9]) + gzip.compress(content[9:]))).tobytes() == b"abc"
    )


def test_arrays_of_any_layout_and_byte_order_are_written(folder: Path) -> None:
    array = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    for form in (array.transpose(2, 0, 1), array[:, ::-1], np.asfortranarray(array), array.astype(">i4")):
        write_idx(folder / "array", form)
        assert (read_idx(folder / "array") == form).all()
    write_idx(folder / "array", np.float64(2.5))
    assert read_idx(folder / "array").shape == ()


def test_the_same_array_gives_the_same_gzip_bytes_under_any_name(folder: Path) -> None:
    write_idx(folder / "one.gz", np.arange(9, dtype=np.int16))
    write_idx(folder / "two.gz", np.arange(9, dtype=np.int16))
    one = (folder / "one.gz").read_bytes()
    assert one == (folder / "two.gz").read_bytes()
    flags, time = one[3], one[4:8]
    assert (flags, time) == (0, bytes(4)), "neither a name nor a time in the header"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "array.gz"
    write_idx(path, np.arange(3, dtype=np.uint8))
    before = path.read_bytes()
    with pytest.raises(
        UnrolledError, match=r"array\.gz: IDX has no int64, expected one of uint8, int8, int16"
    ):
        write_idx(path, np.arange(3))
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnrolledError, match=r"cannot write .*folder: Is a directory"):
        write_idx(tmp_path / "folder", np.arange(3, dtype=np.uint8))
    with pytest.raises(UnrolledError, match=r"cannot write .*nowhere/array: No such file or directory"):
        write_idx(tmp_path / "nowhere" / "array", np.arange(3, dtype=np.uint8))
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["array.gz", "folder"]


def test_an_axis_too_long_for_the_format_is_refused(tmp_path: Path) -> None:
    endless = np.broadcast_to(np.uint8(0), (2, 0, 1 << 32))
    with pytest.raises(UnrolledError, match=r"an axis of \[2, 0, 4294967296\] is too long"):
        write_idx(tmp_path / "array", endless)


def zipped(content: bytes) -> bytes:
    """The same bytes at any time of day: they are part of the tests' names."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, expected an IDX file"),
        (b"P5 28 28", "is not an IDX file: it begins with 50 35 20 32, expected 00 00"),
        (b"\0", "is not an IDX file"),
        (b"\0\0\x08", "ends inside its header"),
        (
            header(0x0A, 2) + b"ab",
            "unknown type 0x0a, expected 0x08 uint8, 0x09 int8, 0x0b int16, 0x0c int32",
        ),
        (header(0x08, 2, 3)[:-1], "ends inside its header"),
        (b"\0\0\x08\xff" + bytes(1019), "ends inside its header"),
        (header(0x0C, 2, 3) + bytes(5), r"at most 17 bytes, its header promises 24 of data, int32 \[2, 3\]"),
        (header(0x0C, 2, 3) + bytes(23), r"cut: 23 bytes of data came, 24 expected for int32 \[2, 3\]"),
        (
            header(0x0C, 2, 3) + bytes(25),
            r"too long: 24 bytes of data expected for int32 \[2, 3\], more came",
        ),
        (header(0x08) + b"", r"cut: 0 bytes of data came, 1 expected for uint8 \[\]"),
        (header(0x0E, *[1 << 31] * 255), "its header promises"),
        (header(0x08, *[0] * 65), r"holds uint8 .*, which numpy cannot"),
        (header(0x08, *[1 << 31] * 3, 0), r"holds uint8 .*, which numpy cannot"),
        (zipped(header(0x08, 9) + bytes(5)), r"cut: 5 bytes of data came, 9 expected for uint8 \[9\]"),
        (zipped(header(0x08, 9) + bytes(10)), "too long: 9 bytes of data expected"),
        (zipped(b"text"), "is not an IDX file"),
        (zipped(b""), "is empty"),
        (zipped(header(0x08, 9) + bytes(9))[:-1], "damaged gzip file .*end-of-stream"),
        (zipped(header(0x08, 9) + bytes(9))[:12], "damaged gzip file .*end-of-stream"),
        (zipped(header(0x08, 9) + bytes(9))[:-8] + bytes(8), "damaged gzip file .*CRC"),
        (zipped(header(0x08, 9) + bytes(9)) + b"more", "damaged gzip file"),
        (b"\x1f\x8b\x08\0" + bytes(6) + b"\xff" * 30, "damaged gzip file"),
    ],
)
def test_a_bad_file_is_one_error_that_names_it(folder: Path, content: bytes, message: str) -> None:
    path = write(folder, content)
    with pytest.raises(UnrolledError, match=message) as caught:
        read_idx(path)
    assert str(caught.value).count(str(path)) == 1


def test_a_cut_gzip_file_says_how_much_of_it_came(folder: Path) -> None:
    random = np.random.default_rng(0).integers(0, 256, 10_000, dtype=np.uint8)
    whole = gzip.compress(header(0x08, 10_000) + random.tobytes())
    came = len(zlib.decompressobj(31).decompress(whole[:5000])) - 8
    with pytest.raises(UnrolledError, match=rf"cut: {came} bytes of data came, 10000 expected"):
        read_idx(write(folder, whole[:5000]))


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnrolledError, match=r"cannot read .*missing: No such file or directory"):
        read_idx(tmp_path / "missing")
    with pytest.raises(UnrolledError, match=r"cannot read .*: Is a directory"):
        read_idx(str(tmp_path))


def test_a_gzip_bomb_is_not_unpacked(folder: Path) -> None:
    bomb = gzip.compress(header(0x08, 10) + bytes(200 * MEGABYTE), compresslevel=1)
    assert peak_of_refusal(write(folder, bomb), "too long: 10 bytes") < 4 * MEGABYTE


def test_a_shape_that_the_file_cannot_hold_is_refused_unread(folder: Path) -> None:
    content = header(0x0E, 1 << 20, 1 << 20) + bytes(50 * MEGABYTE)
    assert peak_of_refusal(write(folder, content), "promises 8796093022208") < MEGABYTE
    assert peak_of_refusal(write(folder, gzip.compress(content, 1)), "promises 8796093022208") < MEGABYTE


@given(array=ARRAYS, ending=ENDINGS, data=st.data())
def test_any_prefix_of_a_file_is_an_error(
    folder: Path, array: np.ndarray, ending: str, data: st.DataObject
) -> None:
    path = folder / f"prefix{ending}"
    write_idx(path, array)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(UnrolledError, match="prefix"):
        read_idx(path)


@settings(max_examples=300)
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.builds(lambda rest: b"\0\0" + rest, st.binary(max_size=60)),
        st.builds(
            lambda code, sizes, rest: header(code, *sizes) + rest,
            st.sampled_from(sorted(TYPES)),
            st.lists(st.integers(0, 6) | st.integers(0, 2**32 - 1), max_size=6),
            st.binary(max_size=60),
        ),
    ),
    compressed=st.booleans(),
)
@example(content=header(0x08, *[0] * 65), compressed=True)
def test_any_bytes_are_an_array_or_an_error(folder: Path, content: bytes, compressed: bool) -> None:
    read_or_refuse(write(folder, gzip.compress(content, 1) if compressed else content))


@settings(max_examples=300)
@given(
    array=ARRAYS, ending=ENDINGS, flips=st.lists(st.tuples(st.integers(0), st.integers(1, 255)), min_size=1)
)
def test_any_flipped_bytes_are_an_array_or_an_error(
    folder: Path, array: np.ndarray, ending: str, flips: list[tuple[int, int]]
) -> None:
    path = folder / f"flipped{ending}"
    write_idx(path, array)
    content = bytearray(path.read_bytes())
    for place, change in flips:
        content[place % len(content)] ^= change
    path.write_bytes(content)
    read_or_refuse(path)


def read_or_refuse(path: Path) -> None:
    tracemalloc.start()
    try:
        read_idx(path)
    except UnrolledError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2 * MEGABYTE


def test_the_sample_s_files_come_back_byte_for_byte(tmp_path: Path) -> None:
    names = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    for path in (SAMPLE / name for name in names):
        write_idx(tmp_path / path.name, read_idx(path))
        assert gzip.decompress((tmp_path / path.name).read_bytes()) == gzip.decompress(path.read_bytes())
