"""The plain recurrent cell."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.cells.cell import Cell, check_sizes, uniform
from unrolled.errors import unknown_name

NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu}


class RNNCell(Cell[Tensor]):
    r"""One step of an Elman network.

        h' = φ(W x + b_ih + U h + b_hh)

    Symbols: x [N, I] input; h [N, H] previous state; h' [N, H] next state and output;
    W = weight_ih [H, I]; U = weight_hh [H, H]; b_ih, b_hh [H]; φ the nonlinearity.

    Parameters have the names and the layout of `torch.nn.RNNCell`: a state dict moves both ways.
    All start from U(-1/√H, 1/√H).

    Args:
        input_size: I.
        hidden_size: H.
        bias: whether to add b_ih and b_hh.
        nonlinearity: "tanh" or "relu".

    Raises:
        ValueError: a size below 1, or an unknown nonlinearity.

    >>> cell = RNNCell(4, 3)
    >>> output, state = cell(torch.zeros(2, 4))
    >>> bool((output == state).all()), tuple(state.shape)
    (True, (2, 3))

    Reference: Elman 1990, Finding structure in time, Cognitive Science 14.
    """

    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        input_size, hidden_size = check_sizes("RNNCell", input_size=input_size, hidden_size=hidden_size)
        if nonlinearity not in NONLINEARITIES:
            raise unknown_name("nonlinearity", nonlinearity, NONLINEARITIES)
        super().__init__(input_size, hidden_size, hidden_size)
        self.hidden_size = hidden_size
        self.nonlinearity = nonlinearity
        draw: dict[str, Any] = {"bound": hidden_size**-0.5, "device": device, "dtype": dtype}
        self.weight_ih = uniform(hidden_size, input_size, **draw)
        self.weight_hh = uniform(hidden_size, hidden_size, **draw)
        self.register_parameter("bias_ih", uniform(hidden_size, **draw) if bias else None)
        self.register_parameter("bias_hh", uniform(hidden_size, **draw) if bias else None)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        φ = NONLINEARITIES[self.nonlinearity]
        h = φ(F.linear(x, self.weight_ih, self.bias_ih) + F.linear(state, self.weight_hh, self.bias_hh))
        return h, h

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}, nonlinearity={self.nonlinearity!r}"
