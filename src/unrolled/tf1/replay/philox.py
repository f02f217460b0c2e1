"""TensorFlow's random numbers on a CPU, bit for bit: what an operation with given seeds draws first."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_KEY_STEPS = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)

# So many words are set aside for each truncated normal number.
_WORDS_PER_NUMBER = 256


def blocks(seed: int, seed2: int, numbers: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Blocks of four random words: [..., 4] for their numbers in the stream of (seed, seed2).

    The generator is Philox4x32 with ten rounds: seed is the key, seed2 the upper half of the counter, and the
    number of the block the lower half.

    Reference: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3, section 3.3.
    """
    numbers = numbers.astype(np.uint64)
    key, upper = np.uint64(seed), np.uint64(seed2)
    a, b = numbers & _LOW, numbers >> _HALF
    c, d = np.broadcast_to(upper & _LOW, a.shape), np.broadcast_to(upper >> _HALF, a.shape)
    k0, k1 = key & _LOW, key >> _HALF
    for _ in range(10):
        ab, cd = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = (cd >> _HALF) ^ b ^ k0, cd & _LOW, (ab >> _HALF) ^ d ^ k1, ab & _LOW
        k0, k1 = (k0 + _KEY_STEPS[0]) & _LOW, (k1 + _KEY_STEPS[1]) & _LOW
    return np.stack([a, b, c, d], axis=-1).astype(np.uint32)


def random_uniform(
    seed: int, seed2: int, count: int, dtype: Any = np.float32, *, first: int = 0
) -> NDArray[Any]:
    """`count` numbers from [0, 1): float32 from a word each, float64 from two words.

    Args:
        first: the block that they begin with, in this function and those below: what an operation draws
            later begins after the blocks that TensorFlow sets aside for each draw.
    """
    words = _stream(seed, seed2, count, dtype, first)
    return _unit(words, dtype)[:count]


def random_normal(
    seed: int, seed2: int, count: int, dtype: Any = np.float32, *, first: int = 0
) -> NDArray[Any]:
    """`count` numbers from the normal distribution with mean 0 and standard deviation 1."""
    unit = _unit(_stream(seed, seed2, count + count % 2, dtype, first), dtype)
    return _box_muller(unit[0::2], unit[1::2], dtype).reshape(-1)[:count]


def truncated_normal(
    seed: int, seed2: int, count: int, dtype: Any = np.float32, *, first: int = 0
) -> NDArray[Any]:
    """`count` numbers as `random_normal` has them, those of 2 and above drawn anew."""
    per_block = _per_block(dtype)
    groups = -(-count // per_block)
    found = np.empty((groups, per_block), dtype)
    filled = np.zeros(groups, dtype=np.int64)
    reserved = _WORDS_PER_NUMBER * per_block // 4
    for number in range(reserved):  # the blocks of a group, one after the other
        unfinished = np.flatnonzero(filled < per_block)
        if len(unfinished) == 0:
            break
        words = blocks(seed, seed2, (first + unfinished * reserved + number).astype(np.uint64))
        unit = _unit(words.reshape(-1), dtype)
        drawn = _box_muller(unit[0::2], unit[1::2], dtype).reshape(len(unfinished), -1)
        for column in drawn.T:
            rows = (np.abs(column) < 2) & (filled[unfinished] < per_block)
            found[unfinished[rows], filled[unfinished[rows]]] = column[rows]
            filled[unfinished[rows]] += 1
    return found.reshape(-1)[:count]


def _per_block(dtype: Any) -> int:
    return 4 if np.dtype(dtype) == np.float32 else 2


def _stream(seed: int, seed2: int, count: int, dtype: Any, first: int) -> NDArray[np.uint32]:
    """Words enough for `count` numbers, from block `first` on."""
    numbers = np.arange(first, first - (-count // _per_block(dtype)), dtype=np.uint64)
    return blocks(seed, seed2, numbers).reshape(-1)


def _unit(words: NDArray[np.uint32], dtype: Any) -> NDArray[Any]:
    """Numbers from [0, 1): random bits become the fraction of a number from [1, 2)."""
    if np.dtype(dtype) == np.float32:
        fraction = (words & np.uint32(0x7FFFFF)) | np.uint32(127 << 23)
        return fraction.view(np.float32) - np.float32(1)
    high, low = words[0::2].astype(np.uint64), words[1::2].astype(np.uint64)
    bits = ((high & np.uint64(0xFFFFF)) << _HALF) | low | np.uint64(1023 << 52)
    return bits.view(np.float64) - 1.0


def _box_muller(u1: NDArray[Any], u2: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Pairs [..., 2] of normal numbers from pairs of uniform ones, rounded where TensorFlow rounds."""
    real = np.dtype(dtype).type
    radius = np.sqrt(real(-2) * _libm("log", np.maximum(u1, real(1e-7))))
    angle = (2 * np.pi * u2.astype(np.float64)).astype(dtype)
    return np.stack([_libm("sin", angle) * radius, _libm("cos", angle) * radius], axis=-1)


def _libm(name: str, x: NDArray[Any]) -> NDArray[Any]:
    """A function as the C library computes it, which is what TensorFlow calls: numpy's own is a bit off."""
    function = getattr(math, name)
    if x.dtype == np.float32:
        library = ctypes.CDLL(ctypes.util.find_library("m") or None)
        function = getattr(library, f"{name}f", function)
        if function is not getattr(math, name):
            function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    return np.fromiter(map(function, x.tolist()), x.dtype, len(x))
