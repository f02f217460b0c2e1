"""The long short-term memory cell and its variants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.cells.cell import Cell, check_probability, check_sizes, uniform
from unrolled.cells.state import LSTMState
from unrolled.errors import unknown_name

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softsign": F.softsign,
    "identity": lambda x: x,
    "elu": F.elu,
    "selu": F.selu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),  # TensorFlow's slope
    "softplus": F.softplus,
}
LAYER_NORMS = (None, "gates", "projections")


class GateNorm(nn.Module):
    r"""Layer normalisation of each of K gates on its own.

        y_k = (x_k - mean x_k) / √(var x_k + ε) * weight_k + bias_k

    Symbols: x, y [N, K H]; mean and variance over the H units of one gate; weight, bias [K H].
    ε is TensorFlow's 1e-12, so that its weights give its results. The bias does not start from 0: on a
    sequence that begins with zeros, as an image does, x would be 0 and its gradient 1/√ε at every step.
    """

    bias: Tensor | None

    def __init__(self, gates: int, hidden_size: int, bias: bool, **where: Any) -> None:
        super().__init__()
        self.gates = gates
        self.hidden_size = hidden_size
        self.weight = nn.Parameter(torch.ones(gates * hidden_size, **where))
        shift = uniform(gates * hidden_size, bound=hidden_size**-0.5, **where) if bias else None
        self.register_parameter("bias", shift)

    def forward(self, x: Tensor) -> Tensor:
        split = x.view(-1, self.gates, self.hidden_size)
        y = F.layer_norm(split, (self.hidden_size,), eps=1e-12).flatten(1) * self.weight
        return y if self.bias is None else y + self.bias


class LSTMCell(Cell[LSTMState]):
    r"""One step of a long short-term memory cell.

        i, f, o = σ(W_k x + U_k h + b_k)        k in {i, f, o}; forget_bias is added inside f's σ
        g       = φ(W_g x + U_g h + b_g)
        c'      = f * c + i * g
        h'      = o * φ(c')

    Symbols: x [N, I] input; h, c [N, H] previous state; h', c' [N, H] next state; the output is h'.
    W = weight_ih [4H, I], U = weight_hh [4H, H], b = bias_ih + bias_hh, each [4H], gates in the order
    i, f, g, o; φ the activation, * elementwise.

    With no option set, names, layout and results are those of `torch.nn.LSTMCell`, and a state dict
    moves both ways. All weights and biases start from U(-1/√H, 1/√H), the scales of a layer norm from 1.
    Each option changes its own line:

        peephole           i, f see c and o sees c':  σ(... + p_k * c), p_k = weight_ck [H]
        cell_clip          c' is clipped to [-cell_clip, cell_clip] before o and h' see it
        proj_size          h' = R (o * φ(c')), R = weight_hr [P, H]; then h, h' are [N, P], U [4H, P]
        proj_clip          the projected h' is clipped to [-proj_clip, proj_clip]
        recurrent_dropout  g is dropped out while training, with a new mask at each step
        zoneout            while training, each unit of h' and c' keeps its old value with this probability;
                           afterwards h' = zoneout * h + (1 - zoneout) * h', and c' alike

    layer_norm puts the shift of a normalisation in the place of b:

        "gates"        W_k x + U_k h of each gate is normalised on its own, and c' too: the normalised
                       c' is the next state (TensorFlow 1's LayerNormBasicLSTMCell)
        "projections"  LN(W x) + LN(U h) over all 4H, and h' = o * φ(LN(c')) (Ba et al.)

    Args:
        input_size: I.
        hidden_size: H.
        bias: whether to add b; with layer_norm, whether its normalisations shift.
        forget_bias: added to the forget gate at run time, and not stored.
        activation: φ: one of "tanh", "relu", "sigmoid", "softsign", "identity", "elu", "selu", "relu6",
            "leaky_relu", "softplus".
        peephole: whether the gates see the cell state.
        proj_size: P, 0 for no projection.
        cell_clip: a positive bound, None for none.
        proj_clip: a positive bound, None for none; needs proj_size.
        layer_norm: None, "gates" or "projections".
        recurrent_dropout: the probability that a unit of g is dropped.
        zoneout: the probability that a unit keeps its old value.

    Raises:
        ValueError: a size, bound or probability out of range, or an unknown name.

    >>> cell = LSTMCell(4, 3, forget_bias=1.0)
    >>> output, state = cell(torch.zeros(2, 4))
    >>> bool((output == state.h).all()), tuple(state.c.shape)
    (True, (2, 3))

    References: Zaremba et al. 2014, arXiv:1409.2329, section 3.1; peepholes and projection: Sak et al.
    2014, arXiv:1402.1128, section 2; layer norm: Ba et al. 2016, arXiv:1607.06450, eq. 20-22; recurrent
    dropout: Semeniuta et al. 2016, arXiv:1603.05118, eq. 14; zoneout: Krueger et al. 2016,
    arXiv:1606.01305, section 3.2.
    """

    bias_ih: Tensor | None
    bias_hh: Tensor | None
    norm_c: nn.Module

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        forget_bias: float = 0.0,
        activation: str = "tanh",
        peephole: bool = False,
        proj_size: int = 0,
        cell_clip: float | None = None,
        proj_clip: float | None = None,
        layer_norm: str | None = None,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        input_size, hidden_size = check_sizes("LSTMCell", input_size=input_size, hidden_size=hidden_size)
        if proj_size:
            (proj_size,) = check_sizes("LSTMCell", proj_size=proj_size)
        _check_clip("cell_clip", cell_clip)
        _check_clip("proj_clip", proj_clip)
        if proj_clip is not None and not proj_size:
            raise ValueError(f"LSTMCell: proj_clip is {proj_clip}, but there is no projection: set proj_size")
        if activation not in ACTIVATIONS:
            raise unknown_name("activation", activation, ACTIVATIONS)
        if layer_norm not in LAYER_NORMS:
            raise unknown_name("layer_norm", layer_norm, (str(kind) for kind in LAYER_NORMS))
        recurrent_dropout, zoneout = check_probability(
            "LSTMCell", recurrent_dropout=recurrent_dropout, zoneout=zoneout
        )

        output_size = proj_size or hidden_size
        super().__init__(input_size, output_size, LSTMState(output_size, hidden_size))  # type: ignore[arg-type]
        self.hidden_size = hidden_size
        self.forget_bias = float(forget_bias)
        self.activation = activation
        self.peephole = peephole
        self.proj_size = proj_size
        self.cell_clip = None if cell_clip is None else float(cell_clip)
        self.proj_clip = None if proj_clip is None else float(proj_clip)
        self.layer_norm = layer_norm
        self.recurrent_dropout = recurrent_dropout
        self.zoneout = zoneout

        where = {"device": device, "dtype": dtype}
        draw: dict[str, Any] = {"bound": hidden_size**-0.5, **where}
        self.weight_ih = uniform(4 * hidden_size, input_size, **draw)
        self.weight_hh = uniform(4 * hidden_size, output_size, **draw)
        biased = bias and layer_norm is None
        self.register_parameter("bias_ih", uniform(4 * hidden_size, **draw) if biased else None)
        self.register_parameter("bias_hh", uniform(4 * hidden_size, **draw) if biased else None)
        if peephole:
            self.weight_ci = uniform(hidden_size, **draw)
            self.weight_cf = uniform(hidden_size, **draw)
            self.weight_co = uniform(hidden_size, **draw)
        if proj_size:
            self.weight_hr = uniform(proj_size, hidden_size, **draw)
        if layer_norm == "gates":
            self.norm_gates = GateNorm(4, hidden_size, bias, **where)
            self.norm_c = GateNorm(1, hidden_size, bias, **where)
        elif layer_norm == "projections":
            self.norm_ih = nn.LayerNorm(4 * hidden_size, bias=bias, **where)
            self.norm_hh = nn.LayerNorm(4 * hidden_size, bias=bias, **where)
            self.norm_c = nn.LayerNorm(hidden_size, bias=bias, **where)
            for norm in (self.norm_ih, self.norm_hh, self.norm_c):
                if bias:  # as in GateNorm, not from 0
                    nn.init.uniform_(norm.bias, -(hidden_size**-0.5), hidden_size**-0.5)

    def step(self, x: Tensor, state: LSTMState) -> tuple[Tensor, LSTMState]:
        h, c = state
        φ = ACTIVATIONS[self.activation]

        i, f, g, o = self._preactivations(x, h).chunk(4, dim=1)
        if self.peephole:
            i, f = i + self.weight_ci * c, f + self.weight_cf * c
        i, f, g = torch.sigmoid(i), torch.sigmoid(f + self.forget_bias), φ(g)
        g = F.dropout(g, self.recurrent_dropout, self.training)

        c_next = f * c + i * g
        if self.layer_norm == "gates":
            c_next = self.norm_c(c_next)
        if self.cell_clip is not None:
            c_next = c_next.clamp(-self.cell_clip, self.cell_clip)

        if self.peephole:
            o = o + self.weight_co * c_next
        shown = self.norm_c(c_next) if self.layer_norm == "projections" else c_next
        h_next = torch.sigmoid(o) * φ(shown)
        if self.proj_size:
            h_next = F.linear(h_next, self.weight_hr)
            if self.proj_clip is not None:
                h_next = h_next.clamp(-self.proj_clip, self.proj_clip)

        if self.zoneout:
            h_next, c_next = self._zone_out(h, h_next), self._zone_out(c, c_next)
        return h_next, LSTMState(h_next, c_next)

    def _preactivations(self, x: Tensor, h: Tensor) -> Tensor:
        from_x = F.linear(x, self.weight_ih, self.bias_ih)
        from_h = F.linear(h, self.weight_hh, self.bias_hh)
        if self.layer_norm == "projections":
            from_x, from_h = self.norm_ih(from_x), self.norm_hh(from_h)
        gates: Tensor = from_x + from_h
        return self.norm_gates(gates) if self.layer_norm == "gates" else gates

    def _zone_out(self, old: Tensor, new: Tensor) -> Tensor:
        if not self.training:
            return self.zoneout * old + (1 - self.zoneout) * new
        return torch.where(torch.rand_like(new) < self.zoneout, old, new)

    def extra_repr(self) -> str:
        options = {
            "forget_bias": 0.0,
            "activation": "tanh",
            "peephole": False,
            "proj_size": 0,
            "cell_clip": None,
            "proj_clip": None,
            "layer_norm": None,
            "recurrent_dropout": 0.0,
            "zoneout": 0.0,
        }
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, default in options.items()
            if getattr(self, name) != default
        ]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])


def _check_clip(name: str, bound: float | None) -> None:
    if bound is not None and (isinstance(bound, bool | str) or not bound > 0):
        raise ValueError(f"LSTMCell: {name} is {bound!r}, expected a positive bound, or None for none")
