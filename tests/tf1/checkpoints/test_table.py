"""Sorted tables, their checksums and their compression, with judges from other programs."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.tf1.checkpoints import table
from unrolled.tf1.checkpoints.crc32c import CHUNK, ROW, TABLE, crc32c, masked_crc32c
from unrolled.tf1.checkpoints.snappy import decompress
from unrolled.tf1.checkpoints.table import read_table, write_table
from unrolled.tf1.checkpoints.wire import DamagedError, write_varint

# What cramjam 2.14.0 makes of 354 bytes: literals, short and long copies, a copy that reaches into itself.
PLAIN = bytes(n * 37 % 256 for n in range(70))
PLAIN = PLAIN + b"x" * 200 + PLAIN + b"short" + PLAIN[:9]
PACKED = bytes.fromhex(
    "e202f04900254a6f94b9de03284d7297bce1062b50759abfe4092e53789dc2e70c31567ba0c5ea0f34597ea3c8ed12375c81a6cb"
    "f0153a5f84a9cef3183d6287acd1f61b40658aafd4f978787878fe0300fe0300fe03000103fe0e01290e3473686f727400254a6f"
    "94b9de0328"
)


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksums_are_those_of_the_standard(data, checksum):
    """RFC 3720, section B.4."""
    assert crc32c(data) == checksum


@pytest.mark.parametrize("size", [0, 1, 2 * ROW - 1, 2 * ROW, 5 * ROW + 3, 100_003, CHUNK + 7, 2 * CHUNK])
def test_long_checksums_are_what_byte_after_byte_gives(size):
    data = np.random.default_rng(size).bytes(size)
    if size > 200_000:  # too slow byte after byte: the whole from its parts, by another identity
        other = np.random.default_rng(1).bytes(size)
        mixed = (np.frombuffer(data, "u1") ^ np.frombuffer(other, "u1")).tobytes()
        assert crc32c(data) ^ crc32c(other) ^ crc32c(bytes(size)) == crc32c(mixed)
        return
    register = 0xFFFFFFFF
    for byte in data:
        register = int(TABLE[(register ^ byte) & 0xFF]) ^ register >> 8
    assert crc32c(data) == register ^ 0xFFFFFFFF


def test_a_block_that_was_compressed_is_unfolded():
    assert decompress(PACKED) == PLAIN


@given(st.integers(0, len(PACKED) - 1), st.integers(0, 255), st.integers(0, len(PACKED)))
def test_damaged_compression_is_one_error_or_the_claimed_length(position, byte, end):
    damaged = bytearray(PACKED)
    damaged[position] = byte
    try:
        decompress(bytes(damaged[:end]))
    except DamagedError as error:
        assert len(str(error)) < 200  # noqa: PT017


def test_a_claim_of_gigabytes_is_refused_before_they_are_made():
    with pytest.raises(DamagedError, match="a block claims to hold 4294967295 bytes in 9"):
        decompress(write_varint(2**32 - 1) + b"\xfe\x01\x00\x00")


@given(st.dictionaries(st.binary(max_size=40), st.binary(max_size=60), max_size=60))
def test_what_was_written_is_read(items):
    items = {key: items[key] for key in sorted(items)}
    came = read_table(write_table(items))
    assert list(came) == list(items)
    assert {key: bytes(value) for key, value in came.items()} == items


def test_many_keys_make_many_blocks():
    items = {b"scope/%06d" % n: b"v" * (n % 300) for n in range(6000)}
    written = write_table(items)
    assert len(written) > 3 * table.BLOCK_SIZE
    assert {key: bytes(value) for key, value in read_table(written).items()} == items


def test_a_table_with_compressed_blocks_is_read():
    """The block of one entry, compressed by hand as one literal."""
    block = write_table({b"key": b"value"})[:19]  # the entry, one restart, their count
    assert block == b"\0\3\5keyvalue" + bytes(4) + (1).to_bytes(4, "little")
    packed = write_varint(len(block)) + bytes([len(block) - 1 << 2]) + block
    checked = packed + bytes([table.SNAPPY])
    file = bytearray(checked + masked_crc32c(checked).to_bytes(4, "little"))

    def append(block):
        place = write_varint(len(file)) + write_varint(len(block))
        file.extend(block + b"\0" + masked_crc32c(block + b"\0").to_bytes(4, "little"))
        return place

    index = append(table._block([(b"l", write_varint(0) + write_varint(len(packed)))]))
    footer = (append(table._block([])) + index).ljust(40, b"\0") + table.MAGIC
    assert {key: bytes(value) for key, value in read_table(bytes(file) + footer).items()} == {
        b"key": b"value"
    }


def whole(entries, index=None, size=None):
    """A table file of one block of these raw entries."""
    block = entries + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
    file = bytearray(block + b"\0" + masked_crc32c(block + b"\0").to_bytes(4, "little"))
    place = write_varint(0) + write_varint(size or len(block))
    entry = bytes([0, 1, len(place)]) + b"z" + place
    index = (index or entry) + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
    places = write_varint(0) * 2 + write_varint(len(file)) + write_varint(len(index))
    file += index + b"\0" + masked_crc32c(index + b"\0").to_bytes(4, "little")
    return bytes(file) + places.ljust(40, b"\0") + table.MAGIC


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (b"", "it does not end as a table does"),
        (b"\0" * 100, "it does not end as a table does"),
        (whole(b"\0\1\1ax"), None),
        (whole(b"\0\1\1bx\0\1\1ax"), "its keys are not in order"),
        (whole(b"\0\1\1ax\0\1\1ax"), "its keys are not in order"),
        (whole(b"\2\1\1ax"), "an entry of a block reaches past its end"),
        (whole(b"\0\1\x7fax"), "an entry of a block reaches past its end"),
        (whole(b"\0\1\1ax", size=500), "a block of 500 bytes at 0 lies past its end"),
        (whole(b"\0\1\1ax", size=7), "the checksum of its block at 0 does not fit"),
        (whole(b"\0\1\1ax", index=b"\0\1\2a\0\x0d\0\1\2b\0\x0d"), "two of its blocks overlap"),
        (whole(b"\xff" * 12), "a number has more than ten bytes"),
    ],
)
def test_a_table_that_breaks_the_format_is_refused(file, message):
    if message is None:
        assert read_table(file) == {b"a": b"x"}
        return
    with pytest.raises(DamagedError, match=re.escape(message)):
        read_table(file)


def test_keys_that_unfold_to_gigabytes_are_refused():
    """Each key shares all of the one before it: a hundred thousand keys of up to as many bytes."""
    entries = bytearray(b"\0\1\0a")
    for length in range(1, 20_000):
        entries += write_varint(length) + b"\1\0b"
    with pytest.raises(DamagedError, match="its keys are absurdly long"):
        read_table(whole(bytes(entries)))
