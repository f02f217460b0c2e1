"""TensorFlow 1's cells of whole sequences."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unrolled.tf1.holder import VariableHolder
from unrolled.tf1.rnn.cell import LSTMStateTuple, RNNCell, check_rnn_cell
from unrolled.tf1.rnn.contrib.block import LSTMBlockCell
from unrolled.tf1.rnn.loops import Lengths, dynamic_rnn, static_rnn
from unrolled.unroll import reverse_sequence


class FusedRNNCell(VariableHolder):
    """What reads a whole sequence at a call.

        outputs, state = cell(inputs, initial_state, dtype, sequence_length)

    Symbols: inputs [T, N, I], or a list of T steps [N, I]; outputs alike, [T, N, O].
    """

    @abc.abstractmethod
    def forward(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Lengths = None,
        scope: object = None,
    ) -> tuple[Any, Any]:
        """Read the sequences: arguments and errors are those of `dynamic_rnn`, with time first."""


class _Around(FusedRNNCell):
    """A fused cell whose variables are those of what is inside."""

    cell: Any

    @property
    def built(self) -> bool:  # type: ignore[override]
        return self.cell.built  # type: ignore[no-any-return]

    def build(self, input_size: int, dtype: Any = None, device: Any = None) -> None:
        self.cell.build(input_size, dtype, device)

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        return self.cell.shapes(input_size)  # type: ignore[no-any-return]

    @property
    def variables(self) -> dict[str, Tensor]:
        return self.cell.variables  # type: ignore[no-any-return]

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        self.cell._assign(values)


class FusedRNNCellAdaptor(_Around):
    """A cell and a loop as one, as `tf.contrib.rnn` has it.

    Args:
        cell: a cell of this module.
        use_dynamic_rnn: taken for TensorFlow's sake: both loops compute the same.

    >>> from unrolled.tf1 import GRUCell
    >>> outputs, state = FusedRNNCellAdaptor(GRUCell(3))(torch.ones(4, 2, 5), dtype="float32")
    >>> outputs.shape, bool((outputs[-1] == state).all())
    (torch.Size([4, 2, 3]), True)
    """

    def __init__(self, cell: RNNCell, use_dynamic_rnn: bool = False) -> None:
        super().__init__()
        check_rnn_cell("cell", cell)
        self.cell = cell

    def forward(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Lengths = None,
        scope: object = None,
    ) -> tuple[Any, Any]:
        if isinstance(inputs, list):
            return static_rnn(self.cell, inputs, initial_state, dtype, sequence_length)
        return dynamic_rnn(self.cell, inputs, sequence_length, initial_state, dtype, time_major=True)


class TimeReversedFusedRNN(_Around):
    """A fused cell that reads each sequence from its end, as `tf.contrib.rnn` has it.

    As in TensorFlow a list is turned round as a whole, whatever the lengths; a tensor's sequences each within
    their length.

    Args:
        cell: a fused cell.

    >>> backward = TimeReversedFusedRNN(LSTMBlockFusedCell(3))
    >>> outputs, state = backward(torch.ones(4, 2, 5), dtype="float32", sequence_length=[4, 2])
    >>> bool((outputs[0] == state.h).all())
    True
    """

    def __init__(self, cell: FusedRNNCell) -> None:
        super().__init__()
        if not isinstance(cell, FusedRNNCell):
            raise TypeError(
                f"cell is a {type(cell).__name__}, expected a fused cell such as tf1.LSTMBlockFusedCell; "
                "tf1.FusedRNNCellAdaptor makes one of a cell"
            )
        self.cell = cell

    def forward(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Lengths = None,
        scope: object = None,
    ) -> tuple[Any, Any]:
        outputs, state = self.cell(
            _reversed(inputs, sequence_length), initial_state, dtype, sequence_length, scope
        )
        return _reversed(outputs, sequence_length), state


class LSTMBlockFusedCell(_Around):
    """`LSTMBlockCell` over whole sequences, as the kernel of `tf.contrib.rnn` computed it.

    Args:
        num_units: the number of units.
        forget_bias, cell_clip, use_peephole: as `LSTMBlockCell` has them.
        reuse, dtype, name: as `RNNCell` has them.

    >>> cell = LSTMBlockFusedCell(3)
    >>> outputs, (c, h) = cell(torch.ones(4, 2, 5), dtype="float32", sequence_length=[4, 1])
    >>> bool((outputs[0, 1] == h[1]).all()), list(cell.variables)
    (True, ['lstm_fused_cell/kernel', 'lstm_fused_cell/bias'])
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        reuse: bool | None = None,
        dtype: Any = None,
        name: str = "lstm_fused_cell",
    ) -> None:
        super().__init__()
        self.cell = LSTMBlockCell(num_units, forget_bias, cell_clip, use_peephole, dtype, reuse, name)
        self.num_units = self.cell.num_units

    def forward(
        self,
        inputs: Any,
        initial_state: Any = None,
        dtype: Any = None,
        sequence_length: Lengths = None,
        scope: object = None,
    ) -> tuple[Any, Any]:
        state = None if initial_state is None else LSTMStateTuple(*initial_state)
        if isinstance(inputs, list):
            return static_rnn(self.cell, inputs, state, dtype, sequence_length)
        return dynamic_rnn(self.cell, inputs, sequence_length, state, dtype, time_major=True)


def _reversed(steps: Any, lengths: Lengths) -> Any:
    if isinstance(steps, list):
        return steps[::-1]
    known = None if lengths is None else torch.as_tensor(lengths).long()
    return reverse_sequence(torch.as_tensor(steps), known, batch_first=False)
