"""Arrays in .npy files, numpy's format: what a header says, and a file written piece by piece."""

from __future__ import annotations

import io
import math
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign

HEADER = 128  # bytes: room for any number of sequences
MOST_HEADER = 16_384  # numpy reads 10,000 and some
MOST_AXES, MOST_SIZE = 64, 2**63 - 1


class NpyHeader(NamedTuple):
    """What a file says of its array, and the byte at which that begins."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    def __str__(self) -> str:
        return f"{self.dtype} {list(self.shape)}"


def read_header(path: Path) -> NpyHeader:
    """The header of a .npy file that has all the data that it promises. Nothing is ever unpickled.

    Raises:
        UnrolledError: there is no such file, it is damaged, or it holds Python objects or an array in
            Fortran order.

    Reference: numpy.lib.format.
    """
    try:
        with open_foreign(path) as file:
            size = os.fstat(file.fileno()).st_size
            start = io.BytesIO(file.read(MOST_HEADER))
    except OSError as error:
        raise UnrolledError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        version = npy.read_magic(start)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read(start)
        header = NpyHeader(dtype, tuple(map(int, shape)), start.tell())
        if len(shape) > MOST_AXES or any(not 0 <= axis <= MOST_SIZE for axis in header.shape):
            raise ValueError("its shape is none that an array can have")
    except Exception as error:  # a damaged header raises whatever its parser stumbles over
        raise UnrolledError(f"{path} is not a .npy file, or its header is damaged: {error}") from error
    if dtype.hasobject:
        raise UnrolledError(f"{path} holds Python objects, expected numbers: nothing is unpickled")
    if fortran_order:
        raise UnrolledError(
            f"{path} holds {header} in Fortran order: save numpy.ascontiguousarray(array) in its place"
        )
    came, expected = size - header.offset, math.prod(header.shape) * dtype.itemsize
    if came != expected:
        raise UnrolledError(
            f"{path} is {'cut' if came < expected else 'damaged'}: {came} bytes of data came, "
            f"{expected} expected for {header}"
        )
    if header.offset % dtype.alignment:
        raise UnrolledError(
            f"{path} begins its data at byte {header.offset}, expected a multiple of {dtype.alignment}: "
            "save the array again with numpy"
        )
    return header


class NpyWriter:
    """A .npy file that grows along its first axis; it is not one before `finish`.

    Args:
        file: where to, open for writing.

    >>> import io
    >>> file = io.BytesIO()
    >>> writer = NpyWriter(file)
    >>> for piece in (np.zeros((2, 3)), np.ones((1, 3))):
    ...     writer.append(piece)
    >>> writer.finish()
    >>> np.load(io.BytesIO(file.getvalue())).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.count = 0
        self.kind: tuple[np.dtype[Any], tuple[int, ...]] | None = None
        file.write(bytes(HEADER))

    def append(self, piece: NDArray[Any]) -> None:
        """Write `piece` [n, ...] behind the others, whose type and further axes it must have."""
        kind = piece.dtype, piece.shape[1:]
        if self.kind is None:
            self.kind = kind
        elif kind != self.kind:
            before = ", ".join(["n", *map(str, self.kind[1])])
            raise UnrolledError(
                f"{piece.dtype} {list(piece.shape)} came, expected {self.kind[0]} [{before}] as before"
            )
        self.count += len(piece)
        self.file.write(np.ascontiguousarray(piece).data)

    def finish(self, steps: int | None = None) -> None:
        """Write the header, now that the number of rows is known.

        With `steps` T the rows [N T, ...] are said to be an array [N, T, ...].
        """
        dtype, shape = self.kind or (np.dtype(np.uint8), ())
        rows = (self.count,) if steps is None else (self.count // steps, steps)
        described = {"descr": dtype.str, "fortran_order": False, "shape": (*rows, *shape)}
        text = repr(described).encode("latin1").ljust(HEADER - 11) + b"\n"
        self.file.seek(0)
        self.file.write(npy.magic(1, 0) + struct.pack("<H", len(text)) + text)
