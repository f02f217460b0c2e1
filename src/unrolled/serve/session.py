"""A session, and where the states of all are."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unrolled.cells.state import map_state


class Message:
    """Steps [T, I] that a session is to read, and who waits for what comes of them."""

    def __init__(self, x: np.ndarray, answer: asyncio.Future[Any]) -> None:
        self.x, self.answer = x, answer
        self.outputs: list[np.ndarray] = []
        self.begun = 0  # how many of the steps have been read

    def piece(self, most: int) -> np.ndarray:
        """The next steps."""
        return self.x[self.begun : self.begun + most]


class Deed:
    """What is to be done with a session when its messages before have been read: a token, a reset, an end."""

    def __init__(self, do: Callable[[Session], Any], answer: asyncio.Future[Any]) -> None:
        self.do, self.answer = do, answer


class Session:
    """A sequence that comes step by step.

    Attributes:
        row: of its state in memory; -1 while it is on its way from the disk.
        steps: how many it has read.
        waiting: what is to be done, in the order in which it came.
        busy: whether it is in line, in a call or between memory and disk, and nobody else may touch it.
        used: when it was last asked for something.
    """

    __slots__ = ("busy", "row", "steps", "used", "waiting")

    def __init__(self, used: float, row: int = -1, steps: int = 0) -> None:
        self.row, self.steps, self.used = row, steps, used
        self.waiting: collections.deque[Message | Deed] = collections.deque()
        self.busy = False

    @property
    def unanswered(self) -> int:
        """How many messages wait, their callers with them."""
        return sum(isinstance(one, Message) and not one.answer.done() for one in self.waiting)


class SessionStates:
    """The states of the sessions in memory: of each tensor one block [most, size], a row for each session.

    A block's memory is touched, and so taken, where rows are used. Free rows are given again last first.

    Attributes:
        arrays: the blocks as NumPy has them, in the order of the nesting.
        size: bytes of a row in all of them.
    """

    def __init__(self, initial: Any, most: int) -> None:
        self._initial = initial
        self._blocks = map_state(
            lambda part: torch.from_numpy(np.zeros((most, part.shape[1]), "f4")), initial
        )
        self.arrays: list[np.ndarray] = []
        map_state(lambda block: self.arrays.append(block.numpy()), self._blocks)
        starts: list[np.ndarray] = []
        map_state(lambda part: starts.append(part[0].numpy().copy()), initial)
        self._starts = starts
        self._free = list(range(most - 1, -1, -1))
        self.size = 4 * sum(array.shape[1] for array in self.arrays)

    @property
    def full(self) -> bool:
        return not self._free

    def take(self) -> int:
        """A row at the initial state."""
        row = self._free.pop()
        self.reset(row)
        return row

    def give_back(self, row: int) -> None:
        self._free.append(row)

    def reset(self, row: int) -> None:
        for array, start in zip(self.arrays, self._starts, strict=True):
            array[row] = start

    def gather(self, rows: Tensor) -> Any:
        """The states [n, ...] of these rows."""
        return map_state(lambda block: block.index_select(0, rows), self._blocks)

    def scatter(self, rows: Tensor, state: Any) -> None:
        map_state(lambda block, part: block.index_copy_(0, rows, part), self._blocks, state)

    def read(self, row: int) -> bytes:
        """A row's state, its tensors in the order of the nesting, little-endian."""
        return b"".join(array[row].astype("<f4", copy=False).tobytes() for array in self.arrays)

    def write(self, row: int, state: bytes) -> None:
        """The inverse of `read`."""
        values, start = np.frombuffer(state, "<f4"), 0
        for array in self.arrays:
            array[row] = values[start : start + array.shape[1]]
            start += array.shape[1]
