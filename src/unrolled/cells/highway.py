"""A cell whose output is mixed with its input by a gate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.cells.cell import Cell, uniform
from unrolled.cells.residual import check_same_width
from unrolled.cells.state import S, State


class HighwayCell(Cell[S]):
    r"""A gated skip connection around a cell.

        y, s' = cell(x, s)
        t     = σ(W x + b)
        the output is t * x + (1 - t) * y

    Symbols: x, y, t [N, I]: the cell's input and output have one width; W = weight_carry [I, I], from
    U(-1/√I, 1/√I); b = bias_carry [I], from 1, so that an untrained layer carries most of its input.

    Args:
        cell: the cell to wrap.

    Raises:
        TypeError: cell is not a cell.
        ValueError: the cell's output is not as wide as its input.

    >>> from unrolled.cells import GRUCell
    >>> output, state = HighwayCell(GRUCell(3, 3))(torch.ones(2, 3))
    >>> tuple(output.shape)
    (2, 3)

    Reference: Srivastava et al. 2015, arXiv:1505.00387, section 2 (with carry gate t).
    """

    def __init__(self, cell: Cell[S]) -> None:
        check_same_width("HighwayCell", cell)
        super().__init__(cell.input_size, cell.output_size, cell.state_size)
        self.cell = cell
        like = next(cell.parameters(), torch.empty(0))
        where: dict[str, Any] = {"device": like.device, "dtype": like.dtype}
        self.weight_carry = uniform(cell.input_size, cell.input_size, bound=cell.input_size**-0.5, **where)
        self.bias_carry = nn.Parameter(torch.ones(cell.input_size, **where))

    def initial_state(self, batch_size: int, **like: Any) -> S:
        return self.cell.initial_state(batch_size, **like)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, S]:
        output, next_state = self.cell(x, state)
        return self.combine(x, output), next_state

    def combine(self, x: Tensor, output: Tensor) -> Tensor:
        """The output of a step from its x and the wrapped cell's output."""
        t = torch.sigmoid(F.linear(x, self.weight_carry, self.bias_carry))
        return t * x + (1 - t) * output
