"""Steps that come piece by piece, of which nobody knows how many there will be."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from typing import IO, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.data.mapped import MappedFile
from unrolled.errors import UnrolledError

IN_MEMORY = 1 << 26  # bytes that are kept there; what is more goes to a file
CHUNK = 1 << 16  # rows that are moved at once


class Steps(NamedTuple):
    """All steps [S, I], float32, and the file in which they lie if they are many."""

    values: Tensor
    file: MappedFile | None


class Spool:
    """An array [S, width] of float32 that grows: in memory while it is small, then in a temporary file.

    The file has no name once it is mapped, and its room is free again when nobody looks at it any more.

    >>> spool = Spool(2)
    >>> for piece in ([[1, 2]], [[3, 4], [5, 6]]):
    ...     spool.append(np.array(piece, np.float32))
    >>> spool.finish().values.tolist()
    [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    """

    def __init__(self, width: int) -> None:
        self.width, self.count = width, 0
        self._pieces: list[NDArray[np.float32]] = []
        self._file: IO[bytes] | None = None

    def append(self, piece: NDArray[np.float32]) -> None:
        """More rows [n, width], which are not copied: nobody may write into them."""
        self.count += len(piece)
        self._pieces.append(piece)
        if self._file is not None or self.count * self.width * 4 > IN_MEMORY:
            self._write()

    def finish(self) -> Steps:
        """What came. Nothing can be appended any more."""
        if self._file is None:
            empty = np.empty((0, self.width), np.float32)
            return Steps(torch.from_numpy(np.concatenate([empty, *self._pieces])), None)
        self._write()
        mapped = MappedFile(self._file.name)
        self._file.close()  # which takes its name away
        return Steps(mapped.tensor(0, np.dtype(np.float32), (self.count, self.width)), mapped)

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.NamedTemporaryFile(prefix="unrolled-")  # noqa: SIM115
            for piece in self._pieces:
                self._file.write(np.ascontiguousarray(piece).data)
            self._file.flush()
        except OSError as error:
            if self._file is not None:
                with contextlib.suppress(OSError):  # what it still holds cannot be written either
                    self._file.close()
            raise UnrolledError(
                f"cannot keep {self.count * self.width * 4:,} bytes of steps in {tempfile.gettempdir()}: "
                f"{error.strerror or error}; TMPDIR can name another folder"
            ) from error
        self._pieces.clear()


def reordered(steps: Steps, order: NDArray[np.int64]) -> Steps:
    """The steps in another order: row r is what row order[r] was."""
    values = steps.values.numpy()
    spool = Spool(values.shape[1])
    for start in range(0, len(order), CHUNK):
        spool.append(values[order[start : start + CHUNK]])
    return spool.finish()


def as_float32(values: NDArray[Any], where: Callable[[int, int], str]) -> NDArray[np.float32]:
    """Numbers [n, I] as float32; NaN stands for one that is missing.

    Args:
        values: of any real type.
        where: what to call the value in a row and a column, for the message.

    Raises:
        UnrolledError: one of them is infinite, or will not fit.
    """
    with np.errstate(over="ignore"):
        small = values.astype(np.float32)
    infinite = np.isinf(small)
    if infinite.any():
        row, column = (int(place) for place in np.argwhere(infinite)[0])
        raise UnrolledError(
            f"{where(row, column)} is {values[row, column]}, expected a number of at most 3.4e38, or nothing "
            "where it is missing"
        )
    return small
