"""cuDNN's recurrent networks: several layers, all their parameters in one vector.

The vector has, for every layer and in it for every direction, the weights of the input and then those of the
state, a matrix [H, I] or [H, H] for each gate; after all weights come the biases in the same order, two for
each gate. Gates are i, f, c, o of an LSTM and r, u, c of a GRU: PyTorch's order.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.registry import operator

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
OUTPUTS = ("output", "output_h", "output_c", "reserve_space", "host_reserved")


def gates_of(node: Node) -> int:
    mode = node.text("rnn_mode", "lstm")
    if mode not in GATES:
        raise UnrolledError(f"rnn_mode is {mode!r}, expected {', '.join(GATES)}")
    if node.text("input_mode", "linear_input") == "skip_input":
        raise UnrolledError("input_mode is 'skip_input', without weights of the input: it is not made here")
    if node.integer("num_proj"):
        raise UnrolledError("num_proj: how cuDNN orders a projection's weights is not known here")
    return GATES[mode]


def directions_of(node: Node) -> int:
    return 2 if node.text("direction", "unidirectional") == "bidirectional" else 1


def matrix_shapes(gates: int, directions: int, L: int, H: int, I: int) -> Iterator[tuple[int, int]]:
    """The shape of each matrix in the vector, in its order."""
    for layer in range(L):
        for _ in range(directions):
            yield from [(H, I if layer == 0 else directions * H)] * gates
            yield from [(H, H)] * gates


def take_apart(node: Node, params: Tensor, L: int, H: int, I: int) -> tuple[list[Tensor], list[Tensor]]:
    """The matrices and the biases of which a vector is made."""
    shapes = list(matrix_shapes(gates_of(node), directions_of(node), L, H, I))
    counts = [rows * columns for rows, columns in shapes]
    if params.ndim != 1 or len(params) != sum(counts) + H * len(shapes):
        raise UnrolledError(
            f"parameters of shape {list(params.shape)} come, expected [{sum(counts) + H * len(shapes)}] for "
            f"{L} layers of {H} with {I} in"
        )
    parts = params.split([*counts, *[H] * len(shapes)])
    matrices = [part.reshape(shape) for part, shape in zip(parts[: len(shapes)], shapes, strict=True)]
    return matrices, list(parts[len(shapes) :])


@operator("CudnnRNNParamsSize")
def params_size(node: Node, L: Tensor, H: Tensor, I: Tensor) -> Tensor:
    shapes = list(matrix_shapes(gates_of(node), directions_of(node), int(L), int(H), int(I)))
    size = sum(rows * columns for rows, columns in shapes) + int(H) * len(shapes)
    return torch.tensor([size], dtype=node.dtype("S", torch.int32))


@operator("CudnnRNNCanonicalToParams", "CudnnRNNCanonicalToParamsV2")
def to_params(node: Node, L: Tensor, H: Tensor, I: Tensor, *parts: Tensor) -> Tensor:
    return torch.cat([part.reshape(-1) for part in parts])


@operator("CudnnRNNParamsToCanonical", "CudnnRNNParamsToCanonicalV2")
def to_canonical(node: Node, L: Tensor, H: Tensor, I: Tensor, params: Tensor) -> tuple[Tensor, ...]:
    matrices, biases = take_apart(node, params, int(L), int(H), int(I))
    return (*matrices, *biases)


@operator("CudnnRNN", "CudnnRNNV2", "CudnnRNNV3", outputs=OUTPUTS)
def cudnn_rnn(
    node: Node, x: Tensor, h: Tensor, c: Tensor, params: Tensor, lengths: Tensor | None = None
) -> tuple[Tensor, ...]:
    """All layers over x [T, N, I], from states [layers · directions, N, H]."""
    if node.flag("is_training", True) and node.number("dropout"):
        raise UnrolledError("dropout between the layers in training: cuDNN's own numbers are not known here")
    if not node.flag("time_major", True):
        x, h, c = x.transpose(0, 1), h.transpose(0, 1), c.transpose(0, 1)
    gates, directions = gates_of(node), directions_of(node)
    L, H = h.shape[0] // directions, h.shape[-1]
    matrices, biases = take_apart(node, params, L, H, x.shape[-1])
    weights = []
    for start in range(0, len(matrices), 2 * gates):
        middle, end = start + gates, start + 2 * gates
        weights += [torch.cat(matrices[start:middle]), torch.cat(matrices[middle:end])]
        weights += [torch.cat(biases[start:middle]), torch.cat(biases[middle:end])]
    unroll = getattr(torch, node.text("rnn_mode", "lstm"))
    state = (h, c) if gates == 4 else h
    rest = (True, L, 0.0, False, directions == 2)
    if lengths is None or bool((lengths == x.shape[0]).all()):
        output, *last = unroll(x, state, weights, *rest, False)
    else:
        packed = pack_padded_sequence(x, lengths.long(), enforce_sorted=False)
        order = packed.sorted_indices
        state = (h[:, order], c[:, order]) if gates == 4 else h[:, order]
        data, *last = unroll(packed.data, packed.batch_sizes, state, weights, *rest)
        output, _ = pad_packed_sequence(packed._replace(data=data), total_length=x.shape[0])
        last = [each[:, packed.unsorted_indices] for each in last]
    last = last if gates == 4 else [*last, torch.zeros(0, dtype=x.dtype)]
    if not node.flag("time_major", True):
        output = output.transpose(0, 1)
        last = [each.transpose(0, 1) if each.ndim == 3 else each for each in last]
    spare = torch.zeros(0, dtype=x.dtype)
    return output, *last, spare, spare.to(torch.int8)
