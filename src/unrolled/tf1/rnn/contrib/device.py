"""TensorFlow 1's wrapper that put a cell on a device."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unrolled.cells import Cell
from unrolled.tf1.rnn.cell import RNNCell
from unrolled.tf1.rnn.wrappers import Wrapper


class DeviceWrapper(Wrapper):
    """A cell as it is: a cell of torch is where its inputs are.

    Args:
        cell: the cell to wrap.
        device: taken for TensorFlow's sake; `cell.to(device)` moves a cell that is built.

    >>> from unrolled.tf1 import GRUCell
    >>> cell = DeviceWrapper(GRUCell(3), "/device:GPU:0")
    >>> cell.build(4)
    >>> list(cell.variables)[0]
    'gru_cell/gates/kernel'
    """

    def __init__(self, cell: RNNCell, device: object) -> None:
        super().__init__(cell)
        self.device = device

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.cell(inputs, state)  # type: ignore[no-any-return]

    def inner(self) -> Cell:
        return self.cell.inner()

    def to_inner(self, state: Any) -> Any:
        return self.cell.to_inner(state)

    def from_inner(self, state: Any) -> Any:
        return self.cell.from_inner(state)
