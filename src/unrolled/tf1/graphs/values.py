"""What flows along the edges of a graph: tensors, arrays of bytes, and how both come out of messages.

Numbers are tensors of the type that TensorFlow has; its quantised types are the whole numbers that they
store. Text is a numpy array of `bytes`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.tf1.checkpoints.dtypes import (
    BFLOAT16,
    HALF,
    MAX_RANK,
    STRING,
    item_size,
    numpy_type,
    read_shape,
    to_array,
)
from unrolled.tf1.checkpoints.saved_slices import (
    FLOAT_FIELDS,
    INTEGER_FIELDS,
    SMALL_INTEGER_FIELD,
    TEXT_FIELD,
)
from unrolled.tf1.checkpoints.wire import DamagedError, Message, signed

RESOURCE, VARIANT = 20, 21
TORCH_TYPES = {
    1: torch.float32,
    2: torch.float64,
    3: torch.int32,
    4: torch.uint8,
    5: torch.int16,
    6: torch.int8,
    8: torch.complex64,
    9: torch.int64,
    10: torch.bool,
    11: torch.int8,
    12: torch.uint8,
    13: torch.int32,
    BFLOAT16: torch.bfloat16,
    15: torch.int16,
    16: torch.uint16,
    17: torch.uint16,
    18: torch.complex128,
    HALF: torch.float16,
    22: torch.uint32,
    23: torch.uint64,
}
REFERENCE = 100  # is added to the type of a variable of old
TENSOR_CONTENT = 4


def torch_type(number: int) -> torch.dtype:
    """PyTorch's type for TensorFlow's number of it.

    Raises:
        DamagedError: it is no type of numbers.
    """
    dtype = TORCH_TYPES.get(number % REFERENCE)
    if dtype is None:
        raise DamagedError(f"TensorFlow's type number {number} is none of numbers")
    return dtype


def type_name(number: int) -> str:
    """A type in words.

    >>> type_name(1), type_name(7)
    ('float32', 'text')
    """
    number %= REFERENCE
    if number in TORCH_TYPES:
        return str(TORCH_TYPES[number]).removeprefix("torch.")
    return {STRING: "text", RESOURCE: "a resource", VARIANT: "a variant"}.get(number, f"type {number}")


def partial_shape(message: Message) -> tuple[int, ...] | None:
    """The shape of a TensorShapeProto, with -1 for sizes that are not known; None if its rank is not."""
    if message.integer(3):
        return None
    sizes = tuple(signed(size.integer(1)) for size in message.messages(2))
    if len(sizes) > MAX_RANK:
        raise DamagedError(f"a shape has {len(sizes)} axes")
    return tuple(max(size, -1) for size in sizes)


def as_tensor(message: Message) -> Any:
    """The value of a TensorProto: a tensor, or for text an array of bytes.

    One that has fewer values than elements repeats its last: it stays one value in memory, however large the
    shape claims to be.

    >>> from unrolled.tf1.checkpoints.wire import bytes_field, integer_field
    >>> as_tensor(Message(integer_field(1, 3) + bytes_field(7, bytes([5])))).item()
    5
    """
    dtype, shape = message.integer(1), read_shape(message.message(2))
    count, content = math.prod(shape), message.all_bytes(TENSOR_CONTENT)
    if dtype == STRING:
        return _texts(message.all_bytes(TEXT_FIELD), shape)
    kind, size = torch_type(dtype), item_size(dtype)
    if content and len(content[-1]):
        return from_numpy(to_array(dtype, content[-1], shape)).to(kind)
    if dtype in FLOAT_FIELDS:
        raw = message.fixed(FLOAT_FIELDS[dtype])
        values = to_array(dtype, raw[: len(raw) // size * size], (len(raw) // size,))
    else:
        numbers = message.integers(INTEGER_FIELDS.get(dtype, SMALL_INTEGER_FIELD)).view(np.int64)
        if dtype in (HALF, BFLOAT16):
            values = to_array(dtype, numbers.astype(np.uint16).tobytes(), (len(numbers),))
        else:
            values = numbers.astype(numpy_type(dtype))
    if len(values) > count:
        raise DamagedError(f"a tensor of shape {list(shape)} has {len(values)} values")
    if len(values) == count:
        return from_numpy(values.reshape(shape)).to(kind)
    if len(values) <= 1:
        one = from_numpy(values).to(kind) if len(values) else torch.zeros(1, dtype=kind, device="cpu")
        return one.reshape(()).expand(shape)
    if count > len(values) * 2**20:
        raise DamagedError(f"a tensor of shape {list(shape)} has {len(values)} values")
    return from_numpy(np.pad(values, (0, count - len(values)), mode="edge").reshape(shape)).to(kind)


def _texts(found: list[memoryview], shape: tuple[int, ...]) -> np.ndarray:
    count = math.prod(shape)
    if len(found) > count or (count > 1 << 20 and len(found) < count):
        raise DamagedError(f"a tensor of shape {list(shape)} has {len(found)} strings")
    texts = np.empty(count, object)
    texts[:] = bytes(found[-1]) if found else b""
    texts[: len(found)] = [bytes(text) for text in found]
    return texts.reshape(shape)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the CPU with an array's values, its memory where that can be written."""
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def to_numpy(value: Any) -> Any:
    """An array of what a run computed: bfloat16, which numpy does not have, becomes float32."""
    if not isinstance(value, Tensor):
        return value
    value = value.detach().resolve_conj().resolve_neg()
    return (value.float() if value.dtype == torch.bfloat16 else value).cpu().numpy()
