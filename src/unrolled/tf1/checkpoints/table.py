"""Sorted tables of keys and values in one file, as LevelDB and TensorFlow write them."""

from __future__ import annotations

from collections.abc import Iterator

from unrolled.tf1.checkpoints.crc32c import masked_crc32c
from unrolled.tf1.checkpoints.snappy import decompress
from unrolled.tf1.checkpoints.wire import Buffer, DamagedError, read_varint, write_varint

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48  # bytes: two places of at most 20 together with padding, and the magic
TRAILER = 5  # bytes after a block: how it is compressed, and its checksum
PLAIN, SNAPPY = 0, 1
BLOCK_SIZE = 256 * 1024
RESTART_INTERVAL = 16
# Keys share beginnings, and blocks may be compressed: no honest table unfolds to more.
KEY_RATIO, MOST_KEYS = 100, 1 << 26
LONGEST_KEY = 1 << 12
MOST_UNPACKED = 1 << 27


def read_table(data: Buffer) -> dict[bytes, memoryview]:
    """The keys and values of a table, in order.

        file   = block ... block, index block, footer
        block  = entry ... entry, restarts [R] uint32, R uint32; then its kind (1 byte) and checksum (4)
        entry  = shared, rest, size (varints), rest bytes of key, size bytes of value: the key begins with
                 the first `shared` bytes of the key before it

    The index block's values are the places (offset, size) of the blocks, the footer's of the index.

    Raises:
        DamagedError: the file breaks the format, or a checksum does not fit.
    """
    return _Reader(memoryview(data)).read()


class _Reader:
    """A table that is being read, and how much it may still unfold to."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self.keys = min(KEY_RATIO * len(view), MOST_KEYS)
        self.unpacked = MOST_UNPACKED

    def read(self) -> dict[bytes, memoryview]:
        if len(self.view) < FOOTER or self.view[-8:] != MAGIC:
            raise DamagedError("it does not end as a table does")
        footer = self.view[-FOOTER:]
        _, position = _read_place(footer, 0)
        index_place, _ = _read_place(footer, position)

        table: dict[bytes, memoryview] = {}
        end, last = 0, None
        for _, place in self._entries(self._block(index_place)):
            (offset, size), _ = _read_place(place, 0)
            if offset < end:  # two blocks in one place: each file is read once
                raise DamagedError("two of its blocks overlap")
            end = offset + size
            for key, value in self._entries(self._block((offset, size))):
                if last is not None and key <= last:
                    raise DamagedError("its keys are not in order")
                table[key] = value
                last = key
        return table

    def _block(self, place: tuple[int, int]) -> memoryview:
        offset, size = place
        if offset + size + TRAILER > len(self.view):
            raise DamagedError(f"a block of {size} bytes at {offset} lies past its end")
        checked = self.view[offset : offset + size + 1]
        checksum = int.from_bytes(self.view[offset + size + 1 : offset + size + TRAILER], "little")
        if masked_crc32c(checked) != checksum:
            raise DamagedError(f"the checksum of its block at {offset} does not fit")
        kind = checked[size]
        if kind == SNAPPY:
            unpacked = decompress(checked[:size], most=self.unpacked)
            self.unpacked -= len(unpacked)
            return memoryview(unpacked)
        if kind != PLAIN:
            raise DamagedError(f"its block at {offset} is compressed in an unknown way ({kind})")
        return checked[:size]

    def _entries(self, block: memoryview) -> Iterator[tuple[bytes, memoryview]]:
        if len(block) < 4:
            raise DamagedError("a block is too short")
        restarts = int.from_bytes(block[-4:], "little")
        end = len(block) - 4 - 4 * restarts
        if end < 0:
            raise DamagedError("a block is too short for its restarts")
        entries, position, key = block[:end], 0, b""
        while position < end:
            shared, position = read_varint(entries, position)
            rest, position = read_varint(entries, position)
            size, position = read_varint(entries, position)
            if shared > len(key) or rest + size > end - position:
                raise DamagedError("an entry of a block reaches past its end")
            self.keys -= shared + rest
            if self.keys < 0 or shared + rest > LONGEST_KEY:
                raise DamagedError("its keys are absurdly long")
            key = key[:shared] + bytes(entries[position : position + rest])
            position += rest
            yield key, entries[position : position + size]
            position += size


def _read_place(data: Buffer, position: int) -> tuple[tuple[int, int], int]:
    offset, position = read_varint(data, position)
    size, position = read_varint(data, position)
    return (offset, size), position


def write_table(items: dict[bytes, bytes]) -> bytes:
    """A table without compression.

    Args:
        items: in any order.

    >>> {key: bytes(value) for key, value in read_table(write_table({b"b": b"2", b"a": b"1"})).items()}
    {b'a': b'1', b'b': b'2'}
    """
    file, index = bytearray(), {}

    def append(block: bytes) -> bytes:
        """Write a block, and return its place."""
        place = write_varint(len(file)) + write_varint(len(block))
        checked = block + bytes([PLAIN])
        file.extend(checked + masked_crc32c(checked).to_bytes(4, "little"))
        return place

    block: list[tuple[bytes, bytes]] = []
    size, last = 0, max(items, default=b"")
    for key, value in sorted(items.items()):
        block.append((key, value))
        size += len(key) + len(value)
        if key == last or size >= BLOCK_SIZE:
            index[_successor(key) if key == last else key] = append(_block(block))
            block, size = [], 0
    places = append(_block([])) + append(_block(list(index.items()), restart_interval=1))
    return bytes(file) + places.ljust(FOOTER - len(MAGIC), b"\0") + MAGIC


def _successor(key: bytes) -> bytes:
    """A short key that is not before `key`."""
    for position, byte in enumerate(key):
        if byte != 0xFF:
            return key[:position] + bytes([byte + 1])
    return key


def _block(entries: list[tuple[bytes, bytes]], restart_interval: int = RESTART_INTERVAL) -> bytes:
    block, restarts, previous = bytearray(), [], b""
    for number, (key, value) in enumerate(entries):
        shared = 0
        if number % restart_interval == 0:
            restarts.append(len(block))
        else:
            while shared < min(len(key), len(previous)) and key[shared] == previous[shared]:
                shared += 1
        block += write_varint(shared) + write_varint(len(key) - shared) + write_varint(len(value))
        block += key[shared:] + value
        previous = key
    for restart in [*(restarts or [0]), len(restarts or [0])]:
        block += restart.to_bytes(4, "little")
    return bytes(block)
