"""A cell whose weights have fewer bits: int8 with a scale for each row, or bfloat16. For inference."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.cells.cell import Cell
from unrolled.cells.state import LSTMState
from unrolled.errors import UnrolledError, unknown_name

DTYPES = (torch.int8, torch.bfloat16)
GATES = {"lstm": 4, "gru_after": 3, "gru_before": 3, "rnn_tanh": 1, "rnn_relu": 1}
LARGEST = 127  # of an int8: -128 has no opposite
SMALLEST = 2.0**-100  # a row with nothing larger counts as zeros: 127 divided by it is still a number
WIDEST = 2**17  # so many products of two int8 are sure to fit into an int32


def quantize_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    r"""Rows of numbers as int8, and what one of them stands for in each row.

        s_n  = max_k |x_nk| / 127
        q_nk = round(x_nk * (127 / max_k |x_nk|))        x_nk ≈ s_n q_nk, half a step away at most

    Symbols: x [N, K] floating; q [N, K] int8, from -127 to 127; s [N]. Halves are rounded to the even number.
    A row that holds NaN or an infinity has NaN for its s, and one whose largest is below 2^-100 has 0.

    >>> quantize_rows(torch.tensor([[1.0, -0.5, 0.0]]))[0]
    tensor([[127, -64,   0]], dtype=torch.int8)
    """
    largest = x.abs().amax(1, keepdim=True) if x.shape[1] else x.new_zeros(x.shape[0], 1)
    counts = largest.isfinite() & (largest >= SMALLEST)
    q = torch.where(counts, torch.round(x * (LARGEST / torch.where(counts, largest, 1))), 0)
    s = torch.where(largest.isfinite(), torch.where(counts, largest / LARGEST, 0), torch.nan)
    return q.to(torch.int8), s.squeeze(1)


class QuantizedCell(Cell[Any]):
    r"""One step of an LSTM, GRU or RNN whose weights are int8 or bfloat16.

    The equations are those of `LSTMCell`, `GRUCell` and `RNNCell`, with other products W x and U h:

        int8       (W x)_nr = s_r t_n Σ_k q_rk p_nk       q, s = quantize_rows(W); p, t = quantize_rows(x)
        bfloat16   (W x)_nr = Σ_k w_rk x_nk               w the bfloat16 nearest to W

    The sum of int8 is one of whole numbers, exact, and so the same on every machine; each row of a batch and
    each step has a scale of its own. Everything else, gates, states and biases, is in the dtype of x.

    Symbols: x [N, I]; the state is that of the cell that it stands for; W = weight_ih [G H, I], U = weight_hh
    [G H, H], scale_ih, scale_hh [G H] for int8, bias_ih, bias_hh [G H] or None: buffers, as nothing here is
    trained.

    Args:
        kind: "lstm", "gru_after", "gru_before", "rnn_tanh" or "rnn_relu".
        weight_ih, weight_hh, bias_ih, bias_hh: of the cell, floating; gates in torch.nn's order.
        dtype: of the weights, torch.int8 or torch.bfloat16.
        forget_bias: of an LSTM, added to the forget gate at run time.

    Raises:
        ValueError: an unknown kind or dtype, or more than 131072 columns in int8.
        UnrolledError (of a step): something asks for gradients.

    >>> from unrolled.cells import GRUCell
    >>> cell, x = GRUCell(4, 3), torch.randn(2, 4)
    >>> small = QuantizedCell("gru_after", cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    >>> with torch.no_grad():
    ...     bool((small(x)[0] - cell(x)[0]).abs().max() < 0.02)
    True
    """

    weight_ih: Tensor
    weight_hh: Tensor
    scale_ih: Tensor | None
    scale_hh: Tensor | None
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self,
        kind: str,
        weight_ih: Tensor,
        weight_hh: Tensor,
        bias_ih: Tensor | None = None,
        bias_hh: Tensor | None = None,
        *,
        dtype: torch.dtype = torch.int8,
        forget_bias: float = 0.0,
    ) -> None:
        if kind not in GATES:
            raise unknown_name("kind", kind, GATES)
        check_dtype(dtype)
        width, hidden = weight_ih.shape[1], weight_hh.shape[1]
        if dtype == torch.int8 and max(width, hidden) > WIDEST:
            raise ValueError(
                f"QuantizedCell: a row has {max(width, hidden)} weights, expected {WIDEST} at most: the sums "
                "of more do not fit into an int32"
            )
        super().__init__(width, hidden, LSTMState(hidden, hidden) if kind == "lstm" else hidden)  # type: ignore[arg-type]
        self.kind = kind
        self.hidden_size = hidden
        self.forget_bias = float(forget_bias)
        with torch.no_grad():
            for name, weight in (("ih", weight_ih), ("hh", weight_hh)):
                numbers, scale = weight.detach().to(dtype), None
                if dtype == torch.int8:
                    numbers, scale = quantize_rows(weight.detach())
                self.register_buffer(f"weight_{name}", numbers.clone(memory_format=torch.contiguous_format))
                self.register_buffer(f"scale_{name}", scale)
            for name, bias in (("bias_ih", bias_ih), ("bias_hh", bias_hh)):
                self.register_buffer(name, None if bias is None else bias.detach().clone())
        self.eval()

    @property
    def like(self) -> Tensor:
        """An empty tensor of the dtype that this cell computes in, where it is."""
        numbers = self.bias_ih if self.scale_ih is None else self.scale_ih
        dtype = torch.float32 if numbers is None else numbers.dtype
        return torch.empty(0, dtype=dtype, device=self.weight_ih.device)

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Any:
        like = self.like
        return super().initial_state(batch_size, dtype=dtype or like.dtype, device=device or like.device)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        check_no_gradient(x, state)
        h: Tensor
        c: Any
        h, c = state if self.kind == "lstm" else (state, None)
        from_x = self._product(x, "ih")
        if self.kind == "gru_before":
            x_r, x_z, x_n = from_x.chunk(3, 1)
            h_r, h_z = self._product(h, "hh", 0, 2).chunk(2, 1)
            r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
            n = torch.tanh(x_n + self._product(r * h, "hh", 2, 3))
            h = (1 - z) * n + z * h
            return h, h
        from_h = self._product(h, "hh")
        if self.kind == "lstm":
            i, f, g, o = (from_x + from_h).chunk(4, 1)
            c = torch.sigmoid(f + self.forget_bias) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            return h, LSTMState(h, c)
        if self.kind == "gru_after":
            (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3, 1), from_h.chunk(3, 1)
            z, n = torch.sigmoid(x_z + h_z), torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
            h = (1 - z) * n + z * h
        else:
            h = torch.tanh(from_x + from_h) if self.kind == "rnn_tanh" else torch.relu(from_x + from_h)
        return h, h

    def _product(self, x: Tensor, name: str, first: int = 0, end: int | None = None) -> Tensor:
        """W x + b, or U h + d, of the gates from `first` to before `end`."""
        rows = slice(first * self.hidden_size, None if end is None else end * self.hidden_size)
        weight: Tensor = getattr(self, f"weight_{name}")[rows]
        scale: Tensor | None = getattr(self, f"scale_{name}")
        bias: Tensor | None = getattr(self, f"bias_{name}")
        if scale is None:
            product = F.linear(x, weight.to(x.dtype))
        else:
            q, s = quantize_rows(x)
            sums = F.linear(q.double(), weight.double()).to(x.dtype)  # of whole numbers: float64 holds each
            product = sums * (s.unsqueeze(1) * scale[rows])
        return product if bias is None else product + bias[rows]

    def extra_repr(self) -> str:
        name = str(self.weight_ih.dtype).removeprefix("torch.")
        return f"{self.kind}, {self.input_size}, {self.hidden_size}, {name}"


def check_dtype(dtype: Any) -> None:
    """Raise a ValueError for a dtype that weights cannot have."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype}, expected torch.int8 or torch.bfloat16")


def check_no_gradient(*values: Any) -> None:
    """Raise an UnrolledError if a gradient is to come through what a quantized cell makes of these."""
    for value in values:
        if isinstance(value, tuple):
            check_no_gradient(*value)
        elif torch.is_grad_enabled() and isinstance(value, Tensor) and value.requires_grad:
            raise UnrolledError(
                "a quantized layer was given a tensor that requires gradients, and it has none to give: call "
                "it under torch.no_grad(), or train the model that it was made of"
            )
