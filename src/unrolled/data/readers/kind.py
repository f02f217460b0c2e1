"""Files of one kind, of which each is a sequence: what reading them gives, and reading many of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

MOST_THREADS = 8
Made = TypeVar("Made")
Path = str | os.PathLike[str]


class Found(NamedTuple):
    """What files hold.

    Attributes:
        sequences: [T, I] of each file.
        features: the names of the I numbers of a step.
        settings: plain values, with which other files are read likewise.
        notes: what had to be assumed.
    """

    sequences: list[NDArray[np.float32]] | list[NDArray[np.uint8]]
    features: tuple[str, ...]
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()


def each(read: Callable[[Path], Made], paths: Sequence[Path]) -> Iterator[Made]:
    """What `read` makes of each path, in their order, in as many threads as there are processors.

    Raises what it raises for the first path for which it does.

    >>> list(each(len, ["a", "bcd"]))
    [1, 3]
    """
    threads = min(len(paths), os.cpu_count() or 1, MOST_THREADS)
    if threads < 2:
        yield from map(read, paths)
        return
    # In a process that was forked torch makes its own threads anew, at the first call that would use them,
    # and fails where two threads make that call at once.
    torch.set_num_threads(torch.get_num_threads())
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(read, paths)
    finally:
        pool.shutdown(cancel_futures=True)
