"""The recurrent cell with one gate, for its update."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.errors import check_count
from unrolled.tf1.replay.initializers import Initializer, glorot_uniform, zeros
from unrolled.tf1.rnn.activation import Activation, name_and_function
from unrolled.tf1.rnn.contrib.named import NamedCell, Variables, linear


class UGRNNCell(NamedCell):
    r"""The update gate RNN, as `tf.contrib.rnn` has it.

        g, c  = [x, h] kernel + bias
        g     = σ(g + forget_bias)
        output = new_state = g * h + (1 - g) * act(c)

    Symbols: x [N, I], h [N, num_units]; kernel [I + num_units, 2 num_units].

    Args:
        num_units: the number of units.
        initializer: draws the kernel; None for `glorot_uniform`.
        forget_bias: added at run time, and not stored.
        activation: a function, or its name; None for tanh.
        reuse: as `RNNCell` has it.

    >>> output, state = UGRNNCell(3)(torch.zeros(2, 4), torch.ones(2, 3))
    >>> bool((output == state).all())
    True

    Reference: Collins et al. 2017, Capacity and trainability in recurrent neural networks, arXiv:1611.09913,
    section 2.
    """

    scope = "ugrnn_cell"

    def __init__(
        self,
        num_units: int,
        initializer: Initializer | None = None,
        forget_bias: float = 1.0,
        activation: Activation = None,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(reuse=reuse)
        self.num_units = check_count("UGRNNCell: num_units", num_units)
        self.state_size = self.output_size = self.num_units
        self._initializer = initializer
        self._forget_bias = forget_bias
        self._act = name_and_function(activation)[1]

    def _variables(self, input_size: int) -> Variables:
        n = self.num_units
        return {
            "kernel": ((input_size + n, 2 * n), self._initializer or glorot_uniform()),
            "bias": ((2 * n,), zeros),
        }

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        g, c = linear(self["kernel"], self["bias"], inputs, state).chunk(2, dim=1)
        g = torch.sigmoid(g + self._forget_bias)
        h = g * state + (1 - g) * self._act(c)
        return h, h
