"""Cells that compute on a CPU what cuDNN's layers compute."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from unrolled.cells import Cell
from unrolled.cells import GRUCell as InnerGRU
from unrolled.errors import check_count
from unrolled.tf1.cudnn_rnn.canonical import parameters
from unrolled.tf1.replay.initializers import Initializer, constant, glorot_uniform, zeros
from unrolled.tf1.rnn.contrib.block import LSTMBlockCell
from unrolled.tf1.rnn.contrib.named import NamedCell, Variables


class CudnnCompatibleLSTMCell(LSTMBlockCell):
    """`LSTMBlockCell` without a forget bias, for the checkpoints of `CudnnLSTM`.

    Args:
        num_units: the number of units.
        reuse: as `RNNCell` has it.

    >>> cell = CudnnCompatibleLSTMCell(3)
    >>> cell.build(4)
    >>> list(cell.variables)
    ['cudnn_compatible_lstm_cell/kernel', 'cudnn_compatible_lstm_cell/bias']
    """

    scope = "cudnn_compatible_lstm_cell"

    def __init__(self, num_units: int, reuse: bool | None = None) -> None:
        super().__init__(num_units, forget_bias=0.0, reuse=reuse)


class CudnnCompatibleGRUCell(NamedCell):
    r"""The gated recurrent unit that resets after the matrix product, for the checkpoints of `CudnnGRU`.

        r, u = σ([x, h] gates/kernel + gates/bias)
        c    = tanh(x W + b + r * (h U + d))
        output = new_state = (1 - u) * c + u * h

    Symbols: x [N, I], h [N, num_units]; W and b are candidate/input_projection/kernel and bias, U and d
    candidate/hidden_projection/kernel and bias.

    Args:
        num_units: the number of units.
        reuse: as `RNNCell` has it.
        kernel_initializer: draws the kernels; None for `glorot_uniform`.

    >>> import torch
    >>> cell = CudnnCompatibleGRUCell(3)
    >>> output, state = cell(torch.zeros(2, 4), torch.ones(2, 3))
    >>> list(cell.variables)[2]
    'cudnn_compatible_gru_cell/candidate/input_projection/kernel'
    """

    scope = "cudnn_compatible_gru_cell"

    def __init__(
        self, num_units: int, reuse: bool | None = None, kernel_initializer: Initializer | None = None
    ) -> None:
        super().__init__(reuse=reuse)
        self.num_units = check_count("CudnnCompatibleGRUCell: num_units", num_units)
        self.state_size = self.output_size = self.num_units
        self._kernel_initializer = kernel_initializer

    def _variables(self, input_size: int) -> Variables:
        n, draw = self.num_units, self._kernel_initializer or glorot_uniform()
        return {
            "gates/kernel": ((input_size + n, 2 * n), draw),
            "gates/bias": ((2 * n,), constant(1.0)),
            "candidate/input_projection/kernel": ((input_size, n), draw),
            "candidate/hidden_projection/kernel": ((n, n), draw),
            "candidate/input_projection/bias": ((n,), zeros),
            "candidate/hidden_projection/bias": ((n,), zeros),
        }

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.inner()(inputs, state)

    def inner(self) -> Cell:
        """The library's cell, for which a kernel may be there, of tensors that are made of the variables."""
        cell = InnerGRU(self.input_size, self.num_units, device="meta")
        for name, value in parameters(cell, dict(self.named_parameters(recurse=False))).items():
            delattr(cell, name)
            setattr(cell, name, value.contiguous())
        return cell
