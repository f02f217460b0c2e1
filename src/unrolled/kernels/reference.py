"""The layers in plain PyTorch, differentiable any number of times: judge, and way to second derivatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.kernels.native_call import Layer, Results


def unroll(layer: Layer) -> Results:
    """What the operator `unrolled::unroll` computes, step by step; `saved` stays empty.

    States are carried through the padding; out and c are zero there.
    """
    x = layer.x if not layer.batch_first else layer.x.transpose(0, 1)
    time, batch, _, hidden = layer.sizes
    zeros = x.new_zeros(batch, hidden)
    h = zeros if layer.h0 is None else layer.h0
    c = zeros if layer.c0 is None else layer.c0
    lengths = x.new_full((batch,), time, dtype=torch.int64) if layer.lengths is None else layer.lengths

    outs: list[Tensor] = [zeros] * time
    cs: list[Tensor] = [zeros] * time
    for t in reversed(range(time)) if layer.reverse else range(time):
        running = (t < lengths).unsqueeze(1)
        h_next, c_next = step(layer, torch.where(running, x[t], 0), h, c)
        outs[t], cs[t] = torch.where(running, h_next, 0), torch.where(running, c_next, 0)
        h, c = torch.where(running, h_next, h), torch.where(running, c_next, c)

    time_axis = 1 if layer.batch_first else 0
    none = x.new_empty(0)

    def stack(steps: list[Tensor]) -> Tensor:
        return torch.stack(steps, time_axis) if time else layer.steps_like(hidden)

    if not layer.has_c:
        return Results(stack(outs), h, none, none, none)
    return Results(stack(outs), h, c, stack(cs), none)


def step(layer: Layer, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """One step: the next h and c, of a layer without c the c that came."""
    from_x = F.linear(x, layer.weight_ih, layer.bias_ih)
    if layer.kind == "lstm":
        i, f, g, o = (from_x + F.linear(h, layer.weight_hh, layer.bias_hh)).chunk(4, 1)
        c = torch.sigmoid(f + layer.forget_bias) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c
    if layer.kind.startswith("rnn"):
        pre = from_x + F.linear(h, layer.weight_hh, layer.bias_hh)
        return (torch.tanh(pre) if layer.kind == "rnn_tanh" else torch.relu(pre)), c

    x_r, x_z, x_n = from_x.chunk(3, 1)
    U_r, U_z, U_n = layer.weight_hh.chunk(3, 0)
    b_r, b_z, b_n = (None, None, None) if layer.bias_hh is None else layer.bias_hh.chunk(3, 0)
    r, z = torch.sigmoid(x_r + F.linear(h, U_r, b_r)), torch.sigmoid(x_z + F.linear(h, U_z, b_z))
    if layer.kind == "gru_after":
        n = torch.tanh(x_n + r * F.linear(h, U_n, b_n))
    else:
        n = torch.tanh(x_n + F.linear(r * h, U_n, b_n))
    return (1 - z) * n + z * h, c
