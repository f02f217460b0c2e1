"""A few steps, sequence by sequence: one call for all takes a while, whatever it reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unrolled.kernels.watch import Watch
from unrolled.stream.fused import FusedWalk, fuses

MOST = 16  # steps of all sequences together


class Singly:
    """A cell that reads on from rows of states, one row after the other, with weights that are packed once.

    Args:
        cell: one for which `fuses` is true.
        watch: of the model that it is in.
    """

    def __init__(self, cell: Any, watch: Watch) -> None:
        self._walk = FusedWalk(cell, 1, watch)
        self._places = self._walk.memory

    def read(
        self, messages: Sequence[np.ndarray], rows: Sequence[int], states: Sequence[np.ndarray]
    ) -> np.ndarray | None:
        """The outputs [sum T_i, H] of messages [T_i, I]; states, arrays [n, ...] each, move on in place.

        None, and nothing has moved, if there is a message that must be read in another way.
        """
        outputs: list[Any] = []
        after = []
        for row, x in zip(rows, messages, strict=True):
            turn = self._walk.turn
            for place, state in zip(self._places, states, strict=True):
                place[turn, 0] = state[row]
            outputs += [self._walk.quick(x[t : t + 1]) for t in range(len(x))]
            if outputs[-1] is None:
                return None
            turn = self._walk.turn
            after.append([place[turn, 0].copy() for place in self._places])
        for row, new in zip(rows, after, strict=True):
            for state, part in zip(states, new, strict=True):
                state[row] = part
        return np.concatenate(outputs)


def singly(cell: Any, watch: Watch) -> Singly | None:
    """That of a cell, if it has one."""
    return Singly(cell, watch) if fuses(cell) else None
