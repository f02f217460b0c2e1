"""Cells whose units see only themselves of the state: independently recurrent ones."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.errors import check_count
from unrolled.tf1.holder import as_dtype
from unrolled.tf1.replay.initializers import Initializer, constant, glorot_uniform, random_uniform, zeros
from unrolled.tf1.rnn.activation import Activation, name_and_function
from unrolled.tf1.rnn.cell import LSTMStateTuple
from unrolled.tf1.rnn.contrib.named import NamedCell, Variables


def _recurrent(shape: Sequence[int], dtype: Any = torch.float32) -> Tensor:
    """What draws a recurrent weight of one number for each unit."""
    return random_uniform(shape, -1.0, 1.0, as_dtype(dtype))


class _Independent(NamedCell, abc.ABC):
    """What the three cells share."""

    def __init__(
        self,
        num_units: int,
        activation: Activation = None,
        reuse: bool | None = None,
        kernel_initializer: Initializer | None = None,
        bias_initializer: Initializer | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, dtype, reuse)
        self.num_units = check_count(f"{type(self).__name__}: num_units", num_units)
        self.state_size = self.output_size = self.num_units
        self._act = name_and_function(activation)[1]
        self._kernel_initializer = kernel_initializer
        self._bias_initializer = bias_initializer

    def _weights(self, scope: str, kernel: str, input_size: int, gates: int, bias: Initializer) -> Variables:
        width = gates * self.num_units
        return {
            f"{scope}{kernel}": ((input_size, width), self._kernel_initializer or glorot_uniform()),
            f"{scope}kernel_u": ((1, width), _recurrent),
            f"{scope}bias": ((width,), self._bias_initializer or bias),
        }


class IndRNNCell(_Independent):
    r"""The independently recurrent cell, as `tf.contrib.rnn` has it.

        output = new_state = act(x kernel_w + h * kernel_u + bias)

    Symbols: x [N, I], h [N, num_units]; kernel_w [I, num_units], kernel_u [1, num_units].

    Args:
        num_units: the number of units.
        activation: a function, or its name; None for tanh.
        reuse, name, dtype: as `RNNCell` has them.

    >>> cell = IndRNNCell(3)
    >>> cell.build(4)
    >>> {name: tuple(value.shape) for name, value in cell.variables.items()}
    {'ind_rnn_cell/kernel_w': (4, 3), 'ind_rnn_cell/kernel_u': (1, 3), 'ind_rnn_cell/bias': (3,)}

    Reference: Li et al. 2018, Independently recurrent neural network, arXiv:1803.04831, section 3.
    """

    scope = "ind_rnn_cell"

    def __init__(
        self,
        num_units: int,
        activation: Activation = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_units, activation, reuse, name=name, dtype=dtype)

    def _variables(self, input_size: int) -> Variables:
        return self._weights("", "kernel_w", input_size, 1, zeros)

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        h = self._act(inputs @ self["kernel_w"] + state * self["kernel_u"] + self["bias"])
        return h, h


class IndyGRUCell(_Independent):
    r"""The gated recurrent unit with independent units, as `tf.contrib.rnn` has it.

        r, u = σ(x gates/kernel_w + [h, h] * gates/kernel_u + gates/bias)
        c    = act(x candidate/kernel + (r * h) * candidate/kernel_u + candidate/bias)
        output = new_state = u * h + (1 - u) * c

    Symbols: x [N, I], h [N, num_units]; gates/kernel_w [I, 2 num_units], gates/kernel_u [1, 2 num_units].

    Args:
        num_units: the number of units.
        activation: a function, or its name; None for tanh.
        kernel_initializer: draws both kernels of x; None for `glorot_uniform`.
        bias_initializer: draws both biases; None for 1 in the gates and 0 in the candidate.
        reuse, name, dtype: as `RNNCell` has them.

    >>> cell = IndyGRUCell(3)
    >>> cell.build(4)
    >>> [name.removeprefix("indy_gru_cell/") for name in cell.variables if "kernel" in name]
    ['gates/kernel_w', 'gates/kernel_u', 'candidate/kernel', 'candidate/kernel_u']

    Reference: Gonnet and Deselaers 2019, IndyLSTMs: independently recurrent LSTMs, arXiv:1903.08023.
    """

    scope = "indy_gru_cell"

    def _variables(self, input_size: int) -> Variables:
        return self._weights("gates/", "kernel_w", input_size, 2, constant(1.0)) | self._weights(
            "candidate/", "kernel", input_size, 1, zeros
        )

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        twice = torch.cat([state, state], dim=1) * self["gates/kernel_u"]
        gates = torch.sigmoid(inputs @ self["gates/kernel_w"] + twice + self["gates/bias"])
        r, u = gates.chunk(2, dim=1)
        own = (r * state) * self["candidate/kernel_u"]
        c = self._act(inputs @ self["candidate/kernel"] + own + self["candidate/bias"])
        h = u * state + (1 - u) * c
        return h, h


class IndyLSTMCell(_Independent):
    r"""The LSTM with independent units, as `tf.contrib.rnn` has it.

        i, j, f, o = x kernel_w + [h, h, h, h] * kernel_u + bias
        new_c = c * σ(f + forget_bias) + σ(i) * act(j)
        new_h = act(new_c) * σ(o),   which is the output

    Symbols: x [N, I]; c, h [N, num_units]; kernel_w [I, 4 num_units], kernel_u [1, 4 num_units].

    Args:
        num_units: the number of units.
        forget_bias: added at run time, and not stored.
        activation: a function, or its name; None for tanh.
        kernel_initializer: draws kernel_w; None for `glorot_uniform`.
        bias_initializer: draws the bias; None for zeros.
        reuse, name, dtype: as `RNNCell` has them.

    >>> cell = IndyLSTMCell(3)
    >>> output, (c, h) = cell(torch.zeros(2, 4), cell.zero_state(2, "float32"))
    >>> list(cell.variables)
    ['indy_lstm_cell/kernel_w', 'indy_lstm_cell/kernel_u', 'indy_lstm_cell/bias']

    Reference: Gonnet and Deselaers 2019, IndyLSTMs: independently recurrent LSTMs, arXiv:1903.08023.
    """

    scope = "indy_lstm_cell"

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        activation: Activation = None,
        reuse: bool | None = None,
        kernel_initializer: Initializer | None = None,
        bias_initializer: Initializer | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(num_units, activation, reuse, kernel_initializer, bias_initializer, name, dtype)
        self.state_size = LSTMStateTuple(self.num_units, self.num_units)
        self._forget_bias = forget_bias

    def _variables(self, input_size: int) -> Variables:
        return self._weights("", "kernel_w", input_size, 4, zeros)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        c, h = state
        own = torch.cat([h, h, h, h], dim=1) * self["kernel_u"]
        i, j, f, o = (inputs @ self["kernel_w"] + own + self["bias"]).chunk(4, dim=1)
        c = c * torch.sigmoid(f + self._forget_bias) + torch.sigmoid(i) * self._act(j)
        h = self._act(c) * torch.sigmoid(o)
        return h, LSTMStateTuple(c, h)
