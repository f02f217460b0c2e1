"""The layers that torch has fused operators for, on any device: the way on CUDA and MPS."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unrolled.kernels.native_call import Layer, Results
from unrolled.kernels.reverse import reverse_steps

KINDS: dict[str, Any] = {
    "lstm": torch._VF.lstm,
    "gru_after": torch._VF.gru,
    "rnn_tanh": torch._VF.rnn_tanh,
    "rnn_relu": torch._VF.rnn_relu,
}


def unroll(layer: Layer) -> Results:
    """What the operator `unrolled::unroll` computes, but for c of every step, which torch does not give."""
    x = _reversed(layer, layer.x)
    h, c = _initial(layer)
    if layer.lengths is None:
        out, h_n, c_n = _call(layer, x, None, h, c)
    else:
        # torch packs no sequence without steps: such a one takes one here, and its results are replaced.
        shown = layer.lengths.clamp(min=1).cpu()
        packed = pack_padded_sequence(x, shown, batch_first=layer.batch_first, enforce_sorted=False)
        rows = packed.sorted_indices
        data, h_n, c_n = _call(layer, packed.data, packed.batch_sizes, h[rows], c[rows])
        time_axis = 1 if layer.batch_first else 0
        out, _ = pad_packed_sequence(
            PackedSequence(data, packed.batch_sizes, rows, packed.unsorted_indices),
            batch_first=layer.batch_first,
            total_length=x.shape[time_axis],
        )
        none = (layer.lengths == 0).unsqueeze(1)
        h_n = torch.where(none, h, h_n[packed.unsorted_indices])
        c_n = torch.where(none, c, c_n[packed.unsorted_indices]) if layer.has_c else c_n
        out = torch.where(none.unsqueeze(1 if layer.batch_first else 0), 0, out)
    none_kept = layer.x.new_empty(0)
    return Results(_reversed(layer, out), h_n, c_n if layer.has_c else none_kept, none_kept, none_kept)


def _call(
    layer: Layer, x: Tensor, batch_sizes: Tensor | None, h: Tensor, c: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """torch's operator on a dense x, or on packed steps: outputs, h_n, c_n."""
    biases = _biases(layer)
    weights = [layer.weight_ih, layer.weight_hh, *biases]
    h, c = h.unsqueeze(0).contiguous(), c.unsqueeze(0).contiguous()  # cuDNN takes nothing else
    states = (h, c) if layer.has_c else h
    training = torch.is_grad_enabled()  # cuDNN keeps nothing for backward without
    shape = (bool(biases), 1, 0.0, training, False)  # layers, dropout, training, bidirectional
    operator = KINDS[layer.kind]
    if batch_sizes is None:
        out, *final = operator(x, states, weights, *shape, layer.batch_first)
    else:
        out, *final = operator(x, batch_sizes, states, weights, *shape)
    return out, final[0][0], final[1][0] if layer.has_c else c[0]


def _biases(layer: Layer) -> list[Tensor]:
    """The biases, with the forget bias inside."""
    if not layer.forget_bias:
        return [] if layer.bias_ih is None or layer.bias_hh is None else [layer.bias_ih, layer.bias_hh]
    hidden = layer.sizes[3]
    shift = layer.x.new_zeros(4, hidden)
    shift[1] = layer.forget_bias
    shift = shift.flatten()
    if layer.bias_ih is None or layer.bias_hh is None:
        return [shift, torch.zeros_like(shift)]
    return [layer.bias_ih + shift, layer.bias_hh]


def _initial(layer: Layer) -> tuple[Tensor, Tensor]:
    _, batch, _, hidden, _ = layer.sizes
    zeros = layer.x.new_zeros(batch, hidden)
    return zeros if layer.h0 is None else layer.h0, zeros if layer.c0 is None else layer.c0


def _reversed(layer: Layer, steps: Tensor) -> Tensor:
    """The steps in the order in which the layer reads them, and back."""
    return reverse_steps(steps, layer.lengths, batch_first=layer.batch_first) if layer.reverse else steps
