"""Damage that goes deep: a file is taken apart as its format says, a part is changed, and lengths and
checksums are made right again, so that a parser does not stop at its first check.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import struct
import zlib
from collections.abc import Callable

from unrolled.errors import UnrolledError
from unrolled.tf1.checkpoints.snappy import decompress
from unrolled.tf1.checkpoints.table import read_table, write_table
from unrolled.tf1.checkpoints.wire import DamagedError, Message, read_varint, write_varint

Dice = random.Random
Mutation = Callable[[bytes, Dice], bytes]
NUMBERS = [
    0,
    1,
    2,
    3,
    7,
    8,
    127,
    128,
    255,
    2**15,
    2**16 - 1,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**62,
    2**63,
    2**64 - 1,
]
WORDS = [
    *(
        b"-1",
        b"0",
        b"1e999",
        b"NaN",
        b"null",
        b"[]",
        b"{}",
        b"()",
        b"'",
        b'"',
        b",",
        b"../",
        b"|O",
        b">f8",
        b"<U9",
    ),
    *(b"9" * 30, b"9" * 5000, b"[" * 3000, b"\xff", b"\0"),
]


def anyhow(content: bytes, dice: Dice) -> bytes:
    """One change of bytes, whatever they mean."""
    data = bytearray(content)
    place = dice.randrange(len(data) + 1)
    if dice.random() < 0.3:
        place = min(place, dice.randrange(65))  # headers are at the beginning
    kind = dice.randrange(9)
    if kind == 0 and data:
        data[place % len(data)] ^= 1 << dice.randrange(8)
    elif kind == 1 and data:
        data[place % len(data)] = dice.randrange(256)
    elif kind == 2:
        del data[place:]
    elif kind == 3:
        del data[place : place + 1 + dice.randrange(40)]
    elif kind == 4:
        data[place:place] = dice.randbytes(1 + dice.randrange(12))
    elif kind == 5:
        start = dice.randrange(len(data) + 1)
        data[place:place] = data[start : start + 1 + dice.randrange(200)] * dice.choice([1, 1, 2, 30])
    elif kind == 6:
        size, order = dice.choice([1, 2, 4, 8]), dice.choice(["little", "big"])
        number = (dice.choice(NUMBERS) + dice.randrange(-1, 2)) % 2 ** (8 * size)
        data[place : place + size] = number.to_bytes(size, order)  # type: ignore[arg-type]
    elif kind == 7:
        word = dice.choice(WORDS)
        data[place : place + dice.choice([0, len(word)])] = word
    else:
        found = list(re.finditer(rb"\d+", bytes(data)))
        if found:
            digits = dice.choice(found)
            data[digits.start() : digits.end()] = str(dice.choice(NUMBERS)).encode()
    return bytes(data)


def repacked(content: bytes, dice: Dice) -> bytes:
    """Inside gzip."""
    if content[:2] != b"\x1f\x8b":
        return gzip.compress(anyhow(content, dice), 1, mtime=0)
    return gzip.compress(anyhow(gzip.decompress(content), dice), 1, mtime=0)


def in_npy_header(content: bytes, dice: Dice) -> bytes:
    """In the text of a .npy file's header, whose length is then right."""
    version, size = content[6], 2 if content[6] == 1 else 4
    length = int.from_bytes(content[8 : 8 + size], "little")
    text = anyhow(content[8 + size : 8 + size + length].rstrip(), dice)
    start = 8 + size + len(text) + 1
    text += b" " * (-start % 64) + b"\n"
    return (
        content[:6]
        + bytes([version, 0])
        + len(text).to_bytes(4, "little")[:size]
        + text
        + content[8 + size + length :]
    )


def in_png(content: bytes, dice: Dice) -> bytes:
    """In a chunk of a PNG file, or in what its pixels are packed from; checksums fit."""
    chunks, place = [], 8
    while place < len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    chosen = dice.randrange(len(chunks))
    kind, data = chunks[chosen]
    if kind == b"IDAT" and dice.random() < 0.5:
        data = zlib.compress(anyhow(zlib.decompress(data), dice), 1)
    else:
        data = anyhow(data, dice)
    chunks[chosen] = kind, data
    if dice.random() < 0.2:
        chunks.insert(dice.randrange(1, len(chunks)), dice.choice(chunks))
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return content[:8] + b"".join(parts)


def in_ogg(content: bytes, dice: Dice) -> bytes:
    """In a page of an Ogg file, whose checksum fits, and whose length does more often than not."""
    starts = [found.start() for found in re.finditer(b"OggS", content)]
    chosen = dice.randrange(len(starts))
    start, end = starts[chosen], [*starts, len(content)][chosen + 1]
    header, body = content[start : start + 27], content[start + 27 : end]
    if dice.random() < 0.3:
        header = header[:4] + anyhow(header[4:22], dice)[:18].ljust(18, b"\0") + header[22:]
    else:
        body = anyhow(body, dice)
        body = body[: end - start - 27].ljust(end - start - 27, b"\0") if dice.random() < 0.7 else body
    page = header[:22] + bytes(4) + header[26:] + body
    return content[:start] + page[:22] + _ogg_checksum(page).to_bytes(4, "little") + page[26:] + content[end:]


def _ogg_checksum(page: bytes) -> int:
    """The remainder of 32 bits that is of no reflected bytes, unlike zlib's."""
    remainder = 0
    for byte in page:
        remainder ^= byte << 24
        for _ in range(8):
            remainder = (remainder << 1 ^ (0x04C11DB7 if remainder >> 31 else 0)) & 0xFFFFFFFF
    return remainder


