"""A cell that adds its input to its output."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unrolled.cells.cell import Cell, check_cell
from unrolled.cells.state import S, State


class ResidualCell(Cell[S]):
    r"""A skip connection around a cell.

        y, s' = cell(x, s);   the output is x + y

    Symbols: x, y [N, I]: the cell's input and output have one width. The state is the cell's.

    Args:
        cell: the cell to wrap.

    Raises:
        TypeError: cell is not a cell.
        ValueError: the cell's output is not as wide as its input.

    >>> import torch
    >>> from unrolled.cells import GRUCell
    >>> output, state = ResidualCell(GRUCell(3, 3))(torch.ones(2, 3))
    >>> bool(torch.allclose(output, 1 + state))
    True

    Reference: Wu et al. 2016, arXiv:1609.08144, section 3.1.
    """

    def __init__(self, cell: Cell[S]) -> None:
        check_same_width("ResidualCell", cell)
        super().__init__(cell.input_size, cell.output_size, cell.state_size)
        self.cell = cell

    def initial_state(self, batch_size: int, **like: Any) -> S:
        return self.cell.initial_state(batch_size, **like)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, S]:
        output, next_state = self.cell(x, state)
        return x + output, next_state


def check_same_width(name: str, cell: Cell) -> None:
    """Raise a ValueError if what goes into `cell` cannot be added to what comes out."""
    check_cell(cell)
    if cell.input_size != cell.output_size:
        raise ValueError(
            f"{name}: the cell takes an input of {cell.input_size} and gives an output of "
            f"{cell.output_size}, expected one width for both"
        )
