"""The cell that neural architecture search found."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.errors import check_count
from unrolled.tf1.replay.initializers import glorot_uniform, zeros
from unrolled.tf1.rnn.cell import LSTMStateTuple
from unrolled.tf1.rnn.contrib.named import NamedCell, Variables


class NASCell(NamedCell):
    r"""The recurrent cell that neural architecture search found, as `tf.contrib.rnn` has it.

        a_0 ... a_7 = x kernel;   b_0 ... b_7 = h recurrent_kernel + bias
        new_c = tanh(tanh(σ(a_0 + b_0) * relu(a_1 + b_1)) + c) * tanh(σ(a_2 + b_2) + relu(a_3 * b_3))
        v     = tanh(tanh(tanh(a_4 + b_4) * σ(a_5 + b_5)) + σ(tanh(a_6 + b_6) + σ(a_7 + b_7)))
        new_h = tanh(new_c * v),   times projection_weights with num_proj; it is the output

    Symbols: x [N, I]; c [N, num_units], h [N, O]; kernel [I, 8 num_units], recurrent_kernel
    [O, 8 num_units]; bias with use_bias only.

    Args:
        num_units: the number of units.
        num_proj: the width of the output; None for num_units, without a projection.
        use_bias: whether there is a bias.
        reuse, name, dtype, trainable: as `RNNCell` has them.

    >>> output, (c, h) = NASCell(3)(torch.zeros(2, 4), NASCell(3).zero_state(2, "float32"))
    >>> tuple(output.shape), bool((output == h).all())
    ((2, 3), True)

    Reference: Zoph and Le 2017, Neural architecture search with reinforcement learning, arXiv:1611.01578,
    appendix A.
    """

    scope = "nas_cell"

    def __init__(
        self,
        num_units: int,
        num_proj: int | None = None,
        use_bias: bool = False,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name, dtype, reuse, trainable)
        self.num_units = check_count("NASCell: num_units", num_units)
        self.output_size = check_count("NASCell: num_proj", num_units if num_proj is None else num_proj)
        self.state_size = LSTMStateTuple(self.num_units, self.output_size)
        self._projects, self._use_bias = num_proj is not None, use_bias

    def _variables(self, input_size: int) -> Variables:
        n, draw = self.num_units, glorot_uniform()
        found: Variables = {
            "recurrent_kernel": ((self.output_size, 8 * n), draw),
            "kernel": ((input_size, 8 * n), draw),
        }
        if self._use_bias:
            found["bias"] = ((8 * n,), zeros)
        if self._projects:
            found["projection_weights"] = ((n, self.output_size), draw)
        return found

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        c, h = state
        from_x, from_h = inputs @ self["kernel"], h @ self["recurrent_kernel"]
        if self._use_bias:
            from_h = from_h + self["bias"]
        s = (from_x + from_h).chunk(8, dim=1)
        product = from_x.chunk(8, dim=1)[3] * from_h.chunk(8, dim=1)[3]
        σ, tanh, relu = torch.sigmoid, torch.tanh, torch.relu
        c = tanh(tanh(σ(s[0]) * relu(s[1])) + c) * tanh(σ(s[2]) + relu(product))
        v = tanh(tanh(tanh(s[4]) * σ(s[5])) + σ(tanh(s[6]) + σ(s[7])))
        h = tanh(c * v)
        if self._projects:
            h = h @ self["projection_weights"]
        return h, LSTMStateTuple(c, h)
