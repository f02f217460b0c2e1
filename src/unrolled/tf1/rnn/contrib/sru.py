"""The simple recurrent unit, whose gates do not see the state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.errors import check_count
from unrolled.tf1.replay.initializers import glorot_uniform, zeros
from unrolled.tf1.rnn.activation import Activation, name_and_function
from unrolled.tf1.rnn.contrib.named import NamedCell, Variables


class SRUCell(NamedCell):
    r"""The simple recurrent unit, as `tf.contrib.rnn` has it.

        x', f, r, s = x kernel
        f, r        = σ([f, r] + bias)
        new_state   = f * c + (1 - f) * x'
        output      = r * act(new_state) + (1 - r) * s

    Symbols: x [N, I], c [N, num_units] the state, which is not the output; kernel [I, 4 num_units].

    Args:
        num_units: the number of units.
        activation: a function, or its name; None for tanh.
        reuse, name, dtype, trainable: as `RNNCell` has them.

    >>> cell = SRUCell(3)
    >>> cell.build(4)
    >>> {name: tuple(value.shape) for name, value in cell.variables.items()}
    {'sru_cell/kernel': (4, 12), 'sru_cell/bias': (6,)}

    Reference: Lei et al. 2017, Training RNNs as fast as CNNs, arXiv:1709.02755v1, section 2.1.
    """

    scope = "sru_cell"

    def __init__(
        self,
        num_units: int,
        activation: Activation = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, reuse, trainable)
        self.num_units = check_count("SRUCell: num_units", num_units)
        self.state_size = self.output_size = self.num_units
        self._act = name_and_function(activation)[1]

    def _variables(self, input_size: int) -> Variables:
        n = self.num_units
        return {"kernel": ((input_size, 4 * n), glorot_uniform()), "bias": ((2 * n,), zeros)}

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        n = self.num_units
        x, gates, s = (inputs @ self["kernel"]).split([n, 2 * n, n], dim=1)
        f, r = torch.sigmoid(gates + self["bias"]).chunk(2, dim=1)
        c = f * state + (1 - f) * x
        return r * self._act(c) + (1 - r) * s, c
