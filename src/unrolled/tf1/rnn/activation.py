"""The activation of a TensorFlow 1 cell: a name or any function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.cells import Cell, GRUCell, LSTMCell, LSTMState, RNNCell
from unrolled.errors import unknown_name

Activation: TypeAlias = "str | Callable[[Tensor], Tensor] | None"


def _linear(x: Tensor) -> Tensor:
    return x


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softsign": F.softsign,
    "linear": _linear,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
}
_SAME = {F.tanh: "tanh", F.relu: "relu", F.sigmoid: "sigmoid"}
_NAMES = {function: name for name, function in FUNCTIONS.items()} | _SAME


def name_and_function(activation: Activation) -> tuple[str | None, Callable[[Tensor], Tensor]]:
    """The name of an activation, None if it has none here, and its function; None means tanh.

    >>> name_and_function(None)[0], name_and_function(torch.relu)[0], name_and_function(torch.sin)[0]
    ('tanh', 'relu', None)
    """
    if activation is None:
        activation = "tanh"
    if isinstance(activation, str):
        if activation not in FUNCTIONS:
            raise unknown_name("activation", activation, FUNCTIONS)
        return activation, FUNCTIONS[activation]
    return _NAMES.get(activation), activation


class ActivatedCell(Cell):
    """A cell of the library with another activation φ in the place of its own.

    Args:
        cell: an `RNNCell`, a `GRUCell` with reset="before", or an `LSTMCell`.
        activation: φ, any elementwise function.
    """

    def __init__(self, cell: Any, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__(cell.input_size, cell.output_size, cell.state_size)
        self.cell = cell
        self.activation = activation

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return _STEPS[type(self.cell)](self.cell, self.activation, x, state)  # type: ignore[no-any-return]


def _rnn_step(cell: Any, φ: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    h = φ(F.linear(x, cell.weight_ih, cell.bias_ih) + F.linear(h, cell.weight_hh))
    return h, h


def _gru_step(cell: Any, φ: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    x_r, x_z, x_n = F.linear(x, cell.weight_ih, cell.bias_ih).chunk(3, dim=1)
    U_r, U_z, U_n = cell.weight_hh.chunk(3)
    r, z = torch.sigmoid(x_r + F.linear(h, U_r)), torch.sigmoid(x_z + F.linear(h, U_z))
    h = (1 - z) * φ(x_n + F.linear(r * h, U_n)) + z * h
    return h, h


def _lstm_step(cell: Any, φ: Any, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
    h, c = state
    gates = F.linear(x, cell.weight_ih, cell.bias_ih) + F.linear(h, cell.weight_hh)
    if cell.layer_norm:
        gates = cell.norm_gates(gates)
    i, f, g, o = gates.chunk(4, dim=1)
    if cell.peephole:
        i, f = i + cell.weight_ci * c, f + cell.weight_cf * c
    g = F.dropout(φ(g), cell.recurrent_dropout, cell.training)
    c = torch.sigmoid(f + cell.forget_bias) * c + torch.sigmoid(i) * g
    if cell.layer_norm:
        c = cell.norm_c(c)
    if cell.cell_clip is not None:
        c = c.clamp(-cell.cell_clip, cell.cell_clip)
    if cell.peephole:
        o = o + cell.weight_co * c
    h = torch.sigmoid(o) * φ(c)
    if cell.proj_size:
        h = F.linear(h, cell.weight_hr)
        if cell.proj_clip is not None:
            h = h.clamp(-cell.proj_clip, cell.proj_clip)
    return h, LSTMState(h, c)


_STEPS: dict[type, Callable[..., Any]] = {RNNCell: _rnn_step, GRUCell: _gru_step, LSTMCell: _lstm_step}
