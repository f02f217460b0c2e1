"""Files of tensors (safetensors), whose header is read first: nothing is asked of the memory before."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import safetensors
import torch
from safetensors.torch import load
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.foreign import open_foreign
from unrolled.training.run_file import parse_json, shortened

MOST_HEADER = 2**25  # bytes: some hundred thousand tensors
TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class TensorsFile:
    """The header of a file of tensors, and on demand what it holds.

    Args:
        path: the file's.

    Attributes:
        path: the same.
        shapes: the tensors by name, without any memory: on the device "meta".
        metadata: what else the header says.

    Raises:
        MissingFileError: there is none.
        UnrolledError: it is damaged, or something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_foreign(path) as file:
            size = os.fstat(file.fileno()).st_size
            try:
                self._header, header = _read_header(file, size)
                self.metadata: dict[str, Any] = header.pop("__metadata__", {})
                if not isinstance(self.metadata, dict):
                    raise ValueError("its metadata are no names with values")
                self.shapes = {name: _tensor(name, described) for name, described in header.items()}
            except (OSError, ValueError) as error:
                raise UnrolledError(f"{path} is damaged: {shortened(error)}") from error
        expected = len(self._header) + sum(tensor.nbytes for tensor in self.shapes.values())
        if size != expected:
            raise UnrolledError(f"{path} is damaged: it has {size:,} bytes, expected {expected:,}")
        self._size = size

    def load(self, check: Callable[[bytes], None] | None = None) -> dict[str, Tensor]:
        """All tensors, read into memory: whoever writes into the file later changes nothing here.

        Args:
            check: sees the file's content before anything is made of it.

        Raises:
            UnrolledError: the file is damaged, or no longer the one whose header was read.
        """
        try:
            with open_foreign(self.path) as file:
                content = file.read(self._size + 1)
            if len(content) != self._size or not content.startswith(self._header):
                raise UnrolledError(f"{self.path} was changed while it was read")
            if check is not None:
                check(content)
            return load(content)
        except (OSError, safetensors.SafetensorError) as error:
            raise UnrolledError(f"{self.path} is damaged: {shortened(error)}") from error


def _read_header(file: BinaryIO, size: int) -> tuple[bytes, dict[str, Any]]:
    """The header's bytes, with the length before it, and what it says."""
    length = file.read(8)
    count = int.from_bytes(length, "little")
    if len(length) < 8 or count > min(size - 8, MOST_HEADER):
        raise ValueError("it is no file of tensors, or it is cut")
    text = file.read(count)
    header = parse_json(text)
    if not isinstance(header, dict):
        raise ValueError("its header is no object")
    return length + text, header


def _tensor(name: str, described: Any) -> Tensor:
    if not isinstance(described, dict) or str(described.get("dtype")) not in TYPES:
        raise ValueError(f"the header says of {name} {described!r}")
    shape = described.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"the shape of {name} is {shape!r}")
    if len(shape) > 64 or math.prod(shape) >= 2**56:
        raise ValueError(f"the shape of {name} is {shape!r}: no memory holds it")
    return torch.empty(shape, dtype=TYPES[described["dtype"]], device="meta")
