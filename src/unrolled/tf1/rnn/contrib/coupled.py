"""The LSTM whose input and forget gates add up to one."""

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


class CoupledInputForgetGateLSTMCell(NamedCell):
    r"""The LSTM without an input gate of its own, as `tf.contrib.rnn` has it.

        j, f, o = [x, h] W_0 + B
        f       = σ(f + forget_bias + W_F_diag * c)
        new_c   = f * c + (1 - f) * act(j)
        new_h   = σ(o + W_O_diag * new_c) * act(new_c),   times W_P_0 with num_proj; it is the output

    Symbols: x [N, I]; c [N, num_units], h [N, O]; W_0 [I + O, 3 num_units]. The diagonals are there with
    use_peepholes only. With layer_norm j, f, o and the new c are normalised, and B does nothing, though it
    is there.

    Args:
        num_units: the number of units.
        use_peepholes: whether the gates see the cell state.
        initializer: taken for TensorFlow's sake, which kept it and never used it.
        num_proj: the width of the output; None for num_units, without a projection.
        proj_clip: a positive bound of the projection; None for none.
        num_unit_shards, num_proj_shards: into how many variables W_0, W_1, ... and W_P_0, ... the rows go.
        forget_bias: added at run time, and not stored.
        state_is_tuple: whether the state is an `LSTMStateTuple`, or c and h side by side in one tensor.
        activation: a function, or its name; None for tanh.
        reuse: as `RNNCell` has it.
        layer_norm: whether to normalise.
        norm_gain, norm_shift: what scales and shifts start from.

    >>> cell = CoupledInputForgetGateLSTMCell(3)
    >>> cell.build(4)
    >>> {name.rpartition("/")[2]: tuple(value.shape) for name, value in cell.variables.items()}
    {'W_0': (7, 9), 'B': (9,)}

    Reference: Greff et al. 2015, LSTM: a search space odyssey, arXiv:1503.04069, section 3.
    """

    scope = "coupled_input_forget_gate_lstm_cell"

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        initializer: Initializer | None = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int = 1,
        num_proj_shards: int = 1,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Activation = None,
        reuse: bool | None = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
    ) -> None:
        super().__init__(reuse=reuse)
        name = type(self).__name__
        self.num_units = check_count(f"{name}: num_units", num_units)
        self.output_size = check_count(f"{name}: num_proj", num_proj or num_units)
        self.state_size = (
            LSTMStateTuple(self.num_units, self.output_size)
            if state_is_tuple
            else self.num_units + self.output_size
        )
        self._use_peepholes = use_peepholes
        self._projects, self._proj_clip = bool(num_proj), proj_clip
        self._unit_shards = check_count(f"{name}: num_unit_shards", num_unit_shards)
        self._proj_shards = check_count(f"{name}: num_proj_shards", num_proj_shards)
        self._forget_bias = forget_bias
        self._act = name_and_function(activation)[1]
        self._layer_norm = layer_norm
        self._norm = norm_gain, norm_shift

    def _variables(self, input_size: int) -> Variables:
        n = self.num_units

        def norm(scope: str) -> Variables:
            return norm_variables(scope, n, *self._norm) if self._layer_norm else {}

        found = _shards("W", input_size + self.output_size, 3 * n, self._unit_shards)
        found |= {"B": ((3 * n,), zeros)}
        found |= norm("transform") | norm("forget") | norm("output")
        if self._use_peepholes:
            found |= dict.fromkeys(("W_F_diag", "W_O_diag"), ((n,), glorot_uniform()))
        found |= norm("state")
        if self._projects:
            found |= _shards("W_P", n, self.output_size, self._proj_shards)
        return found

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        c, h = state if isinstance(state, tuple) else state.split([self.num_units, self.output_size], dim=1)
        gates = torch.cat([inputs, h], dim=1) @ self._joined("W", self._unit_shards)
        if not self._layer_norm:
            gates = gates + self["B"]
        j, f, o = gates.chunk(3, dim=1)
        if self._layer_norm:
            j, f = normalised(self, "transform", j), normalised(self, "forget", f)
            o = normalised(self, "output", o)
        if self._use_peepholes:
            f = f + self["W_F_diag"] * c
        f = torch.sigmoid(f + self._forget_bias)
        c = f * c + (1 - f) * self._act(j)
        if self._layer_norm:
            c = normalised(self, "state", c)
        if self._use_peepholes:
            o = o + self["W_O_diag"] * c
        h = torch.sigmoid(o) * self._act(c)
        if self._projects:
            h = h @ self._joined("W_P", self._proj_shards)
            if self._proj_clip is not None:
                h = h.clamp(-self._proj_clip, self._proj_clip)
        new_state = LSTMStateTuple(c, h) if isinstance(self.state_size, tuple) else torch.cat([c, h], dim=1)
        return h, new_state

    def _joined(self, name: str, count: int) -> Tensor:
        return torch.cat([self[f"{name}_{number}"] for number in range(count)])


def _shards(name: str, rows: int, columns: int, count: int) -> Variables:
    """A matrix as `count` variables, cut along its rows; the first have the rows that are left over."""
    if count > rows:
        raise ValueError(f"{name} has {rows} rows, expected at least one for each of its {count} shards")
    each, more = divmod(rows, count)
    return {
        f"{name}_{number}": ((each + (number < more), columns), glorot_uniform()) for number in range(count)
    }
