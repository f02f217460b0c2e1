"""The gated recurrent unit, with the reset gate after or before the matrix product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.cells.cell import Cell, check_sizes, uniform
from unrolled.errors import unknown_name

RESETS = ("after", "before")


class GRUCell(Cell[Tensor]):
    r"""One step of a gated recurrent unit.

        r, z = σ(W_k x + b_ik + U_k h + b_hk)            k in {r, z}
        n    = tanh(W_n x + b_in + r * (U_n h + b_hn))    reset="after"
        n    = tanh(W_n x + b_in + U_n (r * h) + b_hn)    reset="before"
        h'   = (1 - z) * n + z * h

    Symbols: x [N, I] input; h [N, H] previous state; h' [N, H] next state and output;
    W = weight_ih [3H, I], U = weight_hh [3H, H], b_i = bias_ih [3H], b_h = bias_hh [3H], gates in the
    order r, z, n.

    `reset="after"` is the cell of `torch.nn.GRUCell` and cuDNN, and a state dict moves both ways.
    `reset="before"` is the cell of the paper and of TensorFlow 1: the same parameters, another function.
    All parameters start from U(-1/√H, 1/√H).

    Args:
        input_size: I.
        hidden_size: H.
        bias: whether to add b_i and b_h.
        reset: "after" or "before" the product with U_n.

    Raises:
        ValueError: a size below 1, or an unknown reset.

    >>> cell = GRUCell(4, 3, reset="before")
    >>> output, state = cell(torch.zeros(2, 4))
    >>> bool((output == state).all()), tuple(state.shape)
    (True, (2, 3))

    Reference: Cho et al. 2014, arXiv:1406.1078, section 2.3 (before; its z is 1 - z here).
    """

    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        reset: str = "after",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        input_size, hidden_size = check_sizes("GRUCell", input_size=input_size, hidden_size=hidden_size)
        if reset not in RESETS:
            raise unknown_name("reset", reset, RESETS)
        super().__init__(input_size, hidden_size, hidden_size)
        self.hidden_size = hidden_size
        self.reset = reset
        draw: dict[str, Any] = {"bound": hidden_size**-0.5, "device": device, "dtype": dtype}
        self.weight_ih = uniform(3 * hidden_size, input_size, **draw)
        self.weight_hh = uniform(3 * hidden_size, hidden_size, **draw)
        self.register_parameter("bias_ih", uniform(3 * hidden_size, **draw) if bias else None)
        self.register_parameter("bias_hh", uniform(3 * hidden_size, **draw) if bias else None)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        h = state
        x_r, x_z, x_n = F.linear(x, self.weight_ih, self.bias_ih).chunk(3, dim=1)
        if self.reset == "after":
            h_r, h_z, h_n = F.linear(h, self.weight_hh, self.bias_hh).chunk(3, dim=1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = torch.tanh(x_n + r * h_n)
        else:
            gates = 2 * self.hidden_size
            U_rz, U_n = self.weight_hh[:gates], self.weight_hh[gates:]
            b_rz, b_n = (None, None) if self.bias_hh is None else (self.bias_hh[:gates], self.bias_hh[gates:])
            h_r, h_z = F.linear(h, U_rz, b_rz).chunk(2, dim=1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = torch.tanh(x_n + F.linear(r * h, U_n, b_n))
        h = (1 - z) * n + z * h
        return h, h

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, reset={self.reset!r}"
