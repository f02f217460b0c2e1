"""Variables that lie in a checkpoint as several parts."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy import ndarray

from unrolled.tf1.checkpoints.wire import DamagedError, Message, signed

# Which part of an array: for each axis where it begins and how long it is, None for all of the axis.
Part = tuple["tuple[int, int] | None", ...]


def read_part(message: Message) -> Part:
    """The part that a TensorSliceProto names."""
    return tuple(
        (signed(extent.integer(1)), signed(extent.integer(2))) if 2 in extent else None
        for extent in message.messages(1)
    )


def part_shape(part: Part, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a part of an array of that shape.

    Raises:
        DamagedError: the part reaches outside.

    >>> part_shape(((1, 2), None), (3, 4))
    (2, 4)
    """
    if len(part) != len(shape):
        raise DamagedError(f"a part has {len(part)} axes, its variable {len(shape)}")
    for extent, size in zip(part, shape, strict=True):
        if extent is not None and not 0 <= extent[0] <= extent[0] + extent[1] <= size:
            raise DamagedError(f"a part {list(part)} reaches outside its variable's shape {list(shape)}")
    return tuple(size if extent is None else extent[1] for extent, size in zip(part, shape, strict=True))


def assemble(shape: tuple[int, ...], parts: Iterable[tuple[Part, ndarray]]) -> ndarray:
    """The array of that shape of which every element lies in exactly one part.

    Raises:
        DamagedError: an element lies in no part, or in several.
    """
    parts = list(parts)
    if sum(values.size for _, values in parts) != math.prod(shape):
        raise DamagedError(f"the parts of a variable of shape {list(shape)} do not make it whole")
    if not parts:
        raise DamagedError(f"a variable of shape {list(shape)} has no parts")
    whole = np.empty(shape, parts[0][1].dtype)
    filled = np.zeros(shape, bool)
    for part, values in parts:
        where = tuple(
            slice(None) if extent is None else slice(extent[0], extent[0] + extent[1]) for extent in part
        )
        whole[where] = values
        filled[where] = True
    if not filled.all():
        raise DamagedError(f"the parts of a variable of shape {list(shape)} overlap")
    return whole


def part_key(name: str, part: Part) -> bytes:
    r"""The key under which a table keeps a part: name and numbers so written that bytes sort as they do.

    >>> part_key("w", ((0, 2), None))
    b'\x00w\x00\x01\x01\x02\x80\x82\x80\x7f'
    """
    escaped = name.encode().replace(b"\0", b"\0\xff")
    key = bytes([0]) + escaped + b"\0\1" + _ordered(len(part))
    for extent in part:
        start, length = extent or (0, -1)
        key += _ordered_signed(start) + _ordered_signed(length)
    return key


def _ordered(value: int) -> bytes:
    """A number from 0: how many bytes it has, then they, the highest first."""
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _ordered_signed(value: int) -> bytes:
    """A number from -1 in few bytes: before its first zero bit it has as many ones as bytes."""
    if value == -1:
        return b"\x7f"
    count = value.bit_length() // 7 + 1
    return ((1 << count) - 1 << 7 * count | value).to_bytes(count, "big")
