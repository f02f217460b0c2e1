"""Frames of WebSockets, as far as they are whole messages: all others are left to the package websockets."""

from __future__ import annotations

import struct

MESSAGES = TEXT, BINARY = 0x81, 0x82  # the first byte of a frame that is a whole message


def frame_in(data: bytes, begin: int, most: int) -> tuple[int, int]:
    r"""Where the mask of the frame that begins there is, and where that frame ends: perhaps behind the data.

    (0, 0) if it is none that a client may send, or has more than so many bytes.

    >>> frame_in(b"\x81\x85maskHello", 0, 100), frame_in(b"\x81\xfe\x01\x00mask...", 0, 1000)
    ((2, 11), (4, 264))
    """
    mask = begin + 2
    if len(data) < mask:
        return 0, len(data) + 1
    size = data[begin + 1] - 128
    if size >= 126:
        mask += 2 if size == 126 else 8
        if len(data) < mask:
            return 0, mask
        size = int.from_bytes(data[begin + 2 : mask], "big")
    return (mask, mask + 4 + size) if 0 <= size <= most else (0, 0)


def frame_of(content: str | bytes) -> bytes:
    r"""The frame of a message of a server.

    >>> frame_of("Hello"), frame_of(bytes(200))[:5]
    (b'\x81\x05Hello', b'\x82~\x00\xc8\x00')
    """
    kind, payload = (TEXT, content.encode()) if isinstance(content, str) else (BINARY, content)
    size = len(payload)
    if size < 126:
        return bytes((kind, size)) + payload
    head = struct.pack("!BBH", kind, 126, size) if size < 1 << 16 else struct.pack("!BBQ", kind, 127, size)
    return head + payload
