"""Numbers and messages as protocol buffers write them: the alphabet of TensorFlow's files."""

from __future__ import annotations

import struct
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import UnrolledError

Buffer: TypeAlias = "bytes | memoryview"

MOST_FIELDS = 1_000_000  # of one message: each takes a hundred bytes of memory

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class DamagedError(UnrolledError):
    """A file is not what its format says: damaged, cut off, or made to mislead."""


def read_varint(data: Buffer, position: int) -> tuple[int, int]:
    """The unsigned number at `position`, seven bits a byte, and where it ends.

    >>> read_varint(bytes([0xAC, 0x02]), 0)
    (300, 2)
    """
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise DamagedError("it ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (2**64 - 1), position
    raise DamagedError("a number has more than ten bytes")


def read_varints(data: Buffer) -> NDArray[np.uint64]:
    """All numbers of which `data` is made.

    >>> read_varints(bytes([0xAC, 0x02, 7])).tolist()
    [300, 7]
    """
    digits = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(digits < 0x80)
    if len(digits) and not (len(ends) and ends[-1] == len(digits) - 1):
        raise DamagedError("it ends inside a number")
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    sizes = ends - starts + 1
    if sizes.max(initial=0) > 10:
        raise DamagedError("a number has more than ten bytes")
    values = np.zeros(len(ends), np.uint64)
    for place in range(sizes.max(initial=0)):
        has = sizes > place
        values[has] |= (digits[starts[has] + place] & 0x7F).astype(np.uint64) << np.uint64(7 * place)
    return values


def write_varint(value: int) -> bytes:
    """A number from 0 to 2^64 - 1, seven bits a byte, the lowest first."""
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def signed(value: int) -> int:
    """The int64 that a 64-bit number stands for.

    >>> signed(2**64 - 1)
    -1
    """
    return value - 2**64 if value >= 2**63 else value


class Message:
    """The fields of one message, by number. A field that is not there has its default.

    Attributes:
        data: its bytes.

    Raises:
        DamagedError: the bytes are no message; or, when a field is asked for, it has another type.

    >>> message = Message(integer_field(1, 300) + bytes_field(2, b"name"))
    >>> message.integer(1), message.text(2), message.integer(3)
    (300, 'name', 0)
    """

    def __init__(self, data: Buffer) -> None:
        self._fields: dict[int, list[tuple[int, int | memoryview]]] = {}
        self.data = view = memoryview(data)
        position, left = 0, MOST_FIELDS
        while position < len(view):
            left -= 1
            if left < 0:
                raise DamagedError(f"a message has more than {MOST_FIELDS} fields")
            key = view[position]
            if key < 0x80:
                position += 1
            else:
                key, position = read_varint(view, position)
            number, kind = key >> 3, key & 7
            value: int | memoryview
            if kind == VARINT:
                value, position = read_varint(view, position)
            else:
                if kind == BYTES:
                    size = view[position] if position < len(view) else 0x80
                    if size < 0x80:
                        position += 1
                    else:
                        size, position = read_varint(view, position)
                elif kind in (FIXED32, FIXED64):
                    size = 4 if kind == FIXED32 else 8
                else:
                    raise DamagedError(f"a message has a field of the unknown wire type {kind}")
                if size > len(view) - position:
                    raise DamagedError(
                        f"a field claims {size} bytes, and only {len(view) - position} are left"
                    )
                value = view[position : position + size]
                position += size
            self._fields.setdefault(number, []).append((kind, value))

    def __contains__(self, number: int) -> bool:
        return number in self._fields

    def _values(self, number: int, *kinds: int) -> list[tuple[int, int | memoryview]]:
        values = self._fields.get(number, [])
        if any(kind not in kinds for kind, _ in values):
            raise DamagedError(f"field {number} of a message has another type than it should")
        return values

    def integer(self, number: int, default: int = 0) -> int:
        """An unsigned or, after `signed`, signed whole number."""
        values = self._values(number, VARINT)
        return int(values[-1][1]) if values else default

    def integers(self, number: int) -> NDArray[np.uint64]:
        """A repeated number, packed or not."""
        parts = [
            np.array([value], np.uint64) if kind == VARINT else read_varints(value)  # type: ignore[arg-type]
            for kind, value in self._values(number, VARINT, BYTES)
        ]
        return np.concatenate([np.zeros(0, np.uint64), *parts])

    def fixed(self, number: int) -> bytes:
        """The raw bytes of repeated fixed-width numbers (floats), packed or not, little-endian."""
        return b"".join(value for _, value in self._values(number, BYTES, FIXED32, FIXED64))  # type: ignore[misc]

    def fixed32(self, number: int) -> int:
        values = self._values(number, FIXED32)
        return int.from_bytes(values[-1][1], "little") if values else 0  # type: ignore[arg-type]

    def float32(self, number: int, default: float = 0.0) -> float:
        values = self._values(number, FIXED32)
        return float(struct.unpack("<f", values[-1][1])[0]) if values else default  # type: ignore[arg-type]

    def all_bytes(self, number: int) -> list[memoryview]:
        """A repeated string of bytes."""
        return [value for _, value in self._values(number, BYTES)]  # type: ignore[misc]

    def text(self, number: int) -> str:
        values = self.all_bytes(number)
        return decode(values[-1]) if values else ""

    def texts(self, number: int) -> list[str]:
        return [decode(value) for value in self.all_bytes(number)]

    def messages(self, number: int) -> list[Message]:
        return [Message(value) for value in self.all_bytes(number)]

    def message(self, number: int) -> Message:
        """A message inside this one; empty if it is not there."""
        values = self.all_bytes(number)
        return Message(values[-1] if values else b"")


def decode(data: Buffer) -> str:
    """A name, which must be UTF-8."""
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError:
        raise DamagedError(f"a name is not UTF-8: {bytes(data)[:40]!r}") from None


def integer_field(number: int, value: int) -> bytes:
    """A whole number as a field, nothing for 0: TensorFlow's messages leave defaults out."""
    return write_varint(number << 3 | VARINT) + write_varint(value) if value else b""


def bytes_field(number: int, value: bytes) -> bytes:
    """A string of bytes or a message as a field."""
    return write_varint(number << 3 | BYTES) + write_varint(len(value)) + value


def fixed32_field(number: int, value: int) -> bytes:
    """A 32-bit number as a field."""
    return write_varint(number << 3 | FIXED32) + value.to_bytes(4, "little")
