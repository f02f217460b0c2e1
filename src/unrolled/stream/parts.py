"""A cell's steps part by part: for one in which some layers have a kernel and others have none."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unrolled.cells import DropoutCell, HighwayCell, ResidualCell, StackedCell
from unrolled.kernels.watch import Watch
from unrolled.stream.fused import FusedWalk, fuses
from unrolled.stream.loop import LoopWalk
from unrolled.unroll.kernel_layer import has_hooks


def walk_of(cell: Any, batch_size: int, watch: Watch) -> Any:
    """N sequences of a cell at its initial state, each layer of it as `dynamic_unroll` would run it."""
    if fuses(cell):
        return FusedWalk(cell, batch_size, watch)
    kind = type(cell)
    if has_hooks(cell) or not any(fuses(part) for part in cell.modules()):
        return LoopWalk(cell, batch_size)
    if kind is StackedCell:
        return StackWalk(cell, batch_size, watch)
    return WrapperWalk(cell, batch_size, watch) if kind in WrapperWalk.KINDS else LoopWalk(cell, batch_size)


class StackWalk:
    """N sequences of a stack, layer by layer."""

    def __init__(self, stack: StackedCell, batch_size: int, watch: Watch) -> None:
        self._walks = [walk_of(cell, batch_size, watch) for cell in stack.cells]

    def quick(self, x: Any) -> None:
        """There is no short way."""

    def step(self, x: Tensor) -> Tensor:
        """The output of a step [N, O], for a checked x [N, I]."""
        for walk in self._walks:
            x = walk.step(x)
        return x

    def reset(self, anew: Tensor) -> None:
        """Begin anew with the sequences that are told, [N] bool."""
        for walk in self._walks:
            walk.reset(anew)

    @property
    def state(self) -> Any:
        """A copy."""
        return tuple(walk.state for walk in self._walks)

    @state.setter
    def state(self, state: Any) -> None:
        for walk, part in zip(self._walks, state, strict=True):
            walk.state = part


class WrapperWalk:
    """N sequences of a wrapped cell; dropout is off."""

    KINDS = (DropoutCell, HighwayCell, ResidualCell)

    def __init__(self, wrapper: Any, batch_size: int, watch: Watch) -> None:
        self._wrapper = wrapper
        self._walk = walk_of(wrapper.cell, batch_size, watch)

    def quick(self, x: Any) -> None:
        """There is no short way."""

    def step(self, x: Tensor) -> Tensor:
        """The output of a step [N, O], for a checked x [N, I]."""
        output: Tensor = self._walk.step(x)
        if isinstance(self._wrapper, ResidualCell):
            return x + output
        if isinstance(self._wrapper, HighwayCell):
            return self._wrapper.combine(x, output)
        return output

    def reset(self, anew: Tensor) -> None:
        """Begin anew with the sequences that are told, [N] bool."""
        self._walk.reset(anew)

    @property
    def state(self) -> Any:
        """A copy."""
        return self._walk.state

    @state.setter
    def state(self, state: Any) -> None:
        self._walk.state = state
