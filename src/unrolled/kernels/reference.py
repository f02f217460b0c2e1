"""The layers in plain PyTorch, differentiable any number of times: judge, and way to second derivatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.kernels.native_call import Layer, Results
from unrolled.kernels.parts import product

EPSILON = {"lstm_norm_gates": 1e-12, "lstm_norm_projections": 1e-5}


def unroll(layer: Layer) -> Results:
    """What the operator `unrolled::unroll` computes, step by step; `saved` stays empty.

    States are carried through the padding; out and c are zero there.
    """
    return unroll_with_gates(layer)[0]


def unroll_with_gates(layer: Layer) -> tuple[Results, list[Tensor]]:
    """The same, and each gate of every step [N, T, H] in torch's order: none for an RNN."""
    if layer.batch_first:
        results, every_gate = unroll_with_gates(_time_first(layer))
        out, c = (part.transpose(0, 1) if part.dim() == 3 else part for part in (results.out, results.c))
        return results._replace(out=out, c=c), [gate.transpose(0, 1) for gate in every_gate]
    x = layer.x
    time, batch, _, hidden, output = layer.sizes
    h = x.new_zeros(batch, output) if layer.h0 is None else layer.h0
    c = x.new_zeros(batch, hidden) if layer.c0 is None else layer.c0
    lengths = x.new_full((batch,), time, dtype=torch.int64) if layer.lengths is None else layer.lengths

    outs, cs = list(x.new_zeros(time, batch, output)), list(x.new_zeros(time, batch, hidden))
    gates: list[tuple[Tensor, ...]] = [()] * time
    for t in reversed(range(time)) if layer.reverse else range(time):
        running = (t < lengths).unsqueeze(1)
        h_next, c_next, gates_t = step(layer, t, torch.where(running, x[t], 0), *_before(layer, t, h, c))
        gates[t] = tuple(torch.where(running, gate, 0) for gate in gates_t)
        outs[t], cs[t] = torch.where(running, h_next, 0), torch.where(running, c_next, 0)
        h, c = torch.where(running, h_next, h), torch.where(running, c_next, c)

    none = x.new_empty(0)
    out = torch.stack(outs) if time else layer.steps_like(output)
    every_gate = [torch.stack(steps) for steps in zip(*gates, strict=True)]
    if not layer.has_c:
        return Results(out, h, none, none, none), every_gate
    every_c = torch.stack(cs) if time else layer.steps_like(hidden)
    return Results(out, h, c, every_c, none), every_gate


def _before(layer: Layer, t: int, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The state before step t, of the one that the step read before has left."""
    if layer.resets is None:
        return h, c
    reset = layer.resets[:, t].unsqueeze(1)
    h = torch.where(reset, 0 if layer.reset_h is None else layer.reset_h, h)
    return h, torch.where(reset, 0 if layer.reset_c is None else layer.reset_c, c)


def step(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Step t: the next h and c, of a layer without c the c that came, and the gates."""
    if layer.has_c:
        return _lstm(layer, t, x, h, c)
    from_x = _linear(layer, x, layer.weight_ih, layer.bias_ih)
    if layer.kind.startswith("rnn"):
        pre = from_x + _linear(layer, h, layer.weight_hh, layer.bias_hh)
        return (torch.tanh(pre) if layer.kind == "rnn_tanh" else torch.relu(pre)), c, ()

    x_r, x_z, x_n = from_x.chunk(3, 1)
    U_r, U_z, U_n = layer.weight_hh.chunk(3, 0)
    b_r, b_z, b_n = (None, None, None) if layer.bias_hh is None else layer.bias_hh.chunk(3, 0)
    r = torch.sigmoid(x_r + _linear(layer, h, U_r, b_r))
    z = torch.sigmoid(x_z + _linear(layer, h, U_z, b_z))
    if layer.kind == "gru_after":
        n = torch.tanh(x_n + r * _linear(layer, h, U_n, b_n))
    else:
        n = torch.tanh(x_n + _linear(layer, r * h, U_n, b_n))
    return (1 - z) * n + z * h, c, (r, z, n)


def _lstm(layer: Layer, t: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    from_x = _linear(layer, x, layer.weight_ih, layer.bias_ih)
    from_h = _linear(layer, h, layer.weight_hh, layer.bias_hh)
    if layer.kind == "lstm_norm_projections":
        from_x, from_h = _norm(layer, from_x, 0, 4), _norm(layer, from_h, 4, 8)
    i, f, g, o = (from_x + from_h).chunk(4, 1)
    if layer.kind == "lstm_norm_gates":
        i, f, g, o = (_norm(layer, gate, k, k + 1) for k, gate in enumerate((i, f, g, o)))
    if layer.peephole is not None:
        i, f = i + layer.peephole[0] * c, f + layer.peephole[1] * c
    i, f = torch.sigmoid(i), torch.sigmoid(f + layer.forget_bias)
    g = let_in = torch.tanh(g)
    if layer.g_noise is not None:
        dropped = layer.g_noise[t] < layer.recurrent_dropout
        let_in = torch.where(dropped, 0, g / (1 - layer.recurrent_dropout))

    c_next = f * c + i * let_in
    if layer.kind == "lstm_norm_gates":
        c_next = _norm(layer, c_next, 4, 5)
    if layer.cell_clip:
        c_next = c_next.clamp(-layer.cell_clip, layer.cell_clip)
    shown = _norm(layer, c_next, 8, 9) if layer.kind == "lstm_norm_projections" else c_next
    o = torch.sigmoid(o if layer.peephole is None else o + layer.peephole[2] * c_next)
    h_next = o * torch.tanh(shown)
    if layer.weight_hr is not None:
        h_next = _linear(layer, h_next, layer.weight_hr)
        if layer.proj_clip:
            h_next = h_next.clamp(-layer.proj_clip, layer.proj_clip)
    h_next = _zone_out(layer, h, h_next, layer.h_noise, t)
    return h_next, _zone_out(layer, c, c_next, layer.c_noise, t), (i, f, g, o)


def _linear(layer: Layer, x: Tensor, W: Tensor, b: Tensor | None = None) -> Tensor:
    """x Wᵀ + b, multiplied as the layer says."""
    if not layer.parts:
        return F.linear(x, W, b)
    return product(x, W, layer.parts) if b is None else product(x, W, layer.parts) + b


def _norm(layer: Layer, x: Tensor, begin: int, end: int) -> Tensor:
    """Layer normalisation with the parameters of gates begin ... end - 1."""
    assert layer.norm_weight is not None
    hidden = layer.sizes[3]
    here = slice(begin * hidden, end * hidden)
    bias = None if layer.norm_bias is None else layer.norm_bias[here]
    return F.layer_norm(x, x.shape[1:], layer.norm_weight[here], bias, EPSILON[layer.kind])


def _zone_out(layer: Layer, old: Tensor, new: Tensor, noise: Tensor | None, t: int) -> Tensor:
    if noise is None:
        return layer.zoneout * old + (1 - layer.zoneout) * new if layer.zoneout else new
    return torch.where(noise[t] < layer.zoneout, old, new)


def _time_first(layer: Layer) -> Layer:
    def turned(steps: Tensor | None) -> Tensor | None:
        return None if steps is None else steps.transpose(0, 1)

    return layer._replace(
        batch_first=False,
        x=layer.x.transpose(0, 1),
        g_noise=turned(layer.g_noise),
        h_noise=turned(layer.h_noise),
        c_noise=turned(layer.c_noise),
    )
