"""A layer over its sequences, on whatever runs it best here."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.kernels import gates as gates_of
from unrolled.kernels import isa, ops, reference, torch_ops
from unrolled.kernels.gates import Gates
from unrolled.kernels.native_call import Layer, Results


def unroll(
    layer: Layer,
    *,
    keep_c: bool = False,
    return_gates: bool = False,
    recompute_gates: bool = False,
    packed: Tensor | None = None,
) -> tuple[Results, Gates | None]:
    """Run a layer: on the CPU through the kernels, elsewhere through torch's own operators.

    Args:
        layer: the layer and its inputs, of a kind that runs where x is.
        keep_c: whether c of every step is wanted, for an LSTM.
        return_gates: whether the gates of every step are.
        recompute_gates: whether backward computes the gates again rather than keep them.
        packed: the weights as `native_call.pack` made them for the active kernels, if someone keeps them.
    """
    if return_gates and not (_runs_native(layer) and gates_of.are_kept(layer.kind)):
        with torch.autocast(layer.x.device.type, enabled=False):  # the layer says what is multiplied
            results, gates = reference.unroll_with_gates(layer)
        return results, gates_of.of(layer, [gate.detach() for gate in gates])
    if not _runs_native(layer):
        return torch_ops.unroll(layer), None
    results = ops.unroll(
        layer, keep_c=keep_c, keep_gates=return_gates, recompute_gates=recompute_gates, packed=packed
    )
    return results, gates_of.of_saved(layer, results.saved) if return_gates else None


def _runs_native(layer: Layer) -> bool:
    return layer.x.device.type == "cpu" and isa.active() != isa.REFERENCE
