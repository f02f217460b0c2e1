"""Files mapped into memory: what is used of them is read then, and forgotten when the room is needed."""

from __future__ import annotations

import mmap
import os
import warnings
import weakref
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign


class MappedFile:
    """A file as an array of bytes that is never read as a whole. Nobody may write into it.

    Attributes:
        path: where it is.

    Raises:
        UnrolledError: it cannot be opened or mapped.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        with open_foreign(path) as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        try:
            mapping = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: it is empty
            raise UnrolledError(f"cannot map {path}: {getattr(error, 'strerror', None) or error}") from error
        self._bytes = np.frombuffer(mapping, dtype=np.uint8)
        self._address = self._bytes.ctypes.data

    def array(self, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """The array in C order that begins at a byte of the file."""
        return np.ndarray(shape, dtype, buffer=self._bytes, offset=offset)

    def tensor(self, offset: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Tensor:
        """The same as a tensor."""
        with warnings.catch_warnings():
            # Torch knows no tensor that must not be written into, and says so.
            warnings.simplefilter("ignore", UserWarning)
            return torch.from_numpy(self.array(offset, dtype, shape))

    def read_ahead(self, part: Tensor, rows: Tensor, counts: Tensor | None = None) -> None:
        """Have the operating system begin to read these rows of a tensor of this file, and do not wait.

        All of them are under way together; a row that is first read when it is used is waited for, alone.

        Args:
            part: [N, ...] or [S, ...], in this file.
            rows: int64 [B], where to begin.
            counts: int64 [B], of sequences [S, I] how many steps from there on, and of [N, T, I] how many of
                a row's; None for whole rows.
        """
        if not hasattr(os, "posix_fadvise"):  # macOS and Windows
            return
        distance = part.stride(0) * part.element_size()
        first = part.data_ptr() - self._address
        if counts is None:
            lengths = [part[0].nbytes] * len(rows)
        else:
            step = part.stride(max(0, part.dim() - 2)) * part.element_size()
            lengths = (counts * step).tolist()
        for place, length in zip((rows * distance + first).tolist(), lengths, strict=True):
            os.posix_fadvise(self._descriptor, place, length, os.POSIX_FADV_WILLNEED)
