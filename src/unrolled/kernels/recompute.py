"""Backward from h and c of every step alone: a piece of time after another runs forward again.

Forward from a kept state gives the bits that it gave first. So the gradients are those of kept gates, but for
the order in which the sums of the weights' gradients are formed.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels import native_call
from unrolled.kernels.native_call import Gradients, Incoming, Layer

_SUMMED = (
    "weight_ih",
    "weight_hh",
    "bias_ih",
    "bias_hh",
    "peephole",
    "weight_hr",
    "norm_weight",
    "norm_bias",
    "reset_h",
    "reset_c",
)


def backward(
    layer: Layer, out: Tensor, c: Tensor | None, saved: Tensor, incoming: Incoming, wants_x: bool
) -> Gradients:
    """The gradients of a layer's inputs from its outputs, at least one, and for an LSTM c of every step.

    `saved` tells which kernels ran forward.

    The time is cut into about √T pieces, and one piece's gates are in memory at a time.
    """
    time, batch, _, hidden, output = layer.sizes
    chosen = native_call.isa_of(saved)
    steps = (batch, time) if layer.batch_first else (time, batch)
    _check("out", out, (*steps, output))
    if layer.has_c:
        _check("c", c, (*steps, hidden))
    length = max(1, math.isqrt(time))
    pieces = [(begin, min(begin + length, time)) for begin in range(0, time, length)]
    total: dict[str, Tensor] = {}
    d_x = torch.empty_like(layer.x, memory_format=torch.contiguous_format) if wants_x else None
    d_h, d_c = incoming.h_n, incoming.c_n
    for begin, end in pieces if layer.reverse else reversed(pieces):
        piece = _piece(layer, out, c, begin, end)
        saved = native_call.forward(piece, native_call.EVERYTHING, chosen=chosen).saved
        arrived = Incoming(
            _cut(layer, incoming.out, begin, end), d_h, d_c, _cut(layer, incoming.c, begin, end)
        )
        gradients = native_call.backward(piece, saved, arrived, wants_x)
        d_h, d_c = gradients.h0, gradients.c0
        if wants_x:
            _cut(layer, d_x, begin, end).copy_(gradients.x)
        for name in _SUMMED:
            gradient = getattr(gradients, name)
            if gradient is not None:
                total[name] = total[name].add_(gradient) if name in total else gradient
    return gradients._replace(x=d_x, **total)


def _check(name: str, steps: Tensor | None, shape: tuple[int, ...]) -> None:
    if steps is None or steps.shape != shape:
        came = None if steps is None else list(steps.shape)
        raise ValueError(f"{name} has shape {came}, expected {list(shape)}: what forward gave for this layer")


def _piece(layer: Layer, out: Tensor, c: Tensor | None, begin: int, end: int) -> Layer:
    """The layer on the steps from `begin` to `end`, from the state that it had there."""
    lengths = None if layer.lengths is None else (layer.lengths - begin).clamp(0, end - begin)
    names = ("x", "g_noise", "h_noise", "c_noise")
    changed: dict[str, Any] = {name: _cut(layer, getattr(layer, name), begin, end) for name in names}
    changed["h0"] = _state(layer, layer.h0, out, begin, end)
    if layer.has_c:
        assert c is not None
        changed["c0"] = _state(layer, layer.c0, c, begin, end)
    if layer.resets is not None:
        changed["resets"] = layer.resets[:, begin:end]
    return layer._replace(lengths=lengths, **changed)


def _state(layer: Layer, initial: Tensor | None, steps: Tensor, begin: int, end: int) -> Tensor | None:
    """The state with which a piece starts, out of the state after every step."""
    time_axis = 1 if layer.batch_first else 0
    if (end == layer.sizes[0]) if layer.reverse else (begin == 0):
        return initial
    if not layer.reverse:
        return steps.select(time_axis, begin - 1)
    state = steps.select(time_axis, end)
    if layer.lengths is None:
        return state
    started = (layer.lengths > end).unsqueeze(1)
    return torch.where(started, state, 0 if initial is None else initial)


def _cut(layer: Layer, steps: Any, begin: int, end: int) -> Any:
    return None if steps is None else steps.narrow(1 if layer.batch_first else 0, begin, end - begin)
