"""The arrays in an .npz archive: what their headers say, and each when it is asked for."""

from __future__ import annotations

import math
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign

MOST_ARRAYS = 1000
HONEST_RATIO, ALWAYS = 200, 1 << 28  # what an archive may unpack to: zeros shrink well


class Described(NamedTuple):
    """What an array is, by its header."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


class Archive:
    """An archive whose headers have been checked: what they promise is there. Nothing is ever unpickled.

    Attributes:
        path: where it is.
        arrays: what each array is, by its name.

    Raises:
        UnrolledError: a header is damaged, an array holds Python objects, or the archive unpacks to far more
            than arrays do.
    """

    def __init__(self, path: str, archive: zipfile.ZipFile) -> None:
        self.path, self._archive = path, archive
        self.arrays: dict[str, Described] = {}
        entries = archive.infolist()
        if len(entries) > MOST_ARRAYS:
            raise UnrolledError(f"{path} holds {len(entries):,} arrays, expected at most {MOST_ARRAYS:,}")
        packed = sum(entry.compress_size for entry in entries)
        size = os.path.getsize(path)
        if sum(entry.file_size for entry in entries) > max(ALWAYS, HONEST_RATIO * min(packed, size)):
            raise UnrolledError(f"{path} has {size:,} bytes and unpacks to far more than arrays do")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name == entry.filename:
                raise UnrolledError(f"{path} holds {entry.filename!r}, expected arrays, .npy")
            if name in self.arrays:
                raise UnrolledError(f"{path} holds {name!r} twice")
            described, start = self._header(entry)
            came, expected = entry.file_size - start, math.prod(described.shape) * described.dtype.itemsize
            if came != expected:
                raise UnrolledError(f"{path}: {name} has {came} bytes, expected {expected} for {described}")
            self.arrays[name] = described
        if not self.arrays:
            raise UnrolledError(f"{path} holds no arrays, expected sequences")

    def array(self, name: str) -> NDArray[Any]:
        """An array, read now."""
        with self._archive.open(f"{name}.npy") as file:
            array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
            file.read(1)  # which makes it compare the checksum
        if array.dtype.kind == "U" and array.size:
            letters = np.ascontiguousarray(array).view(array.dtype.byteorder.replace("=", "") + "u4")
            if letters.max() > sys.maxunicode:  # over which numpy stumbles
                raise UnrolledError(f"{self.path}: {name} holds letters that there are not: it is damaged")
        return array

    def _header(self, entry: zipfile.ZipInfo) -> tuple[Described, int]:
        name = f"{self.path}: {entry.filename}"
        with self._archive.open(entry) as file:
            try:
                version = npy.read_magic(file)
                read: Callable[..., Any] = (
                    npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                )
                shape, _, dtype = read(file)
                if len(shape) > 32 or any(not 0 <= axis < 2**62 for axis in shape):
                    raise ValueError("its shape is none that an array can have")
            except (zipfile.BadZipFile, zlib.error, EOFError):
                raise
            except Exception as error:  # a damaged header raises whatever its parser stumbles over
                raise UnrolledError(f"{name} has a damaged header: {error}") from error
            if dtype.hasobject:
                raise UnrolledError(
                    f"{name} holds Python objects, which are not unpickled: save steps [S, I] one behind the "
                    "other, and lengths [N]"
                )
            if dtype.kind not in "iufbUScmM" or not dtype.itemsize:
                raise UnrolledError(f"{name} is {dtype}, expected numbers or text")
            return Described(dtype, tuple(map(int, shape))), file.tell()


@contextmanager
def open_archive(path: str) -> Iterator[Archive]:
    """An archive for reading. Whatever is wrong with it is an UnrolledError."""
    with open_foreign(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                yield Archive(path, archive)
        except UnrolledError:
            raise
        except (
            *(zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, RuntimeError),
            *(OverflowError, MemoryError),
        ) as error:  # among them a password, an unknown method, sizes that cannot be
            raise UnrolledError(f"{path} is no .npz archive, or damaged: {error}") from error
