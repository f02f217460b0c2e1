"""TensorFlow's types of numbers, and the bytes of their arrays."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy import ndarray

from unrolled.tf1.checkpoints.wire import Buffer, DamagedError, Message, bytes_field, integer_field, signed

# DataType of types.proto. The quantised types are read as the whole numbers that they store.
FLOAT, STRING, BFLOAT16, HALF = 1, 7, 14, 19
NUMPY_TYPES = {
    FLOAT: "f4",
    2: "f8",
    3: "i4",
    4: "u1",
    5: "i2",
    6: "i1",
    8: "c8",
    9: "i8",
    10: "?",
    11: "i1",
    12: "u1",
    13: "i4",
    15: "i2",
    16: "u2",
    17: "u2",
    18: "c16",
    HALF: "f2",
    22: "u4",
    23: "u8",
}
NUMBERS = {np.dtype(name): number for number, name in reversed(NUMPY_TYPES.items())}
MAX_RANK = 32
MAX_SIZE = 2**40


def item_size(number: int) -> int:
    """How many bytes one element takes.

    Raises:
        DamagedError: a type whose elements have no fixed size, or none of TensorFlow's.
    """
    if number == BFLOAT16:
        return 2
    if number not in NUMPY_TYPES:
        raise DamagedError(
            f"it has values of TensorFlow's type number {number}, which are no numbers or text"
        )
    return np.dtype(NUMPY_TYPES[number]).itemsize


def numpy_type(number: int) -> np.dtype[Any]:
    """The type of the arrays that `to_array` makes; for text, of arrays of bytes."""
    return np.dtype({STRING: "O", BFLOAT16: "f4"}.get(number) or NUMPY_TYPES[number])


def to_array(number: int, data: Buffer, shape: tuple[int, ...], order: Literal["<", ">"] = "<") -> ndarray:
    """The array whose raw bytes are `data`: bfloat16 becomes float32, which holds each of its values.

    Args:
        order: "<" for little-endian bytes, ">" for big-endian.
    """
    if len(data) != item_size(number) * math.prod(shape):
        raise DamagedError(f"it has {len(data)} bytes for an array of shape {list(shape)}")
    if number == BFLOAT16:
        # The upper half of a float32.
        halves = np.frombuffer(data, np.dtype("u2").newbyteorder(order)).astype(np.uint32)
        return (halves << np.uint32(16)).view(np.float32).reshape(shape)
    dtype = numpy_type(number)
    return np.frombuffer(data, dtype.newbyteorder(order)).astype(dtype).reshape(shape)


def read_shape(message: Message) -> tuple[int, ...]:
    """The shape of a TensorShapeProto.

    Raises:
        DamagedError: it is unknown or absurd.
    """
    shape = tuple(signed(dim.integer(1)) for dim in message.messages(2))
    known = not message.integer(3) and len(shape) <= MAX_RANK and min(shape, default=0) >= 0
    # An empty array, too, must not have axes that numpy cannot count.
    if not known or math.prod(max(size, 1) for size in shape) > MAX_SIZE:
        raise DamagedError(f"it has a variable of shape {list(shape[:MAX_RANK])}")
    return shape


def write_shape(shape: tuple[int, ...]) -> bytes:
    """The TensorShapeProto of a shape."""
    return b"".join(bytes_field(2, integer_field(1, size)) for size in shape)
