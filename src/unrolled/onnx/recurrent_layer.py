"""A recurrent node of a model: one cell, or one for each direction, and how their sequences lie."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unrolled.cells import LSTMCell, LSTMState
from unrolled.cells.cell import Cell
from unrolled.errors import UnrolledError
from unrolled.onnx.nodes import cells_of
from unrolled.onnx.registry import Node
from unrolled.unroll import dynamic_unroll

KINDS = ("LSTM", "GRU", "RNN")


class RecurrentLayer(nn.Module):
    """An ONNX LSTM, GRU or RNN node, on this package's cells and kernels.

        Y, Y_h, Y_c = layer(X, sequence_lens, initial_h, initial_c)

    Symbols: D directions; X [T, N, I]; sequence_lens [N]; initial_h, initial_c, Y_h, Y_c [D, N, H];
    Y [T, D, N, H], zero past each length. Of a node with layout 1 the batch is the first axis of all of them.
    Y_c is there for an LSTM alone.

    Attributes:
        forward_cell, backward_cell: a cell for each direction, None for one that is not read in. They can be
            taken out, and unrolled elsewhere.
        layout: 0 or 1, as the node says.
    """

    forward_cell: Cell | None
    backward_cell: Cell | None

    def __init__(self, forward_cell: Cell | None, backward_cell: Cell | None, layout: int = 0) -> None:
        super().__init__()
        self.forward_cell = forward_cell
        self.backward_cell = backward_cell
        self.layout = layout

    @property
    def cells(self) -> dict[str, Cell]:
        """The cells that there are, by direction."""
        both = {"forward": self.forward_cell, "backward": self.backward_cell}
        return {way: cell for way, cell in both.items() if cell is not None}

    @classmethod
    def of(
        cls, node: Node, W: Tensor, R: Tensor, B: Tensor | None = None, P: Tensor | None = None
    ) -> RecurrentLayer:
        """The layer of a node and its weights, as `nodes.cells_of` takes them."""
        cells = cells_of(node, W, R, B, P)
        return cls(cells.get("forward"), cells.get("backward"), node.get("layout", 0))

    def forward(
        self,
        x: Tensor,
        lengths: Tensor | None = None,
        initial_h: Tensor | None = None,
        initial_c: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Read sequences in every direction.

        Raises:
            ValueError: x, lengths or a state that do not fit.
        """
        batch_first = self.layout == 1
        axis = 1 if batch_first else 0  # where directions are in a state
        outputs, finals = [], []
        for number, (way, cell) in enumerate(self.cells.items()):
            state = self._state(cell, number, axis, x, initial_h, initial_c)
            y, final = dynamic_unroll(
                cell,
                x,
                lengths,
                state,
                batch_first=batch_first,
                reverse=way == "backward",
            )
            outputs.append(y)
            finals.append(tuple(final) if isinstance(final, LSTMState) else (final,))
        states = (torch.stack(parts, axis) for parts in zip(*finals, strict=True))
        return torch.stack(outputs, 2 if batch_first else 1), *states

    def _state(
        self, cell: Cell, number: int, axis: int, x: Tensor, h: Tensor | None, c: Tensor | None
    ) -> Tensor | LSTMState | None:
        """What a direction begins with: of an LSTM that is given h or c alone the other is 0."""
        for name, state in (("initial_h", h), ("initial_c", c)):
            if state is not None and (state.dim() != 3 or state.shape[axis] != len(self.cells)):
                raise UnrolledError(
                    f"{name} has shape {list(state.shape)}, expected {len(self.cells)} on axis {axis}, one "
                    "for each direction"
                )
        own = [None if state is None else state.select(axis, number) for state in (h, c)]
        if not isinstance(cell, LSTMCell):
            return own[0]
        if own[0] is None and own[1] is None:
            return None
        batch = x.shape[0 if self.layout == 1 else 1]
        zeros = x.new_zeros(batch, cell.hidden_size)
        return LSTMState(*(zeros if state is None else state for state in own))
