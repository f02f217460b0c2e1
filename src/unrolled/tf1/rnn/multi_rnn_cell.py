"""Several of TensorFlow 1's cells on top of one another, as one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.cells import Cell, StackedCell
from unrolled.cells.state import map_state
from unrolled.tf1.rnn.cell import RNNCell, check_rnn_cell


class MultiRNNCell(RNNCell):
    """Several cells on top of one another, as one cell.

    The state is a tuple with the state of each cell, the output that of the last. A cell that stands twice in
    the list shares its weights between those layers, and has its variables once.

    Args:
        cells: a list of cells, the lowest first.
        state_is_tuple: False for states side by side in one tensor, if every cell's state is one tensor.

    >>> from unrolled.tf1 import GRUCell, LSTMCell
    >>> stack = MultiRNNCell([LSTMCell(3), GRUCell(6)])
    >>> stack.state_size, stack.output_size
    ((LSTMStateTuple(c=3, h=3), 6), 6)
    """

    scope = "multi_rnn_cell"

    def __init__(self, cells: Sequence[RNNCell], state_is_tuple: bool = True) -> None:
        super().__init__()
        if not isinstance(cells, list | tuple):
            raise TypeError(f"MultiRNNCell: cells is {cells!r}, expected a list of cells")
        if not cells:
            raise ValueError("MultiRNNCell: cells is empty, expected at least one cell")
        for number, cell in enumerate(cells):
            check_rnn_cell(f"cells[{number}]", cell)
        if not state_is_tuple and any(isinstance(cell.state_size, tuple) for cell in cells):
            sizes = tuple(cell.state_size for cell in cells)
            raise ValueError(
                f"MultiRNNCell: state_is_tuple is False, but some cells have tuples as states: {sizes}. "
                "Give those cells state_is_tuple=False too"
            )
        self.cells: Any = nn.ModuleList(cells)
        self.state_is_tuple = state_is_tuple
        self.carries_more = any(cell.carries_more for cell in cells)
        self.input_axes = cells[0].input_axes

    # As the cells have them at the moment: those of an attention change with its memory.

    @property
    def state_size(self) -> Any:
        sizes = tuple(cell.state_size for cell in self.cells)
        return sizes if self.state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        return self.cells[-1].output_size

    def zero_state(self, batch_size: int, dtype: Any, device: Any = None) -> Any:
        return self._state([cell.zero_state(batch_size, dtype, device) for cell in self.cells])

    def check_state(self, state: Any, batch_size: int) -> None:
        if self._is_plain:
            super().check_state(state, batch_size)
            return
        if not isinstance(state, tuple) or len(state) != len(self.cells):
            raise ValueError(
                f"MultiRNNCell: state is a {type(state).__name__}, expected a tuple of {len(self.cells)}"
            )
        for cell, part in zip(self.cells, state, strict=True):
            cell.check_state(part, batch_size)

    def _build(self, input_size: int, **where: Any) -> None:
        for cell in self.cells:
            cell.build(input_size, **where)
            input_size = _width(cell.output_size)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        new_states = []
        for cell, cell_state in zip(self.cells, self._states(state), strict=True):
            inputs, new_state = cell(inputs, cell_state)
            new_states.append(new_state)
        return inputs, self._state(new_states)

    @property
    def _is_plain(self) -> bool:
        """Whether all states are tensors [N, size] and nothing else: the library's stack takes such cells."""
        sizes: list[Any] = []
        if not self.carries_more:
            map_state(sizes.append, self.state_size)
        return not self.carries_more and all(isinstance(size, int) for size in sizes)

    def inner(self) -> Cell:
        return StackedCell([cell.inner() for cell in self.cells]) if self._is_plain else super().inner()

    def to_inner(self, state: Any) -> Any:
        if not self._is_plain:
            return state
        return tuple(cell.to_inner(part) for cell, part in zip(self.cells, self._states(state), strict=True))

    def from_inner(self, state: Any) -> Any:
        if not self._is_plain:
            return state
        return self._state([cell.from_inner(part) for cell, part in zip(self.cells, state, strict=True)])

    def _states(self, state: Any) -> Sequence[Any]:
        if self.state_is_tuple:
            return state  # type: ignore[no-any-return]
        return state.split([cell.state_size for cell in self.cells], dim=1)  # type: ignore[no-any-return]

    def _state(self, states: list[Any]) -> Any:
        return tuple(states) if self.state_is_tuple else torch.cat(states, dim=1)

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        widths = [input_size, *(_width(cell.output_size) for cell in self.cells)]
        width_of = {id(cell): width for cell, width in reversed(list(zip(self.cells, widths, strict=False)))}
        return {
            f"{prefix}{name}": shape
            for prefix, cell in self._prefixed()
            for name, shape in cell.shapes(width_of[id(cell)]).items()
        }

    @property
    def variables(self) -> dict[str, Tensor]:
        return {
            f"{prefix}{name}": value
            for prefix, cell in self._prefixed()
            for name, value in cell.variables.items()
        }

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        for prefix, cell in self._prefixed():
            cell._assign(
                {name.removeprefix(prefix): v for name, v in values.items() if name.startswith(prefix)}
            )

    def _prefixed(self) -> list[tuple[str, RNNCell]]:
        """Each cell once, with the prefix of its variables' names."""
        first = {id(cell): number for number, cell in reversed(list(enumerate(self.cells)))}
        return [
            (f"{self.name}/cell_{number}/", cell)
            for number, cell in enumerate(self.cells)
            if first[id(cell)] == number
        ]


def _width(size: Any) -> int:
    """How wide the inputs are of the cell above one with outputs of that size."""
    return size if isinstance(size, int) else int(size.width)
