"""All layers and directions of a drop-in, one kernel call for each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.kernels import ops
from unrolled.kernels.native_call import Layer
from unrolled.layers.fits import kernel_of, weights_of_layer
from unrolled.layers.packing import Packing


def walk(
    layers: nn.RNNBase,
    weights: list[Tensor],
    x: Tensor,
    hx: Any,
    lengths: Tensor | None = None,
    packing: Packing | None = None,
) -> tuple[Tensor, Any]:
    """The outputs and final states of a batch, as torch.nn returns them and as it lays them out: time-first.

    Args:
        layers, weights: a module and its weights, which `fits` has seen.
        x: [T, N, I]; [N, T, I] if `layers` is batch-first, unless x was packed.
        hx: the initial states, or None for zeros.
        lengths: [N], or None.
        packing: how x was packed.
    """
    if not layers.batch_first or packing is not None:
        return _walk(layers, weights, x, hx, lengths, packing)
    x = x.transpose(0, 1)
    if torch.is_grad_enabled():  # as torch.nn: the user may change x before backward
        x = x.contiguous()
    outputs, states = _walk(layers, weights, x, hx, lengths, None)
    return outputs.transpose_(0, 1), states  # in place: a view could not be detached in place


def _walk(
    layers: nn.RNNBase,
    weights: list[Tensor],
    x: Tensor,
    hx: Any,
    lengths: Tensor | None,
    packing: Packing | None,
) -> tuple[Tensor, Any]:
    directions = 2 if layers.bidirectional else 1
    h0, c0 = hx if isinstance(hx, tuple | list) else (hx, None)
    h_n, c_n = [], []
    for index in range(layers.num_layers):
        if index > 0 and layers.dropout and layers.training:
            x = _drop(x, layers.dropout, packing)
        parts = [
            _layer(layers, weights, index * directions + reverse, x, h0, c0, lengths, bool(reverse))
            for reverse in range(directions)
        ]
        walked = ops.unroll_both(*parts) if directions == 2 else [ops.unroll(*parts)]
        h_n.extend(one.h_n for one in walked)
        if layers.mode == "LSTM":
            c_n.extend(one.c_n for one in walked)
        x = walked[0].out if directions == 1 else torch.cat([one.out for one in walked], 2)
    h = torch.stack(h_n)
    return x, (h, torch.stack(c_n)) if layers.mode == "LSTM" else h


def _layer(
    layers: nn.RNNBase,
    weights: list[Tensor],
    index: int,
    x: Tensor,
    h0: Tensor | None,
    c0: Tensor | None,
    lengths: Tensor | None,
    reverse: bool,
) -> Layer:
    """One layer in one direction, the `index`-th of torch.nn's weights and states."""
    names = weights_of_layer(layers)
    own = dict(zip(names, weights[index * len(names) : (index + 1) * len(names)], strict=True))
    return Layer(
        kind=kernel_of(layers),
        x=x,
        weight_ih=own["weight_ih"],
        weight_hh=own["weight_hh"],
        bias_ih=own.get("bias_ih"),
        bias_hh=own.get("bias_hh"),
        weight_hr=own.get("weight_hr"),
        lengths=lengths,
        h0=None if h0 is None else h0[index],
        c0=None if c0 is None else c0[index],
        forget_bias=0.0,
        reverse=reverse,
        batch_first=False,
    )


def _drop(x: Tensor, p: float, packing: Packing | None) -> Tensor:
    """Dropout between layers, with the mask that torch.nn draws: over time-first, or packed, memory."""
    return F.dropout(x, p) if packing is None else packing.pad(F.dropout(packing.pack(x), p))
