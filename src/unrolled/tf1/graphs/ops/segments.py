"""Sums over rows of the same number, as sparse embeddings need them; and sparse tensors as dense ones."""

from __future__ import annotations

import torch
from torch import Tensor

from unrolled.errors import UnrolledError
from unrolled.tf1.graphs.node import Node
from unrolled.tf1.graphs.ops.arrays import check_memory
from unrolled.tf1.graphs.ops.indexing import checked, split_indices
from unrolled.tf1.graphs.ops.shapes import sizes
from unrolled.tf1.graphs.registry import operator


def segment_sum(x: Tensor, numbers: Tensor, count: int) -> Tensor:
    """For each number the sum of its rows; rows whose number is negative are left out."""
    rows = x.reshape([numbers.numel(), *x.shape[numbers.ndim :]])
    flat = numbers.reshape(-1)
    rows, flat = rows[flat >= 0], flat[flat >= 0]
    zeros = torch.zeros([count, *rows.shape[1:]], dtype=x.dtype)
    return zeros.index_add(0, checked(flat, count), rows)


def averaged(kind: str, total: Tensor, numbers: Tensor, count: int) -> Tensor:
    """Sums as they are ("Sum"), divided by how many rows there were ("Mean"), or by its root ("SqrtN")."""
    if kind == "Sum":
        return total
    rows = torch.zeros(count, dtype=total.dtype)
    rows = rows.index_add(0, numbers.long(), torch.ones(len(numbers), dtype=total.dtype)).clamp(min=1)
    return total / (rows if kind == "Mean" else rows.sqrt()).reshape([-1] + [1] * (total.ndim - 1))


@operator("UnsortedSegmentSum")
def unsorted_segment_sum(node: Node, x: Tensor, numbers: Tensor, count: Tensor) -> Tensor:
    check_memory(int(count), x.dtype)
    return segment_sum(x, numbers, int(count))


@operator("SegmentSum", "SegmentMean")
def sorted_segments(node: Node, x: Tensor, numbers: Tensor) -> Tensor:
    count = int(numbers[-1]) + 1 if len(numbers) else 0
    check_memory(count, x.dtype)
    kind = node.op.removeprefix("Segment")
    return averaged(kind, segment_sum(x, numbers, count), numbers, count)


@operator("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")
def sparse_segments(node: Node, x: Tensor, indices: Tensor, numbers: Tensor) -> Tensor:
    count = int(numbers[-1]) + 1 if len(numbers) else 0
    check_memory(count, x.dtype)
    total = segment_sum(x[checked(indices, x.shape[0])], numbers, count)
    return averaged(node.op.removeprefix("SparseSegment"), total, numbers, count)


@operator("SparseToDense")
def sparse_to_dense(node: Node, indices: Tensor, shape: Tensor, values: Tensor, default: Tensor) -> Tensor:
    count = 1
    for size in sizes(shape):
        count *= size
    check_memory(count, values.dtype)
    rank = len(sizes(shape))
    indices = indices.reshape(-1, rank) if rank != 1 or indices.ndim < 2 else indices
    if indices.shape[-1] != rank:
        raise UnrolledError(f"indices of {indices.shape[-1]} axes for a tensor that has {rank}")
    dense = default.expand(sizes(shape)).contiguous()
    return dense.index_put(split_indices(indices, dense.shape), values.expand(indices.shape[0]))
