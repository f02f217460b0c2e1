"""The LSTM with every option of TensorFlow's and layer normalisation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unrolled.errors import check_count
from unrolled.tf1.replay.initializers import Initializer, glorot_uniform, zeros
from unrolled.tf1.rnn.activation import Activation, name_and_function
from unrolled.tf1.rnn.cell import LSTMStateTuple
from unrolled.tf1.rnn.contrib.named import NamedCell, Variables
from unrolled.tf1.rnn.contrib.norm import norm_variables, normalised

_GATES = ("input", "transform", "forget", "output")  # TensorFlow's scopes for i, j, f, o


class LayerNormLSTMCell(NamedCell):
    r"""The LSTM with peepholes, clips, a projection and layer normalisation, of `tf.contrib.rnn`.

        i, j, f, o = [x, h] kernel + bias,   or with layer_norm [x, h] kernel, each quarter normalised
        new_c = c * σ(f + forget_bias + w_f_diag * c) + σ(i + w_i_diag * c) * act(j)
        new_c is normalised, then clipped
        new_h = σ(o + w_o_diag * new_c) * act(new_c),   times projection/kernel with num_proj

    Symbols: x [N, I]; c [N, num_units], h [N, O]; kernel [I + O, 4 num_units]. With layer_norm there is a
    bias all the same, and it does nothing: checkpoints have it.

    Args:
        num_units: the number of units.
        use_peepholes: whether the gates see the cell state.
        cell_clip: a positive bound of new_c; None for none.
        initializer: draws kernel, peepholes and projection; None for `glorot_uniform`.
        num_proj: the width of the output; None for num_units, without a projection.
        proj_clip: a positive bound of the projection; None for none.
        forget_bias: added at run time, and not stored.
        activation: a function, or its name; None for tanh.
        layer_norm: whether to normalise.
        norm_gain, norm_shift: what scales and shifts start from.
        reuse: as `RNNCell` has it.

    >>> cell = LayerNormLSTMCell(3, layer_norm=True)
    >>> cell.build(4)
    >>> list(cell.variables)[:3]
    ['layer_norm_lstm_cell/kernel', 'layer_norm_lstm_cell/bias', 'layer_norm_lstm_cell/input/gamma']
    """

    scope = "layer_norm_lstm_cell"

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Initializer | None = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        forget_bias: float = 1.0,
        activation: Activation = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        reuse: bool | None = None,
    ) -> None:
        super().__init__(reuse=reuse)
        self.num_units = check_count("LayerNormLSTMCell: num_units", num_units)
        self.output_size = check_count("LayerNormLSTMCell: num_proj", num_proj or num_units)
        self.state_size = LSTMStateTuple(self.num_units, self.output_size)
        self._use_peepholes, self._projects = use_peepholes, bool(num_proj)
        self._cell_clip, self._proj_clip = cell_clip, proj_clip
        self._initializer = initializer
        self._forget_bias = forget_bias
        self._act = name_and_function(activation)[1]
        self._layer_norm, self._norm = layer_norm, (norm_gain, norm_shift)

    def _variables(self, input_size: int) -> Variables:
        n, draw = self.num_units, self._initializer or glorot_uniform()
        found: Variables = {
            "kernel": ((input_size + self.output_size, 4 * n), draw),
            "bias": ((4 * n,), zeros),
        }
        if self._layer_norm:
            for gate in _GATES:
                found |= norm_variables(gate, n, *self._norm)
        if self._use_peepholes:
            found |= dict.fromkeys(("w_f_diag", "w_i_diag", "w_o_diag"), ((n,), draw))
        if self._layer_norm:
            found |= norm_variables("state", n, *self._norm)
        if self._projects:
            found["projection/kernel"] = ((n, self.output_size), draw)
        return found

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        c, h = state
        gates = torch.cat([inputs, h], dim=1) @ self["kernel"]
        if self._layer_norm:
            parts = gates.chunk(4, dim=1)
            i, j, f, o = (normalised(self, *gate) for gate in zip(_GATES, parts, strict=True))
        else:
            i, j, f, o = (gates + self["bias"]).chunk(4, dim=1)
        if self._use_peepholes:
            f, i = f + self["w_f_diag"] * c, i + self["w_i_diag"] * c
        c = torch.sigmoid(f + self._forget_bias) * c + torch.sigmoid(i) * self._act(j)
        if self._layer_norm:
            c = normalised(self, "state", c)
        if self._cell_clip is not None:
            c = c.clamp(-self._cell_clip, self._cell_clip)
        if self._use_peepholes:
            o = o + self["w_o_diag"] * c
        h = torch.sigmoid(o) * self._act(c)
        if self._projects:
            h = h @ self["projection/kernel"]
            if self._proj_clip is not None:
                h = h.clamp(-self._proj_clip, self._proj_clip)
        return h, LSTMStateTuple(c, h)
