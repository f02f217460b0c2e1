"""Numbers as ONNX keeps them, as tensors."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.foreign import map_foreign

# By ONNX's number for a type: torch's type, numpy's, and the field where a file may keep them one by one.
TYPES: dict[int, tuple[torch.dtype, str, str]] = {
    1: (torch.float32, "<f4", "float_data"),
    2: (torch.uint8, "u1", "int32_data"),
    3: (torch.int8, "i1", "int32_data"),
    5: (torch.int16, "<i2", "int32_data"),
    6: (torch.int32, "<i4", "int32_data"),
    7: (torch.int64, "<i8", "int64_data"),
    9: (torch.bool, "?", "int32_data"),
    10: (torch.float16, "<f2", "int32_data"),
    11: (torch.float64, "<f8", "double_data"),
    16: (torch.bfloat16, "<i2", "int32_data"),
}
BITS = (torch.float16, torch.bfloat16)  # of which a list of whole numbers holds the bits
EXTERNAL = 1


def torch_type(number: int) -> torch.dtype:
    """Torch's type for ONNX's number of one.

    Raises:
        UnrolledError: torch's recurrent networks have no numbers of that type.

    >>> torch_type(7)
    torch.int64
    """
    if number not in TYPES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype, *_ in TYPES.values())
        raise UnrolledError(f"numbers of ONNX's type {number} are not read. Known: {known}")
    return TYPES[number][0]


def tensor_of(proto: Any, folder: Path) -> Tensor:
    """The tensor that an ONNX TensorProto holds, of its own memory.

    Args:
        folder: where the model lies, beside which large tensors may lie in files of their own.

    Raises:
        UnrolledError: another type, or more or fewer numbers than its shape says.
    """
    shape = [int(size) for size in proto.dims]
    dtype = torch_type(proto.data_type)
    _, kind, field = TYPES[proto.data_type]
    count = math.prod(shape)
    if any(size < 0 for size in shape):
        raise UnrolledError(f"the tensor {proto.name!r} has shape {shape}: the file is damaged")
    content: Any = None
    if proto.data_location == EXTERNAL:
        content = _external(proto, folder, count * np.dtype(kind).itemsize)
    elif proto.HasField("raw_data"):
        content = proto.raw_data
    if content is not None:
        held = len(content) / np.dtype(kind).itemsize  # a part of a number fits no shape
        make: Callable[[], Any] = lambda: np.frombuffer(content, kind).copy()  # noqa: E731
    else:
        listed = getattr(proto, field)
        held = float(len(listed))
        wide = {"float_data": "f4", "double_data": "f8", "int64_data": "i8", "int32_data": "i4"}[field]
        narrow = "<i2" if dtype in BITS else kind
        make = lambda: np.array(listed, wide).astype(narrow)  # noqa: E731
    if held != count:
        raise UnrolledError(
            f"the tensor {proto.name!r} has shape {shape} and {held:,.10g} numbers, expected {count:,}: "
            "the file is damaged"
        )
    array = make()
    if dtype in BITS:
        return torch.from_numpy(array.view("<i2")).view(dtype).reshape(shape)
    return torch.from_numpy(array).reshape(shape)


def _external(proto: Any, folder: Path, size: int) -> memoryview:
    """What a tensor's file beside the model holds of it."""
    said = {entry.key: entry.value for entry in proto.external_data}
    name = said.get("location", "")
    if not name or name in (".", "..") or Path(name).name != name or "\\" in name:
        raise UnrolledError(f"the tensor {proto.name!r} lies in {name!r}, expected a file beside the model")
    try:
        offset, length = int(said.get("offset", 0)), int(said.get("length", size))
    except ValueError:
        raise UnrolledError(
            f"the tensor {proto.name!r} lies nowhere in {name}: the file is damaged"
        ) from None
    content = map_foreign(folder / name)
    if length != size or offset < 0 or offset + length > len(content):
        raise UnrolledError(
            f"the tensor {proto.name!r} is said to be {length:,} bytes from {offset:,} on, of {name}'s "
            f"{len(content):,}, expected {size:,} of them"
        )
    return content[offset : offset + length]
