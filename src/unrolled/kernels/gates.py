"""What the gates of every step were, for those who want to see them; without gradients."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from unrolled.kernels import isa
from unrolled.kernels.native_call import Layer


class LSTMGates(NamedTuple):
    """The gates of an LSTM at every step, each [N, T, H]: what is let in, kept, proposed and shown.

    g is the proposal before recurrent dropout.
    """

    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor


class GRUGates(NamedTuple):
    """The gates of a GRU at every step, each [N, T, H]: what n sees of the old h, what stays, and n."""

    r: Tensor
    z: Tensor
    n: Tensor


Gates: TypeAlias = "LSTMGates | GRUGates"

# Where forward keeps them: the places of the gates among the slots of a block of units.
_SLOTS = {"lstm": (0, 1, 2, 3), "lstm_options": (0, 1, 2, 3), "gru_after": (1, 2, 0), "gru_before": (1, 2, 0)}
_KEPT = {"lstm": (4, 1), "lstm_options": (4, 1), "gru_after": (4, 0), "gru_before": (3, 0)}  # slots, and c


def are_kept(kind: str) -> bool:
    """Whether forward keeps the gates of this kind of layer as they are."""
    return kind in _SLOTS


def of(layer: Layer, gates: list[Tensor]) -> Gates | None:
    """The gates under their names, from tensors in torch's order; None for a layer that has none."""
    if len(gates) < 3:
        return None
    return LSTMGates(*gates) if layer.has_c else GRUGates(*gates)


def of_saved(layer: Layer, saved: Tensor) -> Gates | None:
    """The gates that forward kept: [steps, blocks, sequences by falling length, slots, units] of each."""
    time, batch, _, hidden, _ = layer.sizes
    slots, kept_c = _KEPT[layer.kind]
    lanes = isa.lanes(layer.x.dtype)
    blocks = -(-hidden // lanes)
    kept = saved.detach().reshape(time, -1)[:, : blocks * batch * (slots + kept_c) * lanes]
    kept = kept.reshape(time, blocks, -1)[:, :, : batch * slots * lanes]
    steps = kept.reshape(time, blocks, batch, slots, lanes).permute(2, 0, 3, 1, 4).flatten(3)[..., :hidden]

    where = saved.device
    lengths = torch.full((batch,), time, device=where) if layer.lengths is None else layer.lengths
    place = torch.empty_like(lengths)
    place[torch.argsort(lengths, descending=True, stable=True)] = torch.arange(batch, device=where)
    t = torch.arange(time, device=where).expand(batch, time)
    step = (lengths[:, None] - 1 - t).clamp(min=0) if layer.reverse else t
    running = (t < lengths[:, None])[:, :, None, None]
    found = torch.where(running, steps[place[:, None], step], 0)
    if not layer.batch_first:
        found = found.transpose(0, 1)
    return of(layer, [found[:, :, slot].clone() for slot in _SLOTS[layer.kind]])
