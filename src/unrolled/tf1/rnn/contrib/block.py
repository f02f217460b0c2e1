"""The cells that TensorFlow 1 had a kernel of its own for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.cells import Cell, LSTMState
from unrolled.cells import LSTMCell as InnerLSTM
from unrolled.tf1.replay.initializers import Initializer, glorot_uniform, zeros
from unrolled.tf1.rnn.activation import Activation
from unrolled.tf1.rnn.cells import GRUCell
from unrolled.tf1.rnn.lstm import AnyLSTM

# The names of a GRU's variables in the kernel's first cell.
_FIRST_NAMES = {
    "gates/kernel": "w_ru",
    "gates/bias": "b_ru",
    "candidate/kernel": "w_c",
    "candidate/bias": "b_c",
}


class LSTMBlockCell(AnyLSTM):
    """`LSTMCell` without projection and activation, as the kernel of `tf.contrib.rnn` computed it.

    Its variables have the names of `LSTMCell`'s: each reads the other's checkpoints. With cell_clip the
    gradient passes the bound as if there were none, which is what that kernel did.

    Args:
        num_units: the number of units.
        forget_bias: added at run time, and not stored.
        cell_clip: a positive bound of the new cell state; None, or -1, for none.
        use_peephole: whether the gates see the cell state.
        dtype, reuse, name: as `RNNCell` has them.

    >>> cell = LSTMBlockCell(3)
    >>> cell.build(4)
    >>> list(cell.variables)
    ['lstm_cell/kernel', 'lstm_cell/bias']
    """

    scope = "lstm_cell"

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: bool | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name, dtype, reuse)
        self._set_sizes(num_units, num_units, state_is_tuple=True)
        self._forget_bias, self._use_peephole = forget_bias, use_peephole
        self._cell_clip = cell_clip if cell_clip is not None and cell_clip > 0 else None

    def _make(self, input_size: int, activation: str, **where: Any) -> Cell:
        options: dict[str, Any] = {"forget_bias": self._forget_bias, "peephole": self._use_peephole}
        if self._cell_clip is None:
            return InnerLSTM(input_size, self.num_units, **options, **where)
        return _PassingClip(input_size, self.num_units, cell_clip=self._cell_clip, **options, **where)

    def _initializer_of(self, variable: str) -> Initializer:
        return zeros if variable == "bias" else glorot_uniform()


class _PassingClip(InnerLSTM):
    """An LSTM whose gradient passes the bound of c. No kernel knows it: the loop runs it."""

    def step(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        h, c = state
        gates = F.linear(x, self.weight_ih, self.bias_ih) + F.linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, dim=1)
        if self.peephole:
            i, f = i + self.weight_ci * c, f + self.weight_cf * c
        c = torch.sigmoid(f + self.forget_bias) * c + torch.sigmoid(i) * torch.tanh(g)
        assert self.cell_clip is not None
        c = c + (c.clamp(-self.cell_clip, self.cell_clip) - c).detach()
        if self.peephole:
            o = o + self.weight_co * c
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, LSTMState(h, c)


class GRUBlockCellV2(GRUCell):
    """`GRUCell`, as the kernel of `tf.contrib.rnn` computed it: with the same names and the same numbers.

    Args:
        num_units: the number of units.
        cell_size: another name for it.
        reuse, name: as `RNNCell` has them.

    >>> cell = GRUBlockCellV2(3)
    >>> cell.build(4)
    >>> list(cell.variables)[:2]
    ['gru_cell/gates/kernel', 'gru_cell/gates/bias']
    """

    def __init__(
        self,
        num_units: int | None = None,
        cell_size: int | None = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        if (num_units is None) == (cell_size is None):
            raise ValueError(
                f"{type(self).__name__}: num_units is {num_units!r} and cell_size is {cell_size!r}, "
                "expected one of them"
            )
        activation: Activation = None
        units = cell_size if num_units is None else num_units
        super().__init__(units, activation, reuse, name=name, dtype=dtype)  # type: ignore[arg-type]


class GRUBlockCell(GRUBlockCellV2):
    """`GRUBlockCellV2` with the names that its variables had first: w_ru, b_ru, w_c and b_c.

    >>> cell = GRUBlockCell(3)
    >>> cell.build(4)
    >>> list(cell.variables)
    ['gru_cell/w_ru', 'gru_cell/b_ru', 'gru_cell/w_c', 'gru_cell/b_c']
    """

    def shapes(self, input_size: int) -> dict[str, tuple[int, ...]]:
        return self._renamed(super().shapes(input_size))

    @property
    def variables(self) -> dict[str, Tensor]:
        return self._renamed(super().variables)

    def _assign(self, values: Mapping[str, Tensor]) -> None:
        first = {self._first_name(name): name for name in super().variables}
        super()._assign({first[name]: value for name, value in values.items()})

    def _renamed(self, named: Mapping[str, Any]) -> dict[str, Any]:
        return {self._first_name(name): value for name, value in named.items()}

    def _first_name(self, name: str) -> str:
        local = name.removeprefix(f"{self.name}/")
        return f"{self.name}/{_FIRST_NAMES[local]}"
