"""A cell's steps by the cell itself: for every cell that has no kernel."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unrolled.cells.cell import begin_sequence
from unrolled.cells.state import map_state
from unrolled.unroll.static import choose


class LoopWalk:
    """N sequences of any cell, step by step."""

    def __init__(self, cell: Any, batch_size: int) -> None:
        self._cell = cell
        self._state = cell.initial_state(batch_size)
        begin_sequence(cell)

    def quick(self, x: Any) -> None:
        """There is no short way."""

    def step(self, x: Tensor) -> Tensor:
        """The output of a step [N, O], for a checked x [N, I]."""
        output: Tensor
        output, self._state = self._cell(x, self._state)
        return output.clone()  # it may be the state itself, which is not the user's to change

    def reset(self, anew: Tensor) -> None:
        """Begin anew with the sequences that are told, [N] bool."""
        initial = self._cell.initial_state(len(anew))
        self._state = map_state(lambda old, new: choose(anew.to(old.device), new, old), self._state, initial)

    @property
    def state(self) -> Any:
        """A copy."""
        return map_state(lambda part: part.detach().clone(), self._state)

    @state.setter
    def state(self, state: Any) -> None:
        self._state = map_state(lambda old, part: part.detach().to(old.device, copy=True), self._state, state)
