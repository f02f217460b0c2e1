"""Several cells on top of one another, as one cell."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, TypeVar, overload

from torch import Tensor, nn

from unrolled.cells.cell import Cell, check_cell
from unrolled.cells.state import LSTMState, S

# The states of the layers, where the type checker can tell them.
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
Alike = TypeVar("Alike", LSTMState, Tensor)


class StackedCell(Cell[S]):
    r"""One step of several layers.

        y_0 = x;   y_l, s_l' = cell_l(y_{l-1}, s_l)   l = 1 ... L;   the output is y_L

    Symbols: x [N, I of the first cell]; state (s_1, ..., s_L), one entry for each layer, each as its
    own cell has it; output [N, O of the last cell]. Cells may differ in kind and in width.

    A cell that stands twice in the list shares its weights between those layers.

    Args:
        cells: the layers, the lowest first.

    Raises:
        TypeError: something in the list is not a cell.
        ValueError: no cell, or a cell that does not take the width that the one below gives.

    >>> import torch
    >>> from unrolled.cells import GRUCell, LSTMCell
    >>> output, (lstm, gru) = StackedCell([LSTMCell(28, 128), GRUCell(128, 256)])(torch.zeros(2, 28))
    >>> tuple(output.shape), tuple(lstm.c.shape), tuple(gru.shape)
    ((2, 256), (2, 128), (2, 256))
    """

    @overload
    def __init__(self: StackedCell[tuple[A, B]], cells: tuple[Cell[A], Cell[B]]) -> None: ...
    @overload
    def __init__(self: StackedCell[tuple[A, B, C]], cells: tuple[Cell[A], Cell[B], Cell[C]]) -> None: ...
    @overload
    def __init__(self: StackedCell[tuple[Alike, ...]], cells: Iterable[Cell[Alike]]) -> None: ...
    @overload
    def __init__(self: StackedCell[tuple[Any, ...]], cells: Iterable[Cell]) -> None: ...
    def __init__(self, cells: Iterable[Cell]) -> None:
        cells = list(cells)
        if not cells:
            raise ValueError("StackedCell: cells is empty, expected at least one cell")
        for cell in cells:
            check_cell(cell)
        for layer, (below, above) in enumerate(itertools.pairwise(cells), start=1):
            if above.input_size != below.output_size:
                raise ValueError(
                    f"StackedCell: cell {layer} takes an input of {above.input_size}, "
                    f"but cell {layer - 1} below it gives {below.output_size}"
                )
        super().__init__(cells[0].input_size, cells[-1].output_size, tuple(cell.state_size for cell in cells))
        self.cells = nn.ModuleList(cells)

    def initial_state(self, batch_size: int, **like: Any) -> S:
        cells: Any = self.cells
        states: Any = tuple(cell.initial_state(batch_size, **like) for cell in cells)
        return states  # type: ignore[no-any-return]

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, S]:
        next_states = []
        for cell, layer_state in zip(self.cells, state, strict=True):
            x, next_state = cell(x, layer_state)
            next_states.append(next_state)
        states: Any = tuple(next_states)
        return x, states
