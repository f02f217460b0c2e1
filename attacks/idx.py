"""IDX files: what they unpack to, and what their headers promise."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

from attacks import innocent
from attacks.attack import Call, add, attack
from unrolled import data

GIB = 1 << 30
FILES = data.mnist.FILES


def bomb(path: Path, start: bytes, size: int) -> Path:
    """A gzip file of `start` and so many zeros; 64 MiB of them are compressed once, and repeated."""
    piece = bytes(64 << 20)
    whole, rest = divmod(size, len(piece))
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = compressor.compress(start) + compressor.flush(zlib.Z_FULL_FLUSH)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = compressor.compress(piece) + compressor.flush(zlib.Z_FULL_FLUSH)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    last = compressor.compress(bytes(rest)) + compressor.flush()
    header = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
    path.write_bytes(header + first + zeros * whole + last + struct.pack("<II", 0, size & 0xFFFFFFFF))
    return path


def pictures(count: int) -> bytes:
    return struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28)


@attack("unpacks to .* unpack it")
def an_idx_file_of_three_megabytes_that_unpacks_to_three_gigabytes(folder: Path) -> Call:
    path = bomb(folder / "bomb.gz", pictures(4_096_000), 4_096_000 * 784)
    return lambda: data.read_idx(path)


@attack("unpacks to .* unpack it")
def pictures_to_predict_that_unpack_to_three_gigabytes(folder: Path) -> Call:
    path = bomb(folder / "bomb.gz", pictures(4_096_000), 4_096_000 * 784)
    return ["predict", str(path), "--run", str(innocent.run(folder / "run"))]


@attack("unpacks to .* unpack it")
def training_pictures_that_unpack_to_three_gigabytes(folder: Path) -> Call:
    (innocent.mnist(folder) / FILES[0]).unlink()
    bomb(folder / f"{FILES[0]}.gz", pictures(4_096_000), 4_096_000 * 784)
    return ["train", "--data", "mnist", "--data-dir", str(folder)]


@attack("is too long")
def labels_that_unpack_to_a_hundred_gigabytes(folder: Path) -> Call:
    (innocent.mnist(folder) / FILES[3]).unlink()
    bomb(folder / f"{FILES[3]}.gz", struct.pack(">4BI", 0, 0, 8, 1, 5), 100 * GIB)
    return lambda: data.load("mnist", folder)


@attack("is too long")
def an_idx_file_with_a_hundred_gigabytes_behind_its_array(folder: Path) -> Call:
    path = bomb(folder / "bomb.gz", struct.pack(">4BI", 0, 0, 8, 1, 5), 100 * GIB)
    return lambda: data.read_idx(path)


@attack("at most .* bytes, its header promises 79228162458924105385300197375 of data")
def a_header_that_promises_more_than_there_is_memory(folder: Path) -> Call:
    (folder / "huge").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 3) + bytes(8))
    return lambda: data.read_idx(folder / "huge")


@attack("holds uint8 .*which numpy cannot|its header promises")
def an_empty_array_of_255_axes(folder: Path) -> Call:
    (folder / "axes").write_bytes(struct.pack(">4B255I", 0, 0, 8, 255, 0, *[2**32 - 1] * 254))
    return lambda: data.read_idx(folder / "axes")


@attack("damaged gzip|is cut")
def a_hundred_thousand_empty_gzip_files_in_one(folder: Path) -> Call:
    empty = gzip.compress(b"", mtime=0)
    (folder / "many.gz").write_bytes(gzip.compress(struct.pack(">4BI", 0, 0, 8, 1, 5)) + empty * 100_000)
    return lambda: data.read_idx(folder / "many.gz")


def _sparse(folder: Path) -> Call:
    path = innocent.sparse(folder / "sparse", 1 << 40, b"\x1f\x8b\x08\x08")
    return lambda: data.read_idx(path)


add("a gzip file whose name is a terabyte long", _sparse, "is a damaged gzip file|cannot read")
