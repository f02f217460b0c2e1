"""Snappy's raw format, in which version 1 checkpoints may keep their blocks."""

from __future__ import annotations

from unrolled.tf1.checkpoints.wire import Buffer, DamagedError, read_varint

MOST = 1 << 27


def decompress(data: Buffer, *, most: int = MOST) -> bytes:
    """What was compressed to `data`.

    Raises:
        DamagedError: it is not Snappy's format, or not of the length that it claims, or that is more than
            `most`.

    >>> decompress(bytes([9, 8]) + b"abc" + bytes([9, 3]))
    b'abcabcabc'

    Reference: the format description of google/snappy.
    """
    size, position = read_varint(data, 0)
    if size > 32 * len(data):  # the best that copies of 64 bytes can do is less
        raise DamagedError(f"a block claims to hold {size} bytes in {len(data)}")
    if size > most:
        raise DamagedError(f"its compressed blocks claim to hold {size} bytes, and {most} are left to them")
    view, out = memoryview(data), bytearray()

    def take(count: int) -> memoryview:
        nonlocal position
        if count > len(view) - position:
            raise DamagedError("a compressed block ends early")
        position += count
        return view[position - count : position]

    while position < len(view):
        tag = take(1)[0]
        kind = tag & 3
        if kind == 0:  # literal bytes
            length = (tag >> 2) + 1
            if length > 60:
                length = int.from_bytes(take(length - 60), "little") + 1
            out += take(length)
        else:  # a copy of bytes that are already there
            if kind == 1:
                length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | take(1)[0]
            else:
                length, offset = (tag >> 2) + 1, int.from_bytes(take(2 if kind == 2 else 4), "little")
            if not 0 < offset <= len(out):
                raise DamagedError("a compressed block refers to bytes before its beginning")
            start = len(out) - offset
            run = bytes(out[start : start + length])
            out += (run * (length // len(run) + 1))[:length]  # a run may reach into itself
        if len(out) > size:
            break
    if len(out) != size:
        raise DamagedError(f"a compressed block holds {len(out)} bytes or more, and claims {size}")
    return bytes(out)
