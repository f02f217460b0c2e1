"""All layers and directions of a drop-in, one kernel call for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unrolled.kernels import ops, precision, reference
from unrolled.kernels.native_call import Layer, Results
from unrolled.kernels.precision import Types
from unrolled.layers.fits import kernel_of, layer_of, weights_of_layer
from unrolled.layers.packing import Packing
from unrolled.unroll.resets import read_backward


def walk(
    layers: nn.RNNBase,
    weights: list[Tensor],
    x: Tensor,
    hx: Any,
    lengths: Tensor | None = None,
    packing: Packing | None = None,
    resets: Tensor | None = None,
    reset_hx: Any = None,
    *,
    watched: bool = False,
) -> tuple[Tensor, Any]:
    """The outputs and final states of a batch, as torch.nn returns them and as it lays them out: time-first.

    Args:
        layers, weights: a module and its weights, which `fits` has seen.
        x: [T, N, I]; [N, T, I] if `layers` is batch-first, unless x was packed.
        hx: the initial states, or None for zeros.
        lengths: [N], or None.
        packing: how x was packed.
        resets: [N, T], true where an episode begins, or None.
        reset_hx: the states that resets go back to, or None for zeros.
        watched: whether someone wants torch's own operators, in place of the kernels.
    """
    run, types, parts = _in_reference, None, 0
    if not watched:
        run, types, parts = _in_kernels, _types(layers, x, hx, packing), precision.parts_for(x.dtype)
    if types is not None:
        x, weights = precision.in_float32(x), [precision.in_float32(weight) for weight in weights]
        hx, reset_hx = _in_float32(hx), _in_float32(reset_hx)
    anew = (resets, None if resets is None else read_backward(resets, lengths))
    states: dict[str, Tensor] = {}
    for names, given in ((("h0", "c0"), hx), (("reset_h", "reset_c"), reset_hx)):
        if given is not None:
            pairs = zip(names, parts_of(given), strict=True)
            states |= {name: part for name, part in pairs if part is not None}
    if not layers.batch_first or packing is not None:
        return _given(*_walk(layers, weights, x, states, lengths, packing, anew, run, parts), types)
    x = x.transpose(0, 1)
    if torch.is_grad_enabled():  # as torch.nn: the user may change x before backward
        x = x.contiguous()
    walked = _walk(layers, weights, x, states, lengths, None, anew, run, parts)
    outputs, final = _given(*walked, types)
    return outputs.transpose_(0, 1), final  # in place: a view could not be detached in place


def _in_kernels(parts: list[Layer]) -> Sequence[Results]:
    return [ops.unroll(parts[0])] if len(parts) == 1 else ops.unroll_both(*parts)


def _in_reference(parts: list[Layer]) -> Sequence[Results]:
    return [reference.unroll(part) for part in parts]


def parts_of(hx: Any) -> tuple[Tensor | None, Tensor | None]:
    """H and c of a state as torch.nn has it, None where there is none."""
    return tuple(hx) if isinstance(hx, tuple | list) else (hx, None)


def _types(layers: nn.RNNBase, x: Tensor, hx: Any, packing: Packing | None) -> Types | None:
    """In which types torch.nn gives its results; None: in that of x, which kernels compute in."""
    cast = precision.autocast_type()
    if x.dtype == torch.float64 or (cast is None and x.dtype == torch.float32):
        return None
    if cast is None:
        return Types(x.dtype, x.dtype)
    if layers.mode == "LSTM" and packing is None and not layers.proj_size and _is_onednns(x):
        return Types(cast, cast)  # one operator, which autocast gives all that goes in
    h, c = (x.dtype if part is None else part.dtype for part in parts_of(hx))
    return precision.types_of_cell(kernel_of(layers), h, c, projects=bool(layers.proj_size))


def _is_onednns(x: Tensor) -> bool:
    """Whether torch.nn's LSTM would be oneDNN's operator on this x, and not products and sums."""
    return x.dtype != torch.float16 and (torch.compiler.is_compiling() or torch._C._get_mkldnn_enabled())


def _in_float32(hx: Any) -> Any:
    return tuple(map(precision.in_float32, hx)) if isinstance(hx, tuple | list) else precision.in_float32(hx)


def _given(outputs: Tensor, final: Any, types: Types | None) -> tuple[Tensor, Any]:
    """What was found, in these types."""
    if types is None:
        return outputs, final
    if isinstance(final, Tensor):
        return outputs.to(types.h), final.to(types.h)
    return outputs.to(types.h), (final[0].to(types.h), final[1].to(types.c))


def _walk(
    layers: nn.RNNBase,
    weights: list[Tensor],
    x: Tensor,
    states: dict[str, Tensor],
    lengths: Tensor | None,
    packing: Packing | None,
    resets: tuple[Tensor | None, ...],
    run: Callable[[list[Layer]], Sequence[Results]],
    parts: int,
) -> tuple[Tensor, Any]:
    directions = 2 if layers.bidirectional else 1
    kind, names = kernel_of(layers), weights_of_layer(layers)
    h_n: list[Tensor] = []
    c_n: list[Tensor] = []
    for index in range(layers.num_layers):
        if index > 0 and layers.dropout and layers.training:
            x = _drop(x, layers.dropout, packing)
        both = []
        for reverse in range(directions):
            place = index * directions + reverse
            own: dict[str, Any] = {name: state[place] for name, state in states.items()}
            own |= {"lengths": lengths, "resets": resets[reverse], "reverse": bool(reverse), "parts": parts}
            both.append(layer_of(kind, names, weights, place, x, **own))
        walked = run(both)
        h_n.extend(one.h_n for one in walked)
        if layers.mode == "LSTM":
            c_n.extend(one.c_n for one in walked)
        x = walked[0].out if directions == 1 else torch.cat([one.out for one in walked], 2)
    h = torch.stack(h_n)
    return x, (h, torch.stack(c_n)) if layers.mode == "LSTM" else h


def _drop(x: Tensor, p: float, packing: Packing | None) -> Tensor:
    """Dropout between layers, with the mask that torch.nn draws: over time-first, or packed, memory."""
    return F.dropout(x, p) if packing is None else packing.pad(F.dropout(packing.pack(x), p))
