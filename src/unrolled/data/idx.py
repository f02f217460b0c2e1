"""Arrays in IDX files, the format that MNIST is published in."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.atomic import atomic_path
from unrolled.errors import UnrolledError
from unrolled.foreign import check_path, open_foreign

# The third byte of a file says what its elements are. All numbers in the file are big-endian.
TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
CODES = {dtype.newbyteorder("="): code for code, dtype in TYPES.items()}

GZIP_MAGIC = b"\x1f\x8b"
GZIP_RATIO = 1032  # deflate makes at most so many bytes of one
CHUNK = 1 << 20
Content: TypeAlias = io.BufferedReader | gzip.GzipFile
# What a gzip file may unpack to: pictures of digits shrink to a fifth, and what shrinks far more is a trap.
HONEST_RATIO, ALWAYS, NEVER = 50, 1 << 26, 1 << 30


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read the array of an IDX file, plain or gzip, whatever its name says.

    The file: 0, 0, the type of the elements, the rank R; R sizes of four bytes; the elements, the last
    axis fastest.

    Args:
        path: the file.

    Returns:
        A writable array in the byte order of the machine.

    Raises:
        UnrolledError: there is no such file, it is not IDX, or it is damaged; or it is gzip and its header
            promises more than a gigabyte, or above 64 MB more than 50 times the file. No more is
            decompressed than the header promises, and nothing if it promises more than the file can hold.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "table.gz"
    >>> write_idx(path, np.array([[1, 2, 3], [4, 5, 6]], dtype=np.int16))
    >>> read_idx(path)
    array([[1, 2, 3],
           [4, 5, 6]], dtype=int16)

    Reference: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", file formats.
    """
    with open_content(path) as content:
        dtype, shape = _read_header(path, content)
        expected = math.prod(shape) * dtype.itemsize
        what = f"{dtype.name} {list(shape)}"
        packed = isinstance(content, gzip.GzipFile)
        size = os.path.getsize(path)
        most = size * (GZIP_RATIO if packed else 1)
        if expected > most:
            raise UnrolledError(
                f"{path} is cut or damaged: it holds at most {most} bytes, "
                f"its header promises {expected} of data, {what}"
            )
        if packed and expected > min(max(ALWAYS, HONEST_RATIO * size), NEVER):
            raise UnrolledError(
                f"{path} has {size:,} bytes and unpacks to {expected:,}, {what}: "
                "if that is meant, unpack it with gunzip first"
            )
        data = bytearray()
        # A cut gzip file still says how much of it came.
        with suppress(EOFError):
            while len(data) < expected and (chunk := content.read1(min(expected - len(data), CHUNK))):
                data += chunk
        if len(data) < expected:
            raise UnrolledError(
                f"{path} is cut: {len(data)} bytes of data came, {expected} expected for {what}"
            )
        if content.read(1):  # this also makes gzip compare its checksum
            raise UnrolledError(
                f"{path} is too long: {expected} bytes of data expected for {what}, more came"
            )
    try:
        array = np.ndarray(shape, dtype, buffer=data)
    except ValueError as error:  # an empty array can have any shape in a file
        raise UnrolledError(f"{path} holds {what}, which numpy cannot: {error}") from None
    native = dtype.newbyteorder("=")
    return array if dtype == native else array.byteswap(inplace=True).view(native)


def write_idx(path: str | os.PathLike[str], array: ArrayLike) -> None:
    """Write an array as an IDX file, with gzip if the name ends in .gz; the same array, the same bytes.

    Args:
        path: the file; it is replaced as a whole, or not at all.
        array: of uint8, int8, int16, int32, float32 or float64.

    Raises:
        UnrolledError: another type, an axis that is too long for the format, or a folder that cannot be
            written.
    """
    check_path(path)
    path, array = Path(path), np.asarray(array)
    code = CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(dtype.name for dtype in CODES)
        raise UnrolledError(
            f"{path}: IDX has no {array.dtype.name}, expected one of {known}: convert the array"
        )
    if max(array.shape, default=0) >= 1 << 32:
        raise UnrolledError(f"{path}: an axis of {list(array.shape)} is too long, IDX has four bytes for it")
    header = struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    data = header + array.astype(TYPES[code]).tobytes()
    try:
        with atomic_path(path) as beside, open(beside, "wb") as file:
            if path.suffix == ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                    compressed.write(data)
            else:
                file.write(data)
    except OSError as error:
        raise UnrolledError(f"cannot write {path}: {error.strerror or error}") from error


def is_idx(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as an IDX file with at least one axis does, or as a gzip file."""
    with open_foreign(path) as file:
        start = file.read(4)
    if start[:2] == GZIP_MAGIC:
        return True
    # A picture in the TGA format can begin as an array without axes does, so that is not taken for IDX.
    return len(start) == 4 and start[:2] == bytes(2) and start[2] in TYPES and start[3] > 0


@contextmanager
def open_content(path: str | os.PathLike[str]) -> Iterator[Content]:
    """The content of a file, decompressed if it is gzip. What goes wrong in reading is an UnrolledError."""
    try:
        with open_foreign(path) as file:
            compressed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            if compressed:
                with gzip.GzipFile(fileobj=file) as content:
                    yield content
            else:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnrolledError(f"{path} is a damaged gzip file ({error}): get it again") from error
    except OSError as error:
        raise UnrolledError(f"cannot read {path}: {error.strerror or error}") from error


def _read_header(path: object, content: Content) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = content.read(4)
    if not magic:
        raise UnrolledError(f"{path} is empty, expected an IDX file")
    if magic[:2] != bytes(2):
        raise UnrolledError(f"{path} is not an IDX file: it begins with {magic.hex(' ')}, expected 00 00")
    if len(magic) == 4:
        code, rank = magic[2:]
        if code not in TYPES:
            known = ", ".join(f"0x{known:02x} {dtype.name}" for known, dtype in TYPES.items())
            raise UnrolledError(f"{path} has elements of the unknown type 0x{code:02x}, expected {known}")
        sizes = content.read(4 * rank)
        if len(sizes) == 4 * rank:
            return TYPES[code], struct.unpack(f">{rank}I", sizes)
    raise UnrolledError(f"{path} is cut: it ends inside its header; get it again")