def in_riff(content: bytes, dice: Dice) -> bytes:
    """In a chunk of a WAV file, whose length is right, or is another number."""
    chunks, place = [], 12
    while place + 8 <= len(content):
        (size,) = struct.unpack("<I", content[place + 4 : place + 8])
        chunks.append((content[place : place + 4], size, content[place + 8 : place + 8 + size]))
        place += 8 + size + size % 2
    chosen = dice.randrange(len(chunks))
    kind, size, data = chunks[chosen]
    data = anyhow(data, dice)
    chunks[chosen] = kind, len(data) if dice.random() < 0.8 else dice.choice(NUMBERS) & 0xFFFFFFFF, data
    if dice.random() < 0.2:
        chunks.insert(dice.randrange(len(chunks)), dice.choice(chunks))
    body = b"".join(
        kind + struct.pack("<I", size) + data + bytes(len(data) % 2) for kind, size, data in chunks
    )
    return content[:4] + struct.pack("<I", len(body) + 4) + content[8:12] + body


def in_message(content: bytes, dice: Dice) -> bytes:
    """In a field of a protocol buffer, or of one inside it; lengths are right."""
    try:
        fields = _fields(content)
    except DamagedError:
        return anyhow(content, dice)
    if not fields:
        return anyhow(content, dice)
    chosen = dice.randrange(len(fields))
    key, raw = fields[chosen]
    action = dice.random()
    if action < 0.1:
        del fields[chosen]
    elif action < 0.2:
        fields.insert(dice.randrange(len(fields)), fields[chosen])
    elif key & 7 == 2:
        size, start = read_varint(raw, 0)
        inner = raw[start : start + size]
        inner = in_message(inner, dice) if dice.random() < 0.8 else anyhow(inner, dice)
        fields[chosen] = key, write_varint(len(inner)) + inner
    elif key & 7 == 0:
        fields[chosen] = key, write_varint(dice.choice(NUMBERS))
    else:
        fields[chosen] = key, anyhow(raw, dice)
    return b"".join(write_varint(key) + raw for key, raw in fields)


def _fields(content: bytes) -> list[tuple[int, bytes]]:
    Message(content)  # raises if it is none
    fields, place = [], 0
    while place < len(content):
        key, place = read_varint(content, place)
        end = place
        if key & 7 == 0:
            _, end = read_varint(content, place)
        elif key & 7 == 2:
            size, end = read_varint(content, place)
            end += size
        else:
            end += 4 if key & 7 == 5 else 8
        fields.append((key, content[place:end]))
        place = end
    return fields


def in_table(content: bytes, dice: Dice) -> bytes:
    """In a key or value of a table; checksums fit."""
    try:
        items = {key: bytes(value) for key, value in read_table(content).items()}
    except UnrolledError:
        return anyhow(content, dice)
    if not items:
        return anyhow(content, dice)
    key = dice.choice(list(items))
    if dice.random() < 0.15:
        items[anyhow(key, dice)] = items.pop(key)
    else:
        items[key] = in_message(items[key], dice)
    return write_table(items)


def in_snappy(content: bytes, dice: Dice) -> bytes:
    """In what a block of Snappy holds, packed again as one literal and some copies."""
    try:
        plain = anyhow(decompress(content), dice)[:60_000]
    except UnrolledError:
        return anyhow(content, dice)
    literal = b"" if not plain else b"\xf4" + struct.pack("<H", len(plain) - 1) + plain
    copies = [bytes([0xFE, *dice.choice([(1, 0), (4, 0), (0, 1)])]) for _ in range(dice.randrange(4))]
    return write_varint(len(plain) + 64 * len(copies)) + literal + b"".join(copies)


def in_json(content: bytes, dice: Dice) -> bytes:
    """A value of a JSON object, or of one inside it, becomes another; or a key goes, or comes."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return anyhow(content, dice)
    return json.dumps(_in_value(values, dice)).encode()


def _in_value(value: object, dice: Dice) -> object:
    if isinstance(value, dict) and value and dice.random() < 0.9:
        key = dice.choice(list(value))
        action = dice.random()
        if action < 0.1:
            return {name: kept for name, kept in value.items() if name != key}
        if action < 0.2:
            return {**value, dice.choice(["x", "", key * 2]): value[key]}
        return {**value, key: _in_value(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.8:
        place = dice.randrange(len(value))
        return [*value[:place], _in_value(value[place], dice), *value[place + dice.randrange(2) :]]
    odd: list[object] = [
        None,
        True,
        -1,
        0,
        1.5,
        1e308,
        float("nan"),
        float("inf"),
        2**70,
        10**9,
        "",
        "x",
        "ä\0\x1b",
        "\ud800",
        [],
        {},
    ]
    return dice.choice([*odd, *NUMBERS, [value], {"x": value}])


def in_tensors(content: bytes, dice: Dice) -> bytes:
    """In the header of a file of tensors, whose length is then right, or in its numbers."""
    if len(content) < 8:
        return anyhow(content, dice)
    size = int.from_bytes(content[:8], "little")
    header = in_json(content[8 : 8 + size], dice)
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def in_meta(content: bytes, dice: Dice) -> bytes:
    """In a graph: a field anywhere in it, or an edge between two of its nodes."""
    if dice.random() < 0.5:
        return in_message(content, dice)
    names = re.findall(rb"[\w/]{6,40}", content)
    if len(names) < 2:
        return anyhow(content, dice)
    one, other = dice.choice(names), dice.choice(names)
    if len(one) != len(other):
        same = [name for name in names if len(name) == len(one)]
        other = dice.choice(same)
    return content.replace(one, other, dice.choice([1, 1, 3, -1]))
