"""A cell's steps through the fused kernels, with packed weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.cells import DropoutCell, ResidualCell, StackedCell
from unrolled.cells.state import map_state
from unrolled.kernels import isa, native_call
from unrolled.unroll.kernel_layer import fits, has_hooks, is_plain, layer_of

# Multiplications of a step from which it pays to wake other threads and to let go of the interpreter.
_LARGE = 1 << 22


def fuses(cell: Any) -> bool:
    """Whether every layer of this cell has a kernel, and nothing but sums stands between them."""
    kind = type(cell)
    if kind in (StackedCell, DropoutCell, ResidualCell) and has_hooks(cell):
        return False
    if kind is StackedCell:
        return all(fuses(part) for part in cell.cells)
    if kind in (DropoutCell, ResidualCell):
        return fuses(cell.cell)
    like = next(cell.parameters(), None)
    if like is None or like.device.type != "cpu" or isa.active() == isa.REFERENCE:
        return False
    x = like.detach().new_empty(0, 0, getattr(cell, "input_size", 0))
    return is_plain(x) and fits(cell, x)


class FusedWalk:
    """N sequences of a cell that fuses, step by step.

    Each tensor of the state has two places, [2, N, size], in turn: a step reads one and writes the other.
    """

    def __init__(self, cell: Any, batch_size: int) -> None:
        self._like = next(cell.parameters())
        self.batch_size = batch_size
        self._places = map_state(lambda size: self._zeros(2, batch_size, size), cell.state_size)
        self._sizes = (batch_size, cell.input_size, cell.output_size)
        self._parts: list[tuple[Any, ...]] = []
        self._kept: list[Any] = [self._places]
        with torch.no_grad():
            self._through(cell, 0, self._places)

        weights = [weight for weight in cell.parameters() if not weight.is_inference()]
        large = batch_size * sum(weight.numel() for weight in cell.parameters()) >= _LARGE
        double = self._like.dtype == torch.float64
        native = native_call._native()
        self._native = (native.StreamFloat64 if double else native.StreamFloat32)(
            isa.active(),
            self._parts,
            self._sizes,
            weights,
            self._kept,
            torch.get_num_threads if large else None,
        )
        self.quick = self._native.step

    def step(self, x: Tensor) -> Tensor:
        """The output of a step [N, O], for a checked x [N, I]."""
        x = native_call.dense("x", x)
        output = x.new_empty(self.batch_size, self._sizes[2])
        self._native.run(x.data_ptr(), x.stride(0), output.data_ptr())
        return output

    @property
    def state(self) -> Any:
        """A copy."""
        return map_state(lambda places: places[self._native.turn].clone(), self._places)

    @state.setter
    def state(self, state: Any) -> None:
        map_state(lambda places, part: places[self._native.turn].copy_(part), self._places, state)

    def reset(self) -> None:
        """Back to the initial state, zeros."""
        map_state(Tensor.zero_, self._places)

    def _through(self, cell: Any, value: int, places: Any) -> int:
        """Add the parts of a cell that reads this value; return the number of the value that it gives."""
        if isinstance(cell, StackedCell):
            for part, own in zip(cell.cells, places, strict=True):
                value = self._through(part, value, own)
            return value
        if isinstance(cell, DropoutCell):
            return self._through(cell.cell, value, places)
        if isinstance(cell, ResidualCell):
            return self._sum(value, self._through(cell.cell, value, places), cell.output_size)
        return self._layer(cell, value, places)

    def _layer(self, cell: Any, value: int, places: Any) -> int:
        state = map_state(lambda places: places[0], places)
        layer = layer_of(
            cell,
            self._zeros(self.batch_size, 1, cell.input_size),
            None,
            state,
            batch_first=True,
            reverse=False,
        ).dense()
        packed = native_call.pack(layer)
        h, c = places if isinstance(places, tuple) else (places, None)
        self._kept += [layer, packed]
        return self._add(layer, packed.data_ptr(), value, 0, cell.output_size, _addresses(h), _addresses(c))

    def _sum(self, first: int, second: int, width: int) -> int:
        memory = self._zeros(1, self.batch_size, width)
        self._kept.append(memory)
        return self._add(None, 0, first, second, width, _addresses(memory), _addresses(None))

    def _add(self, *part: Any) -> int:
        self._parts.append(part)
        return len(self._parts)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(*shape, dtype=self._like.dtype, device=self._like.device)


def _addresses(places: Tensor | None) -> tuple[int, int]:
    return (0, 0) if places is None else (places[0].data_ptr(), places[-1].data_ptr())
