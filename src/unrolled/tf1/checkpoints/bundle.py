"""Checkpoints of version 2: an index, and the raw bytes of the variables in one or several shards."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy import ndarray

from unrolled.atomic import atomic_path
from unrolled.foreign import map_foreign
from unrolled.tf1.checkpoints.crc32c import masked_crc32c
from unrolled.tf1.checkpoints.dtypes import NUMBERS, STRING, item_size, read_shape, to_array, write_shape
from unrolled.tf1.checkpoints.partition import assemble, part_key, part_shape, read_part
from unrolled.tf1.checkpoints.table import read_table, write_table
from unrolled.tf1.checkpoints.wire import (
    DamagedError,
    Message,
    bytes_field,
    decode,
    fixed32_field,
    integer_field,
    read_varint,
    write_varint,
)

MAX_SHARDS = 99999
Order: TypeAlias = Literal["<", ">"]
ORDERS: tuple[Order, Order] = ("<", ">")  # of a little-endian machine's bytes, and of a big-endian one's


class Entry(NamedTuple):
    """Where a variable's bytes lie, or into which parts it is cut (a BundleEntryProto)."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int
    parts: list[Message]

    @classmethod
    def read(cls, data: memoryview) -> Entry:
        message = Message(data)
        return cls(
            message.integer(1),
            read_shape(message.message(2)),
            message.integer(3),
            message.integer(4),
            message.integer(5),
            message.fixed32(6),
            message.messages(7),
        )


def shard_path(prefix: Path, shard: int, shards: int) -> Path:
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}")


def index_path(prefix: Path) -> Path:
    return prefix.with_name(f"{prefix.name}.index")


def read_bundle(prefix: Path) -> dict[str, ndarray]:
    """All variables of a checkpoint, partitioned ones whole.

    Raises:
        DamagedError: the files break the format, a checksum does not fit, or a shard is missing.
    """
    table = read_table(map_foreign(index_path(prefix)))
    header = Message(table.pop(b"", b""))
    shards, order = header.integer(1), ORDERS[header.integer(2) & 1]
    if not 1 <= shards <= MAX_SHARDS:
        raise DamagedError(f"it claims to have {shards} shards")
    entries = {key: Entry.read(value) for key, value in table.items()}
    reader = _Shards(prefix, shards, order, entries)

    variables = {}
    parts_of_others = set()
    for key, entry in entries.items():
        if entry.parts:
            name, parts = decode(key), []
            for message in entry.parts:
                part = read_part(message)
                part_entry = entries.get(part_key(name, part))
                if part_entry is None or part_entry.parts:
                    raise DamagedError(f"a part of {name} is missing")
                if (part_entry.dtype, part_entry.shape) != (entry.dtype, part_shape(part, entry.shape)):
                    raise DamagedError(f"a part of {name} has another shape or type than it should")
                parts_of_others.add(part_key(name, part))
                parts.append((part, reader.read(part_entry, name)))
            variables[name] = assemble(entry.shape, parts)
    for key, entry in entries.items():
        if not entry.parts and key not in parts_of_others:
            name = decode(key)
            variables[name] = reader.read(entry, name)
    return dict(sorted(variables.items()))


class _Shards:
    """The bytes of the variables, read where an entry says."""

    def __init__(self, prefix: Path, shards: int, order: Order, entries: Mapping[bytes, Entry]) -> None:
        self.order = order
        self.files: dict[int, memoryview] = {}
        claimed: dict[int, int] = {}
        for entry in entries.values():
            if not entry.parts:
                claimed[entry.shard] = claimed.get(entry.shard, 0) + entry.size
        for shard, size in claimed.items():
            path = shard_path(prefix, shard, shards)
            if shard >= shards or not os.path.isfile(path):
                raise DamagedError(f"{path.name} is missing, in which some of its variables lie")
            file = map_foreign(path)
            if size > len(file):  # so that no two entries can share bytes, and memory is bounded
                raise DamagedError(f"{path.name} has {len(file):,} bytes, and the variables in it {size:,}")
            self.files[shard] = file

    def read(self, entry: Entry, name: str) -> ndarray:
        data = self.files[entry.shard][entry.offset :][: entry.size]
        if len(data) < entry.size:
            raise DamagedError(f"the bytes of {name} lie past the end of their shard")
        if entry.dtype == STRING:
            return _read_texts(data, entry, name, self.order)
        if entry.size != item_size(entry.dtype) * math.prod(entry.shape):
            raise DamagedError(f"{name} has shape {list(entry.shape)} in {entry.size} bytes")
        if masked_crc32c(data) != entry.checksum:
            raise DamagedError(f"the checksum of {name} does not fit")
        return to_array(entry.dtype, data, entry.shape, self.order)


def _read_texts(data: memoryview, entry: Entry, name: str, order: Order) -> ndarray:
    """An array of bytes: all lengths as varints, their checksum (4 bytes), then the strings."""
    count, position, lengths = math.prod(entry.shape), 0, []
    if count > len(data):
        raise DamagedError(f"{name} has {count} strings in {len(data)} bytes")
    for _ in range(count):
        length, position = read_varint(data, position)
        lengths.append(length)
    checked, kept = _checked_lengths(lengths, order), bytes(data[position : position + 4])
    position += 4
    if position + sum(lengths) != len(data):
        raise DamagedError(f"the strings of {name} do not fill its {len(data)} bytes")
    texts = np.empty(count, object)
    if masked_crc32c(checked + kept + bytes(data[position:])) != entry.checksum:
        raise DamagedError(f"the checksum of {name} does not fit")
    for number, length in enumerate(lengths):
        texts[number] = bytes(data[position : position + length])
        position += length
    return texts.reshape(entry.shape)


def _checked_lengths(lengths: list[int], order: Order = "<") -> bytes:
    """The lengths as their checksum sees them."""
    return b"".join(np.uint64(n).astype(order + ("u4" if n < 2**32 else "u8")).tobytes() for n in lengths)


def write_bundle(prefix: Path, variables: Mapping[str, ndarray]) -> None:
    """Write variables as one shard and its index; each file is either whole or not there."""
    data, index = bytearray(), {b"": integer_field(1, 1) + bytes_field(3, integer_field(1, 1))}
    for key, value in sorted((name.encode(), value) for name, value in variables.items()):
        if value.dtype == object:
            number, (raw, checksum) = STRING, _write_texts(value)
        else:
            number, raw = NUMBERS[value.dtype], value.astype(value.dtype.newbyteorder("<")).tobytes()
            checksum = masked_crc32c(raw)
        index[key] = (
            integer_field(1, number)
            + bytes_field(2, write_shape(value.shape))
            + integer_field(4, len(data))
            + integer_field(5, len(raw))
            + fixed32_field(6, checksum)
        )
        data += raw
    with atomic_path(shard_path(prefix, 0, 1)) as path:
        path.write_bytes(data)
    with atomic_path(index_path(prefix)) as path:
        path.write_bytes(write_table(index))


def _write_texts(value: ndarray) -> tuple[bytes, int]:
    texts: list[bytes] = value.ravel().tolist()
    lengths = [len(text) for text in texts]
    checked = _checked_lengths(lengths)
    kept = masked_crc32c(checked).to_bytes(4, "little")
    raw = b"".join(map(write_varint, lengths)) + kept + b"".join(texts)
    return raw, masked_crc32c(checked + kept + b"".join(texts))
