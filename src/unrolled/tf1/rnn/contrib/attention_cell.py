"""A cell that looks back at its own last outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.cells.state import map_state
from unrolled.errors import check_count
from unrolled.tf1.replay.initializers import glorot_uniform, zeros
from unrolled.tf1.rnn.cell import RNNCell
from unrolled.tf1.rnn.contrib.named import NamedWrapper, Variables, linear


class AttentionCellWrapper(NamedWrapper):
    r"""Attention over the last outputs of a cell, as `tf.contrib.rnn` has it.

        y, s'  = cell([x, a] kernel + bias, s)
        e_k    = attn_v · tanh(w_k attention/attn_w + s' attention/kernel + attention/bias)
        a'     = Σ_k softmax(e)_k w_k
        output = [y, a'] attn_output_projection/kernel + attn_output_projection/bias

    Symbols: x [N, I]; s the cell's state, all its parts side by side in the second line; w_k [N, attn_size]
    the window, k = 1 ... attn_length: the outputs of the last steps, zeros before the first. The state is
    (s, a, window), the window [N, attn_length * attn_size].

    Args:
        cell: the cell to wrap.
        attn_length: how many outputs are looked back at.
        attn_size: how wide they are; None for the cell's output.
        attn_vec_size: how wide what is compared is; None for attn_size.
        input_size: how wide the cell's inputs are; None for that of x.
        state_is_tuple: False for the state's parts in one tensor, if the cell's state is one.
        reuse: as `RNNCell` has it.

    >>> from unrolled.tf1 import GRUCell
    >>> cell = AttentionCellWrapper(GRUCell(3), attn_length=4)
    >>> cell.state_size, cell.output_size
    ((3, 3, 12), 3)
    """

    scope = "attention_cell_wrapper"

    def __init__(
        self,
        cell: RNNCell,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(cell, reuse)
        if isinstance(cell.state_size, tuple) and not state_is_tuple:
            raise ValueError(
                f"AttentionCellWrapper: state_is_tuple is False, but the cell's state is a tuple: "
                f"{cell.state_size}. Give that cell state_is_tuple=False too"
            )
        name = type(self).__name__
        self._length = check_count(f"{name}: attn_length", attn_length)
        self._size = check_count(f"{name}: attn_size", attn_size or cell.output_size)
        self._vec_size = check_count(f"{name}: attn_vec_size", attn_vec_size or self._size)
        self._cell_input = input_size
        self._sizes = (cell.state_size, self._size, self._size * self._length)
        self.state_size = self._sizes if state_is_tuple else sum(self._sizes)
        self.output_size = self._size

    def _before(self, input_size: int) -> Variables:
        width = self._inner_size(input_size)
        return {"kernel": ((input_size + self._size, width), glorot_uniform()), "bias": ((width,), zeros)}

    def _after(self, input_size: int) -> Variables:
        sizes: list[int] = []
        map_state(sizes.append, self.cell.state_size)
        draw = glorot_uniform()
        return {
            "attention/attn_w": ((1, 1, self._size, self._vec_size), draw),
            "attention/attn_v": ((self._vec_size,), draw),
            "attention/kernel": ((sum(sizes), self._vec_size), draw),
            "attention/bias": ((self._vec_size,), zeros),
            "attn_output_projection/kernel": ((self.cell.output_size + self._size, self._size), draw),
            "attn_output_projection/bias": ((self._size,), zeros),
        }

    def _inner_size(self, input_size: int) -> int:
        return self._cell_input or input_size

    def zero_state(self, batch_size: int, dtype: Any, device: Any = None) -> Any:
        return RNNCell.zero_state(self, batch_size, dtype, device)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        in_parts = isinstance(self.state_size, tuple)
        cell_state, attended, window = state if in_parts else state.split(self._sizes, dim=1)
        x = linear(self["kernel"], self["bias"], inputs, attended)
        output, cell_state = self.cell(x, cell_state)
        attended = self._attend(cell_state, window)
        output = linear(
            self["attn_output_projection/kernel"], self["attn_output_projection/bias"], output, attended
        )
        window = torch.cat([window[:, self._size :], output], dim=1)
        new_state = (cell_state, attended, window)
        return output, new_state if in_parts else torch.cat(new_state, dim=1)

    def _attend(self, cell_state: Any, window: Tensor) -> Tensor:
        seen: list[Tensor] = []
        map_state(seen.append, cell_state)
        query = linear(self["attention/kernel"], self["attention/bias"], *seen)
        past = window.view(-1, self._length, self._size)
        compared = torch.tanh(past @ self["attention/attn_w"][0, 0] + query.unsqueeze(1))
        weights = torch.softmax(compared @ self["attention/attn_v"], dim=1)
        return (weights.unsqueeze(2) * past).sum(1)
