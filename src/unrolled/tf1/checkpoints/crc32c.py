"""The checksum of TensorFlow's files: CRC-32C (Castagnoli), masked."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from unrolled.tf1.checkpoints.wire import Buffer

POLYNOMIAL = 0x82F63B78  # bits reversed
ROW = 256  # bytes; a power of two
CHUNK = ROW << 14


def _make_table() -> ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, table >> 1 ^ np.uint32(POLYNOMIAL), table >> 1)
    return table


TABLE = _make_table()
_PLAIN_TABLE = TABLE.tolist()


def crc32c(data: Buffer) -> int:
    """The CRC-32C of `data`.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'

    Reference: RFC 3720, section B.4.
    """
    register = 0xFFFFFFFF
    for start in range(0, len(data), CHUNK):
        register = _update(register, data[start : start + CHUNK])
    return register ^ 0xFFFFFFFF


def masked_crc32c(data: Buffer) -> int:
    """The form in which files keep it, so that it does not lie bare among the bytes of another checksum."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _update(register: int, data: Buffer) -> int:
    if len(data) < 2 * ROW:
        for byte in data:
            register = _PLAIN_TABLE[(register ^ byte) & 0xFF] ^ register >> 8
        return register
    # The CRC is linear over bits: rows side by side from a register of 0, then folded two by two, each left
    # neighbour carried over the bytes of its right one. Zeros in front change nothing, and what the register
    # held goes into the first four bytes.
    count = 1 << (-(-len(data) // ROW) - 1).bit_length()
    rows = np.zeros(count * ROW, np.uint8)
    rows[-len(data) :] = np.frombuffer(data, np.uint8)
    rows[-len(data) :][:4] ^= np.frombuffer(register.to_bytes(4, "little"), np.uint8)

    registers = np.zeros(count, np.uint32)
    for column in np.ascontiguousarray(rows.reshape(count, ROW).T):
        registers = TABLE[(registers ^ column) & 0xFF] ^ registers >> np.uint32(8)

    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    over = TABLE[bits & 0xFF] ^ bits >> np.uint32(8)  # what one byte of zeros makes of each bit
    for _ in range(ROW.bit_length() - 1):
        over = _carry(over, over)
    while len(registers) > 1:
        registers = _carry(over, registers[0::2]) ^ registers[1::2]
        over = _carry(over, over)
    return int(registers[0])


def _carry(over: ndarray, registers: ndarray) -> ndarray:
    """The product of registers, as vectors of 32 bits, with the matrix whose columns are `over`."""
    carried = np.zeros_like(registers)
    for bit in range(32):
        carried ^= np.where(registers >> np.uint32(bit) & 1, over[bit], np.uint32(0))
    return carried
