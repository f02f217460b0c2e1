"""LSTMs whose products with the kernel are convolutions over space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.errors import check_count
from unrolled.tf1.holder import as_dtype
from unrolled.tf1.replay.initializers import constant, glorot_uniform
from unrolled.tf1.rnn.cell import LSTMStateTuple
from unrolled.tf1.rnn.contrib.named import NamedCell, Variables
from unrolled.tf1.rnn.tensor_shape import TensorShape

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class ConvLSTMCell(NamedCell):
    r"""The convolutional LSTM, as `tf.contrib.rnn` has it: without peepholes, and padded to the same size.

        i, j, f, o = [x, h] * kernel + biases
        new_c = σ(f + forget_bias) c + σ(i) tanh(j)
        new_h = tanh(new_c) σ(o),   which is the output; * is a convolution, and products are elementwise

    Symbols: x [N, ..., C]; c, h [N, ..., K]; kernel [..., C + K, 4 K]; ... the conv_ndims axes of space.

    Args:
        conv_ndims: the number of axes of space: 1, 2 or 3.
        input_shape: the shape of one input without N, channels last.
        output_channels: K.
        kernel_shape: the size of the kernel on each axis of space.
        use_bias: whether there are biases.
        skip_connection: whether the output is [output, x]. As in TensorFlow h is then as wide, which no cell
            can read: one step runs, and a loop does not.
        forget_bias: added at run time, and not stored.
        initializers: taken for TensorFlow's sake, which never used it.
        name: as `RNNCell` has it.

    >>> from unrolled.tf1 import dynamic_rnn
    >>> cell = ConvLSTMCell(2, [6, 7, 3], output_channels=4, kernel_shape=[3, 3])
    >>> outputs, state = dynamic_rnn(cell, torch.ones(2, 5, 6, 7, 3), [5, 1], dtype="float32")
    >>> outputs.shape, bool((outputs[1, 0] == state.h[1]).all())
    (torch.Size([2, 5, 6, 7, 4]), True)

    Reference: Shi et al. 2015, Convolutional LSTM network, arXiv:1506.04214, section 3.1.
    """

    scope = "conv_lstm_cell"

    def __init__(
        self,
        conv_ndims: int,
        input_shape: Sequence[int],
        output_channels: int,
        kernel_shape: Sequence[int],
        use_bias: bool = True,
        skip_connection: bool = False,
        forget_bias: float = 1.0,
        initializers: object = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        kind = type(self).__name__
        if conv_ndims not in _CONVOLUTIONS:
            raise ValueError(f"{kind}: conv_ndims is {conv_ndims!r}, expected 1, 2 or 3")
        input_shape, kernel_shape = list(input_shape), list(kernel_shape)
        if len(input_shape) != conv_ndims + 1:
            raise ValueError(
                f"{kind}: input_shape is {input_shape}, expected {conv_ndims} sizes and the channels"
            )
        if len(kernel_shape) != conv_ndims:
            raise ValueError(f"{kind}: kernel_shape is {kernel_shape}, expected {conv_ndims} sizes")
        self._space, self._kernel_shape = input_shape[:-1], kernel_shape
        self.input_axes = conv_ndims + 2
        self._channels = check_count(f"{kind}: output_channels", output_channels)
        self._use_bias, self._skips = use_bias, skip_connection
        self._forget_bias = forget_bias
        size = TensorShape([*self._space, self._channels])
        self.state_size = LSTMStateTuple(size, size)
        seen = self._channels + (input_shape[-1] if skip_connection else 0)
        self.output_size = TensorShape([*self._space, seen])

    def _variables(self, input_size: int) -> Variables:
        shape = (*self._kernel_shape, input_size + self._channels, 4 * self._channels)
        found: Variables = {"kernel": (shape, glorot_uniform())}
        if self._use_bias:
            found["biases"] = ((4 * self._channels,), constant(0.0))
        return found

    def forward(self, inputs: Tensor, state: Any, scope: object = None) -> tuple[Tensor, Any]:
        if list(inputs.shape[1:-1]) != self._space:
            raise ValueError(
                f"{type(self).__name__}: inputs has shape {list(inputs.shape)}, expected "
                f"[N, {', '.join(map(str, self._space))}, channels] (one step of a batch)"
            )
        self.build_for(inputs)
        self.check_state(state, inputs.shape[0])
        return self.call(inputs, state)

    def check_state(self, state: Any, batch_size: int) -> None:
        expected = [batch_size, *self.state_size.c]
        parts = state if isinstance(state, tuple) else (state,)
        came = [list(part.shape) if isinstance(part, Tensor) else part for part in parts]
        if came != [expected, expected]:
            raise ValueError(f"{type(self).__name__}: state has shapes {came}, expected twice {expected}")

    def zero_state(self, batch_size: int, dtype: Any, device: Any = None) -> Any:
        zeros = torch.zeros(batch_size, *self.state_size.c, dtype=as_dtype(dtype), device=device)
        return LSTMStateTuple(zeros, zeros)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        c, h = state
        gates = self._convolved(torch.cat([inputs, h], dim=-1))
        i, j, f, o = (gates + self["biases"] if self._use_bias else gates).chunk(4, dim=-1)
        c = torch.sigmoid(f + self._forget_bias) * c + torch.sigmoid(i) * torch.tanh(j)
        h = torch.tanh(c) * torch.sigmoid(o)
        if self._skips:
            h = torch.cat([h, inputs], dim=-1)
        return h, LSTMStateTuple(c, h)

    def _convolved(self, value: Tensor) -> Tensor:
        """The convolution of [N, ..., C] that keeps the size: what is left over is padded behind."""
        padding = [side for k in reversed(self._kernel_shape) for side in ((k - 1) // 2, k // 2)]
        kernel = self["kernel"].movedim((-1, -2), (0, 1))
        found: Tensor = _CONVOLUTIONS[len(self._space)](F.pad(value.movedim(-1, 1), padding), kernel)
        return found.movedim(1, -1)


class Conv1DLSTMCell(ConvLSTMCell):
    """`ConvLSTMCell` over one axis of space: inputs [N, width, channels].

    >>> Conv1DLSTMCell(input_shape=[8, 3], output_channels=4, kernel_shape=[3]).output_size.as_list()
    [8, 4]
    """

    scope = "conv_1d_lstm_cell"

    def __init__(self, name: str | None = None, **options: Any) -> None:
        super().__init__(conv_ndims=1, name=name, **options)


class Conv2DLSTMCell(ConvLSTMCell):
    """`ConvLSTMCell` over two axes of space: inputs [N, height, width, channels].

    >>> Conv2DLSTMCell(input_shape=[8, 9, 3], output_channels=4, kernel_shape=[3, 3]).output_size.as_list()
    [8, 9, 4]
    """

    scope = "conv_2d_lstm_cell"

    def __init__(self, name: str | None = None, **options: Any) -> None:
        super().__init__(conv_ndims=2, name=name, **options)


class Conv3DLSTMCell(ConvLSTMCell):
    """`ConvLSTMCell` over three axes of space: inputs [N, depth, height, width, channels].

    >>> cell = Conv3DLSTMCell(input_shape=[5, 8, 9, 3], output_channels=4, kernel_shape=[3, 3, 1])
    >>> cell.output_size.as_list()
    [5, 8, 9, 4]
    """

    scope = "conv_3d_lstm_cell"

    def __init__(self, name: str | None = None, **options: Any) -> None:
        super().__init__(conv_ndims=3, name=name, **options)
